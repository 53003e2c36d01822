"""Names, the subject hierarchy, and a scene that a failed run leaves as it was."""

import pytest
import slicer

from DeformationLib.errors import Cancelled
from DeformationSceneLib.placement import (
    nodes_of,
    output_name,
    place_beside,
    scene_as_it_was_on_failure,
    unique_name,
)
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.transforms import add_displacement_transform, show_transform
from DeformationSceneLib.volumes import add_volume
from Testing.SlicerHost import samples


def hierarchy_of(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def add_all_outputs(scene):
    image = samples.blob(samples.geometry())
    transform = add_displacement_transform(scene, samples.smooth_displacement(image.geometry), "transform")
    show_transform(transform, "arrows")
    labels = samples.two_labels(image.geometry)
    return [add_volume(scene, image, "warped"), transform, add_segmentation(scene, labels, "segmentation")]


def test_outputs_are_named_after_the_inputs(scene):
    image = samples.blob(samples.geometry())
    fixed, moving = add_volume(scene, image, "week 0"), add_volume(scene, image, "week 8")
    assert output_name(scene, moving, fixed) == "week 8 warped to week 0"
    assert output_name(scene, moving, fixed, "transform") == "week 8 to week 0 transform"
    warped = add_volume(scene, image, output_name(scene, moving, fixed))
    assert output_name(scene, moving, fixed) == "week 8 warped to week 0 (2)"
    scene.RemoveNode(warped)
    assert output_name(scene, moving, fixed) == "week 8 warped to week 0"


def test_names_are_unique(scene):
    image = samples.blob(samples.geometry())
    for expected in ("a", "a (2)", "a (3)"):
        assert add_volume(scene, image, unique_name(scene, "a")).GetName() == expected


def test_outputs_go_into_the_folder_of_the_input(scene):
    hierarchy = hierarchy_of(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    fixed = add_volume(scene, samples.blob(samples.geometry()), "fixed")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(fixed), study)
    for output in add_all_outputs(scene):
        place_beside(output, fixed)
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(output)) == study
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(fixed)) == study


def test_input_on_top_level_leaves_the_output_there(scene):
    fixed = add_volume(scene, samples.blob(samples.geometry()), "fixed")
    output = add_volume(scene, samples.blob(samples.geometry()), "output")
    place_beside(output, fixed)
    hierarchy = hierarchy_of(scene)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(output)) == hierarchy.GetSceneItemID()
    place_beside(output, None)


@pytest.mark.parametrize("error", [ValueError("broken"), Cancelled(), KeyboardInterrupt()])
def test_a_failed_run_leaves_the_scene_as_it_was(scene, error):
    add_volume(scene, samples.blob(samples.geometry()), "input")
    hierarchy = hierarchy_of(scene)
    before = [node.GetID() for node in nodes_of(scene)], hierarchy.GetNumberOfItems()

    def run():
        with scene_as_it_was_on_failure(scene):
            for output in add_all_outputs(scene):
                place_beside(output, scene.GetFirstNodeByName("input"))
            raise error

    with pytest.raises(type(error)):
        run()
    assert ([node.GetID() for node in nodes_of(scene)], hierarchy.GetNumberOfItems()) == before


def test_a_run_that_succeeds_keeps_its_nodes(scene):
    with scene_as_it_was_on_failure(scene):
        outputs = add_all_outputs(scene)
    assert all(scene.IsNodePresent(node) for node in outputs)


def test_nodes_removed_meanwhile_do_not_disturb(scene):
    def run():
        with scene_as_it_was_on_failure(scene):
            warped, *_ = add_all_outputs(scene)
            scene.RemoveNode(warped)
            raise ValueError

    with pytest.raises(ValueError):
        run()
    assert not slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
