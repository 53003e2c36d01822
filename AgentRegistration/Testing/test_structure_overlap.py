"""What actions gain in overlap of found structures: against finite differences, in walks, alone and in batches."""

import pytest
import torch

from AgentRegistrationLib.agent_walk import Agent, walk_options
from AgentRegistrationLib.structure_overlap import found_overlap, overlap_gains
from DeformationLib.errors import InputError

from .walk_fixtures import KnowingNetwork, random_network, smooth_image, smooth_space


def structures(size, count=2, batch=1, seed=0):
    """Smooth random probabilities."""
    return torch.cat([
        torch.cat([torch.sigmoid(12 * (smooth_image(size, seed + 7 * b + n) - 0.5)) for n in range(count)], dim=1)
        for b in range(batch)
    ])  # fmt: skip


def test_overlap_of_equal_maps_is_one_of_disjoint_ones_none_and_of_sets_dice():
    maps = structures((14, 11))
    assert float(found_overlap(maps, maps)) == pytest.approx(1.0)
    first, second = torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6)
    first[..., :3, :], second[..., 3:, :] = 1, 1
    assert float(found_overlap(first, second)) == 0.0
    second[..., 1:4, :] = 1
    assert float(found_overlap(first, second)) == pytest.approx(2 * 12 / (18 + 30))
    assert float(found_overlap(torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6))) == 0.0


@pytest.mark.parametrize("size", [(24, 20), (12, 14, 10)])
def test_gains_are_the_derivatives_of_the_overlap(size):
    space = smooth_space(size).double()
    fixed, moving = structures(size, seed=1).double(), structures(size, seed=40).double()
    theta = 0.3 * space.deviations
    gains = overlap_gains(space, fixed, moving, space.sampling(theta[None]))[0]
    assert torch.equal(gains[1::2], -gains[::2])
    tiny = 1e-5
    for parameter in range(len(space)):
        ends = [
            found_overlap(fixed, space.warp(moving, space.sampling((theta + sign * tiny * unit)[None])))
            for unit in [torch.eye(len(space)).double()[parameter]]
            for sign in (1, -1)
        ]
        slope = float(ends[0] - ends[1]) / (2 * tiny)
        assert float(gains[2 * parameter]) == pytest.approx(slope * float(space.steps[parameter]), rel=2e-3, abs=1e-6)


def test_gains_of_a_batch_are_those_of_each_also_in_inference_mode():
    space = smooth_space()
    fixed, moving = structures(space.size, batch=3, seed=1), structures(space.size, batch=3, seed=50)
    sampling = space.sampling(torch.randn(3, len(space), generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        together = overlap_gains(space, fixed, moving, 1.0 * sampling)
    for n in range(3):
        alone = overlap_gains(space, fixed[n : n + 1], moving[n : n + 1], sampling[n : n + 1])
        assert torch.allclose(together[n], alone[0], atol=1e-6)


class IgnorantNetwork(KnowingNetwork):
    """Has no opinion of its own, and finds the structures that it is told of."""

    def see(self, images, found=None):
        return torch.cat([images, found], dim=1)

    def forward(self, encoded, moving):
        return torch.zeros(len(moving), 2 * len(self.space))


def test_overlap_alone_leads_a_walk_to_the_deformation_between_the_structures():
    space = smooth_space()
    target = torch.tensor([0.9, -0.6, 0.5, -0.4]) * space.deviations
    moving = structures(space.size, count=3, seed=3)
    fixed = space.warp(moving, space.sampling(target[None]))
    agent = Agent(IgnorantNetwork(space, target), space)
    pair = agent.look(smooth_image(seed=1), smooth_image(seed=2), None, (fixed, moving))
    walk = agent.begin(pair, walk_options(greedy=True, overlap=100.0, shrinks=2, steps=300))[0]
    agent.run([walk])
    assert float(((walk.theta - target).abs() / space.steps).max()) < 1.0
    reached = found_overlap(fixed, space.warp(moving, space.sampling(walk.theta[None])))
    assert float(reached) > 0.99 > 0.95 > float(found_overlap(fixed, moving))


def test_the_weight_adds_gains_to_q_values_in_mean_steps():
    space = smooth_space()
    agent = Agent(random_network(space, structures=2, structure_widths=(3, 4), joint=True), space)
    pair = agent.look(smooth_image(seed=1), smooth_image(seed=2))
    alone, both = (agent.begin(pair, walk_options(overlap=weight))[0] for weight in (0.0, 40.0))
    gains = overlap_gains(space, pair.structures, pair.seen[:, 1:], space.sampling(both.theta[None]))[0]
    expected = alone.q_values() + 40.0 * space.steps.mean() * gains
    assert torch.allclose(both.q_values(), expected, atol=1e-6)
    assert not torch.allclose(both.q_values(), alone.q_values(), atol=1e-6)


def test_without_structures_the_weight_has_no_effect():
    space = smooth_space()
    agent = Agent(random_network(space), space)
    pair = agent.look(smooth_image(seed=1), smooth_image(seed=2))
    walks = [agent.begin(pair, walk_options(overlap=weight, greedy=True, steps=4))[0] for weight in (0.0, 40.0)]
    agent.run(walks)
    assert torch.equal(walks[0].theta, walks[1].theta)


def test_a_negative_weight_is_refused():
    with pytest.raises(InputError, match="no negative"):
        walk_options(overlap=-1.0)
