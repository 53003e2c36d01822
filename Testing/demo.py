"""The demonstration: register a pair into a Slicer scene, explore its components, write pictures, figures and a table.

``python -m Testing.demo --output demo`` uses simulated phantoms and the model trained on such phantoms;
``--data FOLDER``, with ``images/`` and ``labels/`` of the hippocampus set, registers two of its subjects instead.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder, write_json
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, read_labels
from DeformationLib.phantoms import two_part_phantom

PHANTOM_SEEDS = (4, 1)
HIPPOCAMPUS_PAIR = ("hippocampus_152", "hippocampus_288")  # validation subjects: no model was trained on them


@dataclass(frozen=True)
class Pair:
    """Two images with their label maps, and the model that is made for them."""

    fixed: Image
    fixed_labels: Image
    moving: Image
    moving_labels: Image
    model: str
    title: str


def phantom_pair() -> Pair:
    """Two simulated phantoms that the phantom model has not seen."""
    fixed, moving = (two_part_phantom(seed) for seed in PHANTOM_SEEDS)
    return Pair(*fixed, *moving, "phantom", "Simulated phantoms")


def hippocampus_pair(data: Path) -> Pair:
    """Two validation subjects of a data folder; its first two cases where those are absent."""
    from DeformationLib.cases import find_cases

    cases = {case.name: case for case in find_cases(data / "images", data / "labels") if case.labels}
    names = HIPPOCAMPUS_PAIR if all(name in cases for name in HIPPOCAMPUS_PAIR) else tuple(cases)[:2]
    if len(names) < 2:
        raise InputError(f"{data} holds no two images with label maps of the same name.")
    fixed, moving = (cases[name] for name in names)
    images = [
        read(path) for case in (fixed, moving) for read, path in ((read_image, case.image), (read_labels, case.labels))
    ]
    return Pair(*images, "hippocampus", f"{names[1]} to {names[0]}")


@functools.cache
def load_module(name: str = "LatentRegistration"):
    """The file of a scripted module, loaded once, as Slicer loads it; the host must have been started."""
    path = Path(__file__).resolve().parents[1] / name / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(pair: Pair, folder: Path) -> dict:
    """Register the pair in a scene, draw the contact sheet, save the scene; returns the report."""
    from .contact_sheet import draw_contact_sheet
    from .SlicerHost.application import save_scene, start

    start()
    import slicer

    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    scene = slicer.mrmlScene
    names = {1: "Head", 2: "Body"}
    fixed, moving = add_volume(scene, pair.fixed, "Fixed"), add_volume(scene, pair.moving, "Moving")
    fixed_labels = add_segmentation(scene, pair.fixed_labels, "Fixed labels", names=names, reference_volume_node=fixed)
    moving_labels = add_segmentation(
        scene, pair.moving_labels, "Moving labels", names=names, reference_volume_node=moving
    )
    logic = load_module().LatentRegistrationLogic()
    logic.model(pair.model)  # loaded apart, so that the seconds are the registration's own
    start_time = time.perf_counter()
    nodes = logic.registerVolumes(fixed, moving, pair.model, moving_labels, inverse=True, jacobian=True)
    seconds = time.perf_counter() - start_time
    report = {"title": pair.title, **nodes.result.report(pair.fixed_labels, pair.moving_labels)}
    report["seconds_into_the_scene"] = round(seconds, 3)
    draw_contact_sheet(folder / "contact_sheet.png", logic, pair, fixed, moving, fixed_labels, moving_labels, nodes)
    save_scene(folder / "scene.mrb")
    write_json(report, folder / "report.json")
    return report


def print_table(report: dict) -> None:
    """The report's main figures."""
    names = {1: "head", 2: "body"}
    print(f"\n{report['title']}, model '{report['model']}'\n")
    print(f"{'':24s}{'before':>10s}{'after':>10s}")
    for label, row in report["labels"].items():
        print(f"{'Dice ' + names.get(label, str(label)):24s}{row['dice_before']:10.3f}{row['dice_after']:10.3f}")
        before, after = row["hausdorff95_before_mm"], row["hausdorff95_after_mm"]
        print(f"{'HD95 mm ' + names.get(label, str(label)):24s}{before:10.2f}{after:10.2f}")
    similarity = report["similarity"]
    print(f"{'local correlation':24s}{similarity['before']:10.3f}{similarity['after']:10.3f}")
    jacobian = report["jacobian_determinant"]
    print(f"{'folded voxels %':24s}{'':10s}{jacobian['folding_percent']:10.3f}")
    print(f"{'inverse consistency mm':24s}{'':10s}{report['inverse_consistency_mm']:10.3f}")
    print(f"{'seconds':24s}{'':10s}{sum(report['seconds'].values()):10.3f}")
    for warning in report["warnings"]:
        print(f"warning: {warning}")


def main() -> int:
    """Run the demonstration; 0, or 2 after one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo"))
    parser.add_argument("--data", type=Path, help="folder with images/ and labels/")
    arguments = parser.parse_args()
    try:
        folder = make_folder(arguments.output)
        report = run(hippocampus_pair(arguments.data) if arguments.data else phantom_pair(), folder)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print_table(report)
    print(f"\nwrote {folder}/scene.mrb, contact_sheet.png, report.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
