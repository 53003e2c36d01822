"""A trained motion model on disk: its network, its grid and its card."""

from __future__ import annotations

import os
from typing import Any

from DeformationLib.bundle import load_state, read_weights
from DeformationLib.catalogue import find_bundle, read_card
from DeformationLib.errors import InputError
from LatentRegistrationLib.pair_grid import PairGrid

from .motion_network import MotionNetwork, configuration_of

KIND = "MotionNetwork"
"""The class of these models, as their cards name it."""


def read_motion_bundle(name_or_folder: str | os.PathLike) -> tuple[MotionNetwork, PairGrid, dict[str, Any]]:
    """Network, grid and card of a model, given its name in the catalogue or its folder.

    Raises:
        InputError: for a model that is not there, damaged, of another kind, or written by a newer version.
    """
    folder = find_bundle(name_or_folder)
    card = read_card(folder)
    try:
        if card["model"].get("class") != KIND:
            raise InputError(
                f"{folder} holds a model of class {card['model'].get('class')}, not one of motion: choose another."
            )
        network = MotionNetwork(configuration_of(card["model"]["configuration"]))
        where = card["grid"]
        grid = PairGrid(tuple(where["size"]), tuple(map(float, where["spacing_mm"])), where.get("frame", "image"))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"The model card in {folder} is incomplete ({error}): install the model again.") from error
    weights = read_weights(folder, card)
    if "network" not in weights:
        raise InputError(f"The weights in {folder} lack the part 'network': install the model again.")
    load_state(network, weights["network"], folder)
    return network, grid, card
