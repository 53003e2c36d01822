"""Actions, rewards, fuzzy action control and the end of a walk, against plain computations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from AgentRegistrationLib.decision_process import (
    REJECTED,
    ActionRule,
    Oscillation,
    acceptance_ratio,
    action_changes,
    opposite,
    rewards,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_actions_move_one_parameter_up_or_down():
    changes = action_changes(torch.tensor([0.5, 2.0]))
    assert changes.tolist() == [[0.5, 0.0], [-0.5, 0.0], [0.0, 2.0], [0.0, -2.0]]
    assert [opposite(action) for action in range(4)] == [1, 0, 3, 2]


@pytest.mark.parametrize("batch, count", [(1, 1), (5, 3), (7, 25)])
def test_rewards_are_what_each_action_gains_in_distance(batch, count):
    draw = generator()
    theta, target = torch.randn(2, batch, count, generator=draw).double()
    steps = torch.rand(count, generator=draw).double() + 0.1
    found = rewards(theta, target, steps)
    for row in range(batch):
        for action in range(2 * count):
            after = theta[row].clone()
            after[action // 2] += steps[action // 2] * (-1) ** action
            expected = np.linalg.norm(target[row] - theta[row]) - np.linalg.norm(target[row] - after)
            assert found[row, action] == pytest.approx(expected, abs=1e-12)


def test_the_reward_of_a_step_straight_to_the_target_is_the_step():
    steps = torch.tensor([0.5, 0.25])
    found = rewards(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), steps)
    assert found[0, 0] == pytest.approx(0.5)
    assert found[0, 1] == pytest.approx(-0.5)
    assert found[0, 2] < 0
    assert found[0, 2] == found[0, 3]


def test_rewards_at_the_target_are_minus_the_steps():
    theta = torch.tensor([[0.3, -1.0]])
    assert torch.allclose(rewards(theta, theta, torch.tensor([0.5, 0.25])), torch.tensor([[-0.5, -0.5, -0.25, -0.25]]))


def test_short_steps_keep_their_digits():
    # In single precision the difference of the two norms would lose all of them.
    target = torch.tensor([[3000.0, 4000.0]])
    assert rewards(torch.zeros(1, 2), target, torch.tensor([1e-3, 1e-3]))[0].tolist() == pytest.approx(
        [0.6e-3, -0.6e-3, 0.8e-3, -0.8e-3], rel=1e-5
    )


@given(st.floats(-8, 8), st.floats(-2, 2), st.floats(0.1, 3), st.floats(0.5, 3))
def test_the_acceptance_ratio_is_that_of_two_gaussian_densities(value, mean, deviation, tightness):
    found = acceptance_ratio(*map(torch.tensor, (value, mean, deviation)), tightness)
    logarithm = norm.logpdf(value, mean, deviation) - norm.logpdf(mean + tightness * deviation, mean, deviation)
    assert float(found) == pytest.approx(min(1.0, np.exp(logarithm)), rel=1e-3, abs=1e-6)
    if abs(value - mean) < tightness * deviation * 0.999:
        assert found == 1


def test_actions_are_accepted_as_often_as_the_ratio_says():
    theta, steps = torch.tensor([0.0, 1.5, 2.0]), torch.tensor([0.5, 0.5, 0.5])
    means, deviations = torch.zeros(3), torch.ones(3)
    draw, rule = generator(), ActionRule(tightness=1.5)
    trials = 2000
    rejected = torch.zeros(6)
    for _ in range(trials):
        controlled = rule.controlled(torch.zeros(6), theta, steps, means, deviations, draw)
        rejected += controlled < -REJECTED / 2
    accepted = 1 - rejected / trials
    assert accepted[[0, 1, 3, 5]].tolist() == [1, 1, 1, 1]  # within the bound, or back towards the mean
    for action, value in ((2, 2.0), (4, 2.5)):
        expected = float(acceptance_ratio(torch.tensor(value), means[0], deviations[0], 1.5))
        assert 0.05 < expected < 0.95
        assert accepted[action] == pytest.approx(expected, abs=4 * (expected * (1 - expected) / trials) ** 0.5)


def test_rejected_actions_come_last_and_keep_their_order():
    q = torch.tensor([3.0, 0.0, 2.0, 1.0])
    theta, steps = torch.tensor([9.0, 0.0]), torch.tensor([1.0, 1.0])
    controlled = ActionRule().controlled(q, theta, steps, torch.zeros(2), torch.ones(2), generator())
    assert controlled.argsort(descending=True).tolist() == [2, 3, 1, 0]


def test_without_control_q_values_stay():
    q = torch.randn(4)
    assert (
        ActionRule(tightness=0).controlled(q, torch.full((2,), 9.0), torch.ones(2), *torch.ones(2, 2), generator()) is q
    )


def test_the_three_best_are_chosen_with_their_probabilities():
    q = torch.tensor([0.1, 0.9, -0.5, 0.4, 0.3])
    rule, draw = ActionRule(probabilities=(0.6, 0.3, 0.1)), generator()
    counts = np.bincount([rule.choose(q, draw) for _ in range(3000)], minlength=5) / 3000
    assert counts[[0, 2]].tolist() == [0, 0]
    assert counts[[1, 3, 4]] == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_greedy_takes_the_best_and_draws_nothing():
    rule, draw = ActionRule(greedy=True), generator()
    before = draw.get_state()
    q = torch.tensor([3.0, 0.0, 2.0, 1.0])
    far = torch.tensor([3.0, 0.0])  # up from there is far beyond the bound
    controlled = rule.controlled(q, far, torch.ones(2), torch.zeros(2), torch.ones(2), draw)
    assert rule.choose(controlled, draw) == 2
    assert torch.equal(draw.get_state(), before)


def test_fewer_actions_than_probabilities():
    assert {ActionRule().choose(torch.tensor([1.0, 0.0]), generator(seed)) for seed in range(60)} == {0, 1}


@pytest.mark.parametrize("probabilities", [(), (0.5, 0.4), (1.2, -0.2)])
def test_probabilities_that_are_none_are_refused(probabilities):
    with pytest.raises(ValueError, match="add up to 1"):
        ActionRule(probabilities=probabilities)


def states_of(*rows):
    return [torch.tensor(row) for row in rows]


def test_a_walk_that_leads_on_does_not_oscillate():
    steps = torch.tensor([0.5, 0.1])
    straight = states_of(*[(0.5 * number, 0.0) for number in range(40)])
    oscillation = Oscillation(window=20)
    assert oscillation.progress(straight, steps) == pytest.approx(1.0)
    assert not oscillation.found(straight, steps)
    alternating = states_of(*[(0.5 * ((number + 1) // 2), 0.1 * (number // 2)) for number in range(40)])
    assert oscillation.progress(alternating, steps) == pytest.approx(1.0, abs=0.06)


def test_a_walk_between_neighbours_oscillates_once_two_windows_are_full():
    steps = torch.tensor([0.5, 0.1])
    walk = states_of(*[(0.5 * (number % 2), 0.1 * (number // 2 % 2)) for number in range(40)])
    oscillation = Oscillation(window=20, share=0.1)
    assert not oscillation.found(walk[:39], steps)
    assert oscillation.found(walk, steps)
    assert oscillation.centre(walk).tolist() == pytest.approx([0.25, 0.05])


def test_slow_progress_under_noise_is_progress():
    steps = torch.ones(2)
    walk = states_of(*[(number % 2 + number / 4, 0.0) for number in range(40)])
    assert not Oscillation(window=20, share=0.1).found(walk, steps)


def test_no_window_never_stops():
    assert not Oscillation(window=0).found(states_of(*[(0.0,)] * 99), torch.ones(1))
