"""The plot view of the layout: a chart node drawn with VTK's charts."""

from __future__ import annotations

import qt
import slicer
import vtk

from .observers import Observers
from .plot_drawing import BACKGROUND, draw_chart, fit_axes, new_chart, store_ranges
from .rendered_view import RenderedView
from .signals import StandInSignal
from .view_bars import fit_icon, qMRMLViewControllerBar
from .view_widget import qMRMLAbstractViewWidget

_BAR_COLOUR = (27, 198, 207)
_DESCENDERS = 4

_BUTTONS = vtk.vtkContextMouseEvent
# Interaction mode of the view node: what left, middle and right button do when dragged.
_ACTIONS = {
    slicer.vtkMRMLPlotViewNode.InteractionModePanView: (vtk.vtkChart.PAN, vtk.vtkChart.ZOOM, vtk.vtkChart.ZOOM_AXIS),
    slicer.vtkMRMLPlotViewNode.InteractionModeSelectPoints: (
        vtk.vtkChart.SELECT,
        vtk.vtkChart.PAN,
        vtk.vtkChart.ZOOM_AXIS,
    ),
    slicer.vtkMRMLPlotViewNode.InteractionModeFreehandSelectPoints: (
        vtk.vtkChart.SELECT_POLYGON,
        vtk.vtkChart.PAN,
        vtk.vtkChart.ZOOM_AXIS,
    ),
    slicer.vtkMRMLPlotViewNode.InteractionModeMovePoints: (
        vtk.vtkChart.CLICK_AND_DRAG,
        vtk.vtkChart.PAN,
        vtk.vtkChart.ZOOM_AXIS,
    ),
}


class qMRMLPlotView(RenderedView):
    """Draws the chart of a plot view node; stands in for Slicer's class, which needs Qt."""

    live_samples = 0
    dataSelected = StandInSignal("dataSelected(vtkStringArray*,vtkCollection*)")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view_node = None
        self._chart_node = None
        self._series_shown: list[slicer.vtkMRMLPlotSeriesNode] = []
        self._chart_observers = Observers()
        self._outdated = True
        self._drawing = False
        self._renderer.SetBackground(*(component / 255 for component in BACKGROUND))
        self._chart = new_chart()
        self._chart.SetAutoSize(False)
        actor = vtk.vtkContextActor()
        self._context_scene = actor.GetScene()
        self._context_scene.AddItem(self._chart)
        self._context_scene.SetRenderer(self._renderer)
        self._renderer.AddActor(actor)
        style = vtk.vtkContextInteractorStyle()
        style.SetScene(self._context_scene)
        self._interactor.SetInteractorStyle(style)
        self.observe(self._chart, vtk.vtkCommand.InteractionEvent, lambda *_: self._store_ranges())
        self.observe(self._chart, vtk.vtkCommand.SelectionChangedEvent, lambda *_: self._emit_selection())

    def mrmlPlotViewNode(self) -> slicer.vtkMRMLPlotViewNode:
        return self._view_node

    def setMRMLPlotViewNode(self, node: slicer.vtkMRMLPlotViewNode | None) -> None:
        if node is self._view_node:
            return
        self._view_node = node
        if node is not None:
            for event in (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLPlotViewNode.PlotChartNodeChangedEvent):
                self.observe(node, event, lambda *_: self.outdate())
        self.outdate()

    def chart(self) -> vtk.vtkChartXY:
        """The chart, up to date with its nodes."""
        self._update()
        return self._chart

    def scene(self) -> vtk.vtkContextScene:
        return self._context_scene

    def fitToContent(self) -> None:
        """Span all data, as the R key and the fit button do."""
        fit_axes(self.chart())
        self._store_ranges()
        self._redraw()

    def RemovePlotSelections(self) -> None:
        self._chart.RemovePlotSelections()
        self._redraw()

    def view_resized(self, width: int, height: int) -> None:
        # VTK leaves no room for the descenders of the lowest line of text.
        self._chart.SetSize(vtk.vtkRectf(0, _DESCENDERS, width, height - _DESCENDERS))
        self._context_scene.SetDirty(True)

    def renderSmooth(self) -> None:
        # VTK smooths the lines of charts itself; with several samples per pixel a stripe of each text appears below it.
        if self._stale:
            self.forceRender()

    def before_render(self) -> None:
        self._update()

    def keyPressEvent(self, event) -> None:
        super().keyPressEvent(event)
        if event.key() == qt.Qt.Key_R:
            self.fitToContent()
        elif event.key() == qt.Qt.Key_U:
            self.RemovePlotSelections()
        elif event.key() == qt.Qt.Key_S and self._view_node is not None:
            following = (self._view_node.GetInteractionMode() + 1) % slicer.vtkMRMLPlotViewNode.InteractionMode_Last
            self._view_node.SetInteractionMode(following)

    def release(self) -> None:
        self._observe_chart_node(None)
        self._view_node = None
        super().release()

    def outdate(self) -> None:
        """Read the nodes again before the next render: many change one after another, the chart is drawn once."""
        self._outdated = True
        self.scheduleRender()

    def _redraw(self) -> None:
        self._context_scene.SetDirty(True)
        self.scheduleRender()

    def _update(self) -> None:
        if not self._outdated or self._view_node is None:
            return
        self._outdated = False
        self._drawing = True
        node = self._view_node.GetPlotChartNode()
        self._observe_chart_node(node)
        self._set_actions()
        if node is not None:
            self._chart.SetDragPointAlongX(
                self._view_node.GetEnablePointMoveAlongX() and node.GetEnablePointMoveAlongX()
            )
            self._chart.SetDragPointAlongY(
                self._view_node.GetEnablePointMoveAlongY() and node.GetEnablePointMoveAlongY()
            )
        self._series_shown = draw_chart(self._chart, node)
        self._context_scene.SetDirty(True)
        self._drawing = False

    def _set_actions(self) -> None:
        mode = self._view_node.GetInteractionMode()
        is_moving = mode == slicer.vtkMRMLPlotViewNode.InteractionModeMovePoints
        self._chart.SetClickActionToButton(
            vtk.vtkChart.SELECT, _BUTTONS.NO_BUTTON if is_moving else _BUTTONS.LEFT_BUTTON
        )
        buttons = (_BUTTONS.LEFT_BUTTON, _BUTTONS.MIDDLE_BUTTON, _BUTTONS.RIGHT_BUTTON)
        for action, button in zip(_ACTIONS[mode], buttons):
            self._chart.SetActionToButton(action, button)

    def _observe_chart_node(self, node) -> None:
        if node is self._chart_node:
            return
        self._chart_observers.clear()
        self._chart_node = node
        if node is not None:
            # A chart node is modified together with its series and their tables.
            self._chart_observers.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self.outdate())

    def _emit_selection(self) -> None:
        """IDs of the series with selected points, and the points' numbers; empty where nothing is selected any more."""
        if self._view_node is None or self._view_node.GetPlotChartNode() is None:
            return
        identifiers, selections = vtk.vtkStringArray(), vtk.vtkCollection()
        for index, series in enumerate(self._series_shown[: self._chart.GetNumberOfPlots()]):
            selection = self._chart.GetPlot(index).GetSelection()
            if selection is not None and selection.GetNumberOfValues() > 0:
                selections.AddItem(selection)
                identifiers.InsertNextValue(series.GetID())
        self._redraw()
        self.dataSelected.emit(identifiers, selections)

    def _store_ranges(self) -> None:
        if self._chart_node is not None and not self._drawing:
            store_ranges(self._chart, self._chart_node)


class qMRMLPlotViewControllerWidget(qMRMLViewControllerBar):
    """The turquoise bar of a plot view; without the popup of Slicer's."""

    def __init__(self, view: qMRMLPlotView, parent=None):
        super().__init__(parent)
        self._view = view
        self.add_button("FitToWindowToolButton", fit_icon(), "Fit plot to the window", self.fitPlotToAxes, 1)
        self.barLayout().addStretch(1)

    def mrmlPlotViewNode(self) -> slicer.vtkMRMLPlotViewNode:
        return self.mrmlViewNode()

    def fitPlotToAxes(self) -> None:
        self._view.fitToContent()

    def updateWidgetFromMRMLView(self) -> None:
        super().updateWidgetFromMRMLView()
        self.setColor(qt.QColor(*_BAR_COLOUR))


class qMRMLPlotWidget(qMRMLAbstractViewWidget):
    """A plot view with its bar."""

    def __init__(self, view_node: slicer.vtkMRMLPlotViewNode, parent=None):
        super().__init__(parent)
        view = qMRMLPlotView(self)
        self.stack(qMRMLPlotViewControllerWidget(view, self), view)
        self._view.setMRMLPlotViewNode(view_node)
        self._controller.setMRMLViewNode(view_node)

    def plotView(self) -> qMRMLPlotView:
        return self._view

    def plotController(self) -> qMRMLPlotViewControllerWidget:
        return self._controller

    def mrmlPlotViewNode(self) -> slicer.vtkMRMLPlotViewNode:
        return self._view.mrmlPlotViewNode()

    def scene_processed(self) -> None:
        self._view.outdate()
        super().scene_processed()
