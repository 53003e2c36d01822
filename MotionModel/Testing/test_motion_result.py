"""The motion as a result: exact inverses, the same in the body on any grid, warping, following, measuring, refusing."""

import numpy as np
import pytest
import torch

from DeformationLib import metrics
from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.fields import resize_field
from DeformationLib.image import Image, resample
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress
from DeformationLib.registration import jacobian_determinant, warp_image
from MotionModelLib import motion as motion_module
from MotionModelLib.motion import Motion, MotionMatrix
from MotionModelLib.motion_measures import spatial_gradient, temporal_gradient
from Testing.known_motions import affine_displacement, phantom_motion, random_motion, turned


@pytest.fixture(scope="module")
def heart():
    return beating_heart(1, 5, contraction=1.0, size=(48, 48, 4), spacing=(2.8, 2.8, 10.0))


@pytest.fixture(scope="module")
def motion(heart):
    return phantom_motion(heart)


@pytest.fixture(scope="module")
def stack(heart):
    return phantom_motion(heart, planar=True)


def inner(array, margin=3):
    return array[:, margin:-margin, margin:-margin]


def test_displacement_is_the_truth(heart, motion):
    for number in range(len(motion)):
        difference = motion.displacement(number).array - heart.displacements[number].array
        assert np.abs(inner(difference)).max() < 0.15  # mm; fewer squarings than the phantom's
    assert not motion.displacement(0).array.any()
    assert not motion.inverse_displacement(0).array.any()


def test_inverse_is_exact_within_a_tenth_of_a_voxel(motion, stack):
    for each in (motion, stack, random_motion()):
        for number in range(1, len(each)):
            there, back = each.inverse_displacement(number), each.displacement(number)
            error = there.array + warp_image(back, there).array  # phi(phi^-1(x)) - x
            voxels = np.abs(error @ there.geometry.lps_to_ijk[:3, :3].T)
            assert np.quantile(inner(voxels), 0.999) < 0.1
            assert inner(voxels).max() < 0.15
            assert np.linalg.norm(there.array, axis=-1).max() > 10 * np.linalg.norm(inner(error), axis=-1).mean()


@pytest.mark.parametrize(
    "flips, angle, tolerance",
    [
        ((1, 1, 1), 0.4, 0.4),  # a tenth of a voxel: the displacement is interpolated at other places
        ((-1, 1, 1), 0.4, 0.4),
        ((1, -1, -1), 0.0, 1e-3),
        ((-1, -1, -1), 0.0, 1e-3),
    ],
)
def test_the_same_motion_in_the_body_on_any_grid(flips, angle, tolerance):
    straight = random_motion()
    grid = turned(straight.reference.geometry, angle, flips)
    other = random_motion(reference_image=resample(straight.reference, grid))
    points = straight.reference.geometry.centre + np.random.default_rng(1).uniform(-8, 8, (20, 3))
    np.testing.assert_allclose(straight.tracks(points), other.tracks(points), atol=tolerance)
    assert np.abs(straight.tracks(points) - points).max() > 2.0
    first, second = (resample(each.displacement(2), straight.reference.geometry) for each in (straight, other))
    middle = np.linalg.norm(inner(first.array - second.array, 6)[4:8], axis=-1)
    assert middle.max() < 2 * tolerance  # interpolated twice more
    assert middle.mean() < 0.4 * tolerance
    ours, theirs = (resample(each.jacobian(2), straight.reference.geometry).array for each in (straight, other))
    assert np.abs(inner(ours - theirs, 6)[4:8]).mean() < 0.03


def test_velocity_of_an_affine_motion_gives_the_affine_map():
    """exp of a linear velocity is the matrix exponential, inside, where the grid's edge has no part in it."""
    size, spacing = (12, 40, 40), (3.0, 1.5, 1.5)
    still = random_motion(2, size, spacing)
    logarithm = np.diag([-0.15, 0.1, 0.08])
    linear = affine_displacement(still.place, np.eye(3) + logarithm).array
    voxels = torch.from_numpy((linear[..., ::-1] / spacing).copy()).float().movedim(-1, 0)[None]
    moving = Motion(still.reference, 0, torch.stack([torch.zeros_like(voxels), voxels]), still.grid, still.place)
    expected = affine_displacement(still.place, np.diag(np.exp([0.15, -0.1, -0.08]))).array
    difference = moving.inverse_displacement(1).array - expected
    assert np.abs(difference[4:8, 12:28, 12:28]).max() < 0.03
    assert np.abs(expected[4:8, 12:28, 12:28]).max() > 1.0


def test_velocities_of_larger_voxels_are_the_same_motion(motion):
    size = motion.velocities.shape[3:]
    halves = tuple(length // 2 if length % 2 == 0 and length > 8 else length for length in size)
    assert halves != tuple(size)
    coarse = [resize_field(velocity, halves) for velocity in motion.velocities]
    fine = torch.stack([resize_field(velocity, tuple(size)) for velocity in coarse])
    few, many = (
        Motion(motion.reference, 0, velocities, motion.grid, motion.place) for velocities in (torch.stack(coarse), fine)
    )
    np.testing.assert_allclose(few.lengths(), many.lengths(), rtol=0.05, atol=1e-6)
    for number in range(1, len(motion)):
        one, other = few.displacement(number).array, many.displacement(number).array
        difference, length = (np.linalg.norm(inner(part), axis=-1) for part in (one - other, other))
        assert difference.mean() < 0.01 * length.mean()
        assert difference.max() < 0.1 * length.max()  # where the wall shears, between voxels of 5.6 mm
    with pytest.raises(ValueError, match="do not fit"):
        Motion(motion.reference, 0, torch.zeros(3, 1, 3, 5, 7, 7), motion.grid, motion.place)


def test_warped_reference_looks_like_the_frame_and_the_frame_undone_like_the_reference(heart, motion):
    number = heart.es_frame
    unmoved = np.abs(inner(heart.frames[number].array - heart.frames[0].array)).mean()
    warped = motion.warp(motion.reference, number)
    assert np.abs(inner(warped.array - heart.frames[number].array)).mean() < 0.5 * unmoved
    undone = motion.compensated()
    assert len(undone) == len(motion)
    assert np.abs(inner(undone[number].array - heart.frames[0].array)).mean() < 0.6 * unmoved
    labels = motion.warp_labels(heart.labels[0], number)
    overlap = metrics.dice(labels.array, heart.labels[number].array)
    assert min(overlap.values()) > 0.9
    assert [
        np.array_equal(a.array, motion.warp(motion.reference, n).array) for n, a in enumerate(motion.warped_frames())
    ]


def test_jacobian_says_how_tissue_grows(motion, heart):
    number = heart.es_frame
    tissue, frame = motion.jacobian(number), motion.jacobian(number, "frame")
    pool = heart.labels[0].array == 3
    assert (
        tissue.array[pool].mean()
        < 0.8
        < 1.2
        < frame.array[motion.warp_labels(heart.labels[0], number).array == 3].mean()
    )
    reciprocal = tissue.array * warp_image(frame, motion.inverse_displacement(number)).array
    assert np.abs(inner(reciprocal, 6) - 1).mean() < 0.05
    assert np.array_equal(tissue.array, jacobian_determinant(motion.inverse_displacement(number)).array)
    with pytest.raises(ValueError, match="tissue"):
        motion.jacobian(1, "both")


def test_tracks_follow_tissue_and_come_back(motion, heart):
    points = np.array([[8.0, 20.0, 0.0], [-12.0, 0.0, 2.0]])
    tracks = motion.tracks(points)
    assert tracks.shape == (5, 2, 3)
    np.testing.assert_allclose(tracks[0], points)
    again = motion.tracks(tracks[heart.es_frame], start=heart.es_frame)
    np.testing.assert_allclose(again, tracks, atol=0.3)
    assert np.linalg.norm(tracks[heart.es_frame] - points, axis=1).min() > 1.0
    with pytest.raises(InputError, match="three coordinates"):
        motion.tracks(np.zeros((4, 2)))


def test_slices_of_a_stack_move_for_themselves(stack, heart):
    number = heart.es_frame
    displacement = stack.displacement(number).array
    assert not displacement[..., 2].any()
    assert np.linalg.norm(displacement, axis=-1).max() > 3
    alone = [0, 0, 1, 0, 0]
    only = Motion(
        stack.reference,
        0,
        stack.velocities * torch.tensor(alone, dtype=torch.float32)[None, :4, None, None, None],
        stack.grid,
        stack.place,
    )
    np.testing.assert_allclose(only.displacement(number).array[2], displacement[2], atol=1e-5)
    assert not only.displacement(number).array[[0, 1, 3]].any()
    turned_place = turned(stack.place, 0.5, (1, -1, 1))
    there = Motion(Image.on_grid(stack.reference.array, turned_place), 0, stack.velocities, stack.grid, turned_place)
    expected = displacement @ turned_place.direction.T
    np.testing.assert_allclose(there.displacement(number).array, expected, atol=1e-4)


def test_motion_fades_beyond_what_the_model_sees():
    small = random_motion()
    constant = torch.ones_like(small.velocities)
    constant[0] = 0
    wide = turned(type(small.place)((64, 64, 16), (2.0, 2.0, 4.0), (-40.0, -40.0, -16.0)), 0.0)
    motion = Motion(Image.on_grid(np.zeros(wide.shape_kji), wide), 0, constant, small.grid, small.place)
    for field in (motion.displacement(1), motion.inverse_displacement(1)):
        assert not field.array[0, 0].any()
        assert jacobian_determinant(field).array.min() > 0.05
    middle = motion.displacement(1).array[8, 32, 32]
    np.testing.assert_allclose(middle, (2.0, 2.0, 4.0), atol=0.05)


def test_velocity_is_in_millimetres(motion, heart):
    number = heart.es_frame
    expected = heart.amounts[number] * heart.velocity.array
    np.testing.assert_allclose(motion.velocity(number).array, expected, atol=1e-4)
    assert motion.lengths().argmax() == number
    assert motion.lengths()[number] == pytest.approx(np.linalg.norm(expected, axis=-1).mean(), rel=1e-4)


def test_gradients_of_known_motions():
    grid = turned(random_motion().place, 0.4, (1, -1, 1))
    sheared = affine_displacement(grid, np.eye(3) + [[0, 0.3, 0], [0, 0, 0], [0.4, 0, 0]])
    assert spatial_gradient(sheared) == pytest.approx(0.5, abs=1e-5)
    shifted = affine_displacement(grid, np.eye(3), (3.0, 0.0, 4.0))
    assert spatial_gradient(shifted) == pytest.approx(0.0, abs=1e-6)
    assert temporal_gradient(affine_displacement(grid, np.eye(3)), shifted) == pytest.approx(5.0)
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[2, 3, 4] = True
    assert temporal_gradient(sheared, shifted, mask) != temporal_gradient(sheared, shifted)
    assert spatial_gradient(sheared, mask) == pytest.approx(0.5, abs=1e-5)


def test_regularity_over_frames(motion):
    spatial, temporal = motion.regularity()
    assert spatial.shape == (5,)
    assert temporal.shape == (4,)
    assert np.isnan(spatial[0])
    assert motion.spatial_gradient() == pytest.approx(np.nanmean(spatial))
    assert motion.temporal_gradient() == pytest.approx(temporal.mean())
    first = np.linalg.norm(motion.displacement(1).array, axis=-1).mean()
    assert temporal[0] == pytest.approx(first, rel=1e-5)


def test_similarity_rises_and_is_told(heart):
    motion = phantom_motion(heart)
    assert "local correlation" not in motion.one_line()
    before, after = motion.measure_similarity()
    assert before.shape == after.shape == (5,)
    assert before[0] == after[0] == pytest.approx(1.0, abs=0.05)
    assert (after[1:4] > before[1:4]).all()
    assert "5 frames in 0.00 s · local correlation 0." in motion.one_line()
    assert "furthest" in str(motion)
    assert "local correlation" in str(motion)


def test_memory_stays_modest(heart, monkeypatch):
    motion = phantom_motion(heart)
    one = motion.displacement(1).array.nbytes
    monkeypatch.setattr(motion_module, "_CACHE", 3 * one)
    for number in range(len(motion)):
        motion.displacement(number)
        motion.inverse_displacement(number)
    assert len(motion._cache) == 3
    again = motion.displacement(1)
    assert motion.displacement(1) is again


def test_motion_without_frames_has_no_compensation_of_its_own(heart):
    motion = phantom_motion(heart, frames=None)
    with pytest.raises(InputError, match="simulated or transported"):
        motion.compensated()
    with pytest.raises(InputError, match="simulated or transported"):
        motion.measure_similarity()
    assert motion.compensate(1, heart.frames[1]).same_grid(motion.reference)


def test_frames_that_are_not_there(motion):
    for wrong in (-1, 5):
        with pytest.raises(InputError, match=r"no frame -?\d: the series has 5, numbered from 0 to 4"):
            motion.displacement(wrong)


def test_cancelling(motion):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        motion.compensated(progress)


def test_velocities_that_do_not_fit_are_a_mistake_of_the_caller(motion):
    grid = PairGrid((4, 48, 40), (10.0, 2.8, 2.8), "image")
    with pytest.raises(ValueError, match="do not fit"):
        Motion(motion.reference, 0, motion.velocities, grid, motion.place)
    with pytest.raises(ValueError, match="reference 7"):
        Motion(motion.reference, 7, motion.velocities, motion.grid, motion.place)
    with pytest.raises(ValueError, match="2 frames do not fit"):
        Motion(motion.reference, 0, motion.velocities, motion.grid, motion.place, frames=motion.frames[:2])


@pytest.mark.parametrize("several", [False, True])
def test_motion_matrix_survives_its_file(tmp_path, several):
    generator = np.random.default_rng(0)
    deviation = generator.random((2, 3, 4)) if several else generator.random((2, 3))
    matrix = MotionMatrix(generator.standard_normal((2, 3, 4)).astype(np.float32), deviation.astype(np.float32), "cine")
    assert (matrix.sequences, matrix.latent, matrix.slots) == (2, 3, 4)
    again = MotionMatrix.read(matrix.write(tmp_path / "motion_matrix.csv"))
    np.testing.assert_allclose(again.mean, matrix.mean, rtol=1e-8)
    np.testing.assert_allclose(again.deviation, matrix.deviation, rtol=1e-8)
    assert again.deviation.shape == matrix.deviation.shape
    assert again.model == "cine"


def test_files_that_are_no_motion_matrix(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        MotionMatrix.read(tmp_path / "none.csv")
    for text in ("", "frame,time\n0,1\n", "model,slice,dimension,slot_1,sigma\ncine,0,0,nan,1\n"):
        (tmp_path / "other.csv").write_text(text)
        with pytest.raises(InputError, match="is no motion matrix"):
            MotionMatrix.read(tmp_path / "other.csv")
    with pytest.raises(ValueError, match="motion matrix"):
        MotionMatrix(np.zeros((2, 3)), np.zeros(2))
