"""The commands ``extract``, ``fit``, ``evaluate``, ``predict`` and ``simulate-cohort``.

Every failure is one sentence and exit code 2.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from DeformationLib.commands import run_chosen_command
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder, write_json
from DeformationLib.progress import console_progress

from .command_inputs import cine_cases, cohort_with_fingerprints, extract_cases, patient_fingerprints

if TYPE_CHECKING:
    from .cohort import Cohort
    from .patient import PatientPrediction
    from .survival_model import FingerprintCox


def build_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    parser = argparse.ArgumentParser(prog="python -m RiskPredictionLib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    extract = commands.add_parser("extract", help="fingerprints of cine series")
    extract.add_argument("--cohort", help="CSV with the columns case, cine, and optionally ed_frame, mask")
    extract.add_argument("--cine", nargs="+", help="4-D files, instead of --cohort")
    extract.set_defaults(run=run_extract)

    fit = commands.add_parser("fit", help="train a risk model on a cohort of fingerprints")
    fit.add_argument("--name", default="risk", help="of the model")
    fit.set_defaults(run=run_fit)

    evaluate = commands.add_parser(
        "evaluate", help="cross-validate fingerprint and clinical variables; writes a report"
    )
    evaluate.add_argument("--cross-validation", type=int, default=6, help="number of folds")
    evaluate.add_argument("--horizon", type=float, help="time of the calibration curve; by default the middle")
    evaluate.add_argument("--resamplings", type=int, default=1000, help="of the bootstrap intervals")
    evaluate.add_argument("--search", type=int, default=0, help="settings to try inside every fold; 0 for no search")
    evaluate.add_argument("--title", default="Risk prediction", help="of the report")
    evaluate.set_defaults(run=run_evaluate)

    for command in (fit, evaluate):
        command.add_argument(
            "--cohort", required=True, help="CSV with the columns case, time, event, clinical ones, and cine"
        )
        command.add_argument(
            "--fingerprints", help="table of fingerprints (.npz or .csv); else they are extracted from the column cine"
        )
        command.add_argument("--members", type=int, default=5, help="networks of the ensemble")
        command.add_argument("--epochs", type=int, default=100, help="at most")
        command.add_argument("--alpha", type=float, default=1.0, help="weight of the risk in the loss")
        command.add_argument("--dropout", type=float, default=0.3, help="of the inputs")
        command.add_argument("--learning-rate", type=float, default=1e-3)
        command.add_argument("--batch-size", type=int, default=64)
        command.add_argument("--thesis", action="store_true", help="learning rate and batch size of the thesis; slower")
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")

    predict = commands.add_parser("predict", help="risk and survival of cases from their series or fingerprints")
    predict.add_argument("--model", required=True, help="name of a risk model, or its folder")
    predict.add_argument("--cine", nargs="+", help="4-D files")
    predict.add_argument("--fingerprints", nargs="+", help="motion_matrix.csv, .npy, or tables, instead of --cine")
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    predict.set_defaults(run=run_predict)
    for command in (extract, predict):
        command.add_argument("--ed-frame", type=int, default=0, help="of --cine, that motion starts from, from 0")
        command.add_argument("--mask", help="where the heart is in that frame, for one --cine")
    extract.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    for command in (extract, fit, evaluate, predict):
        command.add_argument("--motion-model", help="name or folder of the model that fingerprints come from")
        command.add_argument("--slices", type=int, help="in the middle of a stack that are averaged; 0 for all")
        command.add_argument("--processes", type=int, default=1, help="that extract fingerprints side by side")

    simulate = commands.add_parser("simulate-cohort", help="a simulated cohort, or simulated outcomes for a real one")
    simulate.add_argument("--cohort", help="CSV with cases and clinical variables that get simulated outcomes")
    simulate.add_argument("--risk", help="clinical columns that the simulated risk comes from: EF:-1,age:0.5")
    simulate.add_argument("--cases", type=int, default=167, help="of a cohort that is simulated altogether")
    simulate.add_argument("--latent", type=int, default=16, help="D of its fingerprints")
    simulate.add_argument("--slots", type=int, default=24, help="T of its fingerprints")
    simulate.add_argument("--strength", type=float, default=1.2, help="standard deviation of the log hazard")
    simulate.add_argument("--nonlinear", action="store_true", help="a risk that no linear model sees")
    simulate.add_argument("--event-share", type=float, default=0.36, help="of cases with event")
    simulate.add_argument("--shape", type=float, default=1.2, help="of the Weibull hazard; 1 for a constant one")
    simulate.set_defaults(run=run_simulate)
    for command in (fit, evaluate, simulate):
        command.add_argument("--seed", type=int, default=0)
    for command in (extract, fit, evaluate, predict, simulate):
        command.add_argument("--output", required=True, help="folder for the results")
    return parser


def main(words: list[str]) -> int:
    """Run a command; 0 when it succeeded, 2 after one sentence about what is wrong."""
    return run_chosen_command(build_parser(), words)


def run_extract(arguments: argparse.Namespace) -> None:
    """Extract fingerprints; writes fingerprints.npz and failures.csv. What is there already is not extracted again."""
    if bool(arguments.cohort) == bool(arguments.cine):
        raise InputError("Series come from either --cohort or --cine: give one of them.")
    if arguments.cohort and (arguments.mask or arguments.ed_frame):
        raise InputError("--mask and --ed-frame belong to --cine: a cohort's table has columns mask and ed_frame.")
    extract_cases(arguments.cohort or cine_cases(arguments), arguments)
    print(f"wrote {arguments.output}")


def run_fit(arguments: argparse.Namespace) -> None:
    """Train on the whole cohort; writes a model bundle."""
    from .report import RESEARCH_USE
    from .risk_bundle import TrainedRisk

    cohort, origin = cohort_with_fingerprints(arguments)
    inputs = cohort.flat_fingerprints()
    model = _model(arguments).fit(inputs, cohort.time, cohort.event, console_progress("Training"))
    trained = TrainedRisk.of(
        model,
        cohort.fingerprints,
        cohort.time,
        cohort.event,
        cohort.simulated,
        name=arguments.name,
        **origin,
    )
    folder = trained.save(arguments.output)
    print(f"{cohort}\nconcordance of held-out cases {trained.cohort['held_out_concordance']:.3f}")
    print(f"{RESEARCH_USE}\nwrote {folder}")


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Cross-validate; writes what `report.write_report` lists."""
    from .evaluation import evaluate, table_rows
    from .hyper_search import HyperSearch
    from .report import RESEARCH_USE, write_report

    cohort, _ = cohort_with_fingerprints(arguments)
    model = _model(arguments)
    if arguments.search:
        model = HyperSearch(model, trials=arguments.search, method="evolution", seed=arguments.seed)
    evaluation = evaluate(
        cohort,
        table_rows(cohort, model),
        arguments.cross_validation,
        arguments.seed,
        arguments.horizon,
        arguments.resamplings,
        console_progress("Evaluating"),
    )
    page = write_report(evaluation, arguments.output, arguments.title)
    print(f"{evaluation}\n{RESEARCH_USE}\nwrote {page}")


def run_predict(arguments: argparse.Namespace) -> None:
    """Predict; writes prediction.json with everything, survival.csv and risks.csv."""
    from .patient import predict_patient
    from .report import RESEARCH_USE
    from .risk_bundle import TrainedRisk

    if bool(arguments.cine) == bool(arguments.fingerprints):
        raise InputError("Give the series of the patient with --cine, or fingerprints with --fingerprints.")
    trained = TrainedRisk.load(arguments.model)
    folder = make_folder(arguments.output)
    fingerprints = patient_fingerprints(trained, arguments)
    predictions = [predict_patient(trained, fingerprint, case) for case, fingerprint in fingerprints.items()]
    write_json([prediction.as_dictionary() for prediction in predictions], folder / "prediction.json")
    _write_predictions(predictions, folder)
    for prediction in predictions:
        print(prediction)
    print(f"{RESEARCH_USE}\nwrote {folder}")


def run_simulate(arguments: argparse.Namespace) -> None:
    """Simulate; writes cohort.csv and, if fingerprints were simulated too, fingerprints.npz."""
    from .cohort_table import read_cohort, write_cohort
    from .fingerprint_files import write_fingerprint_table
    from .simulated_cohort import simulated_cohort, with_simulated_outcomes

    if arguments.cohort:
        cohort = read_cohort(arguments.cohort)
        risk = _simulated_risk(cohort, arguments)
        cohort = with_simulated_outcomes(cohort, risk, arguments.event_share, arguments.shape, arguments.seed)
    else:
        sizes = {"cases": 4, "latent": 1, "slots": 2}
        for name, least in sizes.items():
            if getattr(arguments, name) < least:
                raise InputError(f"--{name} must be at least {least}, not {getattr(arguments, name)}.")
        names = ("cases", "latent", "slots", "strength", "nonlinear", "event_share", "shape", "seed")
        cohort = simulated_cohort(**{name: getattr(arguments, name) for name in names})
    folder = make_folder(arguments.output)
    write_cohort(folder / "cohort.csv", cohort)
    if not arguments.cohort:
        write_fingerprint_table(folder / "fingerprints.npz", cohort.cases, cohort.fingerprints)
    print(f"{cohort}\nwrote {folder}")


def _model(arguments: argparse.Namespace) -> FingerprintCox:
    from .survival_model import THESIS, FingerprintCox

    names = ("members", "epochs", "alpha", "dropout", "learning_rate", "batch_size", "seed", "device")
    model = FingerprintCox(**{name: getattr(arguments, name) for name in names})
    return model.set_params(**THESIS) if arguments.thesis else model


def _simulated_risk(cohort: Cohort, arguments: argparse.Namespace):
    from .simulated_cohort import linear_log_hazard, nonlinear_log_hazard

    terms = [part.partition(":") for part in (arguments.risk or "").split(",") if part.strip()]
    if not terms:
        raise InputError("Simulated outcomes need the columns that the risk comes from: --risk EF:-1,age:0.5.")
    columns, weights = [], []
    for name, _, weight in terms:
        if name.strip() not in cohort.clinical_names:
            raise InputError(f"The cohort has no clinical column '{name}': name some of {cohort.clinical_names}.")
        try:
            weights.append(float(weight or 1))
        except ValueError as error:
            raise InputError(f"'{weight}' is no weight: write --risk EF:-1,age:0.5.") from error
        columns.append(cohort.clinical_names.index(name.strip()))
    values = cohort.clinical[:, columns]
    if arguments.nonlinear:
        return nonlinear_log_hazard(values, arguments.strength)
    return linear_log_hazard(values, weights, arguments.strength)


def _write_predictions(predictions: list[PatientPrediction], folder: Path) -> None:
    with atomic_path(folder / "risks.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["case", "log_hazard_ratio", "lower", "upper", "percentile", "distance_percentile", "warning"])
        for one in predictions:
            numbers = (one.log_hazard, *one.interval, one.percentile, one.distance_percentile)
            table.writerow([one.case, *(f"{number:.6g}" for number in numbers), " ".join(one.warnings)])
    with atomic_path(folder / "survival.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["case", "time", "survival", "lower", "upper"])
        for one in predictions:
            parts = (one.curves.times, one.curves.survival[0], one.curves.lower[0], one.curves.upper[0])
            table.writerows([one.case, *(f"{number:.6g}" for number in row)] for row in zip(*parts))
