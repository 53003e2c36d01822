"""How far a fingerprint is from those that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .outcomes import checked_inputs

_SHARE = 0.9
"""Of the variance, which the main components hold, as far as there are cases enough to estimate them."""
_CASES_PER_COMPONENT = 5
_TOLERANCE = 1.1
"""Beyond the farthest training case, before a case counts as strange."""


@dataclass(frozen=True, eq=False)
class TrainingDistance:
    """Distance from the training cohort: Mahalanobis in its main components, and what lies outside of them.

    The distance is 1 for a typical case of the cohort. Cases are compared with distances of training cases that were
    left out of the fit: those that the components were fitted to look nearer than new ones.

    Attributes:
        mean, scale: of the values, ``(p,)``.
        components: main directions of the standardised values, ``(k, p)``.
        deviations: along them, ``(k,)``.
        residual: typical length of what is outside of them.
        reference: distances of left-out training cases, ascending.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    deviations: np.ndarray
    residual: float
    reference: np.ndarray

    @classmethod
    def fit(cls, values: ArrayLike, folds: int = 5, seed: int = 0) -> TrainingDistance:
        """From the training cases ``(n, p)`` (or ``(n, D, T)``)."""
        values = checked_inputs(values)
        order = np.random.default_rng(seed).permutation(len(values))
        distances = []
        for part in np.array_split(order, min(folds, len(values))):
            others = np.setdiff1d(order, part)
            distances.append(_fitted(values[others]).distance(values[part]))
        return replace(_fitted(values), reference=np.sort(np.concatenate(distances)))

    def distance(self, values: ArrayLike) -> np.ndarray:
        """Distance of each case, ``(n,)``; raises `InputError` for another number of values than the cohort's."""
        standardised = (checked_inputs(values, len(self.mean)) - self.mean) / self.scale
        along = standardised @ self.components.T
        outside = np.linalg.norm(standardised - along @ self.components, axis=1)
        squares = ((along / self.deviations) ** 2).sum(axis=1) + (outside / self.residual) ** 2
        return np.sqrt(squares / (len(self.deviations) + 1))

    def percentile(self, distance: ArrayLike) -> np.ndarray:
        """Percentage of left-out training cases that are nearer."""
        return 100.0 * np.searchsorted(self.reference, np.atleast_1d(distance), side="left") / len(self.reference)

    def warning(self, distance: float) -> str | None:
        """A sentence for a case that is farther away than the training cases were; None for others."""
        farthest = self.reference[-1]
        if distance <= _TOLERANCE * farthest:
            return None
        return (
            f"This fingerprint is far from those of the training cohort ({distance:.1f} where the farthest training case "
            f"has {farthest:.1f}): its risk is an extrapolation; check image, view and spacing."
        )


def _fitted(values: np.ndarray) -> TrainingDistance:
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # A constant value of the cohort: any other value counts by its own size, without dividing by nothing.
    scale = np.where(deviation > 1e-9 * (1 + np.abs(mean)), deviation, 1.0)
    standardised = (values - mean) / scale
    _, singular, directions = np.linalg.svd(standardised, full_matrices=False)
    share = np.cumsum(singular**2) / max(float((singular**2).sum()), 1e-12)
    count = min(int(np.searchsorted(share, _SHARE)) + 1, max(len(values) // _CASES_PER_COMPONENT, 1), len(singular))
    # Half precision is what a bundle keeps of the directions.
    components = directions[:count].astype(np.float16).astype(float)
    along = standardised @ components.T
    outside = np.linalg.norm(standardised - along @ components, axis=1)
    deviations = np.maximum(along.std(axis=0), 1e-6)
    residual = max(float(np.sqrt((outside**2).mean())), 1e-6 * np.sqrt(values.shape[1]))
    return TrainingDistance(mean, scale, components, deviations, residual, np.zeros(1))
