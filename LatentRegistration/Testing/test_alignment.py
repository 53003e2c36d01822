"""Initial alignments against known motions, on oblique and left-handed volumes and on slices; what they refuse."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from DeformationLib import affine_search
from DeformationLib.affine_search import AffineSearch, shrink_factors
from DeformationLib.alignment import initial_alignment, matching_boxes, moved
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, resample
from DeformationLib.phantoms import two_part_phantom
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image

FIXED, LABELS = two_part_phantom(3)


def rotation(x, y, z):
    return Rotation.from_euler("xyz", (x, y, z), degrees=True).as_matrix()


def rigid(turn, shift, centre=(0.0, 0.0, 0.0)):
    """4x4 of p -> turn (p - centre) + centre + shift."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, np.asarray(centre) - turn @ centre + shift
    return matrix


def in_pose(image, matrix):
    """The same voxels where an affine map without shear brings them."""
    grid = moved(image.geometry, matrix)
    return Image.on_grid(image.array, grid)


def stored_left_handed(image):
    """The same picture with the array's axes turned around along j and exchanged, so that the grid is left-handed."""
    origin = image.geometry.index_to_physical((0, image.array.shape[1] - 1, 0))
    direction = image.direction * [1, -1, 1]
    flipped = Image(image.array[:, ::-1], image.spacing, tuple(origin), direction)
    order = (1, 0, 2)  # of the array's axes (k, j, i); those of the geometry run the other way
    columns = [0, 2, 1]
    return Image(
        np.transpose(flipped.array, order),
        tuple(np.asarray(flipped.spacing)[columns]),
        flipped.origin,
        flipped.direction[:, columns],
    )


def points_of(grid, every=6):
    """Some points of a grid, (n, 3) LPS mm."""
    index = np.moveaxis(np.indices(grid.shape_kji), 0, -1)[..., ::-1]
    index = index[tuple(slice(0, None, every) if n > 1 else slice(None) for n in grid.shape_kji)]
    return grid.index_to_physical(index.reshape(-1, 3))


def apart(matrix, expected, grid):
    """The largest distance in mm between where two maps bring the points of a grid."""
    points = np.c_[points_of(grid), np.ones(len(points_of(grid)))]
    return np.linalg.norm((points @ (matrix - expected).T)[:, :3], axis=1).max()


POSES = {
    "near": rigid(rotation(3, -4, 5), (1.5, -2.0, 1.0)),
    "far": rigid(rotation(20, -12, 18), (60, -45, 30)),
    "turned about one axis": rigid(rotation(0, 0, -28), (-9, 8, 7)),
}


# --- what needs no search --------------------------------------------------------------------------------------------


def test_none_is_the_identity_and_needs_overlap():
    result = initial_alignment(FIXED, FIXED, "none")
    assert result.kind == "none"
    np.testing.assert_array_equal(result.matrix, np.eye(4))
    with pytest.raises(InputError, match="do not overlap"):
        initial_alignment(FIXED, replace(FIXED, origin=(500, 0, 0)), "none")


def test_an_unknown_alignment_is_a_programming_error():
    with pytest.raises(ValueError, match="alignment"):
        initial_alignment(FIXED, FIXED, "elastic")


def test_centres_of_volumes_keep_the_directions_of_the_body():
    moving = in_pose(stored_left_handed(FIXED), rigid(rotation(20, 30, 40), (5, 6, 7)))
    matrix = initial_alignment(FIXED, moving, "centres").matrix
    np.testing.assert_allclose(matrix, rigid(np.eye(3), moving.geometry.centre - FIXED.geometry.centre), atol=1e-9)


def test_mass_is_what_simpleitk_finds_by_moments():
    moving = in_pose(two_part_phantom(5)[0], rigid(rotation(10, 20, 30), (5, 16, -7)))
    moving.array[:, :, 25:] *= 3
    images = [image.with_array(image.array - image.array.min()).to_sitk() for image in (FIXED, moving)]
    expected = sitk.CenteredTransformInitializer(
        *images, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    matrix = initial_alignment(FIXED, moving, "mass").matrix
    np.testing.assert_array_equal(matrix[:3, :3], np.eye(3))
    np.testing.assert_allclose(matrix[:3, 3], expected.TransformPoint((0.0, 0.0, 0.0)), atol=1e-3)


def test_mass_of_masks_brings_their_centres_together():
    moving = in_pose(FIXED, rigid(np.eye(3), (0, 40, 0)))
    masks = [np.zeros(FIXED.array.shape, bool) for _ in range(2)]
    masks[0][5:9, 6:8, 20:30] = True
    masks[1][15:19, 26:28, 10:20] = True
    both = FIXED.with_array(masks[0]), moving.with_array(masks[1])
    matrix = initial_alignment(FIXED, moving, "mass", *both).matrix
    np.testing.assert_allclose(matrix[:3, 3], (-10, 40 + 20, 10), atol=1e-9)
    # Masks of any shape, not their boxes.
    masks[1][15:19, 26:28, 19] = False
    masks[1][15, 26, 19] = True
    shifted = initial_alignment(FIXED, moving, "mass", *both).matrix
    assert 0.1 < matrix[0, 3] - shifted[0, 3] < 0.5


def test_a_map_moves_a_grid_voxel_by_voxel():
    matrix = rigid(rotation(10, 20, 30) @ np.diag([1.2, 0.9, 1.1]) @ [[1, 0.2, 0], [0, 1, 0], [0.1, 0, 1]], (3, 4, 5))
    grid = Geometry((5, 6, 7), (0.5, 1, 2), (9, 8, 7), rotation(5, 6, 7) * [1, -1, 1])
    np.testing.assert_allclose(moved(grid, matrix).ijk_to_lps, matrix @ grid.ijk_to_lps, atol=1e-12)


# --- masks say what corresponds to what ------------------------------------------------------------------------------

LARGE = Image(np.zeros((100, 100, 100)))
CROP = Image(np.zeros((20, 24, 22)), origin=(300, 0, 0))
IN_LARGE = LARGE.with_array(np.zeros(LARGE.array.shape, bool))
IN_LARGE.array[10:28, 50:70, 60:79] = True
BOX = Geometry((19, 20, 18), origin=(60, 50, 10))


def test_boxes_are_those_of_the_masks_or_of_the_images():
    for fixed, moving, masks, expected in [
        (LARGE, CROP, (None, None), (LARGE.geometry, CROP.geometry)),
        (LARGE, LARGE, (IN_LARGE, IN_LARGE), (BOX, BOX)),
        (LARGE, CROP, (IN_LARGE, None), (BOX, CROP.geometry)),  # a crop shows what the mask marks
        (CROP, LARGE, (None, IN_LARGE), (CROP.geometry, BOX)),
        (LARGE, LARGE, (IN_LARGE, None), (LARGE.geometry, LARGE.geometry)),  # both show more than that
        (LARGE, LARGE, (None, IN_LARGE), (LARGE.geometry, LARGE.geometry)),
    ]:
        for box, wanted in zip(matching_boxes(fixed, moving, *masks), expected, strict=True):
            assert box.same_grid(wanted)


# --- rigid and affine ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_handed", [False, True], ids=["right-handed", "left-handed"])
@pytest.mark.parametrize("pose", POSES)
def test_rigid_finds_a_known_pose(pose, left_handed):
    moving = stored_left_handed(FIXED) if left_handed else FIXED
    result = initial_alignment(FIXED, in_pose(moving, POSES[pose]), "rigid")
    assert (result.kind, result.warnings) == ("rigid", [])
    assert apart(result.matrix, POSES[pose], FIXED.geometry) < 0.3


@pytest.mark.parametrize("frame", [np.eye(3), rotation(25, -40, 60)], ids=["straight", "oblique"])
def test_rigid_does_not_depend_on_where_both_images_lie(frame):
    world = rigid(frame, (300, -200, 100))
    moving = in_pose(FIXED, POSES["near"])
    result = initial_alignment(in_pose(FIXED, world), in_pose(moving, world), "rigid")
    expected = world @ POSES["near"] @ np.linalg.inv(world)
    assert apart(result.matrix, expected, in_pose(FIXED, world).geometry) < 0.3


def affinely_deformed(image, matrix):
    """Another sampling of what an affine map makes of an image: the map brings the image's points to the result's."""
    grid = Geometry((52, 48, 50), (0.9, 1.0, 0.95), (-22, -23, -24), rotation(10, -5, 8))
    points = grid.index_to_physical(np.moveaxis(np.indices(grid.shape_kji), 0, -1)[..., ::-1])
    inverse = np.linalg.inv(matrix)
    displacement = points @ (inverse[:3, :3] - np.eye(3)).T + inverse[:3, 3]
    return warp_image(image, Image.on_grid(displacement.astype(np.float32), grid))


def test_affine_finds_scaling_and_shear_where_rigid_cannot():
    truth = rigid(rotation(6, -5, 8) @ [[1.12, 0.08, 0], [0, 0.92, 0.05], [0.04, 0, 1.06]], (3, -2, 4))
    moving = affinely_deformed(FIXED, truth)
    distances = {
        kind: apart(initial_alignment(FIXED, moving, kind).matrix, truth, FIXED.geometry)
        for kind in ("rigid", "affine")
    }
    assert distances["affine"] < 1.0
    assert distances["affine"] < 0.4 * distances["rigid"]


def test_an_aligned_pair_stays_where_it_is():
    for kind in ("rigid", "affine"):
        result = initial_alignment(FIXED, FIXED, kind)
        assert apart(result.matrix, np.eye(4), FIXED.geometry) < 0.1


def test_grey_values_may_be_turned_around_and_of_any_scale():
    moving = in_pose(FIXED.with_array((4000 - 30 * FIXED.array).astype(np.int16)), POSES["near"])
    result = initial_alignment(FIXED, moving, "rigid")
    assert apart(result.matrix, POSES["near"], FIXED.geometry) < 0.5


def test_thick_slices_are_aligned():
    thick = Geometry((27, 27, 6), (1.5, 1.5, 7.0), (-19.5, -19.5, -17.5))
    fixed = resample(FIXED, thick, antialias=True)
    pose = rigid(rotation(0, 0, 9), (4, -3, 0))
    result = initial_alignment(fixed, in_pose(fixed, pose), "rigid")
    assert apart(result.matrix, pose, fixed.geometry) < 0.7


@pytest.mark.parametrize("plane", [np.eye(3), rotation(30, -50, 20)], ids=["straight", "oblique"])
@pytest.mark.parametrize("left_handed", [False, True], ids=["right-handed", "left-handed"])
@pytest.mark.parametrize("kind", ["mass", "rigid", "affine"])
def test_slices_are_aligned_in_their_plane(plane, left_handed, kind):
    array = FIXED.array[20:21]
    turn = rotation(0, 0, 17) if kind != "mass" else np.eye(3)
    fixed = in_pose(Image(array, (1, 1, 5)), rigid(plane, (10, 20, 30)))
    pose = rigid(plane @ turn @ plane.T, plane @ (6, -5, 0), fixed.geometry.centre)
    moving = in_pose(fixed, pose)
    if left_handed:  # stored from another corner: the same picture at the same place
        origin = moving.geometry.index_to_physical((moving.array.shape[2] - 1, 0, 0))
        moving = Image(moving.array[:, :, ::-1], moving.spacing, tuple(origin), moving.direction * [-1, 1, 1])
    result = initial_alignment(fixed, moving, kind)
    assert result.kind == kind
    assert apart(result.matrix, pose, fixed.geometry) < (1e-6 if kind == "mass" else 0.3)


def test_slices_in_other_planes_are_turned_into_each_other():
    fixed = Image(FIXED.array[20:21], (1, 1, 5))
    for degrees in (30, 80):
        moving = in_pose(fixed, rigid(rotation(degrees, 0, 0), (3, 4, 50)))
        result = initial_alignment(fixed, moving, "rigid")
        landed = moving.geometry.physical_to_index(
            points_of(fixed.geometry) @ result.matrix[:3, :3].T + result.matrix[:3, 3]
        )
        np.testing.assert_allclose(landed[:, 2], 0, atol=1e-6)
        np.testing.assert_allclose(landed, fixed.geometry.physical_to_index(points_of(fixed.geometry)), atol=0.3)


def test_two_runs_agree_to_the_last_digit_with_any_number_of_threads():
    moving = in_pose(two_part_phantom(4)[0], POSES["near"])
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        found = []
        for threads in (1, 3):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found += [initial_alignment(FIXED, moving, "affine").matrix for _ in range(2)]
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    for matrix in found[1:]:
        np.testing.assert_array_equal(matrix, found[0])


def test_inputs_are_not_changed():
    moving, mask = in_pose(FIXED, POSES["near"]), LABELS.with_array(LABELS.array > 0)
    before = FIXED.array.copy(), moving.array.copy(), mask.array.copy()
    initial_alignment(FIXED, moving, "rigid", mask)
    for image, array in zip((FIXED, moving, mask), before, strict=True):
        np.testing.assert_array_equal(image.array, array)


# --- with masks ------------------------------------------------------------------------------------------------------


def embedded(image, labels, before, after, seed):
    """An image in a larger one of other structures, and a mask of its labels."""
    generator = np.random.default_rng(seed)
    widths = list(zip(before, after, strict=True))
    array = generator.normal(image.array.mean(), image.array.std(), np.pad(image.array, widths).shape).astype(
        np.float32
    )
    inner = tuple(slice(low, low + n) for low, n in zip(before, image.array.shape, strict=True))
    array[inner] = image.array
    origin = tuple(image.geometry.index_to_physical(-np.array(before[::-1])))
    return replace(image, array=array, origin=origin), Image(np.pad(labels.array > 0, widths), origin=origin)


def test_masks_find_the_structure_in_larger_images():
    fixed, fixed_mask = embedded(FIXED, LABELS, (25, 3, 18), (2, 20, 9), 0)
    moving, moving_mask = embedded(FIXED, LABELS, (4, 22, 6), (23, 2, 21), 1)
    pose = POSES["turned about one axis"]
    moving, moving_mask = in_pose(moving, pose), in_pose(moving_mask, pose)
    result = initial_alignment(fixed, moving, "rigid", fixed_mask, moving_mask)
    assert result.kind == "rigid"
    assert apart(result.matrix, pose, FIXED.geometry) < 1.0


@pytest.mark.parametrize("masked", ["fixed", "moving"])
def test_one_mask_is_enough_where_both_images_show_the_surroundings(masked):
    """Two parts that move differently: the mask says which one is wanted."""
    sides = [two_part_phantom(seed)[0] for seed in (3, 8)]
    fixed = np.concatenate([side.array for side in sides], axis=2)
    local = rigid(rotation(0, 0, 7), (1.5, -1, 2))
    turned = resample(in_pose(sides[0], local), sides[0].geometry)
    moving = np.concatenate([turned.array, sides[1].array], axis=2)
    fixed, moving = (Image(array, origin=sides[0].origin) for array in (fixed, moving))
    mask = fixed.with_array(np.zeros(fixed.array.shape, bool))
    mask.array[8:32, 6:34, 8:32] = True
    masks = {f"{masked}_mask": mask}
    whole = initial_alignment(fixed, moving, "rigid").matrix
    result = initial_alignment(fixed, moving, "rigid", **masks).matrix
    centre = Geometry((20, 20, 20), origin=(-9.5, -9.5, -9.5))
    assert apart(result, local, centre) < 1.0
    assert apart(result, local, centre) < 0.5 * apart(whole, local, centre)


# --- what cannot work ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_too_few_voxels_are_refused(kind):
    small = Image(np.random.default_rng(0).normal(size=(3, 20, 20)))
    with pytest.raises(InputError, match="^The fixed image has 20 x 20 x 3 voxels.*too few"):
        initial_alignment(small, FIXED, kind)
    with pytest.raises(InputError, match="^The moving image.*too few"):
        initial_alignment(FIXED, small, kind)


def test_nothing_to_see_around_the_structure_is_refused():
    array = np.zeros((60, 60, 60))
    array[40:55, 40:55, 40:55] = FIXED.array[10:25, 10:25, 10:25]
    mask = np.zeros(array.shape, bool)
    mask[5:15, 5:15, 5:15] = True
    with pytest.raises(InputError, match="^The fixed image has the value 0 everywhere around"):
        initial_alignment(Image(array), Image(array), "rigid", Image(mask), Image(mask))


def test_an_unbelievable_scaling_is_not_used():
    """A copy at a third of its size: whatever comes out must be the centres' alignment, or within the limits."""
    small = in_pose(FIXED, np.diag([0.3, 0.3, 0.3, 1.0]))
    result = initial_alignment(FIXED, small, "affine")
    scales = np.linalg.svd(result.matrix[:3, :3], compute_uv=False)
    assert scales.min() > 0.5
    assert scales.max() < 2.0
    if result.kind == "centres":
        assert "affine alignment was not used" in result.warnings[0]


def test_what_a_search_should_not_have_found_is_replaced_by_the_centres(monkeypatch):
    for found, reason in [
        (np.diag([2.5, 1, 1, 1.0]), "scales by a factor of 2.5"),
        (rigid(np.eye(3), (60, 0, 0)), "moves the images apart"),
        (np.diag([1, 1, 0, 1.0]), "scales by a factor"),
    ]:
        monkeypatch.setattr(AffineSearch, "run", lambda *arguments, found=found: (found, ""))
        moving = in_pose(FIXED, rigid(np.eye(3), (30, 0, 0)))
        result = initial_alignment(FIXED, moving, "affine")
        assert result.kind == "centres"
        np.testing.assert_allclose(result.matrix, rigid(np.eye(3), (30, 0, 0)), atol=1e-9)
        assert len(result.warnings) == 1
        assert reason in result.warnings[0]


def test_it_can_be_cancelled_at_every_report(monkeypatch):
    monkeypatch.setattr(affine_search, "_SECONDS_BETWEEN_REPORTS", 0.0)  # else the clock decides how many there are
    moving = in_pose(FIXED, POSES["near"])
    heard = []
    initial_alignment(FIXED, moving, "affine", progress=Progress(lambda fraction, message: heard.append(fraction)))
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert len(heard) > 20
    for stop in (0, 1, len(heard) // 2, int(0.8 * len(heard))):
        with pytest.raises(Cancelled):
            initial_alignment(
                FIXED, moving, "affine", progress=after_reports(stop, lambda progress: progress.cancel())[0]
            )


def after_reports(number, action):
    """A progress that does something after so many reports, and the list of what was reported."""
    heard = []

    def hear(fraction, message):
        heard.append(fraction)
        if len(heard) > number:
            action(progress)

    progress = Progress(hear)
    return progress, heard


def test_a_local_search_stops_when_it_is_cancelled_and_lets_failures_through(monkeypatch, capfd):
    monkeypatch.setattr(affine_search, "_SECONDS_BETWEEN_REPORTS", 0.0)
    image = affine_search.SearchImage(sitk.Cast(FIXED.to_sitk(), sitk.sitkFloat32))
    start = rigid(rotation(0, 0, 9), (2, 0, 0))
    search = affine_search.AffineSearch(image, image)
    for failure, expected in (
        (lambda progress: progress.cancel(), Cancelled),
        (lambda progress: 1 / 0, ZeroDivisionError),
    ):
        progress, heard = after_reports(4, failure)
        with pytest.raises(expected):
            search._optimise(start, "rigid", "coarse", progress)
        assert len(heard) == 5
    assert "Traceback" not in capfd.readouterr().err


def test_voxels_are_merged_to_nearly_equal_sides():
    assert shrink_factors((20, 20, 20), (1, 1, 1), 10_000) == [1, 1, 1]
    assert shrink_factors((256, 256, 256), (1, 1, 1), 64**3) == [4, 4, 4]
    factors = np.array(shrink_factors((256, 256, 8), (1, 1, 8), 10_000))
    assert factors[2] == 1
    assert factors[0] == factors[1] > 4
    assert np.prod(np.array([256, 256, 8]) // factors) <= 11_000


def test_it_needs_no_torch():
    code = "import sys, DeformationLib.alignment; sys.exit('torch' in sys.modules)"
    folder = Path(__file__).resolve().parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=folder, check=False).returncode == 0
