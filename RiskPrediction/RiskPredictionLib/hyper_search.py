"""Search for hyper-parameters, random or evolutionary (Krebs section 6.3.1), that can itself be cross-validated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .concordance import concordance_over_folds
from .cross_validation import stratified_folds
from .outcomes import checked_inputs, checked_outcomes
from .risk_model import RiskModel
from .survival_model import FingerprintCox

METHODS = ("random", "evolution")


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``largest``, evenly spread, or evenly in the logarithm."""

    least: float
    largest: float
    logarithmic: bool = False

    def draw(self, generator: np.random.Generator) -> float:
        """Any number of the range."""
        return self._value(generator.random())

    def mutate(self, value: float, generator: np.random.Generator) -> float:
        """A number near ``value``."""
        return self._value(float(np.clip(self._place(value) + generator.normal(0, 0.2), 0, 1)))

    def _value(self, place: float) -> float:
        if not self.logarithmic:
            return self.least + place * (self.largest - self.least)
        return math.exp(math.log(self.least) + place * math.log(self.largest / self.least))

    def _place(self, value: float) -> float:
        if not self.logarithmic:
            return (value - self.least) / (self.largest - self.least)
        return math.log(value / self.least) / math.log(self.largest / self.least)


@dataclass(frozen=True)
class Choice:
    """One of several values, in an order in which neighbours are alike."""

    values: Sequence[Any]

    def draw(self, generator: np.random.Generator) -> Any:
        """Any of the values."""
        return self.values[generator.integers(len(self.values))]

    def mutate(self, value: Any, generator: np.random.Generator) -> Any:
        """The value or one beside it."""
        place = list(self.values).index(value) + int(generator.integers(-1, 2))
        return self.values[min(max(place, 0), len(self.values) - 1)]


FINGERPRINT_SPACE: Mapping[str, Range | Choice] = {
    "dropout": Range(0.0, 0.6),
    "widths": Choice(((40, 4), (90, 6), (180, 10), (300, 16))),
    "alpha": Range(0.1, 10.0, logarithmic=True),
    "learning_rate": Range(2e-4, 5e-3, logarithmic=True),
    "weight_decay": Range(1e-5, 1e-1, logarithmic=True),
}
"""What the thesis searched (dropout and widths), and what decides how strongly the network is held back."""


class HyperSearch(RiskModel):
    """A risk model that chooses its hyper-parameters by cross-validation of the training cases.

    As the choice is part of `fit`, cross-validating a `HyperSearch` is a nested cross-validation: test cases have no
    say in it.

    >>> HyperSearch(FingerprintCox(), FINGERPRINT_SPACE, trials=20, method="evolution").fit(fingerprints, time, event)

    Args:
        model: whose parameters are searched; its own are the first trial.
        space: `Range` or `Choice` by name of parameter.
        trials: how many settings are tried.
        folds: of the inner cross-validation.
        method: ``"random"`` draws every setting from the space; ``"evolution"`` mutates crossings of the best quarter
            after a first random quarter.
        seed: of the settings and the folds.

    Attributes:
        best_model_: fitted to all cases.
        best_params_: that were chosen.
        trials_: settings and inner concordances, in the order of trial.
    """

    def __init__(
        self,
        model: RiskModel = FingerprintCox(),
        space: Mapping[str, Range | Choice] = FINGERPRINT_SPACE,
        trials: int = 20,
        folds: int = 3,
        method: str = "random",
        seed: int = 0,
    ):
        self.model = model
        self.space = space
        self.trials = trials
        self.folds = folds
        self.method = method
        self.seed = seed

    def fit(
        self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None
    ) -> HyperSearch:
        """Search, then fit the best setting to all cases."""
        values, (time, event) = checked_inputs(inputs), checked_outcomes(time, event)
        if self.method not in METHODS or self.trials < 1:
            raise InputError(f"A search needs a method of {', '.join(METHODS)} and at least one trial.")
        unknown = set(self.space) - set(self.model.get_params())
        if unknown:
            raise InputError(f"{type(self.model).__name__} has no parameter '{sorted(unknown)[0]}': leave it out.")
        progress = progress or Progress()
        folds = stratified_folds(event, self.folds, self.seed)
        generator = np.random.default_rng(self.seed)
        self.n_features_in_ = values.shape[1]
        self.trials_: list[tuple[dict[str, Any], float]] = []
        for number in range(self.trials):
            progress.report(number / (self.trials + 1), f"Trial {number + 1} of {self.trials}")
            setting = self._next(number, generator)
            self.trials_.append((setting, self._score(setting, values, time, event, folds, progress)))
        self.best_params_ = max(self.trials_, key=lambda trial: trial[1])[0]
        last = progress.part(self.trials / (self.trials + 1), 1.0)
        self.best_model_ = clone(self.model).set_params(**self.best_params_).fit(values, time, event, last)
        self.baseline_, self.training_risk_ = self.best_model_.baseline_, self.best_model_.training_risk_
        progress.report(1.0)
        return self

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case by the best setting, ``(n,)``."""
        self.check_fitted()
        return self.best_model_.predict_risk(inputs)

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard deviation of the log hazard ratios, ``(n,)``."""
        self.check_fitted()
        return self.best_model_.predict_deviation(inputs)

    def _next(self, number: int, generator: np.random.Generator) -> dict[str, Any]:
        if number == 0:
            own = self.model.get_params()
            return {name: own[name] for name in self.space}
        if self.method == "random" or number < max(self.trials // 4, 2):
            return {name: part.draw(generator) for name, part in self.space.items()}
        ranked = sorted(self.trials_, key=lambda trial: -trial[1])[: max(number // 4, 2)]
        parents = [ranked[index][0] for index in generator.integers(len(ranked), size=2)]
        crossed = {name: parents[generator.integers(2)][name] for name in self.space}
        return {name: self._mutated(part, crossed[name], generator) for name, part in self.space.items()}

    @staticmethod
    def _mutated(part: Range | Choice, value: Any, generator: np.random.Generator) -> Any:
        try:
            return part.mutate(value, generator)
        except ValueError:  # the model's own value may lie outside of the space
            return part.draw(generator)

    def _score(self, setting: dict[str, Any], values, time, event, folds, progress: Progress) -> float:
        """Concordance of out-of-fold risks."""
        risk = np.empty(len(time))
        for test in folds:
            training = np.setdiff1d(np.arange(len(time)), test)
            model = clone(self.model).set_params(**setting)
            # What a trial reports is too fine for the bar, but a cancel has to get through.
            part = progress.part(progress.fraction, progress.fraction)
            model.fit(values[training], time[training], event[training], part)
            risk[test] = model.predict_risk(values[test])
        return concordance_over_folds(risk, time, event, folds, resamplings=1)[0].value
