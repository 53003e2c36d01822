"""What a plausible deformation looks like: penalties on fields, all differentiable."""

from __future__ import annotations

from torch import Tensor

from .fields import jacobian_determinant, spatial_gradient


def diffusion(displacement: Tensor) -> Tensor:
    """Mean squared norm of the displacement's derivative (voxels per voxel), zero for translations."""
    return spatial_gradient(displacement).square().sum(dim=(1, 2)).mean()


def gradient_deviation(gradients: Tensor) -> Tensor:
    """Mean absolute deviation of the diagonal gradients of ``phi`` from 1 (Estienne's L_smooth)."""
    return (gradients - 1.0).abs().mean()


def folding_penalty(displacement: Tensor, margin: float = 0.1) -> Tensor:
    """Mean amount by which the Jacobian determinant falls below ``margin`` (Estienne's L_jac); zero without folds."""
    return (margin - jacobian_determinant(displacement)).clamp_min(0.0).mean()
