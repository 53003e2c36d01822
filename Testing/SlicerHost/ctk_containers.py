"""Stand-ins of CTK's collapsible containers."""

from __future__ import annotations

from .pyside import QtCore, QtGui, QtWidgets
from .stand_in import StandInSignal, cpp_property, split_arguments, stand_in

# CTK keeps under this name whether a child was hidden by itself, and not by its container.
_SHOWN = "visibilityToParent"


class _ChildHider(QtCore.QObject):
    """Hides and shows the direct children of a container; children that were hidden by themselves stay hidden."""

    def __init__(self, container: QtWidgets.QWidget, is_collapsed):
        super().__init__(container)
        self._container, self._is_collapsed = container, is_collapsed
        self._busy = False

    def watch(self, child: QtCore.QObject) -> None:
        if isinstance(child, QtWidgets.QWidget):
            if child.testAttribute(QtCore.Qt.WA_WState_ExplicitShowHide) and child.isHidden():
                child.setProperty(_SHOWN, False)
            child.installEventFilter(self)
            if self._is_collapsed():
                self.update(child)

    def update_all(self) -> None:
        for child in self._container.children():
            if isinstance(child, QtWidgets.QWidget) and not child.isWindow():
                self.update(child)

    def update(self, child: QtWidgets.QWidget) -> None:
        # Before the container is shown for the first time its children are hidden anyway.
        if not self._container.testAttribute(QtCore.Qt.WA_WState_Created):
            return
        self._busy = True
        child.setVisible(not self._is_collapsed() and child.property(_SHOWN) is not False)
        if child.property(_SHOWN) is not False:
            child.setAttribute(QtCore.Qt.WA_WState_ExplicitShowHide, False)
        self._busy = False

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        if not self._busy and event.type() in (QtCore.QEvent.ShowToParent, QtCore.QEvent.HideToParent):
            shown = event.type() == QtCore.QEvent.ShowToParent
            child.setProperty(_SHOWN, shown)
            if shown and self._is_collapsed():
                self.update(child)
        return False


@stand_in
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header button with an arrow; a click hides or shows the widgets below it."""

    contentsCollapsed = StandInSignal("contentsCollapsed(bool)")
    _collapsed = False
    _collapsed_height = 14
    _flat = False
    _frame_shape = int(QtWidgets.QFrame.NoFrame)
    _frame_shadow = int(QtWidgets.QFrame.Plain)
    _line_width = 1
    _mid_line_width = 0
    _text_alignment = int(QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter)
    _indicator_alignment = int(QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter)
    _maximum_height = 0
    _hider = None

    def __init__(self, *arguments):
        text, parent = split_arguments(arguments, str, QtWidgets.QWidget)
        super().__init__(parent)
        self._hider = _ChildHider(self, lambda: self._collapsed)
        self.checkable = True
        self.checked = True
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._header_size().height(), 0, 0)
        self.setBackgroundRole(QtGui.QPalette.Window)
        self.toggled.connect(self._on_toggled)
        if text is not None:
            self.text = text

    def _read_collapsed(self):
        return self._collapsed

    def _write_collapsed(self, collapsed):
        if self.checkable:
            self.checked = not collapsed
        else:
            self._collapse(collapsed)

    def _write_collapsed_height(self, height):
        self._collapsed_height = height
        self.updateGeometry()

    def _write_flat(self, flat):
        self._flat = flat
        self.update()

    def _write_text_alignment(self, alignment):
        self._text_alignment = alignment
        self.update()

    collapsed = cpp_property("bool", _read_collapsed, _write_collapsed)
    collapsedHeight = cpp_property("int", lambda self: self._collapsed_height, _write_collapsed_height)
    flat = cpp_property("bool", lambda self: self._flat, _write_flat)
    contentsFrameShape = cpp_property(
        "int", lambda self: self._frame_shape, lambda self, value: setattr(self, "_frame_shape", value)
    )
    contentsFrameShadow = cpp_property(
        "int", lambda self: self._frame_shadow, lambda self, value: setattr(self, "_frame_shadow", value)
    )
    contentsLineWidth = cpp_property(
        "int", lambda self: self._line_width, lambda self, value: setattr(self, "_line_width", value)
    )
    contentsMidLineWidth = cpp_property(
        "int", lambda self: self._mid_line_width, lambda self, value: setattr(self, "_mid_line_width", value)
    )
    buttonTextAlignment = cpp_property("int", lambda self: self._text_alignment, _write_text_alignment)
    indicatorAlignment = cpp_property(
        "int", lambda self: self._indicator_alignment, lambda self, value: setattr(self, "_indicator_alignment", value)
    )

    def _on_toggled(self, checked):
        if self.checkable:
            self._collapse(not checked)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        if collapsed:
            self._maximum_height = self.maximumHeight
            self.setMaximumHeight(self.sizeHint().height())
        else:
            self.setMaximumHeight(self._maximum_height)
        self._hider.update_all()
        parent = self.parentWidget()
        if not collapsed and (parent is None or parent.layout() is None):
            self.resize(self.sizeHint())
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    # Geometry and look

    def _indicator_side(self) -> int:
        return self.style().pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, None, self)

    def _header_size(self) -> QtCore.QSize:
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        text = self.fontMetrics().size(QtCore.Qt.TextShowMnemonic, self.text or "XXXX")
        side = self._indicator_side()
        spacing = self.style().pixelMetric(QtWidgets.QStyle.PM_CheckBoxLabelSpacing, None, self)
        content = QtCore.QSize(text.width() + side + spacing, max(text.height(), side))
        return self.style().sizeFromContents(QtWidgets.QStyle.CT_PushButton, option, content, self)

    def sizeHint(self) -> QtCore.QSize:
        header = self._header_size()
        if self._collapsed:
            return header + QtCore.QSize(0, self._collapsed_height)
        layout = self.layout()
        contents = layout.totalSizeHint() if layout is not None else QtCore.QSize()
        return contents.expandedTo(header + QtCore.QSize(0, self._collapsed_height))

    def minimumSizeHint(self) -> QtCore.QSize:
        header = self._header_size()
        if self._collapsed:
            return header + QtCore.QSize(0, self._collapsed_height)
        layout = self.layout()
        return header if layout is None else layout.totalMinimumSize().expandedTo(header)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return 0 <= position.y() < self._header_size().height()

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if event.type() == QtCore.QEvent.ChildAdded and self._hider is not None:
            self._hider.watch(event.child())
        super().childEvent(event)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        if self._collapsed:
            self._hider.update_all()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        header = QtCore.QRect(0, 0, self.width, self._header_size().height())
        option.rect = header
        option.state |= QtWidgets.QStyle.State_Sunken if self.down else QtWidgets.QStyle.State_Raised
        if self._flat:
            option.features |= QtWidgets.QStyleOptionButton.Flat
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        side = self._indicator_side()
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        margin = (header.height() - side) // 2
        arrow.rect = QtCore.QRect(margin, margin, side, side)
        style = QtWidgets.QStyle
        painter.drawPrimitive(style.PE_IndicatorArrowRight if self._collapsed else style.PE_IndicatorArrowDown, arrow)
        spacing = self.style().pixelMetric(QtWidgets.QStyle.PM_CheckBoxLabelSpacing, None, self)
        header.setLeft(margin + side + spacing)
        flags = int(QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic) | self._text_alignment
        painter.drawItemText(header, flags, option.palette, self.enabled, self.text, QtGui.QPalette.ButtonText)
        painter.end()


@stand_in
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose check box, drawn as an arrow, hides its widgets: collapsed while it is not checked."""

    _collapsed_height = 14
    _maximum_height = 0
    _hider = None

    def __init__(self, *arguments):
        title, parent = split_arguments(arguments, str, QtWidgets.QWidget)
        super().__init__(parent)
        self._maximum_height = self.maximumHeight
        self._hider = _ChildHider(self, lambda: not self.checked)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._expand)
        if title is not None:
            self.title = title

    def _write_collapsed_height(self, height):
        self._collapsed_height = height
        if not self.checked:
            self.setMaximumHeight(self._header_height() + height)

    def _header_height(self) -> int:
        option = QtWidgets.QStyleOptionGroupBox()
        self.initStyleOption(option)
        style = QtWidgets.QStyle
        return self.style().subControlRect(style.CC_GroupBox, option, style.SC_GroupBoxLabel, self).height()

    collapsed = cpp_property(
        "bool", lambda self: not self.checked, lambda self, collapsed: self.setChecked(not collapsed)
    )
    collapsedHeight = cpp_property("int", lambda self: self._collapsed_height, _write_collapsed_height)

    def _expand(self, expanded: bool) -> None:
        if not expanded:
            self._maximum_height = self.maximumHeight
        self._hider.update_all()
        self.setMaximumHeight(self._maximum_height if expanded else self._header_height() + self._collapsed_height)
        self.updateGeometry()

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if event.type() == QtCore.QEvent.ChildAdded and self._hider is not None:
            self._hider.watch(event.child())
        super().childEvent(event)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        if not self.checked:
            self._hider.update_all()
