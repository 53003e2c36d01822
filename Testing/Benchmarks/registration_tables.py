"""Summaries of the benchmark's runs: readable tables, CSV files and the curve of accuracy against components."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from registration_measures import Run
from registration_methods import Method

from DeformationLib.files import atomic_path
from LatentRegistrationLib.figures import COLOURS, new_figure

_MEASURES = (
    "dice_head",
    "dice_body",
    "dice_mean",
    "hd95_head",
    "hd95_body",
    "hd95_mean",
    "folding",
    "sd_log_jacobian",
)


def summarise(method: Method, run: Run, pairs: int | None = None) -> dict:
    """Mean and standard deviation over the first so many pairs, median seconds, memory and start-up."""
    rows = run.rows[:pairs]
    summary: dict = {"method": method.title, "pairs": len(rows)}
    for name in _MEASURES:
        values = np.array([row[name] for row in rows], dtype=float)
        missing = int(np.isnan(values).sum())
        if missing:
            # A structure that was warped out of the image has no distance; its Dice of 0 counts.
            summary[f"{name}_missing"] = missing
        summary[name], summary[f"{name}_sd"] = float(np.nanmean(values)), float(np.nanstd(values))
    summary["folding_max"] = float(max(row["folding"] for row in rows))
    summary["seconds"] = float(np.median([row["seconds"] for row in rows]))
    summary["memory_mib"] = run.memory
    summary["startup_seconds"] = run.startup
    return summary


def add_speed(summaries: Sequence[dict], reference: str) -> None:
    """Add to each summary how many times faster it is than the method of the title ``reference``, where that ran."""
    times = {summary["method"]: summary["seconds"] for summary in summaries}
    for summary in summaries:
        summary["times_faster_than_syn"] = times.get(reference, float("nan")) / summary["seconds"]


def table(summaries: Sequence[dict]) -> str:
    """A Markdown table of the summaries."""

    def plain(value: float, digits: int) -> str:
        return f"{value:.{digits}f}" if np.isfinite(value) else "–"

    def spread(summary: dict, name: str, digits: int) -> str:
        return f"{plain(summary[name], digits)} ± {plain(summary[name + '_sd'], digits)}"

    header = (
        "method",
        "Dice head",
        "Dice body",
        "Dice mean",
        "HD95 mm",
        "folds %",
        "SD log J",
        "seconds",
        "× SyN",
        "MiB",
    )
    cells = [
        (
            summary["method"],
            *(spread(summary, name, 3) for name in ("dice_head", "dice_body", "dice_mean")),
            spread(summary, "hd95_mean", 2),
            plain(summary["folding"], 3),
            plain(summary["sd_log_jacobian"], 3),
            plain(summary["seconds"], 3),
            plain(summary["times_faster_than_syn"], 1),
            plain(summary["memory_mib"], 0),
        )
        for summary in summaries
    ]
    return markdown(header, cells)


def component_table(curves: dict[str, list[dict]]) -> str:
    """A Markdown table of Dice and HD95 against the number of components, a pair of columns per model."""
    names = list(curves)
    header = ("components", *(f"{name}: {what}" for name in names for what in ("Dice mean", "HD95 mm")))
    cells = [
        (
            str(rows[0]["components"]),
            *(
                text
                for row in rows
                for text in (f"{row['dice_mean']:.3f} ± {row['dice_mean_sd']:.3f}", f"{row['hd95_mean']:.2f}")
            ),
        )
        for rows in zip(*curves.values(), strict=True)
    ]
    return markdown(header, cells)


def markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Text that reads as a table both raw and rendered: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *cells]) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        texts = [
            text.ljust(width) if n == 0 else text.rjust(width)
            for n, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(texts)} |"

    rule = "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *(line(row) for row in cells)])


def write_rows(rows: Sequence[dict], path: Path) -> None:
    """A CSV file of dictionaries, with a column for every key that any of them has."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows([{key: _text(value) for key, value in row.items()} for row in rows])


def _text(value):
    return f"{value:.6g}" if isinstance(value, float) else value


def plot_component_curves(curves: dict[str, list[dict]], path: Path) -> None:
    """Mean Dice against the number of components kept; the level of the whole code is a dashed line."""
    with new_figure(path, 6.4, 4.4) as figure:
        axis = figure.subplots()
        counts: list = []
        for colour, (name, rows) in zip(COLOURS, curves.items(), strict=False):
            *kept, whole = rows
            counts = [row["components"] for row in kept]
            # Every doubling takes the same room; so does the step from nothing to one.
            axis.plot([row["dice_mean"] for row in kept], "o-", color=colour, label=name)
            axis.axhline(whole["dice_mean"], color=colour, linestyle="--", linewidth=1, label=f"{name}, whole code")
        axis.set_xticks(range(len(counts)), [str(count) for count in counts])
        axis.set(xlabel="principal components kept (0: centres aligned only)", ylabel="Dice (mean of head and body)")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)


def machine(threads: int) -> dict:
    """Processor, cores and system of this computer, and the threads that were allowed."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            model = next(line.partition(":")[2].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "threads": threads, "system": platform.platform()}
