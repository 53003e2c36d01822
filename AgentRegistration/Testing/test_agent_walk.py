"""Walks of agents: to the target, the same for the same seed, together as alone, back and led by hand."""

import pytest
import torch

from AgentRegistrationLib.agent_walk import Agent, Pair, WalkOptions, walk_options
from AgentRegistrationLib.decision_process import ActionRule, Oscillation
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.fields import warp
from DeformationLib.progress import Progress

from .walk_fixtures import knowing_walk, random_network, smooth_image, smooth_space

GREEDY = walk_options(greedy=True)


@pytest.fixture
def space():
    return smooth_space()


@pytest.fixture
def agent(space):
    return Agent(random_network(space), space)


def images():
    return smooth_image(seed=1), smooth_image(seed=2)


def pair_of(agent, mask=None):
    return agent.look(*images(), mask)


def actions_of(walk):
    return [state.action for state in walk.states]


@pytest.mark.parametrize("greedy", [True, False])
def test_an_agent_that_knows_the_rewards_arrives(space, greedy):
    target = torch.tensor([1.0, -0.8, 0.5, 0.3])
    walk = knowing_walk(space, target, walk_options(greedy=greedy, steps=100))
    before = walk.similarity
    walk.agent.run([walk])
    assert ((walk.theta - target).abs() <= 1.2 * space.steps).all()
    assert walk.similarity > max(0.99, before)


def test_oscillation_ends_a_walk_early_and_in_the_middle(space):
    target = torch.tensor([1.0, -0.8, 0.5, 0.3])
    walk = knowing_walk(space, target, walk_options(greedy=True, steps=500, settle=True))
    walk.agent.run([walk])
    assert walk.stopped
    assert 40 <= walk.taken < 100
    assert walk.states[-1].choice == "settled"
    long = knowing_walk(space, target, walk_options(greedy=True, steps=500, window=0))
    long.agent.run([long])
    assert long.taken == 500
    # Stopping costs nothing: it is as near to the target.
    assert (walk.theta - target).norm() <= (long.theta - target).norm() + 1e-6


def test_shrinking_steps_come_nearer(space):
    target = torch.tensor([0.93, -0.71, 0.44, 0.21])
    error = {}
    for shrinks in (0, 3):
        walk = knowing_walk(space, target, walk_options(greedy=True, steps=600, settle=False, shrinks=shrinks))
        walk.agent.run([walk])
        assert walk.scale == 0.5**shrinks
        error[shrinks] = float((walk.theta - target).norm())
    assert error[3] < 0.5 * error[0]


def test_fuzzy_control_keeps_a_walk_in_the_model(space):
    far = 4 * space.deviations
    free = knowing_walk(space, far, walk_options(steps=120, tightness=0.0, window=0))
    kept = knowing_walk(space, far, walk_options(steps=120, tightness=1.5, window=0))
    for walk in (free, kept):
        walk.agent.run([walk])
    assert free.amplitudes.min() > 3
    assert kept.amplitudes.max() < 3.3
    assert kept.amplitudes.mean() < 2.6


def test_the_same_seed_gives_the_same_walk_and_another_seed_another(agent):
    walks = []
    for seed in (3, 3, 4):
        walk = agent.begin(pair_of(agent), WalkOptions(steps=30, seed=seed))[0]
        agent.run([walk])
        walks.append(walk)
    assert walks[0].states == walks[1].states
    assert actions_of(walks[0]) != actions_of(walks[2])


def test_greedy_walks_do_not_depend_on_the_seed(agent):
    walks = [agent.begin(pair_of(agent), walk_options(GREEDY, steps=20, seed=seed))[0] for seed in (0, 7)]
    for walk in walks:
        agent.run([walk])
    assert walks[0].states == walks[1].states


@pytest.mark.parametrize("size", [(24, 20), (10, 12, 8)])
def test_walks_together_equal_walks_alone(size):
    space = smooth_space(size, modes=3)
    agent = Agent(random_network(space), space)
    options = WalkOptions(steps=25, starts=3, seed=1)
    pair = agent.look(smooth_image(size, 1), smooth_image(size, 2))
    together = agent.begin(pair, options)
    best = agent.run(together)
    alone = agent.begin(pair, options)
    for walk in alone:
        agent.run([walk])
    for one, other in zip(together, alone, strict=True):
        assert actions_of(one) == actions_of(other)
        assert torch.allclose(one.theta, other.theta)
        assert one.similarity == pytest.approx(other.similarity, abs=1e-4)
    assert best.similarity == max(walk.similarity for walk in alone)
    assert len({tuple(walk.states[0].theta) for walk in together}) == 3
    assert together[0].states[0].theta == (0.0,) * 3


def test_walks_of_different_pairs_share_an_evaluation(agent):
    options = walk_options(GREEDY, steps=12)
    pairs = [agent.look(smooth_image(seed=a), smooth_image(seed=b)) for a, b in ((1, 2), (3, 4))]
    together = [agent.begin(pair, options)[0] for pair in pairs]
    agent.run(together)
    for pair, walk in zip(pairs, together, strict=True):
        alone = agent.begin(pair, options)[0]
        agent.run([alone])
        assert actions_of(alone) == actions_of(walk)


def test_what_a_walk_shows_is_what_its_parameters_say(agent, space):
    walk = agent.begin(pair_of(agent), WalkOptions(steps=40))[0]
    agent.run([walk], steps=15)
    _, moving = images()
    displacement = space.displacement(walk.theta[None])
    assert torch.allclose(walk.displacement, displacement)
    assert torch.allclose(walk.warped, warp(moving, displacement), atol=1e-4)
    fixed = images()[0].flatten()
    expected = torch.corrcoef(torch.stack([fixed, walk.warped.flatten()]))[0, 1]
    assert walk.similarity == pytest.approx(float(expected), abs=1e-5)
    assert torch.allclose(walk.amplitudes, walk.theta / space.deviations)
    with torch.inference_mode():
        expected = agent.network(agent.network.encode_fixed(images()[0]), walk.warped)[0]
    assert torch.allclose(walk.q_values(), expected, atol=1e-6)
    best = walk.best_actions(2)
    assert best[0] == (int(expected.argmax()), pytest.approx(float(expected.max())))


def test_the_similarity_is_measured_in_the_mask():
    fixed, moving = images()
    mask = torch.zeros_like(fixed)
    mask[..., :12, :] = 1
    pair = Pair(fixed, moving, mask, torch.zeros(1, 1, 1))
    inside = torch.corrcoef(torch.stack([fixed[..., :12, :].flatten(), moving[..., :12, :].flatten()]))[0, 1]
    assert pair.similarity(moving) == pytest.approx(float(inside), abs=1e-5)


def test_an_empty_mask_is_refused(agent):
    with pytest.raises(InputError, match="mask is empty"):
        pair_of(agent, torch.zeros(1, 1, 24, 20))


def test_a_step_back_and_forward_leads_to_the_same_place(agent):
    walk = agent.begin(pair_of(agent), WalkOptions(steps=30))[0]
    agent.run([walk], steps=10)
    states = list(walk.states)
    for _ in range(4):
        assert walk.step_back()
    assert walk.states == states[:7]
    for _ in range(4):
        walk.step()
    assert actions_of(walk) == [state.action for state in states]
    assert walk.theta.tolist() == pytest.approx(states[-1].theta)
    for _ in range(10):
        assert walk.step_back()
    assert not walk.step_back()
    assert walk.theta.tolist() == [0.0] * 4


def test_the_user_leads_and_the_agent_goes_on(agent, space):
    walk = agent.begin(pair_of(agent), WalkOptions(steps=30))[0]
    walk.step()
    before = walk.theta.clone()
    walk.take(3)
    assert (walk.theta - before).tolist() == pytest.approx([0, -float(space.steps[1]), 0, 0])
    assert walk.states[-1].choice == "user"
    assert walk.states[-1].action == 3
    walk.set_theta([1.0, 0.0, -1.0, 0.5])
    assert torch.allclose(walk.displacement, space.displacement(torch.tensor([[1.0, 0.0, -1.0, 0.5]])))
    agent.run([walk])
    assert walk.taken == 30
    assert walk.states[4].choice == "agent"
    assert walk.states[4].q is not None


def test_a_stopped_walk_goes_on_from_where_the_user_puts_it(space):
    target = torch.tensor([1.0, -0.8, 0.5, 0.3])
    walk = knowing_walk(space, target, walk_options(greedy=True, steps=300))
    walk.agent.run([walk])
    assert walk.stopped
    assert walk.step() is None
    walk.set_theta(torch.zeros(4))
    assert not walk.stopped
    walk.agent.run([walk])
    assert walk.stopped
    assert ((walk.theta - target).abs() <= 1.2 * space.steps).all()


def test_stepping_back_from_the_end_forgets_the_end(space):
    walk = knowing_walk(space, torch.tensor([1.0, -0.8, 0.5, 0.3]), walk_options(greedy=True, steps=300))
    walk.agent.run([walk])
    last = walk.states[-2].theta
    walk.step_back()
    assert not walk.stopped
    assert walk.theta.tolist() == pytest.approx(last)
    assert walk.step() is not None


@pytest.mark.parametrize("theta", [[0.0], [0.0, 0.0, 0.0, float("nan")]])
def test_parameters_that_are_none_are_refused(agent, theta):
    with pytest.raises(ValueError, match="4 finite parameters"):
        agent.begin(pair_of(agent))[0].set_theta(theta)


def test_actions_that_are_none_are_refused(agent):
    with pytest.raises(ValueError, match="0 to 7"):
        agent.begin(pair_of(agent))[0].take(8)


def test_cancelling_leaves_the_walk_where_it_is(agent):
    reports = []

    def report(fraction, message):
        reports.append(fraction)
        if len(reports) == 3:
            progress.cancel()

    progress = Progress(report)
    walk = agent.begin(pair_of(agent), WalkOptions(steps=100))[0]
    with pytest.raises(Cancelled):
        agent.run([walk], progress=progress)
    assert 0 < walk.taken <= 12
    agent.run([walk], steps=1)


def test_options_are_changed_by_name():
    options = walk_options(steps=7, tightness=2.0, window=9)
    assert options == WalkOptions(steps=7, rule=ActionRule(tightness=2.0), oscillation=Oscillation(window=9))
    assert walk_options(options, greedy=True).rule == ActionRule(tightness=2.0, greedy=True)


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"starts": 0}, {"shrinks": -1}])
def test_options_that_make_no_walk_are_refused(wrong):
    with pytest.raises(InputError, match="at least one start"):
        WalkOptions(**wrong)


def test_a_network_of_another_space_is_refused(space):
    with pytest.raises(ValueError, match="do not fit 3 parameters"):
        Agent(random_network(space), smooth_space(modes=3))
