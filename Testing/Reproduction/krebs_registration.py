"""Table 4.1 and the trade-off between overlap and roughness: our models and the peers, in one run on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from heart_data import Heart, measure
from heart_methods import Register, demons, learned, syn, unregistered

from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES

THESIS = {
    "unregistered": (0.707, 10.1, float("nan")),
    "SimpleITK demons": (0.799, 8.3, 2.9),
    "antspyx SyN": (0.801, 8.1, 3.4),
    "one scale": (0.797, 7.9, 1.2),
    "three scales": (0.812, 7.3, 1.4),
}
"""Mean Dice, 95 % Hausdorff distance in mm and |grad det J| x 100 of table 4.1 (its demons are LCC-demons)."""


def compare_methods(
    cases: Sequence[Heart], models: Mapping[str, ProbabilisticModel], peers: Sequence[str], threads: int
) -> dict[str, list[dict]]:
    """Rows of measurements by method, one per case in the order of the cases."""
    methods: dict[str, Register] = {"unregistered": unregistered()}
    if "demons" in peers:
        methods["SimpleITK demons"] = demons(threads)
    if "syn" in peers:
        methods["antspyx SyN"] = syn(threads)
    methods |= {title: learned(model, threads) for title, model in models.items()}
    table = {}
    for title, register in methods.items():
        register(cases[0].fixed, cases[0].moving)  # what the first call alone costs is not the method's speed
        rows = []
        for case in cases:
            displacement, seconds = register(case.fixed, case.moving)
            rows.append({"case": case.name, "group": case.group, **measure(case, displacement), "seconds": seconds})
        table[title] = rows
        print(f"{title:20s} Dice {_mean(rows, 'dice'):.3f}", flush=True)
    return table


def print_comparison(table: Mapping[str, list[dict]]) -> None:
    """Means and standard deviations over the cases, beside the thesis's."""
    print(
        "\n| method | Dice | thesis | HD95 (mm) | thesis | grad det J (x 100 / mm) | thesis | folds (%) | EF error | seconds |"
    )
    print("|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for title, rows in table.items():
        thesis = THESIS.get(title, (float("nan"),) * 3)
        print(
            f"| {title} | {_pair(rows, 'dice', 3)} | {_text(thesis[0], 3)} | {_pair(rows, 'hd95', 1)} | "
            f"{_text(thesis[1], 1)} | {_pair(rows, 'roughness', 2, 100)} | {_text(thesis[2], 1)} | "
            f"{_mean(rows, 'folding'):.4f} | {_pair(rows, 'ejection_error', 1)} | {_text(_median(rows, 'seconds'), 3)} |"
        )
    print("\n| Dice | " + " | ".join(CARDIAC_STRUCTURES) + " |")
    print("|:--|" + "--:|" * len(CARDIAC_STRUCTURES))
    for title, rows in table.items():
        print(f"| {title} | " + " | ".join(_pair(rows, f"dice {name}", 3) for name in CARDIAC_STRUCTURES) + " |")
    print()


def print_trade_off(table: Mapping[str, list[dict]], path: Path) -> None:
    """Dice against roughness, one point per method; ours joined by a line."""
    points = {title: (100 * _mean(rows, "roughness"), _mean(rows, "dice")) for title, rows in table.items()}
    ours = [title for title in points if title not in ("unregistered", "SimpleITK demons", "antspyx SyN")]
    with new_figure(path, 7.0, 4.5) as figure:
        axes = figure.add_subplot()
        curve = np.array(sorted(points[title] for title in ours))
        axes.plot(*curve.T, "-", color=COLOURS[0], zorder=1)
        for title, point in points.items():
            mine = title in ours
            axes.plot(*point, "o" if mine else "s", color=COLOURS[0 if mine else 1], zorder=2)
            axes.annotate(title, point, xytext=(6, -3), textcoords="offset points")
        axes.set_xlabel("roughness: mean |grad det J| (x 100 / mm)")
        axes.set_ylabel("mean Dice of five structures")
        axes.margins(x=0.15)


def _values(rows: Sequence[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _mean(rows: Sequence[dict], name: str) -> float:
    return float(np.nanmean(_values(rows, name)))


def _median(rows: Sequence[dict], name: str) -> float:
    return float(np.median(_values(rows, name)))


def _pair(rows: Sequence[dict], name: str, digits: int, factor: float = 1.0) -> str:
    values = factor * _values(rows, name)
    return f"{np.nanmean(values):.{digits}f} ± {np.nanstd(values):.{digits}f}"


def _text(value: float, digits: int) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
