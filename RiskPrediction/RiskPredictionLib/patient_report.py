"""The report of one patient's prediction: an HTML page with its figures inside, or a PDF."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
_PICTURE = 8.0
"""Inches that pictures are wide in the page; in the PDF they are as wide as its text."""
_COLUMNS = 104
"""Letters in a line of the PDF."""
_SPACING = 1.45
_LINE = 9 * _SPACING / 72
"""Inches from line to line of 9 points."""


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
    parts = [
        *map(html_page.banner, banners(prediction)),
        f"<p>{date.today().isoformat()}</p>",
        html_page.table(("", ""), figures(prediction, trained)),
    ]
    for section in _sections(prediction, trained, drivers, motions):
        parts.append(f"<h2>{section.title}</h2>")
        parts += [html_page.image(picture(8, one.height, one.draw), one.text) for one in section.pictures]
        parts += map(html_page.note, section.notes)
    return html_page.page(title(prediction), parts)


@dataclass(frozen=True)
class _Picture:
    """What it shows in words, its height where it is eight inches wide, and what draws it."""

    text: str
    height: float
    draw: Callable[[Figure], None]


@dataclass(frozen=True)
class _Section:
    """A part of the report, the same in a page and in a document."""

    title: str
    pictures: Sequence[_Picture]
    notes: Sequence[str]


def _sections(
    prediction: PatientPrediction, trained: TrainedRisk, drivers: RiskDrivers | None, motions: RiskMotions | None
) -> list[_Section]:
    survival = _Picture("Predicted survival", 4, lambda figure: draw_survival(figure, prediction, trained))
    place = _Picture("Risk in the cohort", 2.4, lambda figure: draw_place(figure, prediction, trained))
    sections = [_Section("Predicted survival", (survival, place), (_SURVIVAL_NOTE,))]
    if drivers is not None:
        shares = _Picture("Contributions to the risk", 3, lambda figure: draw_drivers(figure, drivers, trained))
        sections.append(_Section("What drives the risk", (shares,), (_DRIVERS_NOTE,)))
    if motions is not None:
        moved = _Picture("Simulated motions", 2.7, lambda figure: draw_motions(figure, motions, trained))
        # What the prediction warns of already stands above.
        others = [warning for warning in motions.warnings if warning not in prediction.warnings]
        sections.append(_Section("Motion of higher and of lower risk", (moved,), (_MOTIONS_NOTE, *others)))
    return sections


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
        (f"Without event at the time {prediction.horizon:.4g}",
         "{:.0f} % ({:.0f}-{:.0f} %)".format(*prediction.survival_at_horizon)),
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

        size = tuple(length - 2 * _MARGIN for length in _A4)
        page = Bbox.from_bounds(-_MARGIN, -_MARGIN, *_A4)
        head = [_heading(title(prediction), 14), *map(_banner, banners(prediction))]
        body = [
            _lines([date.today().isoformat()]),
            *(_table_row(name, value) for name, value in figures(prediction, trained)),
        ]
        for section in _sections(prediction, trained, drivers, motions):
            body += _blocks(section, size[0])
        with PdfPages(path, metadata={"Title": title(prediction), "Subject": RESEARCH_USE}) as pages:
            for blocks in _paginated(head, body, size[1]):
                figure = new_figure(size)
                rest = size[1] - sum(block.height for block in blocks)
                heights = [block.height for block in blocks] + [max(rest, 0.01)]
                for part, block in zip(figure.subfigures(len(heights), 1, height_ratios=heights), blocks):
                    block.draw(part)
                pages.savefig(figure, bbox_inches=page)


@dataclass(frozen=True)
class _Block:
    """Something as wide as the PDF's page and so many inches high; one that is ``kept`` stays with the next."""

    height: float
    draw: Callable[[Figure], None]
    kept: bool = False


def _blocks(section: _Section, width: float) -> list[_Block]:
    shown = [_Block(one.height * width / _PICTURE, one.draw) for one in section.pictures]
    notes = [_lines(textwrap.wrap(note, _COLUMNS), "#555555") for note in section.notes]
    return [_heading(section.title, 11, kept=True), *shown, *notes]


def _paginated(head: list[_Block], body: Sequence[_Block], height: float) -> list[list[_Block]]:
    """The blocks of every page, each of which begins with the head: no page goes without its warnings."""
    pages, start = [list(head)], sum(block.height for block in head)
    used = start
    for number, block in enumerate(body):
        following = body[number + 1].height if block.kept else 0.0
        if used + block.height + following > height and used > start:
            pages.append(list(head))
            used = start
        pages[-1].append(block)
        used += block.height
    return pages


def _heading(text: str, size: float, kept: bool = False) -> _Block:
    lines = textwrap.wrap(text, int(_COLUMNS * 8 / size)) or [""]

    def draw(figure: Figure) -> None:
        figure.text(0.0, 0.6, "\n".join(lines), fontsize=size, weight="bold", verticalalignment="center")

    return _Block(size * 1.4 / 72 * len(lines) + 0.2, draw, kept)


def _banner(text: str) -> _Block:
    lines = textwrap.wrap(text, _COLUMNS - 6)

    def draw(figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        # A little of the block's height is left white, between one banner and the next.
        for width, colour in ((1.0, "#fff3cd"), (0.008, "#e69f00")):
            place = {"transform": figure.transSubfigure, "linewidth": 0}
            figure.add_artist(Rectangle((0, 0.1), width, 0.9, color=colour, **place))
        figure.text(0.025, 0.55, "\n".join(lines), fontsize=9, verticalalignment="center", linespacing=_SPACING)

    return _Block(_LINE * len(lines) + 0.18, draw)


def _table_row(name: str, value: str) -> _Block:
    lines = textwrap.wrap(value, _COLUMNS // 2 - 4) or [""]

    def draw(figure: Figure) -> None:
        for x, text in ((0.0, name), (0.5, "\n".join(lines))):
            figure.text(x, 1.0, text, fontsize=9, verticalalignment="top", linespacing=_SPACING)

    return _Block(_LINE * len(lines) + 0.03, draw)


def _lines(lines: Sequence[str], colour: str = "black") -> _Block:
    def draw(figure: Figure) -> None:
        figure.text(0, 0.9, "\n".join(lines), fontsize=9, color=colour, verticalalignment="top", linespacing=_SPACING)

    return _Block(_LINE * len(lines) + 0.12, draw)
