"""What the widgets of all modules have in common: the .ui, the parameter node, scenes that come and go."""

from __future__ import annotations

import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin


class PanelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: loads the .ui, keeps the parameter node connected, and leaves the rest to its sections.

    Modules derive their own from it: `parameterNodeClass` wraps the scene's parameter node, `makeLogic` and `makeSections`
    make what they say, and `selectDefaults` and `nodesRemoved` tell the sections that are concerned.

    Attributes:
        sections: with sceneClosing, cleanup, setParameterNode and parametersChanged.
    """

    parameterNodeClass: type

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.sections = ()
        self._parameterNode = None
        self._guiTag = None

    # What a module says of its own

    def makeLogic(self):
        """The module's logic."""
        raise NotImplementedError

    def makeSections(self) -> tuple:
        """The sections of the panel, of `ui` and `logic`."""
        raise NotImplementedError

    def selectDefaults(self):
        """Where nothing is selected yet, select what there is."""

    def nodesRemoved(self):
        """Nodes were deleted from a scene that stays open."""

    # What Slicer calls

    def setup(self):
        """Build the panel. Called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = self.makeLogic()
        self.sections = self.makeSections()
        scene = slicer.mrmlScene
        for event, slot in (
            (scene.StartCloseEvent, self.onSceneStartClose),
            (scene.EndCloseEvent, self.onSceneChanged),
            (scene.EndImportEvent, self.onSceneChanged),
            (scene.NodeRemovedEvent, self.onNodeRemoved),
        ):
            self.addObserver(scene, event, slot)
        self.initializeParameterNode()

    def cleanup(self):
        """Called when the application closes and the module widget is destroyed."""
        for section in self.sections:
            section.cleanup()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time the user opens a different module; work that is running goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        """The scene is about to be emptied."""
        for section in self.sections:
            section.sceneClosing()
        self.setParameterNode(None)

    def onSceneChanged(self, caller, event):
        """A scene was emptied, or loaded: its parameter node takes the place of the present one's content."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event):
        """A node was deleted."""
        if not slicer.mrmlScene.IsClosing():
            self.nodesRemoved()

    def initializeParameterNode(self):
        """Connect the scene's parameter node."""
        self.setParameterNode(self.parameterNodeClass(self.logic.getParameterNode()))
        self.selectDefaults()

    def setParameterNode(self, parameterNode):
        """Connect the panel with a parameter node, or with none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        if parameterNode:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        for section in self.sections:
            section.setParameterNode(parameterNode)
        self.onParametersChanged()

    def onParametersChanged(self, caller=None, event=None):
        """A parameter was changed, by the panel or a script."""
        if self._parameterNode:
            for section in self.sections:
                section.parametersChanged()
