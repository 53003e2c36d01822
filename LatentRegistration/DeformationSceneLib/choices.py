"""Choices that several modules offer, as types of their parameter nodes."""

from __future__ import annotations

from enum import Enum
from typing import Union

from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

Structure = Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007 - combo boxes know no A | B
"""A segmentation, a label map volume, or nothing."""


class Device(Enum):
    """Where a model computes; the values are torch's names."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def label(self) -> str:
        """What panels call it."""
        return {"auto": _("Automatic"), "cpu": _("Processor (CPU)"), "cuda": _("Graphics card (CUDA)")}[self.value]


class DeformationDisplay(Enum):
    """How slice views draw a deformation."""

    ARROWS = "arrows"
    GRID = "grid"
    CONTOURS = "contours"
    NOTHING = "nothing"

    def label(self) -> str:
        """What panels call it."""
        return {"arrows": _("Arrows"), "grid": _("Grid"), "contours": _("Contours"), "nothing": _("Nothing")}[
            self.value
        ]
