"""Gaussian processes over the slots of a motion matrix: kernels, divergence, samples, values between the slots.

All latent dimensions share one kernel and are independent of each other, so that everything is a small ``T x T`` matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from DeformationLib.errors import InputError

Kernel = Callable[[Tensor], Tensor]
"""Covariance of two times as a function of their distance; any function that torch can differentiate."""

JITTER = 1e-3
"""Added to the diagonal, relative to the variance.

The Cauchy kernel's spectrum falls exponentially: at length scale 7 the smallest eigenvalue of 34 slots is 1e-9 of the
largest, and its inverse would forbid every mean that is not smooth to nine digits.
"""


@dataclass(frozen=True)
class CauchyKernel:
    """``s^2 / (1 + (t - t')^2 / l^2)``: many time scales at once (Krebs eq. 5.3, whose sign is a misprint)."""

    length_scale: float = 7.0
    scale: float = 1.005

    def __call__(self, distance: Tensor) -> Tensor:
        return self.scale**2 / (1.0 + (distance / self.length_scale) ** 2)


@dataclass(frozen=True)
class SquaredExponentialKernel:
    """``s^2 exp(-(t - t')^2 / (2 l^2))``."""

    length_scale: float = 7.0
    scale: float = 1.0

    def __call__(self, distance: Tensor) -> Tensor:
        return self.scale**2 * torch.exp(-0.5 * (distance / self.length_scale) ** 2)


KERNELS: dict[str, type] = {"cauchy": CauchyKernel, "squared-exponential": SquaredExponentialKernel}


def covariance(kernel: Kernel, times: Tensor, others: Tensor | None = None, jitter: float = 0.0) -> Tensor:
    """Matrix of the kernel between times ``(T,)`` and others ``(M,)``, by default the same; ``(T, M)``, double precision.

    ``jitter`` is added to the diagonal, relative to the variance; only for the matrix of times with themselves.
    """
    times = times.double()
    others = times if others is None else others.double()
    matrix = kernel((times[:, None] - others[None, :]).abs())
    if jitter:
        matrix = matrix + jitter * kernel(times.new_zeros(())) * torch.eye(len(times), dtype=torch.float64)
    return matrix


class GaussianProcess:
    """A zero-mean Gaussian process at the slots 1..T, the same for every latent dimension.

    Args:
        kernel: see `Kernel`.
        slots: T.
        jitter: see `JITTER`.

    Raises:
        InputError: for a kernel whose matrix is not positive definite.

    >>> process = GaussianProcess(CauchyKernel(), 34)
    >>> process.sample(process.zeros(1, 32), torch.ones(1, 32), torch.Generator())
    """

    def __init__(self, kernel: Kernel, slots: int, jitter: float = JITTER) -> None:
        if slots < 1:
            raise InputError(f"A motion matrix needs at least one slot, not {slots}.")
        self.kernel, self.slots = kernel, slots
        self.times = torch.arange(1, slots + 1, dtype=torch.float64)
        self.covariance = covariance(kernel, self.times, jitter=jitter)
        factor, failed = torch.linalg.cholesky_ex(self.covariance)
        if int(failed):
            raise InputError(
                f"The kernel is not positive definite at {slots} slots: choose another kernel, a shorter length scale, "
                "or more jitter."
            )
        self.factor = factor
        self.precision = torch.cholesky_inverse(factor)
        self._cast: dict[tuple, tuple[Tensor, Tensor, Tensor]] = {}

    def divergence(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """KL divergence of ``N(mu_d, sigma_d^2 K)`` from ``N(0, K)``, summed over dimensions; shape ``(batch,)``.

        ``1/2 (T sigma^2 + mu^T K^-1 mu - T - T log sigma^2)`` for each dimension (Krebs eq. 5.6, which loses the last T).

        Args:
            mean: ``(batch, D, T)``.
            deviation: ``(batch, D)``, positive.
        """
        with _without_autocast(mean):
            precision = self._on(mean)[1]
            fit = torch.einsum("bdt,ts,bds->bd", mean, precision, mean)
            variance = deviation.square()
            return 0.5 * (self.slots * (variance - 1.0 - variance.log()) + fit).sum(dim=1)

    def sample(self, mean: Tensor, deviation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """``mu_d + sigma_d L eps`` with ``K = L L^T``, shapes as in `divergence`; differentiable in both."""
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        with _without_autocast(mean):
            return mean + deviation[..., None] * (noise @ self._on(mean)[0].t())

    def zeros(self, batch: int, dimensions: int) -> Tensor:
        """The prior's mean."""
        return torch.zeros(batch, dimensions, self.slots)

    def at(self, values: Tensor, times: Tensor) -> Tensor:
        """Conditional mean at any times, in slots, of a process with given values at the slots.

        Args:
            values: ``(batch, D, T)``.
            times: ``(M,)``.

        Returns:
            ``(batch, D, M)``; at the slots themselves the values up to what the jitter smooths away.
        """
        weights = covariance(self.kernel, torch.as_tensor(times).cpu(), self.times) @ self.precision
        with _without_autocast(values):
            return values @ weights.t().to(values)

    def fill(self, values: Tensor, known: Tensor) -> Tensor:
        """Values ``(batch, D, T)`` where known ``(batch, T)``, elsewhere their conditional mean given the known ones."""
        with _without_autocast(values):
            covariance = self._on(values)[2]
            both = known[:, :, None] * known[:, None, :]
            # Rows of unknown slots are those of the identity, so that every sequence of a batch has a matrix of one size.
            among = both * covariance + torch.diag_embed(1.0 - known)
            solved = torch.linalg.solve(among, (values * known[:, None]).transpose(1, 2))
            filled = (covariance @ (known[:, :, None] * solved)).transpose(1, 2)
            return torch.where(known[:, None] > 0, values, filled)

    def _on(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Factor, precision and covariance in the type and on the device of a tensor."""
        key = (like.device, like.dtype)
        if key not in self._cast:
            self._cast[key] = tuple(part.to(like) for part in (self.factor, self.precision, self.covariance))
        return self._cast[key]


def _without_autocast(like: Tensor) -> torch.autocast:
    """Precisions have large entries of both signs, which cancel: half precision would leave nothing of the sum."""
    return torch.autocast(like.device.type, enabled=False)
