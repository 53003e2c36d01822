#!/usr/bin/env python-real
"""Train a registration model on a folder of images: a Slicer command line module, and a plain command.

python LatentRegistrationTrain.py --images images --labels labels --output training
torchrun --nproc_per_node=2 LatentRegistrationTrain.py --images images --groups-per-step 2 --output training
"""

import argparse
import math
import shlex
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
    probabilistic.add_argument("--scales", type=int, default=3, help="velocity fields, at 1, 1/2, 1/4, ... of the grid")
    probabilistic.add_argument("--finest", type=int, default=0, help="fine velocity fields left out, below --scales")
    probabilistic.add_argument(
        "--smoothing", type=float, default=3.0, help="of the velocities, mm (standard deviation)"
    )
    probabilistic.add_argument("--largest-velocity", type=float, default=20.0, help="bound of each component, mm")
    probabilistic.add_argument("--through-plane", type=float, default=20.0, help="the same across thick slices, mm")
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

    augmentation = parser.add_argument_group("Augmentation")
    augmentation.add_argument("--rotation", type=float, default=8.0, help="standard deviation, degrees")
    augmentation.add_argument("--translation", type=float, default=1.5, help="standard deviation, voxels")
    augmentation.add_argument("--zoom", type=float, default=0.08, help="standard deviation of the logarithm")
    augmentation.add_argument("--elastic", type=float, default=2.5, help="standard deviation of control points, voxels")
    augmentation.add_argument("--elastic-spacing", type=float, default=12.0, help="distance of control points, voxels")
    augmentation.add_argument("--flip", type=float, default=0.0, help="probability of a mirrored batch along each axis")
    augmentation.add_argument(
        "--gamma", type=float, default=0.25, help="standard deviation of the exponent's logarithm"
    )
    augmentation.add_argument("--bias", type=float, default=0.2, help="strength of a smooth multiplicative field")
    augmentation.add_argument("--noise", type=float, default=0.03, help="largest standard deviation of white noise")

    training = parser.add_argument_group("Training")
    training.add_argument("--epochs", type=int, default=100)
    training.add_argument("--full-resolution-epochs", type=int, default=20, help="last epochs with labels at full size")
    training.add_argument("--group-size", type=int, default=4, help="cases registered to each other in a cycle")
    training.add_argument("--groups-per-step", type=int, default=1, help="groups per step, over all processes")
    training.add_argument("--learning-rate", type=float, default=1.5e-3)
    training.add_argument("--weight-decay", type=float, default=1e-4)
    training.add_argument("--warmup", type=int, default=100, help="steps over which the learning rate rises")
    training.add_argument(
        "--max-minutes", type=float, default=0.0, help="stop after so long, to be resumed; 0 for no limit"
    )
    training.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    training.add_argument("--mixed-precision", action="store_true", help="bfloat16 where it is safe and fast")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--initialize", default="", help="model to start from: a name or a folder")
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")

    card = parser.add_argument_group("Model card")
    card.add_argument("--name", default="model")
    card.add_argument("--purpose", default="", help="what the model is for, one sentence")
    card.add_argument("--data-name", default="", help="name and source of the training data")
    card.add_argument("--licence", default="", help="licence of the training data")
    card.add_argument("--components", type=int, default=32, help="principal components of the latent codes")
    parser.add_argument("--slicer-progress", action="store_true", help=argparse.SUPPRESS)
    # A panel cannot send Ctrl-C on every system; it creates the file of --stop-file=NAME instead.
    parser.add_argument("--stop-file", default="", help=argparse.SUPPRESS)
    return parser


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


def check_ranges(arguments: argparse.Namespace) -> None:
    """Refuse numbers that would fail hours later, or train nothing."""
    from DeformationLib.errors import InputError

    for name, value in vars(arguments).items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and name != "seed" and not value >= LEAST.get(name, 0):
            raise InputError(f"--{name.replace('_', '-')} must be at least {LEAST.get(name, 0)}, not {value:g}.")
    if arguments.window % 2 == 0:
        raise InputError(f"--window must be odd, not {arguments.window}.")


def request_from(arguments: argparse.Namespace):
    """The `TrainingRequest` that the command line describes."""
    from DeformationLib.augmentation import Augmentation
    from DeformationLib.devices import checked_device
    from DeformationLib.errors import InputError
    from DeformationLib.training import TrainingOptions
    from LatentRegistrationLib.gradient_network import GradientNetworkConfiguration
    from LatentRegistrationLib.objective import LossWeights
    from LatentRegistrationLib.training_run import TrainingRequest

    def numbers(option: str) -> tuple[int, ...]:
        text = getattr(arguments, option)
        try:
            return tuple(int(part) for part in text.split(",") if part.strip())
        except ValueError as error:
            raise InputError(f"--{option} takes whole numbers with commas between them, not '{text}'.") from error

    def chosen(kind, **renamed):
        names = kind.__dataclass_fields__
        taken = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
        return kind(**{**taken, **renamed})

    check_ranges(arguments)
    if arguments.model == "probabilistic":
        from LatentRegistrationLib.probabilistic_request import request_from_options

        return request_from_options(arguments, shareable_command(arguments.words))
    widths, grid = numbers("widths"), numbers("grid")
    if len(grid) not in (0, 2, 3):
        raise InputError(f"--grid takes two or three lengths, not {len(grid)}.")
    if len(widths) < 2 or min(widths) < 1:
        raise InputError("--widths needs at least two positive numbers of channels.")
    weights = {
        name: getattr(arguments, f"{name}_weight") for name in LossWeights.__dataclass_fields__ if name != "window"
    }
    return TrainingRequest(
        images=Path(arguments.images),
        labels=Path(arguments.labels) if arguments.labels else None,
        output=Path(arguments.output),
        split_file=Path(arguments.split_file) if arguments.split_file else None,
        validation_rule=arguments.validation_rule,
        grid=grid,
        spacing=arguments.spacing,
        network=GradientNetworkConfiguration(len(grid) or 3, widths, arguments.code_channels, arguments.skips),
        weights=LossWeights(window=arguments.window, **weights),
        augmentation=chosen(Augmentation),
        options=chosen(
            TrainingOptions,
            device=str(checked_device(arguments.device)),
            max_minutes=arguments.max_minutes or math.inf,
        ),
        full_resolution_epochs=arguments.full_resolution_epochs,
        components=arguments.components,
        initialize=arguments.initialize,
        resume=arguments.resume,
        name=arguments.name,
        purpose=arguments.purpose,
        data=arguments.data_name,
        licence=arguments.licence,
        command=shareable_command(arguments.words),
    )


def shareable_command(words: list[str]) -> str:
    """The command line for the model's card, folders without their path: cards travel, home directories should not."""
    # A folder that the run itself will make does not exist yet.
    paths = (Path(word) for word in words)
    folders = [len(p.parts) > 1 and (p.is_absolute() or p.exists() or p.parent.exists()) for p in paths]
    shown = [Path(word).name if folder else word for word, folder in zip(words, folders, strict=True)]
    of_this_run = ("--resume", "--slicer-progress", "--stop-file=")
    return shlex.join(["LatentRegistrationTrain", *(word for word in shown if not word.startswith(of_this_run))])


OUT_OF_MEMORY = (
    "The memory is not enough for this training: choose a coarser grid (--spacing), fewer cases per group "
    "(--group-size 2), or --device cpu where it was the GPU's."
)


def out_of_memory(error: Exception) -> bool:
    """Whether an exception tells that the memory of the GPU, or of the computer, was not enough."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OutOfMemoryError", "MemoryError"}) or "can't allocate memory" in str(error)


def settle_precision(arguments: argparse.Namespace) -> None:
    """Leave mixed precision out where it would be slower."""
    from DeformationLib.devices import checked_device, has_fast_bfloat16

    if arguments.mixed_precision and not has_fast_bfloat16(checked_device(arguments.device)):
        arguments.mixed_precision = False
        print("single precision: bfloat16 would be slower on this device", flush=True)


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
    from DeformationLib.errors import Cancelled, InputError
    from DeformationLib.progress import console_progress, progress_until_file, slicer_progress

    in_terminal = sys.stderr.isatty()
    progress = slicer_progress() if arguments.slicer_progress or not in_terminal else console_progress("Training")
    try:
        from LatentRegistrationLib.probabilistic_training import ProbabilisticTrainingRun
        from LatentRegistrationLib.training_run import TrainingRun

        if arguments.stop_file:
            progress = progress_until_file(progress, arguments.stop_file)
        settle_precision(arguments)
        run = ProbabilisticTrainingRun if arguments.model == "probabilistic" else TrainingRun
        run(request_from(arguments), progress, lambda line: print(line, flush=True)).train()
    except InputError as error:
        print(f"LatentRegistrationTrain: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("LatentRegistrationTrain: interrupted; --resume goes on from the last epoch.", file=sys.stderr)
        return 130
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        print(f"LatentRegistrationTrain: {OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
