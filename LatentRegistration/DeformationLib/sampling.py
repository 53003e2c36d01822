"""Values of an array between its voxels, on another grid, displaced or not. NumPy and SciPy only.

Everything goes through `sample_on_grid`: each voxel of the target grid is carried to the fractional index of the same
(or the displaced) physical point in the source, and the source is interpolated there. It works slab by slab, so that a
256^3 volume needs tens of megabytes beside its result and can be cancelled in between. SciPy's `map_coordinates` takes
about 40 ns a sample, against 110 ns for SimpleITK's resampling through a displacement field; it also clamps at the edge
exactly, and gives one meaning of "inside" to images, labels and masks. Grids with the same axes need it not: they are
copied where their voxels coincide, and else interpolated axis by axis.
"""

from __future__ import annotations

from itertools import product
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from .geometry import Geometry
from .progress import Progress

Interpolation = Literal["linear", "nearest", "label"]

# 2^18 samples a slab: their coordinates fit the cache of a laptop, and a slab takes about 10 ms.
_SAMPLES_PER_SLAB = 2**18

# In voxels. Points on a border, or ties between labels, must not be decided by rounding.
_TOLERANCE = 1e-6

# In voxels: grids that differ by less have the same axes, or the same voxels.
_COINCIDENCE = 1e-3


def sample_on_grid(
    array: np.ndarray,
    source: Geometry,
    target: Geometry,
    displacement: np.ndarray | None = None,
    interpolation: Interpolation = "linear",
    padding: float | Literal["edge"] = "edge",
    progress: Progress | None = None,
) -> np.ndarray:
    """Values at the voxels of `target` of an `array` on the `source` grid.

    array          (k, j, i) or (k, j, i, components)
    displacement   (k, j, i, 3) on the target grid, components x, y, z, LPS mm, added to each target point; or None
    interpolation  "linear" (gives float32); "nearest", "label" (see `vote`): the array's own type and values
    padding        what points outside the source get: the value at its "edge", or a number. A source ends half a
                   voxel beyond its outermost voxel centres, so that an image of one slice has a thickness

    Raises `Cancelled` through `progress`.
    """
    if interpolation not in get_args(Interpolation):
        raise ValueError(f'Interpolation is "linear", "nearest" or "label", not {interpolation!r}.')
    dtype = np.float32 if interpolation == "linear" else array.dtype
    aligned = aligned_indices(source, target) if displacement is None else None
    if aligned is not None:
        if progress is not None:
            progress.report(1.0)
        return _take(array, aligned, dtype, padding)
    shape = target.shape_kji
    result = np.empty(shape + array.shape[3:], dtype=dtype)
    slices = max(1, _SAMPLES_PER_SLAB // (shape[1] * shape[2]))
    parallel = parallel_indices(source, target) if displacement is None and interpolation == "linear" else None
    for start in range(0, shape[0], slices):
        slab = slice(start, min(start + slices, shape[0]))
        if parallel is not None:
            result[slab] = _interpolate_parallel(array, parallel, slab, padding)
            if progress is not None:
                progress.report(slab.stop / shape[0])
            continue
        coordinates = grid_coordinates(source, target, slab, None if displacement is None else displacement[slab])
        result[slab] = interpolate(array, coordinates, interpolation)
        if padding != "edge":
            result[slab][~inside(source.shape_kji, coordinates)] = padding
        if progress is not None:
            progress.report(slab.stop / shape[0])
    return result


def aligned_indices(source: Geometry, target: Geometry) -> tuple[tuple[int, ...], list[np.ndarray]] | None:
    """How to pick the voxels of `target` out of `source` when they coincide, whatever the order and sense of the axes.

    returns  for each axis (k, j, i) of the target the axis of the source's array that runs along it, and the indices
             into that axis, which may lie outside; None where voxels do not coincide (to a thousandth of a voxel)

    Crops, flips and permutations are copied instead of interpolated: exact, and thirty times as fast.
    """
    parallel = parallel_indices(source, target)
    if parallel is None:
        return None
    axes, indices = parallel
    whole = [np.rint(index) for index in indices]
    if any(np.abs(index - near).max() > _COINCIDENCE for index, near in zip(indices, whole, strict=True)):
        return None
    steps = [abs(near[-1] - near[0]) / max(len(near) - 1, 1) for near in whole]
    if any(len(near) > 1 and step != 1 for near, step in zip(whole, steps, strict=True)):
        return None
    return axes, [near.astype(np.intp) for near in whole]


def parallel_indices(source: Geometry, target: Geometry) -> tuple[tuple[int, ...], list[np.ndarray]] | None:
    """Where the voxels of `target` lie in `source` when both have the same axes, whatever their order and sense.

    returns  for each axis (k, j, i) of the target the axis of the source's array that runs along it, and the fractional
             indices along it, which may lie outside; None where axes are not parallel (to a thousandth of a voxel)
    """
    matrix = target.index_map(source)
    along = np.abs(matrix[:3, :3]).argmax(axis=0)  # of each axis (i, j, k) of the target, that of the source
    if len(set(along.tolist())) < 3:
        return None
    astray = matrix[:3, :3].copy()
    astray[along, range(3)] = 0.0
    if (np.abs(astray) @ target.size).max() > _COINCIDENCE:
        return None
    indices = [matrix[along[axis], axis] * np.arange(target.size[axis]) + matrix[along[axis], 3] for axis in (2, 1, 0)]
    return tuple(int(2 - along[axis]) for axis in (2, 1, 0)), indices


def _interpolate_parallel(
    array: np.ndarray, parallel: tuple[tuple[int, ...], list[np.ndarray]], slab: slice, padding: float | str
) -> np.ndarray:
    """Linear interpolation on slices k of a grid with the same axes, one axis after the other."""
    axes, (k, *others) = parallel
    indices = (k[slab], *others)
    result = array
    for axis, index in zip(axes, indices, strict=True):
        result = _interpolate_along(result, axis, index)
    result = result.transpose(*axes, *range(3, array.ndim))
    if padding != "edge":
        within = [
            (index >= -0.5 - _TOLERANCE) & (index <= array.shape[axis] - 0.5 + _TOLERANCE)
            for axis, index in zip(axes, indices, strict=True)
        ]
        result[~(within[0][:, None, None] & within[1][:, None] & within[2])] = padding
    return result


def _interpolate_along(array: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
    """Values at fractional indices along an axis; outside, the value at the edge."""
    last = array.shape[axis] - 1
    index = index.clip(0, last)
    lower = np.minimum(index.astype(np.intp), max(last - 1, 0))
    weight = (index - lower).astype(np.float32).reshape(-1, *[1] * (array.ndim - 1 - axis))
    values = np.take(array, lower, axis=axis).astype(np.float32, copy=False)
    if not weight.any():
        return values
    further = np.take(array, np.minimum(lower + 1, last), axis=axis).astype(np.float32, copy=False)
    further -= values
    further *= weight
    values += further
    return values


def _take(
    array: np.ndarray, aligned: tuple[tuple[int, ...], list[np.ndarray]], dtype: np.dtype, padding: float | str
) -> np.ndarray:
    axes, indices = aligned
    result = array
    for axis, index in zip(axes, indices, strict=True):
        result = np.take(result, index.clip(0, array.shape[axis] - 1), axis=axis)
    result = np.array(result.transpose(*axes, *range(3, array.ndim)), dtype=dtype, order="C")
    if padding != "edge":
        result[~_inside_aligned(array.shape, aligned)] = padding
    return result


def _inside_aligned(shape: tuple[int, ...], aligned: tuple[tuple[int, ...], list[np.ndarray]]) -> np.ndarray:
    k, j, i = ((index >= 0) & (index < shape[axis]) for axis, index in zip(*aligned, strict=True))
    return k[:, None, None] & j[:, None] & i


def inside_grid(source: Geometry, target: Geometry) -> np.ndarray:
    """True, (k, j, i), where a voxel of `target` has its centre in one of the voxels of `source`."""
    aligned = aligned_indices(source, target)
    if aligned is not None:
        return _inside_aligned(source.shape_kji, aligned)
    return inside(source.shape_kji, grid_coordinates(source, target))


def grid_coordinates(
    source: Geometry, target: Geometry, slab: slice = slice(None), displacement: np.ndarray | None = None
) -> np.ndarray:
    """Fractional indices (k, j, i) in `source` of the voxels of `target`, shape (3, k, j, i), double precision.

    slab          slices k of the target to do
    displacement  (k, j, i, 3) on those slices, components x, y, z, LPS mm, added to each target point
    """
    matrix = target.index_map(source)
    axes = np.ogrid[tuple(slice(0, n) for n in target.shape_kji)]
    k, j, i = axes[0][slab], axes[1], axes[2]
    shape = np.broadcast_shapes(k.shape, j.shape, i.shape)
    coordinates = np.empty((3, *shape))
    for axis in range(3):
        row = matrix[2 - axis]
        coordinates[axis] = row[2] * k + row[1] * j + (row[0] * i + row[3])
        if displacement is not None:
            coordinates[axis] += displacement @ source.lps_to_ijk[2 - axis, :3].astype(displacement.dtype)
    return coordinates


def interpolate(array: np.ndarray, coordinates: np.ndarray, interpolation: Interpolation = "linear") -> np.ndarray:
    """Values of `array` at fractional indices; outside the array, the value at its edge.

    array        (k, j, i) or (k, j, i, components)
    coordinates  (3, ...), indices along k, j, i
    returns      (...) or (..., components); float32 for "linear", else the array's own type
    """
    if array.ndim > 3:
        # Component by component: stacking costs less than a fourth, interpolated axis.
        parts = [interpolate(array[..., c], coordinates, interpolation) for c in range(array.shape[3])]
        return np.stack(parts, axis=-1)
    if interpolation == "label":
        return vote(array, coordinates)
    if interpolation == "nearest":
        return ndimage.map_coordinates(array, coordinates, order=0, mode="nearest")
    if interpolation == "linear":
        return ndimage.map_coordinates(array, coordinates, np.float32, order=1, mode="nearest")
    raise ValueError(f'Interpolation is "linear", "nearest" or "label", not {interpolation!r}.')


def inside(shape: tuple[int, int, int], coordinates: np.ndarray) -> np.ndarray:
    """True where fractional indices (3, ...) lie in the voxels of an array of `shape` (half a voxel around centres)."""
    result = np.ones(coordinates.shape[1:], dtype=bool)
    for axis, size in enumerate(shape):
        result &= coordinates[axis] >= -0.5 - _TOLERANCE
        result &= coordinates[axis] <= size - 0.5 + _TOLERANCE
    return result


def vote(labels: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """The label whose indicator, linearly interpolated, is the largest at fractional indices.

    labels       (k, j, i), integers of any value
    coordinates  (3, ...), indices along k, j, i; clamped to the array
    returns      (...), type of `labels`

    A tie goes to the smallest label. It places a surface within a fraction of a voxel, where the nearest label jumps by
    whole ones: a turned sphere of radius 2 voxels overlaps the true one by Dice 0.88, against 0.83 for the nearest
    label. In exchange it rounds convex blobs off: that sphere loses a tenth of its volume, one of radius 5 a fiftieth,
    and a lone voxel can vanish, while the nearest label keeps volumes on average.

    The eight neighbours of each point vote with their interpolation weights: the same as interpolating one indicator
    image per label, at a cost that does not depend on the number of labels.
    """
    points = coordinates.reshape(3, -1)
    lower, weight = [], []
    for axis, size in enumerate(labels.shape):
        clamped = np.clip(points[axis], 0, size - 1)
        lower.append(clamped.astype(np.intp))
        weight.append(clamped - lower[-1])
    corners = list(product((0, 1), repeat=3))
    neighbours = np.stack([_gather(labels, lower, corner) for corner in corners])

    result = neighbours[0].copy()
    # Far from every surface, nearly everywhere, all neighbours agree and nothing is left to count.
    mixed = np.flatnonzero((neighbours != neighbours[0]).any(axis=0))
    neighbours = neighbours[:, mixed]
    weight = [w[mixed] for w in weight]
    ballots = np.stack(
        [np.prod([w if c else 1 - w for w, c in zip(weight, corner, strict=True)], axis=0) for corner in corners]
    )
    votes = np.stack([(ballots * (neighbours == candidate)).sum(axis=0) for candidate in neighbours])
    losers = votes < votes.max(axis=0, initial=0) - _TOLERANCE
    result[mixed] = np.where(losers, np.iinfo(labels.dtype).max, neighbours).min(axis=0)
    return result.reshape(coordinates.shape[1:])


def _gather(labels: np.ndarray, lower: list[np.ndarray], corner: tuple[int, ...]) -> np.ndarray:
    """The labels at one corner of the cell of every point; at the last voxel of an axis both corners are that voxel."""
    return labels[
        tuple(np.minimum(low + c, size - 1) for low, c, size in zip(lower, corner, labels.shape, strict=True))
    ]
