"""The section Patient of RiskPrediction's panel: prediction, gauge, risk motions side by side, report."""

import math

import numpy as np
import pytest

from Testing.motion_fixtures import HEART, add_cine, add_heart
from Testing.panel_steps import SECONDS
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import testing


@pytest.fixture
def heart(risk_panel, scene):
    """A beating phantom, chosen in the panel, with the trained model: (sequence, browser, segmentation)."""
    nodes = add_heart(scene)
    risk_panel.ui.patientSelector.setCurrentNode(nodes[1])
    return nodes


def press(panel, button):
    button.click()
    assert panel.patient.running, panel.ui.patientMessageLabel.text
    assert panel.patient.work.wait(SECONDS)


def predict(panel):
    press(panel, panel.ui.predictButton)
    assert panel.patient.nodes is not None, panel.ui.patientMessageLabel.text
    return panel.patient.nodes


def simulate(panel):
    press(panel, panel.ui.riskMotionButton)
    assert panel.patient.motions is not None, panel.ui.patientMessageLabel.text
    return panel.patient.motions


def test_buttons_say_what_is_missing(risk_panel, scene):
    ui = risk_panel.ui
    assert "Select the cine series" in ui.predictButton.toolTip
    for button in (ui.riskMotionButton, ui.patientReportButton):
        assert not button.enabled
        assert "Predict" in button.toolTip
    sequence, _none = add_cine(scene, HEART.frames[:1], "Single", browser=False)
    ui.patientSelector.setCurrentNode(sequence)
    assert "at least two frames" in ui.predictButton.toolTip
    ui.patientSelector.setCurrentNode(add_heart(scene)[1])
    assert ui.predictButton.enabled
    ui.patientReferenceSpinBox.value = 9
    assert "0 to 5" in ui.predictButton.toolTip


def test_without_a_model_the_section_says_so(risk_panel, heart, monkeypatch):
    monkeypatch.setattr(risk_panel.logic, "modelNames", list)
    risk_panel.onModelsChanged()
    assert "train one" in risk_panel.ui.predictButton.toolTip
    assert "Train one on your own cohort in the section Train and evaluate" in risk_panel.ui.riskModelPurposeLabel.text


def test_a_prediction_is_said_and_drawn(risk_panel, heart):
    nodes, ui = predict(risk_panel), risk_panel.ui
    prediction = nodes.prediction
    assert f"hazard ratio {math.exp(prediction.log_hazard):.2f}" in ui.patientResultLabel.text
    assert f"{prediction.percentile:.0f} % of it" in ui.patientResultLabel.text
    assert "simulated" in ui.patientWarningsLabel.text
    assert ui.patientGaugeLabel.pixmap.width() == 330
    shown = [ui.patientChartComboBox.itemText(number) for number in range(ui.patientChartComboBox.count)]
    assert shown[:3] == ["Survival", "Drivers of risk over time", "Drivers of risk by latent dimension"]
    assert not ui.sideBySideButton.enabled
    assert ui.riskMotionSeekWidget.isHidden()


def test_a_second_prediction_takes_the_place_of_the_first(risk_panel, scene, heart):
    first = predict(risk_panel)
    simulate(risk_panel)
    count = scene.GetNumberOfNodesByClass("vtkMRMLTableNode")
    second = predict(risk_panel)
    assert second is not first
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == count
    assert risk_panel.patient.motions is None


def test_the_motions_of_other_risk_are_shown_side_by_side(views, risk_panel, heart):
    predict(risk_panel)
    ui, before = risk_panel.ui, views.layout
    motions = simulate(risk_panel)
    assert ui.sideBySideButton.checked
    left, right = (views.sliceWidget(name).sliceLogic().GetSliceCompositeNode() for name in ("Red", "Motion"))
    assert left.GetBackgroundVolumeID() == motions.down.GetID()
    assert right.GetBackgroundVolumeID() == motions.up.GetID()
    assert motions.motions.down_risk < motions.motions.risk < motions.motions.up_risk
    assert f"of higher risk, {math.exp(motions.motions.up_risk):.2f}" in ui.riskMotionResultLabel.text
    assert "real patient" in ui.patientWarningsLabel.text
    assert "real patient" not in ui.riskMotionResultLabel.text
    ui.riskMotionSeekWidget.slider().setValue(3)
    assert motions.browser.GetSelectedItemNumber() == 3
    ui.sideBySideButton.click()
    assert views.layout == before


def test_how_far_the_risk_is_changed(risk_panel, heart, monkeypatch):
    predict(risk_panel)
    asked = []
    original = risk_panel.logic.prepareRiskMotion
    monkeypatch.setattr(
        risk_panel.logic,
        "prepareRiskMotion",
        lambda *given, **options: asked.append(given[1]) or original(*given, **options),
    )
    risk_panel.ui.riskChangeSpinBox.value = 2.0
    simulate(risk_panel)
    assert asked == [pytest.approx(math.log(2.0))]


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_the_report_is_written(main_window, risk_panel, heart, tmp_path, suffix):
    predict(risk_panel)
    path = tmp_path / f"patient{suffix}"
    with testing(False), dialogs.answer(str(path)):
        press(risk_panel, risk_panel.ui.patientReportButton)
    assert str(path) in risk_panel.ui.patientMessageLabel.text
    content = path.read_bytes()
    assert content.startswith(b"%PDF" if suffix == ".pdf" else b"<!DOCTYPE html>")
    if suffix == ".html":
        assert "research use only" in content.decode().lower()


def test_a_report_of_another_kind_is_refused(main_window, risk_panel, heart, tmp_path):
    predict(risk_panel)
    with testing(False), dialogs.answer(str(tmp_path / "patient.doc"), "OK") as seen:
        risk_panel.ui.patientReportButton.click()
    assert "neither .html nor .pdf" in seen[-1].text


def test_no_file_is_no_report(main_window, risk_panel, heart):
    predict(risk_panel)
    with testing(False), dialogs.answer(None):
        risk_panel.ui.patientReportButton.click()
    assert not risk_panel.patient.running


def test_the_result_goes_with_its_nodes(risk_panel, scene, heart):
    nodes = predict(risk_panel)
    motions = simulate(risk_panel)
    scene.RemoveNode(motions.up)
    assert risk_panel.patient.motions is None
    assert not risk_panel.ui.sideBySideButton.enabled
    assert not risk_panel.ui.patientResultGroupBox.isHidden()
    scene.RemoveNode(nodes.table)
    assert risk_panel.patient.nodes is None
    assert risk_panel.ui.patientResultGroupBox.isHidden()


def test_closing_the_scene_forgets_the_patient(risk_panel, scene, heart):
    predict(risk_panel)
    scene.Clear(False)
    assert risk_panel.patient.nodes is None
    assert risk_panel.ui.patientResultGroupBox.isHidden()


def test_the_first_series_is_selected_when_the_module_is_opened(risk_panel, scene):
    browser = add_heart(scene)[1]
    risk_panel.exit()
    risk_panel.enter()
    assert risk_panel.ui.patientSelector.currentNode() is browser


def test_the_needle_of_the_gauge_points_to_the_percentile():
    from RiskPredictionSceneLib.risk_gauge import Gauge, draw_gauge

    def ink(percentile):
        picture = draw_gauge(Gauge(percentile, (percentile, percentile), 1.0, (1.0, 1.0), False))
        dark = (picture < 60).all(axis=-1)[:125]  # above the texts and the hub
        return float(np.nonzero(dark)[1].mean())

    assert ink(10.0) < 130.0 < 200.0 < ink(90.0)
    assert ink(50.0) == pytest.approx(164.5, abs=1.0)
