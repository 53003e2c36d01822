"""Latent sizes, the disease map, simulated deformations, and the calibration of the uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from heart_data import Heart, measure, validates

from DeformationLib.cardiac_phantoms import beating_heart
from LatentRegistrationLib.figures import COLOURS, new_figure
from LatentRegistrationLib.latent_cases import CodeTable, encode_cases
from LatentRegistrationLib.latent_classification import (
    Classification,
    classify,
    classify_directly,
    classify_leaky,
    majority,
)
from LatentRegistrationLib.latent_figures import plot_latent_map, plot_simulations
from LatentRegistrationLib.latent_map import canonical_map, principal_map
from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
from LatentRegistrationLib.structures import CARDIAC_STRUCTURES
from LatentRegistrationLib.uncertainty import calibration, uncertainty

PHANTOMS = 8


def latent_sizes(cases: Sequence[Heart], models: Sequence[ProbabilisticModel], path: Path) -> list[dict]:
    """Accuracy against the dimension of the code (figure 4.6); the models differ in nothing else."""
    rows = []
    for model in sorted(models, key=lambda model: model.latent):
        measured = [measure(case, model.register(case.fixed, case.moving).displacement) for case in cases]
        means = {name: float(np.nanmean([row[name] for row in measured])) for name in measured[0]}
        rows.append({"latent": model.latent, **means})
    print("\n| latent dimension | Dice | HD95 (mm) | grad det J (x 100 / mm) | EF error |")
    print("|--:|--:|--:|--:|--:|")
    for row in rows:
        print(
            f"| {row['latent']} | {row['dice']:.3f} | {row['hd95']:.1f} | {100 * row['roughness']:.2f} | "
            f"{row['ejection_error']:.1f} |"
        )
    with new_figure(path, 7.0, 4.0) as figure:
        axes = figure.add_subplot()
        sizes = [str(row["latent"]) for row in rows]
        for number, name in enumerate(CARDIAC_STRUCTURES):
            axes.plot(sizes, [row[f"dice {name}"] for row in rows], "o-", color=COLOURS[number], label=name)
        axes.plot(sizes, [row["dice"] for row in rows], "k--", label="mean")
        axes.set_xlabel("dimension of the code")
        axes.set_ylabel("Dice")
        axes.legend(ncols=3)
    return rows


def disease_map(model: ProbabilisticModel, cases: Sequence[Heart], folder: Path) -> dict:
    """Figure 4.7 and how well the codes tell the groups, beside the largest group and the ejection fraction alone."""
    table = encode_cases(
        model, [(case.name, case.fixed, case.moving) for case in cases], [case.group for case in cases]
    )
    table.write(folder / "codes.csv")
    groups = list(table.groups)
    plot_latent_map(canonical_map(table.codes, groups), table, folder / "disease_map.png")
    ejection = np.array([case.ejection_fraction for case in cases])
    results = [
        majority(groups),
        classify_directly(ejection, groups, "ejection fraction alone"),
        classify(table.codes, groups),
        classify(table.codes, groups, principal=10),
        classify_directly(table.codes, groups, "codes, support vector machine alone"),
        classify_leaky(table.codes, groups),
    ]
    print(
        f"\nGroups of all {len(cases)} patients from their codes, 10-fold cross-validation (thesis: 83 % of 100 cases)\n"
    )
    print("| what is fitted | accuracy | 95 % interval |")
    print("|:--|--:|--:|")
    for result in results:
        low, high = result.interval()
        print(f"| {result.name} | {100 * result.accuracy:.0f} % | {100 * low:.0f} to {100 * high:.0f} % |")
    return {"classification": [_summary(result) for result in results], "nearest": _neighbours(table)}


def _summary(result: Classification) -> dict:
    return {
        "name": result.name,
        "accuracy": result.accuracy,
        "interval": result.interval(),
        "honest": result.honest,
        "groups": result.labels,
        "confusion": result.confusion.tolist(),
    }


def _neighbours(table: CodeTable) -> dict:
    """The validation patients' nearest others, and how often they share the group."""
    found = {name: table.nearest(name, 3) for name in table.names if validates(name)}
    group = dict(zip(table.names, table.groups, strict=True))
    same = np.mean([group[other] == group[name] for name, near in found.items() for other, _ in near])
    chance = np.mean([[a == b for b in table.groups] for a in table.groups])
    print(
        f"\nOf the three nearest cases of a validation patient, {100 * same:.0f} % are of its group "
        f"(by chance {100 * chance:.0f} %)\n"
    )
    return {"same_group": float(same), "chance": float(chance)}


def simulations(model: ProbabilisticModel, case: Heart, path: Path) -> dict:
    """Figure 4.8: a validation patient's end-diastole deformed along the two main axes of the training codes."""
    shares = model.decomposition.explained_variance_ratio
    plot_simulations(model, principal_map(model.decomposition), case.moving, path)
    print(f"\nThe first two components hold {100 * shares[:2].sum():.0f} % of the training codes' variance\n")
    return {"explained_variance_ratio": shares.tolist()}


def calibration_on_phantoms(model: ProbabilisticModel, path: Path) -> dict:
    """Does the spread of sampled deformations predict the error, where the motion is known?"""
    spreads, errors = [], []
    for seed in range(PHANTOMS):
        heart = beating_heart(1000 + seed, frames=2)
        fixed, moving, true = heart.frames[heart.es_frame], heart.frames[0], heart.displacements[heart.es_frame]
        found = model.register(fixed, moving).displacement
        where = heart.labels[heart.es_frame].array > 0
        spreads.append(uncertainty(model, fixed, moving, samples=20, seed=seed).spread.array[where])
        errors.append(np.linalg.norm(found.array - true.array, axis=-1)[where])
    result = calibration(spreads, errors)
    print(
        f"\n{PHANTOMS} phantoms with known motion, in the heart: rank correlation of spread and error "
        f"{result.rank_correlation:.2f}; the error is {result.scale:.1f} times the spread\n"
    )
    with new_figure(path, 5.0, 4.5) as figure:
        axes = figure.add_subplot()
        axes.plot(result.predicted, result.observed, "o-", color=COLOURS[0], label="tenths of the voxels")
        largest = 1.05 * max(result.predicted.max(), result.observed.max())
        axes.plot([0, largest], [0, largest], "k:", label="perfect")
        axes.set_xlabel("predicted spread (mm)")
        axes.set_ylabel("error (mm, root mean square)")
        axes.legend()
    return {
        "predicted_mm": result.predicted.tolist(),
        "observed_mm": result.observed.tolist(),
        "rank_correlation": result.rank_correlation,
        "scale": result.scale,
    }
