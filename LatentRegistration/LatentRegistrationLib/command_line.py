"""The commands ``register``, ``decompose``, ``models`` and those of the probabilistic model.

Every failure is one sentence and exit code 2.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from DeformationLib.alignment import Alignment
from DeformationLib.commands import add_model_options, print_models, run_chosen_command
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder
from DeformationLib.image_io import read_image, read_labels_of, read_mask, write_image
from DeformationLib.progress import console_progress

from .probabilistic_commands import add_commands


def build_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    parser = argparse.ArgumentParser(prog="python -m LatentRegistrationLib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    register = commands.add_parser("register", help="register two images")
    register.add_argument("--fixed", required=True, help="image whose grid the results are on")
    register.add_argument("--moving", required=True, help="image that is deformed")
    register.add_argument("--fixed-labels", help="label map of the fixed image, to measure the overlap")
    register.add_argument("--moving-labels", help="label map of the moving image, to be warped")
    register.add_argument("--fixed-mask", help="where the structure of interest is in the fixed image, on any grid")
    register.add_argument("--moving-mask", help="the same of the moving image")
    register.add_argument(
        "--alignment",
        choices=get_args(Alignment),
        default="centres",
        help="what to do first: trust the positions, put the centres of the images (or masks) or their centres of mass "
        "on each other, or align rigidly or affinely by the grey values",
    )
    register.add_argument("--components", type=int, help="keep only so many principal components of the code")
    register.set_defaults(run=run_register)

    decompose = commands.add_parser("decompose", help="deform an image along the components of the latent space")
    decompose.add_argument("--image", required=True)
    decompose.add_argument("--labels", help="label map of the image")
    decompose.add_argument("--components", type=int, default=4, help="how many components, from the first")
    decompose.add_argument(
        "--amplitudes", default="-3,-1.5,0,1.5,3", help="in standard deviations of the training population"
    )
    decompose.add_argument("--displacements", action="store_true", help="also write every displacement field")
    decompose.set_defaults(run=run_decompose)

    for command in (register, decompose):
        add_model_options(command, "hippocampus")

    add_commands(commands)
    models = commands.add_parser("models", help="list the installed models")
    models.set_defaults(run=run_models)
    return parser


def main(words: list[str]) -> int:
    """Run a command; 0 when it succeeded, 2 after one sentence about what is wrong."""
    return run_chosen_command(build_parser(), words)


def run_register(arguments: argparse.Namespace) -> None:
    """Register, write the files that `RegistrationResult.write` lists, print a summary."""
    from .models import load_model

    folder = make_folder(arguments.output)
    fixed, moving = read_image(arguments.fixed), read_image(arguments.moving)
    fixed_labels = arguments.fixed_labels and read_labels_of(arguments.fixed_labels, fixed, arguments.fixed)
    moving_labels = arguments.moving_labels and read_labels_of(arguments.moving_labels, moving, arguments.moving)
    fixed_mask = read_mask(arguments.fixed_mask) if arguments.fixed_mask else None
    moving_mask = read_mask(arguments.moving_mask) if arguments.moving_mask else None
    model = load_model(arguments.model, arguments.device)
    progress = console_progress("Registering")
    result = model.register(
        fixed,
        moving,
        arguments.alignment,
        arguments.components,
        progress.part(0.0, 0.5),
        fixed_mask=fixed_mask,
        moving_mask=moving_mask,
    )
    result.write(folder, fixed_labels, moving_labels, progress.part(0.5, 1.0))
    print(result)
    print(f"wrote {folder}")


def run_decompose(arguments: argparse.Namespace) -> None:
    """Write tables, figures and deformed images of the first components at several amplitudes."""
    from DeformationLib.registration import warp_image, warp_labels

    from .figures import plot_components, plot_explained_variance
    from .model import RegistrationModel

    folder = make_folder(arguments.output)
    amplitudes = _numbers(arguments.amplitudes)
    image = read_image(arguments.image)
    labels = arguments.labels and read_labels_of(arguments.labels, image, arguments.image)
    explorer = RegistrationModel.load(arguments.model, arguments.device).explorer(image)
    if not 1 <= arguments.components <= explorer.count:
        raise InputError(f"--components is {arguments.components}, but this model has 1 to {explorer.count}.")
    progress = console_progress("Decomposing")
    _write_table(
        folder / "components.csv",
        ("component", "explained_variance_ratio", "cumulative", "standard_deviation", "coefficient"),
        zip(
            range(1, explorer.count + 1),
            explorer.explained_variance_ratio,
            explorer.explained_variance_ratio.cumsum(),
            explorer.standard_deviations,
            explorer.coefficients,
            strict=True,
        ),
    )
    rows = []
    for component in range(arguments.components):
        for number, amplitude in enumerate(amplitudes):
            progress.report((component + number / len(amplitudes)) / arguments.components, f"component {component + 1}")
            strength = amplitude * explorer.standard_deviations[component]
            displacement = explorer.displacement(component, strength)
            length = (displacement.array**2).sum(-1) ** 0.5
            rows.append((component + 1, amplitude, strength, length.mean(), length.max()))
            stem = f"component_{component + 1:02d}_{amplitude:+g}sd"
            write_image(warp_image(image, displacement), folder / f"{stem}_image.nii.gz")
            if labels is not None:
                write_image(warp_labels(labels, displacement), folder / f"{stem}_labels.nii.gz")
            if arguments.displacements:
                write_image(displacement, folder / f"{stem}_displacement.nii.gz")
    header = ("component", "standard_deviations", "amplitude", "mean_displacement_mm", "maximum_displacement_mm")
    _write_table(folder / "amplitudes.csv", header, rows)
    plot_explained_variance(explorer, folder / "explained_variance.png")
    plot_components(explorer, image, labels, folder / "components.png", range(arguments.components), amplitudes)
    progress.report(1.0)
    shares = explorer.explained_variance_ratio
    print(
        f"{arguments.components} of {explorer.count} components hold {100 * shares[: arguments.components].sum():.1f} %"
    )
    print(f"wrote {folder}")


def run_models(arguments: argparse.Namespace) -> None:
    """Print name and purpose of every installed model."""
    from .models import KINDS

    print_models(KINDS)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--amplitudes takes numbers with commas between them, not '{text}'.") from error


def _write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows([f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows)
