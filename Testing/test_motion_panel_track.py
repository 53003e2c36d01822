"""The section Track of MotionModel's panel, as its user meets it: choices, clicks, cancel, errors, scenes that go."""

import numpy as np
import pytest
import slicer

from DeformationSceneLib.volumes import add_volume
from Testing.motion_fixtures import HEART, add_cine, add_heart
from Testing.panel_steps import SECONDS, Obstacle, handle_events, scene_ids
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene, testing


@pytest.fixture
def heart(motion_panel, scene):
    """A beating phantom with its segmentation, chosen in the panel: (sequence, browser, segmentation)."""
    nodes = add_heart(scene)
    motion_panel.ui.cineSelector.setCurrentNode(nodes[1])
    motion_panel.ui.segmentationSelector.setCurrentNode(nodes[2])
    return nodes


def apply_and_wait(panel):
    panel.ui.applyButton.click()
    assert panel.track.running
    assert panel.track.work.wait(SECONDS)


def choose(comboBox, text):
    comboBox.setCurrentIndex(comboBox.findText(text))


def test_applying_gives_what_was_asked_for(motion_panel, heart):
    sequence, browser, segmentation = heart
    ui = motion_panel.ui
    ui.makeStrainCheckBox.click()
    ui.makeCompensatedCheckBox.click()
    apply_and_wait(motion_panel)
    nodes = motion_panel.track.nodes
    assert nodes.browser is browser
    assert {*nodes.motion.sequences} == {"transform", "segmentation", "compensated"}
    assert nodes.motion.sequences["transform"].GetNumberOfDataNodes() == sequence.GetNumberOfDataNodes()
    assert nodes.strain is None
    assert not ui.resultGroupBox.isHidden()
    assert "Tracked 6 frames" in ui.resultLabel.text
    assert "Ejection fraction: LV" in ui.resultLabel.text
    assert "end-systole in frame" in ui.resultLabel.text
    assert ui.applyButton.text == "Apply"
    assert ui.trackProgressBar.isHidden()
    shown = [ui.resultChartComboBox.itemText(n) for n in range(ui.resultChartComboBox.count)]
    assert shown == ["Volumes"]
    # The structure of the reference stands still: it would lie over the moving one.
    assert not segmentation.GetDisplayNode().GetVisibility()
    assert nodes.segmentation.GetDisplayNode().GetVisibility()


def test_playing_moves_the_outputs(motion_panel, heart):
    apply_and_wait(motion_panel)
    nodes, seek = motion_panel.track.nodes, motion_panel.ui.trackSeekWidget.slider()
    assert seek.maximum == 5
    moved = []
    for frame in (0, 3):
        seek.setValue(frame)
        assert nodes.browser.GetSelectedItemNumber() == frame
        grid = nodes.transform.GetTransformFromParent().GetDisplacementGrid()
        moved.append(float(np.abs(slicer.util.arrayFromGridTransform(nodes.transform)).max()) if grid else None)
    assert moved[0] == 0.0
    assert moved[1] > 0.1


def test_the_current_frame_becomes_the_reference(motion_panel, heart):
    heart[1].SetSelectedItemNumber(4)
    motion_panel.ui.useCurrentFrameButton.click()
    assert motion_panel.ui.referenceSpinBox.value == 4
    motion_panel.ui.segmentationSelector.setCurrentNode(None)
    apply_and_wait(motion_panel)
    assert motion_panel.track.nodes.result.reference_index == 4


def test_a_second_run_takes_the_place_of_the_first(motion_panel, heart):
    apply_and_wait(motion_panel)
    first = motion_panel.track.nodes.transform
    count = len(slicer.util.getNodesByClass("vtkMRMLSequenceNode"))
    apply_and_wait(motion_panel)
    assert first.GetScene() is None
    assert motion_panel.track.nodes.transform.GetScene() is not None
    assert len(slicer.util.getNodesByClass("vtkMRMLSequenceNode")) == count


def test_a_sequence_without_browser_gets_one(motion_panel, scene):
    sequence, _none = add_cine(scene, HEART.frames, "Bare", browser=False)
    motion_panel.ui.cineSelector.setCurrentNode(sequence)
    assert not motion_panel.ui.trackSeekWidget.enabled
    apply_and_wait(motion_panel)
    assert motion_panel.ui.trackSeekWidget.enabled
    motion_panel.ui.trackSeekWidget.slider().setValue(3)
    assert motion_panel.track.nodes.browser.GetSelectedItemNumber() == 3


def test_a_volume_of_many_components_is_a_series(motion_panel, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Components")
    slicer.util.updateVolumeFromArray(volume, np.stack([frame.array for frame in HEART.frames], axis=-1))
    volume.SetSpacing(*HEART.frames[0].geometry.spacing)
    ui = motion_panel.ui
    ui.cineSelector.setCurrentNode(volume)
    assert ui.applyButton.enabled
    assert not ui.useCurrentFrameButton.enabled
    apply_and_wait(motion_panel)
    nodes = motion_panel.track.nodes
    assert len(nodes.result) == 6
    ui.simulateSeedSpinBox.value = 4  # a change of another parameter leaves the controls with the result
    assert ui.trackSeekWidget.enabled
    apply_and_wait(motion_panel)
    assert nodes.transform.GetScene() is None


def test_structures_that_are_no_heart_have_no_ejection_fraction(scene):
    from DeformationSceneLib.segmentations import add_segmentation
    from MotionModelLib.volume_curves import VolumeCurves
    from MotionModelSceneLib.result_display import fraction_sentence, main_fraction

    labels = HEART.labels[0].with_array((HEART.labels[0].array > 0).astype(np.int16))
    liver = add_segmentation(scene, labels, "Abdomen", names={1: "Liver"})
    curves = VolumeCurves(np.arange(3.0), (1,), np.array([[100.0], [80.0], [90.0]]))
    assert fraction_sentence(curves, liver) == "Volume lost from largest to smallest: Liver 20 %."
    assert main_fraction(curves, liver) == pytest.approx(20.0)
    assert fraction_sentence(None, liver) == ""
    assert main_fraction(curves, None) is None


def test_the_display_follows_the_choices(motion_panel, heart):
    apply_and_wait(motion_panel)
    ui, nodes = motion_panel.ui, motion_panel.track.nodes
    display = nodes.transform.GetDisplayNode()
    choose(ui.motionDisplayComboBox, "Arrows")
    assert display.GetVisibility()
    assert display.GetVisualizationMode() == display.VIS_MODE_GLYPH
    choose(ui.motionDisplayComboBox, "Nothing")
    assert not display.GetVisibility()
    ui.showContoursCheckBox.click()
    assert not nodes.segmentation.GetDisplayNode().GetVisibility()


def test_the_first_series_is_selected_when_the_module_is_opened(motion_panel, scene):
    add_volume(scene, HEART.frames[0], "Single")
    _sequence, browser, _parts = add_heart(scene)
    motion_panel.exit()
    motion_panel.enter()
    assert motion_panel.ui.cineSelector.currentNode() is browser


def test_what_cannot_be_tracked_is_told_before(motion_panel, scene):
    ui = motion_panel.ui
    assert not ui.applyButton.enabled
    assert "Select a sequence" in ui.applyButton.toolTip
    _sequence, browser = add_cine(scene, HEART.frames[:1], "One")
    ui.cineSelector.setCurrentNode(browser)
    assert "at least two" in ui.applyButton.toolTip
    empty = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Empty")
    ui.cineSelector.setCurrentNode(empty)
    assert "no sequence of volumes" in ui.applyButton.toolTip
    _sequence, browser = add_cine(scene, HEART.frames, "Six")
    ui.cineSelector.setCurrentNode(browser)
    assert ui.applyButton.enabled
    assert "Track the sequence" in ui.applyButton.toolTip
    ui.referenceSpinBox.value = 6
    assert not ui.applyButton.enabled
    assert "0 to 5" in ui.applyButton.toolTip


def test_unusable_frames_are_told_in_a_dialog(main_window, motion_panel, scene):
    frames = [frame.with_array(frame.array.copy()) for frame in HEART.frames]
    frames[3].array[1, 4, 4] = np.nan
    _sequence, browser = add_cine(scene, frames, "Broken")
    motion_panel.ui.cineSelector.setCurrentNode(browser)
    before = scene_ids(scene)
    with testing(False), dialogs.answer("OK") as seen:
        motion_panel.ui.applyButton.click()
    assert "Frame 3" in seen[0].text
    assert "Traceback" not in seen[0].text
    assert not motion_panel.track.running
    assert scene_ids(scene) == before


def test_cancel_frees_the_panel_at_once_and_leaves_the_scene(motion_panel, heart, scene, monkeypatch):
    obstacle, before = Obstacle(monkeypatch, motion_panel), scene_ids(scene)
    button = motion_panel.ui.applyButton
    button.click()
    assert obstacle.reached.wait(SECONDS)
    assert button.text == "Cancel"
    assert not motion_panel.ui.trackProgressBar.isHidden()
    button.click()  # the thread is still held up
    assert not motion_panel.track.running
    assert button.text == "Apply"
    assert "Cancelled" in motion_panel.ui.trackMessageLabel.text
    obstacle.go_on.set()
    handle_events(0.1)
    assert scene_ids(scene) == before


def test_inputs_that_are_deleted_meanwhile_are_told(main_window, motion_panel, heart, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, motion_panel)
    motion_panel.ui.applyButton.click()
    assert obstacle.reached.wait(SECONDS)
    scene.RemoveNode(heart[2])
    before = scene_ids(scene)
    obstacle.go_on.set()
    with testing(False), dialogs.answer("OK") as seen:
        assert motion_panel.track.work.wait(SECONDS)
    assert "deleted meanwhile" in seen[0].text
    assert scene_ids(scene) == before
    assert motion_panel.track.nodes is None


def test_closing_the_scene_while_it_works(motion_panel, heart, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, motion_panel)
    motion_panel.ui.applyButton.click()
    assert obstacle.reached.wait(SECONDS)
    scene.Clear(False)
    obstacle.go_on.set()
    handle_events(0.1)
    assert not motion_panel.track.running
    assert slicer.util.getNodesByClass("vtkMRMLSequenceNode") == []
    assert motion_panel.ui.cineSelector.currentNode() is None
    assert not motion_panel.ui.trackSeekWidget.enabled


def test_work_goes_on_while_another_module_is_shown(motion_panel, heart):
    motion_panel.ui.applyButton.click()
    motion_panel.exit()
    assert motion_panel.track.work.wait(SECONDS)
    assert motion_panel.track.nodes is not None
    motion_panel.enter()
    assert motion_panel.ui.applyButton.enabled


def test_a_deleted_result_is_not_shown_any_longer(motion_panel, heart, scene):
    apply_and_wait(motion_panel)
    scene.RemoveNode(motion_panel.track.nodes.transform)
    assert motion_panel.track.nodes is None
    assert motion_panel.ui.resultGroupBox.isHidden()
    scene.RemoveNode(heart[1])
    assert not motion_panel.ui.trackSeekWidget.enabled


def test_saving_and_reopening_a_scene_restores_the_choices(motion_panel, heart, scene, tmp_path):
    ui = motion_panel.ui
    ui.referenceSpinBox.value = 2
    ui.makeJacobianCheckBox.click()
    choose(ui.givenPatternComboBox, "These numbers")
    ui.givenNumbersLineEdit.setText("0, 2, 5")
    ui.simulateSeedSpinBox.value = 7
    choose(ui.trainKindComboBox, "Motion tracking in volumes (3-D)")
    ui.trainMinutesSpinBox.value = 30
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert ui.referenceSpinBox.value == 0
    load_scene(tmp_path / "scene.mrb")
    assert ui.cineSelector.currentNode().GetName() == "Cine browser"
    assert ui.segmentationSelector.currentNode().GetName() == "Cine heart"
    assert ui.referenceSpinBox.value == 2
    assert ui.makeJacobianCheckBox.checked
    assert motion_panel.complete.given() == [0, 2, 5]
    assert ui.simulateSeedSpinBox.value == 7
    assert ui.trainKindComboBox.currentText == "Motion tracking in volumes (3-D)"
    assert ui.trainMinutesSpinBox.value == 30
    assert ui.applyButton.enabled
