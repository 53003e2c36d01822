"""Simulated and transported deformations and the uncertainty volume in the scene, against the backend's functions."""

import numpy as np
import pytest
import slicer
import vtk
from scipy import ndimage

from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.masks import mask_box
from DeformationLib.progress import Progress
from DeformationLib.registration import warp_image, warp_labels
from DeformationSceneLib.segmentations import add_segmentation, labels_from_segmentation
from DeformationSceneLib.transforms import displacement_from_transform, transform_points
from DeformationSceneLib.volumes import add_volume, image_from_volume
from LatentRegistrationLib.latent_cases import population_codes, prior_codes
from LatentRegistrationLib.transport import Subject, transport, transport_table
from LatentRegistrationLib.uncertainty import uncertainty
from Testing.panel_steps import scene_ids
from Testing.velocity_fixtures import FLAT, small_heart, velocity_bundle

NAMES = {1: "RV", 2: "Myocardium", 3: "Pool"}
SOURCE, TARGET = small_heart(0, contraction=1.0), small_heart(1, contraction=1.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A probabilistic model with random weights."""
    return str(velocity_bundle(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def logic(module):
    return module.LatentRegistrationLogic()


@pytest.fixture
def model(logic, bundle):
    return logic.model(bundle, "auto")


@pytest.fixture
def hearts(scene):
    """A source's end-systole and end-diastole, a target's end-diastole; segmentations of the last two."""
    nodes = [
        add_volume(scene, image, name)
        for image, name in (
            (SOURCE.frames[SOURCE.es_frame], "Source ES"),
            (SOURCE.frames[0], "Source ED"),
            (TARGET.frames[0], "Target"),
        )
    ]
    parts = [
        add_segmentation(scene, heart.labels[0], f"{node.GetName()} parts", names=NAMES, reference_volume_node=node)
        for heart, node in ((SOURCE, nodes[1]), (TARGET, nodes[2]))
    ]
    return (*nodes, *parts)


def cell(table, column):
    """The only value of a column."""
    return table.GetTable().GetColumnByName(column).GetVariantValue(0)


def cancelled_at(fraction):
    """A progress that is cancelled when it has come so far."""
    progress = Progress(lambda done, _message: progress.cancel() if done >= fraction else None)
    return progress


# Simulation


@pytest.mark.parametrize("source", ["prior", "population"])
def test_simulated_transforms_hold_what_the_model_makes_of_the_codes(hearts, logic, bundle, model, source):
    target = hearts[2]
    nodes = logic.simulateDeformations(target, 2, bundle, 7, source=source)
    generator = np.random.default_rng(7)
    if source == "prior":
        codes = prior_codes(model.latent, 2, generator)
    else:
        codes = population_codes(model.decomposition, 2, generator)
    np.testing.assert_array_equal(nodes.codes, codes)
    image = image_from_volume(target)
    for code, node in zip(codes, nodes.transforms, strict=True):
        expected = model.displacement(code, image).array
        np.testing.assert_allclose(displacement_from_transform(node).array, expected, atol=1e-4)
        assert np.abs(expected).max() > 0.5
    assert nodes.warped == nodes.segmentations == []


def test_a_seed_gives_the_same_samples_whatever_their_number(hearts, logic, bundle):
    first, more, other = (
        logic.simulateDeformations(hearts[2], count, bundle, seed) for count, seed in ((1, 3), (2, 3), (1, 4))
    )
    fields = [displacement_from_transform(nodes.transforms[0]).array for nodes in (first, more, other)]
    np.testing.assert_array_equal(fields[0], fields[1])
    assert np.abs(fields[0] - fields[2]).max() > 0.1


def test_simulated_nodes_are_named_after_the_image_and_lie_beside_it(hearts, scene, logic, bundle):
    target, parts = hearts[2], hearts[4]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    for node in (target, parts):
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    nodes = logic.simulateDeformations(target, 2, bundle, 1, parts, warped=True, display="arrows")
    made = [*nodes.transforms, *nodes.warped, *nodes.segmentations]
    assert [node.GetName() for node in made] == [
        "Target simulated 1",
        "Target simulated 2",
        "Target deformed, simulated 1",
        "Target deformed, simulated 2",
        "Target parts simulated 1",
        "Target parts simulated 2",
    ]
    assert {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in made} == {study}
    assert nodes.transforms[0].GetDisplayNode().GetVisibility()
    assert "seed 1" in nodes.transforms[0].GetDescription()
    field = displacement_from_transform(nodes.transforms[1])
    np.testing.assert_allclose(
        image_from_volume(nodes.warped[1]).array, warp_image(TARGET.frames[0], field).array, atol=1e-2
    )
    labels = labels_from_segmentation(nodes.segmentations[1], TARGET.frames[0]).array
    assert np.mean(labels != warp_labels(TARGET.labels[0], field).array) < 0.001
    segment = nodes.segmentations[1].GetSegmentation().GetNthSegment(2)
    assert segment.GetName() == "Pool"


def test_label_map_volumes_are_deformed_as_label_map_volumes(hearts, scene, logic, bundle):
    labels = add_volume(scene, TARGET.labels[0], "labels", labels=True)
    nodes = logic.simulateDeformations(hearts[2], 1, bundle, 0, labels)
    assert nodes.segmentations[0].IsA("vtkMRMLLabelMapVolumeNode")
    assert nodes.segmentations[0].GetName() == "labels simulated 1"


def test_a_model_without_components_draws_from_the_prior_only(hearts, logic, tmp_path):
    bundle = str(velocity_bundle(tmp_path, without=("decomposition",)))
    assert len(logic.simulateDeformations(hearts[2], 1, bundle).transforms) == 1
    with pytest.raises(InputError, match="draw from the prior"):
        logic.simulateDeformations(hearts[2], 1, bundle, source="population")


# Transport


def left_part(image, columns=46):
    """An image without its last columns, so that the heart is not in the middle."""
    return Image(np.ascontiguousarray(image.array[..., :columns]), image.spacing, image.origin)


def test_transport_is_the_backends(hearts, logic, bundle, model):
    nodes = logic.transportDeformation(*hearts[:3], bundle, *hearts[3:], label="Pool")
    fixed, moving, target = map(image_from_volume, hearts[:3])
    expected = transport(model, model.encode(fixed, moving), target)
    np.testing.assert_allclose(displacement_from_transform(nodes.transform).array, expected.array, atol=1e-4)
    np.testing.assert_allclose(
        image_from_volume(nodes.warped).array, warp_image(target, expected).array, rtol=1e-4, atol=1e-2
    )
    [row] = transport_table(
        model,
        [Subject("Source ED", moving, fixed, SOURCE.labels[0])],
        [Subject("Target", target, None, TARGET.labels[0])],
    )
    for column in ("before", "after", "unchanged"):
        assert cell(nodes.table, column).ToDouble() == pytest.approx(getattr(row, column), abs=1e-3)
    assert abs(row.before) > 0.5
    assert len({round(value, 1) for value in (row.before, row.after, row.unchanged)}) > 1


def test_in_large_images_the_model_looks_at_the_structures(scene, logic, bundle, model):
    images, nodes, masks = {}, {}, {}
    for name, seed in (("source", 0), ("target", 1)):
        heart = beating_heart(seed, 3, 1.0, (64, 56, 4), (3.0, 3.0, 10.0))
        parts = [left_part(part) for part in (*heart.frames[:2], heart.labels[0])]
        images[name] = parts
        nodes[name] = [add_volume(scene, part, f"{name} {n}") for n, part in enumerate(parts[:2])]
        masks[name] = add_volume(scene, parts[2], f"{name} labels", labels=True)
    (moving, fixed, source_labels), (target, _, target_labels) = images["source"], images["target"]
    pair = (*nodes["source"][::-1], nodes["target"][0], bundle)
    found = displacement_from_transform(
        logic.transportDeformation(*pair, masks["source"], masks["target"]).transform
    ).array
    box_of = [part.with_array((part.array > 0).astype(np.uint8)) for part in (source_labels, target_labels)]
    seen = model.see(target, geometry=model.grid.around(mask_box(box_of[1])))
    code = model.encode(fixed, moving, moving_mask=box_of[0]).mean
    np.testing.assert_allclose(found, model.displacement(code, seen, target).array, atol=1e-4)
    blind = logic.transportDeformation(*pair)
    assert "target image is larger" in " ".join(blind.warnings)
    assert np.abs(displacement_from_transform(blind.transform).array - found).max() > 0.5


def test_transported_nodes_say_where_they_belong(hearts, logic, bundle):
    nodes = logic.transportDeformation(*hearts[:3], bundle, *hearts[3:], label=3)
    role = slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole()
    assert nodes.transform.GetNodeReferenceID(role) == hearts[2].GetID()
    assert nodes.transform.GetName() == "Source ED in Target"
    assert nodes.warped.GetName() == "Target deformed as Source ED"
    assert nodes.segmentation.GetName() == "Target parts deformed as Source ED"
    assert [cell(nodes.table, name).ToString() for name in ("source", "target")] == ["Source ED", "Target"]
    assert nodes.table.GetColumnUnitLabel("after") == "%"


def test_the_transform_takes_points_of_the_deformed_target_to_the_target(hearts, logic, bundle):
    nodes = logic.transportDeformation(*hearts[:3], bundle)
    warped = image_from_volume(nodes.warped)
    indices = np.array([[12, 14, 2], [20, 17, 1], [16, 20, 1]])
    points = transform_points(nodes.transform, warped.geometry.index_to_physical(indices))
    where = TARGET.frames[0].geometry.physical_to_index(points)
    expected = ndimage.map_coordinates(TARGET.frames[0].array, where.T[::-1], order=1)
    np.testing.assert_allclose(warped.array[tuple(indices.T[::-1])], expected, atol=0.05)
    assert nodes.segmentation is nodes.table is nodes.row is None


def test_numbers_without_their_structure_are_missing(hearts, logic, bundle):
    only_target = logic.transportDeformation(*hearts[:3], bundle, None, hearts[4])
    assert np.isnan(cell(only_target.table, "before").ToDouble())
    assert np.isfinite(cell(only_target.table, "after").ToDouble())
    assert cell(only_target.table, "structure").ToString() == "all"
    only_source = logic.transportDeformation(*hearts[:3], bundle, hearts[3])
    assert np.isfinite(cell(only_source.table, "before").ToDouble())
    assert np.isnan(cell(only_source.table, "unchanged").ToDouble())
    assert only_source.segmentation is None


def test_parts_that_are_not_there_are_named(hearts, scene, logic, bundle):
    labels = add_volume(scene, TARGET.labels[0], "labels", labels=True)
    ids = scene_ids(scene)
    with pytest.raises(InputError, match=r"no part 'Atrium': choose one of RV, Myocardium, Pool"):
        logic.transportDeformation(*hearts[:3], bundle, *hearts[3:], label="Atrium")
    with pytest.raises(InputError, match="no part '4'"):
        logic.transportDeformation(*hearts[:3], bundle, *hearts[3:], label=4)
    hearts[4].GetSegmentation().AddEmptySegment("empty", "Empty")
    with pytest.raises(InputError, match="no voxel of 'Empty'"):
        logic.transportDeformation(*hearts[:3], bundle, None, hearts[4], label="Empty")
    with pytest.raises(InputError, match="'labels' has no part '9': choose one of 1, 2, 3"):
        logic.transportDeformation(*hearts[:3], bundle, None, labels, label=9)
    assert scene_ids(scene) == ids


def test_slices_and_volumes_do_not_mix(hearts, scene, logic, bundle, tmp_path):
    slices = small_heart(slices=1, contraction=1.0)
    flat_fixed, flat_moving = (add_volume(scene, slices.frames[n], f"slice {n}") for n in (1, 0))
    with pytest.raises(InputError, match="'slice 1' is a single slice and 'Target' a volume"):
        logic.transportDeformation(flat_fixed, flat_moving, hearts[2], bundle)
    with pytest.raises(InputError, match="one slice, but the model is three-dimensional"):
        logic.transportDeformation(flat_fixed, flat_moving, flat_moving, bundle)
    flat = str(velocity_bundle(tmp_path, FLAT))
    with pytest.raises(InputError, match="4 slices, but the model is two-dimensional"):
        logic.transportDeformation(*hearts[:3], flat)
    assert logic.transportDeformation(flat_fixed, flat_moving, flat_moving, flat).transform is not None


# Uncertainty


def test_the_uncertainty_volume_is_the_backends_spread(hearts, scene, logic, bundle, model):
    fixed, moving = hearts[:2]
    node = logic.uncertaintyVolume(fixed, moving, bundle, 4, 5, alignment="none", show=False)
    expected = uncertainty(model, image_from_volume(fixed), image_from_volume(moving), 4, 5).spread
    image = image_from_volume(node)
    assert image.same_grid(image_from_volume(fixed))
    np.testing.assert_allclose(image.array, expected.array, rtol=1e-5, atol=1e-6)
    assert image.array.max() > 0.02
    again = logic.uncertaintyVolume(fixed, moving, bundle, 4, 5, alignment="none", show=False)
    np.testing.assert_array_equal(image_from_volume(again).array, image.array)
    assert node.GetName() == "Source ED to Source ES uncertainty (mm)"
    assert again.GetName() == "Source ED to Source ES uncertainty (mm) (2)"


def test_the_uncertainty_volume_is_coloured_and_shown(hearts, views, logic, bundle):
    node = logic.uncertaintyVolume(*hearts[:2], bundle, 3)
    display = node.GetDisplayNode()
    assert display.GetColorNode().GetName() == "Uncertainty"
    largest = np.percentile(image_from_volume(node).array, 99)
    assert display.GetWindowLevelMin() == 0.0
    assert display.GetWindowLevelMax() == pytest.approx(max(largest, 0.01), rel=1e-4)
    composite = views.sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == hearts[0].GetID()
    assert composite.GetForegroundVolumeID() == node.GetID()
    other = logic.uncertaintyVolume(*hearts[:2], bundle, 2, show=False)
    assert other.GetDisplayNode().GetColorNode() is display.GetColorNode()
    assert composite.GetForegroundVolumeID() == node.GetID()


def test_masks_are_handed_on(hearts, logic, bundle, monkeypatch, model):
    seen = {}
    monkeypatch.setattr(
        "LatentRegistrationLib.uncertainty.uncertainty",
        lambda *arguments, **masks: (seen.update(masks), uncertainty(*arguments, **masks))[1],
    )
    logic.uncertaintyVolume(*hearts[:2], bundle, 2, movingMaskNode=hearts[3], show=False)
    assert list(seen) == ["moving_mask"]
    np.testing.assert_array_equal(seen["moving_mask"].array, (SOURCE.labels[0].array > 0).astype(np.uint8))


# What all three refuse


def calls(logic, hearts, model, **further):
    return {
        "simulate": lambda: logic.simulateDeformations(hearts[2], 2, model, **further),
        "transport": lambda: logic.transportDeformation(*hearts[:3], model, **further),
        "uncertainty": lambda: logic.uncertaintyVolume(*hearts[:2], model, 3, **further),
    }


@pytest.mark.parametrize("what", ["simulate", "transport", "uncertainty"])
def test_models_of_another_kind_are_refused(hearts, scene, logic, what):
    ids = scene_ids(scene)
    with pytest.raises(InputError, match="'phantom.*' is not probabilistic.*choose a probabilistic model"):
        calls(logic, hearts, "phantom")[what]()
    with pytest.raises(InputError, match="no-such-model"):
        calls(logic, hearts, "no-such-model")[what]()
    assert scene_ids(scene) == ids


@pytest.mark.parametrize("what", ["simulate", "transport", "uncertainty"])
@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_cancelling_leaves_the_scene_as_it_was(hearts, scene, logic, bundle, what, fraction):
    ids = scene_ids(scene)
    with pytest.raises(Cancelled):
        calls(logic, hearts, bundle, progress=cancelled_at(fraction))[what]()
    assert scene_ids(scene) == ids


def test_bad_input_is_refused_with_a_sentence(hearts, scene, logic, bundle):
    fixed, moving, target = hearts[:3]
    ids = scene_ids(scene)
    for call, sentence in (
        (lambda: logic.simulateDeformations(None, 2, bundle), "No volume is selected"),
        (lambda: logic.simulateDeformations(target, 0, bundle), "at least one sample, not 0"),
        (lambda: logic.simulateDeformations(target, 1, bundle, -1), "seed -1 is negative"),
        (lambda: logic.simulateDeformations(target, 1, bundle, source="posterior"), "not from 'posterior'"),
        (lambda: logic.transportDeformation(fixed, None, target, bundle), "Select the two volumes of the source"),
        (lambda: logic.transportDeformation(fixed, fixed, target, bundle), "are the same"),
        (lambda: logic.uncertaintyVolume(fixed, None, bundle), "Select a fixed and a moving volume"),
        (lambda: logic.uncertaintyVolume(fixed, fixed, bundle), "are the same"),
        (lambda: logic.uncertaintyVolume(fixed, moving, bundle, 1), "at least two samples, not 1"),
        (lambda: logic.uncertaintyVolume(fixed, moving, bundle, 2, -3), "seed -3 is negative"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
    assert scene_ids(scene) == ids


def test_nodes_deleted_meanwhile_leave_nothing_behind(hearts, scene, logic, bundle):
    from LatentRegistrationSceneLib.motion_transport import MotionTransport

    work = MotionTransport(*hearts[:3], *hearts[3:])
    work.compute(lambda: logic.model(bundle, "auto"), "none", Progress())
    scene.RemoveNode(hearts[4])
    ids = scene_ids(scene)
    with pytest.raises(InputError, match="deleted while"):
        work.addToScene()
    assert scene_ids(scene) == ids


def test_volumes_are_taken_where_they_lie_in_the_world(hearts, scene, logic, bundle):
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 35.0)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    parent.SetMatrixTransformToParent(matrix)
    before = logic.simulateDeformations(hearts[2], 1, bundle, 2).transforms[0]
    hearts[2].SetAndObserveTransformNodeID(parent.GetID())
    after = logic.simulateDeformations(hearts[2], 1, bundle, 2).transforms[0]
    fields = [displacement_from_transform(node) for node in (before, after)]
    np.testing.assert_allclose(fields[0].array, fields[1].array, atol=1e-3)
    np.testing.assert_allclose(fields[1].origin, np.add(fields[0].origin, (-35.0, 0.0, 0.0)))
