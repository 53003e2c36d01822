"""Images and masks that an agent cannot use, or only with a warning, and what it says."""

import numpy as np
import pytest

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_walk import walk_options
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image

from .test_agent_model import CUBE, blob, centred, parts_of

STANDING = walk_options(steps=0)


@pytest.fixture(scope="module")
def model():
    return AgentModel(*parts_of(CUBE))


@pytest.fixture
def volumes():
    grid = centred(CUBE[::-1])
    return blob(grid), blob(grid, (1.0, 0.0, 1.0))


def mask_of(image, chosen):
    return image.with_array(np.broadcast_to(chosen, image.array.shape).astype(np.uint8))


@pytest.mark.parametrize("side", ["fixed_mask", "moving_mask"])
def test_masks_without_a_voxel_are_refused(model, volumes, side):
    with pytest.raises(InputError, match="mask"):
        model.register(*volumes, options=STANDING, **{side: mask_of(volumes[0], False)})


@pytest.mark.parametrize("side", ["fixed_mask", "moving_mask"])
def test_masks_elsewhere_are_refused(model, volumes, side):
    elsewhere = Geometry((8, 8, 8), (1.0, 1.0, 1.0), (300.0, 300.0, 300.0))
    mask = Image.on_grid(np.ones((8, 8, 8), np.uint8), elsewhere)
    with pytest.raises(InputError, match="mask"):
        model.register(*volumes, options=STANDING, **{side: mask})


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_intensities_that_are_not_finite_are_refused(model, volumes, number, value):
    broken = volumes[number].array.copy()
    broken[3, 4, 5] = value
    given = list(volumes)
    given[number] = volumes[number].with_array(broken)
    with pytest.raises(InputError, match="The (fixed|moving) image"):
        model.register(*given, options=STANDING)


def test_a_structure_beyond_the_models_field_is_warned_of(model, volumes):
    wide = blob(centred((60, 60, 60)), radii=(20.0, 22.0, 18.0))
    warnings = model.register(wide, volumes[1], "centres", STANDING).warnings
    assert any("fixed" in warning for warning in warnings)
    assert not any("fixed image" in warning for warning in model.register(*volumes, "centres", STANDING).warnings)


def test_voxels_unlike_those_of_training_are_warned_of(model, volumes):
    coarse = blob(centred((6, 7, 6), 3.5))
    assert any("mm" in warning for warning in model.register(coarse, volumes[1], "centres", STANDING).warnings)


@pytest.mark.parametrize("wrong", [{"steps": -3}, {"starts": 0}, {"shrinks": -1}, {"spread": -0.1}])
def test_walks_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match="at least one start"):
        walk_options(**wrong)
