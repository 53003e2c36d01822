"""Series at another number of frames: cubic B-splines in time (Krebs section 6.3.1), which wrap round a heartbeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import make_interp_spline

from DeformationLib.errors import InputError
from DeformationLib.image import Image, check_intensities
from MotionModelLib.sequence_time import check_count, check_reference
from MotionModelLib.sequence_view import check_grids

_BLOCK = 2**20
"""Voxels of all frames that are computed at once: their copies in single precision stay small."""


def resample_in_time(frames: Sequence[Image], count: int, reference: int = 0, periodic: bool = True) -> list[Image]:
    """A series of ``count`` frames that begins with the reference.

    A periodic series is a whole beat: frame m of N is at m/N of it, whatever the frame that it was stored from. Another
    one runs from its first frame to its last. A series that has ``count`` frames already keeps them as they are.

    Args:
        frames: two or more images on one grid, in the order of time.
        count: of the result, at least two.
        reference: the frame that motion starts from.
        periodic: whether the series ends where it began.

    Raises:
        InputError: for fewer than two frames, frames on different grids or without intensities, a reference that the
            series does not have, and one in the middle of a series that is not periodic.
    """
    frames = list(frames)
    check_count(len(frames))
    check_reference(reference, len(frames))
    check_grids(frames, reference)
    # Before they are mixed: afterwards one bad frame would be in all of them.
    for number, frame in enumerate(frames):
        check_intensities(frame, f"Frame {number}")
    if reference and not periodic:
        raise InputError(
            f"The reference is frame {reference}, but motion that does not return has to start at the first frame: "
            "cut the series there, or use a model of periodic motion."
        )
    frames = frames[reference:] + frames[:reference]
    if len(frames) == count:
        return frames
    arrays = _weighted(spline_weights(len(frames), count, periodic), [frame.array for frame in frames])
    return [frames[0], *(frames[0].with_array(array) for array in arrays[1:])]


def spline_weights(frames: int, count: int, periodic: bool = True) -> np.ndarray:
    """What each of ``frames`` contributes to each of ``count`` evenly spread moments, ``(count, frames)``; rows sum to 1.

    The first moment is the first frame. The last is the last frame, or, of a periodic series, as long before the first
    frame's return as the moments lie apart.
    """
    identity = np.eye(frames)
    if periodic:
        spline = make_interp_spline(np.arange(frames + 1), np.vstack([identity, identity[:1]]), 3, bc_type="periodic")
        return spline(np.arange(count) * frames / count)
    spline = make_interp_spline(np.arange(frames), identity, 3, bc_type="natural")
    return spline(np.linspace(0, frames - 1, count))


def _weighted(weights: np.ndarray, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Weighted sums of arrays in single precision, ``(count, *shape)``."""
    flat = [np.ravel(array) for array in arrays]
    result = np.empty((len(weights), flat[0].size), np.float32)
    weights = weights.astype(np.float32)
    step = max(1, _BLOCK // len(flat))
    for start in range(0, flat[0].size, step):
        part = slice(start, start + step)
        result[:, part] = weights @ np.stack([array[part].astype(np.float32) for array in flat])
    return result.reshape(len(weights), *arrays[0].shape)
