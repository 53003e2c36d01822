#!/usr/bin/env python-real
"""Train a risk model on a cohort: a Slicer command line module, and a plain command.

python RiskPredictionTrain.py --cohort cohort.csv --fingerprints fingerprints.npz --output training
python RiskPredictionTrain.py --cohort cohort.csv --motion-model fingerprint --end-to-end --output training
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The folder of scripted modules of an installed extension, beside which this file lies; the same in a build tree of several
# configurations, where it lies one folder deeper; and the source tree, where each module has its own packages.
BACKEND_FOLDERS = (HERE.parent / "qt-scripted-modules", HERE.parents[1] / "qt-scripted-modules", HERE)
SOURCE_FOLDERS = (HERE.parent, HERE.parents[1] / "MotionModel", HERE.parents[1] / "LatentRegistration")

LEAST = {"members": 1, "folds": 2, "epochs": 1, "patience": 1, "batch_size": 2, "processes": 1, "resamplings": 1,
         "motion_epochs": 1, "motion_batch_size": 4, "motion_folds": 2, "compared_frames": 1}  # fmt: skip
"""Least values of those options of which zero makes no sense."""


def find_backend() -> None:
    """Make the backend packages importable from wherever this file was put."""
    for folder in BACKEND_FOLDERS:
        if (folder / "RiskPredictionLib" / "__init__.py").is_file():
            sys.path.insert(0, str(folder))
            return
    sys.path[:0] = map(str, SOURCE_FOLDERS)


def build_parser() -> argparse.ArgumentParser:
    """The command's options; RiskPredictionTrain.xml describes the same ones to Slicer."""
    from DeformationLib.training_command import add_card_options, add_run_options

    parser = argparse.ArgumentParser(
        prog="RiskPredictionTrain", description="Train a risk model on a cohort with outcomes.", allow_abbrev=False
    )
    data = parser.add_argument_group("Data")
    data.add_argument("--cohort", required=True, help="table (.csv): case, time, event, clinical columns, maybe cine")
    data.add_argument("--fingerprints", default="", help="table of fingerprints (.npz or .csv); empty: from the cine")
    data.add_argument("--output", required=True, help="folder of checkpoint, log, report and the finished model")
    data.add_argument("--motion-model", default="", help="that fingerprints come from; empty: the bundled one")
    data.add_argument("--slices", type=int, default=3, help="in the middle of a stack, averaged; 0 for all")
    data.add_argument("--processes", type=int, default=1, help="that read and encode cine series side by side")

    network = parser.add_argument_group("Network")
    network.add_argument("--members", type=int, default=5, help="networks of the ensemble")
    network.add_argument("--widths", default="180,10", help="of the encoder's layers; the last is the code")
    network.add_argument("--dropout", type=float, default=0.3, help="share of the inputs left out in training")
    network.add_argument("--alpha", type=float, default=1.0, help="weight of the risk against the reconstruction")
    network.add_argument("--ties", default="efron", choices=["efron", "breslow"], help="events at the same time")

    tuning = parser.add_argument_group("End to end")
    tuning.add_argument("--end-to-end", action="store_true", help="fine-tune the motion encoder with the outcomes")
    tuning.add_argument("--motion-epochs", type=int, default=20, help="of the fine-tuning, at most")
    tuning.add_argument("--motion-learning-rate", type=float, default=1e-4, help="of the motion encoder")
    tuning.add_argument("--motion-batch-size", type=int, default=16, help="cases in a step of the fine-tuning")
    tuning.add_argument("--motion-folds", type=int, default=3, help="parts that are held out in turn to stop by")
    tuning.add_argument("--motion-weight", type=float, default=1.0, help="of the motion's loss beside the risk's")
    tuning.add_argument("--compared-frames", type=int, default=4, help="frames of a series decoded in a step")

    training = parser.add_argument_group("Training")
    training.add_argument("--epochs", type=int, default=100, help="of the survival networks, at most")
    training.add_argument("--patience", type=int, default=10, help="epochs without improvement that end the training")
    training.add_argument("--learning-rate", type=float, default=1e-3)
    training.add_argument("--weight-decay", type=float, default=1e-4)
    training.add_argument("--batch-size", type=int, default=64, help="cases in a step")
    training.add_argument("--folds", type=int, default=5, help="parts of the cases that members hold out in turn")
    training.add_argument("--search", type=int, default=0, help="settings to try by evolutionary search; 0 for none")
    add_run_options(parser, training)

    evaluation = parser.add_argument_group("Evaluation")
    evaluation.add_argument("--cross-validation", type=int, default=6, help="folds of the evaluation; 0 for none")
    evaluation.add_argument("--resamplings", type=int, default=1000, help="of the bootstrap intervals")
    add_card_options(parser)
    return parser


def main(words: list[str]) -> int:
    """Run the command; 0 when it finished, 2 after one sentence about what is wrong, 130 when it was interrupted."""
    find_backend()
    arguments = build_parser().parse_args(words)
    from DeformationLib.training_command import check_ranges, run_command, shareable_command

    def train(progress) -> None:
        check_ranges(arguments, LEAST)
        from RiskPredictionLib.risk_request import request_from_options
        from RiskPredictionLib.risk_training_run import RiskTrainingRun

        request = request_from_options(arguments, shareable_command("RiskPredictionTrain", words))
        RiskTrainingRun(request, progress, lambda line: print(line, flush=True)).train()

    return run_command("RiskPredictionTrain", arguments, train)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
