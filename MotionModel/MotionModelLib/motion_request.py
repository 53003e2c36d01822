"""From the training command's options to a `MotionRequest`."""

from __future__ import annotations

import argparse

from DeformationLib.errors import InputError
from DeformationLib.training_command import check_shares, chosen, grid_numbers, numbers, training_request
from LatentRegistrationLib.probabilistic_request import network_template

from .motion_network import MotionNetworkConfiguration
from .motion_objective import MotionLossWeights
from .motion_training import MotionRequest
from .temporal_dropout import TemporalDropout


def request_from_options(options: argparse.Namespace, command: str) -> MotionRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = grid_numbers(options)
    _check(options)
    pair = network_template(options)
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
    dropout = TemporalDropout(options.dropout, options.whole_share, options.leading_share, options.sparse_share)
    return training_request(
        options,
        MotionRequest,
        command,
        grid=grid,
        spacings=spacings,
        network=network,
        weights=weights,
        dropout=dropout,
        periodic=not options.not_periodic,
        heart=numbers(options, "heart"),
    )


def _check(options: argparse.Namespace) -> None:
    shares = ("dropout", "whole_share", "leading_share", "sparse_share", "target_share", "other_references")
    check_shares(options, shares)
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
