"""The section "Simulate and transport" of MotionModel's panel, and its two views side by side."""

import pytest

from Testing.motion_fixtures import HEART, OTHER, add_heart
from Testing.panel_steps import SECONDS, Obstacle
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import testing


@pytest.fixture
def subjects(motion_panel, scene):
    """Two phantoms: the first one chosen in Track, the image of the second one as what gets a motion."""
    source, target = add_heart(scene, HEART, "Source"), add_heart(scene, OTHER, "Target")
    ui = motion_panel.ui
    ui.cineSelector.setCurrentNode(source[1])
    ui.segmentationSelector.setCurrentNode(source[2])
    ui.simulateImageSelector.setCurrentNode(target[1].GetProxyNode(target[0]))
    ui.simulateSegmentationSelector.setCurrentNode(target[2])
    return source, target


def press(panel, button):
    button.click()
    assert panel.simulate.running, panel.ui.simulateMessageLabel.text
    assert panel.simulate.work.wait(SECONDS)
    assert panel.simulate.nodes is not None, panel.ui.simulateMessageLabel.text
    return panel.simulate.nodes


def choose(comboBox, text):
    comboBox.setCurrentIndex(comboBox.findText(text))


def test_an_image_gets_the_motion_that_is_expected(motion_panel, subjects):
    motion_panel.ui.simulateFramesSpinBox.value = 7
    nodes = press(motion_panel, motion_panel.ui.simulateButton)
    assert nodes.browser.GetNumberOfItems() == len(nodes.result) == 7
    assert nodes.browser is not subjects[1][1]
    assert "7 frames" in motion_panel.ui.simulateResultLabel.text
    assert "Ejection fraction: LV" in motion_panel.ui.simulateResultLabel.text
    assert motion_panel.ui.sideBySideButton.enabled


def test_a_random_motion_is_the_same_for_the_same_seed(motion_panel, subjects):
    ui = motion_panel.ui
    ui.simulateFramesSpinBox.value = 4
    assert not ui.simulateSeedSpinBox.enabled
    choose(ui.simulateOriginComboBox, "Drawn at random")
    assert ui.simulateSeedSpinBox.enabled
    volumes = []
    for seed in (1, 1, 2):
        ui.simulateSeedSpinBox.value = seed
        volumes.append(press(motion_panel, ui.simulateButton).volumes.volumes.tolist())
    assert volumes[0] == volumes[1] != volumes[2]


def test_the_motion_of_the_tracked_sequence_is_transported(motion_panel, subjects):
    ui = motion_panel.ui
    nodes = press(motion_panel, ui.transportButton)
    assert len(nodes.result) == len(HEART.frames)
    assert nodes.browser is subjects[0][1]  # source and result play together
    assert "Ejection fraction: source" in ui.simulateResultLabel.text
    assert "result" in ui.simulateResultLabel.text


def test_what_was_tracked_is_not_tracked_again(motion_panel, subjects, monkeypatch):
    ui = motion_panel.ui
    ui.applyButton.click()
    assert motion_panel.track.work.wait(SECONDS)
    model = motion_panel.logic.model("cardiac-cine-2d", "auto")
    monkeypatch.setattr(model, "track", lambda *arguments, **named: pytest.fail("tracked again"))
    press(motion_panel, ui.transportButton)


def test_another_source_can_be_chosen(motion_panel, subjects):
    ui, (source, target) = motion_panel.ui, subjects
    assert not ui.transportReferenceSpinBox.enabled
    ui.transportSourceSelector.setCurrentNode(target[1])
    assert ui.transportReferenceSpinBox.enabled
    ui.transportReferenceSpinBox.value = 5
    assert not ui.transportButton.enabled
    assert "0 to 4" in ui.transportButton.toolTip
    ui.transportReferenceSpinBox.value = 0
    ui.simulateImageSelector.setCurrentNode(source[1].GetProxyNode(source[0]))
    ui.simulateSegmentationSelector.setCurrentNode(source[2])
    nodes = press(motion_panel, ui.transportButton)
    assert nodes.browser is target[1]
    assert len(nodes.result) == len(OTHER.frames)


def test_buttons_say_what_is_missing(motion_panel, scene):
    ui = motion_panel.ui
    assert "Select the image" in ui.simulateButton.toolTip
    source = add_heart(scene)
    ui.simulateImageSelector.setCurrentNode(source[1].GetProxyNode(source[0]))
    assert ui.simulateButton.enabled
    assert "Select the sequence whose motion" in ui.transportButton.toolTip


def test_only_the_pressed_button_cancels(motion_panel, subjects, monkeypatch):
    obstacle, ui = Obstacle(monkeypatch, motion_panel), motion_panel.ui
    ui.transportButton.click()
    assert obstacle.reached.wait(SECONDS)
    assert ui.transportButton.text == "Cancel"
    assert ui.simulateButton.text == "Simulate"
    assert not ui.simulateButton.enabled
    ui.transportButton.click()
    obstacle.go_on.set()
    assert ui.transportButton.text == "Transport"
    assert ui.simulateButton.enabled
    assert "Cancelled" in ui.simulateMessageLabel.text


def test_an_unknown_model_is_told(main_window, motion_panel, subjects):
    motion_panel._parameterNode.model = "no-such-model"
    with testing(False), dialogs.answer("OK") as seen:
        motion_panel.ui.simulateButton.click()
        assert motion_panel.simulate.work.wait(SECONDS)
    assert "no-such-model" in seen[0].text
    assert "Failed" in motion_panel.ui.simulateMessageLabel.text


def test_source_and_result_are_shown_side_by_side_and_play_together(views, motion_panel, subjects):
    ui, (source, _target) = motion_panel.ui, subjects
    ui.applyButton.click()
    assert motion_panel.track.work.wait(SECONDS)
    nodes = press(motion_panel, ui.transportButton)
    before = views.layout
    assert views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == (
        nodes.motion.warped.GetID()
    )
    ui.sideBySideButton.click()
    left, right = (views.sliceWidget(name).sliceLogic() for name in ("Red", "Motion"))
    assert left.GetSliceCompositeNode().GetBackgroundVolumeID() == source[1].GetProxyNode(source[0]).GetID()
    assert right.GetSliceCompositeNode().GetBackgroundVolumeID() == nodes.motion.warped.GetID()
    tracked = motion_panel.track.nodes.segmentation.GetDisplayNode()
    assert tracked.GetViewNodeIDs() == (left.GetSliceNode().GetID(),)
    assert nodes.segmentation.GetDisplayNode().GetViewNodeIDs() == (right.GetSliceNode().GetID(),)
    ui.simulateSeekWidget.slider().setValue(3)
    assert source[1].GetSelectedItemNumber() == 3
    ui.sideBySideButton.click()
    assert views.layout == before
    assert left.GetSliceCompositeNode().GetBackgroundVolumeID() == nodes.motion.warped.GetID()
    assert tracked.GetViewNodeIDs() == ()


def test_series_of_different_lengths_play_at_the_same_share_of_the_cycle(scene):
    from DeformationSceneLib.side_by_side import PairedPlayback

    leader, follower = add_heart(scene, HEART, "Six")[1], add_heart(scene, OTHER, "Five")[1]
    playback = PairedPlayback(leader, follower)
    shown = []
    for item in range(6):
        leader.SetSelectedItemNumber(item)
        shown.append(follower.GetSelectedItemNumber())
    assert shown == [0, 1, 2, 2, 3, 4]
    playback.stop()
    leader.SetSelectedItemNumber(0)
    assert follower.GetSelectedItemNumber() == 4


def test_a_picture_has_a_window_of_its_own(motion_panel, scene):
    import numpy as np

    from DeformationSceneLib.picture_window import PictureWindow
    from DeformationSceneLib.pictures import add_picture

    picture = np.zeros((30, 40, 3), np.uint8)
    picture[:5] = 255, 0, 0  # red on top
    window = PictureWindow()
    window.show(add_picture(scene, "test/picture", "Picture", picture))
    assert window.visible
    image = window._label.pixmap.toImage()
    assert (image.width(), image.height()) == (360, 270)  # magnified
    assert image.pixelColor(100, 3).name() == "#ff0000"
    assert image.pixelColor(100, 200).name() == "#000000"
    window.close()
    assert not window.visible


def test_long_texts_do_not_widen_the_panel(motion_panel):
    ui = motion_panel.ui
    ui.simulateCollapsibleButton.collapsed = False
    ui.simulateResultGroupBox.visible = True
    ui.simulateResultLabel.text = "A warning that is as long as warnings are. " * 8
    layout = ui.simulateCollapsibleButton.parentWidget().layout()
    assert layout.minimumSize().width() < 400
