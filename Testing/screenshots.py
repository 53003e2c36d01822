"""The pictures of the README: the panel and the views, made by clicks in the headless host.

``python -m Testing.screenshots --output folder`` uses simulated phantoms; ``--data FOLDER``, with ``images/`` and
``labels/`` of the hippocampus set, two of its subjects instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

from .demo import Pair, hippocampus_pair, phantom_pair

MODULE = Path(__file__).resolve().parents[1] / "LatentRegistration" / "LatentRegistration.py"
SIZE = (1500, 960)
PANEL_WIDTH = 500
SECONDS = 120.0


def take_screenshots(pair: Pair, folder: Path) -> list[Path]:
    """Register and explore a pair in the panel; writes register.png and explore.png. Raises RuntimeError on a failure."""
    from .SlicerHost.application import load_module, start

    start()
    import slicer

    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume

    from .SlicerHost.main_window import LAYOUTS, show_main_window
    from .SlicerHost.signals import slot_errors

    scene, names = slicer.mrmlScene, {1: "Head", 2: "Body"}
    fixed, moving = add_volume(scene, pair.fixed, "Fixed"), add_volume(scene, pair.moving, "Moving")
    labels = add_segmentation(scene, pair.moving_labels, "Moving labels", names=names, reference_volume_node=moving)
    window = show_main_window(SIZE)
    window.panel_width(PANEL_WIDTH)
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    load_module(MODULE)
    slicer.util.selectModule("LatentRegistration")
    panel = slicer.modules.LatentRegistrationWidget
    try:
        register(panel, fixed, moving, labels, pair.model)
        pictures = [write_picture(window, folder / "register.png")]
        for node in panel.register.nodes:  # the next picture shows the moving subject alone
            scene.RemoveNode(node)
        explore(panel, moving, labels, pair.model)
        pictures.append(write_picture(window, folder / "explore.png"))
        panel.ui.exploreButton.click()
    finally:
        window.close_window()
    if slot_errors:
        raise RuntimeError(f"A slot of the panel failed: {slot_errors[0]}")
    return pictures


def register(panel, fixed, moving, labels, model: str) -> None:
    """Choose the inputs, press Apply, wait, show the grid."""
    import slicer

    ui = panel.ui
    ui.fixedVolumeSelector.setCurrentNode(fixed)
    ui.movingVolumeSelector.setCurrentNode(moving)
    ui.movingSegmentationSelector.setCurrentNode(labels)
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findText(model))
    ui.makeJacobianCheckBox.click()
    labels.GetDisplayNode().SetVisibility(False)
    ui.applyButton.click()
    if not wait_for(lambda: not panel.register.running):
        raise RuntimeError("The registration did not end.")
    nodes = panel.register.nodes
    if nodes is None:
        raise RuntimeError("The registration failed.")
    ui.deformationDisplayComboBox.setCurrentIndex(ui.deformationDisplayComboBox.findText("Grid"))
    ui.fadeSlider.value = 100
    nodes.segmentation.CreateClosedSurfaceRepresentation()
    nodes.segmentation.GetDisplayNode().SetVisibility(True)
    slicer.util.resetThreeDViews()


def explore(panel, image, labels, model: str) -> None:
    """Open the section, encode the image, set an amplitude."""
    import slicer

    ui = panel.ui
    ui.registerCollapsibleButton.collapsed = True
    ui.exploreCollapsibleButton.collapsed = False
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText(model))
    ui.exploreVolumeSelector.setCurrentNode(image)
    ui.exploreStructureSelector.setCurrentNode(labels)
    slicer.util.setSliceViewerLayers(background=image, foreground=None, fit=True)
    ui.exploreButton.click()
    if not wait_for(lambda: ui.exploreAmplitudeSlider.enabled):
        raise RuntimeError(f"Exploring did not start: {ui.exploreMessageLabel.text}")
    ui.exploreAmplitudeSlider.value = 2.0
    slicer.util.resetThreeDViews()
    wait_for(lambda: False, seconds=2.0)  # until the views show the latest amplitude


def wait_for(condition, seconds: float = SECONDS) -> bool:
    """Handle events until a condition holds; False if it does not within `seconds`."""
    import time

    import slicer

    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        slicer.app.processEvents()
        time.sleep(0.005)
    return True


def write_picture(window, path: Path) -> Path:
    """Write what the window shows as PNG."""
    from PIL import Image

    Image.fromarray(window.picture()).save(path, optimize=True)
    return path


def main() -> int:
    """Run the command; 0, or 2 after one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("screenshots"))
    parser.add_argument("--data", type=Path, help="folder with images/ and labels/")
    arguments = parser.parse_args()
    try:
        folder = make_folder(arguments.output)
        pair = hippocampus_pair(arguments.data) if arguments.data else phantom_pair()
        for path in take_screenshots(pair, folder):
            print(f"wrote {path}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
