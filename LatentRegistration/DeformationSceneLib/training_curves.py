"""The log of a training as plot charts in the scene, brought up to date while the training runs."""

from __future__ import annotations

import csv
import fnmatch
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError

from .plots import Axes, Series, show_chart, update_chart

LOG = "log.csv"
"""Name of the log in the output folder of every training: a line of column names, then one line per epoch."""

EPOCH = "epoch"

_MOST_POINTS = 5

# Dark enough on white, and told apart by those who do not see red and green (P. Tol's "bright" scheme).
_COLOURS = [tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)) for code in
            ("4477AA", "EE6677", "228833", "CCBB44", "AA3377", "66CCEE", "777777")]  # fmt: skip


@dataclass(frozen=True)
class CurveChart:
    """One chart of a training's curves against the epoch.

    Attributes:
        title: of the chart.
        y_title: of its vertical axis; or, where that depends on what was logged, a title for each pattern, of which the
            first with a column counts.
        columns: names of the log's columns, as patterns such as ``dice_*``; the curves come in this order.
        labels: what the legend calls a column, where it is not the column's name; a pattern's text may have ``{}`` for
            what its ``*`` stands for.
    """

    title: str
    y_title: str | Mapping[str, str]
    columns: Sequence[str]
    labels: Mapping[str, str] = field(default_factory=dict)

    def curves(self, names: Sequence[str]) -> dict[str, str]:
        """The columns among those of a log that this chart shows, with their labels, in order."""
        found = (name for pattern in self.columns for name in names if fnmatch.fnmatchcase(name, pattern))
        return {name: self._label(name) for name in dict.fromkeys(found)}

    def axis_title(self, names: Sequence[str]) -> str:
        """Of the vertical axis, for a log with these columns."""
        if isinstance(self.y_title, str):
            return self.y_title
        found = (title for pattern, title in self.y_title.items() if fnmatch.filter(names, pattern))
        return next(found, "")

    def _label(self, name: str) -> str:
        for pattern, label in self.labels.items():
            if fnmatch.fnmatchcase(name, pattern):
                return label.replace("{}", name[len(pattern.partition("*")[0]) :])
        return name


def read_log(folder: str | os.PathLike) -> dict[str, list[float]]:
    """Columns of the log in the output folder of a training, one value per epoch, nan where there is none.

    A line that is not complete, as one that is being written, is left out. Raises `InputError` where there is no log.
    """
    path = Path(folder) / LOG
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"There is no {LOG} in {folder} ({error.strerror or error}): choose the output folder of a training that "
            "has finished an epoch."
        ) from error
    complete = [line for line in text.splitlines(keepends=True) if line.endswith(("\n", "\r"))]
    lines = csv.reader(complete)
    names = next(lines, [])
    if EPOCH not in names:
        if complete:
            raise InputError(f"{path} is not the log of a training: choose the output folder of a training.")
        return {}
    rows: dict[float, list[float]] = {}
    for line in lines:
        try:
            row = [float(value) if value.strip() else math.nan for value in line]
        except ValueError:
            continue
        if len(row) == len(names) and math.isfinite(epoch := row[names.index(EPOCH)]):
            rows[epoch] = row  # the later one, where a resumed training has repeated an epoch
    return {name: [row[column] for row in rows.values()] for column, name in enumerate(names)}


class TrainingCurves:
    """Charts of one training, each with its table.

    The nodes are made when a chart is shown for the first time, and kept up to date from then on. When they were deleted,
    as by closing the scene, they are not forced upon the scene again, but made anew when a chart is shown again.

    Args:
        charts: what can be shown.
        role: what the scene keeps the nodes for; a later training with the same role takes them over.

    >>> curves = TrainingCurves([CurveChart("Loss", "loss", ["loss"]), CurveChart("Validation", "Dice", ["dice_*"])])
    >>> curves.follow("training/output", "liver")
    >>> curves.update()
    True
    >>> curves.show("Loss")

    Attributes:
        columns: of the log, as last read.
    """

    def __init__(
        self, charts: Sequence[CurveChart], role: str = "training", scene: slicer.vtkMRMLScene | None = None
    ) -> None:
        self._charts = {chart.title: chart for chart in charts}
        self._role, self._scene = role, scene or slicer.mrmlScene
        self._folder: Path | None = None
        self._name = ""
        self._seen: tuple[int, int] | None = None
        self._nodes: dict[str, slicer.vtkMRMLPlotChartNode] = {}
        self.columns: dict[str, list[float]] = {}

    @property
    def folder(self) -> Path | None:
        """The output folder of the training that is followed."""
        return self._folder

    def chart(self, title: str):
        """The chart node of a title; None before it was shown, and after it was deleted."""
        node = self._nodes.get(title)
        return node if node is not None and node.GetScene() is not None else None

    def follow(self, folder: str | os.PathLike, name: str, *, fresh: bool = False) -> None:
        """Show the training in another folder from now on; the nodes are used again.

        Args:
            folder: output folder of the training.
            name: of the training, for the titles.
            fresh: the training is about to start: the log that is there now is of an earlier one, and not shown.
        """
        self._folder, self._name, self.columns = Path(folder), name, {}
        self._seen = self._stamp() if fresh else None
        self._fill()

    def update(self) -> bool:
        """Read the log again if it has changed; returns whether there is something new to see.

        Raises `InputError` for a file that is not the log of a training. A log that is not there yet is nothing new.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return False
        columns, self._seen = read_log(self._folder), stamp
        if not columns or columns == self.columns:
            return False
        self.columns = columns
        self._fill()
        return True

    def available(self) -> list[str]:
        """Titles of the charts for which the log has a column."""
        return [title for title, chart in self._charts.items() if chart.curves(list(self.columns))]

    def show(self, title: str) -> None:
        """Show a chart in a plot view, in a layout that has one; without anything in it, nothing happens."""
        if title in self.available():
            self._fill_chart(title)
            show_chart(self._nodes[title])

    def forget(self) -> None:
        """Let go of the nodes, which are about to be deleted."""
        self._nodes.clear()

    def _stamp(self) -> tuple[int, int] | None:
        """What changes when the log does; None without a log."""
        try:
            status = os.stat(self._folder / LOG) if self._folder else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None

    def _fill(self) -> None:
        """Bring the charts that were shown up to date."""
        for title in self._charts:
            if self.chart(title) is not None:
                self._fill_chart(title)

    def _fill_chart(self, title: str) -> None:
        chart = self._charts[title]
        curves = chart.curves(list(self.columns))
        columns = {name: self.columns[name] for name in (EPOCH, *curves)} if curves else {}
        if len(columns.get(EPOCH, [])) == 1:
            # VTK writes an error whenever it draws a line of one point.
            columns = {name: 2 * values for name, values in columns.items()}
        # A curve of one epoch is only its marker; of many, the markers would hide the curve.
        kind = "line with points" if len(columns.get(EPOCH, [])) <= _MOST_POINTS else "line"
        series = []
        for rank, (name, label) in enumerate(curves.items()):
            size = 5.0 if kind == "line with points" else 3.0 if rank == 0 else 1.5
            series.append(Series(label, LOG, EPOCH, name, kind, _COLOURS[rank % len(_COLOURS)], size))
        axes = Axes(
            f"{self._name}: {chart.title}",
            _("Epoch"),
            chart.axis_title(list(self.columns)),
            y_range=_range_below_legend([self.columns[name] for name in curves]),
        )
        role = f"{self._role}/{title}"
        self._nodes[title] = update_chart(self._scene, role, axes, {LOG: columns}, series)


def _range_below_legend(curves: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """A range of the vertical axis that leaves room for the legend, which is drawn over the upper right corner."""
    values = [value for curve in curves for value in curve if math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    return low - 0.05 * span, high + (0.1 + 0.08 * len(curves)) * span
