"""Charts of an evaluation: survival of the halves of low and high risk, calibration, and scores over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationSceneLib.plots import Axes, Series, beside_legend, update_chart
from DeformationSceneLib.tables import Column, update_table

from .survival_charts import GREY, HIGH, LOW, StepCurve, risk_times, survival_columns

if TYPE_CHECKING:
    from RiskPredictionLib.calibration import CalibrationCurve
    from RiskPredictionLib.evaluation import Evaluation, RowResult

_COLOURS = (
    (0.0, 0.447, 0.698),
    (0.835, 0.369, 0.0),
    (0.0, 0.62, 0.451),
    (0.8, 0.475, 0.655),
    (0.337, 0.706, 0.914),
    (0.902, 0.624, 0.0),
    (0.1, 0.1, 0.1),
    (0.549, 0.424, 0.192),
)


def outcome_note(evaluation: Evaluation) -> str:
    """What every title has to say of simulated outcomes; empty for observed ones."""
    return _(" (simulated outcomes)") if evaluation.cohort.simulated else ""


def add_survival_chart(scene, role: str, name: str, evaluation: Evaluation, row: RowResult, beside=None):
    """Kaplan-Meier curves of both groups (figure 6.2), and the table of the numbers at risk; returns both nodes."""
    from RiskPredictionLib.evaluation import format_p

    last = float(evaluation.cohort.time.max())
    groups = ((_("Low risk"), row.low, LOW), (_("High risk"), row.high, HIGH))
    curves = [
        StepCurve(title, curve.times, curve.survival, curve.lower, curve.upper, colour, curve.censored)
        for title, curve, colour in groups
    ]
    tables, series = survival_columns(curves, last)
    times = risk_times(last)
    counts = [curve.number_at_risk(times) for _title, curve, _colour in groups]
    at_risk = "; ".join(f"{time:g}: {low}, {high}" for time, low, high in zip(times, *counts, strict=True))
    axes = Axes(
        _("{predictor}: log-rank p {p}{note}").format(
            predictor=row.name, p=format_p(row.logrank), note=outcome_note(evaluation)
        ),
        _("Time (at risk, low and high: {counts})").format(counts=at_risk),
        _("Without event"),
        beside_legend((0.0, last), [one.name for one in series]),
        (0.0, 1.02),
        name=_("{name}: survival").format(name=name),
        small_print=True,
    )
    chart = update_chart(scene, role, axes, tables, series, beside)
    columns = {_("Time"): times, **{group[0]: count for group, count in zip(groups, counts, strict=True)}}
    title = _("{name}: numbers at risk").format(name=name)
    return chart, update_table(scene, f"{role}/at-risk", title, columns, beside)


def add_calibration_chart(scene, role: str, name: str, evaluation: Evaluation, row: RowResult, beside=None):
    """Predicted against observed survival at the horizon, in groups of cases, with intervals."""
    curve = row.calibration
    predicted, observed, interval = _("Predicted"), _("Observed"), _("95 % interval")
    right = _("As predicted")
    x, y = whisker_points(curve)
    tables = {
        _("groups"): {
            predicted: curve.predicted,
            observed: curve.observed,
            _("Lower"): Column(curve.lower, "", _("95 % interval")),
            _("Upper"): Column(curve.upper, "", _("95 % interval")),
            _("Cases"): curve.cases.astype(int),
        },
        _("intervals"): {predicted: x, interval: y},
        _("diagonal"): {predicted: [0.0, 1.0], right: [0.0, 1.0]},
    }
    series = [
        Series(right, _("diagonal"), predicted, right, "dotted line", GREY),
        Series(interval, _("intervals"), predicted, interval, "line", LOW, 1.5),
        Series(observed, _("groups"), predicted, observed, "points", LOW, 9.0),
    ]
    axes = Axes(
        _("{predictor}: calibration{note}").format(predictor=row.name, note=outcome_note(evaluation)),
        _("Predicted survival at {time:.4g}").format(time=evaluation.horizon),
        _("Observed survival"),
        beside_legend((0.0, 1.0), [one.name for one in series]),
        (0.0, 1.02),
        name=_("{name}: calibration").format(name=name),
        small_print=True,
    )
    return update_chart(scene, role, axes, tables, series, beside)


def whisker_points(curve: CalibrationCurve) -> tuple[np.ndarray, np.ndarray]:
    """One line through all groups that goes down and up the interval of each: series join all of their points."""
    x = np.repeat(curve.predicted, 4)
    y = np.column_stack([curve.observed, curve.lower, curve.upper, curve.observed]).ravel()
    return x, y


def add_score_chart(scene, role: str, name: str, evaluation: Evaluation, score: str, beside=None):
    """A score of all predictors over time: "auc" or "brier"."""
    time = _("Time")
    reference = np.full(len(evaluation.times), 0.5) if score == "auc" else evaluation.reference_brier
    values = {row.name: getattr(row, score) for row in evaluation.rows}
    values[_("No predictor")] = reference
    title = _("Time-dependent AUC") if score == "auc" else _("Brier score (lower is better)")
    series = []
    for number, predictor in enumerate(values):
        last = number == len(values) - 1
        kind = "dotted line" if last else ("line", "dashed line")[number // len(_COLOURS) % 2]
        colour = GREY if last else _COLOURS[number % len(_COLOURS)]
        series.append(Series(predictor, _("scores"), time, predictor, kind, colour))
    axes = Axes(
        title + outcome_note(evaluation),
        time,
        title,
        beside_legend(evaluation.times, list(values)),
        _range(values.values()),
        name=_("{name}: AUC").format(name=name) if score == "auc" else _("{name}: Brier score").format(name=name),
        small_print=True,
    )
    return update_chart(scene, role, axes, {_("scores"): {time: evaluation.times, **values}}, series, beside)


def _range(scores) -> tuple[float, float]:
    """Of the values that are numbers, rounded to tenths; an AUC is none where no case has had its event yet."""
    scores = np.concatenate([np.ravel(score) for score in scores])
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    return np.floor(low * 10) / 10, np.ceil(high * 10 + 1e-9) / 10
