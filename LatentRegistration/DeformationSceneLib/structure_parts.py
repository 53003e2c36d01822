"""Parts of a structure: segments of a segmentation, or labels of a label map volume, by name or number."""

from __future__ import annotations

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image

from .segmentations import add_segmentation, label_layers
from .volumes import add_volume, image_from_volume

Part = str | int | None
"""A segment's name or a label's number (segments are numbered from 1); None for all together."""


def read_layers(node, image: Image) -> list[Image]:
    """Label maps of a structure that belongs to an image, see `label_layers`; none without a node."""
    if node is None:
        return []
    if node.IsA("vtkMRMLSegmentationNode"):
        return label_layers(node, image)
    return [image_from_volume(node)]


def mask_of(layers: list[Image]) -> Image | None:
    """Where any label is, uint8; None without layers."""
    if not layers:
        return None
    return layers[0].with_array(np.any([layer.array > 0 for layer in layers], axis=0).astype(np.uint8))


def part_names(node) -> dict[str, str]:
    """What the parts of a structure are called, by how `find_part` knows them; empty without a node."""
    if node is None:
        return {}
    if node.IsA("vtkMRMLSegmentationNode"):
        segmentation = node.GetSegmentation()
        names = (segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments()))
        return {name: name for name in names}
    if node.GetImageData() is None:
        return {}
    values = np.unique(image_from_volume(node).array)
    return {str(int(value)): _("Label {number}").format(number=int(value)) for value in values if value > 0}


def find_part(node, layers: list[Image], part: Part) -> tuple[Image, int]:
    """The label map that holds a part of a structure, and the part's label there.

    Raises InputError for a part that the structure does not have, or that has no voxel in the image.
    """
    if part is None:
        labels, label = mask_of(layers), 1
    else:
        label = _label_of(node, part)
        labels = next((layer for layer in layers if (layer.array == label).any()), layers[0])
    if not (labels.array == label).any():
        raise InputError(
            _("'{structure}' has no voxel of '{part}' in the image: choose another part.").format(
                structure=node.GetName(), part=_("the whole structure") if part is None else part
            )
        )
    return labels, label


def add_layers(node, layers: list[Image], name: str, reference_volume_node):
    """Label maps, in the layers of a structure's node, as a new node of its class in its scene."""
    scene = node.GetScene()
    if node.IsA("vtkMRMLSegmentationNode"):
        return add_segmentation(scene, layers, name, like=node, reference_volume_node=reference_volume_node)
    return add_volume(scene, layers[0], name, labels=True, like=node)


def _label_of(node, part: str | int) -> int:
    names = list(part_names(node))
    if node.IsA("vtkMRMLSegmentationNode"):
        if part in names:
            return names.index(part) + 1
        known = isinstance(part, int) and 1 <= part <= len(names)
    else:
        known = str(part) in names
    if not known:
        raise InputError(
            _("'{structure}' has no part '{part}': choose one of {parts}.").format(
                structure=node.GetName(), part=part, parts=", ".join(names) or _("none")
            )
        )
    return int(part)
