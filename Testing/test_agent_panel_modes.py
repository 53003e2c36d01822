"""The section Modes of AgentRegistration's panel: the sliders of LatentRegistration on an agent's deformation model."""

import numpy as np
import pytest
import slicer

from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.transforms import displacement_from_transform
from Testing.agent_fixtures import SLICES, VOLUMES, add_agent_pair, slice_images
from Testing.panel_steps import SECONDS
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import testing


def choose(panel, scene, images=None, model=VOLUMES):
    _fixed, moving, segmentation = add_agent_pair(scene, images)
    ui = panel.ui
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText(model))
    ui.exploreVolumeSelector.setCurrentNode(moving)
    ui.exploreStructureSelector.setCurrentNode(segmentation)
    return moving, segmentation


def explore(panel):
    panel.ui.exploreButton.click()
    assert panel.explore._job.wait(SECONDS)


def shown(panel):
    assert panel.explore._request.wait(SECONDS)
    return displacement_from_transform(panel.explore.exploration.live.transform).array


@pytest.mark.parametrize("images, model", [(None, VOLUMES), (slice_images(), SLICES)])
def test_modes_are_moved_by_the_slider(agent_panel, scene, images, model):
    choose(agent_panel, scene, images, model)
    count = len(nodes_of(scene))
    explore(agent_panel)
    ui, explorer = agent_panel.ui, agent_panel.explore.exploration.explorer
    table = ui.exploreComponentsTable
    assert table.horizontalHeaderItem(0).text() == "Mode"
    assert table.rowCount == explorer.count == 4
    share = 100 * explorer.explained_variance_ratio[0]
    assert table.item(0, 1).text() == f"{share:.1f} %"
    table.setCurrentCell(1, 0)
    ui.exploreAmplitudeSlider.value = 2.0
    np.testing.assert_allclose(shown(agent_panel), explorer.live_displacement([0.0, 2.0]).array, atol=1e-4)
    table.item(0, 3).setText("-1")
    np.testing.assert_allclose(shown(agent_panel), explorer.live_displacement([-1.0, 2.0]).array, atol=1e-4)
    ui.exploreResetButton.click()
    assert np.abs(shown(agent_panel)).max() == 0.0
    ui.exploreButton.click()
    assert not agent_panel.explore.exploring
    assert len(nodes_of(scene)) == count


def test_a_mode_is_exported(agent_panel, scene):
    choose(agent_panel, scene)
    explore(agent_panel)
    agent_panel.ui.exploreExportGroupBox.checked = True
    agent_panel.ui.exploreAmplitudeSlider.value = 1.5
    shown(agent_panel)
    agent_panel.ui.exploreExportTransformButton.click()
    assert agent_panel.explore._job.wait(SECONDS)
    explorer = agent_panel.explore.exploration.explorer
    kept = [node for node in slicer.util.getNodesByClass("vtkMRMLGridTransformNode") if node.GetSaveWithScene()]
    assert len(kept) == 1
    expected = explorer.displacement(amplitudes=explorer.amplitudes([1.5])).array
    np.testing.assert_allclose(displacement_from_transform(kept[0]).array, expected, atol=1e-4)
    agent_panel.ui.exploreExportSequenceButton.click()
    assert agent_panel.explore._job.wait(SECONDS)
    (browser,) = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    assert browser.GetNumberOfItems() == 9


def test_an_image_of_another_dimension_is_told(main_window, agent_panel, scene):
    choose(agent_panel, scene, None, SLICES)
    with testing(False), dialogs.answer("OK") as seen:
        explore(agent_panel)
    assert "slice" in seen[0].text
    assert not agent_panel.explore.exploring


def test_walking_and_exploring_at_once(agent_panel, scene):
    moving, _segmentation = choose(agent_panel, scene)
    explore(agent_panel)
    agent_panel.ui.exploreAmplitudeSlider.value = 1.0
    before = shown(agent_panel).copy()
    ui = agent_panel.ui
    ui.fixedVolumeSelector.setCurrentNode(slicer.util.getNode("Fixed"))
    ui.movingVolumeSelector.setCurrentNode(moving)
    ui.paceSpinBox.value = 0
    ui.walkStartButton.click()
    while agent_panel.walk.running:
        assert agent_panel.walk.wait(SECONDS)
    assert agent_panel.walk.nodes is not None
    np.testing.assert_array_equal(shown(agent_panel), before)
