"""Starts the host: one scene with its logics, and the names that the application puts into the `slicer` package."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Before the first render window: no display is needed, and every picture is the same on every machine with Mesa.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
# Before the application is made: no screen is needed.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import slicer
import slicer.util

from . import (
    base_python,
    ctk_module,
    dialogs,
    i18n,
    modules,
    parameter_nodes,
    qmrml_widgets,
    style,
    ui_loader,
)
from .application_logics import make_application_logic, make_module_logics
from .pyside import QtCore, QtGui, QtWidgets
from .qt_module import make_qt_module
from .sequence_playback import SequencePlayback
from .signals import StandInSignal, keep_observer_errors
from .stand_in import cpp_property, not_covered, stand_in
from .subject_hierarchy import SubjectHierarchyKeeper

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
_DOCUMENTATION = "https://slicer.readthedocs.io/en/latest/"


@stand_in
class qSlicerApplication(QtWidgets.QApplication):
    """What `slicer.app` offers in this host; any other member raises AttributeError that says so."""

    startupCompleted = StandInSignal("startupCompleted()")
    mrmlSceneChanged = StandInSignal("mrmlSceneChanged(vtkMRMLScene*)")
    renderPaused = StandInSignal("renderPaused(bool)")

    _testing = True
    _scene = None
    _application_logic = None
    _module_logics = None
    _subject_hierarchy = None
    _sequence_playback = None
    _layout_manager = None
    _module_manager = None
    _settings = None
    _temporary_path = ""
    _pauses = 0
    module_selector = None
    """The host's own: which module is shown; `slicer.util.selectModule` finds it by the main window."""

    def __init__(self):
        super().__init__(["Slicer"])
        self.setApplicationName("Slicer")
        self.setApplicationVersion("5.13.0")
        self.setOrganizationName("slicer.org")
        self._temporary_path = tempfile.mkdtemp(prefix="SlicerHost-")
        atexit.register(shutil.rmtree, self._temporary_path, ignore_errors=True)
        self._settings = self._make_settings()
        self._style()
        self._scene = slicer.vtkMRMLScene()
        self._application_logic = make_application_logic(self._scene, self._temporary_path)
        self._module_logics = make_module_logics(self._application_logic, self._scene)
        self._subject_hierarchy = SubjectHierarchyKeeper(self._scene)
        self._sequence_playback = SequencePlayback(self._scene, self._module_logics["Sequences"], self)
        self._module_manager = modules.qSlicerModuleManager(self)
        self.module_selector = modules.qSlicerModuleSelectorToolBar(self)

    def _make_settings(self) -> QtCore.QSettings:
        """Settings in the temporary folder, also those of `qt.QSettings()`: nothing of the user's is read or changed."""
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        for scope in (QtCore.QSettings.UserScope, QtCore.QSettings.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, self._temporary_path)
        settings = QtCore.QSettings()
        settings.setValue("Developer/SelfTestDisplayMessageDelay", 50)
        return settings

    def _style(self) -> None:
        """The same look everywhere."""
        self.setStyle(style.SlicerStyle())
        self.setFont(QtGui.QFont("DejaVu Sans", 9))
        self.setPalette(style.light_palette())

    # The scene

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._application_logic

    def moduleLogic(self, moduleName: str):
        return self._module_logics[moduleName]

    # The application

    def testingEnabled(self) -> bool:
        return self._testing

    def moduleManager(self) -> modules.qSlicerModuleManager:
        return self._module_manager

    def layoutManager(self):
        """None without views, as in the application that was started without a main window."""
        return self._layout_manager

    def setLayoutManager(self, layoutManager) -> None:
        self._layout_manager = layoutManager

    def settings(self) -> QtCore.QSettings:
        return self._settings

    userSettings = revisionUserSettings = settings

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    environment = startupEnvironment

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return f"{_DOCUMENTATION}user_guide/modules/{moduleName.lower()}.html"

    def restart(self) -> None:
        raise not_covered("slicer.app.restart")

    def pauseRender(self) -> int:
        self._pauses += 1
        self.renderPaused.emit(True)
        return self._pauses

    def resumeRender(self) -> int:
        self._pauses = max(0, self._pauses - 1)
        self.renderPaused.emit(self._pauses > 0)
        return self._pauses

    def isRenderPaused(self) -> bool:
        return self._pauses > 0

    def startup_completed(self) -> None:
        """The host's own: emit `startupCompleted()` to what was connected since the last call; the tests decide when."""
        self.startupCompleted.emit()
        self.startupCompleted.disconnect()

    def __getattr__(self, name: str):
        raise AttributeError(f"slicer.app.{name} is not covered by the headless host (Testing/SlicerHost).")

    temporaryPath = cpp_property("QString", lambda self: self._temporary_path)
    majorVersion = cpp_property("int", lambda self: 5)
    minorVersion = cpp_property("int", lambda self: 13)
    revision = cpp_property("QString", lambda self: "31053")
    documentationBaseUrl = cpp_property("QString", lambda self: _DOCUMENTATION)


def start() -> qSlicerApplication:
    """Set up `slicer.app`, `slicer.mrmlScene`, `slicer.modules`, `qt`, `ctk` and the Python base of scripted modules.

    Can be called again: the first call does the work, every call returns the application; inside Slicer's own
    application nothing has to be done. With SLICER_BASE_PYTHON set, the Python base is Slicer's own (`base_python`).
    Raises RuntimeError if the installed `slicer-core` lacks a node class that the modules need.
    """
    if getattr(slicer, "app", None) is not None:
        return slicer.app
    base_python.use_utilities()
    sys.modules["qt"], sys.modules["ctk"] = make_qt_module(), ctk_module.make_ctk_module()
    QtCore.qInstallMessageHandler(_print_message)
    keep_observer_errors()
    dialogs.install()
    qmrml_widgets.install_in_slicer()
    ui_loader.custom_classes.update(ctk_module.ctk_classes(), **qmrml_widgets.widget_classes())
    slicer.selfTests = {}
    slicer.app = qSlicerApplication()
    slicer.qSlicerApplication = qSlicerApplication
    slicer.mrmlScene = slicer.app.mrmlScene()
    modules.install(slicer.app._module_logics)
    if base_python.folder() is None:
        _install_own_base()
    else:
        base_python.install()
    missing = [name for name in _REQUIRED_NODE_CLASSES if not slicer.mrmlScene.IsNodeClassRegistered(name)]
    if missing:
        raise RuntimeError(f"The installed slicer-core does not register {', '.join(missing)}.")
    return slicer.app


@contextmanager
def testing(enabled: bool) -> Iterator[None]:
    """Let `slicer.app.testingEnabled()` say this while the block runs; it is True otherwise.

    With testing enabled `slicer.util` shows no message boxes and takes the affirmative answer.
    """
    before, slicer.app._testing = slicer.app._testing, enabled
    try:
        yield
    finally:
        slicer.app._testing = before


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


def load_module(path: str | os.PathLike) -> modules.qSlicerScriptedLoadableModule:
    """Load a scripted module from its file (`modules.load_module`)."""
    start()
    return modules.load_module(path)


def _print_message(kind, context, text: str) -> None:
    """Qt's messages go to the standard error output; one that every shown window of the offscreen platform gives, not."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def _install_own_base() -> None:
    _add_module("slicer.i18n", tr=i18n.tr, translate=i18n.translate, getContext=i18n.getContext)
    parameter_nodes.install()
    from . import scripted_module  # it imports qt and ctk

    classes = {
        name: getattr(scripted_module, name) for name in vars(scripted_module) if name.startswith("ScriptedLoadable")
    }
    _add_module("slicer.ScriptedLoadableModule", __all__=sorted(classes), **classes)


def _add_module(name: str, **members) -> None:
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    setattr(slicer, name.rpartition(".")[2], module)
