"""Figure 3.5: an agent over 1,000 steps, and whether stopping at the oscillation costs accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from agent_data import Anatomy, Pair, name_of
from agent_scores import summary
from agent_table import as_in_the_thesis
from torch import Tensor

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_walk import AgentWalk
from DeformationLib.cases import label_dice
from DeformationLib.preprocessing import prepare_labels
from LatentRegistrationLib.figures import COLOURS, new_figure

STEPS, USUAL = 1000, 200


def convergence(anatomy: Anatomy, model: AgentModel, pairs: Sequence[Pair], steps: int = STEPS) -> list[dict]:
    """Per pair: Dice (of the agent's grid) and similarity by step without a stop; and the walk with one, which begins alike.

    ``stopped`` and ``settled`` are the Dice where the oscillation was found, and in the middle of it; ``at``, the step.
    """
    return [_both(anatomy, model, pair, steps) for pair in pairs]


@torch.inference_mode()
def _both(anatomy: Anatomy, model: AgentModel, pair: Pair, steps: int) -> dict:
    images = pair[0].image, pair[1].image
    registration = model.begin(*images, options=as_in_the_thesis(steps=steps, window=0))
    long = registration.run()
    view = registration.view
    labels = [
        prepare_labels(subject.labels, list(anatomy.structures), model.grid, seen.geometry)
        for subject, seen in zip(pair, (view.seen_f, view.seen_m), strict=True)
    ]
    short = model.begin(*images, options=as_in_the_thesis(steps=steps)).run()
    at = short.taken - (short.states[-1].choice == "settled")
    return {
        "pair": name_of(pair),
        "dice": [overlap(model, labels, state.theta) for state in long.states],
        "similarity": [state.similarity for state in long.states],
        "at": at,
        "stopped": overlap(model, labels, short.states[at].theta),
        "settled": overlap(model, labels, short.states[-1].theta),
        "settled similarity": short.states[-1].similarity,
        "alike": _alike(long, short, at),
    }


def overlap(model: AgentModel, labels: Sequence[Tensor], theta: Sequence[float]) -> float:
    """Mean Dice over structures on the agent's grid, from label indicators ``(1, L, *size)`` of fixed and moving image."""
    space = model.space
    moved = space.warp(labels[1], space.sampling(torch.tensor([theta])))
    return float(np.nanmean(label_dice(labels[0][0], moved[0])))


def _alike(long: AgentWalk, short: AgentWalk, steps: int) -> bool:
    return [state.action for state in long.states[: steps + 1]] == [state.action for state in short.states[: steps + 1]]


def print_convergence(anatomy: Anatomy, rows: Sequence[Mapping]) -> None:
    """Dice of all steps and of stopped walks."""
    steps = len(rows[0]["dice"]) - 1
    ends = np.array([row["at"] for row in rows])
    columns = {
        "at the start": [row["dice"][0] for row in rows],
        f"{min(USUAL, steps)} steps": [row["dice"][min(USUAL, steps)] for row in rows],
        f"{steps} steps": [row["dice"][-1] for row in rows],
        "where it stops": [row["stopped"] for row in rows],
        "in the middle of the oscillation": [row["settled"] for row in rows],
    }
    print(
        f"\n{anatomy.title}, {len(rows)} pairs; the stop comes after {ends.mean():.0f} steps in the mean "
        f"({ends.min()} to {ends.max()}):\n"
    )
    print(f"| end of the walk | Dice mean | median | SD | difference to {steps} steps, mean |")
    print("|:--|" + "--:|" * 4)
    last = np.asarray(columns[f"{steps} steps"])
    for title, found in columns.items():
        print(f"| {title} | {summary(found, 3)} | {np.mean(found - last):+.3f} |")


def plot_convergence(
    found: Mapping[str, Sequence[Mapping]], titles: Mapping[str, str], path: Path, most: int = 4
) -> None:
    """Similarity and Dice by step of some pairs; a dot where each would have been stopped."""
    with new_figure(path, 10.0, 3.3 * len(found)) as figure:
        panels = figure.subplots(len(found), 2, squeeze=False)
        for row, (name, walks) in zip(panels, found.items(), strict=True):
            for axes, key, end, label in zip(
                row, ("similarity", "dice"), ("settled similarity", "settled"), ("correlation", "Dice"), strict=True
            ):
                for number, walk in enumerate(walks[:most]):
                    axes.plot(walk[key], color=COLOURS[number], linewidth=0.8, label=walk["pair"])
                    axes.plot(walk["at"], walk[end], "o", color=COLOURS[number], markeredgecolor="black", zorder=3)
                axes.set(xlabel="step", ylabel=label, xlim=(0, len(walks[0]["dice"]) - 1))
                axes.set_title(titles[name], loc="left")
            row[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title="dot: stopped")
