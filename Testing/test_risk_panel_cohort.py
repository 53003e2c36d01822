"""The section Cohort of RiskPrediction's panel: the table, what is wrong with it, and its fingerprints."""

import pytest

from DeformationSceneLib.tables import add_table
from Testing.motion_fixtures import add_cine
from Testing.panel_steps import SECONDS, Obstacle, scene_ids
from Testing.risk_panel_fixtures import add_cohort, heart_frames, write_simulated
from Testing.SlicerHost.application import load_scene, save_scene


@pytest.fixture
def cohort(risk_panel, scene):
    """A table of four cases with their series, chosen in the panel."""
    table = add_cohort(scene)
    risk_panel.ui.cohortTableSelector.setCurrentNode(table)
    return table


def extract(panel):
    panel.ui.extractButton.click()
    assert panel.cohort.running, panel.ui.cohortMessageLabel.text
    assert panel.cohort.work.wait(SECONDS)
    assert panel.cohort.extracted is not None, panel.ui.cohortMessageLabel.text
    return panel.cohort.extracted


def cells(table):
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def test_buttons_say_what_is_missing(risk_panel, tmp_path):
    ui = risk_panel.ui
    for button in (ui.checkButton, ui.extractButton, ui.evaluateButton, ui.trainButton):
        assert not button.enabled
        assert "Select the table of a cohort" in button.toolTip
    ui.cohortFilePathLineEdit.currentPath = str(tmp_path / "none.csv")
    assert "does not exist" in ui.checkButton.toolTip
    assert not ui.checkButton.enabled


def test_problems_are_listed_by_row_and_column(risk_panel, scene):
    columns = {"case": ["a", "b", "a"], "time": ["1", "-2", "nan"], "event": ["1", "0", "perhaps"]}
    risk_panel.ui.cohortTableSelector.setCurrentNode(add_table(scene, "Bad", columns))
    risk_panel.ui.checkButton.click()
    table = risk_panel.ui.cohortProblemsTable
    assert not table.isHidden()
    assert [row[:2] for row in cells(table)] == [["3", "time"], ["4", "case"], ["4", "time"], ["4", "event"]]
    assert "is negative" in cells(table)[0][2]
    assert "4 to correct" in risk_panel.ui.cohortResultLabel.text


def test_a_good_table_is_described(risk_panel, cohort):
    risk_panel.ui.checkButton.click()
    assert risk_panel.ui.cohortProblemsTable.isHidden()
    assert "4 cases, 2 with event" in risk_panel.ui.cohortResultLabel.text


def test_another_table_takes_the_findings_away(risk_panel, scene, cohort):
    risk_panel.ui.checkButton.click()
    risk_panel.ui.cohortTableSelector.setCurrentNode(None)
    assert risk_panel.ui.cohortResultLabel.isHidden()


def test_a_file_is_used_where_no_table_is_chosen(risk_panel, scene, tmp_path):
    path, _fingerprints = write_simulated(tmp_path)
    ui = risk_panel.ui
    ui.cohortFilePathLineEdit.currentPath = str(path)
    ui.checkButton.click()
    assert "outcomes simulated" in ui.cohortResultLabel.text
    ui.cohortTableSelector.setCurrentNode(add_cohort(scene, 2))
    assert not ui.cohortFilePathLineEdit.enabled
    ui.checkButton.click()
    assert "2 cases" in ui.cohortResultLabel.text


def test_the_first_cohort_is_selected_when_the_module_is_opened(risk_panel, scene):
    add_table(scene, "Something else", {"case": ["a"], "weight": [1.0]})
    table = add_cohort(scene, 2)
    risk_panel.exit()
    risk_panel.enter()
    assert risk_panel.ui.cohortTableSelector.currentNode() is table


def test_fingerprints_are_extracted_from_sequences_by_name(risk_panel, cohort):
    nodes = extract(risk_panel)
    assert {values.shape for values in nodes.extraction.fingerprints.values()} == {(5, 6)}
    assert "4 of 4 cases have a fingerprint (5 × 6 values)" in risk_panel.ui.cohortResultLabel.text
    assert risk_panel.ui.cohortFailuresTable.isHidden()


def test_cases_that_fail_are_listed_and_the_others_go_on(risk_panel, scene, tmp_path):
    risk_panel.ui.cohortTableSelector.setCurrentNode(add_cohort(scene, broken=2))
    risk_panel.ui.extractionFolderPathLineEdit.currentPath = str(tmp_path)
    nodes = extract(risk_panel)
    assert list(nodes.extraction.fingerprints) == ["case1", "case2", "case4"]
    (failure,) = cells(risk_panel.ui.cohortFailuresTable)
    assert failure[:2] == ["4", "case3"]
    assert "has one frame" in failure[2]
    assert (tmp_path / "fingerprints.npz").is_file()
    assert "case3" in (tmp_path / "failures.csv").read_text()


def test_a_table_with_problems_is_not_extracted(risk_panel, scene):
    table = add_cohort(scene)
    table.GetTable().GetColumnByName("cine").SetValue(1, "no such series")
    table.Modified()
    risk_panel.ui.cohortTableSelector.setCurrentNode(table)
    risk_panel.ui.extractButton.click()
    assert not risk_panel.cohort.running
    assert [row[:2] for row in cells(risk_panel.ui.cohortProblemsTable)] == [["3", "cine"]]


def test_cancel_leaves_the_scene_as_it_was(risk_panel, scene, cohort, monkeypatch):
    obstacle, ui = Obstacle(monkeypatch, risk_panel), risk_panel.ui
    before = scene_ids(scene)
    ui.extractButton.click()
    assert obstacle.reached.wait(SECONDS)
    assert ui.extractButton.text == "Cancel"
    ui.extractButton.click()
    obstacle.go_on.set()
    assert ui.extractButton.text == "Extract fingerprints"
    assert "Cancelled" in ui.cohortMessageLabel.text
    assert risk_panel.cohort.extracted is None
    assert scene_ids(scene) == before


def test_closing_the_scene_ends_the_work(risk_panel, scene, cohort, monkeypatch):
    obstacle = Obstacle(monkeypatch, risk_panel)
    risk_panel.ui.extractButton.click()
    assert obstacle.reached.wait(SECONDS)
    scene.Clear(False)
    obstacle.go_on.set()
    assert not risk_panel.cohort.running
    assert risk_panel.ui.cohortTableSelector.currentNode() is None


def test_a_series_that_is_there_twice_is_ambiguous(risk_panel, scene, cohort):
    add_cine(scene, heart_frames(1), "Cohort 2", browser=False)
    risk_panel.ui.checkButton.click()
    assert [row[:2] for row in cells(risk_panel.ui.cohortProblemsTable)] == [["3", "cine"]]


def test_the_choices_are_saved_with_the_scene(risk_panel, scene, cohort, tmp_path):
    risk_panel.ui.foldsSpinBox.value = 9
    risk_panel.ui.riskChangeSpinBox.value = 1.5
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert risk_panel.ui.foldsSpinBox.value == 6
    load_scene(tmp_path / "scene.mrb")
    assert risk_panel.ui.cohortTableSelector.currentNode().GetName() == "Cohort"
    assert risk_panel.ui.foldsSpinBox.value == 9
    assert risk_panel.ui.riskChangeSpinBox.value == 1.5
    risk_panel.ui.checkButton.click()
    assert "4 cases" in risk_panel.ui.cohortResultLabel.text
