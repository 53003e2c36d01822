"""What an agent is trained on: random states of pairs, and the regression of the rewards (Krebs 3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .agent_network import AgentNetwork
from .decision_process import rewards
from .deformation_space import DeformationSpace

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
        fixed: ``(batch, 1, *size)``.
        warped: the moving images, warped by ``theta``.
        theta: ``(batch, d)``, where the walks stand.
        target: ``(batch, d)``, where they should go.
        labels: ``(batch, 2 L, *size)`` indicators of the structures in the fixed, then in the warped images.
    """

    fixed: Tensor
    warped: Tensor
    theta: Tensor
    target: Tensor
    labels: Tensor | None = None


class AgentObjective(nn.Module):
    """The network and its loss: the squared error of all actions' Q-values, in units of the network's scale.

    With a ``structure_weight``, the streams' last feature maps also have to tell, by one linear layer that is thrown away
    after the training, how much of each structure lies in each of their cells: rewards alone say little about what the
    structures look like.

    Args:
        network: to train.
        structures: L, of the label maps.
        structure_weight: of the cross entropy of the structures, against the error of the Q-values.
    """

    def __init__(self, network: AgentNetwork, structures: int = 0, structure_weight: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.structure_weight = structure_weight if structures else 0.0
        configuration = network.configuration
        if self.structure_weight:
            convolution = nn.Conv2d if len(configuration.size) == 2 else nn.Conv3d
            seen = (1, 1 + configuration.joint)  # images that each stream sees
            self.probes = nn.ModuleList(
                nn.ModuleList(convolution(configuration.widths[-1], images * structures, 1) for images in seen)
                for _ in network.members
            )

    def forward(self, states: AgentStates, steps: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss of a batch of states, and what to log.

        Args:
            states: the batch.
            steps: ``(d,)``.

        Returns:
            The sum over actions, mean over states and members, and what the structures add; ``gain`` is the mean reward of
            the action that is taken for the best, as a share of the best one's.
        """
        wanted = rewards(states.theta, states.target, steps) / self.network.scale
        encoded = self.network.encode_fixed(states.fixed)
        maps = [self.network.member_features(encoded, states.warped, n) for n in range(len(self.network.members))]
        values = torch.stack(
            [member.head(torch.cat(pair, dim=1)) for member, pair in zip(self.network.members, maps, strict=True)],
            dim=1,
        ).float()
        loss = (values - wanted[:, None]).square().sum(dim=2).mean()
        with torch.no_grad():
            chosen = wanted.gather(1, values.mean(dim=1).argmax(dim=1, keepdim=True))
            gain = chosen.mean() / wanted.amax(dim=1).mean().clamp_min(1e-6)
        terms = {"loss": float(loss.detach()), "gain": float(gain)}
        if self.structure_weight and states.labels is not None:
            structures = self._structures(maps, states.labels)
            loss = loss + self.structure_weight * structures
            terms |= {"structures": float(structures.detach())}
        return loss, terms

    def _structures(self, maps: list[tuple[Tensor, Tensor]], labels: Tensor) -> Tensor:
        """Cross entropy of the structures' shares of the feature maps' cells, summed over structures and streams."""
        size = self.network.configuration.coarse_size
        pool = F.adaptive_avg_pool2d if labels.ndim == 4 else F.adaptive_avg_pool3d
        share = pool(labels.float(), size)
        count = share.shape[1] // 2
        wanted = share[:, :count], share if self.network.configuration.joint else share[:, count:]
        total = share.new_zeros(())
        for probes, pair in zip(self.probes, maps, strict=True):
            for probe, features, target in zip(probes, pair, wanted, strict=True):
                found = probe(features.unflatten(1, (-1, *size))).float()
                error = F.binary_cross_entropy_with_logits(found, target, reduction="none")
                total = total + error.sum(dim=1).mean()
        return total / len(maps)


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
