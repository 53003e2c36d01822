"""A trained model in use: register two images, encode one, explore the components of deformation."""

from __future__ import annotations

import os
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from DeformationLib.bundle import find_bundle, load_state, read_card, read_weights
from DeformationLib.errors import InputError
from DeformationLib.fields import inverse_error, invert, resize, resize_field, warp
from DeformationLib.image import Image, check_overlap
from DeformationLib.progress import Progress, Stopwatch
from DeformationLib.registration import RegistrationResult, network_field_to_physical
from DeformationLib.similarity import local_correlation

from .decomposition import LatentDecomposition
from .explorer import Explorer
from .gradient_network import GradientNetwork, GradientNetworkConfiguration
from .integration import integrate_gradients
from .preprocessing import NetworkGrid, NetworkInput, prepare
from .suitability import suitability_warnings

Alignment = Literal["centres", "none"]


class RegistrationModel:
    """A spatial-gradient network with its card and the decomposition of its training codes.

    >>> model = RegistrationModel.load("hippocampus")
    >>> result = model.register(read_image("fixed.nii.gz"), read_image("moving.nii.gz"))
    >>> print(result)
    >>> shrunk = model.explorer(result.fixed).displacement(component=0, amplitude=-100.0)
    """

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
        self.device = checked_device(device)
        self.precision = precision or (torch.bfloat16 if has_fast_bfloat16(self.device) else torch.float32)
        self.network = network.eval().requires_grad_(False).to(self.device, self.precision)
        self.grid, self.card, self.decomposition = grid, card, decomposition

    @classmethod
    def load(
        cls,
        name_or_folder: str | os.PathLike = "hippocampus",
        device: str = "auto",
        precision: torch.dtype | None = None,
    ) -> RegistrationModel:
        """Load a model.

        Args:
            name_or_folder: its name in the catalogue, or its folder.
            device: "auto" is the GPU when there is one.
            precision: of the convolutions; by default bfloat16 where the processor has it (twice as fast, displacements
                within hundredths of a voxel), else single.

        Raises:
            InputError: for a model that is not there, damaged, or written by a newer version.
        """
        folder = find_bundle(name_or_folder)
        card = read_card(folder)
        try:
            if card["model"].get("class") != "GradientNetwork":
                raise InputError(
                    f"{folder} holds a model of class {card['model'].get('class')}, which is not known here."
                )
            configuration = dict(card["model"]["configuration"])
            configuration["widths"] = tuple(configuration["widths"])
            network = GradientNetwork(GradientNetworkConfiguration(**configuration))
            grid = NetworkGrid(tuple(card["grid"]["size"]), float(card["grid"]["spacing_mm"]))
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f"The model card in {folder} is incomplete ({error}): install the model again.") from error
        weights = read_weights(folder, card)
        if "network" not in weights:
            raise InputError(f"The weights in {folder} lack the part 'network': install the model again.")
        load_state(network, weights["network"], folder)
        parts = weights.get("decomposition")
        try:
            decomposition = LatentDecomposition.from_tensors(parts) if parts else None
        except (KeyError, AttributeError) as error:
            raise InputError(
                f"The decomposition in {folder} is incomplete ({error}): install the model again."
            ) from error
        return cls(network, grid, card, decomposition, device, precision)

    @property
    def name(self) -> str:
        """The model's name on its card."""
        return self.card["name"]

    def prepare(self, image: Image, name: str = "The image", like: NetworkInput | None = None) -> NetworkInput:
        """An image as the network sees it, centred on itself or where another input lies."""
        prepared = prepare(image, self.grid, name, like.geometry if like else None)
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
    ) -> RegistrationResult:
        """Register two images.

        Args:
            fixed: image whose grid the result lives on.
            moving: image that is deformed.
            alignment: ``"centres"`` puts the centre of one image's box on the other's first, as in training;
                ``"none"`` trusts the physical positions.
            components: keep only so many principal components of the code difference; None keeps the whole code.
            progress: reports and cancels.

        Raises:
            InputError: for unusable images, or images that do not overlap where no alignment was asked for.
            Cancelled: through ``progress``.
        """
        if alignment not in get_args(Alignment):
            raise ValueError(f"The alignment is one of {get_args(Alignment)}, not {alignment!r}.")
        progress = progress or Progress()
        watch = Stopwatch()
        progress.report(0.0, "Preparing the images")
        if alignment == "none":
            check_overlap(fixed, moving)
        seen_f = self.prepare(fixed, "The fixed image")
        seen_m = self.prepare(moving, "The moving image", seen_f if alignment == "none" else None)
        watch.lap("preparing")
        progress.report(0.3, "Registering")
        both = self.encode_images(torch.cat([seen_f.image, seen_m.image]))  # quicker than one after the other
        encoded_f, encoded_m = ([part[index : index + 1] for part in both] for index in (0, 1))
        difference = self._difference(encoded_f, encoded_m, components)
        forward = self.decode(difference)
        watch.lap("network")
        progress.report(0.7, "Resampling to the images")
        displacement = self.physical(forward, seen_f, seen_m, fixed)
        watch.lap("resampling")
        warnings = [
            *suitability_warnings(self, fixed, encoded_f[0], "fixed"),
            *suitability_warnings(self, moving, encoded_m[0], "moving"),
        ]
        before, after = _similarities(seen_f, seen_m, forward)
        watch.lap("checks")
        progress.report(1.0, "Registered")

        @torch.inference_mode()
        def invert_when_asked(result: RegistrationResult) -> Image:
            watch = Stopwatch()
            inverse = invert(forward, self.decode(tuple(-part for part in difference)))
            result.warnings += _inverse_warnings(forward, inverse)
            inverse_displacement = self.physical(inverse, seen_m, seen_f, moving)
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
        )

    def physical(self, field: Tensor, start: NetworkInput, end: NetworkInput, image: Image) -> Image:
        """A displacement on the network's grid as millimetres on an image's."""
        return network_field_to_physical(self.grid.volume_field(field), start.geometry, end.geometry, image.geometry)

    def explorer(self, image: Image) -> Explorer:
        """The components of deformation applied to an image; raises `InputError` where the model has none."""
        if self.decomposition is None:
            raise InputError(f"The model {self.name} has no latent decomposition: choose another model.")
        return Explorer(self, image)

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


def checked_device(device: str) -> torch.device:
    """A torch device; ``"auto"`` is the GPU when there is one. Raises `InputError` for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        result = torch.device(device)
        torch.empty(1, device=result)
    except Exception as error:
        raise InputError(f"The device '{device}' cannot be used on this computer: choose cpu.") from error
    return result


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 numbers by itself; elsewhere they would be slower than single precision."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public question for CPUs; without an answer it is no.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def _similarities(fixed: NetworkInput, moving: NetworkInput, displacement: Tensor) -> tuple[float, float]:
    """Mean squared local correlation before and after, in [0, 1], where both images have voxels.

    On half the network's grid, as in training; nan where the images share no voxel.
    """
    half = tuple(length // 2 for length in displacement.shape[2:])
    coarse = resize_field(displacement, half)
    image_f, mask_f = resize(fixed.image, half), resize(fixed.mask, half)
    undeformed = resize(torch.cat([moving.image, moving.mask], 1), half)
    both = torch.cat([undeformed, warp(undeformed, coarse, padding="zeros")])
    valid = ((mask_f > 0.5) & (both[:, 1:] > 0.5)).float()
    correlation = local_correlation(image_f.expand_as(valid), both[:, :1], 5, valid)
    before, after = ((correlation * valid).flatten(1).sum(1) / valid.flatten(1).sum(1)).tolist()
    return before, after


def _inverse_warnings(displacement: Tensor, inverse: Tensor) -> list[str]:
    """A sentence where the inverse misses by more than half a voxel at more than one voxel in a hundred."""
    half = tuple(length // 2 for length in displacement.shape[2:])
    error = inverse_error(resize_field(displacement, half), resize_field(inverse, half))
    share = float((error > 0.25).float().mean())  # in voxels twice as large
    if share <= 0.01:
        return []
    return [f"The inverse is inexact in {100 * share:.0f} % of the voxels, because the deformation folds there."]
