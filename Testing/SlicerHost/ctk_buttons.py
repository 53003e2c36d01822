"""Stand-ins of CTK's buttons, boxes and message box that add little to Qt's own."""

from __future__ import annotations

from .pyside import QtCore, QtGui, QtWidgets
from .stand_in import StandInSignal, cpp_property, split_arguments, stand_in


@stand_in
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box (CTK's can have two more icons, which are left out)."""


@stand_in
class ctkPushButton(QtWidgets.QPushButton):
    """A push button with aligned text."""

    _alignment = int(QtCore.Qt.AlignHCenter | QtCore.Qt.AlignVCenter)
    buttonTextAlignment = cpp_property(
        "int", lambda self: self._alignment, lambda self, value: setattr(self, "_alignment", value)
    )


@stand_in
class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box inside, which makes it a toggle button."""

    checkStateChanged = StandInSignal("checkStateChanged(Qt::CheckState)")
    checkBoxToggled = StandInSignal("checkBoxToggled(bool)")
    _state = int(QtCore.Qt.Unchecked)
    _controls_button = True
    _controls_toggle = False
    _user_checkable = True

    def __init__(self, *arguments):
        text, parent = split_arguments(arguments, str, QtWidgets.QWidget)
        super().__init__(parent)
        side = self.style().pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, None, self)
        blank = QtGui.QPixmap(side, side)
        blank.fill(QtCore.Qt.transparent)
        self.icon = QtGui.QIcon(blank)  # the place of the box
        self.text = text or ""
        self.toggled.connect(self._on_toggled)

    def _set_state(self, state: int) -> None:
        if state == self._state:
            return
        self._state = state
        checked = state == int(QtCore.Qt.Checked)
        if self._controls_button:
            was_checked = self.checked
            self.checkable = checked
            if was_checked and not self.checked:
                self.toggled.emit(False)
            if self._controls_toggle and self.checked != checked:
                self.checked = checked
        self.checkStateChanged.emit(state)
        self.checkBoxToggled.emit(checked)
        self.update()

    def _on_toggled(self, checked: bool) -> None:
        if self._controls_toggle and not checked:
            self._set_state(int(QtCore.Qt.Unchecked))

    def _set_controls_button(self, on: bool) -> None:
        self._controls_button = on
        if on:
            self._set_state(int(QtCore.Qt.Checked if self.checkable else QtCore.Qt.Unchecked))

    def _set_controls_toggle(self, on: bool) -> None:
        self._controls_toggle = on
        if on and self._state and not self.checked:
            self.checked = True

    def _box(self) -> QtCore.QRect:
        side = self.style().pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, None, self)
        text = self.fontMetrics().size(QtCore.Qt.TextShowMnemonic, self.text).width()
        return QtCore.QRect((self.width - side - 4 - text) // 2, (self.height - side) // 2, side, side)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        if self._user_checkable and self._box().contains(event.position().toPoint()):
            self._set_state(int(QtCore.Qt.Unchecked if self._state == int(QtCore.Qt.Checked) else QtCore.Qt.Checked))
        else:
            super().mousePressEvent(event)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        super().paintEvent(event)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = self._box()
        state = QtWidgets.QStyle
        option.state |= {0: state.State_Off, 1: state.State_NoChange, 2: state.State_On}[self._state]
        painter = QtWidgets.QStylePainter(self)
        painter.drawPrimitive(QtWidgets.QStyle.PE_IndicatorCheckBox, option)
        painter.end()

    checkState = cpp_property("int", lambda self: self._state, _set_state)
    checkBoxControlsButton = cpp_property("bool", lambda self: self._controls_button, _set_controls_button)
    checkBoxControlsButtonToggleState = cpp_property("bool", lambda self: self._controls_toggle, _set_controls_toggle)
    checkBoxUserCheckable = cpp_property(
        "bool", lambda self: self._user_checkable, lambda self, on: setattr(self, "_user_checkable", on)
    )


@stand_in
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text that is shown while nothing is chosen."""

    _default_text = ""
    _elide_mode = int(QtCore.Qt.ElideNone)
    _force_default = False

    def _set_default_text(self, text: str) -> None:
        self._default_text = text
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex == -1 or self._force_default:
            option.currentText = self._default_text
        style = QtWidgets.QStyle
        field = self.style().subControlRect(style.CC_ComboBox, option, style.SC_ComboBoxEditField, self)
        mode = QtCore.Qt.TextElideMode(self._elide_mode)
        option.currentText = self.fontMetrics().elidedText(option.currentText, mode, field.width() - 4)
        painter.drawComplexControl(style.CC_ComboBox, option)
        painter.drawControl(style.CE_ComboBoxLabel, option)
        painter.end()

    defaultText = cpp_property("QString", lambda self: self._default_text, _set_default_text)
    elideMode = cpp_property(
        "int", lambda self: self._elide_mode, lambda self, value: setattr(self, "_elide_mode", value)
    )
    forceDefault = cpp_property(
        "bool", lambda self: self._force_default, lambda self, on: setattr(self, "_force_default", on)
    )


@stand_in
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour and asks for another one."""

    colorChanged = StandInSignal("colorChanged(QColor)")
    colorNameChanged = StandInSignal("colorNameChanged(QString)")
    _color = None
    _color_name = ""
    _display_name = True

    def __init__(self, *arguments):
        color, text, parent = split_arguments(arguments, QtGui.QColor, str, QtWidgets.QWidget)
        super().__init__(parent)
        self._color = QtGui.QColor(QtCore.Qt.black) if color is None else QtGui.QColor(color)
        if text is not None:
            self.text = text
        self.clicked.connect(lambda: self.changeColor())
        self._show()

    def setColor(self, color: QtGui.QColor) -> None:
        if color == self._color:
            return
        self._color = QtGui.QColor(color)
        self._show()
        self._set_name(self._color.name())
        self.colorChanged.emit(self._color)

    def setDisplayColorName(self, on: bool) -> None:
        self._display_name = on
        self._show()

    def changeColor(self) -> None:
        color = QtWidgets.QColorDialog.getColor(self._color, self)
        if color.isValid():
            self.setColor(color)

    def _show(self) -> None:
        picture = QtGui.QPixmap(16, 16)
        picture.fill(self._color)
        self.icon = QtGui.QIcon(picture)
        if self._display_name:
            self.text = self._color.name()

    def _set_name(self, name: str) -> None:
        if name != self._color_name:
            self._color_name = name
            self.colorNameChanged.emit(name)

    color = cpp_property("QColor", lambda self: self._color, setColor)
    colorName = cpp_property("QString", lambda self: self._color_name, _set_name)
    displayColorName = cpp_property("bool", lambda self: self._display_name, setDisplayColorName)


@stand_in
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to appear again; the answer is kept in the settings."""

    _settings_key = ""
    _box = None
    _box_shown = False

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = QtWidgets.QCheckBox("Don't show this message again", self)
        self._box.hide()
        self.finished.connect(self._on_finished)

    def remembered_button(self) -> QtWidgets.QAbstractButton | None:
        """The host's own: the button that answers without asking, because the user wanted that the last time."""
        if not self._box.checked:
            return None
        kept = int(QtCore.QSettings().value(self._settings_key, QtWidgets.QMessageBox.InvalidRole))
        for button in self.buttons():
            if kept in (int(self.standardButton(button)), int(self.buttonRole(button))):
                return button
        accepting = (button for button in self.buttons() if self.buttonRole(button) == self.AcceptRole)
        return next(accepting, None)

    def _on_finished(self) -> None:
        button = self.clickedButton()
        if button is not None and self._settings_key and self.buttonRole(button) == self.AcceptRole:
            standard = int(self.standardButton(button))
            chosen = standard or int(self.buttonRole(button))
            QtCore.QSettings().setValue(self._settings_key, chosen if self._box.checked else int(self.InvalidRole))

    def _set_settings_key(self, key: str) -> None:
        self._settings_key = key
        kept = int(QtCore.QSettings().value(key, QtWidgets.QMessageBox.InvalidRole)) if key else -1
        self._box.checked = kept != int(QtWidgets.QMessageBox.InvalidRole)
        self._set_box_shown(bool(key))

    def _set_box_shown(self, shown: bool) -> None:
        self._box_shown = shown
        self._box.setVisible(shown)
        if shown:
            self.setCheckBox(self._box)

    dontShowAgainSettingsKey = cpp_property("QString", lambda self: self._settings_key, _set_settings_key)
    dontShowAgainVisible = cpp_property("bool", lambda self: self._box_shown, _set_box_shown)
    dontShowAgain = cpp_property(
        "bool", lambda self: self._box.checked, lambda self, on: setattr(self._box, "checked", on)
    )
