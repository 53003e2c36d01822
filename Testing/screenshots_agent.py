"""Pictures of AgentRegistration's panel and the views, made by clicks in the headless host on two simulated hearts.

``python -m Testing.screenshots_agent --output folder`` writes agent-walk.png and agent-modes.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

from .screenshots import wait_for, write_picture

MODULE = Path(__file__).resolve().parents[1] / "AgentRegistration" / "AgentRegistration.py"
MODEL = "cardiac-slice-agent"
SIZE = (1500, 1130)
PANEL_WIDTH = 480
TARGET = (0.1, 0.9, 1.0)
"""Colour of the fixed heart's contours."""
STEPS, BY_HAND = 18, (7, 8)


def take_screenshots(folder: Path) -> list[Path]:
    """Let an agent walk, lead it by hand, and let it wait; then move a mode. Raises RuntimeError on a failure."""
    from .SlicerHost.application import load_module, start

    start()
    import slicer

    from AgentRegistrationSceneLib.sample_data import addHearts

    from .SlicerHost.main_window import LAYOUTS, show_main_window
    from .SlicerHost.signals import slot_errors

    window = show_main_window(SIZE)
    window.panel_width(PANEL_WIDTH)
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    load_module(MODULE)
    slicer.util.selectModule("AgentRegistration")
    panel = slicer.modules.AgentRegistrationWidget
    try:
        fixed, moving, fixedParts, movingParts = addHearts()
        outlined(fixedParts)
        walk(panel, fixed, moving, movingParts)
        pictures = [write_picture(window, folder / "agent-walk.png")]
        panel.ui.walkStartButton.click()  # Cancel: layout and views are as they were
        fixedParts.GetDisplayNode().SetVisibility(False)
        slicer.app.layoutManager().setLayout(LAYOUTS["red"])  # of slices, the other views show nothing
        fixedParts.GetDisplayNode().SetVisibility(False)
        slicer.app.layoutManager().setLayout(LAYOUTS["red"])  # of slices, the other views show nothing
        modes(panel, moving, movingParts)
        pictures.append(write_picture(window, folder / "agent-modes.png"))
        panel.ui.exploreButton.click()
    finally:
        window.close_window()
    if slot_errors:
        raise RuntimeError(f"A slot of the panel failed: {slot_errors[0]}")
    return pictures


def walk(panel, fixed, moving, movingParts) -> None:
    """Choose the inputs, press Start, let the agent wait, and go on step by step; two actions are taken by hand."""
    ui = panel.ui
    panel._parameterNode.model = panel._parameterNode.exploreModel = MODEL
    ui.fixedVolumeSelector.setCurrentNode(fixed)
    ui.movingVolumeSelector.setCurrentNode(moving)
    ui.movingSegmentationSelector.setCurrentNode(movingParts)
    ui.paceSpinBox.value = 1
    ui.walkStartButton.click()
    if not wait_for(lambda: panel.walk.live is not None or not panel.walk.running, 300.0) or panel.walk.live is None:
        raise RuntimeError(f"The agent does not walk: {ui.walkMessageLabel.text}")
    ui.walkPauseButton.click()
    wait_for(lambda: not panel.walk.running)
    while ui.walkBackButton.enabled:
        ui.walkBackButton.click()
    for step in range(STEPS):
        if step in BY_HAND:
            ui.walkActionsTable.setCurrentCell(1, 0)
            ui.walkTakeButton.click()
        else:
            ui.walkStepButton.click()
    wait_for(lambda: False, seconds=2.0)


def modes(panel, image, parts) -> None:
    """Open the section, and move the first two modes."""
    import slicer

    ui = panel.ui
    ui.registerCollapsibleButton.collapsed = True
    ui.exploreCollapsibleButton.collapsed = False
    ui.exploreVolumeSelector.setCurrentNode(image)
    ui.exploreStructureSelector.setCurrentNode(parts)
    slicer.util.setSliceViewerLayers(background=image, foreground=None, fit=True)
    ui.exploreButton.click()
    if not wait_for(lambda: ui.exploreAmplitudeSlider.enabled, 120.0):
        raise RuntimeError(f"Exploring did not start: {ui.exploreMessageLabel.text}")
    ui.exploreAmplitudeSlider.value = 2.0
    ui.exploreComponentsTable.setCurrentCell(1, 0)
    ui.exploreAmplitudeSlider.value = -1.5
    wait_for(lambda: False, seconds=2.0)


def outlined(parts) -> None:
    """Show a segmentation by its contours alone, in a colour that is none of the moving one's."""
    segmentation = parts.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segmentation.GetNthSegment(number).SetColor(*TARGET)
    display = parts.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(2)


def main() -> int:
    """Run the command; 0, or 2 after one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("screenshots"))
    try:
        for path in take_screenshots(make_folder(parser.parse_args().output)):
            print(f"wrote {path}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
