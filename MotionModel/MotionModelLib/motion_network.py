"""The motion network (Krebs chapters 5 and 6): a sequence of images to a motion matrix, and back to velocities.

A pair encoder looks at the reference image and one frame at a time.  A temporal network mixes what it found over all
frames, fills the gaps of missing ones, and gives the motion matrix: one code for each of T slots of time.  The decoder of
the pairwise model turns a code and the reference image into a velocity field.  Frames of a sequence of any length are
spread over the slots.

Two priors: a Gaussian process over time (chapter 5), and a unit Gaussian on codes before the temporal network (chapter 6,
the fingerprint extractor).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from DeformationLib.errors import InputError
from LatentRegistrationLib.velocity_network import (
    Encoder,
    VelocityDecoder,
    VelocityNetworkConfiguration,
    pyramid,
)
from LatentRegistrationLib.velocity_network import configuration_of as pair_configuration_of

from .kernels import KERNELS, GaussianProcess, Kernel
from .temporal_network import TemporalNetwork

Prior = Literal["gaussian-process", "unit"]

_CONTEXT = 16
_INITIAL_LOG_VARIANCE = -4.0


@dataclass(frozen=True)
class MotionNetworkConfiguration:
    """What defines the network besides its weights.

    Attributes:
        pair: of the pair encoder and the decoder: grid, widths, latent dimension D, spatial smoothing.
        slots: T, time steps of the motion matrix.
        prior: of the motion matrix, see the module's docstring.
        kernel: of the Gaussian process, a name in `kernels.KERNELS`.
        length_scale: of the kernel, slots.
        kernel_scale: standard deviation of the kernel.
        temporal_smoothing: standard deviation of the Gaussian over the velocities, slots (sigma_T).
        width: channels of the temporal network.
    """

    pair: VelocityNetworkConfiguration = field(default_factory=VelocityNetworkConfiguration)
    slots: int = 34
    prior: Prior = "gaussian-process"
    kernel: str = "cauchy"
    length_scale: float = 7.0
    kernel_scale: float = 1.005
    temporal_smoothing: float = 1.5
    width: int = 64

    def __post_init__(self) -> None:
        if self.slots < 2:
            raise InputError(f"A motion model needs at least two slots of time, not {self.slots}.")
        if self.prior not in get_args(Prior):
            raise InputError(f"The prior is one of {', '.join(get_args(Prior))}, not '{self.prior}'.")
        if self.kernel not in KERNELS:
            raise InputError(f"The kernel is one of {', '.join(KERNELS)}, not '{self.kernel}'.")
        if self.length_scale <= 0 or self.kernel_scale <= 0 or self.temporal_smoothing < 0 or self.width < 1:
            raise InputError(
                "Length scale and scale of the kernel must be positive, the temporal smoothing not negative."
            )

    @property
    def dimension(self) -> int:
        """2 or 3, of the images."""
        return self.pair.dimension

    @property
    def latent(self) -> int:
        """D, rows of the motion matrix."""
        return self.pair.latent


class Posterior(NamedTuple):
    """What the encoder says of a sequence.

    Attributes:
        mean: ``(batch, D, T)``.
        deviation: with a Gaussian process ``(batch, D)``, one for each dimension; with a unit prior ``(batch, D, T)``.
        known: ``(batch, T)``, 1 in the slots whose frame was looked at.
        context: ``(batch, 16)``, what was seen of the reference image.
    """

    mean: Tensor
    deviation: Tensor
    known: Tensor
    context: Tensor


class MotionNetwork(nn.Module):
    """Pair encoder, temporal network and decoder; see the module's docstring.

    >>> network = MotionNetwork(MotionNetworkConfiguration(pair))
    >>> posterior = network.encode(frames, moving, slots)
    >>> codes = network.codes_at(network.matrix(posterior), times)
    >>> velocity = network.decode(codes, moving, times)[0]
    """

    def __init__(self, configuration: MotionNetworkConfiguration | None = None, kernel: Kernel | None = None) -> None:
        """Make a network with random weights; ``kernel``: any other than those that a configuration can name."""
        super().__init__()
        self.configuration = configuration or MotionNetworkConfiguration()
        pair, width = self.configuration.pair, self.configuration.width
        self.encoder = Encoder(pair)
        self.decoder = VelocityDecoder(pair)
        self.context = nn.Linear(2 * pair.latent, _CONTEXT)
        seen = 3 * pair.latent + 1 if self.has_process else pair.latent
        self.temporal = TemporalNetwork(seen + 1 + _CONTEXT, width)
        self.mean = nn.Conv1d(width, pair.latent, 1)
        self.log_variance = nn.Linear(width, pair.latent) if self.has_process else None
        self.expected = _expectation(pair.latent * self.configuration.slots) if self.has_process else None
        with torch.no_grad():  # start as the pairwise model: every known slot keeps its own code
            self.mean.weight.zero_()
            self.mean.bias.zero_()
            if self.log_variance is not None:
                self.log_variance.weight.mul_(0.1)
                self.log_variance.bias.fill_(_INITIAL_LOG_VARIANCE)
        kernel = kernel or KERNELS[self.configuration.kernel](
            self.configuration.length_scale, self.configuration.kernel_scale
        )
        self.process = GaussianProcess(kernel, self.configuration.slots)
        """Gives the values between slots; with a unit prior it is nothing but an interpolation."""

    @property
    def has_process(self) -> bool:
        """Whether the prior is a Gaussian process."""
        return self.configuration.prior == "gaussian-process"

    def encode(self, frames: Tensor, moving: Tensor, slots: Tensor, given: Tensor | None = None) -> Posterior:
        """The posterior of a sequence.

        Args:
            frames: ``(batch, N, 1, *size)`` in [0, 1], without the reference; N may be 0.
            moving: ``(batch, 1, *size)``, the reference.
            slots: ``(N,)``, where each frame belongs, 0 to T - 1, distinct.
            given: ``(batch, N)`` or ``(N,)``, which frames may be looked at; the others are missing. None for all.
        """
        batch, count = frames.shape[:2]
        given = torch.ones(count, dtype=torch.bool) if given is None else given.bool()
        given = given.to(moving.device).expand(batch, count)
        dtype = torch.promote_types(moving.dtype, torch.float32)
        features = moving.new_zeros(batch, 2 * self.configuration.latent, self.configuration.slots, dtype=dtype)
        known = features.new_zeros(batch, self.configuration.slots)
        known[:, slots] = given.to(known.dtype)
        chosen = given.nonzero()
        if len(chosen):
            which, step = chosen.unbind(1)
            seen = torch.cat(self.encoder(frames[which, step], moving[which]), dim=1)
            features = _placed(features, which, slots.to(step.device)[step], seen)
        context = self.context(torch.cat(self.encoder(moving, moving), dim=1))
        if not self.has_process:
            mean, log_variance = features.chunk(2, dim=1)
            deviation = torch.where(known[:, None] > 0, (0.5 * log_variance).exp(), torch.ones_like(log_variance))
            return Posterior(mean, deviation, known, context)
        filled = self._filled(features[:, : self.configuration.latent], known, context)
        maps = self._mixed(torch.cat([features, filled, known[:, None]], dim=1), context)
        mean = filled + self.mean(maps)
        log_variance = self.log_variance(maps.mean(dim=2)).to(dtype).clamp(-12.0, 6.0)
        return Posterior(mean, (0.5 * log_variance).exp(), known, context)

    def matrix(self, posterior: Posterior) -> Tensor:
        """The motion matrix ``(batch, D, T)`` of the posterior's mean."""
        return posterior.mean if self.has_process else self._regular(posterior.mean, posterior.known, posterior.context)

    def sample(self, posterior: Posterior, generator: torch.Generator | None = None) -> Tensor:
        """A motion matrix drawn from the posterior; missing slots of a unit prior are drawn from the prior (eq. 6.7)."""
        if self.has_process:
            return self.process.sample(posterior.mean, posterior.deviation, generator)
        noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
        code = posterior.mean + posterior.deviation * noise
        return self._regular(code, posterior.known, posterior.context)

    def sample_prior(self, moving: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Motion matrices ``(batch, D, T)`` drawn from the prior; of a unit prior for the reference images given."""
        batch = len(moving)
        zeros = torch.zeros(batch, self.configuration.latent, self.configuration.slots, device=moving.device)
        if self.has_process:
            return self.process.sample(zeros, zeros.new_ones(zeros.shape[:2]), generator)
        noise = torch.randn(zeros.shape, generator=generator).to(zeros)
        context = self.context(torch.cat(self.encoder(moving, moving), dim=1))
        return self._regular(noise, zeros.new_zeros(batch, self.configuration.slots), context)

    def divergence(self, posterior: Posterior) -> Tensor:
        """KL divergence of the posterior from the prior, ``(batch,)``: eq. 5.6, or of the given slots in eq. 6.6."""
        if self.has_process:
            return self.process.divergence(posterior.mean, posterior.deviation)
        variance = posterior.deviation.square()
        terms = 0.5 * (variance + posterior.mean.square() - 1.0 - variance.log())
        return (terms * posterior.known[:, None]).sum(dim=(1, 2))

    def codes_at(self, matrix: Tensor, times: Tensor) -> Tensor:
        """Codes ``(batch, M, D)`` at any times ``(M,)``, in slots: 1 to T are the matrix's own."""
        return self.process.at(matrix, times).transpose(1, 2)

    def decode(self, codes: Tensor, moving: Tensor, times: Tensor, finest: int = 0) -> list[Tensor]:
        """Velocities ``(batch, M, D, *grid of the scale)`` in voxels of their grid, from fine to coarse.

        Args:
            codes: ``(batch, M, D)``.
            moving: ``(batch, 1, *size)``.
            times: ``(M,)``, slots; velocities of neighbours are smoothed together, as many slots apart as frames
                are on average: frames are even in time, and only their slots are not.
            finest: leave out so many of the fine scales.
        """
        batch, count = codes.shape[:2]
        levels = pyramid(moving, self.configuration.pair)
        velocities = self.decoder(codes.reshape(batch * count, -1), levels, finest)
        weights = temporal_weights(evened(times), self.configuration.temporal_smoothing).to(velocities[0])
        # Velocities become positions of voxels, for which half precision has too few digits.
        with torch.autocast(moving.device.type, enabled=False):
            return [
                (weights @ velocity.view(batch, count, -1)).view(batch, count, *velocity.shape[1:])
                for velocity in velocities
            ]

    def _filled(self, codes: Tensor, known: Tensor, context: Tensor) -> Tensor:
        """Codes of missing slots: what the reference lets expect, and how the known ones deviate from that.

        The deviation is continued by the conditional mean of the prior's Gaussian process.  The source leaves zeros there,
        from which the temporal network would have to learn to interpolate.
        """
        expected = self.expected(context).view_as(codes)
        return expected + self.process.fill(codes - expected, known)

    def _regular(self, codes: Tensor, known: Tensor, context: Tensor) -> Tensor:
        """Codes of single frames to the motion matrix (p_gamma of eq. 6.6); only known slots keep their own code."""
        return codes * known[:, None] + self.mean(self._mixed(codes, context))

    def _mixed(self, features: Tensor, context: Tensor) -> Tensor:
        time = torch.arange(1, features.shape[2] + 1, device=features.device, dtype=features.dtype) / features.shape[2]
        others = [time.expand(len(features), 1, -1), context[:, :, None].expand(-1, -1, features.shape[2])]
        return self.temporal(torch.cat([features, *others], dim=1))


def _expectation(values: int) -> nn.Module:
    """From what was seen of the reference to the motion matrix that it lets expect; zero at first."""
    last = nn.Linear(2 * _CONTEXT, values)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return nn.Sequential(nn.Linear(_CONTEXT, 2 * _CONTEXT), nn.LeakyReLU(0.1), last)


def evened(times: Tensor) -> Tensor:
    """Times in the order of those given, evenly from the least to the greatest."""
    times = torch.as_tensor(times).double()
    if len(times) < 2:
        return times
    steps = torch.linspace(float(times.min()), float(times.max()), len(times), dtype=torch.float64)
    return torch.empty_like(steps).index_copy_(0, times.argsort().cpu(), steps)


def temporal_weights(times: Tensor, deviation: float) -> Tensor:
    """Weights ``(M, M)`` of a Gaussian over times in slots; the identity without smoothing.

    Rows have the sum 1 less what falls on the reference at time 0, whose velocity is zero: motion starts smoothly.
    """
    times = torch.as_tensor(times).double()
    if deviation <= 0:
        return torch.eye(len(times), dtype=torch.float64, device=times.device)
    weights = torch.exp(-0.5 * ((times[:, None] - times) / deviation) ** 2)
    at_reference = torch.exp(-0.5 * (times / deviation) ** 2)
    return weights / (weights.sum(dim=1) + at_reference)[:, None]


def configuration_of(values: Mapping[str, Any]) -> MotionNetworkConfiguration:
    """A configuration from a card, where tuples are lists and the pair's is a dictionary."""
    others = {name: value for name, value in values.items() if name != "pair"}
    return MotionNetworkConfiguration(pair=pair_configuration_of(values["pair"]), **others)


def _placed(features: Tensor, which: Tensor, slots: Tensor, values: Tensor) -> Tensor:
    """Features ``(batch, C, T)`` with values ``(n, C)`` put into some slots."""
    placed = features.transpose(1, 2).index_put((which, slots), values.to(features.dtype))
    return placed.transpose(1, 2)
