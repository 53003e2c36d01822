"""The way that an agent went: parameters, similarity and action of every step, and its table; needs no torch."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path

Choice = Literal["start", "agent", "user", "settled"]
"""Who brought a walk into a state: its start, the agent, the user's hand, or the mean that ends an oscillation."""

_COLUMNS = ("step", "choice", "action", "mode", "change", "q", "similarity")


@dataclass(frozen=True)
class State:
    """One state of a walk and what led there.

    Attributes:
        theta: parameters.
        similarity: correlation of the fixed and the warped moving image, in [-1, 1].
        action: 2 m to move parameter m up, 2 m + 1 to move it down; None where no single action led here.
        change: of the action's parameter.
        q: value that the network gave to the action, in the rewards' units; None where it was not asked.
        choice: who chose.
    """

    theta: tuple[float, ...]
    similarity: float
    action: int | None = None
    change: float = 0.0
    q: float | None = None
    choice: Choice = "start"

    @property
    def parameter(self) -> int | None:
        """The parameter that the action changed."""
        return None if self.action is None else self.action // 2


def write_trajectory(states: Sequence[State], path: str | os.PathLike) -> Path:
    """Write a table of a walk, from its start (step 0), and return its path; modes count from 1.

    Raises `InputError` for a file that cannot be written.
    """
    path = Path(path)
    header = [*_COLUMNS, *(f"theta_{number}" for number in range(1, len(states[0].theta) + 1))]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for step, state in enumerate(states):
            moved = ("", "", "") if state.action is None else (state.action, state.parameter + 1, f"{state.change:.6g}")
            q = "" if state.q is None else f"{state.q:.6g}"
            theta = (f"{value:.6g}" for value in state.theta)
            writer.writerow([step, state.choice, *moved, q, f"{state.similarity:.6g}", *theta])
    return path


def read_trajectory(path: str | os.PathLike) -> list[State]:
    """The states that `write_trajectory` has written; raises `InputError` for another file."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            states = [_state(row) for row in csv.DictReader(stream)]
        if not states:
            raise ValueError("it has no states")
        return states
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a trajectory of an agent ({error}): choose a trajectory.csv.") from error


def _state(row: dict[str, str]) -> State:
    theta = tuple(float(value) for name, value in row.items() if name.startswith("theta_"))
    return State(
        theta,
        float(row["similarity"]),
        int(row["action"]) if row["action"] else None,
        float(row["change"]) if row["change"] else 0.0,
        float(row["q"]) if row["q"] else None,
        row["choice"],
    )
