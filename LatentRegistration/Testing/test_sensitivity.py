"""Known transformations of images, and what they do to the coefficients of a model."""

import numpy as np
import pytest
import torch

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.preprocessing import NetworkGrid
from DeformationLib.progress import Progress
from LatentRegistrationLib.decomposition import LatentDecomposition
from LatentRegistrationLib.gradient_network import GradientNetwork, GradientNetworkConfiguration
from LatentRegistrationLib.model import RegistrationModel
from LatentRegistrationLib.sensitivity import (
    ESTIENNE_TRANSFORMATIONS,
    KnownTransformation,
    coefficient_changes,
    effective_components,
)

SIZE = (17, 17, 17)
CENTRE = np.array([8, 8, 8])


def dot(*offset_xyz):
    """A volume that is 1 at one voxel, given by its offset x, y, z from the centre."""
    image = torch.zeros(1, 1, *SIZE)
    image[(0, 0, *(CENTRE + offset_xyz[::-1]))] = 1
    return image


def place_of_dot(image):
    """Offset x, y, z from the centre of the brightest voxel."""
    index = np.unravel_index(int(image[0, 0].argmax()), SIZE)
    return tuple(int(n) for n in (np.array(index) - CENTRE)[::-1])


@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [
        ("x", (0, 5, 0), (0, 0, 5)),
        ("y", (0, 0, 5), (5, 0, 0)),
        ("z", (5, 0, 0), (0, 5, 0)),
        ("z", (0, 0, 4), (0, 0, 4)),
    ],
)
def test_a_quarter_turn_is_right_handed(axis, start, end):
    turned = KnownTransformation("quarter", rotation=90, axis=axis).apply(dot(*start))
    assert place_of_dot(turned) == end
    assert turned.max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("axis", "end"), [("x", (4, 2, 1)), ("y", (1, 5, 1)), ("z", (1, 2, 4))])
def test_a_translation_moves_the_picture_along_the_axis(axis, end):
    assert place_of_dot(KnownTransformation("shift", translation=3, axis=axis).apply(dot(1, 2, 1))) == end


def test_a_scaling_moves_everything_away_from_the_centre():
    ramp = (torch.arange(17.0) - 8).view(1, 1, 17, 1, 1).expand(1, 1, *SIZE)
    grown = KnownTransformation("growth", scaling=0.25).apply(ramp)
    torch.testing.assert_close(grown, ramp / 1.25, atol=1e-4, rtol=0)


def test_edges_are_continued():
    ramp = torch.arange(17.0).view(1, 1, 17, 1, 1).expand(1, 1, *SIZE)
    moved = KnownTransformation("shift", translation=10).apply(ramp)
    torch.testing.assert_close(moved[0, 0, :, 3, 3], (torch.arange(17.0) - 10).clamp_min(0), atol=1e-4, rtol=0)


def test_a_slice_turns_in_its_plane_and_every_image_of_a_batch_alike():
    image = torch.zeros(2, 1, 9, 9)
    image[:, 0, 4, 7] = 1
    turned = KnownTransformation("quarter", rotation=90).apply(image)
    assert (turned[:, 0, 7, 4] > 0.999).all()
    with pytest.raises(InputError, match="slice"):
        KnownTransformation("shift", translation=1).apply(image)


def test_unusable_transformations_are_refused():
    with pytest.raises(InputError, match="axis"):
        KnownTransformation("wrong", axis="k")
    with pytest.raises(InputError, match="scaling"):
        KnownTransformation("wrong", scaling=-1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = GradientNetwork(GradientNetworkConfiguration(widths=(4, 4), code_channels=3))
    grid = NetworkGrid((16, 16, 16), 1.0)
    codes = torch.randn(7, 3, 4, 4, 4)
    return RegistrationModel(
        network, grid, {"name": "untrained"}, LatentDecomposition.fit(codes, 5), precision=torch.float32
    )


def random_image(seed, shape=(14, 15, 16)):
    return Image(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_nothing_changes_without_a_transformation(model):
    changes = coefficient_changes(model, [random_image(0)], [KnownTransformation("identity")])
    np.testing.assert_allclose(changes["identity"], 0, atol=1e-4)


def test_changes_are_those_of_the_projections(model):
    images = [random_image(seed) for seed in range(3)]
    changes = coefficient_changes(model, images)
    assert {name: rows.shape for name, rows in changes.items()} == {
        "rotation": (3, 5),
        "translation": (3, 5),
        "scaling": (3, 5),
    }
    seen = model.prepare(images[1])
    moved = ESTIENNE_TRANSFORMATIONS[0].apply(seen.image)
    difference = (model.network.encode(moved)[0] - model.network.encode(seen.image)[0]).flatten().numpy()
    expected = model.decomposition.components @ difference
    np.testing.assert_allclose(changes["rotation"][1], expected, atol=1e-4)


def test_the_work_can_be_cancelled(model):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        coefficient_changes(model, [random_image(0)], progress=progress)


def test_a_model_without_a_decomposition_is_refused(model):
    bare = RegistrationModel(model.network, model.grid, {"name": "bare"}, precision=torch.float32)
    with pytest.raises(InputError, match="bare"):
        coefficient_changes(bare, [random_image(0)])


def test_effective_components():
    np.testing.assert_allclose(effective_components([[0, -3, 0], [2, 2, -2], [1, 1, 0]]), [1, 3, 2])
    assert np.isnan(effective_components(np.zeros(3)))
