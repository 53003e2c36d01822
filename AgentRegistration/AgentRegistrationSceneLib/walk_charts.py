"""Charts of a walk: similarity and amplitudes against the step, while it goes on and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationSceneLib.plots import Axes, Series, update_chart

if TYPE_CHECKING:
    from .walk_run import WalkPicture

SHOWN_MODES = 8
"""The first modes, which the chart shows: the strongest in the training population."""

_COLOURS = (
    (0.12, 0.47, 0.71), (0.89, 0.35, 0.13), (0.20, 0.63, 0.17), (0.60, 0.31, 0.64),
    (0.65, 0.46, 0.10), (0.90, 0.40, 0.65), (0.30, 0.30, 0.30), (0.10, 0.70, 0.75),
)  # fmt: skip
_USER = (0.90, 0.10, 0.12)


def similarity_chart(scene, role: str, picture: WalkPicture, name: str, beside):
    """Chart of the similarity of each state; states that a user has made are marked.

    Args:
        role: what the scene keeps the chart for.
        picture: of the walk.
        name: of the pair, in the nodes' names.
        beside: node in whose folder new nodes are put.
    """
    values = _at_least_two([state.similarity for state in picture.states])
    tables = {"walk": {"step": np.arange(len(values)), "similarity": values}}
    series = [Series(_("similarity"), "walk", "step", "similarity", "line", _COLOURS[0])]
    by_hand = [step for step, state in enumerate(picture.states) if state.choice == "user"]
    if by_hand:
        marks = _at_least_two(by_hand)
        tables["by hand"] = {"step": marks, "similarity by hand": values[marks.astype(int)]}
        series.append(Series(_("by hand"), "by hand", "step", "similarity by hand", "points", _USER, 7.0, "diamond"))
    axes = Axes(
        _("Similarity"),
        _("Step"),
        _("Correlation"),
        x_range=(0.0, max(len(values) - 1.0, 10.0)),
        legend=bool(by_hand),
        name=_("{pair} similarity").format(pair=name),
        small_print=True,
    )
    return update_chart(scene, role, axes, tables, series, beside)


def amplitudes_chart(scene, role: str, picture: WalkPicture, name: str, beside):
    """Chart of the amplitudes of the first modes in each state; arguments as of `similarity_chart`."""
    amplitudes = picture.amplitudes
    if len(amplitudes) == 1:
        amplitudes = amplitudes[[0, 0]]
    shown = min(amplitudes.shape[1], SHOWN_MODES)
    titles = [_("mode {number}").format(number=mode + 1) for mode in range(shown)]
    columns = {"step": np.arange(len(amplitudes))} | {f"mode {n + 1}": amplitudes[:, n] for n in range(shown)}
    series = [
        Series(title, "walk", "step", f"mode {mode + 1}", "line", _COLOURS[mode % len(_COLOURS)])
        for mode, title in enumerate(titles)
    ]
    last = max(len(amplitudes) - 1.0, 10.0)
    axes = Axes(
        _("Amplitudes of the modes"),
        _("Step"),
        _("Amplitude (SD of the training population)"),
        x_range=(0.0, 1.3 * last),  # room for the legend
        name=_("{pair} amplitudes").format(pair=name),
        small_print=True,
    )
    return update_chart(scene, role, axes, {"walk": columns}, series, beside)


def _at_least_two(values) -> np.ndarray:
    """VTK complains of lines with a single point."""
    array = np.asarray(values, dtype=float)
    return array[[0, 0]] if len(array) == 1 else array
