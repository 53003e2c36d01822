"""How well an agent registers cases that it was not trained on, during training: greedy walks, and the overlap they give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from DeformationLib.cases import CaseSet, label_dice

from .agent_network import AgentNetwork
from .agent_walk import Agent, WalkOptions

_TOGETHER = 6
"""Pairs that are evaluated at once."""


@torch.inference_mode()
def validate_finder(network: AgentNetwork, cases: CaseSet, chosen: Sequence[int], device: str = "cpu") -> float:
    """Mean Dice of the structures that a network finds in some cases; 0 without cases."""
    found = []
    for index in chosen:
        image, labels, _ = (part.to(device) for part in cases.batch([index]))
        found.append(label_dice(labels[0], network.see(image)[0, 1:]))
    return round(float(np.nanmean(found)), 5) if found else 0.0


@torch.inference_mode()
def validate_agent(
    agent: Agent,
    cases: CaseSet,
    pairs: Sequence[tuple[int, int]],
    options: WalkOptions,
    device: str = "cpu",
) -> dict[str, float]:
    """Scores of walks between cases on the network's grid, already translated onto each other.

    Args:
        agent: on ``device``.
        cases: with labels.
        pairs: indices (fixed, moving).
        options: of the walks.
        device: of the agent.

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
            walk = agent.begin(agent.look(images[:1], images[1:], masks[:1]), options)[0]
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
