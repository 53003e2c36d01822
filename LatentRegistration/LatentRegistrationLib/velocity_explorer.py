"""Deformations of one image by codes of a probabilistic model: along components, at points of a map, drawn from the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from DeformationLib.field_of_view import reaches_beyond
from DeformationLib.image import Image
from DeformationLib.masks import mask_box, mask_on_grid
from DeformationLib.network_field import network_field_to_physical
from DeformationLib.pair_view import extent_warnings

from .model_components import ModelComponents

if TYPE_CHECKING:
    from .probabilistic_model import ProbabilisticModel


class VelocityExplorer(ModelComponents):
    """Deformations ``exp(v(z, M))`` of an image M, of codes ``z = mean + sum_j lambda_j u_j`` along a model's components.

    It has the face of `Explorer`, so that what shows the components of one kind of model shows the other's too.  Two things
    differ: amplitudes of zero give the population's mean deformation (for the heart, its contraction), not the identity;
    and the code is that of a pair, so that an image alone has no coefficients of its own, unless a code is given.

    >>> explorer = ProbabilisticModel.load("cardiac-short-axis").explorer(end_diastole)
    >>> displacement = explorer.displacement(component=0, amplitude=2 * explorer.standard_deviations[0])
    >>> beating_as_another = explorer.displacement_of_code(another_code.mean)
    """

    def __init__(
        self, model: ProbabilisticModel, image: Image, structure: Image | None = None, code: np.ndarray | None = None
    ) -> None:
        """Look at an image.

        Args:
            model: one with components.
            image: any geometry.
            structure: mask of what is to be deformed, on any grid.  In an image that is larger than what the model sees,
                the model looks there instead of at the centre.
            code: of the pair that the image belongs to.

        Raises:
            InputError: for a model without components, an unusable image, and a mask that is empty or outside it.
        """
        super().__init__(model)
        self.image = image
        self._seen = model.see(image)
        if structure is not None and reaches_beyond(image.geometry, self._seen.geometry):
            box = mask_box(mask_on_grid(structure, image, "The structure"))
            self._seen = model.see(image, geometry=model.grid.around(box))
        self.coefficients: np.ndarray = np.zeros(self.count) if code is None else self.coefficients_of(code)
        """Coefficients of the code that was given, ``(K,)``; zeros without one."""
        self.warnings: list[str] = []
        """Sentences for the user where the image is unlike those that the model was trained on."""
        if structure is None:
            self.warnings = extent_warnings(model.grid, image, self._seen, "explored", model.name)

    def coefficients_of(self, code: np.ndarray) -> np.ndarray:
        """Coefficients ``(K,)`` of a code ``(latent,)``."""
        return self._decomposition.project(torch.from_numpy(np.atleast_2d(np.asarray(code, dtype=np.float64))))[0]

    def code(self, amplitudes: Sequence[float]) -> np.ndarray:
        """The code ``(latent,)`` of amplitudes of the first components, in units of the code."""
        amplitudes = np.asarray(amplitudes, dtype=np.float64)
        self._check_number(amplitudes)
        return self._decomposition.mean + amplitudes @ self._decomposition.components[: len(amplitudes)]

    def displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Image:
        """Displacement of one component, or of several at once, on the image's grid; see `Explorer.displacement`."""
        if amplitudes is None:
            amplitudes = self.amplitudes_of(component, amplitude)
        return self.displacement_of_code(self.code(amplitudes))

    def displacement_of_code(self, code: np.ndarray, sense: float = 1.0) -> Image:
        """Displacement of any code ``(latent,)`` on the image's grid, LPS mm; its inverse where ``sense`` is -1."""
        return self._model.displacement(code, self._seen, self.image, sense)

    def live_displacement(self, deviations: Sequence[float]) -> Image:
        """Displacement of the first components on the model's own grid; see `Explorer.live_displacement`."""
        return self.live_displacement_of_code(self.code(self.amplitudes(deviations)))

    @torch.inference_mode()
    def live_displacement_of_code(self, code: np.ndarray) -> Image:
        """Displacement of any code on the model's own grid, for a picture that follows a slider or a point of a map."""
        flow = self._model.flow(code, self._seen, self.image)
        grid = flow.grown(self._seen.geometry)
        field = self._model.grid.volume_field(flow.exponential())
        return network_field_to_physical(field, grid, grid, grid)
