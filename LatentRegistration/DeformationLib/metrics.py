"""Accuracy and regularity of a registration, and clinical measures of label maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

# Below this, a Jacobian determinant counts as this when its logarithm is taken.
_SMALLEST_JACOBIAN = 1e-3


def dice(a: np.ndarray, b: np.ndarray, labels: Iterable[int] | None = None) -> dict[int, float]:
    """Dice overlap 2 |A and B| / (|A| + |B|) of each label, in 0..1.

    a, b     label maps of the same shape
    labels   the labels wanted; default: every label but 0 that one of the two has
    returns  overlap by label; nan for a label that neither has
    """
    _check_same_shape(a, b)
    if labels is None:
        labels = np.union1d(a, b)
        labels = labels[labels != 0]
    result = {}
    for label in labels:
        in_a, in_b = a == label, b == label
        total = int(np.count_nonzero(in_a) + np.count_nonzero(in_b))
        result[int(label)] = 2.0 * int(np.count_nonzero(in_a & in_b)) / total if total else float("nan")
    return result


def surface_distances(
    a: np.ndarray, b: np.ndarray, spacing_kji: Sequence[float]
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Distances in mm from each surface voxel of mask `a` to the surface of mask `b`, and the other way round.

    A surface voxel is a voxel of the mask with a face neighbour outside the mask; what lies beyond the array is
    outside. Distances run between voxel centres. Axes of one voxel (2-D images) have no faces. (None, None) when a mask
    is empty.
    """
    _check_same_shape(a, b)
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if not (a.any() and b.any()):
        return None, None
    spacing = [s for s, n in zip(spacing_kji, a.shape, strict=True) if n > 1]
    a, b = a.squeeze(), b.squeeze()
    if a.ndim == 0:
        return np.zeros(1), np.zeros(1)
    # Both surfaces lie within the box around both masks: outside it, nothing is left to measure.
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    edges = [mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (a, b)]
    to_edges = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return to_edges[1][edges[0]], to_edges[0][edges[1]]


def hausdorff95(a: np.ndarray, b: np.ndarray, spacing_kji: Sequence[float], label: int = 1) -> float:
    """95 % Hausdorff distance in mm of one label in two label maps of the same shape; nan when one of them lacks it.

    The 95th percentile (linear interpolation) of all surface distances of both directions together, see
    `surface_distances`. Some authors take the larger of the two directed percentiles instead, which is stricter.
    """
    forward, backward = surface_distances(np.equal(a, label), np.equal(b, label), spacing_kji)
    if forward is None:
        return float("nan")
    return float(np.percentile(np.concatenate([forward, backward]), 95))


def folding_percent(jacobian: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Share of voxels, in percent, where the Jacobian determinant is 0 or less; within `mask` when given."""
    values = _within(jacobian, mask)
    return float(100.0 * np.mean(values <= 0))


def sd_log_jacobian(jacobian: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Standard deviation of the natural logarithm of the Jacobian determinant; within `mask` when given.

    Determinants below 0.001, folded voxels among them, count as 0.001.
    """
    values = _within(jacobian, mask).astype(np.float64)
    return float(np.std(np.log(np.maximum(values, _SMALLEST_JACOBIAN))))


def mean_gradient_of_jacobian(
    jacobian: np.ndarray, spacing_kji: Sequence[float] = (1.0, 1.0, 1.0), mask: np.ndarray | None = None
) -> float:
    """Mean length of the gradient of the Jacobian determinant, |grad det J|, in 1/mm (Krebs table 4.1).

    Central differences, one-sided at the border; axes of one voxel count nothing. With the default spacing, per voxel.
    """
    squared = np.zeros(jacobian.shape)
    for axis, spacing in enumerate(spacing_kji):
        if jacobian.shape[axis] > 1:
            squared += np.gradient(jacobian.astype(np.float64), spacing, axis=axis) ** 2
    return float(np.mean(np.sqrt(_within(squared, mask))))


def label_volumes(
    labels: np.ndarray, spacing_kji: Sequence[float], wanted: Iterable[int] | None = None
) -> dict[int, float]:
    """Volume in millilitres of each label of a label map; default: every label but 0 that it has."""
    values, counts = np.unique(labels, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if wanted is None:
        wanted = [label for label in found if label != 0]
    voxel = float(np.prod(spacing_kji)) / 1000.0
    return {int(label): found.get(int(label), 0) * voxel for label in wanted}


def ejection_fraction(end_diastolic_volume: float, end_systolic_volume: float) -> float:
    """Share of the end-diastolic volume that is ejected, in percent; nan when there is no end-diastolic volume."""
    if not end_diastolic_volume > 0:
        return float("nan")
    return 100.0 * (end_diastolic_volume - end_systolic_volume) / end_diastolic_volume


def _within(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return np.asarray(values) if mask is None else np.asarray(values)[np.asarray(mask, dtype=bool)]


def _check_same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if np.shape(a) != np.shape(b):
        raise ValueError(f"The two label maps have different shapes, {np.shape(a)} and {np.shape(b)}.")
