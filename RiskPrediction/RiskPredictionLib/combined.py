"""Models of several predictors: the best subset of clinical variables, and fingerprint with clinical variables."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .linear import LinearCox
from .outcomes import checked_inputs, checked_outcomes
from .risk_model import RiskModel
from .survival_model import FingerprintCox


class BestSubsetCox(RiskModel):
    """The linear Cox model whose subset of variables has the lowest AIC.

    All subsets are tried up to ``exhaustive`` variables; with more, variables are added one by one while that helps.
    The choice is part of `fit`: inside cross-validation it never sees the test cases.

    Attributes:
        subset_: indices of the chosen variables.
        model_: `LinearCox` of these.
    """

    def __init__(self, penalizer: float = 0.0, exhaustive: int = 6):
        self.penalizer = penalizer
        self.exhaustive = exhaustive

    def fit(
        self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None
    ) -> BestSubsetCox:
        """Choose and fit; raises `InputError` where no variable can be fitted at all."""
        values, (time, event) = checked_inputs(inputs), checked_outcomes(time, event)
        self.n_features_in_ = values.shape[1]
        every = range(self.n_features_in_)
        if self.n_features_in_ <= self.exhaustive:
            subsets = [subset for size in every for subset in combinations(every, size + 1)]
            found = self._best(subsets, values, time, event, progress)
        else:
            found = self._forward(values, time, event, progress)
        if found is None:
            raise InputError("No clinical variable can be fitted: constant ones, or ones without any relation, remain.")
        self.subset_, self.model_ = found
        self.baseline_, self.training_risk_ = self.model_.baseline_, self.model_.training_risk_
        return self

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case, ``(n,)``."""
        self.check_fitted()
        return self.model_.predict_risk(checked_inputs(inputs, self.n_features_in_)[:, self.subset_])

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard error of the log hazard ratios, ``(n,)``; that of the choice is not part of it."""
        self.check_fitted()
        return self.model_.predict_deviation(checked_inputs(inputs, self.n_features_in_)[:, self.subset_])

    def _best(self, subsets, values, time, event, progress) -> tuple[list[int], LinearCox] | None:
        best = None
        for subset in subsets:
            try:
                model = LinearCox(self.penalizer).fit(values[:, subset], time, event, progress)
            except InputError:
                continue  # a subset with columns that say the same; others are left
            if best is None or model.aic_ < best[1].aic_:
                best = list(subset), model
        return best

    def _forward(self, values, time, event, progress) -> tuple[list[int], LinearCox] | None:
        chosen = None
        while True:
            start = chosen[0] if chosen else []
            found = self._best(
                [(*start, k) for k in range(values.shape[1]) if k not in start], values, time, event, progress
            )
            if found is None or (chosen and found[1].aic_ >= chosen[1].aic_):
                return chosen
            chosen = found


class CombinedCox(RiskModel):
    """A linear Cox model of the fingerprint's risk and the best subset of clinical variables (last row of table 6.1).

    The linear model is fitted to risks that the fingerprint's model gives to cases it did not learn from; with those of
    learned cases it would trust the fingerprint too much, the over-fitting that the thesis reports.

    Args:
        fingerprint_size: how many of the first values are the fingerprint; clinical variables follow.
        fingerprint: the model of the fingerprint; its own `training_risk_` must be of held-out cases.
        clinical: the model that chooses among the clinical variables.

    Attributes:
        fingerprint_model_, clinical_model_: fitted.
        model_: `LinearCox` of [risk of the fingerprint, chosen clinical variables].
    """

    def __init__(
        self,
        fingerprint_size: int,
        fingerprint: RiskModel = FingerprintCox(),
        clinical: BestSubsetCox = BestSubsetCox(),
        penalizer: float = 0.01,
    ):
        self.fingerprint_size = fingerprint_size
        self.fingerprint = fingerprint
        self.clinical = clinical
        self.penalizer = penalizer

    def fit(
        self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None
    ) -> CombinedCox:
        """Fit both models, then the one that joins them; raises `InputError` without clinical variables."""
        values = checked_inputs(inputs)
        self.n_features_in_ = values.shape[1]
        if not 0 < self.fingerprint_size < self.n_features_in_:
            raise InputError(
                f"Of {self.n_features_in_} values {self.fingerprint_size} are the fingerprint: no clinical one is left."
            )
        progress = progress or Progress()
        fingerprints, clinical = self._parts(values)
        self.fingerprint_model_ = clone(self.fingerprint).fit(fingerprints, time, event, progress.part(0.0, 0.8))
        self.clinical_model_ = clone(self.clinical).fit(clinical, time, event, progress.part(0.8, 1.0))
        risk = self.fingerprint_model_.training_risk_
        self.model_ = LinearCox(self.penalizer).fit(self._joined(risk, clinical), time, event)
        self.baseline_, self.training_risk_ = self.model_.baseline_, self.model_.training_risk_
        return self

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case, ``(n,)``."""
        return self.model_.predict_risk(self._predictors(inputs))

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard error of the joining model, and the spread of the fingerprint's members, ``(n,)``."""
        fingerprints, _ = self._parts(checked_inputs(inputs, self.n_features_in_))
        weight = self.model_.coefficients_[0] / self.model_.scale_[0]
        of_members = weight * self.fingerprint_model_.predict_deviation(fingerprints)
        return np.hypot(self.model_.predict_deviation(self._predictors(inputs)), of_members)

    def _predictors(self, inputs: ArrayLike) -> np.ndarray:
        self.check_fitted()
        fingerprints, clinical = self._parts(checked_inputs(inputs, self.n_features_in_))
        return self._joined(self.fingerprint_model_.predict_risk(fingerprints), clinical)

    def _parts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return values[:, : self.fingerprint_size], values[:, self.fingerprint_size :]

    def _joined(self, risk: np.ndarray, clinical: np.ndarray) -> np.ndarray:
        return np.column_stack([risk, clinical[:, self.clinical_model_.subset_]])
