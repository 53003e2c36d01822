"""The panel's section Explore, as its user meets it: sliders, animation, plots, exports, and what goes wrong."""

import sys
import threading
import time
import types

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.phantoms import two_part_phantom
from DeformationSceneLib import amplitude_animation, installation
from DeformationSceneLib.amplitude_animation import AmplitudeAnimation
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import add_volume
from LatentRegistrationLib.explorer import Explorer
from Testing.panel_steps import SECONDS, Obstacle, handle_events, scene_ids
from Testing.SlicerHost import dialogs
from Testing.SlicerHost.application import load_scene, save_scene, testing

IMAGE, LABELS = two_part_phantom(4)
AMPLITUDE = 3  # column of the table


@pytest.fixture
def chosen(panel, scene):
    """A phantom with a segmentation, chosen in the panel, with the model made for it."""
    image = add_volume(scene, IMAGE, "phantom")
    parts = add_segmentation(scene, LABELS, "parts", names={1: "Head", 2: "Body"}, reference_volume_node=image)
    ui = panel.ui
    ui.exploreVolumeSelector.setCurrentNode(image)
    ui.exploreStructureSelector.setCurrentNode(parts)
    choose_model(panel, "phantom")
    return image, parts


@pytest.fixture
def explored(panel, chosen):
    """The same, with the exploration on."""
    explore(panel)
    assert panel.explore.exploring
    return chosen


def choose_model(panel, name):
    box = panel.ui.exploreModelComboBox
    assert box.findText(name) >= 0
    box.setCurrentIndex(box.findText(name))


def explore(panel):
    panel.ui.exploreButton.click()
    assert panel.explore._job.wait(SECONDS)


def settle(panel):
    assert panel.explore._request.wait(SECONDS)


def live(panel):
    return panel.explore.exploration.live


def strength(transform_node):
    return float(np.abs(displacement_from_transform(transform_node).array).max())


def expected_displacement(panel, deviations):
    return panel.explore.exploration.explorer.live_displacement(deviations).array


def shown_displacement(panel):
    return displacement_from_transform(live(panel).transform).array


def amplitude_text(panel, row):
    return panel.ui.exploreComponentsTable.item(row, AMPLITUDE).text()


def type_amplitude(panel, row, text):
    panel.ui.exploreComponentsTable.item(row, AMPLITUDE).setText(text)


def live_names(scene):
    return sorted(node.GetName() for node in nodes_of(scene) if node.GetName() and node.GetName().endswith(": live"))


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        slicer.app.processEvents()


# Starting and stopping


def test_explore_asks_for_a_volume(panel, scene):
    assert not panel.ui.exploreButton.enabled
    assert "Select a volume" in panel.ui.exploreButton.toolTip
    panel.ui.exploreVolumeSelector.setCurrentNode(add_volume(scene, IMAGE, "phantom"))
    assert panel.ui.exploreButton.enabled


def test_exploring_lists_the_components_and_shows_live_nodes(panel, chosen, scene):
    ui = panel.ui
    before = scene_ids(scene)
    assert not ui.exploreAmplitudeSlider.enabled
    ui.exploreButton.click()
    assert ui.exploreButton.text == "Cancel"
    assert not ui.exploreProgressBar.isHidden()
    assert panel.explore._job.wait(SECONDS)
    assert ui.exploreButton.text == "Stop exploring"
    assert ui.exploreButton.checked
    assert ui.exploreProgressBar.isHidden()
    assert live_names(scene) == ["parts deformed: live", "parts undeformed: live", "phantom deformation: live"]
    table, shares = ui.exploreComponentsTable, panel.explore.exploration.explorer.explained_variance_ratio
    assert table.rowCount == 32
    assert [table.item(1, column).text() for column in range(4)] == [
        "2",
        f"{100 * shares[1]:.1f} %",
        f"{100 * shares[:2].sum():.1f} %",
        "0.00",
    ]
    assert ui.exploreAmplitudeSlider.enabled
    ui.exploreButton.click()
    assert ui.exploreButton.text == "Explore"
    assert not ui.exploreButton.checked
    assert scene_ids(scene) == before
    assert table.rowCount == 0
    assert not ui.exploreAmplitudeSlider.enabled


def test_live_nodes_cannot_be_chosen_as_inputs(panel, explored):
    image, parts = explored
    ui = panel.ui
    ui.exploreShowImageCheckBox.click()
    ui.exploreStructureSelector.setCurrentNode(live(panel).deformed)
    assert ui.exploreStructureSelector.currentNode() is parts
    assert "cannot be explored itself" in ui.exploreMessageLabel.text
    ui.exploreVolumeSelector.setCurrentNode(live(panel).deformed_image)
    assert ui.exploreVolumeSelector.currentNode() is image
    assert panel.explore.exploring


def test_an_image_without_structure(panel, chosen, scene):
    panel.ui.exploreStructureSelector.setCurrentNode(None)
    explore(panel)
    assert live_names(scene) == ["phantom deformation: live"]


def test_cancel_while_encoding_leaves_the_scene(panel, chosen, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, panel)
    before = scene_ids(scene)
    panel.ui.exploreButton.click()
    assert obstacle.reached.wait(SECONDS)
    panel.ui.exploreButton.click()  # the thread is still held up
    assert not panel.explore.running
    assert panel.ui.exploreButton.text == "Explore"
    assert "Cancelled" in panel.ui.exploreMessageLabel.text
    obstacle.go_on.set()
    handle_events(0.2)
    assert not panel.explore.exploring
    assert scene_ids(scene) == before


# Amplitudes


def test_the_slider_moves_the_chosen_component(panel, explored):
    ui = panel.ui
    ui.exploreAmplitudeSlider.value = 1.5
    settle(panel)
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [1.5]), atol=1e-5)
    assert amplitude_text(panel, 0) == "1.50"
    assert list(panel._parameterNode.exploreAmplitudes)[:2] == [1.5, 0.0]
    ui.exploreComponentsTable.setCurrentCell(2, 0)
    assert ui.exploreAmplitudeSlider.value == 0.0
    assert panel._parameterNode.exploreComponent == 2
    ui.exploreAmplitudeSlider.value = -0.5
    settle(panel)
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [1.5, 0.0, -0.5]), atol=1e-5)
    ui.exploreComponentsTable.setCurrentCell(0, 0)
    assert ui.exploreAmplitudeSlider.value == 1.5


def test_amplitudes_can_be_typed(panel, explored):
    type_amplitude(panel, 1, "0,75")
    type_amplitude(panel, 4, " -2 SD")
    settle(panel)
    np.testing.assert_allclose(
        shown_displacement(panel), expected_displacement(panel, [0.0, 0.75, 0.0, 0.0, -2.0]), atol=1e-5
    )
    assert amplitude_text(panel, 4) == "-2.00"
    for refused in ("much", "nan", "inf"):
        type_amplitude(panel, 1, refused)
        assert amplitude_text(panel, 1) == "0.75"
    type_amplitude(panel, 1, "50")
    assert amplitude_text(panel, 1) == "3.00"
    type_amplitude(panel, 1, "")
    assert amplitude_text(panel, 1) == "0.00"


def test_reset_sets_all_amplitudes_to_zero(panel, explored):
    type_amplitude(panel, 0, "1")
    type_amplitude(panel, 3, "2")
    panel.ui.exploreResetButton.click()
    settle(panel)
    assert strength(live(panel).transform) == pytest.approx(0.0, abs=1e-5)
    assert {amplitude_text(panel, row) for row in range(32)} == {"0.00"}
    assert panel.ui.exploreAmplitudeSlider.value == 0.0


def test_changes_faster_than_the_computation_are_left_out(panel, explored, monkeypatch):
    settle(panel)
    computed, reached, go_on = [], threading.Event(), threading.Event()

    def slow(self, deviations):
        computed.append(deviations[0])
        reached.set()
        go_on.wait(SECONDS)
        return original(self, deviations)

    original = Explorer.live_displacement
    monkeypatch.setattr(Explorer, "live_displacement", slow)
    panel.ui.exploreAmplitudeSlider.value = 0.05
    assert reached.wait(SECONDS)
    for step in range(2, 41):
        panel.ui.exploreAmplitudeSlider.value = 0.05 * step
    go_on.set()
    settle(panel)
    assert computed == [0.05, 2.0]
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [2.0]), atol=1e-5)


def test_failing_computation_ends_the_exploration_with_a_sentence(main_window, panel, explored, scene, monkeypatch):
    def fail(self, deviations):
        raise InputError("The amplitude cannot be used.")

    monkeypatch.setattr(Explorer, "live_displacement", fail)
    with testing(False), dialogs.answer("OK") as seen:
        panel.ui.exploreAmplitudeSlider.value = 1.0
        settle(panel)
    assert "cannot be used" in seen[0].text
    assert not panel.explore.exploring
    assert live_names(scene) == []


# Appearance


def test_display_of_the_deformation(panel, explored):
    display = live(panel).transform.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisualizationMode() == display.VIS_MODE_GLYPH
    box = panel.ui.exploreDisplayComboBox
    box.setCurrentIndex(box.findText("Grid"))
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    box.setCurrentIndex(box.findText("Nothing"))
    assert not display.GetVisibility()


def test_the_image_is_brought_into_the_views_and_deformed_there(views, panel, explored):
    image, _parts = explored
    composite = views.sliceWidget("Red").sliceLogic().GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == image.GetID()
    panel.ui.exploreShowImageCheckBox.click()
    shown = live(panel).deformed_image
    assert composite.GetBackgroundVolumeID() == shown.GetID()
    assert shown.GetParentTransformNode() is live(panel).transform
    panel.ui.exploreShowImageCheckBox.click()
    assert composite.GetBackgroundVolumeID() == image.GetID()


# Animation


def test_animation_swings_and_stays_where_it_is_stopped(panel, explored, monkeypatch):
    button, slider = panel.ui.exploreAnimateButton, panel.ui.exploreAmplitudeSlider
    now, seen = [100.0], [0.0]
    monkeypatch.setattr(amplitude_animation, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    modified = panel._parameterNode.parameterNode.GetMTime()
    button.click()
    for _ in range(6):
        now[0] += 0.2
        wait_until(lambda: slider.value != seen[-1])
        seen.append(slider.value)
    assert seen[-1] > 2.9
    assert seen == sorted(seen)  # the first quarter of a swing goes up
    assert panel._parameterNode.parameterNode.GetMTime() == modified
    button.click()
    assert not button.checked
    reached = slider.value
    settle(panel)
    assert next(iter(panel._parameterNode.exploreAmplitudes)) == pytest.approx(reached, abs=1e-3)
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [reached]), atol=5e-3)


def test_animation_starts_where_the_amplitude_is_and_turns(monkeypatch):
    now, seen = [100.0], []
    monkeypatch.setattr(amplitude_animation, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    animation = AmplitudeAnimation(seen.append)
    animation.start(1.5, 3.0)
    for _ in range(50):
        animation._tick()
        now[0] += 0.1
    animation.stop()
    assert seen[0] == pytest.approx(1.5)
    assert seen[1] > 1.5
    assert max(seen) == pytest.approx(3.0, abs=0.02)
    assert min(seen) == pytest.approx(-3.0, abs=0.02)


def test_slider_reset_and_another_component_end_the_animation(panel, explored):
    ui = panel.ui
    for end in (
        lambda: setattr(ui.exploreAmplitudeSlider, "value", 0.25),
        ui.exploreResetButton.click,
        lambda: ui.exploreComponentsTable.setCurrentCell(5, 0),
        ui.exploreButton.click,
    ):
        ui.exploreAnimateButton.click()
        handle_events(0.1)
        assert ui.exploreAnimateButton.checked
        end()
        assert not ui.exploreAnimateButton.checked


def test_closing_the_scene_while_it_swings(panel, explored, scene):
    panel.ui.exploreAnimateButton.click()
    handle_events(0.15)
    scene.Clear(False)
    handle_events(0.15)
    assert not panel.explore.exploring
    assert not panel.ui.exploreAnimateButton.checked
    assert panel.ui.exploreButton.text == "Explore"
    assert not panel.ui.exploreButton.enabled
    assert live_names(scene) == []


def test_leaving_the_module_ends_the_animation_and_keeps_what_is_shown(panel, explored, scene):
    panel.ui.exploreAnimateButton.click()
    handle_events(0.2)
    panel.exit()
    assert not panel.ui.exploreAnimateButton.checked
    assert len(live_names(scene)) == 3
    panel.enter()
    assert panel.explore.exploring
    panel.ui.exploreAmplitudeSlider.value = 1.0
    settle(panel)
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [1.0]), atol=1e-5)


# Inputs that change


def test_deleting_the_image_ends_the_exploration(panel, explored, scene):
    panel.ui.exploreAnimateButton.click()
    handle_events(0.1)
    scene.RemoveNode(explored[0])
    handle_events(0.1)
    assert not panel.explore.exploring
    assert live_names(scene) == []
    assert panel.ui.exploreMessageLabel.text


def test_deleting_the_image_while_another_module_is_open(panel, explored, scene):
    panel.exit()
    scene.RemoveNode(explored[0])
    assert live_names(scene) == []
    panel.enter()
    assert not panel.explore.exploring


def test_deleting_the_live_transform_ends_the_exploration(panel, explored, scene):
    scene.RemoveNode(live(panel).transform)
    assert not panel.explore.exploring
    assert "deleted" in panel.ui.exploreMessageLabel.text
    assert live_names(scene) == []


@pytest.mark.parametrize("how", ["content", "place"])
def test_an_image_that_changes_has_to_be_encoded_again(panel, explored, scene, how):
    image, _parts = explored
    if how == "content":
        slicer.util.updateVolumeFromArray(image, slicer.util.arrayFromVolume(image) * 2.0)
    else:
        parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        image.SetAndObserveTransformNodeID(parent.GetID())
    assert not panel.explore.exploring
    assert "press Explore" in panel.ui.exploreMessageLabel.text


def test_another_image_stops_another_structure_starts_anew(panel, explored, scene):
    ui = panel.ui
    ui.exploreAmplitudeSlider.value = 1.0
    labels = add_volume(scene, LABELS, "label map", labels=True)
    ui.exploreStructureSelector.setCurrentNode(labels)
    assert panel.explore._job.wait(SECONDS)
    settle(panel)
    assert "label map deformed: live" in live_names(scene)
    assert "parts deformed: live" not in live_names(scene)
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [1.0]), atol=1e-5)
    ui.exploreVolumeSelector.setCurrentNode(add_volume(scene, two_part_phantom(1)[0], "other"))
    assert not panel.explore.exploring
    assert "press Explore" in ui.exploreMessageLabel.text
    assert live_names(scene) == []
    explore(panel)
    assert "other deformation: live" in live_names(scene)


def test_another_model_starts_anew_without_the_old_amplitudes(panel, explored):
    panel.ui.exploreAmplitudeSlider.value = 1.0
    choose_model(panel, "hippocampus")
    assert panel.explore._job.wait(SECONDS)
    assert panel.explore.exploration.model == "hippocampus"
    assert set(panel.explore.amplitudes()) == {0.0}


def test_a_model_that_is_gone_is_told(main_window, panel, explored, scene):
    panel.logic.forgetModels()
    with testing(False), dialogs.answer("OK") as seen:
        panel._parameterNode.exploreModel = "gone"
        assert panel.explore._job.wait(SECONDS)
    assert "gone" in seen[0].text
    assert not panel.explore.exploring
    assert live_names(scene) == []
    assert panel.ui.exploreButton.enabled


# What cannot be used


def refused(panel, scene):
    """The sentence of the dialog that pressing Explore leads to; the scene must stay as it is."""
    before = scene_ids(scene)
    with testing(False), dialogs.answer("OK") as seen:
        panel.ui.exploreButton.click()
        if panel.explore.running:
            assert panel.explore._job.wait(SECONDS)
    assert not panel.explore.exploring
    assert not panel.ui.exploreButton.checked
    assert panel.ui.exploreButton.enabled
    assert scene_ids(scene) == before
    assert len(seen) == 1
    return seen[0].text


def test_unusable_inputs_are_told(main_window, panel, chosen, scene):
    image, _parts = chosen
    ui = panel.ui
    slice_node = add_volume(scene, Image(IMAGE.array[20:21]), "slice")
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    blank = add_volume(scene, LABELS.with_array(LABELS.array * 0), "blank", labels=True)
    far = add_segmentation(scene, Image(LABELS.array, LABELS.spacing, (500.0, 0.0, 0.0)), "far")
    ui.exploreVolumeSelector.setCurrentNode(slice_node)
    assert "one slice" in refused(panel, scene)
    ui.exploreVolumeSelector.setCurrentNode(image)
    for node, sentence in (
        (empty, "'empty' has no segments"),
        (blank, "'blank'"),
        (far, "'far' lies outside the image"),
    ):
        ui.exploreStructureSelector.setCurrentNode(node)
        assert sentence in refused(panel, scene)


def test_a_model_without_components_is_told(main_window, panel, chosen, scene, monkeypatch):
    loaded = panel.logic.model("phantom", "cpu")
    bare = type(loaded)(loaded.network, loaded.grid, loaded.card, None)
    monkeypatch.setattr(panel.logic, "model", lambda *arguments: bare)
    assert "no latent decomposition" in refused(panel, scene)


def test_an_unforeseen_failure_is_told_without_a_traceback(main_window, panel, chosen, scene, monkeypatch, caplog):
    def fail(*arguments):
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(panel.logic, "model", fail)
    text = refused(panel, scene)
    assert "cosmic ray" not in text
    assert "cosmic ray" in caplog.text


def test_a_declined_installation_loses_nothing(main_window, panel, chosen, scene, monkeypatch):
    monkeypatch.setattr(installation, "missing_dependencies", lambda *arguments: [installation.TORCH])
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace())
    before = scene_ids(scene)
    with testing(False), dialogs.answer("No") as seen:
        panel.ui.exploreButton.click()
    assert "torch" in seen[0].text.lower()
    assert not panel.explore.running
    assert not panel.ui.exploreButton.checked
    assert "torch" in panel.ui.exploreMessageLabel.text.lower()
    assert scene_ids(scene) == before


def test_an_unlike_image_is_warned_of(panel, chosen, scene):
    chosen[0].SetSpacing(3.0, 3.0, 3.0)
    panel.ui.exploreStructureSelector.setCurrentNode(None)
    explore(panel)
    assert "spacing" in panel.ui.exploreMessageLabel.text


# Plots and exports


def test_plots_are_shown_and_follow(views, panel, explored, scene):
    ui = panel.ui
    ui.explorePopulationPlotButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    chart = scene.GetNodeByID(selection.GetActivePlotChartID())
    assert chart.GetTitle() == "phantom among the training cases"
    assert views.plotWidget(0) is not None
    count = scene.GetNumberOfNodes()
    ui.explorePlotFirstSpinBox.value = 4
    assert chart.GetXAxisTitle().startswith("Component 4")
    for button in (ui.exploreCoefficientsPlotButton, ui.exploreVariancePlotButton):
        button.click()
    assert scene.GetNumberOfNodes() > count
    count = scene.GetNumberOfNodes()
    for button in (ui.explorePopulationPlotButton, ui.exploreCoefficientsPlotButton, ui.exploreVariancePlotButton):
        button.click()
    assert scene.GetNumberOfNodes() == count
    other = add_volume(scene, two_part_phantom(1)[0], "other")
    ui.exploreVolumeSelector.setCurrentNode(other)
    explore(panel)
    assert chart.GetTitle() == "other among the training cases"
    ui.exploreButton.click()
    assert scene.IsNodePresent(chart)


def test_export_of_the_table(panel, explored, scene):
    panel.ui.exploreExportTableButton.click()
    assert scene.GetFirstNodeByName("phantom components").GetNumberOfRows() == 32
    assert "phantom components" in panel.ui.exploreMessageLabel.text


def test_export_of_the_present_deformation(panel, explored, scene):
    ui = panel.ui
    type_amplitude(panel, 0, "1.5")
    type_amplitude(panel, 2, "-1")
    ui.exploreExportTransformButton.click()
    assert ui.exploreButton.text == "Cancel"
    assert panel.explore._job.wait(SECONDS)
    name = "phantom components 1, 3 at +1.5, -1 SD"
    transform = scene.GetFirstNodeByName(name)
    full = panel.explore.exploration.explorer.displacement(
        amplitudes=panel.explore.exploration.explorer.amplitudes([1.5, 0.0, -1.0])
    )
    np.testing.assert_allclose(displacement_from_transform(transform).array, full.array, atol=1e-5)
    assert scene.GetFirstNodeByName("phantom deformed by components 1, 3 at +1.5, -1 SD") is not None
    assert scene.GetFirstNodeByName("parts components 1, 3 at +1.5, -1 SD").GetSaveWithScene()
    assert panel.explore.exploring
    assert ui.exploreButton.text == "Stop exploring"
    ui.exploreButton.click()
    assert scene.IsNodePresent(transform)


def test_export_of_a_sequence_that_plays(panel, explored, scene):
    panel.ui.exploreComponentsTable.setCurrentCell(1, 0)
    panel.ui.exploreExportSequenceButton.click()
    assert panel.explore._job.wait(SECONDS)
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    assert browser.GetName() == "phantom component 2 from -2 to +2 SD"
    assert browser.GetNumberOfItems() == 9
    transform = scene.GetFirstNodeByName("phantom component 2")
    browser.SetSelectedItemNumber(8)
    np.testing.assert_allclose(
        displacement_from_transform(transform).array, expected_displacement(panel, [0.0, 2.0]), atol=1e-5
    )
    assert panel.explore.exploring


def test_cancelled_export_leaves_scene_and_exploration(panel, explored, scene, monkeypatch):
    reached, go_on = threading.Event(), threading.Event()
    original = Explorer.displacement

    def displacement(self, *arguments, **settings):
        reached.set()
        go_on.wait(SECONDS)
        return original(self, *arguments, **settings)

    monkeypatch.setattr(Explorer, "displacement", displacement)
    before = scene_ids(scene)
    panel.ui.exploreExportSequenceButton.click()
    assert reached.wait(SECONDS)
    panel.ui.exploreButton.click()
    assert "Cancelled" in panel.ui.exploreMessageLabel.text
    go_on.set()
    handle_events(0.2)
    assert scene_ids(scene) == before
    assert panel.explore.exploring
    assert panel.ui.exploreButton.text == "Stop exploring"


# Scenes


def test_saving_and_reopening_restores_the_choices(panel, explored, scene, tmp_path):
    ui = panel.ui
    ui.exploreComponentsTable.setCurrentCell(1, 0)
    type_amplitude(panel, 1, "1.25")
    box = ui.exploreDisplayComboBox
    box.setCurrentIndex(box.findText("Grid"))
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    assert not panel.explore.exploring
    assert live_names(scene) == []
    assert ui.exploreVolumeSelector.currentNode().GetName() == "phantom"
    assert ui.exploreStructureSelector.currentNode().GetName() == "parts"
    assert ui.exploreModelComboBox.currentText == "phantom"
    assert box.currentText == "Grid"
    explore(panel)
    settle(panel)
    assert ui.exploreAmplitudeSlider.value == 1.25
    assert amplitude_text(panel, 1) == "1.25"
    np.testing.assert_allclose(shown_displacement(panel), expected_displacement(panel, [0.0, 1.25]), atol=1e-5)


def test_amplitudes_of_a_larger_model_are_cut_off(panel, explored):
    panel._parameterNode.exploreAmplitudes = [1.0] * 100
    panel._parameterNode.exploreComponent = 99
    settle(panel)
    assert len(panel.explore.amplitudes()) == 32
    assert panel.explore.component() == 31
    assert panel.ui.exploreAmplitudeSlider.value == 1.0


def test_parent_transform_of_the_image(panel, chosen, scene):
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 40.0)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(matrix)
    for node in chosen:
        node.SetAndObserveTransformNodeID(parent.GetID())
    explore(panel)
    centre = live(panel).centre
    plain = LABELS.geometry.centre * [-1, -1, 1]
    assert abs(centre[0] - plain[0] - 40.0) < 8.0
    assert abs(centre[1] - plain[1]) < 8.0
