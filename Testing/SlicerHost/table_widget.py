"""The table view of the layout: a table node, read only."""

from __future__ import annotations

import qt
import slicer
import vtk

from .observers import Observers
from .view_bars import qMRMLViewControllerBar
from .view_widget import qMRMLAbstractViewWidget

_BAR_COLOUR = "#e1ba3c"


class qMRMLTableView(qt.QTableWidget):
    """Shows the table of a table view node; what Slicer lets the user edit is fixed here."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view_node = None
        self._table_node = None
        self._view_observers, self._table_observers = Observers(), Observers()
        self._render_enabled = True
        self.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)

    def mrmlTableViewNode(self) -> slicer.vtkMRMLTableViewNode:
        return self._view_node

    def mrmlTableNode(self) -> slicer.vtkMRMLTableNode:
        return self._table_node

    def setMRMLTableViewNode(self, node: slicer.vtkMRMLTableViewNode | None) -> None:
        self._view_observers.clear()
        self._view_node = node
        if node is not None:
            self._view_observers.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRML())
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:
        """Fill the cells from the table node."""
        if not self._render_enabled:
            return
        self._observe_table(self._view_node.GetTableNode() if self._view_node is not None else None)
        table = self._table_node.GetTable() if self._table_node is not None else vtk.vtkTable()
        columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
        uses_titles = self._table_node is not None and self._table_node.GetUseColumnTitleAsColumnHeader()
        self.setColumnCount(len(columns))
        self.setRowCount(table.GetNumberOfRows())
        self.setHorizontalHeaderLabels([self._header(column, uses_titles) for column in columns])
        for position, column in enumerate(columns):
            for row in range(table.GetNumberOfRows()):
                self.setItem(row, position, qt.QTableWidgetItem(column.GetVariantValue(row).ToString()))

    def _header(self, column: vtk.vtkAbstractArray, uses_title: bool) -> str:
        name = column.GetName() or ""
        title = self._table_node.GetColumnTitle(name) if uses_title else ""
        return title or name

    def _observe_table(self, node) -> None:
        if node is self._table_node:
            return
        self._table_observers.clear()
        self._table_node = node
        if node is not None:
            self._table_observers.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRML())

    # Qt draws a table when it changes: what the rendered views do about rendering means little here.

    def setRenderEnabled(self, enabled: bool) -> None:
        self._render_enabled = bool(enabled)
        if enabled:
            self.updateWidgetFromMRML()

    def scheduleRender(self) -> None:
        self.viewport().update()

    renderSmooth = pauseRender = resumeRender = scheduleRender

    def release(self) -> None:
        self.setMRMLTableViewNode(None)


class qMRMLTableViewControllerWidget(qMRMLViewControllerBar):
    """The ochre bar of a table view; without the popup of Slicer's."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.barLayout().addStretch(1)

    def updateWidgetFromMRMLView(self) -> None:
        super().updateWidgetFromMRMLView()
        self.setColor(qt.QColor(_BAR_COLOUR))


class qMRMLTableWidget(qMRMLAbstractViewWidget):
    """A table view with its bar."""

    def __init__(self, view_node: slicer.vtkMRMLTableViewNode, parent=None):
        super().__init__(parent)
        self.stack(qMRMLTableViewControllerWidget(self), qMRMLTableView(self))
        self._view.setMRMLTableViewNode(view_node)
        self._controller.setMRMLViewNode(view_node)

    def tableView(self) -> qMRMLTableView:
        return self._view

    def tableController(self) -> qMRMLTableViewControllerWidget:
        return self._controller

    def mrmlTableViewNode(self) -> slicer.vtkMRMLTableViewNode:
        return self._view.mrmlTableViewNode()
