#!/usr/bin/env python3
"""The survival head against lifelines and scikit-survival: public cohorts, a non-linear hazard, and time of training.

Every method sees the same folds and the same standardised columns, all of it in one run.  Needs scikit-survival.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
import time as clock
import warnings
from collections.abc import Callable
from datetime import date

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from RiskPredictionLib.concordance import concordance_over_folds
from RiskPredictionLib.cross_validation import stratified_folds
from RiskPredictionLib.linear import LinearCox
from RiskPredictionLib.simulated_cohort import nonlinear_log_hazard, simulate_outcomes, simulated_cohort
from RiskPredictionLib.survival_model import FingerprintCox

Data = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Columns (n, p), times (n) and events (n)."""
Predictor = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Training columns, times and events, and test columns, to the risks of the test cases."""

FEW_COLUMNS = {"widths": (32, 8), "dropout": 0.05, "learning_rate": 3e-3, "epochs": 150, "patience": 15, "members": 15}
"""One setting for all cohorts of a few clinical columns; the defaults are made for fingerprints of many values."""

OURS, COX, FOREST, BOOSTING = "survival autoencoder", "Cox (lifelines)", "random survival forest", "gradient boosting"
PARTS = ("cohorts", "nonlinear", "speed")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--output", required=True, help="folder for the table")
    parser.add_argument("--parts", default=",".join(PARTS), help="which experiments")
    parser.add_argument("--cohorts", default=",".join(COHORTS), help="which cohorts of lifelines")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--trees", type=int, default=100, help="of forest and boosting")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(words: list[str]) -> int:
    """Run the parts asked for; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    try:
        results = reproduce(arguments)
        command = shlex.join(["Testing/Reproduction/risk.py", *words])
        folder = make_folder(arguments.output)
        about = {"date": date.today().isoformat(), "machine": platform.processor() or platform.machine()}
        write_json({**about, "command": command, "results": results}, folder / "risk.json")
        print(f"{about['date']}, {arguments.threads} thread(s): {command}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def reproduce(arguments: argparse.Namespace) -> dict:
    """All experiments, one after the other; a row per data set and method."""
    import torch

    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")
    parts, results = arguments.parts.split(","), {}
    if "cohorts" in parts:
        for name in arguments.cohorts.split(","):
            if name not in COHORTS:
                raise InputError(f"There is no cohort '{name}': choose from {', '.join(COHORTS)}.")
            results[name] = compare(name, COHORTS[name](), arguments)
    if "nonlinear" in parts:
        results["simulated, non-linear hazard"] = compare("simulated, non-linear", nonlinear_data(), arguments)
    if "speed" in parts:
        results["speed"] = training_time()
    return results


def compare(name: str, data: Data, arguments: argparse.Namespace) -> dict:
    """Concordance of every method on the same folds, with its standard error."""
    values, time, event = data
    folds = stratified_folds(event, arguments.folds, arguments.seed)
    print(
        f"\n{name}: {len(time)} cases, {event.sum()} events, {values.shape[1]} columns, {len(folds)} folds", flush=True
    )
    table = {}
    for method, predict in methods(arguments).items():
        started = clock.process_time()
        risk = np.empty(len(time))
        for test in folds:
            training = np.setdiff1d(np.arange(len(time)), test)
            mean, spread = values[training].mean(axis=0), values[training].std(axis=0)
            standardised = (values - mean) / np.where(spread > 0, spread, 1)
            risk[test] = predict(standardised[training], time[training], event[training], standardised[test])
        interval, per_fold = concordance_over_folds(risk, time, event, folds, seed=arguments.seed)
        error = (interval.upper - interval.lower) / (2 * 1.96)
        seconds = clock.process_time() - started
        table[method] = {"C": interval.value, "standard_error": error, "folds": per_fold, "cpu_seconds": seconds}
        print(f"  {method:24s} C {interval.value:.3f} +- {error:.3f}   ({seconds:.1f} s of CPU)", flush=True)
    return table


def methods(arguments: argparse.Namespace) -> dict[str, Predictor]:
    """Ours and its peers, at their usual settings."""
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest

    def ours(values: np.ndarray, time: np.ndarray, event: np.ndarray, new: np.ndarray) -> np.ndarray:
        return FingerprintCox(**FEW_COLUMNS, seed=arguments.seed).fit(values, time, event).predict_risk(new)

    def cox(values: np.ndarray, time: np.ndarray, event: np.ndarray, new: np.ndarray) -> np.ndarray:
        # The lightest penalty only keeps the fit finite where a category is rare.
        return LinearCox(penalizer=1e-4).fit(values, time, event).predict_risk(new)

    def of_trees(model: object) -> Predictor:
        def predict(values: np.ndarray, time: np.ndarray, event: np.ndarray, new: np.ndarray) -> np.ndarray:
            outcomes = np.array(list(zip(event, time)), dtype=[("event", bool), ("time", float)])
            return model.fit(values, outcomes).predict(new)

        return predict

    forest = RandomSurvivalForest(arguments.trees, min_samples_leaf=10, random_state=arguments.seed)
    boosting = GradientBoostingSurvivalAnalysis(n_estimators=arguments.trees, random_state=arguments.seed)
    return {OURS: ours, COX: cox, FOREST: of_trees(forest), BOOSTING: of_trees(boosting)}


def nonlinear_data(cases: int = 600, columns: int = 6, seed: int = 0) -> Data:
    """A simulated cohort whose hazard no linear model sees."""
    values = np.random.default_rng(seed).normal(size=(cases, columns))
    time, event = simulate_outcomes(nonlinear_log_hazard(values, 1.5), seed=seed)
    return values, time, event


def training_time(cases: int = 1000, latent: int = 64, slots: int = 25) -> dict:
    """Seconds that the default model takes for a simulated cohort of D*T = 1600, and per epoch."""
    cohort = simulated_cohort(cases, latent, slots)
    wall, cpu = clock.perf_counter(), clock.process_time()
    model = FingerprintCox().fit(cohort.fingerprints, cohort.time, cohort.event)
    wall, cpu = clock.perf_counter() - wall, clock.process_time() - cpu
    epochs = len(model.history_.risk)
    held_out = model.score_of_held_out(cohort.time, cohort.event)
    print(
        f"\n{cases} simulated cases, D*T = {latent * slots}: {wall:.1f} s, {cpu:.1f} s of CPU, {epochs} epochs, "
        f"5 members; held-out C {held_out:.3f}",
        flush=True,
    )
    return {"seconds": wall, "cpu_seconds": cpu, "epochs": epochs, "held_out_concordance": held_out}


def recidivism() -> Data:
    """Rossi et al.: time to arrest after release, weeks."""
    from lifelines.datasets import load_rossi

    return _columns(load_rossi(), "week", "arrest")


def breast_cancer() -> Data:
    """German Breast Cancer Study Group 2: time to recurrence, days."""
    from lifelines.datasets import load_gbsg2

    return _columns(load_gbsg2(), "time", "cens")


def lung_cancer() -> Data:
    """North Central Cancer Treatment Group: survival with advanced lung cancer, days."""
    from lifelines.datasets import load_lung

    # Institution is no property of a patient; two columns are missing too often.
    return _columns(load_lung().drop(columns=["inst", "meal.cal", "wt.loss"]), "time", "status")


def kidney_transplant() -> Data:
    """Klein and Moeschberger: survival after a kidney transplant, days."""
    from lifelines.datasets import load_kidney_transplant

    return _columns(load_kidney_transplant(), "time", "death")


COHORTS: dict[str, Callable[[], Data]] = {
    "rossi": recidivism,
    "gbsg2": breast_cancer,
    "lung": lung_cancer,
    "kidney_transplant": kidney_transplant,
}


def _columns(table, time: str, event: str) -> Data:
    """Numbers of a data frame: rows with gaps left out, categories as indicators."""
    import pandas

    table = table.dropna()
    values = pandas.get_dummies(table.drop(columns=[time, event]), drop_first=True).to_numpy(float)
    return values, table[time].to_numpy(float), table[event].to_numpy() == table[event].max()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
