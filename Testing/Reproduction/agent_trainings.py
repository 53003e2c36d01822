"""Options that need trainings of their own (rigid motions among the actions, several networks): the agents that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_data import Anatomy, named
from agent_scores import print_compared
from agent_table import as_in_the_thesis, guided

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_walk import WalkOptions


def trainings(text: str) -> list[tuple[str, AgentModel]]:
    """Titles and agents of ``title=model,model;title=model``, names or folders."""
    return [
        (title, AgentModel.load(name.strip(), "cpu"))
        for title, names in named(text).items()
        for name in names.split(",")
        if name.strip()
    ]


def trained_variants() -> dict[str, WalkOptions]:
    """The walks in which the agents are compared."""
    return {
        "as in the thesis": as_in_the_thesis(),
        "greedy, halved twice": guided(),
        "greedy, halved twice, overlap 100": guided(overlap=100.0),
    }


def print_trainings(anatomy: Anatomy, found: Mapping[str, Mapping[str, Sequence[dict]]]) -> None:
    """What each training gives, by walk, and its difference to the first training pair by pair."""
    if not found:
        print(f"\n{anatomy.title}: no training given.")
        return
    first = next(iter(found.values()))
    print(f"\n{anatomy.title}, {len(next(iter(first.values())))} pairs:\n")
    lines = (
        (f"{walk} | {title}", table[walk], theirs) for walk, theirs in first.items() for title, table in found.items()
    )
    print_compared(lines, "walk | training", "the first", ("hd95", "steps", "seconds"))
