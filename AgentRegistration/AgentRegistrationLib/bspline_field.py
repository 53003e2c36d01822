"""Free-form deformations: cubic B-spline displacements from control points on a lattice (Rueckert 1999; Krebs 3.2.2).

Control-point displacements are tensors ``(batch, D, *lattice)``, dense displacements ``(batch, D, *size)``, both with one
channel per axis in the order of the axes (k, j, i) and in voxels of the image's grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from DeformationLib.errors import InputError

if TYPE_CHECKING:
    import SimpleITK as sitk

ORDER = 3  # of the B-splines


@dataclass(frozen=True)
class ControlLattice:
    """Where the control points of a displacement lie on a grid.

    The lattice's cells fill the grid from the outer edge of its first voxels to that of its last ones; around the cells
    lie the control points that a cubic spline needs beyond them.

    Attributes:
        size: voxels of the grid along its axes, (k, j, i) or (j, i).
        cells: of the lattice along the same axes.
    """

    size: tuple[int, ...]
    cells: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(length) for length in self.size))
        object.__setattr__(self, "cells", tuple(int(count) for count in self.cells))
        if len(self.size) not in (2, 3) or len(self.size) != len(self.cells):
            raise InputError(f"A lattice of {self.cells} cells does not fit a grid of {self.size} voxels.")
        if min(self.size) < 1 or min(self.cells) < 1:
            raise InputError(f"A lattice needs voxels and cells along every axis, not {self.size} and {self.cells}.")

    @classmethod
    def with_spacing(cls, size: Sequence[int], spacing: float) -> ControlLattice:
        """The lattice whose control points are about ``spacing`` voxels apart; raises `InputError` unless positive."""
        if not spacing > 0:
            raise InputError(f"The distance of control points must be positive, not {spacing:g}.")
        return cls(tuple(size), tuple(max(1, round(length / spacing)) for length in size))

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Control points along the axes."""
        return tuple(count + ORDER for count in self.cells)

    @property
    def count(self) -> int:
        """Numbers that make a displacement: D for each control point."""
        return self.dimension * math.prod(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of control points along the axes, voxels."""
        return tuple(length / count for length, count in zip(self.size, self.cells, strict=True))

    def weights(self, axis: int) -> np.ndarray:
        """What each control point along an axis gives to each voxel, ``(size, lattice)``; rows sum to 1."""
        position = (np.arange(self.size[axis]) + 0.5) / self.spacing[axis]
        cell = np.floor(position).astype(int)
        matrix = np.zeros((self.size[axis], self.shape[axis]))
        rows = np.arange(len(position))
        for number, value in enumerate(_cubic_basis(position - cell)):
            matrix[rows, cell + number] = value
        return matrix

    def to_sitk(self, control: np.ndarray | Tensor | None = None) -> sitk.BSplineTransform:
        """SimpleITK's transform on an image with unit spacing at the origin, of ``control`` ``(D, *lattice)`` or zero."""
        import SimpleITK as sitk

        transform = sitk.BSplineTransform(self.dimension, ORDER)
        transform.SetTransformDomainOrigin([-0.5] * self.dimension)
        transform.SetTransformDomainPhysicalDimensions([float(length) for length in self.size[::-1]])
        transform.SetTransformDomainMeshSize(self.cells[::-1])
        if control is not None:
            channels = np.asarray(control, dtype=np.float64).reshape(self.dimension, *self.shape)
            transform.SetParameters(channels[::-1].ravel().tolist())
        return transform

    def from_sitk(self, transform: sitk.Transform) -> np.ndarray:
        """Control-point displacements ``(D, *lattice)`` of a transform on this lattice."""
        parameters = np.asarray(transform.GetParameters(), dtype=np.float64)
        return parameters.reshape(self.dimension, *self.shape)[::-1].copy()


class BSplineField(nn.Module):
    """Dense displacements from control points, one axis after the other.

    The weights are buffers, so that `to` brings them to a device or to another precision.
    """

    def __init__(self, lattice: ControlLattice) -> None:
        super().__init__()
        self.lattice = lattice
        for axis in range(lattice.dimension):
            weights = torch.from_numpy(lattice.weights(axis)).float()
            self.register_buffer(f"weights_{axis}", weights, persistent=False)

    def forward(self, control: Tensor) -> Tensor:
        """Displacement ``(batch, D, *size)`` in voxels of control points ``(batch, D, *lattice)``."""
        lattice = self.lattice
        if tuple(control.shape[1:]) != (lattice.dimension, *lattice.shape):
            raise ValueError(
                f"Control points of shape {tuple(control.shape)} do not fit a lattice of {lattice.shape} points."
            )
        # The last axis first and each new one in front of it: every step is one matrix product on contiguous memory.
        field = control
        for axis in range(lattice.dimension):
            weights = getattr(self, f"weights_{axis}").to(control.dtype)
            field = torch.movedim(torch.movedim(field, 2 + axis, -1) @ weights.T, -1, 2 + axis)
        return field.contiguous()

    def fit(self, displacement: Tensor) -> Tensor:
        """Control points ``(batch, D, *lattice)`` whose displacement is nearest, by least squares, to a dense one.

        Only a spline of the lattice comes back as it was; anything else is smoothed.
        """
        control = displacement
        for axis in range(self.lattice.dimension):
            inverse = torch.from_numpy(np.linalg.pinv(self.lattice.weights(axis), rcond=1e-4)).to(displacement)
            control = torch.movedim(torch.movedim(control, 2 + axis, -1) @ inverse.T, -1, 2 + axis)
        return control.contiguous()


def _cubic_basis(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values of the four cubic B-splines that reach a point at the share ``t`` of its cell."""
    return (1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6
