"""A trained model in use: register two images, encode one, explore the components of deformation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from DeformationLib.alignment import Alignment, one_mask_for_both
from DeformationLib.bundle import Bundle
from DeformationLib.errors import InputError
from DeformationLib.field_of_view import (
    faded,
    fading_margin,
    field_on_image,
    grown,
    inverse_warnings,
    reaches_beyond,
    with_zero_edge,
)
from DeformationLib.fields import invert, resize, resize_field, warp
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.masks import mask_box, voxels_around
from DeformationLib.pair_view import PairView, look
from DeformationLib.preprocessing import NetworkGrid, NetworkInput, prepare, prepare_mask
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.registration import RegistrationResult
from DeformationLib.similarity import local_correlation
from DeformationLib.trained_model import TrainedModel

from .decomposition import LatentDecomposition
from .explorer import Explorer
from .gradient_network import GradientNetwork, GradientNetworkConfiguration
from .integration import integrate_gradients
from .suitability import suitability_warnings


class RegistrationModel(TrainedModel):
    """A spatial-gradient network with its card and the decomposition of its training codes.

    >>> model = RegistrationModel.load("hippocampus")
    >>> result = model.register(read_image("fixed.nii.gz"), read_image("moving.nii.gz"))
    >>> print(result)
    >>> shrunk = model.explorer(result.fixed).displacement(component=0, amplitude=-100.0)
    """

    kind, usual = "GradientNetwork", "hippocampus"

    def __init__(
        self,
        network: GradientNetwork,
        grid: NetworkGrid,
        card: dict[str, Any],
        decomposition: LatentDecomposition | None = None,
        device: str = "cpu",
        precision: torch.dtype | None = None,
    ) -> None:
        network.configuration.check_grid(grid.size)
        super().__init__(network, grid, card, device, precision)
        self.network.to(self.precision)
        self.decomposition = decomposition

    @classmethod
    def _of_bundle(cls, bundle: Bundle, device: str, precision: torch.dtype | None) -> RegistrationModel:
        decomposition = bundle.part("decomposition", LatentDecomposition.from_tensors)
        return cls(bundle.network, bundle.grid, bundle.card, decomposition, device, precision)

    @staticmethod
    def _network_and_grid(card: dict[str, Any]) -> tuple[GradientNetwork, NetworkGrid]:
        configuration = dict(card["model"]["configuration"])
        configuration["widths"] = tuple(configuration["widths"])
        grid = NetworkGrid(tuple(card["grid"]["size"]), float(card["grid"]["spacing_mm"]))
        return GradientNetwork(GradientNetworkConfiguration(**configuration)), grid

    def prepare(
        self,
        image: Image,
        name: str = "The image",
        geometry: Geometry | None = None,
        progress: Progress | None = None,
    ) -> NetworkInput:
        """An image as the network sees it, in the grid around the image or in another place."""
        prepared = prepare(image, self.grid, name, geometry, progress)
        return NetworkInput(prepared.image.to(self.device), prepared.mask.to(self.device), prepared.geometry)

    @torch.inference_mode()
    def encode(self, image: Image | NetworkInput) -> Tensor:
        """Code ``E(X)`` of an image, ``(1, channel, *coarse)``."""
        seen = image if isinstance(image, NetworkInput) else self.prepare(image)
        return self.encode_images(seen.image)[0]

    @torch.inference_mode()
    def register(
        self,
        fixed: Image,
        moving: Image,
        alignment: Alignment = "centres",
        components: int | None = None,
        progress: Progress | None = None,
        fixed_mask: Image | None = None,
        moving_mask: Image | None = None,
    ) -> RegistrationResult:
        """Register two images.

        Args:
            fixed: image whose grid the result lives on.
            moving: image that is deformed.
            alignment: what is done first, see `DeformationLib.alignment.initial_alignment`; ``"centres"`` puts the
                centre of one image's box on the other's, as in training, ``"none"`` trusts the physical positions. The
                network sees the moving image through it, and the displacement includes it.
            components: keep only so many principal components of the code difference; None keeps the whole code.
            progress: reports and cancels.
            fixed_mask: where the structure of interest is, on any grid, every value but 0: the network looks there, the
                alignment and the similarity are measured there. Nothing is cut off.
            moving_mask: the same of the moving image.

        Raises:
            InputError: for unusable images and masks, and images that do not overlap where no alignment was asked for.
            Cancelled: through ``progress``.
        """
        progress = progress or Progress()
        watch = Stopwatch()
        masks = fixed_mask, moving_mask
        views = look(self.grid, fixed, moving, alignment, *masks, self.device, progress.part(0.0, 0.5), watch)
        seen_f, seen_m = views.seen_f, views.seen_m
        progress.report(0.5, "Registering")
        both = self.encode_images(torch.cat([seen_f.image, seen_m.image]))  # quicker than one after the other
        encoded_f, encoded_m = ([part[index : index + 1] for part in both] for index in (0, 1))
        progress.report(0.6, "Registering")
        difference = self._difference(encoded_f, encoded_m, components)
        forward = self.decode(difference)
        watch.lap("network")
        progress.report(0.7, "Resampling to the images")
        margin = 0
        if reaches_beyond(fixed.geometry, seen_f.geometry) or reaches_beyond(moving.geometry, seen_m.geometry):
            margin = fading_margin(forward)
        whole = faded(forward, margin)
        displacement = self.physical(whole, seen_f, seen_m, fixed, progress.part(0.7, 0.95))
        watch.lap("resampling")
        warnings = [*views.alignment.warnings, *self._suitability(views, encoded_f[0], encoded_m[0])]
        within = None if views.fixed_mask is None else prepare_mask(views.fixed_mask, self.grid, seen_f.geometry)
        before, after = _similarities(seen_f, seen_m, forward, within)
        watch.lap("checks")
        progress.report(1.0, "Registered")

        @torch.inference_mode()
        def invert_when_asked(result: RegistrationResult, progress: Progress) -> Image:
            watch = Stopwatch()
            progress.report(0.0, "Inverting")
            start = faded(self.decode(tuple(-part for part in difference)), margin)
            progress.report(0.1)
            inverse = invert(whole, start, progress=progress)
            if margin:
                inverse = with_zero_edge(inverse)
            progress.report(0.4)
            result.warnings += inverse_warnings(whole, inverse, margin)
            inverse_displacement = self.physical(inverse, seen_m, seen_f, moving, progress.part(0.5, 1.0))
            watch.lap("inverse")
            result.seconds |= watch.seconds
            return inverse_displacement

        return RegistrationResult(
            fixed,
            moving,
            displacement,
            invert_when_asked,
            model=self.name,
            seconds=watch.seconds,
            warnings=warnings,
            similarity_before=before,
            similarity_after=after,
            similarity_name="local correlation",
            alignment=views.alignment.kind,
            alignment_matrix=seen_m.geometry.ijk_to_lps @ seen_f.geometry.lps_to_ijk,
            deformed=voxels_around(fixed.geometry, grown(seen_f.geometry, margin, self.grid.dimension)),
        )

    def _suitability(self, views: PairView, code_f: Tensor, code_m: Tensor) -> list[str]:
        """Warnings about both images; see `suitability_warnings`."""
        boxes = [None if mask is None else mask_box(mask) for mask in (views.fixed_mask, views.moving_mask)]
        single = one_mask_for_both(views.fixed, views.moving, views.fixed_mask, views.moving_mask)
        # Elsewhere the network looks where the other image, or the other image's mask, tells it to.
        centred_f = views.fixed_mask is not None or not single
        centred_m = views.moving_mask is not None or (views.alignment.kind == "centres" and not single)
        return [
            *suitability_warnings(self, views.fixed, code_f, "fixed", boxes[0], centred_f),
            *suitability_warnings(self, views.moving, code_m, "moving", boxes[1], centred_m),
        ]

    def physical(
        self, field: Tensor, start: NetworkInput, end: NetworkInput, image: Image, progress: Progress | None = None
    ) -> Image:
        """A displacement on the network's grid, or from `faded`, as millimetres on an image's; see `field_on_image`."""
        return field_on_image(self.grid, field, start.geometry, end.geometry, image.geometry, progress)

    def explorer(self, image: Image, structure: Image | None = None) -> Explorer:
        """The components of deformation applied to an image; arguments and errors as of `Explorer`."""
        return Explorer(self, image, structure)

    def _difference(
        self, encoded_f: list[Tensor], encoded_m: list[Tensor], components: int | None
    ) -> tuple[Tensor, ...]:
        """``E(M) - E(F)``, of its first components alone if asked for."""
        difference = [m - f for m, f in zip(encoded_m, encoded_f, strict=True)]
        if components is not None:
            if self.decomposition is None:
                raise InputError(f"The model {self.name} has no latent decomposition to choose components from.")
            difference = [self.decomposition.project_difference(difference[0], components)]
        return tuple(difference)

    def encode_images(self, images: Tensor) -> list[Tensor]:
        """Codes, and with skips feature maps, of images ``(batch, 1, *grid)`` as the network sees them."""
        return [part.float() for part in self.network.encode(images.to(self.precision))]

    def decode(self, difference: tuple[Tensor, ...]) -> Tensor:
        """Displacement ``(batch, D, *grid)`` in voxels of a difference of codes (and feature maps)."""
        activations = self.network.activations(tuple(part.to(self.precision) for part in difference))
        return integrate_gradients(activations, self.grid.size)[0]


def _similarities(
    fixed: NetworkInput, moving: NetworkInput, displacement: Tensor, within: Tensor | None = None
) -> tuple[float, float]:
    """Mean squared local correlation before and after, in [0, 1], where both images have voxels (and a mask has).

    On half the network's grid, as in training; nan where the images share no voxel.
    """
    half = tuple(length // 2 for length in displacement.shape[2:])
    coarse = resize_field(displacement, half)
    image_f, mask_f = resize(fixed.image, half), resize(fixed.mask, half) > 0.5
    if within is not None:
        mask_f &= resize(within.to(mask_f.device), half) > 0
    undeformed = resize(torch.cat([moving.image, moving.mask], 1), half)
    both = torch.cat([undeformed, warp(undeformed, coarse, padding="zeros")])
    valid = (mask_f & (both[:, 1:] > 0.5)).float()
    correlation = local_correlation(image_f.expand_as(valid), both[:, :1], 5, valid)
    before, after = ((correlation * valid).flatten(1).sum(1) / valid.flatten(1).sum(1)).tolist()
    return before, after
