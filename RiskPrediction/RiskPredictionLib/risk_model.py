"""What all risk models have in common, in scikit-learn's manner."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .baseline_hazard import BreslowBaseline, SurvivalCurves
from .concordance import concordance


class RiskModel(BaseEstimator):
    """A proportional-hazards model: a log hazard ratio for every case and one baseline hazard for all.

    A kind of model implements `fit`, which sets the attributes below and returns itself,
    `predict_risk`, and, if it knows, `predict_deviation`.

    Attributes:
        n_features_in_: values per case.
        baseline_: `BreslowBaseline` of the training cohort.
        training_risk_: log hazard ratios of the training cases, ``(n,)``; of models that do not see a case while they
            learn, where the kind of model has such.
    """

    n_features_in_: int
    baseline_: BreslowBaseline
    training_risk_: np.ndarray

    def fit(self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None) -> RiskModel:
        """Learn from cases with known outcomes; what takes long reports to ``progress`` and can be cancelled there."""
        raise NotImplementedError

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case against the training cohort's baseline, ``(n,)``; higher is worse."""
        raise NotImplementedError

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard deviation of the log hazard ratios, ``(n,)``; zeros where a kind of model does not know it."""
        return np.zeros(len(np.asarray(inputs)))

    def predict_survival_function(self, inputs: ArrayLike, times: ArrayLike | None = None) -> SurvivalCurves:
        """Survival of each case with its 95 % interval, at ``times`` or at 0 and the times of the training events."""
        self.check_fitted()
        return self.baseline_.survival(self.predict_risk(inputs), times, self.predict_deviation(inputs))

    def risk_percentile(self, risk: ArrayLike) -> np.ndarray:
        """Percentage of the training cohort with a lower risk, ``(n,)``; equal ones count half."""
        self.check_fitted()
        order = np.sort(self.training_risk_)
        below, up_to = (np.searchsorted(order, np.atleast_1d(risk), side) for side in ("left", "right"))
        return 50.0 * (below + up_to) / len(order)

    def score(self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike) -> float:
        """Harrell's concordance."""
        return concordance(self.predict_risk(inputs), time, event)

    def check_fitted(self) -> None:
        """Raise `InputError` before `fit`."""
        if not hasattr(self, "baseline_"):
            raise InputError(f"This {type(self).__name__} has not been fitted: call fit first.")
