#!/usr/bin/env python3
"""Speed and memory of agents: 200 steps in 3-D and in 2-D without a stop, and where the time goes.

Each measurement has a process of its own.  The seconds are wall-clock medians of the walk, as a user waits for it, beside those
of the processor; what other programs do at the same time lengthens the former.  Without a bundle, networks of the thesis's size
with random weights walk: what a step costs does not depend on where it leads.  Prints a table, and JSON into the output folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from process_measures import peak_memory

RANDOM = {
    "thesis's network, 3-D, 48 x 64 x 48": ((48, 64, 48), (1.0, 1.0, 1.0), 25),
    "thesis's network, 2-D, 96 x 96": ((96, 96), (1.6, 1.6), 15),
}
"""Grid, its spacing, and modes of agents with random weights."""

BUNDLED = "hippocampus-agent;cardiac-slice-agent"
TARGET = {3: 6.0, 2: 1.0}
"""Seconds that 200 steps may take on two threads, by dimension."""

BEFORE = ("checking", "alignment", "preparing", "translation", "structures")
"""What a registration does before the first step."""

PARTS = ("network", "warp", "similarity")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--models", default=BUNDLED, help="names or folders, with semicolons; missing ones are left out"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--starts", default="1,4", help="how many walks at once, with commas")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", default="training/benchmarks", help="folder for agent.json")
    parser.add_argument("--document", default="", help="a page whose part 'benchmark', between marks, is replaced")
    return parser


def main(words: list[str]) -> int:
    """Measure everything, print a table, write JSON."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Reproduction"))
    from pages import processor, show

    from DeformationLib.errors import InputError
    from DeformationLib.files import make_folder, write_json

    arguments = build_parser().parse_args(words)
    report: dict = {
        "date": datetime.date.today().isoformat(),
        "machine": processor(),
        "threads": arguments.threads,
        "steps": arguments.steps,
        "command": shlex.join(["benchmark_agent.py", *words]),
        "agents": {},
    }
    for name in [*filter(None, arguments.models.split(";")), *RANDOM]:
        for starts in map(int, arguments.starts.split(",")):
            title = f"{name}, {starts} start{'s' * (starts > 1)}"
            try:
                found = apart(walk, name, arguments.steps, starts, arguments.threads, arguments.repeats)
            except InputError as error:
                print(f"left out: {error}", file=sys.stderr, flush=True)
                continue
            report["agents"][title] = found
            print(f"{title}: {json.dumps(found)}", file=sys.stderr, flush=True)
    folder = make_folder(arguments.output)
    write_json(report, folder / "agent.json")
    try:
        show(lambda: print_report(report), "benchmark", folder, arguments.document)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def apart(function: Callable, *given) -> dict:
    """What a function returns from a process of its own, whose memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def walk(name: str, steps: int, starts: int, threads: int, repeats: int) -> dict:
    """Seconds of walks, of the whole registration, of the parts of a step, and memory."""
    import torch

    from AgentRegistrationLib.agent_walk import walk_options

    torch.set_num_threads(threads)
    model = load(name)
    images = phantoms(model.grid)
    options = walk_options(model.options, steps=steps, starts=starts, window=0)
    before = peak_memory()
    rows: list[dict[str, float]] = []
    for _ in range(repeats + 1):  # the first one does not count
        registration = model.begin(*images, options=options)
        clock = time.perf_counter(), time.process_time()
        registration.run()
        row = {"walk": time.perf_counter() - clock[0], "processor": time.process_time() - clock[1]}
        start = time.perf_counter()
        registration.result()
        prepared = sum(registration.watch.seconds.get(step, 0.0) for step in BEFORE)
        row |= {"before": prepared, "after": time.perf_counter() - start}
        with timed(registration) as parts:
            again = model.agent.begin(registration.pair, options)
            start = time.process_time()
            model.agent.run(again)
            whole = time.process_time() - start
        shares = {part: parts[part] / whole for part in PARTS}
        rows.append(row | shares | {"rest": 1 - sum(shares.values())})
    medians = {key: round(statistics.median(row[key] for row in rows[1:]), 4) for key in rows[0]}
    return medians | {
        "dimension": model.grid.dimension,
        "size": list(model.grid.size),
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "memory_MiB": round(peak_memory()),
        "memory_before_MiB": round(before),
    }


@contextmanager
def timed(registration):
    """Seconds of the processor, by part of a step, that walks of this registration's agent and pair spend meanwhile."""
    agent, pair = registration.agent, registration.pair
    spent = dict.fromkeys(PARTS, 0.0)

    def watched(part: str, work: Callable) -> Callable:
        def call(*given):
            start = time.process_time()
            result = work(*given)
            spent[part] += time.process_time() - start
            return result

        return call

    places = {"network": (agent.network, "forward"), "warp": (agent.space, "warp"), "similarity": (pair, "similarity")}
    for part, (owner, method) in places.items():
        setattr(owner, method, watched(part, getattr(owner, method)))
    try:
        yield spent
    finally:
        for owner, method in places.values():
            delattr(owner, method)


def load(name: str):
    """An agent by its name or folder, or one of the thesis's size with random weights."""
    import torch

    from AgentRegistrationLib.agent_model import AgentModel
    from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
    from AgentRegistrationLib.bspline_field import ControlLattice
    from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
    from DeformationLib.pair_grid import PairGrid

    if name not in RANDOM:
        return AgentModel.load(name, "cpu")
    size, spacing, modes = RANDOM[name]
    torch.manual_seed(0)
    lattice = ControlLattice.with_spacing(size, 12.0)
    controls = torch.randn(2 * modes, lattice.dimension, *lattice.shape)
    deformation = StatisticalDeformationModel.fit(controls, lattice, modes)
    card = {"name": name, "model": {}, "training": {}}
    network = AgentNetwork(AgentNetworkConfiguration(size, 2 * modes))
    return AgentModel(network, PairGrid(size, spacing, "image"), card, deformation)


def phantoms(grid) -> list:
    """Two images of the grid's dimension that fill it about."""
    if grid.dimension == 2:
        from DeformationLib.cardiac_phantoms import beating_heart

        size = (*grid.size[::-1], 1)
        return [beating_heart(seed, 2, size=size, spacing=(*grid.spacing[::-1], 10.0)).frames[0] for seed in (0, 1)]
    from DeformationLib.phantoms import two_part_phantom

    spacing = float(min(grid.spacing))
    return [two_part_phantom(seed, max(grid.size), spacing)[0] for seed in (0, 1)]


def print_report(report: dict) -> None:
    """A row for every agent and number of starts."""
    print(
        f"{report['date']}, {report['machine']}, {report['threads']} threads, {report['steps']} steps without a stop; "
        f"`{report['command']}`\n"
    )
    print(
        "| agent | walk (s) | target | processor (s) | before, after (s) | network | warp | similarity | choice, the rest | "
        "memory (MiB) | parameters |"
    )
    print("|:--|" + "--:|" * 10)
    for title, row in report["agents"].items():
        shares = " | ".join(f"{100 * row[part]:.0f} %" for part in (*PARTS, "rest"))
        target = f"{TARGET[row['dimension']]:g}" if title.endswith("1 start") else "–"
        print(
            f"| {title} | {row['walk']:.2f} | {target} | {row['processor']:.2f} | {row['before']:.2f}, {row['after']:.2f} | "
            f"{shares} | {row['memory_MiB']} | {row['parameters']:,} |"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
