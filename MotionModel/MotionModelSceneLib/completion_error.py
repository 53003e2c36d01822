"""How far completed motion is from the truth: from the frames that were hidden, and from tracking with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.plots import Axes, Series, beside_legend, update_chart
from DeformationSceneLib.sequences import SequenceIndex
from DeformationSceneLib.structure_parts import mask_of
from DeformationSceneLib.tables import Column, find_in_role

from .curve_nodes import measure_volumes

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion
    from MotionModelLib.volume_curves import VolumeCurves


@dataclass(eq=False)
class CompletionError:
    """Errors of each frame, ``(N,)``.

    Attributes:
        given: which frames the model was shown.
        predicted: root mean square difference, in intensities, of the predicted and the true frame; nan where the true
            frame cannot be used.
        unmoved: the same of the reference frame as it is.
        distance: mean distance in mm from the motion that the model sees with all frames; None where it sees none.
        curves: volumes that it finds with all frames, by the name of their series.
        region: what the errors are means over.
    """

    given: np.ndarray
    predicted: np.ndarray
    unmoved: np.ndarray
    distance: np.ndarray | None = None
    curves: dict[str, VolumeCurves] = field(default_factory=dict)
    region: str = ""


def measure_completion(
    motion: Motion, tracked: Motion | None, frames: list[Image], layers: list[Image], progress: Progress
) -> CompletionError:
    """Compare; touches no node.

    Args:
        motion: completed from some of the frames.
        tracked: the same with all frames, or None.
        frames: all of them.
        layers: label maps of the reference; errors are taken around them, else over the whole image.
        progress: reports and cancels.
    """
    region = _around(mask_of(layers), motion.reference)
    errors = CompletionError(motion.given, *(np.full(len(motion), np.nan) for _column in range(2)))
    errors.region = _("around the segmentation") if layers else _("over the image")
    distance = np.zeros(len(motion))
    for number, frame in enumerate(frames):
        progress.report(0.7 * number / len(frames), "Comparing with the frames")
        if np.isfinite(frame.array).all():
            predicted = motion.warp(motion.reference, number).array
            errors.predicted[number] = _root_mean_square(predicted - frame.array, region)
            errors.unmoved[number] = _root_mean_square(motion.reference.array - frame.array.astype(float), region)
        if tracked is not None:
            apart = motion.displacement(number).array - tracked.displacement(number).array
            distance[number] = float(np.linalg.norm(apart, axis=-1)[region].mean())
    if tracked is not None:
        errors.distance = distance
        if layers:
            errors.curves = {_("all frames given"): measure_volumes(tracked, layers, progress.part(0.7, 1.0))}
    return errors


def add_completion_error(scene, role: str, name: str, error: CompletionError, index: SequenceIndex, beside=None):
    """Chart and table of the errors, new or those of this role; arguments as of `curve_nodes.add_curves`."""
    key, time, guess = _("error"), index.title, _("predicted frame")
    columns = {
        _("Frame"): np.arange(len(error.given)),
        time: Column(index.positions, index.unit),
        _("Given"): [_("yes") if given else _("no") for given in error.given],
        guess: Column(error.predicted, "", _("Root mean square difference from the true frame, in intensities")),
        _("reference as it is"): Column(error.unmoved, "", _("The same of the reference frame without motion")),
    }
    if error.distance is not None:
        columns[_("distance")] = Column(error.distance, "mm", _("From the motion that is tracked with all frames"))
    given = np.flatnonzero(error.given)
    given = np.repeat(given, 2) if len(given) == 1 else given
    marks = {time: Column(index.positions[given], index.unit), _("given frames"): error.predicted[given]}
    series = [
        Series(_("reference as it is"), key, time, _("reference as it is"), "dashed line", (0.5, 0.5, 0.5)),
        Series(guess, key, time, guess, "line with points", (0.80, 0.25, 0.10), 5.0),
        Series(_("given frames"), _("given"), time, _("given frames"), "points", (0.15, 0.40, 0.75), 11.0, "square"),
    ]
    axes = Axes(
        _("Error of the predicted frames"),
        time,
        _("RMS difference {region}").format(region=error.region),
        beside_legend(index.positions, [one.name for one in series]),
        (0.0, 1.08 * max(float(np.nanmax([error.predicted, error.unmoved])), 1e-6)),
        name=_("{name}: error of the predicted frames").format(name=name),
        small_print=True,
    )
    chart = update_chart(scene, role, axes, {key: columns, _("given"): marks}, series, beside)
    return chart, find_in_role(scene, "vtkMRMLTableNode", f"{role}/table/{key}")


def _around(mask: Image | None, image: Image, margin_mm: float = 10.0) -> np.ndarray:
    """The box of a mask and a little more, as a boolean array; everything without a mask."""
    region = np.ones(image.array.shape, bool)
    if mask is None:
        return region
    region[:] = False
    slices = []
    for axis, spacing in enumerate(image.spacing_kji):
        found = np.flatnonzero(mask.array.any(axis=tuple({0, 1, 2} - {axis})))
        margin = round(margin_mm / spacing)
        slices.append(slice(max(0, found[0] - margin), found[-1] + 1 + margin))
    region[tuple(slices)] = True
    return region


def _root_mean_square(values: np.ndarray, region: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values[region], dtype=float))))
