"""The slice view of the layout: Slicer's slice logic and displayable managers, drawn into a widget."""

from __future__ import annotations

import slicer
import vtk

from .displayable_managers import SLICE_VIEW_MANAGERS, group_from_factory, registered_factory
from .rendered_view import RenderedView
from .slice_controller import qMRMLSliceControllerWidget
from .view_widget import qMRMLAbstractViewWidget

_ANNOTATION_FONT_SIZE = 14
_BOTTOM_LEFT = 0


class qMRMLSliceView(RenderedView):
    """Shows what a slice logic composes, and over it whatever the display nodes of the scene ask for."""

    def __init__(self, slice_logic: slicer.vtkMRMLSliceLogic, parent=None):
        super().__init__(parent)
        self._logic = slice_logic
        self._slice_node = None
        self._renderer.SetBackground(0, 0, 0)
        self._renderer.GetActiveCamera()
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._make_image_actor()
        self._annotation = _corner_annotation()
        factory = registered_factory(
            slicer.vtkMRMLSliceViewDisplayableManagerFactory, SLICE_VIEW_MANAGERS, slice_logic.GetMRMLApplicationLogic()
        )
        self._group = group_from_factory(factory, self._renderer)
        self._renderer.AddViewProp(self._annotation)
        self._observer = slicer.vtkMRMLSliceViewInteractorStyle()
        self._observer.SetSliceLogic(slice_logic)
        self._observer.SetDisplayableManagers(self._group)
        self._observer.SetInteractor(self._interactor)
        self.observe(self._group, vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())
        self.observe(slice_logic, vtk.vtkCommand.ModifiedEvent, lambda *_: self.scheduleRender())

    def _make_image_actor(self) -> None:
        self._image_mapper = vtk.vtkImageMapper()
        self._image_mapper.SetColorWindow(255)
        self._image_mapper.SetColorLevel(127.5)
        self._image_actor = vtk.vtkActor2D()
        self._image_actor.SetMapper(self._image_mapper)
        self._image_actor.GetProperty().SetDisplayLocationToBackground()
        # Before the managers add theirs: actors of one layer are drawn in the order in which they were added.
        self._renderer.AddViewProp(self._image_actor)

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._slice_node

    def setMRMLSliceNode(self, node: slicer.vtkMRMLSliceNode | None) -> None:
        if node is not self._slice_node:
            self._slice_node = node
            self._group.SetMRMLDisplayableNode(node)

    def interactorObserver(self) -> slicer.vtkMRMLSliceViewInteractorStyle:
        return self._observer

    sliceViewInteractorStyle = interactorObserver

    def displayableManagerGroup(self) -> slicer.vtkMRMLDisplayableManagerGroup:
        return self._group

    def displayableManagerByClassName(self, name: str):
        return self._group.GetDisplayableManagerByClassName(name)

    def cornerAnnotation(self) -> vtk.vtkCornerAnnotation:
        return self._annotation

    def convertDeviceToXYZ(self, xy) -> list[float]:
        """Position in the slice of a pixel of the window (counted from below), as displayable managers see it."""
        result = [0.0, 0.0, 0.0]
        self._crosshair_manager().ConvertDeviceToXYZ(int(xy[0]), int(xy[1]), result)
        return result

    def convertRASToXYZ(self, ras) -> list[float]:
        result = [0.0, 0.0, 0.0]
        self._crosshair_manager().ConvertRASToXYZ(list(ras), result)
        return result

    def convertXYZToRAS(self, xyz) -> list[float]:
        result = [0.0, 0.0, 0.0]
        self._crosshair_manager().ConvertXYZToRAS(list(xyz), result)
        return result

    def _crosshair_manager(self):
        return self.displayableManagerByClassName("vtkMRMLCrosshairDisplayableManager")

    def view_resized(self, width: int, height: int) -> None:
        if self._slice_node is not None:
            self._logic.ResizeSliceNode(width, height)

    def before_render(self) -> None:
        # The logic builds another pipeline when a layer comes or goes.
        image = self._logic.GetImageDataConnection()
        self._image_mapper.SetInputConnection(image)
        self._image_actor.SetVisibility(image is not None)
        text = "\n".join(_layer_names(self._logic))
        if self._annotation.GetText(_BOTTOM_LEFT) != text:
            self._annotation.SetText(_BOTTOM_LEFT, text)

    def release(self) -> None:
        self._observer.SetInteractor(None)
        self.setMRMLSliceNode(None)
        super().release()


class qMRMLSliceWidget(qMRMLAbstractViewWidget):
    """A slice view with its bar."""

    def __init__(self, slice_node: slicer.vtkMRMLSliceNode, slice_logic: slicer.vtkMRMLSliceLogic, parent=None):
        """`slice_logic` is new, and known to the application logic already: displayable managers look for it there."""
        super().__init__(parent)
        self._logic = slice_logic
        # In this order: the logic names its other nodes after the slice node.
        slice_logic.SetSliceNode(slice_node)
        slice_logic.SetMRMLScene(slice_node.GetScene())
        self.stack(qMRMLSliceControllerWidget(slice_logic, self), qMRMLSliceView(slice_logic, self))
        slice_logic.SetDisplayableManagerGroup(self._view.displayableManagerGroup())
        self._view.setMRMLSliceNode(slice_node)
        self._controller.setMRMLViewNode(slice_node)
        self._view.observe(slice_logic, vtk.vtkCommand.ModifiedEvent, lambda *_: self._controller.update_offset())
        self._controller.update_offset()

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    def sliceController(self) -> qMRMLSliceControllerWidget:
        return self._controller

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self._logic

    logic = sliceLogic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._view.mrmlSliceNode()

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self._logic.GetSliceCompositeNode()

    def interactorStyle(self) -> vtk.vtkInteractorObserver:
        return self._view.interactorStyle()

    def fitSliceToBackground(self) -> None:
        self._controller.fitSliceToBackground()

    @property
    def sliceViewName(self) -> str:
        return self.mrmlSliceNode().GetLayoutName()

    @property
    def sliceOrientation(self) -> str:
        return self._controller.sliceOrientation

    def setSliceOrientation(self, orientation: str) -> None:
        self._controller.setSliceOrientation(orientation)

    def scene_processed(self) -> None:
        """After the scene was read or closed: slice nodes may have lost the size of their view."""
        size = self._view.size
        self._view.view_resized(size.width(), size.height())
        self._controller.update_offset()
        super().scene_processed()

    def release(self) -> None:
        super().release()
        if self._logic.GetMRMLScene() is not None:
            self._logic.DeleteSliceModel()
        self._logic.SetMRMLScene(None)


def _corner_annotation() -> vtk.vtkCornerAnnotation:
    annotation = vtk.vtkCornerAnnotation()
    annotation.SetMaximumLineHeight(0.07)
    annotation.SetMaximumFontSize(_ANNOTATION_FONT_SIZE)
    annotation.SetMinimumFontSize(_ANNOTATION_FONT_SIZE)
    annotation.SetNonlinearFontScaleFactor(1)
    annotation.GetTextProperty().SetFontFamilyToTimes()
    annotation.GetTextProperty().ShadowOn()
    return annotation


def _layer_names(logic: slicer.vtkMRMLSliceLogic) -> list[str]:
    """The lines that Slicer's Data Probe writes into the corner: label, foreground and background volume."""
    composite = logic.GetSliceCompositeNode()
    if composite is None:
        return []
    layers = logic.GetLabelLayer(), logic.GetForegroundLayer(), logic.GetBackgroundLayer()
    label, foreground, background = (layer.GetVolumeNode() if layer is not None else None for layer in layers)
    lines = []
    if label is not None:
        lines.append(f"L: {label.GetName()} ({composite.GetLabelOpacity():.0%})")
    if foreground is not None:
        opacity = f" ({composite.GetForegroundOpacity():.0%})" if background is not None else ""
        lines.append(f"F: {foreground.GetName()}{opacity}")
    if background is not None:
        lines.append(f"B: {background.GetName()}")
    return lines
