"""One slice of an image, deformed by two components from low to high: a grid of simulated deformations as one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.masks import mask_on_grid
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image
from DeformationSceneLib.placement import place_beside, scene_as_it_was_on_failure, unique_name
from DeformationSceneLib.segmentations import mask_from_node
from DeformationSceneLib.volumes import add_volume

if TYPE_CHECKING:
    from LatentRegistrationLib.explorer import Explorer

_BORDER = 0.15
"""Beside the structure, how much of its size every tile shows."""


class DeformationGrid:
    """Walks the plane of two components (Krebs figure 4.8): the first from left to right, the second upwards.

    >>> grid = DeformationGrid(imageNode, explorer, first=0, second=1)  # main thread
    >>> grid.compute(progress)  # any thread
    >>> volumeNode = grid.addToScene()  # main thread
    """

    def __init__(
        self,
        imageNode,
        explorer: Explorer,
        first: int = 0,
        second: int = 1,
        structureNode=None,
        deviations: float = 2.0,
        steps: int = 5,
    ) -> None:
        """Read the nodes.

        Args:
            imageNode: the explorer's volume.
            explorer: the image's, of either kind of model.
            first, second: components along the grid's axes, counted from 0.
            structureNode: segmentation or label map of the volume: the tiles show its middle slice and what is around it;
                without one they show all of the image's middle slice.
            deviations: the ends of both axes, in standard deviations of the training population.
            steps: tiles along each axis; an odd number has the population's mean in the middle.

        Raises:
            InputError: for components that the model does not have, or twice the same one, and unusable structures.
        """
        for component in (first, second):
            explorer.amplitudes_of(component, 0.0)
        if first == second:
            raise InputError(_("A grid needs two different components: choose another for one axis."))
        if steps < 2 or deviations <= 0:
            raise InputError(_("A grid needs two steps at least, and an extent above zero."))
        self._imageNode, self._explorer = imageNode, explorer
        self._axes, self._values = (first, second), np.linspace(-deviations, deviations, steps)
        self._box = _box_of(explorer.image, structureNode)
        self.picture: Image | None = None

    def compute(self, progress: Progress) -> None:
        """Deform once for each tile; touches no node."""
        (first, second), count = self._axes, len(self._values)
        slab = _cut(self._explorer.image, self._box)
        tiles = np.zeros((count, count, *slab.array.shape[1:]), dtype=np.float32)
        for number, (row, column) in enumerate(np.ndindex(count, count)):
            progress.report(number / count**2, _("Deforming"))
            amplitudes = np.zeros(max(first, second) + 1)
            amplitudes[first], amplitudes[second] = self._values[column], self._values[::-1][row]
            displacement = self._explorer.displacement(amplitudes=self._explorer.amplitudes(amplitudes))
            warped = warp_image(self._explorer.image, _cut(displacement, self._box))
            tiles[row, column] = warped.array[0]
        height, width = slab.array.shape[1:]
        picture = tiles.transpose(0, 2, 1, 3).reshape(1, count * height, count * width)
        geometry = slab.geometry
        # The tile in the middle lies where the image does.
        corner = geometry.index_to_physical(np.array([-(count // 2) * width, -(count // 2) * height, 0]))
        self.picture = Image.on_grid(
            picture, Geometry((count * width, count * height, 1), geometry.spacing, tuple(corner), geometry.direction)
        )
        progress.report(1.0)

    def addToScene(self):
        """The picture as a volume of one slice beside the image; returns its node."""
        imageNode = self._imageNode
        if imageNode.GetScene() is None:
            raise InputError(_("The volume was deleted while its grid was computed: choose another one."))
        first, second = (number + 1 for number in self._axes)
        with scene_as_it_was_on_failure(imageNode.GetScene()):
            name = _("{image}, components {first} and {second}").format(
                image=imageNode.GetName(), first=first, second=second
            )
            node = add_volume(
                imageNode.GetScene(), self.picture, unique_name(imageNode.GetScene(), name), like=imageNode
            )
            node.SetDescription(
                _(
                    "The middle slice at {values} standard deviations: component {first} from left to right, "
                    "component {second} from below."
                ).format(values=", ".join(f"{value:+.2g}" for value in self._values), first=first, second=second)
            )
            place_beside(node, imageNode)
        return node


def show_grid(volume_node, view: str = "Red") -> None:
    """Show the picture in one slice view, straight and as a whole. Does nothing where there are no views."""
    layout = slicer.app.layoutManager()
    widget = layout.sliceWidget(view) if layout is not None else None
    if widget is None:
        return
    logic = widget.sliceLogic()
    composite = logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(volume_node.GetID())
    composite.SetForegroundVolumeID(None)
    logic.GetSliceNode().RotateToVolumePlane(volume_node)
    widget.fitSliceToBackground()


def _box_of(image: Image, structure_node) -> tuple[slice, slice, slice]:
    """Voxels k, j, i of the tiles: the middle slice of a structure with a border, or of the image."""
    size = image.array.shape
    if structure_node is None:
        return slice(size[0] // 2, size[0] // 2 + 1), slice(0, size[1]), slice(0, size[2])
    mask = mask_on_grid(mask_from_node(structure_node, image), image, _("The structure"), _("the image"))
    inside = np.argwhere(mask.array > 0)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    middle = int(np.median(inside[:, 0]))
    border = np.ceil(_BORDER * (high - low)).astype(int)
    low, high = np.maximum(low - border, 0), np.minimum(high + border, size)
    return slice(middle, middle + 1), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))


def _cut(image: Image, box: tuple[slice, slice, slice]) -> Image:
    """A box of an image or displacement, where it lies."""
    geometry = image.geometry
    corner = geometry.index_to_physical(np.array([part.start for part in reversed(box)]))
    size = tuple(part.stop - part.start for part in reversed(box))
    return Image.on_grid(image.array[box], Geometry(size, geometry.spacing, tuple(corner), geometry.direction))
