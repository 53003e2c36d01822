"""Sequences of a motion in the scene: names, places, playback, displays that stay, saving and loading."""

import numpy as np
import pytest
import slicer

from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.segmentations import labels_from_segmentation
from DeformationSceneLib.sequences import SequenceIndex, sequences_of
from DeformationSceneLib.transforms import displacement_from_transform
from MotionModelSceneLib import motion_nodes
from MotionModelSceneLib.motion_nodes import MotionFrames, add_motion, compute_frames, layers_on
from Testing.motion_fixtures import HEART, add_heart
from Testing.SlicerHost.application import load_scene, save_scene

TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^10200004^Heart~^^~A~^^~^^"
)


class Beating:
    """What `compute_frames` asks of a motion, with the phantom's own displacements."""

    reference = HEART.frames[0]
    planar, frames = False, HEART.frames

    def __len__(self):
        return len(HEART.frames)

    def displacement(self, number):
        return HEART.displacements[number]

    def warp(self, image, number):
        return image.with_array(image.array + 10.0 * number)

    def compensate(self, number):
        return self.warp(self.reference, -number)

    def warp_labels(self, labels, number):
        return labels.with_array(np.roll(labels.array, number, axis=2))

    def jacobian(self, number):
        return self.reference.with_array(np.full(self.reference.array.shape, 1.0 - 0.1 * number))


def recorded(scene, outputs=frozenset({"segmentation", "jacobian", "warped"}), display="grid"):
    """The phantom's motion, added to the browser of its series."""
    sequence, browser, parts = add_heart(scene)
    parts.GetSegmentation().GetNthSegment(1).SetTerminology(TERMINOLOGY)
    layers = layers_on(parts, HEART.frames[0], "Cine")
    frames = compute_frames(Beating(), layers, set(outputs), Progress())
    volume = browser.GetProxyNode(sequence)
    nodes = add_motion(scene, frames, "Cine", SequenceIndex.of(sequence), volume, parts, browser, display=display)
    return sequence, browser, parts, nodes


def test_everything_is_in_the_browser_of_the_series(scene):
    sequence, browser, _parts, nodes = recorded(scene)
    assert list(nodes.sequences) == ["transform", "segmentation", "warped", "jacobian"]
    assert sequences_of(browser) == [sequence, *nodes.sequences.values()]
    assert browser.GetMasterSequenceNode() is sequence
    for name, one in nodes.sequences.items():
        assert browser.GetProxyNode(one) is getattr(nodes, name)
        assert SequenceIndex.of(one) == SequenceIndex.of(sequence)
        assert browser.GetSaveChanges(one) == (name == "segmentation")
    assert [node.GetName() for node in nodes.proxies().values()] == [
        "Cine motion",
        "Cine heart tracked",
        "Cine reference moved",
        "Cine Jacobian",
    ]
    for number in (4, 1):
        browser.SetSelectedItemNumber(number)
        np.testing.assert_allclose(
            displacement_from_transform(nodes.transform).array, HEART.displacements[number].array, atol=1e-5
        )
        assert slicer.util.arrayFromVolume(nodes.jacobian).mean() == pytest.approx(1.0 - 0.1 * number)
        expected = np.roll(HEART.labels[0].array, number, axis=2)
        np.testing.assert_array_equal(labels_from_segmentation(nodes.segmentation, HEART.frames[0]).array, expected)


def test_playing_moves_all(scene):
    _sequence, browser, _parts, nodes = recorded(scene)
    browser.SelectNextItem()
    first = displacement_from_transform(nodes.transform).array
    browser.SelectNextItem()
    assert np.abs(displacement_from_transform(nodes.transform).array - first).max() > 0.5
    assert nodes.transform.GetName() == "Cine motion"


def test_displays_survive_the_change_of_items(scene):
    _sequence, browser, parts, nodes = recorded(scene)
    transform, segmentation = nodes.transform.GetDisplayNode(), nodes.segmentation.GetDisplayNode()
    assert transform.GetVisualizationMode() == transform.VIS_MODE_GRID
    assert transform.GetVisibility()
    transform.SetGridSpacingMm(7.0)
    segmentation.SetSegmentOpacity2DFill(parts.GetSegmentation().GetNthSegmentID(1), 0.1)
    jacobian = nodes.jacobian.GetDisplayNode().GetColorNodeID()
    for number in range(6):
        browser.SetSelectedItemNumber(number)
    assert nodes.transform.GetDisplayNode() is transform
    assert transform.GetGridSpacingMm() == 7.0
    assert segmentation.GetSegmentOpacity2DFill(parts.GetSegmentation().GetNthSegmentID(1)) == pytest.approx(0.1)
    assert nodes.jacobian.GetDisplayNode().GetColorNodeID() == jacobian


def test_segments_keep_names_colours_and_terminology(scene):
    _sequence, browser, parts, nodes = recorded(scene)
    for number in (0, 5):
        browser.SetSelectedItemNumber(number)
        own, moved = parts.GetSegmentation(), nodes.segmentation.GetSegmentation()
        assert list(moved.GetSegmentIDs()) == list(own.GetSegmentIDs())
        for identifier in own.GetSegmentIDs():
            one, other = own.GetSegment(identifier), moved.GetSegment(identifier)
            assert other.GetName() == one.GetName()
            assert other.GetColor() == one.GetColor()
            assert other.GetTerminology() == one.GetTerminology()
        assert moved.GetNthSegment(1).GetTerminology() == TERMINOLOGY


def test_outputs_lie_beside_the_series(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    sequence, browser, parts = add_heart(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    volume = browser.GetProxyNode(sequence)
    for node in (volume, parts):
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    frames = compute_frames(Beating(), layers_on(parts, HEART.frames[0], "Cine"), {"segmentation"}, Progress())
    nodes = add_motion(scene, frames, "Cine", SequenceIndex.of(sequence), volume, parts, browser)
    for node in nodes.proxies().values():
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_all_survives_saving_and_loading(scene, tmp_path):
    _sequence, browser, _parts, nodes = recorded(scene)
    names = {key: node.GetName() for key, node in nodes.proxies().items()}
    colour = nodes.segmentation.GetSegmentation().GetNthSegment(2).GetColor()
    browser.SetSelectedItemNumber(2)
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    by_name = {browser.GetProxyNode(one).GetName(): one for one in sequences_of(browser)}
    assert len(by_name) == 5
    transforms, segmentations, jacobians = (by_name[names[key]] for key in ("transform", "segmentation", "jacobian"))
    assert all(transforms.GetNthDataNode(number).IsA("vtkMRMLGridTransformNode") for number in range(6))
    assert transforms.GetIndexUnit() == "ms"
    browser.SetSelectedItemNumber(3)
    found = displacement_from_transform(browser.GetProxyNode(transforms))
    np.testing.assert_allclose(found.array, HEART.displacements[3].array, atol=1e-4)
    moved = browser.GetProxyNode(segmentations)
    np.testing.assert_array_equal(
        labels_from_segmentation(moved, HEART.frames[0]).array, np.roll(HEART.labels[0].array, 3, axis=2)
    )
    assert moved.GetSegmentation().GetNthSegment(2).GetName() == "LV"
    assert moved.GetSegmentation().GetNthSegment(1).GetTerminology() == TERMINOLOGY
    np.testing.assert_allclose(moved.GetSegmentation().GetNthSegment(2).GetColor(), colour, atol=0.01)
    assert slicer.util.arrayFromVolume(browser.GetProxyNode(jacobians)).mean() == pytest.approx(0.7, abs=1e-3)
    display = browser.GetProxyNode(transforms).GetDisplayNode()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID


def test_large_series_store_every_second_voxel(scene, monkeypatch):
    monkeypatch.setattr(motion_nodes, "MAXIMUM_TRANSFORM_BYTES", 1000)
    frames = compute_frames(Beating(), [], set(), Progress())
    thin = frames.transform[3]
    assert thin.array.shape == (3, 16, 16, 3)
    np.testing.assert_allclose(thin.spacing, (6.0, 6.0, 10.0))
    np.testing.assert_array_equal(thin.array, HEART.displacements[3].array[:, ::2, ::2])
    assert frames.displacement(3).array.shape == (3, 32, 32, 3)


def test_warped_frames_keep_the_type_of_the_series():
    class Whole(Beating):
        reference = HEART.frames[0].with_array(HEART.frames[0].array.astype(np.int16))

    frames = compute_frames(Whole(), [], {"warped"}, Progress())
    assert frames.warped[1].array.dtype == np.int16
    assert frames.segmentation == frames.jacobian == []


def test_a_flat_series(scene):
    flat = [Image(frame.array[1:2], frame.spacing, frame.origin) for frame in HEART.frames]
    displacements = [Image(one.array[1:2], one.spacing, one.origin) for one in HEART.displacements]
    nodes = add_motion(scene, MotionFrames(transform=displacements), "Flat", SequenceIndex.counted(6), None)
    nodes.browser.SetSelectedItemNumber(4)
    found = displacement_from_transform(nodes.transform, flat[0])
    np.testing.assert_allclose(found.array, displacements[4].array, atol=1e-4)
