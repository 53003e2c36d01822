"""Metrics against independent implementations and closed forms."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from DeformationLib.metrics import (
    dice,
    ejection_fraction,
    folding_percent,
    hausdorff95,
    label_volumes,
    mean_gradient_of_jacobian,
    sd_log_jacobian,
    surface_distances,
)

SPACING_KJI = (2.5, 0.8, 1.2)


def ball(shape, centre, radius):
    offsets = np.indices(shape) - np.reshape(centre, (-1, *[1] * len(shape)))
    return (np.linalg.norm(offsets, axis=0) <= radius).astype(np.int16)


def blobs(seed, shape=(7, 9, 8), labels=(0, 1, 2, 500)):
    return np.random.default_rng(seed).choice(labels, shape).astype(np.int16)


def surface_points(mask, spacing_kji):
    """Surface voxels found one by one, in mm."""
    points = []
    for voxel in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                neighbour = voxel.copy()
                neighbour[axis] += step
                if not 0 <= neighbour[axis] < mask.shape[axis] or not mask[tuple(neighbour)]:
                    points.append(tuple(voxel))
    return np.array(sorted(set(points))) * spacing_kji


def as_sitk(array, spacing_kji=(1, 1, 1)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in spacing_kji[::-1]])
    return image


# --- overlap ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_dice_agrees_with_simpleitk(seed):
    a, b = blobs(seed), blobs(seed + 10)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(as_sitk(a), as_sitk(b))
    ours = dice(a, b)
    assert list(ours) == [1, 2, 500]
    for label, value in ours.items():
        assert value == pytest.approx(measures.GetDiceCoefficient(label))


def test_dice_of_half_overlapping_boxes():
    a, b = np.zeros((2, 12, 12), int), np.zeros((2, 12, 12), int)
    a[0, :4, :4], b[0, 2:6, :4] = 7, 7
    assert dice(a, b) == {7: 0.5}


def test_dice_of_absent_labels():
    a, b = np.array([[[0, 1]]]), np.array([[[0, 0]]])
    result = dice(a, b, labels=[1, 3])
    assert result[1] == 0.0
    assert np.isnan(result[3])


def test_dice_of_other_shapes_is_a_programming_error():
    with pytest.raises(ValueError, match="different shapes"):
        dice(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)))


# --- surface distance ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_hausdorff95_agrees_with_brute_force(seed):
    a, b = blobs(seed, labels=(0, 0, 3)), blobs(seed + 10, labels=(0, 0, 0, 3))
    between = cdist(surface_points(a == 3, SPACING_KJI), surface_points(b == 3, SPACING_KJI))
    pooled = np.concatenate([between.min(axis=1), between.min(axis=0)])
    assert hausdorff95(a, b, SPACING_KJI, 3) == pytest.approx(np.percentile(pooled, 95))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.tuples(*[st.floats(2.5, 8)] * 3), st.tuples(*[st.floats(2.5, 8)] * 3), st.floats(1, 3))
def test_surface_distances_agree_with_brute_force(centre_a, centre_b, radius):
    a, b = ball((10, 11, 12), centre_a, radius), ball((10, 11, 12), centre_b, 2)
    between = cdist(surface_points(a, SPACING_KJI), surface_points(b, SPACING_KJI))
    forward, backward = surface_distances(a, b, SPACING_KJI)
    np.testing.assert_allclose(np.sort(forward), np.sort(between.min(axis=1)))
    np.testing.assert_allclose(np.sort(backward), np.sort(between.min(axis=0)))


def test_largest_surface_distance_agrees_with_simpleitk():
    a, b = ball((20, 20, 20), (10, 8, 9), 4), ball((20, 20, 20), (11, 11, 12), 6)
    measures = sitk.HausdorffDistanceImageFilter()
    measures.Execute(as_sitk(a, SPACING_KJI), as_sitk(b, SPACING_KJI))
    largest = max(distances.max() for distances in surface_distances(a, b, SPACING_KJI))
    assert largest == pytest.approx(measures.GetHausdorffDistance(), rel=1e-5)


@pytest.mark.parametrize("axis", range(3))
def test_parallel_plates_are_as_far_as_they_stand(axis):
    a, b = np.zeros((8, 8, 8), int), np.zeros((8, 8, 8), int)
    np.moveaxis(a, axis, 0)[1] = 1
    np.moveaxis(b, axis, 0)[6] = 1
    assert hausdorff95(a, b, SPACING_KJI) == pytest.approx(5 * SPACING_KJI[axis])


@pytest.mark.parametrize("points, forgiven", [(50, True), (5, False)])
def test_up_to_five_percent_of_outliers_are_forgiven(points, forgiven):
    a = np.zeros((10, 1, 2 * points), int)
    a[0, 0, ::2] = 1
    b = a.copy()
    b[9, 0, 0] = 1
    # One distance of 9 mm among 2 * points + 1, all others are 0.
    distance = hausdorff95(a, b, (1, 1, 1))
    assert distance == 0 if forgiven else 0 < distance < 9


def test_hausdorff95_is_symmetric_and_zero_for_equals():
    a, b = blobs(0), blobs(1)
    assert hausdorff95(a, b, SPACING_KJI, 500) == hausdorff95(b, a, SPACING_KJI, 500) > 0
    assert hausdorff95(a, a, SPACING_KJI, 500) == 0


@pytest.mark.parametrize("missing", ["a", "b", "both"])
def test_hausdorff95_of_a_missing_label_is_nan(missing):
    full, empty = np.ones((3, 3, 3), int), np.zeros((3, 3, 3), int)
    a = full if missing == "b" else empty
    b = full if missing == "a" else empty
    assert np.isnan(hausdorff95(a, b, SPACING_KJI))


def test_one_slice_is_measured_in_its_plane():
    a, b = ball((1, 30, 30), (0, 15, 15), 10), ball((1, 30, 30), (0, 15, 15), 5)
    between = cdist(surface_points(a[0], (1, 1)), surface_points(b[0], (1, 1)))
    pooled = np.concatenate([between.min(axis=1), between.min(axis=0)])
    assert hausdorff95(a, b, (5, 1, 1)) == pytest.approx(np.percentile(pooled, 95))
    assert hausdorff95(a, b, (5, 1, 1)) == pytest.approx(5, abs=0.8)


def test_one_voxel_image_has_distance_zero():
    one = np.ones((1, 1, 1), int)
    assert hausdorff95(one, one, SPACING_KJI) == 0


# --- regularity ------------------------------------------------------------------------------------------------------


def test_folding_counts_what_is_not_positive():
    jacobian = np.array([1.0, 0.5, 0.0, -2.0, 1.0, 1.0, 3.0, 1.0])
    assert folding_percent(jacobian) == 25.0
    assert folding_percent(jacobian, mask=jacobian < 1) == pytest.approx(100 * 2 / 3)


def test_sd_log_jacobian_of_powers_of_e():
    assert sd_log_jacobian(np.exp([-1.0, 0.0, 1.0])) == pytest.approx(np.sqrt(2 / 3))
    assert sd_log_jacobian(np.full((3, 3, 3), 2.0)) == pytest.approx(0)
    assert sd_log_jacobian(np.array([np.e, 1.0, 50.0]), mask=[True, True, False]) == pytest.approx(0.5)


def test_sd_log_jacobian_clips_folds_at_a_thousandth():
    assert sd_log_jacobian(np.array([-5.0, 1.0])) == pytest.approx(np.log(1000) / 2)


def test_mean_gradient_of_a_linear_jacobian():
    k, j, i = np.indices((4, 5, 6)) * np.reshape(SPACING_KJI, (3, 1, 1, 1))
    jacobian = 1 + 0.3 * k - 0.2 * j + 0.6 * i
    assert mean_gradient_of_jacobian(jacobian, SPACING_KJI) == pytest.approx(0.7)
    assert mean_gradient_of_jacobian(jacobian[:1], SPACING_KJI) == pytest.approx(np.hypot(0.2, 0.6))


def test_mean_gradient_agrees_with_simpleitk():
    jacobian = np.random.default_rng(0).normal(1, 0.1, (8, 9, 10))
    magnitude = sitk.GetArrayFromImage(sitk.GradientMagnitude(as_sitk(jacobian, SPACING_KJI)))
    interior = np.zeros(jacobian.shape, bool)
    interior[1:-1, 1:-1, 1:-1] = True
    assert mean_gradient_of_jacobian(jacobian, SPACING_KJI, interior) == pytest.approx(magnitude[interior].mean())


# --- clinical measures -----------------------------------------------------------------------------------------------


def test_label_volumes_are_millilitres():
    labels = np.zeros((10, 10, 10), int)
    labels[:5], labels[5, 0, :3] = 1, 500
    assert label_volumes(labels, (10, 2, 1)) == {1: pytest.approx(10.0), 500: pytest.approx(0.06)}
    assert label_volumes(labels, (10, 2, 1), wanted=[2, 500]) == {2: 0.0, 500: pytest.approx(0.06)}


def test_ejection_fraction():
    assert ejection_fraction(120, 48) == pytest.approx(60)
    assert ejection_fraction(100, 110) == pytest.approx(-10)
    assert np.isnan(ejection_fraction(0, 10))
    assert np.isnan(ejection_fraction(float("nan"), 10))
