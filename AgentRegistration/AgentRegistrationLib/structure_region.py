"""Where deformations matter: around the structures, and what a deformation's control points move there."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.cases import CaseSet

from .bspline_field import ControlLattice

_ELSEWHERE = 0.02  # weight of a voxel far from all structures
_SHARE = 0.05  # of the subjects, whose structures make the region
_SMALLEST = 1e-6  # eigenvalue of a metric, of its largest: control points that move next to nothing


def structure_region(cases: CaseSet, margin: int = 2) -> Tensor:
    """Weight of every voxel, ``size``: 1 where one of twenty subjects has a structure and ``margin`` voxels around."""
    share = sum(labels.float().sum(dim=0) / 255 for labels in cases.labels) / len(cases)
    pool = F.max_pool2d if share.ndim == 2 else F.max_pool3d
    around = pool((share > _SHARE).float()[None, None], 2 * margin + 1, 1, margin)[0, 0]
    return around.clamp_min(_ELSEWHERE)


def metric_roots(lattice: ControlLattice, region: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Square root of the metric in which the length of a displacement is its root mean square over a region.

    Args:
        lattice: of P control points.
        region: ``size``, weights of the voxels.

    Returns:
        The root and its inverse, ``(P, P)``: ``(control @ root)`` has the length that is meant, summed over the channels.
    """
    gram = region.double().numpy() / float(region.double().sum())
    for axis in range(lattice.dimension):
        weights = lattice.weights(axis)
        products = np.einsum("np,nq->npq", weights, weights)
        gram = np.tensordot(gram, products, axes=(0, 0))
    order = [*range(0, 2 * lattice.dimension, 2), *range(1, 2 * lattice.dimension, 2)]
    count = int(np.prod(lattice.shape))
    values, vectors = np.linalg.eigh(gram.transpose(order).reshape(count, count))
    roots = np.sqrt(np.maximum(values, _SMALLEST * values.max()))
    return vectors * roots @ vectors.T, vectors / roots @ vectors.T
