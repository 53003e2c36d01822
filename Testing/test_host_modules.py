"""Scripted modules in the host: loading, panels, showing, reloading and unloading, as the application does it."""

import logging
import sys
from pathlib import Path

import pytest
import qt
import slicer

from Testing.SlicerHost import modules
from Testing.SlicerHost.application import load_module
from Testing.SlicerHost.pythonqt import expected_errors

SOURCE = """
import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

FAILING = None

class HostExample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Host example")
        parent.categories = ["Examples", "Testing.Host"]
        parent.contributors = ["Nobody"]
        parent.helpText = "Help"
        self.started = []
        slicer.app.connect("startupCompleted()", lambda: self.started.append("started"))

class HostExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.calls = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.calls.append(("setup", self.parent.mrmlScene()))
        widget = slicer.util.loadUI(self.resourcePath("UI/HostExample.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = HostExampleLogic()
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneClosed)
        if FAILING == "setup":
            raise RuntimeError("setup failed")

    def cleanup(self):
        self.calls.append("cleanup")
        self.removeObservers()

    def enter(self):
        self.calls.append("enter")
        if FAILING == "enter":
            raise RuntimeError("enter failed")

    def exit(self):
        self.calls.append("exit")

    def onApply(self):
        self.calls.append(("apply", self.ui.selector.currentNode().GetName()))

    def onSceneClosed(self, caller, event):
        self.calls.append("closed")

class HostExampleLogic(ScriptedLoadableModuleLogic):
    pass

class HostExampleTest(ScriptedLoadableModuleTest):
    def runTest(self, **keywords):
        self.setUp()
        self.delayDisplay("Testing")
        HostExampleTest.ran = keywords
"""

UI = """<ui version="4.0"><class>HostExample</class><widget class="qMRMLWidget" name="HostExample">
 <layout class="QVBoxLayout" name="box">
  <item><widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes"><stringlist>
   <string>vtkMRMLScalarVolumeNode</string></stringlist></property><property name="addEnabled"><bool>false</bool>
   </property><property name="removeEnabled"><bool>false</bool></property></widget></item>
  <item><widget class="QPushButton" name="applyButton"><property name="text"><string>Apply</string></property></widget>
  </item></layout></widget>
 <connections><connection><sender>HostExample</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
  <receiver>selector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


@pytest.fixture
def path(tmp_path, scene) -> Path:
    """The file of a module HostExample, which is unloaded in the end."""
    path = tmp_path / "HostExample.py"
    path.write_text(SOURCE)
    (tmp_path / "Resources" / "UI").mkdir(parents=True)
    (tmp_path / "Resources" / "UI" / "HostExample.ui").write_text(UI)
    yield path
    if slicer.app.moduleManager().module("HostExample") is not None:
        modules.unload_module("HostExample")
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


@pytest.fixture
def panel(path):
    load_module(path)
    return slicer.util.getModuleWidget("HostExample")


def test_loading(path):
    module = load_module(path)
    assert slicer.modules.hostexample is module
    assert load_module(path) is module
    assert (module.name, module.title, module.helpText) == ("HostExample", "Host example", "Help")
    assert module.categories == ("Examples", "Testing.Host")
    assert slicer.util.modulePath("HostExample") == str(path)
    assert slicer.util.getModule("HostExample") is module
    assert "HostExample" in slicer.util.moduleNames()
    assert type(slicer.modules.HostExampleInstance).__name__ == "HostExample"
    assert not hasattr(slicer.modules, "HostExampleWidget")
    with pytest.raises(AttributeError, match="'colour' does not exist on qSlicerScriptedLoadableModule"):
        module.colour = "red"


def test_panel_is_made_when_it_is_asked_for(panel, scene):
    assert slicer.modules.HostExampleWidget is panel
    assert slicer.util.getModuleWidget(slicer.modules.hostexample) is panel
    # Panels are set up before they get the scene.
    assert panel.calls == [("setup", None)]
    assert panel.parent.mrmlScene() is scene
    assert panel.parent is slicer.modules.hostexample.widgetRepresentation()
    assert panel.parent.windowTitle == "Host example"
    assert slicer.util.getModuleLogic("HostExample") is panel.logic
    assert slicer.util.getNewModuleWidget("HostExample") is not panel


def test_panel_works(panel, scene):
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MRHead")
    panel.ui.applyButton.click()
    scene.Clear(False)
    assert panel.calls[1:] == [("apply", "MRHead"), "closed"]


def test_modules_are_entered_and_left(panel):
    selector, shown = slicer.app.module_selector, []
    selector.moduleSelected.connect(shown.append)
    selector.selectModule("HostExample")
    selector.selectModule("HostExample")
    assert selector.selectedModule == "HostExample"
    selector.selectModule("")
    selector.moduleSelected.disconnect(shown.append)
    assert panel.calls[1:] == ["enter", "exit"]
    assert shown == ["HostExample", ""]
    with pytest.raises(RuntimeError, match="There is no module Unknown"):
        selector.selectModule("Unknown")
    with pytest.raises(RuntimeError, match=r"[Mm]ain window"):
        slicer.util.selectModule("HostExample")


def test_what_panels_raise_is_kept(path):
    load_module(path)
    sys.modules["HostExample"].FAILING = "enter"
    with expected_errors() as errors:
        slicer.app.module_selector.selectModule("HostExample")
    assert [error.signal for error in errors] == ["HostExampleWidget.enter"]
    assert str(errors[0].error) == "enter failed"


def test_a_panel_that_cannot_be_set_up(path):
    load_module(path)
    sys.modules["HostExample"].FAILING = "setup"
    with expected_errors() as errors:
        assert slicer.util.getModuleWidget("HostExample").ui.applyButton
    assert [error.signal for error in errors] == ["HostExampleWidget.setup"]


def test_reloading(panel, path):
    slicer.app.module_selector.selectModule("HostExample")
    path.write_text(SOURCE.replace("Host example", "Reloaded").replace('"apply"', '"apply again"'))
    slicer.util.reloadScriptedModule("HostExample")
    new = slicer.modules.HostExampleWidget
    assert new is not panel
    assert panel.calls[1:] == ["enter", "cleanup"]
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MRHead")
    new.ui.applyButton.click()
    assert new.calls[-1] == ("apply again", "MRHead")
    assert new.parent.layout().count() == 1


def test_unloading(panel, path):
    seen = []
    slicer.app.moduleManager().connect("moduleUnloaded(QString)", seen.append)
    slicer.app.module_selector.selectModule("HostExample")
    parent = panel.parent
    modules.unload_module("HostExample")
    slicer.app.moduleManager().disconnect("moduleUnloaded(QString)", seen.append)
    assert panel.calls[1:] == ["enter", "exit", "cleanup"]
    assert seen == ["HostExample"]
    assert not parent
    assert not hasattr(slicer.modules, "hostexample")
    assert "HostExample" not in sys.modules
    assert load_module(path) is slicer.modules.hostexample


def test_a_panel_without_a_parent_shows_itself(path, scene):
    load_module(path)
    widget = sys.modules["HostExample"].HostExampleWidget.__new__(sys.modules["HostExample"].HostExampleWidget)
    widget.calls = []
    widget.__init__()
    assert widget.parent.visible
    assert type(widget.parent) is slicer.qMRMLWidget
    slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", widget._onModuleAboutToBeUnloaded)
    widget.removeObservers()
    widget.parent.delete()


def test_modules_without_a_panel(tmp_path, scene):
    path = tmp_path / "HostLogicOnly.py"
    path.write_text(SOURCE.split("class HostExampleWidget")[0].replace("HostExample", "HostLogicOnly"))
    module = load_module(path)
    assert module.widgetRepresentationCreationEnabled is False
    with pytest.raises(RuntimeError, match="Could not find module widget representation"):
        slicer.util.getModuleWidget("HostLogicOnly")
    modules.unload_module("HostLogicOnly")


def test_self_test(panel, caplog):
    with caplog.at_level(logging.INFO):
        slicer.selfTests["HostExample"](msec=0, extra=1)
    assert sys.modules["HostExample"].HostExampleTest.ran == {"extra": 1}
    assert "Testing" in caplog.text


def test_startup(path):
    load_module(path)
    slicer.app.startup_completed()
    slicer.app.startup_completed()
    assert slicer.modules.HostExampleInstance.started == ["started"]


def test_developer_mode(path):
    qt.QSettings().setValue("Developer/DeveloperMode", True)
    try:
        load_module(path)
        panel = slicer.util.getModuleWidget("HostExample")
        texts = [button.text for button in panel.parent.findChildren(qt.QPushButton)]
        assert "Reload" in texts
        assert panel.reloadCollapsibleButton.text == "Reload && Test"
    finally:
        qt.QSettings().setValue("Developer/DeveloperMode", False)


def test_modules_of_slicer_itself(application):
    assert slicer.modules.volumes.logic() is application.moduleLogic("Volumes")
    assert slicer.modules.volumes.name == "Volumes"
    with pytest.raises(NotImplementedError, match="The panel of the module Volumes"):
        slicer.modules.volumes.widgetRepresentation()
    with pytest.raises(AttributeError, match="segmenteditor"):
        slicer.modules.segmenteditor.logic()


def test_a_file_that_cannot_be_loaded(tmp_path, application):
    (tmp_path / "HostBroken.py").write_text("import no_such_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load_module(tmp_path / "HostBroken.py")
    assert "HostBroken" not in sys.modules
