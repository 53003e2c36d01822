"""From the training command's options to a `ProbabilisticRequest`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from DeformationLib.augmentation import Augmentation
from DeformationLib.errors import InputError
from DeformationLib.training import TrainingOptions

from .model import checked_device
from .probabilistic_training import ProbabilisticRequest
from .velocity_network import VelocityNetworkConfiguration
from .velocity_objective import VelocityLossWeights


def request_from_options(options: argparse.Namespace, command: str) -> ProbabilisticRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = _numbers(options, "grid", int), _numbers(options, "spacings", float)
    widths = _numbers(options, "widths", int)
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
    network = VelocityNetworkConfiguration(
        widths=widths,
        code_maps=options.code_channels,
        latent=options.latent,
        scales=options.scales,
        smoothing=options.smoothing,
        largest_velocity=options.largest_velocity,
        through_plane=options.through_plane,
        context=_numbers(options, "context", int),
        **_template(len(widths)),
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
        augmentation=_chosen(options, Augmentation),
        options=_chosen(
            options,
            TrainingOptions,
            device=str(checked_device(options.device)),
            max_minutes=options.max_minutes or math.inf,
        ),
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


def _template(levels: int) -> dict:
    """A size that any number of levels divides; the run puts its grid in its place."""
    return {"size": (2 ** (levels + 2),) * 3, "spacing": (1.0,) * 3}


def _numbers(options: argparse.Namespace, name: str, kind: Callable[[str], float]) -> tuple:
    text = getattr(options, name)
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"--{name} takes {what} with commas between them, not '{text}'.") from error


def _chosen(options: argparse.Namespace, kind: type, **given):
    taken = {name: getattr(options, name) for name in kind.__dataclass_fields__ if hasattr(options, name)}
    return kind(**{**taken, **given})
