"""Volumes, strain, motion matrix and their pictures in the scene."""

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.pictures import add_picture, draw_text, show_in_all_views, show_picture
from DeformationSceneLib.segmentations import add_segmentation
from DeformationSceneLib.sequences import SequenceIndex
from DeformationSceneLib.transforms import add_displacement_transform, show_transform
from DeformationSceneLib.volumes import add_volume
from MotionModelLib.heart_axes import HeartLabels
from MotionModelLib.motion_matrix import MotionMatrix
from MotionModelLib.strain import strain_curves
from MotionModelLib.volume_curves import VolumeCurves, volume_curves
from MotionModelSceneLib.bulls_eye import draw_bulls_eyes, segment_centre, segment_map
from MotionModelSceneLib.curve_nodes import add_curves, measure_volumes
from MotionModelSceneLib.heart_parts import HeartParts, guess_parts, heart_labels, part_titles
from MotionModelSceneLib.matrix_nodes import add_heat_map, add_matrix_table, matrix_from_table
from MotionModelSceneLib.strain_nodes import add_strain
from Testing.motion_fixtures import HEART, NAMES
from Testing.SlicerHost import samples

INDEX = SequenceIndex(tuple(f"{40 * number}" for number in range(6)), "time", "ms")


class Known:
    """A motion that is the phantom's own."""

    times, planar = np.arange(6.0), False

    def __len__(self):
        return 6

    def displacement(self, number):
        return HEART.displacements[number]


@pytest.fixture
def parts(scene):
    return add_segmentation(scene, HEART.labels[0], "heart", names=NAMES)


def column(table_node, name):
    array = table_node.GetTable().GetColumnByName(name)
    return [array.GetVariantValue(number) for number in range(array.GetNumberOfValues())]


def numbers(table_node, name):
    return np.array([value.ToDouble() for value in column(table_node, name)])


def series_of(chart):
    return {
        chart.GetNthPlotSeriesNode(number).GetName(): chart.GetNthPlotSeriesNode(number)
        for number in range(chart.GetNumberOfPlotSeriesNodes())
    }


# Volumes


def test_curves_are_tables_and_a_plot_against_time(scene, parts):
    curves = measure_volumes(Known(), [HEART.labels[0]], Progress())
    nodes = add_curves(scene, "role", "Cine", curves, INDEX, parts, [HEART.labels[0]], pool=3)
    np.testing.assert_allclose(numbers(nodes.table, "LV"), curves.of(3))
    np.testing.assert_array_equal(numbers(nodes.table, "time (ms)"), [0, 40, 80, 120, 160, 200])
    assert nodes.table.GetColumnUnitLabel("LV") == "ml"
    assert [value.ToString() for value in column(nodes.summary, "Structure")] == ["RV", "Myocardium", "LV"]
    fraction = curves.ejection_fraction(3)
    assert numbers(nodes.summary, "Ejection fraction")[2] == pytest.approx(fraction)
    assert numbers(nodes.summary, "ES")[2] == 40 * HEART.es_frame
    assert nodes.chart.GetTitle() == f"Ejection fraction {fraction:.0f} %"
    assert nodes.chart.GetName() == "Cine: volume curves"
    assert 40 < fraction < 80
    series = series_of(nodes.chart)
    assert list(series) == ["RV", "Myocardium", "LV", "ED", "ES"]
    marks = series["ES"].GetTableNode()
    assert set(numbers(marks, "ES time (ms)")) == {40.0 * HEART.es_frame}  # the pool's, on all curves
    np.testing.assert_allclose(numbers(marks, "ES")[:3], curves.volumes[HEART.es_frame])
    assert series["LV"].GetXColumnName() == "time (ms)"
    assert series["LV"].GetPlotType() == series["LV"].PlotTypeScatter


def test_the_legend_has_room_beside_the_curves(scene, parts):
    curves = measure_volumes(Known(), [HEART.labels[0]], Progress())
    ends = []
    for role, others in (("short", None), ("long", {"all": curves}), ("longest", {60 * "x": curves})):
        chart = add_curves(scene, role, "Cine", curves, INDEX, parts, [HEART.labels[0]], others=others).chart
        low, high = chart.GetXAxisRange()
        assert (low, chart.GetXAxisRangeAuto()) == (0, False)
        assert chart.GetYAxisRange()[1] > curves.volumes.max()
        ends.append(high)
    assert 200 < ends[0] < ends[1] < ends[2] <= 400  # of 200 ms: at most half of the axis is left empty


def test_curves_are_brought_up_to_date(scene, parts):
    curves = measure_volumes(Known(), [HEART.labels[0]], Progress())
    first = add_curves(scene, "role", "Cine", curves, INDEX, parts, [HEART.labels[0]])
    halved = VolumeCurves(curves.times, curves.labels, curves.volumes / 2)
    others = {"tracked": curves}
    second = add_curves(scene, "role", "Cine", halved, INDEX, parts, [HEART.labels[0]], others=others)
    assert (second.chart, second.table) == (first.chart, first.table)
    np.testing.assert_allclose(numbers(second.table, "LV"), curves.of(3) / 2)
    np.testing.assert_allclose(numbers(second.table, "LV (tracked)"), curves.of(3))
    assert len(series_of(second.chart)) == 8
    assert second.chart.GetTitle() == "Volumes"
    other = add_curves(scene, "other role", "Other", curves, INDEX, parts, [HEART.labels[0]])
    assert other.chart is not first.chart


def test_overlapping_parts_are_measured_each_for_itself(scene):
    first, second = (HEART.labels[0].with_array(np.zeros_like(HEART.labels[0].array)) for _ in range(2))
    first.array[:, 8:20, 8:20] = 2
    second.array[:, 12:24, 12:24] = 1
    curves = measure_volumes(Known(), [first, second], Progress())
    assert curves.labels == (1, 2)
    assert curves.of(2)[0] == pytest.approx((first.array > 0).sum() * 0.09)


def test_slices_have_areas(scene, parts):
    curves = VolumeCurves(np.arange(2.0), (3,), np.array([[900.0], [450.0]]), "mm2")
    nodes = add_curves(scene, "flat", "Slice", curves, SequenceIndex.counted(2), parts, [HEART.labels[0]], pool=3)
    assert nodes.chart.GetYAxisTitle() == "Area (mm²)"
    assert nodes.chart.GetXAxisTitle() == "frame"
    assert nodes.table.GetColumnUnitLabel("LV") == "mm²"


# Parts of the heart


@pytest.mark.parametrize(
    "names, found",
    [
        (["RV", "Myocardium", "LV"], ("LV", "Myocardium", "RV")),
        (["right ventricle", "left ventricle wall", "left ventricle"],
         ("left ventricle", "left ventricle wall", "right ventricle")),
        (["LV_myocardium", "LV blood pool", "left atrium"], ("LV blood pool", "LV_myocardium", None)),
        (["RV wall", "Right-ventricle", "MYO", "cavity"], ("cavity", "MYO", "Right-ventricle")),
        (["Liver", "Spleen", "Tumour"], (None, None, None)),
    ],
)  # fmt: skip
def test_parts_are_known_by_their_names(scene, names, found):
    labels = HEART.labels[0].with_array(np.arange(HEART.labels[0].array.size).reshape(3, 32, 32) % 5)
    named = dict(enumerate([*names, "rest"][:4], 1))
    node = add_segmentation(scene, labels, "parts", names=named)
    parts = guess_parts(node)
    assert (parts.pool, parts.myocardium, parts.right) == found
    assert parts.complete == (None not in found[:2])


def test_heart_labels_put_the_pool_over_a_filled_wall(scene, parts):
    filled = HEART.labels[0].with_array(np.where(HEART.labels[0].array == 3, 2, HEART.labels[0].array))
    pool = HEART.labels[0].with_array(np.where(HEART.labels[0].array == 3, 3, 0))
    labels, known = heart_labels(parts, [filled, pool], HeartParts("LV", "Myocardium", "RV"))
    np.testing.assert_array_equal(labels.array, HEART.labels[0].array)
    assert known == {"right": 1, "myocardium": 2, "pool": 3}
    with pytest.raises(InputError, match="has no part 'Aorta'"):
        heart_labels(parts, [filled], HeartParts("Aorta"))


def test_labels_of_a_label_map_are_numbered(scene):
    node = add_volume(scene, HEART.labels[0], "map", labels=True)
    assert list(part_titles(node, [HEART.labels[0]])) == [1, 2, 3]
    assert guess_parts(node) == HeartParts()


# Strain


@pytest.fixture(scope="module")
def strain():
    inverse = [one.with_array(-one.array) for one in HEART.displacements]
    return strain_curves(HEART.labels[0], lambda number: inverse[number], 6, HeartLabels(), True)


def test_strain_in_tables_plots_and_a_picture(scene, strain):
    nodes = add_strain(scene, "strain", "Cine", strain, INDEX)
    np.testing.assert_allclose(numbers(nodes.table, "Radial"), 100 * strain.of("radial"))
    segment = strain.segment_numbers[3]
    name = f"Circumferential {segment}"
    np.testing.assert_allclose(numbers(nodes.table, name), 100 * strain.of("circumferential", segment))
    assert nodes.table.GetColumnDescription(name).split()[0] in ("basal", "mid", "apical")
    assert list(series_of(nodes.chart)) == ["Radial", "Circumferential"]
    assert list(nodes.segment_charts) == ["radial", "circumferential"]
    assert len(series_of(nodes.segment_charts["radial"])) == len(strain.segment_numbers)
    picture = slicer.util.arrayFromVolume(nodes.bulls_eye)
    assert picture.shape[0] == 1
    assert picture.dtype == np.uint8
    assert nodes.bulls_eye.GetName() == "Cine: bull's-eye"
    again = add_strain(scene, "strain", "Cine", strain, INDEX)
    assert again.bulls_eye is nodes.bulls_eye


def test_strain_without_segments_has_no_bulls_eye(scene, strain):
    from dataclasses import replace

    whole = replace(strain, segments=strain.segments[..., :0], segment_numbers=[])
    nodes = add_strain(scene, "whole", "Cine", whole, INDEX)
    assert nodes.bulls_eye is None
    assert nodes.segment_charts == {}
    assert nodes.table.GetNumberOfColumns() == 4


def test_segments_lie_where_the_association_puts_them():
    numbers_ = segment_map(400)
    assert sorted(np.unique(numbers_)) == list(range(18))
    for segment in range(1, 18):
        across, down = segment_centre(segment)
        assert numbers_[int(400 * down), int(400 * across)] == segment
    # Front above, septum left of the picture, back below, lateral wall right of it.
    assert (numbers_[10, 200], numbers_[390, 200], numbers_[200, 200]) == (1, 4, 17)
    assert set(numbers_[150:250, 10]) == {2, 3}
    assert set(numbers_[150:250, 389]) == {5, 6}
    assert (numbers_[130, 200], numbers_[200, 130], numbers_[270, 200], numbers_[200, 270]) == (13, 14, 15, 16)


def test_colours_of_the_bulls_eye_say_the_sign():
    picture = draw_bulls_eyes({"one": {1: 30.0, 4: -30.0, 7: 0.0}})

    def colour(segment, aside=14):
        across, down = segment_centre(segment)
        return picture[int(48 + 300 * down) + aside, int(14 + 300 * across) + aside].astype(int)

    assert colour(1)[0] > colour(1)[2] + 80  # red
    assert colour(4)[2] > colour(4)[0] + 80  # blue
    assert colour(7).min() > 240  # white
    assert 200 < colour(12).mean() < 240  # unknown: grey
    two = draw_bulls_eyes({"one": {1: 1.0}, "two": {2: 1.0}})
    assert two.shape[1] == 2 * picture.shape[1]


def test_text_is_drawn_where_it_is_said():
    picture = np.full((60, 200, 3), 255, np.uint8)
    draw_text(picture, "strain", (100, 30), 20)
    rows, columns = np.nonzero(picture.min(axis=2) < 128)
    assert abs(rows.mean() - 30) < 4
    assert abs((columns.min() + columns.max()) / 2 - 100) < 3
    picture[:] = 255
    draw_text(picture, "left", (20, 30), 20, anchor="left")
    assert 18 < np.nonzero(picture.min(axis=2) < 128)[1].min() < 26
    draw_text(picture, "beyond the edge", (198, 2), 20)
    draw_text(picture, "outside", (900, 900), 20)
    draw_text(picture, "", (50, 50), 20)


# The motion matrix


def matrix(several=False):
    generator = np.random.default_rng(0)
    mean, deviation = generator.standard_normal((2, 5, 34)), generator.random((2, 5, 34) if several else (2, 5))
    return MotionMatrix(mean, deviation, "a model")


@pytest.mark.parametrize("several", [False, True])
def test_a_matrix_is_read_again_from_its_table(scene, several):
    one = matrix(several)
    node = add_matrix_table(scene, "matrix", "Matrix", one)
    assert node.GetNumberOfRows() == 10
    again = matrix_from_table(node)
    np.testing.assert_array_equal(again.mean, one.mean)
    np.testing.assert_array_equal(again.deviation, one.deviation)
    assert again.model == "a model"
    for other in (None, scene.AddNewNodeByClass("vtkMRMLTableNode", "empty")):
        with pytest.raises(InputError, match="motion matrix"):
            matrix_from_table(other)


def test_heat_map_has_slots_across_and_dimensions_down(scene):
    one = matrix()
    node = add_heat_map(scene, "heat", "Heat map", one)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), one.mean, rtol=1e-6)
    display = node.GetDisplayNode()
    assert -display.GetWindowLevelMin() == display.GetWindowLevelMax() == pytest.approx(np.abs(one.mean).max())
    assert not display.GetInterpolate()
    assert node.GetDescription().startswith("Slots of time from left to right")
    assert add_heat_map(scene, "heat", "Heat map", matrix(True)) is node


# Pictures in views


def test_a_picture_is_upright_and_without_the_grid_of_the_motion(scene, empty_views):
    empty_views.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    grid = samples.geometry("axis-aligned")
    transform = add_displacement_transform(scene, samples.smooth_displacement(grid), "motion")
    show_transform(transform, "grid", spacing_mm=20.0)
    drawn = np.zeros((80, 120, 3), np.uint8)
    drawn[:40, :60] = (255, 0, 0)  # red in the upper left corner
    drawn[40:, 60:] = (0, 0, 255)
    node = add_picture(scene, "picture", "picture", drawn)
    show_picture(node, "Yellow", hide=[transform.GetDisplayNode()])
    seen = empty_views.sliceWidget("Yellow").sliceView().picture()[..., :3]
    inside = seen[seen.shape[0] // 2 - 60 : seen.shape[0] // 2 + 60, 40:-40]
    corners = [inside[10, 10], inside[10, -10], inside[-10, 10], inside[-10, -10]]
    assert [tuple(int(value > 128) for value in corner) for corner in corners] == [
        (1, 0, 0),
        (0, 0, 0),
        (0, 0, 0),
        (0, 0, 1),
    ]
    kinds = np.unique((inside > 128).reshape(-1, 3), axis=0)
    assert len(kinds) <= 3
    show_in_all_views(transform.GetDisplayNode())
    assert transform.GetDisplayNode().GetNumberOfViewNodeIDs() == 0


def test_without_views_pictures_are_not_shown(scene):
    node = add_picture(scene, "picture", "picture", np.zeros((4, 4, 3), np.uint8))
    show_picture(node)
    assert isinstance(node, slicer.vtkMRMLVectorVolumeNode)
    matrix_ = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix_)
    assert matrix_.GetElement(2, 3) < -1000


def test_volumes_of_the_phantom_agree_with_counted_ones():
    curves = volume_curves(HEART.labels[0], lambda number: HEART.displacements[number], 6)
    for number in (0, HEART.es_frame):
        counted = (HEART.labels[number].array == 3).sum() * 0.09
        assert curves.of(3)[number] == pytest.approx(counted, rel=0.12)
