"""The finder of structures: sizes, what it learns, and what the agent's streams see of it."""

import pytest
import torch
from torch.nn import functional as F

from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
from AgentRegistrationLib.agent_walk import Agent, walk_options
from AgentRegistrationLib.structure_network import StructureNetwork, structure_loss
from DeformationLib.similarity import soft_dice_loss

from .walk_fixtures import random_network, smooth_image, smooth_space


@pytest.mark.parametrize("size", [(24, 20), (17, 30), (9, 12, 10)])
def test_logits_for_every_voxel_whatever_the_size(size):
    network = StructureNetwork(len(size), 2, (3, 4, 5))
    assert network(torch.rand(2, 1, *size)).shape == (2, 2, *size)


def test_it_learns_to_find_a_structure():
    torch.manual_seed(0)
    labels = torch.zeros(8, 1, 20, 24)
    for number in range(8):
        labels[number, :, number + 2 : number + 9, 5:15] = 1
    images = 0.3 + 0.3 * labels + 0.1 * torch.rand(labels.shape)
    network = StructureNetwork(2, 1, (4, 6))
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    losses = []
    for _ in range(30):
        loss = structure_loss(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_the_loss_is_cross_entropy_and_overlap():
    logits, labels = torch.randn(3, 2, 6, 5), (torch.rand(3, 2, 6, 5) > 0.5).float()
    entropy = F.binary_cross_entropy(torch.sigmoid(logits), labels)
    expected = entropy + soft_dice_loss(labels, torch.sigmoid(logits))
    assert float(structure_loss(logits, labels)) == pytest.approx(float(expected), rel=1e-5)
    sure = 30 * (2 * labels - 1)
    assert float(structure_loss(sure, labels)) < 0.01 < float(structure_loss(-sure, labels))


def test_the_streams_see_the_structures_and_the_walk_shows_the_image():
    space = smooth_space()
    agent = Agent(random_network(space, structures=2, structure_widths=(3, 4), joint=True), space)
    fixed, moving = smooth_image(seed=1), smooth_image(seed=2)
    pair = agent.look(fixed, moving)
    assert torch.equal(pair.seen[:, :1], moving)
    assert torch.equal(pair.seen[:, 1:], torch.sigmoid(agent.network.finder(moving)))
    walk = agent.begin(pair, walk_options(greedy=True, steps=3))[0]
    agent.run([walk])
    seen = space.warp(pair.seen, space.sampling(walk.theta[None]))
    assert torch.allclose(walk.warped, seen[:, :1], atol=1e-5)
    expected = agent.network(agent.network.encode_fixed(agent.network.see(fixed)), seen)[0]
    assert torch.allclose(walk.q_values(), expected, atol=1e-4)


def test_without_structures_images_are_seen_as_they_are():
    network = AgentNetwork(AgentNetworkConfiguration((16, 16), 4, (4,), (8,)))
    image = torch.rand(1, 1, 16, 16)
    assert network.see(image) is image
    assert network.finder is None
