#!/usr/bin/env python-real
"""Train a registration agent on a folder of images with label maps: a Slicer command line module, and a plain command.

python AgentRegistrationTrain.py --images images --labels labels --grid 48,64,48 --spacing 1 --output training
python AgentRegistrationTrain.py --images patients --modes 15 --group-size 65 --output training
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The folder of scripted modules of an installed extension, beside which this file lies; the same in a build tree of several
# configurations, where it lies one folder deeper; and the source tree, where each module has its own packages.
BACKEND_FOLDERS = (HERE.parent / "qt-scripted-modules", HERE.parents[1] / "qt-scripted-modules", HERE)
SOURCE_FOLDERS = (HERE.parent, HERE.parents[1] / "LatentRegistration")

DEFAULTS = {
    "epochs": 100,
    "group_size": 30,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "gamma": 0.2,
    "bias": 0.15,
    "noise": 0.02,
}

LEAST = {"epochs": 1, "group_size": 1, "groups_per_step": 1, "pairs": 1, "fine": 1, "slices": 1, "workers": 1, "stride": 1,
         "members": 1, "batches": 1, "decay_batches": 1, "control_spacing": 2, "iterations": 1}  # fmt: skip
"""Least values of those options of which zero makes no sense."""


def find_backend() -> None:
    """Make the backend packages importable from wherever this file was put."""
    for folder in BACKEND_FOLDERS:
        if (folder / "AgentRegistrationLib" / "__init__.py").is_file():
            sys.path.insert(0, str(folder))
            return
    sys.path[:0] = map(str, SOURCE_FOLDERS)


def build_parser() -> argparse.ArgumentParser:
    """The command's options; AgentRegistrationTrain.xml describes the same ones to Slicer."""
    from DeformationLib.training_command import add_augmentation_options, add_card_options, add_training_options

    parser = argparse.ArgumentParser(
        prog="AgentRegistrationTrain",
        description="Train a registration agent on a folder of images with label maps.",
        allow_abbrev=False,
    )
    data = parser.add_argument_group("Data")
    data.add_argument("--images", required=True, help="folder of images, or folder or table of cine series")
    data.add_argument("--labels", default="", help="folder of label maps with the images' names; empty for cine series")
    data.add_argument("--slices", type=int, default=1, help="of each cine series, around its middle, for training")
    data.add_argument("--split-file", default="", help="names of the validation cases, .json or one name per line")
    data.add_argument(
        "--validation-rule", default="10:1", help="N:R validates on every N-th case from the R-th; or none"
    )
    data.add_argument("--output", required=True, help="folder of checkpoint, logs and the finished model")

    deformations = parser.add_argument_group("Deformation model")
    deformations.add_argument("--modes", type=int, default=0, help="two actions each; 0 for 25 in 3-D, 15 in 2-D")
    deformations.add_argument("--fine", type=int, default=1, help="registered on a grid so many times finer")
    deformations.add_argument("--control-spacing", type=float, default=12.0, help="of control points, voxels there")
    deformations.add_argument("--pairs", type=int, default=300, help="of training subjects that are registered for it")
    deformations.add_argument("--least-overlap", type=float, default=0.75, help="mean Dice of a pair that is used")
    deformations.add_argument("--image-weight", type=float, default=0.5, help="of intensities against label maps there")
    deformations.add_argument("--iterations", type=int, default=25, help="of each of those registrations, per stage")
    deformations.add_argument("--workers", type=int, default=1, help="processes that register them")
    deformations.add_argument(
        "--deformations", default="", help="folder that keeps them for other runs; empty for the output folder"
    )
    deformations.add_argument("--step", type=float, default=0.25, help="of an action, share of a mode's mean amplitude")
    deformations.add_argument("--rigid-translation", type=float, default=0.0, help="SD among the actions, voxels")
    deformations.add_argument("--rigid-rotation", type=float, default=0.0, help="SD among the actions, degrees")

    network = parser.add_argument_group("Network")
    network.add_argument("--grid", default="", help="lengths along k,j,i or j,i; empty for the smallest that holds all")
    network.add_argument("--spacings", default="", help="mm of the grid along the same axes, where they differ")
    network.add_argument("--spacing", type=float, default=0.0, help="mm of the grid; 0 for the images' median")
    network.add_argument(
        "--frame", default="patient", choices=["patient", "image"], help="axes of the grid: the body's or the image's"
    )
    network.add_argument("--widths", default="32,64,64", help="channels of each stream's convolutions")
    network.add_argument("--dense", default="128,128,64", help="units of the fully connected layers")
    network.add_argument("--stride", type=int, default=2, help="of the first convolution")
    network.add_argument("--dropout", type=float, default=0.0, help="share of the streams' features left out")
    network.add_argument("--members", type=int, default=1, help="networks whose Q-values are averaged")
    network.add_argument(
        "--joint", action="store_true", help="the moving image's stream sees the fixed image beside it"
    )

    network.add_argument(
        "--structure-epochs", type=int, default=0, help="first, to learn to find structures; 0 for none"
    )
    network.add_argument("--structure-widths", default="8,16,32", help="channels of the network that finds them")
    network.add_argument(
        "--structures-finely", action="store_true", help="find them on the finer grid of the registrations"
    )

    schedule = parser.add_argument_group("Schedule")
    schedule.add_argument("--batches", type=int, default=200, help="of pairs in an epoch")
    schedule.add_argument("--decay", type=float, default=0.8, help="factor of the learning rate")
    schedule.add_argument("--decay-batches", type=int, default=10000, help="after which it applies, again and again")
    schedule.add_argument("--validation-pairs", type=int, default=18, help="registered after each epoch, at most")
    schedule.add_argument("--validation-steps", type=int, default=100, help="of each of those registrations, at most")

    walk = parser.add_argument_group("Recommended walk", "What the model's card recommends to its users.")
    walk.add_argument("--walk-drawn", action="store_true", help="one of the three best actions at random, not the best")
    walk.add_argument("--walk-shrinks", type=int, default=2, help="times that a walk to and fro halves its step")
    walk.add_argument(
        "--walk-overlap", type=float, default=100.0, help="weight of the overlap of structures, where they are found"
    )

    add_augmentation_options(parser, DEFAULTS)
    add_training_options(parser, DEFAULTS)
    add_card_options(parser)
    return parser


def main(words: list[str]) -> int:
    """Run the command; 0 when it finished, 2 after one sentence about what is wrong, 130 when it was interrupted."""
    find_backend()
    arguments = build_parser().parse_args(words)
    from DeformationLib.training_command import check_ranges, run_command, shareable_command

    def train(progress) -> None:
        check_ranges(arguments, LEAST)
        from AgentRegistrationLib.agent_request import request_from_options
        from AgentRegistrationLib.agent_training import AgentTraining

        request = request_from_options(arguments, shareable_command("AgentRegistrationTrain", words))
        AgentTraining(request, progress, lambda line: print(line, flush=True)).train()

    return run_command("AgentRegistrationTrain", arguments, train)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
