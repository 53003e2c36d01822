"""What the widgets of the layout have in common: a view under its bar."""

from __future__ import annotations

import qt

from .view_bars import qMRMLViewControllerBar


class qMRMLAbstractViewWidget(qt.QWidget):
    """A view and its bar, for one view node."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._controller: qMRMLViewControllerBar | None = None
        self._view: qt.QWidget | None = None

    def stack(self, controller: qMRMLViewControllerBar, view: qt.QWidget) -> None:
        """Put the bar above the view; once, by the subclass."""
        self._controller, self._view = controller, view
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(controller)
        layout.addWidget(view, 1)

    def viewWidget(self) -> qt.QWidget:
        return self._view

    def controllerWidget(self) -> qMRMLViewControllerBar:
        return self._controller

    def mrmlAbstractViewNode(self):
        return self._controller.mrmlViewNode()

    def pauseRender(self) -> None:
        self._view.pauseRender()

    def resumeRender(self) -> None:
        self._view.resumeRender()

    def scene_processed(self) -> None:
        """After the scene was read or closed."""
        self._controller.updateWidgetFromMRMLView()
        self._view.scheduleRender()

    def release(self) -> None:
        """Let go of the scene."""
        self._controller.setMRMLViewNode(None)
        self._view.release()
