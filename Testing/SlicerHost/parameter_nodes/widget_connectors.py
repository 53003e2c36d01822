"""The connectors of Qt's, CTK's and Slicer's widgets. A widget is recognised by its exact class, as in Slicer."""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence

import ctk
import qt
import slicer

from .annotations import (
    Decimals,
    Default,
    SingleStep,
    findFirstAnnotation,
    getNodeTypes,
    isNodeOrUnionOfNodes,
    splitAnnotations,
    unannotatedType,
)
from .connectors import GuiConnector, parameterNodeGuiConnector
from .ranges import FloatRange
from .single_values import PATH_TYPES
from .validators import Choice, Maximum, Minimum, RangeBounds, WithinRange

__all__ = []

_LARGEST_INT = 2**31 - 1


class _PropertyConnector(GuiConnector):
    """A widget whose value is one of its properties and that has a signal for its change."""

    widget_types: tuple = ()
    datatypes: tuple = ()
    property_name = ""
    signal_name = ""

    @classmethod
    def canRepresent(cls, widget, datatype) -> bool:
        return type(widget) in cls.widget_types and unannotatedType(datatype) in cls.datatypes

    @classmethod
    def create(cls, widget, datatype):
        return cls(widget, datatype) if cls.canRepresent(widget, datatype) else None

    def __init__(self, widget, datatype):
        super().__init__()
        self._widget = widget
        self._type, self._annotations = splitAnnotations(datatype)
        self._set_up()

    def _set_up(self) -> None:
        """Prepare the widget for the type."""

    def _annotation(self, annotation_type: type):
        return findFirstAnnotation(self._annotations, annotation_type)

    def _connect(self) -> None:
        getattr(self._widget, self.signal_name).connect(self.changed)

    def _disconnect(self) -> None:
        getattr(self._widget, self.signal_name).disconnect(self.changed)

    def widget(self):
        return self._widget

    def read(self):
        return getattr(self._widget, self.property_name)

    def write(self, value) -> None:
        setattr(self._widget, self.property_name, value)


@parameterNodeGuiConnector
class QCheckBoxToBoolConnector(_PropertyConnector):
    widget_types = (qt.QCheckBox, ctk.ctkCheckBox)
    datatypes = (bool,)
    property_name, signal_name = "checked", "stateChanged"


@parameterNodeGuiConnector
class QCheckablePushButtonToBoolConnector(_PropertyConnector):
    widget_types = (qt.QPushButton,)
    datatypes = (bool,)
    property_name, signal_name = "checked", "toggled"

    def _set_up(self) -> None:
        if not self._widget.checkable:
            logging.warning(f"The button {self._widget.objectName} is made checkable, as it shows a bool.")
            self._widget.checkable = True


@parameterNodeGuiConnector
class ctkCheckablePushButtonToBoolConnector(QCheckablePushButtonToBoolConnector):
    """Its check box may decide whether the button stays down: then it is the check box that shows the value."""

    widget_types = (ctk.ctkCheckablePushButton,)

    def _set_up(self) -> None:
        if not self._widget.checkBoxControlsButtonToggleState:
            super()._set_up()

    def write(self, value: bool) -> None:
        if self._widget.checkBoxControlsButtonToggleState:
            self._widget.checkable = value
            if not value:
                return
        super().write(value)


class _NumberConnector(_PropertyConnector):
    property_name, signal_name = "value", "valueChanged"
    needs_bounds: tuple = ()

    def _set_up(self) -> None:
        self._set_decimals()
        step = self._annotation(SingleStep)
        if step is not None:
            self._widget.singleStep = step.value
        minimum, maximum = self._bounds()
        if type(self._widget) in self.needs_bounds and None in (minimum, maximum):
            raise RuntimeError(
                f"A {type(self._widget).__name__} needs bounds; annotate the type with WithinRange, "
                "or with Minimum and Maximum."
            )
        self._set_bounds(minimum, maximum)

    def _set_decimals(self) -> None:
        decimals = self._annotation(Decimals)
        if decimals is not None:
            self._widget.decimals = decimals.value

    def _bounds(self) -> tuple:
        """Least and greatest value, None where there is no bound."""
        within = self._annotation(WithinRange)
        if within is not None:
            return within.minimum, within.maximum
        minimum, maximum = self._annotation(Minimum), self._annotation(Maximum)
        return minimum and minimum.minimum, maximum and maximum.maximum

    def _set_bounds(self, minimum, maximum) -> None:
        raise NotImplementedError


@parameterNodeGuiConnector
class QSliderOrSpinBoxToIntConnector(_NumberConnector):
    widget_types = (qt.QSlider, qt.QSpinBox)
    datatypes = (int,)
    needs_bounds = (qt.QSlider,)

    def _set_bounds(self, minimum, maximum) -> None:
        self._widget.setMinimum(-_LARGEST_INT - 1 if minimum is None else minimum)
        self._widget.setMaximum(_LARGEST_INT if maximum is None else maximum)


@parameterNodeGuiConnector
class QDoubleSpinBoxCtkSliderWidgetToFloatIntConnector(_NumberConnector):
    widget_types = (
        qt.QDoubleSpinBox,
        ctk.ctkSliderWidget,
        slicer.qMRMLSliderWidget,
        ctk.ctkDoubleSlider,
        ctk.ctkDoubleSpinBox,
        slicer.qMRMLSpinBox,
    )
    datatypes = (float, int)
    needs_bounds = (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)

    def _set_decimals(self) -> None:
        if type(self._widget) is ctk.ctkDoubleSlider:
            return
        if self._type is int:
            self._widget.decimals = 0
        else:
            super()._set_decimals()

    def _set_bounds(self, minimum, maximum) -> None:
        self._widget.minimum = float("-inf") if minimum is None else minimum
        self._widget.maximum = float("inf") if maximum is None else maximum

    def read(self) -> float:
        return self._type(super().read()) if self._type is int else super().read()

    def write(self, value: float) -> None:
        super().write(int(value) if self._type is int else value)


class _ComboBoxConnector(_PropertyConnector):
    """A combo box with one item for each of `_values`."""

    widget_types = (qt.QComboBox, ctk.ctkComboBox)
    property_name, signal_name = "currentIndex", "currentIndexChanged"
    _values: Sequence

    def _fill(self, texts) -> None:
        self._widget.clear()
        for text in texts:
            self._widget.addItem(text)

    def read(self):
        return self._values[super().read()]

    def write(self, value) -> None:
        if value not in self._values:
            raise ValueError(f"The combo box has no item for {value!r}; it has {self._values}.")
        super().write(self._values.index(value))


@parameterNodeGuiConnector
class QComboBoxToStringableConnector(_ComboBoxConnector):
    datatypes = (int, float, str, bool)

    def _set_up(self) -> None:
        choice = self._annotation(Choice)
        if choice is None:
            raise RuntimeError("A combo box needs to know its items: annotate the type with Choice([...]).")
        self._values = choice.choices
        self._fill(map(str, self._values))


@parameterNodeGuiConnector
class QComboBoxToEnumConnector(_ComboBoxConnector):
    """One item for each member: its name, or what the method `label` of the Enum says. The selected row is kept."""

    @classmethod
    def canRepresent(cls, widget, datatype) -> bool:
        bare = unannotatedType(datatype)
        return type(widget) in cls.widget_types and isinstance(bare, type) and issubclass(bare, enum.Enum)

    def _set_up(self) -> None:
        self._values = list(self._type)
        selected = self.read()
        label = getattr(self._type, "label", lambda member: member.name)
        self._fill(map(label, self._values))
        self.write(selected)


@parameterNodeGuiConnector
class QLineEditToStrConnector(_PropertyConnector):
    widget_types = (qt.QLineEdit,)
    datatypes = (str,)
    property_name, signal_name = "text", "textChanged"

    def write(self, value: str) -> None:
        # Setting the text moves the cursor to its end, in the midst of typing too.
        if value != self.read():
            super().write(value)


@parameterNodeGuiConnector
class QLabelToStrConnector(_PropertyConnector):
    """A label follows its parameter; it does not say when its text is changed."""

    widget_types = (qt.QLabel,)
    datatypes = (str,)
    property_name = "text"

    def _connect(self) -> None:
        pass

    def _disconnect(self) -> None:
        pass


@parameterNodeGuiConnector
class QTextEditPlainTextToStrConnector(_PropertyConnector):
    widget_types = (qt.QTextEdit,)
    datatypes = (str,)
    signal_name = "textChanged"

    def read(self) -> str:
        return self._widget.toPlainText()

    def write(self, value: str) -> None:
        self._widget.setPlainText(value)


@parameterNodeGuiConnector
class ctkRangeWidgetToRangeConnector(_PropertyConnector):
    widget_types = (ctk.ctkRangeWidget, ctk.ctkDoubleRangeSlider, slicer.qMRMLRangeWidget)
    datatypes = (FloatRange,)
    signal_name = "valuesChanged"

    def _set_up(self) -> None:
        decimals, step = self._annotation(Decimals), self._annotation(SingleStep)
        if decimals is not None and type(self._widget) is not ctk.ctkDoubleRangeSlider:
            self._widget.decimals = decimals.value
        if step is not None:
            self._widget.singleStep = step.value
        bounds = self._annotation(RangeBounds)
        # Slicer's own connector fails without a Default annotation too, whatever the bounds.
        if bounds is None or self._annotation(Default) is None:
            raise RuntimeError("A range widget needs bounds and a default: annotate with RangeBounds and Default.")
        self._widget.setRange(bounds.minimum, bounds.maximum)

    def read(self) -> FloatRange:
        return FloatRange(self._widget.minimumValue, self._widget.maximumValue)

    def write(self, value: FloatRange) -> None:
        self._widget.setValues(value.minimum, value.maximum)


class _PathConnector(_PropertyConnector):
    datatypes = PATH_TYPES

    def read(self):
        return self._type(super().read())

    def write(self, value) -> None:
        super().write(str(value))


@parameterNodeGuiConnector
class ctkPathLineEditToPathConnector(_PathConnector):
    widget_types = (ctk.ctkPathLineEdit,)
    property_name, signal_name = "currentPath", "currentPathChanged"


@parameterNodeGuiConnector
class ctkDirectoryButtonToPathConnector(_PathConnector):
    widget_types = (ctk.ctkDirectoryButton,)
    property_name, signal_name = "directory", "directoryChanged"


@parameterNodeGuiConnector
class qMRMLNodeComboBoxToNodeConnector(_PropertyConnector):
    widget_types = (slicer.qMRMLNodeComboBox,)
    signal_name = "currentNodeChanged"

    @classmethod
    def canRepresent(cls, widget, datatype) -> bool:
        return type(widget) in cls.widget_types and isNodeOrUnionOfNodes(datatype)

    def __init__(self, widget, datatype):
        super().__init__(widget, datatype)
        widget.nodeTypes = getNodeTypes(datatype)

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


@parameterNodeGuiConnector
class ctkColorPickerButtonToQColorConnector(_PropertyConnector):
    widget_types = (ctk.ctkColorPickerButton,)
    datatypes = (qt.QColor,)
    property_name, signal_name = "color", "colorChanged"
