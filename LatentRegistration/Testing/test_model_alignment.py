"""Registration through an initial alignment and with masks: exact composition, far away from what the network sees."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DeformationLib import affine_search, pair_view
from DeformationLib.alignment import InitialAlignment, moved
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.metrics import dice, folding_percent
from DeformationLib.phantoms import two_part_phantom
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels
from LatentRegistrationLib.model import RegistrationModel


def rotation(x, y, z):
    return Rotation.from_euler("xyz", (x, y, z), degrees=True).as_matrix()


def affine(linear, shift):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, shift
    return matrix


def points_of(geometry):
    return geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])


def through(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


FIXED = Geometry((15, 14, 13), (0.9, 1.0, 1.1), (-20, 35, 10), rotation(10, -20, 30))
MOVING = Geometry((14, 16, 15), (1.0, 0.9, 0.95), (-19, 36, 11), rotation(10, -20, 30) * [1, -1, 1])
MOTIONS = {
    "rigid": affine(rotation(25, -15, 40), (60, -35, 20)),
    "mirrored": affine(rotation(5, 0, 0) * [1, 1, -1], (9, 8, 7)),
    "affine": affine(rotation(5, 10, -15) @ [[1.2, 0.1, 0], [0, 0.85, 0.1], [0.05, 0, 1]], (8, 9, -7)),
}


@pytest.mark.parametrize("size", [(16, 16, 16), (12, 12, 12)], ids=["within", "beyond the network's view"])
@pytest.mark.parametrize("motion", MOTIONS)
def test_an_exact_alignment_undoes_a_motion_of_the_moving_image(make_model, blobs, monkeypatch, motion, size):
    """u(p) = A(p + v(p)) - p with the v of the unmoved image, and the inverse through A^-1, on all grids."""
    matrix, model = MOTIONS[motion], make_model(size)
    fixed, moving = blobs(FIXED)[0], blobs(MOVING, shift=(1.0, -0.5, 0.5))[0]
    reference = model.register(fixed, moving, "none")
    elsewhere = Image.on_grid(moving.array, moved(moving.geometry, matrix))
    monkeypatch.setattr(pair_view, "initial_alignment", lambda *arguments: InitialAlignment(matrix, "affine"))
    result = model.register(fixed, elsewhere, "affine")
    points = points_of(fixed.geometry)
    expected = through(matrix, points + reference.displacement.array) - points
    np.testing.assert_allclose(result.displacement.array, expected, atol=2e-3)
    assert np.linalg.norm(reference.displacement.array, axis=-1).max() > 0.5
    start = points_of(moving.geometry)
    expected = start + reference.inverse_displacement.array - through(matrix, start)
    np.testing.assert_allclose(result.inverse_displacement.array, expected, atol=2e-3)
    np.testing.assert_allclose(result.warp(elsewhere).array, reference.warp(moving).array, atol=1e-2)
    assert result.similarity_after == pytest.approx(reference.similarity_after, abs=1e-4)
    np.testing.assert_allclose(result.alignment_matrix, matrix, atol=1e-9)


def test_slices_through_an_alignment(make_model, blobs, monkeypatch):
    model, plane = make_model(size=(16, 16)), rotation(30, 20, 10)
    fixed = Image(blobs()[0].array[8], (1, 1, 4), (3, 4, 5), plane)
    moving = Image(blobs(shift=(1.5, -1, 0))[0].array[8], (1, 1, 4), (3, 4, 5), plane)
    reference = model.register(fixed, moving, "none")
    matrix = affine(plane @ rotation(0, 0, 30) @ plane.T, (5, 6, 7))
    monkeypatch.setattr(pair_view, "initial_alignment", lambda *arguments: InitialAlignment(matrix, "rigid"))
    result = model.register(fixed, Image.on_grid(moving.array, moved(moving.geometry, matrix)), "rigid")
    points = points_of(fixed.geometry)
    expected = through(matrix, points + reference.displacement.array) - points
    np.testing.assert_allclose(result.displacement.array, expected, atol=2e-3)
    assert result.folding_percent() == reference.folding_percent()


@pytest.fixture(scope="module")
def phantom_model():
    return RegistrationModel.load("phantom", "cpu")


PHANTOMS = two_part_phantom(4), two_part_phantom(1)


def overlap(result, labels):
    warped = warp_labels(labels[1], result.displacement)
    return np.mean(list(dice(warped.array, labels[0].array, (1, 2)).values()))


@pytest.mark.parametrize("alignment", ["rigid", "affine"])
def test_the_pose_of_the_moving_phantom_does_not_matter(phantom_model, alignment):
    fixed, fixed_labels = PHANTOMS[0]
    waves = 2.0 * np.sin(points_of(fixed.geometry)[..., [1, 2, 0]] / 6 + (0.3, 1.1, 2.0))
    deformation = Image.on_grid(waves.astype(np.float32), fixed.geometry)
    moving, moving_labels = warp_image(fixed, deformation), warp_labels(fixed_labels, deformation)
    pose = affine(rotation(14, -18, 20), (40, 50, -30))
    posed = [Image.on_grid(image.array, moved(image.geometry, pose)) for image in (moving, moving_labels)]
    unmoved = overlap(phantom_model.register(fixed, moving), (fixed_labels, moving_labels))
    result = phantom_model.register(fixed, posed[0], alignment)
    assert result.alignment == alignment
    assert result.seconds["alignment"] > 0
    assert unmoved > 0.85
    assert overlap(result, (fixed_labels, posed[1])) > unmoved - 0.02
    turned = phantom_model.register(fixed, posed[0], "centres")
    assert overlap(turned, (fixed_labels, posed[1])) < overlap(result, (fixed_labels, posed[1])) - 0.04
    assert result.inverse_consistency() < 0.3
    assert result.folding_percent() < 0.1


def embedded(case, widths, seed):
    """A case in a larger image of noise."""
    image, labels = case
    generator = np.random.default_rng(seed)
    array = generator.normal(image.array.mean(), image.array.std(), np.pad(image.array, widths).shape)
    inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, image.array.shape, strict=True))
    array[inner] = image.array
    origin = tuple(image.geometry.index_to_physical([-low for low, _ in widths][::-1]))
    return replace(image, array=array.astype(np.float32), origin=origin), replace(
        labels, array=np.pad(labels.array, widths), origin=origin
    )


def test_with_masks_a_model_of_crops_registers_larger_images(phantom_model):
    cases = embedded(PHANTOMS[0], ((30, 5), (2, 26), (18, 4)), 0), embedded(PHANTOMS[1], ((3, 28), (20, 6), (2, 25)), 1)
    (fixed, fixed_labels), (moving, moving_labels) = cases
    own = overlap(phantom_model.register(PHANTOMS[0][0], PHANTOMS[1][0]), (PHANTOMS[0][1], PHANTOMS[1][1]))
    without = phantom_model.register(fixed, moving)
    assert any("choose a mask" in warning for warning in without.warnings)
    assert overlap(without, (fixed_labels, moving_labels)) < own - 0.2
    result = phantom_model.register(fixed, moving, fixed_mask=fixed_labels, moving_mask=moving_labels)
    assert overlap(result, (fixed_labels, moving_labels)) > own - 0.06
    assert not any("larger" in warning or "smaller" in warning for warning in result.warnings)


def test_masks_on_other_grids_and_of_other_values_do_the_same(phantom_model):
    fixed, labels = embedded(PHANTOMS[0], ((30, 5), (2, 26), (18, 4)), 0)
    moving = embedded(PHANTOMS[1], ((30, 5), (2, 26), (18, 4)), 1)[0]
    reference = phantom_model.register(fixed, moving, "none", fixed_mask=labels)
    crop = Image(np.where(PHANTOMS[0][1].array > 0, -0.5, 0), origin=PHANTOMS[0][1].origin)
    result = phantom_model.register(fixed, moving, "none", fixed_mask=crop)
    np.testing.assert_array_equal(result.displacement.array, reference.displacement.array)


@pytest.mark.parametrize(
    ("size", "reason"),
    [((12, 12, 12), None), ((6, 12, 12), None), ((3, 12, 12), "much smaller"), ((30, 12, 12), "larger")],
)
def test_the_structure_in_the_mask_is_judged_instead_of_the_image(make_model, size, reason):
    image = Image(np.random.default_rng(0).normal(size=(50, 50, 50)).astype(np.float32))
    mask = image.with_array(np.zeros(image.array.shape, np.uint8))
    mask.array[tuple(slice(10, 10 + n) for n in size)] = 1
    result = make_model().register(image, image, fixed_mask=mask, moving_mask=mask)
    warnings = [text for text in result.warnings if "standard deviations" not in text]
    assert (reason is None) == (not warnings)
    if reason:
        assert all(reason in text for text in warnings)
        assert [text.split(" mask")[0] for text in warnings] == [
            "The structure in the fixed",
            "The structure in the moving",
        ]


def test_a_large_moving_image_is_no_reason_to_warn_where_the_fixed_one_says_where_to_look(make_model):
    large = Image(np.random.default_rng(0).normal(size=(50, 50, 50)).astype(np.float32))
    crop = Image(large.array[10:26, 20:36, 5:21], origin=(5, 20, 10))
    for alignment, expected in (("none", False), ("centres", True)):
        warnings = make_model().register(crop, large, alignment).warnings
        assert any("larger" in text for text in warnings) == expected


def test_similarity_is_measured_inside_the_fixed_mask(make_model, blobs):
    fixed, labels = blobs()
    moving = blobs()[0]
    moving.array[:, :, 11:] = np.random.default_rng(0).normal(50, 30, moving.array[:, :, 11:].shape)
    model = make_model(strength=0.0)
    left = fixed.with_array((labels.array == 1).astype(np.uint8))
    whole, masked = model.register(fixed, moving, "none"), model.register(fixed, moving, "none", fixed_mask=left)
    assert masked.similarity_before > 0.9
    assert whole.similarity_before < 0.8


def test_bad_masks_are_refused_and_named(make_model, blobs):
    model, (image, labels) = make_model(), blobs()
    empty, far = labels.with_array(0 * labels.array), replace(labels, origin=(900, 0, 0))
    with pytest.raises(InputError, match="^The fixed mask is empty"):
        model.register(image, image, fixed_mask=empty)
    with pytest.raises(InputError, match="^The moving mask lies outside the moving image"):
        model.register(image, image, moving_mask=far)


def test_a_network_that_looks_beside_the_moving_image_says_so(make_model):
    noise = Image(np.random.default_rng(0).normal(size=(60, 20, 20)).astype(np.float32))
    mask = noise.with_array(np.zeros(noise.array.shape, bool))
    mask.array[50:58, 5:15, 5:15] = True
    other = Image(noise.array[:25])
    with pytest.raises(InputError, match="The moving image shows nothing where the model looks"):
        make_model().register(noise, other, "none", fixed_mask=mask)


# --- far away from what the network sees -----------------------------------------------------------------------------


@pytest.fixture
def large(make_model, blobs, monkeypatch):
    """A random network that sees 16^3 of two oblique images of about 60^3, through a known affine map."""
    matrix = affine(rotation(5, 10, -15) @ [[1.1, 0.1, 0], [0, 0.9, 0.1], [0.05, 0, 1]], (3, -2, 4))
    grid = Geometry((60, 64, 58), (0.9, 1.0, 1.1), (-20, 35, 10), rotation(10, -20, 30))
    fixed = blobs(grid)[0]
    moving = Image.on_grid(blobs(grid, shift=(1.0, -0.5, 0.5))[0].array, moved(grid, matrix))
    monkeypatch.setattr(pair_view, "initial_alignment", lambda *arguments: InitialAlignment(matrix, "affine"))
    return make_model(strength=3.0).register(fixed, moving, "affine"), matrix


def test_far_away_the_displacement_is_the_alignment_alone(large):
    result, matrix = large
    points = points_of(result.fixed.geometry)
    own = result.displacement.array + points - through(matrix, points)  # what the network adds
    length = np.linalg.norm(own, axis=-1)
    distance = np.abs(points - result.fixed.geometry.centre).max(axis=-1)
    assert length[distance > 8 + 16].max() < 1e-3  # half the network's grid, and no more than all of it
    assert length[distance < 8].max() > 1
    # The outermost displacement of the network may be large; it must not end with a jump.
    steps = [np.abs(np.diff(own, axis=axis)).max() for axis in range(3)]
    assert max(steps) < 1.5
    outside = np.ones(length.shape, bool)
    outside[result.deformed] = False
    assert outside.any()
    assert length[outside].max() < 1e-3


def test_fading_folds_nothing_and_is_inverted(large):
    result, matrix = large
    jacobian = result.jacobian().array
    distance = np.abs(points_of(result.fixed.geometry) - result.fixed.geometry.centre).max(axis=-1)
    assert jacobian[distance > 10].min() > 0.2 * np.linalg.det(matrix[:3, :3])
    assert result.folding_percent() == pytest.approx(folding_percent(jacobian))
    assert result.inverse_consistency() < 0.1


def test_cancelling_works_at_every_report_and_with_masks(phantom_model, monkeypatch):
    monkeypatch.setattr(affine_search, "_SECONDS_BETWEEN_REPORTS", 0.0)  # else the clock decides how many there are
    (fixed, labels), (moving, _) = PHANTOMS

    def register(progress):
        return phantom_model.register(fixed, moving, "rigid", progress=progress, fixed_mask=labels)

    heard = []
    register(Progress(lambda fraction, message: heard.append((fraction, message))))
    assert [fraction for fraction, _ in heard] == sorted(fraction for fraction, _ in heard)
    assert heard[-1] == (1.0, "Registered")
    assert "Aligning" in {message for _, message in heard}
    for stop in range(0, len(heard), max(1, len(heard) // 6)):
        progress = cancelled_after(stop)
        with pytest.raises(Cancelled):
            register(progress)


def cancelled_after(number):
    """A progress that is cancelled after so many reports."""
    count = []

    def hear(fraction, message):
        count.append(fraction)
        if len(count) > number:
            progress.cancel()

    progress = Progress(hear)
    return progress


def test_the_inverse_can_be_asked_for_with_progress_and_cancelled(large):
    result, _ = large
    with pytest.raises(Cancelled):
        result.invert(cancelled_after(0))
    heard = []
    inverse = result.invert(Progress(lambda fraction, message: heard.append(fraction)))
    assert len(heard) > 3
    assert result.inverse_displacement is inverse
    assert result.invert() is inverse


def test_the_result_says_what_was_done_in_one_line(phantom_model):
    result = phantom_model.register(PHANTOMS[0][0], PHANTOMS[1][0], "mass")
    assert {"checking", "alignment", "preparing", "network", "resampling", "checks"} == result.seconds.keys()
    similarity = f"local correlation {result.similarity_before:.2f} → {result.similarity_after:.2f}"
    expected = f"{sum(result.seconds.values()):.2f} s · {similarity} · 0.00 % folded"
    assert result.one_line() == expected
    assert result.alignment == "mass"
    report = result.report()
    assert report["alignment"] == "mass"
    np.testing.assert_allclose(report["alignment_matrix"], result.alignment_matrix)
    assert "initial alignment   mass" in str(result)
