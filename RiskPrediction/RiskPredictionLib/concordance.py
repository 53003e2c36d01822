"""Harrell's concordance of risks and outcomes, over folds, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError

from .outcomes import checked_outcomes


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.lower:.2f}-{self.upper:.2f})"

    def __contains__(self, value: float) -> bool:
        return self.lower <= value <= self.upper


def concordance(risk: ArrayLike, time: ArrayLike, event: ArrayLike) -> float:
    """Share of comparable pairs in which the case with the earlier event has the higher risk; ties of risk count half.

    Raises `InputError` where no pair can be compared.
    """
    from lifelines.utils import concordance_index

    time, event = checked_outcomes(time, event)
    try:
        return float(concordance_index(time, -np.asarray(risk, np.float64), event))
    except ZeroDivisionError as error:
        raise InputError("No two cases can be compared: use more cases per fold.") from error


def concordance_over_folds(
    risk: ArrayLike,
    time: ArrayLike,
    event: ArrayLike,
    folds: Sequence[np.ndarray],
    resamplings: int = 1000,
    seed: int = 0,
    shared_training: bool = False,
) -> tuple[Interval, np.ndarray]:
    """Mean of the folds' concordances with its interval, and the concordance of every fold, NaN without comparable pairs.

    Only cases of one fold are compared, since the risks of different folds come from different models. The interval
    resamples the cases within their folds. What that leaves out is that other training cases give other models, and that
    the models of the folds share most of theirs: what is chance in a cohort returns in all of its folds. For risks of
    trained models the interval is therefore widened as Nadeau and Bengio (2003) do for cross-validation, by
    ``sqrt(1 + k / (k - 1))`` with k folds.

    Args:
        risk, time, event: of all cases, ``(n,)``; risks of models that did not see the case.
        folds: indices of the cases of each fold.
        resamplings: of the bootstrap.
        seed: of the bootstrap.
        shared_training: whether the risks come from models that were trained on the other folds.
    """
    risk = np.asarray(risk, np.float64)
    time, event = checked_outcomes(time, event)
    generator = np.random.default_rng(seed)
    values, samples = [], []
    for fold in folds:
        concordant, comparable = _pairs(risk[fold], time[fold], event[fold])
        # How often each case is drawn replaces the drawing itself: a pair counts as often as both of its cases.
        counts = generator.multinomial(len(fold), np.full(len(fold), 1 / len(fold)), size=resamplings).astype(float)
        values.append(_ratio(concordant.sum(), comparable.sum()))
        samples.append(
            _ratio(((counts @ concordant) * counts).sum(axis=1), ((counts @ comparable) * counts).sum(axis=1))
        )
    if not np.isfinite(values).any():
        raise InputError("No fold has two cases that can be compared: use fewer folds.")
    # A resampling may leave a fold without comparable pairs: its mean is that of the other folds.
    samples = np.asarray(samples)[np.isfinite(values)]
    counted = np.isfinite(samples).sum(axis=0)
    means = np.nansum(samples, axis=0)[counted > 0] / counted[counted > 0]
    value, bounds = float(np.nanmean(values)), np.percentile(means, [2.5, 97.5])
    if shared_training and len(folds) > 1:
        bounds = np.clip(value + (bounds - value) * np.sqrt(1 + len(folds) / (len(folds) - 1)), 0, 1)
    return Interval(value, float(bounds[0]), float(bounds[1])), np.asarray(values, float)


def _pairs(risk: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs (earlier event, other) can be compared, and how much each counts as concordant: 0, 1/2 or 1."""
    earlier = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    comparable = (event[:, None] & earlier).astype(float)
    right = np.where(risk[:, None] > risk, 1.0, np.where(risk[:, None] == risk, 0.5, 0.0))
    return comparable * right, comparable


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part) / np.asarray(whole)
