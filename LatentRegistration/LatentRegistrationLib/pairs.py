"""Pairs of images to train and validate on: frames of one cine series, or images of different subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from DeformationLib.cases import CaseSet
from DeformationLib.cine_cases import Cine, CineCase, read_cine
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, inside_mask, resample
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import normalise, prepare_labels
from DeformationLib.progress import Progress


@dataclass(frozen=True)
class Pair:
    """Which frame of which case is deformed (moving) towards which."""

    fixed_case: int
    fixed_frame: int
    moving_case: int
    moving_frame: int


@dataclass
class PairBatch:
    """Pairs on the network's grid.

    Attributes:
        images: ``(batch, 2, *size)``, fixed and moving, in [0, 1].
        mask: ``(batch, 1, *size)``, 1 where both images have voxels.
        fixed_labels, moving_labels: indicators ``(batch, L, *size)``, zero for a pair without labels.
    """

    images: Tensor
    mask: Tensor
    fixed_labels: Tensor
    moving_labels: Tensor


@dataclass
class PairSet:
    """Series (or single images, which are series of one frame) on the network's grid, held in memory.

    Attributes:
        names: of the cases.
        frames: per case ``(t, *size)`` in half precision.
        masks: per case ``size`` as bytes.
        labels: indicators ``(L, *size)`` as bytes, by case and frame.
        label_values: the value of each label channel.
        references: per case the two frames of the reference pair: moving (end-diastole), fixed (end-systole).
        groups: per case, may be empty.
        skipped: name and reason of each case that could not be used.
    """

    names: list[str]
    frames: list[Tensor]
    masks: list[Tensor]
    labels: dict[tuple[int, int], Tensor]
    label_values: list[int]
    references: list[tuple[int, int]]
    groups: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_series(self) -> bool:
        """Whether the pairs are frames of one case, not images of two."""
        return any(len(frames) > 1 for frames in self.frames)

    def batch(self, pairs: Sequence[Pair]) -> PairBatch:
        """Some pairs, in single precision."""
        images = torch.stack(
            [
                torch.stack(
                    [self.frames[p.fixed_case][p.fixed_frame], self.frames[p.moving_case][p.moving_frame]]
                ).float()
                for p in pairs
            ]
        )
        mask = torch.stack([(self.masks[p.fixed_case] * self.masks[p.moving_case])[None].float() for p in pairs])
        known = [self._known(p) for p in pairs]
        fixed = [self._labels(p.fixed_case, p.fixed_frame, k) for p, k in zip(pairs, known, strict=True)]
        moving = [self._labels(p.moving_case, p.moving_frame, k) for p, k in zip(pairs, known, strict=True)]
        return PairBatch(images, mask, torch.stack(fixed), torch.stack(moving))

    def _known(self, pair: Pair) -> bool:
        return all(
            key in self.labels for key in ((pair.fixed_case, pair.fixed_frame), (pair.moving_case, pair.moving_frame))
        )

    def _labels(self, case: int, frame: int, known: bool) -> Tensor:
        if not known:
            return torch.zeros(len(self.label_values), *self.masks[case].shape)
        return self.labels[case, frame].float() / 255

    def reference_pair(self, case: int) -> Pair:
        """End-diastole moving, end-systole fixed."""
        moving, fixed = self.references[case]
        return Pair(case, fixed, case, moving)

    def frame_pair(self, case: int, reference_share: float, generator: torch.Generator) -> Pair:
        """A random pair of frames of one case.

        With probability ``reference_share`` it is the reference pair, one time in five the other way round; else
        either end-diastole and any frame, or the less alike of two random pairs, as large motion has more to teach.
        """
        moving, fixed = self.references[case]
        kind = float(torch.rand((), generator=generator))
        if kind < reference_share:
            return Pair(case, moving, case, fixed) if kind < 0.2 * reference_share else Pair(case, fixed, case, moving)
        count = len(self.frames[case])
        drawn = torch.randint(0, count, (2, 2), generator=generator).tolist()
        if kind < 0.5 * (1 + reference_share):
            return Pair(case, drawn[0][0], case, moving)
        frames = self.frames[case]
        unlike = [float((frames[a].float() - frames[b].float()).abs().mean()) for a, b in drawn]
        a, b = drawn[int(np.argmax(unlike))]
        return Pair(case, a, case, b)


def pairs_of_cycle(cases: Sequence[int]) -> list[Pair]:
    """Images of different subjects: each is registered to the next, the last to the first."""
    return [Pair(fixed, 0, cases[(number + 1) % len(cases)], 0) for number, fixed in enumerate(cases)]


def load_series(
    cases: Sequence[CineCase], grid: PairGrid, *, need_labels: bool = False, progress: Progress | None = None
) -> PairSet:
    """Read series and bring their frames to the network's grid; unusable ones are listed, unless fewer than two are left."""
    result = PairSet([], [], [], {}, [], [])
    maps = read_usable(cases, result, lambda cine: prepare_frames(cine, grid), need_labels, progress)
    for key, (labels, geometry) in maps.items():
        indicators = prepare_labels(labels, result.label_values, grid, grid.around(geometry))[0]
        result.labels[key] = (255 * indicators).round().byte()
    return result


def read_usable(
    cases: Sequence[CineCase],
    data: Any,
    prepare: Callable[[Cine], tuple[Tensor, Tensor]],
    need_labels: bool,
    progress: Progress | None,
) -> dict[tuple[int, int], tuple[Image, Geometry]]:
    """Read series into a set for training; unusable ones are listed as skipped.

    Args:
        cases: to read.
        data: `PairSet`, or another set with its lists; all but the labels are filled.
        prepare: frames and mask of a series on the network's grid; raises `InputError` for one that cannot be used.
        need_labels: of end-diastole and end-systole; a series without them cannot be used.
        progress: reports and cancels.

    Returns:
        The label maps, by case and frame, and the grid of their series.

    Raises:
        InputError: where fewer than two series are left.
    """
    progress = progress or Progress()
    maps: dict[tuple[int, int], tuple[Image, Geometry]] = {}
    for number, case in enumerate(cases):
        progress.report(number / len(cases), f"Reading {case.name}")
        try:
            cine = read_cine(case)
            if need_labels and not {cine.ed_frame, cine.es_frame} <= set(cine.labels):
                raise InputError(f"{case.name} lacks the label maps of end-diastole and end-systole.")
            frames, mask = prepare(cine)
        except InputError as error:
            data.skipped[case.name] = str(error)
            continue
        maps |= {(len(data), frame): (labels, cine.like.geometry) for frame, labels in cine.labels.items()}
        data.names.append(cine.name)
        data.frames.append(frames)
        data.masks.append(mask)
        data.references.append((cine.ed_frame, cine.es_frame))
        data.groups.append(cine.group)
    if len(data) < 2:
        reasons = "; ".join(data.skipped.values()) or "there are no more files"
        raise InputError(f"Training needs at least two usable series, but {len(data)} could be read ({reasons}).")
    data.label_values = sorted({int(v) for labels, _ in maps.values() for v in np.unique(labels.array)} - {0})
    return maps


def prepare_frames(cine: Cine, grid: PairGrid) -> tuple[Tensor, Tensor]:
    """Frames ``(t, *size)`` in half precision and the mask of a series, on the network's grid."""
    geometry = grid.around(cine.like.geometry)
    inside = inside_mask(cine.like.geometry, geometry)
    frames = []
    for number in range(len(cine.frames)):
        array = resample(cine.frame(number), geometry, antialias=True).array
        frames.append(grid.tensor(normalise(array, inside))[0, 0].half())
    return torch.stack(frames), grid.tensor(inside)[0, 0].byte()


def series_of_images(data: CaseSet) -> PairSet:
    """Single images as series of one frame."""
    return PairSet(
        list(data.names),
        [image.half() for image in data.images],
        [mask[0] for mask in data.masks],
        {(case, 0): labels for case, labels in enumerate(data.labels)} if data.label_values else {},
        list(data.label_values),
        [(0, 0)] * len(data.names),
        [""] * len(data.names),
        dict(data.skipped),
    )
