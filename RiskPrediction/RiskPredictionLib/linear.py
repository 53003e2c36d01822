"""Linear Cox models, plain, ridge and sparse, by lifelines, as estimators like the others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .baseline_hazard import BreslowBaseline
from .kaplan_meier import HazardRatio, hazard_ratio
from .outcomes import check_same_length, checked_inputs, checked_outcomes
from .risk_model import RiskModel

_NEGLIGIBLE = 1e-3


class LinearCox(RiskModel):
    """A Cox model that is linear in standardised variables or in their principal components.

    >>> LinearCox().fit(clinical, time, event)                        # plain
    >>> LinearCox(penalizer=0.1, l1_ratio=1.0, components=20)         # sparse, for fingerprints

    Args:
        penalizer: weight of the penalty on the coefficients; 0 for none.
        l1_ratio: 0 is ridge, 1 is the lasso, which leaves few coefficients other than zero.
        components: number of principal components that replace the variables; 0 for the variables themselves. More
            variables than cases need them, or a penalty and patience.

    Attributes:
        coefficients_: of the standardised variables (or components), ``(k,)``.
        covariance_: of the coefficients, ``(k, k)``.
        mean_, scale_: of the variables.
        directions_: principal components, ``(k, p)``; None without.
        aic_: Akaike's criterion of the partial likelihood.
    """

    def __init__(self, penalizer: float = 0.0, l1_ratio: float = 0.0, components: int = 0):
        self.penalizer = penalizer
        self.l1_ratio = l1_ratio
        self.components = components

    def fit(self, inputs: ArrayLike, time: ArrayLike, event: ArrayLike, progress: Progress | None = None) -> LinearCox:
        """Learn from variables ``(n, p)`` and outcomes ``(n,)``.

        Raises:
            InputError: for values and outcomes that cannot be, a variable that is constant, and variables that the fit
                cannot tell apart.
        """
        (progress or Progress()).raise_if_cancelled()
        values, (time, event) = checked_inputs(inputs), checked_outcomes(time, event)
        check_same_length(values, time)
        self.n_features_in_ = values.shape[1]
        self.mean_, deviation = values.mean(axis=0), values.std(axis=0)
        constant = deviation <= 1e-12 * (1 + np.abs(self.mean_))
        if constant.any() and not self.components:
            column = int(np.flatnonzero(constant)[0]) + 1
            raise InputError(f"Column {column} has the same value in all training cases: leave it out.")
        self.scale_ = np.where(constant, np.inf, deviation)
        self.directions_ = self._principal_directions((values - self.mean_) / self.scale_)
        fitted = self._fit_lifelines(self._variables(values), time, event)
        self.coefficients_ = fitted.params_.to_numpy(float)
        self.covariance_ = fitted.variance_matrix_.to_numpy(float)
        self.aic_ = float(fitted.AIC_partial_)
        self.training_risk_ = self._variables(values) @ self.coefficients_
        self.baseline_ = BreslowBaseline.estimate(self.training_risk_, time, event)
        return self

    @property
    def selected_(self) -> np.ndarray:
        """Indices of variables (or components) whose coefficient is not negligible."""
        return np.flatnonzero(np.abs(self.coefficients_) > _NEGLIGIBLE)

    def predict_risk(self, inputs: ArrayLike) -> np.ndarray:
        """Log hazard ratio of each case against the mean training case, ``(n,)``; higher is worse."""
        self.check_fitted()
        return self._variables(checked_inputs(inputs, self.n_features_in_)) @ self.coefficients_

    def predict_deviation(self, inputs: ArrayLike) -> np.ndarray:
        """Standard error of the log hazard ratios, ``(n,)``."""
        self.check_fitted()
        variables = self._variables(checked_inputs(inputs, self.n_features_in_))
        return np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", variables, self.covariance_, variables), 0.0))

    def _variables(self, values: np.ndarray) -> np.ndarray:
        standardised = (values - self.mean_) / self.scale_
        return standardised if self.directions_ is None else standardised @ self.directions_.T

    def _principal_directions(self, standardised: np.ndarray) -> np.ndarray | None:
        if not self.components:
            return None
        from sklearn.decomposition import PCA

        count = min(self.components, *standardised.shape)
        found = PCA(count, svd_solver="full").fit(standardised)
        # Components of unit spread, so that a penalty treats all alike; numerically empty ones are left out.
        spread = np.sqrt(found.explained_variance_)
        kept = spread > 1e-9 * spread[0]
        return found.components_[kept] / spread[kept, None]

    def _fit_lifelines(self, variables: np.ndarray, time: np.ndarray, event: np.ndarray):
        import pandas
        from lifelines import CoxPHFitter

        table = pandas.DataFrame(variables, columns=[f"x{number}" for number in range(variables.shape[1])])
        table["time"], table["event"] = time, event.astype(int)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = CoxPHFitter(penalizer=self.penalizer, l1_ratio=self.l1_ratio).fit(table, "time", "event")
        except Exception as error:  # lifelines raises its own errors, and those of the libraries below
            raise InputError(
                "A linear Cox model cannot tell these variables apart, or they separate the events completely: "
                f"leave out columns that say the same, or set a penalizer ({str(error).splitlines()[0]})."
            ) from error
        if not np.isfinite(fitted.params_.to_numpy(float)).all():
            raise InputError("A linear Cox model of these variables did not converge: set a penalizer.")
        return fitted


@dataclass(frozen=True)
class UnivariateResult:
    """A Cox model of one variable: hazard ratio per standard deviation."""

    name: str
    ratio: HazardRatio


def univariate_cox(
    values: ArrayLike, names: Sequence[str], time: ArrayLike, event: ArrayLike
) -> list[UnivariateResult]:
    """Hazard ratio per standard deviation, with interval and p, of each column of ``values``, ``(n, p)``."""
    if not len(names):
        return []
    values = checked_inputs(values)
    spread = np.where(values.std(axis=0) > 0, values.std(axis=0), 1.0)
    standardised = (values - values.mean(axis=0)) / spread
    return [UnivariateResult(name, hazard_ratio(column, time, event)) for name, column in zip(names, standardised.T)]
