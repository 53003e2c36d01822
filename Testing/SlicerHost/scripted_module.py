"""The four base classes of scripted modules: what `slicer.ScriptedLoadableModule` offers."""

from __future__ import annotations

import importlib
import logging
import os
import unittest

import ctk
import qt
import slicer


class ScriptedLoadableModule:
    """Describes a module to the application; `parent` receives title, categories, help and the like as attributes."""

    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None) -> str:
        return ""

    def runTest(self, msec: int = 100, **kwargs) -> None:
        """Run `<module name>Test.runTest` of the module's file."""
        module = importlib.import_module(type(self).__module__)
        test_class = getattr(module, f"{self.moduleName}Test", None)
        if test_class is None:
            raise AssertionError(f"{module.__name__} has no class {self.moduleName}Test.")
        test = test_class()
        test.messageDelay = msec
        test.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """Base of a module's panel: `parent` is the widget that holds it, `layout` that widget's layout.

    Without a parent it makes one with the scene, sets itself up and shows itself.
    """

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self.parent = parent if parent else self._ownParent()
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        manager = slicer.app.moduleManager()
        manager.connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    @staticmethod
    def _ownParent():
        parent = slicer.qMRMLWidget()
        parent.setLayout(qt.QVBoxLayout())
        parent.setMRMLScene(slicer.mrmlScene)
        return parent

    def resourcePath(self, filename: str) -> str:
        folder = os.path.dirname(slicer.util.modulePath(self.moduleName))
        return os.path.join(folder, "Resources", filename)

    def setup(self) -> None:
        """Build the panel; modules call this first in theirs. In developer mode there are buttons to reload and test."""
        if self.developerMode:
            self.setupDeveloperSection()

    def setupDeveloperSection(self) -> None:
        self.reloadCollapsibleButton = ctk.ctkCollapsibleButton("Reload && Test")
        self.layout.addWidget(self.reloadCollapsibleButton)
        row = qt.QHBoxLayout(self.reloadCollapsibleButton)
        for text, action in (("Reload", self.onReload), ("Reload and Test", self.onReloadAndTest)):
            button = qt.QPushButton(text)
            button.connect("clicked()", action)
            row.addWidget(button)

    def cleanup(self) -> None:
        """Called when the module is unloaded; modules override it."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            manager = slicer.app.moduleManager()
            manager.disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs) -> None:
        with slicer.util.tryWithErrorDisplay("Test failed."):
            delay = slicer.app.userSettings().value("Developer/SelfTestDisplayMessageDelay")
            slicer.selfTests[self.moduleName](msec=int(delay), **kwargs)

    def onReloadAndTest(self, **kwargs) -> None:
        self.onReload()
        self.onTest(**kwargs)


class ScriptedLoadableModuleLogic:
    """Base of a module's logic, with its parameter node(s) in the scene."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The module's (first) parameter node; made if the scene has none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                # Closing the scene empties a singleton's attributes.
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        return next(iter(self.getAllParameterNodes()), None) or slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        node = slicer.vtkMRMLScriptedModuleNode()
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of a module's self test: the application calls `runTest`, which runs all methods with "test" in their name."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # unittest stops here; classes that are derived from, beside this one, want their turn.
        super(unittest.TestCase, self).__init__()
        self.messageDelay = 100
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        """Log the message; there is no window in which it could stay for a while."""
        logging.info(message)

    def takeScreenshot(self, name, description, type=-1) -> None:
        self.delayDisplay(description)
        if self.enableScreenshots:
            raise NotImplementedError("The headless host takes no screenshots of a layout; use SlicerHost.views.")

    def runTest(self) -> None:
        if not self.moduleTestNames:
            logging.warning(f"{type(self).__name__} has no tests.")
            return
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()
