"""The deformation of one subject in the image of another, with what it does to a structure's volume before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib import metrics
from DeformationLib.errors import InputError
from DeformationLib.image import Image, check_same_grid
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels
from DeformationSceneLib.placement import place_beside, scene_as_it_was_on_failure, unique_name
from DeformationSceneLib.structure_parts import Part, add_layers, find_part, mask_of, read_layers
from DeformationSceneLib.tables import Column, add_table
from DeformationSceneLib.transforms import add_displacement_transform, show_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume

from .probabilistic import check_in_scene, check_same_dimension

if TYPE_CHECKING:
    from DeformationLib.pair_view import PairView
    from DeformationLib.preprocessing import NetworkInput
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel
    from LatentRegistrationLib.transport import TransportRow


@dataclass
class TransportNodes:
    """Nodes of a transported deformation; those for which an input was missing are None.

    Attributes:
        transform: grid transform of the displacement in the target; the target is its moving node.
        warped: the deformed target.
        segmentation: the target's deformed segmentation or label map.
        table: change of volume of the source, of the target, and of the target under the unchanged displacement.
        row: the numbers of the table.
        warnings: sentences for the user.
    """

    transform: object = None
    warped: object = None
    segmentation: object = None
    table: object = None
    row: TransportRow | None = None
    warnings: list[str] = field(default_factory=list)


class MotionTransport:
    """Encodes the source's pair and decodes the code with the target's image.

    >>> transport = MotionTransport(endSystoleNode, endDiastoleNode, targetNode)  # main thread
    >>> transport.compute(lambda: model, "none", progress)  # any thread
    >>> nodes = transport.addToScene()  # main thread
    """

    def __init__(
        self,
        sourceFixedNode,
        sourceMovingNode,
        targetNode,
        sourceSegmentationNode=None,
        targetSegmentationNode=None,
        label: Part = None,
    ) -> None:
        """Read the nodes.

        Args:
            sourceFixedNode, sourceMovingNode: the source's pair; of a heart the end-systolic and the end-diastolic image.
            targetNode: the other subject's image, in the state of the source's moving one (end-diastole).
            sourceSegmentationNode: segmentation or label map volume of the source's moving image.
            targetSegmentationNode: the same of the target.
            label: whose change of volume is measured: a segment's name, a label's number, or None for all together.

        Raises:
            InputError: for unusable nodes, slices together with volumes, and a label that one of them does not have.
        """
        if sourceFixedNode is None or sourceMovingNode is None or targetNode is None:
            raise InputError(_("Select the two volumes of the source, and a target."))
        if sourceFixedNode is sourceMovingNode:
            raise InputError(_("The source's fixed and moving volume are the same: select two volumes."))
        self._sourceNode, self._targetNode, self._structureNode = sourceMovingNode, targetNode, targetSegmentationNode
        self._nodes = (sourceFixedNode, sourceMovingNode, targetNode, sourceSegmentationNode, targetSegmentationNode)
        self._fixed, self._moving, self._target = map(image_from_volume, self._nodes[:3])
        check_same_dimension(
            {
                node.GetName(): image
                for node, image in zip(self._nodes, (self._fixed, self._moving, self._target), strict=False)
            }
        )
        self._label = label
        source_layers = read_layers(sourceSegmentationNode, self._moving)
        self._source_mask = mask_of(source_layers)
        self._source_part = _part(sourceSegmentationNode, source_layers, self._moving, sourceMovingNode, label)
        self._layers = read_layers(targetSegmentationNode, self._target)
        self._target_part = _part(targetSegmentationNode, self._layers, self._target, targetNode, label)
        self._displacement: Image | None = None
        self._warped: Image | None = None
        self._deformed: list[Image] = []
        self._row: TransportRow | None = None
        self._warnings: list[str] = []

    def compute(self, model: Callable[[], ProbabilisticModel], alignment: str, progress: Progress) -> None:
        """Encode, decode and measure; touches no node.

        Args:
            model: gives the model; called here, since loading takes time.
            alignment: of the source's pair; "none" trusts the positions, as frames of one series can.
            progress: reports and cancels.
        """
        progress.report(0.0, "Loading the model")
        loaded = model()
        progress.report(0.2, "Encoding the source")
        view = self._look(loaded, alignment, progress.part(0.2, 0.4))
        code = loaded.encode_view(view).mean
        progress.report(0.4, "Deforming the target")
        self._displacement = loaded.displacement(code, self._see_target(loaded), self._target)
        self._warnings = [*view.alignment.warnings, *self._warnings]
        self._warped = warp_image(self._target, self._displacement, progress=progress.part(0.6, 0.7))
        self._deformed = [warp_labels(layer, self._displacement) for layer in self._layers]
        progress.report(0.8, "Measuring the deformation")
        if self._source_part or self._target_part:
            self._row = self._measured(loaded.displacement_of_view(code, view))
        progress.report(1.0)

    def _look(self, model: ProbabilisticModel, alignment: str, progress: Progress) -> PairView:
        """The source as the model sees it: in images larger than that, around the structure."""
        from DeformationLib.field_of_view import reaches_beyond

        masks = {}
        if self._source_mask is not None and reaches_beyond(self._moving.geometry, model.see(self._moving).geometry):
            masks["moving_mask"] = self._source_mask
        return model.look(self._fixed, self._moving, alignment, **masks, progress=progress)

    def _see_target(self, model: ProbabilisticModel) -> NetworkInput:
        """The same of the target; keeps warnings for the user where it has no structure to look at."""
        from DeformationLib.field_of_view import reaches_beyond
        from DeformationLib.masks import mask_box, mask_on_grid
        from DeformationLib.pair_view import extent_warnings

        seen, mask = model.see(self._target, "The target"), mask_of(self._layers)
        if mask is None:
            self._warnings = extent_warnings(model.grid, self._target, seen, "target", model.name)
        elif reaches_beyond(self._target.geometry, seen.geometry):
            box = mask_box(mask_on_grid(mask, self._target, "The structure"))
            seen = model.see(self._target, "The target", model.grid.around(box))
        return seen

    def _measured(self, own: Image) -> TransportRow:
        """Percent of volume lost; `own` is the source's own displacement, on its fixed image's grid."""
        from LatentRegistrationLib.transport import TransportRow, ejection_fraction_of, unchanged

        before = after = as_is = float("nan")
        if self._source_part:
            before = _lost(own, *self._source_part)
        if self._target_part:
            after = ejection_fraction_of(self._displacement, *self._target_part)
            as_is = ejection_fraction_of(unchanged(own, self._target), *self._target_part)
        return TransportRow(self._sourceNode.GetName(), "", self._targetNode.GetName(), before, after, as_is)

    def addToScene(self, display: str | None = "arrows") -> TransportNodes:
        """Put the nodes beside the target; on failure the scene is as it was.

        `display`: "arrows", "grid", "contours" or None: how slice views draw the transform.
        """
        check_in_scene(*self._nodes)
        scene, target = self._targetNode.GetScene(), self._targetNode
        nodes = TransportNodes(row=self._row, warnings=self._warnings)
        source = self._sourceNode.GetName()
        with scene_as_it_was_on_failure(scene):
            name = unique_name(scene, _("{source} in {target}").format(source=source, target=target.GetName()))
            nodes.transform = add_displacement_transform(scene, self._displacement, name, target, target)
            place_beside(nodes.transform, target)
            name = unique_name(scene, _("{node} deformed as {source}").format(node=target.GetName(), source=source))
            nodes.warped = add_volume(scene, self._warped, name, like=target)
            place_beside(nodes.warped, target)
            if self._deformed:
                structure = self._structureNode
                name = _("{node} deformed as {source}").format(node=structure.GetName(), source=source)
                nodes.segmentation = add_layers(structure, self._deformed, unique_name(scene, name), target)
                place_beside(nodes.segmentation, structure)
            if self._row is not None:
                nodes.table = self._table(scene)
                place_beside(nodes.table, target)
            show_transform(nodes.transform, display)
        return nodes

    def _table(self, scene):
        row, part = self._row, _("all") if self._label is None else str(self._label)
        name = _("{source} in {target}: change of volume").format(source=row.source, target=row.target)
        return add_table(
            scene,
            unique_name(scene, name),
            {
                "source": Column([row.source]),
                "target": Column([row.target]),
                "structure": Column([part]),
                "before": Column([row.before], "%", _("Volume lost by the source (ejection fraction)")),
                "after": Column([row.after], "%", _("Volume lost by the target (ejection fraction)")),
                "unchanged": Column(
                    [row.unchanged], "%", _("Volume lost by the target under the source's displacement as it is")
                ),
            },
        )


def _part(node, layers: list[Image], image: Image, imageNode, label: Part) -> tuple[Image, int] | None:
    if node is None:
        return None
    labels, value = find_part(node, layers, label)
    check_same_grid(labels, image, f"'{node.GetName()}'", f"'{imageNode.GetName()}'")
    return labels, value


def _lost(displacement: Image, labels: Image, label: int) -> float:
    """Percent of a label's volume that is lost, also where the displacement lies on another grid than the labels."""
    volumes = [
        metrics.label_volumes(np.asarray(part.array), part.spacing_kji, [label])[label]
        for part in (labels, warp_labels(labels, displacement))
    ]
    return metrics.ejection_fraction(*volumes)
