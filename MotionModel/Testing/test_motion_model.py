"""The model in use: invariances, lengths, completion, simulation, samples, transport, cancelling."""

import copy

import numpy as np
import pytest
import torch

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from MotionModelLib.appearance import appearance_of, usual_appearance
from MotionModelLib.heart_axes import HeartLabels
from MotionModelLib.motion_matrix import MotionMatrix
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.network_use import decode_times, encode
from MotionModelLib.sequence_time import frame_slots
from MotionModelLib.sequence_view import look_at

from .motion_model_fixtures import (
    FLAT,
    SLOTS,
    SOLID,
    motion_bundle,
    motion_model,
    motion_network,
    small_heart,
    stored_otherwise,
)

GRIDS = pytest.mark.parametrize("grid", [FLAT, SOLID], ids=["2-D", "3-D"])


@pytest.fixture(scope="module")
def heart():
    return small_heart()


@pytest.fixture(scope="module")
def models():
    return {grid: motion_model(grid) for grid in (FLAT, SOLID)}


@pytest.fixture(scope="module")
def tracked(heart, models):
    return {grid: model.track(heart.frames) for grid, model in models.items()}


def physical(motion, frame):
    """Displacements of a frame in mm."""
    return motion.displacement(frame).array


@GRIDS
def test_tracking_gives_velocities_of_all_frames_and_none_at_the_reference(tracked, grid):
    motion = tracked[grid]
    assert motion.velocities.shape == (5, 4 if grid is FLAT else 1, grid.dimension, *grid.size)
    assert not motion.velocities[0].any()
    assert all(motion.velocities[n].abs().max() > 0.1 for n in range(1, 5))
    assert motion.times.tolist() == [0, *frame_slots(5, SLOTS)]
    assert motion.given.all()
    assert motion.matrix.mean.shape == (4 if grid is FLAT else 1, 5, SLOTS)
    assert motion.model == "random motion"
    assert {"preparing", "encoder", "decoder"} == set(motion.seconds)


@GRIDS
def test_the_network_itself_gives_the_same(heart, models, tracked, grid):
    model = models[grid]
    view = look_at(heart.frames, grid)
    network, slots = model.network, torch.as_tensor(frame_slots(5, SLOTS))
    with torch.no_grad():
        posterior = network.encode(view.of(range(1, 5)).movedim(1, 0), view.moving, slots - 1)
        velocity = network.decode(network.codes_at(network.matrix(posterior), slots), view.moving, slots)[0]
    assert torch.allclose(tracked[grid].velocities[1:], velocity.movedim(1, 0), atol=1e-5)


def test_frames_matter(heart, models, tracked):
    other = models[FLAT].track([heart.frames[0], heart.frames[3], *heart.frames[2:]])
    assert (physical(other, 1) - physical(tracked[FLAT], 1)).max() > 0.1


@GRIDS
@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_storage_does_not_change_the_motion(heart, models, tracked, grid, order):
    other = models[grid].track([stored_otherwise(frame, order) for frame in heart.frames])
    for frame in (1, 3):
        again = stored_otherwise(
            tracked[grid].displacement(frame).with_array(physical(tracked[grid], frame)[..., 0]), order
        )
        assert np.allclose(physical(other, frame)[..., 0], again.array, atol=1e-3)


def test_the_order_of_the_frames_matters(heart, models, tracked):
    assert not np.allclose(
        models[FLAT].track(heart.frames[:1] + heart.frames[:0:-1]).velocities, tracked[FLAT].velocities
    )


def test_a_batch_of_slices_equals_each_slice_alone(models):
    generator = torch.Generator().manual_seed(0)
    frames, moving = torch.rand(3, 4, 1, 32, 32, generator=generator), torch.rand(4, 1, 32, 32, generator=generator)
    network = models[FLAT].network
    # In double precision: some processors round batches of other sizes differently.
    exact, given = copy.deepcopy(network).double(), {"slots": [2, 4, 7], "precision": torch.float64}
    together = encode(exact, frames.double(), moving.double(), **given)
    alone = [encode(exact, frames[:, s : s + 1].double(), moving[s : s + 1].double(), **given) for s in range(4)]
    assert torch.allclose(together.mean, torch.cat([part.mean for part in alone]), atol=1e-5)
    velocities = decode_times(network, together.mean, moving, np.array([2.0, 4.0]))
    single = [
        decode_times(network, together.mean[s : s + 1], moving[s : s + 1], np.array([2.0, 4.0])) for s in range(4)
    ]
    assert torch.allclose(velocities, torch.cat(single, dim=1), atol=1e-5)


def test_pieces_do_not_change_the_result(models, monkeypatch, tracked, heart):
    monkeypatch.setattr("MotionModelLib.network_use._VOXELS", {"cpu": 1})
    assert torch.allclose(models[FLAT].track(heart.frames).velocities, tracked[FLAT].velocities, atol=1e-5)


@GRIDS
def test_a_reference_in_the_middle_is_the_rolled_sequence(heart, models, grid):
    motion = models[grid].track(heart.frames, reference=3)
    rolled = models[grid].track(heart.frames[3:] + heart.frames[:3])
    assert torch.allclose(motion.velocities, rolled.velocities.roll(3, dims=0), atol=1e-5)
    assert motion.times.tolist() == np.roll(rolled.times, 3).tolist()
    assert motion.reference_index == 3
    assert np.allclose(motion.matrix.mean, rolled.matrix.mean, atol=1e-5)


def test_without_a_period_frames_before_the_reference_run_backwards(heart, models):
    motion = models[FLAT].track(heart.frames, reference=2, periodic=False)
    after, before = models[FLAT].track(heart.frames[2:]), models[FLAT].track(heart.frames[2::-1])
    assert torch.allclose(motion.velocities[2:], after.velocities, atol=1e-5)
    assert torch.allclose(motion.velocities[:3].flip(0), before.velocities, atol=1e-5)
    assert (motion.times[:2] < 0).all()
    assert np.allclose(motion.matrix.mean, np.concatenate([after.matrix.mean, before.matrix.mean]), atol=1e-5)
    last = models[FLAT].track(heart.frames, reference=4, periodic=False)
    assert last.matrix.mean.shape[0] == 4
    assert (last.times <= 0).all()


def test_the_card_says_whether_motion_is_periodic(heart):
    model = motion_model(periodic=False)
    assert (model.track(heart.frames, reference=2).times < 0).any()
    assert not (model.track(heart.frames, reference=2, periodic=True).times < 0).any()


def test_two_frames_are_enough(heart, models):
    motion = models[FLAT].track(heart.frames[:2])
    assert motion.times.tolist() == [0, 5]
    assert len(motion) == 2


def test_more_frames_than_slots_are_all_covered_and_agree_at_those_shown(heart):
    model = motion_model(temporal_smoothing=0.0)
    long = small_heart(frames=18)
    motion = model.track(long.frames)
    assert motion.velocities.shape[0] == 18
    assert (motion.warnings[0]).startswith("The sequence has 18 frames, more than the 9")
    assert np.flatnonzero(motion.given).tolist() == list(range(0, 18, 2))
    assert all(motion.velocities[n].abs().max() > 0 for n in range(1, 18))
    direct = model.track(long.frames[::2])
    assert torch.allclose(motion.velocities[::2], direct.velocities, atol=1e-5)
    assert not direct.warnings
    between = (motion.velocities[4] + motion.velocities[6]) / 2
    assert (motion.velocities[5] - between).abs().mean() < (motion.velocities[4] - motion.velocities[6]).abs().mean()


@GRIDS
def test_completion_never_looks_at_frames_that_are_not_given(heart, models, grid):
    given = [0, 2]
    motion = models[grid].track(heart.frames, given=given)
    noise = np.random.default_rng(0).random(heart.frames[0].array.shape)
    others = [frame if n in given else frame.with_array(noise) for n, frame in enumerate(heart.frames)]
    assert torch.equal(models[grid].track(others, given=given).velocities, motion.velocities)
    others[3] = others[3].with_array(np.full_like(noise, np.nan))
    assert torch.equal(models[grid].track(others, given=given).velocities, motion.velocities)
    assert motion.given.tolist() == [True, False, True, False, False]
    assert not torch.allclose(motion.velocities, models[grid].track(heart.frames).velocities)


def test_completion_checks_the_frames_that_are_given(heart, models):
    broken = list(heart.frames)
    broken[2] = broken[2].with_array(np.full_like(broken[2].array, np.nan))
    with pytest.raises(InputError, match="Frame 2"):
        models[FLAT].track(broken, given=[2])
    with pytest.raises(InputError, match="given frame 9"):
        models[FLAT].track(heart.frames, given=[9])


def test_only_the_reference_given_is_a_simulation(heart, models):
    completed = models[FLAT].track(heart.frames, given=[0])
    simulated = models[FLAT].simulate(heart.frames[0], frames=5)
    assert torch.allclose(completed.velocities, simulated.velocities, atol=1e-6)


@GRIDS
def test_simulation_depends_on_the_image_alone(heart, models, grid):
    model = models[grid]
    first, again = model.simulate(heart.frames[0], 6), model.simulate(heart.frames[0], 6)
    assert torch.equal(first.velocities, again.velocities)
    assert first.frames is None
    assert len(first) == 6
    assert not torch.allclose(first.velocities, model.simulate(heart.frames[2], 6).velocities)


@GRIDS
@pytest.mark.parametrize("prior", ["gaussian-process", "unit"])
def test_seeds_draw_from_the_prior(heart, grid, prior):
    model = motion_model(grid, prior=prior)
    first, again, other = (model.simulate(heart.frames[0], 6, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.velocities, again.velocities)
    assert not torch.allclose(first.velocities, other.velocities)
    if prior == "gaussian-process":
        assert np.allclose(first.matrix.mean, first.matrix.mean[:1])  # slices move together


def test_the_prior_has_the_processes_spread(heart, models):
    drawn = [models[FLAT].simulate(heart.frames[0], 2, seed=seed).matrix.mean[0] for seed in range(25)]
    assert np.std(drawn) == pytest.approx(1.0, abs=0.2)


def test_simulation_by_a_matrix_is_transport(heart, models, tracked):
    simulated = models[FLAT].simulate(heart.frames[2], SLOTS + 1, matrix=tracked[FLAT].matrix)
    carried = models[FLAT].transport(tracked[FLAT].matrix, heart.frames[2])
    assert torch.allclose(simulated.velocities, carried.velocities)


@GRIDS
def test_interpolation_at_the_same_number_changes_nothing(models, tracked, grid):
    again = models[grid].interpolate(tracked[grid], 5)
    assert torch.allclose(again.velocities, tracked[grid].velocities, atol=1e-5)


def test_interpolation_passes_through_the_frames(heart):
    model = motion_model(temporal_smoothing=0.0)
    motion = model.track(heart.frames, reference=1)
    twice = model.interpolate(motion, 10)
    assert twice.reference_index == 2
    assert not twice.velocities[2].any()
    assert torch.allclose(twice.velocities[::2], motion.velocities, atol=1e-5)
    assert len(model.interpolate(motion, 2)) == 2
    with pytest.raises(InputError, match="at least two frames"):
        model.interpolate(motion, 1)


def test_interpolation_without_a_period_ends_with_the_last_frame(heart, models, tracked):
    twice = models[FLAT].interpolate(tracked[FLAT], 9, periodic=False)
    assert twice.times[-1] == tracked[FLAT].times[-1]
    assert models[FLAT].interpolate(tracked[FLAT], 9).times[-1] > tracked[FLAT].times[-1]


def test_interpolation_of_two_runs(heart):
    model = motion_model(temporal_smoothing=0.0, periodic=False)
    motion = model.track(heart.frames, reference=2)
    twice = model.interpolate(motion, 9)
    assert twice.reference_index == 4
    assert torch.allclose(twice.velocities[::2], motion.velocities, atol=1e-5)


@pytest.mark.parametrize("prior", ["gaussian-process", "unit"])
def test_samples_spread_about_the_tracked_motion(heart, prior):
    model = motion_model(prior=prior)
    motion = model.track(heart.frames)
    first, second = model.sample(motion, 2, seed=1)
    again = model.sample(motion, 1, seed=1)[0]
    assert torch.equal(first.velocities, again.velocities)
    assert not torch.allclose(first.velocities, second.velocities)
    assert not torch.allclose(first.velocities, motion.velocities)
    assert first.times.tolist() == motion.times.tolist()
    with pytest.raises(InputError, match="At least one sample"):
        model.sample(motion, 0)


def test_samples_scatter_by_the_matrix_deviation(heart, models, tracked):
    motion = tracked[FLAT]
    drawn = np.stack([sample.matrix.mean for sample in models[FLAT].sample(motion, 15, seed=0)])
    # K has 1.005^2 (1 + jitter) on its diagonal.
    expected = 1.005 * np.sqrt(1.001) * motion.matrix.deviation[..., None]
    assert (drawn.std(axis=0, ddof=1) / expected).mean() == pytest.approx(1.0, abs=0.1)


def test_a_unit_prior_cannot_sample_what_was_not_tracked(heart):
    model = motion_model(prior="unit")
    with pytest.raises(InputError, match="tracked motion only"):
        model.sample(model.simulate(heart.frames[0], 4), 1)


@GRIDS
def test_transport_into_the_same_image_is_the_motion_itself(heart, models, tracked, grid):
    carried = models[grid].transport(tracked[grid], heart.frames[0])
    assert torch.allclose(carried.velocities, tracked[grid].velocities, atol=1e-5)
    assert carried.frames is None
    assert carried.times.tolist() == tracked[grid].times.tolist()


def test_transport_to_another_subject(heart, models, tracked):
    other = small_heart(seed=5, slices=6).frames[0]
    carried = models[FLAT].transport(tracked[FLAT], other)
    assert carried.velocities.shape[:2] == (5, 6)
    assert carried.matrix.mean.shape[0] == 6
    assert carried.reference is other
    assert len(models[FLAT].transport(tracked[FLAT], other, frames=12)) == 12
    single = Image(other.array[2], other.spacing)
    middle = models[FLAT].transport(tracked[FLAT], single).matrix.mean[0]
    assert np.allclose(middle, tracked[FLAT].matrix.mean[1:3].mean(axis=0))


def test_transport_of_two_runs(heart, models):
    motion = models[FLAT].track(heart.frames, reference=2, periodic=False)
    other = small_heart(seed=5, slices=3).frames[0]
    carried = models[FLAT].transport(motion, other)
    assert carried.matrix.mean.shape[0] == 6
    assert carried.times.tolist() == motion.times.tolist()


def test_transport_between_models_is_refused(heart, models, tracked):
    for source in (tracked[SOLID], tracked[SOLID].matrix):
        with pytest.raises(InputError, match="use one model for both"):
            motion_model(FLAT, name="another").transport(source, heart.frames[0])
    foreign = MotionMatrix(np.zeros((1, 7, 3)), np.ones((1, 7)), "random motion")
    with pytest.raises(InputError, match="use one model for both"):
        models[FLAT].simulate(heart.frames[0], 5, matrix=foreign)
    tracked_without = models[FLAT].track(heart.frames)
    tracked_without.matrix = None
    with pytest.raises(InputError, match="has no motion matrix"):
        models[FLAT].interpolate(tracked_without, 7)


def test_transport_to_one_slice_needs_a_planar_model(heart, models, tracked):
    with pytest.raises(InputError, match="one slice"):
        models[SOLID].transport(tracked[SOLID], Image(heart.frames[0].array[0], heart.frames[0].spacing))


@GRIDS
def test_encoding_alone_gives_the_same_matrix(heart, models, tracked, grid):
    matrix = models[grid].encode(heart.frames)
    assert np.array_equal(matrix.mean, tracked[grid].matrix.mean)
    assert np.array_equal(matrix.deviation, tracked[grid].matrix.deviation)
    assert models[grid].encode(heart.frames, 2, periodic=False).sequences == 2 * tracked[grid].matrix.sequences


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_cancelling_half_way_stops(heart, models, share):
    def stop(fraction, _message):
        reached.append(fraction)
        if fraction >= share:
            progress.cancel()

    reached, progress = [], Progress(stop)
    with pytest.raises(Cancelled):
        models[FLAT].track(heart.frames, progress=progress)
    assert reached[-1] < 1.0


def test_progress_rises_to_the_end(heart, models):
    reached = []
    models[FLAT].track(heart.frames, progress=Progress(lambda fraction, _message: reached.append(fraction)))
    assert reached == sorted(reached)
    assert reached[-1] == 1.0
    assert len(reached) > 8


@pytest.mark.parametrize(
    ("frames", "arguments", "words"),
    [
        (1, {}, "at least two frames"),
        (5, {"reference": 7}, "reference frame 7"),
        (5, {"given": np.ones(3, dtype=bool)}, "There are 5 frames"),
    ],
)
def test_sequences_that_cannot_be_tracked_are_refused(heart, models, frames, arguments, words):
    with pytest.raises(InputError, match=words):
        models[FLAT].track(heart.frames[:frames], **arguments)


def test_a_series_of_one_image_cannot_be_simulated_without_frames(heart, models):
    with pytest.raises(InputError, match="at least two frames"):
        models[FLAT].simulate(heart.frames[0], frames=1)


def test_a_mask_moves_the_view_and_silences_the_extent(models):
    large = small_heart(size=64)
    assert any("larger" in warning for warning in models[FLAT].track(large.frames).warnings)
    mask = np.zeros((4, 64, 64))
    mask[:, 20:30, 36:46] = 1
    motion = models[FLAT].track(large.frames, mask=large.frames[0].with_array(mask))
    assert not motion.warnings
    assert not models[FLAT].simulate(large.frames[0], 3, mask=large.frames[0].with_array(mask)).warnings
    assert models[FLAT].simulate(large.frames[0], 3).warnings
    assert np.allclose(motion.place.centre[:2], large.frames[0].geometry.index_to_physical((40.5, 24.5, 0))[:2], atol=2)


def test_another_modality_is_tracked_with_a_warning(heart):
    usual = {"middle": 0.9, "half_range": 0.03}
    model = motion_model(training={"data": "photographs", "image_statistics": {"median": usual}})
    motion = model.track(heart.frames)
    simulated, carried = model.simulate(heart.frames[0], 5), model.transport(motion, heart.frames[2])
    for result in (motion, simulated, carried, model.interpolate(motion, 9), *model.sample(motion, 1)):
        assert any("not trained on images like these but on photographs" in warning for warning in result.warnings)


def ultrasound():
    """A sector of speckle around a beating hole, one slice of bytes."""
    generator = np.random.default_rng(0)
    j, i = np.indices((64, 64)) - np.array([0, 32]).reshape(2, 1, 1)
    sector = (np.abs(i) < 0.6 * j) & (np.hypot(i, j) < 60)
    walls = [np.hypot(i, j - 35) > radius for radius in (12, 9, 7, 10)]
    arrays = [(sector * wall * generator.rayleigh(50, j.shape)).clip(0, 255).astype(np.uint8) for wall in walls]
    return [Image(array, (1.5, 1.5, 1.0)) for array in arrays]


def breathing():
    """Two lungs above a diaphragm that moves, cubic voxels of CT numbers."""
    k, j, i = np.indices((20, 24, 28))
    lungs, texture = np.hypot((np.abs(i - 13.5) - 6) / 4, (j - 12) / 6) < 1, 5 * np.sin(i + 2 * j + 3 * k)
    return [Image(np.where(lungs & (k > low), -850.0, 40.0) + texture, (4.0, 4.0, 4.0)) for low in (6, 8, 9, 7)]


@pytest.mark.parametrize(("series", "grid"), [(ultrasound, FLAT), (breathing, FLAT), (breathing, SOLID)])
def test_other_modalities_and_anatomies_run_with_a_warning(series, grid):
    views = [look_at(small_heart(seed=seed, frames=3).frames, grid) for seed in range(6)]
    usual = usual_appearance([appearance_of(view.of(range(3)), view.inside) for view in views])
    model = motion_model(grid, training={"data": "simulated hearts", "image_statistics": usual})
    motion = model.track(series(), reference=1, periodic=False)
    assert np.isfinite(motion.displacement(3).array).all()
    assert any("not trained on images like these but on simulated hearts" in warning for warning in motion.warnings)
    assert not any("not trained" in warning for warning in model.track(small_heart(seed=30).frames).warnings)


def test_the_heart_is_the_cards(heart):
    model = motion_model()
    assert model.heart is None
    model.card["heart"] = {"pool": 30, "myocardium": 20, "right_ventricle": None}
    assert model.heart == HeartLabels(30, 20, None)
    model.card["heart"] = {"lung": 3}
    with pytest.raises(InputError, match="names no labels of a heart"):
        _ = model.heart


def test_bundles_are_loaded(tmp_path, heart):
    folder = motion_bundle(tmp_path, name="beating")
    model = MotionModel.load(folder, "cpu", torch.float32)
    assert (model.name, model.slots, model.latent, model.periodic, model.dimension) == ("beating", SLOTS, 5, True, 2)
    motion = model.track(heart.frames)
    # Weights are kept in half precision.
    assert torch.allclose(motion.velocities, motion_model().track(heart.frames).velocities, atol=0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"card": {"model": {"class": "VelocityNetwork"}}}, "not of MotionNetwork"),
        ({"card": {"model": {"class": "MotionNetwork"}}}, "is incomplete"),
        ({"card": {"grid": {}}}, "is incomplete"),
        ({"without": ("network",)}, "lack the part 'network'"),
    ],
)
def test_damaged_bundles_are_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        MotionModel.load(motion_bundle(tmp_path, **changes))


def test_bfloat16_stays_near(heart, tracked):
    network = motion_network()
    model = MotionModel(network, FLAT, motion_model().card, precision=torch.bfloat16)
    difference = (model.track(heart.frames).velocities - tracked[FLAT].velocities).abs()
    assert difference.mean() < 0.1
