"""Motion matrices between NumPy and the network, and between stacks of different numbers of slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .motion_matrix import MotionMatrix
from .motion_network import Posterior


def matrix_of(matrix: Tensor, deviation: Tensor, model: str, runs: int = 1) -> MotionMatrix:
    """A motion matrix ``(B, D, T)`` with its deviations as the network gives them."""
    return MotionMatrix(matrix.double().cpu().numpy(), deviation.double().cpu().numpy(), model, runs)


def tensor_of(values: np.ndarray, device: torch.device) -> Tensor:
    """In single precision."""
    return torch.as_tensor(np.asarray(values, dtype=np.float32), device=device)


def posterior_from(matrix: MotionMatrix, device: torch.device) -> Posterior:
    """What a network with a Gaussian process has to know to draw from a matrix."""
    mean, deviation = tensor_of(matrix.mean, device), tensor_of(matrix.deviation, device)
    return Posterior(mean, deviation, mean.new_ones(len(mean), mean.shape[2]), mean.new_zeros(len(mean), 0))


def cut(matrix: MotionMatrix) -> list[MotionMatrix]:
    """The matrices of the runs of a motion, which lie one after the other in one."""
    parts = zip(np.split(matrix.mean, matrix.runs), np.split(matrix.deviation, matrix.runs), strict=True)
    return [MotionMatrix(mean, deviation, matrix.model) for mean, deviation in parts]


def joined(parts: Sequence[MotionMatrix]) -> MotionMatrix:
    """One matrix of several runs, the inverse of `cut`."""
    means, deviations = ([getattr(part, name) for part in parts] for name in ("mean", "deviation"))
    return MotionMatrix(np.concatenate(means), np.concatenate(deviations), parts[0].model, len(parts))


def matched_slices(matrix: MotionMatrix, count: int) -> MotionMatrix:
    """A matrix of one run for a stack of another number of slices: each takes what lies at its share of the way."""
    if matrix.sequences == count:
        return matrix
    place = (np.arange(count) + 0.5) * matrix.sequences / count - 0.5
    place = place.clip(0, matrix.sequences - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, matrix.sequences - 1)

    def between(values: np.ndarray) -> np.ndarray:
        share = (place - low).reshape(-1, *[1] * (values.ndim - 1))
        return (1 - share) * values[low] + share * values[high]

    return MotionMatrix(between(matrix.mean), between(matrix.deviation), matrix.model)
