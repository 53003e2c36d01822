"""The section Complete of MotionModel's panel: which frames are given, and what is said of the others."""

import numpy as np
import pytest
import qt
import slicer

from Testing.motion_fixtures import add_heart
from Testing.panel_steps import SECONDS, scene_ids


@pytest.fixture
def heart(motion_panel, scene):
    """A beating phantom of six frames with its segmentation, chosen in the panel."""
    nodes = add_heart(scene)
    motion_panel.ui.cineSelector.setCurrentNode(nodes[1])
    motion_panel.ui.segmentationSelector.setCurrentNode(nodes[2])
    return nodes


def choose(comboBox, text):
    comboBox.setCurrentIndex(comboBox.findText(text))


def checked(ui):
    items = [ui.givenFramesList.item(number) for number in range(ui.givenFramesList.count)]
    return [number for number, item in enumerate(items) if item.checkState() == qt.Qt.Checked]


def test_the_list_shows_what_the_pattern_gives(motion_panel, heart):
    ui = motion_panel.ui
    assert checked(ui) == [0, 2, 4]
    choose(ui.givenPatternComboBox, "Every 5th")
    assert checked(ui) == [0, 5]
    choose(ui.givenPatternComboBox, "The first")
    assert ui.givenCountSpinBox.enabled
    assert not ui.givenNumbersLineEdit.enabled
    ui.givenCountSpinBox.value = 3
    assert checked(ui) == [0, 1, 2]
    ui.referenceSpinBox.value = 4
    assert checked(ui) == [0, 4, 5]


def test_checking_a_frame_chooses_by_number(motion_panel, heart):
    ui = motion_panel.ui
    ui.givenFramesList.item(1).setCheckState(qt.Qt.Checked)
    assert ui.givenPatternComboBox.currentText == "These numbers"
    assert ui.givenNumbersLineEdit.text == "0-2, 4"
    assert motion_panel.complete.given() == [0, 1, 2, 4]
    ui.givenNumbersLineEdit.setText("5")
    assert checked(ui) == [0, 5]


def test_the_reference_frame_cannot_be_taken_away(motion_panel, heart):
    item = motion_panel.ui.givenFramesList.item(0)
    assert not item.flags() & qt.Qt.ItemIsEnabled
    choose(motion_panel.ui.givenPatternComboBox, "These numbers")
    assert motion_panel.complete.given() == [0]
    assert motion_panel.ui.completeButton.enabled  # the other frames are predicted from the reference alone


def test_what_cannot_be_completed_is_told_before(motion_panel, heart):
    ui = motion_panel.ui
    choose(ui.givenPatternComboBox, "These numbers")
    ui.givenNumbersLineEdit.setText("3, 17")
    assert not ui.completeButton.enabled
    assert "'17' is not among the frames" in ui.completeButton.toolTip
    ui.givenNumbersLineEdit.setText("0-5")
    assert "nothing to predict" in ui.completeButton.toolTip
    ui.cineSelector.setCurrentNode(None)
    assert ui.givenFramesList.count == 0
    assert "Select a sequence" in ui.completeButton.toolTip


def test_completing_shows_predicted_beside_tracked_volumes_and_the_error(motion_panel, heart):
    ui = motion_panel.ui
    choose(ui.givenPatternComboBox, "Every 5th")
    ui.completeButton.click()
    assert motion_panel.complete.work.wait(SECONDS)
    nodes = motion_panel.complete.nodes
    assert nodes is not None, ui.completeMessageLabel.text
    assert np.flatnonzero(nodes.result.given).tolist() == [0, 5]
    assert "Predicted 4 of 6 frames" in ui.completeResultLabel.text
    assert "mm from the motion that is seen with all frames" in ui.completeResultLabel.text
    assert "Error of the images" in ui.completeResultLabel.text
    shown = [ui.completeChartComboBox.itemText(n) for n in range(ui.completeChartComboBox.count)]
    assert "Volumes" in shown
    assert "Error of the predicted frames" in shown
    columns = [nodes.curves.table.GetColumnName(n) for n in range(nodes.curves.table.GetNumberOfColumns())]
    assert {"LV", "LV (all frames given)"} <= set(columns)
    assert nodes.motion.warped is not None
    assert not ui.completeResultGroupBox.isHidden()


def test_a_completion_is_drawn_instead_of_the_tracking(motion_panel, heart):
    motion_panel.ui.applyButton.click()
    assert motion_panel.track.work.wait(SECONDS)
    tracked = motion_panel.track.nodes
    motion_panel.ui.completeButton.click()
    assert motion_panel.complete.work.wait(SECONDS)
    completed = motion_panel.complete.nodes
    assert completed.browser is tracked.browser
    assert completed.segmentation.GetDisplayNode().GetVisibility()
    assert not tracked.segmentation.GetDisplayNode().GetVisibility()
    assert not tracked.transform.GetDisplayNode().GetVisibility()
    motion_panel.ui.simulateSeedSpinBox.value = 3  # another parameter brings nothing back
    assert not tracked.segmentation.GetDisplayNode().GetVisibility()


def test_cancelling_and_closing_the_scene(motion_panel, heart, scene, monkeypatch):
    from Testing.panel_steps import Obstacle, handle_events

    obstacle, before = Obstacle(monkeypatch, motion_panel), scene_ids(scene)
    button = motion_panel.ui.completeButton
    button.click()
    assert obstacle.reached.wait(SECONDS)
    button.click()
    assert "Cancelled" in motion_panel.ui.completeMessageLabel.text
    assert scene_ids(scene) == before
    button.click()
    scene.Clear(False)
    obstacle.go_on.set()
    handle_events(0.1)
    assert not motion_panel.complete.running
    assert slicer.util.getNodesByClass("vtkMRMLSequenceNode") == []
    assert motion_panel.ui.givenFramesList.count == 0
