"""Cine series on a motion model's grid, held in memory for training: volumes over time, or slices over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from DeformationLib.cine_cases import Cine, CineCase
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, inside_mask, resample
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import normalise
from DeformationLib.progress import Progress
from LatentRegistrationLib.pairs import read_usable

from .slice_stack import place_of_grid, tensor_on_grid


@dataclass
class SequenceSet:
    """Series on the network's grid.

    A planar model sees each slice of a series as a sequence of its own: S is the number of slices there, and 1 for a
    model of volumes.

    Attributes:
        names: of the cases.
        frames: per case ``(t, S, *size)`` in half precision, in [0, 1].
        masks: per case ``(S, *size)`` as bytes, 1 where the images have voxels.
        labels: indicators ``(L, S, *size)`` as bytes (255 is all of the voxel), by case and frame.
        label_values: the value of each label channel.
        references: per case the frame that motion starts from (end-diastole), and the one farthest from it.
        groups: per case, may be empty.
        skipped: name and reason of each case that could not be used.
    """

    names: list[str] = field(default_factory=list)
    frames: list[Tensor] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    labels: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    label_values: list[int] = field(default_factory=list)
    references: list[tuple[int, int]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def indicators(self, case: int, frame: int) -> Tensor | None:
        """Labels of a frame ``(L, S, *size)`` in single precision; None for a frame without."""
        labels = self.labels.get((case, frame))
        return None if labels is None else labels.float() / 255


def load_sequences(
    cases: Sequence[CineCase], grid: PairGrid, *, need_labels: bool = False, progress: Progress | None = None
) -> SequenceSet:
    """Read series and bring their frames to the network's grid; unusable ones are listed, unless fewer than two are left."""
    result = SequenceSet()

    def prepare(cine: Cine) -> tuple[Tensor, Tensor]:
        return frames_on_grid(cine, grid, place_of_grid(grid, cine.like.geometry))

    for key, (labels, geometry) in read_usable(cases, result, prepare, need_labels, progress).items():
        place = place_of_grid(grid, geometry)
        result.labels[key] = _indicators_on_grid(labels, result.label_values, grid, place)
    return result


def frames_on_grid(cine: Cine, grid: PairGrid, place: Geometry) -> tuple[Tensor, Tensor]:
    """Frames ``(t, S, *size)`` in half precision, in [0, 1], and the mask ``(S, *size)`` of a series."""
    inside = inside_mask(cine.like.geometry, place)
    if not inside.any():
        raise InputError(f"{cine.name} lies outside the model's grid.")
    frames = []
    for number in range(len(cine.frames)):
        array = resample(cine.frame(number), place, antialias=True).array
        frames.append(tensor_on_grid(normalise(array, inside), grid).half())
    return torch.stack(frames), tensor_on_grid(inside, grid).byte()


def _indicators_on_grid(labels: Image, values: Sequence[int], grid: PairGrid, place: Geometry) -> Tensor:
    parts = [
        resample(
            labels.with_array((labels.array == value).astype(np.float32)), place, antialias=True, padding=0.0
        ).array
        for value in values
    ]
    return torch.stack([(255 * tensor_on_grid(part, grid)).round().byte() for part in parts])
