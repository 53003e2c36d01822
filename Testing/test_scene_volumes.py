"""Volume nodes to images and back, with real MRML classes."""

import hashlib

import numpy as np
import pytest
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationSceneLib.ras import RAS_FROM_LPS, array_from_vtk, ijk_to_ras, vtk_from_matrix
from DeformationSceneLib.transforms import add_displacement_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume, update_volume
from Testing.SlicerHost import samples


def add_linear_transform(scene, matrix_ras):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "parent")
    node.SetMatrixTransformToParent(vtk_from_matrix(matrix_ras))
    return node


def fingerprint(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    voxels = hashlib.sha256(array_from_vtk(node.GetImageData()).tobytes()).hexdigest()
    geometry = [matrix.GetElement(row, column) for row in range(4) for column in range(4)]
    return voxels, geometry, node.GetMTime(), node.GetImageData().GetMTime(), node.GetTransformNodeID()


def rotation_ras(angle=0.35, shift=(5.0, -7.0, 3.0)):
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = shift
    return matrix


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_round_trip_keeps_voxels_and_geometry(scene, direction):
    image = samples.blob(samples.geometry(direction))
    result = image_from_volume(add_volume(scene, image, "blob"))
    assert np.array_equal(result.array, image.array)
    assert result.geometry.same_grid(image.geometry, 1e-6)
    assert np.allclose(result.direction, image.direction)


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_node_lies_where_the_image_lies(scene, direction):
    image = samples.blob(samples.geometry(direction))
    node = add_volume(scene, image, "blob")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    k, j, i = 3, 11, 7
    ras = matrix.MultiplyPoint((i, j, k, 1))[:3]
    assert np.allclose(np.array(ras) * [-1, -1, 1], image.geometry.index_to_physical((i, j, k)))
    assert node.GetImageData().GetScalarComponentAsDouble(i, j, k, 0) == image.array[k, j, i]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_scalar_type_is_kept(scene, dtype):
    image = Image(np.arange(24, dtype=dtype).reshape(2, 3, 4))
    result = image_from_volume(add_volume(scene, image, "ramp"))
    assert result.array.dtype == dtype
    assert np.array_equal(result.array, image.array)


@pytest.mark.parametrize(("dtype", "stored"), [(bool, np.uint8), (np.int64, np.int16), (np.float16, np.float32)])
def test_types_unknown_to_slicer_are_stored_without_loss(scene, dtype, stored):
    image = Image((np.arange(24) % 2).astype(dtype).reshape(2, 3, 4))
    result = image_from_volume(add_volume(scene, image, "ramp"))
    assert result.array.dtype == stored
    assert np.array_equal(result.array, image.array)


def test_image_does_not_share_memory_with_the_node(scene):
    node = add_volume(scene, samples.blob(samples.geometry()), "blob")
    image_from_volume(node).array[:] = -1
    assert node.GetImageData().GetScalarRange()[0] >= 0


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_rigid_parent_only_moves_the_geometry(scene, direction):
    image = samples.blob(samples.geometry(direction))
    node = add_volume(scene, image, "blob")
    parent = rotation_ras()
    node.SetAndObserveTransformNodeID(add_linear_transform(scene, parent).GetID())
    result = image_from_volume(node)
    assert np.array_equal(result.array, image.array)
    assert np.allclose(RAS_FROM_LPS @ result.geometry.ijk_to_lps, parent @ ijk_to_ras(image))


def test_scaling_along_the_voxels_and_chained_parents_move_the_geometry(scene):
    image = samples.blob(samples.geometry("axis-aligned"))
    node = add_volume(scene, image, "blob")
    scaling = np.diag([2.0, 0.5, -1.0, 1.0])
    inner, outer = add_linear_transform(scene, scaling), add_linear_transform(scene, rotation_ras())
    inner.SetAndObserveTransformNodeID(outer.GetID())
    node.SetAndObserveTransformNodeID(inner.GetID())
    result = image_from_volume(node)
    assert np.array_equal(result.array, image.array)
    assert np.allclose(result.spacing, np.array(image.spacing) * [2.0, 0.5, 1.0])
    assert np.allclose(RAS_FROM_LPS @ result.geometry.ijk_to_lps, rotation_ras() @ scaling @ ijk_to_ras(image))


def values_at(image, points_lps):
    resampled = Image.to_sitk(image)
    return np.array([resampled.EvaluateAtPhysicalPoint([float(x) for x in point]) for point in points_lps])


@pytest.mark.parametrize("kind", ["shear", "grid"])
def test_other_parents_resample_the_volume(scene, kind):
    image = samples.blob(samples.geometry("oblique"), width_mm=9.0)
    node = add_volume(scene, image, "blob")
    if kind == "shear":
        matrix = np.eye(4)
        matrix[0, 1], matrix[2, 0] = 0.25, -0.15
        parent = add_linear_transform(scene, matrix)
    else:
        parent = add_displacement_transform(scene, samples.smooth_displacement(image.geometry, 1.5), "parent")
    node.SetAndObserveTransformNodeID(parent.GetID())
    result = image_from_volume(node)

    to_world = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(to_world)
    inner = samples.points(image.geometry)[6:-6:2, 8:-8:3, 7:-7:3].reshape(-1, 3)
    moved = np.array([to_world.TransformPoint(*(point * [-1, -1, 1])) for point in inner]) * [-1, -1, 1]
    assert np.abs(values_at(result, moved) - values_at(image, inner)).max() < 2.0
    assert np.abs(result.direction.T @ result.direction - np.eye(3)).max() < 1e-9


def test_resampled_labels_stay_labels(scene):
    labels = samples.two_labels(samples.geometry("oblique"))
    node = add_volume(scene, labels, "labels", labels=True)
    matrix = np.eye(4)
    matrix[0, 1] = 0.3
    node.SetAndObserveTransformNodeID(add_linear_transform(scene, matrix).GetID())
    result = image_from_volume(node)
    assert set(np.unique(result.array)) == {0, 1, 2}
    volume = [np.count_nonzero(image.array == 1) * np.prod(image.spacing) for image in (labels, result)]
    assert volume[1] == pytest.approx(volume[0], rel=0.05)


@pytest.mark.parametrize("parent", ["none", "rotation", "shear"])
def test_input_is_not_changed(scene, parent):
    node = add_volume(scene, samples.blob(samples.geometry()), "blob")
    if parent != "none":
        matrix = rotation_ras()
        matrix[0, 2] = 0.2 if parent == "shear" else 0.0
        node.SetAndObserveTransformNodeID(add_linear_transform(scene, matrix).GetID())
    # The first look at a node under a transform lets its pipeline catch up, which counts as a modification.
    fingerprint(node)
    before, nodes = fingerprint(node), scene.GetNumberOfNodes()
    image_from_volume(node)
    assert fingerprint(node) == before
    assert scene.GetNumberOfNodes() == nodes


def test_new_volumes_have_display_nodes_and_take_over_the_look(scene):
    image = samples.blob(samples.geometry())
    node = add_volume(scene, image, "blob")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(33.0, 44.0)
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeIron")
    like = add_volume(scene, image, "other", like=node)
    assert (like.GetDisplayNode().GetWindow(), like.GetDisplayNode().GetLevel()) == (33.0, 44.0)
    assert like.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeIron"
    labels = add_volume(scene, samples.two_labels(image.geometry), "labels", labels=True, like=node)
    assert labels.IsA("vtkMRMLLabelMapVolumeNode")
    assert labels.GetDisplayNode().IsA("vtkMRMLLabelMapVolumeDisplayNode")


def test_update_replaces_voxels_and_geometry(scene):
    node = add_volume(scene, samples.blob(samples.geometry("oblique")), "blob")
    display = node.GetDisplayNodeID()
    other = samples.blob(samples.geometry("left-handed", (9, 8, 7)))
    update_volume(node, other)
    result = image_from_volume(node)
    assert np.array_equal(result.array, other.array)
    assert result.geometry.same_grid(other.geometry)
    assert node.GetDisplayNodeID() == display


def test_one_slice_round_trip(scene):
    image = Image(np.arange(12, dtype=np.float32).reshape(3, 4), (0.5, 0.7, 8.0), (1, 2, 3))
    result = image_from_volume(add_volume(scene, image, "slice"))
    assert result.array.shape == (1, 3, 4)
    assert result.geometry.same_grid(image.geometry)


def test_labels_must_be_whole_numbers(scene):
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="whole numbers"):
        add_volume(scene, Image(np.full((2, 2, 2), 0.5)), "labels", labels=True)
    with pytest.raises(InputError, match="components"):
        add_volume(scene, Image(np.zeros((2, 2, 2, 3))), "vectors")
    assert scene.GetNumberOfNodes() == nodes


def test_unusable_inputs_are_refused_with_a_sentence(scene):
    with pytest.raises(InputError, match="No volume is selected"):
        image_from_volume(None)
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(InputError, match="'empty' is empty"):
        image_from_volume(empty)
    vectors = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colours")
    data = vtk.vtkImageData()
    data.SetDimensions(2, 2, 2)
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    vectors.SetAndObserveImageData(data)
    with pytest.raises(InputError, match="3 values per voxel"):
        image_from_volume(vectors)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "transform")
    with pytest.raises(InputError, match="not a scalar volume"):
        image_from_volume(transform)
