"""The agent beside methods that know of structures, too: demons between what it finds, and networks trained with labels.

A comparison with methods that see intensities alone does not say what the agent's walk is worth beside what its finder of
structures is worth; this one does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import SimpleITK as sitk
import torch
from agent_data import Anatomy, Pair, Seen, name_of
from agent_peers import along_axes, demons_between
from agent_scores import measure, print_compared
from agent_table import BUNDLED, walked

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_network import AgentNetwork
from LatentRegistrationLib.model import RegistrationModel

DEMONS, NETWORK = "demons between the found structures", "`{}`"


def told(anatomy: Anatomy, model: AgentModel, pairs: Sequence[Pair]) -> dict[str, list[dict]]:
    """Rows of measures by method, one per pair; seconds are the processor's, finding structures and loading left out."""
    table = walked(anatomy, model, {BUNDLED: model.options}, pairs)
    if model.network.finder is not None:
        translate = anatomy.translator(model)
        table[DEMONS] = [_by_demons(anatomy, model.network, pair, translate(pair)) for pair in pairs]
    for name in anatomy.networks:
        network = RegistrationModel.load(name, "cpu")
        table[NETWORK.format(name)] = [_by_network(anatomy, network, pair) for pair in pairs]
    return table


def _by_demons(anatomy: Anatomy, network: AgentNetwork, pair: Pair, matrix: np.ndarray) -> dict:
    seen = anatomy.seen(pair, matrix)
    images = found_images(network, seen)
    start = time.process_time()
    field = along_axes(demons_between(*images))
    seconds = time.process_time() - start
    return {"pair": name_of(pair), **measure(anatomy, pair, seen.on_image(field, pair[0].image)), "seconds": seconds}


@torch.inference_mode()
def found_images(network: AgentNetwork, seen: Seen) -> tuple[sitk.Image, sitk.Image]:
    """The structures that are found in either image, as one image from 0 to 1: demons know no channels."""
    images = []
    for part in (seen.fixed, seen.moving):
        maps = torch.sigmoid(network.finder(part.image))[0]
        weights = torch.arange(1, len(maps) + 1) / len(maps)
        images.append(sitk.GetImageFromArray(torch.tensordot(weights, maps, dims=1).numpy()))
    return images[0], images[1]


def _by_network(anatomy: Anatomy, network: RegistrationModel, pair: Pair) -> dict:
    start = time.process_time()
    result = network.register(pair[0].image, pair[1].image)
    seconds = time.process_time() - start
    return {"pair": name_of(pair), **measure(anatomy, pair, result.displacement), "seconds": seconds}


def print_told(anatomy: Anatomy, table: Mapping[str, Sequence[dict]]) -> None:
    """What each method gives, and how it compares with the agent pair by pair."""
    ours = table[BUNDLED]
    print(f"\n{anatomy.title}, {len(ours)} pairs:\n")
    lines = ((title, rows, ours) for title, rows in table.items())
    print_compared(lines, "method", "the agent", ("hausdorff", "hd95", "folding", "seconds"))
