"""Simulated phantoms: the same for the same seed, whole, in the field of view, and not told apart by grey value alone."""

import numpy as np
import pytest
from scipy import ndimage

from DeformationLib.phantoms import BODY, HEAD, two_part_phantom


@pytest.mark.parametrize("seed", range(6))
def test_head_and_body_are_one_piece_each_and_touch(seed):
    image, labels = two_part_phantom(seed)
    assert labels.same_grid(image)
    assert set(np.unique(labels.array)) == {0, HEAD, BODY}
    for part in (labels.array > 0, labels.array == HEAD, labels.array == BODY):
        assert ndimage.label(part)[1] == 1
        assert 200 < part.sum() < 6000
    head, body = labels.array == HEAD, labels.array == BODY
    assert (ndimage.binary_dilation(head) & body).any()


def test_a_seed_is_a_phantom_and_another_seed_another():
    image, labels = two_part_phantom(3)
    again, _ = two_part_phantom(3)
    other, other_labels = two_part_phantom(4)
    np.testing.assert_array_equal(image.array, again.array)
    assert not np.array_equal(image.array, other.array)
    assert (labels.array != other_labels.array).sum() > 300


def test_the_phantom_is_centred_and_in_millimetres():
    coarse, coarse_labels = two_part_phantom(1, size=20, spacing=2.0)
    fine, fine_labels = two_part_phantom(1, size=40, spacing=1.0)
    np.testing.assert_allclose(coarse.geometry.centre, (0, 0, 0), atol=1e-9)
    np.testing.assert_allclose(fine.geometry.centre, (0, 0, 0), atol=1e-9)
    # The same shape: its volume does not depend on the sampling.
    volumes = [(labels.array > 0).sum() * labels.spacing[0] ** 3 for labels in (coarse_labels, fine_labels)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.1)


def test_head_and_body_have_the_same_grey_value_unlike_their_surroundings():
    differences, contrasts = [], []
    for seed in range(6):
        image, labels = two_part_phantom(seed)
        core = {part: ndimage.binary_erosion(labels.array == part) for part in (HEAD, BODY)}
        shell = ndimage.binary_dilation(labels.array == BODY, iterations=2) & (labels.array == 0)
        differences.append(abs(image.array[core[HEAD]].mean() - image.array[core[BODY]].mean()))
        contrasts.append(image.array[shell].mean() - image.array[core[BODY]].mean())
    assert np.mean(differences) < 5 < 15 < np.mean(contrasts)
