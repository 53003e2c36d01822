"""The look of Slicer: Qt's Fusion style, white and close together."""

from __future__ import annotations

from .pyside import QtGui, QtWidgets

_MARGINS = (
    QtWidgets.QStyle.PM_LayoutLeftMargin,
    QtWidgets.QStyle.PM_LayoutTopMargin,
    QtWidgets.QStyle.PM_LayoutRightMargin,
    QtWidgets.QStyle.PM_LayoutBottomMargin,
)
_SPACINGS = (QtWidgets.QStyle.PM_LayoutHorizontalSpacing, QtWidgets.QStyle.PM_LayoutVerticalSpacing)
_SLIDER_LENGTH = QtWidgets.QStyle.PM_SliderLength
_BOX_HEIGHT = QtWidgets.QStyle.PM_IndicatorHeight
_CHECK_BOX = QtWidgets.QStyle.PE_IndicatorCheckBox
_ARROW_DOWN, _ARROW_RIGHT = QtWidgets.QStyle.PE_IndicatorArrowDown, QtWidgets.QStyle.PE_IndicatorArrowRight
_COLLAPSIBLE_GROUP = "ctkCollapsibleGroupBox"


class SlicerStyle(QtWidgets.QProxyStyle):
    """Fusion with Slicer's margins, spacings and slider handles."""

    def __init__(self):
        super().__init__("fusion")

    def pixelMetric(self, metric, option=None, widget=None) -> int:
        if metric in _MARGINS:
            return 4 if widget is not None and widget.inherits("ctkCollapsibleButton") else 6
        if metric in _SPACINGS:
            return 3
        if metric == _SLIDER_LENGTH:
            return 12
        if metric == _BOX_HEIGHT and widget is not None and widget.inherits(_COLLAPSIBLE_GROUP):
            return widget.fontMetrics().height()
        return super().pixelMetric(metric, option, widget)

    def drawPrimitive(self, element, option, painter, widget=None) -> None:
        # The check box of a collapsible group is an arrow.
        if element == _CHECK_BOX and widget is not None and widget.inherits(_COLLAPSIBLE_GROUP):
            element = _ARROW_DOWN if option.state & QtWidgets.QStyle.State_On else _ARROW_RIGHT
        super().drawPrimitive(element, option, painter, widget)


def light_palette() -> QtGui.QPalette:
    """White windows, light grey buttons, blue selections."""
    palette = QtGui.QPalette()
    role, disabled = QtGui.QPalette, QtGui.QPalette.Disabled
    for name, colour in (
        ("Window", "#ffffff"),
        ("WindowText", "#000000"),
        ("Base", "#ffffff"),
        ("AlternateBase", "#e4e4fe"),
        ("ToolTipBase", "#ffffdc"),
        ("ToolTipText", "#000000"),
        ("Text", "#000000"),
        ("PlaceholderText", "#808080"),
        ("Button", "#fcfcfc"),
        ("ButtonText", "#000000"),
        ("BrightText", "#ff0000"),
        ("Light", "#c8c8c8"),
        ("Midlight", "#e6e6e6"),
        ("Dark", "#aaaaaa"),
        ("Mid", "#c8c8c8"),
        ("Shadow", "#5a5a5a"),
        ("Highlight", "#308cc6"),
        ("HighlightedText", "#ffffff"),
        ("Link", "#0000ff"),
    ):
        palette.setColor(getattr(role, name), QtGui.QColor(colour))
    for name in ("WindowText", "Text", "ButtonText"):
        palette.setColor(disabled, getattr(role, name), QtGui.QColor("#bebebe"))
    palette.setColor(disabled, role.Base, QtGui.QColor("#ffffff"))
    palette.setColor(disabled, role.Highlight, QtGui.QColor("#919191"))
    palette.setColor(disabled, role.HighlightedText, QtGui.QColor("#ffffff"))
    return palette
