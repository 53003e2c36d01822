#!/usr/bin/env python-real
"""Train a motion model on a folder of cine series: a Slicer command line module, and a plain command.

python MotionModelTrain.py --images patients --grid 104,104 --spacings 1.6,1.6 --output training
torchrun --nproc_per_node=2 MotionModelTrain.py --images patients --groups-per-step 2 --output training
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
    "epochs": 60,
    "full_resolution_epochs": 10,
    "group_size": 1,
    "learning_rate": 5e-4,
    "rotation": 20.0,
    "translation": 3.0,
    "zoom": 0.1,
    "elastic": 2.0,
    "elastic_spacing": 25.0,
    "flip": 0.0,
    "gamma": 0.2,
    "bias": 0.15,
    "noise": 0.02,
}

LEAST = {"epochs": 1, "group_size": 1, "groups_per_step": 1, "code_channels": 1, "slots": 2, "sequences_per_case": 1,
         "elastic_spacing": 1}  # fmt: skip
"""Least values of those options of which zero makes no sense."""


def find_backend() -> None:
    """Make the backend packages importable from wherever this file was put."""
    for folder in BACKEND_FOLDERS:
        if (folder / "MotionModelLib" / "__init__.py").is_file():
            sys.path.insert(0, str(folder))
            return
    sys.path[:0] = map(str, SOURCE_FOLDERS)


def build_parser() -> argparse.ArgumentParser:
    """The command's options; MotionModelTrain.xml describes the same ones to Slicer."""
    from DeformationLib.training_command import (
        add_augmentation_options,
        add_card_options,
        add_training_options,
        add_velocity_options,
    )

    parser = argparse.ArgumentParser(
        prog="MotionModelTrain", description="Train a motion model on a folder of cine series.", allow_abbrev=False
    )
    data = parser.add_argument_group("Data")
    data.add_argument("--images", required=True, help="folder with a folder per patient, or of 4-D files, or a table")
    data.add_argument("--split-file", default="", help="names of the validation cases, .json or one name per line")
    data.add_argument(
        "--validation-rule", default="10:1", help="N:R validates on every N-th case from the R-th; or none"
    )
    data.add_argument("--output", required=True, help="folder of checkpoint, logs and the finished model")
    data.add_argument("--not-periodic", action="store_true", help="the last frame is not followed by the first one")

    data.add_argument(
        "--heart", default="", help="labels of left pool, its wall and right ventricle, as 3,2,1; empty for no heart"
    )

    network = parser.add_argument_group("Network")
    network.add_argument("--grid", default="", help="lengths along j,i (slices over time) or k,j,i (volumes over time)")
    network.add_argument("--spacings", default="", help="mm of the grid along the same axes; empty for the median")
    network.add_argument("--spacing", type=float, default=0.0, help="mm in the plane; 0 for the images' median")
    network.add_argument(
        "--frame", default="image", choices=["patient", "image"], help="axes of the grid: the body's or the image's"
    )
    network.add_argument("--widths", default="16,32,32", help="channels at 1/2, 1/4, 1/8, ... of the grid")
    network.add_argument("--code-channels", type=int, default=4, help="channels of the last convolution")
    network.add_argument("--latent", type=int, default=32, help="rows of the motion matrix (D)")
    add_velocity_options(network)
    network.add_argument("--context", default="", help="channels of features of the reference, fine to coarse")

    time = parser.add_argument_group("Time")
    time.add_argument(
        "--prior",
        default="gaussian-process",
        choices=["gaussian-process", "unit"],
        help="gaussian-process: smooth over time; unit: the fingerprint extractor",
    )
    time.add_argument("--slots", type=int, default=34, help="columns of the motion matrix (T)")
    time.add_argument("--kernel", default="cauchy", choices=["cauchy", "squared-exponential"])
    time.add_argument("--length-scale", type=float, default=7.0, help="of the kernel, slots")
    time.add_argument("--kernel-scale", type=float, default=1.005, help="standard deviation of the kernel")
    time.add_argument("--temporal-smoothing", type=float, default=1.5, help="of the velocities, slots")
    time.add_argument("--temporal-width", type=int, default=64, help="channels of the temporal network")
    time.add_argument("--dropout", type=float, default=0.5, help="probability that a frame is hidden from the network")
    time.add_argument("--whole-share", type=float, default=0.4, help="of sequences of which no frame is hidden")
    time.add_argument("--leading-share", type=float, default=0.15, help="of those that show only their first frames")
    time.add_argument("--sparse-share", type=float, default=0.2, help="of those that show a few frames anywhere")
    time.add_argument("--sub-sequence", type=int, default=0, help="frames compared in a step; 0 for all")
    time.add_argument("--slices", type=int, default=0, help="of a case in a step, for slices over time; 0 for all")
    time.add_argument("--target-share", type=float, default=0.6, help="of sub-sequences with the end-systolic frame")
    time.add_argument(
        "--other-references", type=float, default=0.1, help="share of steps that start from another frame"
    )
    time.add_argument("--sequences-per-case", type=int, default=1, help="drawn from each case in an epoch")

    losses = parser.add_argument_group("Losses")
    losses.add_argument(
        "--similarity",
        default="correlation",
        choices=["correlation", "squares"],
        help="of frame and deformed reference",
    )
    losses.add_argument("--window", type=int, default=9, help="of the local correlation, odd")
    losses.add_argument("--similarity-variance", type=float, default=0.0045, help="of the squared differences")
    losses.add_argument("--likelihood-weight", type=float, default=20000.0, help="against the motion matrix's prior")
    losses.add_argument("--overlap-weight", type=float, default=0.0, help="soft Dice of the labels")
    losses.add_argument("--transport-weight", type=float, default=0.0, help="volumes under motion in another subject")
    losses.add_argument("--folding-weight", type=float, default=0.0, help="negative Jacobian determinants")

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
        from MotionModelLib.motion_request import request_from_options
        from MotionModelLib.motion_training import MotionTrainingRun

        request = request_from_options(arguments, shareable_command("MotionModelTrain", words))
        MotionTrainingRun(request, progress, lambda line: print(line, flush=True)).train()

    return run_command("MotionModelTrain", arguments, train)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
