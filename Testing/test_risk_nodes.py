"""Tables, charts and sequences of RiskPrediction: what they hold against the numbers that they show."""

import csv

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.sequences import sequences_of
from DeformationSceneLib.volumes import image_from_volume
from RiskPredictionSceneLib import cohort_evaluation, patient_prediction, risk_motion_nodes
from RiskPredictionSceneLib.cohort_evaluation import CohortEvaluation
from RiskPredictionSceneLib.evaluation_charts import whisker_points
from RiskPredictionSceneLib.logic import RiskPredictionLogic
from RiskPredictionSceneLib.risk_training import RiskTraining
from RiskPredictionSceneLib.survival_charts import StepCurve, risk_times, step_points, survival_columns
from Testing.motion_fixtures import HEART, add_cine
from Testing.panel_steps import scene_ids
from Testing.risk_scene_fixtures import QUICK, RISK, cohort_columns, install_models, write_fingerprints


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A cohort and its fingerprints as files, and models."""
    folder = tmp_path_factory.mktemp("risk")
    columns, fingerprints = cohort_columns()
    del columns["pressure"]
    with open(folder / "cohort.csv", "w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    write_fingerprints(folder / "fingerprints.npz", fingerprints)
    install_models(folder / "models")
    return folder


@pytest.fixture(scope="module")
def evaluation(application, files):
    """A cross-validation that was computed, still without nodes."""
    work = CohortEvaluation(files / "cohort.csv", files / "fingerprints.npz", folds=2, resamplings=20, settings=QUICK)
    work.compute(Progress())
    return work


@pytest.fixture
def evaluated(scene, evaluation):
    """The nodes of the evaluation."""
    return evaluation.addToScene()


@pytest.fixture(scope="module")
def models(application, files):
    """A logic that knows the phantoms' models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTMOTION_MODELS", str(files / "models"))
        yield RiskPredictionLogic()


@pytest.fixture
def patient(scene, models):
    """The prediction of a phantom's series."""
    return models.predictPatient(add_cine(scene, HEART.frames, "Ann")[1], RISK, device="cpu")


def values(table, name):
    """The numbers of a column."""
    return vtk_to_numpy(table.GetTable().GetColumnByName(name))


def series_of(chart):
    """The series of a chart by name, in its order."""
    return {
        chart.GetNthPlotSeriesNode(index).GetName(): chart.GetNthPlotSeriesNode(index)
        for index in range(chart.GetNumberOfPlotSeriesNodes())
    }


def drawn(series):
    """x and y of a series."""
    table = series.GetTableNode()
    return values(table, series.GetXColumnName()), values(table, series.GetYColumnName())


# Steps


def test_steps_have_corners_at_the_times_and_go_on_to_the_end():
    x, y = step_points(np.array([0.0, 2.0, 5.0]), np.array([1.0, 0.8, 0.5]), 9.0)
    np.testing.assert_array_equal(x, [0, 2, 2, 5, 5, 9])
    np.testing.assert_array_equal(y, [1, 1, 0.8, 0.8, 0.5, 0.5])


def test_a_step_at_the_very_end_is_there():
    x, y = step_points(np.array([0.0, 9.0]), np.array([1.0, 0.0]), 9.0)
    np.testing.assert_array_equal(x, [0, 9, 9, 9])
    np.testing.assert_array_equal(y, [1, 1, 0, 0])


def test_censored_cases_lie_on_their_curve():
    curve = StepCurve("Group", np.array([0.0, 2.0, 5.0]), np.array([1.0, 0.8, 0.5]), censored=[1.0, 2.0, 7.0])
    tables, series = survival_columns([curve], 9.0)
    np.testing.assert_array_equal(tables["Group, censored"]["Group, censored"], [1.0, 0.8, 0.5])
    assert [one.kind for one in series] == ["line", "points"]


@pytest.mark.parametrize("last", [0.7, 9.0, 30.0, 365.0, 1500.0, 1999.0])
def test_times_of_the_numbers_at_risk_are_few_and_round(last):
    times = risk_times(last)
    assert times[0] == 0
    assert 3 <= len(times) <= 6
    assert last - (times[1] - times[0]) < times[-1] <= last
    step = times[1] / 10.0 ** np.floor(np.log10(times[1]) + 1e-9)
    assert min(abs(step - round_step) for round_step in (1, 2, 5)) < 1e-6


# Evaluation


def test_kaplan_meier_curves_are_drawn_as_steps(evaluated):
    row = evaluated.evaluation.row("Fingerprint")
    assert evaluated.predictor == "Fingerprint"
    series = series_of(evaluated.survival)
    assert list(series)[:4] == ["Low risk", "Low risk, 95 %", "High risk", "High risk, 95 %"]
    for name, curve in (("Low risk", row.low), ("High risk", row.high)):
        x, y = drawn(series[name])
        assert series[name].GetPlotType() == slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter
        np.testing.assert_allclose(y[0::2], curve.at(x[0::2]))
        np.testing.assert_allclose(y[1::2], curve.at(x[0::2]))
        assert x[-1] == evaluated.evaluation.cohort.time.max()
        band_x, band_y = drawn(series[f"{name}, 95 %"])
        assert len(band_x) == 2 * len(x)
        np.testing.assert_allclose(band_y[: len(x)], np.repeat(curve.lower, 2))
        np.testing.assert_allclose(band_y[len(x) :], np.repeat(curve.upper, 2)[::-1])
        x, y = drawn(series[f"{name}, censored"])
        np.testing.assert_allclose(y, curve.at(curve.censored))


def test_the_numbers_at_risk_are_counted(evaluated):
    row, table = evaluated.evaluation.row("Fingerprint"), evaluated.at_risk
    times = values(table, "Time")
    np.testing.assert_array_equal(values(table, "Low risk"), row.low.number_at_risk(times))
    np.testing.assert_array_equal(values(table, "High risk"), row.high.number_at_risk(times))
    assert values(table, "Low risk")[0] + values(table, "High risk")[0] == 40
    low, high = values(table, "Low risk")[1], values(table, "High risk")[1]
    assert f"{times[1]:g}: {low}, {high}" in evaluated.survival.GetXAxisTitle()


def test_calibration_has_groups_with_intervals_and_the_diagonal(evaluated):
    curve = evaluated.evaluation.row("Fingerprint").calibration
    series = series_of(evaluated.calibration)
    x, y = drawn(series["Observed"])
    np.testing.assert_allclose(x, curve.predicted)
    np.testing.assert_allclose(y, curve.observed)
    x, y = whisker_points(curve)
    np.testing.assert_allclose(y.reshape(-1, 4)[:, 1:3], np.column_stack([curve.lower, curve.upper]))
    np.testing.assert_allclose(drawn(series["95 % interval"])[1], y)
    assert f"{evaluated.evaluation.horizon:.4g}" in evaluated.calibration.GetXAxisTitle()


def test_scores_over_time_are_those_of_all_predictors(evaluated):
    for chart, score in ((evaluated.auc, "auc"), (evaluated.brier, "brier")):
        series = series_of(chart)
        assert list(series) == [*evaluated.predictors, "No predictor"]
        for row in evaluated.evaluation.rows:
            x, y = drawn(series[row.name])
            np.testing.assert_allclose(x, evaluated.evaluation.times)
            np.testing.assert_allclose(y, getattr(row, score))


def test_simulated_outcomes_are_called_simulated_everywhere(evaluated):
    for node in (evaluated.survival, evaluated.calibration, evaluated.auc, evaluated.brier):
        assert "simulated outcomes" in node.GetTitle()
    assert "simulated outcomes" in evaluated.table.GetName()


def test_another_predictor_is_shown_in_the_same_charts(scene, models, evaluated):
    charts = evaluated.survival, evaluated.calibration, evaluated.at_risk
    models.showPredictor(evaluated, "age")
    before = scene_ids(scene)
    assert (evaluated.survival, evaluated.calibration, evaluated.at_risk) == charts
    assert evaluated.predictor == "age"
    assert evaluated.survival.GetTitle().startswith("age:")
    x, y = drawn(series_of(evaluated.survival)["High risk"])
    np.testing.assert_allclose(y[0::2], evaluated.evaluation.row("age").high.at(x[0::2]))
    for name in evaluated.predictors:
        models.showPredictor(evaluated, name)
    assert {"vtkMRMLPlotChartNode1", "vtkMRMLPlotChartNode2"} <= scene_ids(scene) & before
    with pytest.raises(InputError, match="'colour' was not evaluated"):
        models.showPredictor(evaluated, "colour")
    scene.RemoveNode(evaluated.table)
    with pytest.raises(InputError, match="were deleted"):
        models.showPredictor(evaluated, "age")


def test_a_second_evaluation_brings_the_nodes_up_to_date(scene, evaluation, evaluated):
    before = scene_ids(scene)
    evaluation.addToScene()
    assert scene_ids(scene) == before


def test_failure_leaves_the_scene_as_it_was(scene, evaluation, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("no chart")

    monkeypatch.setattr(cohort_evaluation, "add_calibration_chart", fail)
    before = scene_ids(scene)
    with pytest.raises(RuntimeError):
        evaluation.addToScene()
    assert scene_ids(scene) - before <= {"vtkMRMLSubjectHierarchyNode1"}


def test_training_shows_its_losses(scene, files, tmp_path):
    work = RiskTraining(
        files / "cohort.csv", "curves", files / "fingerprints.npz", settings=QUICK, output=tmp_path / "m", install=False
    )
    work.compute(Progress())
    nodes = work.addToScene()
    history, series = nodes.trained.model.history_, series_of(nodes.curves)
    np.testing.assert_allclose(drawn(series["Training cases"])[1], np.mean(history.risk, axis=1))
    x, y = drawn(series["Held-out cases"])
    np.testing.assert_allclose(y, np.mean(history.held_out, axis=1))
    np.testing.assert_array_equal(x, np.arange(1, len(y) + 1))
    assert drawn(series["Best"])[0][0] == history.best_epoch + 1
    assert "simulated" in nodes.curves.GetTitle()
    assert any("motion model of the fingerprints is not known" in warning for warning in nodes.warnings)


# Patients


def test_the_patients_curve_lies_over_those_of_the_cohort(patient):
    series, prediction = series_of(patient.survival), patient.prediction
    assert list(series) == ["Patient", "Patient, 95 %", "Cohort, low risk", "Cohort, high risk"]
    x, y = drawn(series["Patient"])
    np.testing.assert_allclose(x[0::2], prediction.curves.times)
    np.testing.assert_allclose(y[0::2], prediction.curves.survival[0])
    group = patient.trained.cohort["groups"]["high"]
    np.testing.assert_allclose(drawn(series["Cohort, high risk"])[1][0::2], group["survival"])
    assert all(drawn(one)[0].max() == patient.trained.cohort["follow_up"] for one in series.values())


def test_the_gauge_counts_the_training_cases(patient):
    series = series_of(patient.gauge)
    assert drawn(series["Training cases"])[1].sum() == patient.trained.cohort["cases"]
    assert set(drawn(series["Patient"])[0]) == {patient.prediction.log_hazard}
    np.testing.assert_allclose(drawn(series["Patient, 95 %"])[0], patient.prediction.interval)
    assert f"Above {patient.prediction.percentile:.0f} %" in patient.gauge.GetTitle()


def test_drivers_are_shown_by_time_and_by_dimension(patient):
    x, y = drawn(series_of(patient.by_time)["Contribution"])
    np.testing.assert_array_equal(x, np.arange(1, 7))
    np.testing.assert_allclose(y, patient.drivers.by_time)
    x, y = drawn(series_of(patient.by_dimension)["Contribution"])
    np.testing.assert_array_equal(x, np.arange(5))
    np.testing.assert_allclose(y, patient.drivers.by_dimension)
    table = patient.contributions
    np.testing.assert_allclose(values(table, "All slots"), patient.drivers.by_dimension)
    np.testing.assert_allclose(values(table, "Slot 3"), patient.drivers.contributions[:, 2])


def test_all_of_a_patient_says_what_is_simulated_and_what_it_is_for(patient):
    for node in (patient.survival, patient.gauge, patient.by_time, patient.by_dimension):
        assert "simulated outcomes" in node.GetTitle()
    column = patient.table.GetTable().GetColumnByName("Value")
    texts = " ".join(column.GetValue(row) for row in range(column.GetNumberOfValues()))
    assert "research use only" in texts
    assert "outcomes simulated" in texts


def test_nodes_are_beside_the_series(scene, models):
    _sequence, browser = add_cine(scene, HEART.frames, "Ann")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study")
    volume = browser.GetProxyNode(browser.GetMasterSequenceNode())
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), folder)
    nodes = models.predictPatient(volume, RISK)
    for node in (nodes.table, nodes.survival, nodes.by_time):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder


def test_a_second_prediction_brings_the_nodes_up_to_date(scene, models, patient):
    before = scene_ids(scene)
    again = models.predictPatient(patient.volume, RISK, device="cpu")
    assert scene_ids(scene) == before
    assert again.survival is patient.survival


def test_a_prediction_that_cannot_be_shown_leaves_the_scene_as_it_was(scene, models, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("no chart")

    monkeypatch.setattr(patient_prediction, "add_dimension_chart", fail)
    _sequence, browser = add_cine(scene, HEART.frames)
    work = models.preparePrediction(browser, RISK)
    work.compute(Progress())
    before = scene_ids(scene)
    with pytest.raises(RuntimeError):
        models.finish(work)
    assert scene_ids(scene) == before
    scene.RemoveNode(work._nodes.volume)
    with pytest.raises(InputError, match="deleted meanwhile"):
        models.finish(work)


# Risk motions


@pytest.fixture
def moved(models, patient):
    """The patient's own motion, and those of higher and of lower risk."""
    return models.simulateRiskMotion(patient, 0.3, frames=4)


def test_risk_motions_are_played_by_one_browser(moved):
    assert moved.browser.GetNumberOfItems() == 4
    sequences = sequences_of(moved.browser)
    assert [moved.browser.GetProxyNode(one) for one in sequences] == [moved.own, moved.up, moved.down]
    motions = moved.motions
    for number in range(4):
        moved.browser.SetSelectedItemNumber(number)
        for node, motion in ((moved.own, motions.own), (moved.up, motions.up), (moved.down, motions.down)):
            expected = motion.warp(motion.reference, number)
            image = image_from_volume(node)
            assert image.same_grid(expected)
            np.testing.assert_allclose(image.array, expected.array, atol=0.5)


def test_the_motions_differ_as_their_risks_do(moved):
    motions = moved.motions
    assert motions.up_risk > motions.risk > motions.down_risk
    moved.browser.SetSelectedItemNumber(2)
    assert np.abs(image_from_volume(moved.up).array - image_from_volume(moved.down).array).max() > 0
    np.testing.assert_allclose(image_from_volume(moved.difference).array, motions.mean_difference().array, rtol=1e-5)
    assert f"hazard ratio {np.exp(motions.up_risk):.2f}" in moved.up.GetName()
    assert "simulated outcomes" in moved.up.GetName()
    assert any("simulated outcomes" in warning for warning in moved.warnings)


def test_risk_motions_that_cannot_be_shown_leave_the_scene_as_it_was(scene, models, patient, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("no table")

    work = models.prepareRiskMotion(patient, 0.3, frames=3)
    work.compute(Progress())
    monkeypatch.setattr(risk_motion_nodes, "colour_table", fail)
    before = scene_ids(scene)
    with pytest.raises(RuntimeError):
        models.finish(work)
    assert scene_ids(scene) == before


def test_risk_motions_replace_earlier_ones(scene, models, patient):
    first = models.simulateRiskMotion(patient, 0.3, frames=3)
    name, count = first.own.GetName(), len(scene_ids(scene))
    second = models.simulateRiskMotion(patient, 0.3, frames=3, replace=first)
    assert len(scene_ids(scene)) == count
    assert first.browser.GetScene() is None
    assert [one.GetScene() is scene for one in second.sequences] == [True] * 3
    assert name in second.own.GetName()


def test_risk_motions_need_a_prediction(models):
    with pytest.raises(InputError, match="Predict the risk of a patient first"):
        models.prepareRiskMotion(None)


def test_the_patients_report_shows_the_motions(models, patient, moved, tmp_path):
    page = models.writePatientReport(patient, tmp_path / "report.html", moved).read_text()
    assert "Motion of higher and of lower risk" in page
    assert page.count("<img") == 4
