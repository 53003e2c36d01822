"""RiskPredictionLogic in the scene: what it gives against the backend's own results; what it refuses."""

import csv

import numpy as np
import pytest
import slicer

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image_io import write_image
from DeformationLib.progress import Progress
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.sequence_reading import find_series, read_frames
from DeformationSceneLib.tables import add_table
from RiskPredictionSceneLib.logic import MOTION_MODEL, RiskPredictionLogic
from Testing.motion_fixtures import HEART, OTHER, add_cine, add_heart
from Testing.panel_steps import SECONDS, scene_ids
from Testing.risk_scene_fixtures import (
    LATENT,
    MOTION,
    QUICK,
    RISK,
    SLOTS,
    add_cohort,
    cohort_columns,
    install_models,
    write_fingerprints,
)

FAST = {"folds": 2, "resamplings": 20, "settings": QUICK}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a motion model and a risk model."""
    folder = tmp_path_factory.mktemp("models")
    install_models(folder)
    return folder


@pytest.fixture
def logic(application, models, monkeypatch):
    monkeypatch.setenv("LATENTMOTION_MODELS", str(models))
    return RiskPredictionLogic()


@pytest.fixture
def small(scene, tmp_path):
    """The table node of a small cohort, and the file of its fingerprints."""
    columns, fingerprints = cohort_columns()
    del columns["pressure"]
    return add_cohort(scene, columns), write_fingerprints(tmp_path / "fingerprints.npz", fingerprints)


@pytest.fixture
def cine_cohort(scene, tmp_path):
    """A cohort of which two series are in the scene and one is a file; two others cannot be used."""
    add_cine(scene, HEART.frames, "First")
    add_cine(scene, OTHER.frames, "Second", browser=False)
    add_cine(scene, HEART.frames[:1], "Still", browser=False)
    write_series(tmp_path / "third.nii.gz", OTHER.frames)
    columns = {
        "case": ["a", "b", "c", "d", "e"],
        "cine": ["First browser", "Second", str(tmp_path / "third.nii.gz"), "Still", "missing.nii.gz"],
        "time": [10, 20, 30, 40, 50],
        "event": [1, 0, 1, 0, 1],
    }
    return add_cohort(scene, columns, "Hearts")


def write_series(path, frames):
    """A 4-D file."""
    import SimpleITK as sitk

    volumes = []
    for number, frame in enumerate(frames):
        part = path.parent / f"frame{number}.nii.gz"
        write_image(frame, part)
        volumes.append(sitk.ReadImage(str(part)))
    sitk.WriteImage(sitk.JoinSeries(volumes), str(path))


def column(table, name):
    """The texts of a column."""
    array = table.GetTable().GetColumnByName(name)
    return [array.GetVariantValue(row).ToString() for row in range(array.GetNumberOfTuples())]


def test_names_written_down_are_those_of_the_backend(logic):
    from MotionModelLib.motion_model import MotionModel
    from RiskPredictionLib.fingerprint_extraction import FINGERPRINT_MODEL
    from RiskPredictionLib.risk_bundle import KIND

    assert logic.kinds == (KIND,)
    assert MOTION_MODEL == FINGERPRINT_MODEL
    assert logic.modelNames() == [RISK]
    assert MOTION in logic.motionModelNames()
    assert RISK not in logic.motionModelNames()
    assert isinstance(logic.motionModel(MOTION), MotionModel)


def test_models_of_the_wrong_kind_are_refused(logic):
    with pytest.raises(InputError, match="is a motion model: choose a risk model"):
        logic.riskModel(MOTION)
    with pytest.raises(InputError, match="is a risk model: choose a motion model"):
        logic.motionModel(RISK)


# Cohorts


def test_a_table_node_is_the_cohort_of_its_file(scene, logic, tmp_path):
    from RiskPredictionLib.cohort_table import read_cohort

    columns, _fingerprints = cohort_columns()
    with open(tmp_path / "cohort.csv", "w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    expected = read_cohort(tmp_path / "cohort.csv")
    numbers = add_table(scene, "Numbers", columns)
    for source in (add_cohort(scene, columns), numbers, tmp_path / "cohort.csv"):
        from RiskPredictionSceneLib.cohort_nodes import CohortTable

        cohort = CohortTable.read(source).cohort()
        assert cohort.cases == expected.cases
        assert cohort.clinical_names == ("age", "pressure")
        np.testing.assert_array_equal(cohort.time, expected.time)
        np.testing.assert_array_equal(cohort.clinical, expected.clinical)
        assert logic.checkCohort(source) == []
    assert logic.describeCohort(numbers) == str(expected)
    assert "outcomes simulated" in logic.describeCohort(numbers)


def test_problems_name_row_and_column(scene, logic):
    columns, _fingerprints = cohort_columns(6)
    columns["time"] = [10, -1, "soon", 40, "nan", 60]
    columns["case"][3] = columns["case"][0]
    problems = logic.checkCohort(add_cohort(scene, columns))
    assert [(problem.row, problem.column) for problem in problems] == [
        (3, "time"),
        (4, "time"),
        (5, "case"),
        (6, "time"),
    ]
    assert str(problems[0]).startswith("Row 3, column 'time': the time -1 is negative")


def test_columns_of_numbers_with_gaps_are_problems(scene, logic):
    columns, _fingerprints = cohort_columns(6)
    columns["age"][2] = np.nan
    problems = logic.checkCohort(add_table(scene, "Cohort", columns))
    assert [(problem.row, problem.column) for problem in problems] == [(4, "age")]


def test_series_are_found_by_name_or_path(logic, cine_cohort, tmp_path):
    # The series with one frame is noticed when it is read.
    assert [(problem.row, problem.column) for problem in logic.checkCohort(cine_cohort)] == [(6, "cine")]


def test_a_name_that_two_series_have_is_a_problem(scene, logic):
    for _twice in range(2):
        add_cine(scene, HEART.frames, "Cine", browser=False)
    columns = {"case": ["a", "b"], "cine": ["Cine", "Cine"], "time": [1, 2], "event": [0, 1]}
    table = add_cohort(scene, columns)
    problems = logic.checkCohort(table)
    assert [(problem.row, problem.column) for problem in problems] == [(2, "cine"), (3, "cine")]
    assert "several nodes of the scene are called 'Cine'" in str(problems[0])
    with pytest.raises(InputError, match="Row 2, column 'cine'"):
        logic.prepareExtraction(table, MOTION)


def test_paths_are_relative_to_the_file_of_the_table(scene, logic, tmp_path):
    write_series(tmp_path / "case.nii.gz", HEART.frames)
    table = add_cohort(scene, {"case": ["a", "b"], "cine": ["case.nii.gz"] * 2, "time": [1, 2], "event": [0, 1]})
    assert len(logic.checkCohort(table)) == 2
    table.AddDefaultStorageNode()
    table.GetStorageNode().SetFileName(str(tmp_path / "cohort.csv"))
    assert logic.checkCohort(table) == []


def test_what_is_no_cohort_is_refused(scene, logic, tmp_path):
    with pytest.raises(InputError, match="No cohort is selected"):
        logic.checkCohort(None)
    with pytest.raises(InputError, match="'Empty' is empty"):
        logic.checkCohort(scene.AddNewNodeByClass("vtkMRMLTableNode", "Empty"))
    with pytest.raises(InputError, match="is not a table"):
        logic.checkCohort(add_cine(scene, HEART.frames)[0])
    with pytest.raises(InputError, match="cannot be read"):
        logic.checkCohort(tmp_path / "nothing.csv")


# Extraction


def test_fingerprints_are_those_of_the_motion_model(logic, cine_cohort):
    from RiskPredictionLib.fingerprint_extraction import MotionFingerprints

    source = MotionFingerprints(logic.motionModel(MOTION, "cpu"))
    nodes = logic.extractFingerprints(cine_cohort, MOTION)
    found = nodes.extraction.fingerprints
    assert list(found) == ["a", "b", "c"]
    assert nodes.motionModel == MOTION
    images = read_frames(find_series(slicer.util.getNode("First browser"))).images
    np.testing.assert_array_equal(found["a"], source.fingerprint(images))
    assert found["a"].shape == (LATENT, SLOTS)
    # The same series, from the scene and from a file.
    np.testing.assert_allclose(found["b"], found["c"], atol=2e-3)
    assert np.abs(found["a"] - found["b"]).max() > 0.1


def test_cases_that_fail_are_listed_and_the_others_go_on(logic, cine_cohort):
    nodes = logic.extractFingerprints(cine_cohort, MOTION)
    table = nodes.failures
    assert column(table, "Case") == ["d", "e"]
    assert column(table, "Row") == ["5", "6"]
    assert column(table, "Series") == ["Still", "missing.nii.gz"]
    assert "has one frame" in column(table, "Reason")[0]
    assert "does not exist" in column(table, "Reason")[1]
    assert nodes.warnings == [str(nodes.extraction)]
    assert nodes.warnings[0].startswith("3 of 5 cases extracted; 2 failed")


def test_the_list_of_failures_is_renewed(scene, logic, cine_cohort):
    first = logic.extractFingerprints(cine_cohort, MOTION).failures
    for _last in range(2):
        cine_cohort.RemoveRow(3)
    before = scene_ids(scene)
    nodes = logic.extractFingerprints(cine_cohort, MOTION)
    assert nodes.failures is first
    assert first.GetNumberOfRows() == 0
    assert nodes.warnings == []
    assert scene_ids(scene) == before


def test_masks_and_reference_frames_of_the_scene_are_used(scene, logic):
    from RiskPredictionLib.fingerprint_extraction import MotionFingerprints

    _sequence, browser, parts = add_heart(scene, reference=2)
    row = {"case": ["a"], "cine": [browser.GetName()], "time": [1], "event": [1]}
    table = add_cohort(scene, row | {"mask": [parts.GetName()], "ed_frame": [2]})
    found = logic.extractFingerprints(table, MOTION).extraction.fingerprints["a"]
    source, mask = MotionFingerprints(logic.motionModel(MOTION, "cpu")), HEART.labels[2]
    mask = mask.with_array((mask.array > 0).astype(np.uint8))
    np.testing.assert_allclose(found, source.fingerprint(HEART.frames, mask, 2), atol=1e-5)
    plain = logic.extractFingerprints(add_cohort(scene, row), MOTION).extraction.fingerprints["a"]
    assert np.abs(found - plain).max() > 1e-3


def test_extraction_writes_what_evaluation_reads(logic, cine_cohort, tmp_path):
    from RiskPredictionLib.fingerprint_files import read_fingerprint_table

    nodes = logic.extractFingerprints(cine_cohort, MOTION, folder=tmp_path / "out")
    table = read_fingerprint_table(tmp_path / "out" / "fingerprints.npz")
    assert list(table) == list(nodes.extraction.fingerprints)
    assert "missing.nii.gz" in (tmp_path / "out" / "failures.csv").read_text()


def test_a_cohort_without_series_cannot_be_extracted(scene, logic):
    table = add_cohort(scene, cohort_columns(4)[0])
    before = scene_ids(scene)
    with pytest.raises(InputError, match="column 'cine': the column is missing"):
        logic.extractFingerprints(table, MOTION)
    row = {"case": ["a", "b"], "cine": ["nowhere.nii"] * 2, "time": [1, 2], "event": [0, 1]}
    other = add_cohort(scene, row, "Nowhere")
    with pytest.raises(InputError, match="nowhere.nii"):
        logic.extractFingerprints(other, MOTION)
    assert scene_ids(scene) - before == {other.GetID()}


@pytest.mark.parametrize("step", ["extract", "evaluate", "train", "predict"])
def test_cancelled_work_leaves_the_scene_as_it_was(scene, logic, cine_cohort, small, step):
    progress = Progress(lambda fraction, _message: fraction > 0.1 and progress.cancel())
    before = scene_ids(scene)
    works = {
        "extract": lambda: logic.extractFingerprints(cine_cohort, MOTION, progress=progress),
        "evaluate": lambda: logic.evaluateCohort(*small, **FAST, progress=progress),
        "train": lambda: logic.trainModel(small[0], "never", small[1], settings=QUICK, progress=progress),
        "predict": lambda: logic.predictPatient(slicer.util.getNode("First browser"), RISK, progress=progress),
    }
    with pytest.raises(Cancelled):
        works[step]()
    assert scene_ids(scene) == before
    assert "never" not in logic.modelNames()


def test_work_beside_the_window_is_cancelled_at_once(scene, logic, cine_cohort):
    from DeformationSceneLib.background import BackgroundJob

    work, told = logic.prepareExtraction(cine_cohort, MOTION), []
    before = scene_ids(scene)
    job = BackgroundJob(work.compute, onDone=told.append, onFailed=told.append, onCancelled=lambda: told.append("stop"))
    job.start()
    job.cancel()
    assert told == ["stop"]
    assert job.wait(5.0)
    assert scene_ids(scene) == before


def test_work_is_done_in_a_thread(scene, logic, cine_cohort):
    from DeformationSceneLib.background import BackgroundJob

    work, finished, failed = logic.prepareExtraction(cine_cohort, MOTION), [], []
    job = BackgroundJob(work.compute, lambda _nothing: finished.append(logic.finish(work)), failed.append)
    before = scene_ids(scene)
    job.start()
    assert job.wait(SECONDS)
    assert failed == []
    assert len(finished[0].extraction.fingerprints) == 3
    assert scene_ids(scene) - before == {finished[0].failures.GetID()}


def test_work_on_a_deleted_table_adds_nothing(scene, logic, cine_cohort):
    work = logic.prepareExtraction(cine_cohort, MOTION)
    work.compute(Progress())
    scene.RemoveNode(cine_cohort)
    before = scene_ids(scene)
    with pytest.raises(InputError, match="'Hearts' was deleted meanwhile"):
        logic.finish(work)
    assert scene_ids(scene) == before


# Evaluation


def test_the_table_has_the_numbers_of_the_backend(logic, small):
    from RiskPredictionLib.evaluation import evaluate, table_rows
    from RiskPredictionLib.fingerprint_files import read_fingerprint_table
    from RiskPredictionLib.survival_model import FingerprintCox
    from RiskPredictionSceneLib.cohort_nodes import CohortTable

    nodes = logic.evaluateCohort(*small, **FAST, seed=3)
    cohort = CohortTable.read(small[0]).cohort().with_fingerprints(read_fingerprint_table(small[1]))
    model = FingerprintCox(**QUICK, seed=3)
    expected = evaluate(cohort, table_rows(cohort, model), 2, seed=3, resamplings=20)
    assert column(nodes.table, "Predictor") == nodes.predictors == [row.name for row in expected.rows]
    found = [float(text) for text in column(nodes.table, "Concordance")]
    np.testing.assert_allclose(found, [row.concordance.value for row in expected.rows], rtol=1e-5)
    found = [float(text) for text in column(nodes.table, "Hazard ratio upper")]
    np.testing.assert_allclose(found, [row.ratio.upper for row in expected.rows], rtol=1e-5)
    assert set(column(nodes.table, "Outcomes")) == {"simulated"}
    assert column(nodes.clinical, "Variable") == ["age"]


def test_clinical_variables_alone_are_evaluated(scene, logic):
    nodes = logic.evaluateCohort(add_cohort(scene, cohort_columns()[0]), **FAST)
    assert column(nodes.clinical, "Variable") == ["age", "pressure"]
    assert nodes.predictors[:3] == ["age", "pressure", "Best clinical variables"]
    assert nodes.predictor == "Best clinical variables"


def test_cases_without_fingerprint_are_left_out(scene, logic, small):
    from RiskPredictionLib.fingerprint_extraction import Extraction
    from RiskPredictionSceneLib.cohort_extraction import ExtractionNodes

    columns, fingerprints = cohort_columns()
    del fingerprints["case05"], columns["pressure"]
    extracted = ExtractionNodes(Extraction(fingerprints, [], MOTION), cohort="Cohort", motionModel=MOTION)
    nodes = logic.evaluateCohort(small[0], extracted, **FAST)
    assert len(nodes.evaluation.cohort) == len(columns["case"]) - 1
    assert nodes.warnings == ["1 of 40 cases have no fingerprint and were left out, the first is 'case05'."]
    other = add_cohort(scene, columns | {"case": [f"other {name}" for name in columns["case"]]}, "Other")
    with pytest.raises(InputError, match="The fingerprints of 'Cohort' are not those of 'Other'"):
        logic.evaluateCohort(other, extracted, **FAST)


def test_the_report_is_written(scene, logic, tmp_path):
    columns, fingerprints = cohort_columns()
    del columns["pressure"], columns["simulated_risk"]
    table = add_cohort(scene, columns)
    path = write_fingerprints(tmp_path / "fingerprints.npz", fingerprints)
    nodes = logic.evaluateCohort(table, path, **FAST, reportFolder=tmp_path / "report")
    page = nodes.report.read_text()
    assert nodes.report == tmp_path / "report" / "report.html"
    assert "Risk prediction: Cohort" in page
    assert "research use only" in page
    assert "simulated" not in page
    again = logic.writeReport(nodes, tmp_path / "again")
    assert again.read_text() == page


def test_settings_that_do_not_exist_are_refused(scene, logic, small):
    before = scene_ids(scene)
    with pytest.raises(InputError, match="There is no setting 'depth'"):
        logic.evaluateCohort(*small, folds=2, settings={"depth": 3})
    with pytest.raises(InputError, match="cannot be split into 50 folds"):
        logic.evaluateCohort(*small, folds=50, settings=QUICK)
    assert scene_ids(scene) == before


# Training


def test_a_trained_model_is_listed_and_predicts(scene, logic, small, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path / "models"))
    nodes = logic.trainModel(small[0], "my-risk", small[1], settings=QUICK, motionModel=MOTION, output=tmp_path / "out")
    assert logic.modelNames() == ["my-risk"]
    assert nodes.folder == tmp_path / "models" / "my-risk"
    assert (tmp_path / "out" / "model.json").is_file()
    loaded = logic.riskModel("my-risk")
    fingerprint = np.random.default_rng(1).normal(size=(1, LATENT, SLOTS))
    expected = nodes.trained.model.predict_risk(fingerprint)
    np.testing.assert_allclose(loaded.model.predict_risk(fingerprint), expected, atol=1e-5)
    assert loaded.motion_model == MOTION
    assert loaded.simulated
    assert "simulated" in column(nodes.table, "Value")
    # Once more, in its place.
    logic.trainModel(small[0], "my-risk", small[1], settings=QUICK | {"seed": 1}, motionModel=MOTION)
    again = logic.riskModel("my-risk").model.predict_risk(fingerprint)
    assert abs(float(again[0] - expected[0])) > 1e-4


def test_training_is_refused_before_it_begins(logic, small, tmp_path):
    with pytest.raises(InputError, match="cannot be the name of a model"):
        logic.prepareTraining(small[0], "a/b", small[1])
    with pytest.raises(InputError, match="comes with the program"):
        logic.prepareTraining(small[0], "cardiac-cine-2d", small[1])
    with pytest.raises(InputError, match="would be lost"):
        logic.prepareTraining(small[0], "new", small[1], install=False)
    with pytest.raises(InputError, match="has no fingerprints"):
        logic.prepareTraining(small[0], "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="is not empty"):
        logic.prepareTraining(small[0], "new", small[1], output=tmp_path / "full")


# Patients


def test_a_prediction_is_that_of_the_backend(scene, logic):
    from RiskPredictionLib.fingerprint_extraction import MotionFingerprints
    from RiskPredictionLib.patient import predict_patient

    _sequence, browser, parts = add_heart(scene)
    nodes = logic.predictPatient(browser, RISK, segmentationNode=parts, device="cpu")
    mask = HEART.labels[0].with_array((HEART.labels[0].array > 0).astype(np.uint8))
    source = MotionFingerprints(logic.motionModel(MOTION, "cpu"))
    fingerprint = source.fingerprint(HEART.frames, mask)
    np.testing.assert_allclose(nodes.fingerprint, fingerprint, atol=1e-5)
    expected = predict_patient(logic.riskModel(RISK), fingerprint, "Cine")
    assert nodes.prediction.log_hazard == pytest.approx(expected.log_hazard, abs=1e-4)
    assert nodes.case == "Cine"
    assert any("simulated outcomes" in warning for warning in nodes.warnings)
    total = nodes.drivers.contributions.sum()
    assert total == pytest.approx(nodes.drivers.risk - nodes.drivers.baseline_risk, abs=0.05)


def test_a_patient_from_a_file_is_that_of_the_scene(scene, logic, tmp_path):
    (tmp_path / "patient").mkdir()
    write_series(tmp_path / "patient" / "cine.nii.gz", HEART.frames)
    from_file = logic.predictPatient(tmp_path / "patient" / "cine.nii.gz", RISK)
    from_scene = logic.predictPatient(add_cine(scene, HEART.frames)[1], RISK)
    assert from_file.case == "patient"
    assert from_file.prediction.log_hazard == pytest.approx(from_scene.prediction.log_hazard, abs=1e-2)
    assert from_file.table.GetID() != from_scene.table.GetID()


def test_a_motion_model_that_does_not_belong_is_refused(scene, logic):
    _sequence, browser = add_cine(scene, HEART.frames)
    before = scene_ids(scene)
    with pytest.raises(InputError, match="trained with fingerprints of the motion model phantom-motion"):
        logic.predictPatient(browser, RISK, motionModel="cardiac-cine-2d")
    assert scene_ids(scene) == before


def test_unusable_series_and_frames_are_refused(scene, logic, tmp_path):
    _sequence, browser = add_cine(scene, HEART.frames)
    with pytest.raises(InputError, match="frame"):
        logic.predictPatient(browser, RISK, referenceIndex=6)
    with pytest.raises(InputError, match="does not exist"):
        logic.predictPatient(tmp_path / "none.nii.gz", RISK)
    parts = add_segmentation(scene, HEART.labels[0], "Heart")
    with pytest.raises(InputError, match="cannot be masked by 'Heart'"):
        logic.predictPatient(tmp_path / "none.nii.gz", RISK, segmentationNode=parts)


def test_reports_are_written_as_pages_and_documents(scene, logic, tmp_path):
    patient = logic.predictPatient(add_cine(scene, HEART.frames, "Ann <b>")[1], RISK)
    page = logic.writePatientReport(patient, tmp_path / "new" / "report.html").read_text()
    assert "research use only" in page
    assert "trained with simulated outcomes" in page
    assert "Predicted risk of Ann &lt;b&gt;" in page
    assert logic.writePatientReport(patient, tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(InputError, match="suffix .html or .pdf"):
        logic.writePatientReport(patient, tmp_path / "report.doc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "report.pdf"]


def test_reports_warn_on_every_page_and_say_how_far_motions_went(scene, logic, tmp_path):
    patient = logic.predictPatient(add_cine(scene, HEART.frames, "Ann")[1], RISK)
    motions = logic.simulateRiskMotion(patient, 8.0)
    limits = [text for text in motions.motions.warnings if text not in patient.prediction.warnings]
    assert limits
    page = logic.writePatientReport(patient, tmp_path / "report.html", motions).read_text()
    assert all(text in page for text in limits)
    patient.prediction.warnings.extend(["As far away as no case of the training cohort. " * 4] * 9)
    document = logic.writePatientReport(patient, tmp_path / "report.pdf", motions).read_bytes()
    # What does not fit beside the warnings goes on to further pages.
    assert document.count(b"/Type /Page ") > 2
