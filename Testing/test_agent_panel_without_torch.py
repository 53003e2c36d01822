"""AgentRegistration's panel opens in a Slicer that has nothing of what the backend needs; only computing asks for it."""

import os

from Testing.test_panel_without_torch import ROOT, run_python

OPEN_THE_PANEL = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sklearn", "tqdm", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from Testing.SlicerHost.application import load_module, start

start()
import slicer
from Testing.SlicerHost.signals import slot_errors

load_module("AgentRegistration/AgentRegistration.py")
slicer.app.module_selector.selectModule("AgentRegistration")
panel = slicer.modules.AgentRegistrationWidget
assert slot_errors == [], slot_errors

from AgentRegistrationSceneLib.sample_data import addHearts

fixed, moving, _, segmentation = addHearts()
panel.ui.fixedVolumeSelector.setCurrentNode(fixed)
panel.ui.movingVolumeSelector.setCurrentNode(moving)
panel.ui.movingSegmentationSelector.setCurrentNode(segmentation)
panel.ui.exploreVolumeSelector.setCurrentNode(moving)
count = slicer.mrmlScene.GetNumberOfNodes()
for button in (panel.ui.walkStartButton, panel.ui.exploreButton):
    assert button.enabled, button.toolTip
    button.click()
assert "PyTorch" in panel.ui.walkMessageLabel.text, panel.ui.walkMessageLabel.text
assert not any(section.running for section in panel.sections)
assert slicer.mrmlScene.GetNumberOfNodes() == count
assert slot_errors == [], slot_errors
slicer.app.module_selector.selectModule("")
print("opened without", *(name for name in ("torch", "sklearn") if name not in sys.modules))
"""


def test_the_panel_opens_without_torch():
    done = run_python(OPEN_THE_PANEL)
    assert done.returncode == 0, done.stderr
    assert "opened without torch sklearn" in done.stdout
    assert "'PyTorch'" in done.stderr  # what is missing and how to get it is in the log


def test_no_file_of_the_panel_imports_torch_when_it_is_loaded():
    folder = ROOT / "AgentRegistration" / "AgentRegistrationSceneLib"
    names = [f"{folder.name}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(names) > 12
    script = (
        f"import sys; sys.path.append({os.fspath(folder.parent)!r})\n"
        "from Testing.SlicerHost.application import start; start()\nimport importlib\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\nassert 'torch' not in sys.modules"
    )
    done = run_python(script)
    assert done.returncode == 0, done.stderr
