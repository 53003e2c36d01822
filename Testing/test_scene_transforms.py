"""Grid transform nodes: direction, units, agreement with SimpleITK, and what the moving node does under them."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationSceneLib.ras import array_from_vtk, matrix_from_vtk
from DeformationSceneLib.transforms import (
    add_displacement_transform,
    displacement_from_transform,
    set_displacement,
    show_transform,
    transform_points,
)
from DeformationSceneLib.volumes import add_volume, image_from_volume
from Testing.SlicerHost import samples


def inner_points(grid, margin=5, step=4):
    inside = slice(margin, -margin, step)
    return samples.points(grid)[inside, inside, inside].reshape(-1, 3)


def sitk_transform(displacement):
    image = Image.on_grid(displacement.array.astype(np.float64), displacement.geometry).to_sitk()
    return sitk.DisplacementFieldTransform(sitk.Cast(image, sitk.sitkVectorFloat64))


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_from_parent_is_the_displacement(scene, direction):
    displacement = samples.smooth_displacement(samples.geometry(direction))
    node = add_displacement_transform(scene, displacement, "transform")
    grid = displacement.geometry
    for k, j, i in [(0, 0, 0), (4, 9, 11), (grid.size[2] - 1, 3, 8)]:
        lps = grid.index_to_physical((i, j, k))
        ras = node.GetTransformFromParent().TransformPoint(*(lps * [-1, -1, 1]))
        assert np.allclose(np.array(ras) * [-1, -1, 1], lps + displacement.array[k, j, i], atol=1e-4)


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_agrees_with_simpleitk_between_the_voxels(scene, direction):
    displacement = samples.smooth_displacement(samples.geometry(direction))
    node = add_displacement_transform(scene, displacement, "transform")
    transform = sitk_transform(displacement)
    rng = np.random.default_rng(0)
    index = rng.uniform(0.5, np.array(displacement.geometry.size) - 1.5, (60, 3))
    points = displacement.geometry.index_to_physical(index)
    expected = np.array([transform.TransformPoint(point.tolist()) for point in points])
    assert np.abs(transform_points(node, points) - expected).max() < 1e-3


def test_to_parent_is_the_inverse(scene):
    displacement = samples.smooth_displacement(samples.geometry())
    node = add_displacement_transform(scene, displacement, "transform")
    for lps in inner_points(displacement.geometry, 6, 5):
        moved = node.GetTransformFromParent().TransformPoint(*(lps * [-1, -1, 1]))
        assert np.allclose(node.GetTransformToParent().TransformPoint(*moved) * np.array([-1, -1, 1]), lps, atol=0.02)


def test_moving_node_under_the_transform_aligns_with_fixed(scene):
    fixed_grid, moving_grid = samples.geometry("oblique"), samples.geometry("left-handed", (34, 34, 24))
    origin = np.array(moving_grid.origin) + fixed_grid.centre - moving_grid.centre
    moving_grid = replace(moving_grid, origin=tuple(origin))
    shift = np.array([3.0, -2.0, 4.0])
    fixed = samples.blob(fixed_grid)
    moving = samples.blob(moving_grid, tuple(shift))
    fixed_node, moving_node = add_volume(scene, fixed, "fixed"), add_volume(scene, moving, "moving")
    displacement = Image.on_grid(np.broadcast_to(shift, (*fixed_grid.shape_kji, 3)).astype(np.float32), fixed_grid)
    node = add_displacement_transform(scene, displacement, "moving to fixed", fixed_node, moving_node)
    moving_node.SetAndObserveTransformNodeID(node.GetID())

    seen = image_from_volume(moving_node).to_sitk()
    points = inner_points(fixed_grid, 4, 3)
    values = np.array([seen.EvaluateAtPhysicalPoint(point.tolist()) for point in points])
    expected = np.array([fixed.to_sitk().EvaluateAtPhysicalPoint(point.tolist()) for point in points])
    assert np.abs(values - expected).max() < 2.5
    assert np.corrcoef(values, expected)[0, 1] > 0.999


@pytest.mark.parametrize("direction", ["oblique", "left-handed"])
def test_reslicing_through_the_node_equals_simpleitk(scene, direction):
    grid = samples.geometry(direction)
    moving, displacement = samples.blob(grid, (1.0, -1.5, 0.5)), samples.smooth_displacement(grid)
    moving_node = add_volume(scene, moving, "moving")
    node = add_displacement_transform(scene, displacement, "transform")

    path = vtk.vtkGeneralTransform()
    path.PostMultiply()
    ijk_to_ras, ras_to_ijk = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    moving_node.GetIJKToRASMatrix(ijk_to_ras)
    moving_node.GetRASToIJKMatrix(ras_to_ijk)
    path.Concatenate(ijk_to_ras)
    path.Concatenate(node.GetTransformFromParent())
    path.Concatenate(ras_to_ijk)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(moving_node.GetImageData())
    reslice.SetResliceTransform(path)
    reslice.SetInterpolationModeToLinear()
    reslice.Update()
    resliced = array_from_vtk(reslice.GetOutput())
    image = moving.to_sitk()
    warped = sitk.GetArrayFromImage(sitk.Resample(image, image, sitk_transform(displacement), sitk.sitkLinear, 0.0))
    inside = (slice(5, -5),) * 3
    assert np.abs(resliced[inside] - warped[inside]).max() < 0.05


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_the_stored_displacement_comes_back(scene, direction):
    displacement = samples.smooth_displacement(samples.geometry(direction))
    node = add_displacement_transform(scene, displacement, "transform")
    result = displacement_from_transform(node)
    assert np.allclose(result.array, displacement.array, atol=1e-5)
    assert result.geometry.same_grid(displacement.geometry)


def test_any_transform_is_sampled_on_a_reference(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    matrix = vtk.vtkMatrix4x4()
    for row, shift in enumerate((4.0, 5.0, 6.0)):
        matrix.SetElement(row, 3, shift)
    node.SetMatrixTransformToParent(matrix)
    result = displacement_from_transform(node, samples.blob(samples.geometry()))
    assert np.allclose(result.array, [4.0, 5.0, -6.0], atol=1e-4)
    with pytest.raises(InputError, match="does not store a displacement grid"):
        displacement_from_transform(node)


def test_one_slice_displacement(scene):
    array = np.zeros((1, 8, 9, 3), np.float32)
    array[..., 0] = 1.5
    node = add_displacement_transform(scene, Image(array, (1, 1, 5)), "slice")
    assert np.allclose(transform_points(node, np.array([[4.0, 4.0, 0.0]])), [[5.5, 4.0, 0.0]])


def test_fixed_and_moving_references(scene):
    image = samples.blob(samples.geometry())
    fixed, moving = add_volume(scene, image, "fixed"), add_volume(scene, image, "moving")
    node = add_displacement_transform(scene, samples.smooth_displacement(image.geometry), "t", fixed, moving)
    assert node.GetNodeReference(slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole()) is fixed
    assert node.GetNodeReference(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole()) is moving


def test_replacing_the_displacement_moves_what_is_under_the_node(scene):
    grid = samples.geometry()
    node = add_displacement_transform(scene, samples.smooth_displacement(grid), "t")
    other = samples.smooth_displacement(grid, 1.0)
    set_displacement(node, other)
    assert np.allclose(displacement_from_transform(node).array, other.array, atol=1e-5)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [(np.zeros((3, 3, 3)), "three values per voxel"), (np.full((3, 3, 3, 3), np.nan), "not finite")],
)
def test_unusable_displacements_are_refused(scene, array, sentence):
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=sentence):
        add_displacement_transform(scene, Image(array), "t")
    assert scene.GetNumberOfNodes() == nodes


def test_display_settings(scene):
    displacement = samples.smooth_displacement(samples.geometry())
    node = add_displacement_transform(scene, displacement, "t")
    display = show_transform(node, "grid", spacing_mm=3.0, maximum_mm=4.0)
    assert node.GetNumberOfDisplayNodes() == 1
    assert display.GetVisibility()
    assert display.GetVisibility2D()
    assert not display.GetVisibility3D()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    assert display.GetGridSpacingMm() == 3.0
    assert display.GetColorMap().GetRange() == (0.0, 4.0)
    arrows = show_transform(node, "arrows", three_d=True)
    assert arrows is display
    assert display.GetVisualizationMode() == display.VIS_MODE_GLYPH
    assert display.GetVisibility3D()
    show_transform(node, None)
    assert not display.GetVisibility()


def test_grid_geometry_is_in_ras(scene):
    displacement = samples.smooth_displacement(samples.geometry("oblique and left-handed"))
    node = add_displacement_transform(scene, displacement, "t")
    grid = node.GetTransformFromParentAs("vtkOrientedGridTransform")
    directions = matrix_from_vtk(grid.GetGridDirectionMatrix())[:3, :3]
    assert np.allclose(directions, np.diag([-1, -1, 1]) @ displacement.direction)
    assert np.allclose(grid.GetDisplacementGrid().GetOrigin(), np.array(displacement.origin) * [-1, -1, 1])
