"""Similarity measures against direct loops, NumPy and finite differences."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from DeformationLib import similarity

SIZE = (6, 5, 7)


def random_image(seed, size=SIZE):
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def random_mask(size=SIZE):
    mask = (random_image(9, size) > 0.4).double()
    mask[..., :2] = 0
    return mask


def neighbourhood(index, window, size):
    reach = window // 2
    return tuple(slice(max(0, i - reach), min(n, i + reach + 1)) for i, n in zip(index, size))


def local_correlation_by_loops(fixed, moving, window, mask):
    """Squared correlation coefficient of the valid voxels in each window, straight from its definition."""
    result = np.zeros(fixed.shape)
    for index in product(*map(range, fixed.shape)):
        around = neighbourhood(index, window, fixed.shape)
        valid = mask[around] > 0
        f, m = fixed[around][valid], moving[around][valid]
        if len(f):
            covariance = np.mean((f - f.mean()) * (m - m.mean()))
            result[index] = covariance**2 / ((f.var() + 1e-5) * (m.var() + 1e-5))
    return result


@pytest.mark.parametrize("window", [1, 3, 5, 7, 9, 15])
def test_the_windowed_mean_leaves_out_what_is_outside_the_image(window):
    image = random_image(0)
    values = image[0, 0].numpy()
    expected = np.empty(SIZE)
    for index in product(*map(range, SIZE)):
        expected[index] = values[neighbourhood(index, window, SIZE)].mean()
    np.testing.assert_allclose(similarity.windowed_mean(image, window)[0, 0].numpy(), expected, atol=1e-12)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match="odd"):
        similarity.windowed_mean(random_image(0), 4)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [SIZE, (8, 9)])
def test_local_correlation_equals_its_definition(size, masked):
    fixed, moving = random_image(0, size), random_image(1, size)
    mask = random_mask(size) if masked else None
    valid = np.ones(size) if mask is None else mask[0, 0].numpy()
    expected = local_correlation_by_loops(fixed[0, 0].numpy(), moving[0, 0].numpy(), 3, valid)
    result = similarity.local_correlation(fixed, moving, 3, mask)
    np.testing.assert_allclose(result[0, 0].numpy(), expected, atol=1e-8)
    loss = similarity.local_correlation_loss(fixed, moving, 3, mask)
    np.testing.assert_allclose(loss.item(), 1 - expected[valid > 0].mean(), atol=1e-8)


@given(st.floats(0.5, 4.0), st.floats(-2.0, 2.0), st.booleans())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_local_correlation_ignores_brightness_contrast_and_inversion(contrast, brightness, inverted):
    image = random_image(0)
    other = (-contrast if inverted else contrast) * image + brightness
    correlation = similarity.local_correlation(image, other, 5)
    assert correlation.min() > 0.99
    assert correlation.max() <= 1 + 1e-9


def test_noise_of_a_constant_region_is_not_structure():
    noise = 1e-4 * random_image(0)
    assert similarity.local_correlation(0.5 + noise, 0.5 + noise, 3).max() < 1e-3


def test_what_lies_outside_the_mask_drives_nothing():
    fixed, moving, mask = random_image(0), random_image(1), random_mask()
    other = torch.where(mask > 0, moving, 50 * random_image(2))
    other.requires_grad_()
    before = similarity.local_correlation_loss(fixed, moving, 3, mask)
    after = similarity.local_correlation_loss(fixed, other, 3, mask)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)
    after.backward()
    assert not other.grad[mask == 0].any()
    assert other.grad[mask > 0].any()
    assert similarity.local_correlation_loss(fixed, other.detach(), 3) != similarity.local_correlation_loss(
        fixed, moving, 3
    )


@pytest.mark.parametrize("masked", [False, True])
def test_global_correlation_equals_numpy(masked):
    fixed, moving = (torch.cat([random_image(seed), random_image(seed + 2)]) for seed in (0, 1))
    moving = moving + 0.5 * fixed
    mask = random_mask() if masked else torch.ones(1, 1, *SIZE)
    valid = mask[0, 0].numpy() > 0
    expected = [np.corrcoef(f[0].numpy()[valid], m[0].numpy()[valid])[0, 1] for f, m in zip(fixed, moving)]
    result = similarity.global_correlation(fixed, moving, mask if masked else None)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-10)
    assert torch.allclose(similarity.global_correlation(fixed, -3 * fixed + 1), torch.tensor(-1.0).double())


def test_mean_squared_difference_equals_numpy():
    fixed, moving, mask = random_image(0), random_image(1), random_mask()
    squares = (fixed - moving).numpy() ** 2
    np.testing.assert_allclose(similarity.mean_squared_difference(fixed, moving).item(), squares.mean())
    result = similarity.mean_squared_difference(fixed, moving, mask).item()
    np.testing.assert_allclose(result, squares[mask.numpy() > 0].mean())


def test_an_empty_mask_gives_numbers():
    fixed, moving = random_image(0), random_image(1)
    mask = torch.zeros_like(fixed)
    assert similarity.local_correlation_loss(fixed, moving, 3, mask) == 1
    assert similarity.mean_squared_difference(fixed, moving, mask) == 0
    assert similarity.global_correlation(fixed, moving, mask) == 0


def test_dice_of_indicators_is_dice_and_an_absent_label_does_not_count():
    fixed, moving = torch.zeros(1, 3, 10, dtype=torch.double), torch.zeros(1, 3, 10, dtype=torch.double)
    fixed[0, 0, :6], moving[0, 0, 2:10] = 1, 1
    fixed[0, 1, 6:8], moving[0, 1, 6:8] = 1, 1
    moving[0, 2, 8:] = 1
    expected = ((1 - 2 * 4 / (6 + 8)) + 0) / 2
    np.testing.assert_allclose(similarity.soft_dice_loss(fixed, moving).item(), expected, atol=1e-5)


def test_dice_falls_to_its_ends():
    indicator = (random_image(0) > 0.5).double()
    assert similarity.soft_dice_loss(indicator, indicator) < 1e-9
    assert similarity.soft_dice_loss(indicator, 1 - indicator) > 1 - 1e-6
    assert similarity.soft_dice_loss(torch.zeros_like(indicator), indicator) == 0


def test_gradients():
    small = (4, 3, 4)
    fixed, mask = random_image(0, small), random_mask(small)
    moving = random_image(1, small).requires_grad_()
    losses = [
        lambda image: similarity.local_correlation_loss(fixed, image, 3, mask),
        lambda image: similarity.global_correlation(fixed, image, mask),
        lambda image: similarity.mean_squared_difference(fixed, image, mask),
        lambda image: similarity.soft_dice_loss(fixed, image),
    ]
    for loss in losses:
        assert torch.autograd.gradcheck(loss, (moving,))
