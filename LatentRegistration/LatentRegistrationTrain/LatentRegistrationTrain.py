#!/usr/bin/env python-real
"""Train a registration model on a folder of images: a Slicer command line module, and a plain command.

python LatentRegistrationTrain.py --images images --labels labels --output training
torchrun --nproc_per_node=2 LatentRegistrationTrain.py --images images --groups-per-step 2 --output training
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The source tree; the folder of scripted modules of an installed extension, beside which this file lies; the same in a
# build tree of several configurations, where it lies one folder deeper.
BACKEND_FOLDERS = (HERE.parent, HERE.parent / "qt-scripted-modules", HERE.parents[1] / "qt-scripted-modules", HERE)


def find_backend() -> None:
    """Make the backend packages importable from wherever this file was put."""
    for folder in BACKEND_FOLDERS:
        if (folder / "LatentRegistrationLib" / "__init__.py").is_file():
            sys.path.insert(0, str(folder))
            return


def build_parser() -> argparse.ArgumentParser:
    """The command's options; LatentRegistrationTrain.xml describes the same ones to Slicer."""
    from DeformationLib.training_command import (
        add_augmentation_options,
        add_card_options,
        add_training_options,
        add_velocity_options,
    )

    parser = argparse.ArgumentParser(
        prog="LatentRegistrationTrain",
        description="Train a learned deformable registration on a folder of images.",
        allow_abbrev=False,
    )
    data = parser.add_argument_group("Data")
    data.add_argument("--images", required=True, help="folder of images, one file each")
    data.add_argument("--labels", default="", help="folder of label maps with the images' names (optional)")
    data.add_argument("--split-file", default="", help="names of the validation cases, .json or one name per line")
    data.add_argument(
        "--validation-rule", default="10:1", help="N:R validates on every N-th case from the R-th; or none"
    )
    data.add_argument("--output", required=True, help="folder of checkpoint, logs and the finished model")

    parser.add_argument(
        "--model",
        default="gradient",
        choices=["gradient", "probabilistic"],
        help="gradient: explorable components; probabilistic: velocities from a low-dimensional code, also on cine series",
    )

    network = parser.add_argument_group("Network")
    network.add_argument("--grid", default="", help="lengths along k,j,i; empty for the smallest that holds all images")
    network.add_argument(
        "--spacing", type=float, default=0.0, help="mm of the network's grid; 0 for the images' median"
    )
    network.add_argument("--widths", default="16,32,64,128", help="channels at 1/2, 1/4, 1/8, ... of the grid")
    network.add_argument("--code-channels", type=int, default=64, help="channels of the latent code")
    network.add_argument("--skips", action="store_true", help="skip connections: more accurate, not explorable alone")

    probabilistic = parser.add_argument_group("Probabilistic model")
    probabilistic.add_argument("--latent", type=int, default=32, help="dimension of the code")
    add_velocity_options(probabilistic)
    probabilistic.add_argument("--context", default="", help="channels of features of the moving image, fine to coarse")
    probabilistic.add_argument("--spacings", default="", help="mm of the grid along k,j,i, where they differ")
    probabilistic.add_argument(
        "--frame", default="patient", choices=["patient", "image"], help="axes of the grid: the body's or the image's"
    )
    probabilistic.add_argument("--likelihood-weight", type=float, default=5000.0, help="against the code's prior")
    probabilistic.add_argument(
        "--reference-share", type=float, default=0.4, help="of pairs of end-diastole and -systole"
    )
    probabilistic.add_argument("--pairs-per-case", type=int, default=4, help="drawn from each series in an epoch")

    losses = parser.add_argument_group("Losses")
    losses.add_argument("--similarity-weight", type=float, default=1.0, help="local correlation")
    losses.add_argument("--window", type=int, default=5, help="its window at half resolution, odd")
    losses.add_argument("--overlap-weight", type=float, default=1.0, help="soft Dice of the labels")
    losses.add_argument("--smoothness-weight", type=float, default=0.1, help="gradients' deviation from 1")
    losses.add_argument("--diffusion-weight", type=float, default=0.1, help="squared derivative of the displacement")
    losses.add_argument("--folding-weight", type=float, default=1.0, help="negative Jacobian determinants")
    losses.add_argument("--anatomy-weight", type=float, default=0.5, help="segmentation from the encoder, in training")

    add_augmentation_options(parser, DEFAULTS)
    add_training_options(parser, DEFAULTS)
    card = add_card_options(parser)
    card.add_argument("--components", type=int, default=32, help="principal components of the latent codes")
    return parser


DEFAULTS = {
    "epochs": 100,
    "full_resolution_epochs": 20,
    "group_size": 4,
    "learning_rate": 1.5e-3,
    "rotation": 8.0,
    "translation": 1.5,
    "zoom": 0.08,
    "elastic": 2.5,
    "elastic_spacing": 12.0,
    "flip": 0.0,
    "gamma": 0.25,
    "bias": 0.2,
    "noise": 0.03,
}

# What else the options mean by default where the model is the probabilistic one.
PROBABILISTIC_DEFAULTS = {
    "widths": "16,32,32",
    "code_channels": 4,
    "window": 9,
    "overlap_weight": 0.0,
    "smoothness_weight": 0.0,
    "folding_weight": 0.0,
    "rotation": 20.0,
    "translation": 3.0,
    "zoom": 0.1,
    "elastic": 2.0,
    "elastic_spacing": 25.0,
    "gamma": 0.2,
    "bias": 0.15,
    "noise": 0.02,
    "group_size": 2,
}

LEAST = {"epochs": 1, "group_size": 2, "groups_per_step": 1, "code_channels": 1, "components": 1, "elastic_spacing": 1}
"""Least values of those options of which zero makes no sense; no other number but the seed may be negative."""


def request_from(arguments: argparse.Namespace):
    """The `TrainingRequest` that the command line describes."""
    from DeformationLib.errors import InputError
    from DeformationLib.training_command import check_ranges, numbers, shareable_command, training_request
    from LatentRegistrationLib.gradient_network import GradientNetworkConfiguration
    from LatentRegistrationLib.objective import LossWeights
    from LatentRegistrationLib.training_run import TrainingRequest

    check_ranges(arguments, LEAST)
    command = shareable_command("LatentRegistrationTrain", arguments.words)
    if arguments.model == "probabilistic":
        from LatentRegistrationLib.probabilistic_request import request_from_options

        return request_from_options(arguments, command)
    widths, grid = numbers(arguments, "widths"), numbers(arguments, "grid")
    if len(grid) not in (0, 2, 3):
        raise InputError(f"--grid takes two or three lengths, not {len(grid)}.")
    if len(widths) < 2 or min(widths) < 1:
        raise InputError("--widths needs at least two positive numbers of channels.")
    weights = {
        name: getattr(arguments, f"{name}_weight") for name in LossWeights.__dataclass_fields__ if name != "window"
    }
    network = GradientNetworkConfiguration(len(grid) or 3, widths, arguments.code_channels, arguments.skips)
    weights = LossWeights(window=arguments.window, **weights)
    return training_request(arguments, TrainingRequest, command, grid=grid, network=network, weights=weights)


def parsed(words: list[str]) -> argparse.Namespace:
    """The options of a command line, with the defaults of the model that it names."""
    parser = build_parser()
    arguments = parser.parse_args(words)
    if arguments.model == "probabilistic":
        parser.set_defaults(**PROBABILISTIC_DEFAULTS)
        arguments = parser.parse_args(words)
    arguments.words = words
    return arguments


def main(words: list[str]) -> int:
    """Run the command; 0 when it finished, 2 after one sentence about what is wrong, 130 when it was interrupted."""
    find_backend()
    arguments = parsed(words)
    from DeformationLib.training_command import run_command

    def train(progress) -> None:
        from LatentRegistrationLib.probabilistic_training import ProbabilisticTrainingRun
        from LatentRegistrationLib.training_run import TrainingRun

        run = ProbabilisticTrainingRun if arguments.model == "probabilistic" else TrainingRun
        run(request_from(arguments), progress, lambda line: print(line, flush=True)).train()

    return run_command("LatentRegistrationTrain", arguments, train)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
