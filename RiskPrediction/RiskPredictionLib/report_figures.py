"""Figures of an evaluation; matplotlib without windows, imported when a figure is drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from DeformationLib.errors import InputError

from .evaluation import CEILING, Evaluation, RowResult, format_p
from .kaplan_meier import KaplanMeierCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOW, HIGH = "#0072b2", "#d55e00"
_GREY = "#666666"
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d31")
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    # Text stays text: it can be searched in the report, and the files are small.
    "svg.fonttype": "none",
    "svg.hashsalt": "risk",
    "font.family": "sans-serif",
}


def mark_simulated(figure: Figure, evaluation: Evaluation) -> None:
    """Say inside the figure that its outcomes are simulated: figures travel without their page."""
    if evaluation.cohort.simulated:
        figure.suptitle("simulated outcomes", fontsize=9, color=_GREY, x=0.01, horizontalalignment="left")


@contextmanager
def drawing() -> Iterator[Callable[[tuple[float, float]], Figure]]:
    """Gives what makes a figure of a width and height, inches, without any window; inside, the reports' style holds.

    Raises `InputError` where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(f"Pictures need matplotlib ({error}): install it with 'pip install matplotlib'.") from error
    with matplotlib.rc_context(_STYLE):
        yield lambda size: Figure(figsize=size, layout="constrained")


def picture(width: float, height: float, draw: Callable[[Figure], None]) -> str:
    """Draw a figure of so many inches; returns it as a ``data:`` address for HTML. Errors as of `drawing`."""
    with drawing() as new_figure:
        figure = new_figure((width, height))
        draw(figure)
        data = io.BytesIO()
        figure.savefig(data, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def survival_figure(evaluation: Evaluation) -> str:
    """Kaplan-Meier curves of the low and the high risk group for every row, with the numbers at risk (figure 6.2)."""
    columns = min(3, len(evaluation.rows))
    lines = -(-len(evaluation.rows) // columns)

    def draw(figure: Figure) -> None:
        mark_simulated(figure, evaluation)
        axes = np.atleast_1d(figure.subplots(lines, columns, squeeze=False)).ravel()
        for ax in axes[len(evaluation.rows) :]:
            ax.remove()
        last = float(evaluation.cohort.time.max())
        for ax, row in zip(axes, evaluation.rows):
            draw_groups(ax, row, last)

    return picture(4.3 * columns, 3.9 * lines, draw)


def draw_groups(ax: Axes, row: RowResult, last: float) -> None:
    """Both groups of a row into one plot."""
    for curve, colour, name in ((row.low, LOW, "low risk"), (row.high, HIGH, "high risk")):
        draw_curve(ax, curve, colour, name, last)
    ax.set(xlim=(0, last), ylim=(0, 1.02), ylabel="without event" if ax.get_subplotspec().is_first_col() else "")
    ax.set_title(row.name, fontsize=10)
    text = f"C {row.concordance}\nHR {row.ratio}\nlog-rank p {format_p(row.logrank)}"
    ax.text(0.03, 0.04, text, transform=ax.transAxes, fontsize=8)
    ax.legend(fontsize=8, loc="lower right")
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= last]
    ax.set_xticks(ticks)
    counts = zip(row.low.number_at_risk(ticks), row.high.number_at_risk(ticks))
    labels = [f"{tick:g}\n{low}\n{high}" for tick, (low, high) in zip(ticks, counts)]
    labels[0] = "0\n" + "\n".join(f"{group.number_at_risk([0])[0]}" for group in (row.low, row.high))
    ax.set_xticklabels(labels, fontsize=8)
    ax.set_xlabel("time; at risk: low, high", fontsize=8)


def draw_curve(ax: Axes, curve: KaplanMeierCurve, colour: str, name: str, last: float) -> None:
    """A Kaplan-Meier curve to time ``last``, with its interval and marks of the censored cases."""
    times = np.append(curve.times, last)
    values = [np.append(part, part[-1]) for part in (curve.survival, curve.lower, curve.upper)]
    ax.step(times, values[0], where="post", color=colour, label=name)
    ax.fill_between(times, values[1], values[2], step="post", color=colour, alpha=0.18, linewidth=0)
    ax.plot(curve.censored, curve.at(curve.censored), "|", color=colour, markersize=5)


def concordance_figure(evaluation: Evaluation) -> str:
    """Concordance of every row with its interval, and of every fold."""
    return picture(*concordance_size(evaluation), lambda figure: draw_concordance(figure, evaluation))


def concordance_size(evaluation: Evaluation) -> tuple[float, float]:
    """Width and height, inches, that `draw_concordance` needs."""
    return 8, 1.2 + 0.38 * len(evaluation.rows)


def draw_concordance(figure: Figure, evaluation: Evaluation) -> None:
    """Concordance of every row into a figure."""
    mark_simulated(figure, evaluation)
    ax = figure.subplots()
    for place, row in enumerate(evaluation.rows[::-1]):
        colour = _GREY if row.name == CEILING else LOW
        interval = row.concordance
        ax.plot([interval.lower, interval.upper], [place, place], color=colour, linewidth=2)
        ax.plot(interval.value, place, "o", color=colour)
        folds = row.fold_concordance[np.isfinite(row.fold_concordance)]
        ax.plot(folds, np.full(len(folds), place - 0.22), ".", color=colour, alpha=0.5, markersize=4)
    ax.axvline(0.5, color=_GREY, linewidth=1, linestyle=":")
    ax.set_yticks(range(len(evaluation.rows)), [row.name for row in evaluation.rows[::-1]])
    ax.set_xlabel("concordance: mean over folds, 95 % interval; dots: folds")


def scores_figure(evaluation: Evaluation) -> str:
    """Brier score and time-dependent AUC of every row over time."""

    def draw(figure: Figure) -> None:
        mark_simulated(figure, evaluation)
        brier, auc = figure.subplots(1, 2)
        for number, row in enumerate(evaluation.rows):
            style = {"color": _LINES[number % len(_LINES)], "linestyle": ("-", "--", "-.")[number // len(_LINES) % 3]}
            brier.plot(evaluation.times, row.brier, **style)
            auc.plot(evaluation.times, row.auc, label=row.name, **style)
        brier.plot(evaluation.times, evaluation.reference_brier, color=_GREY, linestyle=":")
        auc.plot([], [], color=_GREY, linestyle=":", label="no predictor")
        auc.axhline(0.5, color=_GREY, linestyle=":")
        brier.set(xlabel="time", title="Brier score (lower is better)", ylim=(0, None))
        auc.set(xlabel="time", title="AUC (higher is better)")
        figure.legend(*auc.get_legend_handles_labels(), loc="outside right upper", fontsize=8)

    return picture(11.5, 3.8, draw)


def calibration_figure(evaluation: Evaluation) -> str:
    """Predicted against observed survival of every row, in groups of equal size."""
    rows = [row for row in evaluation.rows if row.name != CEILING] or evaluation.rows
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)

    def draw(figure: Figure) -> None:
        mark_simulated(figure, evaluation)
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        for ax in axes[len(rows) :]:
            ax.remove()
        for ax, row in zip(axes, rows):
            curve = row.calibration
            errors = np.maximum([curve.observed - curve.lower, curve.upper - curve.observed], 0)
            ax.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
            ax.errorbar(curve.predicted, curve.observed, errors, fmt="o", color=LOW, markersize=4, linewidth=1)
            ax.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
            ax.set_title(row.name, fontsize=9)
        figure.supxlabel(f"predicted survival at {evaluation.horizon:.4g}", fontsize=9)
        figure.supylabel("observed", fontsize=9)

    return picture(2.9 * columns, 2.9 * lines + 0.4, draw)
