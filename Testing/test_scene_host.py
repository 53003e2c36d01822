"""The headless host: names it adds, refusals, scripted module classes, and scenes saved and read again."""

import numpy as np
import pytest
import slicer

from DeformationSceneLib.placement import place_beside
from DeformationSceneLib.segmentations import add_segmentation, labels_from_segmentation
from DeformationSceneLib.transforms import add_displacement_transform, displacement_from_transform, show_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume
from Testing.SlicerHost import pythonqt, samples
from Testing.SlicerHost.application import load_scene, save_scene, start


def test_start_can_be_repeated(scene):
    assert start() is slicer.app
    assert slicer.app.mrmlScene() is slicer.mrmlScene is scene


def test_unknown_members_are_refused(scene):
    with pytest.raises(AttributeError, match=r"slicer\.app\.dicomDatabase is not covered"):
        slicer.app.dicomDatabase()
    assert slicer.app.connect("urlReceived(QString)", print) is False
    assert "urlReceived(QString)' does not exist" in pythonqt.refused_connections.pop()


def test_startup_callbacks_run_once(scene):
    calls = []
    slicer.app.connect("startupCompleted()", lambda: calls.append(1))
    slicer.app.startup_completed()
    slicer.app.startup_completed()
    assert calls == [1]


def test_scripted_module_classes(scene):
    from slicer.i18n import tr, translate
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ExampleLogic(ScriptedLoadableModuleLogic):
        pass

    node = ExampleLogic().getParameterNode()
    assert node.GetAttribute("ModuleName") == "Example"
    assert ExampleLogic().getParameterNode() is node
    scene.Clear(False)
    assert ExampleLogic().getParameterNode().GetAttribute("ModuleName") == "Example"

    logic = ExampleLogic()
    logic.isSingletonParameterNode = False
    assert logic.getParameterNode().GetAttribute("ModuleName") == "Example"
    assert tr("text") == translate("context", "text") == "text"


def same_picture(one, other):
    """Whether two images are equal in space: Slicer's reader stores left-handed volumes the other way round."""
    points = samples.points(other.geometry).reshape(-1, 3)
    index = one.geometry.physical_to_index(points)
    i, j, k = np.rint(index).astype(int).T
    return np.allclose(index, np.rint(index), atol=1e-3) and np.array_equal(one.array[k, j, i], other.array.ravel())


@pytest.mark.parametrize("direction", ["oblique", "oblique and left-handed"])
def test_saved_scene_keeps_geometry_transform_references_and_segmentation(scene, tmp_path, direction):
    grid = samples.geometry(direction)
    image, displacement, labels = samples.blob(grid), samples.smooth_displacement(grid), samples.two_labels(grid)
    fixed, moving = add_volume(scene, image, "fixed"), add_volume(scene, image, "moving")
    transform = add_displacement_transform(scene, displacement, "transform", fixed, moving)
    show_transform(transform, "grid", spacing_mm=2.5, maximum_mm=3.0)
    moving.SetAndObserveTransformNodeID(transform.GetID())
    add_segmentation(
        scene, labels, "segmentation", names={1: "head", 2: "body"}, colours={1: (1, 0, 0)}, reference_volume_node=fixed
    )
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(fixed), study)
    place_beside(transform, fixed)
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")

    fixed, moving, transform, segmentation = map(
        scene.GetFirstNodeByName, ("fixed", "moving", "transform", "segmentation")
    )
    assert same_picture(image_from_volume(fixed), image)
    assert transform.IsA("vtkMRMLGridTransformNode")
    assert np.allclose(displacement_from_transform(transform).array, displacement.array, atol=1e-4)
    assert displacement_from_transform(transform).geometry.same_grid(grid, 1e-4)
    assert moving.GetParentTransformNode() is transform
    assert transform.GetNodeReference(slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole()) is fixed
    assert transform.GetNodeReference(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole()) is moving
    display = transform.GetDisplayNode()
    assert display.GetVisualizationMode() == display.VIS_MODE_GRID
    assert display.GetGridSpacingMm() == 2.5
    assert display.GetVisibility2D()
    assert display.GetColorMap().GetRange() == (0.0, 3.0)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (fixed, transform)}
    assert [hierarchy.GetItemName(parent) for parent in parents] == ["study"]
    assert np.array_equal(labels_from_segmentation(segmentation, image).array, labels.array)
    segments = [segmentation.GetSegmentation().GetNthSegment(n) for n in range(2)]
    assert [segment.GetName() for segment in segments] == ["head", "body"]
    assert segments[0].GetColor() == (1.0, 0.0, 0.0)


def test_missing_scene_file_is_reported_before_the_scene_is_closed(scene, tmp_path):
    node = add_volume(scene, samples.blob(samples.geometry()), "volume")
    with pytest.raises(OSError, match="There is no scene file"):
        load_scene(tmp_path / "missing.mrb")
    assert scene.IsNodePresent(node)
