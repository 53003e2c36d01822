"""Tables 5.1 and 5.2: end-diastole tracked to end-systole and through whole series, ours and the peers on the same cases."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from motion_baselines import cache_path, cached, read, tracked_once
from motion_scores import Tracked, along_axes, frames_of, measure_tracked, tracked_by, unmoved

from DeformationLib.catalogue import WEIGHTS, file_hash, find_bundle
from DeformationLib.cine_cases import Cine
from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES
from MotionModelLib.motion_model import MotionModel

THESIS = {
    "unregistered": (72.8, 9.70, float("nan"), float("nan")),
    "SyN, slices": (82.7, 7.02, 0.23, 0.43),
    "pairwise model, volumes": (82.1, 6.60, 0.16, 0.32),
    "elastix in time, slices": (83.7, 6.27, 0.15, 0.33),
    "no process, 2-D + t": (84.6, 6.24, 0.14, 0.15),
    "Gaussian process, 2-D + t": (85.2, 6.11, 0.10, 0.12),
    "Gaussian process, 3-D + t": (79.5, 5.4, 0.07, 0.09),
}
"""Dice (%), 95 % Hausdorff distance (mm), spatial and temporal gradient (x 100, unit not told) of tables 5.1 and 5.2.

The thesis's pairwise model is its own in two dimensions; its tables in three dimensions are of other volumes.
"""


def compare_tracking(
    cines: Sequence[Cine], models: Mapping[str, MotionModel], pairwise: str, baselines: str | Path
) -> dict[str, list[dict]]:
    """Rows of measures by method, one per patient: unregistered, the peers that have run, the pairwise model, and ours."""
    table = {"unregistered": [_row(unmoved(cine)) for cine in cines]}
    for name in cached(cines, baselines):
        table[name] = [_row(along_axes(cine, *read(cache_path(baselines, name, cine.name)))) for cine in cines]
        _say(name, table[name])
    if pairwise:
        name = "pairwise model, volumes"
        table[name] = [_row(_pairwise(cine, pairwise, baselines)) for cine in cines]
        _say(name, table[name])
    for name, model in models.items():
        table[name] = [_row(track(model, cine)) for cine in cines]
        _say(name, table[name])
    return table


def track(model: MotionModel, cine: Cine, given: Sequence[int] | None = None) -> Tracked:
    """By a motion model; the seconds are those of the processor until all displacements are there."""
    frames = frames_of(cine)
    start = time.process_time()
    motion = model.track(frames, cine.ed_frame, given)
    found = tracked_by(cine, motion)
    return Tracked(cine, found.displacements, time.process_time() - start)


def print_tracking(table: Mapping[str, list[dict]]) -> None:
    """Means and standard deviations over the patients, beside the thesis's."""
    print(
        "\n| method | Dice | by slice | thesis | HD95 (mm) | by slice | thesis | RMSE | folds (%) | EF error | seconds |"
    )
    print("|:--|" + "--:|" * 10)
    for name, rows in table.items():
        thesis = THESIS.get(name, (float("nan"),) * 4)
        print(
            f"| {name} | {pair(rows, 'dice', 1, 100)} | {pair(rows, 'slice dice', 1, 100)} | {text(thesis[0], 1)} | "
            f"{pair(rows, 'hd95', 1)} | {pair(rows, 'slice hd95', 1)} | {text(thesis[1], 1)} | {mean(rows, 'rmse'):.3f} | "
            f"{mean(rows, 'folding'):.3f} | {pair(rows, 'ejection_error', 1)} | {text(mean(rows, 'seconds'), 1)} |"
        )
    shares = "of SyN's | thesis | of SyN's"
    print(f"\n| method | spatial gradient | {shares} | temporal gradient | {shares} | jitter |")
    print("|:--|" + "--:|" * 9)
    syn = table.get("SyN, slices")
    for name, rows in table.items():
        if name == "unregistered":
            continue
        thesis = THESIS.get(name, (float("nan"),) * 4)
        cells = []
        for column, measure, digits in ((2, "spatial_gradient", 3), (3, "temporal_gradient", 3)):
            share = mean(rows, measure) / mean(syn, measure) if syn else float("nan")
            known = thesis[column] / THESIS["SyN, slices"][column]
            cells += [pair(rows, measure, digits), text(share, 2), text(thesis[column], 2), text(known, 2)]
        print(f"| {name} | " + " | ".join(cells) + f" | {mean(rows, 'jitter'):.3f} |")
    print("\n| Dice of volumes | " + " | ".join(CARDIAC_STRUCTURES) + " |")
    print("|:--|" + "--:|" * len(CARDIAC_STRUCTURES))
    for name, rows in table.items():
        print(f"| {name} | " + " | ".join(pair(rows, f"dice {part}", 1, 100) for part in CARDIAC_STRUCTURES) + " |")
    print()


def plot_tracking(table: Mapping[str, list[dict]], path: Path) -> None:
    """Overlap against change over time: one point per method, bars for the middle half of the patients."""
    with new_figure(path, 9.0, 4.8) as figure:
        axes = figure.add_subplot()
        for number, (name, rows) in enumerate((name, rows) for name, rows in table.items() if name != "unregistered"):
            x, y = values(rows, "temporal_gradient"), 100 * values(rows, "dice")
            axes.errorbar(
                np.median(x),
                np.median(y),
                yerr=_spread(y),
                xerr=_spread(x),
                fmt="o" if name.endswith("+ t") else "s",
                color=COLOURS[number % len(COLOURS)],
                elinewidth=0.7,
                label=name,
            )
        axes.set_xlabel("temporal gradient (mm per frame), median and middle half of the patients")
        axes.set_ylabel("Dice of five structures at end-systole (%)")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)


def values(rows: Sequence[dict], name: str) -> np.ndarray:
    """One measure of all rows."""
    return np.array([row[name] for row in rows], dtype=np.float64)


def mean(rows: Sequence[dict], name: str) -> float:
    """Over the rows that have it."""
    found = values(rows, name)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def pair(rows: Sequence[dict], name: str, digits: int, factor: float = 1.0) -> str:
    """Mean and standard deviation."""
    found = factor * values(rows, name)
    return f"{np.nanmean(found):.{digits}f} ± {np.nanstd(found):.{digits}f}"


def text(value: float, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def _spread(found: np.ndarray) -> np.ndarray:
    low, middle, high = np.percentile(found, (25, 50, 75))
    return np.array([[middle - low], [high - middle]])


def _row(tracked: Tracked) -> dict:
    return {"case": tracked.cine.name, "group": tracked.cine.group, **measure_tracked(tracked)}


def _say(name: str, rows: Sequence[dict]) -> None:
    print(
        f"{name:30s} Dice {100 * mean(rows, 'dice'):.1f}  temporal gradient {mean(rows, 'temporal_gradient'):.3f}",
        flush=True,
    )


def _pairwise(cine: Cine, name: str, baselines: str | Path) -> Tracked:
    """Every frame registered for itself by a model of LatentRegistration; kept like the peers', by the weights' hash."""
    folder = find_bundle(name)
    weights = file_hash(folder / WEIGHTS)[:8]
    loaded: list[ProbabilisticModel] = []

    def register(frames: np.ndarray, spacing: Sequence[float], reference: int) -> np.ndarray:
        loaded[:] = loaded or [ProbabilisticModel.load(name, "cpu")]
        images = frames_of(cine)
        fields = np.zeros((*frames.shape, 3), np.float32)
        for number, image in enumerate(images):
            if number != reference:
                fields[number] = loaded[0].register(image, images[reference]).displacement.array
        return fields @ cine.like.direction.astype(np.float32)  # to the grid's axes

    return along_axes(cine, *tracked_once(cine, f"pairwise {folder.name} {weights}", baselines, register))
