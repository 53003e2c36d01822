"""From the training command's options to a `MotionRequest`."""

from __future__ import annotations

import argparse
from pathlib import Path

from DeformationLib.augmentation import Augmentation
from DeformationLib.errors import InputError
from DeformationLib.training_command import chosen, numbers, training_options
from LatentRegistrationLib.probabilistic_request import network_template

from .motion_network import MotionNetworkConfiguration
from .motion_objective import MotionLossWeights
from .motion_training import MotionRequest
from .temporal_dropout import TemporalDropout


def request_from_options(options: argparse.Namespace, command: str) -> MotionRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = numbers(options, "grid"), numbers(options, "spacings", float)
    widths = numbers(options, "widths")
    _check(options, grid, spacings, widths)
    pair = network_template(
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
    network = chosen(options, MotionNetworkConfiguration, pair=pair, width=options.temporal_width)
    weights = MotionLossWeights(
        similarity=options.similarity,
        likelihood=options.likelihood_weight,
        variance=options.similarity_variance,
        window=options.window,
        overlap=options.overlap_weight,
        folding=options.folding_weight,
        transport=options.transport_weight,
    )
    return MotionRequest(
        images=Path(options.images),
        output=Path(options.output),
        split_file=Path(options.split_file) if options.split_file else None,
        validation_rule=options.validation_rule,
        grid=grid,
        spacings=spacings,
        spacing=options.spacing,
        frame=options.frame,
        network=network,
        weights=weights,
        augmentation=chosen(options, Augmentation),
        options=training_options(options),
        dropout=TemporalDropout(options.dropout, options.whole_share, options.leading_share, options.sparse_share),
        periodic=not options.not_periodic,
        sub_sequence=options.sub_sequence,
        slices=options.slices,
        target_share=options.target_share,
        other_references=options.other_references,
        sequences_per_case=options.sequences_per_case,
        heart=numbers(options, "heart"),
        full_resolution_epochs=options.full_resolution_epochs,
        initialize=options.initialize,
        resume=options.resume,
        name=options.name,
        purpose=options.purpose,
        data=options.data_name,
        licence=options.licence,
        command=command,
    )


def _check(options: argparse.Namespace, grid: tuple, spacings: tuple, widths: tuple) -> None:
    if len(grid) not in (0, 2, 3):
        raise InputError(f"--grid takes two or three lengths, not {len(grid)}.")
    if spacings and (len(spacings) not in (2, 3) or min(spacings) <= 0):
        raise InputError(f"--spacings takes two or three positive numbers, not '{options.spacings}'.")
    if grid and spacings and len(grid) != len(spacings):
        raise InputError(f"--grid has {len(grid)} lengths, but --spacings {len(spacings)} numbers: give as many.")
    if not widths:
        raise InputError("--widths needs at least one number of channels.")
    for name in ("dropout", "whole_share", "leading_share", "sparse_share", "target_share", "other_references"):
        value = getattr(options, name)
        if not 0 <= value <= 1:
            raise InputError(f"--{name.replace('_', '-')} is a share between 0 and 1, not {value:g}.")
    if options.whole_share + options.leading_share + options.sparse_share > 1:
        raise InputError(
            "--whole-share, --leading-share and --sparse-share are shares of all sequences: at most 1 together."
        )
    if len(numbers(options, "heart")) not in (0, 2, 3):
        raise InputError(
            "--heart takes the labels of the left pool, its wall and, where there is one, the right ventricle."
        )
    if options.sub_sequence == 1:
        raise InputError("--sub-sequence needs at least two frames, or 0 for all.")
