"""Slice views without a window: drawn by Slicer's own slice logic and displayable managers, returned as an array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Literal

import numpy as np
import slicer
import vtk

from . import overlays
from .application import start
from .displayable_managers import group_of
from .pictures import rgba_picture

Orientation = Literal["axial", "coronal", "sagittal"]

RED = (0.90, 0.10, 0.12)
"""Contours before the deformation."""
GOLD = (1.00, 0.78, 0.10)
"""Contours after the deformation."""

_DISPLAYABLE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
)
_NORMAL_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
_names = count(1)

OWN_LAYOUT_NAME = "HeadlessHost"
"""How the layout names of slice nodes begin that belong to a `SliceView`; the application's layout leaves them out."""


class SliceView:
    """One slice view: a background volume, outlines of label maps or segmentations, a transform as arrows or grid.

    It draws what was asked of it and nothing else that is visible in the scene, and it leaves the scene as it was once
    it is closed: its own nodes are removed, other nodes are not changed.

    >>> with SliceView(scene, size=(600, 500)) as view:                                 # doctest: +SKIP
    ...     view.set_background(volume_node)
    ...     view.set_slice("sagittal", 12.0)
    ...     view.add_outline(segmentation_node, RED)
    ...     view.show_transform(transform_node, "arrows")
    ...     picture = view.render()                                                     # (500, 600, 3) uint8
    """

    def __init__(
        self, scene: slicer.vtkMRMLScene | None = None, size: tuple[int, int] = (600, 500), smoothness: int = 2
    ):
        """`size`: width and height of the picture in pixels; it is drawn `smoothness` times as large and averaged."""
        application = start()
        self.scene = slicer.mrmlScene if scene is None else scene
        self.size = (int(size[0]), int(size[1]))
        self._factor = int(smoothness)
        self._own_ids: list[str] = []
        self._overlay_ids: list[str] = []
        self._field_box: tuple[np.ndarray, np.ndarray] | None = None
        self._transform_display = None
        width, height = self._drawn_size
        with self._recorded(self._own_ids):
            slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
            self.logic = slicer.vtkMRMLSliceLogic()
            self.logic.SetMRMLApplicationLogic(application.applicationLogic())
            self.logic.SetMRMLScene(self.scene)
            self.slice_node = self.logic.AddSliceNode(f"{OWN_LAYOUT_NAME}{next(_names)}")
            self.slice_node.SetDimensions(width, height, 1)
        self._make_window(application)

    @property
    def _drawn_size(self) -> tuple[int, int]:
        return self.size[0] * self._factor, self.size[1] * self._factor

    def _make_window(self, application) -> None:
        self._renderer = vtk.vtkRenderer()
        self._renderer.SetBackground(0, 0, 0)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetSize(*self._drawn_size)
        self._window.AddRenderer(self._renderer)
        # Displayable managers look for an interactor and crash without one.
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)

        self._image_mapper = vtk.vtkImageMapper()
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._image_mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        # Before the managers add theirs: actors of one layer are drawn in the order in which they were added.
        self._renderer.AddViewProp(actor)

        self._managers = group_of(_DISPLAYABLE_MANAGERS, self._renderer, application.applicationLogic())
        self._managers.SetMRMLDisplayableNode(self.slice_node)

    def set_background(self, volume_node: slicer.vtkMRMLVolumeNode | None, brightness: float = 1.0) -> None:
        """Show a scalar or label volume as the image, with its own window and colours, centred and filling the view.

        `brightness` under 1 dims it, so that arrows stand out; 0 leaves black. Shows the middle axial slice.
        """
        # The mapper scales the opacity as well, and the renderer is black: the two multiply.
        factor = max(brightness, 1e-6) ** 0.5
        self._image_mapper.SetColorWindow(255.0 / factor)
        self._image_mapper.SetColorLevel(127.5 / factor)
        self.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume_node.GetID() if volume_node else None)
        if volume_node is not None:
            self.set_slice("axial")

    def set_slice(
        self, orientation: Orientation, position_mm: float | None = None, zoom: float = 1.0, along_voxels: bool = False
    ) -> None:
        """Choose orientation and position, R (sagittal), A (coronal) or S (axial) in mm; default: the middle.

        `zoom` 1 fits the background volume into the view. `along_voxels` tilts the slice to the planes of an oblique
        background volume.
        """
        axis = _NORMAL_AXES[orientation]
        self.slice_node.SetOrientation(orientation.capitalize())
        volume = self.logic.GetBackgroundLayer().GetVolumeNode()
        centre = np.zeros(3)
        if volume is not None:
            if along_voxels:
                self.slice_node.RotateToVolumePlane(volume)
            self.logic.FitSliceToBackground(*self._drawn_size)
            self._show_whole_plane(volume)
            bounds = np.zeros(6)
            volume.GetRASBounds(bounds)
            centre = bounds.reshape(3, 2).mean(axis=1)
        if position_mm is not None:
            centre[axis] = position_mm
        self.slice_node.JumpSliceByCentering(*centre.tolist())
        if zoom != 1.0:
            width, height, depth = self.slice_node.GetFieldOfView()
            self.slice_node.SetFieldOfView(width / zoom, height / zoom, depth)

    def _show_whole_plane(self, volume) -> None:
        """Widen the field of view where fitting to the width would cut the height off, the aspect kept."""
        bounds = np.zeros(6)
        volume.GetRASBounds(bounds)
        extent = np.diff(bounds.reshape(3, 2), axis=1)[:, 0]
        matrix = self.slice_node.GetSliceToRAS()
        across, up = (sum(abs(matrix.GetElement(row, column)) * extent[row] for row in range(3)) for column in range(2))
        aspect = self.size[0] / self.size[1]
        width = max(across, up * aspect)
        self.slice_node.SetFieldOfView(width, width / aspect, self.slice_node.GetFieldOfView()[2])

    def add_outline(
        self,
        node: slicer.vtkMRMLSegmentationNode | slicer.vtkMRMLLabelMapVolumeNode,
        colour: tuple[float, float, float] | None = None,
        thickness: float = 2.5,
        fill_opacity: float = 0.0,
        smoothing: float = 0.3,
    ) -> None:
        """Draw the contours of all segments of a segmentation, or labels of a label volume, where the node lies.

        `colour` (0..1, for example RED or GOLD) is for all of them; None: each segment's own. `thickness` in pixels of
        the picture. `smoothing` 0..1 of the surfaces that are cut by the slice; 0 shows the voxels' steps.
        """
        with self._recorded(self._overlay_ids):
            overlays.add_outline(
                self.scene, node, self.slice_node.GetID(), colour, thickness * self._factor, fill_opacity, smoothing
            )

    def show_transform(
        self,
        transform_node: slicer.vtkMRMLTransformNode | None,
        display: Literal["arrows", "grid", "contours"] = "arrows",
        thickness: float = 2.0,
        **settings,
    ) -> None:
        """Draw a transform, inside its field, as arrows coloured by norm, deformed grid or contours; None: none.

        `settings`: those of `DeformationSceneLib.transforms.style_transform_display` (spacing_mm, scale_percent,
        maximum_mm). What is drawn is the node's ToParent, as always in Slicer: where the moving anatomy goes.
        """
        if self._transform_display is not None:
            self.scene.RemoveNode(self._transform_display)
            self._transform_display = None
        self._field_box = None
        if transform_node is None:
            return
        with self._recorded(self._overlay_ids):
            self._transform_display = overlays.add_transform_display(
                self.scene, transform_node, self.slice_node.GetID(), display, thickness * self._factor, **settings
            )
        self._field_box = overlays.field_box(transform_node)

    def clear_overlays(self) -> None:
        """Remove all outlines and the transform."""
        self.show_transform(None)
        self._remove(self._overlay_ids)

    def render(self) -> np.ndarray:
        """The picture, (height, width, 3) uint8 RGB, first row on top."""
        with self._nothing_else_visible():
            picture = self._drawn()
            if self._field_box is not None:
                # VTK continues a field past its border with the border's displacement: arrows that nobody computed.
                self._transform_display.SetVisibility(False)
                picture = np.where(self._inside_field()[..., None], picture, self._drawn())
                self._transform_display.SetVisibility(True)
        height, width, factor = self.size[1], self.size[0], self._factor
        blocks = picture.reshape(height, factor, width, factor, 3).astype(np.float32)
        return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)

    def pixel_of(self, point_ras: tuple[float, float, float]) -> tuple[float, float]:
        """Column and row in the picture of a point, RAS mm, projected onto the slice."""
        to_view = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.slice_node.GetXYToRAS(), to_view)
        x, y = to_view.MultiplyPoint((*point_ras, 1.0))[:2]
        return (x + 0.5) / self._factor - 0.5, self.size[1] - 0.5 - (y + 0.5) / self._factor

    def close(self) -> None:
        """Remove the view's nodes from the scene and free its window; the view cannot be used afterwards."""
        if self._managers is None:
            return
        self.clear_overlays()
        self._managers.SetMRMLDisplayableNode(None)
        self._managers = None
        self.logic.SetMRMLScene(None)
        self._remove(self._own_ids)
        self._window.Finalize()

    def __enter__(self) -> SliceView:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _drawn(self) -> np.ndarray:
        # The logic builds another pipeline when a layer comes or goes.
        self._image_mapper.SetInputConnection(self.logic.GetImageDataConnection())
        self._window.Render()
        return rgba_picture(self._window)[..., :3]

    def _inside_field(self) -> np.ndarray:
        """Which drawn pixels lie inside the transform's field."""
        ras_to_index, upper = self._field_box
        matrix = self.slice_node.GetXYToRAS()
        to_ras = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
        width, height = self._drawn_size
        to_index = ras_to_index @ to_ras
        x, y = np.meshgrid(np.arange(width), np.arange(height)[::-1])
        inside = np.ones((height, width), bool)
        for row, last in zip(to_index[:3], upper):
            index = row[0] * x + row[1] * y + row[3]
            inside &= (index >= -0.5) & (index <= last + 0.5)
        return inside

    @contextmanager
    def _nothing_else_visible(self) -> Iterator[None]:
        """Hide what is visible in the scene and was not asked of this view, while it draws."""
        own = {*self._own_ids, *self._overlay_ids}
        hidden = [node for node in overlays.visible_display_nodes(self.scene) if node.GetID() not in own]
        try:
            for node in hidden:
                node.SetVisibility(False)
            yield
        finally:
            for node in hidden:
                node.SetVisibility(True)

    @contextmanager
    def _recorded(self, ids: list[str]) -> Iterator[None]:
        """Add the IDs of all nodes that come into the scene inside the block to `ids`."""
        before = {node.GetID() for node in overlays.nodes_of(self.scene)}
        yield
        ids.extend(node.GetID() for node in overlays.nodes_of(self.scene) if node.GetID() not in before)

    def _remove(self, ids: list[str]) -> None:
        for node_id in reversed(ids):
            node = self.scene.GetNodeByID(node_id)
            if node is not None:
                self.scene.RemoveNode(node)
        ids.clear()
