"""The Brier score of survival probabilities under censoring (Graf et al. 1999)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .censoring import CensoringDistribution
from .outcomes import checked_outcomes


def brier_score(
    survival: ArrayLike, times: ArrayLike, time: ArrayLike, event: ArrayLike, censoring: CensoringDistribution
) -> np.ndarray:
    """Mean squared error of predicted survival at each of k times, ``(k,)``: 0 is perfect, 0.25 a coin's.

    Args:
        survival: predicted probabilities, ``(n, k)``.
        times: at which they hold, ``(k,)``.
        time, event: outcomes of the n cases.
        censoring: of the cases that the model was trained on.
    """
    survival, times = np.asarray(survival, np.float64), np.asarray(times, np.float64)
    time, event = checked_outcomes(time, event, events_needed=False)
    had_event = event[:, None] & (time[:, None] <= times)
    needed = event & (time <= times.max())
    at_event = np.zeros(len(time))
    at_event[needed] = censoring.weights(time[needed])
    errors = np.where(had_event, survival**2 * at_event[:, None], 0.0)
    errors += np.where(time[:, None] > times, (1 - survival) ** 2 * censoring.weights(times), 0.0)
    return errors.mean(axis=0)


def integrated_brier_score(scores: ArrayLike, times: ArrayLike) -> float:
    """Mean of Brier scores over the time that they span, by the trapezoidal rule."""
    scores, times = np.asarray(scores, np.float64), np.asarray(times, np.float64)
    return float(np.sum((scores[1:] + scores[:-1]) / 2 * np.diff(times)) / (times[-1] - times[0]))
