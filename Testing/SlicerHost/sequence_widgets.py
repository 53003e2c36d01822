"""Stand-ins of the widgets that seek and play a sequence browser."""

from __future__ import annotations

import slicer
import vtk

from .observers import Observers
from .pyside import QtCore, QtGui, QtWidgets
from .qmrml_widgets import qMRMLWidget
from .stand_in import cpp_property, stand_in


class _FollowsBrowser:
    """Observes one sequence browser node and shows its state."""

    _browser = None
    _observers = None

    def setMRMLSequenceBrowserNode(self, browserNode: slicer.vtkMRMLNode | None) -> None:
        is_browser = browserNode is not None and browserNode.IsA("vtkMRMLSequenceBrowserNode")
        self._observers.clear()
        self._browser = browserNode if is_browser else None
        if is_browser:
            for event in self._events():
                self._observers.add(self._browser, event, lambda *_: self._update())
        self._update()

    def _events(self) -> tuple:
        return (vtk.vtkCommand.ModifiedEvent,)

    def _sequence(self):
        return self._browser.GetMasterSequenceNode() if self._browser is not None else None

    def _update(self) -> None:
        raise NotImplementedError


@stand_in
class qMRMLSequenceBrowserSeekWidget(_FollowsBrowser, qMRMLWidget):
    """A slider along the items of a browser, with the name, value and unit of the index."""

    _slider = _name = _value = _unit = None

    def __init__(self, parent=None):
        super().__init__(parent)
        self._observers = Observers()
        self._name, self._value, self._unit = (QtWidgets.QLabel(self) for _ in range(3))
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._value.setFont(QtGui.QFontDatabase.systemFont(QtGui.QFontDatabase.FixedFont))
        self._value.setAlignment(QtCore.Qt.AlignRight | QtCore.Qt.AlignVCenter)
        self._value.setMinimumWidth(30)
        layout = QtWidgets.QHBoxLayout(self)
        for widget in (self._name, self._slider, self._value, self._unit):
            layout.addWidget(widget)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Maximum)
        self._slider.valueChanged.connect(self.setSelectedItemNumber)
        self._update()

    def slider(self) -> QtWidgets.QSlider:
        return self._slider

    def setSelectedItemNumber(self, itemNumber: int) -> None:
        if self._browser is None:
            return
        sequence = self._sequence()
        there = sequence is not None and 0 <= itemNumber < sequence.GetNumberOfDataNodes()
        self._browser.SetSelectedItemNumber(itemNumber if there else -1)

    def _events(self) -> tuple:
        browser = slicer.vtkMRMLSequenceBrowserNode
        return (*super()._events(), browser.IndexDisplayFormatModifiedEvent, browser.SequenceNodeModifiedEvent)

    def _update(self) -> None:
        sequence = self._sequence()
        self.setEnabled(sequence is not None)
        count = sequence.GetNumberOfDataNodes() if sequence is not None else 0
        item = self._browser.GetSelectedItemNumber() if count else -1
        shown = 0 <= item < count
        was_blocked = self._slider.blockSignals(True)
        self._slider.setEnabled(count > 0 and not self._browser.GetRecordingActive())
        if count:
            self._slider.setRange(0, count - 1)
        self._slider.setValue(item if shown else 0)
        self._slider.blockSignals(was_blocked)
        self._name.setText(sequence.GetIndexName() if sequence is not None else "")
        by_value = shown and self._browser.GetIndexDisplayMode() == self._browser.IndexDisplayAsIndexValue
        self._unit.setText(sequence.GetIndexUnit() or "" if by_value else "")
        text = self._browser.GetFormattedIndexValue(item) if by_value else f"{item + 1}/{count}" if shown else ""
        self._value.setText(text)


@stand_in
class qMRMLSequenceBrowserPlayWidget(_FollowsBrowser, qMRMLWidget):
    """Buttons that step through a browser and play it, and its rate."""

    _first = _previous = _play = _next = _last = _loop = _rate = None
    _recording_controls = True
    _shortcuts = ("Ctrl+Shift+Down", "Ctrl+Shift+Left", "Ctrl+Shift+Right")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._observers = Observers()
        layout = QtWidgets.QHBoxLayout(self)
        icons = QtWidgets.QStyle
        self._first = self._button("pushButton_VcrFirst", "First frame", icons.SP_MediaSkipBackward)
        self._previous = self._button("pushButton_VcrPrevious", "Previous frame", icons.SP_MediaSeekBackward)
        self._play = self._button("pushButton_VcrPlayPause", "Play/Pause", icons.SP_MediaPlay)
        self._next = self._button("pushButton_VcrNext", "Next frame", icons.SP_MediaSeekForward)
        self._last = self._button("pushButton_VcrLast", "Last frame", icons.SP_MediaSkipForward)
        self._loop = self._button("pushButton_VcrLoop", "Loop playback", icons.SP_BrowserReload)
        self._rate = QtWidgets.QDoubleSpinBox(self)
        self._rate.setObjectName("doubleSpinBox_VcrPlaybackRate")
        self._rate.setSuffix("fps")
        self._rate.setDecimals(1)
        self._rate.setRange(0.0, 1000.0)
        for widget in (self._first, self._previous, self._play, self._next, self._last, self._rate, self._loop):
            layout.addWidget(widget)
        self._play.setCheckable(True)
        self._loop.setCheckable(True)
        self._first.clicked.connect(lambda: self.onVcrFirst())
        self._previous.clicked.connect(lambda: self.onVcrPrevious())
        self._next.clicked.connect(lambda: self.onVcrNext())
        self._last.clicked.connect(lambda: self.onVcrLast())
        self._play.toggled.connect(self.setPlaybackEnabled)
        self._loop.toggled.connect(self.setPlaybackLoopEnabled)
        self._rate.valueChanged.connect(self.setPlaybackRateFps)
        self._update()

    def setPlaybackEnabled(self, play: bool) -> None:
        if self._browser is not None:
            self._browser.SetRecordingActive(False)
            self._browser.SetPlaybackActive(play)

    def setPlaybackRateFps(self, playbackRateFps: float) -> None:
        if self._browser is not None:
            self._browser.SetPlaybackRateFps(playbackRateFps)

    def setPlaybackLoopEnabled(self, loopEnabled: bool) -> None:
        if self._browser is not None:
            self._browser.SetPlaybackLooped(loopEnabled)

    def onVcrFirst(self) -> None:
        if self._browser is not None:
            self._browser.SelectFirstItem()

    def onVcrPrevious(self) -> None:
        if self._browser is not None:
            self._browser.SelectNextItem(-1)

    def onVcrNext(self) -> None:
        if self._browser is not None:
            self._browser.SelectNextItem(1)

    def onVcrLast(self) -> None:
        if self._browser is not None:
            self._browser.SelectLastItem()

    def onVcrPlayPause(self) -> None:
        if self._browser is not None:
            self.setPlaybackEnabled(not self._browser.GetPlaybackActive())

    def _button(self, name: str, tip: str, icon) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(self)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setIcon(self.style().standardIcon(icon))
        return button

    def _update(self) -> None:
        sequence = self._sequence()
        self.setEnabled(sequence is not None)
        if sequence is None:
            return
        usable = sequence.GetNumberOfDataNodes() > 0 and not self._browser.GetRecordingActive()
        shown = (
            (self._play, self._play.setChecked, self._browser.GetPlaybackActive()),
            (self._loop, self._loop.setChecked, self._browser.GetPlaybackLooped()),
            (self._rate, self._rate.setValue, self._browser.GetPlaybackRateFps()),
        )
        for widget, show, value in shown:
            was_blocked = widget.blockSignals(True)
            show(value)
            widget.blockSignals(was_blocked)
        for button in (self._first, self._previous, self._play, self._next, self._last, self._loop):
            button.setEnabled(usable)

    def _set_shortcut(self, place: int, keys: str) -> None:
        shortcuts = list(self._shortcuts)
        shortcuts[place] = keys
        self._shortcuts = tuple(shortcuts)

    RecordingControlsVisible = cpp_property(
        "bool", lambda self: self._recording_controls, lambda self, on: setattr(self, "_recording_controls", on)
    )
    PlayPauseShortcut = cpp_property(
        "QString", lambda self: self._shortcuts[0], lambda self, keys: self._set_shortcut(0, keys)
    )
    PreviousFrameShortcut = cpp_property(
        "QString", lambda self: self._shortcuts[1], lambda self, keys: self._set_shortcut(1, keys)
    )
    NextFrameShortcut = cpp_property(
        "QString", lambda self: self._shortcuts[2], lambda self, keys: self._set_shortcut(2, keys)
    )
