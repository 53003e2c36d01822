"""The bull's-eye picture: a value for each of the American Heart Association's segments, the apex in the middle.

matplotlib is imported when a picture is drawn, never before, and without pyplot: no window and no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from DeformationLib.errors import InputError

from .strain import StrainCurves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Radii of the rings, so that a segment of each ring has about the same area to read a number in.
_RINGS = {"apex": (0.0, 0.22), "apical": (0.22, 0.48), "mid": (0.48, 0.74), "basal": (0.74, 1.0)}
_WALLS = {90: "anterior", 180: "septal", 270: "inferior", 0: "lateral"}
_INSERTIONS = (120, 240)  # degrees at which the right ventricle meets the wall
_MISSING, _LINE, _TEXT = "#e4e6e9", "#ffffff", "#30363d"
_STYLE = {"font.size": 10, "axes.titlesize": 12, "hatch.color": "#c3c8ce", "hatch.linewidth": 0.8}


def wedge(number: int) -> tuple[float, float, float, float]:
    """Inner and outer radius (1 is the base), first and last angle in degrees, counter-clockwise from the right."""
    if not 1 <= number <= 17:
        raise InputError(f"There is no segment {number}: the left ventricle's are numbered from 1 to 17.")
    if number == 17:
        return (*_RINGS["apex"], 0.0, 360.0)
    if number > 12:
        first = 45.0 + 90.0 * (number - 13)
        return (*_RINGS["apical"], first, first + 90.0)
    first = 60.0 + 60.0 * ((number - 1) % 6)
    return (*_RINGS["mid" if number > 6 else "basal"], first, first + 60.0)


def bullseye(
    values: Mapping[int, float],
    title: str = "",
    unit: str = "%",
    colours: str | None = None,
    limits: tuple[float, float] | None = None,
    digits: int = 0,
    numbers: bool = True,
) -> Figure:
    """One picture with its colour bar.

    Args:
        values: by segment, 1 to 17; nan and missing ones are hatched.  Without 17 the middle is left open.
        title: above it.
        unit: beside the colour bar.
        colours: name of a matplotlib colour map; by default blue through white to red where values have both signs or
            the limits do, else from light to dark.
        limits: of the colours; by default from the values, rounded outwards.
        digits: after the decimal point.
        numbers: whether to write the segments' numbers.

    Returns:
        Figure: 4.6 by 4.2 inches; ``figure.savefig(path)`` writes it.

    Raises:
        InputError: for segments that do not exist, no value at all, and where matplotlib is missing.
    """
    figure = _figure(4.6, 4.2)
    axes = figure.add_subplot(projection="polar")
    _draw(figure, axes, values, title, unit, colours, limits, digits, numbers)
    return figure


def strain_bullseyes(strain: StrainCurves, frame: int | None = None) -> Figure:
    """Pictures of every direction side by side, in percent.

    Args:
        strain: with segments.
        frame: by default the peak of each segment.

    Raises:
        InputError: for strain without segments.
    """
    if not strain.segment_numbers:
        raise InputError(" ".join(["There is no strain by segment to draw.", *strain.notes]))
    figure = _figure(4.4 * len(strain.directions), 4.2)
    panels = figure.subplots(1, len(strain.directions), subplot_kw={"projection": "polar"}, squeeze=False)[0]
    for axes, name in zip(panels, strain.directions, strict=True):
        values = strain.segment_peaks(name) if frame is None else strain.segment_values(name, frame)
        title = f"Peak {name} strain" if frame is None else f"{name.capitalize()} strain, frame {frame}"
        _draw(figure, axes, {number: 100 * value for number, value in values.items()}, title, "%")
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(f"Pictures need matplotlib ({error}): install it with 'pip install matplotlib'.") from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.08)
    return figure


def _draw(
    figure: Figure,
    axes: Any,
    values: Mapping[int, float],
    title: str,
    unit: str,
    colours: str | None = None,
    limits: tuple[float, float] | None = None,
    digits: int = 0,
    numbers: bool = True,
) -> None:
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    for number in values:
        wedge(number)
    known = [value for value in values.values() if np.isfinite(value)]
    if not known:
        raise InputError("No segment has a value to draw: measure at least one.")
    low, high = limits or nice_limits(known)
    colours = colours or ("RdBu_r" if low < 0 < high else "YlOrRd" if high > 0 else "YlGnBu_r")
    scale = ScalarMappable(Normalize(low, high), matplotlib.colormaps[colours])
    with matplotlib.rc_context(_STYLE):
        _prepare(axes, title)
        for number in range(1, 18 if 17 in values else 17):
            _draw_segment(axes, number, values.get(number, np.nan), scale, digits, numbers)
        _draw_surroundings(axes)
        bar = figure.colorbar(scale, ax=axes, shrink=0.72, aspect=22, pad=0.09)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=9, labelcolor=_TEXT)
        bar.ax.set_title(unit, fontsize=9, color=_TEXT, pad=8)


def nice_limits(values: list[float]) -> tuple[float, float]:
    """Round limits of a colour scale: from zero where values have one sign, symmetrical about it where they have both."""
    low, high = min(values), max(values)
    most = max(abs(low), abs(high))
    if most == 0:
        return -1.0, 1.0
    power = 10.0 ** np.floor(np.log10(most))
    bound = float(
        min(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= most * (1 - 1e-9))
    )
    # A single value of the other sign, much smaller than the rest, still needs its side of the scale.
    return (0.0 if low >= 0 else -bound, 0.0 if high <= 0 else bound)


def _prepare(axes: Any, title: str) -> None:
    axes.set_axis_off()
    axes.set_ylim(0, 1.16)
    if title:
        axes.set_title(title, color=_TEXT, pad=2, fontsize=12)


def _draw_segment(axes: Any, number: int, value: float, scale: Any, digits: int, numbers: bool) -> None:
    inner, outer, first, last = wedge(number)
    missing = not np.isfinite(value)
    face = _MISSING if missing else scale.to_rgba(value)
    middle, width = np.radians((first + last) / 2), np.radians(last - first)
    look = {"color": face, "hatch": "////" if missing else None, "linewidth": 1.8}
    # A whole circle has no edge from its middle to its rim.
    look |= {"edgecolor": "none" if number == 17 and not missing else _LINE}
    axes.bar(middle, outer - inner, width, bottom=inner, **look)
    place = (0.0, 0.0) if number == 17 else (middle, (inner + outer) / 2)
    ink = _ink(face) if not missing else "#8a929b"
    if not missing:
        text = f"{value:.{digits}f}".replace("-", "−")
        text = text.lstrip("−") if float(f"{value:.{digits}f}") == 0 else text
        axes.text(*place, text, ha="center", va="center", color=ink, fontsize=10, fontweight="bold")
    if numbers:
        shift = (0, -10) if not missing else (0, 0)
        axes.annotate(
            str(number),
            place,
            shift,
            textcoords="offset points",
            ha="center",
            va="center",
            color=ink,
            fontsize=6.5,
            alpha=0.8,
        )


def _draw_surroundings(axes: Any) -> None:
    """Names of the walls, and the right ventricle's insertions as two ticks with a thin arc between them."""
    for degrees, name in _WALLS.items():
        turn = {180: 90, 0: -90}.get(degrees, 0)
        axes.text(np.radians(degrees), 1.12, name, ha="center", va="center", rotation=turn, fontsize=9, color="#6b737c")
    for degrees in _INSERTIONS:
        axes.plot(np.radians([degrees, degrees]), [1.01, 1.07], color="#6b737c", linewidth=1.6, solid_capstyle="round")


def _ink(colour: Any) -> str:
    """White or nearly black, whichever is read better on a colour (WCAG's relative luminance)."""
    channels = np.asarray(colour, dtype=float)[:3]
    linear = np.where(channels <= 0.04, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if linear @ (0.2126, 0.7152, 0.0722) < 0.24 else "#1c2127"
