"""RiskPrediction's panel opens in a Slicer that has nothing of what the backend needs; only computing asks for it."""

import os

from Testing.test_panel_without_torch import ROOT, run_python

OPEN_THE_PANEL = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sklearn", "lifelines", "pandas", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from Testing.SlicerHost.application import load_module, start

start()
import slicer
from Testing.SlicerHost.signals import slot_errors

load_module("RiskPrediction/RiskPrediction.py")
slicer.app.module_selector.selectModule("RiskPrediction")
panel = slicer.modules.RiskPredictionWidget
assert slot_errors == [], slot_errors

from DeformationSceneLib.tables import add_table

columns = {"case": ["a", "b", "c"], "time": [1.0, 2.0, 3.0], "event": [1, 0, 1], "age": [50.0, 60.0, 70.0]}
panel.ui.cohortTableSelector.setCurrentNode(add_table(slicer.mrmlScene, "Cohort", columns))
panel.ui.checkButton.click()
assert "3 cases" in panel.ui.cohortResultLabel.text, panel.ui.cohortResultLabel.text
count = slicer.mrmlScene.GetNumberOfNodes()
for button in (panel.ui.extractButton, panel.ui.evaluateButton, panel.ui.trainButton):
    assert button.enabled, button.toolTip
    button.click()
assert not any(section.running for section in panel.sections)
assert slicer.mrmlScene.GetNumberOfNodes() == count
assert slot_errors == [], slot_errors
slicer.app.module_selector.selectModule("")
print("opened without", *(name for name in ("torch", "sklearn", "lifelines") if name not in sys.modules))
"""


def test_the_panel_opens_and_checks_tables_without_torch():
    done = run_python(OPEN_THE_PANEL)
    assert done.returncode == 0, done.stderr
    assert "opened without torch sklearn lifelines" in done.stdout
    assert "'PyTorch'" in done.stderr  # what is missing and how to get it is in the log


def test_no_file_of_the_panel_imports_torch_when_it_is_loaded():
    folder = ROOT / "RiskPrediction" / "RiskPredictionSceneLib"
    names = [f"{folder.name}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(names) > 12
    script = (
        f"import sys; sys.path.append({os.fspath(folder.parent)!r})\n"
        "from Testing.SlicerHost.application import start; start()\nimport importlib\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\n"
        "assert not {'torch', 'lifelines'} & set(sys.modules)"
    )
    done = run_python(script)
    assert done.returncode == 0, done.stderr
