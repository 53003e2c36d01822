"""Exploring an image with a probabilistic model: the face of the other explorer, and codes from anywhere."""

import inspect

import numpy as np
import pytest

from DeformationLib.errors import InputError
from DeformationLib.image import Image, resample
from LatentRegistrationLib.explorer import Explorer
from LatentRegistrationLib.velocity_explorer import VelocityExplorer
from Testing.velocity_fixtures import small_heart, velocity_model


@pytest.fixture(scope="module")
def model():
    return velocity_model()


@pytest.fixture(scope="module")
def image():
    return small_heart(contraction=1.0).frames[0]


@pytest.fixture(scope="module")
def explorer(model, image):
    return model.explorer(image)


def test_it_has_the_face_of_the_other_explorer():
    for name, member in vars(Explorer).items():
        if name.startswith("_") or name == "network_displacement":
            continue
        assert name in vars(VelocityExplorer)
        if inspect.isfunction(member):
            ours = inspect.signature(getattr(VelocityExplorer, name)).parameters
            assert list(ours) == list(inspect.signature(member).parameters)


def test_components_move_the_code_from_the_mean(model, image, explorer):
    parts = model.decomposition
    code = parts.mean + 1.5 * parts.components[1]
    np.testing.assert_allclose(explorer.displacement(1, 1.5).array, model.displacement(code, image).array, atol=1e-5)
    mean = explorer.displacement()
    np.testing.assert_allclose(mean.array, model.displacement(parts.mean, image).array, atol=1e-5)
    together = explorer.displacement(amplitudes=[0.5, -1.0])
    code = parts.mean + np.array([0.5, -1.0]) @ parts.components[:2]
    np.testing.assert_allclose(together.array, model.displacement(code, image).array, atol=1e-5)
    assert explorer.count == 4
    assert explorer.population.shape == (12, 4)
    assert explorer.coefficients.tolist() == [0.0] * 4


def test_live_displacement_says_the_same_on_the_models_grid(explorer, image):
    live = explorer.live_displacement([1.0, -0.5])
    assert live.geometry.size == (32, 32, 4)
    full = explorer.displacement(amplitudes=explorer.amplitudes([1.0, -0.5]))
    np.testing.assert_allclose(resample(live, image.geometry).array, full.array, atol=0.05)
    code = explorer.code(explorer.amplitudes([1.0, -0.5]))
    assert np.array_equal(explorer.live_displacement_of_code(code).array, live.array)


def test_live_displacement_ends_beyond_the_grid(model, image):
    wide = Image(
        np.pad(image.array, ((6, 6), (24, 24), (24, 24)), mode="edge"),
        image.spacing,
        tuple(np.asarray(image.origin) - np.array([24, 24, 6]) * image.spacing),
    )
    explorer = model.explorer(wide)
    live = explorer.live_displacement([1.0])
    assert min(np.subtract(live.geometry.size, (32, 32, 4))) > 0
    assert np.abs(live.array[0]).max() == np.abs(live.array[:, 0]).max() == 0.0
    assert any("larger" in warning for warning in explorer.warnings)
    structure = wide.with_array(np.zeros(wide.array.shape, np.uint8))
    structure.array[7:10, 10:20, 10:20] = 1
    there = model.explorer(wide, structure)
    assert there.warnings == []
    assert np.linalg.norm(there.live_displacement([]).geometry.centre - live.geometry.centre) > 50


def test_a_pairs_code_has_coefficients(model, image):
    parts = model.decomposition
    code = parts.mean + 2.0 * parts.components[2]
    explorer = VelocityExplorer(model, image, code=code)
    np.testing.assert_allclose(explorer.coefficients, [0, 0, 2, 0], atol=1e-6)
    inverse = explorer.displacement_of_code(code, -1.0)
    assert not np.allclose(inverse.array, explorer.displacement_of_code(code).array, atol=0.05)


def test_refusals(model, image, explorer):
    for call, sentence in (
        (lambda: explorer.displacement(4, 1.0), "no component 5"),
        (lambda: explorer.amplitudes([0.0] * 5), "5 amplitudes"),
        (lambda: explorer.code([0.0] * 5), "5 amplitudes"),
        (lambda: explorer.displacement_of_code(np.zeros(3)), "code of 3 values"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
    bare = velocity_model()
    bare.decomposition = None
    with pytest.raises(InputError, match="no latent decomposition"):
        bare.explorer(image)
