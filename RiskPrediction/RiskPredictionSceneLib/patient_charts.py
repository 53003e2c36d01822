"""Charts and tables of one patient: survival over the cohort's groups, place in the cohort, drivers of the risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationSceneLib.plots import Axes, Series, beside_legend, update_chart
from DeformationSceneLib.tables import Column

from .survival_charts import HIGH, LOW, PATIENT, StepCurve, survival_columns

if TYPE_CHECKING:
    from RiskPredictionLib.attributions import RiskDrivers
    from RiskPredictionLib.patient import PatientPrediction
    from RiskPredictionLib.risk_bundle import TrainedRisk

_BINS = 15


def simulated_note(trained: TrainedRisk) -> str:
    """What every title has to say of a model of simulated outcomes; empty for others."""
    return _(" (simulated outcomes)") if trained.simulated else ""


def add_patient_survival_chart(
    scene, role: str, case: str, prediction: PatientPrediction, trained: TrainedRisk, beside=None
):
    """The patient's curve with its interval over the Kaplan-Meier curves of the training cohort's halves."""
    curves = prediction.curves
    last = max(float(trained.cohort["follow_up"]), float(curves.times[-1]))
    shown = [
        StepCurve(_("Patient"), curves.times, curves.survival[0], curves.lower[0], curves.upper[0], PATIENT, width=3.5)
    ]
    for key, title, colour in (("low", _("Cohort, low risk"), LOW), ("high", _("Cohort, high risk"), HIGH)):
        group = trained.cohort["groups"][key]
        shown.append(StepCurve(title, np.asarray(group["times"]), np.asarray(group["survival"]), colour=colour))
    tables, series = survival_columns(shown, last)
    axes = Axes(
        _("Predicted survival{note}").format(note=simulated_note(trained)),
        _("Time"),
        _("Without event"),
        beside_legend((0.0, last), [one.name for one in series]),
        (0.0, 1.02),
        name=_("{case}: survival").format(case=case),
        small_print=True,
    )
    return update_chart(scene, role, axes, tables, series, beside)


def add_gauge_chart(scene, role: str, case: str, prediction: PatientPrediction, trained: TrainedRisk, beside=None):
    """Where the patient's log hazard ratio lies among those of the training cases, with its interval."""
    risk, cases = _("Log hazard ratio"), _("Training cases")
    counts, edges = np.histogram(trained.model.training_risk_, _BINS)
    top = 1.05 * float(counts.max())
    patient, interval = _("Patient"), _("Patient, 95 %")
    tables = {
        _("cohort"): {risk: (edges[:-1] + edges[1:]) / 2, cases: counts},
        _("patient"): {
            risk: [prediction.log_hazard] * 2,
            patient: [0.0, top],
            _("Interval"): list(prediction.interval),
            interval: [0.5 * top] * 2,
        },
    }
    series = [
        Series(cases, _("cohort"), risk, cases, "bars", (0.65, 0.75, 0.85)),
        Series(interval, _("patient"), _("Interval"), interval, "line", PATIENT, 2.0),
        Series(patient, _("patient"), risk, patient, "line", PATIENT, 4.0),
    ]
    axes = Axes(
        _("Above {percent:.0f} % of the cohort{note}").format(
            percent=prediction.percentile, note=simulated_note(trained)
        ),
        risk,
        cases,
        beside_legend([edges[0], edges[-1], *prediction.interval], [one.name for one in series]),
        (0.0, top),
        name=_("{case}: risk in the training cohort").format(case=case),
        small_print=True,
    )
    return update_chart(scene, role, axes, tables, series, beside)


def add_time_chart(scene, role: str, case: str, drivers: RiskDrivers, trained: TrainedRisk, beside=None):
    """What each slot of time adds to the log hazard ratio."""
    slots = np.arange(1, len(drivers.by_time) + 1)
    name = _("{case}: drivers by time").format(case=case)
    return _add_bars(scene, role, name, _("Slot of time"), slots, drivers.by_time, drivers, trained, beside)


def add_dimension_chart(scene, role: str, case: str, drivers: RiskDrivers, trained: TrainedRisk, beside=None):
    """What each latent dimension adds to the log hazard ratio."""
    dimensions = np.arange(len(drivers.by_dimension))
    name = _("{case}: drivers by latent dimension").format(case=case)
    return _add_bars(
        scene, role, name, _("Latent dimension"), dimensions, drivers.by_dimension, drivers, trained, beside
    )


def _add_bars(scene, role: str, name: str, axis: str, places, values, drivers, trained, beside):
    contribution = _("Contribution")
    table = {axis: places, contribution: Column(values, "", _("To the log hazard ratio; above 0 raises the risk"))}
    axes = Axes(
        _("Log hazard {change:+.2f}{note}").format(
            change=drivers.risk - drivers.baseline_risk, note=simulated_note(trained)
        ),
        axis,
        _("Added log hazard"),
        legend=False,
        name=name,
        small_print=True,
    )
    series = [Series(contribution, _("contributions"), axis, contribution, "bars", HIGH)]
    return update_chart(scene, role, axes, {_("contributions"): table}, series, beside)


def contribution_columns(drivers: RiskDrivers) -> dict[str, Column]:
    """A row for each latent dimension, a column for each slot of time, and their sums."""
    values = drivers.contributions
    columns = {_("Dimension"): Column(np.arange(len(values)), "", _("Of the latent code, counted from 0"))}
    columns[_("All slots")] = Column(drivers.by_dimension, "", _("Contribution to the log hazard ratio"))
    for slot in range(values.shape[1]):
        columns[_("Slot {number}").format(number=slot + 1)] = Column(values[:, slot])
    return columns


def figure_columns(prediction: PatientPrediction, trained: TrainedRisk, motion_model: str) -> dict[str, list[str]]:
    """The prediction as a table for reading."""
    from RiskPredictionLib.report import RESEARCH_USE

    lower, upper = np.exp(prediction.interval)
    outcomes = _("simulated") if trained.simulated else _("observed")
    rows = {
        _("Hazard ratio"): f"{np.exp(prediction.log_hazard):.2f} ({lower:.2f}-{upper:.2f})",
        _("Percentile in the training cohort"): f"{prediction.percentile:.0f}",
        _("Without event at {time:.4g}").format(time=prediction.horizon): "{:.0f} % ({:.0f}-{:.0f} %)".format(
            *prediction.survival_at_horizon
        ),
        _("Percentile of the distance from the training cohort"): f"{prediction.distance_percentile:.0f}",
        _("Risk model"): trained.name,
        _("Trained on"): _("{cases} cases, {events} events, outcomes {outcomes}").format(
            cases=trained.cohort["cases"], events=trained.cohort["events"], outcomes=outcomes
        ),
        _("Motion model"): motion_model,
        _("Use"): RESEARCH_USE,
    }
    rows |= {_("Warning {number}").format(number=n): text for n, text in enumerate(prediction.warnings, 1)}
    return {_("Figure"): list(rows), _("Value"): list(rows.values())}
