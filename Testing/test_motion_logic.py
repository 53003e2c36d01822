"""MotionModelLogic in the scene: what it puts there, against the model's own results; what it refuses."""

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.image import Image
from DeformationLib.progress import Progress
from DeformationSceneLib.segmentations import add_segmentation, labels_from_segmentation
from DeformationSceneLib.sequence_reading import find_series
from DeformationSceneLib.sequences import sequences_of
from DeformationSceneLib.structure_parts import mask_of
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import add_volume, image_from_volume, update_volume
from MotionModelSceneLib import motion_outputs
from MotionModelSceneLib.heart_parts import HeartParts
from MotionModelSceneLib.logic import MotionModelLogic
from MotionModelSceneLib.matrix_nodes import matrix_from_table
from MotionModelSceneLib.motion_outputs import OUTPUTS
from MotionModelSceneLib.motion_simulation import MotionTransport
from MotionModelSceneLib.sequence_tracking import SequenceTracking
from Testing.motion_fixtures import HEART, NAMES, OTHER, add_cine, add_heart, motion_bundle
from Testing.panel_steps import scene_ids
from Testing.SlicerHost import samples
from Testing.SlicerHost.application import load_scene, save_scene

FEW = {"curves"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A motion model of slices with random weights."""
    return str(motion_bundle(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def logic(application):
    return MotionModelLogic()


@pytest.fixture(scope="module")
def tracked(logic, bundle):
    """The motion that the model itself finds in the phantom."""
    return logic.model(bundle).track(HEART.frames, 0, mask=mask_of([HEART.labels[0]]))


@pytest.fixture
def heart(scene):
    """Sequence, browser and segmentation of the phantom."""
    return add_heart(scene)


def moved_frames(browser, transform):
    """Displacements of a transform, item by item."""
    result = []
    for number in range(browser.GetNumberOfItems()):
        browser.SetSelectedItemNumber(number)
        result.append(displacement_from_transform(transform).array)
    return np.stack(result)


def test_it_lists_the_models_that_can_be_loaded(logic):
    from MotionModelLib.motion_model import MotionModel

    assert logic.kinds == (MotionModel.kind,)
    assert logic.usualModel == MotionModel.usual
    assert "hippocampus" not in logic.modelNames()


# Tracking


def test_tracked_sequences_are_what_the_model_finds(heart, logic, bundle, tracked):
    sequence, browser, parts = heart
    nodes = logic.trackSequence(browser, 0, parts, bundle, outputs=OUTPUTS - {"strain"})
    assert nodes.browser is browser
    for number in range(len(tracked)):
        browser.SetSelectedItemNumber(number)
        np.testing.assert_allclose(
            displacement_from_transform(nodes.transform).array, tracked.displacement(number).array, atol=1e-4
        )
        np.testing.assert_array_equal(
            labels_from_segmentation(nodes.segmentation, HEART.frames[0]).array,
            tracked.warp_labels(HEART.labels[0], number).array,
        )
        shown = {
            nodes.motion.jacobian: tracked.jacobian(number),
            nodes.motion.warped: tracked.warp(HEART.frames[0], number),
            nodes.motion.compensated: tracked.compensate(number),
            browser.GetProxyNode(sequence): HEART.frames[number],
        }
        for node, image in shown.items():
            np.testing.assert_allclose(slicer.util.arrayFromVolume(node), image.array, rtol=1e-3, atol=1e-3)
    assert np.abs(tracked.displacement(3).array).max() > 0.5
    np.testing.assert_allclose(nodes.volumes.volumes, tracked.volume_curves(HEART.labels[0]).volumes, rtol=1e-6)


def test_the_reference_under_the_transform_moves_as_the_series(heart, logic, bundle, tracked, scene):
    """Where the moved volume shows a point of the grid, the reference has it at phi(point)."""
    reference = add_volume(scene, HEART.frames[0], "reference")
    nodes = logic.trackSequence(heart[1], 0, heart[2], bundle, outputs=set())
    heart[1].SetSelectedItemNumber(3)
    reference.SetAndObserveTransformNodeID(nodes.transform.GetID())
    displacement = tracked.displacement(3)
    points = samples.points(displacement.geometry)[1, 8:24:5, 8:24:5].reshape(-1, 3)
    from_world = vtk.vtkGeneralTransform()
    reference.GetParentTransformNode().GetTransformFromWorld(from_world)
    seen = np.array([from_world.TransformPoint(*point * (-1, -1, 1)) for point in points]) * (-1, -1, 1)
    expected = points + displacement.array[1, 8:24:5, 8:24:5].reshape(-1, 3)
    np.testing.assert_allclose(seen, expected, atol=1e-3)
    assert np.abs(seen - points).max() > 0.3


def test_a_series_under_a_transform_is_tracked_where_it_lies(heart, logic, bundle, tracked, scene):
    sequence, browser, parts = heart
    shift = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 20], [0, 1, 0, -7], [0, 0, 1, 3], [0, 0, 0, 1]]))
    shift.SetMatrixTransformToParent(matrix)
    for node in (browser.GetProxyNode(sequence), parts):
        node.SetAndObserveTransformNodeID(shift.GetID())
    nodes = logic.trackSequence(sequence, 0, parts, bundle, outputs={"segmentation", "jacobian"})
    browser.SetSelectedItemNumber(2)
    found = displacement_from_transform(nodes.transform)
    np.testing.assert_allclose(found.array, tracked.displacement(2).array, atol=2e-3)
    expected = HEART.frames[0].geometry.centre + (-20, 7, 3)
    np.testing.assert_allclose(found.geometry.centre, expected, atol=1e-3)
    np.testing.assert_allclose(image_from_volume(nodes.motion.jacobian).geometry.centre, expected, atol=1e-3)
    assert browser.GetProxyNode(sequence).GetParentTransformNode() is shift


@pytest.mark.parametrize("direction", ["oblique and left-handed", "permuted"])
def test_tilted_and_mirrored_series(scene, logic, bundle, direction):
    turn = samples.DIRECTIONS[direction]

    def turned(image):
        return Image(image.array, image.spacing, turn @ np.asarray(image.origin), turn @ image.direction)

    frames = [turned(frame) for frame in HEART.frames]
    browser = add_cine(scene, frames)[1]
    nodes = logic.trackSequence(browser, 0, None, bundle, outputs=set())
    expected = logic.model(bundle).track(frames, 0).displacement(3)
    browser.SetSelectedItemNumber(3)
    found = displacement_from_transform(nodes.transform)
    assert found.same_grid(expected)
    np.testing.assert_allclose(found.array, expected.array, atol=1e-4)


def test_reference_in_the_middle_and_the_frame_that_is_shown(scene, logic, bundle):
    browser = add_cine(scene, HEART.frames)[1]
    browser.SetSelectedItemNumber(2)
    nodes = logic.trackSequence(browser, None, None, bundle, outputs=set())
    assert nodes.result.reference_index == 2
    assert browser.GetSelectedItemNumber() == 2
    fields = moved_frames(browser, nodes.transform)
    assert np.abs(fields[2]).max() == 0.0
    assert np.abs(fields[0]).max() > 0.1


def test_segmentation_on_a_finer_grid_is_brought_to_the_frames(scene, logic, bundle, heart):
    labels = HEART.labels[0]
    fine = Image(
        np.repeat(np.repeat(labels.array, 2, axis=1), 2, axis=2),
        (1.5, 1.5, 10.0),
        np.asarray(labels.origin) - (0.75, 0.75, 0.0),
    )
    segmentation = add_segmentation(scene, fine, "fine", names=NAMES)
    nodes = logic.trackSequence(heart[0], 0, segmentation, bundle, outputs={"segmentation", "curves"})
    heart[1].SetSelectedItemNumber(0)
    np.testing.assert_array_equal(labels_from_segmentation(nodes.segmentation, labels).array, labels.array)
    assert nodes.volumes.of(3)[0] == pytest.approx((labels.array == 3).sum() * 0.09)


@pytest.mark.parametrize("fine", [False, True])
def test_label_map_volume_is_tracked_as_one(scene, logic, bundle, tracked, heart, fine):
    labels = HEART.labels[0]
    if fine:
        array = np.repeat(labels.array, 2, axis=2)
        labels = Image(array, (1.5, 3.0, 10.0), np.asarray(labels.origin) - (0.75, 0.0, 0.0))
    node = add_volume(scene, labels, "labels", labels=True)
    nodes = logic.trackSequence(heart[0], 0, node, bundle, outputs={"segmentation"}, parts=HeartParts())
    heart[1].SetSelectedItemNumber(4)
    assert nodes.segmentation.IsA("vtkMRMLLabelMapVolumeNode")
    expected = tracked.warp_labels(HEART.labels[0], 4).array
    assert (slicer.util.arrayFromVolume(nodes.segmentation) == expected).mean() > (0.98 if fine else 0.9999)


def test_components_of_a_volume_become_a_sequence_that_plays(scene, logic, bundle):
    values = np.stack([frame.array for frame in HEART.frames], axis=-1)
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "loaded")
    update_volume(node, HEART.frames[0].with_array(values))
    nodes = logic.trackSequence(node, 0, None, bundle, outputs=set())
    assert nodes.browser.GetName() == "loaded browser"
    assert find_series(nodes.browser).volume is nodes.motion.frames
    for number in (0, 3):
        nodes.browser.SetSelectedItemNumber(number)
        np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.motion.frames), HEART.frames[number].array)
    assert np.abs(moved_frames(nodes.browser, nodes.transform)[3]).max() > 0.5


def test_a_sequence_without_a_browser_gets_one(scene, logic, bundle):
    sequence = add_cine(scene, HEART.frames, browser=False)[0]
    nodes = logic.trackSequence(sequence, 0, None, bundle, outputs={"jacobian"})
    assert find_series(nodes.browser).sequence is sequence
    assert nodes.browser.GetNumberOfItems() == 6
    nodes.browser.SetSelectedItemNumber(4)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes.browser.GetProxyNode(sequence)), HEART.frames[4].array)


def test_an_earlier_run_can_be_replaced(scene, logic, bundle, heart):
    first = logic.trackSequence(heart[1], 0, heart[2], bundle, outputs={"segmentation", "curves"})
    before = scene_ids(scene)
    second = logic.trackSequence(heart[1], 0, heart[2], bundle, outputs={"segmentation", "curves"}, replace=first)
    assert len(sequences_of(heart[1])) == 3
    assert len(scene_ids(scene)) == len(before)
    assert second.transform.GetName() == "Cine motion"
    assert second.motion.sequences["segmentation"].GetName() == "Cine heart tracked sequence"
    assert second.curves.chart is first.curves.chart


def test_names_without_a_heart_give_curves_and_no_strain(scene, logic, bundle, heart):
    organs = add_segmentation(scene, HEART.labels[0], "organs", names={1: "Liver", 2: "Kidney", 3: "Spleen"})
    nodes = logic.trackSequence(heart[1], 0, organs, bundle, outputs={"curves", "strain"})
    assert nodes.strains is None
    assert nodes.warnings == nodes.result.warnings
    with pytest.raises(InputError, match="needs volumes of a segmentation, and a segment that is the pool"):
        nodes.ejection_fraction()
    chosen = HeartParts(pool="Spleen", myocardium="Kidney", right="Liver")
    nodes = logic.trackSequence(heart[1], 0, organs, bundle, outputs={"curves", "strain"}, parts=chosen)
    assert nodes.strains.directions == ("radial", "circumferential")
    assert nodes.ejection_fraction() == nodes.volumes.ejection_fraction(3)


# Completion


def test_completion_predicts_hidden_frames_and_measures_its_error(heart, logic, bundle):
    model, mask = logic.model(bundle), mask_of([HEART.labels[0]])
    expected = model.track(HEART.frames, 0, [0, 2], mask)
    nodes = logic.completeSequence(heart[1], [2], 0, heart[2], bundle)
    np.testing.assert_array_equal(nodes.result.given, [True, False, True, False, False, False])
    heart[1].SetSelectedItemNumber(4)
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(nodes.motion.warped), expected.warp(HEART.frames[0], 4).array, atol=1e-3
    )
    full = model.track(HEART.frames, 0, mask=mask)
    assert list(nodes.error.curves) == ["all frames given"]
    np.testing.assert_allclose(
        nodes.error.curves["all frames given"].volumes, full.volume_curves(HEART.labels[0]).volumes, rtol=1e-6
    )
    assert nodes.error.unmoved[0] == nodes.error.predicted[0] == 0.0
    apart = np.linalg.norm(expected.displacement(4).array - full.displacement(4).array, axis=-1)
    assert 0 < nodes.error.distance[4] <= apart.max()
    table = nodes.error_table.GetTable()
    assert [table.GetValueByName(row, "Given").ToString() for row in range(3)] == ["yes", "no", "yes"]
    assert table.GetValueByName(4, "predicted frame").ToFloat() == pytest.approx(nodes.error.predicted[4], rel=1e-5)
    assert nodes.error_chart.GetNumberOfPlotSeriesNodes() == 3


def test_hidden_frames_may_be_unusable(scene, logic, bundle):
    frames = [*HEART.frames]
    frames[3] = frames[3].with_array(np.full_like(frames[3].array, np.nan))
    browser = add_cine(scene, frames)[1]
    nodes = logic.completeSequence(browser, [0, 1, 2], 0, None, bundle, outputs={"warped"})
    assert np.isnan(nodes.error.predicted[3])
    assert nodes.error.distance is None
    assert np.isfinite(nodes.error.predicted[[0, 1, 2, 4, 5]]).all()
    with pytest.raises(InputError, match="Frame 3 of 'Cine' has .* NaN"):
        logic.completeSequence(browser, [0, 3], 0, None, bundle)


# Simulation, transport, interpolation


def test_simulated_motion_plays_in_a_browser_of_its_own(scene, logic, bundle):
    volume = add_volume(scene, HEART.frames[0], "still")
    parts = add_segmentation(scene, HEART.labels[0], "parts", names=NAMES)
    nodes = logic.simulateMotion(volume, parts, 4, 7, bundle)
    expected = logic.model(bundle).simulate(HEART.frames[0], 4, seed=7, mask=mask_of([HEART.labels[0]]))
    fields = moved_frames(nodes.browser, nodes.transform)
    np.testing.assert_allclose(fields[2], expected.displacement(2).array, atol=1e-4)
    assert np.abs(fields[0]).max() == 0.0
    assert np.abs(fields[1:]).max() > 0.3
    assert nodes.motion.warped.GetName() == "still simulated 7"
    likely = logic.simulateMotion(volume, None, 4, None, bundle, outputs={"warped"})
    assert likely.browser is not nodes.browser
    assert likely.browser.GetName() == "still likely motion browser"
    with pytest.raises(InputError, match="seed -1 is negative"):
        logic.simulateMotion(volume, None, 4, -1, bundle)


def test_transported_motion_is_played_with_its_source(scene, logic, bundle, tracked):
    sequence, browser, parts = add_heart(scene)
    target = add_volume(scene, OTHER.frames[0], "Target")
    structure = add_segmentation(scene, OTHER.labels[0], "Target heart", names=NAMES)
    nodes = logic.transportMotion(browser, target, 0, parts, structure, bundle)
    model = logic.model(bundle)
    expected = model.transport(tracked, OTHER.frames[0], mask=mask_of([OTHER.labels[0]]))
    assert nodes.browser is browser
    fields = moved_frames(browser, nodes.transform)
    np.testing.assert_allclose(fields[3], expected.displacement(3).array, atol=1e-4)
    np.testing.assert_allclose(nodes.source_volumes.volumes, tracked.volume_curves(HEART.labels[0]).volumes, rtol=1e-6)
    table = nodes.curves.table.GetTable()
    assert table.GetColumnByName("LV (Cine)").GetValue(0) == pytest.approx(nodes.source_volumes.of(3)[0])
    assert nodes.transform.GetName() == "Target moving as Cine motion"
    assert nodes.motion.warped.GetName() == "Target moving as Cine"
    assert browser.GetProxyNode(sequence).GetName() != nodes.transform.GetName()


def test_motion_matrix_in_a_table_can_be_transported(scene, logic, bundle, heart):
    first = logic.trackSequence(heart[1], 0, heart[2], bundle, outputs={"matrix"})
    target = add_volume(scene, OTHER.frames[0], "Target")
    nodes = logic.transportMotion(first.matrix_table, target, model=bundle, frames=5, outputs={"warped"})
    expected = logic.model(bundle).transport(first.result.matrix, OTHER.frames[0], 5)
    fields = moved_frames(nodes.browser, nodes.transform)
    assert len(fields) == 5
    np.testing.assert_allclose(fields[2], expected.displacement(2).array, atol=1e-4)
    assert nodes.browser is not heart[1]
    with pytest.raises(InputError, match="is not a motion matrix"):
        logic.transportMotion(scene.AddNewNodeByClass("vtkMRMLTableNode", "empty"), target, model=bundle)


def test_a_series_that_does_not_return_is_tracked_both_ways(scene, logic, bundle, heart):
    nodes = logic.trackSequence(heart[1], 2, None, bundle, outputs={"matrix"}, periodic=False)
    assert (nodes.result.times < 0).sum() == 2
    fields = moved_frames(heart[1], nodes.transform)
    assert np.abs(fields[2]).max() == 0.0
    assert np.abs(fields[1]).max() > 0.1
    target = add_volume(scene, OTHER.frames[0], "Target")
    with pytest.raises(InputError, match="has two parts"):
        logic.transportMotion(nodes.matrix_table, target, model=bundle)


def test_interpolated_motion(scene, logic, bundle, heart):
    first = logic.trackSequence(heart[1], 0, heart[2], bundle, outputs=set())
    volume = heart[1].GetProxyNode(heart[0])
    nodes = logic.interpolateMotion(first, 9, volume, heart[2], bundle)
    assert nodes.browser.GetNumberOfItems() == 9
    expected = logic.model(bundle).interpolate(first.result, 9)
    np.testing.assert_allclose(
        moved_frames(nodes.browser, nodes.transform)[4], expected.displacement(4).array, atol=1e-4
    )
    assert len(nodes.volumes) == 9


def test_a_saved_scene_has_it_all_and_tracking_again_updates_its_charts(scene, logic, bundle, heart, tmp_path):
    first = logic.trackSequence(heart[1], 0, heart[2], bundle)
    ids = [node.GetID() for node in (first.curves.chart, first.strain.chart, first.strain.bulls_eye, first.heat_map)]
    codes = first.result.matrix.mean
    picture = slicer.util.arrayFromVolume(first.strain.bulls_eye).copy()
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    nodes = [scene.GetNodeByID(one) for one in ids]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes[2]), picture)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(nodes[3]), codes, rtol=1e-5)
    assert nodes[0].GetNumberOfPlotSeriesNodes() == 5
    table = scene.GetFirstNodeByName("Cine motion matrix")
    np.testing.assert_allclose(matrix_from_table(table).mean, codes, rtol=1e-4, atol=1e-5)
    assert matrix_from_table(table).model == "random motion"
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    parts = scene.GetFirstNodeByName("Cine heart")
    again = logic.trackSequence(browser, 0, parts, bundle)
    assert [again.curves.chart, again.strain.chart, again.strain.bulls_eye, again.heat_map] == nodes
    assert again.ejection_fraction() == pytest.approx(first.ejection_fraction(), abs=1e-3)


def test_the_thread_touches_no_node(scene, logic, bundle, heart):
    """All nodes are gone while the motion is computed."""
    tracking = SequenceTracking(heart[1], 0, heart[2], OUTPUTS)
    completion = SequenceTracking(heart[1], 0, heart[2], given=[3])
    transport = MotionTransport(heart[1], heart[1].GetProxyNode(heart[0]), 0, heart[2], heart[2])
    model = logic.model(bundle)
    scene.Clear(False)
    for work in (tracking, completion, transport):
        work.compute(lambda: model, Progress())
        with pytest.raises(InputError, match="was deleted meanwhile"):
            work.addToScene()


# What is refused, and what is left behind


def refused(scene, call, sentence):
    before, items = scene_ids(scene), {}
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")):
        browser = scene.GetNthNodeByClass(number, "vtkMRMLSequenceBrowserNode")
        items[browser] = (len(sequences_of(browser)), browser.GetSelectedItemNumber())
    with pytest.raises(InputError, match=sentence):
        call()
    assert scene_ids(scene) == before
    for browser, state in items.items():
        assert (len(sequences_of(browser)), browser.GetSelectedItemNumber()) == state


def test_unusable_input_is_refused_and_the_scene_untouched(scene, logic, bundle, heart):
    sequence, browser, _parts = heart
    single = add_cine(scene, HEART.frames[:1], "Single")[1]
    refused(scene, lambda: logic.trackSequence(None, model=bundle), "No sequence is selected")
    refused(scene, lambda: logic.trackSequence(single, model=bundle), "'Single' has one frame")
    refused(scene, lambda: logic.trackSequence(browser, 6, model=bundle), "reference frame 6 is not in the sequence")
    refused(scene, lambda: logic.trackSequence(browser, -1, model=bundle), "reference frame -1 is not in the sequence")
    refused(scene, lambda: logic.completeSequence(browser, [9], model=bundle), "given frame 9 is not in the sequence")
    far = Image(HEART.labels[0].array, HEART.labels[0].spacing, (900.0, 0.0, 0.0))
    elsewhere = add_segmentation(scene, far, "elsewhere", names=NAMES)
    refused(scene, lambda: logic.trackSequence(browser, 0, elsewhere, bundle), "'elsewhere' has no voxel in the frames")
    refused(scene, lambda: logic.trackSequence(sequence, model="no such model"), "no such model")
    refused(
        scene,
        lambda: logic.trackSequence(browser, 0, heart[2], bundle, parts=HeartParts(pool="Aorta")),
        "has no part 'Aorta'",
    )
    refused(scene, lambda: logic.transportMotion(browser, None, model=bundle), "Select a series as the source")


@pytest.mark.parametrize("share", [0.1, 0.55, 0.9])
def test_cancelled_half_way(scene, logic, bundle, heart, share):
    before = scene_ids(scene)
    progress = Progress(lambda done, _message: progress.cancel() if done >= share else None)
    with pytest.raises(Cancelled):
        logic.trackSequence(heart[1], 0, heart[2], bundle, progress=progress)
    assert scene_ids(scene) == before
    assert sequences_of(heart[1]) == [heart[0]]


def test_failure_while_adding_leaves_scene_and_browser_as_they_were(scene, logic, bundle, heart, monkeypatch):
    before = scene_ids(scene)

    def fail(*arguments, **settings):
        raise MemoryError

    monkeypatch.setattr(motion_outputs, "add_curves", fail)
    with pytest.raises(MemoryError):
        logic.trackSequence(heart[1], 0, heart[2], bundle, outputs=FEW)
    assert scene_ids(scene) == before
    assert sequences_of(heart[1]) == [heart[0]]


def test_series_deleted_meanwhile(scene, logic, bundle, heart):
    tracking = SequenceTracking(heart[1], 0, heart[2], FEW)
    tracking.compute(lambda: logic.model(bundle), Progress())
    scene.RemoveNode(heart[0])
    with pytest.raises(InputError, match="'Cine' was deleted meanwhile"):
        tracking.addToScene()


def test_more_frames_than_the_model_has_slots(scene, logic, bundle):
    browser = add_cine(scene, HEART.frames * 7)[1]
    nodes = logic.trackSequence(browser, 0, None, bundle, outputs=set())
    assert len(moved_frames(browser, nodes.transform)) == 42
    assert any("evenly chosen" in warning for warning in nodes.warnings)


def test_models_are_listed_and_loaded_once(logic, bundle):
    assert logic.model(bundle) is logic.model(bundle)
    assert logic.modelCard(bundle)["model"]["class"] == "MotionNetwork"
    loaded = logic.model(bundle)
    logic.forgetModels()
    assert logic.model(bundle) is not loaded
    assert isinstance(logic.modelNames(), list)
