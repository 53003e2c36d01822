"""Starts the host: one scene with its logics, and the names that the application puts into the `slicer` package."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

# Before the first render window: no display is needed, and every picture is the same on every machine with Mesa.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import slicer
import slicer.util

from . import scripted_module
from .subject_hierarchy import SubjectHierarchyKeeper

# Registration order of the application: colours first, since display nodes look for them.
_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
}

_REQUIRED_NODE_CLASSES = (
    "vtkMRMLScalarVolumeNode",
    "vtkMRMLLabelMapVolumeNode",
    "vtkMRMLGridTransformNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLSequenceNode",
    "vtkMRMLSequenceBrowserNode",
    "vtkMRMLMarkupsROINode",
    "vtkMRMLScriptedModuleNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
)


class Application:
    """What `slicer.app` offers in this host; any other member raises AttributeError that says so."""

    majorVersion, minorVersion = 5, 13

    def __init__(self):
        self.temporaryPath = tempfile.mkdtemp(prefix="SlicerHost-")
        atexit.register(shutil.rmtree, self.temporaryPath, ignore_errors=True)
        self._startup_callbacks: list[Callable[[], None]] = []
        self._scene = slicer.vtkMRMLScene()
        self._application_logic = _application_logic(self._scene, self.temporaryPath)
        self._module_logics = _module_logics(self._application_logic, self._scene)
        self._subject_hierarchy = SubjectHierarchyKeeper(self._scene)

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._application_logic

    def moduleLogic(self, moduleName: str):
        return self._module_logics[moduleName]

    def testingEnabled(self) -> bool:
        return True

    def layoutManager(self) -> None:
        """None, as in the application that was started without a main window."""
        return

    def processEvents(self) -> None:
        """Nothing waits: the host has no event loop."""

    def pauseRender(self) -> None:
        """Nothing renders by itself in this host."""

    def resumeRender(self) -> None:
        """Nothing renders by itself in this host."""

    def connect(self, signal: str, callback: Callable[[], None]) -> bool:
        """Only `startupCompleted()` exists; its callbacks run when `startup_completed` is called."""
        if signal != "startupCompleted()":
            raise NotImplementedError(f"The headless host has no signal slicer.app.{signal}.")
        self._startup_callbacks.append(callback)
        return True

    def startup_completed(self) -> None:
        """Run what modules connected to `startupCompleted()`; the tests decide when."""
        callbacks, self._startup_callbacks = self._startup_callbacks, []
        for callback in callbacks:
            callback()

    def __getattr__(self, name: str):
        raise AttributeError(f"slicer.app.{name} is not covered by the headless host (Testing/SlicerHost).")


def start() -> Application:
    """Set up `slicer.app`, `slicer.mrmlScene`, `slicer.modules`, the scripted module base classes and `slicer.i18n`.

    Can be called again: the first call does the work, every call returns the application; inside Slicer's own
    application nothing has to be done. Raises RuntimeError if the
    installed `slicer-core` lacks a node class that the modules need.
    """
    if getattr(slicer, "app", None) is not None:
        return slicer.app
    slicer.selfTests = {}
    slicer.testingEnabled = True
    slicer.app = Application()
    slicer.mrmlScene = slicer.app.mrmlScene()
    slicer.modules = types.SimpleNamespace()
    _add_module("slicer.i18n", tr=_untranslated, translate=lambda context, text: text)
    classes = {
        name: getattr(scripted_module, name) for name in vars(scripted_module) if name.startswith("ScriptedLoadable")
    }
    _add_module("slicer.ScriptedLoadableModule", __all__=sorted(classes), **classes)
    missing = [name for name in _REQUIRED_NODE_CLASSES if not slicer.mrmlScene.IsNodeClassRegistered(name)]
    if missing:
        raise RuntimeError(f"The installed slicer-core does not register {', '.join(missing)}.")
    return slicer.app


def save_scene(path: str | os.PathLike) -> None:
    """Write `slicer.mrmlScene` with all its data into an .mrb file. Raises OSError if Slicer reports a failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not slicer.mrmlScene.WriteToMRB(str(path.absolute()), None):
        raise OSError(f"Slicer could not write the scene to {path}.")


def load_scene(path: str | os.PathLike) -> None:
    """Replace the content of `slicer.mrmlScene` by that of an .mrb file. Raises OSError if Slicer reports a failure."""
    if not Path(path).is_file():
        raise OSError(f"There is no scene file {path}.")
    slicer.mrmlScene.Clear(False)
    if not slicer.mrmlScene.ReadFromMRB(str(Path(path).absolute()), True):
        raise OSError(f"Slicer could not read the scene {path}.")


def _application_logic(scene, temporary_path: str) -> slicer.vtkSlicerApplicationLogic:
    """The application logic with the remote-IO cache without which the scene reads no .mrb file."""
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetTemporaryPath(temporary_path)
    logic.SetMRMLScene(scene)
    remote_io = slicer.vtkMRMLRemoteIOLogic()
    remote_io.GetCacheManager().SetRemoteCacheDirectory(os.path.join(temporary_path, "RemoteIO"))
    data_io = slicer.vtkDataIOManagerLogic()
    logic.SetMRMLSceneDataIO(scene, remote_io, data_io)
    # The application logic keeps no reference to the two.
    logic.host_data_io = (remote_io, data_io)
    return logic


def _module_logics(application_logic, scene) -> dict[str, object]:
    logics = {}
    for module_name, class_name in _LOGICS.items():
        logic = getattr(slicer, class_name)()
        if hasattr(logic, "SetMRMLApplicationLogic"):
            logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(scene)
        application_logic.SetModuleLogic(module_name, logic)
        logics[module_name] = logic
    logics["Colors"].AddDefaultColorNodes()
    application_logic.SetColorLogic(logics["Colors"])
    return logics


def _untranslated(text: str) -> str:
    """The text itself: the host has no translation files."""
    return text


def _add_module(name: str, **members) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    setattr(slicer, name.rpartition(".")[2], module)
