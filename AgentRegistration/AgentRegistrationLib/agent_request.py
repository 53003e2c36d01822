"""From the training command's options to an `AgentRequest`."""

from __future__ import annotations

import argparse
from pathlib import Path

from DeformationLib.augmentation import Augmentation
from DeformationLib.errors import InputError
from DeformationLib.training_command import check_shares, chosen, grid_numbers, numbers, training_request

from .agent_training import AgentRequest


def request_from_options(options: argparse.Namespace, command: str) -> AgentRequest:
    """The request that a command line describes; raises `InputError` for options that do not fit each other."""
    grid, spacings = grid_numbers(options)
    check_shares(options, ("decay", "least_overlap"))
    if not options.dropout < 1:
        raise InputError("--dropout leaves out a share of the features, and must leave some: choose less than 1.")
    if not options.step > 0 or not options.decay > 0:
        raise InputError("--step and --decay must be positive.")
    if options.group_size < 2:
        raise InputError("--group-size must be at least 2: batch normalisation compares the pairs of a batch.")
    if options.structures_finely and not options.structure_epochs:
        raise InputError("--structures-finely is about the finder of structures: give it some --structure-epochs.")
    widths, dense = numbers(options, "widths"), numbers(options, "dense")
    return training_request(
        options,
        AgentRequest,
        command,
        grid=grid,
        spacings=spacings,
        widths=widths,
        structure_widths=numbers(options, "structure_widths"),
        dense=dense,
        # Deformations come from the deformation model.
        augmentation=chosen(options, Augmentation, rotation=0.0, translation=0.0, zoom=0.0, elastic=0.0),
        deformations=Path(options.deformations) if options.deformations else None,
    )
