"""Figures of one patient's report; each draws into a matplotlib figure that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .attributions import RiskDrivers
from .patient import PatientPrediction
from .report_figures import HIGH, LOW
from .risk_bundle import TrainedRisk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .risk_motion import RiskMotions

_PATIENT = "#1a1a1a"
_GREY = "#666666"


def _mark_simulated(figure: Figure, trained: TrainedRisk) -> None:
    if trained.simulated:
        figure.suptitle("model of simulated outcomes", fontsize=9, color=_GREY, x=0.01, horizontalalignment="left")


def draw_survival(figure: Figure, prediction: PatientPrediction, trained: TrainedRisk) -> None:
    """The patient's curve with its interval over those of the training cohort's halves."""
    _mark_simulated(figure, trained)
    ax, curves = figure.subplots(), prediction.curves
    last = max(float(trained.cohort["follow_up"]), float(curves.times[-1]))
    for key, colour in (("low", LOW), ("high", HIGH)):
        group = trained.cohort["groups"][key]
        _step(ax, group["times"], group["survival"], last, color=colour, label=f"cohort, {key} risk")
    _step(ax, curves.times, curves.survival[0], last, color=_PATIENT, linewidth=2.5, label="patient")
    times = np.append(curves.times, last)
    lower, upper = (np.append(part[0], part[0, -1]) for part in (curves.lower, curves.upper))
    ax.fill_between(times, lower, upper, step="post", color=_PATIENT, alpha=0.15, linewidth=0)
    ax.set(xlim=(0, last), ylim=(0, 1.02), xlabel="time", ylabel="without event")
    # Curves begin at the top left and fall: one of the lower corners is free, or the upper right one.
    ax.legend(fontsize=8, loc="best")


def draw_place(figure: Figure, prediction: PatientPrediction, trained: TrainedRisk) -> None:
    """The patient's log hazard ratio among those of the training cases."""
    _mark_simulated(figure, trained)
    ax = figure.subplots()
    ax.hist(trained.model.training_risk_, 20, color="#a6bfd9")
    ax.axvspan(*prediction.interval, color=_PATIENT, alpha=0.12, linewidth=0)
    ax.axvline(prediction.log_hazard, color=_PATIENT, linewidth=2.5)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="log hazard ratio; black: patient with 95 % interval", ylabel="training cases")


def draw_drivers(figure: Figure, drivers: RiskDrivers, trained: TrainedRisk) -> None:
    """Contributions by time and by latent dimension."""
    _mark_simulated(figure, trained)
    by_time, by_dimension = figure.subplots(1, 2)
    parts = (
        (by_time, np.arange(1, len(drivers.by_time) + 1), drivers.by_time, "slot of time"),
        (by_dimension, np.arange(len(drivers.by_dimension)), drivers.by_dimension, "latent dimension"),
    )
    for ax, places, values, name in parts:
        ax.bar(places, values, color=np.where(values > 0, HIGH, LOW))
        ax.axhline(0, color=_GREY, linewidth=0.8)
        ax.set(xlabel=name, ylabel="added log hazard")


def draw_motions(figure: Figure, motions: RiskMotions, trained: TrainedRisk) -> None:
    """The three motions in the frame in which they differ most, and where they do."""
    _mark_simulated(figure, trained)
    frame = most_different_frame(motions)
    parts = [
        (f"{name}\nhazard ratio {np.exp(risk):.2f}", motion.warp(motion.reference, frame))
        for name, motion, risk in (
            ("own motion", motions.own, motions.risk),
            ("risk up", motions.up, motions.up_risk),
            ("risk down", motions.down, motions.down_risk),
        )
    ]
    difference = motions.mean_difference()
    low, high = np.percentile(motions.own.reference.array, [1, 99.5])
    for ax, (name, image) in zip(figure.subplots(1, 4), [*parts, ("up against down\nmm", difference)], strict=True):
        array = image.array[len(image.array) // 2]
        spacing = image.geometry.spacing
        style = {"cmap": "inferno"} if image is difference else {"cmap": "gray", "vmin": low, "vmax": high}
        shown = ax.imshow(array, aspect=spacing[1] / spacing[0], **style)
        ax.set_title(name, fontsize=8)
        ax.set_axis_off()
        if image is difference:
            figure.colorbar(shown, ax=ax, fraction=0.05).ax.tick_params(labelsize=7)
    figure.supxlabel(f"frame {frame} of {len(motions)}, middle slice", fontsize=8, color=_GREY)


def most_different_frame(motions: RiskMotions) -> int:
    """The frame in which the velocities of the motions of higher and of lower risk differ most."""
    change = (motions.up.velocities - motions.down.velocities).flatten(1).float()
    return int((change**2).sum(dim=1).argmax())


def _step(ax, times, values, last: float, **style) -> None:
    ax.step(np.append(times, last), np.append(values, np.asarray(values)[-1]), where="post", **style)
