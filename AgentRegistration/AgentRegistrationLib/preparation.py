"""The first stage of training an agent: template, ground truth between subjects, deformation model. Trains nothing.

``python -m AgentRegistrationLib.preparation --images images --labels labels --output folder`` does it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from DeformationLib.cases import CaseSet
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.fields import warp
from DeformationLib.files import make_folder, write_json
from DeformationLib.metrics import dice
from DeformationLib.progress import Progress, console_progress

from .bspline_field import BSplineField, ControlLattice
from .deformation_model import StatisticalDeformationModel
from .ground_truth import GuidedRegistration, choose_pairs, ground_truth
from .structure_region import structure_region
from .template import AnatomyTemplate, aligned_cases

MODEL, SUMMARY, CACHE = "deformation_model.npz", "ground_truth.json", "ground_truth"


@dataclass(frozen=True)
class PreparationSettings:
    """What is prepared.

    Attributes:
        pairs: at most so many ordered pairs of subjects.
        spacing: of the control points, voxels.
        modes: of the deformation model; 0 for 25 in 3-D, 15 in 2-D.
        least_overlap: mean Dice that a pair's ground truth must reach to be used.
        workers: processes.
        seed: of the choice of pairs.
        registration: of the ground truth; None for `default_registration`.
    """

    pairs: int = 300
    spacing: float = 12.0
    modes: int = 0
    least_overlap: float = 0.75
    workers: int = 1
    seed: int = 0
    registration: GuidedRegistration | None = None


@dataclass(frozen=True)
class Deformations:
    """Ground truth between subjects, and the model of it.

    Attributes:
        pairs: indices (fixed, moving) of the ground truth that is used.
        controls: control points ``(n, D, *lattice)`` of those pairs.
        overlap: mean Dice ``(n,)`` that they reach.
        model: of the deformations.
        left_out: how many pairs were registered, but not well enough.
        region: that the model was fitted to, see `structure_region`.
    """

    pairs: list[tuple[int, int]]
    controls: np.ndarray
    overlap: np.ndarray
    model: StatisticalDeformationModel
    left_out: int
    region: Tensor | None = None


@dataclass(frozen=True)
class Preparation:
    """What a training starts from.

    Attributes:
        template: that cases are aligned to.
        cases: the training subjects, aligned.
        deformations: between them.
    """

    template: AnatomyTemplate
    cases: CaseSet
    deformations: Deformations


def default_registration(dimension: int) -> GuidedRegistration:
    """Settings that were tried: hearts lie further apart than volumes around one structure, and start more coarsely."""
    if dimension == 3:
        return GuidedRegistration(sampling=0.15)
    return GuidedRegistration(margin=8, smoothing=(4.0, 2.0, 0.7))


def prepare(
    cases: CaseSet,
    folder: str | os.PathLike,
    settings: PreparationSettings | None = None,
    progress: Progress | None = None,
) -> Preparation:
    """Align subjects to their template and do the work of `fit_deformations`, whose arguments and errors it shares."""
    progress = progress or Progress()
    _check(cases, settings or PreparationSettings())
    template = AnatomyTemplate.of_cases(cases)
    aligned, _ = aligned_cases(cases, template, progress.part(0.0, 0.1))
    return Preparation(template, aligned, fit_deformations(aligned, folder, settings, progress.part(0.1, 1.0)))


def fit_deformations(
    cases: CaseSet,
    folder: str | os.PathLike,
    settings: PreparationSettings | None = None,
    progress: Progress | None = None,
) -> Deformations:
    """Register pairs of subjects (or read them from the cache) and fit the deformation model.

    Writes into ``folder``: ``ground_truth/`` (a file per pair), ``deformation_model.npz``, ``ground_truth.json`` (the
    pairs and what they reach).  Called again, it registers only what is missing.

    Args:
        cases: training subjects with label maps, on the agent's grid, aligned to the template.
        folder: of the training.
        settings: by default those of the cases' dimension.
        progress: reports and cancels.

    Raises:
        InputError: for cases without labels or structures, fewer than two, and more modes than pairs.
        Cancelled: through ``progress``.
    """
    progress, folder = progress or Progress(), make_folder(folder)
    settings = settings or PreparationSettings()
    modes, chosen = _check(cases, settings)
    lattice = ControlLattice.with_spacing(cases.images.shape[2:], settings.spacing)
    registration = settings.registration or default_registration(lattice.dimension)
    controls = ground_truth(
        cases, chosen, lattice, folder / CACHE, registration, settings.workers, progress.part(0.0, 0.95)
    )
    overlap = pair_overlap(cases, chosen, torch.from_numpy(controls), lattice)
    good = overlap >= settings.least_overlap
    if good.sum() < modes:
        raise InputError(
            f"Only {int(good.sum())} of {len(chosen)} pairs were registered well enough for {modes} modes of "
            "deformation: check that images and label maps belong together, or ask for fewer modes."
        )
    region = structure_region(cases)
    model = StatisticalDeformationModel.fit(controls[good], lattice, modes, region)
    model.save(folder / MODEL)
    pairs = [pair for pair, kept in zip(chosen, good, strict=True) if kept]
    _write_summary(folder / SUMMARY, cases, chosen, overlap, settings, lattice, model)
    progress.report(1.0, f"{len(pairs)} deformations, {modes} modes")
    return Deformations(pairs, controls[good], overlap[good], model, int((~good).sum()), region)


def _check(cases: CaseSet, settings: PreparationSettings) -> tuple[int, list[tuple[int, int]]]:
    """The number of modes and the pairs to register; raises `InputError` where they cannot be, before any work."""
    if not cases.label_values:
        raise InputError("The ground truth of an agent needs label maps of the training images: give their folder.")
    modes = settings.modes or (25 if cases.images.ndim == 5 else 15)
    every = choose_pairs(len(cases), len(cases) * (len(cases) - 1), settings.seed)
    chosen = _alike(cases, every)[: settings.pairs]
    if len(chosen) < modes:
        raise InputError(
            f"{modes} modes of deformation need at least as many pairs of subjects, but {len(cases)} subjects give "
            f"{len(chosen)}: train on more subjects and pairs, or ask for fewer modes."
        )
    return modes, chosen


def pair_overlap(
    cases: CaseSet, pairs: Sequence[tuple[int, int]], controls: Tensor, lattice: ControlLattice
) -> np.ndarray:
    """Mean Dice ``(n,)`` over structures of the pairs' label maps, the moving one deformed by control points."""
    spline, result = BSplineField(lattice), []
    for (fixed, moving), control in zip(pairs, controls, strict=True):
        wanted = _label_map(cases.batch([fixed])[1])
        found = _label_map(warp(cases.batch([moving])[1], spline(control[None].float()), padding="zeros"))
        result.append(np.mean(list(dice(wanted, found).values()) or [0.0]))
    return np.asarray(result)


def _label_map(indicators: Tensor) -> np.ndarray:
    """The channel, from 1, that is the largest where the background, 0, is not."""
    background = 1 - indicators.sum(dim=1, keepdim=True)
    return torch.cat([background, indicators], dim=1).argmax(dim=1)[0].numpy()


def _alike(cases: CaseSet, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs whose subjects show the same structures: what the other lacks has nowhere to go."""
    present = (cases.labels.flatten(2).amax(dim=2) > 127).tolist()
    return [(fixed, moving) for fixed, moving in pairs if present[fixed] == present[moving]]


def _write_summary(
    path: Path,
    cases: CaseSet,
    pairs: list[tuple[int, int]],
    overlap: np.ndarray,
    settings: PreparationSettings,
    lattice: ControlLattice,
    model: StatisticalDeformationModel,
) -> None:
    write_json(
        {
            "settings": asdict(settings),
            "lattice": asdict(lattice),
            "explained_variance": model.explained,
            "median_dice": float(np.median(overlap)),
            "pairs": [
                {"fixed": cases.names[f], "moving": cases.names[m], "dice": round(float(value), 4)}
                for (f, m), value in zip(pairs, overlap, strict=True)
            ],
        },
        path,
    )


def build_parser() -> argparse.ArgumentParser:
    """Options of this stage alone."""
    parser = argparse.ArgumentParser(prog="python -m AgentRegistrationLib.preparation", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", default="", help="folder of volumes; needs --labels")
    source.add_argument("--series", default="", help="folder or table of cine series: their middle slices are taken")
    parser.add_argument("--labels", default="", help="folder of label maps with the images' names")
    parser.add_argument(
        "--validation-rule", default="10:1", help="N:R leaves out every N-th case from the R-th; or none"
    )
    parser.add_argument("--output", required=True)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--control-spacing", type=float, default=12.0, help="distance of control points, voxels")
    parser.add_argument("--modes", type=int, default=0, help="0 for 25 in 3-D, 15 in 2-D")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Prepare from the command line; 0, or 2 for what was refused, 1 for cancelled."""
    from DeformationLib.case_files import split_cases

    from .agent_cases import chosen_cases, load_heart_slices, load_volumes

    arguments = build_parser().parse_args(words)
    progress = console_progress("Preparing")
    try:
        if arguments.series:
            cases = load_heart_slices(arguments.series, progress=progress.part(0.0, 0.1))
        else:
            cases = load_volumes(arguments.images, arguments.labels or None, progress=progress.part(0.0, 0.1))
        training, _ = split_cases(cases.names, arguments.validation_rule)
        settings = PreparationSettings(
            arguments.pairs,
            arguments.control_spacing,
            arguments.modes,
            workers=arguments.workers,
            seed=arguments.seed,
        )
        made = prepare(chosen_cases(cases, training), arguments.output, settings, progress.part(0.1, 1.0)).deformations
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("Stopped; what was registered is kept.", file=sys.stderr)
        return 1
    print(
        json.dumps({"pairs": len(made.pairs), "left out": made.left_out, "median Dice": float(np.median(made.overlap))})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
