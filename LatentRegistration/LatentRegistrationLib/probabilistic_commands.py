"""The commands of the probabilistic model: ``encode``, ``simulate``, ``transport`` and ``uncertainty``."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from DeformationLib.commands import add_model_options
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder, write_json
from DeformationLib.image_io import read_image, read_labels_of, write_image
from DeformationLib.progress import console_progress


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands and their options."""
    encode = commands.add_parser("encode", help="codes of many pairs, their map, and how well they tell groups apart")
    encode.add_argument(
        "--cases",
        required=True,
        help="cine series (folder or table), or a table with columns name, fixed, moving, group",
    )
    encode.set_defaults(run=run_encode)

    simulate = commands.add_parser("simulate", help="deform an image by codes along two axes, or from the prior")
    simulate.add_argument("--image", required=True)
    simulate.add_argument("--labels", help="label map of the image, deformed too")
    simulate.add_argument("--steps", type=int, default=5, help="codes along each of the two main axes")
    simulate.add_argument("--extent", type=float, default=2.5, help="how far, in standard deviations")
    simulate.add_argument("--samples", type=int, default=0, help="codes drawn from the prior instead")
    simulate.add_argument("--seed", type=int, default=0, help="of the samples")
    simulate.set_defaults(run=run_simulate)

    transport = commands.add_parser("transport", help="one subject's deformation in another subject's image")
    transport.add_argument("--fixed", required=True, help="image that the source's moving image is registered to")
    transport.add_argument("--moving", required=True, help="the source's moving image (end-diastole)")
    transport.add_argument("--target", required=True, help="the other subject's moving image")
    transport.add_argument("--moving-labels", help="label map of the source's moving image, to measure volumes")
    transport.add_argument("--target-labels", help="label map of the target, deformed too")
    transport.add_argument("--pool", type=int, default=3, help="label whose volume gives the ejection fraction")
    transport.set_defaults(run=run_transport)

    uncertainty = commands.add_parser("uncertainty", help="how sure a registration is, from samples of the code")
    uncertainty.add_argument("--fixed", required=True)
    uncertainty.add_argument("--moving", required=True)
    uncertainty.add_argument("--samples", type=int, default=20)
    uncertainty.add_argument("--seed", type=int, default=0)
    uncertainty.add_argument("--alignment", default="none", help="as in register")
    uncertainty.set_defaults(run=run_uncertainty)

    for command in (encode, simulate, transport, uncertainty):
        add_model_options(command, "cardiac-short-axis")


def run_encode(arguments: argparse.Namespace) -> None:
    """Write codes.csv, and with groups map.png and classification.json."""
    from .latent_cases import encode_cases
    from .latent_classification import classify, classify_leaky, majority
    from .latent_figures import plot_latent_map
    from .latent_map import canonical_map
    from .probabilistic_model import ProbabilisticModel

    folder = make_folder(arguments.output)
    pairs, groups = read_pairs(arguments.cases)
    model = ProbabilisticModel.load(arguments.model, arguments.device)
    table = encode_cases(model, pairs, groups, console_progress("Encoding"))
    table.write(folder / "codes.csv")
    if any(groups):
        plot_latent_map(canonical_map(table.codes, groups), table, folder / "map.png", names=len(table) <= 40)
        results = [
            majority(groups),
            classify(table.codes, groups),
            classify(table.codes, groups, principal=10),
            classify_leaky(table.codes, groups),
        ]
        report = [
            {"name": result.name, "accuracy": result.accuracy, "interval": result.interval(), "honest": result.honest}
            for result in results
        ]
        write_json(report, folder / "classification.json")
        for result in results:
            print(f"{result.name:60s} {100 * result.accuracy:5.1f} %")
    print(f"wrote {folder}")


def read_pairs(source: str) -> tuple[list, list[str]]:
    """Name, fixed and moving image of each case, and the groups (empty where there are none)."""
    from DeformationLib.cine_cases import find_cine_cases, read_cine

    path = Path(source)
    if path.suffix == ".csv" and path.is_file():
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        if rows and {"name", "fixed", "moving"} <= set(rows[0]):
            pairs = [
                (row["name"], read_image(path.parent / row["fixed"]), read_image(path.parent / row["moving"]))
                for row in rows
            ]
            return pairs, [row.get("group") or "" for row in rows]
    cines = [read_cine(case) for case in find_cine_cases(source)]
    pairs = [(cine.name, cine.frame(cine.es_frame), cine.frame(cine.ed_frame)) for cine in cines]
    return pairs, [cine.group for cine in cines]


def run_simulate(arguments: argparse.Namespace) -> None:
    """Write the deformed images, simulations.png for a grid of codes, and simulations.csv with volumes of the labels."""
    from DeformationLib.metrics import label_volumes
    from DeformationLib.registration import warp_image, warp_labels

    from .latent_cases import prior_codes
    from .latent_figures import plot_simulations
    from .latent_map import principal_map
    from .probabilistic_model import ProbabilisticModel

    folder = make_folder(arguments.output)
    image = read_image(arguments.image)
    labels = arguments.labels and read_labels_of(arguments.labels, image, arguments.image)
    model = ProbabilisticModel.load(arguments.model, arguments.device)
    if arguments.samples > 0:
        codes = prior_codes(model.latent, arguments.samples, np.random.default_rng(arguments.seed))
        named = [(f"sample_{number + 1:02d}", code) for number, code in enumerate(codes)]
    else:
        plane = principal_map(_components_of(model))
        points, codes = plane.grid(arguments.extent, _positive(arguments.steps, "--steps"))
        shape = points.shape[:2]
        named = [(f"x{points[at][0]:+.2f}_y{points[at][1]:+.2f}", codes[at]) for at in np.ndindex(*shape)]
        plot_simulations(model, plane, image, folder / "simulations.png", arguments.extent, arguments.steps)
    progress, rows = console_progress("Simulating"), []
    for number, (name, code) in enumerate(named):
        progress.report(number / len(named), name)
        displacement = model.displacement(code, image)
        length = np.linalg.norm(displacement.array, axis=-1)
        row = {"name": name, "mean_displacement_mm": length.mean(), "maximum_displacement_mm": length.max()}
        write_image(warp_image(image, displacement), folder / f"{name}_image.nii.gz")
        write_image(displacement, folder / f"{name}_displacement.nii.gz")
        if labels is not None:
            deformed = warp_labels(labels, displacement)
            write_image(deformed, folder / f"{name}_labels.nii.gz")
            row |= {f"ml_of_{k}": v for k, v in label_volumes(deformed.array, deformed.spacing_kji).items()}
        rows.append(row)
    _write_rows(folder / "simulations.csv", rows)
    progress.report(1.0)
    print(f"wrote {folder}")


def run_transport(arguments: argparse.Namespace) -> None:
    """Write the target after the source's motion, the displacement, and transport.json with ejection fractions."""
    from DeformationLib.registration import warp_image, warp_labels

    from .probabilistic_model import ProbabilisticModel
    from .transport import ejection_fraction_of, transport, unchanged

    folder = make_folder(arguments.output)
    fixed, moving, target = (read_image(path) for path in (arguments.fixed, arguments.moving, arguments.target))
    moving_labels = arguments.moving_labels and read_labels_of(arguments.moving_labels, moving, arguments.moving)
    target_labels = arguments.target_labels and read_labels_of(arguments.target_labels, target, arguments.target)
    model = ProbabilisticModel.load(arguments.model, arguments.device)
    code = model.encode(fixed, moving)
    displacement = transport(model, code, target)
    write_image(warp_image(target, displacement), folder / "transported.nii.gz")
    write_image(displacement, folder / "displacement.nii.gz")
    report = {"model": model.name, "code": code.mean.tolist()}
    own = transport(model, code, moving)
    if moving_labels is not None:
        report["ejection_fraction_before"] = ejection_fraction_of(own, moving_labels, arguments.pool)
    if target_labels is not None:
        write_image(warp_labels(target_labels, displacement), folder / "transported_labels.nii.gz")
        report["ejection_fraction_after"] = ejection_fraction_of(displacement, target_labels, arguments.pool)
        as_is = unchanged(own, target)
        report["ejection_fraction_unchanged"] = ejection_fraction_of(as_is, target_labels, arguments.pool)
    write_json(report, folder / "transport.json")
    for name in ("before", "after", "unchanged"):
        if f"ejection_fraction_{name}" in report:
            print(f"ejection fraction {name:10s} {report[f'ejection_fraction_{name}']:5.1f} %")
    print(f"wrote {folder}")


def run_uncertainty(arguments: argparse.Namespace) -> None:
    """Write the spread of sampled deformations as images, in mm."""
    from .probabilistic_model import ProbabilisticModel
    from .uncertainty import uncertainty

    folder = make_folder(arguments.output)
    model = ProbabilisticModel.load(arguments.model, arguments.device)
    progress = console_progress("Sampling")
    result = uncertainty(
        model,
        read_image(arguments.fixed),
        read_image(arguments.moving),
        arguments.samples,
        arguments.seed,
        arguments.alignment,
        progress,
    )
    for name in ("magnitude", "deviation", "spread"):
        image = getattr(result, name)
        write_image(image, folder / f"{name}.nii.gz")
        print(f"{name:10s} {image.array.mean():6.3f} mm on average, {image.array.max():6.3f} mm at most")
    print(f"wrote {folder}")


def _components_of(model):
    if model.decomposition is None:
        raise InputError(f"The model {model.name} has no principal components: draw --samples from the prior instead.")
    return model.decomposition


def _positive(number: int, option: str) -> int:
    if number < 1:
        raise InputError(f"{option} must be at least 1, not {number}.")
    return number


def _write_rows(path: Path, rows: list[dict]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, (float, np.floating)) else v for k, v in row.items()})
