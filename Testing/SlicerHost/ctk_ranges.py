"""Stand-ins of CTK's widgets for intervals."""

from __future__ import annotations

from .ctk_values import ctkDoubleSpinBox
from .pyside import QtCore, QtGui, QtWidgets
from .stand_in import StandInSignal, cpp_property, split_arguments, stand_in

_HANDLE = 12


@stand_in
class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A horizontal slider with two handles, the ends of an interval."""

    valuesChanged = StandInSignal("valuesChanged(double,double)")
    minimumValueChanged = StandInSignal("minimumValueChanged(double)")
    maximumValueChanged = StandInSignal("maximumValueChanged(double)")
    rangeChanged = StandInSignal("rangeChanged(double,double)")
    sliderPressed = StandInSignal("sliderPressed()")
    sliderReleased = StandInSignal("sliderReleased()")

    _range = (0.0, 99.0)
    _values = (0.0, 99.0)
    _step = 1.0
    _tracking = True
    _symmetric = False
    _dragged = None

    def __init__(self, *arguments):
        _, parent = split_arguments(arguments, int, QtWidgets.QWidget)
        super().__init__(parent)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)

    def setValues(self, low: float, high: float) -> None:
        """Set both ends, cut to the range; the signals tell which of them changed."""
        before = self._values
        self._values = tuple(min(max(float(end), self._range[0]), self._range[1]) for end in sorted((low, high)))
        if self._values == before:
            return
        self.update()
        self.valuesChanged.emit(*self._values)
        if self._values[0] != before[0]:
            self.minimumValueChanged.emit(self._values[0])
        if self._values[1] != before[1]:
            self.maximumValueChanged.emit(self._values[1])

    def setMinimumValue(self, low: float) -> None:
        self.setValues(low, max(low, self._values[1]))

    def setMaximumValue(self, high: float) -> None:
        self.setValues(min(high, self._values[0]), high)

    def setRange(self, low: float, high: float) -> None:
        new = (min(low, high), max(low, high))
        if new != self._range:
            self._range = new
            self.rangeChanged.emit(*new)
            self.setValues(*self._values)
            self.update()

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(80, 22)

    minimumSizeHint = sizeHint

    def _pixel(self, value: float) -> float:
        low, high = self._range
        share = (value - low) / (high - low) if high > low else 0.0
        return _HANDLE / 2 + share * (self.width - _HANDLE)

    def _value_at(self, pixel: float) -> float:
        low, high = self._range
        value = low + (pixel - _HANDLE / 2) / max(1, self.width - _HANDLE) * (high - low)
        return low + round((value - low) / self._step) * self._step if self._step else value

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        distances = [abs(event.position().x() - self._pixel(value)) for value in self._values]
        self._dragged = int(distances[1] < distances[0])
        self.sliderPressed.emit()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        if self._dragged is None:
            return
        value = self._value_at(event.position().x())
        ends = list(self._values)
        ends[self._dragged] = min(value, ends[1]) if self._dragged == 0 else max(value, ends[0])
        self.setValues(*ends)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        self._dragged = None
        self.sliderReleased.emit()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.Antialiasing)
        middle = self.height / 2
        low, high = map(self._pixel, self._values)
        painter.setPen(QtCore.Qt.NoPen)
        painter.setBrush(self.palette.color(QtGui.QPalette.Mid))
        painter.drawRoundedRect(QtCore.QRectF(_HANDLE / 2, middle - 2, self.width - _HANDLE, 4), 2, 2)
        painter.setBrush(self.palette.color(QtGui.QPalette.Highlight))
        painter.drawRect(QtCore.QRectF(low, middle - 2, high - low, 4))
        painter.setPen(self.palette.color(QtGui.QPalette.Dark))
        painter.setBrush(self.palette.color(QtGui.QPalette.Button))
        for end in (low, high):
            painter.drawRoundedRect(QtCore.QRectF(end - _HANDLE / 2 + 0.5, middle - 6.5, _HANDLE - 1, 13), 2, 2)
        painter.end()

    minimum = cpp_property(
        "double", lambda self: self._range[0], lambda self, low: self.setRange(low, max(low, self._range[1]))
    )
    maximum = cpp_property(
        "double", lambda self: self._range[1], lambda self, high: self.setRange(min(high, self._range[0]), high)
    )
    minimumValue = cpp_property("double", lambda self: self._values[0], setMinimumValue)
    maximumValue = cpp_property("double", lambda self: self._values[1], setMaximumValue)
    singleStep = cpp_property("double", lambda self: self._step, lambda self, step: setattr(self, "_step", step))
    tracking = cpp_property("bool", lambda self: self._tracking, lambda self, on: setattr(self, "_tracking", on))
    symmetricMoves = cpp_property(
        "bool", lambda self: self._symmetric, lambda self, on: setattr(self, "_symmetric", on)
    )


@stand_in
class ctkRangeWidget(QtWidgets.QWidget):
    """A slider with two handles between two spin boxes."""

    minimumValueChanged = StandInSignal("minimumValueChanged(double)")
    maximumValueChanged = StandInSignal("maximumValueChanged(double)")
    minimumValueIsChanging = StandInSignal("minimumValueIsChanging(double)")
    maximumValueIsChanging = StandInSignal("maximumValueIsChanging(double)")
    valuesChanged = StandInSignal("valuesChanged(double,double)")
    rangeChanged = StandInSignal("rangeChanged(double,double)")

    _low_box = None
    _high_box = None
    _slider = None
    _tracking = True
    _before_drag = None

    def __init__(self, parent=None):
        super().__init__(parent)
        self._low_box, self._high_box = ctkDoubleSpinBox(self), ctkDoubleSpinBox(self)
        self._slider = ctkDoubleRangeSlider(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._low_box, self._slider, self._high_box):
            layout.addWidget(widget)
        for box in (self._low_box, self._high_box):
            box.maximum = self._slider.maximum
        self._high_box.setValue(self._slider.maximum)
        self._low_box.valueChanged.connect(lambda value: self._slider.setMinimumValue(value))
        self._high_box.valueChanged.connect(lambda value: self._slider.setMaximumValue(value))
        self._slider.valuesChanged.connect(self._on_slider_changed)
        self._slider.minimumValueChanged.connect(lambda value: self._tell("minimumValue", value))
        self._slider.maximumValueChanged.connect(lambda value: self._tell("maximumValue", value))
        self._slider.sliderPressed.connect(self._on_pressed)
        self._slider.sliderReleased.connect(self._on_released)

    def setValues(self, low: float, high: float) -> None:
        self._slider.setValues(low, high)

    def setMinimumValue(self, low: float) -> None:
        self._slider.setMinimumValue(low)

    def setMaximumValue(self, high: float) -> None:
        self._slider.setMaximumValue(high)

    def setRange(self, low: float, high: float) -> None:
        for box in (self._low_box, self._high_box):
            box.minimum, box.maximum = min(low, high), max(low, high)
        before = (self._slider.minimum, self._slider.maximum)
        self._slider.setRange(low, high)
        if before != (self._slider.minimum, self._slider.maximum):
            self.rangeChanged.emit(self._slider.minimum, self._slider.maximum)

    def reset(self) -> None:
        self.setValues(self._slider.minimum, self._slider.maximum)

    def setDecimals(self, decimals: int) -> None:
        self._low_box.setDecimals(decimals)
        self._high_box.setDecimals(decimals)

    def _on_slider_changed(self, low: float, high: float) -> None:
        self._low_box.setValue(low)
        self._high_box.setValue(high)
        if self._before_drag is None:
            self.valuesChanged.emit(low, high)

    def _tell(self, name: str, value: float) -> None:
        if not self._tracking:
            getattr(self, f"{name}IsChanging").emit(value)
        if self._before_drag is None:
            getattr(self, f"{name}Changed").emit(value)

    def _on_pressed(self) -> None:
        if not self._tracking:
            self._before_drag = self._slider._values

    def _on_released(self) -> None:
        before, self._before_drag = self._before_drag, None
        values = self._slider._values
        if before is None or before == values:
            return
        self.valuesChanged.emit(*values)
        for name, old, new in zip(("minimumValue", "maximumValue"), before, values):
            if old != new:
                getattr(self, f"{name}Changed").emit(new)

    def _set_both(self, name: str, value) -> None:
        setattr(self._low_box, name, value)
        setattr(self._high_box, name, value)

    def _set_step(self, step: float) -> None:
        self._set_both("singleStep", step)
        self._slider.singleStep = step

    minimum = cpp_property(
        "double",
        lambda self: self._slider.minimum,
        lambda self, low: self.setRange(low, max(low, self._slider.maximum)),
    )
    maximum = cpp_property(
        "double",
        lambda self: self._slider.maximum,
        lambda self, high: self.setRange(min(high, self._slider.minimum), high),
    )
    minimumValue = cpp_property("double", lambda self: self._slider.minimumValue, setMinimumValue)
    maximumValue = cpp_property("double", lambda self: self._slider.maximumValue, setMaximumValue)
    singleStep = cpp_property("double", lambda self: self._slider.singleStep, _set_step)
    decimals = cpp_property("int", lambda self: self._low_box.decimals, setDecimals)
    prefix = cpp_property(
        "QString", lambda self: self._low_box.prefix, lambda self, text: self._set_both("prefix", text)
    )
    suffix = cpp_property(
        "QString", lambda self: self._low_box.suffix, lambda self, text: self._set_both("suffix", text)
    )
    tracking = cpp_property("bool", lambda self: self._tracking, lambda self, on: setattr(self, "_tracking", on))
