"""Cine series that a model is trained on, told from file names and headers alone; needs no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DeformationLib.case_files import find_cases, split_cases, suggested_rule
from DeformationLib.cine_cases import CineCase, check_phases, find_cine_cases, series_header
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.pair_grid import Frame, PairGrid, level_strides
from DeformationLib.progress import Progress

_ENDLESS = 4096  # voxels: an axis that long can be halved on every level


def is_series(source: str | os.PathLike) -> bool:
    """Whether a folder or table holds cine series rather than single images."""
    source = Path(source)
    if source.is_file():
        return True
    if not source.is_dir():
        return False
    if any((folder / name).is_file() for folder in source.iterdir() for name in ("info.json", "Info.cfg")):
        return True
    try:
        first = find_cases(source)[0].image
    except InputError:
        return False
    header = series_header(first)
    return header is not None and header[1] > 1


def series_grid(
    cases: Sequence[CineCase],
    levels: int,
    size: Sequence[int] = (),
    spacing: float = 0.0,
    spacings: Sequence[float] = (),
    frame: Frame = "patient",
) -> PairGrid:
    """The smallest grid along the images' axes that holds every series, at the median of their spacings.

    Args:
        cases: of which the headers are read.
        levels: of the network, each of which halves the grid.
        size, spacings: of the grid, k, j, i, where they are given.
        spacing: the same in the plane alone, mm; 0 for the median.
        frame: see `PairGrid`.

    Raises:
        InputError: when no series can be read.
    """
    geometries = [header[0] for case in cases if (header := series_header(case.cine)) is not None]
    if not geometries:
        raise InputError("None of the series can be read: check the folder.")
    dimension = len(size) or (2 if all(geometry.size[2] == 1 for geometry in geometries) else 3)
    # Size and spacing along k, j, i of the grid's own axes.
    seen = [_along_grid(geometry, dimension, frame) for geometry in geometries]
    if not spacings:
        spacings = tuple(np.median([step for _, step in seen], axis=0).round(3).tolist())
        spacings = (*spacings[:-2], spacing, spacing) if spacing else spacings
    if not size:
        extent = np.max([np.multiply(size, step) for size, step in seen], axis=0)
        factors = np.prod(level_strides((_ENDLESS,) * dimension, spacings, levels), axis=0)
        size = np.ceil(extent / spacings / factors - 1e-6).astype(int) * factors
    return PairGrid(tuple(map(int, size)), tuple(spacings), frame)


def _along_grid(geometry: Geometry, dimension: int, frame: Frame) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Voxels and mm of an image along the axes (k, j, i) that a grid around it has."""
    axes = PairGrid((1,) * dimension, (1.0,) * dimension, frame).around(geometry).direction
    extents = np.abs(axes.T @ geometry.step) @ np.asarray(geometry.size)
    steps = np.abs(axes.T @ geometry.step).max(axis=1)
    sizes = np.maximum(np.ceil(extents / steps - 1e-6), 1)
    return tuple(int(n) for n in sizes[::-1][-dimension:]), tuple(float(s) for s in steps[::-1][-dimension:])


@dataclass(frozen=True)
class SeriesSummary:
    """What a training would find, as far as the headers of the files tell.

    Attributes:
        training, validation: number of series on each side of the split.
        labelled: how many have label maps of end-diastole and end-systole.
        frames: of all usable series together.
        grid: on which the network will see them.
        unreadable: names of the series that a training would skip.
    """

    training: int
    validation: int
    labelled: int
    frames: int
    grid: PairGrid
    unreadable: tuple[str, ...] = ()


def summarize_series(
    source: str | os.PathLike,
    *,
    rule: str = "",
    split_file: str | os.PathLike | None = None,
    levels: int = 3,
    size: Sequence[int] = (),
    spacing: float = 0.0,
    spacings: Sequence[float] = (),
    frame: Frame = "patient",
    progress: Progress | None = None,
) -> SeriesSummary:
    """Look at the headers of all series of a folder or a table.

    Args:
        source: see `find_cine_cases`.
        rule, split_file: as in `split_cases`; an empty rule takes the suggested one.
        levels, size, spacing, spacings, frame: as in `series_grid`.
        progress: reports and cancels.

    Raises:
        InputError: when a training on these series would be refused.
    """
    progress = progress or Progress()
    cases = find_cine_cases(source)
    frames: dict[str, int] = {}
    reason = ""
    for number, case in enumerate(cases):
        progress.report(number / len(cases), f"Looking at {case.name}")
        header = series_header(case.cine)
        try:
            if header is None:
                raise InputError(f"{case.cine} cannot be read as a series.")
            check_phases(case, header[1])
            frames[case.name] = header[1]
        except InputError as error:
            reason = reason or str(error)
    if len(frames) < 2:
        raise InputError(
            f"Training needs at least two usable series, but {source} holds {len(frames)}. {reason}".strip()
        )
    names = [case.name for case in cases]
    sides = split_cases(names, rule or suggested_rule(len(names)), split_file)
    training, validation = (sum(names[index] in frames for index in side) for side in sides)
    if training < 2:
        raise InputError(f"The split leaves {training} usable training series: training needs at least two.")
    return SeriesSummary(
        training,
        validation,
        sum(len(case.labels) >= 2 for case in cases if case.name in frames),
        sum(frames.values()),
        series_grid(cases, levels, size, spacing, spacings, frame),
        tuple(name for name in names if name not in frames),
    )
