#!/usr/bin/env python3
"""Speed and memory of risk prediction: one patient from cine to curve, extraction per case, training on 1000 cases.

Each measurement has a process of its own.  Times are wall-clock medians, as a user waits for them, with the seconds of the
processor beside them; what other programs do at the same time lengthens them.  Prints JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmark_motion import apart, heart, peak_memory

RANDOM = "random weights"
"""Stands for the fingerprint model where it is not installed: a network of its size; times do not depend on weights."""

FRAMES = 30
SIZES = {"100 x 95 x 6, as the training data": (100, 95, 6), "256 x 256 x 10, a whole study": (256, 256, 10)}
SPACING = (1.5, 1.5, 10.0)
COHORT = {"cases": 1000, "latent": 64, "slots": 25}
"""D * T = 1600."""

TARGETS = {"cine to curve, seconds": 3.0, "training, seconds": 60.0}
EXTRACTED = 12


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--motion-model", default="fingerprint", help=f"name or folder, or '{RANDOM}'")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--processes", default="1,2", help="numbers of processes that extract, with commas")
    parser.add_argument("--output", default="training/benchmarks", help="folder for risk.json and benchmark-risk.md")
    parser.add_argument("--document", default="", help="a page whose part 'benchmark-risk', between marks, is replaced")
    return parser


def main(words: list[str]) -> int:
    """Measure everything, print JSON and a table; 0, or 2 after one sentence about a page without the marks."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Reproduction"))
    from pages import processor, show

    from DeformationLib.errors import InputError

    arguments = build_parser().parse_args(words)
    threads, repeats = arguments.threads, arguments.repeats
    os.environ["OMP_NUM_THREADS"] = str(threads)
    report: dict = {
        "date": datetime.date.today().isoformat(),
        "machine": processor(),
        "threads": threads,
        "targets": TARGETS,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report["motion model"], model = apart(prepare, arguments.motion_model, str(folder))
        for title, size in SIZES.items():
            path = apart(write_cine, size, str(folder / f"{size[0]}" / "cine.nii.gz"), 0)
            report[f"cine to curve, {title}"] = apart(predict, model, str(folder / "risk"), path, threads, repeats)
        report["training, 1000 simulated cases of D * T = 1600"] = apart(train, threads)
        small = SIZES[next(iter(SIZES))]
        paths = [apart(write_cine, small, str(folder / f"{n}.nii.gz"), n) for n in range(2)]
        for count in map(int, arguments.processes.split(",")):
            report[f"extraction, {count} process(es)"] = apart(extraction, model, paths, count, threads)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "risk.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    try:
        show(lambda: print_table(report), "benchmark-risk", output, arguments.document)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def print_table(report: dict) -> None:
    """The report as Markdown."""
    print(f"{report['date']}, {report['machine']}, {report['threads']} threads, model {report['motion model']}.\n")
    print("| | seconds | of the processor | memory, MiB | target |\n|:--|--:|--:|--:|--:|")
    for title in SIZES:
        row = report[f"cine to curve, {title}"]
        steps = ", ".join(f"{name} {row[name]:.3f}" for name in ("reading", "fingerprint", "risk and curve"))
        memory = f"{row['memory_MiB']} (before: {row['memory_before_MiB']})"
        target = f"{TARGETS['cine to curve, seconds']:.0f} s"
        seconds, imports = f"{row['seconds']:.2f} | {row['processor']:.2f}", row["of which imports"]
        print(f"| cine to curve, {title}: {steps} | {seconds} | {memory} | {target} |")
        print(f"| the same in a new program, imports {imports} | {row['from nothing, seconds']} | | | |")
    name = "training, 1000 simulated cases of D * T = 1600"
    row, target = report[name], f"{TARGETS['training, seconds']:.0f} s"
    memory = f"{row['memory_MiB']} (before: {row['memory_before_MiB']})"
    print(f"| {name}, {row['members']} networks | {row['seconds']} | {row['processor']} | {memory} | {target} |")
    for name, row in report.items():
        if name.startswith("extraction, "):
            words = f"{name}: each of {row['cases']} cases"
            print(f"| {words} | {row['seconds per case']:.2f} | | {row['memory_MiB']} | |")


def prepare(name: str, folder: str) -> tuple[str, str]:
    """A risk model that belongs to the motion model; returns what the motion model is, and its folder or name."""
    from DeformationLib.catalogue import find_bundle
    from DeformationLib.errors import InputError
    from RiskPredictionLib.fingerprint_extraction import MotionFingerprints
    from RiskPredictionLib.risk_bundle import TrainedRisk
    from RiskPredictionLib.simulated_cohort import simulated_cohort
    from RiskPredictionLib.survival_model import FingerprintCox

    try:
        found, what = str(find_bundle(name)), name
    except InputError:
        found, what = random_bundle(folder), f"{RANDOM}, of the size of the fingerprint model"
    source = MotionFingerprints(found)
    latent, slots = source.model.latent, source.model.slots
    cohort = simulated_cohort(200, latent, slots)
    model = FingerprintCox(epochs=20).fit(cohort.flat_fingerprints(), cohort.time, cohort.event)
    trained = TrainedRisk.of(
        model, cohort.fingerprints, cohort.time, cohort.event, True, motion_model=source.name, slices=source.slices
    )
    trained.save(Path(folder) / "risk")
    return what, found


def random_bundle(folder: str) -> str:
    """The bundle of a network with random weights: 104 x 104 pixels of 1.6 mm, 25 slots, unit prior."""
    from DeformationLib.bundle import write_bundle
    from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration
    from MotionModelLib.motion_network import MotionNetwork, MotionNetworkConfiguration

    size, spacing = (104, 104), (1.6, 1.6)
    pair = VelocityNetworkConfiguration(size, spacing, latent=64, context=(16, 32, 32), smoothing=5.0)
    network = MotionNetwork(MotionNetworkConfiguration(pair, slots=25, prior="unit"))
    card = {
        "name": RANDOM,
        "purpose": "Measuring time.",
        "model": {
            "class": "MotionNetwork",
            "configuration": {**vars(network.configuration), "pair": dict(vars(network.configuration.pair))},
        },
        "grid": {"size": list(size), "axes": "ji", "spacing_mm": list(spacing), "frame": "image"},
        "sequence": {"slots": 25, "periodic": True},
        "training": {},
        "accuracy": {},
    }
    return str(write_bundle(Path(folder) / "motion", card, {"network": network.state_dict()}))


def write_cine(size: tuple[int, int, int], path: str, seed: int) -> str:
    """A phantom's series as a 4-D file of whole numbers; the heart beats in the middle of a larger image."""
    import numpy as np
    import SimpleITK as sitk

    frames = heart(size, FRAMES)
    generator = np.random.default_rng(seed)
    images = [
        image.with_array((4 * (image.array + generator.normal(size=image.array.shape))).astype(np.int16))
        for image in frames
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.JoinSeries([image.to_sitk() for image in images]), path, useCompression=True)
    return path


def predict(model: str, risk: str, path: str, threads: int, repeats: int) -> dict:
    """Seconds from a file to a prediction: with the models in memory, and from nothing, imports and loading included."""
    started = time.perf_counter()
    import torch

    torch.set_num_threads(threads)
    from RiskPredictionLib.extraction_cases import ExtractionCase
    from RiskPredictionLib.fingerprint_extraction import MotionFingerprints
    from RiskPredictionLib.patient import predict_patient
    from RiskPredictionLib.risk_bundle import TrainedRisk

    imported = time.perf_counter() - started
    source, trained = MotionFingerprints(model), TrainedRisk.load(risk)
    source.model  # noqa: B018  (loads it)
    loaded = time.perf_counter() - started
    before, steps = peak_memory(), []

    def once() -> float:
        start, worked = time.perf_counter(), time.process_time()
        frames, mask = ExtractionCase("patient", Path(path)).read()
        read = time.perf_counter()
        fingerprint = source.fingerprint(frames, mask)
        extracted = time.perf_counter()
        predict_patient(trained, fingerprint)
        end = time.perf_counter()
        steps.append((end - start, read - start, extracted - read, end - extracted, time.process_time() - worked))
        return end - start

    first = once()
    for _ in range(repeats):
        once()
    names = ("seconds", "reading", "fingerprint", "risk and curve", "processor")
    medians = (statistics.median(step[place] for step in steps[1:]) for place in range(len(names)))
    return {
        **{name: round(value, 3) for name, value in zip(names, medians)},
        "from nothing, seconds": round(loaded + first, 2),
        "of which imports": round(imported, 2),
        "memory_MiB": round(peak_memory()),
        "memory_before_MiB": round(before),
    }


def train(threads: int) -> dict:
    """Seconds of training the default ensemble, and memory."""
    import torch

    torch.set_num_threads(threads)
    from RiskPredictionLib.simulated_cohort import simulated_cohort
    from RiskPredictionLib.survival_model import FingerprintCox

    cohort, before = simulated_cohort(**COHORT), peak_memory()
    wall, processor = time.perf_counter(), time.process_time()
    model = FingerprintCox().fit(cohort.flat_fingerprints(), cohort.time, cohort.event)
    return {
        "seconds": round(time.perf_counter() - wall, 1),
        "processor": round(time.process_time() - processor, 1),
        "members": model.members,
        "held-out concordance": round(model.score_of_held_out(cohort.time, cohort.event), 3),
        "memory_MiB": round(peak_memory()),
        "memory_before_MiB": round(before),
    }


def extraction(model: str, paths: list[str], processes: int, threads: int) -> dict:
    """Seconds per case of a cohort, with the start of the processes."""
    import torch

    torch.set_num_threads(threads)
    from RiskPredictionLib.extraction_cases import ExtractionCase
    from RiskPredictionLib.fingerprint_extraction import extract

    cases = [ExtractionCase(f"case{n}", Path(paths[n % len(paths)])) for n in range(EXTRACTED)]
    start = time.perf_counter()
    found = extract(cases, model, processes)
    seconds = time.perf_counter() - start
    return {
        "cases": len(found.fingerprints),
        "seconds per case": round(seconds / EXTRACTED, 3),
        "memory_MiB": round(peak_memory()),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
