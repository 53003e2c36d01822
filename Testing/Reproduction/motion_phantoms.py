"""Endpoint error in mm on phantoms whose motion is known at every point. All of it simulated."""

from __future__ import annotations

import time
from collections.abc import Mapping

import motion_methods
import numpy as np

from DeformationLib.cardiac_phantoms import POOL, BeatingHeart, beating_heart
from DeformationLib.image import Image
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.volume_curves import volume_curves

FRAMES = 24
SEEDS = range(1000, 1005)
"""Of the phantoms; no training draws these."""

PEERS = ("SyN", "demons")


def phantom(seed: int, planar: bool) -> BeatingHeart:
    """A heart of one slice for models of two dimensions, which know no motion across slices, or of seven."""
    return beating_heart(seed, FRAMES, size=(112, 112, 1 if planar else 7), spacing=(1.5, 1.5, 10.0))


def endpoint_errors(models: Mapping[str, MotionModel], peers: bool = True) -> dict[str, dict[str, float]]:
    """By method: mean errors in mm and of the ejection fraction in points, over the phantoms.

    ``end-systole`` and ``all frames`` are within the heart (its labels in each frame); ``everywhere`` is over the whole
    image at end-systole; ``ejection`` is the absolute error of the ejection fraction from the frames' true label maps.
    """
    table: dict[str, list[dict[str, float]]] = {}
    for planar in (True, False):
        kind = "slices" if planar else "volumes"
        chosen = {name: model for name, model in models.items() if (model.dimension == 2) == planar}
        for seed in SEEDS if chosen else ():
            heart = phantom(seed, planar)
            still = [image.with_array(np.zeros_like(image.array)) for image in heart.displacements]
            table.setdefault(f"unmoved, {kind}", []).append(_errors(heart, still))
            for peer in PEERS if peers else ():
                table.setdefault(f"{peer}, {kind}", []).append(_errors(heart, _peer(heart, f"{peer}, {kind}")))
            for name, model in chosen.items():
                motion = model.track(heart.frames, 0)
                found = [motion.displacement(number) for number in range(FRAMES)]
                table.setdefault(name, []).append(_errors(heart, found))
    return {name: {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for name, rows in table.items()}


def print_endpoint_errors(table: Mapping[str, Mapping[str, float]]) -> None:
    """A row per method."""
    print(f"\nEndpoint error (mm) on {len(SEEDS)} phantoms of {FRAMES} frames, simulated\n")
    print("| method | heart, end-systole | heart, all frames | whole image, end-systole | EF error (points) |")
    print("|:--|--:|--:|--:|--:|")
    for name, row in table.items():
        print(
            f"| {name} | {row['end-systole']:.2f} | {row['all frames']:.2f} | {row['everywhere']:.2f} | {row['ejection']:.1f} |"
        )
    print()


def _peer(heart: BeatingHeart, name: str) -> list[Image]:
    frames = np.stack([image.array for image in heart.frames])
    start = time.process_time()
    fields = motion_methods.methods()[name](frames, heart.frames[0].spacing, 0)
    print(f"{name:20s} {time.process_time() - start:6.1f} s", flush=True)
    return [heart.frames[0].with_array(field) for field in fields]


def _errors(heart: BeatingHeart, found: list[Image]) -> dict[str, float]:
    lengths = [
        np.linalg.norm(mine.array - truth.array, axis=-1)
        for mine, truth in zip(found, heart.displacements, strict=True)
    ]
    inside = [float(length[labels.array > 0].mean()) for length, labels in zip(lengths, heart.labels, strict=True)]
    curves = volume_curves(heart.labels[0], lambda number: found[number], len(found), wanted=[POOL])
    true = [np.count_nonzero(labels.array == POOL) for labels in heart.labels]
    ejected = 100 * (1 - true[heart.es_frame] / true[0])
    return {
        "end-systole": inside[heart.es_frame],
        "all frames": float(np.mean(inside[1:])),
        "everywhere": float(lengths[heart.es_frame].mean()),
        "ejection": abs(curves.ejection_fraction(POOL, 0, heart.es_frame) - ejected),
    }
