"""How well risks tell who has the event before a time from who has it later (Uno et al. 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .censoring import CensoringDistribution
from .outcomes import checked_outcomes


def time_dependent_auc(
    risk: ArrayLike, times: ArrayLike, time: ArrayLike, event: ArrayLike, censoring: CensoringDistribution
) -> np.ndarray:
    """Area under the cumulative, dynamic ROC curve at each of k times, ``(k,)``; NaN without cases of both kinds.

    Args:
        risk: ``(n,)``.
        times: ``(k,)``.
        time, event: outcomes of the n cases.
        censoring: of the cases that the model was trained on.
    """
    risk, times = np.asarray(risk, np.float64), np.asarray(times, np.float64)
    time, event = checked_outcomes(time, event, events_needed=False)
    higher = np.where(risk[:, None] > risk, 1.0, np.where(risk[:, None] == risk, 0.5, 0.0))
    weights = np.zeros(len(time))
    needed = event & (time <= times.max())
    weights[needed] = censoring.weights(time[needed])
    areas = np.full(len(times), np.nan)
    for k, moment in enumerate(times):
        case, control = weights * (event & (time <= moment)), (time > moment).astype(float)
        if case.sum() and control.sum():
            areas[k] = case @ higher @ control / (case.sum() * control.sum())
    return areas
