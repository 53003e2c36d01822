"""A probabilistic model in use: registering, the exact inverse, codes, other geometries, refusals."""

import numpy as np
import pytest
import torch

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image, resample
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress
from DeformationLib.registration import RegistrationResult, jacobian_determinant, warp_image
from LatentRegistrationLib.models import load_model
from LatentRegistrationLib.probabilistic_model import Flow, ProbabilisticModel, squarings_for
from Testing.velocity_fixtures import FLAT, GRID, small_heart, velocity_bundle, velocity_model


@pytest.fixture(scope="module")
def model():
    return velocity_model()


@pytest.fixture(scope="module")
def heart():
    return small_heart(contraction=1.0)


@pytest.fixture(scope="module")
def pair(heart):
    return heart.frames[heart.es_frame], heart.frames[0]


@pytest.fixture(scope="module")
def result(model, pair):
    return model.register(*pair)


def inner(image, margin=4):
    return image.array[:, margin:-margin, margin:-margin]


def test_registration_gives_what_every_registration_gives(result, pair, model):
    assert isinstance(result, RegistrationResult)
    assert result.model == model.name
    assert result.displacement.same_grid(pair[0])
    assert result.velocity.same_grid(pair[0])
    assert result.inverse_displacement.same_grid(pair[1])
    assert 0 <= result.similarity_before <= 1
    assert 0 <= result.similarity_after <= 1
    assert float(np.linalg.norm(result.displacement.array, axis=-1).max()) > 1.0
    assert {"preparing", "network", "exponential", "resampling"} <= result.seconds.keys()
    assert result.warnings == []
    assert result.folding_percent() == 0.0
    assert "random velocities" in str(result)


def test_inverse_is_exact_within_a_tenth_of_a_voxel(result):
    assert result.inverse_consistency() < 0.1 * 3.0
    twice = result.inverse_warp(result.warp(result.moving))
    difference = np.abs(inner(twice) - inner(result.moving))
    unmoved = np.abs(inner(result.warp(result.moving)) - inner(result.moving))
    assert difference.mean() < 0.6 * unmoved.mean()


def test_displacement_is_the_flow_of_the_velocity(result):
    """Euler steps along the returned velocity, in millimetres, end where the returned displacement does."""
    velocity, image = result.velocity, result.displacement
    points = np.stack([0 * image.array[..., 0]] * 3, axis=-1).astype(np.float64)
    steps = 64
    for _ in range(steps):
        points = points + warp_image(velocity, image.with_array(points.astype(np.float32))).array / steps
    error = np.linalg.norm(points - image.array, axis=-1)
    assert inner(image.with_array(error)).max() < 0.3
    assert np.linalg.norm(image.array, axis=-1).max() > 5 * inner(image.with_array(error)).mean()


def test_same_input_same_result(model, pair, result):
    again = model.register(*pair)
    assert np.array_equal(again.displacement.array, result.displacement.array)


@pytest.mark.parametrize("flips", [(1, 0, 0), (0, 1, 1), (1, 1, 1)])
def test_storage_does_not_matter(model, pair, result, flips):
    """Volumes stored with reversed axes give the same physical displacement."""

    def flipped(image):
        array, origin, direction = image.array, np.asarray(image.origin), image.direction.copy()
        for axis, flip in enumerate(flips):
            if flip:
                array = np.flip(array, 2 - axis)
                origin = origin + direction[:, axis] * image.spacing[axis] * (array.shape[2 - axis] - 1)
                direction[:, axis] *= -1
        return Image(np.ascontiguousarray(array), image.spacing, tuple(origin), direction)

    other = model.register(*(flipped(image) for image in pair))
    back = resample(other.displacement, pair[0].geometry)
    np.testing.assert_allclose(back.array, result.displacement.array, atol=0.02)


def test_turned_volumes_turn_the_displacement(model, pair, result):
    angle = np.radians(25.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]]) @ turn
    shift = np.array([11.0, -7.0, 30.0])
    turned = [
        Image(image.array, image.spacing, tuple(tilt @ np.asarray(image.origin) + shift), tilt @ image.direction)
        for image in pair
    ]
    other = model.register(*turned)
    np.testing.assert_allclose(other.displacement.array, result.displacement.array @ tilt.T, atol=0.02)


def test_different_grids_and_an_alignment(model, pair):
    fixed, moving = pair
    elsewhere = Image(moving.array, moving.spacing, tuple(np.asarray(moving.origin) + (200.0, 0, 0)), moving.direction)
    with pytest.raises(InputError, match="do not overlap"):
        model.register(fixed, elsewhere)
    result = model.register(fixed, elsewhere, "centres")
    reference = model.register(fixed, moving)
    np.testing.assert_allclose(result.displacement.array - (200.0, 0, 0), reference.displacement.array, atol=1e-3)
    assert result.inverse_consistency() < 0.3
    finer = resample(fixed, PairGrid((8, 60, 60), (5.0, 1.6, 1.6)).around(fixed.geometry))
    assert model.register(finer, moving).displacement.same_grid(finer)


def test_beyond_the_grid_the_deformation_fades_out_without_folds(model):
    wide = small_heart(contraction=1.0)
    padded = [
        Image(
            np.pad(frame.array, ((6, 6), (24, 24), (24, 24)), mode="edge"),
            frame.spacing,
            tuple(np.asarray(frame.origin) - np.array([24, 24, 6]) * frame.spacing),
        )
        for frame in (wide.frames[wide.es_frame], wide.frames[0])
    ]
    result = model.register(*padded)
    length = np.linalg.norm(result.displacement.array, axis=-1)
    assert length[0].max() == length[:, 0].max() == length[:, :, -1].max() == 0.0
    assert length.max() > 1.0
    assert jacobian_determinant(result.displacement).array.min() > 0.0
    assert result.inverse_consistency() < 0.3
    assert any("larger" in warning for warning in result.warnings)


def test_codes_say_where_and_how_sure(model, pair):
    code = model.encode(*pair)
    assert code.mean.shape == code.standard_deviation.shape == (5,)
    assert (code.standard_deviation > 0).all()
    assert code.model == model.name
    drawn = code.sample(3000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), code.mean, atol=0.1)
    np.testing.assert_allclose(drawn.std(axis=0), code.standard_deviation, rtol=0.1)


def test_registering_is_encoding_and_decoding(model, pair, result):
    code = model.encode(*pair)
    np.testing.assert_allclose(model.displacement(code.mean, pair[1]).array, result.displacement.array, atol=1e-4)
    inverse = model.displacement(code.mean, pair[1], sense=-1.0)
    np.testing.assert_allclose(inverse.array, result.inverse_displacement.array, atol=1e-4)


def test_fewer_components_say_less(model, pair, result):
    few = model.register(*pair, components=1)
    all_of_them = model.register(*pair, components=4)
    assert not np.allclose(few.displacement.array, all_of_them.displacement.array, atol=1e-3)
    code = model.encode(*pair).mean
    parts = model.decomposition
    kept = parts.mean + ((code - parts.mean) @ parts.components[0]) * parts.components[0]
    np.testing.assert_allclose(model.displacement(kept, pair[1]).array, few.displacement.array, atol=1e-3)


def test_slices(pair):
    model = velocity_model(FLAT)
    heart = small_heart(slices=1, contraction=1.0)
    result = model.register(heart.frames[heart.es_frame], heart.frames[0])
    assert result.displacement.array.shape == (1, 32, 32, 3)
    assert float(np.abs(result.displacement.array[..., 2]).max()) == 0.0
    assert float(np.abs(result.displacement.array[..., :2]).max()) > 0.5
    assert result.inverse_consistency() < 0.3
    with pytest.raises(InputError, match="model is two-dimensional"):
        model.register(*pair)


def test_half_precision_is_near_single(pair, result):
    half = velocity_model(precision=torch.bfloat16).register(*pair)
    assert np.abs(half.displacement.array - result.displacement.array).max() < 0.5


@pytest.mark.parametrize(("largest", "expected"), [(0.1, 4), (3.9, 4), (4.1, 5), (17.0, 7)])
def test_squarings_grow_with_the_velocity(largest, expected):
    assert squarings_for(torch.tensor([[-largest]])) == expected


def test_fading_keeps_the_velocity_inside():
    velocity = torch.randn(1, 3, *GRID.size, generator=torch.Generator().manual_seed(0))
    flow = Flow.fading_out(GRID, velocity)
    k, j, i = flow.margin
    assert torch.equal(flow.velocity[:, :, k : k + 4, j : j + 32, i : i + 32], velocity)
    assert float(flow.velocity[:, :, :, :, 0].abs().max()) == 0.0
    geometry = GRID.around(small_heart().frames[0].geometry)
    grown = flow.grown(geometry)
    assert grown.size == (32 + 2 * i, 32 + 2 * j, 4 + 2 * k)
    np.testing.assert_allclose(grown.index_to_physical((i, j, k)), geometry.origin)


def test_progress_reports_and_cancels(model, pair):
    told = []
    model.register(*pair, progress=Progress(lambda fraction, message: told.append((fraction, message))))
    assert told[-1] == (1.0, "Registered")
    progress = Progress(lambda fraction, message: progress.cancel() if fraction > 0.5 else None)
    with pytest.raises(Cancelled):
        model.register(*pair, progress=progress)


def test_unusable_images_are_refused_with_a_sentence(model, pair):
    fixed, moving = pair
    flat = small_heart(slices=1).frames[0]
    for images, sentence in (
        ((fixed, flat), "one slice, but the model is three-dimensional"),
        ((fixed.with_array(np.zeros(fixed.array.shape)), moving), "everywhere"),
        ((fixed, moving.with_array(np.full(moving.array.shape, np.nan))), "NaN"),
    ):
        with pytest.raises(InputError, match=sentence):
            model.register(*images)
    with pytest.raises(InputError, match="code of 3 values does not fit"):
        model.displacement(np.zeros(3), fixed)


def test_far_coarser_and_smaller_images_are_warned_about(model):
    heart = small_heart(contraction=1.0)
    coarse = [
        resample(frame, PairGrid((2, 10, 10), (30.0, 9.6, 9.6)).around(frame.geometry))
        for frame in (heart.frames[1], heart.frames[0])
    ]
    assert any("far coarser" in warning for warning in model.register(*coarse).warnings)
    small = [Image(f.array[:, 10:22, 10:22], f.spacing) for f in (heart.frames[1], heart.frames[0])]
    assert any("much smaller" in warning for warning in model.register(*small).warnings)


def test_bundles_come_back(tmp_path, pair):
    folder = velocity_bundle(tmp_path)
    model = load_model(folder, "cpu", torch.float32)
    assert isinstance(model, ProbabilisticModel)
    assert model.grid == GRID
    assert model.latent == 5
    assert model.decomposition.count == 4
    expected = velocity_model().register(*pair).displacement.array
    np.testing.assert_allclose(
        model.register(*pair).displacement.array, expected, atol=0.02
    )  # stored in half precision


def test_unusable_bundles_are_refused_with_a_sentence(tmp_path, make_bundle):
    from LatentRegistrationLib.model import RegistrationModel

    assert isinstance(load_model(make_bundle(), "cpu"), RegistrationModel)
    with pytest.raises(InputError, match="class GradientNetwork, not of VelocityNetwork: choose another"):
        ProbabilisticModel.load(make_bundle())
    unknown = velocity_bundle(tmp_path / "a", card={"model": {"class": "Oracle"}})
    with pytest.raises(InputError, match="does not know"):
        load_model(unknown)
    for number, (changes, sentence) in enumerate(
        (
            ({"card": {"grid": {}}}, "incomplete"),
            ({"card": {"model": {"class": "VelocityNetwork", "configuration": {"size": [4]}}}}, "two or three lengths"),
            ({"without": ("network",)}, "lack the part 'network'"),
        )
    ):
        with pytest.raises(InputError, match=sentence):
            load_model(velocity_bundle(tmp_path / str(number), **changes))
    plain = velocity_bundle(tmp_path / "plain", without=("decomposition",))
    model = load_model(plain, "cpu")
    heart = small_heart()
    with pytest.raises(InputError, match="no principal components"):
        model.register(heart.frames[1], heart.frames[0], components=2)
