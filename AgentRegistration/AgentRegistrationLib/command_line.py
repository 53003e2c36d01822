"""The commands ``register`` and ``models``. Every failure is one sentence and exit code 2."""

from __future__ import annotations

import argparse
from typing import Any

from DeformationLib.commands import add_model_options, print_models, run_chosen_command
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder
from DeformationLib.image_io import read_image, read_labels_of, read_mask
from DeformationLib.progress import console_progress

_ALIGNMENTS = ("translation", "none", "centres", "mass", "rigid", "affine")


def build_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    parser = argparse.ArgumentParser(prog="python -m AgentRegistrationLib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    register = commands.add_parser("register", help="register two images")
    register.add_argument("--fixed", required=True, help="image whose grid the results are on")
    register.add_argument("--moving", required=True, help="image that is deformed")
    register.add_argument("--fixed-labels", help="label map of the fixed image, to measure the overlap")
    register.add_argument("--moving-labels", help="label map of the moving image, to be warped")
    register.add_argument("--fixed-mask", help="where the structure of interest is in the fixed image, on any grid")
    register.add_argument("--moving-mask", help="the same of the moving image")
    register.add_argument(
        "--alignment",
        choices=_ALIGNMENTS,
        help="what to do first: translate by the grey values, trust the positions, put the centres of the images (or "
        "masks) or their centres of mass on each other, or align rigidly or affinely; by default as the model learned",
    )
    walk = register.add_argument_group("Agent", "What is left out is as the model recommends.")
    walk.add_argument("--steps", type=int, help="of the agent, at most")
    walk.add_argument("--starts", type=int, help="walks from different places, of which the most similar one counts")
    walk.add_argument("--seed", type=int, help="of the random choice among the best actions")
    walk.add_argument("--greedy", action="store_true", default=None, help="always the best action: nothing is random")
    walk.add_argument("--tightness", type=float, help="of fuzzy action control, standard deviations; 0 for none")
    walk.add_argument(
        "--overlap", type=float, help="weight of the overlap of found structures beside the network's opinion"
    )
    walk.add_argument("--shrinks", type=int, help="how often an oscillating agent goes on with half its step")
    walk.add_argument("--window", type=int, help="states in which an oscillation is looked for; 0 to take all steps")
    add_model_options(register, "hippocampus-agent")
    register.set_defaults(run=run_register)

    models = commands.add_parser("models", help="list the installed models")
    models.set_defaults(run=run_models)
    return parser


def main(words: list[str]) -> int:
    """Run a command; 0 when it succeeded, 2 after one sentence about what is wrong."""
    return run_chosen_command(build_parser(), words)


def run_register(arguments: argparse.Namespace) -> None:
    """Register, write the files that `AgentResult.write` lists, print a summary."""
    from .agent_model import AgentModel
    from .agent_walk import walk_options

    folder = make_folder(arguments.output)
    changes = _walk_changes(arguments)
    fixed, moving = read_image(arguments.fixed), read_image(arguments.moving)
    fixed_labels = arguments.fixed_labels and read_labels_of(arguments.fixed_labels, fixed, arguments.fixed)
    moving_labels = arguments.moving_labels and read_labels_of(arguments.moving_labels, moving, arguments.moving)
    fixed_mask = read_mask(arguments.fixed_mask) if arguments.fixed_mask else None
    moving_mask = read_mask(arguments.moving_mask) if arguments.moving_mask else None
    model = AgentModel.load(arguments.model, arguments.device)
    progress = console_progress("Registering")
    result = model.register(
        fixed,
        moving,
        arguments.alignment,
        walk_options(model.options, **changes),
        progress.part(0.0, 0.5),
        fixed_mask,
        moving_mask,
    )
    result.write(folder, fixed_labels, moving_labels, progress.part(0.5, 1.0))
    print(result)
    print(f"  steps               {len(result.trajectory) - 1}")
    print(f"wrote {folder}")


def run_models(arguments: argparse.Namespace) -> None:
    """Print name and purpose of every installed agent."""
    print_models(("AgentNetwork",))


def _walk_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for of the walk; raises `InputError` for numbers below zero, and for no start."""
    names = ("steps", "starts", "seed", "greedy", "tightness", "shrinks", "window", "overlap")
    changes = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    for name, value in changes.items():
        least = 1 if name == "starts" else 0
        if name not in ("seed", "greedy") and not value >= least:
            raise InputError(f"--{name} must be at least {least}, not {value:g}.")
    return changes
