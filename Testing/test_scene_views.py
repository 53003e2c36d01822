"""Headless slice views: what is drawn, where it is drawn, and that the scene stays as it was."""

import numpy as np
import pytest
import slicer

from DeformationLib.image import Image
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.ras import vtk_from_matrix
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.transforms import add_displacement_transform, show_transform
from DeformationSceneLib.volumes import add_volume
from Testing.SlicerHost import samples
from Testing.SlicerHost.views import GOLD, RED, SliceView

SIZE = (240, 200)


@pytest.fixture
def grid():
    return samples.geometry("axis-aligned")


@pytest.fixture
def view(scene, grid):
    with SliceView(scene, SIZE) as slice_view:
        slice_view.set_background(add_volume(scene, samples.blob(grid), "background"))
        yield slice_view


def coloured(picture, colour, tolerance=0.15):
    """Columns and rows of the pixels that have a colour."""
    rows, columns = np.nonzero(np.abs(picture / 255.0 - np.asarray(colour)).max(axis=-1) < tolerance)
    return np.column_stack([columns, rows])


def colourful(picture):
    """Where a picture is not grey."""
    return np.ptp(picture.astype(int), axis=-1) > 60


def test_background_fills_the_view_with_the_right_aspect(view, grid):
    view.set_slice("axial")
    picture = view.render()
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert picture.dtype == np.uint8
    left, right = (view.pixel_of(grid.index_to_physical((i, 12, 9)) * [-1, -1, 1]) for i in (0, 20))
    top, bottom = (view.pixel_of(grid.index_to_physical((10, j, 9)) * [-1, -1, 1]) for j in (0, 20))
    across = np.linalg.norm(np.subtract(left, right)) / (20 * grid.spacing[0])
    down = np.linalg.norm(np.subtract(top, bottom)) / (20 * grid.spacing[1])
    assert across == pytest.approx(down, rel=1e-6)
    brightest = np.unravel_index(picture[..., 0].argmax(), picture.shape[:2])[::-1]
    expected = np.unravel_index(samples.blob(grid).array[9].argmax(), (26, 22))[::-1]
    expected = view.pixel_of(grid.index_to_physical((*expected, 9)) * [-1, -1, 1])
    assert np.linalg.norm(np.subtract(brightest, expected)) < 1.5 * across


def test_brightness_dims_the_background(scene, grid, view):
    bright = view.render().max()
    view.set_background(scene.GetFirstNodeByName("background"), brightness=0.5)
    assert view.render().max() == pytest.approx(bright / 2, abs=2)
    view.set_background(scene.GetFirstNodeByName("background"), brightness=0)
    assert view.render().max() == 0


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
def test_outline_is_drawn_in_its_colour_around_the_label(scene, grid, view, orientation):
    labels = samples.two_labels(grid)
    node = add_segmentation(scene, labels, "segmentation")
    node.GetDisplayNode().SetVisibility(False)
    view.set_slice(orientation)
    assert len(coloured(view.render(), RED)) == 0
    view.add_outline(node, RED)
    pixels = coloured(view.render(), RED)
    assert len(pixels) > 100
    box = samples.points(grid)[labels.array > 0] * [-1, -1, 1]
    corners = np.array([view.pixel_of(point) for point in (box.min(axis=0), box.max(axis=0))])
    pixel_mm = view.slice_node.GetFieldOfView()[0] / SIZE[0]
    assert np.abs(pixels.min(axis=0) - corners.min(axis=0)).max() * pixel_mm < 1.5 * max(grid.spacing)
    assert np.abs(pixels.max(axis=0) - corners.max(axis=0)).max() * pixel_mm < 1.5 * max(grid.spacing)


def test_outline_of_a_label_volume(scene, grid, view):
    view.add_outline(add_volume(scene, samples.two_labels(grid), "labels", labels=True), GOLD)
    assert len(coloured(view.render(), GOLD)) > 100


def test_outline_vanishes_outside_the_structure(scene, grid, view):
    view.add_outline(add_segmentation(scene, samples.two_labels(grid), "segmentation"), RED)
    view.set_slice("axial", grid.centre[2] + 0.45 * grid.size[2] * grid.spacing[2])
    assert len(coloured(view.render(), RED)) == 0


def test_outline_changes_with_the_offset(scene, grid, view):
    labels = np.zeros(grid.shape_kji, np.int16)
    for k in range(2, 16):
        labels[k, 8:16, 2 + k // 2 : 8 + k // 2] = 1
    view.add_outline(add_segmentation(scene, Image.on_grid(labels, grid), "oblique bar"), RED)
    positions = []
    for k in (4, 12):
        view.set_slice("axial", grid.index_to_physical((0, 0, k))[2])
        positions.append(coloured(view.render(), RED).mean(axis=0))
    pixel_mm = view.slice_node.GetFieldOfView()[0] / SIZE[0]
    # Four voxels towards L, which lies on the right of an axial view.
    shift = (positions[1] - positions[0]) * pixel_mm
    assert shift == pytest.approx([4 * grid.spacing[0], 0.0], abs=0.8)


@pytest.mark.parametrize("kind", ["linear", "grid"])
def test_outline_moves_with_the_transform_of_its_node(scene, grid, view, kind):
    node = add_segmentation(scene, samples.two_labels(grid), "segmentation")
    view.add_outline(node, RED)
    if kind == "linear":
        matrix = np.eye(4)
        matrix[0, 3] = -4.0
        parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
        parent.SetMatrixTransformToParent(vtk_from_matrix(matrix))
    else:
        displacement = np.zeros((*grid.shape_kji, 3), np.float32)
        displacement[..., 0] = -4.0
        parent = add_displacement_transform(scene, Image.on_grid(displacement, grid), "shift")
    node.SetAndObserveTransformNodeID(parent.GetID())
    view.add_outline(node, GOLD)
    picture = view.render()
    pixel_mm = view.slice_node.GetFieldOfView()[0] / SIZE[0]
    red, gold = (coloured(picture, colour) for colour in (RED, GOLD))
    assert (gold.max(axis=0) - red.max(axis=0)) * pixel_mm == pytest.approx([4.0, 0.0], abs=0.6)


@pytest.mark.parametrize("display", ["arrows", "grid", "contours"])
def test_transform_is_drawn(scene, grid, view, display):
    node = add_displacement_transform(scene, samples.smooth_displacement(grid), "transform")
    plain = view.render()
    assert not colourful(plain).any()
    view.show_transform(node, display)
    assert colourful(view.render()).sum() > 200
    view.show_transform(None)
    assert np.array_equal(view.render(), plain)


def test_transform_is_drawn_inside_its_field_only(scene, grid, view):
    small = type(grid)((8, 8, 18), grid.spacing, tuple(grid.index_to_physical((6, 8, 0))), grid.direction)
    node = add_displacement_transform(scene, samples.smooth_displacement(small), "transform")
    view.show_transform(node, "grid", spacing_mm=1.0)
    rows, columns = np.nonzero(colourful(view.render()))
    ends = np.array(
        [view.pixel_of(grid.index_to_physical((*ij, 9)) * [-1, -1, 1]) for ij in ((5.5, 7.5), (13.5, 15.5))]
    )
    assert columns.min() >= ends[:, 0].min() - 2
    assert columns.max() <= ends[:, 0].max() + 2
    assert rows.min() >= ends[:, 1].min() - 2
    assert rows.max() <= ends[:, 1].max() + 2
    assert np.ptp(columns) > 0.8 * np.ptp(ends[:, 0])


def test_only_what_was_asked_is_drawn_and_the_scene_stays_as_it_was(scene, grid):
    background = add_volume(scene, samples.blob(grid), "background")
    segmentation = add_segmentation(scene, samples.two_labels(grid), "segmentation", colours={1: (0, 1, 0)})
    transform = add_displacement_transform(scene, samples.smooth_displacement(grid), "transform")
    display = show_transform(transform, "arrows", spacing_mm=3.0)
    before = [node.GetID() for node in nodes_of(scene)]
    with SliceView(scene, SIZE) as view:
        view.set_background(background)
        assert not colourful(view.render()).any()
        view.add_outline(segmentation, RED)
        view.show_transform(transform, "grid")
        view.render()
    assert [node.GetID() for node in nodes_of(scene)] == before
    assert segmentation.GetDisplayNode().GetVisibility()
    assert display.GetVisibility()
    assert segmentation.GetSegmentation().GetNthSegment(0).GetColor() == (0.0, 1.0, 0.0)
    assert transform.GetNumberOfDisplayNodes() == 1
    assert display.GetVisualizationMode() == display.VIS_MODE_GLYPH
    assert display.GetGlyphSpacingMm() == 3.0
    closed = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    assert not segmentation.GetSegmentation().ContainsRepresentation(closed)


def test_pictures_are_the_same_from_run_to_run(scene, grid):
    background = add_volume(scene, samples.blob(grid), "background")
    node = add_segmentation(scene, samples.two_labels(grid), "segmentation")
    pictures = []
    for _ in range(2):
        with SliceView(scene, SIZE) as view:
            view.set_background(background)
            view.add_outline(node, RED)
            pictures.append(view.render())
    assert np.array_equal(*pictures)


def test_slices_along_the_voxels_of_an_oblique_volume(scene):
    oblique = samples.geometry("oblique")
    with SliceView(scene, SIZE) as view:
        view.set_background(add_volume(scene, samples.blob(oblique), "oblique"))
        view.set_slice("axial", along_voxels=True)
        matrix = view.slice_node.GetSliceToRAS()
        normal = np.array([matrix.GetElement(row, 2) for row in range(3)]) * [-1, -1, 1]
        assert abs(normal @ oblique.direction[:, 2]) == pytest.approx(1.0, abs=1e-6)
        assert view.render().max() > 100


def test_other_nodes_have_no_outline(scene, grid, view):
    with pytest.raises(TypeError, match="not of a vtkMRMLScalarVolumeNode"):
        view.add_outline(scene.GetFirstNodeByName("background"))
