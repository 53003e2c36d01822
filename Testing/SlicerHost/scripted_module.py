"""The four base classes of scripted modules, as far as they need no window."""

from __future__ import annotations

import importlib
import logging
import os
import unittest

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
    """Refuses to be made: this host has no widgets yet, and a silent stand-in would test nothing."""

    def __init__(self, parent=None):
        raise NotImplementedError(f"{type(self).__name__}: the headless host has no widgets.")


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
    """Base of a module's self test: the application calls `runTest`, which the module overrides."""

    def __init__(self, methodName: str = "runTest"):
        super().__init__(methodName)
        self.messageDelay = 100
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0

    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        """Log the message; there is no window in which it could stay for a while."""
        logging.info(message)

    def takeScreenshot(self, name, description, type=-1) -> None:
        self.delayDisplay(description)
        if self.enableScreenshots:
            raise NotImplementedError("The headless host takes no screenshots of a layout; use SlicerHost.views.")

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no runTest.")
