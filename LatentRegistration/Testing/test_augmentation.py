"""Random changes of training images: reproducible, of the strength asked for, the same for an image and its labels."""

import math
from dataclasses import replace

import pytest
import torch

from DeformationLib.augmentation import Augmentation, augment, change_intensity, random_positions, smooth_random_field
from DeformationLib.fields import identity_grid, spatial_gradient

NOTHING = Augmentation(0, 0, 0, 0, 12, 0, 0, 0, 0)
SIZE = (14, 16, 12)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=2):
    return torch.rand(count, 1, *SIZE, generator=seeded(5))


def test_no_strength_changes_nothing():
    image, labels = augment(images(), (images() > 0.5).float(), NOTHING, seeded())
    torch.testing.assert_close(image, images(), atol=1e-5, rtol=0)
    torch.testing.assert_close(labels, (images() > 0.5).float(), atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_change_and_another_seed_another():
    first, second, other = (augment(images(), images(), Augmentation(flip=0.5), seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("settings", [replace(Augmentation(), flip=0.5), replace(NOTHING, rotation=30)])
def test_companions_move_with_their_image_and_keep_their_intensity(settings):
    spatial_only = replace(settings, gamma=0, bias=0, noise=0)
    others = torch.cat([images(), 1 - images(), torch.ones_like(images())], dim=1)
    image, companions = augment(images(), others, spatial_only, seeded(1))
    known = companions[:, 2:] > 1 - 1e-5  # the others come, at least in part, from outside
    assert 0.3 < known.float().mean() < 1
    torch.testing.assert_close(companions[:, :1][known], image[known], atol=1e-4, rtol=0)
    torch.testing.assert_close(companions[:, 1:2][known], 1 - image[known], atol=1e-4, rtol=0)
    assert (companions[:, :2].sum(1, keepdim=True) <= companions[:, 2:] + 1e-5).all()  # nothing where nothing is known
    _, companions_only = augment(images(), images(), settings, seeded(1))
    torch.testing.assert_close(companions_only, companions[:, :1])


def test_every_image_of_a_batch_changes_in_its_own_way():
    same = images(1).expand(2, -1, -1, -1, -1)
    changed, _ = augment(same, same, Augmentation(), seeded())
    assert (changed[0] - changed[1]).abs().mean() > 0.02


def test_affine_positions_are_a_turned_and_scaled_grid():
    settings = replace(NOTHING, rotation=10, translation=2, zoom=0.1)
    positions = random_positions(SIZE, 200, settings, seeded())
    from_identity = (positions - identity_grid(SIZE)).double()
    matrices = spatial_gradient(from_identity)
    assert (matrices - matrices[..., :1, :1, :1]).abs().max() < 1e-3
    matrices = matrices[..., 0, 0, 0] + torch.eye(3, dtype=torch.double)
    # The singular values of a rotation times a zoom are the zoom's factors.
    logarithms = torch.linalg.svdvals(matrices).log()
    assert logarithms.std().item() == pytest.approx(0.1, rel=0.1)
    rotation = torch.linalg.det(matrices).sign()
    assert (rotation > 0).all()
    middle = positions.mean(dim=(2, 3, 4)) - identity_grid(SIZE).mean(dim=(2, 3, 4))
    assert middle.std().item() == pytest.approx(2, rel=0.1)


def test_the_angle_has_the_spread_asked_for():
    positions = random_positions((9, 9), 400, replace(NOTHING, rotation=10), seeded())
    step = positions[:, :, 1, 0] - positions[:, :, 0, 0]
    degrees = torch.rad2deg(torch.atan2(step[:, 1], step[:, 0]))
    assert degrees.std().item() == pytest.approx(10, rel=0.1)
    assert degrees.mean().abs() < 1.5
    torch.testing.assert_close(step.norm(dim=1), torch.ones(400), atol=1e-4, rtol=0)


def test_a_smooth_field_is_smooth_and_of_the_strength_asked_for():
    field = smooth_random_field((60, 1, 30, 31), 2.0, 10.0, seeded())
    assert field.shape == (60, 1, 30, 31)
    # Between control points, interpolation averages them: the spread falls below theirs, but not far.
    assert 0.8 < field.std() < 2.0
    assert field.mean().abs() < 0.3
    assert spatial_gradient(field).square().mean().sqrt() < 2 * 2.0 / 10.0
    assert not smooth_random_field((1, 3, 8, 9, 10), 0.0, 12.0, seeded()).any()


@pytest.mark.parametrize("spacing", [1.0, 3.5, 40.0])
def test_a_smooth_field_has_the_size_asked_for_at_any_spacing(spacing):
    field = smooth_random_field((1, 3, 7, 12, 20), 1.0, spacing, seeded())
    assert field.shape == (1, 3, 7, 12, 20)
    assert field.isfinite().all()


def test_a_flip_mirrors_the_whole_batch():
    ramp = torch.stack([identity_grid(SIZE)[0, :1], identity_grid(SIZE)[0, :1].flip(1)]) / 13
    flipped, _ = augment(ramp, ramp, replace(NOTHING, flip=1.0), seeded())
    torch.testing.assert_close(flipped, ramp.flip(2, 3, 4), atol=1e-5, rtol=0)


def test_intensities_stay_in_their_range_and_in_their_order():
    strong = replace(NOTHING, gamma=0.5, bias=0.6, noise=0.3)
    changed = change_intensity(images(), strong, seeded())
    assert changed.min() >= 0
    assert changed.max() <= 1
    ramp = torch.linspace(0, 1, 11).view(1, 1, 11, 1).expand(1, 1, 11, 8)
    gamma_only = change_intensity(ramp, replace(NOTHING, gamma=0.5), seeded())
    assert (gamma_only.diff(dim=2) > 0).all()
    exponent = torch.log(gamma_only[0, 0, 5, 0]) / math.log(0.5)
    torch.testing.assert_close(gamma_only, ramp**exponent, atol=1e-4, rtol=0)
    assert abs(exponent - 1) > 0.05


def test_noise_is_white_and_at_most_as_strong_as_asked_for():
    grey = torch.full((6, 1, 20, 20), 0.5)
    noisy = change_intensity(grey, replace(NOTHING, noise=0.1), seeded())
    levels = (noisy - grey).std(dim=(1, 2, 3))
    assert levels.max() < 0.11
    assert levels.max() > 0.03
    rest = (noisy - grey)[..., 1:] * (noisy - grey)[..., :-1]
    assert rest.mean().abs() < 0.1 * levels.max() ** 2
