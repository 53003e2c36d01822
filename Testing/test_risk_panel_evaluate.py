"""The section "Train and evaluate" of RiskPrediction's panel."""

import pytest
import qt
import slicer

from Testing.panel_steps import SECONDS, scene_ids
from Testing.risk_panel_fixtures import add_cohort, write_simulated
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import testing


@pytest.fixture
def files(risk_panel, tmp_path):
    """A simulated cohort and its fingerprints, chosen in the panel, with settings that take a moment."""
    path, fingerprints = write_simulated(tmp_path)
    ui = risk_panel.ui
    ui.cohortFilePathLineEdit.currentPath = str(path)
    ui.fingerprintsPathLineEdit.currentPath = str(fingerprints)
    ui.foldsSpinBox.value = 2
    ui.epochsSpinBox.value = 4
    ui.resamplingsSpinBox.value = 20
    return path, fingerprints


def press(panel, button):
    button.click()
    assert panel.evaluate.running, panel.ui.evaluateMessageLabel.text
    assert panel.evaluate.work.wait(SECONDS)


def evaluate(panel):
    press(panel, panel.ui.evaluateButton)
    assert panel.evaluate.evaluated is not None, panel.ui.evaluateMessageLabel.text
    return panel.evaluate.evaluated


def texts(comboBox):
    return [comboBox.itemText(number) for number in range(comboBox.count)]


def test_predictors_are_compared_on_the_same_folds(risk_panel, files):
    nodes = evaluate(risk_panel)
    ui = risk_panel.ui
    shown = [ui.evaluateTable.item(row, 0).text() for row in range(ui.evaluateTable.rowCount)]
    assert shown == nodes.predictors
    assert "Fingerprint" in shown
    assert "True risk of the simulation (ceiling)" in shown
    assert ui.evaluateTable.item(0, 1).text() == str(nodes.evaluation.rows[0].concordance)
    assert "outcomes simulated. 2 folds." in ui.evaluateResultLabel.text
    assert texts(ui.evaluateChartComboBox)[:3] == ["Predictors", "Survival of risk groups", "Numbers at risk"]
    assert not ui.openReportButton.enabled
    assert "report folder" in ui.openReportButton.toolTip


def test_settings_reach_the_model(risk_panel, files):
    risk_panel.ui.membersSpinBox.value = 3
    risk_panel.ui.dropoutSpinBox.value = 0.1
    model = evaluate(risk_panel).evaluation.settings["models"]["Fingerprint"]
    assert "members=3" in model
    assert "dropout=0.1" in model
    assert "epochs=4" in model


def test_the_settings_of_the_thesis(risk_panel):
    from RiskPredictionLib.survival_model import THESIS
    from RiskPredictionSceneLib.evaluate_section import settings_of

    ui = risk_panel.ui
    assert ui.dropoutSpinBox.enabled
    ui.riskKindComboBox.setCurrentIndex(1)
    assert not ui.dropoutSpinBox.enabled
    assert settings_of(risk_panel._parameterNode).items() >= THESIS.items()


def test_tables_and_plots_are_shown(views, risk_panel, files):
    evaluate(risk_panel)
    ui = risk_panel.ui
    ui.evaluateChartButton.click()
    table = risk_panel.evaluate.evaluated.table
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID() == table.GetID()
    assert views.tableWidget(0).tableView().mrmlTableNode() is table
    ui.evaluateChartComboBox.setCurrentIndex(1)
    ui.evaluateChartButton.click()
    survival = risk_panel.evaluate.evaluated.survival
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == survival.GetID()


def test_another_predictor_is_shown(risk_panel, files):
    nodes, ui = evaluate(risk_panel), risk_panel.ui
    assert ui.predictorComboBox.currentText == nodes.predictor == "Fingerprint"
    before = slicer.util.arrayFromTableColumn(nodes.survival.GetNthPlotSeriesNode(0).GetTableNode(), _second(nodes))
    ui.predictorComboBox.setCurrentIndex(0)
    assert nodes.predictor == nodes.predictors[0]
    after = slicer.util.arrayFromTableColumn(nodes.survival.GetNthPlotSeriesNode(0).GetTableNode(), _second(nodes))
    assert len(before) != len(after) or (before != after).any()


def _second(nodes):
    return nodes.survival.GetNthPlotSeriesNode(0).GetYColumnName()


def test_the_report_opens(risk_panel, files, tmp_path, monkeypatch):
    ui = risk_panel.ui
    ui.reportFolderPathLineEdit.currentPath = str(tmp_path / "report")
    nodes = evaluate(risk_panel)
    assert nodes.report.is_file()
    assert "For research use only" in nodes.report.read_text(encoding="utf-8")
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", opened.append)
    ui.openReportButton.click()
    assert opened[0].toLocalFile() == str(nodes.report)


def test_a_report_that_was_moved_is_told(main_window, risk_panel, files, tmp_path):
    risk_panel.ui.reportFolderPathLineEdit.currentPath = str(tmp_path / "report")
    evaluate(risk_panel).report.unlink()
    with testing(False), dialogs.answer("OK") as seen:
        risk_panel.ui.openReportButton.click()
    assert "no longer there" in seen[0].text


def test_a_trained_model_is_in_the_list_of_the_section_patient(risk_panel, files):
    ui = risk_panel.ui
    ui.riskNameLineEdit.text = "from-panel"
    press(risk_panel, ui.trainButton)
    assert risk_panel.evaluate.trained is not None, ui.evaluateMessageLabel.text
    assert ui.riskModelComboBox.currentText == "from-panel"
    assert "60 cases" in ui.trainResultLabel.text
    assert "simulated" in ui.trainWarningsLabel.text
    assert texts(ui.trainChartComboBox) == ["Model", "Losses"]
    assert risk_panel.logic.modelCard("from-panel")["grid"]["motion_model"] == "fingerprint"


def test_a_model_is_not_replaced_without_asking(main_window, risk_panel, files):
    ui = risk_panel.ui
    ui.riskNameLineEdit.text = "trained-risk"
    with testing(False), dialogs.answer("No") as seen:
        ui.trainButton.click()
    assert "trained-risk" in seen[0].text
    assert not risk_panel.evaluate.running
    assert "choose another name" in ui.evaluateMessageLabel.text


def test_a_model_needs_a_name(risk_panel, files):
    risk_panel.ui.riskNameLineEdit.text = " "
    assert "name" in risk_panel.ui.trainButton.toolTip
    assert not risk_panel.ui.trainButton.enabled


def test_a_table_with_problems_is_refused_where_they_are_listed(risk_panel, files):
    files[0].write_text("case,time,event\na,-1,1\nb,2,0\n")
    ui = risk_panel.ui
    ui.evaluateButton.click()
    assert not risk_panel.evaluate.running
    assert "section Cohort" in ui.evaluateMessageLabel.text
    assert ui.cohortProblemsTable.item(0, 1).text() == "time"


def test_what_cannot_be_evaluated_is_told(main_window, risk_panel, scene):
    ui = risk_panel.ui
    ui.cohortTableSelector.setCurrentNode(add_cohort(scene, 4))
    before = scene_ids(scene)
    with testing(False), dialogs.answer("OK") as seen:
        ui.evaluateButton.click()
        assert risk_panel.evaluate.work.wait(SECONDS)
    assert seen[0].text
    assert "Failed" in ui.evaluateMessageLabel.text
    assert scene_ids(scene) == before


def test_the_result_goes_with_its_table(risk_panel, scene, files):
    nodes = evaluate(risk_panel)
    scene.RemoveNode(nodes.table)
    assert risk_panel.evaluate.evaluated is None
    assert risk_panel.ui.evaluateResultGroupBox.isHidden()


def test_cancel_leaves_the_scene_as_it_was(risk_panel, scene, files, monkeypatch):
    import threading

    from RiskPredictionLib import evaluation

    reached = threading.Event()

    def slow(*arguments, progress=None, **named):
        reached.set()
        while True:  # until the progress raises Cancelled
            progress.report(0.5, "Evaluating")

    monkeypatch.setattr(evaluation, "evaluate", slow)
    before, ui = scene_ids(scene), risk_panel.ui
    ui.evaluateButton.click()
    assert reached.wait(SECONDS)
    assert ui.evaluateButton.text == "Cancel"
    assert not ui.trainButton.enabled
    ui.evaluateButton.click()
    assert risk_panel.evaluate.work.wait(SECONDS)
    assert "Cancelled" in ui.evaluateMessageLabel.text
    assert risk_panel.evaluate.evaluated is None
    assert scene_ids(scene) == before
