"""How well an agent registers cases that it was not trained on, during training: greedy walks, and the overlap they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from DeformationLib.cases import CaseSet, label_dice

from .agent_network import AgentNetwork
from .agent_walk import Agent, WalkOptions

_TOGETHER = 6
"""Pairs that are evaluated at once."""


@torch.inference_mode()
def found_structures(network: AgentNetwork, cases: CaseSet, device: str = "cpu") -> Tensor:
    """Structures ``(n, L, *size)``, in half precision, that a network finds in cases on its finder's grid."""
    return torch.cat([network.find(cases.batch([n])[0].to(device)).half().cpu() for n in range(len(cases))])


@torch.inference_mode()
def validate_finder(
    network: AgentNetwork, finer: CaseSet, cases: CaseSet, chosen: Sequence[int], device: str = "cpu"
) -> float:
    """Mean Dice of the structures that a network finds in some cases; 0 without cases.

    Args:
        network: on ``device``.
        finer: the cases on the finder's grid.
        cases: the same on the agent's, with labels.
        chosen: of them.
        device: of the network.
    """
    dice = []
    for index in chosen:
        found = network.find(finer.batch([index])[0].to(device))
        dice.append(label_dice(cases.batch([index])[1][0].to(device), found[0]))
    return round(float(np.nanmean(dice)), 5) if dice else 0.0


@torch.inference_mode()
def validate_agent(
    agent: Agent,
    cases: CaseSet,
    pairs: Sequence[tuple[int, int]],
    options: WalkOptions,
    device: str = "cpu",
    found: Tensor | None = None,
) -> dict[str, float]:
    """Scores of walks between cases on the network's grid, already translated onto each other.

    Args:
        agent: on ``device``.
        cases: with labels.
        pairs: indices (fixed, moving).
        options: of the walks.
        device: of the agent.
        found: structures ``(n, L, *size)`` of all cases where they are found beforehand.

    Returns:
        ``score`` (mean Dice over labels and pairs), ``dice_<label>``, ``score_before``, ``score_median``, ``score_sd`` over
        pairs, and ``steps``; nothing without pairs or labels.
    """
    if not pairs or not cases.label_values:
        return {}
    before, after, steps = [], [], []
    for first in range(0, len(pairs), _TOGETHER):
        walks = []
        for fixed, moving in pairs[first : first + _TOGETHER]:
            images, labels, masks = (part.to(device) for part in cases.batch([fixed, moving]))
            seen = [None if found is None else found[n : n + 1].to(images) for n in (fixed, moving)]
            walk = agent.begin(agent.look(images[:1], images[1:], masks[:1], seen), options)[0]
            walks.append((walk, labels))
        agent.run([walk for walk, _ in walks])
        for walk, labels in walks:
            moved = agent.space.warp(labels[1:], agent.space.sampling(walk.theta[None]))
            before.append(label_dice(labels[0], labels[1]))
            after.append(label_dice(labels[0], moved[0]))
            steps.append(walk.taken)
    table = np.asarray(after)
    per_pair = np.nanmean(table, axis=1)
    scores = {"score": np.nanmean(table)}
    scores |= {f"dice_{value}": np.nanmean(table[:, n]) for n, value in enumerate(cases.label_values)}
    scores |= {
        "score_before": np.nanmean(before),
        "score_median": np.median(per_pair),
        "score_sd": per_pair.std(),
        "steps": np.mean(steps),
    }
    return {name: round(float(value), 5) for name, value in scores.items()}
