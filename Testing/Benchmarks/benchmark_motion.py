#!/usr/bin/env python3
"""Speed and memory of tracking with motion models: a slice, a stack of slices and a volume of 30 frames; cost by size.

Each measurement has a process of its own.  Times are wall-clock medians of tracking and of all displacements, as a user
waits for them; what other programs do at the same time lengthens them, and SyN's, which is measured in the same run, with
them.  Prints JSON, and writes a picture of cost against frames and voxels.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from process_measures import median_seconds, peak_memory

FRAMES = 30
SLICE, STACK = (128, 128, 1), (128, 128, 10)
SPACING = (1.5, 1.5, 10.0)
RANDOM = {"random weights, 2-D": ((128, 128), (1.5, 1.5)), "random weights, 3-D": ((10, 128, 128), (10.0, 1.5, 1.5))}
"""Networks of the thesis's size, for measuring where no trained model is."""

SYN = {
    "SyN without its affine step": {"type_of_transform": "SyNOnly", "initial_transform": "Identity"},
    "SyN, antspyx's defaults": {"type_of_transform": "SyN"},
    "SyN, full resolution": {"type_of_transform": "SyN", "reg_iterations": (40, 20, 10)},
    "SyN, cross-correlation": {"type_of_transform": "SyNCC"},
}
"""Frame by frame: the first is what the tables of the reproduction have, the last what ANTs' authors advise."""

SYN_FRAMES = 3
"""Frames that SyN registers; the others would take as long each."""

_NO_MODELS = (*SYN, "times faster")

FRAME_COUNTS, SLICE_COUNTS = (5, 10, 20, 30), (1, 2, 5, 10)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--models", default="", help="names or folders, with semicolons, besides networks of the thesis's size"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", default="training/benchmarks", help="folder for motion.json and motion_cost.png")
    parser.add_argument("--without", default="", help="parts to leave out, with commas: syn, cost")
    return parser


def main(words: list[str]) -> int:
    """Measure everything and print JSON."""
    arguments = build_parser().parse_args(words)
    folder, threads, repeats = Path(arguments.output), arguments.threads, arguments.repeats
    left_out = arguments.without.split(",")
    report: dict = {"date": datetime.date.today().isoformat(), "machine": platform.machine(), "threads": threads}
    for name in [*RANDOM, *filter(None, arguments.models.split(";"))]:
        report[name] = {
            "30 frames of 128 x 128": apart(track, name, SLICE, FRAMES, threads, repeats),
            "30 frames of 128 x 128 x 10": apart(track, name, STACK, FRAMES, threads, max(1, repeats // 2)),
        }
        print(f"{name}: {json.dumps(report[name])}", file=sys.stderr, flush=True)
    if "syn" not in left_out:
        for kind in SYN:
            report[kind] = {
                "30 frames of 128 x 128": apart(syn, kind, SLICE, threads),
                "30 frames of 128 x 128 x 10": apart(syn, kind, STACK, threads),
            }
        report["times faster"] = {kind: _ratios(report, kind) for kind in SYN}
    if "cost" not in left_out:
        report["cost"] = {name: cost(name, threads, repeats) for name in _of_cost(report)}
        plot_cost(report["cost"], folder / "motion_cost.png")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "motion.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    return 0


def apart(function: Callable, *given) -> dict:
    """What a function returns from a process of its own, whose memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def track(name: str, size: Sequence[int], frames: int, threads: int, repeats: int) -> dict:
    """Seconds of tracking and of all displacements, and memory; nothing where a model does not take such images."""
    import torch

    from DeformationLib.errors import InputError

    torch.set_num_threads(threads)
    images, model = heart(size, frames), load(name)
    before = peak_memory()
    steps: list[dict[str, float]] = []

    def once() -> None:
        worked = time.process_time()
        motion = model.track(images, 0)
        tracked = time.perf_counter()
        for number in range(frames):
            motion.displacement(number)
        further = {"displacements": time.perf_counter() - tracked, "processor": time.process_time() - worked}
        steps.append({**motion.seconds, **further})

    try:
        seconds = median_seconds(once, repeats)
    except InputError as error:
        return {"not measured": str(error)}
    return {
        "seconds": round(seconds, 3),
        **{step: round(statistics.median(row[step] for row in steps[1:]), 3) for step in steps[0]},
        "memory_MiB": round(peak_memory()),
        "memory_before_MiB": round(before),
    }


def syn(kind: str, size: Sequence[int], threads: int) -> dict:
    """Seconds of 30 frames registered one by one by ANTs SyN, reckoned from a few of them; slices for themselves."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    with contextlib.suppress(ImportError):
        import ants

        images = heart(size, FRAMES)
        chosen = [2 + number * (FRAMES - 4) // SYN_FRAMES for number in range(SYN_FRAMES)]
        # Slices take about as long each, whatever the stack: three of the middle stand for all of a large one.
        middle = range(max(0, size[2] // 2 - 1), min(size[2], size[2] // 2 + 2))
        arrays = [image.array.astype("float32") for image in images]

        def pair(number: int) -> None:
            for k in middle:
                fixed, moving = (ants.from_numpy(arrays[n][k].T.copy(), spacing=SPACING[:2]) for n in (number, 0))
                with tempfile.TemporaryDirectory() as folder:
                    prefix = os.path.join(folder, "syn")
                    ants.registration(fixed, moving, outprefix=prefix, **SYN[kind])

        pair(1)
        seconds, worked = [], []
        for number in chosen:
            starts = time.perf_counter(), time.process_time()
            pair(number)
            seconds.append(time.perf_counter() - starts[0])
            worked.append(time.process_time() - starts[1])
        return {
            "seconds": round(statistics.median(seconds) * (FRAMES - 1) * size[2] / len(middle), 2),
            "processor": round(statistics.median(worked) * (FRAMES - 1) * size[2] / len(middle), 2),
            "frames": len(seconds),
        }
    return {"not measured": "antspyx is not installed"}


def cost(name: str, threads: int, repeats: int) -> dict:
    """Seconds of the processor by number of frames (of 128 x 128 voxels), and by number of voxels of 30 frames."""
    frames = {n: apart(track, name, SLICE, n, threads, repeats) for n in FRAME_COUNTS}
    stacks = {n: apart(track, name, (128, 128, n), FRAMES, threads, max(1, repeats // 2)) for n in SLICE_COUNTS}
    return {
        "seconds by frames": {n: row["processor"] for n, row in frames.items() if "seconds" in row},
        "seconds by voxels": {128 * 128 * n: row["processor"] for n, row in stacks.items() if "seconds" in row},
    }


def plot_cost(found: dict[str, dict], path: Path) -> None:
    """Seconds against frames and against voxels, with the straight lines that fit them best."""
    import numpy as np

    from LatentRegistrationLib.figures import COLOURS, new_figure

    with new_figure(path, 9.0, 3.8) as figure:
        panels = figure.subplots(1, 2)
        titles = ("frames of 128 × 128 voxels", "voxels of 30 frames (thousands)")
        for axes, key, scale, title in zip(panels, ("frames", "voxels"), (1, 1000), titles, strict=True):
            for number, (name, rows) in enumerate(found.items()):
                if len(rows[f"seconds by {key}"]) < 2:
                    continue
                x, y = (np.array(list(part(rows[f"seconds by {key}"])), float) for part in (dict.keys, dict.values))
                slope, start = np.polyfit(x, y, 1)
                axes.plot(x / scale, y, "o", color=COLOURS[number], label=name)
                ends = np.array([0, x.max()])
                axes.plot(ends / scale, start + slope * ends, "-", lw=1, color=COLOURS[number])
            axes.set(xlabel=title, ylabel="seconds of processor time", xlim=(0, None), ylim=(0, None))
            axes.legend()


def load(name: str):
    """A model by its name or folder, or a network of the thesis's size with random weights."""
    from DeformationLib.pair_grid import PairGrid
    from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration
    from MotionModelLib.motion_model import MotionModel
    from MotionModelLib.motion_network import MotionNetwork, MotionNetworkConfiguration

    if name not in RANDOM:
        return MotionModel.load(name, "cpu")
    size, spacing = RANDOM[name]
    pair = VelocityNetworkConfiguration(size, spacing)
    card = {"name": name, "sequence": {"slots": 34, "periodic": True}, "training": {}}
    return MotionModel(MotionNetwork(MotionNetworkConfiguration(pair)), PairGrid(size, spacing, "image"), card, "cpu")


def heart(size: Sequence[int], frames: int) -> list:
    """Frames of a phantom."""
    from DeformationLib.cardiac_phantoms import beating_heart

    return beating_heart(0, frames, size=tuple(size), spacing=SPACING).frames


def _of_cost(report: dict) -> list[str]:
    """Models that take slices and stacks."""
    return [
        name
        for name, rows in report.items()
        if isinstance(rows, dict) and name not in _NO_MODELS and "seconds" in rows["30 frames of 128 x 128"]
    ]


def _ratios(report: dict, kind: str) -> dict:
    syn_rows = report[kind]
    return {
        name: {
            what: {unit: round(syn_rows[what][unit] / row[unit], 1) for unit in ("seconds", "processor")}
            for what, row in rows.items()
            if "seconds" in row and "seconds" in syn_rows[what]
        }
        for name, rows in report.items()
        if isinstance(rows, dict) and name not in _NO_MODELS
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
