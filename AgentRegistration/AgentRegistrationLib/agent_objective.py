"""What an agent is trained on: random states of pairs, and the regression of the rewards (Krebs 3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .agent_network import AgentNetwork
from .decision_process import rewards
from .deformation_space import DeformationSpace
from .structure_network import structure_loss

_AT_START = 0.25
"""Share of the states that are starts; the others lie on the way, and around the target."""

_SCATTER = 1.5
"""Of the states on the way, in steps."""


def draw_states(target: Tensor, steps: Tensor, generator: torch.Generator) -> Tensor:
    """Random states ``(batch, d)`` of walks to their targets ``(batch, d)``.

    Some are starts; the others have come some share of the way, each parameter somewhat more or less, and wander by some
    steps ``(d,)``.
    """
    batch, count = target.shape
    way = 1.1 * torch.rand(batch, 1, generator=generator) + 0.3 * torch.randn(batch, count, generator=generator)
    scatter = _SCATTER * torch.rand(batch, 1, generator=generator) * torch.randn(batch, count, generator=generator)
    states = way.clamp(0, 1.3) * target + scatter * steps
    started = torch.rand(batch, 1, generator=generator) >= _AT_START
    return states * started


@dataclass(frozen=True)
class AgentStates:
    """A batch of states that an agent is trained on.

    Attributes:
        fixed: ``(batch, channels, *size)``, from `AgentNetwork.see`.
        warped: the moving images, from there, warped by ``theta``.
        theta: ``(batch, d)``, where the walks stand.
        target: ``(batch, d)``, where they should go.
    """

    fixed: Tensor
    warped: Tensor
    theta: Tensor
    target: Tensor


@dataclass(frozen=True)
class StructureExamples:
    """A batch that the finder of structures is trained on, before the agent is.

    Attributes:
        images: ``(batch, 1, *size)``.
        labels: ``(batch, L, *size)`` indicators.
    """

    images: Tensor
    labels: Tensor


class AgentObjective(nn.Module):
    """The network and its losses: of states, the squared error of all actions' Q-values in units of the network's scale.

    Args:
        network: to train.
    """

    def __init__(self, network: AgentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, batch: AgentStates | StructureExamples, steps: Tensor | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss of a batch, and what to log.

        Args:
            batch: states, or examples for the network's finder of structures.
            steps: ``(d,)``, of states.

        Returns:
            Of states the sum over actions, mean over states and members; ``gain`` is the mean reward of the action that is
            taken for the best, as a share of the best one's. Of examples `structure_network.structure_loss`.
        """
        if isinstance(batch, StructureExamples):
            loss = structure_loss(self.network.finder(batch.images), batch.labels)
            return loss, {"loss": float(loss.detach()), "gain": 0.0}
        wanted = rewards(batch.theta, batch.target, steps) / self.network.scale
        values = self.network.member_values(self.network.encode_fixed(batch.fixed), batch.warped).float()
        loss = (values - wanted[:, None]).square().sum(dim=2).mean()
        with torch.no_grad():
            chosen = wanted.gather(1, values.mean(dim=1).argmax(dim=1, keepdim=True))
            gain = chosen.mean() / wanted.amax(dim=1).mean().clamp_min(1e-6)
        return loss, {"loss": float(loss.detach()), "gain": float(gain)}


def with_rigid_motions(
    space: DeformationSpace, moving: Tensor, target: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Move moving images rigidly, and say so in their targets, where the space has rigid motions.

    Args:
        space: of the actions.
        moving: ``(batch, 1, *size)``.
        target: ``(batch, modes)``.
        generator: of the random motions.

    Returns:
        The images, and targets ``(batch, d)``. For small motions, a motion and its opposite cancel.
    """
    extra = len(space) - space.modes
    if not extra:
        return moving, target
    spread = space.deviations[space.modes :]
    motion = spread * torch.randn(len(target), extra, generator=generator).clamp(-2, 2).to(spread)
    theta = torch.cat([torch.zeros_like(target), -motion], dim=1)
    return space.warp(moving, space.sampling(theta, mean=False)), torch.cat([target, motion], dim=1)
