"""How a model sees two images: checked, aligned, on its grid; and what it cannot judge well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch

from .alignment import Alignment, InitialAlignment, initial_alignment
from .field_of_view import place_grids
from .image import Image, check_dimensions, check_intensities
from .masks import mask_on_grid
from .pair_grid import PairGrid
from .preprocessing import NetworkGrid, NetworkInput, prepare
from .progress import Progress, Stopwatch


@dataclass(frozen=True)
class PairView:
    """Two images, their masks on their grids, how they were aligned, and how the network sees them."""

    fixed: Image
    moving: Image
    fixed_mask: Image | None
    moving_mask: Image | None
    alignment: InitialAlignment
    seen_f: NetworkInput
    seen_m: NetworkInput


def look(
    grid: PairGrid | NetworkGrid,
    fixed: Image,
    moving: Image,
    alignment: Alignment = "none",
    fixed_mask: Image | None = None,
    moving_mask: Image | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    watch: Stopwatch | None = None,
) -> PairView:
    """Check images and masks, align, and resample both to a network's grid.

    Raises `InputError` for what cannot be used, see `RegistrationModel.register`; `Cancelled` through ``progress``.
    """
    progress, watch = progress or Progress(), watch or Stopwatch()
    if alignment not in get_args(Alignment):
        raise ValueError(f"The alignment is one of {get_args(Alignment)}, not {alignment!r}.")
    progress.report(0.0, "Checking the images")
    for image, name in ((fixed, "The fixed image"), (moving, "The moving image")):
        check_intensities(image, name)
        check_dimensions(image, grid.dimension, name)
    if fixed_mask is not None:
        fixed_mask = mask_on_grid(fixed_mask, fixed, "The fixed mask", "the fixed image", progress.part(0.0, 0.1))
    if moving_mask is not None:
        moving_mask = mask_on_grid(moving_mask, moving, "The moving mask", "the moving image", progress.part(0.1, 0.2))
    watch.lap("checking")
    aligned = initial_alignment(fixed, moving, alignment, fixed_mask, moving_mask, progress.part(0.2, 0.8))
    watch.lap("alignment")
    progress.report(0.8, "Preparing the images")
    placed = aligned
    if grid.frame == "image" and aligned.kind == "centres":
        # A grid around the moving image would follow that image's own axes, and the network see the turn between them.
        placed = replace(aligned, kind="mass")
    grid_f, grid_m = place_grids(grid, fixed, moving, placed, fixed_mask, moving_mask)
    seen = [
        prepare(image, grid, name, geometry, part)
        for image, name, geometry, part in (
            (fixed, "The fixed image", grid_f, progress.part(0.8, 0.9)),
            (moving, "The moving image", grid_m, progress.part(0.9, 1.0)),
        )
    ]
    seen_f, seen_m = (NetworkInput(part.image.to(device), part.mask.to(device), part.geometry) for part in seen)
    progress.report(1.0)
    watch.lap("preparing")
    return PairView(fixed, moving, fixed_mask, moving_mask, aligned, seen_f, seen_m)


def extent_warnings(grid: PairGrid, image: Image, seen: NetworkInput, role: str, model: str) -> list[str]:
    """Sentences about voxels far coarser, and a field of view far from, what a model was trained on."""
    warnings = []
    axes = np.asarray(seen.geometry.direction)
    used = slice(0, grid.dimension)
    step = np.abs(axes.T @ image.geometry.step).max(axis=1)[used]
    extent = (np.abs(axes.T @ image.geometry.step) @ image.geometry.size)[used]
    spacing = np.asarray(grid.spacing[::-1])
    seen_extent = np.asarray(grid.size[::-1]) * spacing
    if (step > 2.0 * spacing).any():
        warnings.append(
            f"The {role} image has voxels of {_by(step)} mm, far coarser than the {_by(spacing)} mm that the model "
            f"{model} was trained on."
        )
    if (extent > 1.15 * seen_extent).any():
        warnings.append(
            f"The {role} image is larger ({_by(extent)} mm) than what the model {model} sees ({_by(seen_extent)} mm): "
            "only that part is registered; choose a mask of the anatomy, or crop the image around it."
        )
    elif (extent < 0.5 * seen_extent).any():
        warnings.append(
            f"The {role} image is much smaller ({_by(extent)} mm) than what the model {model} was trained on "
            f"({_by(seen_extent)} mm)."
        )
    return warnings


def _by(values: np.ndarray) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
