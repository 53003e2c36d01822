"""How a model sees a sequence: bad ones refused, the grid's place, intensities as in training, storage of no importance."""

import numpy as np
import pytest
import torch

from DeformationLib.cine_cases import Cine
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from MotionModelLib.appearance import appearance_of, appearance_warnings, usual_appearance
from MotionModelLib.motion_cases import frames_on_grid
from MotionModelLib.sequence_view import look_at, look_at_image, placed
from MotionModelLib.slice_stack import place_of_grid, slice_axis, stack_geometry

from .motion_model_fixtures import FLAT, SOLID, small_heart, stored_otherwise


@pytest.fixture(scope="module")
def heart():
    return small_heart()


def changed(frames, number, array):
    """The sequence with another frame."""
    return [frame.with_array(array) if n == number else frame for n, frame in enumerate(frames)]


@pytest.mark.parametrize("grid", [FLAT, SOLID])
def test_frames_are_seen_as_in_training(heart, grid):
    view = look_at(heart.frames, grid)
    like = heart.frames[0]
    cine = Cine("heart", np.stack([frame.array for frame in heart.frames]), like, 0, 2)
    frames, mask = frames_on_grid(cine, grid, place_of_grid(grid, like.geometry))
    assert view.of(range(5)).shape == (5, 4 if grid is FLAT else 1, 1, *grid.size)
    assert torch.allclose(
        view.of(range(5))[:, :, 0], frames.float(), atol=1e-3
    )  # they are kept in half precision there
    assert torch.equal(view.inside[:, 0].byte(), mask)
    assert view.place.same_grid(place_of_grid(grid, like.geometry))


@pytest.mark.parametrize("grid", [FLAT, SOLID])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 2)])
def test_storage_does_not_matter(heart, grid, order):
    view = look_at(heart.frames, grid)
    other = look_at([stored_otherwise(frame, order) for frame in heart.frames], grid)
    assert other.place.same_grid(view.place)
    assert torch.allclose(other.of(range(5)), view.of(range(5)), atol=1e-5)


def test_slices_are_found_however_they_are_stored():
    assert slice_axis(Geometry((40, 30, 8), (1, 1, 9))) == 2
    assert slice_axis(Geometry((8, 30, 40), (9, 1, 1))) == 0
    assert slice_axis(Geometry((40, 1, 30), (1, 1, 1))) == 1
    assert slice_axis(Geometry((40, 12, 30), (1, 1, 1))) == 1
    assert slice_axis(Geometry((30, 30, 30), (1, 1, 1))) == 2


def test_a_stack_counts_towards_the_head():
    upside_down = Geometry((4, 5, 3), (1, 1, 8), (1, 2, 3), np.diag([1.0, 1.0, -1.0]))
    stack = stack_geometry(upside_down)
    assert np.allclose(stack.origin, (1, 2, 3 - 16))
    assert np.allclose(stack.direction, np.eye(3))


def test_one_slice_is_a_stack_of_one(heart):
    single = Image(heart.frames[0].array[1], heart.frames[0].spacing)
    view = look_at([single, single.with_array(single.array[:, ::-1].copy())], FLAT)
    assert view.of([0, 1]).shape == (2, 1, 1, 32, 32)


def test_a_mask_moves_the_grid_in_the_plane_of_all_slices(heart):
    like = heart.frames[0]
    mask = np.zeros((20, 20, 20), dtype=np.uint8)
    mask[9:11, 9:11, 9:11] = 1
    anatomy = Image(mask, (1, 1, 1), tuple(np.array([12.0, -9.0, 5.0]) - 9.5))
    place = placed(like, FLAT, anatomy)
    free = placed(like, FLAT)
    assert np.abs(place.centre[:2] - (12.0, -9.0)).max() <= 3.0
    assert place.centre[2] == pytest.approx(free.centre[2])
    assert place.size == free.size
    solid = placed(like, SOLID, anatomy)
    assert np.abs(solid.centre - (12.0, -9.0, 5.0)).max() <= 5.0


@pytest.mark.parametrize("grid", [FLAT, SOLID])
def test_a_mask_places_the_grid_however_images_are_stored(heart, grid):
    like = heart.frames[0]
    mask = like.with_array(heart.labels[0].array == 1)
    other = stored_otherwise(like)
    place = placed(like, grid, mask)
    assert placed(other, grid, mask).same_grid(place)
    assert placed(like, grid, stored_otherwise(mask, (1, 2, 0))).same_grid(place)


def test_frames_of_other_sizes_are_refused(heart):
    frames = [*heart.frames[:2], heart.frames[2].with_array(heart.frames[2].array)]
    frames[2] = Image(frames[2].array[:, :-1], frames[2].spacing, frames[2].origin)
    with pytest.raises(InputError, match="Frame 2 has 32 x 31 x 4 voxels"):
        look_at(frames, FLAT)


def test_frames_elsewhere_are_refused(heart):
    moved = Image(heart.frames[1].array, heart.frames[1].spacing, (0, 0, 0))
    with pytest.raises(InputError, match="Frame 1 lies elsewhere"):
        look_at([heart.frames[0], moved], FLAT)


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "Frame 3 has 1 voxels that are NaN"), (None, "Frame 3 has the value 7")]
)
def test_unusable_frames_are_refused_unless_they_are_not_given(heart, value, words):
    array = heart.frames[3].array.copy()
    array[0, 0, 0] = value if value is not None else 0
    frames = changed(heart.frames, 3, array if value is not None else np.full_like(array, 7))
    with pytest.raises(InputError, match=words):
        look_at(frames, FLAT)
    assert sorted(look_at(frames, FLAT, given=np.array([True, True, True, False, True])).images) == [0, 1, 2, 4]
    with pytest.raises(InputError, match=words):
        look_at(frames, FLAT, shown=np.array([True, False, True, False, True]))
    with pytest.raises(InputError, match=words):
        look_at(frames, FLAT, reference=3, given=np.zeros(5, dtype=bool))


@pytest.mark.parametrize(
    ("frames", "reference", "words"), [(1, 0, "at least two frames"), (5, 5, "reference frame 5"), (5, -1, "frame -1")]
)
def test_too_few_frames_and_unknown_references_are_refused(heart, frames, reference, words):
    with pytest.raises(InputError, match=words):
        look_at(heart.frames[:frames], FLAT, reference)


def test_colour_and_single_slices_are_refused_where_they_cannot_be_used(heart):
    colour = heart.frames[0].with_array(np.zeros((4, 32, 32, 3)))
    with pytest.raises(InputError, match="3 components"):
        look_at([colour, colour], FLAT)
    slices = [Image(frame.array[0], frame.spacing) for frame in heart.frames]
    with pytest.raises(InputError, match="one slice"):
        look_at(slices, SOLID)


def test_masks_that_mark_nothing_are_refused(heart):
    empty = heart.frames[0].with_array(np.zeros((4, 32, 32)))
    with pytest.raises(InputError, match="mask is empty"):
        look_at(heart.frames, FLAT, mask=empty)
    elsewhere = Image(np.ones((2, 2, 2)), (1, 1, 1), (900, 0, 0))
    with pytest.raises(InputError, match="outside the sequence"):
        look_at(heart.frames, FLAT, mask=elsewhere)


def test_a_mask_where_the_image_is_empty_is_refused(heart):
    array = np.zeros((4, 200, 200), dtype=np.float32)
    array[:, 150:, 150:] = np.random.default_rng(0).random((4, 50, 50))
    frame = Image(array, (3, 3, 10))
    mask = np.zeros(array.shape)
    mask[:, 20:24, 20:24] = 1
    with pytest.raises(InputError, match="shows nothing"):
        look_at([frame, frame], FLAT, mask=frame.with_array(mask))


def test_empty_slices_of_a_stack_are_no_obstacle(heart):
    frames = [frame.with_array(np.where(np.arange(4)[:, None, None] == 0, 0, frame.array)) for frame in heart.frames]
    assert torch.isfinite(look_at(frames, FLAT).of(range(5))).all()


def test_integers_are_seen_like_the_same_numbers(heart):
    whole = [frame.with_array(np.rint(frame.array).astype(np.int16)) for frame in heart.frames]
    real = [frame.with_array(frame.array.astype(np.float64)) for frame in whole]
    assert torch.allclose(look_at(whole, FLAT).of(range(5)), look_at(real, FLAT).of(range(5)), atol=1e-6)


def test_one_image_is_seen_like_the_reference(heart):
    assert torch.equal(look_at_image(heart.frames[2], FLAT), look_at(heart.frames, FLAT, 2).moving)


def test_frames_that_are_not_shown_are_checked_but_not_resampled(heart):
    view = look_at(heart.frames, FLAT, shown=np.array([False, False, True, False, False]))
    assert sorted(view.images) == [0, 2]
    assert view.of([]).shape == (0, 4, 1, 32, 32)


def test_looking_can_be_cancelled_between_frames(heart):
    def stop(fraction, _message):
        if fraction > 0.3:
            progress.cancel()

    progress = Progress(stop)
    with pytest.raises(Cancelled):
        look_at(heart.frames, FLAT, progress=progress)


def card_of_hearts():
    views = [look_at(small_heart(seed=seed, frames=3).frames, FLAT) for seed in range(8)]
    return {
        "name": "the hearts",
        "training": {
            "data": "simulated hearts",
            "image_statistics": usual_appearance([appearance_of(v.of(sorted(v.images)), v.inside) for v in views]),
        },
    }


def test_another_modality_is_noticed_and_the_same_is_not():
    card = card_of_hearts()
    for seed in (20, 21):
        view = look_at(small_heart(seed=seed, frames=3).frames, FLAT)
        assert not appearance_warnings(appearance_of(view.of(sorted(view.images)), view.inside), card)
    generator = np.random.default_rng(0)
    j, i = np.indices((32, 32)) - 16
    sector = (np.abs(i) < 0.6 * (j + 16)) & (np.hypot(i, j + 16) < 30)
    speckle = [Image(sector * generator.rayleigh(40, (4, 32, 32)), (3, 3, 10)) for _ in range(3)]
    view = look_at(speckle, FLAT)
    (warning,) = appearance_warnings(appearance_of(view.of(sorted(view.images)), view.inside), card)
    assert "The model the hearts was not trained on images like these but on simulated hearts" in warning


def test_cards_without_statistics_say_nothing(heart):
    view = look_at(heart.frames, FLAT)
    assert appearance_warnings(appearance_of(view.of(sorted(view.images)), view.inside), {"training": {}}) == []
    assert appearance_warnings(appearance_of(view.of(sorted(view.images)), view.inside), {}) == []
