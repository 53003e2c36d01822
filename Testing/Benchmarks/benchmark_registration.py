#!/usr/bin/env python3
"""Accuracy, regularity, time and memory of the learned models and of classical registration, on the same pairs.

Pairs of different validation subjects are registered by every method in one run, each method in a process of its own.
All label maps are warped in the same way. Writes pairs.csv, summary.csv, components.csv, components.png and
benchmark.json, and prints the tables.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import shlex
import sys
from pathlib import Path

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json

KEPT = (0, 1, 2, 4, 8, 16, 32)
ONCE = ("startup_seconds", "memory_mib")
"""What says nothing of a method that shares its process with others."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with images/ and labels/ (1 head, 2 body)")
    parser.add_argument("--output", required=True, help="folder for tables and figures")
    parser.add_argument(
        "--models",
        nargs="*",
        default=["hippocampus", "hippocampus-skips"],
        help="names of installed models, or folders",
    )
    parser.add_argument("--split", default="10:1", help="which cases validate, as in training")
    parser.add_argument("--pairs", type=int, default=100, help="pairs for the models")
    parser.add_argument("--classical-pairs", type=int, default=40, help="pairs for all methods, the first of those")
    parser.add_argument(
        "--component-pairs", type=int, default=40, help="pairs for the accuracy by components; 0 skips it"
    )
    parser.add_argument(
        "--skip", nargs="*", default=[], help="classical methods to leave out: affine demons syn syn-cc"
    )
    parser.add_argument("--threads", type=int, default=2, help="for every method")
    return parser


def main(words: list[str]) -> int:
    """Run the benchmark; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    # Read by the libraries when they start, in the processes below.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
        os.environ[variable] = str(arguments.threads)
    try:
        benchmark(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def benchmark(arguments: argparse.Namespace) -> None:
    """Everything: choose pairs, run the methods, print and write."""
    # Here and not above: a method's process imports this file, and its memory should be the method's.
    from registration_methods import CLASSICAL, Method
    from registration_tables import add_speed, machine, plot_component_curves, summarise, table, write_rows

    folder = make_folder(arguments.output)
    count = max(arguments.pairs, arguments.classical_pairs)
    pairs = choose_pairs(Path(arguments.data), arguments.split, count, arguments.models)
    shared = min(arguments.classical_pairs, len(pairs))
    description = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(arguments.threads),
        "command": shlex.join(["python", "Testing/Benchmarks/benchmark_registration.py", *sys.argv[1:]]),
        "subjects": sorted({subject.name for pair in pairs for subject in (pair.fixed, pair.moving)}),
    }
    print(f"{description['date']}, {description['machine']['processor']}, {arguments.threads} threads", flush=True)

    methods = [method for method in CLASSICAL if method.kind not in arguments.skip]
    methods += [Method(f"LatentMotion {Path(model).name}", "model", model) for model in arguments.models]
    runs, skipped = run_all(methods, pairs, shared, arguments.threads)
    all_summaries = [summarise(method, run, shared) for method, run in runs.items()]
    add_speed(all_summaries, "ANTs SyN (defaults)")
    print(f"\nAll methods, the same {shared} pairs:\n\n{table(all_summaries)}\n")
    for title, reason in skipped.items():
        print(f"{title} was skipped: {reason}.")
    more = [summarise(method, run) for method, run in runs.items() if len(run.rows) > shared]
    if more:
        add_speed(more, "")
        print(f"Without the slow ones, {len(pairs)} pairs:\n\n{table(more)}\n")
    print(startup_lines(all_summaries))
    write_rows([{"method": m.title, **row} for m, run in runs.items() for row in run.rows], folder / "pairs.csv")
    write_rows(
        [{k: v for k, v in s.items() if k != "startup_seconds"} for s in all_summaries + more], folder / "summary.csv"
    )

    curves = component_curves(arguments, pairs) if arguments.component_pairs else {}
    if curves:
        write_rows([row for rows in curves.values() for row in rows], folder / "components.csv")
        plot_component_curves(curves, folder / "components.png")
    write_json(
        {**description, "all_methods": all_summaries, "more_pairs": more, "components": curves, "skipped": skipped},
        folder / "benchmark.json",
    )
    print(f"wrote {folder}")


def choose_pairs(data: Path, split: str, count: int, models: list[str]) -> list:
    """Ordered pairs of different validation subjects, every subject as often fixed and as often moving as any other.

    Raises `InputError` for fewer than two labelled subjects, and for a model that was trained on one of them.
    """
    from registration_measures import Pair, Subject

    from DeformationLib.cases import find_cases, split_cases
    from DeformationLib.image_io import read_image
    from DeformationLib.preprocessing import NetworkGrid

    cases = find_cases(data / "images", data / "labels")
    names = [case.name for case in cases]
    chosen = [cases[index] for index in split_cases(names, split)[1]]
    subjects = [Subject(case.name, case.image, case.labels) for case in chosen if case.labels]
    if len(subjects) < 2:
        raise InputError(f"{data} has fewer than two labelled validation subjects: check the folder and the split.")
    check_unseen(models, [subject.name for subject in subjects])
    # Where the models put the centres: whole voxels of 1 mm, so that voxels of both images coincide.
    grid = NetworkGrid((64, 64, 64), 1.0)
    centres = {subject: grid.around(read_image(subject.image).geometry).centre for subject in subjects}
    random.Random(0).shuffle(subjects)
    number = len(subjects)
    pairs = []
    for step in range(1, number):
        for index, fixed in enumerate(subjects):
            moving = subjects[(index + step) % number]
            pairs.append(Pair(fixed, moving, tuple(centres[moving] - centres[fixed])))
    return pairs[:count]


def check_unseen(models: list[str], subjects: list[str]) -> None:
    """Raise `InputError` where a model's card does not list the subjects among those kept from training."""
    from DeformationLib.catalogue import find_bundle, read_card

    for model in models:
        kept = read_card(find_bundle(model))["training"].get("validation_cases", [])
        seen = sorted(set(subjects) - set(kept))
        if seen:
            raise InputError(
                f"The model {model} may have been trained on {', '.join(seen[:3])}{' and others' if len(seen) > 3 else ''}: "
                "its card does not list them as validation cases; choose the split that it was trained with."
            )


def run_all(methods: list, pairs: list, shared: int, threads: int) -> tuple[dict, dict[str, str]]:
    """Runs by method, and the reason by title of every method that cannot run here."""
    from registration_measures import run_apart

    runs, skipped = {}, {}
    for method in methods:
        reason = method.missing()
        if reason:
            skipped[method.title] = reason
            continue
        print(f"{method.title} ...", flush=True)
        [runs[method]] = run_apart([method], pairs[:shared] if method.classical else pairs, threads)
    return runs, skipped


def component_curves(arguments: argparse.Namespace, pairs: list) -> dict[str, list[dict]]:
    """Accuracy of every model with only the first components of the code kept, then with the whole code."""
    from registration_measures import run_apart
    from registration_methods import Method
    from registration_tables import component_table, summarise

    curves: dict[str, list[dict]] = {}
    used = pairs[: arguments.component_pairs]
    for model in arguments.models:
        name = Path(model).name
        print(f"{name} with {', '.join(map(str, KEPT))} and all components ...", flush=True)
        methods = [Method(name, "model", model, kept) for kept in (*KEPT, None)]
        for method, run in zip(methods, run_apart(methods, used, arguments.threads), strict=True):
            measures = summarise(method, run)
            kept = {"components": "all" if method.components is None else method.components}
            curves.setdefault(name, []).append(kept | {k: v for k, v in measures.items() if k not in ONCE})
    if curves:
        print(f"\nAccuracy by the number of components kept, {len(used)} pairs:\n\n{component_table(curves)}\n")
    return curves


def startup_lines(summaries: list[dict]) -> str:
    """What happens once, before the first registration, and is in no column of the table."""
    lines = [
        f"{summary['method']}: "
        + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in summary["startup_seconds"].items())
        for summary in summaries
        if summary["startup_seconds"]
    ]
    return "\n".join(["Once, before the first registration:", *lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
