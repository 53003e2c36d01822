"""Principal components of the codes of a training population (Estienne et al. 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from DeformationLib.errors import InputError


@dataclass(frozen=True)
class LatentDecomposition:
    """Orthonormal directions ``u_j`` of a code space, the variance along each, and where the training cases lie.

    Attributes:
        shape: shape of a code, ``(channel, *coarse)``.
        mean: mean code, ``(P,)``, P the product of the shape.
        components: ``(K, P)``, rows of length 1.
        explained_variance: of the training codes along each component, ``(K,)``.
        total_variance: of the training codes along all P axes.
        coefficients: of the training cases, ``(n, K)``.
    """

    shape: tuple[int, ...]
    mean: np.ndarray
    components: np.ndarray
    explained_variance: np.ndarray
    total_variance: float
    coefficients: np.ndarray

    @classmethod
    def fit(cls, codes: Tensor, count: int = 32) -> LatentDecomposition:
        """Components of ``codes`` ``(n, channel, *coarse)`` by scikit-learn's PCA, all channels together.

        Raises `InputError` for more components than there are codes less one, or values in a code.
        """
        from sklearn.decomposition import PCA

        flat = codes.detach().float().cpu().flatten(1).numpy().astype(np.float64)
        if not 1 <= count < len(flat):
            raise InputError(f"{count} components need more than {count} training images, but there are {len(flat)}.")
        if count > flat.shape[1]:
            raise InputError(f"{count} components were asked for, but a code has only {flat.shape[1]} values.")
        pca = PCA(n_components=count, svd_solver="full").fit(flat)
        return cls(
            tuple(codes.shape[1:]),
            pca.mean_,
            pca.components_,
            pca.explained_variance_,
            float(flat.var(axis=0, ddof=1).sum()),
            pca.transform(flat),
        )

    @property
    def count(self) -> int:
        """Number of components kept."""
        return len(self.components)

    @property
    def explained_variance_ratio(self) -> np.ndarray:
        """Share of the training codes' variance along each component, ``(K,)``."""
        return self.explained_variance / self.total_variance

    @property
    def standard_deviations(self) -> np.ndarray:
        """Standard deviation of the training coefficients along each component, ``(K,)``, in units of the code."""
        return np.sqrt(self.explained_variance)

    def project(self, codes: Tensor) -> np.ndarray:
        """Coefficients ``a_j = <E(X) - mean, u_j>`` of codes ``(n, channel, *coarse)``, shape ``(n, K)``."""
        return (self._flatten(codes) - self.mean) @ self.components.T

    def project_difference(self, difference: Tensor, count: int | None = None) -> Tensor:
        """A difference of codes ``(n, channel, *coarse)`` with only its first ``count`` components kept."""
        kept = self.components[: self._checked(count)]
        return self._unflatten(self._flatten(difference) @ kept.T @ kept, difference)

    def reconstruct(self, coefficients: np.ndarray, count: int | None = None) -> Tensor:
        """Codes ``(n, channel, *coarse)`` from coefficients ``(n, K)``, by the first ``count`` components."""
        count = self._checked(count)
        coefficients = np.atleast_2d(coefficients)[:, :count]
        return self._unflatten(self.mean + coefficients @ self.components[: coefficients.shape[1]])

    def direction(self, amplitudes: Sequence[float] | np.ndarray) -> Tensor:
        """Code difference ``sum_j amplitude_j u_j``, shape ``(1, channel, *coarse)``; missing amplitudes are zero."""
        amplitudes = np.asarray(amplitudes, dtype=np.float64)
        return self._unflatten((amplitudes @ self.components[: self._checked(len(amplitudes))])[None])

    def amplitudes(self, component: int, value: float) -> np.ndarray:
        """Amplitudes of all components, ``(K,)``, zero but for one; component counts from 0.

        Raises `InputError` for a component that does not exist.
        """
        if not 0 <= component < self.count:
            raise InputError(f"There is no component {component + 1}: this model has {self.count}.")
        result = np.zeros(self.count)
        result[component] = value
        return result

    def to_tensors(self) -> dict[str, Tensor]:
        """Plain tensors for a model's weights file."""
        arrays = {
            "shape": np.asarray(self.shape),
            "mean": self.mean,
            "components": self.components,
            "explained_variance": self.explained_variance,
            "total_variance": np.asarray(self.total_variance),
            "coefficients": self.coefficients,
        }
        return {name: torch.as_tensor(array) for name, array in arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> LatentDecomposition:
        """Inverse of `to_tensors`; the rows are made orthonormal again after storage in half precision."""
        arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
        components = arrays["components"]
        orthonormal, triangle = np.linalg.qr(components.T)
        components = (orthonormal * np.sign(np.diag(triangle))).T
        return cls(
            tuple(int(length) for length in arrays["shape"]),
            arrays["mean"],
            components,
            arrays["explained_variance"],
            float(arrays["total_variance"]),
            arrays["coefficients"],
        )

    def _checked(self, count: int | None) -> int:
        if count is None:
            return self.count
        if not 0 <= count <= self.count:
            raise InputError(f"{count} components were asked for, but this model has {self.count}.")
        return count

    def _flatten(self, codes: Tensor) -> np.ndarray:
        return codes.detach().float().cpu().flatten(1).numpy().astype(np.float64)

    def _unflatten(self, flat: np.ndarray, like: Tensor | None = None) -> Tensor:
        codes = torch.from_numpy(flat).float().view(-1, *self.shape)
        return codes if like is None else codes.to(like.device)
