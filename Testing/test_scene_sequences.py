"""Sequences that play: recording, and the amplitudes of a component on an image and its structure."""

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.phantoms import two_part_phantom
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels
from DeformationSceneLib import component_export
from DeformationSceneLib.component_export import AmplitudeSequence, ComponentDeformation, describe_amplitudes
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.segmentations import add_segmentation, labels_from_segmentation
from DeformationSceneLib.sequences import SequenceRecording
from DeformationSceneLib.transforms import add_displacement_transform, displacement_from_transform, set_displacement
from DeformationSceneLib.volumes import add_volume
from LatentRegistrationLib.model import RegistrationModel
from Testing.SlicerHost import samples
from Testing.SlicerHost.application import load_scene, save_scene

IMAGE, LABELS = two_part_phantom(4)


@pytest.fixture(scope="session")
def explorer(application):
    return RegistrationModel.load("phantom", "cpu").explorer(IMAGE)


@pytest.fixture
def image_node(scene):
    return add_volume(scene, IMAGE, "phantom")


@pytest.fixture
def segmentation(scene, image_node):
    return add_segmentation(scene, LABELS, "parts", names={1: "Head", 2: "Body"}, reference_volume_node=image_node)


def sequences_of(browser):
    found = vtk.vtkCollection()
    browser.GetSynchronizedSequenceNodes(found, True)
    return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]


def ids_of(scene):
    return {node.GetID() for node in nodes_of(scene)}


def record_transform(scene, amplitudes=(-1.0, 0.0, 1.0)):
    grid = samples.geometry()
    node = add_displacement_transform(scene, samples.smooth_displacement(grid, 0.0), "transform")
    recording = SequenceRecording(scene, [node], "amplitude", "SD")
    for amplitude in amplitudes:
        set_displacement(node, samples.smooth_displacement(grid, amplitude))
        recording.record(amplitude)
    return node, recording.finish("sweep", selected=0)


def strength(node):
    return float(np.abs(displacement_from_transform(node).array).max())


def test_recorded_states_play(scene):
    node, browser = record_transform(scene, (0.0, 1.0, 3.0))
    (sequence,) = sequences_of(browser)
    assert [sequence.GetNthIndexValue(index) for index in range(3)] == ["0", "1", "3"]
    assert (sequence.GetIndexName(), sequence.GetIndexUnit()) == ("amplitude", "SD")
    assert browser.GetProxyNode(sequence) is node
    assert node.GetName() == "transform"
    assert strength(node) == 0.0
    browser.SetSelectedItemNumber(2)
    assert strength(node) == pytest.approx(3.0, rel=0.1)
    browser.SelectNextItem(1)  # round to the first
    assert strength(node) == 0.0
    browser.SetPlaybackActive(True)
    logic = slicer.app.moduleLogic("Sequences")
    logic.UpdateAllProxyNodes()
    assert browser.GetPlaybackLooped()


def test_changing_a_proxy_does_not_change_what_was_recorded(scene):
    node, browser = record_transform(scene)
    set_displacement(node, samples.smooth_displacement(samples.geometry(), 9.0))
    browser.SetSelectedItemNumber(1)
    browser.SetSelectedItemNumber(0)
    assert strength(node) == pytest.approx(1.0, rel=0.1)


def test_grid_transforms_survive_saving(scene, tmp_path):
    record_transform(scene)
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    (sequence,) = sequences_of(browser)
    assert all(sequence.GetNthDataNode(index).IsA("vtkMRMLGridTransformNode") for index in range(3))
    node = browser.GetProxyNode(sequence)
    assert node.GetName() == "transform"
    browser.SetSelectedItemNumber(1)
    assert strength(node) == pytest.approx(0.0, abs=1e-4)
    browser.SetSelectedItemNumber(2)
    assert strength(node) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("as_label_map", [False, True])
def test_amplitude_sequence_agrees_with_the_explorer(scene, explorer, image_node, segmentation, as_label_map):
    structure = add_volume(scene, LABELS, "label map", labels=True) if as_label_map else segmentation
    export = AmplitudeSequence(image_node, structure, explorer, component=1, deviations=2.0, steps=5)
    export.compute(Progress())
    nodes = export.addToScene()
    browser = nodes.browser
    assert browser.GetName() == "phantom component 2 from -2 to +2 SD"
    assert [s.GetNthIndexValue(0) for s in sequences_of(browser)] == ["-2", "-2", "-2"]
    assert browser.GetNumberOfItems() == 5
    assert browser.GetSelectedItemNumber() == 2
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes.warped), IMAGE.array)  # 0 SD
    browser.SetSelectedItemNumber(4)
    expected = explorer.displacement(amplitudes=explorer.amplitudes([0.0, 2.0]))
    np.testing.assert_allclose(displacement_from_transform(nodes.transform, IMAGE).array, expected.array, atol=2e-3)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.warped), warp_image(IMAGE, expected).array, atol=1e-3)
    if as_label_map:
        shown = slicer.util.arrayFromVolume(nodes.segmentation)
        assert nodes.segmentation.IsA("vtkMRMLLabelMapVolumeNode")
    else:
        shown = labels_from_segmentation(nodes.segmentation, IMAGE).array
        assert nodes.segmentation.GetSegmentation().GetNthSegment(1).GetName() == "Body"
    np.testing.assert_array_equal(shown, warp_labels(LABELS, expected).array)
    assert nodes.warped.GetName() == "phantom deformed by component 2"
    assert nodes.transform.GetName() == "phantom component 2"


def test_sequence_of_transforms_alone_where_images_would_fill_the_memory(scene, explorer, image_node, monkeypatch):
    monkeypatch.setattr(component_export, "MAXIMUM_IMAGE_BYTES", 1000)
    export = AmplitudeSequence(image_node, None, explorer, steps=3)
    export.compute(Progress())
    nodes = export.addToScene()
    assert nodes.warped is None
    assert "too large" in nodes.remark
    assert len(sequences_of(nodes.browser)) == 1


def test_one_deformation_keeps_its_nodes(scene, explorer, image_node, segmentation):
    amplitudes = explorer.amplitudes([1.0, -2.0])
    export = ComponentDeformation(image_node, segmentation, explorer, amplitudes)
    export.compute(Progress())
    nodes = export.addToScene("grid")
    expected = explorer.displacement(amplitudes=amplitudes)
    np.testing.assert_allclose(displacement_from_transform(nodes.transform).array, expected.array, atol=1e-5)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.warped), warp_image(IMAGE, expected).array)
    np.testing.assert_array_equal(
        labels_from_segmentation(nodes.segmentation, IMAGE).array, warp_labels(LABELS, expected).array
    )
    assert nodes.warped.GetName() == "phantom deformed by components 1, 2 at +1, -2 SD"
    assert nodes.transform.GetSaveWithScene()
    display = nodes.transform.GetDisplayNode()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID


def test_amplitudes_in_words():
    assert describe_amplitudes([]) == describe_amplitudes([0.0, 0.0]) == "undeformed"
    assert describe_amplitudes([0.0, 0.0, 1.5]) == "component 3 at +1.5 SD"
    assert describe_amplitudes([1.0, 0.0, -0.25]) == "components 1, 3 at +1, -0.25 SD"
    assert describe_amplitudes([1.0] * 5) == "5 components"


def test_cancelled_export_adds_nothing(scene, explorer, image_node, segmentation):
    before = ids_of(scene)
    progress = Progress(lambda fraction, message: fraction > 0.4 and progress.cancel())
    export = AmplitudeSequence(image_node, segmentation, explorer)
    with pytest.raises(Cancelled):
        export.compute(progress)
    assert ids_of(scene) == before


def test_failure_while_adding_leaves_the_scene_as_it_was(scene, explorer, image_node, segmentation, monkeypatch):
    export = AmplitudeSequence(image_node, segmentation, explorer, steps=2)
    export.compute(Progress())
    before = ids_of(scene)

    def fail(*arguments, **settings):
        raise MemoryError

    monkeypatch.setattr(SequenceRecording, "finish", fail)
    with pytest.raises(MemoryError):
        export.addToScene()
    assert ids_of(scene) == before


def test_image_deleted_meanwhile(scene, explorer, image_node):
    export = ComponentDeformation(image_node, None, explorer, [10.0])
    export.compute(Progress())
    scene.RemoveNode(image_node)
    with pytest.raises(InputError, match="deleted meanwhile"):
        export.addToScene()


def test_component_that_does_not_exist_is_refused(scene, explorer, image_node):
    with pytest.raises(InputError, match="no component 33: this model has 32"):
        AmplitudeSequence(image_node, None, explorer, component=32)
