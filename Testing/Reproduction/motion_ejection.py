"""Ejection fraction from tracking against that from the label maps: error, correlation, Bland and Altman's plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from motion_scores import labelled_ejection_fraction
from motion_tracking import track

from DeformationLib.cine_cases import Cine
from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.structures import POOL
from MotionModelLib.motion_model import MotionModel


def ejection_fractions(models: Mapping[str, MotionModel], cines: Sequence[Cine]) -> list[dict]:
    """One row per patient: ``case``, ``group``, ``labels`` and, by the name of each model, what tracking gives (percent).

    Tracking takes the largest and the smallest volume of its own curve, as in use, where nobody has marked end-systole.
    """
    rows = []
    for cine in cines:
        row = {"case": cine.name, "group": cine.group, "labels": labelled_ejection_fraction(cine)}
        for name, model in models.items():
            row[name] = track(model, cine).curves().ejection_fraction(POOL)
        rows.append(row)
    return rows


def agreement(rows: Sequence[dict], name: str) -> dict[str, float]:
    """Mean absolute error, bias and its limits of agreement (points), and Pearson's correlation."""
    labels, found = (np.array([row[column] for row in rows]) for column in ("labels", name))
    difference = found - labels
    return {
        "mean_absolute_error": float(np.abs(difference).mean()),
        "bias": float(difference.mean()),
        "limits": float(1.96 * difference.std(ddof=1)),
        "correlation": float(np.corrcoef(labels, found)[0, 1]),
    }


def print_ejection(rows: Sequence[dict], names: Sequence[str]) -> None:
    """A row per model."""
    print("\n| ejection fraction | mean absolute error | bias ± limits of agreement | correlation |")
    print("|:--|--:|--:|--:|")
    for name in names:
        found = agreement(rows, name)
        print(
            f"| {name} | {found['mean_absolute_error']:.1f} | {found['bias']:+.1f} ± {found['limits']:.1f} | "
            f"{found['correlation']:.3f} |"
        )
    print()


def plot_ejection(rows: Sequence[dict], names: Sequence[str], path: Path) -> None:
    """Per model: tracking against labels, and the difference against the mean."""
    groups = sorted({row["group"] for row in rows})
    with new_figure(path, 9.5, 3.3 * len(names)) as figure:
        panels = figure.subplots(len(names), 2, squeeze=False)
        labels = np.array([row["labels"] for row in rows])
        reach = max(
            1.3 * (abs(result["bias"]) + result["limits"]) + 1 for result in (agreement(rows, n) for n in names)
        )
        for (left, right), name in zip(panels, names, strict=True):
            found, result = np.array([row[name] for row in rows]), agreement(rows, name)
            for number, group in enumerate(groups):
                chosen = np.array([row["group"] == group for row in rows])
                style = {"color": COLOURS[number], "s": 46, "edgecolor": "white", "linewidth": 0.7, "zorder": 3}
                left.scatter(labels[chosen], found[chosen], label=group, **style)
                right.scatter(((labels + found) / 2)[chosen], (found - labels)[chosen], **style)
            limit = 5 + 5 * np.ceil(max(labels.max(), found.max()) / 5)
            left.plot([0, limit], [0, limit], "-", color="0.7", lw=1, zorder=1)
            left.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")
            left.set(xlabel="EF from labels (%)", ylabel="EF from tracking (%)", title=name)
            left.legend(loc="upper left", handletextpad=0.2, fontsize=9)
            left.text(
                0.97,
                0.05,
                f"r = {result['correlation']:.3f}\nmean absolute error {result['mean_absolute_error']:.1f} points",
                transform=left.transAxes,
                ha="right",
                fontsize=9,
            )
            right.set(ylim=(-reach, reach))
            _bland_altman(right, result)


def _bland_altman(axes, result: Mapping[str, float]) -> None:
    bias, limits = result["bias"], result["limits"]
    axes.axhspan(bias - limits, bias + limits, color="0.94", zorder=0)
    for value, style, words in (
        (bias, "-", f"bias {bias:+.1f}"),
        (bias + limits, "--", f"+1.96 SD {bias + limits:+.1f}"),
        (bias - limits, "--", f"−1.96 SD {bias - limits:+.1f}"),
    ):
        axes.axhline(value, ls=style, color="0.35", lw=1, zorder=2)
        axes.annotate(
            words.replace("-", "−"),
            (1.0, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=9,
        )
    axes.axhline(0, color="0.8", lw=0.8, zorder=1)
    axes.set(xlabel="mean of both (%)", ylabel="tracking − labels (points)")
