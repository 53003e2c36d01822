"""What a motion model cannot judge well in a sequence, in sentences for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, inside_mask
from DeformationLib.pair_grid import PairGrid
from DeformationLib.pair_view import extent_warnings
from DeformationLib.preprocessing import NetworkInput

from .appearance import appearance_of, appearance_warnings
from .motion_cases import tensor_on_grid
from .sequence_time import Run
from .sequence_view import SequenceView


def sequence_warnings(view: SequenceView, runs: Sequence[Run], card: Mapping[str, Any], placed: bool) -> list[str]:
    """Of a sequence that is tracked.

    Args:
        view: of the sequence.
        runs: how the model goes through it.
        card: of the model.
        placed: whether a mask said where the model looks, so that the size of the images does not matter.
    """
    name = card["name"]
    warnings = []
    for run in runs[:1] if runs and runs[0].skipped >= runs[-1].skipped else runs[-1:]:
        if run.skipped:
            warnings.append(
                f"The sequence has {len(run.frames) + 1} frames, more than the {run.slot_count + 1} that the model {name} "
                f"takes: it saw {len(run.shown) + 1} of them, evenly chosen, and the motion of the others lies between."
            )
    if not placed:
        warnings += place_warnings(view.grid, view.frames[view.reference], view.place, name)
    numbers = sorted(view.images)
    appearance = appearance_of(view.of(numbers), view.inside, numbers.index(view.reference))
    return warnings + appearance_warnings(appearance, card)


def image_warnings(
    image: Image, moving: Tensor, grid: PairGrid, place: Geometry, card: Mapping[str, Any], placed: bool
) -> list[str]:
    """Of one image, which ``moving`` shows as the network sees it; arguments as in `sequence_warnings`."""
    warnings = [] if placed else place_warnings(grid, image, place, card["name"])
    inside = tensor_on_grid(inside_mask(image.geometry, place), grid)
    return warnings + appearance_warnings(appearance_of(moving[None], inside), card)


def place_warnings(grid: PairGrid, image: Image, place: Geometry, name: str) -> list[str]:
    """Of the reference image's voxels and extent, far from what a model was trained on."""
    return extent_warnings(grid, image, NetworkInput(torch.empty(0), torch.empty(0), place), "reference", name)
