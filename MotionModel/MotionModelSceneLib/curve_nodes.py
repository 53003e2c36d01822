"""Volumes of a structure over a series as tables and a plot, with end-diastole and end-systole marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.plots import Axes, Series, beside_legend, update_chart
from DeformationSceneLib.sequences import SequenceIndex
from DeformationSceneLib.tables import Column, find_in_role

from .heart_parts import part_colour, part_titles

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion
    from MotionModelLib.volume_curves import VolumeCurves


@dataclass
class CurveNodes:
    """The nodes of volume curves.

    Attributes:
        chart: volumes over the frames.
        table: a row per frame, a column per structure.
        summary: a row per structure: largest and smallest volume, where they are, ejection fraction.
    """

    chart: object = None
    table: object = None
    summary: object = None


def measure_volumes(
    motion: Motion, layers: list[Image], progress: Progress, displacement: Callable[[int], Image] | None = None
) -> VolumeCurves:
    """Curves of all labels in layers that may overlap; `displacement`: of a frame, where it is at hand already."""
    from MotionModelLib.volume_curves import VolumeCurves, volume_curves

    filled = [layer for layer in layers if (layer.array > 0).any()]
    parts = []
    for number, layer in enumerate(filled):
        part = progress.part(number / len(filled), (number + 1) / len(filled))
        parts.append(
            volume_curves(
                layer,
                displacement or motion.displacement,
                len(motion),
                motion.times,
                planar=motion.planar,
                progress=part,
            )
        )
    labels = [label for part in parts for label in part.labels]
    volumes = np.concatenate([part.volumes for part in parts], axis=1)
    order = np.argsort(labels, kind="stable")
    return VolumeCurves(parts[0].times, tuple(labels[n] for n in order), volumes[:, order], parts[0].unit)


def add_curves(
    scene,
    role: str,
    name: str,
    curves: VolumeCurves,
    index: SequenceIndex,
    structureNode,
    layers: list[Image],
    pool: int | None = None,
    others: dict[str, VolumeCurves] | None = None,
    beside=None,
) -> CurveNodes:
    """Put curves into the scene, or bring those of this role up to date.

    Args:
        scene: where to.
        role: what the nodes are kept for, see `plots.update_chart`.
        name: of the series, for titles.
        curves: from `measure_volumes`.
        index: of the frames.
        structureNode, layers: what was measured.
        pool: the label whose ejection fraction goes into the title.
        others: further curves of the same labels by their name, drawn dashed.
        beside: see `place_beside`.
    """
    titles = _unique(part_titles(structureNode, layers))
    unit, time = _unit(curves), index.title
    marks = {what: _marked(curves, pool, what) for what in ("ED", "ES")}
    tables = {
        _("volumes"): _volume_columns(curves, titles, index, others or {}),
        _("summary"): _summary_columns(curves, titles, index),
        _("marks"): _mark_columns(curves, marks, index),
    }
    series = []
    for label in curves.labels:
        title, colour = titles[label], _readable(part_colour(structureNode, label))
        series.append(Series(title, _("volumes"), time, title, "line with points", colour, 5.0))
        series += [
            Series(f"{title} ({other})", _("volumes"), time, f"{title} ({other})", "dashed line", colour)
            for other in others or {}
        ]
    for what, marker in (("ED", "square"), ("ES", "diamond")):
        series.append(Series(what, _("marks"), f"{what} {time}", what, "points", (0.1, 0.1, 0.1), 11.0, marker))
    # Short, for plot views are small and cut titles off; the nodes say of what it is.
    title = _("Volumes")
    if pool in curves.labels:
        title = _("Ejection fraction {percent:.0f} %").format(percent=curves.ejection_fraction(pool))
    top = 1.08 * max(float(curves.volumes.max()), *(float(other.volumes.max()) for other in (others or {}).values()), 0)
    axes = Axes(
        title,
        time,
        _("Area ({unit})").format(unit=unit) if unit == "mm²" else _("Volume ({unit})").format(unit=unit),
        beside_legend(index.positions, [one.name for one in series]),
        (0.0, max(top, 1e-3)),
        name=_("{name}: volume curves").format(name=name),
        small_print=True,
    )
    chart = update_chart(scene, role, axes, tables, series, beside)
    found = [find_in_role(scene, "vtkMRMLTableNode", f"{role}/table/{key}") for key in (_("volumes"), _("summary"))]
    return CurveNodes(chart, *found)


def _unit(curves: VolumeCurves) -> str:
    return "mm²" if curves.unit == "mm2" else curves.unit


def _unique(titles: dict[int, str]) -> dict[int, str]:
    """Titles of which none is there twice, for columns are known by them."""
    names = list(titles.values())
    return {value: title if names.count(title) == 1 else f"{title} ({value})" for value, title in titles.items()}


def _volume_columns(curves, titles: dict, index: SequenceIndex, others: dict) -> dict:
    columns = {_("Frame"): np.arange(len(curves))}
    columns[index.title] = Column(index.positions, index.unit)
    for label in curves.labels:
        columns[titles[label]] = Column(curves.of(label), _unit(curves))
        for name, other in others.items():
            columns[f"{titles[label]} ({name})"] = Column(other.of(label), _unit(curves))
    return columns


def _summary_columns(curves, titles: dict, index: SequenceIndex) -> dict:
    frames = {"ED": [curves.ed_frame(n) for n in curves.labels], "ES": [curves.es_frame(n) for n in curves.labels]}
    unit = _unit(curves)
    volumes = {
        what: [curves.of(n)[frame] for n, frame in zip(curves.labels, numbers, strict=True)]
        for what, numbers in frames.items()
    }
    return {
        _("Structure"): [titles[label] for label in curves.labels],
        _("Ejection fraction"): Column(
            [curves.ejection_fraction(label) for label in curves.labels],
            "%",
            _("Share by which it shrinks from its largest to its smallest volume"),
        ),
        _("ED volume"): Column(volumes["ED"], unit, _("Largest volume")),
        _("ES volume"): Column(volumes["ES"], unit, _("Smallest volume")),
        _("Stroke volume"): Column([curves.stroke_volume(label) for label in curves.labels], unit),
        _("ED frame"): frames["ED"],
        _("ES frame"): frames["ES"],
        _("ED"): Column(index.positions[frames["ED"]], index.unit, _("Index value of the largest volume")),
        _("ES"): Column(index.positions[frames["ES"]], index.unit, _("Index value of the smallest volume")),
    }


def _marked(curves, pool: int | None, what: str) -> list[int]:
    """The frame of each label that is marked: of the pool in all curves, else of each its own."""
    frame = curves.ed_frame if what == "ED" else curves.es_frame
    return [frame(pool if pool in curves.labels else label) for label in curves.labels]


def _mark_columns(curves, marks: dict[str, list[int]], index: SequenceIndex) -> dict:
    columns = {}
    for what, frames in marks.items():
        values = [curves.of(label)[frame] for label, frame in zip(curves.labels, frames, strict=True)]
        # The last one twice, since VTK complains of lines with a single point.
        columns[f"{what} {index.title}"] = Column(index.positions[[*frames, frames[-1]]], index.unit)
        columns[what] = Column([*values, values[-1]], _unit(curves))
    return columns


def _readable(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """A colour dark enough for a white background."""
    brightness = float(np.dot(colour, (0.299, 0.587, 0.114)))
    share = min(1.0, 0.62 / max(brightness, 1e-6))
    return tuple(share * value for value in colour)
