#!/usr/bin/env python3
"""Speed and memory of tracking with motion models: a slice, a stack of slices and a volume of 30 frames; cost by size.

Each measurement has a process of its own.  Times are wall-clock medians of tracking and of all displacements, as a user
waits for them; what other programs do at the same time lengthens them.  Prints tables, and writes JSON and a picture of cost
against frames and voxels.  Parts left out can be those of an earlier run: to measure one of them anew, or to write the
tables of a run once more.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import multiprocessing
import os
import shlex
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

SIZES = {"30 frames of 128 x 128": SLICE, "30 frames of 128 x 128 x 10": STACK}
TARGET = dict(zip(SIZES, (1.5, 15.0), strict=True))
"""Seconds that a model may take on two threads."""

FASTER = 50
"""How many times as fast as SyN, frame by frame, a model is to be."""

PARTS = {"models": "models", "syn": "SyN", "cost": "cost by frames and voxels"}
"""What is measured, and what the page calls it."""

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
    parser.add_argument("--without", default="", help="parts to leave out, with commas: " + ", ".join(PARTS))
    parser.add_argument("--from", dest="earlier", default="", help="an earlier motion.json, for the parts left out")
    parser.add_argument("--document", default="", help="a page whose part 'benchmark', between marks, is replaced")
    return parser


def main(words: list[str]) -> int:
    """Measure what is asked for, print tables, write JSON and a picture."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Reproduction"))
    from pages import processor, show

    from DeformationLib.errors import InputError
    from DeformationLib.files import make_folder, write_json

    arguments = build_parser().parse_args(words)
    how = {
        "date": datetime.date.today().isoformat(),
        "machine": processor(),
        "threads": arguments.threads,
        "command": shlex.join(["benchmark_motion.py", *words]),
    }
    try:
        report = measure(arguments, how)
        folder = make_folder(arguments.output)
        write_json(report, folder / "motion.json")
        plot_cost(report["cost"], folder / "motion_cost.png")
        show(lambda: print_report(report), "benchmark", folder, arguments.document)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(arguments: argparse.Namespace, how: dict) -> dict:
    """The parts, and how each was ``measured``; those left out are the earlier report's."""
    threads, repeats = arguments.threads, arguments.repeats
    names = [*RANDOM, *filter(None, arguments.models.split(";"))]
    measures: dict[str, Callable[[], dict]] = {
        "models": lambda: {name: track_sizes(name, threads, repeats) for name in names},
        "syn": lambda: {kind: {what: apart(syn, kind, size, threads) for what, size in SIZES.items()} for kind in SYN},
        "cost": lambda: {name: found for name in names if (found := cost(name, threads, repeats))},
    }
    report = {"measured": {}, **{part: {} for part in PARTS}, **_read(arguments.earlier)}
    for part, measured in measures.items():
        if part not in arguments.without.split(","):
            report[part], report["measured"][part] = measured(), how
            print(f"{part}: {json.dumps(report[part])}", file=sys.stderr, flush=True)
    report["times faster"] = {kind: _ratios(report["models"], rows) for kind, rows in report["syn"].items()}
    return report


def _read(path: str) -> dict:
    from DeformationLib.errors import InputError

    try:
        return json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError) as error:
        raise InputError(f"The earlier report '{path}' cannot be read: {error}") from error


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


def track_sizes(name: str, threads: int, repeats: int) -> dict:
    """A slice and a stack of 30 frames."""
    repeated = {SLICE: repeats, STACK: max(1, repeats // 2)}
    return {what: apart(track, name, size, FRAMES, threads, repeated[size]) for what, size in SIZES.items()}


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
    """Seconds of the processor by number of frames (of 128 x 128 voxels), and by number of voxels of 30 frames.

    Nothing for a model that does not take slices.
    """
    frames = {n: apart(track, name, SLICE, n, threads, repeats) for n in FRAME_COUNTS}
    if not all("seconds" in row for row in frames.values()):
        return {}
    stacks = {n: apart(track, name, (128, 128, n), FRAMES, threads, max(1, repeats // 2)) for n in SLICE_COUNTS}
    return {
        "seconds by frames": {str(n): row["processor"] for n, row in frames.items()},
        "seconds by voxels": {str(128 * 128 * n): row["processor"] for n, row in stacks.items()},
    }


def plot_cost(found: dict[str, dict], path: Path) -> None:
    """Seconds against frames and against voxels, with the straight lines that fit them best."""
    from LatentRegistrationLib.figures import COLOURS, new_figure

    with new_figure(path, 9.0, 3.8) as figure:
        panels = figure.subplots(1, 2)
        titles = ("frames of 128 × 128 voxels", "voxels of 30 frames (thousands)")
        for axes, key, scale, title in zip(panels, ("frames", "voxels"), (1, 1000), titles, strict=True):
            for number, (name, rows) in enumerate(found.items()):
                x, y, slope, start = straight_line(rows[f"seconds by {key}"])
                axes.plot(x / scale, y, "o", ms=5, color=COLOURS[number], label=name)
                axes.plot([0, x.max() / scale], [start, start + slope * x.max()], "-", lw=1, color=COLOURS[number])
            axes.set(xlabel=title, ylabel="seconds of processor time", xlim=(0, None), ylim=(0, None))
            axes.legend()


def straight_line(seconds: dict[str, float]) -> tuple:
    """Sizes, seconds, and slope and start of the line that fits them best."""
    import numpy as np

    x, y = np.array([*map(float, seconds)]), np.array([*seconds.values()])
    return x, y, *np.polyfit(x, y, 1)


def print_report(report: dict) -> None:
    """Seconds and memory of the models; how many times as fast as SyN; cost."""
    told = {}
    for part, how in report["measured"].items():
        words = (
            f"{how['date']}, {how['machine']}, {how['threads']} thread{'s' * (how['threads'] > 1)}, `{how['command']}`"
        )
        told.setdefault(words, []).append(PARTS[part])
    print("\n".join(f"- {', '.join(parts)}: {words}" for words, parts in told.items()))
    print_models(report["models"])
    if report["syn"]:
        print_syn(report["syn"])
        print_ratios(report["times faster"])
    if report["cost"]:
        print_cost(report["cost"])


def print_models(models: dict[str, dict]) -> None:
    """A row per model and size."""
    print("\n| model | series | seconds | target | encoder | decoder | displacements | memory (MiB) | without it |")
    print("|:--|:--|" + "--:|" * 7)
    for name, sizes in models.items():
        for what, row in sizes.items():
            if "seconds" in row:
                cells = [f"{row[step]:.2f}" for step in ("encoder", "decoder", "displacements")]
                cells += [str(row[key]) for key in ("memory_MiB", "memory_before_MiB")]
                print(f"| {name} | {_times(what)} | {row['seconds']:.2f} | {TARGET[what]:g} | {' | '.join(cells)} |")


def print_syn(kinds: dict[str, dict]) -> None:
    """Seconds by variant."""
    print("\n| seconds, of the processor in brackets | " + " | ".join(map(_times, SIZES)) + " |")
    print("|:--|" + "--:|" * len(SIZES))
    for kind, sizes in kinds.items():
        cells = [
            f"{row['seconds']:.1f} ({row['processor']:.1f})" if "seconds" in row else "–" for row in sizes.values()
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


def print_ratios(ratios: dict[str, dict]) -> None:
    """How many times as fast as each variant, by model and size, and how many of them reach the target."""
    print("\n| times as fast as | series | " + " | ".join(ratios) + " |")
    print("|:--|:--|" + "--:|" * len(ratios))
    first = next(iter(ratios.values()))
    reached = dict.fromkeys(ratios, 0)
    rows = [(name, what) for name, sizes in first.items() for what in sizes]
    for name, what in rows:
        cells = []
        for kind, models in ratios.items():
            times = models[name][what]["seconds"]
            reached[kind] += times >= FASTER
            cells.append(f"**{times:.0f}**" if times >= FASTER else f"{times:.0f}")
        print(f"| {name} | {_times(what)} | {' | '.join(cells)} |")
    cells = [f"{count} of {len(rows)}" for count in reached.values()]
    print(f"| at least {FASTER} times (bold) | | {' | '.join(cells)} |")


def print_cost(found: dict[str, dict]) -> None:
    """Seconds of the processor by size, and how near to a straight line they are."""
    titles = (
        f"frames of 128 × 128: {', '.join(map(str, FRAME_COUNTS))}",
        f"slices: {', '.join(map(str, SLICE_COUNTS))}",
    )
    print(f"\n| cost | {titles[0]} | off the line | 30 frames of 128 × 128, {titles[1]} | off the line |")
    print("|:--|" + "--:|" * 4)
    for name, rows in found.items():
        cells = []
        for key in ("frames", "voxels"):
            x, y, slope, start = straight_line(rows[f"seconds by {key}"])
            cells += [", ".join(f"{one:.2f}" for one in y), f"{100 * abs(y - start - slope * x).max() / y.max():.0f} %"]
        print(f"| {name} | {' | '.join(cells)} |")


def _times(what: str) -> str:
    return what.replace(" x ", " × ")


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


def _ratios(models: dict[str, dict], syn_rows: dict[str, dict]) -> dict:
    return {
        name: {
            what: {unit: round(syn_rows[what][unit] / row[unit], 1) for unit in ("seconds", "processor")}
            for what, row in rows.items()
            if "seconds" in row and "seconds" in syn_rows[what]
        }
        for name, rows in models.items()
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
