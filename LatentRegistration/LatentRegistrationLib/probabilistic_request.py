"""From the training command's options to a `ProbabilisticRequest`."""

from __future__ import annotations

import argparse

from DeformationLib.errors import InputError
from DeformationLib.training_command import check_shares, chosen, grid_numbers, numbers, training_request

from .probabilistic_training import ProbabilisticRequest
from .velocity_network import VelocityNetworkConfiguration
from .velocity_objective import VelocityLossWeights


def request_from_options(options: argparse.Namespace, command: str) -> ProbabilisticRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = grid_numbers(options)
    check_shares(options, ["reference_share"])
    weights = VelocityLossWeights(
        likelihood=options.likelihood_weight,
        window=options.window,
        overlap=options.overlap_weight,
        folding=options.folding_weight,
        smoothness=options.smoothness_weight,
    )
    network = network_template(options)
    return training_request(
        options, ProbabilisticRequest, command, grid=grid, spacings=spacings, network=network, weights=weights
    )


def network_template(options: argparse.Namespace) -> VelocityNetworkConfiguration:
    """The network that the options describe, of a size that any number of levels divides; the run puts its grid in its place.

    Raises `InputError` for options that are no lists of numbers, and no number of channels.
    """
    widths = numbers(options, "widths")
    if not widths:
        raise InputError("--widths needs at least one number of channels.")
    return chosen(
        options,
        VelocityNetworkConfiguration,
        size=(2 ** (len(widths) + 2),) * 3,
        spacing=(1.0,) * 3,
        widths=widths,
        code_maps=options.code_channels,
        context=numbers(options, "context"),
    )
