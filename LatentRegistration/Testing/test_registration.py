"""The result of a registration on oblique, anisotropic, left-handed grids, against SimpleITK and closed forms."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from DeformationLib import metrics
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry, network_geometry
from DeformationLib.image import Image
from DeformationLib.network_field import network_field_to_physical
from DeformationLib.progress import Progress
from DeformationLib.registration import (
    RegistrationResult,
    displacement_to_sitk,
    jacobian_determinant,
    warp_image,
    warp_labels,
)


def rotation(x, y, z):
    return Rotation.from_euler("xyz", (x, y, z), degrees=True).as_matrix()


LEFT_HANDED = rotation(20, -35, 50) * np.array([1, 1, -1])
FIXED = Geometry((14, 12, 9), (0.8, 1.1, 1.9), (-30, 12, 45), LEFT_HANDED)
OTHER_DIRECTION = rotation(-15, 10, 80)
MOVING = Geometry(
    (13, 15, 16),
    (1.2, 0.9, 1.0),
    FIXED.centre - Geometry((13, 15, 16), (1.2, 0.9, 1.0), direction=OTHER_DIRECTION).centre,
    OTHER_DIRECTION,
)
AFFINE = np.array([[1.05, 0.08, -0.03], [-0.06, 0.93, 0.04], [0.02, -0.05, 1.1]])
SHIFT = np.array([0.4, -0.6, 0.3])


def points_of(geometry):
    """LPS positions of all voxels, (k, j, i, 3)."""
    return geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])


def affine_displacement(geometry, matrix=AFFINE, shift=SHIFT):
    """Displacement of p -> centre + matrix (p - centre) + shift on a grid; the centre is the fixed image's."""
    points = points_of(geometry) - FIXED.centre
    return Image.on_grid((points @ matrix.T + shift - points).astype(np.float32), geometry)


def inverse_affine_displacement(geometry):
    inverse = np.linalg.inv(AFFINE)
    return affine_displacement(geometry, inverse, -inverse @ SHIFT)


def wavy_displacement(geometry, amplitude=1.5, seed=0):
    array = np.random.default_rng(seed).normal(size=(*geometry.shape_kji, 3))
    array = gaussian_filter(array, (2, 2, 2, 0))
    return Image.on_grid((amplitude * array / np.abs(array).max()).astype(np.float32), geometry)


def random_image(geometry, seed=0):
    return Image.on_grid(np.random.default_rng(seed).normal(size=geometry.shape_kji).astype(np.float32), geometry)


def ball_labels(geometry, centre):
    """Shells of labels 500, 2 and 1 around a point."""
    distance = np.linalg.norm(points_of(geometry) - centre, axis=-1)
    return Image.on_grid(np.select([distance < 1.5, distance < 3, distance < 4.5], [500, 2, 1], 0), geometry)


@pytest.fixture
def result():
    return RegistrationResult(
        fixed=random_image(FIXED, 1),
        moving=random_image(MOVING, 2),
        displacement=affine_displacement(FIXED),
        inverse_displacement=inverse_affine_displacement(MOVING),
        model="affine",
        seconds={"network": 0.25, "resampling": 0.5},
        warnings=["The moving image is unlike the training data."],
        similarity_before=0.5,
        similarity_after=0.75,
    )


# --- warping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [-7.0, 0.0])
def test_warp_agrees_with_simpleitk(padding):
    moving, displacement = random_image(MOVING), wavy_displacement(FIXED)
    transform = sitk.DisplacementFieldTransform(displacement_to_sitk(displacement))
    reference = random_image(FIXED).to_sitk()
    theirs = sitk.GetArrayFromImage(sitk.Resample(moving.to_sitk(), reference, transform, sitk.sitkLinear, padding))
    ours = warp_image(moving, displacement, padding=padding)
    assert ours.geometry.same_grid(FIXED)
    assert 0.05 < (theirs == padding).mean() < 0.95
    np.testing.assert_allclose(ours.array, theirs, atol=1e-4)


def test_warp_shows_what_lies_at_the_displaced_point(result):
    """A picture linear in physical space, known at every point."""
    gradient = (1.0, -2.0, 0.5)
    moving = Image.on_grid((points_of(MOVING) @ gradient).astype(np.float32), MOVING)
    expected = (points_of(FIXED) + result.displacement.array) @ gradient
    warped = result.warp(moving, padding=np.nan)
    inside = np.isfinite(warped.array)
    core = inside & (np.abs(points_of(FIXED) - FIXED.centre).max(axis=-1) < 4)
    assert np.count_nonzero(core) > 100
    np.testing.assert_allclose(warped.array[core], expected[core], atol=1e-4)


def test_inverse_warp_undoes_warp(result):
    gradient = (1.0, -2.0, 0.5)
    moving = Image.on_grid((points_of(MOVING) @ gradient).astype(np.float32), MOVING)
    back = result.inverse_warp(result.warp(moving))
    assert back.same_grid(moving)
    core = np.linalg.norm(points_of(MOVING) - FIXED.centre, axis=-1) < 3
    assert np.count_nonzero(core) > 50
    np.testing.assert_allclose(back.array[core], moving.array[core], atol=1e-3)


def test_warp_takes_images_on_any_grid():
    """A segmentation finer than the moving image lands where the coarse one does."""
    fine = Geometry((26, 30, 32), (0.6, 0.45, 0.5), MOVING.origin, OTHER_DIRECTION)
    displacement = affine_displacement(FIXED)
    coarse_ball, fine_ball = (ball_labels(geometry, FIXED.centre) for geometry in (MOVING, fine))
    a, b = warp_labels(coarse_ball, displacement).array, warp_labels(fine_ball, displacement).array
    assert 2 * np.count_nonzero((a > 0) & (b > 0)) / (np.count_nonzero(a) + np.count_nonzero(b)) > 0.9


def test_warped_labels_are_the_largest_interpolated_indicator():
    labels = Image.on_grid(np.random.default_rng(0).choice([0, 1, 2, 500], MOVING.shape_kji), MOVING)
    displacement = wavy_displacement(FIXED)
    values = np.array([0, 1, 2, 500])
    indicators = [labels.with_array((labels.array == value).astype(np.float32)) for value in values]
    scores = np.stack([warp_image(indicator, displacement).array for indicator in indicators])
    outside = np.isnan(warp_image(random_image(MOVING), displacement, padding=np.nan).array)
    expected = np.where(outside, 0, values[scores.argmax(axis=0)])
    # Where two labels are level to float precision, either is right.
    top = np.sort(scores, axis=0)
    clear = (top[-1] - top[-2] > 1e-5) | outside
    assert clear.mean() > 0.99
    warped = warp_labels(labels, displacement)
    assert set(np.unique(warped.array)) == {0, 1, 2, 500}
    np.testing.assert_array_equal(warped.array[clear], expected[clear])


def test_warped_labels_follow_the_deformation(result):
    ball = ball_labels(MOVING, FIXED.centre + SHIFT)
    expected = ball_labels(FIXED, FIXED.centre)
    warped = result.warp(ball, labels=True)
    overlap = 2 * np.count_nonzero((warped.array > 0) & (expected.array > 0))
    assert overlap / (np.count_nonzero(warped.array) + np.count_nonzero(expected.array)) > 0.85
    back = result.inverse_warp(warped, labels=True)
    assert back.same_grid(ball)
    overlap = 2 * np.count_nonzero((back.array > 0) & (ball.array > 0))
    assert overlap / (np.count_nonzero(back.array) + np.count_nonzero(ball.array)) > 0.85


def test_intensities_are_refused_as_labels(result):
    with pytest.raises(InputError, match="labels are whole numbers"):
        result.warp(random_image(MOVING), labels=True)


def test_large_images_are_warped_slab_by_slab():
    """More samples than one slab holds, moved by another distance in each slice."""
    large = Geometry((256, 256, 12))
    moving = Image.on_grid((points_of(large) @ (1.0, 0.1, 0.01)).astype(np.float32), large)
    displacement = np.zeros((*large.shape_kji, 3), np.float32)
    displacement[..., 0] = np.arange(12).reshape(12, 1, 1)
    warped = warp_image(moving, Image.on_grid(displacement, large))
    expected = moving.array + displacement[..., 0]
    np.testing.assert_allclose(warped.array[..., :-12], expected[..., :-12], rtol=1e-5)


def test_one_slice_is_warped_in_its_plane():
    plane = Geometry((9, 8, 1), (1, 1, 5))
    moving = Image.on_grid(np.arange(72, dtype=np.float32).reshape(plane.shape_kji), plane)
    shift = Image.on_grid(np.broadcast_to(np.float32([1, 2, 0]), (*plane.shape_kji, 3)), plane)
    warped = warp_image(moving, shift)
    np.testing.assert_array_equal(warped.array[0, :-2, :-1], moving.array[0, 2:, 1:])
    np.testing.assert_allclose(jacobian_determinant(shift).array, 1)


# --- Jacobian --------------------------------------------------------------------------------------------------------

entries = st.floats(-0.5, 0.5)
angles = st.floats(-180, 180)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(entries, min_size=9, max_size=9),
    st.tuples(angles, angles, angles),
    st.tuples(*[st.floats(0.3, 4)] * 3),
    st.sampled_from([1, -1]),
)
def test_jacobian_of_an_affine_map_is_its_determinant(values, euler, spacing, hand):
    geometry = Geometry((4, 3, 5), spacing, (5, -6, 7), rotation(*euler) * np.array([1, hand, 1]))
    matrix = np.eye(3) + np.reshape(values, (3, 3))
    displacement = Image.on_grid(points_of(geometry) @ (matrix - np.eye(3)).T, geometry)
    np.testing.assert_allclose(jacobian_determinant(displacement).array, np.linalg.det(matrix), atol=1e-5)


def test_jacobian_of_the_identity_is_one():
    np.testing.assert_array_equal(jacobian_determinant(Image(np.zeros((3, 4, 5, 3)))).array, 1)


def test_jacobian_of_a_quadratic_map_on_an_oblique_grid():
    """u = (c x^2, 0, 0) has determinant 1 + 2 c x, and central differences of a parabola are exact."""
    points = points_of(FIXED) - FIXED.centre
    displacement = Image.on_grid(points**2 * [0.03, 0, 0], FIXED)
    interior = (slice(1, -1),) * 3
    expected = 1 + 0.06 * points[..., 0]
    np.testing.assert_allclose(jacobian_determinant(displacement).array[interior], expected[interior], atol=1e-5)


def test_jacobian_agrees_with_simpleitk_on_a_grid_along_the_axes():
    # ITK's filter takes the components for those along the axes of the grid: no other direction can be compared.
    displacement = wavy_displacement(Geometry((10, 11, 12), (0.8, 1.1, 1.9)))
    theirs = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(displacement_to_sitk(displacement)))
    interior = (slice(1, -1),) * 3
    assert theirs.std() > 0.05
    np.testing.assert_allclose(jacobian_determinant(displacement).array[interior], theirs[interior], atol=1e-5)


def test_jacobian_in_slabs_equals_the_whole():
    geometry = Geometry((200, 220, 9))
    displacement = Image.on_grid(np.random.default_rng(0).normal(size=(*geometry.shape_kji, 3)) * 0.2, geometry)
    part = Geometry((12, 11, 9))
    corner = Image.on_grid(displacement.array[:, :11, :12], part)
    inner = (slice(None), slice(1, -1), slice(1, -1))
    whole = jacobian_determinant(displacement).array[:, :11, :12]
    np.testing.assert_array_equal(whole[inner], jacobian_determinant(corner).array[inner])


def test_reflection_folds_everywhere():
    mirror = Image.on_grid(points_of(FIXED) * [-2.0, 0, 0], FIXED)
    np.testing.assert_allclose(jacobian_determinant(mirror).array, -1, atol=1e-5)


def slice_displacement(map_in_plane, matrix, plane=LEFT_HANDED):
    """A slice whose points (x, y) in its plane are mapped there, and then by a linear map of the body."""
    grid = Geometry((24, 20, 1), (0.8, 1.1, 4.0), (-30, 12, 45), plane)
    points = points_of(grid)
    local = (points - grid.centre) @ np.linalg.inv(plane).T
    x, y = map_in_plane(local[..., 0], local[..., 1])
    landed = np.stack([x, y, local[..., 2]], axis=-1) @ plane.T @ np.asarray(matrix).T + (3, 4, 5)
    return Image.on_grid((landed - points).astype(np.float32), grid)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        rotation(25, -40, 10),
        rotation(90, 0, 0),
        np.diag([1, 1, -1.0]),
        LEFT_HANDED @ np.diag([-1, 1, 1.0]) @ LEFT_HANDED.T,
    ],
    ids=["same plane", "tilted", "across", "mirrored through the plane", "mirrored in the plane"],
)
def test_of_a_slice_the_determinant_is_the_change_of_area_in_whatever_plane(matrix):
    grown = jacobian_determinant(slice_displacement(lambda x, y: (1.3 * x + 0.2 * y, 0.9 * y), matrix)).array
    np.testing.assert_allclose(grown, 1.3 * 0.9, atol=1e-4)
    folded = jacobian_determinant(slice_displacement(lambda x, y: (x, np.where(y < 3, y, 6 - y)), matrix)).array
    assert folded.shape == (1, 20, 24)
    np.testing.assert_allclose(folded[0, :10], 1, atol=1e-4)
    np.testing.assert_allclose(folded[0, -3:], -1, atol=1e-4)


def test_the_determinant_reports_and_can_be_cancelled():
    displacement = wavy_displacement(FIXED)
    heard = []
    progress = Progress(lambda fraction, message: heard.append(fraction))
    jacobian_determinant(displacement, progress)
    assert heard[-1] == 1
    progress.cancel()
    with pytest.raises(Cancelled):
        jacobian_determinant(displacement, progress)


# --- from a network's grid to millimetres ----------------------------------------------------------------------------

FIXED_NETWORK = network_geometry((8, 9, 10), (2.0, 1.5, 1.8), FIXED.centre)
MOVING_NETWORK = network_geometry((8, 9, 10), (2.0, 1.5, 1.8), FIXED.centre + (3, -4, 5))


def test_network_without_displacement_is_the_identity():
    field = network_field_to_physical(np.zeros((3, 8, 9, 10)), FIXED_NETWORK, FIXED_NETWORK, FIXED)
    assert field.array.dtype == np.float32
    np.testing.assert_allclose(field.array, 0, atol=1e-5)


def test_network_grids_in_two_places_shift_by_their_distance():
    field = network_field_to_physical(np.zeros((3, 8, 9, 10)), FIXED_NETWORK, MOVING_NETWORK, FIXED)
    np.testing.assert_allclose(field.array, np.broadcast_to([3, -4, 5], field.array.shape), atol=1e-5)


def test_network_voxels_become_millimetres_in_the_order_xyz():
    u = np.broadcast_to(np.reshape([1.0, 2.0, 3.0], (3, 1, 1, 1)), (3, 8, 9, 10))
    field = network_field_to_physical(u, FIXED_NETWORK, FIXED_NETWORK, FIXED)
    np.testing.assert_allclose(field.array, np.broadcast_to([3 * 1.8, 2 * 1.5, 1 * 2.0], field.array.shape), atol=1e-5)


@pytest.mark.parametrize(
    "moving_network",
    [MOVING_NETWORK, Geometry((10, 9, 8), (1, 2, 3), (4, 5, 6), LEFT_HANDED)],
    ids=["moved", "turned, scaled and left-handed"],
)
def test_network_displacement_point_by_point(moving_network):
    u = np.random.default_rng(0).normal(size=(3, 8, 9, 10)).astype(np.float32)
    field = network_field_to_physical(u, FIXED_NETWORK, moving_network, FIXED)
    axes = [np.arange(n) for n in FIXED_NETWORK.shape_kji]
    for k, j, i in [(0, 0, 0), (4, 5, 6), (8, 11, 13), (2, 9, 3)]:
        point = FIXED.index_to_physical((i, j, k))
        index_kji = FIXED_NETWORK.physical_to_index(point)[::-1]
        clamped = np.clip(index_kji, 0, np.array(FIXED_NETWORK.shape_kji) - 1)
        displacement = [RegularGridInterpolator(axes, component)(clamped).item() for component in u]
        target = moving_network.index_to_physical((index_kji + displacement)[::-1])
        np.testing.assert_allclose(field.array[k, j, i], target - point, atol=1e-4)


def test_a_network_displacement_that_ends_at_zero_is_sampled_where_it_is_and_the_same():
    u = np.zeros((3, 8, 9, 10), np.float32)
    u[:, 1:-1, 1:-1, 1:-1] = np.random.default_rng(0).normal(size=(3, 6, 7, 8))
    almost = u.copy()
    almost[0, 0, 0, 0] = 1e-9  # takes the other way
    wide = Geometry((60, 50, 40), (0.8, 1.1, 1.9), tuple(FIXED.centre - (40, 30, 35)), LEFT_HANDED)
    for target in (FIXED, wide, Geometry((5, 5, 5), origin=(900, 0, 0))):
        ours, expected = (
            network_field_to_physical(field, FIXED_NETWORK, MOVING_NETWORK, target) for field in (u, almost)
        )
        np.testing.assert_allclose(ours.array, expected.array, atol=1e-5)


def test_a_network_displacement_reports_and_can_be_cancelled():
    u = np.random.default_rng(0).normal(size=(3, 8, 9, 10))
    heard = []
    progress = Progress(lambda fraction, message: heard.append(fraction))
    network_field_to_physical(u, FIXED_NETWORK, MOVING_NETWORK, FIXED, progress)
    assert len(heard) >= 3
    progress.cancel()
    with pytest.raises(Cancelled):
        network_field_to_physical(u, FIXED_NETWORK, MOVING_NETWORK, FIXED, progress)


def test_network_displacement_from_torch():
    torch = pytest.importorskip("torch")
    u = torch.randn(3, 8, 9, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ours = network_field_to_physical(u, FIXED_NETWORK, MOVING_NETWORK, FIXED)
    expected = network_field_to_physical(u.detach().numpy(), FIXED_NETWORK, MOVING_NETWORK, FIXED)
    np.testing.assert_array_equal(ours.array, expected.array)


@pytest.mark.parametrize("shape", [(3, 10, 9, 8), (2, 8, 9, 10), (1, 3, 8, 9, 10)])
def test_network_displacement_of_another_shape_is_a_programming_error(shape):
    with pytest.raises(ValueError, match="does not fit network grids"):
        network_field_to_physical(np.zeros(shape), FIXED_NETWORK, MOVING_NETWORK, FIXED)


# --- the result ------------------------------------------------------------------------------------------------------


def test_exact_inverse_is_consistent(result):
    # All that is left is the outer half of the voxels at the border, where the inverse keeps its value at the edge.
    assert result.inverse_consistency() < 0.005


def test_inconsistency_is_in_millimetres(result):
    result.inverse_displacement.array += np.float32([2, -1, 2])
    assert result.inverse_consistency() == pytest.approx(3, abs=0.005)


def test_consistency_is_unknown_where_nothing_lands(result):
    result.displacement.array += 1000
    assert np.isnan(result.inverse_consistency())


def test_folding_is_counted_once_and_only_where_something_is_deformed(result):
    grid = Geometry((20, 20, 20), (1, 1, 1), (0, 0, 0))
    array = np.zeros((20, 20, 20, 3), np.float32)
    array[8:12, 8:12, 8:12, 0] = np.array([2.0, 0.7, -0.7, -2.0])
    result.displacement = Image.on_grid(array, grid)
    expected = metrics.folding_percent(jacobian_determinant(result.displacement).array)
    assert expected > 0.1
    assert result.folding_percent() == pytest.approx(expected)
    assert result.folding_percent() is result.folding_percent()
    for region, share in (
        ((slice(7, 13),) * 3, expected),
        ((slice(0, 20),) * 3, expected),
        ((slice(0, 6),) * 3, 0.0),
        ((slice(20, 20),) * 3, 0.0),
    ):
        other = RegistrationResult(
            Image.on_grid(array[..., 0], grid),
            result.moving,
            result.displacement,
            result.inverse_displacement,
            deformed=region,
        )
        assert other.folding_percent() == pytest.approx(share)


def test_one_line_says_what_is_known(result):
    result.similarity_name = "overlap"
    result.seconds = {"network": 0.25, "resampling": 0.5}
    assert result.one_line() == "0.75 s · overlap 0.50 → 0.75 · 0.00 % folded"
    result.similarity_before = float("nan")
    assert result.one_line() == "0.75 s · overlap – → 0.75 · 0.00 % folded"
    result.similarity_after = None
    assert result.one_line() == "0.75 s · 0.00 % folded"


def test_report_of_an_affine_map(result):
    report = result.report()
    jacobian = report["jacobian_determinant"]
    assert jacobian["minimum"] == pytest.approx(np.linalg.det(AFFINE), abs=1e-4)
    assert jacobian["maximum"] == pytest.approx(np.linalg.det(AFFINE), abs=1e-4)
    assert jacobian["folding_percent"] == 0
    assert jacobian["sd_log"] == pytest.approx(0, abs=1e-4)
    length = np.linalg.norm((points_of(FIXED) - FIXED.centre) @ (AFFINE - np.eye(3)).T + SHIFT, axis=-1)
    assert report["displacement_mm"]["mean"] == pytest.approx(length.mean(), rel=1e-4)
    assert report["displacement_mm"]["maximum"] == pytest.approx(length.max(), rel=1e-4)
    assert report["similarity"] == {"measure": "similarity", "before": 0.5, "after": 0.75}
    assert report["seconds"] == {"network": 0.25, "resampling": 0.5}
    assert "labels" not in report


def test_report_measures_the_jacobian_per_millimetre(result):
    result.displacement = wavy_displacement(FIXED)
    expected = metrics.mean_gradient_of_jacobian(result.jacobian().array, (1.9, 1.1, 0.8))
    assert expected > 0.01
    assert result.report()["jacobian_determinant"]["mean_gradient_per_mm"] == expected


def test_report_with_labels_measures_before_and_after(result):
    shifted = ball_labels(MOVING, FIXED.centre + 5 * SHIFT)
    result.displacement = affine_displacement(FIXED, np.eye(3), 5 * SHIFT)
    report = result.report(ball_labels(FIXED, FIXED.centre), shifted)
    assert list(report["labels"]) == [1, 2, 500]
    for entry in report["labels"].values():
        assert entry["dice_after"] > entry["dice_before"]
        assert entry["hausdorff95_after_mm"] < entry["hausdorff95_before_mm"]
    mean = np.mean([entry["dice_after"] for entry in report["labels"].values()])
    assert report["mean_dice_after"] == pytest.approx(mean)
    assert report["mean_dice_after"] > 0.8


def test_report_of_a_label_that_only_one_image_has(result):
    moving_labels = ball_labels(MOVING, FIXED.centre)
    fixed_labels = ball_labels(FIXED, FIXED.centre)
    fixed_labels.array[fixed_labels.array == 500] = 2
    entry = result.report(fixed_labels, moving_labels)["labels"][500]
    assert entry["dice_after"] == 0
    assert np.isnan(entry["hausdorff95_after_mm"])


def test_summary_is_readable(result):
    text = str(result)
    assert text.startswith("Registration with affine in 0.75 s")
    assert "folded voxels       0.000 %" in text
    assert "0.5000 before, 0.7500 after" in text
    assert "warning: The moving image is unlike the training data." in text


def test_displacement_on_another_grid_is_a_programming_error(result):
    with pytest.raises(ValueError, match="The displacement on the fixed grid"):
        RegistrationResult(result.fixed, result.moving, affine_displacement(MOVING), result.inverse_displacement)
    with pytest.raises(ValueError, match="The displacement on the moving grid"):
        RegistrationResult(result.fixed, result.moving, result.displacement, result.displacement)


# --- files -----------------------------------------------------------------------------------------------------------

LABELS = {"fixed_labels": ball_labels(FIXED, FIXED.centre), "moving_labels": ball_labels(MOVING, FIXED.centre + SHIFT)}


def test_written_files_are_complete(result, tmp_path):
    paths = result.write(tmp_path / "output", **LABELS)
    names = {"warped", "displacement", "inverse_displacement", "jacobian", "warped_labels"}
    assert set(paths) == names | {"report"}
    assert {path.name for path in (tmp_path / "output").iterdir()} == {f"{n}.nii.gz" for n in names} | {"report.json"}
    report = json.loads(paths["report"].read_text())
    assert report["mean_dice_after"] > 0.8
    warped_labels = sitk.GetArrayFromImage(sitk.ReadImage(str(paths["warped_labels"])))
    np.testing.assert_array_equal(warped_labels, result.warp(LABELS["moving_labels"], labels=True).array)


def test_labels_are_written_only_when_given(result, tmp_path):
    assert "warped_labels" not in result.write(tmp_path)
    assert "labels" not in json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_simpleitk_applies_the_written_displacement(result, tmp_path, direction):
    paths = result.write(tmp_path)
    name = "displacement" if direction == "forward" else "inverse_displacement"
    moving, fixed = (result.moving, result.fixed) if direction == "forward" else (result.fixed, result.moving)
    field = sitk.ReadImage(str(paths[name]), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    theirs = sitk.Resample(moving.to_sitk(), fixed.to_sitk(), transform, sitk.sitkLinear, 0.0)
    ours = (result.warp if direction == "forward" else result.inverse_warp)(moving, padding=0)
    # A displaced point on the very border may fall to either side once NIfTI has rounded the geometry.
    difference = np.abs(ours.array - sitk.GetArrayFromImage(theirs))
    assert np.mean(difference > 1e-3) < 0.005
    if direction == "forward":
        edge = sitk.GetArrayFromImage(sitk.ReadImage(str(paths["warped"])))
        np.testing.assert_allclose(edge, result.warp(moving).array)


def test_labels_on_another_grid_are_refused(result, tmp_path):
    with pytest.raises(InputError, match="The moving label map is on another grid .* than the moving image"):
        result.write(tmp_path, moving_labels=LABELS["fixed_labels"])
    with pytest.raises(InputError, match="The fixed label map is on another grid .* than the fixed image"):
        result.report(fixed_labels=LABELS["moving_labels"])


def test_unwritable_output_is_refused(result, tmp_path):
    (tmp_path / "output").write_text("a file")
    with pytest.raises(InputError, match="output cannot be created .*: choose another one"):
        result.write(tmp_path / "output")


def test_writing_can_be_cancelled(result, tmp_path):
    def cancel_at_the_second_file(fraction, message):
        if message == "Writing displacement.nii.gz":
            progress.cancel()

    progress = Progress(cancel_at_the_second_file)
    with pytest.raises(Cancelled):
        result.write(tmp_path, progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["warped.nii.gz"]


def test_writing_reports_its_progress(result, tmp_path):
    heard = []
    result.write(tmp_path, **LABELS, progress=Progress(lambda fraction, message: heard.append((fraction, message))))
    assert heard[0] == (0.0, "Warping")
    assert heard[-1][0] == 1.0
    assert "Writing warped_labels.nii.gz" in [message for _, message in heard]
