"""What a panel needs of a walk: acceptance of actions, going on after its end, amplitudes, live displacements; and modes."""

import numpy as np
import pytest
import torch

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_registration import coarser
from AgentRegistrationLib.agent_walk import Agent, walk_options
from AgentRegistrationLib.decision_process import acceptance_ratio
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.progress import Stopwatch
from DeformationLib.registration import warp_image
from Testing.agent_fixtures import CUBE, SQUARE, agent_parts, blob, centred, slice_images, volume_images

from .walk_fixtures import knowing_walk, random_network, smooth_image, smooth_space


def random_walk(**options):
    space = smooth_space()
    agent = Agent(random_network(space), space)
    pair = agent.look(smooth_image(seed=1), smooth_image(seed=2))
    return agent.begin(pair, walk_options(**options))[0]


@pytest.fixture(scope="module")
def model():
    card, network, deformation, grid = agent_parts(CUBE)
    return AgentModel(network, grid, {"name": "random"} | card, deformation)


@pytest.fixture(scope="module")
def flat_model():
    card, network, deformation, grid = agent_parts(SQUARE)
    return AgentModel(network, grid, {"name": "random"} | card, deformation)


def test_acceptance_is_the_ratio_of_the_value_that_an_action_leads_to():
    walk = random_walk(tightness=1.0)
    walk.set_amplitudes([0.9, -2.0, 0.0, 3.0])
    space = walk.agent.space
    for action in (0, 3, 5, 6):
        parameter = action // 2
        value = walk.theta[parameter] + space.steps[parameter] * (-1 if action % 2 else 1)
        expected = acceptance_ratio(value, space.means[parameter], space.deviations[parameter], 1.0)
        assert walk.acceptance(action) == pytest.approx(float(expected), abs=1e-6)
    assert walk.acceptance(6) < walk.acceptance(0) < 1.0
    assert walk.acceptance(2) == 1.0  # back towards the mean
    assert random_walk(tightness=0.0).acceptance(0) == 1.0


def test_amplitudes_are_standard_deviations_from_the_means():
    walk = random_walk()
    walk.set_amplitudes([1.0, 0.0, -0.5, 2.0])
    assert walk.amplitudes.tolist() == pytest.approx([1.0, 0.0, -0.5, 2.0], abs=1e-6)
    assert walk.theta.tolist() == pytest.approx([1.5, 0.0, -0.5 * float(walk.agent.space.deviations[2]), 1.0], abs=1e-5)
    several = walk.amplitudes_of([state.theta for state in walk.states])
    assert several.shape == (2, 4)
    assert several[1].tolist() == pytest.approx(walk.amplitudes.tolist(), abs=1e-6)


def test_a_walk_at_its_limit_goes_on_by_so_many_steps():
    walk = random_walk(steps=3, window=0)
    walk.agent.run([walk])
    assert walk.finished
    walk.resume(4)
    walk.agent.run([walk])
    assert walk.taken == 7


def test_an_oscillating_walk_is_given_time_before_it_stops_again():
    space = smooth_space()
    target = space.means.clone()
    walk = knowing_walk(space, target, walk_options(greedy=True, steps=200, window=4, share=0.3))
    walk.agent.run([walk])
    stopped = walk.taken
    assert walk.stopped
    walk.resume(50)
    assert not walk.finished
    walk.agent.run([walk])
    assert stopped + 8 <= walk.taken < stopped + 50


def test_a_led_walk_goes_on_alone(model):
    registration = model.begin(volume_images()[0][0], volume_images()[1][0], options=walk_options(starts=3, steps=4))
    registration.run(1)
    led = registration.lead()
    assert registration.walks == [led]
    registration.run()
    assert registration.walk is led
    assert led.taken == 4
    registration.resume(2)
    registration.run()
    assert led.taken == 6


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_live_displacement_says_what_the_result_says(model, flat_model, dimension):
    agent = model if dimension == 3 else flat_model
    (fixed, _), (moving, _) = volume_images() if dimension == 3 else slice_images()
    registration = agent.begin(fixed, moving, options=walk_options(greedy=True, steps=8))
    registration.run()
    amplitudes = registration.walk.amplitudes.tolist()
    live, whole = registration.live_displacement(amplitudes), registration.displacement()
    assert live.geometry.size[0] >= agent.grid.size[-1]
    points = whole.geometry.index_to_physical(
        np.array([[8, 9, 0], [6, 12, 0], [10, 10, 0]]) + [0, 0, 7 * (dimension == 3)]
    )
    for image in (live, registration.live_displacement(amplitudes, stride=2)):
        index = image.geometry.physical_to_index(points)
        from scipy import ndimage

        for axis in range(3):
            values = ndimage.map_coordinates(image.array[..., axis], index[:, ::-1].T, order=1, mode="nearest")
            exact = whole.array[..., axis][
                tuple(np.rint(whole.geometry.physical_to_index(points)).astype(int)[:, ::-1].T)
            ]
            np.testing.assert_allclose(values, exact, atol=0.05 if image is live else 0.6)
    still = registration.live_displacement([]).array.reshape(-1, 3)
    np.testing.assert_allclose(still, np.broadcast_to(still[0], still.shape), atol=1e-3)  # the alignment alone
    assert registration.image is registration.view.moving


def test_a_coarser_grid_holds_the_finer_one():
    grid = Geometry((9, 8, 1), (1.0, 2.0, 5.0), (3.0, 4.0, 5.0))
    coarse = coarser(grid, 3)
    assert coarse.size == (4, 4, 1)
    assert tuple(coarse.spacing) == (3.0, 6.0, 5.0)
    assert tuple(coarse.origin) == (3.0, 4.0, 5.0)
    assert coarser(grid, 1).size == grid.size


def test_time_between_steps_is_nobodys(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("DeformationLib.progress.time.perf_counter", lambda: now[0])
    watch = Stopwatch()
    for worked, rested in ((2.0, 5.0), (3.0, 7.0)):
        watch.rest()
        now[0] += worked
        watch.lap("agent")
        now[0] += rested
    assert watch.seconds == {"agent": 5.0}


# Modes


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_mode_deforms_as_the_deformation_model_says(model, flat_model, dimension):
    agent = model if dimension == 3 else flat_model
    (image, _), _ = volume_images() if dimension == 3 else slice_images()
    explorer = agent.explorer(image)
    assert explorer.count == 4
    assert explorer.explained_variance_ratio.sum() <= 1.0 + 1e-6
    amplitude = 1.5 * explorer.standard_deviations[1]
    displacement = explorer.displacement(1, amplitude)
    theta = torch.zeros(1, 4)
    theta[0, 1] = amplitude
    field = agent.deformation.field(theta)[0].numpy()  # voxels, along k, j, i
    spacing = agent.grid.spacing[0]
    # On the network's own grid the two agree voxel by voxel.
    inside = (slice(4, -4),) * dimension
    own = displacement.array if dimension == 3 else displacement.array[0]
    for axis in range(dimension):
        np.testing.assert_allclose(own[..., axis][inside], spacing * field[dimension - 1 - axis][inside], atol=1e-3)
    several = explorer.displacement(amplitudes=explorer.amplitudes([0.0, 1.5]))
    np.testing.assert_allclose(several.array, displacement.array, atol=1e-5)
    assert np.abs(explorer.displacement().array).max() == 0.0


def test_the_live_displacement_of_a_mode_is_that_on_the_image(model):
    image, _ = blob(centred((30, 30, 30), 1.5))
    explorer = model.explorer(image)
    live = explorer.live_displacement([0.0, 2.0])
    whole = explorer.displacement(amplitudes=explorer.amplitudes([0.0, 2.0]))
    points = np.array([[0.0, 0.0, 0.0], [5.0, -4.0, 3.0], [-6.0, 6.0, -5.0]])
    from DeformationLib.sampling import sample_on_grid

    for displacement in (live, whole):
        grid = Geometry((1, 1, 1), (1.0, 1.0, 1.0), tuple(points[0]))
        assert sample_on_grid(displacement.array, displacement.geometry, grid).shape[-1] == 3
    values = [
        np.array(
            [
                sample_on_grid(one.array, one.geometry, Geometry((1, 1, 1), (1.0,) * 3, tuple(p)))[0, 0, 0]
                for p in points
            ]
        )
        for one in (live, whole)
    ]
    np.testing.assert_allclose(values[0], values[1], atol=0.2)
    assert np.abs(values[0]).max() > 0.5
    assert explorer.warnings  # larger than what the agent sees
    assert warp_image(image, whole).array.shape == image.array.shape


def test_a_mask_says_where_the_modes_act(model):
    geometry = centred((60, 60, 60), 1.5)
    image, labels = blob(geometry, (20.0, 15.0, -10.0))
    explorer = model.explorer(image, labels)
    assert np.linalg.norm(explorer.seen.geometry.centre - [20.0, 15.0, -10.0]) < 4.0
    assert explorer.warnings == []


def test_modes_that_do_not_exist_and_unusable_images_are_refused(model, flat_model):
    (image, labels), _ = volume_images()
    explorer = model.explorer(image)
    with pytest.raises(InputError, match="no mode 5"):
        explorer.displacement(4, 1.0)
    with pytest.raises(InputError, match="5 amplitudes"):
        explorer.live_displacement([0.0] * 5)
    with pytest.raises(InputError, match="slice"):
        flat_model.explorer(image)
    with pytest.raises(InputError, match="structure"):
        model.explorer(image, labels.with_array(0 * labels.array))
