"""Survival of groups: Kaplan-Meier curves, the log-rank test and the hazard ratio, by lifelines."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .outcomes import checked_outcomes


@dataclass(frozen=True, eq=False)
class KaplanMeierCurve:
    """Survival of a group, a step function with a 95 % interval.

    Attributes:
        times: ascending, from 0, ``(k,)``.
        survival, lower, upper: from each of these times on, ``(k,)``.
        follow_up: times of all cases of the group, ascending.
        censored: times of its censored cases, ascending.
    """

    times: np.ndarray
    survival: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    follow_up: np.ndarray
    censored: np.ndarray

    def at(self, times: ArrayLike) -> np.ndarray:
        """Survival at any times, from 0 on."""
        return self.survival[np.searchsorted(self.times, np.asarray(times, float), side="right") - 1]

    def number_at_risk(self, times: ArrayLike) -> np.ndarray:
        """How many cases are still observed, without an event before, at any times."""
        return len(self.follow_up) - np.searchsorted(self.follow_up, np.asarray(times, float), side="left")

    def step_points(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the steps, for plots that join points by lines."""
        return np.repeat(self.times, 2)[1:], np.repeat(values, 2)[:-1]


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> KaplanMeierCurve:
    """The curve of a group; a group without an event has a flat one."""
    from lifelines import KaplanMeierFitter

    time, event = checked_outcomes(time, event, events_needed=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = KaplanMeierFitter().fit(time, event)
    survival = fitted.survival_function_.iloc[:, 0]
    bounds = fitted.confidence_interval_.to_numpy()
    values = survival.to_numpy()
    # Without an event, or once survival is zero, there is no interval: the curve itself stands there.
    bounds = np.where(np.isfinite(bounds), bounds, values[:, None])
    return KaplanMeierCurve(
        survival.index.to_numpy(float), values, bounds[:, 0], bounds[:, 1], np.sort(time), np.sort(time[~event])
    )


@dataclass(frozen=True)
class HazardRatio:
    """Hazard of one group over another's, or per unit of a variable, with its 95 % interval; NaN where there is none.

    Attributes:
        value, lower, upper: of the ratio.
        p: probability of a ratio at least as far from 1, were it 1 (Wald).
    """

    value: float
    lower: float
    upper: float
    p: float

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "not estimable"
        return f"{self.value:.2f} ({self.lower:.2f}-{self.upper:.2f})"


def hazard_ratio(variable: ArrayLike, time: ArrayLike, event: ArrayLike) -> HazardRatio:
    """Of a group (1) against the others (0), or per unit of one variable, by a univariate Cox model."""
    import pandas
    from lifelines import CoxPHFitter

    time, event = checked_outcomes(time, event)
    variable = np.asarray(variable, float)
    table = pandas.DataFrame({"variable": variable, "time": time, "event": event.astype(int)})
    nothing = HazardRatio(np.nan, np.nan, np.nan, np.nan)
    if np.ptp(variable) == 0:
        return nothing
    # A group without any event has no finite ratio, whatever the iteration stops at.
    values = np.unique(variable)
    if len(values) == 2 and not all(event[variable == value].any() for value in values):
        return nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            row = CoxPHFitter().fit(table, "time", "event").summary.iloc[0]
        except Exception:  # lifelines raises its own errors, and those of the libraries below
            return nothing
    return HazardRatio(
        float(row["exp(coef)"]),
        float(row["exp(coef) lower 95%"]),
        float(row["exp(coef) upper 95%"]),
        float(row["p"]),
    )


def logrank_p(high: ArrayLike, time: ArrayLike, event: ArrayLike) -> float:
    """Probability of curves at least as different, were the two groups alike; NaN where one is empty."""
    from lifelines.statistics import logrank_test

    time, event = checked_outcomes(time, event)
    high = np.asarray(high, bool)
    if high.all() or not high.any():
        return float("nan")
    return float(logrank_test(time[high], time[~high], event[high], event[~high]).p_value)
