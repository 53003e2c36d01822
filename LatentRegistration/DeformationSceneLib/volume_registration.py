"""One registration of volumes of the scene, in three steps of which the long one touches no node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress

from .placement import (
    check_outputs,
    output_name,
    place_beside,
    scene_as_it_was_on_failure,
    unique_name,
)
from .segmentations import add_segmentation, label_layers, mask_from_node, update_segmentation
from .transforms import add_displacement_transform, set_displacement, set_registration_references
from .volumes import add_volume, image_from_volume, show_jacobian, update_volume

if TYPE_CHECKING:
    from DeformationLib.registration import RegistrationResult


class Registering(Protocol):
    """A model that registers, for example a `LatentRegistrationLib.model.RegistrationModel`."""

    def register(
        self,
        fixed: Image,
        moving: Image,
        alignment: str,
        *,
        fixed_mask: Image | None,
        moving_mask: Image | None,
        progress: Progress,
    ) -> RegistrationResult:
        """Register two images; raises `InputError` and `Cancelled`."""


@dataclass
class RegistrationNodes:
    """Nodes that a registration has put into the scene; those that were not asked for are None.

    Attributes:
        transform: grid transform whose FromParent maps fixed points to moving ones; the moving volume put under it aligns.
        warped: the moving volume on the fixed volume's grid.
        inverse: grid transform of the inverse displacement; the fixed volume put under it aligns with the moving one.
        jacobian: volume of the Jacobian determinant on the fixed volume's grid.
        segmentation: the moving segmentation, or label map volume, on the fixed volume's grid.
        result: the `DeformationLib.registration.RegistrationResult` behind them: fields, warnings, figures, files.
    """

    transform: object = None
    warped: object = None
    inverse: object = None
    jacobian: object = None
    segmentation: object = None
    result: RegistrationResult | None = None

    def __iter__(self):
        """The nodes that are there."""
        nodes = (getattr(self, field.name) for field in fields(self) if field.name != "result")
        return (node for node in nodes if node is not None)


class VolumeRegistration:
    """Reads the nodes when it is made, computes in any thread, and adds the outputs to the scene.

    >>> registration = VolumeRegistration(fixedNode, movingNode, outputs={"transform", "warped"})  # main thread
    >>> registration.compute(lambda: model, "centres", progress)  # any thread
    >>> nodes = registration.addToScene()  # main thread
    """

    def __init__(
        self,
        fixedNode,
        movingNode,
        segmentationNode=None,
        fixedMaskNode=None,
        movingMaskNode=None,
        outputs: set[str] = frozenset({"transform", "warped"}),
        into: RegistrationNodes | None = None,
    ) -> None:
        """Read the nodes.

        Args:
            fixedNode: volume whose grid the outputs are on.
            movingNode: volume that is deformed.
            segmentationNode: segmentation or label map volume of the moving volume, to be warped along.
            fixedMaskNode, movingMaskNode: segmentation or label map that marks the region of interest.
            outputs: names of fields of `RegistrationNodes`.
            into: nodes to overwrite; new ones are made for the others.

        Raises:
            InputError: for unusable inputs, and for outputs that are also inputs.
        """
        if fixedNode is None or movingNode is None:
            raise InputError(_("Select a fixed and a moving volume."))
        if fixedNode is movingNode:
            raise InputError(_("The fixed and the moving volume are the same: select two volumes."))
        self._nodes = fixedNode, movingNode, segmentationNode
        self._outputs, self._into = set(outputs), into or RegistrationNodes()
        check_outputs(self._into, (fixedNode, movingNode, segmentationNode, fixedMaskNode, movingMaskNode))
        self._fixed, self._moving = image_from_volume(fixedNode), image_from_volume(movingNode)
        self._masks = mask_from_node(fixedMaskNode, self._fixed), mask_from_node(movingMaskNode, self._moving)
        self._labels = self._read_labels(segmentationNode)
        self.result: RegistrationResult | None = None
        self._warped: Image | None = None
        self._jacobian: Image | None = None
        self._inverse: Image | None = None
        self._warped_labels: list[Image] = []

    def _read_labels(self, node) -> list[Image]:
        if node is None or "segmentation" not in self._outputs:
            return []
        output = self._into.segmentation
        if output is not None and output.IsA("vtkMRMLSegmentationNode") != node.IsA("vtkMRMLSegmentationNode"):
            raise InputError(
                _("'{output}' cannot hold '{input}' warped: one is a segmentation, the other a label map.").format(
                    output=output.GetName(), input=node.GetName()
                )
            )
        if node.IsA("vtkMRMLSegmentationNode"):
            return label_layers(node, self._moving)
        return [image_from_volume(node)]

    def compute(self, model: Callable[[], Registering], alignment: str, progress: Progress) -> None:
        """Register and make what the outputs hold; touches no node.

        Args:
            model: gives the model; called here, since loading takes time.
            alignment: that the model knows.
            progress: reports and cancels.
        """
        progress.report(0.0, "Loading the model")
        loaded = model()
        fixed_mask, moving_mask = self._masks
        result = loaded.register(
            self._fixed,
            self._moving,
            alignment,
            fixed_mask=fixed_mask,
            moving_mask=moving_mask,
            progress=progress.part(0.1, 0.6),
        )
        self.take(result, progress.part(0.6, 1.0))

    def take(self, result: RegistrationResult, progress: Progress) -> None:
        """Make what the outputs hold of a registration of the two images; touches no node."""
        self.result, self._warped_labels = result, []
        progress.report(0.0, "Warping")
        if "warped" in self._outputs:
            self._warped = result.warp(self._moving, progress=progress.part(0.0, 0.25))
        progress.report(0.25, "Warping the segmentation")
        for number, labels in enumerate(self._labels):
            part = progress.part(0.25 + 0.25 * number / len(self._labels), 0.5)
            self._warped_labels.append(result.warp(labels, labels=True, progress=part))
        progress.report(0.5, "Measuring the deformation")
        result.folding_percent(progress.part(0.5, 0.6))
        if "jacobian" in self._outputs:
            self._jacobian = result.jacobian(progress.part(0.6, 0.75))
        if "inverse" in self._outputs:
            self._inverse = result.invert(progress.part(0.75, 1.0))
        progress.report(1.0, "Registered")

    def checkInScene(self) -> None:
        """Raise InputError where one of the nodes was deleted."""
        if any(node is not None and node.GetScene() is None for node in self._nodes):
            raise InputError(_("A volume was deleted while it was being registered: nothing was added to the scene."))

    def addToScene(self) -> RegistrationNodes:
        """Put what was computed into the scene, beside the moving volume; on failure the scene is as it was."""
        fixedNode, movingNode, segmentationNode = self._nodes
        self.checkInScene()
        scene = fixedNode.GetScene()
        nodes = RegistrationNodes(result=self.result)
        with scene_as_it_was_on_failure(scene):
            if "transform" in self._outputs:
                nodes.transform = self._transform(
                    self.result.displacement, self._into.transform, fixedNode, movingNode, "transform"
                )
            if "inverse" in self._outputs:
                nodes.inverse = self._transform(
                    self._inverse, self._into.inverse, movingNode, fixedNode, "inverse transform"
                )
            if self._warped is not None:
                nodes.warped = self._volume(self._warped, self._into.warped)
            if self._jacobian is not None:
                nodes.jacobian = self._volume(self._jacobian, self._into.jacobian, "Jacobian")
                show_jacobian(nodes.jacobian)
            if self._warped_labels:
                nodes.segmentation = self._segmentation(segmentationNode, fixedNode)
        return nodes

    def _transform(self, displacement: Image, node, fixedNode, movingNode, what: str):
        """`fixedNode` and `movingNode` are those of this transform: exchanged for the inverse."""
        scene = fixedNode.GetScene()
        if not _is_there(node):
            name = output_name(scene, movingNode, fixedNode, what)
            node = add_displacement_transform(scene, displacement, name, fixedNode, movingNode)
            place_beside(node, self._nodes[1])
        else:
            node.SetAndObserveTransformNodeID(None)
            set_displacement(node, displacement)
            set_registration_references(node, fixedNode, movingNode)
        return node

    def _volume(self, image: Image, node, what: str = ""):
        fixedNode, movingNode, _segmentation = self._nodes
        if not _is_there(node):
            name = output_name(fixedNode.GetScene(), movingNode, fixedNode, what)
            node = add_volume(fixedNode.GetScene(), image, name, like=None if what else movingNode)
            place_beside(node, movingNode)
        else:
            update_volume(node, image)
        return node

    def _segmentation(self, source, fixedNode):
        node, scene = self._into.segmentation, fixedNode.GetScene()
        labels_only = not source.IsA("vtkMRMLSegmentationNode")
        if _is_there(node):
            if labels_only:
                update_volume(node, self._warped_labels[0])
            else:
                update_segmentation(node, self._warped_labels, like=source, reference_volume_node=fixedNode)
            return node
        name = unique_name(scene, f"{source.GetName()} warped to {fixedNode.GetName()}")
        if labels_only:
            node = add_volume(scene, self._warped_labels[0], name, labels=True, like=source)
        else:
            node = add_segmentation(scene, self._warped_labels, name, like=source, reference_volume_node=fixedNode)
        place_beside(node, source)
        return node


def _is_there(node) -> bool:
    """Whether a node to overwrite was chosen and is still in the scene."""
    return node is not None and node.GetScene() is not None
