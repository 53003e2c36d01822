"""From spatial gradients to a deformation (Stergios et al. 2018; Estienne et al. 2021, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from DeformationLib.fields import resize


def diagonal_gradients(activations: Tensor) -> Tensor:
    """Diagonal gradients ``d phi_i / d x_i`` in (0, 2): exactly 1 at zero activation, positive for any."""
    return 2.0 * torch.sigmoid(activations)


def integrate_gradients(activations: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Displacement behind a decoder's activations, and the gradients it was integrated from.

    Along each axis the displacement is the cumulative sum of ``gradient - 1``, centred on every line of voxels, plus the
    line's anchor.  Gradients of 1 alone give no shift; anchors alone give translations and, varying from line to line,
    shears and rotations, which the diagonal gradients cannot express.  ``phi_i`` rises strictly along axis ``i``.

    Args:
        activations: ``(batch, 2 D, *coarse)``; the first D channels are the gradients' activations, the others the
            anchors in voxels of the coarse grid, averaged along their own axis.
        size: grid of the result, the same extent as the coarse one.

    Returns:
        Displacement in voxels of ``size`` and gradients, each ``(batch, D, *size)``.
    """
    dimension = activations.shape[1] // 2
    coarse = activations.shape[2:]
    gradients = diagonal_gradients(resize(activations[:, :dimension], size))
    displacement = []
    for axis in range(dimension):
        line = 2 + axis
        anchor = activations[:, dimension + axis : dimension + axis + 1].mean(line, keepdim=True)
        anchor_size = tuple(1 if other == axis else length for other, length in enumerate(size))
        anchor = resize(anchor, anchor_size) * (size[axis] / coarse[axis])
        excess = gradients[:, axis : axis + 1] - 1.0
        # The value at a voxel's centre holds half of the voxel's own step; so a line's sum does not depend on its direction.
        integral = excess.cumsum(line) - 0.5 * excess
        displacement.append(integral - integral.mean(line, keepdim=True) + anchor)
    return torch.cat(displacement, dim=1), gradients
