"""LatentRegistrationLogic on the real MRML classes, with the bundled phantom model."""

import hashlib

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.metrics import dice
from DeformationLib.phantoms import two_part_phantom
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.segmentations import add_segmentation, labels_from_segmentation
from DeformationSceneLib.transforms import transform_points
from DeformationSceneLib.volume_registration import RegistrationNodes, VolumeRegistration
from DeformationSceneLib.volumes import add_volume, image_from_volume

FIXED, MOVING = two_part_phantom(4), two_part_phantom(1)


@pytest.fixture(scope="session")
def logic(module):
    return module.LatentRegistrationLogic()


@pytest.fixture
def pair(scene):
    fixed, moving = add_volume(scene, FIXED[0], "Fixed"), add_volume(scene, MOVING[0], "Moving")
    segmentation = add_segmentation(
        scene, MOVING[1], "Labels", names={1: "Head", 2: "Body"}, reference_volume_node=moving
    )
    return fixed, moving, segmentation


def fingerprint(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    digest = hashlib.sha256(slicer.util.arrayFromVolume(node).tobytes()).hexdigest()
    return digest, [matrix.GetElement(row, column) for row in range(4) for column in range(4)], node.GetName()


def test_it_lists_the_models_that_can_be_loaded(logic):
    from LatentRegistrationLib.models import KINDS

    assert set(logic.kinds) == set(KINDS)
    assert {"phantom", logic.usualModel} <= set(logic.modelNames())
    assert not any(name.startswith("cardiac-cine") for name in logic.modelNames())  # models of motion


def test_outputs_agree_with_each_other_and_align_the_structures(logic, pair):
    fixed, moving, segmentation = pair
    nodes = logic.registerVolumes(fixed, moving, "phantom", segmentation, inverse=True, jacobian=True)

    warped_labels = labels_from_segmentation(nodes.segmentation, FIXED[0])
    before = np.mean(list(dice(MOVING[1].array, FIXED[1].array, (1, 2)).values()))
    after = np.mean(list(dice(warped_labels.array, FIXED[1].array, (1, 2)).values()))
    assert after > before + 0.2

    # The transform node and the warped volume tell the same: the value at p comes from where the node takes p.
    grid = FIXED[0].geometry
    index = np.stack(np.meshgrid(*[np.arange(8, 32, 6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = grid.index_to_physical(index)
    carried = MOVING[0].geometry.physical_to_index(transform_points(nodes.transform, points))
    from scipy import ndimage

    expected = ndimage.map_coordinates(MOVING[0].array, carried[:, ::-1].T, order=1, mode="nearest")
    actual = slicer.util.arrayFromVolume(nodes.warped)[tuple(index[:, ::-1].T)]
    np.testing.assert_allclose(actual, expected, atol=0.05)

    # Forth and back is where one started.
    there = transform_points(nodes.transform, points)
    np.testing.assert_allclose(transform_points(nodes.inverse, there), points, atol=0.3)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.jacobian), nodes.result.jacobian().array, atol=1e-6)


def test_moving_volume_under_the_transform_aligns(logic, pair):
    fixed, moving, _ = pair
    nodes = logic.registerVolumes(fixed, moving, "phantom")
    moving.SetAndObserveTransformNodeID(nodes.transform.GetID())
    seen = image_from_volume(moving)  # resampled where it lies in the world
    from DeformationLib.image import resample

    placed = resample(seen, FIXED[0].geometry).array
    inner = (slice(6, -6),) * 3
    expected = slicer.util.arrayFromVolume(nodes.warped)[inner]
    correlation = np.corrcoef(placed[inner].ravel(), expected.ravel())[0, 1]
    assert correlation > 0.98


def test_references_names_and_places(logic, pair, scene):
    fixed, moving, segmentation = pair
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(moving), folder)
    nodes = logic.registerVolumes(fixed, moving, "phantom", inverse=True)
    roles = slicer.vtkMRMLTransformNode
    assert nodes.transform.GetNodeReference(roles.GetMovingNodeReferenceRole()) is moving
    assert nodes.transform.GetNodeReference(roles.GetFixedNodeReferenceRole()) is fixed
    assert nodes.inverse.GetNodeReference(roles.GetMovingNodeReferenceRole()) is fixed
    assert nodes.warped.GetName() == "Moving warped to Fixed"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.warped)) == folder
    assert segmentation.GetSegmentation().GetNthSegment(0).GetName() == "Head"
    again = logic.registerVolumes(fixed, moving, "phantom")
    assert again.warped.GetName() == "Moving warped to Fixed (2)"


def test_segmentation_keeps_names_colours_and_terminology(logic, pair):
    fixed, moving, segmentation = pair
    segment = segmentation.GetSegmentation().GetNthSegment(1)
    segment.SetColor(0.2, 0.4, 0.6)
    segment.SetTerminology("custom~context~^^~~^^~^^~~^^~^^~~^^~^^")
    warped = (
        logic.registerVolumes(fixed, moving, "phantom", segmentation).segmentation.GetSegmentation().GetNthSegment(1)
    )
    assert warped.GetName() == "Body"
    assert warped.GetColor() == pytest.approx((0.2, 0.4, 0.6))
    assert warped.GetTerminology() == segment.GetTerminology()


def test_label_volume_is_warped_like_a_segmentation(logic, pair, scene):
    fixed, moving, segmentation = pair
    labels = add_volume(scene, MOVING[1], "Label volume", labels=True)
    as_volume = logic.registerVolumes(fixed, moving, "phantom", labels).segmentation
    as_segments = logic.registerVolumes(fixed, moving, "phantom", segmentation).segmentation
    expected = labels_from_segmentation(as_segments, FIXED[0]).array
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(as_volume), expected)


def test_inputs_are_not_touched(logic, pair):
    before = [fingerprint(node) for node in pair[:2]]
    logic.registerVolumes(*pair[:2], "phantom", pair[2])
    assert [fingerprint(node) for node in pair[:2]] == before
    assert pair[2].GetSegmentation().GetNumberOfSegments() == 2


def test_parent_transform_of_the_moving_volume_is_respected(logic, pair, scene):
    fixed, moving, _ = pair
    plain = logic.registerVolumes(fixed, moving, "phantom", warped=True)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    parent.SetMatrixTransformToParent(matrix)
    moving.SetAndObserveTransformNodeID(parent.GetID())
    moved = logic.registerVolumes(fixed, moving, "phantom", warped=True)
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(moved.warped), slicer.util.arrayFromVolume(plain.warped), atol=0.1
    )
    points = np.array([[0.0, 0.0, 0.0], [5.0, -5.0, 5.0]])
    shift = transform_points(moved.transform, points) - transform_points(plain.transform, points)
    np.testing.assert_allclose(shift, [[-25.0, 0, 0]] * 2, atol=1e-3)  # RAS right is LPS minus


@pytest.mark.parametrize("when", [0.0, 0.5, 0.85])
def test_cancel_leaves_the_scene_as_it_was(logic, pair, scene, when):
    ids = {node.GetID() for node in nodes_of(scene)}
    progress = Progress(lambda fraction, message: fraction >= when and progress.cancel())
    with pytest.raises(Cancelled):
        logic.registerVolumes(*pair[:2], "phantom", pair[2], progress=progress)
    assert {node.GetID() for node in nodes_of(scene)} == ids


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((8, 9, 10), np.nan, np.float32), "NaN"),
        (np.zeros((8, 9, 10), np.float32), "nothing to register"),
        (np.random.default_rng(0).random((1, 20, 20)).astype(np.float32), "one slice"),
    ],
)
def test_unusable_volumes_are_refused_with_a_sentence(logic, pair, scene, array, sentence):
    bad = add_volume(scene, Image(array), "Bad")
    ids = {node.GetID() for node in nodes_of(scene)}
    with pytest.raises(InputError, match=sentence):
        logic.registerVolumes(pair[0], bad, "phantom")
    assert {node.GetID() for node in nodes_of(scene)} == ids


def test_empty_volume_and_unknown_model_are_refused(logic, pair, scene):
    with pytest.raises(InputError, match="empty"):
        logic.registerVolumes(pair[0], scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), "phantom")
    with pytest.raises(InputError, match="no model 'nobody'"):
        logic.registerVolumes(*pair[:2], "nobody")


def test_component_deforms_the_labels_as_its_transform_says(logic, pair):
    _, moving, segmentation = pair
    explorer = logic.explorer(moving, "phantom")
    amplitude = 2 * explorer.standard_deviations[0]
    nodes = logic.decomposeVolume(moving, 0, amplitude, segmentation, explorer=explorer, warped=True, display="grid")
    display = nodes.transform.GetDisplayNode()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    from DeformationLib.registration import warp_labels
    from DeformationSceneLib.transforms import displacement_from_transform

    expected = warp_labels(MOVING[1], displacement_from_transform(nodes.transform)).array
    actual = labels_from_segmentation(nodes.segmentation, MOVING[0]).array
    assert (expected != MOVING[1].array).sum() > 100  # the component does something
    np.testing.assert_array_equal(actual, expected)
    still = logic.decomposeVolume(moving, 0, 0.0, segmentation, explorer=explorer)
    np.testing.assert_array_equal(labels_from_segmentation(still.segmentation, MOVING[0]).array, MOVING[1].array)


def test_component_that_does_not_exist_is_refused(logic, pair, scene):
    ids = {node.GetID() for node in nodes_of(scene)}
    with pytest.raises(InputError, match="no component 1000"):
        logic.decomposeVolume(pair[1], 999, 1.0, model="phantom")
    assert {node.GetID() for node in nodes_of(scene)} == ids


def test_chosen_outputs_are_overwritten(logic, pair, scene):
    fixed, moving, segmentation = pair
    first = logic.registerVolumes(fixed, moving, "phantom", segmentation, inverse=True, jacobian=True)
    expected = slicer.util.arrayFromVolume(first.warped).copy()
    labels = labels_from_segmentation(first.segmentation, FIXED[0]).array
    slicer.util.updateVolumeFromArray(first.warped, np.zeros((5, 5, 5), np.float32))
    first.segmentation.GetSegmentation().RemoveAllSegments()
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    first.warped.SetAndObserveTransformNodeID(parent.GetID())
    count = scene.GetNumberOfNodes()
    again = logic.registerVolumes(fixed, moving, "phantom", segmentation, inverse=True, jacobian=True, into=first)
    assert list(again) == list(first)
    assert scene.GetNumberOfNodes() == count
    assert again.warped.GetParentTransformNode() is None
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(again.warped), expected)
    np.testing.assert_array_equal(labels_from_segmentation(again.segmentation, FIXED[0]).array, labels)


def test_outputs_that_would_change_an_input_are_refused(logic, pair, scene):
    fixed, moving, segmentation = pair
    before = fingerprint(moving)
    with pytest.raises(InputError, match="'Moving' is an input"):
        logic.registerVolumes(fixed, moving, "phantom", into=RegistrationNodes(warped=moving))
    nodes = logic.registerVolumes(fixed, moving, "phantom", segmentation)
    moving.SetAndObserveTransformNodeID(nodes.transform.GetID())
    with pytest.raises(InputError, match="moves an input"):
        logic.registerVolumes(fixed, moving, "phantom", into=RegistrationNodes(transform=nodes.transform))
    with pytest.raises(InputError, match="two outputs"):
        both = RegistrationNodes(warped=nodes.warped, jacobian=nodes.warped)
        logic.registerVolumes(fixed, moving, "phantom", jacobian=True, into=both)
    labels = add_volume(scene, MOVING[1], "Label volume", labels=True)
    with pytest.raises(InputError, match="cannot hold"):
        logic.registerVolumes(fixed, moving, "phantom", labels, into=RegistrationNodes(segmentation=nodes.segmentation))
    assert fingerprint(moving) == before


def test_a_volume_is_not_registered_to_itself(logic, pair):
    with pytest.raises(InputError, match="the same"):
        logic.registerVolumes(pair[0], pair[0], "phantom")
    with pytest.raises(InputError, match=r"Select a fixed and a moving"):
        logic.registerVolumes(pair[0], None, "phantom")


def test_volume_that_is_deleted_meanwhile(logic, pair, scene):
    fixed, moving, _ = pair
    registration = VolumeRegistration(fixed, moving)
    registration.compute(lambda: logic.model("phantom"), "centres", Progress())
    scene.RemoveNode(moving)
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="deleted"):
        registration.addToScene()
    assert scene.GetNumberOfNodes() == count


def test_mask_shows_the_model_where_to_look(logic, pair, scene):
    """A phantom in the corner of a large volume: without masks the model looks at the large volume's centre."""
    _fixed, _moving, _ = pair
    wide = [np.pad(image.array, ((40, 0), (0, 40), (10, 30)), mode="edge") for image in (FIXED[0], MOVING[0])]
    large = [add_volume(scene, Image(array), f"Large {n}") for n, array in enumerate(wide)]
    masks = []
    for labels, like in zip((FIXED[1], MOVING[1]), large):
        inside = np.pad((labels.array > 0).astype(np.uint8), ((40, 0), (0, 40), (10, 30)))
        masks.append(add_segmentation(scene, Image(inside), "Mask", reference_volume_node=like))
    label_volumes = [np.pad(labels.array, ((40, 0), (0, 40), (10, 30))) for labels in (FIXED[1], MOVING[1])]
    moving_labels = add_volume(scene, Image(label_volumes[1]), "Large labels", labels=True)
    nodes = logic.registerVolumes(
        large[0], large[1], "phantom", moving_labels, fixedMaskNode=masks[0], movingMaskNode=masks[1]
    )
    after = dice(slicer.util.arrayFromVolume(nodes.segmentation), label_volumes[0], (1, 2))
    before = dice(label_volumes[1], label_volumes[0], (1, 2))
    assert np.mean(list(after.values())) > np.mean(list(before.values())) + 0.15


def test_several_components_at_once(logic, pair):
    _, moving, segmentation = pair
    explorer = logic.explorer(moving, "phantom")
    amplitudes = [0.0, 1.5 * explorer.standard_deviations[1], -explorer.standard_deviations[2]]
    nodes = logic.decomposeVolume(moving, segmentationNode=segmentation, amplitudes=amplitudes, explorer=explorer)
    assert nodes.transform.GetName() == "Moving components 2, 3 at +1.5, -1 SD"
    from DeformationSceneLib.transforms import displacement_from_transform

    np.testing.assert_allclose(
        displacement_from_transform(nodes.transform).array,
        explorer.displacement(amplitudes=amplitudes).array,
        atol=1e-4,
    )


def test_self_test_of_the_module(module, scene):
    module.LatentRegistrationTest().runTest()


def test_the_module_describes_itself(module):
    from types import SimpleNamespace

    parent = SimpleNamespace(path=module.__file__)
    module.LatentRegistration(parent)
    assert parent.title == "Latent Registration"
    assert parent.categories == ["Registration"]
    assert "not for clinical use" in parent.helpText
    assert slicer.selfTests["LatentRegistration"]


def test_bundled_models_are_listed_and_kept(logic):
    assert {"hippocampus", "hippocampus-skips", "phantom"} <= set(logic.modelNames())
    assert logic.model("phantom", "cpu") is logic.model("phantom", "cpu")


def test_warnings_of_the_inverse_reach_the_log(logic, pair, monkeypatch, caplog):
    from LatentRegistrationLib import model

    monkeypatch.setattr(model, "inverse_warnings", lambda *_fields, **_options: ["The inverse is inexact."])
    logic.registerVolumes(*pair[:2], "phantom")
    assert "inexact" not in caplog.text
    logic.registerVolumes(*pair[:2], "phantom", inverse=True)
    assert "inexact" in caplog.text
