"""The bar above a slice view: orientation letter, fit button, and a slider that moves through the slices."""

from __future__ import annotations

import qt
import slicer
import vtk

from .qmrml_widgets import qMRMLSliderWidget
from .view_bars import fit_icon, qMRMLViewControllerBar

_WIDEST_POSITION = "S: -000.000mm"


class qMRMLSliceControllerWidget(qMRMLViewControllerBar):
    """The bar of a slice view; without the popup of Slicer's, whose settings are those of the slice and its nodes."""

    def __init__(self, slice_logic: slicer.vtkMRMLSliceLogic, parent=None):
        super().__init__(parent)
        self._logic = slice_logic
        self._fit_button = self.add_button(
            "FitToWindowToolButton", fit_icon(), "Fit to window", self.fitSliceToBackground, 1
        )
        self._limits: tuple[float, float, float] | None = None
        self._slider = _offset_slider(self)
        self._slider.connect("valueChanged(double)", self.setSliceOffsetValue)
        self._slider.connect("valueIsChanging(double)", self.trackSliceOffsetValue)
        self.barLayout().addWidget(self._slider, 1)

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self._logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self._logic.GetSliceCompositeNode()

    def sliceOffsetSlider(self) -> qMRMLSliderWidget:
        return self._slider

    def fitToWindowToolButton(self) -> qt.QToolButton:
        return self._fit_button

    def setSliceOffsetValue(self, offset: float) -> None:
        """Move the slice along its normal, mm; linked views follow."""
        self._set_offset(offset, is_last=True)

    def trackSliceOffsetValue(self, offset: float) -> None:
        """While the handle is dragged; linked views follow if they are hot-linked."""
        self._set_offset(offset, is_last=False)

    def _set_offset(self, offset: float, is_last: bool) -> None:
        # What belongs to the slice is drawn together, after all of it moved.
        application_logic = self._logic.GetMRMLApplicationLogic()
        application_logic.PauseRender()
        self._logic.StartSliceOffsetInteraction()
        self._logic.SetSliceOffset(offset)
        if is_last:
            self._logic.EndSliceOffsetInteraction()
        application_logic.ResumeRender()

    def fitSliceToBackground(self) -> None:
        """Show the whole of the lowest volume; linked views follow."""
        self._logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.ResetFieldOfViewFlag)
        self._logic.FitSliceToBackground()
        self._logic.GetSliceNode().UpdateMatrices()
        self._logic.EndSliceNodeInteraction()

    @property
    def sliceOrientation(self) -> str:
        return self.mrmlSliceNode().GetOrientation()

    def setSliceOrientation(self, orientation: str) -> None:
        """`orientation`: Axial, Sagittal, Coronal or another preset of the slice node."""
        self._logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.OrientationFlag)
        self.mrmlSliceNode().SetOrientation(orientation)
        self._logic.EndSliceNodeInteraction()

    def update_offset(self) -> None:
        """Follow the slice logic: range, step and position of the slider."""
        node = self.mrmlSliceNode()
        limits, step = [-1.0, 1.0], vtk.mutable(1.0)
        if node is None or not self._logic.GetSliceOffsetRangeResolution(limits, step):
            return
        was_blocked = self._slider.blockSignals(True)
        if self._limits != (*limits, float(step)):
            self._limits = (*limits, float(step))
            # In this order: the lower end must never be above the upper one.
            self._slider.maximum = max(limits[1], self._slider.minimum)
            self._slider.minimum, self._slider.maximum = limits
            self._slider.singleStep = self._slider.pageStep = float(step)
        self._slider.setValue(self._logic.GetSliceOffset())
        self._slider.blockSignals(was_blocked)

    def updateWidgetFromMRMLView(self) -> None:
        super().updateWidgetFromMRMLView()
        node = self.mrmlViewNode()
        if node is None:
            return
        matrix = node.GetSliceToRAS()
        normal = [matrix.GetElement(row, 2) for row in range(3)]
        positive, negative = node.GetDirectionLabel(normal, True), node.GetDirectionLabel(normal, False)
        self._slider.setToolTip(f"{negative} <-----> {positive}")
        self._slider.prefix = f"{positive}: "


def _offset_slider(parent) -> qMRMLSliderWidget:
    slider = qMRMLSliderWidget(parent)
    slider.setObjectName("SliceOffsetSlider")
    slider.setMRMLScene(slicer.mrmlScene)
    slider.tracking = False
    slider.decimals = 3
    slider.suffix = "mm"
    box = slider.findChild(qt.QDoubleSpinBox)
    box.setFrame(False)
    box.setButtonSymbols(qt.QAbstractSpinBox.NoButtons)
    box.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    # The bar's colour does not follow the palette: neither does what is written on it.
    box.setStyleSheet("color: black; background-color: transparent; border: none;")
    box.setMinimumWidth(box.fontMetrics().horizontalAdvance(_WIDEST_POSITION) + 8)
    return slider
