"""Deformations along components as lasting nodes: one deformation, or a sequence of amplitudes that can be played.

Both work in three steps of which the long one touches no node: read when made, compute in any thread, add to the scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels

from .placement import place_beside, scene_as_it_was_on_failure, unique_name
from .segmentations import add_segmentation, label_layers, update_segmentation
from .sequences import SequenceRecording
from .transforms import add_displacement_transform, set_displacement, show_transform
from .volumes import add_volume, image_from_volume, update_volume

if TYPE_CHECKING:
    from .explore_section import Explorer

MAXIMUM_IMAGE_BYTES = 2**30
"""A sequence whose deformed images would take more memory is made without them."""


@dataclass
class ComponentNodes:
    """Nodes that show a deformation along components on one image; those that were not asked for are None.

    Attributes:
        transform: grid transform of the displacement; shown as arrows or grid it tells what the component does.
        warped: the deformed image.
        segmentation: the deformed segmentation or label map.
        browser: the sequence browser that plays the others, where they are a sequence.
        remark: a sentence for the user about what was left out, or nothing.
    """

    transform: object = None
    warped: object = None
    segmentation: object = None
    browser: object = None
    remark: str = ""


@dataclass
class _Deformed:
    """What one deformation makes of an image and the label maps of its structure."""

    displacement: Image
    image: Image | None
    layers: list[Image]


def describe_amplitudes(deviations: Sequence[float]) -> str:
    """ "component 3 at +1.5 SD", "components 1, 4 at +1.5, -0.5 SD", of amplitudes in standard deviations."""
    moved = {number: value for number, value in enumerate(deviations, 1) if value}
    if not moved:
        return _("undeformed")
    if len(moved) > 4:
        return _("{count} components").format(count=len(moved))
    numbers, values = ", ".join(map(str, moved)), ", ".join(f"{value:+.2g}" for value in moved.values())
    if len(moved) == 1:
        return _("component {number} at {value} SD").format(number=numbers, value=values)
    return _("components {numbers} at {values} SD").format(numbers=numbers, values=values)


class ComponentDeformation:
    """One deformation of an image and a structure.

    >>> export = ComponentDeformation(imageNode, segmentationNode, explorer, amplitudes)
    >>> export.compute(progress)  # any thread
    >>> nodes = export.addToScene()  # main thread
    """

    def __init__(
        self,
        imageNode,
        structureNode,
        explorer: Explorer,
        amplitudes: Sequence[float],
        warped: bool = True,
        code: np.ndarray | None = None,
    ) -> None:
        """Read the nodes.

        Args:
            imageNode: the explorer's volume.
            structureNode: segmentation or label map volume to be deformed along, or None.
            explorer: the image's.
            amplitudes: of the first components, in units of the code.
            warped: whether to deform the image as well.
            code: of a probabilistic model, instead of the amplitudes, which then only give the nodes' names.

        Raises:
            InputError: for a structure that cannot be used.
        """
        self._code = code
        self._imageNode, self._structureNode, self._explorer = imageNode, structureNode, explorer
        self._amplitudes, self._warped = np.asarray(amplitudes, float), warped
        self._layers = _read_layers(structureNode, explorer.image)
        self._deformed: _Deformed | None = None

    def compute(self, progress: Progress) -> None:
        """Deform; touches no node."""
        progress.report(0.0, "Deforming")
        if self._code is None:
            displacement = self._explorer.displacement(amplitudes=self._amplitudes)
        else:
            displacement = self._explorer.displacement_of_code(self._code)
        self._deformed = _deform(self._explorer, displacement, self._layers, self._warped, progress.part(0.2, 1.0))

    def addToScene(self, display: str | None = "arrows") -> ComponentNodes:
        """Put the nodes beside the image; on failure the scene is as it was.

        `display`: "arrows", "grid", "contours" or None: how slice views show the transform.
        """
        scene = _scene_of(self._imageNode, self._structureNode)
        what = describe_amplitudes(self._amplitudes / self._explorer.standard_deviations[: len(self._amplitudes)])
        with scene_as_it_was_on_failure(scene):
            nodes = _add_nodes(self._imageNode, self._structureNode, self._deformed, what)
            show_transform(nodes.transform, display)
        return nodes


class AmplitudeSequence:
    """A component's amplitude from low to high in equal steps, as sequences with one browser.

    >>> export = AmplitudeSequence(imageNode, segmentationNode, explorer, component=0, deviations=2.0, steps=9)
    >>> export.compute(progress)  # any thread
    >>> browser = export.addToScene().browser  # main thread
    """

    def __init__(
        self, imageNode, structureNode, explorer: Explorer, component: int = 0, deviations: float = 2.0, steps: int = 9
    ) -> None:
        """Read the nodes.

        Args:
            imageNode, structureNode, explorer: as of `ComponentDeformation`.
            component: counted from 0.
            deviations: the sweep goes from minus to plus so many standard deviations of the training population.
            steps: number of items.

        Raises:
            InputError: for a structure that cannot be used, and for a component that the model does not have.
        """
        if not 0 <= component < explorer.count:
            raise InputError(
                _("There is no component {number}: this model has {count}.").format(
                    number=component + 1, count=explorer.count
                )
            )
        self._imageNode, self._structureNode, self._explorer = imageNode, structureNode, explorer
        self._component, self._amplitudes = component, np.linspace(-deviations, deviations, max(int(steps), 2))
        self._layers = _read_layers(structureNode, explorer.image)
        self._warped = explorer.image.array.size * 4 * len(self._amplitudes) <= MAXIMUM_IMAGE_BYTES
        self._items: list[_Deformed] = []

    def compute(self, progress: Progress) -> None:
        """Deform by each amplitude; touches no node."""
        explorer, count = self._explorer, len(self._amplitudes)
        for number, amplitude in enumerate(self._amplitudes):
            step = progress.part(number / count, (number + 1) / count)
            step.report(0.0, f"Deforming by {amplitude:+.2f} SD")
            deviations = np.zeros(explorer.count)
            deviations[self._component] = amplitude
            # Transforms are kept on the model's own grid, which says the same in less memory.
            item = _Deformed(explorer.live_displacement(deviations), None, [])
            if self._warped or self._layers:
                full = explorer.displacement(amplitudes=explorer.amplitudes(deviations))
                deformed = _deform(explorer, full, self._layers, self._warped, step)
                item = _Deformed(item.displacement, deformed.image, deformed.layers)
            self._items.append(item)

    def addToScene(self, display: str | None = None) -> ComponentNodes:
        """Put sequences, browser and proxies beside the image; on failure the scene is as it was."""
        scene = _scene_of(self._imageNode, self._structureNode)
        what = _("component {number}").format(number=self._component + 1)
        with scene_as_it_was_on_failure(scene):
            nodes = _add_nodes(self._imageNode, self._structureNode, self._items[0], what)
            largest = max(np.linalg.norm(item.displacement.array, axis=-1).max() for item in self._items)
            show_transform(nodes.transform, display, maximum_mm=max(float(largest), 0.1))
            shown = [node for node in (nodes.transform, nodes.warped, nodes.segmentation) if node is not None]
            recording = SequenceRecording(scene, shown, "amplitude", "SD")
            for amplitude, item in zip(self._amplitudes, self._items, strict=True):
                self._update_nodes(nodes, item)
                recording.record(amplitude)
            name = _("{image} {what} from {low:+g} to {high:+g} SD").format(
                image=self._imageNode.GetName(), what=what, low=self._amplitudes[0], high=self._amplitudes[-1]
            )
            nodes.browser = recording.finish(name, selected=len(self._items) // 2)
        if not self._warped:
            nodes.remark = _("The image is too large for a sequence of deformed images: they were left out.")
        return nodes

    def _update_nodes(self, nodes: ComponentNodes, item: _Deformed) -> None:
        set_displacement(nodes.transform, item.displacement)
        if nodes.warped is not None:
            update_volume(nodes.warped, item.image)
        if nodes.segmentation is not None and nodes.segmentation.IsA("vtkMRMLSegmentationNode"):
            update_segmentation(nodes.segmentation, item.layers, self._structureNode, self._imageNode)
        elif nodes.segmentation is not None:
            update_volume(nodes.segmentation, item.layers[0])


def _read_layers(structureNode, image: Image) -> list[Image]:
    if structureNode is None:
        return []
    if structureNode.IsA("vtkMRMLSegmentationNode"):
        return label_layers(structureNode, image)
    return [image_from_volume(structureNode)]


def _deform(
    explorer: Explorer, displacement: Image, layers: list[Image], warped: bool, progress: Progress
) -> _Deformed:
    """The image, if wanted, and the label maps through a displacement on the image's grid."""
    parts = len(layers) + 1
    image = warp_image(explorer.image, displacement, progress=progress.part(0.0, 1 / parts)) if warped else None
    moved = [
        warp_labels(layer, displacement, progress.part(number / parts, (number + 1) / parts))
        for number, layer in enumerate(layers, 1)
    ]
    return _Deformed(displacement, image, moved)


def _scene_of(imageNode, structureNode):
    """The scene of the nodes. Raises InputError when one of them was deleted meanwhile."""
    nodes = [node for node in (imageNode, structureNode) if node is not None]
    if any(node.GetScene() is None for node in nodes):
        raise InputError(_("The image or its structure was deleted meanwhile: nothing was added to the scene."))
    return imageNode.GetScene()


def _add_nodes(imageNode, structureNode, deformed: _Deformed, what: str) -> ComponentNodes:
    scene, nodes = imageNode.GetScene(), ComponentNodes()
    name = unique_name(scene, f"{imageNode.GetName()} {what}")
    nodes.transform = add_displacement_transform(scene, deformed.displacement, name, imageNode, imageNode)
    place_beside(nodes.transform, imageNode)
    if deformed.image is not None:
        name = unique_name(scene, _("{image} deformed by {what}").format(image=imageNode.GetName(), what=what))
        nodes.warped = add_volume(scene, deformed.image, name, like=imageNode)
        place_beside(nodes.warped, imageNode)
    if deformed.layers:
        name = unique_name(scene, f"{structureNode.GetName()} {what}")
        if structureNode.IsA("vtkMRMLSegmentationNode"):
            nodes.segmentation = add_segmentation(
                scene, deformed.layers, name, like=structureNode, reference_volume_node=imageNode
            )
        else:
            nodes.segmentation = add_volume(scene, deformed.layers[0], name, labels=True, like=structureNode)
        place_beside(nodes.segmentation, structureNode)
    return nodes
