"""The principal components of a model's training codes, as whoever deforms an image along them sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from DeformationLib.errors import InputError

from .decomposition import LatentDecomposition


class ModelComponents:
    """Amplitudes along the components are in units of the code, or in standard deviations of the training population."""

    def __init__(self, model) -> None:
        """Take the components of a model. Raises `InputError` for a model without any."""
        if model.decomposition is None:
            raise InputError(f"The model {model.name} has no latent decomposition: choose another model.")
        self._model = model
        self._decomposition: LatentDecomposition = model.decomposition

    @property
    def model_name(self) -> str:
        """Name of the model whose codes deform the image."""
        return self._model.name

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

    def amplitudes(self, deviations: Sequence[float]) -> np.ndarray:
        """Amplitudes in units of the code of ones in standard deviations of the training population, ``(K,)``.

        Missing ones are zero. Raises `InputError` for more amplitudes than the model has components.
        """
        self._check_number(deviations)
        result = np.zeros(self.count)
        result[: len(deviations)] = deviations
        return result * self.standard_deviations

    def amplitudes_of(self, component: int, amplitude: float) -> np.ndarray:
        """Amplitudes ``(K,)`` that are zero but for one; raises `InputError` for a component that does not exist."""
        return self._decomposition.amplitudes(component, amplitude)

    def _check_number(self, amplitudes: Sequence[float]) -> None:
        if len(amplitudes) > self.count:
            raise InputError(f"There are {len(amplitudes)} amplitudes, but this model has {self.count} components.")
