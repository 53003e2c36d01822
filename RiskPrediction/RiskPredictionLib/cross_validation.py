"""Stratified folds, and predictions for cases by models that never saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .censoring import CensoringDistribution
from .risk_model import RiskModel


@dataclass(frozen=True, eq=False)
class Row:
    """One row of table 6.1: predictors and the model that is fitted to them in every fold.

    Attributes:
        name: of the row.
        inputs: ``(n, p)``.
        model: not fitted; cloned for every fold.
    """

    name: str
    inputs: np.ndarray
    model: RiskModel


@dataclass(eq=False)
class OutOfFold:
    """Predictions for every case by the model of the fold that it was left out of.

    Attributes:
        risk: ``(n,)``; comparable only within a fold.
        high: whether the risk is above the median of the case's fold, ``(n,)``.
        survival: at the times of the evaluation, ``(n, k)``.
        notes: what models say of themselves, such as the variables that a fold has chosen.
    """

    risk: np.ndarray
    high: np.ndarray
    survival: np.ndarray
    notes: list[str] = field(default_factory=list)


def stratified_folds(event: np.ndarray, count: int, seed: int = 0) -> list[np.ndarray]:
    """Indices of the test cases of each fold, with events spread evenly.

    Raises `InputError` where a fold would be left without an event or with a single case.
    """
    from sklearn.model_selection import StratifiedKFold

    event = np.asarray(event, bool)
    events, cases = int(event.sum()), len(event)
    largest = min(events, cases // 2, cases - events if events < cases else cases)
    if count < 2 or count > largest:
        raise InputError(
            f"{cases} cases with {events} events cannot be split into {count} folds, each with an event and two cases or "
            f"more: choose 2 to {largest} folds."
            if largest >= 2
            else f"{cases} cases with {events} events are too few for a cross-validation: add cases."
        )
    splits = StratifiedKFold(count, shuffle=True, random_state=seed).split(np.zeros((cases, 1)), event)
    return [test for _, test in splits]


def evaluation_times(time: np.ndarray, event: np.ndarray, folds: Sequence[np.ndarray], count: int = 40) -> np.ndarray:
    """Times, evenly spaced, between early and late events, at which every fold still observes training cases."""
    first, last = np.quantile(time[event], [0.1, 0.9])
    every = np.arange(len(time))
    for test in folds:
        training = np.setdiff1d(every, test)
        censoring = CensoringDistribution.estimate(time[training], event[training])
        gone = censoring.times[censoring.probability <= 0]
        last = min(last, np.nextafter(gone[0], 0) if len(gone) else np.inf)
    if not first < last:
        raise InputError("All events happen at about the same time: no span is left to evaluate survival over.")
    return np.linspace(first, last, count)


def predict_out_of_fold(
    row: Row,
    time: np.ndarray,
    event: np.ndarray,
    folds: Sequence[np.ndarray],
    times: np.ndarray,
    progress: Progress = Progress(),
) -> OutOfFold:
    """Fit the row's model to the cases outside of each fold and predict those inside.

    Whatever is learned, standardisation and choice of variables included, is learned in the model's `fit` and so from
    training cases only.

    Args:
        row: predictors and model.
        time, event: outcomes of all cases.
        folds: indices of the test cases of each fold.
        times: at which survival is predicted.
        progress: of all folds.
    """
    cases = len(time)
    found = OutOfFold(np.full(cases, np.nan), np.zeros(cases, bool), np.full((cases, len(times)), np.nan))
    for number, test in enumerate(folds):
        progress.report(number / len(folds), f"{row.name}, fold {number + 1} of {len(folds)}")
        training = np.setdiff1d(np.arange(cases), test)
        try:
            part = progress.part(number / len(folds), (number + 1) / len(folds))
            model = clone(row.model).fit(row.inputs[training], time[training], event[training], part)
        except InputError as error:
            raise InputError(f"{row.name}, fold {number + 1} of {len(folds)}: {error}") from error
        risk = model.predict_risk(row.inputs[test])
        found.risk[test] = risk
        found.high[test] = risk > np.median(risk)
        found.survival[test] = model.predict_survival_function(row.inputs[test], times).survival
        if hasattr(model, "subset_"):
            found.notes.append(" ".join(str(index) for index in model.subset_))
    progress.report(1.0)
    return found
