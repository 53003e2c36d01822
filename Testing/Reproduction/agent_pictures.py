"""The way of some registrations as a sheet: the fixed image, and the moving one after some steps, with their contours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from agent_data import Anatomy, Pair
from agent_walks import overlap

from AgentRegistrationLib.agent_model import AgentModel
from DeformationLib.preprocessing import prepare_labels
from LatentRegistrationLib.figures import new_figure

FIXED, MOVING = "#35c46a", "#ff9a1f"
"""Green and orange, as in the thesis."""

STEPS = (0, 10, 50)
_PANEL = 1.9  # inches


@dataclass(frozen=True)
class Panel:
    """A slice ``(rows, columns)``, label indicators ``(L, rows, columns)`` of the fixed and the moving image, and a title."""

    image: np.ndarray
    fixed: np.ndarray
    moving: np.ndarray | None
    title: str


@torch.inference_mode()
def panels_of(anatomy: Anatomy, model: AgentModel, pair: Pair, steps: Sequence[int] = STEPS) -> list[Panel]:
    """The fixed image, and the moving one after some steps and at the end; of volumes the slice that shows most of the
    fixed structures, seen from the side."""
    registration = model.begin(pair[0].image, pair[1].image)
    walk, view, space = registration.run(), registration.view, model.space
    values = list(anatomy.structures)
    labels = [
        prepare_labels(subject.labels, values, model.grid, seen.geometry)
        for subject, seen in zip(pair, (view.seen_f, view.seen_m), strict=True)
    ]
    cut = _cut(labels[0][0].sum(dim=0).numpy())
    fixed = cut(labels[0][0].numpy())
    panels = [Panel(cut((view.seen_f.image * view.seen_f.mask)[0].numpy())[0], fixed, None, "fixed")]
    inside = view.seen_m.image * view.seen_m.mask  # what lies beyond the image is black
    reached = [step for step in steps if step < walk.taken] + [walk.taken]
    for step in reached:
        theta = torch.tensor([walk.states[step].theta])
        place = space.sampling(theta)
        image, moved = (cut(space.warp(part, place)[0].numpy()) for part in (inside, labels[1]))
        name = f"{step} steps" if step else "moving"
        panels.append(Panel(image[0], fixed, moved, f"{name}, {overlap(model, labels, walk.states[step].theta):.2f}"))
    return panels


def draw_sheet(rows: Sequence[Sequence[Panel]], titles: Sequence[str], path: Path) -> None:
    """A row for every pair, with its title at the left; Dice behind the panels' names."""
    heights = [row[0].image.shape[0] / row[0].image.shape[1] for row in rows]
    columns = max(len(row) for row in rows)
    with new_figure(path, columns * _PANEL + 0.4, sum(_PANEL * height + 0.25 for height in heights) + 0.4) as figure:
        panels = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        for axes, row, title in zip(panels, rows, titles, strict=True):
            for axis in axes[len(row) :]:
                axis.set_axis_off()
            for axis, panel in zip(axes, row, strict=False):
                _draw(axis, panel)
            axes[0].set_ylabel(title, fontsize=9)
        from matplotlib.lines import Line2D

        lines = [Line2D([], [], color=colour, linewidth=2) for colour in (FIXED, MOVING)]
        figure.legend(lines, ["fixed", "moving; with its Dice"], loc="outside lower right", ncols=2)


def _draw(axis, panel: Panel) -> None:
    low, high = np.percentile(panel.image, (1, 99.5))
    axis.imshow(panel.image, cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    for labels, colour in ((panel.fixed, FIXED), (panel.moving, MOVING)):
        for indicator in labels if labels is not None else ():
            if indicator.max() > 0.5 > indicator.min():
                axis.contour(indicator, [0.5], colors=colour, linewidths=1.2)
    axis.set_title(panel.title, fontsize=9)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _cut(structures: np.ndarray):
    """What takes a slice of ``(channels, *size)``; head up and the front of the body at the left in volumes."""
    if structures.ndim == 2:
        return lambda array: array
    number = int(structures.sum(axis=(0, 1)).argmax())
    return lambda array: array[:, ::-1, :, number]
