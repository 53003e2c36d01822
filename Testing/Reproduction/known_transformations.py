"""The known transformations of figures 5 and 8 about every axis, their box plots and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from LatentRegistrationLib.figures import new_figure
from LatentRegistrationLib.sensitivity import ESTIENNE_TRANSFORMATIONS, KnownTransformation

AXES = ("z", "y", "x")
"""The paper's own axis first."""

_TITLES = {"rotation": "rotation by 20°", "translation": "translation by 10 voxels", "scaling": "scaling by 1.2"}
_FILLS = {"without skips": "#7fb2e5", "with skips": "#f4a6c0"}
"""Blue and pink, as in the paper."""


def transformations_about(axis: str) -> list[KnownTransformation]:
    """The paper's rotation and translation about or along an axis; its scaling, which has none, with the z axis."""
    return [
        replace(known, axis=axis, name=_name(known.name, axis))
        for known in ESTIENNE_TRANSFORMATIONS
        if not (known.scaling and axis != AXES[0])
    ]


def _name(kind: str, axis: str) -> str:
    return kind if kind == "scaling" else f"{kind} {axis}"


def plot_sensitivity(
    changes: dict[str, dict[str, np.ndarray]], path: Path, axes: Sequence[str] = AXES[:1], relative: bool = False
) -> None:
    """Box plots over subjects of ``|a_j(X) - a_j(X')|``, a panel per transformation, a box per component and model.

    Every panel has its own scale: what counts is which components stand out, not which transformation is the larger.

    Args:
        changes: by model and transformation, ``(subject, component)``.
        path: picture to write.
        axes: one row of panels for each.
        relative: the changes are in standard deviations of each model's first component, else in units of the code.
    """
    with new_figure(path, 11.0, 0.7 + 3.1 * len(axes)) as figure:
        panels = figure.subplots(len(axes), 3, squeeze=False)
        for row, axis in zip(panels, axes, strict=True):
            for panel, kind in zip(row, _TITLES, strict=True):
                name = _name(kind, axis)
                if name == "scaling" and axis != axes[0]:
                    panel.set_axis_off()
                    continue
                where = "" if kind == "scaling" else f", {axis} axis"
                panel.set_title(_TITLES[kind] + where)
                _draw_boxes(panel, {model: parts[name] for model, parts in changes.items()})
            unit = "SD of component 1" if relative else "units of the code"
            row[0].set_ylabel(f"|a(X) − a(X′)|, {unit}")
        if len(changes) > 1:
            from matplotlib.patches import Patch

            patches = [Patch(facecolor=_FILLS[model], edgecolor="black", label=model) for model in changes]
            figure.legend(handles=patches, loc="outside upper right", ncols=len(patches))


def _draw_boxes(panel, values: dict[str, np.ndarray]) -> None:
    width = 0.8 / len(values)
    for number, (model, rows) in enumerate(values.items()):
        places = np.arange(1, rows.shape[1] + 1) + (number - (len(values) - 1) / 2) * width
        panel.boxplot(
            rows,
            positions=places,
            widths=0.85 * width,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": _FILLS[model], "linewidth": 0.8},
            whiskerprops={"linewidth": 0.8},
            capprops={"linewidth": 0.8},
            medianprops={"color": "black", "linewidth": 1.2},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": "0.4"},
        )
    panel.set_xticks(np.arange(1, rows.shape[1] + 1))
    panel.set_xlabel("component")
    panel.set_ylim(bottom=0)


def sensitivity_rows(changes: dict[str, dict[str, np.ndarray]]) -> list[dict]:
    """A row for every model, transformation and component: median and quartiles over subjects."""
    rows = []
    for model, parts in changes.items():
        for transformation, values in parts.items():
            quartiles = np.percentile(values, (25, 50, 75), axis=0)
            for component, (low, middle, high) in enumerate(quartiles.T, start=1):
                row = {"model": model, "transformation": transformation, "component": component}
                rows.append({**row, "quartile_1": low, "median": middle, "quartile_3": high})
    return rows
