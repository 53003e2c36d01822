"""How fast the panel answers: ``python Testing/Benchmarks/benchmark_panel.py [--data FOLDER]``, with OMP_NUM_THREADS=2.

Prints how long the panel takes to open beyond the host's own start. Then milliseconds, on the clock and of the processor
(all threads together, which other programs disturb less), from a change of the Explore section's slider until all four
views (three slices and 3-D, in the headless host, drawn by Mesa in software) have drawn the new deformation, for each way
to show it: on an image of the hippocampus set (without ``--data``: a phantom) and on the same in a field of view of 256^3
voxels. Beside it, for comparison, what it takes to deform image and labels on the image's own grid and to put them into
the scene.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

THREADS = 2
CHANGES = 25
SIZE = (1400, 900)
LARGE = 256
WAYS = ("Arrows", "Grid", "Contours", "Nothing")


def embedded(image, labels, size: int = LARGE):
    """Image and labels in a field of view of `size`^3 voxels, with noise around, off its centre."""
    from DeformationLib.geometry import Geometry
    from DeformationLib.image import Image

    generator = np.random.default_rng(0)
    values = generator.normal(image.array.mean(), image.array.std(), (size,) * 3).astype(np.float32)
    first = [(size - n) // 3 for n in image.array.shape]
    place = tuple(slice(start, start + n) for start, n in zip(first, image.array.shape))
    values[place] = image.array
    marked = np.zeros((size,) * 3, np.int16)
    marked[place] = labels.array
    origin = image.geometry.index_to_physical(-np.array(first[::-1]))
    geometry = Geometry((size,) * 3, image.spacing, tuple(origin), image.direction)
    return Image.on_grid(values, geometry), Image.on_grid(marked, geometry)


def measure(panel, window, image, labels, model: str, title: str) -> None:
    """Explore one image and print a line for each way to show its deformation."""
    import slicer

    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    ui, scene = panel.ui, slicer.mrmlScene
    node = add_volume(scene, image, title)
    segmentation = add_segmentation(scene, labels, f"{title} labels", reference_volume_node=node)
    segmentation.GetDisplayNode().SetVisibility(False)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText(model))
    ui.exploreVolumeSelector.setCurrentNode(node)
    ui.exploreStructureSelector.setCurrentNode(segmentation)
    start = time.perf_counter()
    ui.exploreButton.click()
    wait_for(lambda: not panel.explore.running)
    if not panel.explore.exploring:
        raise SystemExit(f"Exploring did not start: {ui.exploreMessageLabel.text}")
    slicer.util.resetThreeDViews()
    print(
        f"\n{title}: {' x '.join(map(str, image.geometry.size))} voxels; ready after {time.perf_counter() - start:.2f} s"
    )
    print(f"{'shown':32s}{'median ms':>10s}{'90 %':>8s}{'processor ms':>13s}")
    for way in WAYS:
        ui.exploreDisplayComboBox.setCurrentIndex(ui.exploreDisplayComboBox.findText(way))
        report(way.lower(), changes(panel))
    ui.exploreDisplayComboBox.setCurrentIndex(0)
    ui.exploreShowImageCheckBox.click()
    report("arrows and the deformed image", changes(panel))
    ui.exploreShowImageCheckBox.click()
    explorer = panel.explore.exploration.explorer
    report("of these, the model alone", [seconds(lambda: explorer.live_displacement([1.0])) for _ in range(CHANGES)])
    ui.exploreButton.click()
    report("for comparison, the whole image", [whole_image(panel, node, segmentation, explorer) for _ in range(3)])
    scene.RemoveNode(node)
    scene.RemoveNode(segmentation)


def changes(panel) -> list[tuple[float, float]]:
    """Seconds, on the clock and of the processor, from each change of the slider until all views have drawn it."""
    values = np.linspace(-2.0, 2.5, CHANGES + 3)
    times = []
    for value in values:

        def change(value=value):
            panel.ui.exploreAmplitudeSlider.value = value
            wait_for(lambda: panel.explore._request.idle)
            draw()

        times.append(seconds(change))
    return times[3:]  # the first ones set pipelines up


def draw() -> None:
    """Draw every view that has not drawn the present state of the scene yet."""
    import slicer

    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    for view in [*views, manager.threeDWidget(0).threeDView()]:
        if view.visible:
            view.picture()


def whole_image(panel, node, segmentation, explorer) -> tuple[float, float]:
    """Seconds for one deformation of image and labels on the image's own grid."""
    import slicer

    made = []

    def deform():
        amplitudes = explorer.amplitudes([1.0])
        made.append(
            panel.logic.decomposeVolume(
                node, segmentationNode=segmentation, amplitudes=amplitudes, explorer=explorer, warped=True
            )
        )
        draw()

    passed, nodes = seconds(deform), made[0]
    for output in (nodes.segmentation, nodes.warped, nodes.transform):
        slicer.mrmlScene.RemoveNode(output)
    return passed


def seconds(work) -> tuple[float, float]:
    """On the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def wait_for(condition) -> None:
    import slicer

    while not condition():
        slicer.app.processEvents()


def report(name: str, times: list[tuple[float, float]]) -> None:
    clock, processor = 1000 * np.transpose(times)
    print(f"{name:32s}{np.median(clock):10.0f}{np.quantile(clock, 0.9):8.0f}{np.median(processor):13.0f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with images/ and labels/ of the hippocampus set")
    arguments = parser.parse_args()

    from Testing.SlicerHost.application import load_module, start

    begin = time.perf_counter()
    start()
    import slicer

    from Testing.SlicerHost.main_window import LAYOUTS, show_main_window

    window = show_main_window(SIZE)
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    begun = time.perf_counter()
    load_module(Path(__file__).resolve().parents[2] / "LatentRegistration" / "LatentRegistration.py")
    loaded = time.perf_counter()
    slicer.util.selectModule("LatentRegistration")
    slicer.app.processEvents()
    slicer.modules.LatentRegistrationWidget.parent.grab()
    opened = time.perf_counter()
    print(
        f"host with its views {begun - begin:.2f} s; beyond that, module loaded {loaded - begun:.2f} s, "
        f"panel opened and drawn {opened - loaded:.2f} s; torch was {'' if 'torch' in sys.modules else 'not '}imported"
    )
    import torch

    from Testing.demo import hippocampus_pair, phantom_pair

    torch.set_num_threads(THREADS)
    pair = hippocampus_pair(arguments.data) if arguments.data else phantom_pair()
    panel = slicer.modules.LatentRegistrationWidget
    measure(panel, window, pair.moving, pair.moving_labels, pair.model, "image")
    measure(panel, window, *embedded(pair.moving, pair.moving_labels), pair.model, "large image")
    window.close_window()
    return 0


if __name__ == "__main__":
    sys.exit(main())
