"""From the grid on which ground truth is registered to a coarser one, on which an agent looks and walks.

Structures have to be matched finely to know what is right; to see which way to go, less detail will do, and in 3-D half
the resolution makes images, warping and training eight times cheaper.  A control lattice fills its grid from edge to edge,
so that the same cells describe the same deformation on both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.cases import CaseSet
from DeformationLib.filters import gaussian_filter
from DeformationLib.geometry import Geometry
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import normalise
from DeformationLib.progress import Progress

from .bspline_field import ControlLattice
from .deformation_model import StatisticalDeformationModel

if TYPE_CHECKING:
    # An agent in use registers no ground truth.
    from .preparation import Deformations

_WIDTH_PER_FACTOR = 1 / (
    2 * np.sqrt(2 * np.log(2))
)  # a voxel is taken for a Gaussian of that full width at half maximum


def finer_grid(grid: PairGrid, factor: int) -> PairGrid:
    """The grid that fills the same space with voxels ``factor`` times shorter along each axis."""
    size = tuple(factor * length for length in grid.size)
    return replace(grid, size=size, spacing=tuple(step / factor for step in grid.spacing))


def finer_geometry(grid: Geometry, factor: int, dimension: int) -> Geometry:
    """`finer_grid` where a grid lies; ``dimension`` 2 leaves its last axis alone."""
    factors = np.array([factor if axis < dimension else 1 for axis in range(3)])
    origin = grid.index_to_physical(-(factors - 1) / (2 * factors))
    size = tuple(int(length) for length in np.asarray(grid.size) * factors)
    return replace(grid, size=size, spacing=tuple(np.asarray(grid.spacing) / factors), origin=tuple(origin))


def coarser_cases(cases: CaseSet, factor: int, progress: Progress | None = None) -> CaseSet:
    """Cases on a grid whose voxels are ``factor`` times longer along each axis, as `preprocessing.prepare` makes them.

    Args:
        cases: on a grid whose lengths are multiples of the factor.
        factor: 1 leaves them alone.
        progress: reports and cancels.
    """
    if factor == 1:
        return cases
    progress = progress or Progress()
    images, labels, masks = [], [], []
    for index, name in enumerate(cases.names):
        progress.report(index / len(cases), f"Reducing {name}")
        image, label, mask = cases.batch([index])
        inside = averaged(mask, factor) >= 0.5
        images.append(_normalised(averaged(_smoothed(image, factor), factor), inside).half())
        labels.append((255 * averaged(label, factor)).round().byte())
        masks.append(inside.byte())
    return replace(cases, images=torch.cat(images), labels=torch.cat(labels), masks=torch.cat(masks))


def coarser_deformations(deformations: Deformations, factor: int) -> Deformations:
    """The same deformations and their model in voxels that are ``factor`` times longer; 1 leaves them alone."""
    if factor == 1:
        return deformations
    fine = deformations.model.lattice
    lattice = ControlLattice(tuple(length // factor for length in fine.size), fine.cells)
    controls = deformations.controls / factor
    region = None if deformations.region is None else averaged(deformations.region[None, None], factor)[0, 0]
    model = StatisticalDeformationModel.fit(controls, lattice, deformations.model.count, region)
    return replace(deformations, controls=controls, model=model, region=region)


def _smoothed(image: Tensor, factor: int) -> Tensor:
    """The point spread of the coarser grid, less that of the mean over its voxels' parts that follows."""
    variance = (factor**2 - 1) * _WIDTH_PER_FACTOR**2
    return gaussian_filter(image, [float(np.sqrt(variance))] * (image.ndim - 2))


def averaged(image: Tensor, factor: int) -> Tensor:
    """Means ``(batch, channel, *coarser)`` over blocks of ``factor`` voxels along each axis."""
    pool = F.avg_pool2d if image.ndim == 4 else F.avg_pool3d
    return pool(image, factor)


def _normalised(image: Tensor, inside: Tensor) -> Tensor:
    return torch.from_numpy(normalise(image.numpy(), inside.numpy()))
