"""A widget that shows what VTK renders offscreen: the base of the slice, 3-D and plot views."""

from __future__ import annotations

import numpy as np
import qt
import vtk

from . import interaction
from .observers import Observers
from .pictures import rgba_picture

_MAXIMUM_UPDATE_RATE = 60.0
_SMOOTH_AFTER_MS = 400
_SMOOTH_SAMPLES = 4


class RenderedView(qt.QWidget):
    """Stands in for CTK's ctkVTKAbstractView, whose native OpenGL widget does not work without a screen.

    The picture is rendered into an offscreen window of the widget's size and painted as an image. Requests of one turn
    of the event loop become one render (`scheduleRender`); a hidden view renders nothing, and a view that is painted is
    always up to date. While things move, pictures are drawn without smoothing; a view that came to rest is drawn once
    more with smooth edges.
    """

    live_samples = 0
    """Samples per pixel while things move; a kind of view that is quick to draw can afford more."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._picture: np.ndarray | None = None
        self._stale = True
        self._render_enabled = True
        self._pauses = 0
        self._observers = Observers()
        self.number_of_renders = 0
        self._request_timer = self._timer(round(1000 / _MAXIMUM_UPDATE_RATE), self._requested)
        self._smooth_timer = self._timer(_SMOOTH_AFTER_MS, self.renderSmooth)
        self._make_window()
        self.setFocusPolicy(qt.Qt.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(40, 40)
        self.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Expanding)
        # Every pixel is painted: Qt need not clear behind it.
        self.setAttribute(qt.Qt.WA_OpaquePaintEvent)

    def _timer(self, interval_ms: int, slot) -> qt.QTimer:
        timer = qt.QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval_ms)
        timer.connect("timeout()", slot)
        return timer

    def _make_window(self) -> None:
        self._renderer = vtk.vtkRenderer()
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(1)
        self._window.SetSize(40, 40)
        self._window.AddRenderer(self._renderer)
        # The generic one waits for no events of its own: those of Qt are handed on to it.
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetEnableRender(False)
        self._interactor.SetSize(40, 40)
        self.observe(self._interactor, vtk.vtkCommand.RenderEvent, lambda *_: self.scheduleRender())

    # What ctkVTKAbstractView offers

    def renderWindow(self) -> vtk.vtkRenderWindow:
        return self._window

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        return self._interactor

    def interactorStyle(self) -> vtk.vtkInteractorObserver:
        return self._interactor.GetInteractorStyle()

    def renderer(self) -> vtk.vtkRenderer:
        return self._renderer

    @property
    def renderEnabled(self) -> bool:
        return self._render_enabled

    def setRenderEnabled(self, enabled: bool) -> None:
        """Off while the scene is read or closed; the view draws itself once when it comes on again."""
        self._render_enabled = bool(enabled)
        if enabled:
            self.scheduleRender()

    def isRenderPaused(self) -> bool:
        return self._pauses > 0

    def pauseRender(self) -> int:
        self._pauses += 1
        return self._pauses

    def resumeRender(self) -> int:
        self._pauses = max(0, self._pauses - 1)
        if not self._pauses and self._stale:
            self.scheduleRender()
        return self._pauses

    def scheduleRender(self) -> None:
        """Draw when the event loop is reached next, at most 60 times a second."""
        self._stale = True
        self._smooth_timer.stop()
        if self._may_render() and not self.isRenderPaused() and not self._request_timer.isActive():
            self._request_timer.start()

    def forceRender(self) -> None:
        """Draw now, unless the view is hidden."""
        if self._may_render():
            self._render_live()
            self.update()

    def renderSmooth(self) -> None:
        """Draw now with smooth edges: for a view at rest, and for pictures that are kept."""
        if not self._may_render():
            return
        # With several samples per pixel VTK loses what is translucent if depth peeling sorts it.
        peels = bool(self._renderer.GetUseDepthPeeling()) and self._shows_translucent_things()
        self._renderer.SetUseFXAA(peels)
        self._render(0 if peels else _SMOOTH_SAMPLES)
        self._renderer.SetUseFXAA(False)
        self.update()

    # What the host adds

    def picture(self) -> np.ndarray:
        """The view as it is now, (height, width, 4) uint8 RGBA, first row on top; rendered if anything changed.

        Raises RuntimeError if the view is hidden.
        """
        if self._stale or self._picture is None:
            self.forceRender()
        if self._picture is None:
            raise RuntimeError("A hidden view has no picture: show it first.")
        return self._picture

    def observe(self, source: vtk.vtkObject, event: int | str, callback) -> None:
        """Call `callback(caller, event)` until `release`."""
        self._observers.add(source, event, callback)

    def release(self) -> None:
        """Let go of VTK: its observers would keep the widget alive, and the window its graphics memory."""
        self._observers.clear()
        self._request_timer.stop()
        self._smooth_timer.stop()
        self._render_enabled = False
        self._window.Finalize()

    def view_resized(self, width: int, height: int) -> None:
        """For subclasses: the picture has a new size in pixels."""

    def before_render(self) -> None:
        """For subclasses: last changes before a picture is drawn."""

    def _shows_translucent_things(self) -> bool:
        props = self._renderer.GetViewProps()
        items = (props.GetItemAsObject(index) for index in range(props.GetNumberOfItems()))
        return any(prop.GetVisibility() and prop.HasTranslucentPolygonalGeometry() for prop in items)

    def _may_render(self) -> bool:
        return self._render_enabled and self.isVisible()

    def _requested(self) -> None:
        if not self.isRenderPaused():
            self.forceRender()

    def _render_live(self) -> None:
        self._render(self.live_samples)
        if self.live_samples < _SMOOTH_SAMPLES:
            self._smooth_timer.start()

    def _render(self, samples: int) -> None:
        self._request_timer.stop()
        self._smooth_timer.stop()
        self.before_render()
        self._window.SetMultiSamples(samples)
        self._window.Render()
        self._picture = rgba_picture(self._window)
        self._stale = False
        self.number_of_renders += 1

    # Qt's events

    def paintEvent(self, event) -> None:
        if self._stale and self._may_render() and not self.isRenderPaused():
            self._render_live()
        painter = qt.QPainter(self)
        if self._picture is None:
            painter.fillRect(event.rect(), qt.QColor(0, 0, 0))
        else:
            height, width = self._picture.shape[:2]
            # The X: what is behind translucent things has been blended in already.
            image = qt.QImage(self._picture.data, width, height, 4 * width, qt.QImage.Format_RGBX8888)
            painter.drawImage(0, 0, image)
        painter.end()

    def resizeEvent(self, event) -> None:
        width, height = max(event.size().width(), 1), max(event.size().height(), 1)
        self._window.SetSize(width, height)
        self._interactor.UpdateSize(width, height)
        self.view_resized(width, height)
        self.scheduleRender()

    def showEvent(self, event) -> None:
        self.scheduleRender()

    def mousePressEvent(self, event) -> None:
        interaction.mouse_button(self._interactor, event, "Press")

    def mouseReleaseEvent(self, event) -> None:
        interaction.mouse_button(self._interactor, event, "Release")

    def mouseDoubleClickEvent(self, event) -> None:
        interaction.mouse_button(self._interactor, event, "DoubleClick")

    def mouseMoveEvent(self, event) -> None:
        interaction.mouse_move(self._interactor, event)

    def wheelEvent(self, event) -> None:
        interaction.wheel(self._interactor, event)

    def keyPressEvent(self, event) -> None:
        interaction.key(self._interactor, event, "Press")

    def keyReleaseEvent(self, event) -> None:
        interaction.key(self._interactor, event, "Release")

    def enterEvent(self, event) -> None:
        self._interactor.InvokeEvent(vtk.vtkCommand.EnterEvent)

    def leaveEvent(self, event) -> None:
        self._interactor.InvokeEvent(vtk.vtkCommand.LeaveEvent)
