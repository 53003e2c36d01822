#!/usr/bin/env python3
"""Regenerates the experiments of Estienne et al. 2021 (Exploring Deep Registration Latent Spaces) on the hippocampus.

Explained variance; one validation subject deformed along the components (figures 3, 4 and 7); what a known rotation,
translation and scaling do to the coefficients, without and with skip connections (figures 5 and 8); and how the mean
displacement grows with the amplitude. Writes PNG and CSV files and reproduction.json, prints our figures beside the paper's.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from known_transformations import AXES, plot_sensitivity, sensitivity_rows, transformations_about

from DeformationLib.cases import Case, find_cases, split_cases
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder, write_json
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels
from LatentRegistrationLib.explorer import Explorer
from LatentRegistrationLib.figures import (
    plot_amplitudes,
    plot_components,
    plot_elementary_transformations,
    plot_explained_variance,
)
from LatentRegistrationLib.model import RegistrationModel
from LatentRegistrationLib.sensitivity import coefficient_changes, effective_components

PAPER_VARIANCE = {4: 0.62, 32: 0.93}
AMPLITUDES_SD = (-3.0, -1.5, 0.0, 1.5, 3.0)
CURVE_SD = np.linspace(-3, 3, 13)
SHOWN, COMPARED = 8, 10
"""Components in pictures and curves, and in the box plots, as in the paper."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with images/ and labels/")
    parser.add_argument("--output", required=True, help="folder for figures and tables")
    parser.add_argument("--model", default="hippocampus", help="model without skip connections: name or folder")
    parser.add_argument(
        "--skips", default="hippocampus-skips", help="model with them; 'none' leaves the comparison out"
    )
    parser.add_argument("--split", default="10:1", help="which cases validate, as in training")
    parser.add_argument(
        "--subject", help="name of the subject in the pictures; the first validation subject by default"
    )
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    return parser


def main(words: list[str]) -> int:
    """Run everything; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    try:
        reproduce(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def reproduce(arguments: argparse.Namespace) -> None:
    """All experiments, one after the other."""
    folder = make_folder(arguments.output)
    cases = validation_cases(Path(arguments.data), arguments.split)
    images = [read_image(case.image) for case in cases]
    models = {"without skips": RegistrationModel.load(arguments.model, arguments.device)}
    if arguments.skips != "none":
        models["with skips"] = RegistrationModel.load(arguments.skips, arguments.device)
    model = models["without skips"]
    results = {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(["python", "Testing/Reproduction/estienne.py", *sys.argv[1:]]),
        "validation_subjects": [case.name for case in cases],
        "models": {name: model.name for name, model in models.items()},
        "explained_variance": {
            name: explained_variance(model, images, folder, name.replace(" ", "_")) for name, model in models.items()
        },
    }
    subject = subject_of(cases, arguments.subject)
    image, labels = read_image(subject.image), read_labels(subject.labels) if subject.labels else None
    explorer = model.explorer(image)
    results["pictures"] = pictures(explorer, image, labels, folder) | {"subject": subject.name}
    results["amplitudes"] = amplitude_curves(explorer, folder)
    results["sensitivity"] = sensitivity(models, images, folder)
    results["share_of_the_code"] = {name: share_of_the_code(model, images) for name, model in models.items()}
    write_json(results, folder / "reproduction.json")
    print(comparison(results))
    print(f"wrote {folder}")


def validation_cases(data: Path, split: str) -> list[Case]:
    """The validation subjects in the order of their names."""
    cases = find_cases(data / "images", data / "labels")
    chosen = [cases[index] for index in split_cases([case.name for case in cases], split)[1]]
    if not chosen:
        raise InputError(f"The split {split} leaves no validation subject in {data}: choose another one.")
    return chosen


def subject_of(cases: Sequence[Case], name: str | None) -> Case:
    """The case of a name, or the first; raises `InputError` for a name that is not there."""
    found = [case for case in cases if name in (None, case.name)]
    if not found:
        raise InputError(f"{name} is none of the validation subjects: {', '.join(case.name for case in cases)}.")
    return found[0]


def explained_variance(model: RegistrationModel, images: Sequence[Image], folder: Path, name: str) -> dict:
    """Cumulative share of the training codes' variance, and of the unseen validation codes' spread, by components."""
    decomposition = model.decomposition
    if decomposition is None:
        raise InputError(f"The model {model.name} has no latent decomposition: choose another model.")
    codes = [model.encode(image) for image in images]
    projected = np.concatenate([decomposition.project(code) for code in codes])
    total = sum(float(((code.flatten().cpu().numpy() - decomposition.mean) ** 2).sum()) for code in codes)
    training = decomposition.explained_variance_ratio.cumsum()
    validation = (projected**2).sum(axis=0).cumsum() / total
    plot_explained_variance(decomposition, folder / f"explained_variance_{name}.png", PAPER_VARIANCE)
    header = ("components", "training", "validation", "standard_deviation")
    columns = (range(1, decomposition.count + 1), training, validation, decomposition.standard_deviations)
    write_table(folder / f"explained_variance_{name}.csv", header, zip(*columns, strict=True))
    return {
        "code": list(decomposition.shape),
        "training_cases": len(decomposition.coefficients),
        "training": {str(k): training[k - 1] for k in (1, 2, 4, 8, 16, 32) if k <= len(training)},
        "validation": {str(k): validation[k - 1] for k in (1, 2, 4, 8, 16, 32) if k <= len(training)},
    }


def pictures(explorer: Explorer, image: Image, labels: Image | None, folder: Path) -> dict:
    """Figures 3, 4 and 7: amplitudes in standard deviations of the training codes, and what they are in the code's units."""
    shown = range(min(SHOWN, explorer.count))
    plot_components(explorer, image, labels, folder / "components.png", shown, AMPLITUDES_SD)
    plot_elementary_transformations(explorer, image, labels, folder / "elementary_transformations.png", shown)
    plot_components(explorer, image, labels, folder / "components_coronal.png", shown[:5], AMPLITUDES_SD, "coronal")
    return {
        "amplitudes_sd": AMPLITUDES_SD,
        "amplitudes": {str(c + 1): [sd * explorer.standard_deviations[c] for sd in AMPLITUDES_SD] for c in shown},
    }


def amplitude_curves(explorer: Explorer, folder: Path) -> dict:
    """Mean displacement (mm, over the image) of each component against its amplitude, and whether it always grows."""
    shown = range(min(SHOWN, explorer.count))
    lengths = np.array(
        [
            [mean_length(explorer.displacement(c, sd * explorer.standard_deviations[c])) for sd in CURVE_SD]
            for c in shown
        ]
    )
    plot_amplitudes(CURVE_SD, lengths, folder / "amplitudes.png")
    header = ("component", *(f"{sd:+g} SD" for sd in CURVE_SD))
    write_table(folder / "amplitudes.csv", header, [(c + 1, *row) for c, row in zip(shown, lengths, strict=True)])
    outward = np.sign(CURVE_SD[:-1] + CURVE_SD[1:])
    return {
        "mean_displacement_mm_at_3_sd": {str(c + 1): [lengths[c, 0], lengths[c, -1]] for c in shown},
        "displacement_at_zero_mm": float(lengths[:, len(CURVE_SD) // 2].max()),
        "grows_with_amplitude": bool((np.diff(lengths, axis=1) * outward > 0).all()),
    }


def mean_length(displacement: Image) -> float:
    """Mean length of a displacement, mm."""
    return float(np.linalg.norm(displacement.array, axis=-1).mean())


@torch.inference_mode()
def share_of_the_code(model: RegistrationModel, images: Sequence[Image]) -> float:
    """Mean displacement that the code alone decodes to, relative to that of the code and what passes it by.

    Each subject is registered to the next. 1 without skip connections; small where the decoder no longer heeds the code,
    so that the code's components say little about the registration.
    """
    encoded = [model.encode_images(model.prepare(image).image) for image in images]
    lengths = []
    for number, fixed in enumerate(encoded):
        difference = [m - f for m, f in zip(encoded[(number + 1) % len(encoded)], fixed, strict=True)]
        fields = [model.decode(parts) for parts in (difference[:1], difference)]
        lengths.append([float(field.norm(dim=1).mean()) for field in fields])
    alone, together = np.mean(lengths, axis=0)
    return float(alone / together)


def sensitivity(models: dict[str, RegistrationModel], images: Sequence[Image], folder: Path) -> dict:
    """Figures 5 and 8: change of the first coefficients under known transformations, by axis and model."""
    known = [transformation for axis in AXES for transformation in transformations_about(axis)]
    changes = {name: coefficient_changes(model, images, known) for name, model in models.items()}
    scales = {name: model.decomposition.standard_deviations[0] for name, model in models.items()}
    first = {name: {k: np.abs(v[:, :COMPARED]) for k, v in parts.items()} for name, parts in changes.items()}
    plot_sensitivity({"without skips": first["without skips"]}, folder / "sensitivity.png")
    relative = {name: {k: v / scales[name] for k, v in parts.items()} for name, parts in first.items()}
    if len(models) > 1:
        plot_sensitivity(relative, folder / "sensitivity_skips.png", relative=True)
    plot_sensitivity(relative, folder / "sensitivity_axes.png", AXES, relative=True)
    rows = sensitivity_rows(first)
    write_table(folder / "sensitivity.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    return {
        name: {
            transformation: {
                "median": np.median(values, axis=0),
                "largest": int(np.median(values, axis=0).argmax()) + 1,
                "share_of_largest": float(np.mean(values.max(axis=1) ** 2 / (values**2).sum(axis=1))),
                "effective_components": float(np.median(effective_components(values))),
            }
            for transformation, values in parts.items()
        }
        for name, parts in first.items()
    }


def comparison(results: dict) -> str:
    """Our figures beside the paper's, as lines of text."""
    lines = ["", f"{'':52s}{'paper':>10s}{'ours':>18s}"]
    for name, variance in results["explained_variance"].items():
        for count, paper in PAPER_VARIANCE.items():
            ours = f"{100 * variance['training'].get(str(count), float('nan')):.1f} %"
            shown = f"{100 * paper:.0f} %" if name == "without skips" else "–"
            lines.append(f"{f'variance explained by {count} components, {name}':52s}{shown:>10s}{ours:>18s}")
    # The paper prints "z axis", but relates its rotation to the sagittal plane, which turns about x.
    expected = {"rotation z": "one", "rotation x": "one", "translation z": "one", "scaling": "two"}
    for name, parts in results["sensitivity"].items():
        for transformation, paper in expected.items():
            entry = parts[transformation]
            ours = f"{entry['effective_components']:.1f} (largest: {entry['largest']})"
            shown = paper if name == "without skips" else "many"
            lines.append(f"{f'components that answer to {transformation}, {name}':52s}{shown:>10s}{ours:>18s}")
    curves = results["amplitudes"]
    lines.append(
        f"{'displacement grows with the amplitude, 1 to 8':52s}{'–':>10s}{curves['grows_with_amplitude']!s:>18s}"
    )
    zero = f"{curves['displacement_at_zero_mm']:.4f} mm"
    lines.append(f"{'displacement at amplitude 0':52s}{'near 0':>10s}{zero:>18s}")
    for name, share in results["share_of_the_code"].items():
        lines.append(f"{f'motion that the code alone carries, {name}':52s}{'–':>10s}{f'{100 * share:.1f} %':>18s}")
    return "\n".join([*lines, ""])


def write_table(path: Path, header: Sequence[str], rows) -> None:
    """A CSV file."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
