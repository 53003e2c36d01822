"""Live nodes of an exploration: where the surfaces go, how they look, and that the scene is left as it was."""

import hashlib

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image, resample
from DeformationLib.metrics import dice
from DeformationLib.phantoms import two_part_phantom
from DeformationLib.registration import warp_image, warp_labels
from DeformationSceneLib import surfaces
from DeformationSceneLib.live_deformation import LiveDeformation
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.ras import array_from_vtk, oriented_image_data, vtk_from_matrix
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.transforms import displacement_from_transform, transform_points
from DeformationSceneLib.volumes import add_volume, image_from_volume
from LatentRegistrationLib.model import RegistrationModel
from Testing.SlicerHost import samples
from Testing.SlicerHost.application import load_scene, save_scene

IMAGE, LABELS = two_part_phantom(4)
STRONG = [2.0, -1.0]


class Swirl:
    """A deformer with two components, a smooth displacement each, on a grid of its own."""

    def __init__(self, image):
        self.image = image
        self.grid = samples.Geometry((20, 20, 20), (2.2,) * 3, tuple(image.geometry.centre - 21.0))
        self.asked = []

    def live_displacement(self, amplitudes):
        self.asked.append(list(amplitudes))
        field = samples.smooth_displacement(self.grid, 1.2)
        strength = sum(amplitudes)
        return field.with_array(field.array * np.float32(strength))


@pytest.fixture(scope="session")
def model(application):
    return RegistrationModel.load("phantom", "cpu")


@pytest.fixture(scope="session")
def explorer(model):
    return model.explorer(IMAGE)


@pytest.fixture
def image_node(scene):
    return add_volume(scene, IMAGE, "phantom")


@pytest.fixture
def segmentation(scene, image_node):
    names = {1: "Head", 2: "Body"}
    return add_segmentation(scene, LABELS, "parts", names=names, reference_volume_node=image_node)


def voxels_inside(node, grid):
    """Label map (k, j, i): the number of the segment whose surface, in the world, encloses a voxel's centre."""
    to_index = vtk.vtkMatrix4x4()
    oriented_image_data(grid).GetImageToWorldMatrix(to_index)
    to_index.Invert()
    path = vtk.vtkGeneralTransform()
    path.PostMultiply()
    if node.GetParentTransformNode() is not None:
        to_world = vtk.vtkGeneralTransform()
        node.GetParentTransformNode().GetTransformToWorld(to_world)
        path.Concatenate(to_world)
    path.Concatenate(to_index)
    result = np.zeros(grid.geometry.shape_kji, np.int16)
    for number, polydata in enumerate(surfaces.surfaces_of(node).values(), 1):
        moved = vtk.vtkTransformPolyDataFilter()
        moved.SetInputData(polydata)
        moved.SetTransform(path)
        stencil = vtk.vtkPolyDataToImageStencil()
        stencil.SetInputConnection(moved.GetOutputPort())
        stencil.SetOutputWholeExtent(*(value for n in grid.geometry.size for value in (0, n - 1)))
        mask = vtk.vtkImageStencilToImage()
        mask.SetInputConnection(stencil.GetOutputPort())
        mask.SetInsideValue(1)
        mask.SetOutputScalarTypeToUnsignedChar()
        mask.Update()
        result[array_from_vtk(mask.GetOutput()) > 0] = number
    return result


@pytest.fixture(scope="session")
def fine():
    """The phantom on voxels of 0.42 mm, where the steps of voxels matter less."""
    image = resample(IMAGE, samples.Geometry((96,) * 3, (0.42,) * 3, IMAGE.origin))
    return image, resample(LABELS, image.geometry, "label", padding=0)


def test_surfaces_go_where_the_warped_label_map_is(scene, model, fine):
    image, labels = fine
    explorer = model.explorer(image)
    node = add_volume(scene, image, "fine")
    live = LiveDeformation(scene, explorer, node, add_volume(scene, labels, "labels", labels=True))
    # A change costs the same for every image: it is computed on the model's grid.
    grid = live.transform.GetTransformFromParentAs("vtkOrientedGridTransform").GetDisplacementGrid()
    assert grid.GetDimensions() == (40, 40, 40)
    still = dice(voxels_inside(live.deformed, labels), labels.array, (1, 2))
    assert min(still.values()) > 0.985
    live.show(STRONG)
    warped = warp_labels(labels, explorer.displacement(amplitudes=explorer.amplitudes(STRONG))).array
    assert min(dice(labels.array, warped, (1, 2)).values()) < 0.85  # it does move
    assert min(dice(voxels_inside(live.deformed, labels), warped, (1, 2)).values()) > 0.975
    # The red contours stay.
    assert dice(voxels_inside(live.undeformed, labels), labels.array, (1, 2)) == still


@pytest.mark.parametrize("direction", ["oblique and left-handed", "permuted"])
def test_label_maps_of_any_orientation(scene, direction):
    grid = samples.geometry(direction)
    image, labels = samples.blob(grid), samples.two_labels(grid)
    live = LiveDeformation(
        scene, Swirl(image), add_volume(scene, image, "image"), add_volume(scene, labels, "l", labels=True)
    )
    assert min(dice(voxels_inside(live.deformed, labels), labels.array, (1, 2)).values()) > 0.93  # boxes lose corners
    live.show([2.0])
    displacement = displacement_from_transform(live.transform, image)
    warped = warp_labels(labels, displacement).array
    assert min(dice(voxels_inside(live.deformed, labels), warped, (1, 2)).values()) > 0.9
    assert min(dice(labels.array, warped, (1, 2)).values()) < 0.85


def test_transform_says_what_the_explorer_says(scene, explorer, image_node):
    live = LiveDeformation(scene, explorer, image_node)
    live.show(STRONG)
    full = explorer.displacement(amplitudes=explorer.amplitudes(STRONG))
    points = IMAGE.geometry.index_to_physical(np.argwhere(IMAGE.array > 60)[::97, ::-1])
    expected = resample(full, IMAGE.geometry).array
    index = np.rint(IMAGE.geometry.physical_to_index(points)).astype(int)
    np.testing.assert_allclose(
        transform_points(live.transform, points) - points, expected[tuple(index[:, ::-1].T)], atol=2e-3
    )


def test_deformed_image_is_shown_where_the_image_was(scene, explorer, image_node):
    composites = [scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode") for _ in range(3)]
    other = add_volume(scene, IMAGE, "other")
    composites[0].SetBackgroundVolumeID(image_node.GetID())
    composites[1].SetForegroundVolumeID(image_node.GetID())
    composites[2].SetBackgroundVolumeID(other.GetID())
    live = LiveDeformation(scene, explorer, image_node)
    live.show_image(True)
    live.show(STRONG)
    shown = live.deformed_image.GetID()
    assert composites[0].GetBackgroundVolumeID() == composites[1].GetForegroundVolumeID() == shown
    assert composites[2].GetBackgroundVolumeID() == other.GetID()
    seen = resample(image_from_volume(live.deformed_image), IMAGE.geometry).array
    expected = warp_image(IMAGE, explorer.displacement(amplitudes=explorer.amplitudes(STRONG))).array
    inner = (slice(8, -8),) * 3
    assert np.corrcoef(seen[inner].ravel(), expected[inner].ravel())[0, 1] > 0.98
    assert np.corrcoef(seen[inner].ravel(), IMAGE.array[inner].ravel())[0, 1] < 0.95
    live.show_image(False)
    assert composites[0].GetBackgroundVolumeID() == composites[1].GetForegroundVolumeID() == image_node.GetID()
    live.show_image(True)
    live.close()
    assert composites[0].GetBackgroundVolumeID() == image_node.GetID()


def test_surfaces_with_many_points_are_made_coarser(scene, image_node, segmentation, monkeypatch):
    monkeypatch.setattr(surfaces, "MAXIMUM_POINTS", 800)
    node = surfaces.add_surfaces(scene, segmentation, "coarse")
    points = sum(polydata.GetNumberOfPoints() for polydata in surfaces.surfaces_of(node).values())
    assert 200 < points < 1200
    assert min(dice(voxels_inside(node, LABELS), LABELS.array, (1, 2)).values()) > 0.9


def test_names_colours_and_terminology(scene, explorer, image_node, segmentation):
    segmentation.GetSegmentation().GetNthSegment(1).SetTerminology("custom~context~^^~~^^~^^~~^^~^^~~^^~^^")
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    names = [live.transform.GetName(), live.undeformed.GetName(), live.deformed.GetName()]
    assert names == ["phantom deformation: live", "parts undeformed: live", "parts deformed: live"]
    for node, base in ((live.undeformed, surfaces.RED), (live.deformed, surfaces.GOLD)):
        segments = [node.GetSegmentation().GetNthSegment(index) for index in range(2)]
        assert [segment.GetName() for segment in segments] == ["Head", "Body"]
        assert segments[0].GetColor() == pytest.approx(base)
        assert segments[1].GetColor() != pytest.approx(base)
        assert "custom" in segments[1].GetTerminology()
        assert node.GetDisplayNode().GetVisibility2DOutline()
        assert not node.GetDisplayNode().GetVisibility2DFill()
    assert segmentation.GetSegmentation().GetNthSegment(0).GetColor() != pytest.approx(surfaces.RED)


def test_tones_are_different_and_bright():
    assert surfaces.tones(surfaces.GOLD, 1) == [pytest.approx(surfaces.GOLD)]
    many = surfaces.tones(surfaces.RED, 5)
    assert len({tuple(np.round(tone, 3)) for tone in many}) == 5
    assert all(tone[0] >= surfaces.RED[0] - 1e-6 for tone in many)


def test_overlapping_segments_stay_overlapping(scene, explorer, image_node, segmentation):
    array = (LABELS.array > 0).astype(np.uint8)
    segment = slicer.vtkSegment()
    segment.SetName("Whole")
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segment.AddRepresentation(name, oriented_image_data(LABELS.with_array(array)))
    segmentation.GetSegmentation().AddSegment(segment, "whole")
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    head, body, whole = surfaces.surfaces_of(live.deformed).values()
    volumes = []
    for polydata in (head, body, whole):
        measure = vtk.vtkMassProperties()
        measure.SetInputData(polydata)
        volumes.append(measure.GetVolume())
    assert volumes[2] == pytest.approx(volumes[0] + volumes[1], rel=0.03)


def test_segment_without_voxels_is_left_out(scene, explorer, image_node, segmentation):
    segmentation.GetSegmentation().AddEmptySegment("nothing", "Nothing")
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    assert live.deformed.GetSegmentation().GetNumberOfSegments() == 2
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 3


def test_parent_transform_of_the_structure_is_respected(scene, explorer, image_node):
    shift = np.eye(4)
    shift[:3, 3] = [3.0, -2.0, 1.0]
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(vtk_from_matrix(shift))
    moved = add_segmentation(scene, LABELS, "moved")
    moved.SetAndObserveTransformNodeID(parent.GetID())
    plain = surfaces.add_surfaces(scene, add_segmentation(scene, LABELS, "plain"), "a")
    node = surfaces.add_surfaces(scene, moved, "b")
    difference = np.subtract(surfaces.surface_bounds(node), surfaces.surface_bounds(plain))
    np.testing.assert_allclose(difference, [3.0, 3.0, -2.0, -2.0, 1.0, 1.0], atol=1e-3)
    assert node.GetParentTransformNode() is None


def test_segmentation_of_surfaces_only(scene, explorer, image_node, segmentation):
    converter = slicer.vtkSegmentationConverter
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetSegmentation().SetSourceRepresentationName(converter.GetClosedSurfaceRepresentationName())
    segmentation.RemoveBinaryLabelmapRepresentation()
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    assert min(dice(voxels_inside(live.deformed, LABELS), LABELS.array, (1, 2)).values()) > 0.9


def test_inputs_are_not_touched(scene, explorer, image_node, segmentation):
    def fingerprint():
        digest = hashlib.sha256(slicer.util.arrayFromVolume(image_node).tobytes()).hexdigest()
        times = [node.GetMTime() for node in (segmentation, segmentation.GetDisplayNode(), image_node.GetDisplayNode())]
        return digest, times, segmentation.GetSegmentation().GetMTime()

    before = fingerprint()
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    live.show(STRONG)
    live.show_image(True)
    live.close()
    assert fingerprint() == before


def test_live_nodes_lie_beside_the_image_and_go(scene, explorer, image_node, segmentation):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(image_node), folder)
    before = {node.GetID() for node in nodes_of(scene)}
    live = LiveDeformation(scene, explorer, image_node, segmentation, display=None)
    live.show_image(True)
    live.set_display("grid")  # which adds a node of colours
    for node in (live.transform, live.undeformed, live.deformed, live.deformed_image):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    live.close()
    assert {node.GetID() for node in nodes_of(scene)} == before
    live.close()
    live.show(STRONG)  # nothing left to show it on


def test_live_nodes_are_not_saved(scene, explorer, image_node, segmentation, tmp_path):
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    live.show_image(True)
    live.show(STRONG)
    live_names = {node.GetName() for node in nodes_of(scene) if node.GetName() and "live" in node.GetName()}
    assert len(live_names) == 4
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    names = {node.GetName() for node in nodes_of(scene)}
    assert {"phantom", "parts"} <= names
    assert not live_names & names
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    listed = {hierarchy.GetItemName(items.GetId(index)) for index in range(items.GetNumberOfIds())}
    assert not live_names & listed
    assert not live.alive
    live.close()


@pytest.mark.parametrize("gone", ["scene", "image", "transform"])
def test_nodes_that_disappear_end_it_quietly(scene, explorer, image_node, segmentation, gone):
    live = LiveDeformation(scene, explorer, image_node, segmentation)
    live.show_image(True)
    if gone == "scene":
        scene.Clear(False)
    else:
        scene.RemoveNode(image_node if gone == "image" else live.transform)
    assert not live.alive
    live.show(STRONG)
    live.set_display("grid")
    live.show_image(True)
    live.close()
    assert not [node for node in nodes_of(scene) if node.GetName() and node.GetName().endswith("live")]


def test_display_can_be_chosen(scene, explorer, image_node):
    live = LiveDeformation(scene, explorer, image_node, display=None)
    display = live.transform.GetDisplayNode()
    assert not display.GetVisibility()
    for name, mode in (
        ("arrows", display.VIS_MODE_GLYPH),
        ("grid", display.VIS_MODE_GRID),
        ("contours", display.VIS_MODE_CONTOUR),
    ):
        live.set_display(name)
        assert display.GetVisibility()
        assert display.GetVisualizationMode() == mode
    spacing = display.GetGlyphSpacingMm()
    live.show(STRONG)
    live.set_display("arrows")
    assert display.GetGlyphSpacingMm() == spacing
    live.set_display(None)
    assert not display.GetVisibility()


def test_amplitudes_reach_the_deformer_in_order(scene):
    image = samples.blob(samples.geometry("axis-aligned"))
    deformer = Swirl(image)
    live = LiveDeformation(scene, deformer, add_volume(scene, image, "image"))
    live.show([0.5, -1.5])
    assert deformer.asked[-1] == [0.5, -1.5]


def test_unusable_structures_are_refused_and_leave_no_node(scene, explorer, image_node, segmentation):
    empty = add_segmentation(scene, LABELS.with_array(LABELS.array * 0), "empty", like=segmentation)
    none = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "none")
    blank = add_volume(scene, LABELS.with_array(LABELS.array * 0), "blank", labels=True)
    far = add_segmentation(scene, Image(LABELS.array, LABELS.spacing, (500.0, 0.0, 0.0)), "far")
    before = {node.GetID() for node in nodes_of(scene)}
    for node, sentence in (
        (empty, "'empty' is empty"),
        (none, "'none' has no segments"),
        (blank, "'blank' has no segments"),
        (far, "'far' lies outside the image"),
        (image_node, "'phantom' is neither a segmentation nor a label map"),
    ):
        with pytest.raises(InputError, match=sentence):
            LiveDeformation(scene, explorer, image_node, node)
        assert {other.GetID() for other in nodes_of(scene)} == before


def test_too_many_amplitudes_are_refused(scene, explorer, image_node):
    live = LiveDeformation(scene, explorer, image_node)
    with pytest.raises(InputError, match="33 amplitudes, but this model has 32"):
        live.show([0.0] * 33)


def test_a_slice_moves_in_its_plane(scene):
    grid = samples.Geometry((30, 24, 1), (1.0, 1.0, 3.0), (4.0, -6.0, 10.0))
    image = samples.blob(grid)
    labels = image.with_array(np.pad(np.ones((1, 10, 12), np.int16), ((0, 0), (6, 8), (9, 9))))

    class Shift:
        def __init__(self):
            self.image = image

        def live_displacement(self, amplitudes):
            field = np.zeros((*grid.shape_kji, 3), np.float32)
            field[..., 0] = sum(amplitudes)
            return image.with_array(field)

    structure = add_volume(scene, labels, "labels", labels=True)
    live = LiveDeformation(scene, Shift(), add_volume(scene, image, "slice"), structure)
    live.show([2.0])
    points = np.array([[10.0, 2.0, 10.0], [10.0, 2.0, 11.0]])  # off the plane as well, where the surface's points are
    np.testing.assert_allclose(transform_points(live.transform, points) - points, [[2.0, 0.0, 0.0]] * 2, atol=1e-4)
    moved = voxels_inside(live.deformed, labels)[0, 7:15]
    assert np.array_equal(moved, np.roll(labels.array, -2, axis=2)[0, 7:15])
