"""Segmentation nodes to label maps and back: geometry, names, colours, terminology, overlap, transforms."""

from dataclasses import replace

import numpy as np
import pytest
import slicer

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationSceneLib.ras import oriented_image_data, vtk_from_matrix
from DeformationSceneLib.segmentations import (
    add_segmentation,
    label_layers,
    labels_from_segmentation,
    warp_segmentation,
)
from DeformationSceneLib.transforms import add_displacement_transform
from DeformationSceneLib.volumes import add_volume
from Testing.SlicerHost import samples

TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^87953007^Hippocampus"
    "~^^~Anatomic codes - DICOM master list~^^~^^"
)


def add_sample(scene, direction="oblique"):
    labels = samples.two_labels(samples.geometry(direction))
    names, colours = {1: "head", 2: "body"}, {1: (0.1, 0.2, 0.3), 2: (0.9, 0.8, 0.7)}
    node = add_segmentation(scene, labels, "hippocampus", names=names, colours=colours)
    node.GetSegmentation().GetNthSegment(0).SetTerminology(TERMINOLOGY)
    return node, labels


def add_box(node, reference, box):
    """Add one more segment with a label map of its own, so that it may overlap others."""
    array = np.zeros(reference.geometry.shape_kji, np.uint8)
    array[box] = 1
    segment = slicer.vtkSegment()
    segment.SetName("lesion")
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segment.AddRepresentation(name, oriented_image_data(reference.with_array(array)))
    node.GetSegmentation().AddSegment(segment, "lesion")
    return array


def described(node):
    segments = [node.GetSegmentation().GetNthSegment(n) for n in range(node.GetSegmentation().GetNumberOfSegments())]
    return [(s.GetName(), tuple(np.round(s.GetColor(), 6)), s.GetTerminology()) for s in segments]


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_round_trip(scene, direction):
    node, labels = add_sample(scene, direction)
    result = labels_from_segmentation(node, labels)
    assert np.array_equal(result.array, labels.array)
    assert result.geometry.same_grid(labels.geometry)
    assert [name for name, *_ in described(node)] == ["head", "body"]


def test_names_come_from_the_colour_table_of_a_label_volume(scene):
    labels = samples.two_labels(samples.geometry())
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "table")
    table.SetTypeToUser()
    table.SetNumberOfColors(3)
    table.SetColor(0, "background", 0, 0, 0, 0)
    table.SetColor(1, "anterior", 1.0, 0.4, 0.0, 1.0)
    table.SetColor(2, "posterior", 0.0, 0.6, 1.0, 1.0)
    volume = add_volume(scene, labels, "labels", labels=True)
    volume.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())
    node = add_segmentation(scene, labels, "segmentation", like=volume)
    assert [(name, colour) for name, colour, _ in described(node)] == [
        ("anterior", (1.0, 0.4, 0.0)),
        ("posterior", (0.0, 0.6, 1.0)),
    ]


def test_warped_segmentation_keeps_names_colours_terminology_ids_and_display(scene):
    node, labels = add_sample(scene)
    node.GetDisplayNode().SetSegmentOpacity2DFill("head", 0.25)
    node.GetDisplayNode().SetSegmentVisibility("body", False)
    warped = warp_segmentation(
        scene, node, labels, lambda image: image.with_array(np.roll(image.array, 2, 0)), "warped"
    )
    assert described(warped) == described(node)
    assert described(warped)[0][2] == TERMINOLOGY
    assert warped.GetSegmentation().GetSegmentIDs() == node.GetSegmentation().GetSegmentIDs()
    assert warped.GetDisplayNode().GetSegmentOpacity2DFill("head") == 0.25
    assert not warped.GetDisplayNode().GetSegmentVisibility("body")
    assert np.array_equal(labels_from_segmentation(warped, labels).array, np.roll(labels.array, 2, 0))


def test_segment_that_vanishes_is_kept_empty(scene):
    node, labels = add_sample(scene)
    warped = warp_segmentation(
        scene, node, labels, lambda image: image.with_array(image.array * (image.array != 1)), "w"
    )
    assert described(warped) == described(node)
    assert set(np.unique(labels_from_segmentation(warped, labels).array)) == {0, 2}


def test_overlapping_segments_travel_in_layers(scene):
    node, labels = add_sample(scene)
    box = add_box(node, labels, np.s_[6:12, 8:14, 8:14])
    layers = label_layers(node, labels)
    assert len(layers) == 2
    assert np.array_equal(layers[0].array, labels.array)
    assert np.array_equal(layers[1].array == 3, box == 1)
    with pytest.raises(InputError, match=r"'(head|body)' and 'lesion' .* overlap"):
        labels_from_segmentation(node, labels)
    warped = warp_segmentation(scene, node, labels, lambda image: image, "warped")
    for before, after in zip(layers, label_layers(warped, labels)):
        assert np.array_equal(before.array, after.array)


def test_segments_apart_in_two_layers_merge(scene):
    node, labels = add_sample(scene)
    box = add_box(node, labels, np.s_[0:2, 0:2, 0:2])
    merged = labels_from_segmentation(node, labels)
    assert np.array_equal(merged.array, labels.array + 3 * box)


def test_parent_transform_is_respected(scene):
    node, labels = add_sample(scene, "left-handed")
    matrix = np.eye(4)
    matrix[:3, 3] = [-2 * labels.spacing[0], 0.0, 0.0]
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    parent.SetMatrixTransformToParent(vtk_from_matrix(matrix))
    node.SetAndObserveTransformNodeID(parent.GetID())
    # -x in RAS is +x in LPS, here +i.
    assert np.array_equal(labels_from_segmentation(node, labels).array, np.roll(labels.array, 2, 2))


def test_nonlinear_parent_transform_is_respected(scene):
    node, labels = add_sample(scene, "axis-aligned")
    displacement = np.zeros((*labels.geometry.shape_kji, 3), np.float32)
    displacement[..., 1] = 3 * labels.spacing[1]
    parent = add_displacement_transform(scene, labels.with_array(displacement), "shift")
    node.SetAndObserveTransformNodeID(parent.GetID())
    assert np.array_equal(labels_from_segmentation(node, labels).array, np.roll(labels.array, -3, 1))


def test_other_grid_is_resampled(scene):
    node, labels = add_sample(scene)
    fine = samples.geometry(size=(44, 52, 36))
    fine = replace(fine, spacing=tuple(s / 2 for s in labels.spacing))
    result = labels_from_segmentation(node, Image.on_grid(np.zeros(fine.shape_kji), fine))
    volumes = [np.count_nonzero(image.array) * np.prod(image.spacing) for image in (labels, result)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.1)


def test_surfaces_are_converted_without_touching_the_input(scene):
    node, labels = add_sample(scene)
    node.CreateClosedSurfaceRepresentation()
    names = slicer.vtkSegmentationConverter
    node.GetSegmentation().SetSourceRepresentationName(names.GetClosedSurfaceRepresentationName())
    node.RemoveBinaryLabelmapRepresentation()
    result = labels_from_segmentation(node, labels)
    assert not node.GetSegmentation().ContainsRepresentation(names.GetBinaryLabelmapRepresentationName())
    assert np.mean(result.array == labels.array) > 0.95


def test_input_is_not_changed(scene):
    node, labels = add_sample(scene)
    before = node.GetMTime(), node.GetSegmentation().GetMTime(), described(node)
    warp_segmentation(scene, node, labels, lambda image: image.with_array(image.array * 0), "warped")
    assert (node.GetMTime(), node.GetSegmentation().GetMTime(), described(node)) == before
    assert np.array_equal(labels_from_segmentation(node, labels).array, labels.array)


def test_reference_geometry_is_set(scene):
    node, labels = add_sample(scene)
    volume = add_volume(scene, samples.blob(labels.geometry), "fixed")
    warped = add_segmentation(scene, labels, "warped", like=node, reference_volume_node=volume)
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert warped.GetNodeReference(role) is volume
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    assert warped.GetSegmentation().GetConversionParameter(name)
    assert node.GetSegmentation().GetConversionParameter(name)


def test_unusable_inputs_are_refused_and_leave_no_node(scene):
    node, labels = add_sample(scene)
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="No segmentation is selected"):
        label_layers(None, labels)
    with pytest.raises(InputError, match="negative label -2"):
        add_segmentation(scene, labels.with_array(-labels.array), "s")
    with pytest.raises(InputError, match="has the label 5, but 'hippocampus' has 2 segments"):
        add_segmentation(scene, labels.with_array(labels.array * 0 + 5), "s", like=node)
    with pytest.raises(InputError, match="whole numbers"):
        add_segmentation(scene, labels.with_array(labels.array + 0.5), "s")

    def cancel(image):
        raise Cancelled

    with pytest.raises(Cancelled):
        warp_segmentation(scene, node, labels, cancel, "s")
    assert scene.GetNumberOfNodes() == nodes
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    with pytest.raises(InputError, match="'empty' has no segments"):
        label_layers(empty, labels)
