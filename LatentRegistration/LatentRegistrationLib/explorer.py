"""Elementary transformations of one image: what each component of the latent space does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from DeformationLib.field_of_view import ended_soon, reaches_beyond
from DeformationLib.image import Image
from DeformationLib.masks import mask_box, mask_on_grid

from .model_components import ModelComponents
from .suitability import suitability_warnings

if TYPE_CHECKING:
    from .model import RegistrationModel


class Explorer(ModelComponents):
    """Deformations ``phi = D(sum_j lambda_j u_j)`` of an image along the components of a model's codes.

    Amplitudes ``lambda`` are in units of the code; ``standard_deviations`` says how far the training population spreads
    along each component, so that an amplitude of two standard deviations is as strong as it is plausible.

    >>> explorer = RegistrationModel.load("hippocampus").explorer(image)
    >>> displacement = explorer.displacement(component=0, amplitude=2 * explorer.standard_deviations[0])
    >>> deformed = warp_labels(labels, displacement)
    """

    def __init__(self, model: RegistrationModel, image: Image, structure: Image | None = None) -> None:
        """Encode an image.

        Args:
            model: one with a decomposition.
            image: any geometry.
            structure: mask of what is to be deformed, on any grid, every value but 0. In an image that is larger than
                what the model sees, the model looks there instead of at the centre.

        Raises:
            InputError: for a model without decomposition, an unusable image, and a mask that is empty or outside it.
        """
        super().__init__(model)
        self.image = image
        self._seen, box = model.prepare(image), None
        if structure is not None and reaches_beyond(image.geometry, self._seen.geometry):
            box = mask_box(mask_on_grid(structure, image, "The structure"))
            self._seen = model.prepare(image, geometry=model.grid.around(box))
        code = model.encode(self._seen)
        self.coefficients: np.ndarray = self._decomposition.project(code)[0]
        """Coefficients of the image itself, ``(K,)``."""
        self.warnings: list[str] = suitability_warnings(model, image, code, "explored", box)
        """Sentences for the user where the image is unlike those that the model was trained on."""

    def displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Image:
        """Displacement of one component, or of several at once, on the image's grid.

        Args:
            component: which, counted from 0.
            amplitude: lambda, in units of the code; zero gives the identity.
            amplitudes: lambda of the first components together, instead of the two above.

        Returns:
            ``(k, j, i, 3)`` components x, y, z in LPS mm, pull-back, for `DeformationLib.registration.warp_image`.

        Raises:
            InputError: for a component that the model does not have.
        """
        field = self.network_displacement(component, amplitude, amplitudes)
        return self._model.physical(field, self._seen, self._seen, self.image)

    def live_displacement(self, deviations: Sequence[float]) -> Image:
        """Displacement of the first components together, on the model's own grid instead of the image's.

        It says the same as `displacement` where the model sees the image, at a cost that does not depend on the image:
        for a picture that follows a slider. In a larger image it ends within a narrow margin. Safe in any thread.

        Args:
            deviations: amplitudes in standard deviations of the training population; missing ones are zero.

        Returns:
            ``(k, j, i, 3)`` components x, y, z in LPS mm, pull-back.

        Raises:
            InputError: for more amplitudes than the model has components.
        """
        field = self.network_displacement(amplitudes=self.amplitudes(deviations))
        grid = self._seen.geometry
        if reaches_beyond(self.image.geometry, grid):
            field, grid = ended_soon(field, grid, self._model.grid.dimension)
        return self._model.physical(field, self._seen, self._seen, replace(self._seen, geometry=grid))

    @torch.inference_mode()
    def network_displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Tensor:
        """The same on the network's grid, ``(1, D, *grid)`` in voxels."""
        if amplitudes is None:
            amplitudes = self.amplitudes_of(component, amplitude)
        difference = self._decomposition.direction(amplitudes).to(self._model.device)
        return self._model.decode((difference,))
