"""Breslow's baseline hazard: from relative risks to probabilities of survival (Krebs eq. 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .outcomes import checked_outcomes

_Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class SurvivalCurves:
    """Probability of being without the event, of n cases at k times.

    Attributes:
        times: ``(k,)``.
        survival: ``(n, k)``.
        lower, upper: 95 % interval, ``(n, k)``.
    """

    times: np.ndarray
    survival: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, eq=False)
class BreslowBaseline:
    """Cumulative hazard of a case whose log hazard ratio is zero, a step function.

    Attributes:
        times: of the events, ascending, ``(k,)``.
        cumulative_hazard: from each of these times on, ``(k,)``.
        deviation: standard deviation of the cumulative hazard, ``(k,)``.
    """

    times: np.ndarray
    cumulative_hazard: np.ndarray
    deviation: np.ndarray

    @classmethod
    def estimate(cls, log_hazard: ArrayLike, time: ArrayLike, event: ArrayLike) -> BreslowBaseline:
        """From the risks of a cohort with known outcomes.

        At each event time the hazard is the number of events over the summed hazard ratios of the cases at risk.
        """
        time, event = checked_outcomes(time, event)
        log_hazard = np.asarray(log_hazard, np.float64)
        # Hazard ratios relative to the largest cannot overflow; the shift is taken back at the end.
        shift = log_hazard.max()
        order = np.argsort(-time, kind="stable")
        at_risk = np.cumsum(np.exp(log_hazard[order] - shift))
        times, deaths = np.unique(time[event], return_counts=True)
        last = np.searchsorted(-time[order], -times, side="right") - 1
        steps = deaths / at_risk[last]
        hazard, deviation = np.cumsum(steps), np.sqrt(np.cumsum(steps**2 / deaths))
        return cls(times, hazard * np.exp(-shift), deviation * np.exp(-shift))

    def at(self, times: ArrayLike) -> np.ndarray:
        """Cumulative baseline hazard at any times; constant after the last event."""
        return _step(self.times, self.cumulative_hazard, times)

    def survival(
        self, log_hazard: ArrayLike, times: ArrayLike | None = None, deviation: ArrayLike = 0.0
    ) -> SurvivalCurves:
        """Survival of cases with given risks.

        Args:
            log_hazard: ``(n,)``.
            times: ``(k,)``; by default 0 and the times of the events.
            deviation: standard deviation of the log hazards, ``(n,)`` or one number.

        Returns:
            `SurvivalCurves`; the interval holds the uncertainty of the baseline and of the risk, as if independent, on
            the scale of ``log(-log S)``.
        """
        times = np.concatenate([[0.0], self.times]) if times is None else np.atleast_1d(np.asarray(times, np.float64))
        log_hazard = np.atleast_1d(np.asarray(log_hazard, np.float64))[:, None]
        deviation = np.broadcast_to(np.asarray(deviation, np.float64), (len(log_hazard),))[:, None]
        baseline, uncertain = self.at(times), _step(self.times, self.deviation, times)
        relative = np.divide(uncertain, baseline, out=np.zeros_like(baseline), where=baseline > 0)
        spread = np.exp(_Z95 * np.hypot(relative, deviation))
        hazard = baseline * np.exp(log_hazard)
        return SurvivalCurves(times, np.exp(-hazard), np.exp(-hazard * spread), np.exp(-hazard / spread))


def _step(places: np.ndarray, values: np.ndarray, times: ArrayLike) -> np.ndarray:
    """Value of a right-continuous step function that is zero before its first place."""
    return np.concatenate([[0.0], values])[np.searchsorted(places, np.asarray(times, np.float64), side="right")]
