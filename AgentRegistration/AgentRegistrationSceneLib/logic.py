"""What the module does, without any window: for the panel, the Python console, and scripts."""

from __future__ import annotations

import logging

from DeformationSceneLib.component_export import ComponentDeformation, ComponentNodes
from DeformationSceneLib.model_logic import ModelLogic
from DeformationSceneLib.volume_registration import RegistrationNodes

from .walk_choices import WalkChoices
from .walk_registration import AgentNodes, WalkRegistration

_MODEL = "hippocampus-agent"


class AgentRegistrationLogic(ModelLogic):
    """Registers volumes of the scene by an agent that walks; needs no window.

    >>> logic = AgentRegistrationLogic()
    >>> nodes = logic.registerVolumes(fixedNode, movingNode)
    >>> movingNode.SetAndObserveTransformNodeID(nodes.transform.GetID())

    >>> walking = logic.beginRegistration(fixedNode, movingNode)
    >>> walking.step()
    >>> walking.walk.best_actions()
    >>> walking.walk.take(action=3)
    >>> walking.run()
    >>> nodes = walking.finish()
    """

    # `AgentRegistrationLib.agent_model.AgentModel.kind`, named here without torch
    kinds, usualModel = ("AgentNetwork",), _MODEL

    def loadModel(self, name: str, device: str):
        """Load an `AgentRegistrationLib.agent_model.AgentModel`."""
        from AgentRegistrationLib.agent_model import AgentModel

        return AgentModel.load(name, device)

    def registerVolumes(
        self,
        fixedNode,
        movingNode,
        model: str = _MODEL,
        movingSegmentationNode=None,
        *,
        fixedMaskNode=None,
        movingMaskNode=None,
        warped: bool = True,
        inverse: bool = False,
        jacobian: bool = False,
        trajectory: bool = True,
        into: RegistrationNodes | None = None,
        alignment: str | None = None,
        steps: int | None = None,
        starts: int | None = None,
        seed: int | None = None,
        greedy: bool | None = None,
        tightness: float | None = None,
        shrinks: int | None = None,
        overlap: float | None = None,
        device: str = "auto",
        progress=None,
    ) -> AgentNodes:
        """Register two scalar volumes and put the outputs beside them; the inputs are not changed.

        Volumes are registered where they lie in the world, their parent transforms included. A moving volume without a
        parent transform aligns when it is put under the output transform; one that has a parent aligns when that parent
        is put under it.

        Args:
            fixedNode: volume whose grid the outputs are on.
            movingNode: volume that is deformed.
            model: name of an installed agent, or its folder.
            movingSegmentationNode: segmentation or label map volume of the moving volume, to be warped along.
            fixedMaskNode, movingMaskNode: segmentation or label map that marks where the structure of interest is.
            warped, inverse, jacobian, trajectory: which outputs to make besides the transform. The trajectory is a
                sequence of transforms with its browser, a table, and charts.
            into: nodes to overwrite instead of adding new ones.
            alignment: what is done first: "translation" by the intensities, "none" trusts the positions, "centres",
                "mass", "rigid", "affine"; by default as the model was trained.
            steps: of the agent, at most.
            starts: walks from different places, of which the most similar one counts.
            seed: of the random choice among the best actions; the same seed gives the same result.
            greedy: always the best action: nothing is random.
            tightness: of fuzzy action control, standard deviations; 0 for none.
            shrinks: how often an agent that goes to and fro goes on with half its step, before it stops.
            overlap: weight of the overlap of found structures beside the network's opinion; 0 for the network alone.
            device: "auto", "cpu", "cuda", ...
            progress: `DeformationLib.progress.Progress`, to report and to cancel.

        Raises:
            InputError: a sentence for the user about inputs that cannot be registered; the scene is as it was.
            Cancelled: when `progress` was cancelled; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        asked = {
            "transform": True,
            "warped": warped,
            "inverse": inverse,
            "jacobian": jacobian,
            "trajectory": trajectory,
        }
        walking = WalkRegistration(
            fixedNode,
            movingNode,
            movingSegmentationNode,
            fixedMaskNode,
            movingMaskNode,
            {"segmentation", *(name for name, wanted in asked.items() if wanted)},
            into,
        )
        progress = progress or Progress()
        choices = WalkChoices(steps, starts, seed, greedy, tightness, shrinks, overlap)
        walking.begin(lambda: self.model(model, device), alignment, choices, progress.part(0.0, 0.2))
        walking.run(progress=progress.part(0.2, 0.7))
        walking.end(progress.part(0.7, 1.0))
        return self.finishRegistration(walking)

    def beginRegistration(
        self,
        fixedNode,
        movingNode,
        model: str = _MODEL,
        movingSegmentationNode=None,
        *,
        fixedMaskNode=None,
        movingMaskNode=None,
        outputs: set[str] = frozenset({"transform", "warped", "segmentation", "trajectory"}),
        alignment: str | None = None,
        steps: int | None = None,
        starts: int | None = None,
        seed: int | None = None,
        greedy: bool | None = None,
        tightness: float | None = None,
        shrinks: int | None = None,
        overlap: float | None = None,
        device: str = "auto",
        progress=None,
    ) -> WalkRegistration:
        """Put an agent at its start, to be led step by step; nothing is added to the scene before its `finish`.

        Args:
            outputs: of `finish`: "transform", "warped", "segmentation", "inverse", "jacobian", "trajectory".
            fixedNode, movingNode, model, movingSegmentationNode, fixedMaskNode, movingMaskNode, alignment, steps, starts,
                seed, greedy, tightness, shrinks, overlap, device, progress: as in `registerVolumes`.

        Returns:
            `WalkRegistration`: its `walk` has step, take, step_back, set_theta, q_values, best_actions, similarity,
            amplitudes; `run` lets the agent go on; `finish` puts the outputs into the scene.

        Raises:
            InputError, Cancelled: as `registerVolumes`.
        """
        from DeformationLib.progress import Progress

        walking = WalkRegistration(
            fixedNode, movingNode, movingSegmentationNode, fixedMaskNode, movingMaskNode, set(outputs)
        )
        choices = WalkChoices(steps, starts, seed, greedy, tightness, shrinks, overlap)
        walking.begin(lambda: self.model(model, device), alignment, choices, progress or Progress())
        return walking

    def finishRegistration(self, walking: WalkRegistration) -> AgentNodes:
        """Put what a registration has computed into the scene and its warnings into the log."""
        nodes = walking.addToScene()
        for warning in nodes.result.warnings:
            logging.warning(warning)
        return nodes

    def explorer(self, imageNode, model: str = _MODEL, device: str = "auto"):
        """The `AgentRegistrationLib.mode_explorer.ModeExplorer` of a volume: the modes of the agent's deformation model."""
        from DeformationSceneLib.volumes import image_from_volume

        return self.model(model, device).explorer(image_from_volume(imageNode))

    def deformVolume(
        self,
        imageNode,
        mode: int = 0,
        amplitude: float = 0.0,
        segmentationNode=None,
        *,
        explorer=None,
        model: str = _MODEL,
        warped: bool = False,
        display: str | None = "arrows",
    ) -> ComponentNodes:
        """Deform a volume and its labels along one mode of the deformation model.

        Args:
            imageNode: scalar volume.
            mode: counted from 0.
            amplitude: in voxels of control-point displacement; `explorer.standard_deviations` tells the population's spread.
            segmentationNode: segmentation or label map volume of the image, to be deformed along.
            explorer: from an earlier call of `explorer` for the same volume.
            model: name or folder, when no explorer is given.
            warped: whether to add the deformed image.
            display: "arrows", "grid", "contours" or None: how slice views show the transform.

        Raises:
            InputError: for unusable inputs and modes that the model does not have; the scene is as it was.
        """
        from DeformationLib.progress import Progress

        explorer = explorer or self.explorer(imageNode, model)
        amplitudes = explorer.amplitudes_of(mode, amplitude)
        deformation = ComponentDeformation(imageNode, segmentationNode, explorer, amplitudes, warped)
        deformation.compute(Progress())
        return deformation.addToScene(display)
