#!/usr/bin/env python3
"""Speed and memory of the probabilistic model: one registration of a 128 x 128 x 32 pair, and one training step.

The training step is compared with the same step whose local correlation is written naively, with a full three-dimensional
convolution for every local mean.  Timings are medians; what other programs do at the same time lengthens them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import platform
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from unittest import mock

import torch
from process_measures import median_seconds, peak_memory
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.devices import has_fast_bfloat16
from DeformationLib.pair_grid import PairGrid
from LatentRegistrationLib import velocity_objective
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.velocity_network import VelocityNetwork, VelocityNetworkConfiguration
from LatentRegistrationLib.velocity_objective import VelocityObjective

THESIS = VelocityNetworkConfiguration((32, 128, 128), (3.15, 1.5, 1.5))
"""Grid and network of the thesis."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--model", default="", help="a model to time besides one of the thesis's size with random weights"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    return parser


def main(words: list[str]) -> int:
    """Measure everything, each part in a process of its own, and print JSON."""
    arguments = build_parser().parse_args(words)
    report = {"date": datetime.date.today().isoformat(), "machine": platform.machine(), "threads": arguments.threads}
    parts: dict[str, tuple] = {"registration, thesis's size": (register, "", arguments.threads, arguments.repeats)}
    if arguments.model:
        parts["registration, " + arguments.model] = (register, arguments.model, arguments.threads, arguments.repeats)
    parts["training step"] = (training_step, arguments.threads, arguments.repeats)
    context = multiprocessing.get_context("spawn")
    for title, (function, *given) in parts.items():
        with ProcessPoolExecutor(1, context) as pool:
            report[title] = pool.submit(function, *given).result()
    print(json.dumps(report, indent=2))
    return 0


def register(name: str, threads: int, repeats: int) -> dict[str, float]:
    """One pair of 128 x 128 x 32 voxels of 1.5 x 1.5 x 3.15 mm."""
    torch.set_num_threads(threads)
    if name:
        model = ProbabilisticModel.load(name, "cpu")
    else:
        grid = PairGrid(THESIS.size, THESIS.spacing, "image")
        model = ProbabilisticModel(VelocityNetwork(THESIS), grid, {"name": "random weights"})
    heart = beating_heart(0, 2, size=(128, 128, 32), spacing=(1.5, 1.5, 3.15))
    fixed, moving = heart.frames[heart.es_frame], heart.frames[0]
    steps: list[dict[str, float]] = []

    def once() -> None:
        steps.append(model.register(fixed, moving).seconds)

    seconds = median_seconds(once, repeats)
    return {
        "seconds": round(seconds, 3),
        **{step: round(statistics.median(row[step] for row in steps), 3) for step in steps[0]},
        "memory_MiB": round(peak_memory()),
    }


def training_step(threads: int, repeats: int) -> dict[str, float]:
    """One step of a batch of one on the thesis's grid: separable local means against full convolutions."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    objective = VelocityObjective(VelocityNetwork(THESIS))
    images = torch.rand(2, 1, *THESIS.size)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4)
    fast = has_fast_bfloat16(torch.device("cpu"))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            loss, _ = objective(images[:1], images[1:])
        loss.backward()
        optimizer.step()

    ours = median_seconds(step, repeats)
    loss = loss_of(objective, images)
    with mock.patch.object(velocity_objective, "box_filter", full_convolution):
        difference = abs(loss_of(objective, images) - loss)
        # As the literature's code has it: a window of 9 x 9 x 9 voxels at every scale.
        with mock.patch.object(velocity_objective, "window_in_voxels", lambda width, spacing: (width,) * len(spacing)):
            naive = median_seconds(step, max(1, repeats // 2))
    return {
        "seconds": round(ours, 3),
        "naive_seconds": round(naive, 3),
        "ratio": round(naive / ours, 2),
        "memory_MiB": round(peak_memory()),
        "difference_of_the_losses": difference,
    }


def loss_of(objective: VelocityObjective, images: Tensor) -> float:
    """The loss of the present weights, with the same draw every time."""
    with torch.no_grad():
        return float(objective(images[:1], images[1:], generator=torch.Generator().manual_seed(0))[0])


def full_convolution(image: Tensor, window: tuple[int, ...]) -> Tensor:
    """`filters.box_filter` written with one convolution over the whole window."""
    channels = image.shape[1]
    weight = torch.ones(channels, 1, *window, dtype=image.dtype)
    padding = [width // 2 for width in window]
    with torch.autocast("cpu", enabled=False):
        total = F.conv3d(image.float(), weight.float(), padding=padding, groups=channels)
        count = F.conv3d(torch.ones_like(image[:1, :1]).float(), weight[:1].float(), padding=padding)
        return total / count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
