"""The images and labels that a model is trained on: read, checked one by one, held in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .case_files import Case, find_cases, median_spacing, smallest_grid, split_cases
from .errors import InputError
from .image import Image
from .image_io import read_image, read_labels_of
from .pair_grid import PairGrid
from .preprocessing import NetworkGrid, prepare, prepare_labels
from .progress import Progress

__all__ = ["Case", "CaseSet", "automatic_grid", "find_cases", "load_cases", "split_cases"]


@dataclass
class CaseSet:
    """Training cases on the network's grid.

    Attributes:
        names: of the cases.
        images: ``(n, 1, *grid)`` in half precision, normalised.
        labels: ``(n, L, *grid)`` indicators as bytes, L may be 0.
        masks: ``(n, 1, *grid)`` as bytes.
        label_values: the value of each label channel.
        skipped: name and reason of each case that could not be used.
    """

    names: list[str]
    images: Tensor
    labels: Tensor
    masks: Tensor
    label_values: list[int]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Images, label indicators and masks of some cases in single precision."""
        chosen = torch.as_tensor(indices)
        return self.images[chosen].float(), self.labels[chosen].float() / 255, self.masks[chosen].float()


def load_cases(
    cases: Sequence[Case],
    grid: NetworkGrid | None = None,
    *,
    need_labels: bool = False,
    spacing: float = 0.0,
    factor: int = 16,
    progress: Progress | None = None,
) -> tuple[CaseSet, NetworkGrid]:
    """Read and prepare cases; those that cannot be used are listed, not fatal, unless fewer than two are left.

    Args:
        cases: from `find_cases`.
        grid: the network's; None takes the smallest that holds every image, spacing 0 the median of the images'.
        need_labels: skip cases without a label map.
        spacing: mm of an automatic grid; 0 takes the median of the images'.
        factor: what the lengths of an automatic grid are multiples of.
        progress: reports and cancels.
    """
    progress = progress or Progress()
    skipped: dict[str, str] = {}
    read: dict[str, tuple[Image, Image | None]] = {}
    for number, case in enumerate(cases):
        progress.report(0.5 * number / len(cases), f"Reading {case.name}")
        try:
            read[case.name] = _read(case, need_labels)
        except InputError as error:
            skipped[case.name] = str(error)
    if len(read) < 2:
        reasons = "; ".join(skipped.values()) or "there are no more files"
        raise InputError(f"Training needs at least two usable cases, but {len(read)} could be read ({reasons}).")
    images = [image for image, _ in read.values()]
    if grid is None:
        grid = automatic_grid(images, spacing, factor)
    elif not grid.spacing:
        grid = NetworkGrid(grid.size, median_spacing([image.geometry for image in images]))
    return prepare_cases(read, grid, skipped, progress.part(0.5, 1.0)), grid


def prepare_cases(
    read: Mapping[str, tuple[Image, Image | None]],
    grid: NetworkGrid | PairGrid,
    skipped: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> CaseSet:
    """Bring images and label maps to a network's grid; those that cannot be used join the ``skipped`` ones.

    Raises `InputError` where fewer than two are left.
    """
    progress, skipped = progress or Progress(), skipped if skipped is not None else {}
    values = sorted({int(value) for _, labels in read.values() if labels for value in np.unique(labels.array)} - {0})
    prepared: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for number, (name, (image, labels)) in enumerate(read.items()):
        progress.report(number / len(read), f"Preparing {name}")
        try:
            prepared[name] = _prepare(image, labels, values, grid)
        except InputError as error:
            skipped[name] = str(error)
    if len(prepared) < 2:
        reasons = "; ".join(skipped.values()) or "there are no more files"
        raise InputError(
            f"Training needs at least two usable cases, but {len(prepared)} could be prepared ({reasons})."
        )
    intensities, indicators, masks = (torch.cat(parts) for parts in zip(*prepared.values(), strict=True))
    return CaseSet(list(prepared), intensities, indicators, masks, values, skipped)


def _read(case: Case, need_labels: bool) -> tuple[Image, Image | None]:
    image = read_image(case.image)
    if case.labels is None:
        if need_labels:
            raise InputError(f"{case.name} has no label map.")
        return image, None
    return image, read_labels_of(case.labels, image, case.image)


def _prepare(
    image: Image, labels: Image | None, values: list[int], grid: NetworkGrid | PairGrid
) -> tuple[Tensor, Tensor, Tensor]:
    seen = prepare(image, grid)
    if labels is None:
        indicators = torch.zeros(1, len(values), *grid.size)
    elif values:
        indicators = prepare_labels(labels, values, grid, seen.geometry)
    else:
        indicators = torch.zeros(1, 0, *grid.size)
    return seen.image.half(), (255 * indicators).round().byte(), seen.mask.byte()


def automatic_grid(images: Sequence[Image], spacing: float = 0.0, factor: int = 16) -> NetworkGrid:
    """The smallest grid of multiples of ``factor`` that holds every image, at the median of their spacings."""
    return NetworkGrid(*smallest_grid([image.geometry for image in images], spacing, factor))


def label_dice(fixed: Tensor, moving: Tensor) -> list[float]:
    """Dice of each label once the indicators ``(L, *grid)`` are label maps; nan for one that neither image has."""
    a, b = (torch.cat([1.0 - part.sum(0, keepdim=True), part]).argmax(0) for part in (fixed, moving))
    scores = []
    for label in range(1, len(fixed) + 1):
        total = int((a == label).sum() + (b == label).sum())
        scores.append(2 * int(((a == label) & (b == label)).sum()) / total if total else float("nan"))
    return scores
