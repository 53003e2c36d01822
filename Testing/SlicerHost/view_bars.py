"""The coloured bars above the views: their look, their label, the buttons that all of them have."""

from __future__ import annotations

import qt
import vtk

from .observers import Observers

_ICON_SIZE = 14

# Stops of the bar's gradient (from top to bottom) and how bright the colour is there, relative to a value of 240.
_SHEEN = ((0.0, 358), (0.15, 224), (0.24, 213), (0.65, 255), (0.71, 246), (0.85, 253), (1.0, 191))


class qMRMLViewControllerBar(qt.QWidget):
    """Bar with a label and, where the layout has other views, a button that maximizes the view."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view_node = None
        self._observers = Observers()
        self._bar = qt.QWidget(self)
        self._bar.setObjectName("BarWidget")
        self._bar.setAutoFillBackground(True)
        outer = qt.QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._bar)
        self._layout = qt.QHBoxLayout(self._bar)
        self._layout.setSpacing(2)
        self._layout.setContentsMargins(4, 0, 6, 0)
        self._label = qt.QLabel(self)
        self._label.setObjectName("ViewLabel")
        self._label.setAlignment(qt.Qt.AlignCenter)
        # The bar's colour does not follow the palette: neither does what is written on it.
        self._label.setStyleSheet("color: black; background-color: transparent;")
        self._label.setMinimumWidth(20)
        self._layout.addWidget(self._label)
        self._maximize_button = self.add_button(
            "MaximizeViewButton", _maximize_icon(), "Maximize view", self.maximizeView
        )
        self._layout.addSpacing(5)
        self.setSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Fixed)
        self.setFixedHeight(22)

    def barLayout(self) -> qt.QLayout:
        return self._layout

    def barWidget(self) -> qt.QWidget:
        return self._bar

    def viewLabel(self) -> qt.QLabel:
        return self._label

    def mrmlViewNode(self):
        return self._view_node

    def setMRMLViewNode(self, node) -> None:
        self._observers.clear()
        self._view_node = node
        if node is not None:
            self._observers.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRMLView())
        self.updateWidgetFromMRMLView()

    def updateWidgetFromMRMLView(self) -> None:
        node = self._view_node
        if node is None:
            return
        self._label.setText(node.GetLayoutLabel() or "")
        self.setColor(qt.QColor.fromRgbF(*node.GetLayoutColor()))
        can_be_maximized = maximized_state(node)[2]
        self._maximize_button.setVisible(can_be_maximized)

    def maximizeView(self) -> None:
        """Let the view fill the layout, or give the others their places back."""
        layout_node, is_maximized, can_be_maximized = maximized_state(self._view_node)
        if layout_node is None or not can_be_maximized:
            return
        if is_maximized:
            layout_node.RemoveMaximizedViewNode(self._view_node)
        else:
            layout_node.AddMaximizedViewNode(self._view_node)

    def setColor(self, color: qt.QColor) -> None:
        """Fill the bar with the sheen of this colour that Slicer's bars have."""
        gradient = qt.QLinearGradient(0.0, 0.0, 0.0, 1.0)
        gradient.setCoordinateMode(qt.QGradient.StretchToDeviceMode)
        brightness = color.value() / 240.0
        for position, value in _SHEEN:
            shade = qt.QColor.fromHsv(color.hue(), color.saturation(), int(min(255.0, value * brightness)))
            gradient.setColorAt(position, shade)
        palette = self._bar.palette
        palette.setBrush(qt.QPalette.Window, qt.QBrush(gradient))
        self._bar.setPalette(palette)

    def add_button(self, name: str, icon: qt.QIcon, tip: str, slot, position: int = -1) -> qt.QToolButton:
        """A flat button on the bar, at a place of its layout or last."""
        button = qt.QToolButton(self)
        button.setObjectName(name)
        button.setAutoRaise(True)
        button.setIcon(icon)
        button.setIconSize(qt.QSize(_ICON_SIZE, _ICON_SIZE))
        button.setFixedSize(18, 18)
        button.setToolTip(tip)
        button.connect("clicked()", slot)
        self._layout.insertWidget(position, button)
        return button


def maximized_state(view_node) -> tuple[object, bool, bool]:
    """The layout node, whether the view is maximized, whether it can be (there is another view beside it)."""
    if view_node is None or view_node.GetScene() is None:
        return None, False, False
    is_maximized, can_be_maximized = vtk.mutable(0), vtk.mutable(0)
    layout_node = view_node.GetMaximizedState(is_maximized, can_be_maximized)
    return layout_node, bool(is_maximized), bool(can_be_maximized)


def _icon(draw) -> qt.QIcon:
    """An icon drawn by `draw(painter)` on a square of 16 units."""
    pixmap = qt.QPixmap(32, 32)
    pixmap.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixmap)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    painter.scale(2, 2)
    painter.setPen(qt.QPen(qt.QColor(40, 40, 40), 1.4))
    draw(painter)
    painter.end()
    return qt.QIcon(pixmap)


def _maximize_icon() -> qt.QIcon:
    def draw(painter):
        painter.drawRect(2, 3, 12, 10)
        painter.fillRect(2, 3, 12, 3, qt.QColor(40, 40, 40))

    return _icon(draw)


def fit_icon() -> qt.QIcon:
    """Four corners around a filled square: fit the picture into the view."""

    def draw(painter):
        for x, y, across, up in ((2, 2, 1, 1), (14, 2, -1, 1), (2, 14, 1, -1), (14, 14, -1, -1)):
            painter.drawLine(x, y, x + 3 * across, y)
            painter.drawLine(x, y, x, y + 3 * up)
        painter.fillRect(6, 6, 4, 4, qt.QColor(40, 40, 40))

    return _icon(draw)


def center_icon() -> qt.QIcon:
    """A cross in a circle: centre the view."""

    def draw(painter):
        painter.drawEllipse(4, 4, 8, 8)
        for x1, y1, x2, y2 in ((8, 1, 8, 6), (8, 10, 8, 15), (1, 8, 6, 8), (10, 8, 15, 8)):
            painter.drawLine(x1, y1, x2, y2)

    return _icon(draw)
