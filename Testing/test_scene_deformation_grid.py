"""The grid of simulated deformations (Krebs figure 4.8): its tiles are the deformations that they say they are."""

import numpy as np
import pytest
import slicer

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image
from DeformationSceneLib.volumes import add_volume, image_from_volume
from LatentRegistrationSceneLib.deformation_grid import DeformationGrid, show_grid
from LatentRegistrationSceneLib.logic import LatentRegistrationLogic
from Testing.panel_steps import SECONDS
from Testing.velocity_fixtures import small_heart, velocity_bundle, velocity_model

HEART = small_heart()


@pytest.fixture
def image_node(scene):
    return add_volume(scene, HEART.frames[0], "End-diastole")


@pytest.fixture(scope="module")
def explorer():
    return velocity_model().explorer(HEART.frames[0])


def tiles_of(node, steps):
    array = image_from_volume(node).array[0]
    height, width = (length // steps for length in array.shape)
    return array.reshape(steps, height, steps, width).transpose(0, 2, 1, 3)


def test_every_tile_is_its_deformation(image_node, explorer):
    grid = DeformationGrid(image_node, explorer, 0, 2, deviations=1.5, steps=3)
    grid.compute(Progress())
    node = grid.addToScene()
    tiles = tiles_of(node, 3)
    for row, column in np.ndindex(3, 3):
        deviations = [(-1.5, 0.0, 1.5)[column], 0.0, (1.5, 0.0, -1.5)[row]]
        displacement = explorer.displacement(amplitudes=explorer.amplitudes(deviations))
        expected = warp_image(HEART.frames[0], displacement).array[2]
        np.testing.assert_allclose(tiles[row, column], expected, atol=1e-3)
    assert np.abs(tiles[0, 0] - tiles[2, 2]).max() > 0.3
    assert node.GetName() == "End-diastole, components 1 and 3"
    assert "component 1 from left to right" in node.GetDescription()


def test_the_middle_tile_lies_where_the_image_does(image_node, explorer):
    grid = DeformationGrid(image_node, explorer, steps=3)
    grid.compute(Progress())
    picture, image = image_from_volume(grid.addToScene()).geometry, HEART.frames[0].geometry
    size = np.array(image.size)
    np.testing.assert_allclose(
        picture.index_to_physical(np.array([size[0], size[1], 0])),
        image.index_to_physical(np.array([0, 0, size[2] // 2])),
    )


def test_tiles_show_the_structure(image_node, explorer, scene):
    pool = HEART.labels[0].with_array((HEART.labels[0].array == 3).astype(np.int16))
    structure = add_volume(scene, pool, "Pool", labels=True)
    grid = DeformationGrid(image_node, explorer, structureNode=structure, steps=3)
    grid.compute(Progress())
    rows, columns = (np.flatnonzero(pool.array.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    shape = tiles_of(grid.addToScene(), 3).shape[2:]
    assert len(rows) < shape[0] < 32
    assert len(columns) < shape[1] < 32


def test_what_makes_no_grid_is_refused(image_node, explorer):
    with pytest.raises(InputError, match="two different components"):
        DeformationGrid(image_node, explorer, 1, 1)
    with pytest.raises(InputError, match="component"):
        DeformationGrid(image_node, explorer, 0, 99)
    with pytest.raises(InputError, match="two steps at least"):
        DeformationGrid(image_node, explorer, steps=1)
    grid = DeformationGrid(image_node, explorer, steps=2)
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        grid.compute(progress)
    grid.compute(Progress())
    slicer.mrmlScene.RemoveNode(image_node)
    with pytest.raises(InputError, match="was deleted"):
        grid.addToScene()


def test_the_red_view_shows_it_straight(image_node, explorer, views):
    grid = DeformationGrid(image_node, explorer, steps=3)
    grid.compute(Progress())
    node = grid.addToScene()
    show_grid(node)
    logic = views.sliceWidget("Red").sliceLogic()
    assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    assert logic.GetSliceNode().GetFieldOfView()[0] >= 3 * 32 * 3.0


def test_at_the_console_and_in_the_panel(panel, scene, tmp_path, monkeypatch, image_node):
    velocity_bundle(tmp_path)
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path))
    at_console = LatentRegistrationLogic().deformationGrid(image_node, "velocities", device="cpu")
    panel.onModelsChanged()
    ui = panel.ui
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText("velocities"))
    ui.exploreVolumeSelector.setCurrentNode(image_node)
    ui.deviceComboBox.setCurrentIndex(1)
    ui.exploreExportGroupBox.checked = True
    assert not ui.exploreExportGridButton.enabled
    ui.exploreButton.click()
    assert panel.explore._job.wait(SECONDS)
    ui.exploreExportGridButton.click()
    assert panel.explore._job.wait(SECONDS)
    assert ui.exploreMessageLabel.text == "Added 'End-diastole, components 1 and 2 (2)'."
    node = slicer.util.getNode("End-diastole, components 1 and 2 (2)")
    np.testing.assert_array_equal(image_from_volume(node).array, image_from_volume(at_console).array)
