"""Survival curves as charts of the scene: Kaplan-Meier steps with intervals and censored cases, and predicted curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from DeformationSceneLib.plots import Series

LOW, HIGH, PATIENT, GREY = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0), (0.1, 0.1, 0.1), (0.5, 0.5, 0.5)
"""Colours of the groups of low and high risk, of a patient, and of what is only there to compare with."""

_TICKS = 5


@dataclass(frozen=True)
class StepCurve:
    """A step function for a chart.

    Attributes:
        name: in the legend.
        times: from 0 on, ascending, ``(k,)``.
        values: from each of these times on, ``(k,)``.
        lower, upper: its 95 % interval; None without one.
        colour: red, green, blue, 0..1.
        censored: times of censored cases, which are marked on the curve.
        width: of the line, pixels.
    """

    name: str
    times: np.ndarray
    values: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    colour: tuple[float, float, float] = GREY
    censored: Sequence[float] = ()
    width: float = 2.5


def step_points(times: np.ndarray, values: np.ndarray, last: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the steps up to the time `last`: charts join points by straight lines.

    ``times``, ``values``: ``(k,)``, the value from each time on. Gives x and y, ``(2 k,)``.
    """
    ends = np.append(times[1:], max(last, times[-1]))
    return np.column_stack([times, ends]).ravel(), np.repeat(values, 2)


def survival_columns(curves: Sequence[StepCurve], last: float) -> tuple[dict[str, dict], list[Series]]:
    """Tables and series of a chart with step curves that all end at the time `last`.

    A curve has a table of its corners; its interval, drawn as the outline of a band, and its censored cases have others.
    """
    tables, series, marks = {}, [], []
    time = _("Time")
    for curve in curves:
        x, y = step_points(curve.times, curve.values, last)
        tables[curve.name] = {time: x, curve.name: y}
        series.append(Series(curve.name, curve.name, time, curve.name, "line", curve.colour, curve.width))
        if curve.lower is not None and curve.upper is not None:
            bounds = [step_points(curve.times, bound, last)[1] for bound in (curve.lower, curve.upper)]
            key = _("{name}, 95 %").format(name=curve.name)
            # There along the lower bound, and back along the upper one: one entry in the legend.
            tables[key] = {time: np.append(x, x[::-1]), key: np.append(bounds[0], bounds[1][::-1])}
            series.append(Series(key, key, time, key, "dotted line", curve.colour, 1.5))
        if len(curve.censored):
            key = _("{name}, censored").format(name=curve.name)
            tables[key] = {time: (times := _two(curve.censored)), key: _values_at(curve, times)}
            marks.append(Series(key, key, time, key, "points", curve.colour, 7.0, "plus"))
    return tables, series + marks


def risk_times(last: float) -> np.ndarray:
    """Round times from 0 on, about five, none of them after `last`."""
    step = 10.0 ** np.floor(np.log10(last / _TICKS))
    step *= min((factor for factor in (1, 2, 5, 10) if last / (factor * step) < _TICKS + 1), default=10)
    return np.arange(0.0, last * (1 + 1e-9), step)


def _values_at(curve: StepCurve, times: np.ndarray) -> np.ndarray:
    return curve.values[np.searchsorted(curve.times, times, side="right") - 1]


def _two(times: Sequence[float]) -> np.ndarray:
    """At least two points, since VTK complains of lines with one."""
    times = np.asarray(times, float)
    return np.repeat(times, 2) if len(times) == 1 else times
