"""The subjects that an agent learns from: volumes, or one slice of each heart, on a common grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from DeformationLib.cases import CaseSet, find_cases, load_cases, prepare_cases
from DeformationLib.cine_cases import find_cine_cases, read_cine
from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress

HIPPOCAMPUS_GRID = PairGrid((48, 64, 48), (1.0, 1.0, 1.0), "patient")
BESIDE = ", slice "
"""Between a subject's name and the distance of a slice from its middle one."""

HEART_GRID = PairGrid((96, 96), (1.6, 1.6), "image")


def load_volumes(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    grid: PairGrid = HIPPOCAMPUS_GRID,
    progress: Progress | None = None,
) -> CaseSet:
    """The images of a folder that have a label map; see `cases.load_cases` for what is refused."""
    return load_cases(find_cases(images, labels), grid, need_labels=True, progress=progress)[0]


def load_heart_slices(
    source: str | os.PathLike, grid: PairGrid = HEART_GRID, progress: Progress | None = None, slices: int = 1
) -> CaseSet:
    """Slices of every end-diastolic frame that has a label map; sources as in `cine_cases.find_cine_cases`.

    Args:
        source: of the series.
        grid: of the cases.
        progress: reports and cancels.
        slices: at most so many of each, the middle one and those around it in which a structure is marked. The middle one
            has the name of its series, for the others see `BESIDE`.

    Raises:
        InputError: where fewer than two series can be used.
    """
    progress = progress or Progress()
    skipped: dict[str, str] = {}
    read: dict[str, tuple[Image, Image | None]] = {}
    found = find_cine_cases(source)
    for done, case in enumerate(found):
        progress.report(0.7 * done / len(found), f"Reading {case.name}")
        try:
            cine = read_cine(case)
            if cine.ed_frame not in cine.labels:
                raise InputError(f"{case.name} has no label map of end-diastole.")
            frame, labels = cine.frame(cine.ed_frame), cine.labels[cine.ed_frame]
            middle = frame.array.shape[0] // 2
            read[case.name] = one_slice(frame, middle), one_slice(labels, middle)
            for number in range(max(0, middle - (slices - 1) // 2), min(len(labels.array), middle + slices // 2 + 1)):
                if number != middle and labels.array[number].any():
                    name = f"{case.name}{BESIDE}{number - middle:+d}"
                    read[name] = one_slice(frame, number), one_slice(labels, number)
        except InputError as error:
            skipped[case.name] = str(error)
    return prepare_cases(read, grid, skipped, progress.part(0.7, 1.0))


def one_slice(image: Image, number: int) -> Image:
    """A slice, counted from 0 along the last axis, as an image of its own."""
    origin = image.geometry.index_to_physical((0, 0, number))
    return Image(image.array[number : number + 1], image.spacing, tuple(origin), image.direction)


def chosen_cases(cases: CaseSet, indices: Sequence[int]) -> CaseSet:
    """Some of the cases, for instance one side of `cases.split_cases`."""
    chosen = torch.as_tensor(list(indices), dtype=torch.long)
    names = [cases.names[index] for index in indices]
    return replace(
        cases, names=names, images=cases.images[chosen], labels=cases.labels[chosen], masks=cases.masks[chosen]
    )
