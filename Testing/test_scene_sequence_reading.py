"""Series of frames in the scene as images: sequences, browsers, proxies, components; and what is refused."""

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationSceneLib.ras import vtk_from_array, vtk_from_matrix
from DeformationSceneLib.sequence_reading import find_series, read_frames
from DeformationSceneLib.sequences import SequenceIndex, SequenceRecording, browser_as_it_was_on_failure, sequences_of
from DeformationSceneLib.transforms import add_displacement_transform
from DeformationSceneLib.volumes import add_volume, update_volume
from Testing.motion_fixtures import HEART, add_cine, add_heart
from Testing.SlicerHost import samples


def frames_in(direction="oblique", count=3):
    grid = samples.geometry(direction, (8, 7, 5))
    return [samples.blob(grid, (number, 0.0, 0.0)) for number in range(count)]


def volume(scene, array, node_class="vtkMRMLScalarVolumeNode"):
    node = scene.AddNewNodeByClass(node_class, "volume")
    node.SetAndObserveImageData(vtk_from_array(array))
    return node


@pytest.mark.parametrize("direction", samples.DIRECTIONS)
def test_frames_lie_where_their_items_do(scene, direction):
    frames = frames_in(direction)
    sequence, _browser = add_cine(scene, frames)
    images = read_frames(find_series(sequence)).images
    for image, frame in zip(images, frames, strict=True):
        np.testing.assert_array_equal(image.array, frame.array)
        assert image.same_grid(frame)


def test_sequence_browser_and_proxy_mean_the_same_series(scene):
    sequence, browser = add_cine(scene, frames_in())
    proxy = browser.GetProxyNode(sequence)
    browser.SetSelectedItemNumber(2)
    for node in (sequence, browser, proxy):
        series = find_series(node)
        assert (series.sequence, series.browser, series.volume) == (sequence, browser, proxy)
        assert series.selected == 2
        assert series.name == "Cine"
        assert len(series) == 3


def test_sequence_without_a_browser(scene):
    sequence, _none = add_cine(scene, frames_in(), browser=False)
    series = find_series(sequence)
    assert series.browser is None
    assert series.volume is None
    assert series.selected == 0
    assert len(read_frames(series).images) == 3


def test_a_browser_gives_its_first_sequence_of_volumes(scene):
    frames = frames_in()
    transform = add_displacement_transform(scene, samples.smooth_displacement(frames[0].geometry), "first")
    recording = SequenceRecording(scene, [transform], "frame", "")
    for number in range(3):
        recording.record(number)
    browser = recording.finish("mixed")
    with pytest.raises(InputError, match="plays no sequence of volumes"):
        find_series(browser)
    sequence, _none = add_cine(scene, frames, browser=False)
    browser.AddSynchronizedSequenceNode(sequence)
    assert find_series(browser).sequence is sequence


@pytest.mark.parametrize("kind", ["linear", "grid"])
def test_transforms_above_the_proxy_are_respected(scene, kind):
    frames = frames_in()
    sequence, browser = add_cine(scene, frames)
    plain = read_frames(find_series(sequence)).images
    if kind == "linear":
        parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = np.eye(4)
        matrix[:3, 3] = (5.0, -3.0, 2.0)  # RAS
        parent.SetMatrixTransformToParent(vtk_from_matrix(matrix))
    else:
        shift = np.zeros((*frames[0].geometry.shape_kji, 3), np.float32) + (-5.0, 3.0, -2.0)
        parent = add_displacement_transform(scene, frames[0].with_array(shift * (1, -1, 1)), "shift")
    proxy = browser.GetProxyNode(sequence)
    proxy.SetAndObserveTransformNodeID(parent.GetID())
    images = read_frames(find_series(sequence)).images
    expected = (-5.0, 3.0, 2.0) if kind == "linear" else (5.0, 3.0, 2.0)
    np.testing.assert_allclose(images[1].geometry.centre - plain[1].geometry.centre, expected, atol=1e-2)
    assert proxy.GetParentTransformNode() is parent
    assert images[0].array.max() == pytest.approx(plain[0].array.max(), rel=0.02)


@pytest.mark.parametrize("node_class", ["vtkMRMLVectorVolumeNode", "vtkMRMLScalarVolumeNode"])
def test_components_of_a_volume_are_frames(scene, node_class):
    values = np.random.default_rng(0).integers(0, 99, (4, 5, 6, 7)).astype(np.int16)
    node = volume(scene, values, node_class)
    node.SetSpacing(1.0, 2.0, 3.0)
    series = find_series(node)
    assert (series.sequence, series.browser, series.volume) == (None, None, node)
    assert series.index.values == tuple("0123456")
    images = read_frames(series).images
    for number, image in enumerate(images):
        np.testing.assert_array_equal(image.array, values[..., number])
        assert image.spacing == (1.0, 2.0, 3.0)


def test_colour_frames_become_grey(scene):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "ultrasound")
    for number in range(2):
        node = slicer.vtkMRMLVectorVolumeNode()
        colours = np.zeros((1, 4, 4, 3), np.uint8)
        colours[:, 1:3, 1:3] = (100, 50 + number, 0)
        node.SetAndObserveImageData(vtk_from_array(colours))
        sequence.SetDataNodeAtValue(node, str(number))
    read = read_frames(find_series(sequence))
    assert read.images[1].array.max() == pytest.approx(29.9 + 0.587 * 51, abs=1e-3)
    assert read.remarks == ["The colour frames of 'ultrasound' were read as grey ones."]


def changed(frame, **changes):
    values = {"array": frame.array, "spacing": frame.spacing, "origin": frame.origin, "direction": frame.direction}
    return Image(**(values | changes))


@pytest.mark.parametrize(
    "spoil, sentence",
    [
        (lambda f: changed(f, array=f.array[:, :-1]), r"Frame 1 of 'Cine' is on another grid \(8 x 6 x 5"),
        (lambda f: changed(f, origin=(0.0, 0.0, 0.0)), "Frame 1 of 'Cine' is on another grid"),
        (lambda f: changed(f, array=np.where(f.array > 50, np.nan, f.array)), "Frame 1 of 'Cine' has .* NaN"),
        (lambda f: changed(f, array=np.zeros_like(f.array)), "Frame 1 of 'Cine' has the value 0 everywhere"),
    ],
)
def test_unusable_frames_are_named(scene, spoil, sentence):
    frames = frames_in()
    frames[1] = spoil(frames[1])
    sequence, _browser = add_cine(scene, frames)
    with pytest.raises(InputError, match=sentence):
        read_frames(find_series(sequence))


def test_an_item_without_voxels_is_named(scene):
    sequence, _browser = add_cine(scene, frames_in())
    sequence.GetNthDataNode(2).SetAndObserveImageData(vtk.vtkImageData())
    with pytest.raises(InputError, match="Frame 2 of 'Cine' is empty"):
        read_frames(find_series(sequence))


def test_what_is_no_series_is_refused(scene):
    with pytest.raises(InputError, match="No sequence is selected"):
        find_series(None)
    with pytest.raises(InputError, match="is empty; load its frames"):
        find_series(scene.AddNewNodeByClass("vtkMRMLSequenceNode", "nothing"))
    with pytest.raises(InputError, match="'table' is not a sequence of volumes"):
        find_series(scene.AddNewNodeByClass("vtkMRMLTableNode", "table"))
    with pytest.raises(InputError, match="'lonely' is a single volume.*load the file as a sequence"):
        find_series(add_volume(scene, frames_in()[0], "lonely"))
    with pytest.raises(InputError, match="'volume' is a colour image"):
        find_series(volume(scene, np.zeros((4, 4, 4, 3), np.uint8), "vtkMRMLVectorVolumeNode"))
    with pytest.raises(InputError, match="has one frame, but motion needs at least two"):
        read_frames(find_series(add_cine(scene, frames_in(count=1))[0]))
    labels = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "labels")
    node = slicer.vtkMRMLLabelMapVolumeNode()
    update_volume(node, HEART.labels[0])
    labels.SetDataNodeAtValue(node, "0")
    with pytest.raises(InputError, match="'labels' is not a sequence of volumes, but of LabelMapVolume"):
        find_series(labels)


def test_an_index_tells_what_to_plot_against():
    assert SequenceIndex(("0", "40", "80"), "time", "ms").title == "time (ms)"
    np.testing.assert_array_equal(SequenceIndex(("0", "40", "80"), "time", "ms").positions, [0, 40, 80])
    assert SequenceIndex.counted(3).title == "frame"
    texts = SequenceIndex(("rest", "stress"), "phase", "", numeric=False)
    np.testing.assert_array_equal(texts.positions, [0, 1])
    assert texts.title == "frame"
    np.testing.assert_array_equal(SequenceIndex(("a", "b"), "", "").positions, [0, 1])


def test_what_joins_a_browser_leaves_it_on_failure(scene):
    sequence, browser, _parts = add_heart(scene)
    transform = add_displacement_transform(scene, HEART.displacements[0], "motion")
    recording = SequenceRecording.along(scene, [transform], SequenceIndex.of(sequence))
    for value in SequenceIndex.of(sequence).values:
        recording.record(value)
    with pytest.raises(KeyError), browser_as_it_was_on_failure(browser):
        recording.join(browser)
        assert len(sequences_of(browser)) == 2
        raise KeyError
    assert sequences_of(browser) == [sequence]
    recording.join(browser)
    assert browser.GetProxyNode(recording.sequences[0]) is transform
    assert recording.sequences[0].GetIndexUnit() == "ms"
    assert browser.GetMasterSequenceNode() is sequence
