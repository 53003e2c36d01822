"""Fingerprints of higher and of lower risk than a given one that still look like those of the training cohort."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from DeformationLib.errors import InputError

from .attributions import gradients
from .risk_bundle import TrainedRisk
from .training_distance import TrainingDistance

_STEP = 0.1
"""Length of a step, in standard deviations of the training cohort along the way."""
_STEPS = 120
_SHORTEST = _STEP / 16
_HALVINGS = 20
_TOLERANCE = 0.01
"""By which a risk may miss what was asked for."""


@dataclass(frozen=True, eq=False)
class ChangedFingerprints:
    """A fingerprint changed so that its risk rises, and so that it falls.

    Attributes:
        up, down: ``(D, T)``.
        risk, up_risk, down_risk: log hazard ratios of the fingerprint as it was and of both changed ones.
        warnings: sentences for the user, where less of a change was possible than was asked for.
    """

    up: np.ndarray
    down: np.ndarray
    risk: float
    up_risk: float
    down_risk: float
    warnings: list[str] = field(default_factory=list)


def changed_fingerprints(trained: TrainedRisk, fingerprint: np.ndarray, amount: float = 1.0) -> ChangedFingerprints:
    """Follow the gradient of the log hazard, uphill and downhill, until it has changed by ``amount``.

    The fingerprint moves only along the main components of the training cohort, where each counts in its own standard
    deviations: of all changes those come first that make the risk differ most for how unusual they are. It never gets
    farther from the cohort than the farthest training case, or than it was. Where that, or the bounded score of the
    network, ends the way before the goal, a warning says so.

    Args:
        trained: the model.
        fingerprint: ``(D, T)``.
        amount: of log hazard; 1 makes the hazard 2.7 times as large, and as small.

    Raises:
        InputError: for a fingerprint of another size than the model's, values that are not finite, and an amount that is
            not above 0.
    """
    if not amount > 0 or not np.isfinite(amount):
        raise InputError(f"The log hazard can be changed by an amount above 0, not by {amount:g}.")
    values = trained.checked(fingerprint)
    risk = float(trained.model.predict_risk(values[None])[0])
    way = _Way(trained, values.ravel())
    found, risks, warnings = [], [], []
    for sense, word in ((1, "raised"), (-1, "lowered")):
        changed = way.follow(sense, amount).reshape(trained.shape)
        reached = float(trained.model.predict_risk(changed[None])[0])
        if sense * (reached - risk) < amount - _TOLERANCE:
            warnings.append(
                f"The hazard can be {word} {np.exp(max(sense * (reached - risk), 0.0)):.2g}-fold, not "
                f"{np.exp(amount):.2g}-fold: more would lead to motion that the training cohort does not show, or is beyond "
                "what the model predicts."
            )
        found.append(changed)
        risks.append(reached)
    return ChangedFingerprints(*found, risk, *risks, warnings)


class _Way:
    """The log hazard over the coordinates of main components, in standard deviations, around one fingerprint."""

    def __init__(self, trained: TrainedRisk, values: np.ndarray):
        distance, self.model, self.values = trained.distance, trained.model, values
        standardised = (values - distance.mean) / distance.scale
        along = standardised @ distance.components.T
        self.start = torch.from_numpy(along / distance.deviations)
        # What a step of one standard deviation along each component changes, (k, p).
        self.axes = torch.from_numpy(distance.deviations[:, None] * distance.components * distance.scale)
        self.radius = self._largest_radius(distance, standardised - along @ distance.components)

    def _largest_radius(self, distance: TrainingDistance, outside: np.ndarray) -> float:
        """Of coordinates that are not farther from the cohort than its farthest case; the own one always is allowed."""
        squares = distance.reference[-1] ** 2 * (len(self.start) + 1)
        squares -= float(np.square(outside).sum()) / distance.residual**2
        return max(float(self.start.norm()), max(squares, 0.0) ** 0.5)

    def follow(self, sense: int, amount: float) -> np.ndarray:
        """Values of the fingerprint whose log hazard is ``amount`` higher (sense 1) or lower (-1), or as far as it goes."""
        here, first = self.start, self._risk(self.start)
        goal, best, step = sense * first + amount, sense * first, _STEP
        for _ in range(_STEPS):
            gradient = sense * gradients(self.model, self._values(here)[None])[0] @ self.axes.T
            length = float(gradient.norm())
            if length < 1e-9:
                break
            there = self._inside(here + step * gradient / length)
            reached = sense * self._risk(there)
            if reached >= goal:
                here = self._between(here, there, sense, goal)
                break
            if reached > best + 1e-6:
                here, best = there, reached
            elif step > _SHORTEST:  # across a crest of the network, whose units have kinks
                step /= 2
            else:
                break
        return self._values(here).numpy()

    def _between(self, low: torch.Tensor, high: torch.Tensor, sense: int, goal: float) -> torch.Tensor:
        """The place between two at which the goal is just reached."""
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if sense * self._risk(middle) >= goal else (middle, high)
        return high

    def _inside(self, place: torch.Tensor) -> torch.Tensor:
        length = float(place.norm())
        return place if length <= self.radius else place * (self.radius / length)

    def _values(self, place: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.values) + (place - self.start) @ self.axes

    def _risk(self, place: torch.Tensor) -> float:
        with torch.no_grad():
            return float(self.model.log_hazard(self._values(place)[None])[0])
