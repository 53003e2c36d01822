"""The panel's latent map: cases are shown by group, and the explored image deforms by the code that is picked."""

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
import vtk

from DeformationLib.image_io import write_image
from DeformationSceneLib.plane_pad import Dot, PlanePad
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import add_volume
from LatentRegistrationLib.latent_cases import CodeTable
from LatentRegistrationLib.latent_classification import classify, classify_leaky
from LatentRegistrationSceneLib.case_codes import add_codes_table
from Testing.panel_steps import SECONDS, Obstacle, scene_ids
from Testing.SlicerHost.application import load_scene, save_scene
from Testing.velocity_fixtures import small_heart, velocity_bundle
from Testing.view_events import drag

pytestmark = pytest.mark.filterwarnings("ignore:.*QMouseEvent.pos:DeprecationWarning")

LATENT, GROUPS = 5, ("dilated", "healthy", "thick")


def synthetic_codes(per_group=8):
    codes = np.random.default_rng(3).standard_normal((3 * per_group, LATENT))
    groups = np.repeat(GROUPS, per_group)
    codes[:, 1] += 2.5 * (groups == "healthy")
    names = tuple(f"patient {number:02d}" for number in range(len(codes)))
    return CodeTable(names, codes, np.full_like(codes, 0.1), tuple(groups.tolist()), "random velocities")


CODES = synthetic_codes()


@pytest.fixture
def chosen(panel, scene, tmp_path, monkeypatch):
    """A table of codes, a volume and the model of random weights, chosen in the panel."""
    velocity_bundle(tmp_path)
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path))
    panel.onModelsChanged()
    ui = panel.ui
    ui.exploreModelComboBox.setCurrentIndex(ui.exploreModelComboBox.findText("velocities"))
    ui.exploreVolumeSelector.setCurrentNode(add_volume(scene, small_heart().frames[0], "End-diastole"))
    table = add_codes_table(scene, CODES)
    for box in (ui.mapGroupBox, ui.exploreExportGroupBox):
        box.checked = True  # what is collapsed cannot be used
    ui.mapCodesSelector.setCurrentNode(table)
    return table


@pytest.fixture
def mapped(panel, chosen):
    """The same, with the image explored and the map shown."""
    panel.ui.exploreButton.click()
    assert panel.explore._job.wait(SECONDS)
    show_map(panel)
    return chosen


def show_map(panel, kind="principal"):
    panel.ui.mapKindComboBox.setCurrentIndex(0 if kind == "principal" else 1)
    panel.ui.mapShowButton.click()
    assert panel.map._job.wait(SECONDS)


def shown_displacement(panel):
    assert panel.explore._request.wait(SECONDS)
    return displacement_from_transform(panel.explore.exploration.live.transform).array


def displacement_of(panel, code):
    return panel.explore.exploration.explorer.live_displacement_of_code(code).array


def press(pad, x, y):
    column, row = (round(value) for value in pad.pixel(x, y))
    drag(pad, (column, row), (column, row))
    return pad.position(column, row)


def select_in_plot(view, case):
    """What Slicer's plot view tells after a point was selected."""
    nodes = slicer.modules.LatentRegistrationWidget.map.nodes
    for index in range(nodes.chart.GetNumberOfPlotSeriesNodes()):
        series = nodes.chart.GetNthPlotSeriesNode(index)
        labels = series.GetTableNode().GetTable().GetColumnByName("case")
        row = labels.LookupValue(case)
        if row >= 0:
            identifiers, rows, selections = vtk.vtkStringArray(), vtk.vtkIdTypeArray(), vtk.vtkCollection()
            identifiers.InsertNextValue(series.GetID())
            rows.InsertNextValue(row)
            selections.AddItem(rows)
            view.dataSelected.emit(identifiers, selections)


def test_the_groups_can_be_any_column(panel, chosen):
    box = panel.ui.mapGroupColumnComboBox
    assert [box.itemText(index) for index in range(box.count)] == ["None", "group"]
    assert panel._parameterNode.mapGroupColumn == "group"
    assert box.currentText == "group"
    box.setCurrentIndex(0)
    assert panel._parameterNode.mapGroupColumn == ""
    show_map(panel)
    assert len(panel.map.nodes.classifications) == 0
    assert panel.ui.mapAccuracyLabel.text == ""
    assert len({dot.colour for dot in panel.map.pad.dots}) == 1


def test_cases_in_files_are_encoded_into_a_table(panel, chosen, scene, tmp_path):
    rows = ["name,fixed,moving,group"]
    for number, group in enumerate("aabb"):
        heart = small_heart(number)
        for frame, which in ((2, "fixed"), (0, "moving")):
            write_image(heart.frames[frame], tmp_path / f"{number}_{which}.nii.gz")
        rows.append(f"case {number},{number}_fixed.nii.gz,{number}_moving.nii.gz,{group}")
    (tmp_path / "hearts.csv").write_text("\n".join(rows) + "\n")
    panel.ui.mapCasesPathLineEdit.currentPath = str(tmp_path / "hearts.csv")
    panel.ui.mapEncodeButton.click()
    assert not panel.ui.mapEncodeButton.enabled
    assert panel.map._job.wait(SECONDS)
    node = panel.ui.mapCodesSelector.currentNode()
    assert node.GetName() == "Codes of hearts"
    codes = panel.logic.codesFromTable(node, panel._parameterNode.mapGroupColumn)
    assert (codes.names[3], codes.groups) == ("case 3", tuple("aabb"))
    heart = small_heart(3)
    expected = panel.logic.model("velocities").encode(heart.frames[2], heart.frames[0])
    np.testing.assert_allclose(codes.codes[3], expected.mean, atol=1e-3)


def test_codes_of_the_command_line_are_taken_as_they_are(panel, chosen, tmp_path):
    CODES.write(tmp_path / "codes.csv")
    panel.ui.mapCasesPathLineEdit.currentPath = str(tmp_path / "codes.csv")
    panel.ui.mapEncodeButton.click()
    assert panel.map._job.wait(SECONDS)
    codes = panel.logic.codesFromTable(panel.ui.mapCodesSelector.currentNode(), "group")
    np.testing.assert_allclose(codes.codes, CODES.codes, atol=1e-5)
    assert codes.groups == CODES.groups


@pytest.mark.parametrize("path", ["", "nowhere.csv", "folder"])
def test_cases_that_are_not_there_add_nothing(panel, chosen, scene, tmp_path, path):
    (tmp_path / "folder").mkdir()
    panel.ui.mapCasesPathLineEdit.currentPath = str(tmp_path / path) if path else ""
    before = scene_ids(scene)
    panel.ui.mapEncodeButton.click()
    assert panel.map._job is None or panel.map._job.wait(SECONDS)
    assert scene_ids(scene) == before
    assert (panel.map._job is None) == (path != "folder")


def test_the_map_tells_honest_and_leaky_accuracy_apart(panel, chosen):
    show_map(panel, "canonical")
    honest, leaky = (f(CODES.codes, CODES.groups).accuracy for f in (classify, classify_leaky))
    lines = panel.ui.mapAccuracyLabel.text.splitlines()
    assert f"Cross-validated: {100 * honest:.0f} %" in lines[1]
    principal = classify(CODES.codes, CODES.groups, principal=10).accuracy
    assert f"Cross-validated, on principal components: {100 * principal:.0f} %" in lines[2]
    assert f"Leaky, not to be believed: {100 * leaky:.0f} %" in lines[3]
    assert "Press Explore" in panel.ui.mapMessageLabel.text


def test_the_pad_shows_the_cases_where_the_chart_does(panel, mapped):
    nodes = panel.map.nodes
    dots = panel.map.pad.dots
    assert [dot.name for dot in dots] == list(CODES.names)
    np.testing.assert_allclose([(dot.x, dot.y) for dot in dots], nodes.points)
    colours = {
        nodes.chart.GetNthPlotSeriesNode(n).GetName(): nodes.chart.GetNthPlotSeriesNode(n).GetColor() for n in range(3)
    }
    assert {(dot.colour, group) for dot, group in zip(dots, CODES.groups)} == {(c, g) for g, c in colours.items()}


def test_a_point_of_the_principal_plane_is_two_amplitudes(panel, mapped):
    pad = panel.map.pad
    pad.resize(260, 260)
    pad.showDots([], panel.map.nodes.reach)
    point = press(pad, 1.2, -0.7)
    np.testing.assert_allclose(
        shown_displacement(panel), displacement_of(panel, panel.map.nodes.plane.code(point)), atol=1e-4
    )
    np.testing.assert_allclose(panel.explore.amplitudes(), [*point, 0, 0], atol=1e-5)
    np.testing.assert_allclose(pad.point, point, atol=1e-5)
    assert float(panel.ui.exploreComponentsTable.item(0, 3).text()) == pytest.approx(point[0], abs=0.006)


def test_dragging_moves_the_deformation_on(panel, mapped):
    pad = panel.map.pad
    pad.resize(260, 260)
    pad.showDots([], panel.map.nodes.reach)
    drag(pad, (60, 60), (200, 150))
    end = pad.position(200, 150)
    np.testing.assert_allclose(pad.point, end, atol=1e-5)
    np.testing.assert_allclose(
        shown_displacement(panel), displacement_of(panel, panel.map.nodes.plane.code(end)), atol=1e-4
    )


@pytest.mark.parametrize("kind", ["principal", "canonical"])
def test_a_case_deforms_the_image_by_its_whole_code(panel, mapped, kind):
    show_map(panel, kind)
    pad, row = panel.map.pad, 11
    pad.resize(260, 260)
    press(pad, *panel.map.nodes.points[row])
    assert CODES.names[row] in panel.ui.mapNearestLabel.text
    assert CODES.nearest(CODES.names[row])[0][0] in panel.ui.mapNearestLabel.text
    whole = displacement_of(panel, CODES.codes[row])
    np.testing.assert_allclose(shown_displacement(panel), whole, atol=1e-4)
    explorer = panel.explore.exploration.explorer
    reached = explorer.live_displacement(panel.explore.amplitudes()).array
    assert np.abs(reached - whole).max() > 0.05  # four components do not hold a code of five values
    np.testing.assert_allclose(pad.point, panel.map.nodes.points[row], atol=1e-6)


def test_the_cross_follows_the_slider(panel, mapped):
    panel.map.pickCase(CODES.names[4])
    panel.ui.exploreAmplitudeSlider.value = 1.5
    amplitudes = panel.explore.amplitudes()
    assert panel.map.pad.point == pytest.approx(amplitudes[:2], abs=1e-5)
    assert panel.explore.pickedCode() is None
    explorer = panel.explore.exploration.explorer
    np.testing.assert_allclose(shown_displacement(panel), explorer.live_displacement(amplitudes).array, atol=1e-4)


def test_what_was_picked_is_exported(panel, mapped, scene):
    panel.map.pickCase(CODES.names[7])
    panel.ui.exploreExportTransformButton.click()
    assert panel.explore._job.wait(SECONDS)
    live = panel.explore.exploration.live.transform
    (exported,) = (node for node in slicer.util.getNodesByClass("vtkMRMLGridTransformNode") if node is not live)
    expected = panel.explore.exploration.explorer.displacement_of_code(CODES.codes[7]).array
    np.testing.assert_allclose(displacement_from_transform(exported).array, expected, atol=1e-4)


def test_a_point_that_is_selected_in_the_plot_is_picked(main_window, panel, mapped):
    view = slicer.app.layoutManager().plotWidget(0).plotView()
    select_in_plot(view, CODES.names[13])
    np.testing.assert_allclose(shown_displacement(panel), displacement_of(panel, CODES.codes[13]), atol=1e-4)
    show_map(panel)  # connects no second time
    picked = []
    panel.map.pickCase = picked.append
    select_in_plot(view, CODES.names[2])
    assert picked == [CODES.names[2]]
    empty = vtk.vtkStringArray(), vtk.vtkCollection()
    view.dataSelected.emit(*empty)
    assert picked == [CODES.names[2]]


def plot_pixel(view, point):
    """Pixel of the plot view, from its upper left corner, at a point of the map."""
    chart, place = view.chart(), []
    for axis, value, component in (
        (chart.GetAxis(vtk.vtkAxis.BOTTOM), point[0], 0),
        (chart.GetAxis(vtk.vtkAxis.LEFT), point[1], 1),
    ):
        low, high = axis.GetPoint1()[component], axis.GetPoint2()[component]
        place.append(low + (value - axis.GetMinimum()) / (axis.GetMaximum() - axis.GetMinimum()) * (high - low))
    return round(place[0]), round(view.height - place[1])


@pytest.mark.parametrize("way", ["click", "rectangle"])
def test_a_case_is_picked_in_the_plot_with_the_mouse(main_window, panel, mapped, way):
    widget = slicer.app.layoutManager().plotWidget(0)
    view, row = widget.plotView(), int(panel.map.nodes.points[:, 0].argmin())  # alone
    slicer.app.processEvents()
    view.picture()
    column, line = plot_pixel(view, panel.map.nodes.points[row])
    if way == "click":
        drag(view, (column, line), (column, line))
    else:
        widget.mrmlPlotViewNode().SetInteractionMode(slicer.vtkMRMLPlotViewNode.InteractionModeSelectPoints)
        slicer.app.processEvents()
        view.picture()
        drag(view, (column - 6, line - 6), (column + 6, line + 6))
    assert CODES.names[row] in panel.ui.mapNearestLabel.text
    np.testing.assert_allclose(shown_displacement(panel), displacement_of(panel, CODES.codes[row]), atol=1e-4)


def test_without_exploration_the_map_asks_for_it(panel, chosen):
    show_map(panel)
    panel.map.pickCase(CODES.names[0])
    assert "Press Explore" in panel.ui.mapMessageLabel.text
    assert CODES.names[0] in panel.ui.mapNearestLabel.text


def test_the_map_of_another_model_moves_nothing(panel, mapped, scene):
    ui = panel.ui
    before = list(panel._parameterNode.exploreAmplitudes)
    panel.map._nodes.model = "another"
    panel.map.pickPoint(1.0, 1.0)
    assert "another model" in ui.mapMessageLabel.text
    assert list(panel._parameterNode.exploreAmplitudes) == before


@pytest.mark.parametrize(
    ("frames", "ed_frame", "sentence"),
    [
        (1, 0, "has one frame, but motion needs at least two"),
        (4, 4, "The end-diastolic frame 4 of x is not in the series"),
    ],
)
def test_series_without_motion_are_a_sentence(panel, chosen, scene, tmp_path, frames, ed_frame, sentence):
    series = sitk.JoinSeries([frame.to_sitk() for frame in small_heart().frames[:frames]])
    sitk.WriteImage(series, str(tmp_path / "x.nii.gz"))
    (tmp_path / "x.csv").write_text(f"name,cine,ed_frame,es_frame\nx,x.nii.gz,{ed_frame},2\n")
    panel.ui.mapCasesPathLineEdit.currentPath = str(tmp_path / "x.csv")
    before = scene_ids(scene)
    panel.ui.mapEncodeButton.click()
    assert panel.map._job.wait(SECONDS)
    assert sentence in panel.ui.mapMessageLabel.text
    assert scene_ids(scene) == before


def test_a_group_of_one_case_is_told_beside_the_map(panel, chosen, scene):
    groups = ("rare", *CODES.groups[1:])
    table = add_codes_table(scene, CodeTable(CODES.names, CODES.codes, CODES.deviations, groups, CODES.model))
    panel.ui.mapCodesSelector.setCurrentNode(table)
    show_map(panel)
    assert "rare has fewer than 2 cases" in panel.ui.mapAccuracyLabel.text
    assert len(panel.map.pad.dots) == len(CODES)
    show_map(panel, "canonical")
    assert "rare has fewer than 2 cases" in panel.ui.mapMessageLabel.text


def test_a_canonical_plane_of_few_cases_is_not_to_be_believed(panel, chosen, scene):
    rows = [0, 1, 2, 8, 9, 10, 16, 17, 18]
    names, groups = ([values[row] for row in rows] for values in (CODES.names, CODES.groups))
    few = CodeTable(tuple(names), CODES.codes[rows], CODES.deviations[rows], tuple(groups), CODES.model)
    panel.ui.mapCodesSelector.setCurrentNode(add_codes_table(scene, few))
    show_map(panel, "canonical")
    assert "9 cases with codes of 5 values can be told apart whatever they are" in panel.ui.mapAccuracyLabel.text
    panel.ui.mapCodesSelector.setCurrentNode(chosen)
    show_map(panel, "canonical")
    assert "whatever they are" not in panel.ui.mapAccuracyLabel.text


def test_codes_of_another_model_are_a_sentence(main_window, panel, chosen, scene):
    box = panel.ui.exploreModelComboBox
    box.setCurrentIndex(box.findText("phantom"))
    before = scene_ids(scene)
    show_map(panel)
    assert "choose a probabilistic one" in panel.ui.mapMessageLabel.text
    assert scene_ids(scene) == before
    assert panel.map.nodes is None


def test_cancel_leaves_the_scene(panel, chosen, scene, monkeypatch):
    obstacle = Obstacle(monkeypatch, panel)
    before = scene_ids(scene)
    panel.ui.mapShowButton.click()
    assert obstacle.reached.wait(SECONDS)
    assert panel.ui.mapShowButton.text == "Cancel"
    panel.ui.mapShowButton.click()
    obstacle.go_on.set()
    assert panel.ui.mapShowButton.text == "Show map"
    assert "Cancelled" in panel.ui.mapMessageLabel.text
    assert scene_ids(scene) == before


def test_the_button_needs_a_table(panel, scene):
    assert not panel.ui.mapShowButton.enabled
    assert "Select a table" in panel.ui.mapShowButton.toolTip
    assert not panel.map.pad.enabled


def test_choices_are_saved_with_the_scene(panel, chosen, scene, tmp_path):
    panel.ui.mapKindComboBox.setCurrentIndex(1)
    path = tmp_path / "scene.mrb"
    save_scene(path)
    scene.Clear(False)
    assert panel.map.nodes is None
    load_scene(path)
    assert panel._parameterNode.mapKind.value == "canonical"
    assert panel._parameterNode.mapGroupColumn == "group"
    assert panel.ui.mapGroupColumnComboBox.currentText == "group"
    again = panel.logic.codesFromTable(panel._parameterNode.mapCodes, "group")
    np.testing.assert_allclose(again.codes, CODES.codes, rtol=1e-4)
    assert again.model == CODES.model


def test_closing_the_scene_empties_the_pad(panel, mapped, scene):
    scene.Clear(False)
    assert panel.map.nodes is None
    assert panel.map.pad.dots == []
    assert panel.ui.mapAccuracyLabel.text == ""


# The pad itself


@pytest.fixture
def pad(application):
    events = []
    widget = PlanePad(lambda x, y: events.append((x, y)), events.append)
    widget.resize(240, 220)
    widget.events = events
    yield widget
    widget.deleteLater()


def test_pixels_and_positions_are_inverse(pad):
    pad.showDots([], 2.5)
    assert pad.position(*pad.pixel(1.3, -2.0)) == pytest.approx((1.3, -2.0))
    assert pad.position(0, -500) == (-2.5, 2.5)  # no farther out than the square
    assert pad.pixel(0, 1)[1] < pad.pixel(0, 0)[1]  # upwards
    across, up = (np.subtract(pad.pixel(*end), pad.pixel(0, 0)) for end in ((1, 0), (0, 1)))
    assert across[0] == pytest.approx(-up[1])


def test_dots_are_caught_nearby_and_right_clicks_ignored(pad):
    pad.showDots([Dot("a", 1.0, 1.0, (1, 0, 0)), Dot("b", 1.1, 1.0, (0, 1, 0))], 3.0)
    column, row = (round(value) for value in pad.pixel(1.1, 1.0))
    drag(pad, (column + 2, row + 2), (column + 2, row + 2), qt.Qt.RightButton)
    assert pad.events == []
    pad.mousePressEvent(press_event(column + 2, row + 2))
    pad.mousePressEvent(press_event(column + 40, row))
    assert pad.events[0] == "b"
    assert pad.events[1] == pytest.approx(pad.position(column + 40, row))


def test_a_dot_is_left_only_by_a_movement_that_is_meant(pad):
    pad.showDots([Dot("a", 1.0, 1.0, (1, 0, 0))], 3.0)
    column, row = (round(value) for value in pad.pixel(1.0, 1.0))
    drag(pad, (column, row), (column + 4, row))
    assert pad.events == ["a"]
    drag(pad, (column, row), (column + 30, row))
    assert pad.events[1] == "a"
    assert pad.events[-1] == pytest.approx(pad.position(column + 30, row))


def press_event(column, row):
    position = qt.QPointF(column, row)
    return qt.QMouseEvent(
        qt.QEvent.MouseButtonPress, position, position, qt.Qt.LeftButton, qt.Qt.LeftButton, qt.Qt.NoModifier
    )


def test_dots_and_cross_are_painted_where_they_lie(pad):
    pad.showDots([Dot("a", 1.0, 1.0, (0.0, 0.45, 0.70))], 3.0)
    pad.showPoint((-1.0, -1.5))
    image = pad.grab().toImage()
    column, row = (round(value) for value in pad.pixel(1.0, 1.0))
    dot, cross = (image.pixelColor(*(round(v) for v in pad.pixel(*p))) for p in ((1.0, 1.0), (-1.0, -1.5)))
    assert (dot.red(), dot.green(), dot.blue()) == (0, 115, 178)
    assert cross.red() > 180
    assert cross.green() < 60
    ground = image.pixelColor(column + 20, row + 20)
    assert (ground.red(), ground.green(), ground.blue()) == (255, 253, 246)
