"""The report of one patient's prediction: an HTML page with its figures inside, or a PDF."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder

from . import html_page
from .attributions import RiskDrivers
from .patient import PatientPrediction
from .patient_figures import draw_drivers, draw_motions, draw_place, draw_survival
from .report import RESEARCH_USE
from .report_figures import drawing, picture
from .risk_bundle import TrainedRisk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .risk_motion import RiskMotions

SUFFIXES = (".html", ".pdf")
_A4, _MARGIN = (8.27, 11.69), 0.7
"""Inches."""
_COLUMNS = 110
"""Letters in a line of the PDF."""


def write_patient_report(
    prediction: PatientPrediction,
    trained: TrainedRisk,
    path: str | os.PathLike,
    drivers: RiskDrivers | None = None,
    motions: RiskMotions | None = None,
) -> Path:
    """Write the report, completely or not at all; returns its path.

    Args:
        prediction: of the patient.
        trained: the model that predicted.
        path: of the file, .html or .pdf.
        drivers, motions: shown if they are given.

    Raises:
        InputError: for another suffix, a folder that cannot be written, and where matplotlib is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"The report {path} must be a file with the suffix {' or '.join(SUFFIXES)}.")
    make_folder(path.parent)
    with atomic_path(path) as temporary:
        if suffix == ".html":
            html = patient_report_html(prediction, trained, drivers, motions)
            Path(temporary).write_text(html, encoding="utf-8")
        else:
            _write_pdf(temporary, prediction, trained, drivers, motions)
    return path


def patient_report_html(
    prediction: PatientPrediction,
    trained: TrainedRisk,
    drivers: RiskDrivers | None = None,
    motions: RiskMotions | None = None,
) -> str:
    """The whole page, which needs no other file."""
    sections = [
        *map(html_page.banner, banners(prediction)),
        f"<p>{date.today().isoformat()}</p>",
        html_page.table(("", ""), figures(prediction, trained)),
        "<h2>Predicted survival</h2>",
        html_page.image(picture(8, 4, lambda figure: draw_survival(figure, prediction, trained)), "Predicted survival"),
        html_page.note(_SURVIVAL_NOTE),
        html_page.image(picture(8, 2.4, lambda figure: draw_place(figure, prediction, trained)), "Risk in the cohort"),
    ]
    if drivers is not None:
        sections += [
            "<h2>What drives the risk</h2>",
            html_page.image(
                picture(8, 3, lambda figure: draw_drivers(figure, drivers, trained)), "Contributions to the risk"
            ),
            html_page.note(_DRIVERS_NOTE),
        ]
    if motions is not None:
        sections += [
            "<h2>Motion of higher and of lower risk</h2>",
            html_page.image(picture(8, 3, lambda figure: draw_motions(figure, motions)), "Simulated motions"),
            html_page.note(_MOTIONS_NOTE),
        ]
    return html_page.page(title(prediction), sections)


_SURVIVAL_NOTE = (
    "Black is the patient's predicted curve with its 95 % interval, blue and orange are the observed (Kaplan-Meier) curves "
    "of the halves of the training cohort with low and with high risk. Time is in the unit of that cohort's table. The "
    "interval holds the spread of the networks and the uncertainty of the baseline hazard; that of other training cases, "
    "which is larger in a small cohort, is not part of it."
)
_DRIVERS_NOTE = (
    "Contributions of the fingerprint's times and latent dimensions to the log hazard, by integrated gradients against "
    "the mean fingerprint of the training cohort; above 0 raises the risk. All of them sum to the difference in risk."
)
_MOTIONS_NOTE = (
    "The patient's reference image in the frame in which the motions differ most: moving as the patient does, and as it "
    "would for the nearest fingerprints of higher and of lower predicted risk. Simulated: not an effect of a treatment."
)


def title(prediction: PatientPrediction) -> str:
    """Of the report."""
    return f"Predicted risk of {prediction.case}"


def banners(prediction: PatientPrediction) -> list[str]:
    """What no page may leave out."""
    return [RESEARCH_USE, *prediction.warnings]


def figures(prediction: PatientPrediction, trained: TrainedRisk) -> list[tuple[str, str]]:
    """The prediction in numbers, each with its name."""
    lower, upper = np.exp(prediction.interval)
    cohort = trained.cohort
    return [
        ("Hazard ratio against the training cohort's average", f"{np.exp(prediction.log_hazard):.2f} "
         f"(95 % interval {lower:.2f}-{upper:.2f})"),
        ("Percentile in the training cohort", f"{prediction.percentile:.0f}"),
        (f"Without event at {prediction.horizon:.4g}", "{:.0f} % ({:.0f}-{:.0f} %)".format(*prediction.survival_at_horizon)),
        ("Percentile of the distance from the training cohort", f"{prediction.distance_percentile:.0f}"),
        ("Risk model", trained.name),
        ("Trained on", f"{cohort['cases']} cases, {cohort['events']} events, outcomes {cohort['outcomes']}; "
         f"concordance of held-out cases {cohort['held_out_concordance']:.2f}"),
        ("Motion model", trained.motion_model or "unknown"),
    ]  # fmt: skip


def _write_pdf(path, prediction, trained, drivers, motions) -> None:
    with drawing() as new_figure:
        from matplotlib.backends.backend_pdf import PdfPages
        from matplotlib.transforms import Bbox

        with PdfPages(path, metadata={"Title": title(prediction), "Subject": RESEARCH_USE}) as pages:
            size = tuple(length - 2 * _MARGIN for length in _A4)
            page = Bbox.from_bounds(-_MARGIN, -_MARGIN, *_A4)
            pages.savefig(_first_page(new_figure(size), prediction, trained), bbox_inches=page)
            if drivers is not None or motions is not None:
                second = _second_page(new_figure(size), prediction, trained, drivers, motions)
                pages.savefig(second, bbox_inches=page)


def _first_page(figure: Figure, prediction: PatientPrediction, trained: TrainedRisk) -> Figure:
    top, survival, place = figure.subfigures(3, 1, height_ratios=(4.6, 4.2, 2.2))
    lines = [title(prediction), ""]
    lines += _wrapped(banners(prediction)) + ["", date.today().isoformat(), ""]
    lines += _wrapped([f"{name}: {value}" for name, value in figures(prediction, trained)])
    _write_lines(top, lines)
    draw_survival(survival, prediction, trained)
    draw_place(place, prediction, trained)
    return figure


def _second_page(figure: Figure, prediction: PatientPrediction, trained: TrainedRisk, drivers, motions) -> Figure:
    text, driven, moved = figure.subfigures(3, 1, height_ratios=(3.2, 4.0, 3.8))
    lines = [title(prediction), "", *_wrapped(banners(prediction)), ""]
    if drivers is not None:
        lines += ["What drives the risk", *_wrapped([_DRIVERS_NOTE]), ""]
        draw_drivers(driven, drivers, trained)
    if motions is not None:
        lines += ["Motion of higher and of lower risk", *_wrapped([_MOTIONS_NOTE])]
        draw_motions(moved, motions)
    _write_lines(text, lines)
    return figure


def _wrapped(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in textwrap.wrap(sentence, _COLUMNS)]


def _write_lines(figure, lines: Sequence[str]) -> None:
    figure.text(0.0, 1.0, lines[0], fontsize=13, verticalalignment="top")
    figure.text(0.0, 0.92, "\n".join(lines[1:]), fontsize=9, verticalalignment="top", linespacing=1.45)
