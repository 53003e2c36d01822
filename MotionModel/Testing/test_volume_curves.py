"""Volume curves: smooth, right within two points of ejection fraction, in the right unit."""

import numpy as np
import pytest

from DeformationLib import metrics
from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, beating_heart
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from MotionModelLib.volume_curves import VolumeCurves, volume_curves
from Testing.known_motions import affine_displacement, heart_labels, phantom_motion, turned

STACK = Geometry((48, 48, 7), (2.0, 2.0, 10.0), (-47.0, -47.0, -30.0))


@pytest.mark.parametrize("slices, planar", [(6, False), (6, True), (1, True)])
@pytest.mark.parametrize("contraction", [0.5, 1.0])
def test_ejection_fraction_of_a_phantom_within_two_points(slices, planar, contraction):
    heart = beating_heart(2, 4, contraction, size=(56, 56, slices), spacing=(2.2, 2.2, 10.0))
    curves = phantom_motion(heart, planar).volume_curves(heart.labels[0])
    counted = [metrics.label_volumes(part.array, part.spacing_kji, [POOL])[POOL] for part in heart.labels]
    truth = metrics.ejection_fraction(counted[0], counted[heart.es_frame])
    assert curves.ejection_fraction(POOL) == pytest.approx(truth, abs=2.0)
    assert truth > 15
    assert (curves.ed_frame(POOL), curves.es_frame(POOL)) == (0, heart.es_frame)
    assert curves.labels == (1, 2, 3)
    if slices == 1:
        assert curves.unit == "mm2"
        assert curves.of(POOL)[0] == pytest.approx(1000 * counted[0] / 10.0)
    else:
        assert curves.unit == "ml"
        assert curves.of(POOL)[0] == pytest.approx(counted[0])


@pytest.mark.parametrize("flips, angle", [((1, 1, 1), 0.0), ((1, -1, 1), 0.4), ((-1, -1, -1), 0.2)])
def test_a_known_shrinking_by_any_grid(flips, angle):
    """Shrunk in its plane by a tenth each way: 19 % less volume."""
    grid = turned(STACK, angle, flips)
    normal = np.outer(grid.direction[:, 2], grid.direction[:, 2])
    labels = heart_labels(grid, grid.direction[:, 2], grid.direction[:, 1])
    shrunk = affine_displacement(grid, normal + (np.eye(3) - normal) / 0.9)
    still = affine_displacement(grid, np.eye(3))
    curves = volume_curves(labels, lambda n: shrunk if n else still, 2)
    assert curves.ejection_fraction(POOL) == pytest.approx(19.0, abs=0.2)


def test_curves_are_smooth_where_counted_voxels_jump():
    grid = Geometry((32, 32, 1), (1.0, 1.0, 1.0))
    y, x = np.indices((32, 32)) - 15.5
    labels = Image.on_grid((np.hypot(x, y) < 10)[None].astype(np.int16), grid)
    scales = 1 + 0.02 * np.arange(-3, 8)
    curve = volume_curves(labels, lambda n: affine_displacement(grid, scales[n] * np.eye(3)), len(scales)).of(1)
    exact = labels.array.sum() / scales**2
    np.testing.assert_allclose(curve, exact, rtol=3e-3)
    counted = [np.count_nonzero(np.hypot(x, y) * scale < 10) for scale in scales]
    assert np.abs(np.diff(curve, 2)).max() < 0.3 * np.abs(np.diff(counted, 2)).max()


def test_what_is_read_from_curves():
    curves = VolumeCurves(np.arange(4.0), (3, 9), np.array([[100.0, 5], [60, 6], [40, 7], [110, 4]]))
    assert (curves.ed_frame(3), curves.es_frame(3)) == (3, 2)
    assert curves.ejection_fraction(3) == pytest.approx(100 * 70 / 110)
    assert curves.ejection_fraction(3, 0, 2) == pytest.approx(60.0)
    assert curves.stroke_volume(3) == 70.0
    assert len(curves) == 4
    assert "110.0 ml in frame 3" in str(curves)
    assert curves.summary()["9"]["largest"] == 7.0
    with pytest.raises(InputError, match=r"label 2 was not measured: choose one of 3, 9"):
        curves.of(2)


def test_only_the_wanted_labels():
    labels = heart_labels(STACK)
    still = affine_displacement(STACK, np.eye(3))
    assert volume_curves(labels, lambda n: still, 2, wanted=[MYOCARDIUM]).labels == (MYOCARDIUM,)


def test_labels_that_cannot_be_used():
    still = affine_displacement(STACK, np.eye(3))
    labels = heart_labels(STACK)
    with pytest.raises(InputError, match=r"no voxel of the label 7 \(its labels: 1, 2, 3\)"):
        volume_curves(labels, lambda n: still, 2, wanted=[7])
    with pytest.raises(InputError, match="no labelled voxel"):
        volume_curves(labels.with_array(0 * labels.array), lambda n: still, 2)
    with pytest.raises(InputError, match="another grid"):
        volume_curves(heart_labels(turned(STACK)), lambda n: still, 2)
    with pytest.raises(InputError, match="whole numbers"):
        volume_curves(labels.with_array(labels.array + 0.5), lambda n: still, 2)
