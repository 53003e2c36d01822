"""Figure 5.6: the motion matrix over time, with the Gaussian process and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from motion_completion import in_order

from DeformationLib.cine_cases import Cine
from LatentRegistrationLib.figures import COLOURS, new_figure
from MotionModelLib.motion_model import MotionModel

DRAWN = 5
"""Dimensions in the picture: the first ones, as in the thesis."""

COLUMNS = 3
"""Models side by side in the picture."""


def matrices(models: Mapping[str, MotionModel], cines: Sequence[Cine]) -> dict[str, list[np.ndarray]]:
    """Motion matrices ``(B, D, T)`` of all patients by model."""
    return {name: [model.encode(in_order(cine), 0).mean for cine in cines] for name, model in models.items()}


def temporal_roughness(matrix: np.ndarray) -> float:
    """Mean length of the second difference in time over the standard deviation in time, over rows that move.

    A straight line has 0, white noise the square root of 6, about 2.45.  Rows ``(..., T)`` that hardly change, less than a
    hundredth of the row that changes most, count nothing.
    """
    rows = matrix.reshape(-1, matrix.shape[-1])
    spread = rows.std(axis=-1)
    rows, spread = rows[spread > 0.01 * spread.max()], spread[spread > 0.01 * spread.max()]
    second = np.sqrt(np.mean(np.diff(rows, n=2, axis=-1) ** 2, axis=-1))
    return float(np.mean(second / spread))


def print_roughness(found: Mapping[str, Sequence[np.ndarray]]) -> dict[str, float]:
    """A row per model."""
    print("\n| motion matrix | roughness over time (white noise 2.45) | rows that move |")
    print("|:--|--:|--:|")
    result = {}
    for name, parts in found.items():
        rough = [temporal_roughness(part) for part in parts]
        spread = np.mean([part.std(axis=-1).mean(axis=0) for part in parts], axis=0)
        moving = np.count_nonzero(spread > 0.05 * spread.max())
        result[name] = float(np.mean(rough))
        print(f"| {name} | {np.mean(rough):.3f} ± {np.std(rough):.3f} | {moving} of {len(spread)} |")
    print()
    return result


def plot_matrices(found: Mapping[str, Sequence[np.ndarray]], case: int, title: str, path: Path) -> None:
    """The first dimensions of one patient's middle slice, a panel per model."""
    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    with new_figure(path, 4.0 * columns, 3.0 * lines + 0.3) as figure:
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel()
        for axes, (name, parts) in zip(panels, found.items(), strict=False):
            matrix = parts[case][len(parts[case]) // 2]
            for number in range(min(DRAWN, len(matrix))):
                axes.plot(
                    np.arange(1, matrix.shape[-1] + 1),
                    matrix[number],
                    "o-",
                    ms=2.5,
                    lw=1.4,
                    color=COLOURS[number],
                    label=f"z{number}",
                )
            axes.set(title=name, xlabel="slot of time", ylabel="code")
            axes.tick_params(labelbottom=True)
            axes.axhline(0, color="0.85", lw=0.8, zorder=0)
        for unused in panels[len(found) :]:
            unused.set_axis_off()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=DRAWN)
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
