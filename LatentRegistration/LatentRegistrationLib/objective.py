"""What the spatial-gradient network is trained for (Estienne et al. 2021, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from DeformationLib.fields import resize, warp
from DeformationLib.regularity import diffusion, folding_penalty, gradient_deviation
from DeformationLib.similarity import local_correlation_loss, soft_dice_loss

from .gradient_network import GradientNetwork
from .integration import integrate_gradients


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the loss; zero leaves a term out.

    Attributes:
        similarity: one minus the local correlation (at half resolution).
        overlap: one minus the soft Dice of warped and fixed labels.
        smoothness: mean deviation of the diagonal gradients from 1 (alpha in the paper).
        diffusion: mean squared derivative of the displacement.
        folding: amount of negative Jacobian determinant (beta in the paper).
        anatomy: segmentation of each single image from the encoder's feature map, in training only.
        window: width of the local correlation's window, voxels of the half-resolution grid.
    """

    similarity: float = 1.0
    overlap: float = 1.0
    smoothness: float = 0.1
    diffusion: float = 0.1
    folding: float = 1.0
    anatomy: float = 0.5
    window: int = 5


class GradientObjective(nn.Module):
    """The network with its loss; the anatomy head is trained along and thrown away afterwards.

    Args:
        network: what is trained.
        labels: number of label channels, 0 without labels.
        weights: of the loss's terms.
        scale: 1 evaluates the overlap on the full grid, 2 on the half-resolution grid (much faster, for early epochs).
    """

    def __init__(self, network: GradientNetwork, labels: int, weights: LossWeights, scale: int = 1) -> None:
        super().__init__()
        self.network, self.weights, self.scale = network, weights, scale
        dimension = network.configuration.dimension
        convolution = nn.Conv2d if dimension == 2 else nn.Conv3d
        self.anatomy = convolution(network.configuration.widths[0], labels + 1, 1) if labels else None

    def forward(self, images: Tensor, labels: Tensor | None, mask: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss of registering the images in a cycle, each to the next, both ways.

        Args:
            images: ``(n, 1, *grid)`` normalised intensities, n >= 2.
            labels: ``(n, L, *grid)`` soft labels, or None.
            mask: ``(n, 1, *grid)`` 1 inside the original image, 0 in the padding.
        """
        features = self.network.features(images)
        encoded = self.network.contract(features)
        size = tuple(images.shape[2:])
        half = tuple(length // 2 for length in size)
        fixed, moving = _cycle(len(images))
        difference = tuple(part[moving] - part[fixed] for part in encoded)
        activations = self.network.activations(difference)
        coarse, gradients = integrate_gradients(activations, half)
        images_half, mask_half = resize(images, half), resize(mask, half)
        carried = warp(images_half[moving], coarse)
        valid = mask_half[fixed] * warp(mask_half[moving], coarse, padding="zeros")
        terms = {
            "similarity": local_correlation_loss(images_half[fixed], carried, self.weights.window, valid),
            "smoothness": gradient_deviation(gradients),
            "diffusion": diffusion(coarse),
        }
        # At half resolution a fold of one voxel can hide.
        fine = integrate_gradients(activations, size)[0] if self.scale == 1 else coarse
        terms["folding"] = folding_penalty(fine)
        if labels is not None:
            labels_half = resize(labels, half)
            if self.scale == 1:
                terms["overlap"] = soft_dice_loss(labels[fixed], warp(labels[moving], fine, padding="zeros"))
            else:
                warped = warp(labels_half[moving], coarse, padding="zeros")
                terms["overlap"] = soft_dice_loss(labels_half[fixed], warped)
            terms["anatomy"] = self._anatomy_loss(features, labels_half)
        loss = sum(getattr(self.weights, name) * term for name, term in terms.items())
        return loss, {"loss": float(loss.detach())} | {name: float(term.detach()) for name, term in terms.items()}

    def _anatomy_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        logits = self.anatomy(features).float()
        background = 1.0 - labels.sum(1, keepdim=True).clamp(0, 1)
        entropy = F.cross_entropy(logits, torch.cat([background, labels], 1))
        return entropy + soft_dice_loss(labels, logits.softmax(1)[:, 1:])


def _cycle(count: int) -> tuple[list[int], list[int]]:
    """Indices of the fixed and moving images of a cycle, forwards and then backwards (once if there are two)."""
    first = list(range(count))
    second = first[1:] + first[:1]
    if count == 2:
        return first, second
    return first + second, second + first
