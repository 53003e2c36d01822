#!/usr/bin/env python3
"""Risk from real cine with SIMULATED outcomes: table 6.1 and figure 6.2 of the thesis on the ACDC challenge's patients.

No cohort of cine with outcomes is public.  The images and what is measured in their label maps are real; times and events
are simulated from the measured ejection fraction and the evenness of the measured wall motion, 36 % with event, the others
censored, as in the thesis's cohort.  Nothing here says anything about real patients.

The motion model that fingerprints come from was trained on the images of four of five of these patients, without any
outcome; everything that learns from outcomes is fitted inside the folds.  The thesis trained the motion model inside the
folds, too.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
import time as clock
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from risk_measures import CLINICAL, body_sizes, measures

from DeformationLib.cine_cases import find_cine_cases, read_cine
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from DeformationLib.progress import console_progress
from LatentRegistrationLib.figures import new_figure
from RiskPredictionLib.cohort import Cohort
from RiskPredictionLib.cohort_table import write_cohort
from RiskPredictionLib.cross_validation import Row
from RiskPredictionLib.end_to_end import EndToEndCox, TuningSchedule
from RiskPredictionLib.end_to_end_cases import load_case_sequences
from RiskPredictionLib.evaluation import BEST_CLINICAL, BOTH, CEILING, FINGERPRINT, Evaluation, evaluate, table_rows
from RiskPredictionLib.fingerprint_extraction import MotionFingerprints, extract
from RiskPredictionLib.linear import LinearCox
from RiskPredictionLib.report import write_report
from RiskPredictionLib.report_figures import concordance_size, draw_concordance, draw_groups
from RiskPredictionLib.simulated_cohort import linear_log_hazard, simulate_outcomes, with_simulated_outcomes
from RiskPredictionLib.survival_model import FingerprintCox

PARTS = ("table", "draws", "control", "phantoms", "slices", "end-to-end")
RISK_OF = {"LVEF": -1.0, "uneven wall motion": 0.6}
"""Measured values that the simulated log hazard is a sum of, standardised, with these weights."""

STRENGTH = 1.2
"""Standard deviation of the log hazard."""

SHAPE = 1.2
"""Of the Weibull hazard."""

LINEAR = "Fingerprint, linear Cox of 10 components"

THESIS = {
    "GM": ("0.92 (0.64-1.32)", "0.52 (0.38-0.55)", "0.66"),
    "VmaxI": ("1.85 (1.31-2.60)", "0.63 (0.55-0.69)", "<0.005"),
    "VminI": ("2.03 (1.44-2.87)", "0.66 (0.59-0.72)", "<0.005"),
    "SRmax": ("2.30 (1.63-3.26)", "0.65 (0.59-0.71)", "<0.005"),
    "SRA": ("2.02 (1.43-2.85)", "0.62 (0.55-0.68)", "<0.005"),
    "SpreA": ("1.98 (1.41-2.79)", "0.63 (0.56-0.69)", "<0.005"),
    FINGERPRINT: ("2.93 (2.05-4.18)", "0.69 (0.60-0.72)", "<0.005"),
    BEST_CLINICAL: ("2.39 (1.69-3.39)", "0.67 (0.61-0.74)", "<0.005"),
    BOTH: ("3.02 (2.11-4.32)", "0.70 (0.63-0.75)", "<0.005"),
}
"""HR, C and p of table 6.1: 167 patients, hospitalisation as the event, four-chamber view; other clinical variables."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with a folder per patient and index.csv")
    parser.add_argument(
        "--output", required=True, help="folder for tables, figures and the fingerprints, which are kept"
    )
    parser.add_argument("--motion-model", default="fingerprint", help="that fingerprints come from")
    parser.add_argument("--parts", default="table,draws,control,phantoms", help=f"of {','.join(PARTS)}")
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--draws", type=int, default=10, help="of outcomes, for what is told from many")
    parser.add_argument("--resamplings", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--members", type=int, default=5, help="of each ensemble")
    parser.add_argument("--tuning-epochs", type=int, default=20, help="of the part end-to-end, at most")
    parser.add_argument("--tuning-folds", type=int, default=3, help="of the part end-to-end, held out to stop by")
    parser.add_argument("--tuning-slices", type=int, default=3, help="of the part end-to-end, in the middle of a stack")
    parser.add_argument("--phantoms", type=int, default=120, help="cases of the phantom cohort")
    parser.add_argument("--processes", type=int, default=1, help="that extract fingerprints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(words: list[str]) -> int:
    """Run the parts asked for; 0 when it succeeded, 2 after one sentence about what is wrong."""
    import torch

    arguments = build_parser().parse_args(words)
    torch.set_num_threads(arguments.threads)
    try:
        parts = arguments.parts.split(",")
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise InputError(f"There is no part '{sorted(unknown)[0]}': choose from {', '.join(PARTS)}.")
        folder = make_folder(arguments.output)
        about = {
            "date": date.today().isoformat(),
            "machine": platform.processor() or platform.machine(),
            "command": shlex.join(["Testing/Reproduction/risk_acdc.py", *words]),
            "outcomes": "simulated",
        }
        write_json({**about, "results": reproduce(arguments, parts, folder)}, folder / "risk_acdc.json")
        print(f"\n{about['date']}, {arguments.threads} thread(s): {about['command']}\nwrote {folder}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def reproduce(arguments: argparse.Namespace, parts: Sequence[str], folder: Path) -> dict:
    """All parts, one after the other."""
    source, results = MotionFingerprints(arguments.motion_model), {}
    if set(parts) - {"phantoms"}:
        # Not relative to this folder: the cohort's table is written into another one.
        cohort, risk = real_cohort(Path(arguments.data).resolve(), arguments.seed)
        if "slices" in parts:
            results["slices"] = slices_compared(cohort, arguments, folder)
        if "end-to-end" in parts:
            results["end to end"] = end_to_end(cohort, source, arguments, folder)
        started = clock.perf_counter()
        progress = console_progress("Extracting")
        extraction = extract(cohort, source, arguments.processes, progress, folder / "fingerprints.npz")
        extraction.write(folder)
        seconds = clock.perf_counter() - started
        print(
            f"{extraction} by {source.name} ({seconds:.0f} s, {extraction.kept} kept from an earlier run)", flush=True
        )
        there = [number for number, case in enumerate(cohort.cases) if case in extraction.fingerprints]
        risk = risk[there]
        cohort = cohort.subset(there).with_fingerprints(extraction.fingerprints)
        write_cohort(folder / "cohort.csv", cohort)
        if "table" in parts:
            results["table"] = table_61(cohort, arguments, folder)
        if "draws" in parts:
            results["draws"] = many_draws(cohort, risk, arguments, "Outcomes drawn anew from the same risk")
        if "control" in parts:
            shuffled = np.random.default_rng(arguments.seed).permutation(risk)
            results["control"] = many_draws(cohort, shuffled, arguments, "Control: the risk of another patient", True)
    if "phantoms" in parts:
        results["phantoms"] = phantom_cohort(source, arguments, folder)
    return results


def real_cohort(folder: Path, seed: int) -> tuple[Cohort, np.ndarray]:
    """The patients with simulated outcomes, and their true log hazard; those without both label maps are left out."""
    sizes, rows, cases = body_sizes(folder), [], []
    for case in find_cine_cases(folder):
        cine = read_cine(case)
        if {cine.ed_frame, cine.es_frame} <= set(cine.labels):
            height, weight = sizes[case.name]
            rows.append({**measures(cine), "height": height, "weight": weight})
            cases.append(case)
    values = np.array([[row[name] for name in RISK_OF] for row in rows])
    risk = linear_log_hazard(values, list(RISK_OF.values()), STRENGTH)
    time, event = simulate_outcomes(risk, shape=SHAPE, seed=seed)
    cohort = Cohort(
        tuple(case.name for case in cases),
        time,
        event,
        CLINICAL,
        np.array([[row[name] for name in CLINICAL] for row in rows]),
        tuple(str(case.cine) for case in cases),
        None,
        risk,
        tuple(case.ed_frame for case in cases),
    )
    with_ef, wall = np.corrcoef([*values.T, risk])[2, :2]
    print(
        f"{cohort}\nlog hazard: correlation {with_ef:+.2f} with LVEF, {wall:+.2f} with uneven wall motion", flush=True
    )
    return cohort, risk


def survival_model(arguments: argparse.Namespace) -> FingerprintCox:
    """The survival autoencoder at its usual settings."""
    return FingerprintCox(members=arguments.members, seed=arguments.seed)


def table_61(cohort: Cohort, arguments: argparse.Namespace, folder: Path) -> dict:
    """All rows of table 6.1, the report, and figure 6.2."""
    rows = table_rows(cohort, survival_model(arguments))
    place = next(number for number, row in enumerate(rows) if row.name == FINGERPRINT)
    rows.insert(place + 1, Row(LINEAR, cohort.flat_fingerprints(), LinearCox(0.1, components=10)))
    evaluation = evaluate(
        cohort,
        rows,
        arguments.folds,
        arguments.seed,
        resamplings=arguments.resamplings,
        progress=console_progress("Evaluating"),
    )
    write_report(evaluation, folder / "report", "ACDC cine with simulated outcomes")
    plot_groups(evaluation, ["LVEF", FINGERPRINT, BEST_CLINICAL, BOTH], folder / "figure_6_2.png")
    with new_figure(folder / "concordance.png", *concordance_size(evaluation)) as figure:
        draw_concordance(figure, evaluation)
    print_table(evaluation)
    return {
        row.name: {
            "C": vars(row.concordance),
            "HR": vars(row.ratio),
            "logrank_p": row.logrank,
            "integrated_brier": row.integrated_brier,
        }
        for row in evaluation.rows
    }


def print_table(evaluation: Evaluation) -> None:
    """Table 6.1 in Markdown: ours on simulated outcomes, and the thesis's on observed ones."""
    from RiskPredictionLib.evaluation import format_p

    print(f"\n{evaluation.cohort}; {len(evaluation.folds)}-fold cross-validation\n")
    print("| | HR | C | p | thesis: HR | C | p |\n|:--|--:|--:|--:|--:|--:|--:|")
    for row in evaluation.rows:
        theirs = " | ".join(THESIS.get(row.name, ("", "", "")))
        print(f"| {row.name} | {row.ratio} | {row.concordance} | {format_p(row.ratio.p)} | {theirs} |")
    for name in list(THESIS)[:6]:
        print(f"| *{name}, not in our data* | | | | {' | '.join(THESIS[name])} |")
    print(f"\nIntegrated Brier score without a predictor {_reference(evaluation):.3f}", end="; ")
    print(", ".join(f"{row.name} {row.integrated_brier:.3f}" for row in evaluation.rows), flush=True)


def many_draws(
    cohort: Cohort, risk: np.ndarray, arguments: argparse.Namespace, title: str, control: bool = False
) -> dict:
    """Concordance over many draws of the outcomes, in which the luck of one draw evens out.

    In the control the outcomes follow the risk of somebody else, so that no predictor can tell: 0.5 is right.
    """
    table: dict[str, list] = {}
    for draw in range(arguments.draws):
        drawn = with_simulated_outcomes(cohort, risk, shape=SHAPE, seed=1000 + arguments.seed + draw)
        rows = [
            row for row in table_rows(drawn, survival_model(arguments)) if row.name in ("LVEF", FINGERPRINT, CEILING)
        ]
        if control:
            rows = rows[:-1]
        for row in evaluate(drawn, rows, arguments.folds, draw, resamplings=arguments.resamplings).rows:
            table.setdefault(row.name, []).append(row.concordance)
    print(f"\n{title}, {arguments.draws} draws\n\n| | mean C | standard deviation | 0.5 within the interval |")
    print("|:--|--:|--:|--:|")
    result = {}
    for name, found in table.items():
        values = np.array([interval.value for interval in found])
        inside = sum(0.5 in interval for interval in found)
        result[name] = {"mean": values.mean(), "deviation": values.std(ddof=1), "half_inside": inside, "C": values}
        print(f"| {name} | {values.mean():.3f} | {values.std(ddof=1):.3f} | {inside} of {len(found)} |")
    if not control:
        mean = {name: row["mean"] for name, row in result.items()}
        share = (mean[FINGERPRINT] - 0.5) / (mean[CEILING] - 0.5)
        print(f"\nOf what the true risk has above chance the fingerprint has {100 * share:.0f} %", flush=True)
    return result


def phantom_cohort(source: MotionFingerprints, arguments: argparse.Namespace, folder: Path) -> dict:
    """Phantoms whose hazard follows from how far they contract, which is known: fingerprint against the ceiling."""
    from DeformationLib.cardiac_phantoms import beating_heart

    generator = np.random.default_rng(arguments.seed)
    contraction = generator.uniform(0.3, 1.2, arguments.phantoms)
    names = tuple(f"phantom{number:03d}" for number in range(arguments.phantoms))
    path, known = folder / "phantoms.npz", {}
    if path.is_file():
        with np.load(path) as table:
            if str(table["identity"]) == source.identity and len(table["contraction"]) == len(contraction):
                known = dict(zip(names, table["fingerprints"]))
    for number, name in enumerate(names if not known else ()):
        frames = beating_heart(number, 15, float(contraction[number]), size=(104, 104, 1), spacing=(1.6, 1.6, 10.0))
        known[name] = source.fingerprint(frames.frames)
    stacked = np.stack(list(known.values()))
    np.savez_compressed(path, identity=source.identity, contraction=contraction, fingerprints=stacked)
    risk = linear_log_hazard(contraction[:, None], [-1.0], STRENGTH)
    time, event = simulate_outcomes(risk, shape=SHAPE, seed=arguments.seed)
    noisy = contraction + 0.25 * generator.normal(size=len(contraction))
    cohort = Cohort(names, time, event, ("LVEF",), noisy[:, None], ("",) * len(names), stacked, risk)
    cohort = replace(cohort, clinical_names=("contraction, measured with noise",))
    rows = [row for row in table_rows(cohort, survival_model(arguments)) if row.name != BOTH]
    evaluation = evaluate(cohort, rows, arguments.folds, arguments.seed, resamplings=arguments.resamplings)
    print(f"\nPhantoms, hazard from their contraction\n{evaluation}", flush=True)
    return {row.name: vars(row.concordance) for row in evaluation.rows}


def slices_compared(cohort: Cohort, arguments: argparse.Namespace, folder: Path) -> dict:
    """How well the measured ejection fraction follows from fingerprints of how many slices: no outcome is looked at."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    measured, result = cohort.clinical[:, cohort.clinical_names.index("LVEF")], {}
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(1, 6, 11)))
    print(
        "\n| slices averaged | correlation of the predicted with the measured LVEF | mean absolute error |\n|--:|--:|--:|"
    )
    for slices in (1, 2, 3, 4, 5, 0):
        source = MotionFingerprints(arguments.motion_model, slices)
        extraction = extract(cohort, source, arguments.processes, cache=folder / f"slices_{slices}.npz")
        there = [number for number, case in enumerate(cohort.cases) if case in extraction.fingerprints]
        values, true = np.stack([x.ravel() for x in extraction.fingerprints.values()]), measured[there]
        scores = []
        for seed in range(5):
            found = cross_val_predict(model, values, true, cv=KFold(arguments.folds, shuffle=True, random_state=seed))
            scores.append((np.corrcoef(found, true)[0, 1], np.abs(found - true).mean()))
        correlation, error = np.mean(scores, axis=0)
        result[slices or "all"] = {"correlation": correlation, "mean_absolute_error": error}
        print(f"| {slices or 'all'} | {correlation:.3f} | {error:.1f} |", flush=True)
    return result


class ToldTuning(EndToEndCox):
    """`EndToEndCox` that says how many epochs were best for cases it held out; none is a possible answer."""

    def fit(self, inputs, time, event, progress=None, checkpoint=None):
        """Fit, and print."""
        super().fit(inputs, time, event, progress, checkpoint)
        losses = [row["held_out"] for row in self.tuning_log_]
        print(
            f"{len(inputs)} cases: {self.best_epoch_} of {self.tuning.epochs} epochs used, loss of held-out cases "
            f"{losses[0]:.3f} before, {losses[self.best_epoch_]:.3f} then, {losses[-1]:.3f} in the end",
            flush=True,
        )
        return self


def end_to_end(cohort: Cohort, source: MotionFingerprints, arguments: argparse.Namespace, folder: Path) -> dict:
    """The motion encoder fine-tuned with the outcomes inside every fold, beside fingerprints of the encoder as it is."""
    started, slices = clock.perf_counter(), arguments.tuning_slices
    plain = MotionFingerprints(arguments.motion_model, slices)
    extraction = extract(cohort, plain, arguments.processes, cache=folder / f"slices_{slices}.npz")
    cohort = cohort.subset([number for number, case in enumerate(cohort.cases) if case in extraction.fingerprints])
    cohort = cohort.with_fingerprints(extraction.fingerprints)
    survival = survival_model(arguments)
    tuning = TuningSchedule(epochs=arguments.tuning_epochs, folds=arguments.tuning_folds)
    sequences = load_case_sequences(cohort, source.model, slices)
    rows = [
        Row(FINGERPRINT, cohort.flat_fingerprints(), survival),
        Row(
            "Fingerprint, end to end",
            np.arange(len(cohort))[:, None],
            ToldTuning(sequences, survival, tuning, arguments.seed),
        ),
    ]
    evaluation = evaluate(cohort, rows, arguments.folds, arguments.seed, resamplings=arguments.resamplings)
    minutes = (clock.perf_counter() - started) / 60
    print(f"\nEnd to end, {slices} slice(s), {minutes:.0f} minutes\n{evaluation}", flush=True)
    return {row.name: {"C": vars(row.concordance), "HR": vars(row.ratio)} for row in evaluation.rows}


def plot_groups(evaluation: Evaluation, names: Sequence[str], path: Path) -> None:
    """Figure 6.2: Kaplan-Meier curves of the halves of low and high risk."""
    with new_figure(path, 10.5, 8.6) as figure:
        figure.suptitle("ACDC cine with simulated outcomes; simulated days", fontsize=11)
        last = float(evaluation.cohort.time.max())
        for ax, name in zip(figure.subplots(2, 2).ravel(), names, strict=True):
            draw_groups(ax, evaluation.row(name), last)


def _reference(evaluation: Evaluation) -> float:
    from RiskPredictionLib.brier import integrated_brier_score

    return integrated_brier_score(evaluation.reference_brier, evaluation.times)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
