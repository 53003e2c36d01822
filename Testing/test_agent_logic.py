"""AgentRegistrationLogic on the real MRML classes, with small random agents: nodes, geometry, walks that are led, refusals."""

import hashlib

import numpy as np
import pytest
import slicer
import vtk

from AgentRegistrationSceneLib import walk_registration
from AgentRegistrationSceneLib.logic import AgentRegistrationLogic
from AgentRegistrationSceneLib.walk_registration import AgentNodes, WalkRegistration
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image, resample
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.segmentations import labels_from_segmentation
from DeformationSceneLib.transforms import displacement_from_transform, transform_points
from DeformationSceneLib.volumes import add_volume, image_from_volume
from Testing.agent_fixtures import (
    OTHER,
    SLICES,
    VOLUMES,
    add_agent_pair,
    blob,
    centred,
    slice_images,
    volume_images,
)

FIXED, MOVING = volume_images()
GREEDY = {"greedy": True, "steps": 10}


@pytest.fixture
def logic(agent_models):
    return AgentRegistrationLogic()


@pytest.fixture
def pair(scene):
    return add_agent_pair(scene)


def fingerprint(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    digest = hashlib.sha256(slicer.util.arrayFromVolume(node).tobytes()).hexdigest()
    return digest, [matrix.GetElement(row, column) for row in range(4) for column in range(4)], node.GetName()


def points_within(geometry, margin=4):
    axes = [np.arange(margin, length - margin, 3) if length > 1 else [0] for length in geometry.size]
    return geometry.index_to_physical(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))


def test_it_lists_agents_only(logic):
    from AgentRegistrationLib.agent_model import AgentModel

    assert logic.kinds == (AgentModel.kind,)
    assert logic.usualModel == AgentModel.usual
    assert {VOLUMES, SLICES} <= set(logic.modelNames())
    assert "phantom" not in logic.modelNames()


@pytest.mark.parametrize("images, model", [(volume_images, VOLUMES), (slice_images, SLICES)])
def test_outputs_agree_with_each_other(logic, scene, images, model):
    (fixed_image, _), (moving_image, _) = images()
    fixed, moving, segmentation = add_agent_pair(scene, images())
    nodes = logic.registerVolumes(fixed, moving, model, segmentation, inverse=True, jacobian=True, **GREEDY)
    points = points_within(fixed_image.geometry)
    there = transform_points(nodes.transform, points)
    assert np.abs(there - points).max() > 1.0  # the agent has gone somewhere

    from scipy import ndimage

    carried = moving_image.geometry.physical_to_index(there)
    expected = ndimage.map_coordinates(moving_image.array, carried[:, ::-1].T, order=1, mode="nearest")
    index = np.rint(fixed_image.geometry.physical_to_index(points)).astype(int)
    actual = slicer.util.arrayFromVolume(nodes.warped)[tuple(index[:, ::-1].T)]
    np.testing.assert_allclose(actual, expected, atol=0.5)

    np.testing.assert_allclose(transform_points(nodes.inverse, there), points, atol=0.5)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.jacobian), nodes.result.jacobian().array, atol=1e-5)
    assert labels_from_segmentation(nodes.segmentation, fixed_image).array.max() == 2


def test_the_nodes_tell_what_the_backend_computes(logic, pair):
    from AgentRegistrationLib.agent_model import AgentModel
    from AgentRegistrationLib.agent_walk import walk_options

    nodes = logic.registerVolumes(*pair[:2], **GREEDY)
    model = AgentModel.load(VOLUMES)
    expected = model.register(FIXED[0], MOVING[0], options=walk_options(model.options, **GREEDY))
    stored = displacement_from_transform(nodes.transform).array
    np.testing.assert_allclose(stored, expected.displacement.array, atol=1e-4)
    assert nodes.result.similarity_after == pytest.approx(expected.similarity_after, abs=1e-6)


def test_moving_volume_under_the_transform_aligns(logic, pair):
    fixed, moving, _ = pair
    nodes = logic.registerVolumes(fixed, moving, **GREEDY)
    moving.SetAndObserveTransformNodeID(nodes.transform.GetID())
    placed = resample(image_from_volume(moving), FIXED[0].geometry).array
    inner = (slice(4, -4),) * 3
    expected = slicer.util.arrayFromVolume(nodes.warped)[inner]
    assert np.corrcoef(placed[inner].ravel(), expected.ravel())[0, 1] > 0.97


def test_references_names_and_places(logic, pair, scene):
    fixed, moving, segmentation = pair
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(moving), folder)
    nodes = logic.registerVolumes(fixed, moving, VOLUMES, segmentation, inverse=True, **GREEDY)
    roles = slicer.vtkMRMLTransformNode
    for transform in (nodes.transform, nodes.trajectory.transform):
        assert transform.GetNodeReference(roles.GetMovingNodeReferenceRole()) is moving
        assert transform.GetNodeReference(roles.GetFixedNodeReferenceRole()) is fixed
    assert nodes.inverse.GetNodeReference(roles.GetMovingNodeReferenceRole()) is fixed
    assert nodes.warped.GetName() == "Moving warped to Fixed"
    assert nodes.trajectory.transform.GetName() == "Moving to Fixed walk"
    for node in (nodes.warped, nodes.trajectory.transform, nodes.trajectory.table, nodes.trajectory.browser):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder, node.GetName()
    segments = nodes.segmentation.GetSegmentation()
    assert [segments.GetNthSegment(number).GetName() for number in range(2)] == ["Rim", "Core"]


def test_segments_keep_colours_and_terminology(logic, pair):
    fixed, moving, segmentation = pair
    segment = segmentation.GetSegmentation().GetNthSegment(1)
    segment.SetColor(0.2, 0.4, 0.6)
    segment.SetTerminology("custom~context~^^~~^^~^^~~^^~^^~~^^~^^")
    nodes = logic.registerVolumes(fixed, moving, VOLUMES, segmentation, trajectory=False, **GREEDY)
    warped = nodes.segmentation.GetSegmentation().GetNthSegment(1)
    assert warped.GetColor() == pytest.approx((0.2, 0.4, 0.6))
    assert warped.GetTerminology() == segment.GetTerminology()


def test_inputs_are_not_touched(logic, pair):
    before = [fingerprint(node) for node in pair[:2]]
    logic.registerVolumes(*pair[:2], VOLUMES, pair[2], **GREEDY)
    assert [fingerprint(node) for node in pair[:2]] == before
    assert pair[2].GetSegmentation().GetNumberOfSegments() == 2


# Geometry


def turned(angle, axis=2):
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.eye(3)
    first, second = [number for number in range(3) if number != axis]
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


STORAGES = {
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "permuted": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
}


def registered_displacement(logic, scene, grids, **how):
    fixed, moving = blob(grids[0]), blob(grids[1], **OTHER)
    fixedNode, movingNode = add_volume(scene, fixed[0], "Fixed"), add_volume(scene, moving[0], "Moving")
    how = {"alignment": "none", "trajectory": False, "warped": False, **GREEDY} | how
    nodes = logic.registerVolumes(fixedNode, movingNode, VOLUMES, **how)
    points = points_within(centred((20, 24, 20), 1.0), 3)
    return transform_points(nodes.transform, points) - points


@pytest.mark.parametrize("storage", list(STORAGES))
def test_storage_does_not_change_the_physical_displacement(logic, scene, storage):
    plain = centred((40, 40, 40), 1.0)
    expected = registered_displacement(logic, scene, (plain, plain))
    direction = STORAGES[storage]
    stored = registered_displacement(logic, scene, (centred((40, 40, 40), 1.0, direction), plain))
    np.testing.assert_allclose(stored, expected, atol=0.2)
    stored = registered_displacement(logic, scene, (plain, centred((40, 40, 40), 1.0, direction)))
    np.testing.assert_allclose(stored, expected, atol=0.2)


def test_oblique_volumes_give_the_same_physical_displacement(logic, scene):
    plain, oblique = centred((40, 40, 40), 1.0), centred((40, 40, 40), 1.0, turned(20) @ turned(-15, axis=0))
    expected = registered_displacement(logic, scene, (plain, plain))
    same = registered_displacement(logic, scene, (oblique, oblique))
    # Other voxels are sampled: the intensities that the agent sees differ slightly, the steps hardly.
    assert np.linalg.norm(same - expected, axis=1).mean() < 0.5
    assert np.linalg.norm(expected, axis=1).mean() > 1.5


def slice_displacement(logic, scene, direction, flip=False):
    """Of the same two slices, laid into space by a direction: at points of the plane, in the plane's own coordinates."""
    nodes = []
    for name, (image, _) in zip(("Fixed", "Moving"), slice_images()):
        place = centred((24, 24, 1), (2.0, 2.0, 6.0), direction @ np.diag([-1.0, 1.0, 1.0]) if flip else direction)
        array = image.array[..., ::-1].copy() if flip else image.array
        nodes.append(add_volume(scene, Image.on_grid(array, place), name))
    found = logic.registerVolumes(*nodes, SLICES, alignment="none", trajectory=False, warped=False, **GREEDY)
    plane = points_within(centred((24, 24, 1), (2.0, 2.0, 6.0)))
    points = plane @ direction.T
    return (transform_points(found.transform, points) - points) @ direction


@pytest.mark.parametrize("flip", [False, True])
def test_a_slice_is_deformed_in_its_plane_however_it_lies(logic, scene, flip):
    expected = slice_displacement(logic, scene, np.eye(3))
    assert np.abs(expected[:, :2]).max() > 1.0
    np.testing.assert_allclose(expected[:, 2], 0.0, atol=1e-4)
    oblique = slice_displacement(logic, scene, turned(20) @ turned(-15, axis=0), flip)
    np.testing.assert_allclose(oblique, expected, atol=0.05)


def test_parent_transforms_are_respected(logic, pair, scene):
    fixed, moving, _ = pair
    plain = logic.registerVolumes(fixed, moving, trajectory=False, **GREEDY)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    parent.SetMatrixTransformToParent(matrix)
    moving.SetAndObserveTransformNodeID(parent.GetID())
    shifted = logic.registerVolumes(fixed, moving, trajectory=False, **GREEDY)
    assert moving.GetParentTransformNode() is parent
    points = points_within(FIXED[0].geometry)
    there = [transform_points(nodes.transform, points) for nodes in (plain, shifted)]
    np.testing.assert_allclose(there[1] - there[0], np.tile([-25.0, 0.0, 0.0], (len(points), 1)), atol=0.1)


def test_a_transform_for_replay_says_the_same_as_the_result(logic, pair):
    nodes = logic.registerVolumes(*pair[:2], **GREEDY)
    browser, count = nodes.trajectory.browser, nodes.trajectory.sequence.GetNumberOfDataNodes()
    assert count == nodes.trajectory.table.GetNumberOfRows() == len(nodes.result.trajectory)
    points = points_within(FIXED[0].geometry)
    browser.SetSelectedItemNumber(count - 1)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    last = transform_points(nodes.trajectory.transform, points)
    np.testing.assert_allclose(last, transform_points(nodes.transform, points), atol=0.2)
    browser.SetSelectedItemNumber(0)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    first = transform_points(nodes.trajectory.transform, points)
    assert np.abs(first - last).max() > 1.0
    shift = first - points  # the alignment alone: a translation
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=0.05)


def test_many_steps_are_kept_on_a_coarser_grid(logic, pair, monkeypatch):
    fine = logic.registerVolumes(*pair[:2], **GREEDY).trajectory
    monkeypatch.setattr(walk_registration, "MAXIMUM_REPLAY_BYTES", 200_000)
    coarse = logic.registerVolumes(*pair[:2], **GREEDY).trajectory
    sizes = [displacement_from_transform(one.sequence.GetNthDataNode(5)).array.size for one in (fine, coarse)]
    assert sizes[1] * 11 * 4 < 300_000 < sizes[0] * 11 * 4
    points = points_within(FIXED[0].geometry)
    there = [transform_points(one.sequence.GetNthDataNode(10), points) for one in (fine, coarse)]
    np.testing.assert_allclose(there[1], there[0], atol=1.0)


# How the agent walks


def test_the_same_seed_gives_the_same_result(logic, pair):
    def actions(**how):
        nodes = logic.registerVolumes(*pair[:2], warped=False, trajectory=False, steps=10, **how)
        return [state.action for state in nodes.result.trajectory]

    assert actions(seed=3) == actions(seed=3)
    assert actions(seed=3) != actions(seed=4)
    assert actions(greedy=True, seed=3) == actions(greedy=True, seed=4)


def test_the_overlap_of_found_structures_counts_as_much_as_is_asked_for(logic, scene):
    nodes = add_agent_pair(scene, slice_images())

    def actions(**how):
        registered = logic.registerVolumes(*nodes[:2], SLICES, warped=False, trajectory=False, greedy=True, **how)
        return [state.action for state in registered.result.trajectory]

    assert actions() == actions(overlap=30.0, shrinks=1)  # as the card says
    assert actions(overlap=0.0) != actions()


@pytest.mark.parametrize("how, sentence", [({"overlap": -1.0}, "weight of the overlap"), ({"shrinks": -1}, "halved")])
def test_numbers_below_zero_are_refused(logic, pair, how, sentence):
    with pytest.raises(InputError, match=f"{sentence}.* must be at least 0, not -1"):
        logic.registerVolumes(*pair[:2], **how)


def test_what_is_not_chosen_is_as_the_model_recommends(logic, pair):
    nodes = logic.registerVolumes(*pair[:2], warped=False)
    assert len(nodes.result.trajectory) == 13  # 12 steps, says the card


def test_several_starts_end_where_it_is_most_similar(logic, pair):
    one = logic.registerVolumes(*pair[:2], warped=False, trajectory=False, **GREEDY)
    many = logic.registerVolumes(*pair[:2], warped=False, trajectory=False, starts=4, **GREEDY)
    assert many.result.similarity_after >= one.result.similarity_after


def test_a_walk_is_led_from_the_console(logic, pair, scene):
    before = {node.GetID() for node in nodes_of(scene)}
    walking = logic.beginRegistration(*pair[:2], VOLUMES, pair[2], steps=8, greedy=True)
    assert {node.GetID() for node in nodes_of(scene)} == before
    first = walking.step()
    assert first == walking.walk.states[1].action
    walking.walk.take(5)
    walking.run()
    assert walking.walk.taken == 8
    assert [state.choice for state in walking.walk.states[:3]] == ["start", "agent", "user"]
    nodes = walking.finish()
    assert nodes.trajectory.table.GetNumberOfRows() == 9
    assert nodes.segmentation is not None

    # It goes on, and its nodes with it.
    walking.walk.step_back()
    walking.walk.step_back()
    again = walking.finish()
    assert again.transform is nodes.transform
    assert again.warped is nodes.warped
    assert again.trajectory.table is nodes.trajectory.table
    assert again.trajectory.table.GetNumberOfRows() == 7
    assert again.trajectory.sequence.GetNumberOfDataNodes() == 7
    assert again.trajectory.transform.GetName() == "Moving to Fixed walk"
    assert len(slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")) == 1
    assert len(slicer.util.getNodesByClass("vtkMRMLGridTransformNode")) == 2


def test_the_table_says_what_was_done(logic, pair):
    walking = logic.beginRegistration(*pair[:2], steps=3, greedy=True)
    walking.step()
    walking.walk.take(3)
    walking.walk.set_amplitudes([0.5, 0.0, 0.0, -1.0])
    table = walking.finish().trajectory.table
    columns = [table.GetColumnName(number) for number in range(table.GetNumberOfColumns())]
    assert columns[:5] == ["Step", "Chosen by", "Action", "Q-value", "Similarity"]
    assert columns[5:] == ["Mode 1", "Mode 2", "Mode 3", "Mode 4"]
    rows = [[table.GetCellText(row, column) for column in range(5)] for row in range(4)]
    assert [row[1] for row in rows] == ["start", "agent", "user", "user"]
    assert rows[2][2] == "Mode 2 down"
    assert rows[3][2] == ""
    last = [float(table.GetCellText(3, column)) for column in range(5, 9)]
    assert last == pytest.approx([0.5, 0.0, 0.0, -1.0], abs=1e-5)


# What is refused


def scene_ids(scene):
    return {node.GetID() for node in nodes_of(scene)}


@pytest.mark.parametrize("after", [0.1, 0.5, 0.9])
def test_a_cancelled_registration_leaves_the_scene(logic, pair, scene, after):
    def report(fraction, _message):
        if fraction >= after:
            progress.cancel()

    progress = Progress(report)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = scene_ids(scene)
    with pytest.raises(Cancelled):
        logic.registerVolumes(*pair[:2], VOLUMES, pair[2], inverse=True, progress=progress, **GREEDY)
    assert scene_ids(scene) == before


def test_a_failure_while_nodes_are_added_leaves_the_scene(logic, pair, scene, monkeypatch):
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = scene_ids(scene)

    def fail(*_arguments):
        raise RuntimeError("no trajectory")

    monkeypatch.setattr(walk_registration, "add_trajectory", fail)
    with pytest.raises(RuntimeError, match="no trajectory"):
        logic.registerVolumes(*pair[:2], **GREEDY)
    assert scene_ids(scene) == before


def test_bad_nodes_are_refused(logic, pair, scene):
    fixed, moving, _ = pair
    with pytest.raises(InputError, match="the same: select two"):
        logic.registerVolumes(fixed, fixed)
    with pytest.raises(InputError, match="Select a fixed and a moving"):
        logic.registerVolumes(fixed, None)
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="'Empty' is empty"):
        logic.registerVolumes(fixed, empty)
    with pytest.raises(InputError, match="is an input"):
        logic.registerVolumes(fixed, moving, into=AgentNodes(warped=moving))
    with pytest.raises(InputError, match="There is no model 'nobody'"):
        logic.registerVolumes(fixed, moving, "nobody")


def test_an_image_of_another_dimension_is_refused(logic, pair, scene):
    with pytest.raises(InputError, match="slice"):
        logic.registerVolumes(*pair[:2], SLICES)
    fixed, moving, _ = add_agent_pair(scene, slice_images())
    with pytest.raises(InputError, match="slice"):
        logic.registerVolumes(fixed, moving, VOLUMES)


def test_an_image_outside_the_models_field_is_refused_or_told(logic, scene):
    far = centred((16, 20, 16))
    fixed = add_volume(scene, blob(far)[0], "Fixed")
    elsewhere = blob(far)[0]
    moving = add_volume(scene, elsewhere, "Moving")
    moving.SetOrigin(500.0, 0.0, 0.0)
    with pytest.raises(InputError, match="overlap"):
        logic.registerVolumes(fixed, moving, alignment="none")
    large = add_volume(scene, blob(centred((80, 80, 80)))[0], "Large")
    nodes = logic.registerVolumes(large, fixed, warped=False, trajectory=False, **GREEDY)
    assert any("larger" in warning for warning in nodes.result.warnings)


def test_empty_masks_are_refused(logic, pair, scene):
    nothing = add_volume(scene, FIXED[1].with_array(0 * FIXED[1].array), "Nothing", labels=True)
    with pytest.raises(InputError, match="mask"):
        logic.registerVolumes(*pair[:2], fixedMaskNode=nothing)
    with pytest.raises(InputError, match="mask"):
        logic.registerVolumes(*pair[:2], movingMaskNode=nothing)
    without_segments = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Without segments")
    with pytest.raises(InputError, match="has no segments"):
        logic.registerVolumes(*pair[:2], fixedMaskNode=without_segments)


@pytest.mark.parametrize(
    "how, what",
    [({"steps": -1}, "steps"), ({"starts": 0}, "starts"), ({"tightness": -1.0}, "fuzzy"), ({"seed": -1}, "seed")],
)
def test_numbers_that_make_no_sense_are_refused(logic, pair, how, what):
    with pytest.raises(InputError, match=what):
        logic.registerVolumes(*pair[:2], **how)


def test_not_finite_voxels_are_refused(logic, pair):
    slicer.util.arrayFromVolume(pair[1])[3, 3, 3] = np.nan
    with pytest.raises(InputError, match="NaN"):
        logic.registerVolumes(*pair[:2])


def test_a_volume_that_is_deleted_meanwhile_is_told(logic, pair, scene):
    walking = WalkRegistration(*pair[:2])
    scene.RemoveNode(pair[1])
    with pytest.raises(InputError, match="deleted"):
        walking.finish()


# Modes


def test_a_mode_deforms_an_image_and_its_segments(logic, pair):
    explorer = logic.explorer(pair[1])
    lengths = []
    for deviations in (0.0, 1.0, 2.0):
        nodes = logic.deformVolume(pair[1], 1, deviations * explorer.standard_deviations[1], pair[2], explorer=explorer)
        lengths.append(float(np.abs(displacement_from_transform(nodes.transform).array).max()))
    assert lengths[0] == 0.0
    assert lengths[2] == pytest.approx(2 * lengths[1], rel=1e-3)
    assert lengths[1] > 0.5
    with pytest.raises(InputError, match="no mode 9"):
        logic.deformVolume(pair[1], 8, 1.0, explorer=explorer)
