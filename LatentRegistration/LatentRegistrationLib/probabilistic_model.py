"""A trained probabilistic model in use: register two images, encode a pair, deform an image by a code alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from DeformationLib.alignment import Alignment
from DeformationLib.bundle import Bundle
from DeformationLib.devices import autocast
from DeformationLib.errors import InputError
from DeformationLib.field_of_view import reaches_beyond
from DeformationLib.fields import exponential, resize_field, warp
from DeformationLib.filters import window_in_voxels
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.masks import voxels_around
from DeformationLib.network_field import network_field_to_physical
from DeformationLib.pair_grid import PairGrid
from DeformationLib.pair_view import PairView, extent_warnings, look
from DeformationLib.preprocessing import NetworkInput, prepare
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.registration import RegistrationResult
from DeformationLib.similarity import masked_mean
from DeformationLib.trained_model import TrainedModel

from .decomposition import LatentDecomposition
from .velocity_explorer import VelocityExplorer
from .velocity_network import VelocityNetwork, VelocityNetworkConfiguration, configuration_of, pyramid
from .velocity_objective import local_correlation

_UNUSUAL = 4.0  # standard deviations of the codes, of which few training pairs are further away


@dataclass(frozen=True)
class LatentCode:
    """What the encoder says of a pair: mean and standard deviation of the code, each ``(latent,)``; and which model said it."""

    mean: np.ndarray
    standard_deviation: np.ndarray
    model: str = ""

    def sample(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Codes ``(count, latent)`` drawn from the encoder's distribution."""
        return self.mean + self.standard_deviation * generator.standard_normal((count, len(self.mean)))


class ProbabilisticModel(TrainedModel):
    """A velocity network with its card and the principal components of its training codes.

    >>> model = ProbabilisticModel.load("cardiac-short-axis")
    >>> result = model.register(end_systole, end_diastole)
    >>> code = model.encode(end_systole, end_diastole)
    >>> displacement = model.displacement(code.mean, another_end_diastole)  # the same motion in another heart
    """

    kind, usual = "VelocityNetwork", "cardiac-short-axis"

    def __init__(
        self,
        network: VelocityNetwork,
        grid: PairGrid,
        card: dict[str, Any],
        decomposition: LatentDecomposition | None = None,
        device: str = "cpu",
        precision: torch.dtype | None = None,
    ) -> None:
        super().__init__(network, grid, card, device, precision)
        self.decomposition = decomposition

    @classmethod
    def _of_bundle(cls, bundle: Bundle, device: str, precision: torch.dtype | None) -> ProbabilisticModel:
        decomposition = bundle.part("decomposition", LatentDecomposition.from_tensors)
        return cls(bundle.network, bundle.grid, bundle.card, decomposition, device, precision)

    @staticmethod
    def _network_and_grid(card: dict[str, Any]) -> tuple[VelocityNetwork, PairGrid]:
        grid = PairGrid.of_card(card["grid"], frame="patient")
        return VelocityNetwork(configuration_of(card["model"]["configuration"])), grid

    @property
    def latent(self) -> int:
        """Dimension of the code."""
        return self.network.configuration.latent

    def look(self, fixed: Image, moving: Image, alignment: Alignment = "none", **further) -> PairView:
        """Both images as the network sees them; further arguments as in `pair_view.look`."""
        return look(self.grid, fixed, moving, alignment, device=self.device, **further)

    @torch.inference_mode()
    def encode(
        self,
        fixed: Image,
        moving: Image,
        alignment: Alignment = "none",
        fixed_mask: Image | None = None,
        moving_mask: Image | None = None,
    ) -> LatentCode:
        """The code of a pair of images; arguments and errors as in `register`."""
        return self.encode_view(self.look(fixed, moving, alignment, fixed_mask=fixed_mask, moving_mask=moving_mask))

    @torch.inference_mode()
    def encode_view(self, view: PairView) -> LatentCode:
        """The code of a pair that was already looked at."""
        return self.encode_seen(view.seen_f, view.seen_m)

    @torch.inference_mode()
    def encode_seen(self, fixed: NetworkInput, moving: NetworkInput) -> LatentCode:
        """The code of two images as the network sees them."""
        with autocast(self.device, self.precision):
            mean, log_variance = self.network.encode(fixed.image, moving.image)
        deviation = (0.5 * log_variance[0].double()).exp()
        return LatentCode(mean[0].double().cpu().numpy(), deviation.cpu().numpy(), self.name)

    @torch.inference_mode()
    def decode(self, codes: np.ndarray | Tensor, moving: NetworkInput) -> Tensor:
        """Finest velocities ``(n, D, *grid)`` in voxels, of codes ``(latent,)`` or ``(n, latent)``."""
        return self.decode_scales(codes, moving)[0]

    @torch.inference_mode()
    def decode_scales(self, codes: np.ndarray | Tensor, moving: NetworkInput) -> list[Tensor]:
        """Velocities at every scale, each in voxels of its own grid, from fine to coarse."""
        codes = torch.as_tensor(np.atleast_2d(np.asarray(codes)), dtype=torch.float32, device=self.device)
        if codes.shape[1] != self.latent:
            raise InputError(
                f"A code of {codes.shape[1]} values does not fit the model {self.name}, whose codes have {self.latent}: "
                "use the model that made it."
            )
        image = moving.image.expand(len(codes), *moving.image.shape[1:])
        with autocast(self.device, self.precision):
            return [velocity.float() for velocity in self.network.decode(codes, image)]

    @torch.inference_mode()
    def register(
        self,
        fixed: Image,
        moving: Image,
        alignment: Alignment = "none",
        components: int | None = None,
        progress: Progress | None = None,
        fixed_mask: Image | None = None,
        moving_mask: Image | None = None,
    ) -> RegistrationResult:
        """Register two images with the mean code.

        Args:
            fixed: image whose grid the result lives on.
            moving: image that is deformed.
            alignment: what is done first, see `DeformationLib.alignment.initial_alignment`; ``"none"`` trusts the
                physical positions, as frames of one series can.
            components: keep only so many principal components of the code; None keeps the whole code.
            progress: reports and cancels.
            fixed_mask: where the structure of interest is, on any grid: the network looks there.
            moving_mask: the same of the moving image.

        Raises:
            InputError: for unusable images and masks, and images that do not overlap where no alignment was asked for.
            Cancelled: through ``progress``.
        """
        progress, watch = progress or Progress(), Stopwatch()
        masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
        view = self.look(fixed, moving, alignment, **masks, progress=progress.part(0.0, 0.5), watch=watch)
        code = self.encode_view(view)
        mean = self._projected(code.mean, components)
        velocity = self.decode(mean, view.seen_m)
        watch.lap("network")
        progress.report(0.6, "Integrating the velocity")
        flow = self._flow(velocity, view.seen_f, view.seen_m, fixed, moving)
        forward = flow.exponential()
        watch.lap("exponential")
        progress.report(0.7, "Resampling to the images")
        displacement = flow.physical(forward, view.seen_f, view.seen_m, fixed, progress.part(0.7, 0.95))
        watch.lap("resampling")
        warnings = [*view.alignment.warnings, *self._warnings(view, mean)]
        before, after = _similarities(self.network.configuration, view, flow.inner(forward))
        watch.lap("checks")

        @torch.inference_mode()
        def invert_when_asked(result: RegistrationResult, progress: Progress) -> Image:
            watch = Stopwatch()
            progress.report(0.0, "Inverting")
            inverse = flow.physical(flow.exponential(-1.0), view.seen_m, view.seen_f, moving, progress)
            watch.lap("inverse")
            result.seconds |= watch.seconds
            return inverse

        progress.report(1.0, "Registered")
        return RegistrationResult(
            fixed,
            moving,
            displacement,
            invert_when_asked,
            velocity=lambda result, progress: flow.physical(flow.velocity, view.seen_f, view.seen_f, fixed, progress),
            model=self.name,
            seconds=watch.seconds,
            warnings=warnings,
            similarity_before=before,
            similarity_after=after,
            similarity_name="local correlation",
            alignment=view.alignment.kind,
            alignment_matrix=view.seen_m.geometry.ijk_to_lps @ view.seen_f.geometry.lps_to_ijk,
            deformed=voxels_around(fixed.geometry, flow.grown(view.seen_f.geometry)),
        )

    def explorer(self, image: Image, structure: Image | None = None) -> VelocityExplorer:
        """The components of the training codes applied to an image; in a large one the model looks at the structure.

        Raises `InputError` where the model has none.
        """
        return VelocityExplorer(self, image, structure)

    def see(self, image: Image, name: str = "The image", geometry: Geometry | None = None) -> NetworkInput:
        """One image as the network sees it, for codes that come from elsewhere; `geometry`: where, else around it."""
        seen = prepare(image, self.grid, name, geometry)
        return NetworkInput(seen.image.to(self.device), seen.mask.to(self.device), seen.geometry)

    @torch.inference_mode()
    def displacement(
        self, code: np.ndarray, image: Image | NetworkInput, target: Image | None = None, sense: float = 1.0
    ) -> Image:
        """How a code deforms an image: LPS mm on the image's grid, as `registration.warp_image` takes it.

        Args:
            code: ``(latent,)``, of another pair, from the prior, or along a component.
            image: that is deformed, or how the network sees it (then ``target`` says which grid is wanted).
            target: image on whose grid the displacement is wanted; by default the image itself.
            sense: 1 for ``exp(v)``, -1 for its inverse.
        """
        if isinstance(image, NetworkInput):
            if target is None:
                raise ValueError("A target is needed where the image is given as the network sees it.")
            seen = image
        else:
            seen, target = self.see(image), target or image
        flow = self.flow(code, seen, target)
        return flow.physical(flow.exponential(sense), seen, seen, target)

    def flow(self, code: np.ndarray, seen: NetworkInput, image: Image) -> Flow:
        """The velocity of a code for one image; it fades out where the image reaches beyond what the network sees."""
        return self._flow(self.decode(code, seen), seen, seen, image, image)

    @torch.inference_mode()
    def displacement_of_view(self, code: np.ndarray, view: PairView) -> Image:
        """Displacement of a code for a pair that was already looked at, LPS mm on the fixed image's grid."""
        velocity = self.decode(code, view.seen_m)
        flow = self._flow(velocity, view.seen_f, view.seen_m, view.fixed, view.moving)
        return flow.physical(flow.exponential(), view.seen_f, view.seen_m, view.fixed)

    def _flow(self, velocity: Tensor, seen_f: NetworkInput, seen_m: NetworkInput, fixed: Image, moving: Image) -> Flow:
        beyond = reaches_beyond(fixed.geometry, seen_f.geometry) or reaches_beyond(moving.geometry, seen_m.geometry)
        if beyond:
            return Flow.fading_out(self.grid, velocity)
        return Flow(self.grid, velocity, (0,) * self.grid.dimension)

    def _projected(self, mean: np.ndarray, components: int | None) -> np.ndarray:
        if components is None:
            return mean
        if self.decomposition is None:
            raise InputError(f"The model {self.name} has no principal components to choose from.")
        code = torch.from_numpy(mean)[None]
        return self.decomposition.reconstruct(self.decomposition.project(code), components)[0].double().numpy()

    def _warnings(self, view: PairView, mean: np.ndarray) -> list[str]:
        warnings = []
        if view.fixed_mask is None:
            warnings += extent_warnings(self.grid, view.fixed, view.seen_f, "fixed", self.name)
        if view.moving_mask is None:
            warnings += extent_warnings(self.grid, view.moving, view.seen_m, "moving", self.name)
        if self.decomposition is not None:
            coefficients = self.decomposition.project(torch.from_numpy(mean)[None])[0]
            scores = coefficients / np.maximum(self.decomposition.standard_deviations, 1e-6)
            distance = float(np.sqrt(np.mean(scores[:8] ** 2)))
            if distance > _UNUSUAL:
                warnings.append(
                    f"The deformation is unlike those that the model {self.name} was trained on ({distance:.1f} "
                    "standard deviations away): do not trust the result without a look at it."
                )
        return warnings


@dataclass(frozen=True)
class Flow:
    """A stationary velocity on a model's grid, possibly continued beyond it, and its exponential.

    Attributes:
        grid: the model's.
        velocity: ``(1, D, *wider)`` in voxels of the grid, with ``margin`` voxels more on every side; of a planar grid
            also ``(slices, 2, *wider)``.
        margin: along each axis of the grid.
    """

    grid: PairGrid
    velocity: Tensor
    margin: tuple[int, ...]

    @classmethod
    def fading_out(cls, grid: PairGrid, velocity: Tensor) -> Flow:
        """Continued beyond the grid, from the value at the edge smoothly to zero.

        The velocity fades, not the displacement: forward and backward stay each other's exact inverse there too.
        """
        millimetres = velocity * velocity.new_tensor(grid.spacing).view(1, -1, *[1] * grid.dimension)
        lengths = millimetres.square().sum(dim=1).sqrt()
        largest = max(float(lengths.movedim(1 + axis, 0)[[0, -1]].max()) for axis in range(grid.dimension))
        margin = tuple(int(np.ceil(2 * largest / step)) + 1 for step in grid.spacing)
        padding = [count for count in reversed(margin) for _ in range(2)]
        wider = F.pad(velocity, padding, mode="replicate")
        for axis, (length, count) in enumerate(zip(grid.size, margin, strict=True)):
            index = torch.arange(-count, length + count, device=wider.device)
            share = 1 - torch.maximum(-index, index - (length - 1)).clamp_min(0) / count
            weight = share * share * (3 - 2 * share)
            wider = wider * weight.view(-1, *[1] * (grid.dimension - 1 - axis))
        return cls(grid, wider, margin)

    def exponential(self, sense: float = 1.0) -> Tensor:
        """Displacement of ``exp(sense * v)`` in voxels."""
        velocity = sense * self.velocity
        return exponential(velocity, squarings_for(velocity))

    def inner(self, field: Tensor) -> Tensor:
        """A field of the flow without the margin."""
        for axis, (count, length) in enumerate(zip(self.margin, self.grid.size, strict=True)):
            field = field.narrow(2 + axis, count, length)
        return field

    def grown(self, geometry: Geometry) -> Geometry:
        """A place of the grid with the margin around it."""
        extra = np.array([*self.margin[::-1], 0, 0])[:3]
        return Geometry(
            tuple(np.asarray(geometry.size) + 2 * extra),
            geometry.spacing,
            tuple(geometry.index_to_physical(-extra)),
            geometry.direction,
        )

    def physical(
        self, field: Tensor, start: NetworkInput, end: NetworkInput, image: Image, progress: Progress | None = None
    ) -> Image:
        """A displacement (or velocity) of the flow as millimetres on an image's grid."""
        grids = self.grown(start.geometry), self.grown(end.geometry)
        return network_field_to_physical(self.grid.volume_field(field), *grids, image.geometry, progress)


def squarings_for(velocity: Tensor, least: int = 4) -> int:
    """Squarings after which the first step of the exponential is below a quarter of a voxel (Arsigny 2006)."""
    largest = float(velocity.abs().amax())
    return max(least, int(np.ceil(np.log2(max(4 * largest, 1e-6)))))


def _similarities(
    configuration: VelocityNetworkConfiguration, view: PairView, displacement: Tensor
) -> tuple[float, float]:
    """Mean squared local correlation before and after, where both images have voxels; nan where they share none.

    On half the grid, which is enough for a number of two digits.
    """
    coarse = resize_field(displacement, configuration.level(1)[0])
    fixed, mask_f, moving, mask_m = (
        pyramid(part, configuration, 1)[-1]
        for part in (view.seen_f.image, view.seen_f.mask, view.seen_m.image, view.seen_m.mask)
    )
    undeformed = torch.cat([moving, mask_m], dim=1)
    both = torch.cat([undeformed, warp(undeformed, coarse)])
    valid = ((mask_f > 0.5) & (both[:, 1:] > 0.5)).float()
    window = window_in_voxels(7, configuration.level(1)[1])
    correlation = local_correlation(fixed.expand_as(valid), both[:, :1], window)
    values = [
        float(masked_mean(c, v)) if bool(v.any()) else float("nan") for c, v in zip(correlation, valid, strict=True)
    ]
    return values[0], values[1]
