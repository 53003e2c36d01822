"""The report of an evaluation: one HTML page with its figures inside, and tables as CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from pathlib import Path

import numpy as np

from DeformationLib.files import atomic_path, make_folder

from . import html_page, report_figures
from .evaluation import BEST_CLINICAL, Evaluation, format_p

RESEARCH_USE = "For research use only: not a medical device, not for decisions about patients."
SIMULATED = "The outcomes of this cohort are simulated: nothing here says anything about real patients."
SIMULATED_MODEL = "The risk model was trained with simulated outcomes: its risk says nothing about a real patient."


def write_report(evaluation: Evaluation, folder: str | os.PathLike, title: str = "Risk prediction") -> Path:
    """Write report.html, table.csv, predictions.csv, curves.csv and kaplan_meier.csv; returns the path of the page."""
    folder = make_folder(folder)
    write_tables(evaluation, folder)
    with atomic_path(folder / "report.html") as temporary:
        temporary.write_text(report_html(evaluation, title), encoding="utf-8")
    return folder / "report.html"


def report_html(evaluation: Evaluation, title: str = "Risk prediction") -> str:
    """The whole page, which needs no other file."""
    cohort = evaluation.cohort
    banners = [RESEARCH_USE, *([SIMULATED] if cohort.simulated else [])]
    sections = [
        *map(html_page.banner, banners),
        f"<p>{escape(str(cohort))}. {len(evaluation.folds)}-fold stratified cross-validation; everything is fitted inside "
        f"the folds. {date.today().isoformat()}.</p>",
        "<h2>Predictors</h2>",
        html_page.table(TABLE_COLUMNS, (_table_row(row) for row in evaluation.rows)),
        html_page.note(
            "C is Harrell's concordance, the mean over folds, with an interval from a bootstrap of the cases within their "
            "folds, widened because the models of the folds share training cases (Nadeau and Bengio 2003). HR is the hazard of "
            "the cases above the median risk of their fold against the others', p is Wald's, "
            f"log-rank p compares the same two groups. IBS is the integrated Brier score (without any predictor "
            f"{_reference(evaluation):.3f}; lower is better)."
        ),
        html_page.image(report_figures.concordance_figure(evaluation), "Concordance of each predictor"),
        "<h2>Survival of the groups of low and high risk</h2>",
        html_page.image(report_figures.survival_figure(evaluation), "Kaplan-Meier curves"),
        html_page.note(
            "Bands are 95 % intervals, marks are censored cases, counts are the cases at risk at each time, which is in the "
            "unit of the cohort's table."
        ),
        "<h2>Scores over time</h2>",
        html_page.image(report_figures.scores_figure(evaluation), "Brier score and AUC over time"),
        "<h2>Calibration</h2>",
        html_page.image(report_figures.calibration_figure(evaluation), "Calibration"),
        html_page.note(
            "Five groups of equal size, Kaplan-Meier estimates with 95 % intervals; on the diagonal is right."
        ),
        *_clinical_sections(evaluation),
        "<h2>Settings</h2>",
        html_page.table(("predictor", "model"), evaluation.settings.get("models", {}).items()),
        html_page.note(f"Folds and bootstrap were drawn with the seed {evaluation.settings.get('seed', 0)}."),
    ]
    return html_page.page(title, sections)


TABLE_COLUMNS = ("predictor", "C", "HR", "p", "log-rank p", "IBS")


def _table_row(row) -> tuple[str, ...]:
    ibs = f"{row.integrated_brier:.3f}"
    return row.name, str(row.concordance), str(row.ratio), format_p(row.ratio.p), format_p(row.logrank), ibs


def _clinical_sections(evaluation: Evaluation) -> list[str]:
    if not evaluation.univariate:
        return []
    rows = ((one.name, str(one.ratio), format_p(one.ratio.p)) for one in evaluation.univariate)
    sections = [
        "<h2>Clinical variables</h2>",
        html_page.table(("variable", "HR per standard deviation", "p"), rows),
        html_page.note("Univariate Cox models in the whole cohort: a description, not a validation."),
    ]
    chosen = next((row for row in evaluation.rows if row.name == BEST_CLINICAL), None)
    if chosen:
        folds = (
            (str(number + 1), ", ".join(evaluation.cohort.clinical_names[int(index)] for index in note.split()))
            for number, note in enumerate(chosen.predictions.notes)
        )
        sections += ["<h3>Chosen inside each fold</h3>", html_page.table(("fold", "variables"), folds)]
    return sections


def write_tables(evaluation: Evaluation, folder: Path) -> None:
    """All figures of the report as CSV files."""
    cohort = evaluation.cohort
    simulated = ["simulated"] if cohort.simulated else ["observed"]
    header = ["predictor", "outcomes", "C", "C_lower", "C_upper", "HR", "HR_lower", "HR_upper", "p", "logrank_p"]
    _write_csv(
        folder / "table.csv",
        [*header, "integrated_brier"],
        (
            [
                row.name,
                *simulated,
                *_numbers(row.concordance.value, row.concordance.lower, row.concordance.upper),
                *_numbers(row.ratio.value, row.ratio.lower, row.ratio.upper, row.ratio.p, row.logrank),
                *_numbers(row.integrated_brier),
            ]
            for row in evaluation.rows
        ),
    )
    fold_of = np.empty(len(cohort), int)
    for number, test in enumerate(evaluation.folds):
        fold_of[test] = number + 1
    _write_csv(
        folder / "predictions.csv",
        ["case", "fold", "outcomes", "time", "event", "predictor", "risk", "group"],
        (
            [case, fold_of[k], *simulated, *_numbers(cohort.time[k]), int(cohort.event[k]), row.name]
            + [*_numbers(row.predictions.risk[k]), "high" if row.predictions.high[k] else "low"]
            for row in evaluation.rows
            for k, case in enumerate(cohort.cases)
        ),
    )
    _write_csv(
        folder / "curves.csv",
        ["predictor", "time", "brier", "brier_without_predictor", "auc"],
        (
            [row.name, *_numbers(time, row.brier[k], evaluation.reference_brier[k], row.auc[k])]
            for row in evaluation.rows
            for k, time in enumerate(evaluation.times)
        ),
    )
    _write_csv(
        folder / "kaplan_meier.csv",
        ["predictor", "group", "time", "survival", "lower", "upper", "at_risk"],
        (
            [row.name, group, *_numbers(time, curve.survival[k], curve.lower[k], curve.upper[k])]
            + [int(curve.number_at_risk([time])[0])]
            for row in evaluation.rows
            for group, curve in (("low", row.low), ("high", row.high))
            for k, time in enumerate(curve.times)
        ),
    )


def _reference(evaluation: Evaluation) -> float:
    from .brier import integrated_brier_score

    return integrated_brier_score(evaluation.reference_brier, evaluation.times)


def _numbers(*values: float) -> list[str]:
    return [f"{value:.6g}" if np.isfinite(value) else "" for value in values]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
