"""Segmentation nodes to label maps of the backend and back, with names, colours and terminology kept.

Segments may overlap, label maps cannot hold that. A segmentation is therefore handed over in *layers*: label maps,
one each for the groups of segments that share no voxel, in all of which label n is the n-th segment of the node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image, as_labels
from DeformationLib.registration import warp_labels

from .placement import place_beside
from .ras import array_from_vtk, oriented_image_data
from .volumes import add_volume, image_from_volume

_DEFAULT_COLOUR_NODES = ("vtkMRMLColorTableNodeFileGenericColors.txt", "vtkMRMLColorTableNodeLabels")


def label_layers(segmentation_node: slicer.vtkMRMLSegmentationNode, reference: Image) -> list[Image]:
    """The segments as label maps (k, j, i) on the grid of `reference`, as few as hold them without overlap.

    Label n is the n-th segment of the node, 0 is background. Parent transforms are respected; the node is not touched,
    also where it holds surfaces only. Sampling is nearest neighbour. Raises InputError for a segmentation without
    segments or one that cannot be converted to label maps.
    """
    segmentation = _with_label_maps(segmentation_node)
    to_world = None
    if segmentation_node.GetParentTransformNode() is not None:
        to_world = vtk.vtkGeneralTransform()
        segmentation_node.GetParentTransformNode().GetTransformToWorld(to_world)
    grid = oriented_image_data(reference.with_array(np.zeros(reference.geometry.shape_kji, np.uint8)))
    number = {segment_id: index + 1 for index, segment_id in enumerate(segmentation.GetSegmentIDs())}

    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    layers = []
    for layer in range(segmentation.GetNumberOfLayers(representation)):
        resampled = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            segmentation.GetLayerDataObject(layer, representation), grid, resampled, False, False, to_world
        )
        stored = array_from_vtk(resampled)
        labels = np.zeros(stored.shape, np.int16)
        for segment_id in segmentation.GetSegmentIDsForLayer(layer, representation):
            labels[stored == segmentation.GetSegment(segment_id).GetLabelValue()] = number[segment_id]
        layers.append(reference.with_array(labels))
    return layers


def labels_from_segmentation(segmentation_node: slicer.vtkMRMLSegmentationNode, reference: Image) -> Image:
    """All segments as one label map (k, j, i) on the grid of `reference`; label n is the n-th segment.

    Raises InputError also where segments overlap there: one label map cannot hold them.
    """
    merged, *others = label_layers(segmentation_node, reference)
    for layer in others:
        overlap = (merged.array > 0) & (layer.array > 0)
        if overlap.any():
            segmentation = segmentation_node.GetSegmentation()
            first, second = (
                segmentation.GetNthSegment(int(labels.array[overlap][0]) - 1).GetName() for labels in (merged, layer)
            )
            raise InputError(
                f"The segments '{first}' and '{second}' of '{segmentation_node.GetName()}' overlap in "
                f"{np.count_nonzero(overlap)} voxels; remove the overlap or one of the segments."
            )
        merged = merged.with_array(np.where(layer.array > 0, layer.array, merged.array))
    return merged


def add_segmentation(
    scene: slicer.vtkMRMLScene,
    labels: Image | Sequence[Image],
    name: str,
    like: slicer.vtkMRMLNode | None = None,
    names: dict[int, str] | None = None,
    colours: dict[int, tuple[float, float, float]] | None = None,
    reference_volume_node: slicer.vtkMRMLVolumeNode | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation node with one segment per label of `labels`, a label map (k, j, i) or layers of label maps.

    `like`: a segmentation node, whose n-th segment gives label n its ID, name, colour, terminology and display; or a
    label map volume node, whose colour table gives names, colours and terminology. A segment of `like` that has no
    voxel left is kept, empty. Without `like`, `names` and `colours` (0..1) by label, then Slicer's colours.
    `reference_volume_node` gives the reference geometry (else the grid of the labels does). Raises InputError for
    labels that are not whole numbers, negative, or unknown to `like`.
    """
    layers, present = _checked_layers(labels, like, name)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    _fill(node, layers, present, like, names or {}, colours or {}, reference_volume_node)
    template = _template(like)
    if template is not None and template.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(template.GetDisplayNode())
    return node


def update_segmentation(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    labels: Image | Sequence[Image],
    like: slicer.vtkMRMLNode | None = None,
    reference_volume_node: slicer.vtkMRMLVolumeNode | None = None,
) -> None:
    """Replace the segments of an output node; its name and display stay. Arguments and errors as of `add_segmentation`.

    The labels lie in the world, so the node is taken out of any transform.
    """
    layers, present = _checked_layers(labels, like, segmentation_node.GetName())
    segmentation_node.SetAndObserveTransformNodeID(None)
    segmentation_node.GetSegmentation().RemoveAllSegments()
    _fill(segmentation_node, layers, present, like, {}, {}, reference_volume_node)


def mask_from_node(node: slicer.vtkMRMLNode | None, reference: Image) -> Image | None:
    """A mask (k, j, i) uint8: where any segment of a segmentation is, on the grid of `reference`, or where a label map
    volume is not zero, on its own grid; None without a node. Raises InputError as `label_layers` and
    `image_from_volume` do."""
    if node is None:
        return None
    if node.IsA("vtkMRMLSegmentationNode"):
        return reference.with_array(
            np.any([layer.array > 0 for layer in label_layers(node, reference)], 0).astype(np.uint8)
        )
    mask = image_from_volume(node)
    return mask.with_array((mask.array != 0).astype(np.uint8))


def add_warped_labels(
    scene: slicer.vtkMRMLScene,
    node: slicer.vtkMRMLNode,
    displacement: Image,
    name: str,
    reference_volume_node: slicer.vtkMRMLVolumeNode,
) -> slicer.vtkMRMLNode:
    """A segmentation or label map volume seen through a displacement, as a new node of the same class beside it."""
    if node.IsA("vtkMRMLSegmentationNode"):
        grid = displacement.with_array(np.zeros(displacement.geometry.shape_kji, np.uint8))
        output = warp_segmentation(
            scene, node, grid, lambda labels: warp_labels(labels, displacement), name, reference_volume_node
        )
    else:
        warped = warp_labels(image_from_volume(node), displacement)
        output = add_volume(scene, warped, name, labels=True, like=node)
    place_beside(output, node)
    return output


def warp_segmentation(
    scene: slicer.vtkMRMLScene,
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    reference: Image,
    warp: Callable[[Image], Image],
    name: str,
    reference_volume_node: slicer.vtkMRMLVolumeNode | None = None,
) -> slicer.vtkMRMLSegmentationNode:
    """A new segmentation node whose segments are those of `segmentation_node` sent through `warp`; overlap is kept.

    `reference` is the image on whose grid the segments are sampled (the moving image), `warp` takes a label map there
    to its warped label map, for example `lambda labels: result.warp(labels, labels=True)`; `reference_volume_node` is a
    volume on the grid that it returns. Raises InputError as `label_layers` does, and whatever `warp` raises, before
    anything is added to the scene.
    """
    warped = [warp(layer) for layer in label_layers(segmentation_node, reference)]
    return add_segmentation(scene, warped, name, like=segmentation_node, reference_volume_node=reference_volume_node)


def _template(like) -> slicer.vtkMRMLSegmentationNode | None:
    return like if like is not None and like.IsA("vtkMRMLSegmentationNode") else None


def _checked_layers(labels, like, name: str) -> tuple[list[Image], list[list[int]]]:
    """The label maps, and the labels of each that become segments."""
    layers = [as_labels(layer, f"The label map for '{name}'") for layer in _as_list(labels)]
    present = [[int(value) for value in np.unique(layer.array) if value != 0] for layer in layers]
    template = _template(like)
    _check_labels({value for values in present for value in values}, template, name)
    if template is not None:
        present = _with_empty_segments(present, template.GetSegmentation().GetNumberOfSegments())
    return layers, present


def _fill(node, layers, present, like, names: dict, colours: dict, reference_volume_node) -> None:
    """Put the labels into a segmentation node without segments."""
    template = _template(like)
    was_modifying = node.StartModify()
    _set_reference_geometry(node, layers[0], reference_volume_node)
    colour_node = _colour_node(node.GetScene(), like)
    shared = [oriented_image_data(layer) for layer in layers]
    in_order = sorted((value, layer) for layer, values in enumerate(present) for value in values)
    for value, layer in in_order:
        if template is not None:
            segment, segment_id = _segment_like(template.GetSegmentation(), value)
        else:
            segment = _segment_from_table(value, colour_node, names, colours, named=like is not None)
            segment_id = node.GetSegmentation().GenerateUniqueSegmentID(segment.GetName())
        segment.SetLabelValue(value)
        # Segments of one layer share one label map, as the Segment Editor stores them.
        segment.AddRepresentation(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName(), shared[layer])
        node.GetSegmentation().AddSegment(segment, segment_id)
    node.EndModify(was_modifying)


def _as_list(labels: Image | Sequence[Image]) -> list[Image]:
    return [labels] if isinstance(labels, Image) else list(labels)


def _with_label_maps(segmentation_node) -> slicer.vtkSegmentation:
    """The node's segmentation if it has label maps, else a converted copy: converting would change the input."""
    if segmentation_node is None:
        raise InputError("No segmentation is selected; select one.")
    segmentation = segmentation_node.GetSegmentation()
    if segmentation is None or segmentation.GetNumberOfSegments() == 0:
        raise InputError(
            f"The segmentation '{segmentation_node.GetName()}' has no segments; add one or select another."
        )
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if segmentation.ContainsRepresentation(representation):
        return segmentation
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    if not copy.CreateRepresentation(representation):
        raise InputError(
            f"The segmentation '{segmentation_node.GetName()}' cannot be converted to label maps; "
            "create its binary label map representation in the Segmentations module."
        )
    return copy


def _check_labels(values: set[int], template, name: str) -> None:
    if values and min(values) < 0:
        raise InputError(f"The label map for '{name}' has the negative label {min(values)}; labels start at 1.")
    if template is None:
        return
    segments = template.GetSegmentation().GetNumberOfSegments()
    if values and max(values) > segments:
        raise InputError(
            f"The label map for '{name}' has the label {max(values)}, "
            f"but '{template.GetName()}' has {segments} segments; choose the segmentation that the labels belong to."
        )


def _with_empty_segments(present: list[list[int]], segments: int) -> list[list[int]]:
    """The labels of each layer, those that lost their last voxel added to the first layer."""
    missing = set(range(1, segments + 1)) - {value for values in present for value in values}
    return [sorted({*present[0], *missing}), *present[1:]]


def _segment_like(segmentation, value: int) -> tuple[slicer.vtkSegment, str]:
    segment_id = segmentation.GetNthSegmentID(value - 1)
    segment = slicer.vtkSegment()
    segment.DeepCopyMetadata(segmentation.GetSegment(segment_id))
    return segment, segment_id


def _colour_node(scene, like):
    """The colour table of a label map volume node `like`, else Slicer's for label maps."""
    display = like.GetDisplayNode() if like is not None and like.IsA("vtkMRMLVolumeNode") else None
    if display is not None and display.GetColorNode() is not None:
        return display.GetColorNode()
    return next((node for node in map(scene.GetNodeByID, _DEFAULT_COLOUR_NODES) if node is not None), None)


def _segment_from_table(value: int, colour_node, names: dict, colours: dict, named: bool) -> slicer.vtkSegment:
    """A segment with the name, colour and terminology of a label; `named`: the table's names mean this label map."""
    segment = slicer.vtkSegment()
    known = colour_node is not None and value < colour_node.GetNumberOfColors()
    rgba = [0.5, 0.5, 0.5, 1.0]
    if known:
        colour_node.GetColor(value, rgba)
    table_name = colour_node.GetColorName(value) if known and named else None
    segment.SetName(names.get(value) or table_name or f"Segment {value}")
    segment.SetColor(*colours.get(value, rgba[:3]))
    terminology = colour_node.GetTerminologyAsString(value) if known and named else ""
    if terminology:
        segment.SetTerminology(terminology)
    return segment


def _set_reference_geometry(node, labels: Image, volume_node) -> None:
    if volume_node is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    if volume_node is None or volume_node.GetParentTransformNode() is not None:
        # A volume under a transform lies elsewhere in the world than its own matrix says.
        converter = slicer.vtkSegmentationConverter
        geometry = converter.SerializeImageGeometry(oriented_image_data(labels))
        node.GetSegmentation().SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), geometry)
