"""The pictures of the README that show hearts: a latent map, a grid of simulated deformations, and a transported motion.

``python -m Testing.screenshots_heart --output folder``. The hearts are simulated, and so are the three groups.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from DeformationLib.cardiac_phantoms import BeatingHeart, beating_heart
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

from .screenshots import MODULE, PANEL_WIDTH, wait_for, write_picture

MODEL = "cardiac-short-axis"
SIZE = (1500, 1240)
GROUPS = {"weak": (0.2, 0.45), "usual": (0.6, 0.85), "strong": (1.0, 1.2)}
"""How far the hearts of each group contract."""
CASES_PER_GROUP = 8


def simulated_cases() -> list[tuple[str, str, BeatingHeart]]:
    """Name, group and series of simulated patients."""
    generator, cases = np.random.default_rng(0), []
    for group, (low, high) in GROUPS.items():
        for number in range(CASES_PER_GROUP):
            heart = beating_heart(len(cases), frames=4, contraction=float(generator.uniform(low, high)))
            cases.append((f"{group} {number + 1}", group, heart))
    return cases


def take_screenshots(folder: Path) -> list[Path]:
    """Write map.png, grid.png and transport.png. Raises RuntimeError on a failure."""
    from .SlicerHost.application import load_module, start

    start()
    import slicer

    from DeformationLib.progress import Progress
    from DeformationSceneLib.segmentations import add_segmentation
    from DeformationSceneLib.volumes import add_volume
    from LatentRegistrationLib.latent_cases import encode_cases
    from LatentRegistrationSceneLib.case_codes import add_codes_table

    from .SlicerHost.main_window import show_main_window
    from .SlicerHost.signals import slot_errors

    scene, cases = slicer.mrmlScene, simulated_cases()
    window = show_main_window(SIZE)
    window.panel_width(PANEL_WIDTH)
    load_module(MODULE)
    slicer.util.selectModule("LatentRegistration")
    panel = slicer.modules.LatentRegistrationWidget
    pairs = [(name, heart.frames[heart.es_frame], heart.frames[0]) for name, _group, heart in cases]
    codes = encode_cases(panel.logic.model(MODEL), pairs, [group for _name, group, _heart in cases], Progress())
    source, target = cases[-1][2], cases[9][2]
    nodes = {
        "table": add_codes_table(scene, codes),
        "systole": add_volume(scene, source.frames[source.es_frame], "Source, end-systole"),
        "diastole": add_volume(scene, source.frames[0], "Source, end-diastole"),
        "target": add_volume(scene, target.frames[0], "Target, end-diastole"),
    }
    names = {1: "Right ventricle", 2: "Myocardium", 3: "Blood pool"}
    for name, heart in (("diastole", source), ("target", target)):
        title = f"{nodes[name].GetName()} labels"
        nodes[f"{name} labels"] = add_segmentation(
            scene, heart.labels[0], title, names=names, reference_volume_node=nodes[name]
        )
        nodes[f"{name} labels"].GetDisplayNode().SetVisibility(False)
    try:
        show_map(panel, nodes)
        pictures = [write_picture(window, folder / "map.png")]
        show_grid(panel)
        pictures.append(write_picture(window, folder / "grid.png"))
        panel.ui.exploreButton.click()
        transport(panel, nodes)
        pictures.append(write_picture(window, folder / "transport.png"))
    finally:
        window.close_window()
    if slot_errors:
        raise RuntimeError(f"A slot of the panel failed: {slot_errors[0]}")
    return pictures


def show_map(panel, nodes) -> None:
    """Explore the target, show the map of the groups, and press a case."""
    import slicer

    from .SlicerHost.main_window import LAYOUTS

    ui = panel.ui
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    ui.registerCollapsibleButton.collapsed = True
    ui.exploreCollapsibleButton.collapsed = False
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText(MODEL))
    ui.exploreVolumeSelector.setCurrentNode(nodes["target"])
    ui.exploreStructureSelector.setCurrentNode(nodes["target labels"])
    slicer.util.setSliceViewerLayers(background=nodes["target"], foreground=None, fit=True)
    ui.exploreButton.click()
    _finished(lambda: ui.exploreAmplitudeSlider.enabled, ui.exploreMessageLabel)
    ui.mapGroupBox.checked = True
    ui.mapCodesSelector.setCurrentNode(nodes["table"])
    ui.mapKindComboBox.setCurrentIndex(0)
    ui.mapShowButton.click()
    _finished(lambda: panel.map.nodes is not None, ui.mapMessageLabel)
    panel.map.pickCase("strong 8")
    wait_for(lambda: False, seconds=2.0)  # until the views show the code


def show_grid(panel) -> None:
    """Walk the two main axes on the explored image."""
    import slicer

    from .SlicerHost.main_window import LAYOUTS

    ui = panel.ui
    slicer.app.layoutManager().setLayout(LAYOUTS["red"])
    ui.mapGroupBox.checked = False
    ui.exploreExportGroupBox.checked = True
    ui.exploreDisplayComboBox.setCurrentIndex(ui.exploreDisplayComboBox.findText("Nothing"))
    ui.exploreExportGridButton.click()
    _finished(lambda: not panel.explore.running, ui.exploreMessageLabel)
    wait_for(lambda: False, seconds=0.5)


def transport(panel, nodes) -> None:
    """Bring the source's motion into the target."""
    import slicer

    from .SlicerHost.main_window import LAYOUTS

    ui = panel.ui
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    slicer.util.setSliceViewerLayers(background=nodes["target"], foreground=None, fit=True)
    ui.exploreExportGroupBox.checked = False
    ui.exploreDisplayComboBox.setCurrentIndex(ui.exploreDisplayComboBox.findText("Arrows"))
    nodes["target labels"].GetDisplayNode().SetVisibility(True)
    nodes["target labels"].GetDisplayNode().SetAllSegmentsVisibility2DFill(False)  # outlines, under the deformed ones
    ui.simulateGroupBox.checked = True
    ui.simulateSourceFixedSelector.setCurrentNode(nodes["systole"])
    ui.simulateSourceMovingSelector.setCurrentNode(nodes["diastole"])
    ui.simulateSourceStructureSelector.setCurrentNode(nodes["diastole labels"])
    ui.simulatePartComboBox.setCurrentIndex(ui.simulatePartComboBox.findText("Blood pool"))
    ui.simulateTransportButton.click()
    _finished(lambda: not panel.simulate.running, ui.simulateMessageLabel)
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetDisplayNode().GetVisibility():
            node.CreateClosedSurfaceRepresentation()
    slicer.util.resetThreeDViews()
    wait_for(lambda: False, seconds=1.0)


def _finished(condition, label) -> None:
    if not wait_for(condition):
        raise RuntimeError(f"The panel did not get there: {label.text}")


def main() -> int:
    """Run the command; 0, or 2 after one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("screenshots"))
    arguments = parser.parse_args()
    try:
        for path in take_screenshots(make_folder(arguments.output)):
            print(f"wrote {path}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
