"""What a registration of two subjects is worth: overlap and distance of their structures; and how such figures are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from agent_data import Anatomy, Pair

from DeformationLib.image import Image
from DeformationLib.metrics import dice, folding_percent, surface_distances
from DeformationLib.registration import jacobian_determinant, warp_labels

MEASURES = ("dice", "hausdorff", "hd95")


def measure(anatomy: Anatomy, pair: Pair, displacement: Image) -> dict[str, float]:
    """Dice, Hausdorff distance and its 95 % form (mm) per structure and on average, and folding (%).

    ``displacement`` is on the fixed image's grid, LPS mm.
    """
    fixed, moving = pair
    warped = warp_labels(moving.labels, displacement)
    overlap = dice(warped.array, fixed.labels.array, anatomy.structures)
    row = {f"dice {name}": overlap[value] for value, name in anatomy.structures.items()}
    for value, name in anatomy.structures.items():
        distances = hausdorff(warped.array == value, fixed.labels.array == value, fixed.labels.spacing_kji)
        row[f"hausdorff {name}"], row[f"hd95 {name}"] = distances
    for kind in MEASURES:
        row[kind] = float(np.nanmean([row[f"{kind} {name}"] for name in anatomy.structures.values()]))
    return row | {"folding": folding_percent(jacobian_determinant(displacement).array)}


def hausdorff(a: np.ndarray, b: np.ndarray, spacing_kji: Sequence[float]) -> tuple[float, float]:
    """Largest of all surface distances between two masks, and their 95th percentile, mm; nan where one is empty."""
    forward, backward = surface_distances(a, b, spacing_kji)
    if forward is None:
        return float("nan"), float("nan")
    distances = np.concatenate([forward, backward])
    return float(distances.max()), float(np.percentile(distances, 95))


def values(rows: Sequence[Mapping], name: str) -> np.ndarray:
    """One measure of all rows."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def summary(found: Sequence[float] | np.ndarray, digits: int) -> str:
    """Mean, median and standard deviation as three cells of a table."""
    found = np.asarray(found, dtype=np.float64)
    return " | ".join(f"{value:.{digits}f}" for value in (np.nanmean(found), np.nanmedian(found), np.nanstd(found)))


def comparison(ours: Sequence[Mapping], theirs: Sequence[Mapping], name: str = "dice") -> dict[str, float]:
    """How rows compare pair by pair.

    ``wins`` counts pairs in which ours is larger, ``median`` is the median difference, ``p`` Wilcoxon's signed-rank test's,
    two-sided: 1 where nothing differs.
    """
    from scipy.stats import wilcoxon

    difference = values(ours, name) - values(theirs, name)
    p = float(wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    return {
        "wins": int((difference > 0).sum()),
        "pairs": len(difference),
        "median": float(np.median(difference)),
        "p": p,
    }


COLUMNS = {
    "hausdorff": ("HD mean (mm)", lambda found: f"{np.nanmean(found):.1f}"),
    "hd95": ("HD95 median (mm)", lambda found: f"{np.nanmedian(found):.1f}"),
    "folding": ("folds (%)", lambda found: f"{found.mean():.3f}"),
    "steps": ("steps", lambda found: f"{found.mean():.0f}"),
    "seconds": ("seconds", lambda found: f"{found.mean():.2f}"),
}
"""What tables show of a measure: the column's head, and a cell of all pairs' values."""


def print_compared(
    lines: Iterable[tuple[str, Sequence[Mapping], Sequence[Mapping]]], head: str, other: str, measures: Sequence[str]
) -> None:
    """A table of overlaps, each compared pair by pair with another one.

    Args:
        lines: first cells, rows of measures, and the rows that these are compared with; nothing where they are the same.
        head: of the first cells.
        other: what the rows are compared with.
        measures: further columns, of `COLUMNS`.
    """
    heads = [COLUMNS[name][0] for name in measures]
    print(f"| {head} | Dice mean | median | SD | against {other} | p | " + " | ".join(heads) + " |")
    print("|" + ":--|" * (1 + head.count("|")) + "--:|" * (5 + len(heads)))
    for title, rows, first in lines:
        difference = "– | –"
        if rows is not first:
            found = comparison(rows, first)
            difference = f"{found['median']:+.3f} | {found['p']:.2g}"
        cells = [COLUMNS[name][1](values(rows, name)) for name in measures]
        print(f"| {title} | {summary(values(rows, 'dice'), 3)} | {difference} | " + " | ".join(cells) + " |")
