#!/usr/bin/env python3
"""Regenerates the experiments of Krebs, chapter 5 (a motion model of cine sequences), on ACDC and on phantoms.

Tracking beside the peers (tables 5.1 and 5.2); endpoint errors on phantoms with known motion; completion of motion from some
frames (figure 5.7); ejection fractions against the label maps'; transport between a dilated and a normal heart (figure 5.8);
the motion matrix with and without the Gaussian process (figure 5.6).  Writes PNG files and motion.json, prints our figures
beside the thesis's.  Peers are those whose displacements motion_baselines.py has written; start it first.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from heart_data import validation_cines
from motion_completion import completed_curves, completion_errors, plot_completion, print_completion
from motion_ejection import agreement, ejection_fractions, plot_ejection, print_ejection
from motion_latent import matrices, plot_matrices, print_roughness
from motion_phantoms import endpoint_errors, print_endpoint_errors
from motion_tracking import compare_tracking, plot_tracking, print_tracking
from motion_transport import print_transport, transports
from pages import show

from DeformationLib.cine_cases import Cine
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from MotionModelLib.motion_model import MotionModel

PARTS = ("tracking", "phantoms", "completion", "ejection", "transport", "latent")
PLANAR, VOLUMETRIC, UNIT = "Gaussian process, 2-D + t", "Gaussian process, 3-D + t", "no process, 2-D + t"
MODELS = (
    f"{PLANAR}=cardiac-cine-2d;{VOLUMETRIC}=cardiac-cine-3d;{UNIT}=training/motion-2d-unit/model;"
    "no process, 3-D + t=training/motion-3d-unit/model;fingerprint, 2-D + t=fingerprint;"
    "for transport, 2-D + t=training/cardiac-cine-2d-transport/model"
)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with a folder per patient")
    parser.add_argument("--output", default="training/motion", help="folder for figures and tables")
    parser.add_argument(
        "--models", default=MODELS, help="title=name or folder, with semicolons; those that are not there are left out"
    )
    parser.add_argument(
        "--pairwise", default="cardiac-short-axis-labels", help="the model that registers pairs; or nothing"
    )
    parser.add_argument("--baselines", default="", help="folder of motion_baselines.py; by default in the output")
    parser.add_argument("--parts", default=",".join(PARTS), help="which experiments")
    parser.add_argument("--patients", default="", help="only these, with commas; by default all that validate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--document", default="", help="a page whose tables, between marks, are replaced by the new ones"
    )
    return parser


def main(words: list[str]) -> int:
    """Run the parts asked for; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    try:
        reproduce(arguments, words)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def reproduce(arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """All experiments, one after the other."""
    import torch

    torch.set_num_threads(arguments.threads)
    folder = make_folder(arguments.output)
    parts = [part for part in arguments.parts.split(",") if part]
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise InputError(f"There is no part '{sorted(unknown)[0]}': choose from {', '.join(PARTS)}.")
    models = _load(arguments.models)
    cines = validation_cines(arguments.data)
    if arguments.patients:
        cines = [cine for cine in cines if cine.name in arguments.patients.split(",")]
    if not cines or not models:
        raise InputError("There are no patients or no models: check --data, --patients and --models.")
    report: dict = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {arguments.threads} threads",
        "command": shlex.join(["motion.py", *(Path(word).name if Path(word).exists() else word for word in words)]),
        "models": {title: model.name for title, model in models.items()},
        "patients": [cine.name for cine in cines],
    }
    print(f"{len(cines)} validation patients, {sum(len(cine.frames) for cine in cines)} frames\n", flush=True)
    for part in parts:
        report[part] = _EXPERIMENTS[part](arguments, folder, models, cines)
        write_json(report, folder / "motion.json")
    print(f"wrote {folder}")


def _load(text: str) -> dict[str, MotionModel]:
    models = {}
    for entry in filter(None, text.split(";")):
        title, _, name = entry.rpartition("=")
        try:
            models[title.strip() or Path(name).name] = MotionModel.load(name.strip(), "cpu")
        except InputError as error:
            print(f"left out: {error}", flush=True)
    return models


def _tracking(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    table = compare_tracking(cines, models, arguments.pairwise, arguments.baselines or folder / "baselines")
    _show(arguments, folder, "tracking", lambda: print_tracking(table))
    plot_tracking(table, folder / "tracking.png")
    return table


def _phantoms(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    table = endpoint_errors(models)
    _show(arguments, folder, "phantoms", lambda: print_endpoint_errors(table))
    return table


def _completion(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    result = {}
    for number, (title, model) in enumerate(models.items()):
        curves = [completed_curves(model, cine) for cine in cines]
        result[title] = completion_errors(curves)
        chosen = {cine.group: (cine, found) for cine, found in zip(cines, curves, strict=True)}
        examples = {
            f"{cine.name}, {group}": found for group, (cine, found) in chosen.items() if group in ("NOR", "DCM")
        }
        plot_completion(result[title], examples, folder / f"completion_{number}.png")
    _show(arguments, folder, "completion", lambda: [print_completion(table, title) for title, table in result.items()])
    return result


def _ejection(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    rows = ejection_fractions(models, cines)
    _show(arguments, folder, "ejection", lambda: print_ejection(rows, list(models)))
    plot_ejection(rows, list(models), folder / "ejection_fraction.png")
    return {"rows": rows, "agreement": {title: agreement(rows, title) for title in models}}


def _transport(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    result = {}
    for number, (title, model) in enumerate(models.items()):
        result[title] = transports(model, cines, folder / f"transport_{number}.png")
    _show(arguments, folder, "transport", lambda: [print_transport(rows, title) for title, rows in result.items()])
    return result


def _latent(arguments: argparse.Namespace, folder: Path, models: Mapping[str, MotionModel], cines: Sequence[Cine]):
    found = matrices(models, cines)
    case = next((number for number, cine in enumerate(cines) if cine.group == "NOR"), 0)
    plot_matrices(found, case, f"motion matrix of {cines[case].name}", folder / "motion_matrix.png")
    return _show(arguments, folder, "latent", lambda: print_roughness(found))


def _show(arguments: argparse.Namespace, folder: Path, part: str, tell: Callable):
    return show(tell, part, folder, arguments.document)


_EXPERIMENTS = {
    "tracking": _tracking,
    "phantoms": _phantoms,
    "completion": _completion,
    "ejection": _ejection,
    "transport": _transport,
    "latent": _latent,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
