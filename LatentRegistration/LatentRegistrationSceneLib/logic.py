"""What the module does, without any window: for the panel, the Python console, and scripts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from DeformationSceneLib.component_export import ComponentDeformation, ComponentNodes
from DeformationSceneLib.model_logic import ModelLogic
from DeformationSceneLib.volume_registration import RegistrationNodes, VolumeRegistration

from .motion_transport import MotionTransport, TransportNodes
from .probabilistic import check_probabilistic, is_probabilistic
from .simulation import DeformationSimulation, SimulationNodes
from .uncertainty_volume import UncertaintyVolume


class LatentRegistrationLogic(ModelLogic):
    """Registers volumes of the scene and explores components of deformation; needs no window.

    >>> logic = LatentRegistrationLogic()
    >>> nodes = logic.registerVolumes(fixedNode, movingNode, model="hippocampus")
    >>> movingNode.SetAndObserveTransformNodeID(nodes.transform.GetID())
    """

    # `LatentRegistrationLib.models.KINDS`, named here without torch
    kinds, usualModel = ("GradientNetwork", "VelocityNetwork"), "hippocampus"

    def loadModel(self, name: str, device: str):
        """Load a model of either kind (`LatentRegistrationLib.models.load_model`)."""
        from LatentRegistrationLib.models import load_model

        return load_model(name, device)

    def registerVolumes(
        self,
        fixedNode,
        movingNode,
        model: str = "hippocampus",
        movingSegmentationNode=None,
        *,
        fixedMaskNode=None,
        movingMaskNode=None,
        warped: bool = True,
        inverse: bool = False,
        jacobian: bool = False,
        into: RegistrationNodes | None = None,
        alignment: str = "centres",
        device: str = "auto",
        progress=None,
    ) -> RegistrationNodes:
        """Register two scalar volumes and put the outputs beside them; the inputs are not changed.

        Volumes are registered where they lie in the world, their parent transforms included. A moving volume without a
        parent transform aligns when it is put under the output transform; one that has a parent aligns when that parent
        is put under it.

        Args:
            fixedNode: volume whose grid the outputs are on.
            movingNode: volume that is deformed.
            model: name of an installed model, or a model's folder.
            movingSegmentationNode: segmentation or label map volume of the moving volume, to be warped along.
            fixedMaskNode, movingMaskNode: segmentation or label map that marks where the structure of interest is, for
                images that are larger than what the model sees.
            warped, inverse, jacobian: which outputs to make besides the transform.
            into: nodes to overwrite instead of adding new ones.
            alignment: what is done first. "centres" puts the volumes' centres on each other, "mass" their centres of
                mass; "rigid" and "affine" register the intensities; "none" trusts the positions.
            device: "auto", "cpu", "cuda", ...
            progress: `DeformationLib.progress.Progress`, to report and to cancel.

        Raises:
            InputError: a sentence for the user about inputs that cannot be registered; the scene is as it was.
            Cancelled: when `progress` was cancelled; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        asked = {"transform": True, "warped": warped, "inverse": inverse, "jacobian": jacobian, "segmentation": True}
        registration = VolumeRegistration(
            fixedNode,
            movingNode,
            movingSegmentationNode,
            fixedMaskNode,
            movingMaskNode,
            {name for name, wanted in asked.items() if wanted},
            into,
        )
        registration.compute(lambda: self.model(model, device), alignment, progress or Progress())
        return self.finishRegistration(registration)

    def finishRegistration(self, registration: VolumeRegistration) -> RegistrationNodes:
        """Put a computed registration into the scene and its warnings into the log."""
        nodes = registration.addToScene()
        for warning in nodes.result.warnings:
            logging.warning(warning)
        return nodes

    def isProbabilistic(self, name: str) -> bool:
        """Whether an installed model has a distribution of codes to sample from. Raises InputError where there is none."""
        return is_probabilistic(self.modelCard(name))

    def simulateDeformations(
        self,
        imageNode,
        count: int = 5,
        model: str = "cardiac-short-axis",
        seed: int = 0,
        segmentationNode=None,
        *,
        source: str = "prior",
        warped: bool = False,
        display: str | None = None,
        device: str = "auto",
        progress=None,
    ) -> SimulationNodes:
        """Deform a volume at random, as a probabilistic model does; the same seed gives the same deformations.

        Args:
            imageNode: scalar volume.
            count, seed: of the samples.
            model: name or folder of a probabilistic model.
            segmentationNode: segmentation or label map volume of the image, to be deformed along.
            source: of the codes: "prior", N(0, I), or "population", with the spread of the training codes.
            warped: whether to add the deformed images.
            display: "arrows", "grid", "contours" or None: how slice views show the first of the transforms.
            device, progress: as in `registerVolumes`.

        Raises:
            InputError, Cancelled: as `registerVolumes`; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        check_probabilistic(self.modelCard(model))
        simulation = DeformationSimulation(imageNode, count, seed, segmentationNode, source, warped)
        simulation.compute(lambda: self.model(model, device), progress or Progress())
        return self._logged(simulation.addToScene(display))

    def transportDeformation(
        self,
        sourceFixedNode,
        sourceMovingNode,
        targetNode,
        model: str = "cardiac-short-axis",
        sourceSegmentationNode=None,
        targetSegmentationNode=None,
        label: str | int | None = None,
        *,
        alignment: str = "none",
        display: str | None = "arrows",
        device: str = "auto",
        progress=None,
    ) -> TransportNodes:
        """Deform a volume as another subject is deformed, and measure what that does to a structure's volume.

        Args:
            sourceFixedNode, sourceMovingNode: the other subject's pair; of a heart the end-systolic and the
                end-diastolic image.
            targetNode: the volume, in the state of the source's moving one (end-diastole).
            model: name or folder of a probabilistic model.
            sourceSegmentationNode, targetSegmentationNode: structures of the moving and the target volume.
            label: what is measured: a segment's name, a label's number, or None for the whole structure.
            alignment: of the source's pair, as in `registerVolumes`; "none" suits frames of one series.
            display: "arrows", "grid", "contours" or None: how slice views show the transform.
            device, progress: as in `registerVolumes`.

        Raises:
            InputError, Cancelled: as `registerVolumes`; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        check_probabilistic(self.modelCard(model))
        transport = MotionTransport(
            sourceFixedNode, sourceMovingNode, targetNode, sourceSegmentationNode, targetSegmentationNode, label
        )
        transport.compute(lambda: self.model(model, device), alignment, progress or Progress())
        return self._logged(transport.addToScene(display))

    def uncertaintyVolume(
        self,
        fixedNode,
        movingNode,
        model: str = "cardiac-short-axis",
        samples: int = 20,
        seed: int = 0,
        *,
        fixedMaskNode=None,
        movingMaskNode=None,
        alignment: str = "centres",
        show: bool = True,
        device: str = "auto",
        progress=None,
    ):
        """A volume on the fixed one's grid of how far sampled deformations lie apart, in mm; returns its node.

        Args:
            fixedNode, movingNode, fixedMaskNode, movingMaskNode, alignment, device, progress: as in `registerVolumes`.
            model: name or folder of a probabilistic model.
            samples, seed: of the encoder's distribution; the same seed gives the same volume.
            show: whether slice views show it over the fixed volume.

        Raises:
            InputError, Cancelled: as `registerVolumes`; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        check_probabilistic(self.modelCard(model))
        volume = UncertaintyVolume(fixedNode, movingNode, samples, seed, fixedMaskNode, movingMaskNode)
        volume.compute(lambda: self.model(model, device), alignment, progress or Progress())
        return volume.addToScene(show)

    @staticmethod
    def _logged(nodes):
        """Nodes, once their warnings are in the log."""
        for warning in nodes.warnings:
            logging.warning(warning)
        return nodes

    def explorer(self, imageNode, model: str = "hippocampus", device: str = "auto"):
        """The `LatentRegistrationLib.explorer.Explorer` of a volume: its components, their spread, its coefficients."""
        from DeformationSceneLib.volumes import image_from_volume

        return self.model(model, device).explorer(image_from_volume(imageNode))

    def decomposeVolume(
        self,
        imageNode,
        component: int = 0,
        amplitude: float = 0.0,
        segmentationNode=None,
        *,
        amplitudes: Sequence[float] | None = None,
        explorer=None,
        model: str = "hippocampus",
        warped: bool = False,
        display: str | None = "arrows",
    ) -> ComponentNodes:
        """Deform a volume and its labels along one component of the model's latent space, or several.

        Args:
            imageNode: scalar volume.
            component: counted from 0.
            amplitude: in units of the code; `explorer.standard_deviations` tells the spread of the population.
            segmentationNode: segmentation or label map volume of the image, to be deformed along.
            amplitudes: of the first components together, instead of `component` and `amplitude`.
            explorer: from an earlier call of `explorer` for the same volume, which saves encoding it again.
            model: name or folder, when no explorer is given.
            warped: whether to add the deformed image.
            display: "arrows", "grid", "contours" or None: how slice views show the transform.

        Raises:
            InputError: for unusable inputs and components that the model does not have; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        explorer = explorer or self.explorer(imageNode, model)
        if amplitudes is None:
            amplitudes = explorer.amplitudes_of(component, amplitude)
        deformation = ComponentDeformation(imageNode, segmentationNode, explorer, amplitudes, warped)
        deformation.compute(Progress())
        return deformation.addToScene(display)

    def deformationGrid(
        self,
        imageNode,
        model: str = "cardiac-short-axis",
        first: int = 0,
        second: int = 1,
        segmentationNode=None,
        *,
        deviations: float = 2.0,
        steps: int = 5,
        explorer=None,
        show: bool = True,
        device: str = "auto",
        progress=None,
    ):
        """A volume of one slice: the image's middle slice deformed by two components, from low to high; returns its node.

        Args:
            imageNode: scalar volume.
            model: name or folder, of either kind.
            first, second: components from left to right and upwards, counted from 0.
            segmentationNode: segmentation or label map that the tiles show, with a border.
            deviations: ends of both axes, in standard deviations of the training population.
            steps: tiles along each axis.
            explorer: from an earlier call of `explorer` for the same volume.
            show: whether the red slice view shows the volume.

        Raises:
            InputError, Cancelled: as `registerVolumes`; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        from .deformation_grid import DeformationGrid, show_grid

        explorer = explorer or self.explorer(imageNode, model, device)
        grid = DeformationGrid(imageNode, explorer, first, second, segmentationNode, deviations, steps)
        grid.compute(progress or Progress())
        node = grid.addToScene()
        if show:
            show_grid(node)
        return node

    def encodeCases(
        self,
        pairs: Sequence[tuple],
        model: str = "cardiac-short-axis",
        groups: Sequence[str] | None = None,
        *,
        into=None,
        device: str = "auto",
        progress=None,
    ):
        """A table node of the codes of many pairs of volumes, one row for each case.

        Args:
            pairs: name, fixed and moving volume node of each case (for the heart: end-systole, end-diastole).
            model: name or folder of a probabilistic model.
            groups: of the cases; a column of the table.
            into: table node to overwrite.

        Raises:
            InputError: for unusable volumes, names that occur twice, and a model of another kind.
        """
        from DeformationLib.progress import Progress

        from .case_codes import CaseEncoding

        encoding = CaseEncoding(pairs, groups, into)
        encoding.compute(lambda: self.model(model, device), progress or Progress())
        return encoding.addToScene()

    def loadCodes(self, path):
        """A table node of the codes.csv that the command ``encode`` has written."""
        from .case_codes import load_codes

        return load_codes(path)

    def codesFromTable(self, tableNode, groupColumn: str = ""):
        """The `LatentRegistrationLib.latent_cases.CodeTable` in a table node, with groups from one of its columns."""
        from .case_codes import codes_from_table

        return codes_from_table(tableNode, groupColumn)

    def latentMap(
        self,
        tableNode,
        groupColumn: str = "",
        kind: str = "principal",
        model: str = "cardiac-short-axis",
        *,
        device: str = "auto",
        progress=None,
    ):
        """The plane in which cases lie, as a plot chart, and how well their groups are told apart, as a table.

        Args:
            tableNode: of codes, see `encodeCases`.
            groupColumn: whose texts are the groups; none for empty ones.
            kind: "principal" or "canonical", see `latent_map_nodes.LatentMapping`.
            model: name or folder of the model that has encoded the cases.

        Returns:
            `latent_map_nodes.LatentMapNodes`; the nodes are the same ones at every call.

        Raises:
            InputError: for codes of another model, and groups that cannot be compared.
        """
        from DeformationLib.progress import Progress

        from .latent_map_nodes import LatentMapping

        mapping = LatentMapping(tableNode, groupColumn, kind)
        mapping.compute(lambda: self.model(model, device), progress or Progress())
        return mapping.addToScene()

    def nearestCases(self, tableNode, name: str, count: int = 5) -> list[tuple[str, float]]:
        """Names of the cases most like a case in latent space, and their distances, nearest first."""
        return self.codesFromTable(tableNode).nearest(name, count)
