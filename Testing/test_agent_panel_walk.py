"""AgentRegistration's section Register, as its user meets it: start, pause, step, take by hand, drag, finish, replay."""

import sys
import types

import numpy as np
import pytest
import slicer

from AgentRegistrationSceneLib import walk_section
from DeformationLib.errors import InputError
from DeformationSceneLib import installation
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import add_volume
from Testing.agent_fixtures import SLICES, VOLUMES, add_agent_pair, blob, centred, slice_images
from Testing.panel_steps import SECONDS, Obstacle, handle_events, scene_ids
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene, testing


@pytest.fixture
def pair(agent_panel, scene):
    """Two volumes and a segmentation, chosen in the panel, and an agent that does not dawdle."""
    return choose_pair(agent_panel, scene)


def choose_pair(panel, scene, images=None, model=VOLUMES):
    nodes = add_agent_pair(scene, images)
    ui = panel.ui
    for selector, node in zip((ui.fixedVolumeSelector, ui.movingVolumeSelector, ui.movingSegmentationSelector), nodes):
        selector.setCurrentNode(node)
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findText(model))
    for group in (ui.outputsGroupBox, ui.agentGroupBox, ui.replayGroupBox):
        group.checked = True
    ui.paceSpinBox.value = 0
    return nodes


def wait(panel):
    """Until no work is under way; one piece of work may start the next one."""
    while panel.walk.running:
        assert panel.walk.wait(SECONDS)


def wait_until(condition):
    for _ in range(int(SECONDS * 50)):
        if condition():
            return
        handle_events(0.02)
    raise AssertionError("It did not come to that.")


def start_and_pause(panel, steps=3):
    """Start, and let the agent wait after a few steps."""
    panel.ui.paceSpinBox.value = 20
    panel.ui.walkStartButton.click()
    wait_until(lambda: panel.walk.walking is not None and panel.walk.walking.walk.taken >= steps)
    panel.ui.walkPauseButton.click()
    wait(panel)
    panel.ui.paceSpinBox.value = 0
    assert panel.walk.live is not None


def walk_of(panel):
    return panel.walk.walking.walk


def shown(panel):
    return displacement_from_transform(panel.walk.live.deformation.transform).array


def expected(panel):
    registration = panel.walk.walking.registration
    return registration.live_displacement(registration.walk.amplitudes.tolist()).array


def texts(table, column):
    return [table.item(row, column).text() for row in range(table.rowCount)]


def live_names(scene):
    return [node.GetName() for node in nodes_of(scene) if node.GetName() and ": live" in node.GetName()]


# From Start to the result


def test_start_asks_for_what_is_missing(agent_panel, scene):
    ui = agent_panel.ui
    assert not ui.walkStartButton.enabled
    assert "Select a fixed and a moving volume" in ui.walkStartButton.toolTip
    fixed, moving, _ = add_agent_pair(scene)
    ui.fixedVolumeSelector.setCurrentNode(fixed)
    ui.movingVolumeSelector.setCurrentNode(fixed)
    assert "two different volumes" in ui.walkStartButton.toolTip
    ui.movingVolumeSelector.setCurrentNode(moving)
    assert ui.walkStartButton.enabled
    for button in (ui.walkPauseButton, ui.walkStepButton, ui.walkBackButton, ui.walkFinishButton, ui.walkTakeButton):
        assert not button.enabled


@pytest.mark.parametrize("images, model", [(None, VOLUMES), (slice_images(), SLICES)])
def test_a_registration_by_one_click(agent_panel, scene, images, model):
    _, moving, _ = choose_pair(agent_panel, scene, images, model)
    ui = agent_panel.ui
    for name in ("InverseTransform", "Jacobian"):
        getattr(ui, f"make{name}CheckBox").click()
    before = slicer.util.arrayFromVolume(moving).copy()
    ui.walkStartButton.click()
    assert ui.walkStartButton.text == "Cancel"
    assert not ui.walkProgressBar.isHidden()
    wait(agent_panel)

    assert ui.walkStartButton.text == "Start"
    assert ui.walkProgressBar.isHidden()
    nodes = agent_panel.walk.nodes
    names = [node.GetName() for node in nodes]
    assert names[:5] == [
        "Moving to Fixed transform",
        "Moving warped to Fixed",
        "Fixed to Moving inverse transform",
        "Moving to Fixed Jacobian",
        "Labels warped to Fixed",
    ]
    assert {"Moving to Fixed walk", "Moving to Fixed walk table"} <= set(names)
    assert "12 steps" in ui.walkMessageLabel.text
    assert not ui.resultGroupBox.isHidden()
    for part in ("Registered in", "Correlation", "Folded voxels"):
        assert part in ui.resultLabel.text
    assert live_names(scene) == []
    assert agent_panel.walk.live is None
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(moving), before)
    assert moving.GetParentTransformNode() is None


def test_the_warped_segmentation_is_seen_also_where_the_input_is_hidden(agent_panel, pair):
    pair[2].GetDisplayNode().SetVisibility(False)
    agent_panel.ui.walkStartButton.click()
    wait(agent_panel)
    assert agent_panel.walk.nodes.segmentation.GetDisplayVisibility()
    assert not pair[2].GetDisplayVisibility()


def test_the_panel_registers_as_the_logic_does(agent_panel, pair):
    agent_panel.ui.seedSpinBox.value = 5
    agent_panel.ui.walkStartButton.click()
    wait(agent_panel)
    actions = [state.action for state in agent_panel.walk.nodes.result.trajectory]
    expected = agent_panel.logic.registerVolumes(*pair[:2], seed=5).result.trajectory
    assert actions == [state.action for state in expected]


def test_what_is_not_wanted_is_not_made(agent_panel, pair):
    ui = agent_panel.ui
    for name in ("WarpedVolume", "WarpedSegmentation", "Trajectory"):
        getattr(ui, f"make{name}CheckBox").click()
    ui.walkStartButton.click()
    wait(agent_panel)
    nodes = agent_panel.walk.nodes
    assert list(nodes) == [nodes.transform]
    assert ui.resultChartComboBox.count == 0


def test_a_chosen_output_is_overwritten(agent_panel, pair):
    ui = agent_panel.ui
    ui.walkStartButton.click()
    wait(agent_panel)
    first = agent_panel.walk.nodes.warped
    ui.outputWarpedVolumeSelector.setCurrentNode(first)
    ui.walkStartButton.click()
    wait(agent_panel)
    assert agent_panel.walk.nodes.warped is first


def test_the_models_recommendation_is_shown_and_own_choices_count(agent_panel, pair):
    ui = agent_panel.ui
    assert ui.stepsSpinBox.value == 12
    assert not ui.stepsSpinBox.enabled
    ui.recommendedCheckBox.click()
    assert ui.stepsSpinBox.enabled
    ui.stepsSpinBox.value = 5
    ui.greedyCheckBox.click()
    ui.fuzzyCheckBox.click()
    assert not ui.tightnessSpinBox.enabled
    ui.walkStartButton.click()
    wait(agent_panel)
    options = walk_of(agent_panel).options
    assert (options.steps, options.rule.greedy, options.rule.tightness) == (5, True, 0.0)
    ui.recommendedCheckBox.click()
    assert ui.stepsSpinBox.value == 12


def test_only_an_agent_that_finds_structures_lets_their_overlap_count(agent_panel, scene):
    choose_pair(agent_panel, scene, slice_images(), SLICES)
    ui = agent_panel.ui
    assert (ui.overlapSpinBox.value, ui.shrinksSpinBox.value) == (30, 1)
    assert not ui.overlapSpinBox.enabled
    ui.recommendedCheckBox.click()
    assert ui.overlapSpinBox.enabled
    ui.overlapSpinBox.value = 0
    ui.shrinksSpinBox.value = 3
    ui.walkStartButton.click()
    wait(agent_panel)
    assert (walk_of(agent_panel).options.overlap, walk_of(agent_panel).options.shrinks) == (0, 3)
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findText(VOLUMES))
    assert not ui.overlapSpinBox.enabled
    assert ui.shrinksSpinBox.enabled


# While the agent walks


def test_the_walk_is_shown_while_it_goes_on(agent_panel, pair, views):
    ui, pictures = agent_panel.ui, []
    ui.paceSpinBox.value = 20
    ui.walkStartButton.click()
    wait_until(lambda: agent_panel.walk.live is not None)
    live = agent_panel.walk.live.deformation
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == pair[0].GetID()
    assert composite.GetForegroundVolumeID() == live.deformed_image.GetID()
    assert live.deformed_image.GetParentTransformNode() is live.transform
    assert live.deformed.GetParentTransformNode() is live.transform
    chart = agent_panel.walk.live.similarity
    plot = views.plotWidget(0).mrmlPlotViewNode() if hasattr(views, "plotWidget") else None
    assert plot is None or plot.GetPlotChartNodeID() == chart.GetID()

    def moved():
        if agent_panel.walk.live is not None:
            array = shown(agent_panel)
            if not pictures or not np.array_equal(array, pictures[-1]):
                pictures.append(array)
        return not agent_panel.walk.running

    wait_until(moved)
    assert len(pictures) >= 2  # at its start and on its way: at the end the live nodes are gone
    assert live.transform is None
    assert composite.GetForegroundVolumeID() == agent_panel.walk.nodes.warped.GetID()


def test_pause_and_continue(agent_panel, pair):
    ui = agent_panel.ui
    start_and_pause(agent_panel)
    taken = walk_of(agent_panel).taken
    assert ui.walkPauseButton.text == "Continue"
    assert "waits" in ui.walkMessageLabel.text
    assert f"Step {taken}" in ui.walkStateLabel.text
    assert not ui.walkGroupBox.isHidden()
    handle_events(0.2)
    assert walk_of(agent_panel).taken == taken
    np.testing.assert_allclose(shown(agent_panel), expected(agent_panel), atol=1e-4)
    ui.walkPauseButton.click()
    assert ui.walkPauseButton.text == "Pause"
    wait(agent_panel)
    assert len(agent_panel.walk.nodes.result.trajectory) == 13


def test_step_and_step_back(agent_panel, pair):
    ui = agent_panel.ui
    start_and_pause(agent_panel)
    taken, before = walk_of(agent_panel).taken, shown(agent_panel).copy()
    ui.walkStepButton.click()
    assert walk_of(agent_panel).taken == taken + 1
    np.testing.assert_allclose(shown(agent_panel), expected(agent_panel), atol=1e-4)
    assert not np.allclose(shown(agent_panel), before, atol=1e-3)
    ui.walkBackButton.click()
    assert walk_of(agent_panel).taken == taken
    np.testing.assert_allclose(shown(agent_panel), before, atol=1e-4)
    for _ in range(taken):
        ui.walkBackButton.click()
    assert walk_of(agent_panel).taken == 0
    assert not ui.walkBackButton.enabled


def test_the_best_actions_are_listed_and_taken_by_hand(agent_panel, pair):
    ui = agent_panel.ui
    start_and_pause(agent_panel)
    walk = walk_of(agent_panel)
    best = walk.best_actions(8)
    assert texts(ui.walkActionsTable, 1) == [f"{q:+.3f}" for _action, q in best]
    action = best[2][0]
    sense = "down" if action % 2 else "up"
    assert texts(ui.walkActionsTable, 0)[2] == f"Mode {action // 2 + 1} {sense}"
    assert all(text.endswith("%") for text in texts(ui.walkActionsTable, 2))
    ui.walkActionsTable.cellDoubleClicked.emit(2, 0)
    assert (walk.states[-1].choice, walk.states[-1].action) == ("user", action)
    np.testing.assert_allclose(shown(agent_panel), expected(agent_panel), atol=1e-4)

    ui.walkActionsTable.setCurrentCell(1, 0)
    action = walk.best_actions(2)[1][0]
    ui.walkTakeButton.click()
    assert (walk.states[-1].choice, walk.states[-1].action) == ("user", action)

    taken = walk.taken
    ui.walkPauseButton.click()
    wait(agent_panel)
    trajectory = agent_panel.walk.nodes.result.trajectory
    assert len(trajectory) == 13
    assert trajectory[taken + 1].choice == "agent"


def test_an_amplitude_is_dragged_and_the_agent_goes_on_from_there(agent_panel, pair):
    ui = agent_panel.ui
    start_and_pause(agent_panel)
    walk = walk_of(agent_panel)
    taken = walk.taken
    ui.walkModesTable.setCurrentCell(2, 0)
    for value in (0.5, 1.0, 1.5):
        ui.walkAmplitudeSlider.value = value
    assert float(walk.amplitudes[2]) == pytest.approx(1.5, abs=1e-5)
    assert walk.taken == taken + 1  # one drag is one state
    assert walk.states[-1].choice == "user"
    np.testing.assert_allclose(shown(agent_panel), expected(agent_panel), atol=1e-4)
    assert texts(ui.walkModesTable, 3)[2] == "1.50"

    ui.walkModesTable.item(0, 3).setText("-0.75")
    assert float(walk.amplitudes[0]) == pytest.approx(-0.75, abs=1e-5)
    assert ui.walkAmplitudeSlider.value == pytest.approx(-0.75)
    assert walk.taken == taken + 2
    ui.walkBackButton.click()
    assert float(walk.amplitudes[2]) == pytest.approx(1.5, abs=1e-5)
    ui.walkPauseButton.click()
    wait(agent_panel)
    choices = [state.choice for state in agent_panel.walk.nodes.result.trajectory]
    assert choices.count("user") == 1
    assert choices[-1] in ("agent", "settled")


def test_finish_takes_the_result_of_where_the_agent_stands(agent_panel, pair, scene):
    start_and_pause(agent_panel)
    taken = walk_of(agent_panel).taken
    agent_panel.ui.walkFinishButton.click()
    wait(agent_panel)
    assert len(agent_panel.walk.nodes.result.trajectory) == taken + 1
    assert live_names(scene) == []


def test_finish_while_it_walks(agent_panel, pair):
    ui = agent_panel.ui
    ui.paceSpinBox.value = 10
    ui.walkStartButton.click()
    wait_until(lambda: agent_panel.walk.walking is not None and agent_panel.walk.walking.walk.taken >= 2)
    ui.walkFinishButton.click()
    wait(agent_panel)
    assert 3 <= len(agent_panel.walk.nodes.result.trajectory) < 13


def test_it_can_be_led_on_after_the_end(agent_panel, pair, scene):
    ui = agent_panel.ui
    ui.walkStartButton.click()
    wait(agent_panel)
    nodes = agent_panel.walk.nodes
    count = len(nodes_of(scene))
    ui.walkBackButton.click()
    ui.walkBackButton.click()
    assert agent_panel.walk.live is not None
    assert ui.resultGroupBox.isHidden()
    assert not nodes.segmentation.GetDisplayVisibility()
    ui.walkFinishButton.click()
    wait(agent_panel)
    again = agent_panel.walk.nodes
    assert again.transform is nodes.transform
    assert again.segmentation.GetDisplayVisibility()
    assert len(again.result.trajectory) == 11
    assert len(nodes_of(scene)) == count
    ui.walkPauseButton.click()  # Continue: so many steps more
    wait(agent_panel)
    assert len(agent_panel.walk.nodes.result.trajectory) > 11


# Cancel, and what goes wrong


def test_cancel_leaves_the_scene_and_the_views(agent_panel, pair, scene, views):
    slicer.util.setSliceViewerLayers(background=pair[1], foreground=None)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = scene_ids(scene)
    start_and_pause(agent_panel)
    assert live_names(scene)
    agent_panel.ui.walkStartButton.click()
    assert agent_panel.walk.live is None
    assert agent_panel.walk.walking is None
    assert "Cancelled" in agent_panel.ui.walkMessageLabel.text
    left = {scene.GetNodeByID(identifier).GetClassName() for identifier in scene_ids(scene) - before}
    assert left <= {"vtkMRMLPlotViewNode", "vtkMRMLTableViewNode"}  # of the layout that has a plot
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == pair[1].GetID()
    assert not composite.GetForegroundVolumeID()


def test_cancel_while_it_walks(agent_panel, pair, scene):
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = scene_ids(scene)
    agent_panel.ui.paceSpinBox.value = 10
    agent_panel.ui.walkStartButton.click()
    wait_until(lambda: agent_panel.walk.live is not None)
    agent_panel.ui.walkStartButton.click()
    assert not agent_panel.walk.running
    handle_events(0.3)
    assert scene_ids(scene) == before


def test_cancel_while_the_model_is_loaded(agent_panel, pair, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, agent_panel)
    before = scene_ids(scene)
    agent_panel.ui.walkStartButton.click()
    assert obstacle.reached.wait(SECONDS)
    agent_panel.ui.walkStartButton.click()
    assert not agent_panel.walk.running
    assert agent_panel.ui.walkStartButton.text == "Start"
    obstacle.go_on.set()
    handle_events(0.2)
    assert scene_ids(scene) == before


def test_closing_the_scene_while_it_walks(agent_panel, pair, scene):
    agent_panel.ui.paceSpinBox.value = 10
    agent_panel.ui.walkStartButton.click()
    wait_until(lambda: agent_panel.walk.live is not None)
    scene.Clear(False)
    handle_events(0.2)
    assert not agent_panel.walk.running
    assert agent_panel.walk.walking is None
    assert slicer.util.getNodesByClass("vtkMRMLGridTransformNode") == []
    assert not agent_panel.ui.walkStartButton.enabled


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_node_that_is_deleted_while_it_walks(agent_panel, pair, scene, which):
    agent_panel.ui.paceSpinBox.value = 10
    agent_panel.ui.walkStartButton.click()
    wait_until(lambda: agent_panel.walk.live is not None)
    scene.RemoveNode(pair[which])
    assert not agent_panel.walk.running
    assert agent_panel.walk.walking is None
    message = agent_panel.ui.walkMessageLabel.text
    assert "deleted" in message or "Other inputs" in message
    assert live_names(scene) == []


def test_the_live_transform_is_deleted(agent_panel, pair, scene):
    start_and_pause(agent_panel)
    scene.RemoveNode(agent_panel.walk.live.deformation.transform)
    assert agent_panel.walk.walking is None
    assert "live transform was deleted" in agent_panel.ui.walkMessageLabel.text
    assert live_names(scene) == []


@pytest.mark.parametrize("which", [0, 1])
def test_a_volume_that_changes_ends_the_walk(agent_panel, pair, scene, which):
    start_and_pause(agent_panel)
    slicer.util.updateVolumeFromArray(pair[which], slicer.util.arrayFromVolume(pair[which]) + 1.0)
    assert agent_panel.walk.walking is None
    assert "has changed" in agent_panel.ui.walkMessageLabel.text
    assert live_names(scene) == []


def test_other_inputs_end_the_walk(agent_panel, pair, scene):
    start_and_pause(agent_panel)
    agent_panel.ui.movingVolumeSelector.setCurrentNode(add_volume(scene, blob(centred((16, 20, 16)))[0], "Third"))
    assert agent_panel.walk.walking is None
    assert "Other inputs" in agent_panel.ui.walkMessageLabel.text


def test_an_unusable_volume_is_told_in_a_dialog(main_window, agent_panel, pair, scene):
    slicer.util.arrayFromVolume(pair[1])[3, 3, 3] = np.nan
    before = scene_ids(scene)
    with testing(False), dialogs.answer("OK") as seen:
        agent_panel.ui.walkStartButton.click()
        wait(agent_panel)
    assert len(seen) == 1
    assert "NaN" in seen[0].text
    assert scene_ids(scene) == before
    assert "Failed" in agent_panel.ui.walkMessageLabel.text
    assert agent_panel.ui.walkStartButton.enabled


def test_an_empty_mask_is_told_in_a_dialog(main_window, agent_panel, pair, scene):
    image = blob(centred((16, 20, 16)))[1]
    nothing = add_volume(scene, image.with_array(0 * image.array), "Nothing", labels=True)
    agent_panel.ui.fixedMaskSelector.setCurrentNode(nothing)
    with testing(False), dialogs.answer("OK") as seen:
        agent_panel.ui.walkStartButton.click()
        wait(agent_panel)
    assert "mask" in seen[0].text


def test_a_volume_for_an_agent_of_slices_is_told_in_a_dialog(main_window, agent_panel, pair):
    ui = agent_panel.ui
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findText(SLICES))
    with testing(False), dialogs.answer("OK") as seen:
        ui.walkStartButton.click()
        wait(agent_panel)
    assert "slice" in seen[0].text
    assert "Traceback" not in seen[0].text


def test_a_structure_outside_the_image_is_told(main_window, agent_panel, pair, scene):
    far = blob(centred((16, 20, 16)))[1]
    node = add_volume(scene, far, "Far", labels=True)
    node.SetOrigin(900.0, 0.0, 0.0)
    agent_panel.ui.movingSegmentationSelector.setCurrentNode(node)
    with testing(False), dialogs.answer("OK") as seen:
        agent_panel.ui.walkStartButton.click()
        wait(agent_panel)
    assert "outside" in seen[0].text or "overlap" in seen[0].text
    assert live_names(scene) == []
    assert agent_panel.walk.live is None


def test_an_unforeseen_failure_of_a_step_is_told(main_window, agent_panel, pair, scene, monkeypatch, caplog):
    def fail(*_arguments):
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(walk_section.WalkRun, "__call__", fail)
    with testing(False), dialogs.answer("OK") as seen:
        agent_panel.ui.walkStartButton.click()
        wait(agent_panel)
    assert "cosmic ray" not in seen[0].text
    assert "cosmic ray" in caplog.text
    assert live_names(scene) == []
    assert agent_panel.ui.walkStartButton.enabled


def test_a_declined_installation_loses_nothing(main_window, agent_panel, pair, scene, monkeypatch):
    monkeypatch.setattr(installation, "missing_dependencies", lambda *_arguments: [installation.TORCH])
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace())
    before = scene_ids(scene)
    with testing(False), dialogs.answer("No") as seen:
        agent_panel.ui.walkStartButton.click()
    assert "torch" in seen[0].text.lower()
    assert not agent_panel.walk.running
    assert "torch" in agent_panel.ui.walkMessageLabel.text.lower()
    assert scene_ids(scene) == before


def test_missing_dependencies_are_told(main_window, agent_panel, pair, monkeypatch):
    def decline(*_arguments, **_keywords):
        raise InputError("PyTorch is needed and was not installed.")

    monkeypatch.setattr(installation, "ensure_dependencies", decline)
    with testing(False), dialogs.answer("OK") as seen:
        agent_panel.ui.walkStartButton.click()
    assert "PyTorch is needed" in seen[0].text
    assert not agent_panel.walk.running


def test_work_goes_on_while_another_module_is_shown(agent_panel, pair):
    agent_panel.ui.walkStartButton.click()
    agent_panel.exit()
    wait(agent_panel)
    assert agent_panel.walk.nodes.warped is not None
    agent_panel.enter()
    assert agent_panel.ui.walkStartButton.text == "Start"
    assert agent_panel.ui.walkStartButton.enabled


# Afterwards


def test_the_walk_is_replayed(agent_panel, pair, scene, views):
    ui = agent_panel.ui
    ui.walkStartButton.click()
    wait(agent_panel)
    trajectory = agent_panel.walk.nodes.trajectory
    assert ui.replayTransformSelector.currentNode() is trajectory.transform
    count = len(nodes_of(scene))
    ui.replayButton.click()
    live = agent_panel.replay.replay.deformation
    end = agent_panel.walk.nodes.segmentation
    assert not end.GetDisplayVisibility()  # where the structures end is not drawn over where they are
    seen = []
    for item in (0, 6, 12):
        trajectory.browser.SetPlaybackActive(False)
        ui.replaySeekWidget.slider().setValue(item)
        kept = displacement_from_transform(trajectory.sequence.GetNthDataNode(item)).array
        np.testing.assert_allclose(displacement_from_transform(live.transform).array, kept, atol=1e-5)
        seen.append(kept)
    assert np.abs(seen[2]).max() > np.abs(seen[0]).max() + 0.5
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetForegroundVolumeID() == live.deformed_image.GetID()
    assert live.deformed is not None
    ui.replayButton.click()
    assert agent_panel.replay.replay is None
    assert end.GetDisplayVisibility()
    assert len(nodes_of(scene)) == count
    assert composite.GetForegroundVolumeID() == agent_panel.walk.nodes.warped.GetID()


def test_a_replay_plays_until_it_is_stopped(agent_panel, pair):
    agent_panel.ui.walkStartButton.click()
    wait(agent_panel)
    browser = agent_panel.walk.nodes.trajectory.browser
    agent_panel.ui.replayButton.click()
    assert agent_panel.ui.replayButton.text == "Stop the replay"
    wait_until(lambda: browser.GetSelectedItemNumber() > 5)
    agent_panel.ui.replayButton.click()
    assert not browser.GetPlaybackActive()
    assert agent_panel.ui.replayButton.text == "Replay"


def test_a_kept_walk_is_replayed_in_another_session(agent_panel, pair, scene, tmp_path):
    ui = agent_panel.ui
    ui.walkStartButton.click()
    wait(agent_panel)
    kept = agent_panel.walk.nodes.trajectory.sequence
    steps = [displacement_from_transform(kept.GetNthDataNode(item)).array for item in (0, 8)]
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert not ui.replayButton.enabled
    load_scene(tmp_path / "scene.mrb")
    assert ui.replayButton.enabled
    assert ui.makeTrajectoryCheckBox.checked
    ui.replayButton.click()
    live = agent_panel.replay.replay.deformation
    for item, step in zip((0, 8), steps):
        ui.replaySeekWidget.slider().setValue(item)
        np.testing.assert_allclose(displacement_from_transform(live.transform).array, step, atol=1e-4)
    ui.replayButton.click()


def test_a_transform_that_stands_still_cannot_be_replayed(agent_panel, pair):
    agent_panel.ui.walkStartButton.click()
    wait(agent_panel)
    agent_panel.ui.replayTransformSelector.setCurrentNode(agent_panel.walk.nodes.transform)
    assert not agent_panel.ui.replayButton.enabled


def test_plots_and_the_table_are_listed(agent_panel, pair, views):
    ui = agent_panel.ui
    ui.walkStartButton.click()
    wait(agent_panel)
    entries = [ui.resultChartComboBox.itemText(index) for index in range(ui.resultChartComboBox.count)]
    assert entries == ["Similarity", "Amplitudes", "Table"]
    trajectory = agent_panel.walk.nodes.trajectory
    similarity = trajectory.similarity.GetNthPlotSeriesNode(0).GetTableNode()
    values = [float(similarity.GetCellText(row, 1)) for row in range(similarity.GetNumberOfRows())]
    assert values == pytest.approx([state.similarity for state in agent_panel.walk.nodes.result.trajectory], abs=1e-5)
    assert trajectory.amplitudes.GetNumberOfPlotSeriesNodes() == 4
    for index in range(3):
        ui.resultChartComboBox.setCurrentIndex(index)
        ui.resultChartButton.click()


def test_the_deformation_is_drawn_and_faded(agent_panel, pair, views):
    ui = agent_panel.ui
    start_and_pause(agent_panel)
    ui.fadeSlider.value = 80
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetForegroundOpacity() == pytest.approx(0.8)
    ui.deformationDisplayComboBox.setCurrentIndex(ui.deformationDisplayComboBox.findText("Grid"))
    display = agent_panel.walk.live.deformation.transform.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    agent_panel.ui.walkFinishButton.click()
    wait(agent_panel)
    display = agent_panel.walk.nodes.transform.GetDisplayNode()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID


def test_several_starts_and_one_that_is_led(agent_panel, pair):
    ui = agent_panel.ui
    ui.recommendedCheckBox.click()
    ui.startsSpinBox.value = 3
    start_and_pause(agent_panel)
    assert len(agent_panel.walk.walking.registration.walks) == 3
    ui.walkStepButton.click()
    assert len(agent_panel.walk.walking.registration.walks) == 1
    ui.walkPauseButton.click()
    wait(agent_panel)
    assert agent_panel.walk.nodes is not None
