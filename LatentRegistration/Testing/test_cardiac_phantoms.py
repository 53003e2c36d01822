"""The synthetic heart: it beats, its motion is what it says, and it is reproducible."""

import numpy as np
import pytest

from DeformationLib import metrics
from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE, beating_heart, flow
from DeformationLib.errors import InputError
from DeformationLib.registration import jacobian_determinant, warp_image, warp_labels


@pytest.fixture(scope="module")
def heart():
    return beating_heart(1, frames=6, contraction=1.0, size=(64, 64, 4), spacing=(2.4, 2.4, 10.0))


def test_the_displacement_makes_the_frames(heart):
    for number in (heart.es_frame, 4):
        warped = warp_image(heart.frames[0], heart.displacements[number])
        difference = np.abs(warped.array - heart.frames[number].array)
        assert difference.mean() < 3.0  # noise of two frames, and interpolation
        labels = warp_labels(heart.labels[0], heart.displacements[number])
        overlap = metrics.dice(labels.array, heart.labels[number].array)
        assert min(overlap.values()) > 0.93


def test_the_heart_contracts_and_comes_back(heart):
    volumes = [metrics.label_volumes(part.array, part.spacing_kji, [POOL])[POOL] for part in heart.labels]
    assert int(np.argmin(volumes)) == heart.es_frame
    assert 45 < metrics.ejection_fraction(volumes[0], volumes[heart.es_frame]) < 80
    assert volumes[0] > volumes[1] > volumes[heart.es_frame] < volumes[3] < volumes[5]
    myocardium = [np.count_nonzero(part.array == MYOCARDIUM) for part in heart.labels]
    assert abs(myocardium[heart.es_frame] / myocardium[0] - 1) < 0.35
    assert all((part.array == RIGHT_VENTRICLE).any() for part in heart.labels)


def test_the_motion_does_not_fold_and_is_none_at_first(heart):
    assert float(np.abs(heart.displacements[0].array).max()) == 0.0
    for displacement in heart.displacements:
        assert jacobian_determinant(displacement).array.min() > 0.2


def test_weaker_hearts_eject_less():
    def ejection(contraction):
        heart = beating_heart(3, 2, contraction, (64, 64, 3), (2.4, 2.4, 10.0))
        volumes = [metrics.label_volumes(part.array, part.spacing_kji, [POOL])[POOL] for part in heart.labels]
        return metrics.ejection_fraction(volumes[0], volumes[heart.es_frame])

    assert ejection(0.3) < ejection(0.7) < ejection(1.1)
    assert ejection(0.0) == 0.0


def test_slices_and_seeds():
    flat = beating_heart(0, 2, size=(48, 48, 1))
    assert flat.frames[0].array.shape == (1, 48, 48)
    assert float(np.abs(flat.displacements[flat.es_frame].array[..., 2]).max()) == 0.0
    again, other = beating_heart(0, 2, size=(48, 48, 1)), beating_heart(1, 2, size=(48, 48, 1))
    assert np.array_equal(flat.frames[1].array, again.frames[1].array)
    assert not np.array_equal(flat.labels[0].array, other.labels[0].array)
    with pytest.raises(InputError, match="at least two frames"):
        beating_heart(0, 1)


def test_flow_of_a_shear_is_the_shear():
    velocity = np.zeros((3, 12, 12, 3))
    velocity[..., 0] = 0.5 * (np.arange(12) - 5.5)[:, None]  # x moves with y
    displacement = flow(velocity, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(displacement[:, :, 4:8, 0], velocity[:, :, 4:8, 0], atol=1e-9)
