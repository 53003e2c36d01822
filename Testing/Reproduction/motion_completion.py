"""Figure 5.7: motion completed from some frames, against linear and cubic interpolation of the deformations in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from motion_scores import frames_of
from scipy.interpolate import CubicSpline

from DeformationLib.cine_cases import Cine
from DeformationLib.image import Image
from DeformationLib.masks import cropped
from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.structures import POOL
from MotionModelLib.motion import Motion
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.sequence_time import parse_given
from MotionModelLib.volume_curves import volume_curves

SUBSETS = {
    "every 2nd": "every:2",
    "every 5th": "every:5",
    "first 5": "first:5",
    "0th + 10th": "0,10",
    "0th only": "0",
}
"""Frames that are given, counted from the reference."""

METHODS = ("our model", "linear", "cubic", "linear, closed cycle", "cubic, closed cycle")
"""The thesis's two interpolations know nothing beyond the last frame that is given, and hold its deformation.  The closed
ones also know that the heart is back at end-diastole after the last frame."""


Curves = dict[str, dict[str, np.ndarray]]
"""LV volumes (ml) over the cycle by subset and method; under ``all``, those of the model with all frames."""

_MARGIN = 14
"""Voxels around the pool within which its boundary moves."""


def completion_errors(curves: Sequence[Curves]) -> dict[str, dict[str, list[float]]]:
    """Root mean square errors of the LV volume curve (ml) against the model that is given all frames.

    Returns:
        By subset and method, one error per patient.
    """
    table: dict[str, dict[str, list[float]]] = {name: {method: [] for method in METHODS} for name in SUBSETS}
    for found in curves:
        everything = found["all"]["our model"]
        for subset, row in table.items():
            for method, errors in row.items():
                errors.append(float(np.sqrt(np.mean((found[subset][method] - everything) ** 2))))
    return table


def completed_curves(model: MotionModel, cine: Cine) -> Curves:
    """Of a patient; the cycle starts at end-diastole."""
    frames = in_order(cine)
    region = _around(cine.labels[cine.ed_frame].array == POOL)
    labels = cine.labels[cine.ed_frame]
    labels = Image.on_grid(labels.array[region], cropped(labels.geometry, region))

    def curve(displacement: Callable[[int], np.ndarray]) -> np.ndarray:
        return volume_curves(labels, lambda n: labels.with_array(displacement(n)), len(frames), wanted=[POOL]).of(POOL)

    whole = _fields(model.track(frames, 0), region)
    result: Curves = {"all": {"our model": curve(whole.__getitem__)}}
    for name, words in SUBSETS.items():
        given = parse_given(_within(words, len(frames)), len(frames))
        result[name] = {"our model": curve(_fields(model.track(frames, 0, given), region).__getitem__)}
        for method in METHODS[1:]:
            completed = interpolated(whole, given, method.startswith("cubic"), method.endswith("cycle"))
            result[name][method] = curve(completed)
    return result


def _fields(motion: Motion, region: tuple[slice, ...]) -> np.ndarray:
    """Displacements of all frames in a part of the grid."""
    return np.stack([motion.displacement(number).array[region] for number in range(len(motion))])


def _around(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """All slices, and in the plane the part around a mask."""
    spans = [np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    plane = (
        slice(max(0, int(found[0]) - _MARGIN), min(length, int(found[-1]) + _MARGIN + 1))
        for found, length in zip(spans, mask.shape[1:], strict=True)
    )
    return (slice(0, len(mask)), *plane)


def interpolated(fields: np.ndarray, given: Sequence[int], cubic: bool, closed: bool) -> Callable[[int], np.ndarray]:
    """Displacements of any frame from those of the given ones.

    Args:
        fields: ``(N, k, j, i, 3)`` of all frames; the first is the reference.
        given: frames whose displacement may be looked at.
        cubic: a cubic spline through them, else straight lines; fewer than four are joined by what they determine.
        closed: the reference comes again after the last frame; else the last given displacement is held.
    """
    times = sorted({0, *given})
    knots = fields[times]
    if closed:
        times, knots = [*times, len(fields)], np.concatenate([knots, fields[:1]])
    if len(times) == 1:
        return lambda number: knots[0]
    if cubic:
        spline = CubicSpline(times, knots)
        return lambda number: spline(min(number, times[-1])).astype(np.float32)

    def straight(number: int) -> np.ndarray:
        place = np.interp(number, times, np.arange(len(times)))
        first = min(int(place), len(times) - 2)
        share = np.float32(place - first)
        return (1 - share) * knots[first] + share * knots[first + 1]

    return straight


def in_order(cine: Cine) -> list[Image]:
    """The frames of a cycle from end-diastole on."""
    frames = frames_of(cine)
    return [*frames[cine.ed_frame :], *frames[: cine.ed_frame]]


def print_completion(table: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> None:
    """Mean and standard deviation over the patients."""
    print(f"\nRMSE of the LV volume (ml) against all frames given, {title}\n")
    print("| given | " + " | ".join(METHODS) + " | better than the thesis's two in |")
    print("|:--|" + "--:|" * (len(METHODS) + 1))
    for subset, row in table.items():
        ours = np.array(row["our model"])
        best = np.minimum(row["linear"], row["cubic"])
        cells = [f"{np.mean(row[method]):.1f} ± {np.std(row[method]):.1f}" for method in METHODS]
        print(f"| {subset} | " + " | ".join(cells) + f" | {np.count_nonzero(ours < best)} of {len(ours)} |")
    print()


def plot_completion(
    table: Mapping[str, Mapping[str, Sequence[float]]], examples: Mapping[str, Curves], path: Path
) -> None:
    """Errors by subset above, volume curves of some patients, by their titles, below."""
    from matplotlib import colormaps

    with new_figure(path, 10.0, 8.0) as figure:
        above, below = figure.subfigures(2, 1)
        axes = above.add_subplot()
        width = 0.8 / len(METHODS)
        for number, method in enumerate(METHODS):
            places = np.arange(len(table)) + (number - (len(METHODS) - 1) / 2) * width
            heights = [np.mean(row[method]) for row in table.values()]
            errors = [np.std(row[method]) / np.sqrt(len(row[method])) for row in table.values()]
            axes.bar(
                places, heights, 0.9 * width, yerr=errors, color=COLOURS[number], label=method, error_kw={"lw": 0.8}
            )
        axes.set_xticks(range(len(table)), list(table))
        axes.set_ylabel("RMSE of the LV volume (ml)")
        axes.legend(ncols=2)
        panels = below.subplots(1, len(examples), squeeze=False)[0]
        for panel, (title, curves) in zip(panels, examples.items(), strict=True):
            panel.plot(curves["all"]["our model"], "-", color="black", lw=2.5, label="all frames")
            for number, subset in enumerate(SUBSETS):
                # From the most frames to the fewest; no colours that stand for the methods above.
                shade = colormaps["plasma"](0.1 + 0.8 * number / (len(SUBSETS) - 1))
                panel.plot(curves[subset]["our model"], "-", color=shade, label=subset)
            panel.set(title=f"our model, {title}", xlabel="frame", ylabel="LV volume (ml)")
            panel.locator_params(axis="x", integer=True)
        panel.legend(fontsize=8, title="given", title_fontsize=8)


def motion_of(model: MotionModel, cine: Cine) -> Motion:
    """A patient's cycle from end-diastole on."""
    return model.track(in_order(cine), 0)


def _within(words: str, count: int) -> str:
    """Frames named by number that a short series does not have are its middle one instead."""
    if not words[0].isdigit():
        return words
    return ",".join(str(min(int(word), count // 2)) if int(word) >= count else word for word in words.split(","))
