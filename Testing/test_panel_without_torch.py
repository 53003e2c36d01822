"""The panel opens in a Slicer that has nothing of what the backend needs; only computing asks for it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

OPEN_THE_PANEL = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sklearn", "tqdm", "matplotlib", "lifelines"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from Testing.SlicerHost.application import load_module, start

start()
import slicer
from Testing.SlicerHost.signals import slot_errors

load_module("LatentRegistration/LatentRegistration.py")
slicer.app.module_selector.selectModule("LatentRegistration")
panel = slicer.modules.LatentRegistrationWidget
assert slot_errors == [], slot_errors
names = [panel.ui.modelComboBox.itemText(index) for index in range(panel.ui.modelComboBox.count)]
assert "phantom" in names, names

from LatentRegistrationSceneLib.sample_data import addPhantoms

fixed, moving, _fixed_labels, moving_labels = addPhantoms()
panel.ui.fixedVolumeSelector.setCurrentNode(fixed)
panel.ui.movingVolumeSelector.setCurrentNode(moving)
assert panel.ui.applyButton.enabled
count = slicer.mrmlScene.GetNumberOfNodes()
panel.ui.applyButton.click()
assert not panel.register.running
panel.ui.exploreVolumeSelector.setCurrentNode(moving)
panel.ui.exploreButton.click()
assert not panel.explore.running
assert slicer.mrmlScene.GetNumberOfNodes() == count
assert slot_errors == [], slot_errors
slicer.app.module_selector.selectModule("")
print("opened without", *(name for name in ("torch", "sklearn") if name not in sys.modules))
"""


def run_python(script: str) -> subprocess.CompletedProcess:
    """Run a script in a Python process of its own, with the modules on its path."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "LatentRegistration")])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_panel_opens_without_torch():
    done = run_python(OPEN_THE_PANEL)
    assert done.returncode == 0, done.stderr
    assert "opened without torch sklearn" in done.stdout
    assert "'PyTorch'" in done.stderr  # what is missing and how to get it is in the log


def test_no_file_of_the_panel_imports_torch_when_it_is_loaded():
    folders = [ROOT / "LatentRegistration" / name for name in ("DeformationSceneLib", "LatentRegistrationSceneLib")]
    files = [path for folder in folders for path in folder.glob("*.py")]
    names = [f"{path.parent.name}.{path.stem}" for path in files if path.stem != "__init__"]
    assert len(names) > 25
    script = (
        "from Testing.SlicerHost.application import start; start()\nimport importlib, sys\n"
        f"for name in {names!r}:\n    importlib.import_module(name)\nassert 'torch' not in sys.modules"
    )
    done = run_python(script)
    assert done.returncode == 0, done.stderr
