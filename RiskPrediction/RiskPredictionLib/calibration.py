"""Whether of the cases that were given 80 % survival 80 % survive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .kaplan_meier import kaplan_meier
from .outcomes import checked_outcomes


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Predicted against observed survival at one time, in groups of cases with similar predictions.

    Attributes:
        horizon: the time.
        predicted: mean prediction of each group, ascending, ``(g,)``.
        observed, lower, upper: Kaplan-Meier estimate of each group with its 95 % interval, ``(g,)``.
        cases: of each group, ``(g,)``.
    """

    horizon: float
    predicted: np.ndarray
    observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    cases: np.ndarray


def calibration_curve(
    survival: ArrayLike, horizon: float, time: ArrayLike, event: ArrayLike, groups: int = 5
) -> CalibrationCurve:
    """Compare survival that was predicted for a time, ``(n,)``, with what happened, in groups of equal size."""
    survival = np.asarray(survival, float)
    time, event = checked_outcomes(time, event)
    parts = np.array_split(np.argsort(survival, kind="stable"), min(groups, len(survival)))
    rows = []
    for part in parts:
        curve = kaplan_meier(time[part], event[part])
        place = np.searchsorted(curve.times, horizon, side="right") - 1
        rows.append(
            (survival[part].mean(), curve.survival[place], curve.lower[place], curve.upper[place], float(len(part)))
        )
    return CalibrationCurve(float(horizon), *np.asarray(rows).T)
