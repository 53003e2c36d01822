"""The space in which an agent walks: the modes of a deformation model and, if wanted, rigid motions, as dense fields."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from DeformationLib.fields import identity_grid


class DeformationSpace(nn.Module):
    """Displacements that are linear in the parameters, kept as what `torch.nn.functional.grid_sample` reads.

    A step along one parameter then costs one addition, and warping no conversion.

    Attributes:
        steps: ``(d,)`` by which an action changes each parameter.
        means: ``(d,)`` of the training deformations' parameters.
        deviations: ``(d,)`` their standard deviations.
        modes: how many of the parameters are modes of the deformation model; the rest are rigid motions.
    """

    def __init__(
        self, base: Tensor, fields: Tensor, steps: Tensor, deviations: Tensor, modes: int | None = None
    ) -> None:
        """Make a space.

        Args:
            base: displacement ``(1, D, *size)`` in voxels where all parameters are zero.
            fields: ``(d, D, *size)`` what one unit of each parameter adds.
            steps: ``(d,)``.
            deviations: ``(d,)``.
            modes: by default all parameters.
        """
        super().__init__()
        self.size = tuple(base.shape[2:])
        self.modes = len(fields) if modes is None else modes
        extents = torch.tensor([2.0 / max(length - 1, 1) for length in self.size])
        self.register_buffer("per_voxel", extents.to(base), persistent=False)
        identity = identity_grid(self.size, dtype=base.dtype, device=base.device)
        self.register_buffer("_identity", self._sampling(identity) - 1.0, persistent=False)
        self.register_buffer("_base", self._identity + self._sampling(base), persistent=False)
        self.register_buffer("_fields", self._sampling(fields), persistent=False)
        self.register_buffer("steps", steps.clone(), persistent=False)
        self.register_buffer("means", torch.zeros_like(steps), persistent=False)
        self.register_buffer("deviations", deviations.clone(), persistent=False)

    @classmethod
    def of_model(
        cls,
        field: Callable[[Tensor], Tensor],
        steps: Tensor,
        deviations: Tensor,
        translation: float = 0.0,
        rotation: float = 0.0,
        rigid_step: float = 0.25,
    ) -> DeformationSpace:
        """The space of a deformation model.

        Args:
            field: displacements ``(batch, D, *size)`` of parameters ``(batch, d)``, linear in them.
            steps: ``(d,)`` of the modes.
            deviations: ``(d,)`` of the modes.
            translation: standard deviation of a translation along each axis, voxels; 0 for none among the actions.
            rotation: of a rotation in each plane, degrees; 0 for none.
            rigid_step: step of a rigid motion, of its standard deviation.
        """
        count = len(steps)
        base = field(torch.zeros(1, count, dtype=steps.dtype))
        fields = torch.cat([field(unit[None]) - base for unit in torch.eye(count, dtype=steps.dtype)])
        rigid, spreads = rigid_fields(tuple(base.shape[2:]), translation, rotation)
        spread = torch.tensor(spreads, dtype=steps.dtype)
        return cls(
            base,
            torch.cat([fields, rigid.to(fields)]),
            torch.cat([steps, rigid_step * spread]),
            torch.cat([deviations, spread]),
            count,
        )

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    def sampling(self, theta: Tensor, mean: bool = True) -> Tensor:
        """Where images are sampled under parameters ``(batch, d)``: ``(batch, *size, D)``, see `warp`.

        Without ``mean``, the deformation model's mean is left out, so that zeros are the identity.
        """
        start = self._base if mean else self._identity
        return start + torch.tensordot(theta.to(self._fields), self._fields, dims=1)

    def change(self, parameter: int, amount: float) -> Tensor:
        """What is added to a sampling when one parameter changes by some amount, ``(*size, D)``."""
        return amount * self._fields[parameter]

    def gains(self, slope: Tensor) -> Tensor:
        """What each action adds, to first order, to something whose derivative by the sampling is ``(batch, *size, D)``.

        Returns ``(batch, 2 d)``, whole steps.
        """
        rise = self.steps * (slope.flatten(1) @ self._fields.flatten(1).T)
        return torch.stack([rise, -rise], dim=2).flatten(1)

    def warp(self, images: Tensor, sampling: Tensor) -> Tensor:
        """Images ``(batch, channel, *size)`` at the places of a sampling, edge values beyond them."""
        return F.grid_sample(images, sampling, mode="bilinear", padding_mode="border", align_corners=True)

    def displacement(self, theta: Tensor) -> Tensor:
        """Displacement ``(batch, D, *size)`` in voxels under parameters ``(batch, d)``."""
        moved = (self.sampling(theta) - self._identity).movedim(-1, 1).flip(1)
        return moved / self.per_voxel.view(1, -1, *[1] * self.dimension)

    def _sampling(self, field: Tensor) -> Tensor:
        """A field in voxels ``(n, D, *size)`` as differences of normalised coordinates ``(n, *size, D)``, last axis first."""
        scaled = field * self.per_voxel.view(1, -1, *[1] * len(self.size))
        return scaled.flip(1).movedim(1, -1).contiguous()


def rigid_fields(size: tuple[int, ...], translation: float, rotation: float) -> tuple[Tensor, list[float]]:
    """Translations along the axes and small rotations in their planes about the grid's centre, and their deviations.

    Args:
        size: of the grid.
        translation: standard deviation in voxels; 0 leaves translations out.
        rotation: in degrees; 0 leaves rotations out.

    Returns:
        Displacements ``(n, D, *size)`` in voxels and ``n`` deviations. As with modes, one unit of each moves the anatomy by
        one voxel (root mean square over the inner half of the grid), so that distances between parameters weigh rotations
        as they weigh the rest; rotations are linear in the angle.
    """
    dimension = len(size)
    fields, spreads = [], []
    offset = identity_grid(size) - torch.tensor([(length - 1) / 2 for length in size]).view(1, -1, *[1] * dimension)
    for axis in range(dimension if translation > 0 else 0):
        field = torch.zeros_like(offset)
        field[:, axis] = 1.0
        fields.append(field)
        spreads.append(translation)
    for first in range(dimension if rotation > 0 else 0):
        for second in range(first + 1, dimension):
            field = torch.zeros_like(offset)
            field[:, first], field[:, second] = -offset[:, second], offset[:, first]
            length = _inner_length(field)
            fields.append(field / length)
            spreads.append(math.radians(rotation) * length)
    return torch.cat(fields) if fields else torch.zeros(0, dimension, *size), spreads


def _inner_length(field: Tensor) -> float:
    """Root mean square of the vectors ``(1, D, *size)`` in the inner half of a grid."""
    inner = tuple(slice(length // 4, length - length // 4) for length in field.shape[2:])
    return float(field[(slice(None), slice(None), *inner)].square().sum(dim=1).mean().sqrt())
