#!/usr/bin/env python3
"""Regenerates the experiments of Krebs, chapter 3 (registration by an agent), on hippocampi and on slices of the heart.

Agents beside classical methods on the same pairs (table 3.1); choices that the thesis leaves open; deformations between
unseen subjects by number of modes; what the approximations of training pairs cost; convergence over 1,000 steps and the
oscillation stop (figure 3.5); sheets of the way (figures 3.3 and 3.4).  Writes PNG files and agent.json, prints our figures
beside the thesis's.  What classical methods find is kept; agent_peers.py can compute it beforehand.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_data import Anatomy, add_data_options, anatomies, name_of, named, pairs_of
from agent_deformations import (
    Known,
    approximations,
    known_deformations,
    plot_reconstruction,
    print_approximations,
    print_reconstruction,
    reconstruction,
)
from agent_pictures import draw_sheet, panels_of
from agent_table import classical, further_variants, main_variants, plot_table, print_options, print_table, walked
from agent_told import print_told, told
from agent_trainings import print_trainings, trained_variants, trainings
from agent_walks import convergence, plot_convergence, print_convergence
from pages import processor, show

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json

PARTS = ("modes", "pairs", "convergence", "pictures", "table", "told", "options", "trainings")
Agents = Sequence[tuple[Anatomy, AgentModel]]


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--output", default="training/agent", help="folder for figures and tables")
    parser.add_argument("--agents", default="", help="3-D=name or folder;2-D=...: agents instead of the bundled ones")
    parser.add_argument(
        "--trainings",
        default="",
        help="title=model,model;...: agents that were trained with one option or another, with commas those of one option; "
        "others are compared with the first",
    )
    parser.add_argument(
        "--wide",
        default="",
        help="3-D=file;2-D=file: deformation models with more modes, for their reconstruction error",
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="which experiments")
    parser.add_argument("--option-pairs", type=int, default=20, help="pairs for the table of options, at most")
    parser.add_argument("--walk-pairs", type=int, default=10, help="pairs that walk 1,000 steps, at most")
    parser.add_argument("--sheet-pairs", default="0,4,8", help="pairs that are drawn, by their numbers from 0")
    parser.add_argument(
        "--document", default="", help="a page whose tables, between marks, are replaced by the new ones"
    )
    return parser


def main(words: list[str]) -> int:
    """Run the parts asked for; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    try:
        reproduce(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def reproduce(arguments: argparse.Namespace) -> None:
    """All experiments, one after the other."""
    import torch

    torch.set_num_threads(1)
    folder = make_folder(arguments.output)
    parts = [part for part in arguments.parts.split(",") if part and (part != "trainings" or arguments.trainings)]
    if unknown := set(parts) - set(PARTS):
        raise InputError(f"There is no part '{sorted(unknown)[0]}': choose from {', '.join(PARTS)}.")
    given = named(arguments.agents)
    agents = [
        (anatomy, AgentModel.load(given.get(anatomy.name, anatomy.bundle), "cpu"))
        for anatomy in anatomies(arguments.hippocampus, arguments.hearts)
    ]
    for part in parts:
        found = _EXPERIMENTS[part](arguments, folder, agents)
        used = {anatomy.name: model.name for anatomy, model in agents}
        write_json({"measured": measured(part), "agents": used, "found": found}, folder / f"{part}.json")
    print(f"wrote {folder}")


def measured(part: str) -> str:
    """When, on what machine, and by what command a part is measured."""
    return f"{datetime.date.today().isoformat()}, {processor()}, one thread; `agent.py --parts {part}`"


def short(name: str) -> str:
    """The number of a subject, where its name has one."""
    return "".join(letter for letter in name if letter.isdigit()) or name


def _titles(agents: Agents) -> dict[str, str]:
    return {anatomy.name: anatomy.title for anatomy, _ in agents}


def _table(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found = {}
    for anatomy, model in agents:
        pairs = pairs_of(anatomy, arguments)
        found[anatomy.name] = classical(anatomy, model, pairs, folder / "peers")
        found[anatomy.name] |= walked(anatomy, model, main_variants(model), pairs)
    _show(arguments, folder, "table", agents, print_table, found)
    plot_table(found, _titles(agents), folder / "dice.png")
    return found


def _told(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found = {anatomy.name: told(anatomy, model, pairs_of(anatomy, arguments)) for anatomy, model in agents}
    _show(arguments, folder, "told", agents, print_told, found)
    return found


def _options(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found = {}
    for anatomy, model in agents:
        found[anatomy.name] = walked(anatomy, model, further_variants(), anatomy.pairs(arguments.option_pairs))
    _show(arguments, folder, "options", agents, print_options, found)
    return found


def _trainings(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    models = trainings(arguments.trainings)
    found = {}
    for anatomy, _ in agents:
        pairs = pairs_of(anatomy, arguments)
        found[anatomy.name] = {
            title: walked(anatomy, model, trained_variants(), pairs)
            for title, model in models
            if model.grid.dimension == anatomy.grid.dimension
        }
    _show(arguments, folder, "trainings", agents, print_trainings, found)
    return found


def _known(arguments: argparse.Namespace, folder: Path, anatomy: Anatomy, model: AgentModel) -> Known:
    most = len(pairs_of(anatomy, arguments))
    return known_deformations(anatomy, model.deformation.lattice.cells, folder / "known", most)


def _modes(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found, wide = {}, named(arguments.wide)
    for anatomy, model in agents:
        known = known_deformations(
            anatomy, model.deformation.lattice.cells, folder / "known", len(pairs_of(anatomy, arguments))
        )
        deformation = model.deformation
        if anatomy.name in wide:
            deformation = StatisticalDeformationModel.load(wide[anatomy.name])
        found[anatomy.name] = reconstruction(anatomy, deformation, known)
    _show(arguments, folder, "modes", agents, print_reconstruction, found)
    plot_reconstruction(found, _titles(agents), folder / "modes.png")
    return found


def _pairs(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found = {}
    for anatomy, model in agents:
        known = known_deformations(
            anatomy, model.deformation.lattice.cells, folder / "known", len(pairs_of(anatomy, arguments))
        )
        found[anatomy.name] = approximations(anatomy, model.deformation, known)
    _show(arguments, folder, "pairs", agents, print_approximations, found)
    return found


def _convergence(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    found = {
        anatomy.name: convergence(anatomy, model, anatomy.pairs(arguments.walk_pairs)) for anatomy, model in agents
    }
    _show(arguments, folder, "convergence", agents, print_convergence, found)
    plot_convergence(found, _titles(agents), folder / "convergence.png")
    return found


def _pictures(arguments: argparse.Namespace, folder: Path, agents: Agents) -> dict:
    drawn = {}
    for anatomy, model in agents:
        pairs = pairs_of(anatomy, arguments)
        chosen = [pairs[int(number)] for number in arguments.sheet_pairs.split(",") if int(number) < len(pairs)]
        sheet = [panels_of(anatomy, model, pair) for pair in chosen]
        titles = [f"{short(moving.name)} onto {short(fixed.name)}" for fixed, moving in chosen]
        draw_sheet(sheet, titles, folder / f"sheet_{anatomy.name.lower().replace('-', '')}.png")
        drawn[anatomy.name] = [name_of(pair) for pair in chosen]
    return drawn


def _show(arguments: argparse.Namespace, folder: Path, part: str, agents: Agents, tell, found: Mapping) -> None:
    """Print a part for all anatomies, into the page too."""

    def all_of_it() -> None:
        print(measured(part))
        for anatomy, _ in agents:
            tell(anatomy, found[anatomy.name])

    show(all_of_it, part, folder, arguments.document)


_EXPERIMENTS = {
    "modes": _modes,
    "pairs": _pairs,
    "convergence": _convergence,
    "pictures": _pictures,
    "table": _table,
    "told": _told,
    "options": _options,
    "trainings": _trainings,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
