#!/usr/bin/env python3
"""Regenerates the experiments of Krebs, chapter 4 (probabilistic registration, simulation, comparison, transport), on ACDC.

Registration of end-diastole to end-systole beside the peers (table 4.1) and the trade-off between overlap and roughness;
latent sizes (figure 4.6); the disease map and its honest accuracy (figure 4.7); the grid of simulated deformations (figure
4.8); transport (figure 4.9, table 4.2); and whether the spread of sampled deformations predicts the error, on phantoms with
known motion. Writes PNG files and krebs.json, prints our figures beside the thesis's.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import shlex
import sys
from pathlib import Path

from heart_data import hearts
from krebs_latent import calibration_on_phantoms, disease_map, latent_sizes, simulations
from krebs_registration import compare_methods, print_comparison, print_trade_off
from krebs_transport import print_transport, transports

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

PARTS = ("registration", "sizes", "disease", "simulation", "transport", "calibration")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with a folder per patient")
    parser.add_argument("--output", required=True, help="folder for figures and tables")
    parser.add_argument("--model", default="cardiac-short-axis", help="the model with three scales: name or folder")
    parser.add_argument("--one-scale", default="", help="a model with one scale")
    parser.add_argument("--second", default="", help="the second operating point: labels in the loss, less smoothing")
    parser.add_argument("--further", default="", help="further models of the trade-off, with commas")
    parser.add_argument("--sizes", default="", help="models of other latent sizes, with commas")
    parser.add_argument("--parts", default=",".join(PARTS), help="which experiments")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default="demons,syn", help="which peers; antspyx is needed for syn")
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


def reproduce(arguments: argparse.Namespace, words: list[str]) -> None:
    """All experiments, one after the other."""
    import torch

    torch.set_num_threads(arguments.threads)
    folder = make_folder(arguments.output)
    parts = [part for part in arguments.parts.split(",") if part]
    model = ProbabilisticModel.load(arguments.model, "cpu")
    report: dict = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {arguments.threads} threads",
        "command": shlex.join(["krebs.py", *(Path(word).name if Path(word).exists() else word for word in words)]),
    }
    validation = hearts(arguments.data, validation=True)
    nominal = sum(not heart.spacing_known for heart in validation)
    print(f"{len(validation)} validation patients; millimetres are nominal for {nominal} of them\n")
    if "registration" in parts:
        models = {"three scales": model}
        for title, name in (("one scale", arguments.one_scale), ("second point", arguments.second)):
            if name:
                models[title] = ProbabilisticModel.load(name, "cpu")
        for name in filter(None, arguments.further.split(",")):
            models[Path(name).name] = ProbabilisticModel.load(name, "cpu")
        report["registration"] = compare_methods(validation, models, arguments.peers.split(","), arguments.threads)
        print_comparison(report["registration"])
        print_trade_off(report["registration"], folder / "trade_off.png")
    if "sizes" in parts and arguments.sizes:
        models = [ProbabilisticModel.load(name, "cpu") for name in arguments.sizes.split(",")]
        report["sizes"] = latent_sizes(validation, models, folder / "latent_sizes.png")
    everyone = hearts(arguments.data) if {"disease", "transport"} & set(parts) else []
    if "disease" in parts:
        report["disease"] = disease_map(model, everyone, folder)
    if "simulation" in parts:
        report["simulation"] = simulations(model, validation[0], folder / "simulations.png")
    if "transport" in parts:
        report["transport"] = transports(model, validation, everyone, folder / "transport.png")
        print_transport(report["transport"])
    if "calibration" in parts:
        report["calibration"] = calibration_on_phantoms(model, folder / "calibration.png")
    write_json(report, folder / "krebs.json")
    print(f"wrote {folder}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
