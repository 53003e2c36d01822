"""How well an agent's deformation model describes deformations between subjects that it was not fitted to, and what the
approximations of its training pairs cost: the opposite amplitudes for the inverse, and the projection of compositions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from agent_data import Anatomy
from torch import Tensor

from AgentRegistrationLib.agent_pairs import composed_amplitudes, opposite_error
from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from AgentRegistrationLib.ground_truth import ground_truth
from AgentRegistrationLib.preparation import default_registration, pair_overlap
from AgentRegistrationLib.structure_region import structure_region
from AgentRegistrationLib.template import AnatomyTemplate, aligned_cases
from DeformationLib.case_files import validation_pairs
from DeformationLib.cases import CaseSet, label_dice
from DeformationLib.errors import InputError
from DeformationLib.fields import compose, invert, warp
from LatentRegistrationLib.figures import COLOURS, new_figure

COUNTS = (0, 1, 2, 3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100)
STRENGTH, BOUND = 0.5, 2.0
"""Of the deformations that vary the subjects of inter-subject pairs, as `PairGenerator` draws them."""


_EXACT = 0.002
"""Voxels, to which true inverses are true."""


@dataclass(frozen=True)
class Known:
    """Ground truth between subjects that validate.

    Attributes:
        cases: the subjects on the anatomy's grid, on the template of the training subjects.
        pairs: indices (fixed, moving).
        controls: control points ``(n, D, *lattice)``, voxels.
        lattice: that they are on, with the cells of a model.
        region: weights of the voxels, `structure_region` of the training subjects.
    """

    cases: CaseSet
    pairs: list[tuple[int, int]]
    controls: Tensor
    lattice: ControlLattice
    region: Tensor


def known_deformations(anatomy: Anatomy, cells: Sequence[int], folder: str | Path, most: int = 0) -> Known:
    """Registrations of validation pairs guided by their label maps, as those that a model is fitted to; kept in a folder."""
    training = anatomy.training()
    template = AnatomyTemplate.of_cases(training)
    cases, _ = aligned_cases(anatomy.validation(), template)
    pairs = validation_pairs(len(cases))[: most or None]
    lattice = ControlLattice(anatomy.grid.size, tuple(cells))
    settings = default_registration(lattice.dimension)
    controls = ground_truth(cases, pairs, lattice, Path(folder) / anatomy.name, settings)
    region = structure_region(aligned_cases(training, template)[0])
    return Known(cases, pairs, torch.from_numpy(controls), lattice, region)


def on_grid(model: StatisticalDeformationModel, size: Sequence[int]) -> StatisticalDeformationModel:
    """The same deformations in voxels of another grid of the same extent; raises `InputError` where none is."""
    factors = {there / here for here, there in zip(model.lattice.size, size, strict=True)}
    if len(factors) > 1:
        raise InputError(f"A model on {model.lattice.size} voxels does not describe deformations on {tuple(size)}.")
    factor = factors.pop()
    parts = {name: factor * getattr(model, name) for name in ("mean", "deviations", "typical", "largest")}
    return replace(model, lattice=ControlLattice(tuple(size), model.lattice.cells), **parts)


def reconstruction(anatomy: Anatomy, model: StatisticalDeformationModel, known: Known) -> dict:
    """What so many modes keep of deformations that the model was not fitted to.

    Returns ``counts``; ``error``, distance in mm by count, mean over pairs of the root mean square around the structures;
    ``dice`` by count and pair; and ``full``, Dice of the ground truth itself.
    """
    model = on_grid(model, known.lattice.size)
    counts = [count for count in COUNTS if count < model.count] + [model.count]
    theta = model.project(known.controls)
    errors, overlap = [], []
    for count in counts:
        kept = torch.zeros_like(theta)
        kept[:, :count] = theta[:, :count]
        reached = model.reconstruct(kept)
        overlap.append(pair_overlap(known.cases, known.pairs, reached, known.lattice))
        missing = [root_mean_square(_dense(model, part), known.region) for part in (known.controls - reached).split(1)]
        errors.append(np.mean(missing) * _millimetres(anatomy))
    return {
        "counts": counts,
        "error": errors,
        "dice": np.asarray(overlap).tolist(),
        "full": pair_overlap(known.cases, known.pairs, known.controls, known.lattice).tolist(),
        "explained": float(model.explained.sum()),
    }


def approximations(anatomy: Anatomy, model: StatisticalDeformationModel, known: Known, seed: int = 0) -> dict:
    """What inter-subject pairs lose to approximations, on validation pairs with one random deformation of either subject.

    Returns Dice by pair of the fixed subject against the moving one under the ``exact`` composition (with the true inverse),
    the ``opposite`` one, and its ``projected`` amplitudes; and ``inverse``, the error of the opposite amplitudes as an
    inverse (mm, root mean square) by the strength of random deformations, beside their ``length``.
    """
    model = on_grid(model, known.lattice.size)
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list] = {"before": [], "exact": [], "opposite": [], "projected": [], "distance": []}
    for (fixed, moving), control in zip(known.pairs, known.controls, strict=True):
        of_moving, of_fixed = (model.sample(1, generator, BOUND, STRENGTH) for _ in range(2))
        between, first, second = _dense(model, control[None]), model.field(of_moving), model.field(of_fixed)
        target = warp(known.cases.batch([fixed])[1], second, padding="zeros")
        source = warp(known.cases.batch([moving])[1], first, padding="zeros")
        theta = composed_amplitudes(model, of_moving, control[None], of_fixed, known.region)
        exact = compose(compose(invert(first, tolerance=_EXACT), between), second)
        opposite = compose(compose(model.field(-of_moving), between), second)
        fields = {
            "before": torch.zeros_like(exact),
            "exact": exact,
            "opposite": opposite,
            "projected": model.field(theta),
        }
        for name, field in fields.items():
            found[name].append(float(np.nanmean(label_dice(target[0], warp(source, field, padding="zeros")[0]))))
        found["distance"].append(root_mean_square(opposite - exact, known.region) * _millimetres(anatomy))
    return found | {"inverse": _inverse(anatomy, model, generator)}


def _inverse(anatomy: Anatomy, model: StatisticalDeformationModel, generator: torch.Generator) -> list[dict]:
    rows = []
    for strength in (0.25, 0.5, 1.0):
        theta = model.sample(20, generator, BOUND, strength)
        error = torch.cat([opposite_error(model, part) for part in theta.split(1)]) * _millimetres(anatomy)
        length = [root_mean_square(model.field(part)) * _millimetres(anatomy) for part in theta.split(1)]
        rows.append({"strength": strength, "error": error.tolist(), "length": length})
    return rows


def root_mean_square(field: Tensor, weights: Tensor | None = None) -> float:
    """Of the lengths of a displacement ``(1, D, *size)``, over all voxels or by weights ``size``."""
    squares = field.square().sum(dim=1)[0]
    weights = torch.ones_like(squares) if weights is None else weights
    return float((squares * weights).sum() / weights.sum()) ** 0.5


def print_reconstruction(anatomy: Anatomy, found: Mapping) -> None:
    """By number of modes."""
    full, none = np.asarray(found["full"]), np.asarray(found["dice"][found["counts"].index(0)])
    print(
        f"\n{anatomy.title}, {len(full)} pairs of validation subjects; the model's {found['counts'][-1]} modes explain "
        f"{100 * found['explained']:.1f} % of the variance of the deformations that it was fitted to:\n"
    )
    print("| modes | error (mm) | Dice mean | median | SD | loss against the ground truth (points) |")
    print("|:--|" + "--:|" * 5)
    for count, error, overlap in zip(found["counts"], found["error"], found["dice"], strict=True):
        loss = 100 * (full - overlap).mean()
        title = count or "0, translation only"
        print(f"| {title} | {error:.2f} | {_three(overlap)} | {loss:.1f} |")
    print(f"| ground truth itself | 0 | {_three(full)} | 0 |")
    print(f"\nOf the Dice that the ground truth gains, {_share(full, none, found):.0f} % is within the model's reach.")


def print_approximations(anatomy: Anatomy, found: Mapping) -> None:
    """Dice under each composition, and the inverse."""
    exact = np.asarray(found["exact"])
    print(f"\n{anatomy.title}, {len(exact)} inter-subject pairs:\n")
    print("| from the moving to the fixed subject, both deformed | Dice mean | median | SD | loss (points) |")
    print("|:--|" + "--:|" * 4)
    titles = {
        "before": "nothing",
        "exact": "composition with the true inverse",
        "opposite": "composition with the opposite amplitudes",
        "projected": "its amplitudes, as trained on",
    }
    for name, title in titles.items():
        loss = f"{100 * (exact - found[name]).mean():.1f}" if name not in ("before", "exact") else "–"
        print(f"| {title} | {_three(found[name])} | {loss} |")
    print(
        f"\nThe two compositions differ by {np.mean(found['distance']):.2f} mm around the structures (root mean square, mean "
        f"over pairs; largest {np.max(found['distance']):.2f} mm). The thesis: below 2 points of Dice.\n"
    )
    print(
        "| random deformations, of the population's strength | length (mm) | error of the opposite as inverse (mm) | share |"
    )
    print("|:--|--:|--:|--:|")
    for row in found["inverse"]:
        length, error = np.mean(row["length"]), np.mean(row["error"])
        print(f"| {row['strength']:g} | {length:.2f} | {error:.2f} | {100 * error / length:.0f} % |")


def plot_reconstruction(found: Mapping[str, Mapping], titles: Mapping[str, str], path: Path) -> None:
    """Dice and distance against the number of modes."""
    with new_figure(path, 9.5, 3.8) as figure:
        left, right = figure.subplots(1, 2)
        for number, (name, part) in enumerate(found.items()):
            counts, colour = part["counts"], COLOURS[number]
            dice = np.asarray(part["dice"])
            left.plot(counts, np.median(dice, axis=1), "o-", color=colour, markersize=4, label=titles[name])
            left.fill_between(counts, *np.percentile(dice, (25, 75), axis=1), color=colour, alpha=0.15, linewidth=0)
            left.axhline(np.median(part["full"]), color=colour, linestyle="--", linewidth=1)
            right.plot(counts, part["error"], "o-", color=colour, markersize=4, label=titles[name])
        left.set(xlabel="modes", ylabel="Dice (median, middle half of the pairs)", xlim=(0, None))
        left.set_title("dashed: the ground truth itself", fontsize=10)
        right.set(xlabel="modes", ylabel="distance to the ground truth (mm)", xlim=(0, None), ylim=(0, None))
        left.legend(loc="lower right")


def _millimetres(anatomy: Anatomy) -> float:
    return float(np.mean(anatomy.grid.spacing))


def _dense(model: StatisticalDeformationModel, control: Tensor) -> Tensor:
    return BSplineField(model.lattice)(control)


def _three(overlap: Sequence[float] | np.ndarray) -> str:
    return f"{np.mean(overlap):.3f} | {np.median(overlap):.3f} | {np.std(overlap):.3f}"


def _share(full: np.ndarray, none: np.ndarray, found: Mapping) -> float:
    return 100 * float((np.asarray(found["dice"][-1]) - none).mean() / (full - none).mean())
