"""Inverse-probability-of-censoring weights: what the cases that were seen stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError

from .outcomes import checked_outcomes


@dataclass(frozen=True, eq=False)
class CensoringDistribution:
    """G(t), the probability of being still observed after t: Kaplan and Meier's estimate of the censoring.

    Attributes:
        times: ascending, ``(k,)``.
        probability: from each of these times on, ``(k,)``.
    """

    times: np.ndarray
    probability: np.ndarray

    @classmethod
    def estimate(cls, time: ArrayLike, event: ArrayLike) -> CensoringDistribution:
        """From the outcomes of a cohort; of an event and a censoring at the same time, the event came first."""
        time, event = checked_outcomes(time, event, events_needed=False)
        times = np.unique(time)
        censored = np.array([np.sum((time == moment) & ~event) for moment in times], float)
        # Cases with an event at the very time are no longer there to be censored.
        at_risk = np.array([np.sum(time > moment) + censored[k] for k, moment in enumerate(times)], float)
        share = np.divide(censored, at_risk, out=np.zeros_like(censored), where=at_risk > 0)
        return cls(times, np.cumprod(1 - share))

    def at(self, times: ArrayLike) -> np.ndarray:
        """G at any times; 1 before the first, constant after the last."""
        values = np.concatenate([[1.0], self.probability])
        return values[np.searchsorted(self.times, np.asarray(times, np.float64), side="right")]

    def weights(self, times: ArrayLike) -> np.ndarray:
        """``1 / G``; raises `InputError` for times at which nobody was observed any more."""
        probability = self.at(times)
        if (probability <= 0).any():
            raise InputError("Scores were asked for a time after which no case was observed: choose earlier times.")
        return 1 / probability
