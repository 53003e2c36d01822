"""Pictures of RiskPrediction's panel and the views, made by clicks in the headless host on simulated hearts and outcomes.

``python -m Testing.screenshots_risk --output folder`` writes risk-evaluate.png, risk-patient.png and risk-motion.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from DeformationLib.catalogue import FOLDERS_VARIABLE
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder

from .screenshots import wait_for, write_picture

MODULE = Path(__file__).resolve().parents[1] / "RiskPrediction" / "RiskPrediction.py"
SIZE = (1500, 1040)
PANEL_WIDTH = 470
SECONDS = 1800.0
COHORT = {"cases": 64, "size": (72, 72, 3), "frames": 12}


def take_screenshots(folder: Path) -> list[Path]:
    """Extract, evaluate, train, predict, simulate. Raises RuntimeError on a failure."""
    from .SlicerHost.application import load_module, start

    start()
    import slicer

    from .SlicerHost.main_window import LAYOUTS, show_main_window
    from .SlicerHost.signals import slot_errors

    window = show_main_window(SIZE)
    window.panel_width(PANEL_WIDTH)
    slicer.app.layoutManager().setLayout(LAYOUTS["four-up"])
    load_module(MODULE)
    slicer.util.selectModule("RiskPrediction")
    panel = slicer.modules.RiskPredictionWidget
    try:
        evaluate(panel)
        pictures = [write_picture(window, folder / "risk-evaluate.png")]
        predict(panel)
        pictures.append(write_picture(window, folder / "risk-patient.png"))
        simulate(panel)
        pictures.append(write_picture(window, folder / "risk-motion.png"))
    finally:
        window.close_window()
    if slot_errors:
        raise RuntimeError(f"A slot of the panel failed: {slot_errors[0]}")
    return pictures


def evaluate(panel) -> None:
    """Extract the fingerprints of a simulated cohort, compare predictors, train a model, show survival."""
    from RiskPredictionSceneLib.sample_data import addSimulatedCohort

    table, browser = addSimulatedCohort(**COHORT)
    ui = panel.ui
    ui.cohortTableSelector.setCurrentNode(table)
    ui.patientSelector.setCurrentNode(browser)
    press(panel.cohort, ui.extractButton, ui.cohortMessageLabel)
    ui.cohortCollapsibleButton.collapsed = True
    ui.evaluateCollapsibleButton.collapsed = False
    ui.foldsSpinBox.value = 4
    press(panel.evaluate, ui.evaluateButton, ui.evaluateMessageLabel)
    ui.riskNameLineEdit.text = "simulated-hearts"
    press(panel.evaluate, ui.trainButton, ui.evaluateMessageLabel)
    show(ui.evaluateChartComboBox, ui.evaluateChartButton, 1)


def predict(panel) -> None:
    """Predict the risk of a heart that is not in the cohort, show its survival."""
    ui = panel.ui
    ui.evaluateCollapsibleButton.collapsed = True
    ui.patientCollapsibleButton.collapsed = False
    press(panel.patient, ui.predictButton, ui.patientMessageLabel)
    show(ui.patientChartComboBox, ui.patientChartButton, 0)


def simulate(panel) -> None:
    """Show the motions of lower and higher risk at end-systole."""
    ui = panel.ui
    press(panel.patient, ui.riskMotionButton, ui.patientMessageLabel)
    ui.riskMotionSeekWidget.slider().setValue(COHORT["frames"] // 3)
    wait_for(lambda: False, seconds=2.0)


def press(section, button, messageLabel) -> None:
    """Click, and wait until the work has ended."""
    button.click()
    if not wait_for(lambda: not section.running, SECONDS) or "Failed" in messageLabel.text:
        raise RuntimeError(f"{button.text} failed: {messageLabel.text}")


def show(comboBox, button, index: int) -> None:
    """Show one of the listed plots."""
    comboBox.setCurrentIndex(index)
    button.click()
    wait_for(lambda: False, seconds=2.0)


def main() -> int:
    """Run the command; 0, or 2 after one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("screenshots"))
    try:
        folder = make_folder(parser.parse_args().output)
        # The model that is trained here is none of the user's.
        with tempfile.TemporaryDirectory() as models:
            os.environ[FOLDERS_VARIABLE] = models
            for path in take_screenshots(folder):
                print(f"wrote {path}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
