"""Table 3.1: what agents and classical methods reach on the same pairs, from the same translation, in one run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from agent_data import Anatomy, Pair, name_of
from agent_peers import peers, registered_once
from agent_scores import comparison, measure, print_compared, summary, values

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_walk import WalkOptions, walk_options
from LatentRegistrationLib.figures import COLOURS, new_figure

TRANSLATION, FREE, FUZZY, GREEDY, STARTS, BUNDLED = (
    "translation only",
    "agent, no fuzzy control",
    "agent",
    "agent, greedy",
    "agent, 4 starts",
    "agent, as its card recommends",
)

THESIS = {
    "2-D": {
        TRANSLATION: ((0.76, 0.78, 0.10), (11.6, 11.7, 4.3)),
        "B-spline, 16 voxels": ((0.74, 0.79, 0.15), (15.2, 13.2, 6.8)),
        "B-spline, 8 voxels": ((0.77, 0.81, 0.13), (14.5, 13.0, 6.7)),
        FUZZY: ((0.87, 0.88, 0.05), (7.7, 7.2, 2.5)),
    },
    "3-D": {
        TRANSLATION: ((0.62, 0.61, 0.11), (16.1, 15.2, 3.9)),
        "B-spline, 16 voxels": ((0.63, 0.71, 0.22), (21.2, 18.0, 10.7)),
        "B-spline, 8 voxels": ((0.64, 0.70, 0.20), (25.3, 21.7, 10.9)),
        "demons": ((0.67, 0.67, 0.11), (15.9, 15.8, 3.9)),
        FUZZY: ((0.75, 0.76, 0.06), (11.8, 11.2, 2.9)),
    },
}
"""Dice and Hausdorff distance (mm), each mean, median and standard deviation over 56 pairs of prostates; elastix's B-splines,
LCC demons.  Without fuzzy control the thesis has figures from a perfect rigid alignment alone: median Dice .79 against .81."""


def as_in_the_thesis(**changes) -> WalkOptions:
    """200 steps from one start, one of the three best actions at random, fuzzy control; ended by an oscillation."""
    return walk_options(**({"steps": 200, "starts": 1, "tightness": 1.5, "seed": 0} | changes))


def guided(**changes) -> WalkOptions:
    """Greedy, with steps that shrink: what goes best with the overlap of found structures."""
    return as_in_the_thesis(**({"greedy": True, "shrinks": 2} | changes))


def main_variants(model: AgentModel) -> dict[str, WalkOptions]:
    """The agents of the table."""
    return {
        FREE: as_in_the_thesis(tightness=0.0),
        FUZZY: as_in_the_thesis(),
        GREEDY: as_in_the_thesis(greedy=True),
        STARTS: as_in_the_thesis(starts=4),
        BUNDLED: model.options,
    }


def further_variants() -> dict[str, WalkOptions]:
    """What the thesis leaves open and needs no other training."""
    return {
        "as in the thesis": as_in_the_thesis(),
        "all 200 steps": as_in_the_thesis(window=0),
        "not settled": as_in_the_thesis(settle=False),
        "steps halved once": as_in_the_thesis(shrinks=1),
        "steps halved twice": as_in_the_thesis(shrinks=2),
        "greedy, steps halved once": as_in_the_thesis(greedy=True, shrinks=1),
        "best action only": as_in_the_thesis(probabilities=(1.0,)),
        "probabilities 0.6, 0.3, 0.1": as_in_the_thesis(probabilities=(0.6, 0.3, 0.1)),
        "k = 1": as_in_the_thesis(tightness=1.0),
        "k = 2": as_in_the_thesis(tightness=2.0),
        "4 starts": as_in_the_thesis(starts=4),
        "4 starts, near": as_in_the_thesis(starts=4, spread=0.25),
        "4 starts, steps halved once": as_in_the_thesis(starts=4, shrinks=1),
        "overlap, weight 100": as_in_the_thesis(overlap=100.0),
        **{
            f"greedy, halved twice, overlap {weight}": guided(overlap=float(weight))
            for weight in (0, 30, 100, 300, 1000)
        },
        "greedy, halved twice, overlap 100, no fuzzy control": guided(overlap=100.0, tightness=0.0),
    }


def walked(
    anatomy: Anatomy, model: AgentModel, variants: Mapping[str, WalkOptions], pairs: Sequence[Pair]
) -> dict[str, list[dict]]:
    """Rows of measures by variant, one per pair; seconds are the processor's, of the walk alone."""
    table: dict[str, list[dict]] = {title: [] for title in variants}
    for pair in pairs:
        for title, options in variants.items():
            registration = model.begin(pair[0].image, pair[1].image, options=options)
            start = time.process_time()
            walk = registration.run()
            seconds = time.process_time() - start
            row = {"pair": name_of(pair), **measure(anatomy, pair, registration.displacement()), "seconds": seconds}
            table[title].append(row | {"steps": walk.taken, "similarity": walk.similarity})
    for title, rows in table.items():
        say(anatomy, title, rows)
    return table


def classical(anatomy: Anatomy, model: AgentModel, pairs: Sequence[Pair], folder: str | Path) -> dict[str, list[dict]]:
    """Rows of the translation alone and of the classical methods, from the agent's translation."""
    table: dict[str, list[dict]] = {title: [] for title in (TRANSLATION, *peers())}
    translate = anatomy.translator(model)
    for pair in pairs:
        matrix = translate(pair)
        seen = anatomy.seen(pair, matrix)
        none = np.zeros((len(anatomy.grid.size), *anatomy.grid.size), np.float32)
        for title in table:
            displacement, seconds = none, float("nan")
            if title != TRANSLATION:
                found = registered_once(anatomy, pair, matrix, title, folder)
                displacement, seconds = found.displacement, found.seconds
            image = seen.on_image(displacement, pair[0].image)
            table[title].append({"pair": name_of(pair), **measure(anatomy, pair, image), "seconds": seconds})
    for title, rows in table.items():
        say(anatomy, title, rows)
    return table


def say(anatomy: Anatomy, title: str, rows: Sequence[dict]) -> None:
    """A line while it goes on."""
    found = values(rows, "dice")
    print(f"{anatomy.name} {title:32s} Dice {np.mean(found):.3f}, median {np.median(found):.3f}", flush=True)


def print_table(anatomy: Anatomy, table: Mapping[str, list[dict]]) -> None:
    """Mean, median and standard deviation over the pairs, beside the thesis's; then the structures."""
    known = THESIS[anatomy.name]
    print(f"\n{anatomy.title}, {len(next(iter(table.values())))} pairs:\n")
    print(
        "| method | Dice mean | median | SD | thesis, prostate | HD mean (mm) | median | SD | thesis, prostate | "
        "HD95 mean (mm) | median | SD | folds (%) | steps | seconds |"
    )
    print("|:--|" + "--:|" * 14)
    for title, rows in table.items():
        thesis = [" / ".join(f"{value:g}" for value in part) for part in known.get(title, ())] or ["–", "–"]
        steps = f"{values(rows, 'steps').mean():.0f}" if "steps" in rows[0] else "–"
        seconds = np.nan_to_num(values(rows, "seconds").mean(), nan=-1)
        print(
            f"| {title} | {summary(values(rows, 'dice'), 3)} | {thesis[0]} | {summary(values(rows, 'hausdorff'), 1)} | "
            f"{thesis[1]} | {summary(values(rows, 'hd95'), 1)} | {values(rows, 'folding').mean():.3f} | {steps} | "
            f"{f'{seconds:.2f}' if seconds >= 0 else '–'} |"
        )
    print("\n| Dice, median | " + " | ".join(anatomy.structures.values()) + " |")
    print("|:--|" + "--:|" * len(anatomy.structures))
    for title, rows in table.items():
        medians = (np.nanmedian(values(rows, f"dice {name}")) for name in anatomy.structures.values())
        print(f"| {title} | " + " | ".join(f"{value:.3f}" for value in medians) + " |")
    print()
    for ours, others in ((BUNDLED, (*peers(), FUZZY)), (FUZZY, (*peers(), FREE))):
        print(f"\nDice of *{ours}*, pair by pair:\n")
        for other in others:
            found = comparison(table[ours], table[other])
            print(
                f"- above that of *{other}* in {found['wins']} of {found['pairs']} pairs, by {found['median']:+.3f} in the "
                f"median (Wilcoxon, p = {found['p']:.2g})"
            )


def print_options(anatomy: Anatomy, table: Mapping[str, list[dict]]) -> None:
    """What each choice gives, and its difference to the first row pair by pair."""
    first = next(iter(table.values()))
    print(f"\n{anatomy.title}, {len(first)} pairs:\n")
    lines = ((title, rows, first) for title, rows in table.items())
    print_compared(lines, "agent", "the first row", ("hd95", "steps", "seconds"))


def plot_table(found: Mapping[str, Mapping[str, list[dict]]], titles: Mapping[str, str], path: Path) -> None:
    """The pairs' Dice by method: middle half, median and range."""
    with new_figure(path, 6.2 * len(found), 4.4) as figure:
        panels = figure.subplots(1, len(found), squeeze=False)[0]
        for axes, (name, table) in zip(panels, found.items(), strict=True):
            columns = [values(rows, "dice") for rows in table.values()]
            boxes = axes.boxplot(columns, orientation="horizontal", widths=0.6, patch_artist=True)
            for title, box, middle in zip(table, boxes["boxes"], boxes["medians"], strict=True):
                ours = title.startswith("agent")
                box.set(facecolor="#9fc5e0" if ours else "#e6e6e6", edgecolor=COLOURS[0] if ours else "0.4")
                middle.set(color=COLOURS[1], linewidth=2)
            axes.set_yticks(range(1, len(table) + 1), list(table))
            axes.invert_yaxis()
            axes.set(xlabel="Dice, mean over structures", title=titles[name])
            axes.grid(axis="x", color="0.9")
            axes.set_axisbelow(True)
