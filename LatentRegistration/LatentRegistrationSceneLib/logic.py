"""What the module does, without any window: for the panel, the Python console, and scripts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .component_export import ComponentDeformation, ComponentNodes
from .volume_registration import RegistrationNodes, VolumeRegistration


class LatentRegistrationLogic(ScriptedLoadableModuleLogic):
    """Registers volumes of the scene and explores components of deformation; needs no window.

    >>> logic = LatentRegistrationLogic()
    >>> nodes = logic.registerVolumes(fixedNode, movingNode, model="hippocampus")
    >>> movingNode.SetAndObserveTransformNodeID(nodes.transform.GetID())
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        self._models: dict[tuple[str, str], object] = {}
        # The panel loads models in threads of their own.
        self._loading = threading.Lock()

    def modelNames(self) -> list[str]:
        """Names of the installed models."""
        from DeformationLib.catalogue import catalogue

        return list(catalogue())

    def modelCard(self, name: str) -> dict:
        """The card of a model: its purpose, training data, licence, measured accuracy. Raises InputError."""
        from DeformationLib.catalogue import find_bundle, read_card

        return read_card(find_bundle(name))

    def model(self, name: str = "hippocampus", device: str = "auto"):
        """A loaded model (`LatentRegistrationLib.models.load_model`), by name or folder; kept for the next call."""
        from DeformationSceneLib.installation import preload_torch

        preload_torch()
        from LatentRegistrationLib.models import load_model

        key = (str(name), device)
        with self._loading:
            if key not in self._models:
                self._models[key] = load_model(name, device)
            return self._models[key]

    def forgetModels(self) -> None:
        """Load models from their folders again: after one was installed, replaced or removed."""
        with self._loading:
            self._models.clear()

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
