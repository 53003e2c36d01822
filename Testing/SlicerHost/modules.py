"""Modules as the application keeps them: `slicer.modules`, the module manager, loading, showing and unloading."""

from __future__ import annotations

import importlib.util
import logging
import sys
import traceback
import types
from pathlib import Path

import slicer

from .pyside import QtCore, QtGui, QtWidgets
from .qmrml_widgets import qSlicerWidget
from .signals import SlotError, StandInSignal, slot_errors
from .stand_in import cpp_property, not_covered, stand_in


def _text(name: str) -> QtCore.Property:
    return cpp_property("QString", lambda self: getattr(self, name), lambda self, value: setattr(self, name, value))


def _texts(name: str) -> QtCore.Property:
    return cpp_property(
        "QStringList", lambda self: list(getattr(self, name)), lambda self, value: setattr(self, name, value)
    )


@stand_in
class qSlicerCoreModule(QtCore.QObject):
    """One of Slicer's own modules: its logic, without a panel."""

    _name = ""
    _logic = None

    def __init__(self, name: str, logic):
        super().__init__()
        self._name, self._logic = name, logic

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return slicer.mrmlScene

    def widgetRepresentation(self):
        raise not_covered(f"The panel of the module {self._name}")

    name = cpp_property("QString", lambda self: self._name)
    title = cpp_property("QString", lambda self: self._name)


@stand_in
class qSlicerScriptedLoadableModule(QtCore.QObject):
    """A scripted module: the `parent` of its Python class, and `slicer.modules.<name in lower case>`."""

    _name = _title = _path = _help_text = _acknowledgement = ""
    _categories = _contributors = _dependencies = _node_types = ()
    _hidden = False
    _index = -1
    _creates_widgets = True
    _icon = None
    _extensions = None
    _python = None
    _logic = None
    _widget = None
    _widgets = None

    def __init__(self, path: str):
        super().__init__()
        self._path, self._name = path, Path(path).stem
        self._icon, self._extensions, self._widgets = QtGui.QIcon(), {}, []

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return slicer.mrmlScene

    def widgetRepresentation(self):
        """The module's panel, made at the first call; None if the module has none."""
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self):
        if not self._creates_widgets:
            return None
        widget = qSlicerScriptedLoadableModuleWidget()
        if not widget.setPythonSource(self._path):
            return None
        self._widgets.append(widget)
        widget.setObjectName(f"{self._name}ModuleWidget")
        widget.windowTitle, widget.windowIcon = self._title, self._icon
        # In this order: panels are set up before they get the scene.
        widget.setup()
        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    name = cpp_property("QString", lambda self: self._name)
    path = cpp_property("QString", lambda self: self._path)
    title = _text("_title")
    helpText = _text("_help_text")
    acknowledgementText = _text("_acknowledgement")
    categories = _texts("_categories")
    contributors = _texts("_contributors")
    dependencies = _texts("_dependencies")
    associatedNodeTypes = _texts("_node_types")
    hidden = cpp_property("bool", lambda self: self._hidden, lambda self, on: setattr(self, "_hidden", on))
    index = cpp_property("int", lambda self: self._index, lambda self, value: setattr(self, "_index", value))
    icon = cpp_property("QIcon", lambda self: self._icon, lambda self, value: setattr(self, "_icon", value))
    extensions = cpp_property(
        "QVariantMap", lambda self: self._extensions, lambda self, value: setattr(self, "_extensions", value)
    )
    widgetRepresentationCreationEnabled = cpp_property(
        "bool", lambda self: self._creates_widgets, lambda self, on: setattr(self, "_creates_widgets", on)
    )


@stand_in
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The widget around a scripted module's panel; calls setup, enter and exit of the Python class that it holds."""

    _path = ""
    _python = None
    _entered = False

    isEntered = cpp_property("bool", lambda self: self._entered)

    def __init__(self, parent=None):
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self)

    def setPythonSource(self, path: str) -> bool:
        name = f"{Path(path).stem}Widget"
        try:
            self._python = getattr(_python_module(path), name)(self)
        except Exception as error:
            _keep(error, name)
            return False
        self._path = path
        setattr(slicer.modules, name, self._python)
        return True

    def self(self):
        """The Python object."""
        return self._python

    def setup(self) -> None:
        self._call("setup")

    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def reload(self) -> None:
        if self.setPythonSource(self._path):
            self.setup()

    def _call(self, name: str) -> None:
        method = getattr(self._python, name, None)
        if method is None:
            return
        try:
            method()
        except Exception as error:
            _keep(error, f"{type(self._python).__name__}.{name}")


@stand_in
class qSlicerModuleFactoryManager(QtCore.QObject):
    """Names of modules."""

    def loadedModuleNames(self) -> tuple[str, ...]:
        return tuple(_modules)

    registeredModuleNames = instantiatedModuleNames = loadedModuleNames

    def isLoaded(self, name: str) -> bool:
        return name in _modules

    isRegistered = isInstantiated = isLoaded


@stand_in
class qSlicerModuleManager(QtCore.QObject):
    """`slicer.app.moduleManager()`."""

    moduleLoaded = StandInSignal("moduleLoaded(QString)")
    moduleAboutToBeUnloaded = StandInSignal("moduleAboutToBeUnloaded(QString)")
    moduleUnloaded = StandInSignal("moduleUnloaded(QString)")
    _factory = None

    def __init__(self, parent=None):
        super().__init__(parent)
        self._factory = qSlicerModuleFactoryManager(self)

    def module(self, name: str):
        return _modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(_modules)

    def factoryManager(self) -> qSlicerModuleFactoryManager:
        return self._factory


@stand_in
class qSlicerModuleSelectorToolBar(QtCore.QObject):
    """Which module is shown: calls `exit` of the one before and `enter` of the next one."""

    moduleSelected = StandInSignal("moduleSelected(QString)")
    _selected = ""

    def selectModule(self, name: str) -> None:
        if name == self._selected:
            return
        module = _modules.get(name)
        if name and module is None:
            raise RuntimeError(f"There is no module {name}.")
        self._leave()
        widget = module.widgetRepresentation() if module is not None else None
        self._selected = name
        self.moduleSelected.emit(name)
        if widget is not None:
            widget.enter()

    def _leave(self) -> None:
        module = _modules.get(self._selected)
        widget = module.widgetRepresentation() if module is not None else None
        self._selected = ""
        if widget is not None:
            widget.exit()

    selectedModule = cpp_property("QString", lambda self: self._selected)


_modules: dict[str, QtCore.QObject] = {}


def install(logics: dict[str, object]) -> None:
    """Make `slicer.modules` with Slicer's own modules, by their logics."""
    slicer.modules = sys.modules["slicer.modules"] = types.ModuleType("slicer.modules")
    for cls in (qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget, qSlicerModuleManager):
        setattr(slicer, cls.__name__, cls)
    for name, logic in logics.items():
        _register(name, qSlicerCoreModule(name, logic))


def load_module(path: str | Path) -> qSlicerScriptedLoadableModule:
    """Load a scripted module from its .py file, as Slicer does; gives `slicer.modules.<name in lower case>`.

    Its panel is made by `widgetRepresentation()`. A module that is loaded already is given again.
    Raises what the file or the module's class raises.
    """
    path = Path(path).resolve()
    if path.stem in _modules:
        return _modules[path.stem]
    _find_other_modules(path)
    source = _python_module(str(path))
    module = qSlicerScriptedLoadableModule(str(path))
    module._python = getattr(source, path.stem)(module)
    module._logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
    module._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    module._logic.SetMRMLScene(slicer.mrmlScene)
    if not hasattr(source, f"{path.stem}Widget"):
        module.widgetRepresentationCreationEnabled = False
    setattr(slicer.modules, f"{path.stem}Instance", module._python)
    _register(path.stem, module)
    if hasattr(module._python, "setup"):
        module._python.setup()
    slicer.app.moduleManager().moduleLoaded.emit(path.stem)
    return module


def unload_module(name: str) -> None:
    """Tell the module that it is unloaded (`cleanup`), then delete its panel and forget it."""
    module = _modules[name]
    manager, selector = slicer.app.moduleManager(), slicer.app.module_selector
    if selector.selectedModule == name:
        selector.selectModule("")
    manager.moduleAboutToBeUnloaded.emit(name)
    for widget in module._widgets or ():
        widget.delete()
    del _modules[name]
    for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
        vars(slicer.modules).pop(attribute, None)
    sys.modules.pop(name, None)
    slicer.selfTests.pop(name, None)
    manager.moduleUnloaded.emit(name)


def _register(name: str, module: QtCore.QObject) -> None:
    _modules[name] = module
    setattr(slicer.modules, name.lower(), module)


def _find_other_modules(path: Path) -> None:
    """Put the folders of the modules beside this one on Python's path: Slicer does so for all before it loads the first."""
    for other in sorted(path.parents[1].glob("*/CMakeLists.txt")):
        folder = other.parent
        if (folder / f"{folder.name}.py").is_file() and str(folder) not in sys.path:
            sys.path.append(str(folder))


def _python_module(path: str) -> types.ModuleType:
    """The Python module of a file; the one in `sys.modules` if that has the module's class already."""
    name, folder = Path(path).stem, str(Path(path).parent)
    if hasattr(sys.modules.get(name), name):
        return sys.modules[name]
    if folder not in sys.path:
        sys.path.insert(0, folder)
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _keep(error: Exception, where: str) -> None:
    """The application prints what a module's methods raise, and goes on."""
    traceback.print_exception(error)
    logging.error("%s failed: %s", where, error)
    slot_errors.append(SlotError(where, where, error))
