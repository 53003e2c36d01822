"""The panel's part "Simulate and transport", as its user meets it."""

import numpy as np
import pytest
import slicer

from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume
from LatentRegistrationLib.uncertainty import uncertainty
from LatentRegistrationSceneLib.motion_transport import MotionTransport
from LatentRegistrationSceneLib.uncertainty_volume import UncertaintyVolume
from Testing.panel_steps import SECONDS, Obstacle, scene_ids
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene, testing
from Testing.velocity_fixtures import small_heart, velocity_bundle

NAMES = {1: "RV", 2: "Myocardium", 3: "Pool"}
SOURCE, TARGET = small_heart(0, contraction=1.0), small_heart(1, contraction=1.0)
BUTTONS = ("simulateButton", "simulateTransportButton", "simulateUncertaintyButton")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a probabilistic model with random weights."""
    folder = tmp_path_factory.mktemp("models")
    velocity_bundle(folder)
    return folder


@pytest.fixture
def hearts(panel, scene, models, monkeypatch):
    """Two hearts in the scene, the second one chosen in Explore; the source is not chosen yet."""
    monkeypatch.setenv("LATENTMOTION_MODELS", str(models))
    panel.onModelsChanged()
    names = ("Source ES", "Source ED", "Target")
    images = (SOURCE.frames[SOURCE.es_frame], SOURCE.frames[0], TARGET.frames[0])
    nodes = [add_volume(scene, image, name) for image, name in zip(images, names, strict=True)]
    parts = [
        add_segmentation(scene, heart.labels[0], name, names=NAMES, reference_volume_node=node)
        for heart, name, node in ((SOURCE, "Source parts", nodes[1]), (TARGET, "Target parts", nodes[2]))
    ]
    panel.ui.exploreVolumeSelector.setCurrentNode(nodes[2])
    panel.ui.exploreStructureSelector.setCurrentNode(parts[1])
    choose(panel.ui.exploreModelComboBox, "velocities")
    return (*nodes, *parts)


@pytest.fixture
def ready(panel, hearts):
    """The same, with everything chosen that the three buttons need."""
    ui = panel.ui
    ui.exploreCollapsibleButton.collapsed = False
    ui.simulateGroupBox.checked = True
    ui.simulateSourceFixedSelector.setCurrentNode(hearts[0])
    ui.simulateSourceMovingSelector.setCurrentNode(hearts[1])
    ui.simulateSourceStructureSelector.setCurrentNode(hearts[3])
    ui.fixedVolumeSelector.setCurrentNode(hearts[0])
    ui.movingVolumeSelector.setCurrentNode(hearts[1])
    choose(ui.modelComboBox, "velocities")
    ui.simulateCountSpinBox.value = 2
    ui.simulateUncertaintySamplesSpinBox.value = 3
    return hearts


def choose(comboBox, text):
    assert comboBox.findText(text) >= 0
    comboBox.setCurrentIndex(comboBox.findText(text))


def click(panel, name):
    getattr(panel.ui, name).click()
    assert panel.simulate.work.wait(SECONDS)


def transforms():
    return slicer.util.getNodesByClass("vtkMRMLGridTransformNode")


def test_the_group_is_closed_at_first(panel):
    assert not panel.ui.simulateGroupBox.checked
    assert panel.ui.simulateMessageLabel.text == ""
    panel.ui.exploreCollapsibleButton.collapsed = False
    panel.ui.simulateGroupBox.checked = True
    assert panel.ui.simulateProgressBar.isHidden()
    assert panel.ui.simulateMessageLabel.isHidden()


def test_simulate_adds_the_samples_of_the_seed(panel, ready):
    ui = panel.ui
    ui.simulateSeedSpinBox.value = 4
    choose(ui.simulateCodesComboBox, "Training population")
    ui.simulateImagesCheckBox.click()
    click(panel, "simulateButton")
    assert [node.GetName() for node in transforms()] == ["Target simulated 1", "Target simulated 2"]
    assert "deformations of 'Target' added: 2" in ui.simulateMessageLabel.text
    assert slicer.util.getNode("Target deformed, simulated 2") is not None
    assert slicer.util.getNode("Target parts simulated 1") is not None
    expected = panel.logic.simulateDeformations(ready[2], 2, "velocities", 4, ready[4], source="population")
    found = displacement_from_transform(transforms()[1]).array
    assert (found == displacement_from_transform(expected.transforms[1]).array).all()


def test_transport_measures_the_chosen_part(panel, ready):
    ui = panel.ui
    box = ui.simulatePartComboBox
    assert [box.itemText(n) for n in range(box.count)] == ["Whole structure", "RV", "Myocardium", "Pool"]
    choose(box, "Pool")
    click(panel, "simulateTransportButton")
    [table] = slicer.util.getNodesByClass("vtkMRMLTableNode")
    row = {name: table.GetTable().GetValueByName(0, name) for name in ("structure", "before", "after")}
    assert row["structure"].ToString() == "Pool"
    message = ui.simulateMessageLabel.text
    assert f"source {row['before'].ToDouble():.1f} %, target {row['after'].ToDouble():.1f} %" in message
    expected = panel.logic.transportDeformation(*ready[:3], "velocities", *ready[3:], "Pool", alignment="centres")
    assert expected.row.after == pytest.approx(row["after"].ToDouble())


def test_transport_works_without_structures(panel, ready):
    panel.ui.simulateSourceStructureSelector.setCurrentNode(None)
    panel.ui.exploreStructureSelector.setCurrentNode(None)
    assert not panel.ui.simulatePartComboBox.enabled
    click(panel, "simulateTransportButton")
    assert panel.ui.simulateMessageLabel.text.startswith("Added 'Source ED in Target'.")
    assert slicer.util.getNodesByClass("vtkMRMLTableNode") == []


def test_uncertainty_of_the_pair_that_register_has(panel, ready):
    click(panel, "simulateUncertaintyButton")
    node = slicer.util.getNode("Source ED to Source ES uncertainty (mm)")
    expected = uncertainty(panel.logic.model("velocities"), *map(image_from_volume, ready[:2]), 3, 0, "centres").spread
    assert abs(image_from_volume(node).array - expected.array).max() < 1e-5
    assert f"its brightest colour is {np.percentile(expected.array, 99):.2g} mm" in panel.ui.simulateMessageLabel.text


@pytest.mark.parametrize(
    ("name", "work"), [("simulateTransportButton", MotionTransport), ("simulateUncertaintyButton", UncertaintyVolume)]
)
def test_pairs_are_aligned_as_in_register(panel, ready, monkeypatch, name, work):
    asked, compute = [], work.compute
    monkeypatch.setattr(work, "compute", lambda self, *rest: (asked.append(rest[1]), compute(self, *rest)))
    choose(panel.ui.alignmentComboBox, "Centres of mass")
    click(panel, name)
    assert asked == ["mass"]
    assert panel.ui.simulateMessageLabel.text.startswith("Added")


def test_parts_of_a_label_map_are_listed_and_measured(panel, ready, scene):
    labels = add_volume(scene, TARGET.labels[0], "Target labels", labels=True)
    panel.ui.simulateSourceStructureSelector.setCurrentNode(None)
    panel.ui.exploreStructureSelector.setCurrentNode(labels)
    choose(panel.ui.simulatePartComboBox, "Label 3")
    click(panel, "simulateTransportButton")
    assert "target, displacement unchanged" in panel.ui.simulateMessageLabel.text
    assert "source" not in panel.ui.simulateMessageLabel.text


def test_buttons_say_what_is_missing(panel, hearts):
    ui = panel.ui
    assert ui.simulateButton.enabled
    assert not ui.simulateTransportButton.enabled
    assert "fixed and the moving volume of the source" in ui.simulateTransportButton.toolTip
    ui.simulateSourceFixedSelector.setCurrentNode(hearts[0])
    ui.simulateSourceMovingSelector.setCurrentNode(hearts[0])
    assert "two different volumes of the source" in ui.simulateTransportButton.toolTip
    ui.simulateSourceMovingSelector.setCurrentNode(hearts[1])
    assert ui.simulateTransportButton.enabled
    ui.exploreVolumeSelector.setCurrentNode(None)
    for name in BUTTONS[:2]:
        assert not getattr(ui, name).enabled
        assert "Select a volume" in getattr(ui, name).toolTip


def test_other_models_are_refused_in_the_tool_tips(panel, ready):
    ui = panel.ui
    assert all(getattr(ui, name).enabled for name in BUTTONS)
    choose(ui.exploreModelComboBox, "phantom")
    assert [getattr(ui, name).enabled for name in BUTTONS] == [False, False, True]
    assert "is not probabilistic" in ui.simulateButton.toolTip
    choose(ui.modelComboBox, "phantom")
    assert "is not probabilistic" in ui.simulateUncertaintyButton.toolTip
    choose(ui.exploreModelComboBox, "velocities")
    assert [getattr(ui, name).enabled for name in BUTTONS] == [True, True, False]


def test_a_model_that_is_installed_later_can_be_used(panel, scene, models, monkeypatch):
    target = add_volume(scene, TARGET.frames[0], "Target")
    panel.ui.exploreVolumeSelector.setCurrentNode(target)
    assert not panel.ui.simulateButton.enabled
    monkeypatch.setenv("LATENTMOTION_MODELS", str(models))
    panel.onModelsChanged()
    choose(panel.ui.exploreModelComboBox, "velocities")
    assert panel.ui.simulateButton.enabled


@pytest.mark.parametrize("name", BUTTONS)
def test_cancel_leaves_the_scene_as_it_was(panel, ready, scene, monkeypatch, name):
    obstacle, ids, button = Obstacle(monkeypatch, panel), scene_ids(scene), getattr(panel.ui, name)
    text = button.text
    button.click()
    assert obstacle.reached.wait(SECONDS)
    assert button.text == "Cancel"
    assert not panel.ui.simulateProgressBar.isHidden()
    assert [getattr(panel.ui, other).enabled for other in BUTTONS] == [other == name for other in BUTTONS]
    button.click()
    obstacle.go_on.set()
    assert not panel.simulate.running
    assert button.text == text
    assert "Cancelled" in panel.ui.simulateMessageLabel.text
    assert panel.ui.simulateProgressBar.isHidden()
    assert all(getattr(panel.ui, other).enabled for other in BUTTONS)
    assert scene_ids(scene) == ids


def test_errors_become_dialogs(main_window, panel, ready, scene):
    slices = small_heart(slices=1, contraction=1.0)
    flat = add_volume(scene, slices.frames[0], "slice")
    ids = scene_ids(scene)
    panel.ui.simulateSourceMovingSelector.setCurrentNode(flat)
    with testing(False), dialogs.answer("OK") as seen:
        panel.ui.simulateTransportButton.click()
    assert any("single slice" in dialog.text for dialog in seen)
    panel.ui.exploreVolumeSelector.setCurrentNode(flat)
    panel.ui.exploreStructureSelector.setCurrentNode(None)
    with testing(False), dialogs.answer("OK") as seen:
        click(panel, "simulateButton")
    assert any("the model is three-dimensional" in dialog.text for dialog in seen)
    assert panel.ui.simulateMessageLabel.text.startswith("Failed")
    assert panel.ui.simulateButton.enabled
    assert scene_ids(scene) == ids


def test_the_scene_can_be_closed_while_it_works(panel, ready, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, panel)
    panel.ui.simulateTransportButton.click()
    assert obstacle.reached.wait(SECONDS)
    scene.Clear(False)
    obstacle.go_on.set()
    slicer.app.processEvents()
    assert not panel.simulate.running
    assert transforms() == []
    assert not panel.ui.simulateTransportButton.enabled
    assert panel.ui.simulateTransportButton.text == "Transport"


def test_choices_are_saved_with_the_scene(panel, ready, scene, tmp_path):
    ui = panel.ui
    choose(ui.simulatePartComboBox, "Myocardium")
    choose(ui.simulateCodesComboBox, "Training population")
    ui.simulateSeedSpinBox.value = 11
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert ui.simulatePartComboBox.count == 1
    load_scene(tmp_path / "scene.mrb")
    assert ui.simulateSeedSpinBox.value == 11
    assert ui.simulateCountSpinBox.value == 2
    assert ui.simulatePartComboBox.currentText == "Myocardium"
    assert ui.simulateCodesComboBox.currentText == "Training population"
    assert ui.simulateSourceMovingSelector.currentNode().GetName() == "Source ED"
