"""The bull's-eye picture of the left ventricle: AHA's segments, base outside, apex in the middle, front on top."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from DeformationSceneLib.colours import DIVERGING, colours_at
from DeformationSceneLib.pictures import draw_text

_SIZE, _BAR, _TITLE, _MARGIN = 300, 74, 34, 14
_EMPTY = (0.86, 0.86, 0.86)


def draw_bulls_eyes(values: Mapping[str, Mapping[int, float]]) -> np.ndarray:
    """Pictures side by side, (height, width, 3) uint8, one for each title: values of segments 1 to 17.

    Colours go from blue over white for 0 to red, as far as the largest value of the picture. Segments without a value
    are grey.
    """
    return np.concatenate([_draw(title, one) for title, one in values.items()], axis=1)


@cache
def segment_map(size: int) -> np.ndarray:
    """Number of the segment at each pixel (size, size) of a bull's-eye that fills it; 0 outside."""
    from MotionModelLib.bullseye import wedge

    row, column = np.mgrid[:size, :size]
    x, y = (column + 0.5) / size * 2 - 1, 1 - (row + 0.5) / size * 2
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x))
    numbers = np.zeros((size, size), np.int16)
    for segment in range(1, 18):
        inner, outer, first, last = wedge(segment)
        here = (radius >= inner) & (radius < outer) & (np.mod(angle - first, 360) < last - first)
        numbers[here] = segment
    return numbers


def segment_centre(segment: int) -> tuple[float, float]:
    """Column and row, as shares of the size of a bull's-eye, of the middle of a segment."""
    from MotionModelLib.bullseye import wedge

    inner, outer, first, last = wedge(segment)
    if inner == 0:
        return 0.5, 0.5
    angle, radius = np.radians((first + last) / 2), (inner + outer) / 2
    return 0.5 + 0.5 * radius * np.cos(angle), 0.5 - 0.5 * radius * np.sin(angle)


def _draw(title: str, values: Mapping[int, float]) -> np.ndarray:
    known = {segment: value for segment, value in values.items() if np.isfinite(value)}
    reach = max((abs(value) for value in known.values()), default=1.0) or 1.0
    width, height = _SIZE + 2 * _MARGIN + _BAR, _SIZE + 2 * _MARGIN + _TITLE
    picture = np.full((height, width, 3), 255, np.uint8)
    left, top = _MARGIN, _MARGIN + _TITLE
    picture[top : top + _SIZE, left : left + _SIZE] = _disc(known, reach)
    draw_text(picture, title, (width / 2, _MARGIN / 2 + _TITLE / 2), 17, bold=True)
    for segment, value in known.items():
        across, down = segment_centre(segment)
        # White where black could not be read.
        white = float(colours_at(0.5 + 0.5 * value / reach, DIVERGING) @ (0.299, 0.587, 0.114)) < 0.42
        place = left + across * _SIZE, top + down * _SIZE
        draw_text(picture, f"{round(value)}", place, 15, (1.0, 1.0, 1.0) if white else (0.0, 0.0, 0.0), bold=True)
    _draw_bar(picture, left + _SIZE + 18, top + 30, _SIZE - 60, reach)
    return picture


def _disc(values: Mapping[int, float], reach: float) -> np.ndarray:
    """Colours of the segments (size, size, 3) uint8, with white lines between them."""
    factor = 2
    numbers = segment_map(factor * _SIZE)
    table = np.tile(np.asarray(_EMPTY), (18, 1))
    table[0] = 1.0
    for segment, value in values.items():
        table[segment] = colours_at(0.5 + 0.5 * value / reach, DIVERGING)
    colours = table[numbers]
    edge = np.zeros(numbers.shape, bool)
    for axis in (0, 1):
        edge |= numbers != np.roll(numbers, 3, axis)
    colours[edge] = 0.35
    smooth = colours.reshape(_SIZE, factor, _SIZE, factor, 3).mean(axis=(1, 3))
    return np.rint(255 * smooth).astype(np.uint8)


def _draw_bar(picture: np.ndarray, left: int, top: int, length: int, reach: float) -> None:
    """The colours of the picture with their values, the largest on top."""
    shares = np.linspace(1.0, 0.0, length)
    picture[top - 1 : top + length + 1, left - 1 : left + 17] = 90
    picture[top : top + length, left : left + 16] = np.rint(255 * colours_at(shares, DIVERGING))[:, np.newaxis]
    for share in (1.0, 0.5, 0.0):
        draw_text(picture, f"{(2 * share - 1) * reach:+.0f}" if share != 0.5 else "0",
                  (left + 22, top + (1 - share) * length), 13, anchor="left")  # fmt: skip
