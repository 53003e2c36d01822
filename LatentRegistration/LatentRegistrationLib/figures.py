"""Pictures of the latent space: what each component does to an image, and how much of the population it explains.

matplotlib is imported when a picture is drawn, never before, and without pyplot: no window and no global state, so that
these functions work inside Slicer, in notebooks and on machines without a display.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path
from DeformationLib.image import Image

from .section import Plane, Section

if TYPE_CHECKING:
    from .explorer import Explorer

UNDEFORMED, DEFORMED = "#e8212b", "#ffc400"
"""Red and gold, as in the paper."""

_STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_RESOLUTION = 150
_ARROW_COLOURS = "cool"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d31")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


@contextmanager
def new_figure(path: str | os.PathLike, width: float, height: float):
    """A matplotlib figure of ``width`` x ``height`` inches that is written to ``path`` when the block ends well.

    Raises `InputError` where matplotlib is not installed, or the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(f"Pictures need matplotlib ({error}): install it with 'pip install matplotlib'.") from error
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=_RESOLUTION, facecolor="white")


def plot_components(
    explorer: Explorer,
    image: Image,
    labels: Image | None,
    path: str | os.PathLike,
    components: Sequence[int] = range(4),
    amplitudes_sd: Sequence[float] = (-3, -1.5, 0, 1.5, 3),
    plane: Plane = "sagittal",
) -> Path:
    """One row per component, one column per amplitude: the deformed image, its contours, the motion (figure 3).

    Red contours are the labels as they were, gold ones the deformed labels. Each arrow ends where a piece of tissue now
    is and comes from where it was, at its true length within the plane unless the key below says otherwise (motions too
    small to be seen are magnified); its colour is the length in space, and a dot marks motion across the plane.

    Args:
        explorer: of the image.
        image: the one that is deformed.
        labels: on any grid that overlaps the image, or None for arrows alone.
        path: picture to write; the suffix chooses the format.
        components: counted from 0.
        amplitudes_sd: in standard deviations of the training population along the component.
        plane: ``"sagittal"``, ``"coronal"`` or ``"axial"``, where the labels have the largest area; a slice is shown as
            it is.

    Raises:
        InputError: for a component that the model does not have.
    """
    section = Section.through(image, labels, plane)
    panels = [
        [explorer.displacement(component, sd * explorer.standard_deviations[component]) for sd in amplitudes_sd]
        for component in components
    ]
    titles = [f"{_signed(sd)} SD" if sd else "0" for sd in amplitudes_sd]
    names = [_name_of(explorer, component) for component in components]
    with new_figure(path, *_size(section, len(panels), len(titles))) as figure:
        axes = figure.subplots(len(panels), len(titles), squeeze=False)
        _draw_panels(figure, axes, section, image, labels, panels)
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title)
        for axis, name in zip(axes[:, 0], names, strict=True):
            axis.set_ylabel(name)
    return Path(path)


def plot_elementary_transformations(
    explorer: Explorer,
    image: Image,
    labels: Image | None,
    path: str | os.PathLike,
    components: Sequence[int] = range(8),
    amplitude_sd: float = 2.0,
    plane: Plane = "sagittal",
    columns: int = 4,
) -> Path:
    """One panel per component, all at one amplitude (figures 4 and 7); arguments as in `plot_components`."""
    components = list(components)
    rows = -(-len(components) // columns)
    section = Section.through(image, labels, plane)
    fields = [explorer.displacement(c, amplitude_sd * explorer.standard_deviations[c]) for c in components]
    panels = [fields[row * columns : (row + 1) * columns] for row in range(rows)]
    with new_figure(path, *_size(section, rows, columns, titles=rows)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        _draw_panels(figure, axes, section, image, labels, panels)
        for axis, component in zip(axes.flat, components, strict=False):
            axis.set_title(_name_of(explorer, component).replace("\n", ", "))
        for axis in axes.flat[len(components) :]:
            axis.set_axis_off()
        title = f"{_signed(amplitude_sd)} standard deviations along each component"
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return Path(path)


def plot_explained_variance(
    explorer: Explorer, path: str | os.PathLike, reference: Mapping[int, float] | None = None
) -> Path:
    """Share of the training codes' variance by component, and by the first so many components together.

    Args:
        explorer: or anything else with ``explained_variance_ratio``.
        path: picture to write.
        reference: shares in 0..1 that a paper reports for so many components, drawn beside ours.
    """
    shares = 100 * np.asarray(explorer.explained_variance_ratio)
    numbers = np.arange(1, len(shares) + 1)
    together = shares.cumsum()
    with new_figure(path, 6.4, 4.0) as figure:
        axis = figure.subplots()
        axis.bar(numbers, shares, color="#9fc5e0", label="each component")
        axis.plot(numbers, together, "o-", color=COLOURS[0], markersize=4, label="first components together")
        _mark(
            axis, {count: together[count - 1] for count in {min(4, len(shares)), len(shares)}}, COLOURS[0], above=True
        )
        if reference:
            percent = {count: 100 * share for count, share in reference.items()}
            hollow = {"markersize": 7, "markerfacecolor": "none", "markeredgewidth": 1.6}
            axis.plot(percent.keys(), percent.values(), "D", color=UNDEFORMED, label="Estienne et al. 2021", **hollow)
            _mark(axis, percent, UNDEFORMED, above=False)
        axis.set(xlabel="component", ylabel="explained variance (%)", ylim=(0, 112), xlim=(0.3, len(shares) + 0.9))
        axis.set_xticks([1, *[n for n in numbers if n % 4 == 0]] if len(shares) > 8 else numbers)
        axis.legend(loc="center right")
    return Path(path)


def plot_amplitudes(amplitudes_sd: Sequence[float], lengths: np.ndarray, path: str | os.PathLike) -> Path:
    """Mean displacement (component, amplitude), in mm, of each component against its amplitude."""
    with new_figure(path, 6.4, 4.2) as figure:
        axis = figure.subplots()
        for number, row in enumerate(np.asarray(lengths)):
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(amplitudes_sd, row, "o-", color=colour, markersize=3, label=f"{number + 1}")
        axis.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        axis.set(xlabel="amplitude (standard deviations of the population)", ylabel="mean displacement (mm)")
        axis.set_ylim(bottom=0)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", title="component")
    return Path(path)


def _mark(axis, percent: Mapping[int, float], colour: str, above: bool) -> None:
    """Write figures beside their points, or above or below them at the right end."""
    end = axis.dataLim.xmax
    for place in percent.items():
        offset, side = ((-2, 7 if above else -17), "center") if place[0] > 0.8 * end else ((8, -10), "left")
        axis.annotate(f"{place[1]:.3g} %", place, offset, textcoords="offset points", color=colour, ha=side)


def _draw_panels(figure, axes, section: Section, image: Image, labels: Image | None, panels) -> None:
    """Fill a grid of axes with deformed sections, all arrows on one scale of colours, and explain them below."""
    from matplotlib.colors import Normalize

    sections = [[section.displacement(field) for field in row] for row in panels]
    longest = max(float(section.arrows(field)[2].max()) for row in sections for field in row)
    norm = Normalize(0, max(longest, 1e-3))
    # The longest arrow should reach its neighbour; motions that do so by themselves are shown as they are.
    magnification = max(1, int(section.arrow_spacing / norm.vmax))
    grey = tuple(np.percentile(section.sample(image), (0.5, 99.8)))
    for row, fields in zip(axes, sections, strict=True):
        for axis, field in zip(row, fields, strict=False):
            _draw_panel(axis, section, image, labels, field, norm, grey, magnification)
    _draw_orientation(axes[0, 0], section)
    _draw_key(figure, axes, norm, labels is not None, magnification)


def _draw_panel(axis, section: Section, image: Image, labels: Image | None, field, norm, grey, magnification) -> None:
    low, high = grey
    deformed = section.sample(image, field)
    axis.imshow(deformed, cmap="gray", vmin=low, vmax=low + 1.25 * (high - low), extent=section.extent, origin="lower")
    # Where nothing moves there is nothing to point at, and an arrow of no length would be drawn as a dot.
    places, arrows, lengths = section.arrows(field)
    seen = lengths > 0.05 * norm.vmax
    shape = {"width": 0.006, "headwidth": 3.6, "headlength": 4.2, "headaxislength": 3.8, "minlength": 0.2}
    scale = {"angles": "xy", "scale_units": "xy", "scale": 1 / magnification, "pivot": "tip"}
    axis.quiver(*places[seen].T, *arrows[seen].T, lengths[seen], cmap=_ARROW_COLOURS, norm=norm, **shape, **scale)
    across = seen & (np.linalg.norm(arrows, axis=1) < 0.5 * lengths)
    axis.scatter(*places[across].T, 5, lengths[across], cmap=_ARROW_COLOURS, norm=norm, linewidths=0)
    if labels is not None:
        for displacement, colour in ((None, UNDEFORMED), (field, DEFORMED)):
            for value in np.unique(labels.array[labels.array != 0]):
                indicator = section.indicator(labels, int(value), displacement)
                if indicator.max() > 0.5 > indicator.min():
                    axis.contour(indicator, [0.5], colors=colour, linewidths=1.5, extent=section.extent, origin="lower")
    axis.set(xlim=section.extent[:2], ylim=section.extent[2:], xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _draw_orientation(axis, section: Section) -> None:
    """Letters for the directions, and a length of 10 mm."""
    from matplotlib.patheffects import withStroke

    white = {"color": "white", "path_effects": [withStroke(linewidth=2, foreground="black")]}
    style = {**white, "fontsize": 9, "fontweight": "bold", "transform": axis.transAxes}
    left, right, bottom, top = section.ends
    axis.text(0.02, 0.5, left, ha="left", va="center", **style)
    axis.text(0.98, 0.5, right, ha="right", va="center", **style)
    axis.text(0.5, 0.02, bottom, ha="center", va="bottom", **style)
    axis.text(0.5, 0.97, top, ha="center", va="top", **style)
    _, high, floor, ceiling = section.extent
    x, y = high - 12, floor + 0.05 * (ceiling - floor)
    axis.plot([x, x + 10], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axis.text(x + 5, y + 0.02 * (ceiling - floor), "10 mm", fontsize=8, **white, ha="center", va="bottom")


def _draw_key(figure, axes, norm, contours: bool, magnification: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D

    colours = ScalarMappable(norm, _ARROW_COLOURS)
    bar = figure.colorbar(colours, ax=axes, location="bottom", fraction=0.04, aspect=50, pad=0.02, shrink=0.5)
    size = "true to scale" if magnification == 1 else f"drawn {magnification} times as long"
    bar.set_label(f"arrows: motion of the tissue (mm), {size}; dots: mostly across the plane")
    bar.outline.set_visible(False)
    if contours:
        lines = [Line2D([], [], color=UNDEFORMED, linewidth=2), Line2D([], [], color=DEFORMED, linewidth=2)]
        figure.legend(lines, ["undeformed contour", "deformed contour"], loc="outside upper right", ncols=2)


def _size(section: Section, rows: int, columns: int, titles: int = 1) -> tuple[float, float]:
    """Inches that give every panel the section's proportions."""
    low, high, floor, ceiling = section.extent
    width = max(1.6, 11.0 / max(columns, 4))
    height = width * (ceiling - floor) / (high - low)
    return columns * width + 0.5, rows * (height + 0.05) + 0.3 * titles + 1.3


def _name_of(explorer: Explorer, component: int) -> str:
    return f"component {component + 1}\n{100 * explorer.explained_variance_ratio[component]:.1f} % of variance"


def _signed(number: float) -> str:
    return f"{number:+g}".replace("-", "−")
