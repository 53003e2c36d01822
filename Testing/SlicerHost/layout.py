"""The layout manager: which views are shown, and where; arranged by Slicer's own layout logic and layout node."""

from __future__ import annotations

from xml.etree import ElementTree

import qt
import slicer
import vtk

from .layout_builder import build_layout
from .observers import Observers
from .plot_widget import qMRMLPlotWidget
from .signals import StandInSignal
from .slice_widget import qMRMLSliceWidget
from .table_widget import qMRMLTableWidget
from .three_d_widget import qMRMLThreeDWidget
from .views import OWN_LAYOUT_NAME

_SLICE, _THREE_D, _TABLE, _PLOT = "vtkMRMLSliceNode", "vtkMRMLViewNode", "vtkMRMLTableViewNode", "vtkMRMLPlotViewNode"


class qSlicerLayoutManager(qt.QObject):
    """Makes one widget for every view node of the scene and arranges those of the current layout in a frame.

    >>> manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)              # doctest: +SKIP
    >>> manager.sliceWidget("Red").sliceLogic().SetSliceOffset(12.0)                    # doctest: +SKIP
    """

    layoutChanged = StandInSignal("layoutChanged(int)")

    def __init__(self, viewport: qt.QWidget, application_logic):
        """`viewport`: the frame that the views fill."""
        super().__init__(viewport)
        self._viewport = viewport
        self._application_logic = application_logic
        self._scene = None
        self._widgets: dict[str, qt.QWidget] = {}
        self._observers = Observers()
        self._description: str | None = None
        self._content: qt.QWidget | None = None
        self._pauses = 0
        self._application_paused = False
        self._slice_logics, self._view_logics = vtk.vtkCollection(), vtk.vtkCollection()
        application_logic.SetSliceLogics(self._slice_logics)
        application_logic.SetViewLogics(self._view_logics)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        frame_layout = qt.QVBoxLayout(viewport)
        frame_layout.setContentsMargins(0, 0, 0, 0)

    # What qMRMLLayoutManager offers

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene) -> None:
        """Show the views of this scene; once."""
        if self._scene is not None:
            raise NotImplementedError("The layout manager of the headless host keeps its scene.")
        self._scene = scene
        _add_crosshair(scene)
        # Before the manager's own observers: the logic makes missing nodes first.
        self._logic.SetMRMLScene(scene)
        self._observers.add(scene, slicer.vtkMRMLScene.NodeAddedEvent, self._on_node_added)
        self._observers.add(scene, slicer.vtkMRMLScene.NodeRemovedEvent, self._on_node_removed)
        self._observers.add(scene, slicer.vtkMRMLScene.StartBatchProcessEvent, self._on_batch_started)
        self._observers.add(scene, slicer.vtkMRMLScene.EndBatchProcessEvent, self._on_batch_ended)
        self._observers.add(self._logic.GetLayoutNode(), vtk.vtkCommand.ModifiedEvent, self._on_layout_modified)
        logic = self._application_logic
        self._observers.add(logic, slicer.vtkMRMLApplicationLogic.PauseRenderEvent, lambda *_: slicer.app.pauseRender())
        self._observers.add(
            logic, slicer.vtkMRMLApplicationLogic.ResumeRenderEvent, lambda *_: slicer.app.resumeRender()
        )
        slicer.app.connect("renderPaused(bool)", self._on_application_paused)
        self._on_application_paused(slicer.app.isRenderPaused())
        self._add_missing_widgets()
        self._arrange()

    def layoutLogic(self) -> slicer.vtkMRMLLayoutLogic:
        return self._logic

    def viewport(self) -> qt.QWidget:
        return self._viewport

    @property
    def layout(self) -> int:
        """One of the numbers `slicer.vtkMRMLLayoutNode.SlicerLayout...`."""
        return self._logic.GetLayoutNode().GetViewArrangement()

    @layout.setter
    def layout(self, layout: int) -> None:
        self.setLayout(layout)

    def setLayout(self, layout: int) -> None:
        """Arrange the views as one of the layouts that the layout node knows, or the conventional one."""
        node = self._logic.GetLayoutNode()
        if layout == self.layout:
            return
        if layout == slicer.vtkMRMLLayoutNode.SlicerLayoutDualMonitorFourUpView:
            raise NotImplementedError("The headless host has one window: there is no dual monitor layout.")
        if not node.IsLayoutDescription(layout):
            layout = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        node.RemoveAllMaximizedViewNodes()
        node.SetViewArrangement(layout)

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(widget.mrmlSliceNode().GetName() for widget in self._widgets_of(_SLICE))

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._by_name(_SLICE, name)

    def threeDWidget(self, view: int | str) -> qMRMLThreeDWidget | None:
        return self._by_name(_THREE_D, view) if isinstance(view, str) else self._by_index(_THREE_D, view)

    def plotWidget(self, index: int) -> qMRMLPlotWidget | None:
        return self._by_index(_PLOT, index)

    def tableWidget(self, index: int) -> qMRMLTableWidget | None:
        return self._by_index(_TABLE, index)

    @property
    def threeDViewCount(self) -> int:
        return len(self._widgets_of(_THREE_D))

    @property
    def plotViewCount(self) -> int:
        return len(self._widgets_of(_PLOT))

    @property
    def tableViewCount(self) -> int:
        return len(self._widgets_of(_TABLE))

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._slice_logics

    def mrmlViewLogics(self) -> vtk.vtkCollection:
        return self._view_logics

    def viewWidget(self, node) -> qt.QWidget | None:
        return self._widgets.get(node.GetID()) if node is not None else None

    def viewWidgets(self) -> tuple[qt.QWidget, ...]:
        return tuple(self._widgets.values())

    def activeMRMLThreeDViewNode(self):
        """The first one, as in Slicer until another one is clicked on."""
        return next((widget.mrmlViewNode() for widget in self._widgets_of(_THREE_D)), None)

    def activeMRMLPlotViewNode(self):
        return next((widget.mrmlPlotViewNode() for widget in self._widgets_of(_PLOT)), None)

    def activeThreeDRenderer(self) -> vtk.vtkRenderer | None:
        return next((widget.threeDView().renderer() for widget in self._widgets_of(_THREE_D)), None)

    def resetSliceViews(self) -> None:
        for widget in self._widgets_of(_SLICE):
            widget.sliceController().fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        for widget in self._widgets_of(_THREE_D):
            widget.threeDView().resetFocalPoint()
            widget.threeDView().resetCamera()

    def allViewsPauseRenderCount(self) -> int:
        return self._pauses

    def pauseRender(self) -> None:
        self._pauses += 1
        for widget in self._widgets.values():
            widget.pauseRender()

    def resumeRender(self) -> None:
        self._pauses = max(0, self._pauses - 1)
        for widget in self._widgets.values():
            widget.resumeRender()

    # What the host adds

    def render_smooth(self) -> None:
        """Draw all visible views with smooth edges, for a picture that is kept."""
        for widget in self._widgets.values():
            widget.viewWidget().renderSmooth()

    def release(self) -> None:
        """Let go of the scene and of all views."""
        self._observers.clear()
        slicer.app.disconnect("renderPaused(bool)", self._on_application_paused)
        for node_id in list(self._widgets):
            self._remove_widget(node_id)
        self._application_logic.SetSliceLogics(None)
        self._application_logic.SetViewLogics(None)
        self._logic.SetMRMLScene(None)
        self._scene = None

    def _widgets_of(self, node_class: str) -> list[qt.QWidget]:
        return [widget for widget in self._widgets.values() if widget.mrmlAbstractViewNode().IsA(node_class)]

    def _by_name(self, node_class: str, name: str):
        widgets = self._widgets_of(node_class)
        return next((widget for widget in widgets if widget.mrmlAbstractViewNode().GetName() == name), None)

    def _by_index(self, node_class: str, index: int):
        widgets = self._widgets_of(node_class)
        return widgets[index] if 0 <= index < len(widgets) else None

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, scene, event, node) -> None:
        # While a scene is read, nodes that belong to the view node are still on the way.
        if not scene.IsBatchProcessing():
            self._add_widget(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, scene, event, node) -> None:
        if node.GetID() in self._widgets:
            self._remove_widget(node.GetID())

    def _on_batch_started(self, *_) -> None:
        for widget in self._widgets.values():
            widget.viewWidget().setRenderEnabled(False)

    def _on_batch_ended(self, *_) -> None:
        self._add_missing_widgets()
        # Closing the scene takes the views out of the layout, though their nodes stay.
        self._description = None
        self._arrange()
        for widget in self._widgets.values():
            widget.scene_processed()
            widget.viewWidget().setRenderEnabled(True)

    def _on_application_paused(self, paused: bool) -> None:
        if paused != self._application_paused:
            self._application_paused = paused
            (self.pauseRender if paused else self.resumeRender)()

    def _on_layout_modified(self, *_) -> None:
        if not self._scene.IsBatchProcessing():
            self._arrange()

    def _add_missing_widgets(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLAbstractViewNode", self._scene):
            self._add_widget(node)

    def _add_widget(self, node) -> None:
        if not node.IsA("vtkMRMLAbstractViewNode") or node.GetID() in self._widgets:
            return
        if node.GetParentLayoutNode() is not None or (node.GetLayoutName() or "").startswith(OWN_LAYOUT_NAME):
            return
        widget = self._new_widget(node)
        if widget is None:
            return
        widget.setObjectName(f"{type(widget).__name__}{node.GetLayoutName()}")
        widget.setVisible(False)
        for _ in range(self._pauses):
            widget.pauseRender()
        self._widgets[node.GetID()] = widget

    def _new_widget(self, node) -> qt.QWidget | None:
        if node.IsA(_SLICE):
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._application_logic)
            self._slice_logics.AddItem(logic)
            return qMRMLSliceWidget(node, logic, self._viewport)
        if node.IsA(_THREE_D):
            widget = qMRMLThreeDWidget(node, self._application_logic, self._viewport)
            self._view_logics.AddItem(widget.viewLogic())
            return widget
        if node.IsA(_PLOT):
            return qMRMLPlotWidget(node, self._viewport)
        if node.IsA(_TABLE):
            return qMRMLTableWidget(node, self._viewport)
        return None

    def _remove_widget(self, node_id: str) -> None:
        widget = self._widgets.pop(node_id)
        logics = {qMRMLSliceWidget: self._slice_logics, qMRMLThreeDWidget: self._view_logics}.get(type(widget))
        if logics is not None:
            logics.RemoveItem(widget.logic())
        widget.release()
        widget.hide()
        widget.deleteLater()

    def _arrange(self) -> None:
        """Put the views of the current layout, or the maximized one, into the frame."""
        layout_node = self._logic.GetLayoutNode()
        description = layout_node.GetCurrentLayoutDescription()
        for index in range(layout_node.GetNumberOfMaximizedViewNodes()):
            maximized = layout_node.GetMaximizedViewNode(index)
            if maximized is not None:
                description = self._logic.GetMaximizedViewLayoutDescription(maximized, description)
        if not description or description == self._description:
            return
        self._description = description
        old, shown = self._content, []
        self._content = build_layout(ElementTree.fromstring(description), self._views_of_element, shown)
        self._viewport.layout().addWidget(self._content)
        for widget in self._widgets.values():
            is_shown = widget in shown
            if not is_shown:
                widget.setParent(self._viewport)
            widget.mrmlAbstractViewNode().SetMappedInLayout(is_shown)
            widget.setVisible(is_shown and bool(widget.mrmlAbstractViewNode().GetVisibility()))
        if old is not None:
            old.hide()
            old.deleteLater()
        # At once, not when the event loop is reached: views of the new layout can be drawn from now on.
        self._content.show()
        self._viewport.layout().activate()
        self.layoutChanged.emit(self.layout)

    def _views_of_element(self, element: ElementTree.Element, multiple: bool) -> list[qt.QWidget]:
        """The widgets of a `view` element; several where it stands for all views of its class."""
        node_class, tag = element.get("class"), element.get("singletontag")
        if multiple:
            return self._widgets_of(node_class)
        node = self._scene.GetSingletonNode(tag, node_class)
        widget = self.viewWidget(node)
        if widget is None:
            raise NotImplementedError(f"The headless host has no view for a {node_class} (layout view {tag}).")
        return [widget]


def _add_crosshair(scene) -> None:
    """The application adds one to its first scene; to others the slice logics do, when they have been closed or read."""
    if scene.GetFirstNodeByClass("vtkMRMLCrosshairNode") is None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        scene.AddNode(crosshair)
