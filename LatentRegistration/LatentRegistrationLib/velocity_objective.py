"""The probabilistic model's training objective: the negative evidence lower bound of Krebs eq. 4.14, and labels if wanted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from DeformationLib.fields import exponential, resize_field, warp
from DeformationLib.filters import box_filter, window_in_voxels
from DeformationLib.regularity import folding_penalty
from DeformationLib.similarity import masked_mean, soft_dice_loss

from .velocity_network import VelocityNetwork, VelocityNetworkConfiguration, pyramid, sample_code


@dataclass(frozen=True)
class VelocityLossWeights:
    """Weights of the terms; the whole is divided by ``likelihood``, so that its scale does not depend on it.

    Attributes:
        likelihood: of the symmetric local correlation at every scale (lambda).
        window: of the local correlation, voxels along the finest axis (k).
        overlap: soft Dice of the labels at the finest scale, relative to one scale's correlation.
        folding: Jacobian determinants below a tenth at the finest scale, relative likewise.
        smoothness: squared derivative of the finest velocity (voxels per voxel of the finest axis), relative likewise.
    """

    likelihood: float = 5000.0
    window: int = 9
    overlap: float = 0.0
    folding: float = 0.0
    smoothness: float = 0.0


class VelocityObjective(nn.Module):
    """The network and its loss on a batch of pairs."""

    def __init__(self, network: VelocityNetwork, weights: VelocityLossWeights = VelocityLossWeights()) -> None:
        super().__init__()
        self.network, self.weights = network, weights
        self.finest = 0
        """How many of the fine scales are left out, in the first part of a training."""

    def forward(
        self,
        fixed: Tensor,
        moving: Tensor,
        mask: Tensor | None = None,
        labels: tuple[Tensor, Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and its terms.

        Args:
            fixed, moving: ``(batch, 1, *size)`` in [0, 1].
            mask: ``(batch, 1, *size)``, 1 where both images have voxels.
            labels: indicators of fixed and moving, ``(batch, L, *size)``; a pair without labels has zeros.
            generator: of the sampled code.
        """
        weights, configuration = self.weights, self.network.configuration
        mean, log_variance = self.network.encode(fixed, moving)
        code = sample_code(mean, log_variance, generator)
        finest = max(self.finest, configuration.finest)
        velocities = self.network.decode(code, moving, finest)
        levels = max(configuration.scales - 1, 0)
        pyramids = [pyramid(image, configuration, levels) for image in (fixed, moving)]
        masks = pyramid(mask, configuration, levels) if mask is not None else [None] * (levels + 1)
        divergence = kl_divergence(mean, log_variance).mean()
        loss, terms = divergence / weights.likelihood, {"kl": divergence.item()}
        for number, velocity in enumerate(velocities, start=finest):
            window = window_in_voxels(weights.window, configuration.level(number)[1])
            correlation = symmetric_correlation(
                pyramids[0][number], pyramids[1][number], velocity, window, masks[number], configuration.squarings
            )
            loss = loss + 1.0 - correlation
            terms[f"lcc_{number + 1}"] = correlation.item()
        if weights.overlap > 0 and labels is not None and bool(labels[0].any()):
            overlap = self._overlap(velocities[0], labels, configuration)
            loss, terms["overlap"] = loss + weights.overlap * overlap, overlap.item()
        if weights.folding > 0:
            displacement = exponential(torch.cat([velocities[0], -velocities[0]]), configuration.squarings)
            folding = folding_penalty(displacement)
            loss, terms["folding"] = loss + weights.folding * folding, folding.item()
        if weights.smoothness > 0:
            roughness = physical_roughness(velocities[0], configuration.level(finest)[1])
            loss, terms["smoothness"] = loss + weights.smoothness * roughness, roughness.item()
        terms["loss"] = loss.item()
        return loss, terms

    def _overlap(
        self, velocity: Tensor, labels: tuple[Tensor, Tensor], configuration: VelocityNetworkConfiguration
    ) -> Tensor:
        """Soft Dice loss of the moving labels warped by the whole deformation, on the grid of the finest velocity."""
        finest = max(self.finest, configuration.finest)
        fixed, moving = (pyramid(part, configuration, finest)[-1] for part in labels)
        known = fixed.flatten(1).any(1)
        displacement = exponential(velocity[known], configuration.squarings)
        return soft_dice_loss(fixed[known], warp(moving[known], displacement, padding="zeros"))


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of ``N(mean, diag(exp(log_variance)))`` from ``N(0, I)``, shape ``(batch,)`` (first term of eq. 4.14)."""
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance).sum(dim=1)


def symmetric_correlation(
    fixed: Tensor,
    moving: Tensor,
    velocity: Tensor,
    window: tuple[int, ...],
    mask: Tensor | None = None,
    squarings: int = 4,
) -> Tensor:
    """Mean squared local correlation of ``M o exp(v/2)`` and ``F o exp(-v/2)`` (minus D_LCC of eq. 4.7), in [0, 1]."""
    displacement = exponential(torch.cat([velocity, -velocity]) / 2, squarings)
    stack = torch.cat([moving, fixed])
    if mask is None:
        warped_m, warped_f = warp(stack, displacement).chunk(2)
        return local_correlation(warped_f, warped_m, window).mean()
    warped = warp(torch.cat([stack, torch.cat([mask, mask])], dim=1), displacement)
    (warped_m, mask_m), (warped_f, mask_f) = (part.chunk(2, dim=1) for part in warped.chunk(2))
    valid = ((mask_m > 0.5) & (mask_f > 0.5)).to(mask.dtype)
    return masked_mean(local_correlation(warped_f, warped_m, window), valid)


def local_correlation(fixed: Tensor, moving: Tensor, window: tuple[int, ...]) -> Tensor:
    """Squared correlation coefficient of every voxel's neighbourhood, in [0, 1] (summand of eq. 4.7)."""
    moments = box_filter(torch.cat([fixed, moving, fixed * fixed, moving * moving, fixed * moving], dim=1), window)
    mean_f, mean_m, square_f, square_m, product = moments.chunk(5, dim=1)
    covariance = product - mean_f * mean_m
    variance_f = (square_f - mean_f * mean_f).clamp_min(0.0)
    variance_m = (square_m - mean_m * mean_m).clamp_min(0.0)
    floor = 1e-4  # noise of constant neighbourhoods must not count as structure
    return covariance * covariance / ((variance_f + floor) * (variance_m + floor))


def physical_roughness(velocity: Tensor, spacing: tuple[float, ...]) -> Tensor:
    """Mean squared norm of the derivative of a velocity in millimetres per millimetre; zero for translations."""
    total = velocity.new_zeros(())
    for axis, step in enumerate(spacing):
        if velocity.shape[2 + axis] > 1:
            change = velocity.diff(dim=2 + axis) / step
            lengths = velocity.new_tensor(spacing).view(1, -1, *[1] * len(spacing))
            total = total + (change * lengths).square().sum(dim=1).mean()
    return total


def displacement_of(velocity: Tensor, squarings: int, size: tuple[int, ...] | None = None) -> Tensor:
    """``exp(v)`` on the velocity's grid, brought to another grid of the same extent if one is given."""
    displacement = exponential(velocity, squarings)
    return displacement if size is None else resize_field(displacement, size)
