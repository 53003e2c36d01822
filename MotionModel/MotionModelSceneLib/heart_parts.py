"""Which parts of a structure are a left ventricle's pool and wall and the right ventricle: by name, or by the user's word."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.image import Image
from DeformationSceneLib.structure_parts import find_part, part_names

Part = str | int | None

_WALL = re.compile(r"myo|wall|muscle")
_RIGHT = re.compile(r"\brv|\bright")
_POOL = re.compile(r"\blv|\bleft|pool|cavity|blood|endo")
_OTHER = re.compile(r"atri|\bla\b|\bra\b|aort|pulmon")


@dataclass(frozen=True)
class HeartParts:
    """Parts of a structure, each as `find_part` knows it; None where it is not there.

    Attributes:
        pool: blood of the left ventricle; its curve gives the ejection fraction.
        myocardium: its wall, in which strain is measured.
        right: blood of the right ventricle, from which segments are counted.
    """

    pool: Part = None
    myocardium: Part = None
    right: Part = None

    @property
    def complete(self) -> bool:
        """Whether strain can be measured."""
        return self.pool is not None and self.myocardium is not None


def guess_parts(structureNode) -> HeartParts:
    """What the names of the parts say; for names that say nothing there is nothing, since not everything is a heart.

    "LV", "left ventricle", "blood pool"; "myocardium", "LV wall"; "RV", "right ventricle", in any case.
    """
    found: dict[str, str] = {}
    for part, shown in part_names(structureNode).items():
        name = re.sub(r"[_\-.]+", " ", shown).lower()
        if _OTHER.search(name):
            continue
        if _WALL.search(name):
            kind = None if _RIGHT.search(name) else "myocardium"
        elif _RIGHT.search(name):
            kind = "right"
        else:
            kind = "pool" if _POOL.search(name) else None
        if kind is not None:
            found.setdefault(kind, part)
    return HeartParts(**found)


def heart_labels(structureNode, layers: list[Image], parts: HeartParts) -> tuple[Image, dict[str, int]]:
    """One label map of the heart, and the numbers of its parts there, by the names of `HeartParts`.

    Where parts overlap, the pool lies over the wall, for contours of the outer wall are often filled. Raises InputError
    for parts that are not there.
    """
    labels = np.zeros(layers[0].array.shape, np.int16)
    numbers = {}
    for number, kind in enumerate(("right", "myocardium", "pool"), 1):
        part = getattr(parts, kind)
        if part is None:
            continue
        layer, value = find_part(structureNode, layers, part)
        labels[layer.array == value] = number
        numbers[kind] = number
    return layers[0].with_array(labels), numbers


def part_titles(structureNode, layers: list[Image]) -> dict[int, str]:
    """What the labels in the layers of a structure are called, in the order of their numbers."""
    present = sorted({int(value) for layer in layers for value in np.unique(layer.array) if value > 0})
    names = list(part_names(structureNode).values())
    if structureNode.IsA("vtkMRMLSegmentationNode"):
        return {value: names[value - 1] for value in present}
    display = structureNode.GetDisplayNode()
    table = display.GetColorNode() if display is not None else None
    known = table.GetNumberOfColors() if table is not None else 0
    return {
        value: (table.GetColorName(value) if value < known else "") or _("Label {number}").format(number=value)
        for value in present
    }


def part_colour(structureNode, value: int) -> tuple[float, float, float]:
    """Colour of a label in the layers of a structure, 0..1."""
    if structureNode.IsA("vtkMRMLSegmentationNode"):
        return tuple(structureNode.GetSegmentation().GetNthSegment(value - 1).GetColor())
    display = structureNode.GetDisplayNode()
    table = display.GetColorNode() if display is not None else None
    rgba = [0.3, 0.3, 0.3, 1.0]
    if table is not None and value < table.GetNumberOfColors():
        table.GetColor(value, rgba)
    return tuple(rgba[:3])
