"""A plane to point into: dots of cases, and a cross that follows the mouse.

Slicer's plot view tells which data points were selected, but not where in its plane the mouse was pressed. PythonQt lets
a Python class derive from QWidget and override its events (Slicer's own DICOM browser paints itself so), which is all
that is needed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import qt

_MARGIN, _RADIUS, _CATCH = 10, 4, 6
_SIZE = 240


@dataclass(frozen=True)
class Dot:
    """A case in the plane: name, position, colour (red, green, blue in 0..1)."""

    name: str
    x: float
    y: float
    colour: tuple[float, float, float]


class PlanePad(qt.QWidget):
    """Shows dots in a square plane, and calls back while the mouse is pressed or dragged in it.

    Args:
        onPoint: called with x and y of a point of the plane.
        onDot: called with the name of the dot that was pressed on.
        parent: widget.
    """

    def __init__(self, onPoint: Callable[[float, float], None], onDot: Callable[[str], None], parent=None):
        qt.QWidget.__init__(self, parent)
        self._onPoint, self._onDot = onPoint, onDot
        self._dots: list[Dot] = []
        self._reach = 3.0
        self._point: tuple[float, float] | None = None
        self._chosen = ""
        self._caught: tuple[int, int] | None = None
        self.setMinimumSize(_SIZE, _SIZE)
        self.setMaximumHeight(2 * _SIZE)
        self.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Expanding)
        self.setCursor(qt.QCursor(qt.Qt.CrossCursor))

    @property
    def dots(self) -> list[Dot]:
        """What is shown."""
        return list(self._dots)

    @property
    def point(self) -> tuple[float, float] | None:
        """Where the cross is."""
        return self._point

    def showDots(self, dots: Sequence[Dot], reach: float) -> None:
        """Show dots in a plane from -reach to reach; the cross goes."""
        self._dots, self._reach = list(dots), max(float(reach), 1e-6)
        self._point, self._chosen = None, ""
        self.update()

    def showPoint(self, point: Sequence[float] | None, chosen: str = "") -> None:
        """Put the cross at a point, or nowhere; `chosen`: name of a dot to be marked."""
        point = None if point is None else (float(point[0]), float(point[1]))
        if (point, chosen) != (self._point, self._chosen):
            self._point, self._chosen = point, chosen
            self.update()

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where in the widget a point of the plane lies; the second axis points upwards."""
        left, top, side = self._square()
        scale = side / (2 * self._reach)
        return left + (x + self._reach) * scale, top + (self._reach - y) * scale

    def position(self, column: float, row: float) -> tuple[float, float]:
        """Inverse of `pixel`, no farther out than the square."""
        left, top, side = self._square()
        scale = 2 * self._reach / side
        x, y = (column - left) * scale - self._reach, self._reach - (row - top) * scale
        return min(max(x, -self._reach), self._reach), min(max(y, -self._reach), self._reach)

    def _square(self) -> tuple[float, float, float]:
        """Left, top and side of the plane: as long along both axes, in the middle."""
        side = max(min(self.width, self.height) - 2 * _MARGIN, 1)
        return (self.width - side) / 2, (self.height - side) / 2, side

    # Events

    def mousePressEvent(self, event):
        if event.button() != qt.Qt.LeftButton or not self.enabled:
            return
        column, row = _pixel_of(event)
        dot = self._dotAt(column, row)
        self._caught = None if dot is None else (column, row)
        if dot is not None:
            self._onDot(dot.name)
        else:
            self._onPoint(*self.position(column, row))

    def mouseMoveEvent(self, event):
        if not event.buttons() & qt.Qt.LeftButton or not self.enabled:
            return
        column, row = _pixel_of(event)
        # A hand is never quite still: a dot that was pressed is left only by a movement that is meant.
        if self._caught is None or _distance(self._caught, (column, row)) > _CATCH:
            self._caught = None
            self._onPoint(*self.position(column, row))

    def _dotAt(self, column: int, row: int) -> Dot | None:
        """The nearest dot that is near enough to be meant."""

        def distance(dot):
            return _distance(self.pixel(dot.x, dot.y), (column, row))

        nearest = min(self._dots, key=distance, default=None)
        return nearest if nearest is not None and distance(nearest) <= _CATCH else None

    def paintEvent(self, event):
        painter = qt.QPainter(self)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing, True)
            self._paintPlane(painter)
            for dot in self._dots:
                self._paintDot(painter, dot)
            self._paintCross(painter)
        finally:
            # Two painters on one widget are an error; Python may keep this one until later.
            painter.end()

    def _paintPlane(self, painter):
        left, top, side = (int(value) for value in self._square())
        painter.fillRect(left, top, side, side, qt.QColor(255, 253, 246) if self.enabled else qt.QColor(235, 235, 235))
        painter.setPen(qt.QPen(qt.QColor(190, 190, 190)))
        painter.drawRect(left, top, side, side)
        painter.drawLine(left, top + side // 2, left + side, top + side // 2)
        painter.drawLine(left + side // 2, top, left + side // 2, top + side)

    def _paintDot(self, painter, dot: Dot):
        column, row = (round(value) for value in self.pixel(dot.x, dot.y))
        radius = _RADIUS + 2 if dot.name == self._chosen else _RADIUS
        painter.setBrush(qt.QBrush(qt.QColor(*(round(255 * part) for part in dot.colour))))
        painter.setPen(qt.QPen(qt.QColor(0, 0, 0) if dot.name == self._chosen else qt.QColor(255, 255, 255)))
        painter.drawEllipse(column - radius, row - radius, 2 * radius, 2 * radius)

    def _paintCross(self, painter):
        if self._point is None:
            return
        # A point that lies farther out is shown at the edge.
        reach = self._reach
        x, y = (min(max(value, -reach), reach) for value in self._point)
        column, row = (round(value) for value in self.pixel(x, y))
        pen = qt.QPen(qt.QColor(200, 30, 30))
        pen.setWidth(2)
        painter.setPen(pen)
        painter.drawLine(column - 9, row, column + 9, row)
        painter.drawLine(column, row - 9, column, row + 9)


def _pixel_of(event) -> tuple[int, int]:
    # Not `position`, which Qt 5 lacks.
    return event.pos().x(), event.pos().y()


def _distance(first: Sequence[float], second: Sequence[float]) -> float:
    return ((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2) ** 0.5
