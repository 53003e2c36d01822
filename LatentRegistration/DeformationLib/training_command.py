"""What the training commands share: common options, checks of numbers, progress, exit codes; needs no torch itself."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import Cancelled, InputError
from .progress import Progress, console_progress, progress_until_file, slicer_progress

OUT_OF_MEMORY = (
    "The memory is not enough for this training: choose a coarser grid (--spacing), fewer cases per group "
    "(--group-size), or --device cpu where it was the GPU's."
)


def add_augmentation_options(parser: argparse.ArgumentParser, defaults: Mapping[str, float]) -> None:
    """Options of `augmentation.Augmentation`, those that have ``defaults`` by name."""
    group = parser.add_argument_group("Augmentation")
    texts = {
        "rotation": "standard deviation, degrees",
        "translation": "standard deviation, voxels",
        "zoom": "standard deviation of the logarithm",
        "elastic": "standard deviation of control points, voxels",
        "elastic_spacing": "distance of control points, voxels",
        "flip": "probability of a mirrored batch along each axis",
        "gamma": "standard deviation of the exponent's logarithm",
        "bias": "strength of a smooth multiplicative field",
        "noise": "largest standard deviation of white noise",
    }
    for name in (name for name in texts if name in defaults):
        text = texts[name]
        group.add_argument(f"--{name.replace('_', '-')}", type=float, default=defaults[name], help=text)


def add_training_options(parser: argparse.ArgumentParser, defaults: Mapping[str, float]) -> None:
    """Options of `training.TrainingOptions`, of resuming and warm starts; ``defaults`` of those that models choose."""
    training = parser.add_argument_group("Training")
    training.add_argument("--epochs", type=int, default=defaults["epochs"])
    if "full_resolution_epochs" in defaults:
        training.add_argument(
            "--full-resolution-epochs",
            type=int,
            default=defaults["full_resolution_epochs"],
            help="last epochs at full size",
        )
    training.add_argument("--group-size", type=int, default=defaults["group_size"], help="cases looked at together")
    training.add_argument("--groups-per-step", type=int, default=1, help="groups per step, over all processes")
    training.add_argument("--learning-rate", type=float, default=defaults["learning_rate"])
    training.add_argument("--weight-decay", type=float, default=defaults.get("weight_decay", 1e-4))
    training.add_argument("--warmup", type=int, default=100, help="steps over which the learning rate rises")
    training.add_argument("--mixed-precision", action="store_true", help="bfloat16 where it is safe and fast")
    training.add_argument("--initialize", default="", help="model to start from: a name or a folder")
    add_run_options(parser, training)


def add_run_options(parser: argparse.ArgumentParser, training: argparse._ArgumentGroup) -> None:
    """Options of every training, whatever is trained: its limits, device, seed, resuming, and how it talks to Slicer."""
    training.add_argument(
        "--max-minutes", type=float, default=0.0, help="stop after so long, to be resumed; 0 for no limit"
    )
    training.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")
    parser.add_argument("--slicer-progress", action="store_true", help=argparse.SUPPRESS)
    # A panel cannot send Ctrl-C on every system; it creates the file of --stop-file=NAME instead.
    parser.add_argument("--stop-file", default="", help=argparse.SUPPRESS)


def add_velocity_options(network: argparse._ArgumentGroup) -> None:
    """Options of networks that give velocity fields at several scales."""
    network.add_argument("--scales", type=int, default=3, help="velocity fields, at 1, 1/2, 1/4, ... of the grid")
    network.add_argument("--finest", type=int, default=0, help="fine velocity fields left out, below --scales")
    network.add_argument("--smoothing", type=float, default=3.0, help="of the velocities, mm (standard deviation)")
    network.add_argument("--largest-velocity", type=float, default=20.0, help="bound of each component, mm")
    network.add_argument("--through-plane", type=float, default=20.0, help="the same across thick slices, mm")


def add_card_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What a model's card says that training cannot know; returns the group, for more."""
    card = parser.add_argument_group("Model card")
    card.add_argument("--name", default="model")
    card.add_argument("--purpose", default="", help="what the model is for, one sentence")
    card.add_argument("--data-name", default="", help="name and source of the training data")
    card.add_argument("--licence", default="", help="licence of the training data")
    return card


def check_ranges(arguments: argparse.Namespace, least: Mapping[str, float]) -> None:
    """Refuse numbers that would fail hours later, or train nothing; no number but the seed may be below zero.

    Raises `InputError` for a number below its value in ``least``, and for an even window.
    """
    for name, value in vars(arguments).items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and name != "seed" and not value >= least.get(name, 0):
            raise InputError(f"--{name.replace('_', '-')} must be at least {least.get(name, 0)}, not {value:g}.")
    if getattr(arguments, "window", 1) % 2 == 0:
        raise InputError(f"--window must be odd, not {arguments.window}.")


def numbers(arguments: argparse.Namespace, name: str, kind: Callable[[str], float] = int) -> tuple:
    """The numbers of an option that takes several, with commas between them; raises `InputError` for anything else."""
    text = getattr(arguments, name)
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        option = name.replace("_", "-")
        raise InputError(f"--{option} takes {what} with commas between them, not '{text}'.") from error


def chosen(arguments: argparse.Namespace, kind: type, **given: Any) -> Any:
    """A dataclass from the options with the names of its fields; what is ``given`` goes before."""
    taken = {name: getattr(arguments, name) for name in kind.__dataclass_fields__ if hasattr(arguments, name)}
    return kind(**{**taken, **given})


def grid_numbers(arguments: argparse.Namespace) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """``--grid`` and ``--spacings``, each possibly empty; raises `InputError` where they make no grid."""
    grid, spacings = numbers(arguments, "grid"), numbers(arguments, "spacings", float)
    if len(grid) not in (0, 2, 3):
        raise InputError(f"--grid takes two or three lengths, not {len(grid)}.")
    if spacings and (len(spacings) not in (2, 3) or min(spacings) <= 0):
        raise InputError(f"--spacings takes two or three positive numbers, not '{arguments.spacings}'.")
    if grid and spacings and len(grid) != len(spacings):
        raise InputError(f"--grid has {len(grid)} lengths, but --spacings {len(spacings)} numbers: give as many.")
    return grid, spacings


def check_shares(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Raises `InputError` for an option that is a share and not between 0 and 1."""
    for name in names:
        value = getattr(arguments, name)
        if not 0 <= value <= 1:
            raise InputError(f"--{name.replace('_', '-')} is a share between 0 and 1, not {value:g}.")


def training_request(arguments: argparse.Namespace, kind: type, command: str, **given: Any) -> Any:
    """A request of some kind from the options with the names of its fields; what is ``given`` goes before.

    Args:
        arguments: of a command line.
        kind: dataclass with the fields that the requests of all trainings have.
        command: for the model's card, see `shareable_command`.
        given: what is particular to the kind: network, weights, grid.
    """
    from .augmentation import Augmentation

    optional = {name: getattr(arguments, name, "") for name in ("labels", "split_file")}
    common = {
        "images": Path(arguments.images),
        "output": Path(arguments.output),
        **{name: Path(path) if path else None for name, path in optional.items()},
        "augmentation": chosen(arguments, Augmentation),
        "options": training_options(arguments),
        "data": arguments.data_name,
        "command": command,
    }
    return chosen(arguments, kind, **{**common, **given})


def training_options(arguments: argparse.Namespace) -> Any:
    """The `training.TrainingOptions` of a command line; imports torch."""
    from .devices import checked_device
    from .training import TrainingOptions

    device = str(checked_device(arguments.device))
    return chosen(arguments, TrainingOptions, device=device, max_minutes=arguments.max_minutes or math.inf)


def shareable_command(program: str, words: Sequence[str]) -> str:
    """The command line for the model's card, folders without their path: cards travel, home directories should not."""
    # A folder that the run itself will make does not exist yet.
    paths = (Path(word) for word in words)
    folders = [len(p.parts) > 1 and (p.is_absolute() or p.exists() or p.parent.exists()) for p in paths]
    shown = [Path(word).name if folder else word for word, folder in zip(words, folders, strict=True)]
    of_this_run = ("--resume", "--slicer-progress", "--stop-file=")
    return shlex.join([program, *(word for word in shown if not word.startswith(of_this_run))])


def out_of_memory(error: Exception) -> bool:
    """Whether an exception tells that the memory of the GPU, or of the computer, was not enough."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OutOfMemoryError", "MemoryError"}) or "can't allocate memory" in str(error)


def settle_precision(arguments: argparse.Namespace) -> None:
    """Leave mixed precision out where it would be slower."""
    from .devices import checked_device, has_fast_bfloat16

    if getattr(arguments, "mixed_precision", False) and not has_fast_bfloat16(checked_device(arguments.device)):
        arguments.mixed_precision = False
        print("single precision: bfloat16 would be slower on this device", flush=True)


def run_command(program: str, arguments: argparse.Namespace, train: Callable[[Progress], Any]) -> int:
    """Train with progress; 0 when it finished, 2 after one sentence about what is wrong, 130 when it was interrupted."""
    in_terminal = sys.stderr.isatty()
    progress = slicer_progress() if arguments.slicer_progress or not in_terminal else console_progress("Training")
    try:
        if arguments.stop_file:
            progress = progress_until_file(progress, arguments.stop_file)
        settle_precision(arguments)
        train(progress)
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print(f"{program}: interrupted; --resume goes on from the last epoch.", file=sys.stderr)
        return 130
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        print(f"{program}: {OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    return 0
