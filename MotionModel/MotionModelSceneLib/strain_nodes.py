"""Strain of the left ventricle's wall over a series: tables, plots and the bull's-eye picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationSceneLib.pictures import add_picture
from DeformationSceneLib.placement import place_beside
from DeformationSceneLib.plots import Axes, Series, beside_legend, update_chart
from DeformationSceneLib.sequences import SequenceIndex
from DeformationSceneLib.tables import Column, find_in_role

from .bulls_eye import draw_bulls_eyes

if TYPE_CHECKING:
    from MotionModelLib.strain import StrainCurves

_COLOURS = {"radial": (0.80, 0.25, 0.10), "circumferential": (0.15, 0.40, 0.75), "longitudinal": (0.20, 0.55, 0.25)}


@dataclass
class StrainNodes:
    """The nodes of strain.

    Attributes:
        chart: of the whole wall.
        table: a row per frame; the whole wall, then the segments, in percent.
        segment_charts: by direction; empty where there are no segments.
        bulls_eye: volume with the picture of the peaks by segment; None where there are no segments.
    """

    chart: object = None
    table: object = None
    segment_charts: dict[str, object] | None = None
    bulls_eye: object = None


def add_strain(scene, role: str, name: str, strain: StrainCurves, index: SequenceIndex, beside=None) -> StrainNodes:
    """Put strain into the scene, or bring that of this role up to date; arguments as of `curve_nodes.add_curves`."""
    key = _("strain")
    tables = {key: _columns(strain, index)}
    series = [
        Series(_title(one), key, index.title, _title(one), "line with points", _COLOURS[one], 5.0)
        for one in strain.directions
    ]
    axes = Axes(
        _("Strain of the wall"),
        index.title,
        _("Green-Lagrange strain (%)"),
        beside_legend(index.positions, [one.name for one in series]),
        name=_("{name}: strain of the wall").format(name=name),
        small_print=True,
    )
    nodes = StrainNodes(update_chart(scene, role, axes, tables, series, beside), segment_charts={})
    nodes.table = find_in_role(scene, "vtkMRMLTableNode", f"{role}/table/{key}")
    if strain.segment_numbers:
        for direction in strain.directions:
            nodes.segment_charts[direction] = _segment_chart(scene, role, name, strain, direction, index, beside)
        nodes.bulls_eye = _bulls_eye(scene, f"{role}/bulls-eye", name, strain, beside)
    return nodes


def _columns(strain: StrainCurves, index: SequenceIndex) -> dict:
    from MotionModelLib.heart_segments import SEGMENT_NAMES

    columns = {_("Frame"): np.arange(len(strain)), index.title: Column(index.positions, index.unit)}
    for direction in strain.directions:
        columns[_title(direction)] = Column(100 * strain.of(direction), "%", _("Mean over the wall"))
    for direction in strain.directions:
        for segment in strain.segment_numbers:
            columns[f"{_title(direction)} {segment}"] = Column(
                100 * strain.of(direction, segment), "%", SEGMENT_NAMES[segment]
            )
    return columns


def _segment_chart(scene, role: str, name: str, strain: StrainCurves, direction: str, index: SequenceIndex, beside):
    from MotionModelLib.heart_segments import SEGMENT_NAMES

    key = _("segments")
    columns = {index.title: Column(index.positions, index.unit)}
    for segment in strain.segment_numbers:
        columns[f"{segment} {SEGMENT_NAMES[segment]}"] = Column(100 * strain.of(direction, segment), "%")
    series = [
        Series(title, key, index.title, title, "line", colour)
        for title, colour in zip(list(columns)[1:], _hues(len(strain.segment_numbers)), strict=True)
    ]
    axes = Axes(
        _("{direction} strain by segment").format(direction=_title(direction)),
        index.title,
        _("Green-Lagrange strain (%)"),
        beside_legend(index.positions, [one.name for one in series]),
        name=_("{name}: {direction} strain by segment").format(name=name, direction=_title(direction).lower()),
        small_print=True,
    )
    return update_chart(scene, f"{role}/{direction}", axes, {key: columns}, series, beside)


def _bulls_eye(scene, role: str, name: str, strain: StrainCurves, beside):
    peaks = {
        _("Peak {direction} strain (%)").format(direction=_title(one).lower()): {
            segment: 100 * value for segment, value in strain.segment_peaks(one).items()
        }
        for one in strain.directions
    }
    node = add_picture(scene, role, _("{name}: bull's-eye").format(name=name), draw_bulls_eyes(peaks))
    place_beside(node, beside)
    return node


def _title(direction: str) -> str:
    return {
        "radial": _("Radial"),
        "circumferential": _("Circumferential"),
        "longitudinal": _("Longitudinal"),
    }[direction]


def _hues(count: int) -> list[tuple[float, float, float]]:
    """Colours around the circle of hues, dark enough for a white background."""
    import colorsys

    return [colorsys.hsv_to_rgb(number / count, 0.85, 0.55 + 0.25 * (number % 2)) for number in range(count)]
