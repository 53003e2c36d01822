"""Pictures of MotionModel's panel and the views, made by clicks in the headless host on simulated beating hearts.

``python -m Testing.screenshots_motion --output folder`` writes motion-track.png and motion-transport.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

from .screenshots import wait_for, write_picture

MODULE = Path(__file__).resolve().parents[1] / "MotionModel" / "MotionModel.py"
SIZE = (1500, 960)
PANEL_WIDTH = 470
HEART = {"size": (104, 104, 6), "frames": 16}


def take_screenshots(folder: Path) -> list[Path]:
    """Track one heart and transport its motion to another. Raises RuntimeError on a failure."""
    from .SlicerHost.application import load_module, start

    start()
    import slicer

    from .SlicerHost.main_window import LAYOUTS, show_main_window
    from .SlicerHost.signals import slot_errors

    window = show_main_window(SIZE)
    window.panel_width(PANEL_WIDTH)
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    load_module(MODULE)
    slicer.util.selectModule("MotionModel")
    panel = slicer.modules.MotionModelWidget
    try:
        track(panel)
        pictures = [write_picture(window, folder / "motion-track.png")]
        transport(panel)
        pictures.append(write_picture(window, folder / "motion-transport.png"))
    finally:
        window.close_window()
    if slot_errors:
        raise RuntimeError(f"A slot of the panel failed: {slot_errors[0]}")
    return pictures


def track(panel) -> None:
    """Choose the inputs, press Apply, wait, show the volumes and the end of systole."""
    from MotionModelSceneLib.sample_data import addBeatingHeart

    _sequence, browser, segmentation = addBeatingHeart(**HEART)
    ui = panel.ui
    ui.cineSelector.setCurrentNode(browser)
    ui.segmentationSelector.setCurrentNode(segmentation)
    ui.applyButton.click()
    if not wait_for(lambda: not panel.track.running) or panel.track.nodes is None:
        raise RuntimeError(f"Tracking failed: {ui.trackMessageLabel.text}")
    ui.resultChartButton.click()
    browser.SetSelectedItemNumber(HEART["frames"] // 3)
    wait_for(lambda: False, seconds=2.0)


def transport(panel) -> None:
    """Let the image of a weak heart move as the first one does, side by side."""
    from MotionModelSceneLib.sample_data import addBeatingHeart

    sequence, browser, segmentation = addBeatingHeart(7, 0.4, **HEART)
    ui = panel.ui
    ui.trackCollapsibleButton.collapsed = True
    ui.simulateCollapsibleButton.collapsed = False
    ui.simulateImageSelector.setCurrentNode(browser.GetProxyNode(sequence))
    ui.simulateSegmentationSelector.setCurrentNode(segmentation)
    ui.transportButton.click()
    if not wait_for(lambda: not panel.simulate.running) or panel.simulate.nodes is None:
        raise RuntimeError(f"Transporting failed: {ui.simulateMessageLabel.text}")
    ui.sideBySideButton.click()
    ui.simulateSeekWidget.slider().setValue(HEART["frames"] // 3)
    wait_for(lambda: False, seconds=2.0)


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
