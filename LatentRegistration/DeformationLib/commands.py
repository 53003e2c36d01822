"""What the command lines of the packages share: options of models, the list of models, exit codes; needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence

from .catalogue import catalogue, read_card
from .errors import Cancelled, InputError


def add_model_options(command: argparse.ArgumentParser, model: str) -> None:
    """Options of every command that uses a model: which one (``model`` by default), the results' folder, the device."""
    command.add_argument("--model", default=model, help="name of an installed model, or its folder")
    command.add_argument("--output", required=True, help="folder for the results")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def print_models(kinds: Collection[str]) -> None:
    """Print name and purpose of every installed model of some kinds."""
    for name, folder in catalogue(kinds).items():
        print(f"{name:24s} {read_card(folder)['purpose']}")


def run_chosen_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Run the command that a command line names: the default ``run`` of its parser, called with the options.

    Returns:
        The exit code: 0 when it succeeded, 2 after one sentence about what is wrong.
    """
    arguments = parser.parse_args(words)
    try:
        arguments.run(arguments)
    except (InputError, Cancelled) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 2
    return 0
