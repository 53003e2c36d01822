"""The probabilistic network: shapes, smoothness in millimetres, conditioning, exact inverse, two dimensions and three."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.ndimage import map_coordinates

from DeformationLib.errors import InputError
from DeformationLib.fields import exponential, identity_grid, inverse_error, jacobian_determinant, resize_field, warp
from LatentRegistrationLib.velocity_network import (
    VelocityNetwork,
    VelocityNetworkConfiguration,
    pyramid,
    sample_code,
)

THICK = {"size": (4, 32, 32), "spacing": (10.0, 1.6, 1.6), "widths": (4, 6, 8), "latent": 5}


def network(**changes):
    torch.manual_seed(0)
    return VelocityNetwork(VelocityNetworkConfiguration(**{**THICK, **changes})).eval()


def images(size, batch=1, seed=0):
    return torch.rand(batch, 1, *size, generator=torch.Generator().manual_seed(seed))


def smooth_velocity(size, strength, seed=0):
    """A velocity of some voxels that varies over a quarter of the grid and vanishes at the border."""
    generator = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(0, np.pi, n) for n in size], indexing="ij")
    window = np.prod([np.sin(axis) for axis in axes], axis=0)
    parts = []
    for _ in size:
        wave = sum(
            generator.normal() * np.prod([np.cos(f * a) for f, a in zip(frequencies, axes, strict=True)], axis=0)
            for frequencies in generator.integers(0, 4, size=(6, len(size)))
        )
        parts.append(strength * window * wave / np.abs(wave).max())
    return torch.tensor(np.stack(parts))[None]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scales": 1},
        {"scales": 2, "context": (4, 4, 6)},
        {"widths": (4, 4), "scales": 2},
        {"widths": (4, 4, 4, 6), "scales": 4},
        {"size": (32, 24), "spacing": (1.5, 1.5)},
        {"size": (16, 16, 16), "spacing": (1.0, 1.0, 1.0), "scales": 2},
    ],
)
def test_every_scale_gives_a_velocity_on_its_grid(changes):
    net = network(**changes)
    configuration = net.configuration
    fixed, moving = images(configuration.size, 2, 1), images(configuration.size, 2, 2)
    mean, log_variance = net.encode(fixed, moving)
    assert mean.shape == log_variance.shape == (2, 5)
    velocities = net(fixed, moving)
    dimension = len(configuration.size)
    expected = [(2, dimension, *configuration.level(scale)[0]) for scale in range(configuration.scales)]
    assert [tuple(velocity.shape) for velocity in velocities] == expected
    coarse = net.decode(mean, moving, finest=configuration.scales - 1)
    assert len(coarse) == 1
    assert torch.allclose(coarse[0], velocities[-1])


def test_fine_scales_can_be_left_out():
    """What is left is the same network without its fine end, and its velocity is brought to the full grid."""
    whole = network(scales=2)
    less = VelocityNetwork(replace(whole.configuration, finest=1)).eval()
    own = less.state_dict()
    less.load_state_dict({name: whole.state_dict()[name] for name in own})
    assert len(own) < len(whole.state_dict())
    code, moving = torch.randn(2, 5, generator=torch.Generator().manual_seed(3)), images(whole.configuration.size, 2, 2)
    coarse = whole.decode(code, moving, finest=1)[0]
    velocities = less.decode(code, moving)
    assert len(velocities) == 1
    assert torch.allclose(velocities[0], resize_field(coarse, whole.configuration.size), atol=1e-6)
    assert torch.allclose(less.decode(code, moving, finest=1)[0], coarse, atol=1e-6)
    with pytest.raises(InputError, match="at most 1 can be left out"):
        replace(whole.configuration, finest=2)


def test_several_codes_for_one_image_are_decoded_as_one_by_one():
    net = network(context=(3, 4, 5))
    codes = torch.randn(6, 5, generator=torch.Generator().manual_seed(3))
    moving = images(net.configuration.size, 2, 2)
    together = net.decode(codes, moving)[0]
    alone = torch.cat([net.decode(codes[n : n + 1], moving[n // 3 : n // 3 + 1])[0] for n in range(6)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_thick_slices_are_halved_when_the_pixels_are_as_large():
    configuration = VelocityNetworkConfiguration((8, 104, 104), (10.0, 1.6, 1.6))
    assert configuration.strides == [(1, 2, 2), (1, 2, 2), (2, 2, 2)]
    assert [configuration.level(n)[1] for n in range(4)] == [
        (10.0, 1.6, 1.6),
        (10.0, 3.2, 3.2),
        (10.0, 6.4, 6.4),
        (20.0, 12.8, 12.8),
    ]
    assert [configuration.kernel(n) for n in range(4)] == [(1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert VelocityNetworkConfiguration().strides == [(2, 2, 2)] * 3
    assert VelocityNetworkConfiguration((2, 64, 64), (10.0, 5.0, 5.0)).strides == [(1, 2, 2)] * 3


def test_default_network_is_as_large_as_the_thesis_says():
    parameters = sum(p.numel() for p in VelocityNetwork().parameters())
    assert 350_000 < parameters < 600_000


def test_untrained_network_is_near_the_identity_for_any_code():
    net = network(largest_velocity=20.0)
    with torch.no_grad():
        velocities = net.decode(torch.zeros(1, 5), images(net.configuration.size))
    assert max(float(velocity.abs().max()) for velocity in velocities) < 1.0


def test_smoothing_is_in_millimetres():
    """The impulse response of the smoothing has the wanted standard deviation, along thick slices and thin pixels alike."""
    net = network(size=(16, 64, 64), spacing=(4.0, 1.0, 1.0), smoothing=4.0, scales=1)
    head = torch.zeros(1, 3, 16, 64, 64)
    head[:, :, 8, 32, 32] = 0.5
    velocity = net.decoder._velocity(head, 0, None)
    for axis, step in enumerate((4.0, 1.0, 1.0)):
        profile = velocity[0, axis].sum(dim=[other for other in range(3) if other != axis])
        place = step * torch.arange(len(profile))
        mean = (profile * place).sum() / profile.sum()
        deviation = ((profile * (place - mean) ** 2).sum() / profile.sum()).sqrt()
        assert deviation == pytest.approx(4.0, rel=0.02)
        # Components are in voxels of their axis: as many millimetres for all.
        assert velocity[0, axis].sum() * step == pytest.approx(20.0 * np.tanh(0.5), rel=1e-3)


def test_velocities_are_bounded():
    net = network(largest_velocity=3.0, through_plane=3.0, scales=1)
    with torch.no_grad():
        net.decoder.heads[0].weight.mul_(1e4)
    with torch.no_grad():
        velocity = net(images(THICK["size"]), images(THICK["size"], seed=1))[0]
    millimetres = velocity * torch.tensor(THICK["spacing"]).view(1, 3, 1, 1, 1)
    assert 2.0 < float(millimetres.abs().max()) <= 3.0 + 1e-4


def test_thick_slices_have_a_bound_of_their_own():
    assert VelocityNetworkConfiguration(**THICK, through_plane=3.0).bounds == (3.0, 20.0, 20.0)
    # Slices of 3.15 mm are not thick.
    assert VelocityNetworkConfiguration(through_plane=3.0).bounds == (20.0, 20.0, 20.0)
    net = network(through_plane=2.0, scales=1)
    with torch.no_grad():
        net.decoder.heads[0].weight.mul_(1e4)
    with torch.no_grad():
        velocity = net(images(THICK["size"]), images(THICK["size"], seed=1))[0]
    assert float(velocity[:, 0].abs().max()) * 10.0 <= 2.0 + 1e-4
    assert float(velocity[:, 1:].abs().max()) * 1.6 > 10.0


@pytest.mark.parametrize("context", [(), (4, 4, 6)])
def test_decoder_sees_the_moving_image_and_the_code_but_not_the_fixed_image(context):
    net = network(context=context)
    code = torch.randn(1, 5, generator=torch.Generator().manual_seed(3))
    moving, other = images(THICK["size"], seed=1), images(THICK["size"], seed=2)
    first = net.decode(code, moving)[0]
    assert torch.equal(first, net.decode(code, moving)[0])
    assert not torch.allclose(first, net.decode(code, other)[0], atol=1e-6)
    assert not torch.allclose(first, net.decode(code + 1, moving)[0], atol=1e-6)


@pytest.mark.parametrize("size", [(24, 28), (12, 20, 16)])
def test_exponential_solves_the_flow_equation(size):
    """Scaling and squaring against an ODE integration of d phi / dt = v(phi)."""
    velocity = smooth_velocity(size, 2.5)
    displacement = exponential(velocity, 8)[0].numpy()
    field = velocity[0].numpy()
    generator = np.random.default_rng(1)
    points = np.stack([generator.uniform(3, n - 4, 30).round() for n in size])

    def speed(_, flat):
        where = flat.reshape(len(size), -1)
        return np.stack([map_coordinates(part, where, order=1, mode="nearest") for part in field]).ravel()

    solved = solve_ivp(speed, (0, 1), points.ravel(), rtol=1e-8, atol=1e-8).y[:, -1].reshape(points.shape)
    index = tuple(points.astype(int))
    found = points + np.stack([part[index] for part in displacement])
    assert np.abs(found - solved).max() < 0.05
    assert np.linalg.norm(solved - points, axis=0).max() > 1.0


@pytest.mark.parametrize("size", [(32, 40), (16, 24, 24)])
def test_negative_velocity_is_the_inverse_within_a_tenth_of_a_voxel(size):
    velocity = smooth_velocity(size, 0.08 * max(size))
    forward, backward = exponential(velocity, 7), exponential(-velocity, 7)
    assert float(inverse_error(forward, backward).max()) < 0.1
    assert float(inverse_error(backward, forward).max()) < 0.1
    assert float(forward.norm(dim=1).max()) > 1.2
    assert float(jacobian_determinant(forward).min()) > 0


def test_half_velocities_meet_in_the_middle():
    """exp(v/2) o exp(v/2) = exp(v), which the symmetric similarity relies on."""
    velocity = smooth_velocity((24, 24), 3.0)
    half, whole = exponential(velocity / 2, 6), exponential(velocity, 7)
    twice = half + warp(half, half)
    assert float((twice - whole).abs().max()) < 1e-6


def test_two_dimensions_equal_three_with_a_slice_repeated():
    """What is not learned is the same in both: exponential, warp, smoothing, pyramid."""
    flat = smooth_velocity((24, 28), 2.0).float()
    image = images((24, 28))
    deep = torch.cat([torch.zeros(1, 1, 3, 24, 28), flat[:, :, None].expand(1, 2, 3, 24, 28)], dim=1)
    stack = image[:, :, None].expand(1, 1, 3, 24, 28).contiguous()
    displacement, displacement_3d = exponential(flat, 5), exponential(deep, 5)
    assert float(displacement_3d[:, 0].abs().max()) < 1e-6
    for k in range(3):
        assert torch.allclose(displacement_3d[:, 1:, k], displacement, atol=1e-5)
        assert torch.allclose(warp(stack, displacement_3d)[:, :, k], warp(image, displacement), atol=1e-5)


def test_a_network_of_slices_is_the_flat_network():
    """With kernels of one slice, a stack's network given the flat network's weights does the same to each slice."""
    flat = network(size=(32, 32), spacing=(1.6, 1.6), widths=(4, 6), scales=2)
    thick = network(size=(2, 32, 32), spacing=(100.0, 1.6, 1.6), widths=(4, 6), scales=2)
    code = torch.randn(1, 5, generator=torch.Generator().manual_seed(0))
    state = thick.decoder.state_dict()
    for name, value in flat.decoder.state_dict().items():
        target = state[name]
        if name.startswith("entry"):
            shape = (4, 2, 8, 8)
            blocks = value.view(4, 1, 8, 8, *value.shape[1:])
            state[name] = blocks.expand(*shape, *value.shape[1:]).reshape(target.shape)
        elif name.startswith("heads"):
            target.zero_()
            target[1:] = value.unsqueeze(2) if value.ndim > 1 else value
        else:
            state[name] = value.unsqueeze(2) if value.ndim == 4 else value
    thick.decoder.load_state_dict(state)
    image = images((32, 32))
    stack = image[:, :, None].expand(1, 1, 2, 32, 32).contiguous()
    for velocity, slices in zip(flat.decode(code, image), thick.decode(code, stack), strict=True):
        for k in range(2):
            assert torch.allclose(slices[:, 1:, k], velocity, atol=1e-5)


def test_code_is_sampled_around_the_mean_with_the_encoders_spread():
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, np.log(0.25)]]).float()
    generator = torch.Generator().manual_seed(0)
    codes = torch.cat([sample_code(mean, log_variance, generator) for _ in range(4000)])
    assert torch.allclose(codes.mean(0), mean[0], atol=0.06)
    assert torch.allclose(codes.std(0), torch.tensor([1.0, 0.5]), rtol=0.05)
    assert torch.equal(
        sample_code(mean, log_variance, torch.Generator().manual_seed(1)),
        sample_code(mean, log_variance, torch.Generator().manual_seed(1)),
    )


def test_pyramid_averages():
    configuration = VelocityNetworkConfiguration(**THICK)
    image = identity_grid(THICK["size"])[:, 1:2]
    levels = pyramid(image, configuration)
    assert [tuple(level.shape[2:]) for level in levels] == [configuration.level(n)[0] for n in range(4)]
    assert levels[1][0, 0, 0, :3, 0].tolist() == [0.5, 2.5, 4.5]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scales": 4}, "give more widths"),
        ({"scales": 0}, "1 to 3 scales"),
        ({"size": (4, 30, 32)}, "length 30"),
        ({"latent": 0}, "at least one"),
        ({"context": (4, 4)}, "as many widths"),
        ({"size": (32,), "spacing": (1.0,)}, "two or three lengths"),
        ({"spacing": (1.0, 1.0)}, "as many spacings"),
    ],
)
def test_impossible_networks_are_refused_with_a_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        VelocityNetworkConfiguration(**{**THICK, **changes})
