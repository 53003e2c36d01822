"""A gauge of the patient's risk: where it lies among the risks of the training cohort, as a picture."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass

import numpy as np
import qt
import vtk
from slicer.i18n import tr as _

from DeformationSceneLib.pictures import draw_text
from DeformationSceneLib.ras import vtk_from_array

SIZE = 330, 200
"""Width and height, pixels."""

_CENTRE, _RADIUS, _WIDTH = (165.0, 136.0), 100.0, 24.0
_LOW, _MIDDLE, _HIGH = (0.30, 0.55, 0.78), (0.93, 0.86, 0.62), (0.80, 0.28, 0.24)
_INK, _FAINT = (0.13, 0.13, 0.13), (0.40, 0.40, 0.40)
_SAMPLES = 3
"""Per pixel along each axis, for smooth edges."""


@dataclass(frozen=True)
class Gauge:
    """What a gauge shows.

    Attributes:
        percentile: of the training cohort with a lower risk, 0..100.
        interval: of it.
        ratio: hazard ratio against the training cohort's average.
        ratio_interval: of it.
        simulated: whether the model was trained with simulated outcomes.
    """

    percentile: float
    interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]
    simulated: bool

    @classmethod
    def of(cls, prediction, trained) -> Gauge:
        """From a `PatientPrediction` and the `TrainedRisk` that made it."""
        bounds = [float(trained.model.risk_percentile(value)[0]) for value in prediction.interval]
        lower, upper = (math.exp(value) for value in prediction.interval)
        return cls(
            prediction.percentile,
            (bounds[0], bounds[1]),
            math.exp(prediction.log_hazard),
            (lower, upper),
            trained.simulated,
        )


def draw_gauge(gauge: Gauge) -> np.ndarray:
    """Half a ring from the lowest to the highest risk of the cohort, a needle, and its interval; (height, width, 3) uint8."""
    width, height = SIZE
    fine = np.ones((height * _SAMPLES, width * _SAMPLES, 3), np.float32)
    rows, columns = np.mgrid[: fine.shape[0], : fine.shape[1]].astype(np.float32)
    x, y = (columns + 0.5) / _SAMPLES - _CENTRE[0], _CENTRE[1] - (rows + 0.5) / _SAMPLES
    radius, place = np.hypot(x, y), 100.0 * (1.0 - np.arctan2(y, x) / np.pi)
    ring = (y >= 0) & (np.abs(radius - _RADIUS + _WIDTH / 2) <= _WIDTH / 2)
    fine[ring] = _colours(place[ring])
    lower, upper = gauge.interval
    arc = (y >= 0) & (np.abs(radius - _RADIUS - 6.0) <= 2.0) & (place >= lower - 0.5) & (place <= upper + 0.5)
    fine[arc] = _INK
    angle = np.pi * (1.0 - gauge.percentile / 100.0)
    along, across = x * np.cos(angle) + y * np.sin(angle), np.abs(x * np.sin(angle) - y * np.cos(angle))
    tip = _RADIUS - 4.0
    fine[(along >= 0) & (along <= tip) & (across <= 3.5 * (1.0 - along / tip) + 0.6)] = _INK
    fine[radius <= 7.0] = _INK
    blocks = fine.reshape(height, _SAMPLES, width, _SAMPLES, 3)
    picture = np.rint(255.0 * blocks.mean(axis=(1, 3))).astype(np.uint8)
    _write(picture, gauge)
    return picture


def show_gauge(label, gauge: Gauge | None) -> None:
    """Show a gauge in a label, or nothing."""
    label.visible = gauge is not None
    if gauge is not None:
        label.setPixmap(_pixmap(draw_gauge(gauge)))
    else:
        label.clear()


def _write(picture: np.ndarray, gauge: Gauge) -> None:
    (x, y), (lower, upper) = _CENTRE, gauge.ratio_interval
    for percent in (0, 25, 50, 75, 100):
        angle = math.pi * (1.0 - percent / 100.0)
        place = x + (_RADIUS + 20.0) * math.cos(angle), y - (_RADIUS + 20.0) * math.sin(angle)
        draw_text(picture, str(percent), place, 11, _FAINT)
    draw_text(picture, _("lower risk"), (x - _RADIUS + _WIDTH / 2, y + 13.0), 11, _FAINT)
    draw_text(picture, _("higher risk"), (x + _RADIUS - _WIDTH / 2, y + 13.0), 11, _FAINT)
    percentile = _("Percentile {percent:.0f} of the training cohort").format(percent=gauge.percentile)
    draw_text(picture, percentile, (x, y + 34.0), 14, _INK, bold=True)
    ratio = _("Hazard ratio {ratio:.2f} ({lower:.2f} to {upper:.2f})").format(
        ratio=gauge.ratio, lower=lower, upper=upper
    )
    draw_text(picture, ratio + (_(", simulated outcomes") if gauge.simulated else ""), (x, y + 53.0), 11, _FAINT)


def _colours(place: np.ndarray) -> np.ndarray:
    share = np.clip(place, 0.0, 100.0)[:, np.newaxis] / 50.0
    low, middle, high = (np.array(colour, np.float32) for colour in (_LOW, _MIDDLE, _HIGH))
    return np.where(share <= 1.0, low + share * (middle - low), middle + (share - 1.0) * (high - middle))


def _pixmap(picture: np.ndarray):
    """By a file, since Python cannot hand the pixels to Qt in every version of Slicer."""
    writer = vtk.vtkPNGWriter()
    # The first row of a picture is on top, that of VTK's images below.
    writer.SetInputData(vtk_from_array(np.ascontiguousarray(picture[::-1])[np.newaxis]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "gauge.png")
        writer.SetFileName(path)
        writer.Write()
        return qt.QPixmap(path)
