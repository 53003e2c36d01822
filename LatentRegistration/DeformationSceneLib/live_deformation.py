"""A deformation that follows a slider: nodes in the scene that show it on an image and a structure while one explores.

Everything hangs on one grid transform, on the model's own grid, so that a change costs the same for every image: the
surfaces of the structure and the deformed image lie under it, arrows and grid are drawn of it, and Slicer moves them
all when its displacement is replaced. The nodes are not saved with the scene, and go when the exploration ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image

from .placement import nodes_of, place_beside, scene_as_it_was_on_failure, unique_name
from .ras import ijk_to_ras
from .slice_views import exchange_in_views
from .surfaces import GOLD, RED, add_surfaces, show_surfaces, surface_bounds
from .transforms import TransformDisplay, add_displacement_transform, set_displacement, show_transform
from .volumes import add_volume

_ARROWS_ALONG_FIELD = 24
_ARROWS_ALONG_IMAGE = 40
_COLOURED_DEVIATIONS = 2.0


class Deformer(Protocol):
    """What a live deformation follows, for example a `LatentRegistrationLib.explorer.Explorer`."""

    image: Image

    def live_displacement(self, amplitudes: Sequence[float]) -> Image:
        """Displacement (k, j, i, 3), LPS mm, pull-back, on a grid of a size that does not depend on the image."""


class LiveDeformation:
    """The live nodes of one image, and of one structure if there is one.

    Attributes:
        transform: grid transform; its ToParent, which Slicer's arrows show, is where the tissue goes.
        undeformed, deformed: segmentations of surfaces, red and gold; None without a structure.
        deformed_image: volume; None until it is asked for by `show_image`.

    >>> live = LiveDeformation(slicer.mrmlScene, explorer, image_node, segmentation_node)
    >>> live.show([2.0, 0.0, -0.5])
    >>> live.close()
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        deformer: Deformer,
        image_node: slicer.vtkMRMLScalarVolumeNode,
        structure_node: slicer.vtkMRMLNode | None = None,
        display: TransformDisplay | None = "arrows",
    ) -> None:
        """Put the nodes into the scene, undeformed.

        Raises:
            InputError: for a structure that is empty or lies outside the image; the scene is as it was.
        """
        self._scene, self._deformer, self._image_node = scene, deformer, image_node
        self.transform = self.undeformed = self.deformed = self.deformed_image = None
        still = self.compute([])
        # One scale of colours and arrows for the whole exploration, or a weak component would look like a strong one.
        strongest = self.compute([_COLOURED_DEVIATIONS])
        self._display_settings = {
            "maximum_mm": max(float(np.linalg.norm(strongest.array, axis=-1).max()), 0.1),
            "spacing_mm": max(
                _longest_mm(still) / _ARROWS_ALONG_FIELD, _longest_mm(deformer.image) / _ARROWS_ALONG_IMAGE
            ),
        }
        self._own: list[slicer.vtkMRMLNode] = []
        with self.adopting_new_nodes():
            name = unique_name(scene, f"{image_node.GetName()} deformation: live")
            self.transform = add_displacement_transform(scene, still, name)
            # Before the structure, whose contours are then drawn over the arrows.
            self.set_display(display)
            if structure_node is not None:
                self._add_structure(structure_node)

    @property
    def alive(self) -> bool:
        """False once the scene was closed, or somebody deleted the transform or the image."""
        return all(node is not None and self._present(node) for node in (self.transform, self._image_node))

    def owns(self, node: slicer.vtkMRMLNode | None) -> bool:
        """Whether a node is one of the live ones, which go when the exploration ends."""
        return node is not None and node in self._own

    @property
    def centre(self) -> tuple[float, float, float] | None:
        """Centre of the undeformed structure, RAS mm; None without a structure."""
        if self.undeformed is None:
            return None
        bounds = surface_bounds(self.undeformed)
        return tuple((low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2]))

    def compute(self, amplitudes: Sequence[float]) -> Image:
        """The displacement for amplitudes, to be handed to `apply`; touches no node, and may run in any thread."""
        return self._deformer.live_displacement(amplitudes)

    def apply(self, displacement: Image) -> None:
        """Show a displacement; on the main thread. Does nothing when the nodes are gone."""
        if self.alive:
            set_displacement(self.transform, displacement)

    def show(self, amplitudes: Sequence[float]) -> None:
        """Show the deformation for amplitudes, at once: for scripts. Panels call `compute` in a thread."""
        self.apply(self.compute(amplitudes))

    def set_display(self, display: TransformDisplay | None) -> None:
        """Choose how slice views draw the deformation; None hides it."""
        if self.transform is not None and self._present(self.transform):
            with self.adopting_new_nodes():
                node = show_transform(self.transform, display, **self._display_settings)
                if display is not None:
                    node.SetColorMap(_cool_colours(self._display_settings["maximum_mm"]))
                    # Lines of a grid cross the whole picture: thinner than the contours, or these are lost in it.
                    node.SetSliceIntersectionThickness(2 if display == "arrows" else 1)
                    # Every point of a line costs the inversion of the deformation.
                    node.SetGridResolutionMm(self._display_settings["spacing_mm"] / 2.0)

    def show_image(self, visible: bool) -> None:
        """Put the deformed image where slice views show the image, or the image back where they show the deformed one."""
        if not self.alive:
            return
        if visible and (self.deformed_image is None or not self._present(self.deformed_image)):
            with self.adopting_new_nodes():
                name = unique_name(self._scene, f"{self._image_node.GetName()} deformed: live")
                self.deformed_image = add_volume(self._scene, self._deformer.image, name, like=self._image_node)
                self.deformed_image.SetAndObserveTransformNodeID(self.transform.GetID())
        if self.deformed_image is not None:
            nodes = (self._image_node, self.deformed_image)
            exchange_in_views(self._scene, *(nodes if visible else reversed(nodes)))

    @contextmanager
    def adopting_new_nodes(self) -> Iterator[None]:
        """Mark the nodes that the block adds, those of their display and colours too, as passing; beside the image.

        They go with the others in `close`.
        """
        # It exists from here on in any case, so that it is not taken for one of the nodes of the block.
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        before = {node.GetID() for node in nodes_of(self._scene)}
        with scene_as_it_was_on_failure(self._scene):
            yield
            added = [node for node in nodes_of(self._scene) if node.GetID() not in before]
            for node in added:
                node.SetSaveWithScene(False)
                if node.IsA("vtkMRMLDisplayableNode"):
                    place_beside(node, self._image_node)
        self._own += added

    def close(self) -> None:
        """Remove the nodes from the scene; views show the image again. Can be called again, and after a scene closed."""
        self.show_image(False)
        # Newest first: what lies under the transform before the transform, display nodes before what they display.
        for node in reversed(self._own):
            if self._present(node):
                self._scene.RemoveNode(node)
        self._own.clear()
        self.transform = self.undeformed = self.deformed = self.deformed_image = None

    def _add_structure(self, structure_node) -> None:
        name = structure_node.GetName()
        undeformed_name = unique_name(self._scene, f"{name} undeformed: live")
        self.undeformed = add_surfaces(self._scene, structure_node, undeformed_name)
        _check_touching(surface_bounds(self.undeformed), self._deformer.image, name)
        deformed_name = unique_name(self._scene, f"{name} deformed: live")
        self.deformed = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", deformed_name)
        self.deformed.GetSegmentation().DeepCopy(self.undeformed.GetSegmentation())
        self.deformed.SetAndObserveTransformNodeID(self.transform.GetID())
        show_surfaces(self.undeformed, RED, opacity_3d=0.3)
        show_surfaces(self.deformed, GOLD)

    def _present(self, node) -> bool:
        return bool(self._scene.IsNodePresent(node))


def _cool_colours(maximum_mm: float) -> vtk.vtkColorTransferFunction:
    """Colours of a displacement's length, from violet to green: none of them is taken for a red or a gold contour."""
    colours = vtk.vtkColorTransferFunction()
    stops = [(0.50, 0.40, 1.0), (0.25, 0.60, 1.0), (0.10, 0.85, 0.95), (0.15, 0.95, 0.55), (0.55, 1.0, 0.35)]
    for position, colour in zip(np.linspace(0.0, maximum_mm, len(stops)), stops):
        colours.AddRGBPoint(float(position), *colour)
    return colours


def _longest_mm(image: Image) -> float:
    return max(n * spacing for n, spacing in zip(image.geometry.size, image.spacing))


def _check_touching(bounds: Sequence[float], image: Image, name: str) -> None:
    """Raise InputError unless the box (RAS) around a structure and that of the image share a volume."""
    matrix = ijk_to_ras(image)
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in image.geometry.size])).reshape(3, -1)
    corners = matrix[:3, :3] @ corners + matrix[:3, 3:]
    low, high = np.asarray(bounds)[::2], np.asarray(bounds)[1::2]
    if (corners.max(axis=1) <= low).any() or (corners.min(axis=1) >= high).any():
        raise InputError(f"'{name}' lies outside the image; select the structure that belongs to the image.")
