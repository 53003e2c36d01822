"""Separable filters against direct definitions."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from DeformationLib.filters import box_filter, gaussian_filter, window_in_voxels


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("shape", "sigma"),
    [((2, 3, 9, 20, 17), (0.4, 2.0, 1.3)), ((1, 2, 30, 12), (3.0, 0.7)), ((1, 1, 3, 8, 8), (2.0, 1, 1))],
)
def test_gaussian_is_a_convolution_with_replicated_borders(shape, sigma):
    field = noise(*shape)
    result = gaussian_filter(field, sigma)
    expected = field.numpy()
    for axis, width in enumerate(sigma):
        expected = ndimage.gaussian_filter1d(
            expected, width, axis=2 + axis, mode="nearest", radius=max(1, int(np.ceil(4 * width)))
        )
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-12)


def test_gaussian_keeps_constants_and_leaves_narrow_axes_alone():
    field = noise(1, 1, 5, 6, 7)
    assert torch.equal(gaussian_filter(field, (0.0, 0.05, 0.0)), field)
    constant = torch.full((1, 2, 4, 9), 3.25)
    assert torch.allclose(gaussian_filter(constant, (1.5, 2.5)), constant, atol=1e-6)


@pytest.mark.parametrize("window", [(3, 5, 9), (1, 3, 3), (9, 9, 9)])
def test_box_is_the_mean_over_what_lies_inside(window):
    image = noise(1, 2, 4, 11, 7)
    result = box_filter(image, window)
    for index in [(0, 0, 0), (3, 10, 6), (2, 5, 3), (1, 0, 6)]:
        low = [max(i - w // 2, 0) for i, w in zip(index, window, strict=True)]
        part = image[0, :, low[0] : index[0] + window[0] // 2 + 1, low[1] : index[1] + window[1] // 2 + 1][
            ..., low[2] : index[2] + window[2] // 2 + 1
        ]
        assert torch.allclose(result[(0, slice(None), *index)], part.mean(dim=(1, 2, 3)))


def test_box_refuses_even_widths():
    with pytest.raises(ValueError, match="odd"):
        box_filter(torch.zeros(1, 1, 8, 8), (3, 4))


def test_autocast_does_not_take_digits():
    image = 1.0 + 1e-3 * noise(1, 1, 8, 40, 40).float()
    plain = box_filter(image, (3, 9, 9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(box_filter(image, (3, 9, 9)), plain)


def test_filters_pass_gradients():
    field = noise(1, 1, 4, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: gaussian_filter(f, (0.5, 1.0, 1.5)), field)
    assert torch.autograd.gradcheck(lambda f: box_filter(f, (3, 3, 5)), field)


@pytest.mark.parametrize(
    ("width", "spacing", "expected"),
    [
        (9, (1.0, 1.0, 1.0), (9, 9, 9)),
        (9, (10.0, 1.6, 1.6), (3, 9, 9)),
        (9, (10.0, 6.4, 6.4), (7, 9, 9)),
        (9, (3.15, 1.5, 1.5), (5, 9, 9)),
        (1, (10.0, 1.0), (1, 1)),
    ],
)
def test_windows_are_as_wide_in_millimetres_along_all_axes(width, spacing, expected):
    assert window_in_voxels(width, spacing) == expected
