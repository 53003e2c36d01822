"""Draw the thumbnails of the sample data: ``python -m Testing.thumbnails --data FOLDER``.

Writes ``LatentRegistration/Resources/Icons/Phantoms.png``, and ``Hippocampus.png`` from a data folder with ``images/``
and ``labels/``: the sagittal slice of the fixed image that shows most of its structures, with their contours. And
``MotionModel/Resources/Icons/BeatingHeart.png``: the middle slice of the simulated heart, contracted, with the contours
of both phases. And ``RiskPrediction/Resources/Icons/SimulatedCohort.png``: nine hearts of the simulated cohort. And
``AgentRegistration/Resources/Icons/TwoHearts.png``: the fixed one of two hearts, with the contours of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .demo import Pair, hippocampus_pair, phantom_pair
from .SlicerHost.application import start

ICONS = Path(__file__).resolve().parents[1] / "LatentRegistration" / "Resources" / "Icons"
HEART = Path(__file__).resolve().parents[1] / "MotionModel" / "Resources" / "Icons" / "BeatingHeart.png"
COHORT = Path(__file__).resolve().parents[1] / "RiskPrediction" / "Resources" / "Icons" / "SimulatedCohort.png"
TWO_HEARTS = Path(__file__).resolve().parents[1] / "AgentRegistration" / "Resources" / "Icons" / "TwoHearts.png"
LONGEST_SIDE = 240
HEAD, BODY = (1.0, 0.78, 0.25), (0.35, 0.8, 1.0)


def draw_thumbnail(pair: Pair, path: Path) -> None:
    """Draw the fixed image of a pair with the contours of its two structures."""
    import slicer
    from PIL import Image

    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    from .SlicerHost.views import SliceView

    scene = slicer.mrmlScene
    scene.Clear(False)
    volume = add_volume(scene, pair.fixed, "Image")
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(*np.percentile(pair.fixed.array, (1.0, 99.0)).tolist())
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    along, up = (bounds[1::2] - bounds[::2])[1:]
    # Rounded down: a view that is wider than the image would show a black margin.
    size = tuple(int(LONGEST_SIDE * side / max(along, up)) for side in (along, up))
    with SliceView(scene, size, smoothness=4) as view:
        view.set_background(volume)
        view.set_slice("sagittal", _sagittal_position(pair.fixed_labels))
        for label, colour in ((1, HEAD), (2, BODY)):
            part = pair.fixed_labels.with_array((pair.fixed_labels.array == label).astype(np.int16))
            view.add_outline(add_segmentation(scene, part, f"Label {label}", reference_volume_node=volume), colour)
        Image.fromarray(view.render()).save(path, optimize=True)


def draw_heart(path: Path) -> None:
    """Draw the simulated heart at end-systole: its left ventricle's contour there, and where that was at end-diastole."""
    import slicer
    from PIL import Image

    from DeformationLib.cardiac_phantoms import POOL, beating_heart
    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume
    from MotionModelSceneLib.sample_data import FRAMES, SEED, SIZE, SPACING

    from .SlicerHost.views import SliceView

    scene = slicer.mrmlScene
    scene.Clear(False)
    heart = beating_heart(SEED, FRAMES, 1.0, SIZE, SPACING)
    image = heart.frames[heart.es_frame]
    volume = add_volume(scene, image, "Image")
    with SliceView(scene, (LONGEST_SIDE, LONGEST_SIDE), smoothness=4) as view:
        view.set_background(volume)
        view.set_slice("axial")
        for frame, colour in ((0, HEAD), (heart.es_frame, BODY)):
            labels = heart.labels[frame]
            part = labels.with_array((labels.array == POOL).astype(np.int16))
            view.add_outline(add_segmentation(scene, part, f"Frame {frame}", reference_volume_node=volume), colour)
        Image.fromarray(view.render()).save(path, optimize=True)


def draw_cohort(path: Path) -> None:
    """Draw nine hearts of the simulated cohort at end-systole, three by three."""
    from PIL import Image

    from DeformationLib.cardiac_phantoms import beating_heart
    from RiskPredictionSceneLib.sample_data import FRAMES, SEED, SPACING

    side = LONGEST_SIDE // 3
    picture = Image.new("L", (3 * side, 3 * side))
    for number, contraction in enumerate(np.linspace(0.3, 1.2, 9)):
        heart = beating_heart(SEED + number, FRAMES, float(contraction), (96, 96, 1), (1.6, 1.6, SPACING[2]))
        pixels = heart.frames[heart.es_frame].array[0]
        low, high = np.percentile(pixels, (1.0, 99.0))
        grey = np.clip(255.0 * (pixels - low) / (high - low), 0, 255).astype(np.uint8)
        place = (number % 3) * side, (number // 3) * side
        picture.paste(Image.fromarray(grey).resize((side - 2, side - 2), Image.Resampling.LANCZOS), place)
    picture.convert("RGB").save(path, optimize=True)


def draw_two_hearts(path: Path) -> None:
    """Draw the fixed slice of the simulated pair, with the walls of both hearts."""
    import slicer
    from PIL import Image

    from AgentRegistrationSceneLib.sample_data import simulatedHearts
    from DeformationLib.cardiac_phantoms import POOL
    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    from .SlicerHost.views import SliceView

    scene = slicer.mrmlScene
    scene.Clear(False)
    pair = simulatedHearts()
    volume = add_volume(scene, pair.fixed, "Image")
    with SliceView(scene, (LONGEST_SIDE, LONGEST_SIDE), smoothness=4) as view:
        view.set_background(volume)
        view.set_slice("axial")
        for labels, colour in ((pair.movingLabels, HEAD), (pair.fixedLabels, BODY)):
            part = labels.with_array((labels.array == POOL).astype(np.int16))
            view.add_outline(add_segmentation(scene, part, "Heart", reference_volume_node=volume), colour)
        Image.fromarray(view.render()).save(path, optimize=True)


def _sagittal_position(labels) -> float:
    """R of the slice that shows most of both labels."""
    areas = np.minimum(*((labels.array == label).sum(axis=(0, 1)) for label in (1, 2)))
    index = np.array([float(areas.argmax()), 0.0, 0.0])
    return -float(labels.geometry.index_to_physical(index[None])[0, 0])


def main() -> None:
    """Draw those that there are data for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with images/ and labels/ of the hippocampus set")
    arguments = parser.parse_args()
    start()
    draw_thumbnail(phantom_pair(), ICONS / "Phantoms.png")
    draw_heart(HEART)
    draw_cohort(COHORT)
    draw_two_hearts(TWO_HEARTS)
    if arguments.data:
        draw_thumbnail(hippocampus_pair(arguments.data), ICONS / "Hippocampus.png")


if __name__ == "__main__":
    main()
