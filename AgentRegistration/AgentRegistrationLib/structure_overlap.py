"""What each action gains in the overlap of the structures that were found in both images.

An agent that sees structures can say at any place of its walk, by differentiation, which way their overlap grows.  The
network's Q-values know more, for instance of what intensities show; they are learned from far fewer images than the
finder has learned from voxels, and near the target they are noisy, where this is exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

from DeformationLib.similarity import dice_terms

from .deformation_space import DeformationSpace

_SMALL = 1e-3  # voxels


def found_overlap(fixed: Tensor, warped: Tensor) -> Tensor:
    """Mean over structures of the Dice overlap of probabilities ``(batch, L, *size)``, ``(batch,)``.

    ``2 sum(f w) / (sum(f f) + sum(w w))``: 1 for equal maps, also of probabilities between 0 and 1.
    """
    overlap, total = dice_terms(fixed, warped)
    return (overlap / total.clamp_min(_SMALL)).mean(dim=1)


def overlap_gains(space: DeformationSpace, fixed: Tensor, moving: Tensor, sampling: Tensor) -> Tensor:
    """By how much each action changes `found_overlap`, to first order.

    Args:
        space: of the actions.
        fixed: ``(batch, L, *size)``.
        moving: ``(batch, L, *size)``, not yet warped.
        sampling: ``(batch, *size, D)`` where the walks stand.

    Returns:
        ``(batch, 2 d)`` for whole steps, in units of Dice.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Tensors made in inference mode cannot be differentiated; their copies can.
        fixed, moving, place = (part.clone() for part in (fixed, moving, sampling))
        place.requires_grad_()
        overlap = found_overlap(fixed, space.warp(moving, place)).sum()
        (slope,) = torch.autograd.grad(overlap, place)
    return space.gains(slope)
