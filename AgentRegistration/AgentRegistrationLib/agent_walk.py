"""An agent at work: step by step through the space of deformations, alone or with others, watched and led by hand.

A step looks at the moving image warped so far, asks the network what each action is worth, chooses, and moves one
parameter (Krebs figure 3.1b).  Walks of several starts, or of several pairs, share one evaluation of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress

from .agent_network import AgentNetwork
from .decision_process import ActionRule, Oscillation, acceptance_ratio
from .deformation_space import DeformationSpace
from .structure_overlap import overlap_gains
from .trajectory import Choice, State

_STEPS_PER_REPORT = 4


@dataclass(frozen=True)
class WalkOptions:
    """How an agent walks.

    Attributes:
        steps: at most so many.
        rule: how an action follows from the Q-values.
        oscillation: when to stop before.
        shrinks: how often an oscillating walk goes on with steps half as long, before it stops.
        settle: end in the middle of the last states, which an oscillation runs about, rather than in the last one.
        starts: walks from different places, of which the most similar one counts.
        spread: of the places after the first, in standard deviations of the parameters.
        overlap: weight of what an action gains in overlap of the found structures, in mean steps per unit of Dice, beside
            the network's Q-value; 0 for the network alone. Without effect for an agent that finds no structures.
        seed: of every random draw.
    """

    steps: int = 200
    rule: ActionRule = field(default_factory=ActionRule)
    oscillation: Oscillation = field(default_factory=Oscillation)
    shrinks: int = 0
    settle: bool = True
    starts: int = 1
    spread: float = 0.5
    overlap: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.starts < 1 or min(self.shrinks, self.spread, self.overlap) < 0:
            raise InputError("An agent needs at least one start, and no negative number of steps or weight.")


class Pair:
    """A fixed and a moving image as an agent sees them, and what all steps need of the fixed one.

    Args:
        fixed: ``(1, 1, *size)``.
        moving: ``(1, 1, *size)``.
        mask: ``(1, 1, *size)``, not 0 where the similarity is measured; None for everywhere.
        encoded: of the fixed image, from `AgentNetwork.encode_fixed`.
        seen: ``(1, channels, *size)`` what the network sees of the moving image, first its voxels; by default those alone.
        structures: ``(1, L, *size)`` found in the fixed image; None where none are.
    """

    def __init__(
        self,
        fixed: Tensor,
        moving: Tensor,
        mask: Tensor | None,
        encoded: Tensor,
        seen: Tensor | None = None,
        structures: Tensor | None = None,
    ) -> None:
        self.fixed, self.moving, self.encoded, self.structures = fixed, moving, encoded, structures
        self.seen = moving if seen is None else seen
        weight = torch.ones_like(fixed) if mask is None else (mask != 0).to(fixed)
        if not weight.any():
            raise InputError("The mask is empty where the agent looks: choose another mask, or another alignment.")
        self._weight = weight.flatten() / weight.sum()
        centred = fixed.flatten() - torch.dot(fixed.flatten(), self._weight)
        self._weighted = centred * self._weight
        self._norm = torch.dot(centred, self._weighted).sqrt()

    def similarity(self, warped: Tensor) -> float:
        """Pearson correlation of the fixed image and a warped one within the mask, in [-1, 1]."""
        values = warped.flatten()
        mean = torch.dot(values, self._weight)
        variance = torch.dot(values * self._weight, values) - mean * mean
        return float(torch.dot(values, self._weighted) / (self._norm * variance.clamp_min(0).sqrt()).clamp_min(1e-8))


class Agent:
    """A trained network and the space that it walks in; `begin` and `run` are what most need.

    >>> agent = Agent(network, space)
    >>> walk = agent.begin(fixed, moving)
    >>> agent.run([walk], WalkOptions(steps=200))
    >>> space.displacement(walk.theta[None])
    """

    def __init__(self, network: AgentNetwork, space: DeformationSpace) -> None:
        if network.configuration.actions != 2 * len(space):
            raise ValueError(f"{network.configuration.actions} actions do not fit {len(space)} parameters.")
        self.network, self.space = network.eval(), space

    @torch.inference_mode()
    def look(
        self,
        fixed: Tensor,
        moving: Tensor,
        mask: Tensor | None = None,
        found: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Pair:
        """Two images on the network's grid as a pair to be registered; see `Pair`.

        Args:
            fixed, moving, mask: of the pair.
            found: structures in both, see `AgentNetwork.see`.
        """
        seen_f, seen_m = (self.network.see(*part) for part in zip((fixed, moving), found, strict=True))
        structures = seen_f[:, 1:] if seen_f.shape[1] > 1 else None
        return Pair(fixed, moving, mask, self.network.encode_fixed(seen_f), seen_m, structures)

    def begin(self, pair: Pair, options: WalkOptions | None = None) -> list[AgentWalk]:
        """Walks of a pair from the options' starts: the first from the mean deformation, the others from around it."""
        options = options or WalkOptions()
        return [AgentWalk(self, pair, options, start) for start in range(options.starts)]

    @torch.inference_mode()
    def observe(self, walks: Sequence[AgentWalk]) -> None:
        """Warp and evaluate, in one go, all walks that have moved since they were last looked at."""
        self._warp(walks)
        unvalued = [walk for walk in walks if walk._q is None]
        if unvalued:
            encoded = torch.cat([walk.pair.encoded for walk in unvalued])
            values = self.network(encoded, torch.cat([walk._warped for walk in unvalued])).float().cpu()
            for walk, q in zip(unvalued, values, strict=True):
                walk._q = q
            self._add_gains([walk for walk in unvalued if walk.options.overlap and walk.pair.structures is not None])

    def _add_gains(self, walks: Sequence[AgentWalk]) -> None:
        """Add to the Q-values what the actions gain in overlap of the found structures."""
        if not walks:
            return
        fixed = torch.cat([walk.pair.structures for walk in walks])
        moving = torch.cat([walk.pair.seen[:, 1:] for walk in walks])
        gains = overlap_gains(self.space, fixed, moving, torch.stack([walk._sampling for walk in walks]))
        for walk, gain in zip(walks, gains.float().cpu(), strict=True):
            walk._q = walk._q + walk.options.overlap * float(self.space.steps.mean()) * gain

    @torch.inference_mode()
    def _warp(self, walks: Sequence[AgentWalk]) -> None:
        unseen = [walk for walk in walks if walk._warped is None]
        if unseen:
            images = torch.cat([walk.pair.seen for walk in unseen])
            warped = self.space.warp(images, torch.stack([walk._sampling for walk in unseen]))
            for walk, image in zip(unseen, warped.split(1), strict=True):
                walk._warped = image

    def advance(self, walks: Sequence[AgentWalk]) -> list[int]:
        """One step of each walk; returns the actions."""
        self.observe(walks)
        moves = [walk._choose() for walk in walks]
        for walk, (action, change, _) in zip(walks, moves, strict=True):
            walk._shift(action, change)
        self._warp(walks)
        for walk, (action, change, q) in zip(walks, moves, strict=True):
            walk._remember(action, change, q, "agent")
            walk._look_for_oscillation()
        return [action for action, _, _ in moves]

    def run(self, walks: Sequence[AgentWalk], steps: int | None = None, progress: Progress | None = None) -> AgentWalk:
        """Let walks go on until they stop or have taken all their steps; returns the most similar one.

        Args:
            walks: as they stand.
            steps: at most so many more; by default what is left of the options' steps.
            progress: reports and cancels.

        Raises:
            Cancelled: through ``progress``.
        """
        progress = progress or Progress()
        most = max(walk.left for walk in walks) if steps is None else steps
        for number in range(most):
            going = [walk for walk in walks if not walk.finished]
            if not going:
                break
            if number % _STEPS_PER_REPORT == 0:
                progress.report(number / most, f"Step {number + 1} of {most}")
            self.advance(going)
        for walk in walks:
            walk.settle()
        progress.report(1.0)
        return max(walks, key=lambda walk: walk.similarity)


class AgentWalk:
    """One walk of an agent: its state, its way, and all that a user may do with it.

    Attributes:
        agent: who walks.
        pair: the images.
        options: how it walks.
        states: from the start to where it stands.
        scale: of the steps, 1 until they shrink.
        stopped: whether it oscillates.
    """

    def __init__(self, agent: Agent, pair: Pair, options: WalkOptions, start: int = 0) -> None:
        """Start a walk; ``start`` numbers the places to start from, 0 is the mean deformation."""
        self.agent, self.pair, self.options = agent, pair, options
        space = agent.space
        self._steps, self._means, self._deviations = (
            part.float().cpu() for part in (space.steps, space.means, space.deviations)
        )
        self._generator = torch.Generator().manual_seed(hash((options.seed, start)) % 2**63)
        theta = self._means.clone()
        if start:
            jitter = torch.randn(len(theta), generator=self._generator).clamp(-2, 2)
            theta = theta + options.spread * self._deviations * jitter
        self.scale, self.stopped = 1.0, False
        self.states: list[State] = []
        self._memory: list[tuple[Tensor, float, int]] = []  # of the generator, the scale and the recent, at each state
        self._since = 0  # the state from which an oscillation is looked for
        self._settled = False
        self._place(theta)
        self._remember(choice="start")

    # ------------------------------------------------------------------------------------------------- where it stands

    @property
    def theta(self) -> Tensor:
        """Parameters ``(d,)``."""
        return self._theta

    @property
    def amplitudes(self) -> Tensor:
        """Parameters in standard deviations from their means, ``(d,)``."""
        return (self._theta - self._means) / self._deviations

    def amplitudes_of(self, theta: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
        """Those of other parameters ``(..., d)``, for instance of states."""
        return (torch.tensor(theta) - self._means) / self._deviations

    def set_amplitudes(self, amplitudes: Sequence[float]) -> None:
        """`set_theta` in standard deviations from the means."""
        self.set_theta(self._means + torch.as_tensor(list(amplitudes), dtype=torch.float32) * self._deviations)

    @property
    def steps(self) -> Tensor:
        """By how much an action now changes each parameter, ``(d,)``."""
        return self.scale * self._steps

    @property
    def taken(self) -> int:
        """Steps from the start to here."""
        return len(self.states) - 1

    @property
    def left(self) -> int:
        """Steps until the options' limit."""
        return max(0, self.options.steps - self.taken)

    @property
    def finished(self) -> bool:
        """Whether it goes no further by itself; `take`, `set_theta` and `step_back` work on."""
        return self.stopped or not self.left

    @property
    def warped(self) -> Tensor:
        """The moving image as deformed so far, ``(1, 1, *size)``."""
        if self._warped is None:
            self.agent._warp([self])
        return self._warped[:, :1]

    @property
    def similarity(self) -> float:
        """Correlation with the fixed image, in [-1, 1]."""
        if self._similarity is None:
            self._similarity = self.pair.similarity(self.warped)
        return self._similarity

    @property
    def displacement(self) -> Tensor:
        """From the fixed to the moving image, ``(1, D, *size)`` in voxels of the network's grid."""
        return self.agent.space.displacement(self._theta[None])

    def q_values(self) -> Tensor:
        """What each action is worth here, ``(2 d,)``, in the rewards' units: to the network, and by `WalkOptions.overlap`."""
        if self._q is None:
            self.agent.observe([self])
        return self._q

    def best_actions(self, count: int = 3) -> list[tuple[int, float]]:
        """The best actions here and their Q-values, without fuzzy control."""
        q = self.q_values()
        best = q.topk(min(count, len(q)))
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def acceptance(self, action: int) -> float:
        """Probability with which fuzzy control accepts an action here, in [0, 1]; 1 where there is no control."""
        if not self.options.rule.tightness:
            return 1.0
        parameter = action // 2
        mean, deviation, here = self._means[parameter], self._deviations[parameter], self._theta[parameter]
        value = here + self._change(action)
        if (value - mean).abs() < (here - mean).abs():
            return 1.0
        return float(acceptance_ratio(value, mean, deviation, self.options.rule.tightness))

    # ----------------------------------------------------------------------------------------------------- how it goes

    def resume(self, steps: int) -> None:
        """Let the agent take at most so many more steps from here, also after its end; an oscillation is looked for anew."""
        self.options = replace(self.options, steps=self.taken + steps)
        if self.stopped:
            self.stopped = self._settled = False
            self._since = self.taken

    def step(self) -> int | None:
        """Let the agent choose and take one action; returns it, or None where the walk has stopped."""
        return None if self.stopped else self.agent.advance([self])[0]

    def take(self, action: int) -> None:
        """Take an action by the user's hand; the agent goes on from there."""
        if not 0 <= action < 2 * len(self._steps):
            raise ValueError(f"There are actions 0 to {2 * len(self._steps) - 1}, not {action}.")
        change = self._change(action)
        q = None if self._q is None else float(self._q[action])
        self._shift(action, change)
        self._go_on(action, change, q)

    def set_theta(self, theta: Sequence[float] | Tensor) -> None:
        """Set all parameters, as by dragged sliders; the agent goes on from there."""
        theta = torch.as_tensor(theta, dtype=torch.float32).cpu().clone()
        if theta.shape != self._theta.shape or not theta.isfinite().all():
            raise ValueError(f"{len(self._theta)} finite parameters are needed.")
        self._place(theta)
        self._go_on()

    def step_back(self) -> bool:
        """Undo the last step, or the last thing that the user did; False at the start.

        The same random numbers come again: a step back and a step forward lead to the same place.
        """
        if not self.taken:
            return False
        self.states.pop()
        self._memory.pop()
        generator, self.scale, self._since = self._memory[-1]
        self._generator.set_state(generator)
        self.stopped = self._settled = False
        self._place(torch.tensor(self.states[-1].theta))
        return True

    def settle(self) -> None:
        """End in the middle of the last states where the walk has stopped and the options ask for it."""
        if self._settled or not (self.stopped and self.options.settle):
            return
        self._settled = True
        centre = self.options.oscillation.centre([torch.tensor(state.theta) for state in self.states])
        self._place(centre)
        self._remember(choice="settled")

    def _choose(self) -> tuple[int, float, float]:
        """The agent's next action, its change, and its Q-value without fuzzy control."""
        rule, q = self.options.rule, self.q_values()
        controlled = rule.controlled(q, self._theta, self.steps, self._means, self._deviations, self._generator)
        action = rule.choose(controlled, self._generator)
        return action, self._change(action), float(q[action])

    def _change(self, action: int) -> float:
        return float(self.steps[action // 2]) * (-1 if action % 2 else 1)

    def _shift(self, action: int, change: float) -> None:
        theta = self._theta.clone()
        theta[action // 2] += change
        self._place(theta, self._sampling + self.agent.space.change(action // 2, change))

    def _place(self, theta: Tensor, sampling: Tensor | None = None) -> None:
        """Stand at some parameters, given the sampling where an earlier one made it cheap."""
        self._theta = theta
        self._sampling = self.agent.space.sampling(theta[None])[0] if sampling is None else sampling
        self._warped = self._q = self._similarity = None

    def _remember(
        self, action: int | None = None, change: float = 0.0, q: float | None = None, choice: Choice = "agent"
    ) -> None:
        theta = tuple(self._theta.tolist())
        self.states.append(State(theta, self.similarity, action, change, q, choice))
        self._memory.append((self._generator.get_state(), self.scale, self._since))

    def _go_on(self, action: int | None = None, change: float = 0.0, q: float | None = None) -> None:
        """Go on from where the user has put the walk."""
        self.stopped = self._settled = False
        self._since = len(self.states)
        self._remember(action, change, q, "user")

    def _look_for_oscillation(self) -> None:
        oscillation = self.options.oscillation
        recent = [torch.tensor(state.theta) for state in self.states[self._since :][-2 * max(oscillation.window, 1) :]]
        if not oscillation.found(recent, self.steps):
            return
        if self.scale > 0.5**self.options.shrinks:
            self.scale /= 2
            self._since = self.taken
        else:
            self.stopped = True
        self._memory[-1] = (self._memory[-1][0], self.scale, self._since)


def walk_options(options: WalkOptions | None = None, **changes) -> WalkOptions:
    """Options with some changes; names of `ActionRule` and `Oscillation` are understood too."""
    options = options or WalkOptions()
    rule = {name: changes.pop(name) for name in ActionRule.__dataclass_fields__ if name in changes}
    oscillation = {name: changes.pop(name) for name in Oscillation.__dataclass_fields__ if name in changes}
    return replace(
        options, rule=replace(options.rule, **rule), oscillation=replace(options.oscillation, **oscillation), **changes
    )
