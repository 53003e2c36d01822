"""Parts of AgentRegistration's Slicer side: the run in a thread, choices, charts, live nodes, replay, layers of views."""

import threading

import numpy as np
import pytest
import slicer

from AgentRegistrationSceneLib.action_list import ActionList
from AgentRegistrationSceneLib.live_walk import LiveWalk
from AgentRegistrationSceneLib.logic import AgentRegistrationLogic
from AgentRegistrationSceneLib.replay import Replay, browser_of
from AgentRegistrationSceneLib.trajectory_nodes import action_name
from AgentRegistrationSceneLib.walk_choices import WalkChoices, recommended_choices
from AgentRegistrationSceneLib.walk_run import ShownAction, WalkRun, has_ended, take_picture
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.slice_views import SliceLayers
from DeformationSceneLib.transforms import displacement_from_transform
from Testing.agent_fixtures import add_agent_pair


@pytest.fixture
def pair(scene):
    return add_agent_pair(scene)


@pytest.fixture
def walking(agent_models, pair):
    return AgentRegistrationLogic().beginRegistration(*pair[:2], movingSegmentationNode=pair[2], steps=10, greedy=True)


def test_a_run_goes_to_the_end_and_gives_pictures_when_they_are_taken(walking):
    run, reports = WalkRun(walking.registration), []

    def report(fraction, _message):
        reports.append((fraction, run.picture()))

    last = run(Progress(report))
    assert has_ended(walking.registration)
    assert last.step == 10
    assert last.left == 0
    steps = [picture.step for _fraction, picture in reports if picture is not None]
    assert steps == sorted(set(steps))
    assert len(steps) >= 9  # each was taken at once
    np.testing.assert_allclose(
        last.displacement.array, walking.registration.live_displacement(last.amplitudes[-1]).array
    )


def test_pictures_that_nobody_takes_are_not_made(walking, monkeypatch):
    made = []
    original = walking.registration.live_displacement
    monkeypatch.setattr(walking.registration, "live_displacement", lambda *a, **k: made.append(1) or original(*a, **k))
    WalkRun(walking.registration)(Progress())
    assert len(made) == 2  # the first, and that of the end


def test_a_run_waits_after_the_present_step_and_is_cancelled_at_the_next(walking):
    run = WalkRun(walking.registration)
    run.pause()
    assert run(Progress()).step == 0
    run = WalkRun(walking.registration, pace=1.0)
    threading.Timer(0.05, run.pause).start()
    assert run(Progress()).step == 1  # it does not sleep its second out
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        WalkRun(walking.registration)(progress)
    assert walking.walk.taken == 1


def test_a_picture_shows_the_best_actions_where_the_walk_stands(walking):
    picture = take_picture(walking.registration, displacement=False)
    assert picture.displacement is None
    assert [(shown.action, shown.q) for shown in picture.actions] == walking.walk.best_actions(8)
    assert all(shown.acceptance == walking.walk.acceptance(shown.action) for shown in picture.actions)
    assert picture.amplitudes.shape == (1, 4)


def test_what_a_card_recommends_is_known_without_a_model():
    assert recommended_choices({"model": {}}) == WalkChoices(200, 1, 0, False, 1.5, 0, 0.0)
    card = {"model": {"walk": {"steps": 80, "greedy": True, "tightness": 0, "starts": 4, "shrinks": 2, "overlap": 50}}}
    assert recommended_choices(card) == WalkChoices(80, 4, 0, True, 0.0, 2, 50.0)


def test_the_usual_choices_are_the_backends():
    from AgentRegistrationLib.agent_walk import WalkOptions

    options, choices = WalkOptions(), recommended_choices({"model": {}})
    assert (choices.steps, choices.starts, choices.seed) == (options.steps, options.starts, options.seed)
    assert (choices.greedy, choices.tightness) == (options.rule.greedy, options.rule.tightness)
    assert (choices.shrinks, choices.overlap) == (options.shrinks, options.overlap)
    assert WalkChoices().options(options) == options
    assert WalkChoices(overlap=0.0).options(WalkOptions(overlap=50.0)) == options
    assert WalkChoices(steps=3, greedy=True).options(options).rule.greedy


def test_actions_are_named_and_chosen(application):
    import qt

    taken = []
    table = qt.QTableWidget()
    actions = ActionList(table, taken.append)
    assert actions.chosen is None
    actions.show([ShownAction(4, 0.25, 1.0), ShownAction(1, -0.1, 0.5)])
    assert [table.item(row, 0).text() for row in range(2)] == ["Mode 3 up", "Mode 1 down"]
    assert [table.item(row, 2).text() for row in range(2)] == ["100 %", "50 %"]
    assert actions.chosen == 4
    table.setCurrentCell(1, 0)
    assert actions.chosen == 1
    actions.show([ShownAction(4, 0.25, 1.0)])
    assert table.rowCount == 1
    assert action_name(7) == "Mode 4 down"


def test_live_nodes_come_and_go(walking, pair, scene):
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = {node.GetID() for node in nodes_of(scene)}
    live = LiveWalk(walking.registration, walking.nodes, "grid", 0.5, take_picture(walking.registration))
    assert live.alive
    assert all(not node.GetSaveWithScene() for node in nodes_of(scene) if node.GetID() not in before)
    table = live.similarity.GetNthPlotSeriesNode(0).GetTableNode()
    walking.run(4)
    walking.walk.take(0)
    live.show(take_picture(walking.registration))
    assert table.GetNumberOfRows() == 6
    assert live.similarity.GetNumberOfPlotSeriesNodes() == 2  # the step by hand is marked
    assert live.amplitudes.GetNumberOfPlotSeriesNodes() == 4
    shown = displacement_from_transform(live.deformation.transform).array
    expected = walking.registration.live_displacement(walking.walk.amplitudes.tolist()).array
    np.testing.assert_allclose(shown, expected, atol=1e-4)
    live.close()
    assert {node.GetID() for node in nodes_of(scene)} == before
    live.close()
    assert not live.alive


def test_a_structure_without_voxels_leaves_no_live_nodes(agent_models, pair, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    walking = AgentRegistrationLogic().beginRegistration(*pair[:2], steps=2)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = {node.GetID() for node in nodes_of(scene)}
    with pytest.raises(InputError, match="Empty"):
        LiveWalk(walking.registration, (*pair[:2], empty), None, 0.5, take_picture(walking.registration))
    assert {node.GetID() for node in nodes_of(scene)} == before


def test_a_replay_needs_its_browser_and_its_volumes(agent_models, pair, scene):
    nodes = AgentRegistrationLogic().registerVolumes(*pair[:2], steps=4)
    walk = nodes.trajectory.transform
    assert browser_of(walk) is nodes.trajectory.browser
    assert browser_of(nodes.transform) is None
    with pytest.raises(InputError, match="No sequence browser plays"):
        Replay(nodes.transform)
    count = len(nodes_of(scene))
    replay = Replay(walk, pair[2])
    assert replay.alive
    nodes.trajectory.browser.SetSelectedItemNumber(2)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(nodes.trajectory.browser)
    kept = displacement_from_transform(nodes.trajectory.sequence.GetNthDataNode(2)).array
    np.testing.assert_allclose(displacement_from_transform(replay.deformation.transform).array, kept, atol=1e-5)
    replay.close()
    assert len(nodes_of(scene)) == count
    scene.RemoveNode(pair[1])
    with pytest.raises(InputError, match="no longer in the scene"):
        Replay(walk)


def test_layers_of_views_are_shown_again(pair, views):
    fixed, moving, _ = pair
    slicer.util.setSliceViewerLayers(background=fixed, foreground=moving, foregroundOpacity=0.3)
    before = SliceLayers(slicer.mrmlScene)
    slicer.util.setSliceViewerLayers(background=moving, foreground=None)
    before.restore()
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == fixed.GetID()
    assert composite.GetForegroundVolumeID() == moving.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.3)
    slicer.mrmlScene.RemoveNode(moving)
    before.restore()
    assert not composite.GetForegroundVolumeID()
