"""Charts and tables: kept for a purpose, filled anew, with real x axes; what those of the components say."""

import numpy as np
import pytest
import slicer

from DeformationLib.errors import InputError
from DeformationLib.phantoms import two_part_phantom
from DeformationSceneLib.placement import nodes_of
from DeformationSceneLib.plots import Axes, Series, show_chart, update_chart
from DeformationSceneLib.tables import Column, add_table, fill_table, node_in_role
from DeformationSceneLib.volumes import add_volume
from LatentRegistrationLib.model import RegistrationModel
from LatentRegistrationSceneLib.component_charts import (
    add_component_table,
    coefficients_chart,
    population_chart,
    variance_chart,
)
from Testing.SlicerHost.application import load_scene, save_scene

IMAGE, _LABELS = two_part_phantom(4)
AXES = Axes("Loss", "epoch", "loss")


@pytest.fixture(scope="session")
def explorer(application):
    return RegistrationModel.load("phantom", "cpu").explorer(IMAGE)


@pytest.fixture
def image_node(scene):
    return add_volume(scene, IMAGE, "phantom")


def column(table_node, name):
    array = table_node.GetTable().GetColumnByName(name)
    return [array.GetValue(index) for index in range(array.GetNumberOfTuples())]


def series_of(chart):
    return [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]


def test_table_has_numbers_texts_units_and_descriptions(scene):
    columns = {
        "Component": np.arange(1, 4),
        "Share": Column([0.5, 0.25, 0.125], "%", "Of the variance."),
        "Name": ["a", "b", "c"],
    }
    node = add_table(scene, "table", columns)
    assert column(node, "Component") == [1, 2, 3]
    assert isinstance(column(node, "Component")[0], int)
    assert column(node, "Share") == [0.5, 0.25, 0.125]
    assert column(node, "Name") == ["a", "b", "c"]
    assert node.GetColumnUnitLabel("Share") == "%"
    assert node.GetColumnDescription("Share") == "Of the variance."
    fill_table(node, {"Other": [7.0]})
    assert [node.GetColumnName(index) for index in range(node.GetNumberOfColumns())] == ["Other"]
    assert column(node, "Other") == [7.0]
    with pytest.raises(ValueError, match="same length"):
        fill_table(node, {"a": [1], "b": [1, 2]})


def test_chart_is_made_once_and_filled_anew(scene):
    def draw(values, *names):
        tables = {"values": {"epoch": np.arange(len(values)), **dict.fromkeys(names, values)}}
        return update_chart(scene, "test/loss", AXES, tables, [Series(n, "values", "epoch", n) for n in names])

    chart = draw([3.0, 2.0], "loss", "validation")
    nodes = {node.GetID() for node in nodes_of(scene)}
    assert [series.GetName() for series in series_of(chart)] == ["loss", "validation"]
    assert draw([3.0, 2.0, 1.0], "loss", "validation") is chart
    assert {node.GetID() for node in nodes_of(scene)} == nodes
    assert column(series_of(chart)[0].GetTableNode(), "loss") == [3.0, 2.0, 1.0]
    # A series that is not wanted any more goes from the chart and the scene, and can come back.
    assert [series.GetName() for series in series_of(draw([3.0], "validation"))] == ["validation"]
    assert scene.GetFirstNodeByName("loss") is None
    assert [series.GetName() for series in series_of(draw([3.0], "validation", "loss"))] == ["validation", "loss"]


def test_kinds_of_series_have_real_x_axes(scene):
    kinds = ("points", "line", "dashed line", "dotted line", "line with points", "bars")
    tables = {"t": {"x": [0.0, 1.0, 5.0]} | {kind: [1.0, 2.0, 3.0] for kind in kinds}}
    series = [Series(kind, "t", "x", kind, kind, (0.1, 0.2, 0.3), 5.0, "diamond") for kind in kinds]
    drawn = dict(zip(kinds, series_of(update_chart(scene, "test/kinds", AXES, tables, series)), strict=True))
    node = slicer.vtkMRMLPlotSeriesNode
    assert all(one.IsXColumnRequired() and one.GetXColumnName() == "x" for one in drawn.values())
    assert drawn["bars"].GetPlotType() == node.PlotTypeScatterBar
    assert drawn["points"].GetLineStyle() == node.LineStyleNone
    assert drawn["points"].GetMarkerStyle() == node.MarkerStyleDiamond
    assert drawn["line"].GetMarkerStyle() == node.MarkerStyleNone
    assert drawn["line"].GetLineWidth() == 5.0
    assert drawn["dashed line"].GetLineStyle() == node.LineStyleDash
    assert drawn["line with points"].GetMarkerSize() == 5.0
    assert drawn["line"].GetColor() == pytest.approx((0.1, 0.2, 0.3))


def test_node_in_a_role_is_found_again_after_saving(scene, tmp_path):
    node = node_in_role(scene, "vtkMRMLTableNode", "test/table", "My table")
    fill_table(node, {"a": [1.0]})
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")
    again = node_in_role(scene, "vtkMRMLTableNode", "test/table", "My table")
    assert column(again, "a") == [1.0]
    assert node_in_role(scene, "vtkMRMLTableNode", "test/other", "Other") is not again


def test_small_print_is_set_once(scene):
    axes = Axes("Strain", "time", "%", name="Heart: strain", small_print=True)
    chart = update_chart(scene, "small", axes, {}, [])
    assert (chart.GetTitle(), chart.GetName()) == ("Strain", "Heart: strain")
    assert chart.GetLegendFontSize() < update_chart(scene, "large", AXES, {}, []).GetLegendFontSize()
    chart.SetLegendFontSize(17)
    assert update_chart(scene, "small", axes, {}, []) is chart
    assert chart.GetLegendFontSize() == 17


def test_population_chart(scene, explorer, image_node):
    chart = population_chart(explorer, image_node, 2, 0)
    inner, outer, population, image = series_of(chart)
    values = np.stack([column(population.GetTableNode(), name) for name in "xy"], axis=1)
    assert values.shape == (len(explorer.population), 2)
    np.testing.assert_allclose(values[:, 0], explorer.population[:, 2] / explorer.standard_deviations[2])
    # Standard deviations are those of the training cases themselves.
    np.testing.assert_allclose(values.std(axis=0, ddof=1), 1.0, rtol=0.02)
    here = [column(image.GetTableNode(), name)[0] for name in "xy"]
    np.testing.assert_allclose(here, (explorer.coefficients / explorer.standard_deviations)[[2, 0]])
    radii = [
        np.hypot(column(s.GetTableNode(), s.GetXColumnName()), column(s.GetTableNode(), s.GetYColumnName()))
        for s in (inner, outer)
    ]
    np.testing.assert_allclose(radii, np.array([[1.0], [2.0]]) * np.ones(73))
    assert image.GetName() == "phantom"
    assert column(image.GetTableNode(), image.GetLabelColumnName()) == ["phantom"] * 2
    assert chart.GetXAxisTitle().startswith("Component 3 (SD")
    low, high = chart.GetXAxisRange()
    assert low < values.min()
    assert high > values.max()
    assert chart.GetYAxisRange() == (low, high)


def test_population_chart_follows_another_image(scene, explorer, image_node):
    chart = population_chart(explorer, image_node)
    count = scene.GetNumberOfNodes()
    other = add_volume(scene, IMAGE, "other")
    added = scene.GetNumberOfNodes() - count
    again = population_chart(explorer, other, 1, 2)
    assert again is chart
    assert scene.GetNumberOfNodes() == count + added
    assert chart.GetTitle() == "other among the training cases"
    assert [series.GetName() for series in series_of(chart)][-1] == "other"


def test_coefficients_chart(scene, explorer, image_node):
    bars, *bands = series_of(coefficients_chart(explorer, image_node))
    assert column(bars.GetTableNode(), "Component") == list(range(1, explorer.count + 1))
    np.testing.assert_allclose(
        column(bars.GetTableNode(), "Coefficient"), explorer.coefficients / explorer.standard_deviations
    )
    levels = [column(band.GetTableNode(), band.GetYColumnName()) for band in bands]
    assert levels == [[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0], [-2.0, -2.0]]


def test_variance_chart(scene, explorer, image_node):
    chart = variance_chart(explorer, image_node, "phantom")
    one, together = series_of(chart)
    share = column(one.GetTableNode(), "Explained variance")
    assert 0 < sum(share) <= 100
    assert share == sorted(share, reverse=True)
    np.testing.assert_allclose(column(together.GetTableNode(), "Cumulative variance"), np.cumsum(share))
    assert "'phantom'" in chart.GetTitle()


def test_component_table(scene, explorer, image_node):
    node = add_component_table(explorer, image_node)
    assert node.GetName() == "phantom components"
    assert node.GetNumberOfRows() == explorer.count
    np.testing.assert_allclose(column(node, "Coefficient"), explorer.coefficients)
    np.testing.assert_allclose(
        np.multiply(column(node, "Coefficient in SD"), column(node, "Standard deviation")), explorer.coefficients
    )
    assert column(node, "Component")[:2] == [1, 2]
    assert node.GetColumnUnitLabel("Explained variance") == "%"
    assert add_component_table(explorer, image_node).GetName() == "phantom components (2)"


def test_nodes_of_a_chart_lie_beside_the_image(scene, explorer, image_node):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(image_node), folder)
    chart = variance_chart(explorer, image_node)
    for node in (chart, *series_of(chart), series_of(chart)[0].GetTableNode()):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder


def test_component_that_does_not_exist_is_refused(scene, explorer, image_node):
    before = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="no component 33: this model has 32"):
        population_chart(explorer, image_node, 0, 32)
    assert scene.GetNumberOfNodes() == before


def test_chart_is_shown_in_a_layout_with_a_plot_view(scene, explorer, image_node):
    chart = variance_chart(explorer, image_node)
    show_chart(chart)
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == chart.GetID()
