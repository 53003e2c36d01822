"""Stand-ins of Slicer's widgets that know the scene, and refusals of the others."""

from __future__ import annotations

import slicer

from . import ctk_containers, ctk_ranges, ctk_values
from .node_combo_box import qMRMLNodeComboBox
from .pyside import QtCore, QtWidgets
from .stand_in import StandInSignal, cpp_property, refusing_class, stand_in

_REFUSED = (
    "qMRMLCheckableNodeComboBox",
    "qMRMLClipNodeWidget",
    "qMRMLColorPickerWidget",
    "qMRMLColorTableComboBox",
    "qMRMLColorTableView",
    "qMRMLCoordinatesWidget",
    "qMRMLDisplayNodeWidget",
    "qMRMLLabelComboBox",
    "qMRMLLayoutManager",
    "qMRMLListWidget",
    "qMRMLMatrixWidget",
    "qMRMLModelDisplayNodeWidget",
    "qMRMLNavigationView",
    "qMRMLNodeAttributeTableWidget",
    "qMRMLPlotView",
    "qMRMLPlotWidget",
    "qMRMLROIWidget",
    "qMRMLScalarsDisplayWidget",
    "qMRMLSceneModel",
    "qMRMLScreenShotDialog",
    "qMRMLSegmentEditorWidget",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSegmentsTableView",
    "qMRMLSliceControllerWidget",
    "qMRMLSliceInformationWidget",
    "qMRMLSliceView",
    "qMRMLSliceWidget",
    "qMRMLSortFilterProxyModel",
    "qMRMLSubjectHierarchyComboBox",
    "qMRMLSubjectHierarchyTreeView",
    "qMRMLTableView",
    "qMRMLTableWidget",
    "qMRMLThreeDView",
    "qMRMLThreeDWidget",
    "qMRMLTransformDisplayNodeWidget",
    "qMRMLTransformSliders",
    "qMRMLTreeView",
    "qMRMLVolumeInfoWidget",
    "qMRMLVolumeThresholdWidget",
    "qMRMLWindowLevelWidget",
    "qSlicerDirectoryListView",
    "qSlicerFileDialog",
    "qSlicerLayoutManager",
    "qSlicerMainWindow",
    "qSlicerMarkupsPlaceWidget",
    "qSlicerSimpleMarkupsWidget",
    "qSlicerWebWidget",
)


class _HasScene:
    """`mrmlScene`, `setMRMLScene` and the signal of a change."""

    _scene = None

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@stand_in
class qMRMLWidget(_HasScene, QtWidgets.QWidget):
    """A widget with a scene, that hands it on to what is connected to `mrmlSceneChanged`."""

    mrmlSceneChanged = StandInSignal("mrmlSceneChanged(vtkMRMLScene*)")

    def __init__(self, parent=None, flags=None):
        super().__init__(parent)
        if flags is not None:
            self.setWindowFlags(QtCore.Qt.WindowFlags(flags))


@stand_in
class qMRMLCollapsibleButton(_HasScene, ctk_containers.ctkCollapsibleButton):
    """A collapsible button with a scene."""

    mrmlSceneChanged = StandInSignal("mrmlSceneChanged(vtkMRMLScene*)")


class _HasQuantity:
    """A scene and a quantity; the scene's units are not followed in this host."""

    _scene = None
    _quantity = ""

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.setEnabled(scene is not None)

    def setQuantity(self, quantity: str) -> None:
        self._quantity = quantity

    quantity = cpp_property("QString", lambda self: self._quantity, setQuantity)


@stand_in
class qMRMLSliderWidget(_HasQuantity, ctk_values.ctkSliderWidget):
    """A slider with a spin box and a scene."""


@stand_in
class qMRMLSpinBox(_HasQuantity, ctk_values.ctkDoubleSpinBox):
    """A spin box with a scene."""


@stand_in
class qMRMLRangeWidget(_HasQuantity, ctk_ranges.ctkRangeWidget):
    """An interval with a scene."""


@stand_in
class qSlicerWidget(_HasScene, QtWidgets.QWidget):
    """Slicer's base class of module panels."""

    mrmlSceneChanged = StandInSignal("mrmlSceneChanged(vtkMRMLScene*)")

    def __init__(self, parent=None, flags=None):
        super().__init__(parent)


def widget_classes() -> dict[str, type]:
    """The stand-ins by name."""
    from .sequence_widgets import (
        qMRMLSequenceBrowserPlayWidget,
        qMRMLSequenceBrowserSeekWidget,
    )  # derived from qMRMLWidget

    classes = (
        qMRMLWidget,
        qMRMLCollapsibleButton,
        qMRMLSliderWidget,
        qMRMLSpinBox,
        qMRMLRangeWidget,
        qMRMLNodeComboBox,
        qMRMLSequenceBrowserPlayWidget,
        qMRMLSequenceBrowserSeekWidget,
        qSlicerWidget,
    )
    return {cls.__name__: cls for cls in classes}


def install_in_slicer() -> None:
    """Put the widget classes into the `slicer` package, refusals for those that the host has not."""
    for name in _REFUSED:
        if not hasattr(slicer, name):
            setattr(slicer, name, refusing_class("slicer", name))
    vars(slicer).update(widget_classes())
