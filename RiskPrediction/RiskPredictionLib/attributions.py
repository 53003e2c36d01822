"""What drives a predicted risk: the share that each time and each latent dimension of a fingerprint has in it."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path

from .outcomes import checked_inputs
from .risk_bundle import TrainedRisk
from .survival_model import FingerprintCox

_ROWS = 2048
"""Points along paths that go through the network together."""


def integrated_gradients(
    model: FingerprintCox, fingerprints: ArrayLike, baseline: ArrayLike | None = None, steps: int = 64
) -> np.ndarray:
    """Contribution of every value to the log hazard ratio, by integrated gradients (Sundararajan et al. 2017).

    The gradient of the log hazard is averaged along the straight line from the baseline to the fingerprint and
    multiplied by the difference of both. Contributions of a case sum to its log hazard minus that of the baseline, up
    to the error of the integral, which falls with the number of steps.

    Args:
        model: fitted.
        fingerprints: ``(n, D * T)`` or ``(n, D, T)``.
        baseline: ``(D * T,)`` or ``(D, T)``; by default the mean of the training cohort.
        steps: of the midpoint rule.

    Returns:
        ``(n, D * T)``.

    Raises:
        InputError: for fingerprints or a baseline of another size than the model's, values that are not finite, a model
            that is not fitted, and fewer than one step.
    """
    model.check_fitted()
    values = checked_inputs(fingerprints, model.n_features_in_)
    start = model.mean_[None] if baseline is None else np.asarray(baseline, np.float64).reshape(1, -1)
    start = checked_inputs(start, model.n_features_in_)
    if steps < 1:
        raise InputError(f"Integrated gradients need at least one step, not {steps}.")
    shares = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    start, values = torch.from_numpy(start), torch.from_numpy(values)
    sums = torch.zeros_like(values)
    for part in shares.split(max(1, _ROWS // len(values))):
        points = (start + part[:, None, None] * (values - start)).flatten(0, 1)
        sums += gradients(model, points).view(len(part), *values.shape).sum(0)
    return ((values - start) * sums / steps).numpy()


def gradients(model: FingerprintCox, fingerprints: torch.Tensor) -> torch.Tensor:
    """Gradient of the log hazard ratio at fingerprints ``(n, D * T)`` in double precision, ``(n, D * T)``."""
    points = fingerprints.detach().requires_grad_(True)
    with torch.enable_grad():
        # Cases do not see each other: the gradient of the sum holds the gradient of each.
        return torch.autograd.grad(model.log_hazard(points).sum(), points)[0]


@dataclass(frozen=True, eq=False)
class RiskDrivers:
    """What the log hazard ratio of one fingerprint is made of.

    Attributes:
        contributions: ``(D, T)``; above 0 raises the risk, and all sum to ``risk - baseline_risk``.
        risk: log hazard ratio of the fingerprint.
        baseline_risk: log hazard ratio of the mean fingerprint of the training cohort.
    """

    contributions: np.ndarray
    risk: float
    baseline_risk: float

    @property
    def by_time(self) -> np.ndarray:
        """Sum over latent dimensions, ``(T,)``."""
        return self.contributions.sum(axis=0)

    @property
    def by_dimension(self) -> np.ndarray:
        """Sum over times, ``(D,)``."""
        return self.contributions.sum(axis=1)

    def write(self, path: str | os.PathLike) -> Path:
        """Write a table (CSV), a row for each latent dimension and one for their sum, a column for each slot of time."""
        slots = [f"slot_{number + 1}" for number in range(self.contributions.shape[1])]
        with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["dimension", *slots, "all_slots"])
            for number, row in enumerate(self.contributions):
                table.writerow([number, *(f"{value:.6g}" for value in (*row, row.sum()))])
            table.writerow(["all", *(f"{value:.6g}" for value in (*self.by_time, self.contributions.sum()))])
        return Path(path)

    def __str__(self) -> str:
        change = self.risk - self.baseline_risk
        lines = [f"log hazard ratio {self.risk:.3f}, {change:+.3f} against the mean fingerprint of the training cohort"]
        for name, values, first in (("slot of time", self.by_time, 1), ("latent dimension", self.by_dimension, 0)):
            largest = np.argsort(-np.abs(values))[:3]
            named = ", ".join(f"{index + first} ({values[index]:+.3f})" for index in largest)
            lines.append(f"  most by {name:<17s} {named}")
        return "\n".join(lines)


def drivers(trained: TrainedRisk, fingerprint: np.ndarray, steps: int = 64) -> RiskDrivers:
    """What drives the risk of one fingerprint ``(D, T)``, against the mean of the training cohort.

    Raises `InputError` for a fingerprint of another size than the model's, and for values that are not finite.
    """
    values = trained.checked(fingerprint)[None]
    model = trained.model
    contributions = integrated_gradients(model, values, steps=steps).reshape(trained.shape)
    risk, baseline = model.predict_risk(np.stack([values[0].ravel(), model.mean_]))
    return RiskDrivers(contributions, float(risk), float(baseline))
