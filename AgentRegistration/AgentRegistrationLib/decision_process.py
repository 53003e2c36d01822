"""The single-stage Markov decision process of an agent: actions, rewards, fuzzy control, choice, oscillation (Krebs 3.2).

With d parameters there are 2 d actions: action 2 m moves parameter m up by its step, action 2 m + 1 moves it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

REJECTED = 1e6
"""Subtracted from the Q-value of an action that fuzzy control rejects: rejected actions keep their order among themselves."""


def action_changes(steps: Tensor) -> Tensor:
    """What each action adds to the parameters, ``(2 d, d)``, from the steps ``(d,)``."""
    return torch.stack([torch.diag(steps), -torch.diag(steps)], dim=1).flatten(0, 1)


def opposite(action: int) -> int:
    """The action that undoes another one."""
    return action ^ 1


def rewards(theta: Tensor, target: Tensor, steps: Tensor) -> Tensor:
    """By how much each action brings parameters nearer to their target, ``(batch, 2 d)`` (Krebs eq. 3.1).

    ``|target - theta| - |target - theta - change|`` with Euclidean norms: at most the step, reached where the step leads
    straight to the target.

    Args:
        theta: ``(batch, d)``.
        target: ``(batch, d)``.
        steps: ``(d,)``, positive.
    """
    missing = target - theta
    distance = missing.norm(dim=1, keepdim=True)
    along = torch.stack([missing * steps, -missing * steps], dim=2).flatten(1)
    squares = steps.square().repeat_interleave(2)
    after = (distance.square() - 2 * along + squares).clamp_min(0).sqrt()
    # The difference of the norms, without the cancellation of digits where the step is short.
    return (2 * along - squares) / (distance + after).clamp_min(1e-12)


def acceptance_ratio(value: Tensor, mean: Tensor, deviation: Tensor, tightness: float = 1.5) -> Tensor:
    """Probability with which a parameter may take a value (Krebs 3.2.2).

    ``N(f; mu, sigma) / N(mu + k sigma; mu, sigma)``, at most 1: always within k standard deviations, and the more rarely
    the farther beyond.
    """
    score = (value - mean) / deviation
    return torch.exp(0.5 * (tightness**2 - score.square())).clamp_max(1.0)


@dataclass(frozen=True)
class ActionRule:
    """How an action follows from Q-values.

    Attributes:
        probabilities: of the best action, the second best, and so on.
        tightness: k of fuzzy action control, standard deviations; 0 for no control.
        greedy: always the best action, and one beyond the control's even chance is never taken: nothing is random.
    """

    probabilities: tuple[float, ...] = (0.8, 0.15, 0.05)
    tightness: float = 1.5
    greedy: bool = False

    def __post_init__(self) -> None:
        if not self.probabilities or min(self.probabilities) < 0 or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError(f"Probabilities must be positive and add up to 1, not {self.probabilities}.")

    def controlled(
        self, q: Tensor, theta: Tensor, steps: Tensor, means: Tensor, deviations: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Q-values ``(2 d,)`` after fuzzy action control of all actions; the generator is drawn from whatever comes out.

        A move back towards the mean never leaves the model's space, and is accepted wherever it starts.
        """
        if not self.tightness:
            return q
        moved = torch.stack([theta + steps, theta - steps], dim=1)
        ratio = acceptance_ratio(moved, means[:, None], deviations[:, None], self.tightness)
        inwards = (moved - means[:, None]).abs() < (theta - means)[:, None].abs()
        chance = torch.full_like(ratio, 0.5) if self.greedy else torch.rand(ratio.shape, generator=generator)
        rejected = (chance >= ratio) & ~inwards
        return q - REJECTED * rejected.flatten()

    def choose(self, q: Tensor, generator: torch.Generator) -> int:
        """One of the best actions, with the fixed probabilities."""
        if self.greedy:
            return int(q.argmax())
        ranked = q.topk(min(len(self.probabilities), len(q))).indices
        weights = torch.tensor(self.probabilities[: len(ranked)])
        return int(ranked[torch.multinomial(weights, 1, generator=generator)])


@dataclass(frozen=True)
class Oscillation:
    """When a walk no longer leads anywhere but to and fro between neighbouring states (Krebs figure 3.5).

    Two windows of states are compared by their means. Where each step leads on, the means are as many steps apart as a
    window has; where the walk oscillates, they are hardly apart.

    Attributes:
        window: states of each of the two windows; 0 for never.
        share: of the steps that still lead on, below which a walk oscillates.
    """

    window: int = 20
    share: float = 0.1

    def found(self, states: Sequence[Tensor], steps: Tensor) -> bool:
        """Whether the last states ``(d,)`` oscillate, given the steps ``(d,)``."""
        if not self.window or len(states) < 2 * self.window:
            return False
        return self.progress(states, steps) < self.share

    def progress(self, states: Sequence[Tensor], steps: Tensor) -> float:
        """Share of the last steps that led on, in [0, 1]."""
        last = torch.stack(list(states[-2 * self.window :])) / steps
        before, after = last[: self.window].mean(dim=0), last[self.window :].mean(dim=0)
        return float((after - before).abs().sum()) / self.window

    def centre(self, states: Sequence[Tensor]) -> Tensor:
        """What the last states oscillate about: their mean over a window."""
        return torch.stack(list(states[-max(self.window, 1) :])).mean(dim=0)
