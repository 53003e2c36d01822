"""The motion model's training objective: the negative evidence lower bound of Krebs eq. 5.5, and labels if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from DeformationLib.fields import exponential, warp
from DeformationLib.filters import window_in_voxels
from DeformationLib.regularity import folding_penalty
from DeformationLib.similarity import masked_mean, soft_dice_loss
from LatentRegistrationLib.velocity_network import pyramid
from LatentRegistrationLib.velocity_objective import symmetric_correlation

from .motion_network import MotionNetwork, Posterior, evened, temporal_weights

Similarity = Literal["correlation", "squares"]


@dataclass(frozen=True)
class MotionLossWeights:
    """Weights of the terms; the whole is divided by ``likelihood``, so that its scale does not depend on it.

    Attributes:
        similarity: ``"correlation"``, symmetric and local, at every scale (eq. 4.7), or ``"squares"``, the squared
            differences of chapter 5.
        likelihood: weight of a frame's similarity against the motion matrix's prior (lambda).
        variance: of the squared differences (sigma_L).
        window: of the local correlation, voxels along the finest axis.
        overlap: soft Dice of the labels at the finest scale, relative to one scale's similarity.
        folding: Jacobian determinants below a tenth at the finest scale, relative likewise.
        transport: difference of what becomes of the labels' volumes under a subject's motion, in itself and in another
            subject; relative likewise.
    """

    similarity: Similarity = "correlation"
    likelihood: float = 20000.0
    variance: float = 0.0045
    window: int = 9
    overlap: float = 0.0
    folding: float = 0.0
    transport: float = 0.0


class SequenceBatch(NamedTuple):
    """Sequences of one case as the objective takes them; B is the number of slices, or 1.

    Attributes:
        moving: ``(B, 1, *size)``, the reference, in [0, 1].
        frames: ``(B, N, 1, *size)``, the others in the order of time.
        mask: ``(B, 1, *size)``, 1 where the images have voxels.
        slots: ``(N,)``, where each frame belongs, from 1.
        given: ``(B, N)``, which frames the encoder may look at.
        compared: ``(M,)``, which frames are decoded and compared, in the order of time.
        labels: of the reference, ``(B, L, *size)``, or None.
        frame_labels: of some compared frames, by position in ``compared``.
        others: references of other subjects and their labels, each ``(B, 1 + L, *size)``, to which the motion is
            transported.
    """

    moving: Tensor
    frames: Tensor
    mask: Tensor
    slots: Tensor
    given: Tensor
    compared: Tensor
    labels: Tensor | None = None
    frame_labels: dict[int, Tensor] | None = None
    others: tuple[Tensor, ...] = ()


class MotionObjective(nn.Module):
    """The network and its loss on the sequences of a case."""

    def __init__(self, network: MotionNetwork, weights: MotionLossWeights = MotionLossWeights()) -> None:
        super().__init__()
        self.network, self.weights = network, weights
        self.finest = 0
        """How many of the fine scales are left out, in the first part of a training."""

    def forward(
        self, batch: SequenceBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and its terms."""
        posterior = self.network.encode(batch.frames, batch.moving, batch.slots - 1, batch.given)
        return self.of_posterior(posterior, batch, generator)

    def of_posterior(
        self, posterior: Posterior, batch: SequenceBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and its terms of what the encoder said of the batch."""
        weights, network, pair = self.weights, self.network, self.network.configuration.pair
        matrix = network.sample(posterior, generator)
        times = batch.slots[batch.compared]
        finest = max(self.finest, pair.finest)
        velocities = network.decode(network.codes_at(matrix, times), batch.moving, times, finest)
        divergence = network.divergence(posterior).mean() / len(batch.slots)
        loss, terms = divergence / weights.likelihood, {"kl": divergence.item()}
        count, levels = len(batch.compared), max(pair.scales - 1, 0)
        fixed, moving, mask = (
            pyramid(part, pair, levels)
            for part in (
                batch.frames[:, batch.compared].flatten(0, 1),
                batch.moving.repeat_interleave(count, dim=0),
                batch.mask.repeat_interleave(count, dim=0),
            )
        )
        for number, velocity in enumerate(velocities, start=finest):
            unlike = self._unlike(fixed[number], moving[number], mask[number], velocity.flatten(0, 1), number)
            loss = loss + unlike
            terms[f"similarity_{number + 1}"] = 1.0 - unlike.item()
        labelled = batch.labels is not None and bool(batch.frame_labels)
        if weights.overlap > 0 and labelled:
            overlap = self._overlap(velocities[0], batch)
            loss, terms["overlap"] = loss + weights.overlap * overlap, overlap.item()
        if weights.transport > 0 and labelled and batch.others:
            astray = self._astray(matrix, times, batch)
            loss, terms["transport"] = loss + weights.transport * astray, astray.item()
        if weights.folding > 0:
            velocity = velocities[0].flatten(0, 1)
            folding = folding_penalty(exponential(torch.cat([velocity, -velocity]), pair.squarings))
            loss, terms["folding"] = loss + weights.folding * folding, folding.item()
        terms["loss"] = loss.item()
        return loss, terms

    def _unlike(self, fixed: Tensor, moving: Tensor, mask: Tensor, velocity: Tensor, number: int) -> Tensor:
        """One minus the similarity of frames with the deformed reference at one scale, mean over frames and voxels."""
        pair, weights = self.network.configuration.pair, self.weights
        if weights.similarity == "correlation":
            window = window_in_voxels(weights.window, pair.level(number)[1])
            return 1.0 - symmetric_correlation(fixed, moving, velocity, window, mask, pair.squarings)
        displacement = exponential(velocity, pair.squarings)
        return masked_mean((warp(moving, displacement) - fixed).square(), mask) / (2 * weights.variance)

    def _overlap(self, velocity: Tensor, batch: SequenceBatch) -> Tensor:
        """Soft Dice loss of the reference's labels brought to the labelled frames; slices of a case count together."""
        pair = self.network.configuration.pair
        finest = max(self.finest, pair.finest)
        reference = pyramid(batch.labels, pair, finest)[-1]
        losses = []
        for position, labels in batch.frame_labels.items():
            target = pyramid(labels, pair, finest)[-1]
            displacement = exponential(velocity[:, position], pair.squarings)
            warped = warp(reference, displacement, padding="zeros")
            losses.append(soft_dice_loss(*(part.movedim(0, 1)[None] for part in (target, warped))))
        return torch.stack(losses).mean()

    def _astray(self, matrix: Tensor, times: Tensor, batch: SequenceBatch) -> Tensor:
        """Mean difference, over labels, of the shares of their volume that motion leaves, there and in other subjects.

        Codes are smoothed over time instead of velocities, so that one frame has to be decoded and not its neighbours.
        """
        network, pair = self.network, self.network.configuration.pair
        finest = max(self.finest, pair.finest)
        weights = temporal_weights(evened(times), network.configuration.temporal_smoothing)
        codes = weights.to(matrix) @ network.codes_at(matrix, times)
        own, losses = volumes(batch.labels), []
        for other in batch.others:
            moving, labels = pyramid(other[:, :1], pair), pyramid(other[:, 1:], pair, finest)[-1]
            whole = volumes(labels)
            known = (own > 1) & (whole > 1)
            for position, target in batch.frame_labels.items():
                velocity = network.decoder(codes[:, position].contiguous(), moving, finest)[0]
                warped = warp(labels, exponential(velocity, pair.squarings), padding="zeros")
                left, there = volumes(target) / own.clamp_min(1.0), volumes(warped) / whole.clamp_min(1.0)
                losses.append(masked_mean((there - left).abs(), known))
        return torch.stack(losses).mean()


def volumes(labels: Tensor) -> Tensor:
    """Voxels of each label ``(L,)`` in indicators ``(B, L, *size)``, slices of a case together."""
    return labels.movedim(1, 0).flatten(1).sum(1)
