"""Table 6.1: how well clinical variables, the fingerprint and both predict outcomes of cases they were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .brier import brier_score, integrated_brier_score
from .calibration import CalibrationCurve, calibration_curve
from .censoring import CensoringDistribution
from .cohort import Cohort
from .combined import BestSubsetCox, CombinedCox
from .concordance import Interval, concordance_over_folds
from .cross_validation import OutOfFold, Row, evaluation_times, predict_out_of_fold, stratified_folds
from .kaplan_meier import HazardRatio, KaplanMeierCurve, hazard_ratio, kaplan_meier, logrank_p
from .linear import LinearCox, UnivariateResult, univariate_cox
from .risk_model import RiskModel
from .survival_model import FingerprintCox
from .time_dependent_auc import time_dependent_auc

FINGERPRINT, BEST_CLINICAL, BOTH = "Fingerprint", "Best clinical variables", "Fingerprint + best clinical variables"
CEILING = "True risk of the simulation (ceiling)"


@dataclass(frozen=True, eq=False)
class RowResult:
    """A row of table 6.1, all of it from out-of-fold predictions.

    Attributes:
        name: of the row.
        concordance: mean over folds, with a bootstrap interval.
        fold_concordance: of each fold.
        ratio: hazard of the cases above the median risk of their fold against the others'.
        logrank: p of the difference between these two groups.
        integrated_brier: mean over folds.
        brier: at the evaluation's times, mean over folds, ``(k,)``.
        auc: time-dependent, at the same times, mean over folds, ``(k,)``.
        calibration: of survival at the evaluation's horizon.
        low, high: Kaplan-Meier curves of the two groups.
        predictions: of every case.
    """

    name: str
    concordance: Interval
    fold_concordance: np.ndarray
    ratio: HazardRatio
    logrank: float
    integrated_brier: float
    brier: np.ndarray
    auc: np.ndarray
    calibration: CalibrationCurve
    low: KaplanMeierCurve
    high: KaplanMeierCurve
    predictions: OutOfFold


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A cross-validation of several predictors on the same folds.

    Attributes:
        cohort: that was evaluated.
        folds: indices of the test cases of each fold.
        times: of Brier score and AUC, ``(k,)``.
        horizon: of the calibration.
        rows: in the order of table 6.1.
        univariate: hazard ratio per standard deviation of each clinical variable, in the whole cohort.
        reference_brier: of survival predicted without any variable (Kaplan-Meier), ``(k,)``.
        settings: what was chosen, for the report.
    """

    cohort: Cohort
    folds: list[np.ndarray]
    times: np.ndarray
    horizon: float
    rows: list[RowResult]
    univariate: list[UnivariateResult]
    reference_brier: np.ndarray
    settings: dict = field(default_factory=dict)

    def row(self, name: str) -> RowResult:
        """The row of a name."""
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        lines = [f"{'':38s} {'C':20s} {'HR':20s} {'p':8s} IBS"]
        for row in self.rows:
            p = format_p(row.ratio.p)
            lines.append(f"{row.name:38s} {row.concordance!s:20s} {row.ratio!s:20s} {p:8s} {row.integrated_brier:.3f}")
        return "\n".join([str(self.cohort), *lines])


def format_p(p: float) -> str:
    """A p value as table 6.1 prints it."""
    if not np.isfinite(p):
        return "n/a"
    return "<0.005" if p < 0.005 else f"{p:.2f}" if p >= 0.01 else f"{p:.3f}"


def table_rows(cohort: Cohort, fingerprint: RiskModel = FingerprintCox(), penalizer: float = 0.01) -> list[Row]:
    """The rows of table 6.1 that a cohort allows: each clinical variable, fingerprint, best clinical ones, both.

    Simulated outcomes come with their true risk as the last row, which no predictor can be expected to surpass.
    """
    rows = [
        Row(name, cohort.clinical[:, [column]], LinearCox(penalizer))
        for column, name in enumerate(cohort.clinical_names)
    ]
    clinical = BestSubsetCox(penalizer)
    if cohort.fingerprints is not None:
        rows.append(Row(FINGERPRINT, cohort.flat_fingerprints(), fingerprint))
    if len(cohort.clinical_names) > 1:
        rows.append(Row(BEST_CLINICAL, cohort.clinical, clinical))
    if cohort.fingerprints is not None and cohort.clinical_names:
        inputs = np.column_stack([cohort.flat_fingerprints(), cohort.clinical])
        size = inputs.shape[1] - len(cohort.clinical_names)
        rows.append(Row(BOTH, inputs, CombinedCox(size, fingerprint, clinical, penalizer)))
    if cohort.simulated and np.ptp(cohort.simulated_risk) > 0:
        rows.append(Row(CEILING, cohort.simulated_risk[:, None], LinearCox(penalizer)))
    if not rows:
        raise InputError("The cohort has neither clinical columns nor fingerprints: there is nothing to predict from.")
    return rows


def evaluate(
    cohort: Cohort,
    rows: Sequence[Row] | None = None,
    folds: int = 6,
    seed: int = 0,
    horizon: float | None = None,
    resamplings: int = 1000,
    progress: Progress | None = None,
) -> Evaluation:
    """Cross-validate predictors on the same stratified folds (Krebs section 6.3.2).

    Args:
        cohort: with outcomes, and clinical variables or fingerprints.
        rows: predictors; by default those of `table_rows`.
        folds: of the cross-validation; thesis: 6.
        seed: of folds and bootstrap.
        horizon: time of the calibration; by default the middle of the evaluation's times.
        resamplings: of the bootstrap.
        progress: of all rows.

    Raises:
        InputError: for a cohort that cannot be split, and models that cannot be fitted, named with their row and fold.
    """
    progress = progress or Progress()
    rows = list(rows if rows is not None else table_rows(cohort))
    parts = stratified_folds(cohort.event, folds, seed)
    times = evaluation_times(cohort.time, cohort.event, parts)
    horizon = float(np.median(times)) if horizon is None else horizon
    if not times[0] <= horizon <= times[-1]:
        raise InputError(f"The horizon must lie between {times[0]:.4g} and {times[-1]:.4g}, not at {horizon:.4g}.")
    # The horizon is one of the times, so that one prediction serves all scores.
    times = np.unique(np.append(times, horizon))
    if resamplings < 1:
        raise InputError(f"The bootstrap needs at least one resampling, not {resamplings}.")
    results = []
    for number, row in enumerate(rows):
        part = progress.part(number / len(rows), (number + 1) / len(rows))
        found = predict_out_of_fold(row, cohort.time, cohort.event, parts, times, part)
        results.append(_result(row.name, found, cohort, parts, times, horizon, resamplings, seed))
    return Evaluation(
        cohort,
        parts,
        times,
        horizon,
        results,
        univariate_cox(cohort.clinical, cohort.clinical_names, cohort.time, cohort.event),
        _reference_brier(cohort, parts, times),
        {"folds": folds, "seed": seed, "resamplings": resamplings, "models": {r.name: str(r.model) for r in rows}},
    )


def _result(
    name: str,
    found: OutOfFold,
    cohort: Cohort,
    folds: Sequence[np.ndarray],
    times: np.ndarray,
    horizon: float,
    resamplings: int,
    seed: int,
) -> RowResult:
    time, event = cohort.time, cohort.event
    interval, per_fold = concordance_over_folds(
        found.risk, time, event, folds, resamplings, seed, shared_training=name != CEILING
    )
    brier = _mean_over_folds(
        cohort,
        folds,
        lambda test, censoring: brier_score(found.survival[test], times, time[test], event[test], censoring),
    )
    auc = _mean_over_folds(
        cohort,
        folds,
        lambda test, censoring: time_dependent_auc(found.risk[test], times, time[test], event[test], censoring),
    )
    at_horizon = found.survival[:, int(np.searchsorted(times, horizon))]
    high = found.high
    return RowResult(
        name,
        interval,
        per_fold,
        hazard_ratio(high.astype(float), time, event),
        logrank_p(high, time, event),
        integrated_brier_score(brier, times),
        brier,
        auc,
        calibration_curve(at_horizon, horizon, time, event),
        kaplan_meier(time[~high], event[~high]),
        kaplan_meier(time[high], event[high]),
        found,
    )


def _reference_brier(cohort: Cohort, folds: Sequence[np.ndarray], times: np.ndarray) -> np.ndarray:
    """Brier score of the training cases' Kaplan-Meier curve, the same for every test case."""

    def score(test: np.ndarray, censoring: CensoringDistribution) -> np.ndarray:
        training = np.setdiff1d(np.arange(len(cohort)), test)
        survival = kaplan_meier(cohort.time[training], cohort.event[training]).at(times)
        return brier_score(np.tile(survival, (len(test), 1)), times, cohort.time[test], cohort.event[test], censoring)

    return _mean_over_folds(cohort, folds, score)


def _mean_over_folds(cohort: Cohort, folds: Sequence[np.ndarray], score) -> np.ndarray:
    """Mean of a score ``(test cases, censoring of the training cases) -> (k,)``, without folds that have none."""
    every = np.arange(len(cohort))
    scores = []
    for test in folds:
        training = np.setdiff1d(every, test)
        censoring = CensoringDistribution.estimate(cohort.time[training], cohort.event[training])
        scores.append(score(test, censoring))
    scores = np.asarray(scores)
    counted = np.isfinite(scores).sum(axis=0)
    return np.divide(np.nansum(scores, axis=0), counted, out=np.full(scores.shape[1], np.nan), where=counted > 0)
