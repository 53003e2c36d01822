"""Elementary transformations of one image: what each component of the latent space does to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from DeformationLib.image import Image

if TYPE_CHECKING:
    from .model import RegistrationModel


class Explorer:
    """Deformations ``phi = D(sum_j lambda_j u_j)`` of an image along the components of a model's codes.

    Amplitudes ``lambda`` are in units of the code; ``standard_deviations`` says how far the training population spreads
    along each component, so that an amplitude of two standard deviations is as strong as it is plausible.

    >>> explorer = RegistrationModel.load("hippocampus").explorer(image)
    >>> displacement = explorer.displacement(component=0, amplitude=2 * explorer.standard_deviations[0])
    >>> deformed = warp_labels(labels, displacement)
    """

    def __init__(self, model: RegistrationModel, image: Image) -> None:
        self._model, self._decomposition = model, model.decomposition
        self.image = image
        self._seen = model.prepare(image)
        self.coefficients: np.ndarray = self._decomposition.project(model.encode(self._seen))[0]
        """Coefficients of the image itself, ``(K,)``."""

    @property
    def count(self) -> int:
        """Number of components."""
        return self._decomposition.count

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Share of the training codes' variance along each component, ``(K,)``."""
        return self._decomposition.explained_variance_ratio

    @property
    def standard_deviations(self) -> np.ndarray:
        """Spread of the training population along each component, ``(K,)``, in units of the code."""
        return self._decomposition.standard_deviations

    @property
    def population(self) -> np.ndarray:
        """Coefficients of the training cases, ``(n, K)``."""
        return self._decomposition.coefficients

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

    @torch.inference_mode()
    def network_displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Tensor:
        """The same on the network's grid, ``(1, D, *grid)`` in voxels."""
        if amplitudes is None:
            amplitudes = self._decomposition.amplitudes(component, amplitude)
        difference = self._decomposition.direction(amplitudes).to(self._model.device)
        return self._model.decode((difference,))
