"""The dual-stream network: shapes, independence of the streams, ensembles; and the space of deformations."""

import numpy as np
import pytest
import torch

from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
from AgentRegistrationLib.deformation_space import DeformationSpace, rigid_fields
from DeformationLib.errors import InputError
from DeformationLib.fields import jacobian_determinant, warp

from .walk_fixtures import random_network, smooth_image, smooth_space


@pytest.mark.parametrize("size, stride", [((96, 96), 1), ((32, 24), 2), ((16, 20, 12), 2)])
def test_q_values_of_all_actions(size, stride):
    configuration = AgentNetworkConfiguration(size, 30, (4, 6, 6), (8, 8, 4), stride)
    network = AgentNetwork(configuration)
    encoded = network.encode_fixed(torch.rand(3, 1, *size))
    assert encoded.shape == (3, 1, configuration.features)
    assert network(encoded, torch.rand(3, 1, *size)).shape == (3, 30)


def test_the_thesis_network_has_its_layers():
    network = AgentNetwork(AgentNetworkConfiguration((75, 75, 20), 50, stride=1)).members[0]
    convolutions = [layer for layer in network.moving if isinstance(layer, torch.nn.Conv3d)]
    assert [(layer.out_channels, layer.kernel_size) for layer in convolutions] == [(n, (3, 3, 3)) for n in (32, 64, 64)]
    assert sum(isinstance(layer, torch.nn.MaxPool3d) for layer in network.moving) == 2
    dense = [layer.out_features for layer in network.head if isinstance(layer, torch.nn.Linear)]
    assert dense == [128, 128, 64, 50]


def test_streams_do_not_share_weights():
    network = AgentNetwork(AgentNetworkConfiguration((16, 16), 4, (4, 6), (8,)))
    stream = network.members[0]
    assert not {id(p) for p in stream.fixed.parameters()} & {id(p) for p in stream.moving.parameters()}


@pytest.mark.parametrize("size", [(24, 16), (8, 12, 8)])
def test_a_joint_stream_sees_the_fixed_image_beside_the_moving_one(size):
    torch.manual_seed(0)
    configuration = AgentNetworkConfiguration(size, 4, (4, 6), (8,), members=2, joint=True)
    network = AgentNetwork(configuration).eval()
    fixed, moving = torch.rand(2, 3, 1, *size)
    encoded = network.encode_fixed(fixed)
    values = network(encoded, moving)
    for number in range(3):  # batched as alone
        alone = network(network.encode_fixed(fixed[number : number + 1]), moving[number : number + 1])
        assert torch.allclose(values[number], alone[0], atol=1e-6)
    # With the same features of the fixed image, its voxels still matter.
    other = network.encode_fixed(torch.rand(3, 1, *size))
    other[..., : configuration.features] = encoded[..., : configuration.features]
    assert not torch.allclose(network(other, moving), values, atol=1e-5)
    first = network.members[0].moving[0]
    assert (first.in_channels, network.members[0].fixed[0].in_channels) == (2, 1)


def test_an_ensemble_is_the_mean_of_its_members():
    space = smooth_space()
    network = random_network(space, members=3).eval()
    fixed, moving = smooth_image(seed=1), smooth_image(seed=2)
    encoded = network.encode_fixed(fixed)
    single = [member(encoded[:, n], moving) for n, member in enumerate(network.members)]
    assert torch.allclose(network(encoded, moving), network.scale * torch.stack(single).mean(dim=0))
    assert not torch.allclose(single[0], single[1])


@pytest.mark.parametrize("size", [(3, 16), (16, 16, 3)])
def test_a_grid_too_small_for_the_poolings_is_refused(size):
    with pytest.raises(InputError, match="too small"):
        AgentNetworkConfiguration(size, 4)


def test_one_dimension_is_refused():
    with pytest.raises(InputError, match="slices or volumes"):
        AgentNetworkConfiguration((16,), 4)


@pytest.mark.parametrize("size", [(24, 20), (10, 12, 8)])
def test_the_space_displaces_and_warps_as_its_fields_say(size):
    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(3, len(size), *size, generator=generator)
    base = torch.randn(1, len(size), *size, generator=generator)
    space = DeformationSpace(base, fields, torch.ones(3), torch.ones(3))
    theta = torch.tensor([[0.5, -1.0, 0.2], [0.0, 0.0, 0.0]])
    expected = base + torch.einsum("bd,d...->b...", theta, fields)
    assert torch.allclose(space.displacement(theta), expected, atol=1e-4)
    image = smooth_image(size).expand(2, -1, *[-1] * len(size))
    assert torch.allclose(space.warp(image, space.sampling(theta)), warp(image, expected), atol=1e-4)
    moved = space.sampling(theta)[0] + space.change(1, 0.7)
    assert torch.allclose(moved, space.sampling(theta + torch.tensor([0, 0.7, 0]))[0], atol=1e-5)


def test_the_space_of_a_linear_model_with_rigid_motions():
    generator = torch.Generator().manual_seed(0)
    fields, base = torch.randn(2, 2, 8, 8, generator=generator), torch.randn(1, 2, 8, 8, generator=generator)

    def field(theta):
        return base + torch.einsum("bd,d...->b...", theta, fields)

    space = DeformationSpace.of_model(field, torch.tensor([0.1, 0.2]), torch.tensor([1.0, 2.0]), 3.0, 5.0)
    assert (space.modes, len(space)) == (2, 5)
    # Voxels 2 to 5 of either axis are 0.5 or 1.5 from the centre: the mean of their squared distances is 2.5.
    turned = np.deg2rad(5.0) * np.sqrt(2.5)
    assert space.deviations.tolist() == pytest.approx([1.0, 2.0, 3.0, 3.0, turned])
    assert space.steps.tolist() == pytest.approx([0.1, 0.2, 0.75, 0.75, turned / 4])
    theta = torch.tensor([[0.5, -1.0, 2.0, -1.0, 0.0]])
    expected = field(theta[:, :2]) + torch.tensor([2.0, -1.0]).view(1, 2, 1, 1)
    assert torch.allclose(space.displacement(theta), expected, atol=1e-5)


@pytest.mark.parametrize("size, count", [((9, 7), 3), ((9, 7, 5), 6)])
def test_rigid_fields_keep_volume_and_the_centre(size, count):
    fields, spreads = rigid_fields(size, 2.0, 4.0)
    assert len(fields) == len(spreads) == count
    rotations = fields[len(size) :]
    centre = tuple(length // 2 for length in size)
    for field in rotations:
        assert field[(slice(None), *centre)].abs().max() < 1e-6
        assert jacobian_determinant(0.02 * field[None]).sub(1).abs().max() < 1e-3
        inner = tuple(slice(length // 4, length - length // 4) for length in size)
        assert float(field[(slice(None), *inner)].square().sum(dim=0).mean()) == pytest.approx(1, rel=1e-5)
    # Four degrees at a distance of four voxels.
    edge = rotations[0][:, 0, size[1] // 2] if len(size) == 2 else rotations[0][:, 0, size[1] // 2, size[2] // 2]
    assert spreads[len(size)] * float(edge.norm()) == pytest.approx(4 * np.deg2rad(4.0), rel=1e-4)


def test_no_rigid_motions_where_none_are_wanted():
    fields, spreads = rigid_fields((4, 4), 0.0, 0.0)
    assert fields.shape == (0, 2, 4, 4)
    assert spreads == []
