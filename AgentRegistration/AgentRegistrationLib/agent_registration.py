"""One registration by an agent, from two images to the result: pre-alignment, walks, and what comes of them at any moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from DeformationLib.alignment import Alignment, InitialAlignment
from DeformationLib.errors import InputError
from DeformationLib.field_of_view import (
    ended_soon,
    faded,
    fading_margin,
    field_on_image,
    grown,
    inverse_warnings,
    reaches_beyond,
    with_zero_edge,
)
from DeformationLib.fields import invert
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.masks import voxels_around
from DeformationLib.pair_grid import PairGrid
from DeformationLib.pair_view import PairView, extent_warnings, look
from DeformationLib.preprocessing import NetworkInput, prepare, prepare_mask
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.registration import RegistrationResult

from .agent_walk import Agent, AgentWalk, WalkOptions
from .coarsening import finer_geometry, finer_grid
from .prealignment import best_translation
from .template import AnatomyTemplate
from .trajectory import State, write_trajectory

AgentAlignment = Literal["translation", "none", "centres", "mass", "rigid", "affine"]
"""What is done before the agent starts: the translation of the best correlation, or what other models do."""


@dataclass(eq=False)
class AgentResult(RegistrationResult):
    """A registration and the way that the agent went to it.

    trajectory  states from the start to the end
    """

    trajectory: Sequence[State] = field(default_factory=list)

    def write(
        self,
        folder: str | os.PathLike,
        fixed_labels: Image | None = None,
        moving_labels: Image | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Write the files that `RegistrationResult.write` lists, and the way.

        trajectory.csv  step by step, see `trajectory.write_trajectory`
        """
        paths = super().write(folder, fixed_labels, moving_labels, progress)
        return paths | {"trajectory": write_trajectory(self.trajectory, Path(folder) / "trajectory.csv")}


def look_for_agent(
    grid: PairGrid,
    fixed: Image,
    moving: Image,
    alignment: AgentAlignment = "translation",
    fixed_mask: Image | None = None,
    moving_mask: Image | None = None,
    template: AnatomyTemplate | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    watch: Stopwatch | None = None,
) -> PairView:
    """Check two images, align, and resample both to the network's grid; see `pair_view.look`.

    A translation starts from the centres of the images (or of the masks) and brings both images onto the template, or,
    without one, the moving image onto the fixed one. Raises `InputError` and `Cancelled`.
    """
    progress, watch = progress or Progress(), watch or Stopwatch()
    if alignment not in get_args(AgentAlignment):
        raise ValueError(f"The alignment is one of {get_args(AgentAlignment)}, not {alignment!r}.")
    rough: Alignment = "centres" if alignment == "translation" else alignment
    view = look(grid, fixed, moving, rough, fixed_mask, moving_mask, device, progress.part(0.0, 0.7), watch)
    if alignment != "translation":
        return view
    seen_f, seen_m = view.seen_f, view.seen_m
    if template is None:
        valid = within_mask(view, grid).cpu()
        shift = best_translation(seen_f.image.cpu(), seen_m.image.cpu(), valid, seen_m.mask.cpu())
    else:
        seen_f = _moved_by(_shift_onto(template, seen_f), seen_f, fixed, "The fixed image", grid, device)
        shift = _shift_onto(template, seen_m)
    progress.report(0.9)
    seen_m = _moved_by(shift, seen_m, moving, "The moving image", grid, device)
    watch.lap("translation")
    matrix = seen_m.geometry.ijk_to_lps @ seen_f.geometry.lps_to_ijk
    aligned = InitialAlignment(matrix, "translation", view.alignment.warnings)
    return replace(view, seen_f=seen_f, seen_m=seen_m, alignment=aligned)


def _shift_onto(template: AnatomyTemplate, seen: NetworkInput) -> Tensor:
    return template.shift_of(seen.image.cpu(), seen.mask.cpu())


def _moved_by(
    shift: Tensor, seen: NetworkInput, image: Image, name: str, grid: PairGrid, device: torch.device | str
) -> NetworkInput:
    """What the network sees of an image when its grid is moved by some voxels."""
    moved = prepare(image, grid, name, shifted(seen.geometry, shift.cpu().numpy()))
    return NetworkInput(moved.image.to(device), moved.mask.to(device), moved.geometry)


def shifted(grid: Geometry, shift: np.ndarray) -> Geometry:
    """A grid moved by ``shift`` of its own voxels, along k, j, i or, of a slice, j, i."""
    index = np.zeros(3)
    index[: len(shift)] = np.asarray(shift)[::-1]
    return replace(grid, origin=tuple(grid.index_to_physical(index)))


def within_mask(view: PairView, grid: PairGrid) -> torch.Tensor:
    """Where the similarity counts, ``(1, 1, *size)``: in the fixed image and, if there is one, in its mask.

    Raises `InputError` for a mask that lies where the network does not look.
    """
    seen = view.seen_f
    if view.fixed_mask is None:
        return seen.mask
    inside = prepare_mask(view.fixed_mask, grid, seen.geometry).to(seen.mask) * seen.mask
    if not inside.any():
        raise InputError("The fixed mask is empty where the agent looks: choose another mask.")
    return inside


def coarser(grid: Geometry, stride: int) -> Geometry:
    """Every ``stride``-th voxel of a grid along each axis, and one beyond where the last one would be left out."""
    size = tuple(-(-(length - 1) // stride) + 1 for length in grid.size)
    spacing = tuple(
        step if length == 1 else step * stride for step, length in zip(grid.spacing, grid.size, strict=True)
    )
    return replace(grid, size=size, spacing=spacing)


class AgentRegistration:
    """Two images, and an agent on its way between them; what `AgentModel.begin` returns.

    It can be driven step by step (`walk`: step, take, step_back, set_theta, q_values, similarity, amplitudes), or run to
    its end; `result` is ready at any moment.

    Attributes:
        view: the images as they were given and as the network sees them.
        walks: one per start; `walk` is the most similar one.
        seconds: what each step took.
    """

    def __init__(self, agent: Agent, grid: PairGrid, name: str, view: PairView, options: WalkOptions, watch: Stopwatch):
        self.agent, self.grid, self.name, self.view, self.watch = agent, grid, name, view, watch
        seen_f, seen_m = view.seen_f, view.seen_m
        found = self._found(view.fixed, seen_f, "The fixed image"), self._found(view.moving, seen_m, "The moving image")
        watch.lap("structures")
        self.pair = agent.look(seen_f.image, seen_m.image, within_mask(view, grid), found)
        self.walks = agent.begin(self.pair, options)
        self.walk = self.walks[0]

    @torch.inference_mode()
    def _found(self, image: Image, seen: NetworkInput, name: str) -> Tensor | None:
        """The structures in an image where the agent finds them on a finer grid than it walks on."""
        network, dimension = self.agent.network, self.grid.dimension
        fine = network.configuration.structure_fine
        if network.finder is None or fine == 1:
            return None
        finer = prepare(image, finer_grid(self.grid, fine), name, finer_geometry(seen.geometry, fine, dimension))
        return network.find(finer.image.to(seen.image.device))

    def run(self, steps: int | None = None, progress: Progress | None = None) -> AgentWalk:
        """Let all walks go on to their ends, or by so many steps; `walk` is the most similar one then."""
        self.watch.rest()
        self.walk = self.agent.run(self.walks, steps, progress)
        self.watch.lap("agent")
        return self.walk

    @torch.inference_mode()
    def displacement(self, image: Geometry | None = None, progress: Progress | None = None) -> Image:
        """The walk's displacement, LPS mm, on the fixed image's grid or another one."""
        seen_f, seen_m = self.view.seen_f, self.view.seen_m
        target = image or self.view.fixed.geometry
        return field_on_image(self.grid, self.walk.displacement, seen_f.geometry, seen_m.geometry, target, progress)

    @property
    def image(self) -> Image:
        """The moving image, which walks."""
        return self.view.moving

    def lead(self) -> AgentWalk:
        """Leave all walks but the most similar one: from here on somebody leads it. Returns it."""
        self.walks = [self.walk]
        return self.walk

    def resume(self, steps: int) -> None:
        """Let all walks take at most so many more steps from where they stand, also those that have ended."""
        for walk in self.walks:
            walk.resume(steps)

    @torch.inference_mode()
    def live_displacement(self, amplitudes: Sequence[float], stride: int = 1) -> Image:
        """Displacement under some parameters, LPS mm, on the network's grid: it costs the same for every image.

        In larger images it ends within a narrow margin. Safe in any thread.

        Args:
            amplitudes: of the first parameters, in standard deviations from their means; missing ones are zero.
            stride: only every so manieth voxel along each axis.
        """
        space, view, grid = self.agent.space, self.view, self.grid
        deviations = torch.zeros(len(space))
        deviations[: len(amplitudes)] = torch.as_tensor(list(amplitudes), dtype=torch.float32)
        theta = space.means.cpu() + deviations * space.deviations.cpu()
        field = space.displacement(theta[None].to(space.means)).float().cpu()
        start, end = view.seen_f.geometry, view.seen_m.geometry
        target = start
        if reaches_beyond(view.fixed.geometry, start) or reaches_beyond(view.moving.geometry, end):
            field, target = ended_soon(field, start, grid.dimension)
        return field_on_image(grid, field, start, end, coarser(target, stride))

    @torch.inference_mode()
    def result(self, progress: Progress | None = None) -> AgentResult:
        """The registration where the walk stands. Raises `Cancelled` through ``progress``."""
        view, walk, watch, grid = self.view, self.walk, self.watch, self.grid
        watch.rest()
        progress = progress or Progress()
        fixed, moving, seen_f, seen_m = view.fixed, view.moving, view.seen_f, view.seen_m
        field = walk.displacement.float().cpu()
        margin = 0
        if reaches_beyond(fixed.geometry, seen_f.geometry) or reaches_beyond(moving.geometry, seen_m.geometry):
            margin = fading_margin(field)
        whole = faded(field, margin)
        places = seen_f.geometry, seen_m.geometry
        displacement = field_on_image(grid, whole, *places, fixed.geometry, progress.part(0.0, 0.9))
        watch.lap("resampling")
        warnings = self._warnings()
        progress.report(1.0, "Registered")

        @torch.inference_mode()
        def invert_when_asked(result: RegistrationResult, progress: Progress) -> Image:
            watch = Stopwatch()
            progress.report(0.0, "Inverting")
            inverse = invert(whole, progress=progress)
            inverse = with_zero_edge(inverse) if margin else inverse
            result.warnings += inverse_warnings(whole, inverse, margin)
            image = field_on_image(grid, inverse, *places[::-1], moving.geometry, progress.part(0.5, 1.0))
            watch.lap("inverse")
            result.seconds |= watch.seconds
            return image

        return AgentResult(
            fixed,
            moving,
            displacement,
            invert_when_asked,
            model=self.name,
            seconds=dict(watch.seconds),
            warnings=warnings,
            similarity_before=self.pair.similarity(self.pair.moving),
            similarity_after=walk.similarity,
            similarity_name="correlation",
            alignment=view.alignment.kind,
            alignment_matrix=seen_m.geometry.ijk_to_lps @ seen_f.geometry.lps_to_ijk,
            deformed=voxels_around(fixed.geometry, grown(seen_f.geometry, margin, grid.dimension)),
            trajectory=tuple(walk.states),
        )

    def _warnings(self) -> list[str]:
        view = self.view
        warnings = list(view.alignment.warnings)
        for image, seen, role in ((view.fixed, view.seen_f, "fixed"), (view.moving, view.seen_m, "moving")):
            if (view.fixed_mask if role == "fixed" else view.moving_mask) is None:
                warnings += extent_warnings(self.grid, image, seen, role, self.name)
        if float(self.walk.amplitudes.abs().max()) > 3.0:
            warnings.append(
                f"The deformation is unlike those that the model {self.name} was trained on (a mode beyond three standard "
                "deviations): do not trust the result without a look at it."
            )
        if self.walk.similarity < self.pair.similarity(self.pair.moving):
            warnings.append(
                "The images correlate less after the registration than before it: look at the result, or choose another "
                "initial alignment."
            )
        return warnings
