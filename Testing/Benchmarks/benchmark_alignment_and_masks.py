#!/usr/bin/env python3
"""Accuracy of a learned model by the initial alignment, and with masks where images show more than the structure.

The same pairs of validation subjects are registered

- as they are stored,
- with the moving subject in another pose: its header turned by up to 30 degrees about a random axis and shifted by 15 mm
  in a random direction,
- embedded: both images with 10 to 40 more voxels on each side, filled with their own mirror images or with noise, with
  masks of the structure and without.

A second table tells what it would change to cut the images off around the masks, centres aligned. Prints both; with
--output also writes pairs.csv and alignment.json.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels
from DeformationLib.masks import cropped, mask_box, voxels_around
from DeformationLib.metrics import dice, folding_percent
from DeformationLib.registration import jacobian_determinant, warp_labels

Case = tuple[Image, Image]
"""An image and its label map."""

SETTINGS = {
    "as stored": ("", False),
    "as stored, masks": ("", True),
    "another pose": ("pose", False),
    "in mirror images, masks": ("mirror", True),
    "in noise, masks": ("noise", True),
    "in noise, no masks": ("noise", False),
}
"""What is done to the images, and whether masks are given."""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with images/ and labels/ (1 head, 2 body)")
    parser.add_argument("--output", help="folder for tables")
    parser.add_argument("--model", default="hippocampus", help="name of an installed model, or a folder")
    parser.add_argument("--split", default="10:1", help="which cases validate, as in training")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--alignments", nargs="*", default=["none", "centres", "mass", "rigid", "affine"])
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--cut-off", type=int, nargs="*", default=[3, 5, 8, 12], help="mm around the masks' boxes")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def main(words: list[str]) -> int:
    """Run the benchmark; 0 when it succeeded, 2 after one sentence about what is wrong."""
    arguments = build_parser().parse_args(words)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
        os.environ[variable] = str(arguments.threads)
    try:
        benchmark(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def benchmark(arguments: argparse.Namespace) -> None:
    """Register every pair in every setting with every alignment, print and write."""
    import torch
    from benchmark_registration import choose_pairs
    from registration_tables import machine, markdown, write_rows

    from LatentRegistrationLib.model import RegistrationModel

    torch.set_num_threads(arguments.threads)
    pairs = choose_pairs(Path(arguments.data), arguments.split, arguments.pairs, [arguments.model])
    model = RegistrationModel.load(arguments.model, "cpu")
    description = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(arguments.threads),
        "model": arguments.model,
        "pairs": len(pairs),
    }
    print(f"{description['date']}, {description['machine']['processor']}, {arguments.threads} threads", flush=True)
    rows, cut_rows = [], []
    for number, pair in enumerate(pairs):
        cases = [(read_image(subject.image), read_labels(subject.labels)) for subject in (pair.fixed, pair.moving)]
        if not number:
            model.register(cases[0][0], cases[1][0])  # the first one is slower
        for setting in arguments.settings:
            generator = np.random.default_rng(number)
            change, masks = SETTINGS[setting]
            fixed, moving = changed(*cases, change, generator)
            for alignment in arguments.alignments:
                row = {"fixed": pair.fixed.name, "moving": pair.moving.name, "setting": setting, "alignment": alignment}
                rows.append(row | measure(model, fixed, moving, alignment, masks))
            if masks:
                for margin in arguments.cut_off:
                    cut = [cut_off(case, margin) for case in (fixed, moving)]
                    cut_rows.append({"setting": setting, "mm": margin, **measure(model, *cut, "centres", True)})
    cells = [summary(rows, setting, a) for setting in arguments.settings for a in arguments.alignments]
    header = (
        "images",
        "alignment",
        "Dice mean",
        "worst pair",
        "folds %",
        "warned",
        "refused",
        "seconds",
        "of these aligning",
    )
    print(f"\n{len(pairs)} pairs, {arguments.model}:\n\n{markdown(header, cells)}\n")
    if cut_rows:
        print_cut_off(rows, cut_rows)
    if arguments.output:
        folder = make_folder(arguments.output)
        write_rows(rows, folder / "pairs.csv")
        write_json({**description, "rows": rows}, folder / "alignment.json")
        print(f"wrote {folder}")


def changed(fixed: Case, moving: Case, change: str, generator: np.random.Generator) -> tuple[Case, Case]:
    """Both cases, the moving one in another pose, or both embedded in mirror images or noise."""
    if change == "pose":
        return fixed, in_another_pose(moving, generator)
    if change:
        return embedded(fixed, change, generator), embedded(moving, change, generator)
    return fixed, moving


def in_another_pose(case: Case, generator: np.random.Generator) -> Case:
    """The same voxels elsewhere in the body: turned about the image's centre by up to 30 degrees, and shifted by 15 mm."""
    from scipy.spatial.transform import Rotation

    axis, shift = (vector / np.linalg.norm(vector) for vector in generator.normal(size=(2, 3)))
    turn = Rotation.from_rotvec(axis * np.radians(generator.uniform(0, 30))).as_matrix()
    centre = case[0].geometry.centre

    def move(image: Image) -> Image:
        origin = turn @ (np.asarray(image.origin) - centre) + centre + 15 * shift
        return replace(image, origin=tuple(origin), direction=turn @ image.direction)

    return move(case[0]), move(case[1])


def embedded(case: Case, fill: str, generator: np.random.Generator) -> Case:
    """A case with 10 to 40 more voxels on each side: noise like the image's, or the image itself in mirrors."""
    image, labels = case
    widths = generator.integers(10, 41, (3, 2))
    array = np.pad(image.array, widths, mode="symmetric")
    if fill == "noise":
        inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, image.array.shape, strict=True))
        array = generator.normal(image.array.mean(), image.array.std(), array.shape).astype(np.float32)
        array[inner] = image.array
    origin = tuple(image.geometry.index_to_physical(-widths[::-1, 0]))
    return replace(image, array=array, origin=origin), replace(
        labels, array=np.pad(labels.array, widths), origin=origin
    )


def cut_off(case: Case, margin: float) -> Case:
    """What lies within so many mm of the box of the structure."""
    image, labels = case
    region = voxels_around(image.geometry, mask_box(labels), margin - 0.5 * image.spacing[0])
    part = cropped(image.geometry, region)
    return Image.on_grid(image.array[region], part), Image.on_grid(labels.array[region], part)


def print_cut_off(rows: list[dict], cut_rows: list[dict]) -> None:
    """A table of the mean Dice with the images cut off around the masks, and not."""
    from registration_tables import markdown

    margins = sorted({row["mm"] for row in cut_rows})
    cells = []
    for setting in dict.fromkeys(row["setting"] for row in cut_rows):
        whole = [row["dice"] for row in rows if row["setting"] == setting and row["alignment"] == "centres"]
        parts = [[row["dice"] for row in cut_rows if row["setting"] == setting and row["mm"] == mm] for mm in margins]
        cells.append((setting, *(f"{np.mean(values):.3f}" if values else "–" for values in (whole, *parts))))
    print(f"\nCut off around the masks:\n\n{markdown(('images', 'whole', *(f'{mm} mm' for mm in margins)), cells)}\n")


def measure(model, fixed: Case, moving: Case, alignment: str, masks: bool) -> dict:
    """Dice of the registered labels, folding, seconds and warnings; nan where the registration was refused."""
    options = {}
    if masks:
        options = {f"{name}_mask": case[1] for name, case in (("fixed", fixed), ("moving", moving))}
    start = time.perf_counter()
    try:
        result = model.register(fixed[0], moving[0], alignment, **options)
    except InputError as error:
        return {"dice": float("nan"), "refused": str(error)}
    seconds = time.perf_counter() - start
    warped = warp_labels(moving[1], result.displacement)
    return {
        "dice": float(np.mean(list(dice(warped.array, fixed[1].array, (1, 2)).values()))),
        "folding": folding_percent(jacobian_determinant(result.displacement).array),
        "seconds": seconds,
        "aligning": result.seconds["alignment"],
        "used": result.alignment,
        "before": result.similarity_before,
        "after": result.similarity_after,
        "warnings": " ".join(result.warnings),
    }


def summary(rows: list[dict], setting: str, alignment: str) -> tuple[str, ...]:
    """One line of the table."""
    chosen = [row for row in rows if row["setting"] == setting and row["alignment"] == alignment]
    done = [row for row in chosen if "refused" not in row]
    if not done:
        return setting, alignment, "–", "–", "–", "–", str(len(chosen)), "–", "–"
    values = np.array([row["dice"] for row in done])
    return (
        setting,
        alignment,
        f"{values.mean():.3f} ± {values.std():.3f}",
        f"{values.min():.3f}",
        f"{np.mean([row['folding'] for row in done]):.3f}",
        str(sum(bool(row["warnings"]) for row in done)),
        str(len(chosen) - len(done)),
        f"{np.median([row['seconds'] for row in done]):.2f}",
        f"{np.median([row['aligning'] for row in done]):.2f}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
