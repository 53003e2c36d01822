"""The 3-D view of the layout: Slicer's displayable managers and camera, drawn into a widget."""

from __future__ import annotations

import slicer
import vtk

from .displayable_managers import (
    THREE_D_VIEW_MANAGERS,
    THREE_D_VIEW_MANAGERS_WITHOUT_FACTORY,
    group_from_factory,
    registered_factory,
)
from .rendered_view import RenderedView
from .view_bars import center_icon, qMRMLViewControllerBar
from .view_widget import qMRMLAbstractViewWidget

_INTERACTIONS = ("MouseWheelForwardEvent", "MouseWheelBackwardEvent", "InteractionEvent", "KeyPressEvent")


class qMRMLThreeDView(RenderedView):
    """Models, surfaces of segmentations, transforms and volumes, on Slicer's grey-violet background."""

    def __init__(self, application_logic, parent=None):
        super().__init__(parent)
        self._view_node = None
        self._renderer.SetGradientBackground(True)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyle3D())
        factory = registered_factory(
            slicer.vtkMRMLThreeDViewDisplayableManagerFactory, THREE_D_VIEW_MANAGERS, application_logic
        )
        self._group = group_from_factory(factory, self._renderer, THREE_D_VIEW_MANAGERS_WITHOUT_FACTORY)
        self._observer = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._observer.SetDisplayableManagers(self._group)
        self._observer.SetInteractor(self._interactor)
        self.observe(self._group, vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())
        for event in _INTERACTIONS:
            self.observe(self._interactor, event, lambda *_: self._camera_interacted())

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self._view_node

    def setMRMLViewNode(self, node: slicer.vtkMRMLViewNode | None) -> None:
        if node is self._view_node:
            return
        self._view_node = node
        self._group.SetMRMLDisplayableNode(node)
        if node is not None:
            self.observe(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_from_view_node())
            self._update_from_view_node()

    def interactorObserver(self) -> slicer.vtkMRMLThreeDViewInteractorStyle:
        return self._observer

    def displayableManagerGroup(self) -> slicer.vtkMRMLDisplayableManagerGroup:
        return self._group

    def displayableManagerByClassName(self, name: str):
        return self._group.GetDisplayableManagerByClassName(name)

    def cameraNode(self) -> slicer.vtkMRMLCameraNode | None:
        return self.displayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()

    def resetCamera(
        self, resetRotation: bool = True, resetTranslation: bool = True, resetDistance: bool = True
    ) -> None:
        self.cameraNode().Reset(resetRotation, resetTranslation, resetDistance, self._renderer)

    def rotateToViewAxis(self, axis: int | str) -> None:
        """Look from an axis: 0 to 5 (left, right, posterior, anterior, inferior, superior) or an axis label."""
        node = slicer.vtkMRMLCameraNode
        directions = (node.Left, node.Right, node.Posterior, node.Anterior, node.Inferior, node.Superior)
        labels = [self._view_node.GetAxisLabel(index) for index in range(len(directions))]
        self.cameraNode().RotateTo(directions[labels.index(axis) if isinstance(axis, str) else axis])

    def resetFocalPoint(self) -> None:
        """Move the camera so that it looks at the centre of what is visible, box and labels not counted."""
        node, crosshair = self._view_node, self._crosshair_node()
        shown = node.GetBoxVisible(), node.GetAxisLabelsVisible()
        crosshair_mode = crosshair.GetCrosshairMode() if crosshair is not None else None
        self._set_frame_visible(False, False)
        if crosshair is not None:
            crosshair.SetCrosshairMode(slicer.vtkMRMLCrosshairNode.NoCrosshair)
        bounds = [0.0] * 6
        self._renderer.ComputeVisiblePropBounds(bounds)
        # An empty view has bounds from 1 to -1: its centre is the origin.
        self._look_at([(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)])
        self._set_frame_visible(*shown)
        node.InvokeEvent(slicer.vtkMRMLViewNode.ResetFocalPointRequestedEvent)
        if crosshair is not None:
            crosshair.SetCrosshairMode(crosshair_mode)
        self._renderer.ResetCameraClippingRange()
        self.scheduleRender()

    def _look_at(self, point: list[float]) -> None:
        """Turn the camera, which stays where it is."""
        camera = self._renderer.GetActiveCamera()
        camera.SetFocalPoint(point)
        camera.ComputeViewPlaneNormal()
        camera.OrthogonalizeViewUp()
        self._renderer.ResetCameraClippingRange()
        self._renderer.UpdateLightsGeometryToFollowCamera()

    def _set_frame_visible(self, box: bool, labels: bool) -> None:
        was_modifying = self._view_node.StartModify()
        self._view_node.SetBoxVisible(box)
        self._view_node.SetAxisLabelsVisible(labels)
        self._view_node.EndModify(was_modifying)

    def _crosshair_node(self):
        return slicer.vtkMRMLCrosshairDisplayableManager.FindCrosshairNode(self._view_node.GetScene())

    def _camera_interacted(self) -> None:
        camera_node = self.cameraNode()
        if camera_node is not None:
            camera_node.InvokeCustomModifiedEvent(slicer.vtkMRMLCameraNode.CameraInteractionEvent)

    def _update_from_view_node(self) -> None:
        self._renderer.SetUseDepthPeeling(bool(self._view_node.GetUseDepthPeeling()))
        self.scheduleRender()

    def release(self) -> None:
        self._observer.SetInteractor(None)
        self.setMRMLViewNode(None)
        super().release()


class qMRMLThreeDViewControllerWidget(qMRMLViewControllerBar):
    """The blue bar of a 3-D view; without the popup of Slicer's."""

    def __init__(self, view: qMRMLThreeDView, parent=None):
        super().__init__(parent)
        self._view = view
        self.add_button(
            "CenterButton_Header", center_icon(), "Center the 3D view on the scene", self.resetFocalPoint, 1
        )
        self.barLayout().addStretch(1)

    def mrmlThreeDViewNode(self) -> slicer.vtkMRMLViewNode:
        return self.mrmlViewNode()

    def resetFocalPoint(self) -> None:
        self._view.resetFocalPoint()


class qMRMLThreeDWidget(qMRMLAbstractViewWidget):
    """A 3-D view with its bar."""

    def __init__(self, view_node: slicer.vtkMRMLViewNode, application_logic, parent=None):
        super().__init__(parent)
        view = qMRMLThreeDView(application_logic, self)
        self.stack(qMRMLThreeDViewControllerWidget(view, self), view)
        self._logic = slicer.vtkMRMLViewLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(view_node.GetScene())
        self._view.setMRMLViewNode(view_node)
        self._logic.SetName(view_node.GetLayoutName())
        self._logic.SetDisplayableManagerGroup(self._view.displayableManagerGroup())
        self._controller.setMRMLViewNode(view_node)

    def threeDView(self) -> qMRMLThreeDView:
        return self._view

    def threeDController(self) -> qMRMLThreeDViewControllerWidget:
        return self._controller

    def viewLogic(self) -> slicer.vtkMRMLViewLogic:
        return self._logic

    logic = viewLogic

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self._view.mrmlViewNode()

    def release(self) -> None:
        super().release()
        self._logic.SetMRMLScene(None)
