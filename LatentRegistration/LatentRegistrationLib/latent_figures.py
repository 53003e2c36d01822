"""Pictures of the probabilistic model's latent space: maps of cases, grids of simulated deformations, transports."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from DeformationLib.image import Image
from DeformationLib.registration import warp_image

from .figures import COLOURS, new_figure
from .latent_cases import CodeTable
from .latent_map import LatentMap
from .probabilistic_model import ProbabilisticModel
from .transport import Subject, transport

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def plot_latent_map(plane: LatentMap, table: CodeTable, path: str | os.PathLike, names: bool = False) -> None:
    """The cases in a map of the latent space, coloured by group (Krebs figure 4.7).

    Args:
        plane: map.
        table: cases.
        path: of the picture.
        names: write each case's name beside its point.
    """
    points = plane.points(table.codes)
    with new_figure(path, 6.5, 5.5) as figure:
        axes = figure.add_subplot()
        for number, group in enumerate(sorted(set(table.groups))):
            chosen = np.array([other == group for other in table.groups])
            axes.plot(
                *points[chosen].T,
                linestyle="none",
                marker=_MARKERS[number % len(_MARKERS)],
                color=COLOURS[number % len(COLOURS)],
                label=group or "all cases",
            )
        if names:
            for name, point in zip(table.names, points, strict=True):
                axes.annotate(name, point, xytext=(4, 3), textcoords="offset points", fontsize=7)
        axes.set_xlabel(plane.axes[0])
        axes.set_ylabel(plane.axes[1])
        axes.legend()


def plot_simulations(
    model: ProbabilisticModel,
    plane: LatentMap,
    image: Image,
    path: str | os.PathLike,
    extent: float = 2.5,
    steps: int = 5,
) -> None:
    """An image deformed by the codes on a grid of a map: middle slice, with the deformed grid (Krebs figure 4.8)."""
    points, codes = plane.grid(extent, steps)
    seen = model.see(image)
    with new_figure(path, 2.0 * steps, 2.0 * steps * _shape(image)) as figure:
        axes = figure.subplots(steps, steps, squeeze=False)
        for row in range(steps):
            for column in range(steps):
                displacement = model.displacement(codes[row, column], seen, image)
                _draw(axes[row, column], warp_image(image, displacement), displacement)
                if row == steps - 1:
                    axes[row, column].set_xlabel(f"{points[row, column, 0]:+.3g}")
                if column == 0:
                    axes[row, column].set_ylabel(f"{points[row, column, 1]:+.3g}")
        figure.supxlabel(plane.axes[0])
        figure.supylabel(plane.axes[1])


def plot_transport(
    model: ProbabilisticModel, sources: Sequence[Subject], targets: Sequence[Subject], path: str | os.PathLike
) -> None:
    """Each source's end-diastole and registered end-systole, and its motion in each target (Krebs figure 4.9)."""
    columns = 2 + len(targets)
    shape = _shape(sources[0].moving)
    with new_figure(path, 2.6 * columns, 2.6 * shape * (1 + len(sources))) as figure:
        axes = figure.subplots(1 + len(sources), columns, squeeze=False)
        for axis in axes.ravel():
            axis.set_axis_off()
        for column, target in enumerate(targets):
            _draw(axes[0, 2 + column], target.moving)
            axes[0, 2 + column].set_title(f"{target.name}\n{target.group} end-diastole")
        for row, source in enumerate(sources, start=1):
            code = model.encode(source.fixed, source.moving)
            own = transport(model, code, source.moving)
            _draw(axes[row, 0], source.moving)
            axes[row, 0].set_title(f"{source.name}\n{source.group} end-diastole")
            _draw(axes[row, 1], warp_image(source.moving, own), own)
            axes[row, 1].set_title("its motion")
            for column, target in enumerate(targets):
                displacement = transport(model, code, target.moving)
                _draw(axes[row, 2 + column], warp_image(target.moving, displacement), displacement)
                axes[row, 2 + column].set_title(f"in {target.name}")


def _draw(axes, image: Image, displacement: Image | None = None, spacing: int = 6) -> None:
    """The middle slice in grey, with every so many lines of the deformed grid."""
    middle = image.array.shape[0] // 2
    axes.imshow(image.array[middle], cmap="gray", aspect=image.spacing[1] / image.spacing[0])
    axes.set_xticks([])
    axes.set_yticks([])
    if displacement is None:
        return
    # Components along the image's own axes, in pixels.
    along = displacement.array[middle] @ image.direction / np.asarray(image.spacing)
    j, i = np.indices(image.array.shape[1:])
    x, y = i + along[..., 0], j + along[..., 1]
    for line in range(0, x.shape[0], spacing):
        axes.plot(x[line], y[line], color="#ffc400", linewidth=0.4)
    for line in range(0, x.shape[1], spacing):
        axes.plot(x[:, line], y[:, line], color="#ffc400", linewidth=0.4)
    axes.set_xlim(-0.5, x.shape[1] - 0.5)
    axes.set_ylim(x.shape[0] - 0.5, -0.5)


def _shape(image: Image) -> float:
    """Height of a slice relative to its width."""
    return image.array.shape[1] * image.spacing[1] / (image.array.shape[2] * image.spacing[0])
