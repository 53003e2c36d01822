"""The panel's section Register, as its user meets it: choices, clicks, cancel, errors, scenes that come and go."""

import sys
import types

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.phantoms import two_part_phantom
from DeformationSceneLib import installation
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.volumes import add_volume
from Testing.panel_steps import SECONDS, Obstacle, handle_events, scene_ids
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene, testing

FIXED, MOVING = two_part_phantom(4), two_part_phantom(1)


@pytest.fixture
def pair(panel, scene):
    """Two phantoms with a segmentation, chosen in the panel, with the model made for them."""
    fixed, moving = add_volume(scene, FIXED[0], "Fixed"), add_volume(scene, MOVING[0], "Moving")
    segmentation = add_segmentation(
        scene, MOVING[1], "Labels", names={1: "Head", 2: "Body"}, reference_volume_node=moving
    )
    ui = panel.ui
    ui.fixedVolumeSelector.setCurrentNode(fixed)
    ui.movingVolumeSelector.setCurrentNode(moving)
    ui.movingSegmentationSelector.setCurrentNode(segmentation)
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findText("phantom"))
    return fixed, moving, segmentation


def apply_and_wait(panel):
    panel.ui.applyButton.click()
    assert panel.register._job.wait(SECONDS)


def test_apply_asks_for_what_is_missing(panel, scene):
    ui = panel.ui
    assert not ui.applyButton.enabled
    assert "Select a fixed and a moving volume" in ui.applyButton.toolTip
    fixed = add_volume(scene, FIXED[0], "Fixed")
    ui.fixedVolumeSelector.setCurrentNode(fixed)
    ui.movingVolumeSelector.setCurrentNode(fixed)
    assert "two different volumes" in ui.applyButton.toolTip
    ui.movingVolumeSelector.setCurrentNode(add_volume(scene, MOVING[0], "Moving"))
    assert ui.applyButton.enabled
    for name in ("Transform", "WarpedVolume", "WarpedSegmentation"):
        getattr(ui, f"make{name}CheckBox").click()
    assert not ui.applyButton.enabled
    assert "at least one output" in ui.applyButton.toolTip


def test_models_are_listed_with_what_they_are_for(panel):
    ui = panel.ui
    names = [ui.modelComboBox.itemText(index) for index in range(ui.modelComboBox.count)]
    assert {"hippocampus", "hippocampus-skips", "phantom"} <= set(names)
    ui.modelComboBox.setCurrentIndex(names.index("phantom"))
    assert ui.modelPurposeLabel.text == panel.logic.modelCard("phantom")["purpose"]
    assert panel._parameterNode.model == "phantom"


def test_a_registration_by_clicks(panel, pair, scene):
    _fixed, moving, _segmentation = pair
    ui = panel.ui
    ui.makeInverseTransformCheckBox.click()
    ui.makeJacobianCheckBox.click()
    before = slicer.util.arrayFromVolume(moving).copy()
    ui.applyButton.click()
    assert ui.applyButton.text == "Cancel"
    assert not ui.registerProgressBar.isHidden()
    assert panel.register._job.wait(SECONDS)

    assert ui.applyButton.text == "Apply"
    assert ui.registerProgressBar.isHidden()
    nodes = panel.register.nodes
    assert [node.GetName() for node in nodes] == [
        "Moving to Fixed transform",
        "Moving warped to Fixed",
        "Fixed to Moving inverse transform",
        "Moving to Fixed Jacobian",
        "Labels warped to Fixed",
    ]
    report = nodes.result.report(FIXED[1], MOVING[1])
    assert report["mean_dice_after"] > report["mean_dice_before"] + 0.2
    assert not ui.resultGroupBox.isHidden()
    for part in ("Registered in", "Local correlation", "Folded voxels: 0.0"):
        assert part in ui.resultLabel.text
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(moving), before)
    assert moving.GetParentTransformNode() is None


def test_what_is_not_wanted_is_not_made(panel, pair):
    panel.ui.makeWarpedVolumeCheckBox.click()
    panel.ui.makeWarpedSegmentationCheckBox.click()
    apply_and_wait(panel)
    nodes = panel.register.nodes
    assert list(nodes) == [nodes.transform]
    assert not panel.ui.fadeSlider.enabled


def test_a_chosen_output_is_overwritten(panel, pair, scene):
    apply_and_wait(panel)
    first = panel.register.nodes.warped
    panel.ui.outputWarpedVolumeSelector.setCurrentNode(first)
    slicer.util.updateVolumeFromArray(first, np.zeros((4, 4, 4), np.float32))
    apply_and_wait(panel)
    assert panel.register.nodes.warped is first
    assert slicer.util.arrayFromVolume(first).shape == FIXED[0].array.shape


def test_result_is_shown_in_the_slice_views(panel, pair, views):
    apply_and_wait(panel)
    nodes = panel.register.nodes
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == pair[0].GetID()
    assert composite.GetForegroundVolumeID() == nodes.warped.GetID()
    panel.ui.fadeSlider.value = 100
    assert composite.GetForegroundOpacity() == 1.0
    index = panel.ui.deformationDisplayComboBox.findText("Grid")
    panel.ui.deformationDisplayComboBox.setCurrentIndex(index)
    display = nodes.transform.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    panel.ui.deformationDisplayComboBox.setCurrentIndex(0)
    assert not display.GetVisibility()


def test_cancel_frees_the_panel_at_once_and_leaves_the_scene(panel, pair, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, panel)
    before = scene_ids(scene)
    panel.ui.applyButton.click()
    assert obstacle.reached.wait(SECONDS)
    panel.ui.applyButton.click()  # the thread is still held up
    assert not panel.register.running
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled
    assert "Cancelled" in panel.ui.registerMessageLabel.text
    obstacle.go_on.set()
    handle_events(0.1)
    assert scene_ids(scene) == before
    monkeypatch.undo()
    apply_and_wait(panel)
    assert panel.register.nodes.warped is not None


def test_an_unusable_volume_is_told_in_a_dialog(main_window, panel, pair, scene):
    array = slicer.util.arrayFromVolume(pair[1])
    array[3, 3, 3] = np.nan
    before = scene_ids(scene)
    with testing(False), dialogs.answer("OK") as seen:
        apply_and_wait(panel)
    assert len(seen) == 1
    assert "NaN" in seen[0].text
    assert "Traceback" not in seen[0].text
    assert scene_ids(scene) == before
    assert "Failed" in panel.ui.registerMessageLabel.text
    assert panel.ui.applyButton.enabled


def test_an_unforeseen_failure_is_told_without_a_traceback(main_window, panel, pair, scene, monkeypatch, caplog):
    def fail(*_arguments):
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(panel.logic, "model", fail)
    with testing(False), dialogs.answer("OK") as seen:
        apply_and_wait(panel)
    assert "cosmic ray" not in seen[0].text
    assert "cosmic ray" in caplog.text
    assert panel.ui.applyButton.enabled


def test_an_output_that_is_an_input_is_refused(main_window, panel, pair):
    panel.ui.outputWarpedVolumeSelector.setCurrentNode(pair[1])
    with testing(False), dialogs.answer("OK") as seen:
        panel.ui.applyButton.click()
    assert "is an input" in seen[0].text
    assert not panel.register.running


def test_warnings_are_shown(panel, pair, scene):
    """A coarse volume: the model was trained on another spacing."""
    pair[1].SetSpacing(3.0, 3.0, 3.0)
    apply_and_wait(panel)
    assert not panel.ui.warningsLabel.isHidden()
    assert "spacing" in panel.ui.warningsLabel.text


def test_closing_the_scene_while_it_works(panel, pair, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, panel)
    panel.ui.applyButton.click()
    assert obstacle.reached.wait(SECONDS)
    scene.Clear(False)
    obstacle.go_on.set()
    handle_events(0.1)
    assert not panel.register.running
    assert slicer.util.getNodesByClass("vtkMRMLGridTransformNode") == []
    assert panel.ui.fixedVolumeSelector.currentNode() is None
    assert not panel.ui.applyButton.enabled


def test_saving_and_reopening_a_scene_restores_the_panel(panel, pair, scene, tmp_path):
    ui = panel.ui
    ui.alignmentComboBox.setCurrentIndex(3)
    ui.makeJacobianCheckBox.click()
    chosen = ui.alignmentComboBox.currentText
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert ui.alignmentComboBox.currentText != chosen
    assert not ui.makeJacobianCheckBox.checked
    load_scene(tmp_path / "scene.mrb")
    assert ui.fixedVolumeSelector.currentNode().GetName() == "Fixed"
    assert ui.movingVolumeSelector.currentNode().GetName() == "Moving"
    assert ui.movingSegmentationSelector.currentNode().GetName() == "Labels"
    assert ui.modelComboBox.currentText == "phantom"
    assert ui.alignmentComboBox.currentText == chosen
    assert ui.makeJacobianCheckBox.checked
    apply_and_wait(panel)
    assert panel.register.nodes.jacobian is not None


def test_first_volumes_are_selected_when_the_module_is_opened(panel, scene):
    label_volume = add_volume(scene, FIXED[1], "Label volume", labels=True)
    fixed, moving = add_volume(scene, FIXED[0], "Fixed"), add_volume(scene, MOVING[0], "Moving")
    panel.exit()
    panel.enter()
    assert panel.ui.fixedVolumeSelector.currentNode() is fixed
    assert panel.ui.movingVolumeSelector.currentNode() is moving
    assert label_volume not in (panel._parameterNode.fixedVolume, panel._parameterNode.movingVolume)


def test_work_goes_on_while_another_module_is_shown(panel, pair):
    panel.ui.applyButton.click()
    panel.exit()
    assert panel.register._job.wait(SECONDS)
    assert panel.register.nodes.warped is not None
    panel.enter()
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled


def test_parent_transforms_are_respected(panel, pair, scene):
    apply_and_wait(panel)
    plain = slicer.util.arrayFromVolume(panel.register.nodes.warped).copy()
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    parent.SetMatrixTransformToParent(matrix)
    pair[1].SetAndObserveTransformNodeID(parent.GetID())
    apply_and_wait(panel)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(panel.register.nodes.warped), plain, atol=0.1)
    assert pair[1].GetParentTransformNode() is parent


def test_a_declined_installation_loses_nothing(main_window, panel, pair, scene, monkeypatch):
    monkeypatch.setattr(installation, "missing_dependencies", lambda *_arguments: [installation.TORCH])
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace())
    before = scene_ids(scene)
    with testing(False), dialogs.answer("No") as seen:
        panel.ui.applyButton.click()
    assert "torch" in seen[0].text.lower()
    assert not panel.register.running
    assert "torch" in panel.ui.registerMessageLabel.text.lower()
    assert panel.ui.applyButton.enabled
    assert scene_ids(scene) == before


def test_missing_dependencies_are_told_and_nothing_starts(main_window, panel, pair, monkeypatch):
    def decline(*_arguments, **_keywords):
        raise InputError("PyTorch is needed and was not installed.")

    monkeypatch.setattr(installation, "ensure_dependencies", decline)
    with testing(False), dialogs.answer("OK") as seen:
        panel.ui.applyButton.click()
    assert "PyTorch is needed" in seen[0].text
    assert not panel.register.running
    assert panel.ui.applyButton.enabled
