"""Deformations of a volume that a probabilistic model draws at random, as transforms of the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels
from DeformationSceneLib.placement import place_beside, scene_as_it_was_on_failure, unique_name
from DeformationSceneLib.structure_parts import add_layers, mask_of, read_layers
from DeformationSceneLib.transforms import add_displacement_transform, show_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume

from .probabilistic import check_in_scene

if TYPE_CHECKING:
    from LatentRegistrationLib.probabilistic_model import ProbabilisticModel

CodeSource = Literal["prior", "population"]


@dataclass
class SimulationNodes:
    """Nodes of simulated deformations, one each for every sample; lists of what was not asked for are empty.

    Attributes:
        transforms: grid transforms of the displacements.
        warped: the deformed images.
        segmentations: the deformed segmentations or label maps.
        codes: the samples, ``(count, latent)``.
        warnings: sentences for the user.
    """

    transforms: list = field(default_factory=list)
    warped: list = field(default_factory=list)
    segmentations: list = field(default_factory=list)
    codes: np.ndarray | None = None
    warnings: list[str] = field(default_factory=list)


class DeformationSimulation:
    """Draws codes and deforms a volume by each.

    >>> simulation = DeformationSimulation(imageNode, count=5, seed=0)  # main thread
    >>> simulation.compute(lambda: model, progress)  # any thread
    >>> nodes = simulation.addToScene()  # main thread
    """

    def __init__(
        self,
        imageNode,
        count: int,
        seed: int = 0,
        segmentationNode=None,
        source: CodeSource = "prior",
        warped: bool = False,
    ) -> None:
        """Read the nodes.

        Args:
            imageNode: scalar volume.
            count: number of samples, at least one.
            seed: of the draws; the first samples are the same for every count.
            segmentationNode: segmentation or label map volume of the image, to be deformed along.
            source: "prior" is N(0, I); "population" a normal distribution like that of the training codes.
            warped: whether to deform the image as well.

        Raises:
            InputError: for unusable nodes and numbers.
        """
        if count < 1:
            raise InputError(_("Ask for at least one sample, not {count}.").format(count=count))
        if seed < 0:
            raise InputError(_("The seed {seed} is negative: choose 0 or a positive number.").format(seed=seed))
        if source not in ("prior", "population"):
            raise InputError(
                _("Samples come from the 'prior' or the 'population', not from '{source}'.").format(source=source)
            )
        self._imageNode, self._structureNode = imageNode, segmentationNode
        self._count, self._seed, self._source, self._warped = count, seed, source, warped
        self._image = image_from_volume(imageNode)
        self._layers = read_layers(segmentationNode, self._image)
        self._displacements: list[Image] = []
        self._images: list[Image] = []
        self._deformed: list[list[Image]] = []
        self._codes: np.ndarray | None = None
        self._warnings: list[str] = []

    def compute(self, model: Callable[[], ProbabilisticModel], progress: Progress) -> None:
        """Draw and deform; touches no node. `model` gives the model; called here, since loading takes time."""
        progress.report(0.0, "Loading the model")
        loaded = model()
        self._codes = self._drawn(loaded)
        displacement = self._decoder(loaded)
        for number, code in enumerate(self._codes):
            part = progress.part(0.2 + 0.8 * number / self._count, 0.2 + 0.8 * (number + 1) / self._count)
            part.report(0.0, f"Sample {number + 1} of {self._count}")
            self._displacements.append(displacement(code))
            if self._warped:
                self._images.append(warp_image(self._image, self._displacements[-1], progress=part.part(0.4, 0.7)))
            self._deformed.append(
                [warp_labels(layer, self._displacements[-1], part.part(0.7, 1.0)) for layer in self._layers]
            )
        progress.report(1.0)

    def _drawn(self, model: ProbabilisticModel) -> np.ndarray:
        from LatentRegistrationLib.latent_cases import population_codes, prior_codes

        generator = np.random.default_rng(self._seed)
        if self._source == "prior":
            return prior_codes(model.latent, self._count, generator)
        if model.decomposition is None:
            raise InputError(
                _("The model '{name}' does not know the spread of its training codes: draw from the prior.").format(
                    name=model.name
                )
            )
        return population_codes(model.decomposition, self._count, generator)

    def _decoder(self, model: ProbabilisticModel) -> Callable[[np.ndarray], Image]:
        """From codes to displacements on the image's grid; in a large image the model looks at the structure."""
        if model.decomposition is None:
            return lambda code: model.displacement(code, self._image)
        explorer = model.explorer(self._image, mask_of(self._layers))
        self._warnings = list(explorer.warnings)
        return explorer.displacement_of_code

    def addToScene(self, display: str | None = None) -> SimulationNodes:
        """Put the nodes beside the image; on failure the scene is as it was.

        `display`: "arrows", "grid", "contours" or None: how slice views draw the first of the transforms.
        """
        check_in_scene(self._imageNode, self._structureNode)
        nodes = SimulationNodes(codes=self._codes, warnings=self._warnings)
        with scene_as_it_was_on_failure(self._imageNode.GetScene()):
            for number in range(self._count):
                self._add(nodes, number)
            show_transform(nodes.transforms[0], display)
        return nodes

    def _add(self, nodes: SimulationNodes, number: int) -> None:
        imageNode, structureNode = self._imageNode, self._structureNode
        scene = imageNode.GetScene()
        what = _("simulated {number}").format(number=number + 1)
        name = unique_name(scene, f"{imageNode.GetName()} {what}")
        transform = add_displacement_transform(scene, self._displacements[number], name, imageNode, imageNode)
        origin = _("prior") if self._source == "prior" else _("training population")
        transform.SetDescription(
            _("Sample {number} of the {origin}, seed {seed}").format(number=number + 1, origin=origin, seed=self._seed)
        )
        place_beside(transform, imageNode)
        nodes.transforms.append(transform)
        if self._images:
            name = unique_name(scene, _("{image} deformed, {what}").format(image=imageNode.GetName(), what=what))
            nodes.warped.append(add_volume(scene, self._images[number], name, like=imageNode))
            place_beside(nodes.warped[-1], imageNode)
        if self._layers:
            name = unique_name(scene, f"{structureNode.GetName()} {what}")
            nodes.segmentations.append(add_layers(structureNode, self._deformed[number], name, imageNode))
            place_beside(nodes.segmentations[-1], structureNode)
