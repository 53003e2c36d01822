"""Stand-ins of CTK's widgets for numbers."""

from __future__ import annotations

import math

from .pyside import QtCore, QtWidgets
from .signals import emit
from .stand_in import StandInSignal, cpp_property, split_arguments, stand_in


@stand_in
class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box that keeps the value that it was given, not the rounded one that it shows."""

    valueChanged = StandInSignal("valueChanged(double)", "valueChanged(QString)")
    editingFinished = StandInSignal("editingFinished()")
    decimalsChanged = StandInSignal("decimalsChanged(int)")

    SetAlways, SetIfDifferent = 0, 1
    _box = None
    _value = 0.0
    _range = (0.0, 99.99)
    _only_if_different = True
    _own_change = False

    def __init__(self, *arguments):
        _, parent = split_arguments(arguments, int, QtWidgets.QWidget)
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._range = (self._box.minimum, self._box.maximum)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Fixed)
        self.setFocusProxy(self._box)
        self._box.valueChanged.connect(self._on_box_changed)
        self._box.editingFinished.connect(lambda: self.editingFinished.emit())

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._range[0]), self._range[1])
        if value == self._value or math.isnan(value):
            return
        self._value = value
        self._own_change = True
        self._box.setValue(value)
        self._own_change = False
        self._tell()

    setValueIfDifferent = setValueAlways = setValue

    def setDecimals(self, decimals: int) -> None:
        if decimals == self._box.decimals:
            return
        self._own_change = True
        self._box.setDecimals(int(decimals))
        self._box.setRange(*self._range)
        self._box.setValue(self._value)
        self._own_change = False
        self.decimalsChanged.emit(int(decimals))

    def setReadOnly(self, read_only: bool) -> None:
        self._box.setReadOnly(read_only)

    def stepUp(self) -> None:
        self._box.stepUp()

    def stepDown(self) -> None:
        self._box.stepDown()

    def _on_box_changed(self, value: float) -> None:
        if not self._own_change and value != self._value:
            self._value = value
            self._tell()

    def _tell(self) -> None:
        self.valueChanged.emit(self._value)
        emit(self, "valueChanged(QString)", f"{self._value:.{self._box.decimals}f}")

    def _set_range(self, low: float, high: float) -> None:
        self._range = (min(low, high), max(low, high))
        self._own_change = True
        self._box.setRange(*self._range)
        self._own_change = False
        self.setValue(self._value)

    value = cpp_property("double", lambda self: self._value, setValue)
    minimum = cpp_property(
        "double", lambda self: self._range[0], lambda self, low: self._set_range(low, max(low, self._range[1]))
    )
    maximum = cpp_property(
        "double", lambda self: self._range[1], lambda self, high: self._set_range(min(high, self._range[0]), high)
    )
    decimals = cpp_property("int", lambda self: self._box.decimals, setDecimals)
    singleStep = cpp_property(
        "double", lambda self: self._box.singleStep, lambda self, step: self._box.setSingleStep(step)
    )
    prefix = cpp_property("QString", lambda self: self._box.prefix, lambda self, text: self._box.setPrefix(text))
    suffix = cpp_property("QString", lambda self: self._box.suffix, lambda self, text: self._box.setSuffix(text))
    cleanText = cpp_property("QString", lambda self: self._box.cleanText)
    readOnly = cpp_property("bool", lambda self: self._box.readOnly, setReadOnly)
    frame = cpp_property("bool", lambda self: self._box.frame, lambda self, on: self._box.setFrame(on))
    alignment = cpp_property(
        "int", lambda self: self._box.alignment, lambda self, value: setattr(self._box, "alignment", value)
    )
    setMode = cpp_property(
        "int",
        lambda self: int(self._only_if_different),
        lambda self, mode: setattr(self, "_only_if_different", bool(mode)),
    )


@stand_in
class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider of floating point numbers; its handle moves in steps of `singleStep`, its value is not rounded."""

    valueChanged = StandInSignal("valueChanged(double)")
    sliderMoved = StandInSignal("sliderMoved(double)")
    sliderPressed = StandInSignal("sliderPressed()")
    sliderReleased = StandInSignal("sliderReleased()")
    rangeChanged = StandInSignal("rangeChanged(double,double)")

    _slider = None
    _value = 0.0
    _range = (0.0, 99.0)
    _step = 1.0
    _page_step = 10.0
    _tick_interval = 0.0
    _own_change = False

    def __init__(self, *arguments):
        orientation, parent = split_arguments(arguments, int, QtWidgets.QWidget)
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Vertical if orientation is None else orientation, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self.setSizePolicy(self._slider.sizePolicy)
        self.setFocusProxy(self._slider)
        self._slider.valueChanged.connect(self._on_slider_changed)
        self._slider.sliderMoved.connect(lambda position: self.sliderMoved.emit(self._from_steps(position)))
        self._slider.sliderPressed.connect(lambda: self.sliderPressed.emit())
        self._slider.sliderReleased.connect(lambda: self.sliderReleased.emit())
        self._update_slider()

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._range[0]), self._range[1])
        if value == self._value or math.isnan(value):
            return
        self._value = value
        self._update_slider()
        self.valueChanged.emit(value)

    def setOrientation(self, orientation) -> None:
        self._slider.setOrientation(QtCore.Qt.Orientation(orientation))
        self.setSizePolicy(self._slider.sizePolicy)

    def _from_steps(self, steps: int) -> float:
        return min(max(self._range[0] + steps * self._step, self._range[0]), self._range[1])

    def _on_slider_changed(self, steps: int) -> None:
        if not self._own_change:
            self.setValue(self._from_steps(steps))

    def _update_slider(self) -> None:
        low, high = self._range
        count = (high - low) / self._step
        self._own_change = True
        self._slider.setRange(0, math.ceil(count - 1e-9) if math.isfinite(count) and count < 2**31 else 2**31 - 1)
        steps = (self._value - low) / self._step
        self._slider.setValue(round(steps) if math.isfinite(steps) and abs(steps) < 2**31 else 0)
        self._slider.setPageStep(max(1, round(min(self._page_step / self._step, 2**30))))
        self._slider.setTickInterval(round(min(self._tick_interval / self._step, 2**30)))
        self._own_change = False

    def _set_range(self, low: float, high: float) -> None:
        if (low, high) == self._range:
            return
        self._range = (min(low, high), max(low, high))
        self._update_slider()
        self.rangeChanged.emit(*self._range)
        self.setValue(self._value)

    def _set(self, name: str, value) -> None:
        setattr(self, name, value)
        self._update_slider()

    value = cpp_property("double", lambda self: self._value, setValue)
    sliderPosition = cpp_property("double", lambda self: self._value, setValue)
    minimum = cpp_property(
        "double", lambda self: self._range[0], lambda self, low: self._set_range(low, max(low, self._range[1]))
    )
    maximum = cpp_property(
        "double", lambda self: self._range[1], lambda self, high: self._set_range(min(high, self._range[0]), high)
    )
    singleStep = cpp_property("double", lambda self: self._step, lambda self, step: self._set("_step", step))
    pageStep = cpp_property("double", lambda self: self._page_step, lambda self, step: self._set("_page_step", step))
    tickInterval = cpp_property(
        "double", lambda self: self._tick_interval, lambda self, value: self._set("_tick_interval", value)
    )
    tickPosition = cpp_property(
        "int", lambda self: self._slider.tickPosition, lambda self, value: setattr(self._slider, "tickPosition", value)
    )
    tracking = cpp_property("bool", lambda self: self._slider.tracking, lambda self, on: self._slider.setTracking(on))
    orientation = cpp_property("int", lambda self: self._slider.orientation, setOrientation)
    handleToolTip = cpp_property(
        "QString", lambda self: self._slider.toolTip, lambda self, text: self._slider.setToolTip(text)
    )
    invertedAppearance = cpp_property(
        "bool", lambda self: self._slider.invertedAppearance, lambda self, on: self._slider.setInvertedAppearance(on)
    )
    invertedControls = cpp_property(
        "bool", lambda self: self._slider.invertedControls, lambda self, on: self._slider.setInvertedControls(on)
    )


@stand_in
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box of one number.

    Without `tracking`, `valueIsChanging` is emitted while the handle is dragged, and `valueChanged` on release.
    """

    valueChanged = StandInSignal("valueChanged(double)")
    valueIsChanging = StandInSignal("valueIsChanging(double)")
    decimalsChanged = StandInSignal("decimalsChanged(int)")

    NoSynchronize, SynchronizeWidth, SynchronizeDecimals = 0, 1, 2
    _slider = None
    _box = None
    _tracking = True
    _changing = False
    _value_before = 0.0
    _synchronize = 1
    _box_follows = False

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = ctkDoubleSlider(QtCore.Qt.Horizontal, self)
        self._slider.setObjectName("Slider")
        self._box = ctkDoubleSpinBox(self)
        self._box.setObjectName("SpinBox")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._slider.maximum = self._box.maximum
        self._slider.minimum = self._box.minimum
        self._box.valueChanged.connect(self._on_box_changed)
        self._box.decimalsChanged.connect(lambda decimals: self.decimalsChanged.emit(decimals))
        self._slider.valueChanged.connect(self._on_slider_changed)
        self._slider.sliderPressed.connect(self._start_changing)
        self._slider.sliderReleased.connect(self._stop_changing)

    def event(self, event: QtCore.QEvent) -> bool:
        if event.type() in (QtCore.QEvent.Polish, QtCore.QEvent.LayoutRequest):
            self._align_with_siblings()
        return super().event(event)

    def _align_with_siblings(self) -> None:
        """Spin boxes of sliders in the same parent are equally wide."""
        parent = self.parentWidget()
        siblings = parent.findChildren(ctkSliderWidget) if parent is not None else (self,)
        following = [slider for slider in siblings if slider._synchronize & self.SynchronizeWidth]
        width = max([slider._box.sizeHint.width() for slider in following], default=0)
        for slider in following:
            if slider._box.minimumWidth != width:
                slider._box.setMinimumWidth(width)

    def setValue(self, value: float) -> None:
        changing, self._changing = self._changing, False
        self._box.setValue(value)
        self._changing = changing

    def reset(self) -> None:
        self.setValue(0.0)

    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    def _on_box_changed(self, value: float) -> None:
        if not self._box_follows:
            self._slider.setValue(value)

    def _on_slider_changed(self, value: float) -> None:
        self._box_follows = True
        self._box.setValue(value)
        self._box_follows = False
        if not self._tracking:
            self.valueIsChanging.emit(value)
        if not self._changing:
            self.valueChanged.emit(value)

    def _start_changing(self) -> None:
        if not self._tracking:
            self._value_before = self._slider.value
            self._changing = True

    def _stop_changing(self) -> None:
        if self._changing:
            self._changing = False
            if self._slider.value != self._value_before:
                self.valueChanged.emit(self._slider.value)

    def _set_minimum(self, value: float) -> None:
        self._box_follows = True
        self._box.minimum = value
        self._box_follows = False
        self._slider.minimum = self._box.minimum

    def _set_maximum(self, value: float) -> None:
        self._box_follows = True
        self._box.maximum = value
        self._box_follows = False
        self._slider.maximum = self._box.maximum

    def _set_step(self, step: float) -> None:
        if step > 0:
            self._box.singleStep = step
            self._slider.singleStep = step

    def _set_inverted_controls(self, inverted: bool) -> None:
        self._slider.invertedControls = inverted

    value = cpp_property("double", lambda self: self._value_before if self._changing else self._slider.value, setValue)
    minimum = cpp_property("double", lambda self: self._slider.minimum, _set_minimum)
    maximum = cpp_property("double", lambda self: self._slider.maximum, _set_maximum)
    singleStep = cpp_property("double", lambda self: self._slider.singleStep, _set_step)
    pageStep = cpp_property(
        "double", lambda self: self._slider.pageStep, lambda self, step: setattr(self._slider, "pageStep", step)
    )
    decimals = cpp_property("int", lambda self: self._box.decimals, setDecimals)
    prefix = cpp_property(
        "QString", lambda self: self._box.prefix, lambda self, text: setattr(self._box, "prefix", text)
    )
    suffix = cpp_property(
        "QString", lambda self: self._box.suffix, lambda self, text: setattr(self._box, "suffix", text)
    )
    tickInterval = cpp_property(
        "double",
        lambda self: self._slider.tickInterval,
        lambda self, value: setattr(self._slider, "tickInterval", value),
    )
    tickPosition = cpp_property(
        "int", lambda self: self._slider.tickPosition, lambda self, value: setattr(self._slider, "tickPosition", value)
    )
    spinBoxAlignment = cpp_property(
        "int", lambda self: self._box.alignment, lambda self, value: setattr(self._box, "alignment", value)
    )
    synchronizeSiblings = cpp_property(
        "int", lambda self: self._synchronize, lambda self, value: setattr(self, "_synchronize", value)
    )
    tracking = cpp_property("bool", lambda self: self._tracking, lambda self, on: setattr(self, "_tracking", on))
    spinBoxVisible = cpp_property("bool", lambda self: self._box.isVisibleTo(self), setSpinBoxVisible)
    invertedAppearance = cpp_property(
        "bool",
        lambda self: self._slider.invertedAppearance,
        lambda self, on: setattr(self._slider, "invertedAppearance", on),
    )
    invertedControls = cpp_property("bool", lambda self: self._slider.invertedControls, _set_inverted_controls)
