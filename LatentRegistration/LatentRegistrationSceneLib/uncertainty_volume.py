"""How far the deformations that a probabilistic model holds possible lie apart, as a coloured volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.colours import colour_table
from DeformationSceneLib.placement import output_name, place_beside, scene_as_it_was_on_failure
from DeformationSceneLib.segmentations import mask_from_node
from DeformationSceneLib.volumes import add_volume, image_from_volume

from .probabilistic import check_in_scene, check_same_dimension

if TYPE_CHECKING:
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

_STOPS = ((0.0, (0.0, 0.0, 0.0)), (0.35, (0.45, 0.05, 0.35)), (0.7, (0.95, 0.45, 0.10)), (1.0, (1.0, 0.97, 0.70)))
"""Colours from black over red to pale yellow."""


class UncertaintyVolume:
    """The spread, in mm, of deformations sampled for one pair of volumes.

    >>> volume = UncertaintyVolume(fixedNode, movingNode, samples=20, seed=0)  # main thread
    >>> volume.compute(lambda: model, "centres", progress)  # any thread
    >>> node = volume.addToScene()  # main thread
    """

    def __init__(
        self, fixedNode, movingNode, samples: int = 20, seed: int = 0, fixedMaskNode=None, movingMaskNode=None
    ) -> None:
        """Read the nodes.

        Args:
            fixedNode, movingNode, fixedMaskNode, movingMaskNode: as of `VolumeRegistration`.
            samples: at least two.
            seed: of the draws.

        Raises:
            InputError: for unusable nodes and numbers.
        """
        if fixedNode is None or movingNode is None:
            raise InputError(_("Select a fixed and a moving volume."))
        if fixedNode is movingNode:
            raise InputError(_("The fixed and the moving volume are the same: select two volumes."))
        if samples < 2:
            raise InputError(_("A spread needs at least two samples, not {count}.").format(count=samples))
        if seed < 0:
            raise InputError(_("The seed {seed} is negative: choose 0 or a positive number.").format(seed=seed))
        self._nodes, self._samples, self._seed = (fixedNode, movingNode), samples, seed
        self._fixed, self._moving = image_from_volume(fixedNode), image_from_volume(movingNode)
        check_same_dimension({fixedNode.GetName(): self._fixed, movingNode.GetName(): self._moving})
        masks = {
            "fixed_mask": mask_from_node(fixedMaskNode, self._fixed),
            "moving_mask": mask_from_node(movingMaskNode, self._moving),
        }
        self._masks = {name: mask for name, mask in masks.items() if mask is not None}
        self._spread: Image | None = None

    def compute(self, model: Callable[[], ProbabilisticModel], alignment: str, progress: Progress) -> None:
        """Sample and measure; touches no node. Arguments as of `VolumeRegistration.compute`."""
        progress.report(0.0, "Loading the model")
        loaded = model()
        from LatentRegistrationLib.uncertainty import uncertainty

        found = uncertainty(
            loaded,
            self._fixed,
            self._moving,
            self._samples,
            self._seed,
            alignment,
            progress.part(0.1, 1.0),
            **self._masks,
        )
        self._spread = found.spread.with_array(found.spread.array.astype(np.float32))

    def addToScene(self, show: bool = True):
        """Put the volume beside the moving one; on failure the scene is as it was. `show`: over the fixed volume."""
        fixedNode, movingNode = self._nodes
        check_in_scene(fixedNode, movingNode)
        scene = fixedNode.GetScene()
        with scene_as_it_was_on_failure(scene):
            name = output_name(scene, movingNode, fixedNode, _("uncertainty (mm)"))
            node = add_volume(scene, self._spread, name)
            node.SetDescription(
                _("Spread of {count} sampled deformations in mm, seed {seed}").format(
                    count=self._samples, seed=self._seed
                )
            )
            place_beside(node, movingNode)
            colour_uncertainty(node)
        if show:
            slicer.util.setSliceViewerLayers(background=fixedNode, foreground=node, foregroundOpacity=0.5, fit=True)
        return node


def colour_uncertainty(node) -> None:
    """Dark is sure; the brightest colour has the spread that one voxel in a hundred exceeds."""
    largest = float(np.percentile(slicer.util.arrayFromVolume(node), 99))
    display = node.GetDisplayNode()
    table = colour_table(node.GetScene(), "LatentMotionUncertainty", "Uncertainty", _STOPS)
    display.SetAndObserveColorNodeID(table.GetID())
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, max(largest, 0.01))
    display.SetInterpolate(True)
