"""From the training command's options to a `ProbabilisticRequest`."""

from __future__ import annotations

import argparse
from pathlib import Path

from DeformationLib.augmentation import Augmentation
from DeformationLib.errors import InputError
from DeformationLib.training_command import chosen, numbers, training_options

from .probabilistic_training import ProbabilisticRequest
from .velocity_network import VelocityNetworkConfiguration
from .velocity_objective import VelocityLossWeights


def request_from_options(options: argparse.Namespace, command: str) -> ProbabilisticRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = numbers(options, "grid"), numbers(options, "spacings", float)
    widths = numbers(options, "widths")
    if len(grid) not in (0, 2, 3):
        raise InputError(f"--grid takes two or three lengths, not {len(grid)}.")
    if spacings and (len(spacings) not in (2, 3) or min(spacings) <= 0):
        raise InputError(f"--spacings takes two or three positive numbers, not '{options.spacings}'.")
    if grid and spacings and len(grid) != len(spacings):
        raise InputError(f"--grid has {len(grid)} lengths, but --spacings {len(spacings)} numbers: give as many.")
    if not widths:
        raise InputError("--widths needs at least one number of channels.")
    if not 0 <= options.reference_share <= 1:
        raise InputError(f"--reference-share is a share between 0 and 1, not {options.reference_share:g}.")
    network = network_template(
        widths,
        code_maps=options.code_channels,
        latent=options.latent,
        scales=options.scales,
        finest=options.finest,
        smoothing=options.smoothing,
        largest_velocity=options.largest_velocity,
        through_plane=options.through_plane,
        context=numbers(options, "context"),
    )
    weights = VelocityLossWeights(
        likelihood=options.likelihood_weight,
        window=options.window,
        overlap=options.overlap_weight,
        folding=options.folding_weight,
        smoothness=options.smoothness_weight,
    )
    return ProbabilisticRequest(
        images=Path(options.images),
        labels=Path(options.labels) if options.labels else None,
        output=Path(options.output),
        split_file=Path(options.split_file) if options.split_file else None,
        validation_rule=options.validation_rule,
        grid=grid,
        spacing=options.spacing,
        spacings=spacings,
        frame=options.frame,
        network=network,
        weights=weights,
        augmentation=chosen(options, Augmentation),
        options=training_options(options),
        full_resolution_epochs=options.full_resolution_epochs,
        reference_share=options.reference_share,
        pairs_per_case=options.pairs_per_case,
        components=options.components,
        initialize=options.initialize,
        resume=options.resume,
        name=options.name,
        purpose=options.purpose,
        data=options.data_name,
        licence=options.licence,
        command=command,
    )


def network_template(widths: tuple[int, ...], **further) -> VelocityNetworkConfiguration:
    """A configuration of a size that any number of levels divides; the run puts its grid in its place."""
    size, spacing = (2 ** (len(widths) + 2),) * 3, (1.0,) * 3
    return VelocityNetworkConfiguration(size=size, spacing=spacing, widths=widths, **further)
