"""The panel with a model of the probabilistic kind: it registers, explores, and is installed as any other."""

import numpy as np
import pytest
import slicer

from DeformationSceneLib.transforms import displacement_from_transform, transform_points
from DeformationSceneLib.volumes import add_volume
from Testing.panel_steps import SECONDS
from Testing.velocity_fixtures import small_heart, velocity_bundle


@pytest.fixture
def cardiac(tmp_path, monkeypatch):
    """A bundle with random weights, installed under the name velocities."""
    velocity_bundle(tmp_path)
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path))


@pytest.fixture
def frames(cardiac, panel, scene):
    """Two frames of a beating phantom, chosen in the panel."""
    heart = small_heart()
    fixed, moving = add_volume(scene, heart.frames[0], "Frame 0"), add_volume(scene, heart.frames[2], "Frame 2")
    panel.ui.fixedVolumeSelector.setCurrentNode(fixed)
    panel.ui.movingVolumeSelector.setCurrentNode(moving)
    panel.ui.modelComboBox.setCurrentIndex(panel.ui.modelComboBox.findText("velocities"))
    return fixed, moving


def test_it_registers_with_an_exact_inverse(cardiac, panel, frames):
    panel.ui.makeInverseTransformCheckBox.click()
    panel.ui.applyButton.click()
    assert panel.register._job.wait(SECONDS)
    nodes = panel.register.nodes
    centre = nodes.result.fixed.geometry.centre
    points = centre + np.array([[0.0, 0.0, 0.0], [12.0, -9.0, 5.0], [-15.0, 6.0, -5.0]])
    there = transform_points(nodes.transform, points)
    assert np.abs(there - points).max() > 0.5
    np.testing.assert_allclose(transform_points(nodes.inverse, there), points, atol=0.3)
    assert "Local correlation" in panel.ui.resultLabel.text


def test_its_components_are_explored_live(cardiac, panel, frames):
    ui = panel.ui
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText("velocities"))
    ui.exploreVolumeSelector.setCurrentNode(frames[0])
    ui.exploreButton.click()
    assert panel.explore._job.wait(SECONDS)
    assert panel.explore.exploring, ui.exploreMessageLabel.text
    ui.exploreAmplitudeSlider.value = 1.5
    assert panel.explore._request.wait(SECONDS)
    exploration = panel.explore.exploration
    expected = exploration.explorer.live_displacement([1.5]).array
    np.testing.assert_allclose(displacement_from_transform(exploration.live.transform).array, expected, atol=1e-4)
    ui.explorePopulationPlotButton.click()
    ui.exploreButton.click()
    assert not panel.explore.exploring
    assert slicer.util.getNodesByClass("vtkMRMLGridTransformNode") == []
