"""Plot and table views of the host: points land where the axes say, styles follow the series nodes."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
import vtk

from Testing.view_events import drag, is_colour, press_key

SERIES = slicer.vtkMRMLPlotSeriesNode
RED, BLUE = (230, 25, 30), (25, 75, 200)


@pytest.fixture
def views(empty_views):
    return empty_views


def table_of(columns: dict[str, list[float]]):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "table")
    slicer.util.updateTableFromArray(node, np.column_stack(list(columns.values())), list(columns))
    return node


def series_of(table, y: str, x: str | None = None, colour=RED, kind: int = SERIES.PlotTypeScatter):
    """A series of circles without line."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", y)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetYColumnName(y)
    node.SetXColumnName(x or "")
    node.SetPlotType(kind)
    node.SetColor(*(component / 255 for component in colour))
    node.SetMarkerStyle(SERIES.MarkerStyleCircle)
    node.SetMarkerSize(9)
    node.SetLineStyle(SERIES.LineStyleNone)
    return node


def chart_of(*series, x_range=None, y_range=None):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    for one in series:
        node.AddAndObservePlotSeriesNodeID(one.GetID())
    node.SetLegendVisibility(False)
    if x_range is not None:
        node.SetXAxisRangeAuto(False)
        node.SetXAxisRange(x_range)
    if y_range is not None:
        node.SetYAxisRangeAuto(False)
        node.SetYAxisRange(y_range)
    return node


def show(views, chart):
    """The plot view with this chart, as Slicer's own Plots module shows it."""
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    slicer.app.processEvents()
    return views.plotWidget(0).plotView()


def place_of(view, x: float, y: float) -> tuple[float, float]:
    """Row and column of a point of the chart, from the ends of its axes."""
    chart, height = view.chart(), view.picture().shape[0]

    def along(axis, value, component):
        low, high = axis.GetPoint1()[component], axis.GetPoint2()[component]
        extent = [0.0, 0.0]
        axis.GetUnscaledRange(extent)
        if axis.GetLogScale():
            value, extent = np.log10(value), np.log10(extent)
        return low + (value - extent[0]) / (extent[1] - extent[0]) * (high - low)

    column = along(chart.GetAxis(vtk.vtkAxis.BOTTOM), x, 0)
    return height - 1 - along(chart.GetAxis(vtk.vtkAxis.LEFT), y, 1), column


def places(view, colour, tolerance: int = 60) -> np.ndarray:
    return np.argwhere(is_colour(view.picture(), colour, tolerance))


def test_show_chart_in_layout(views):
    chart = chart_of(series_of(table_of({"x": [0, 1], "y": [0, 1]}), "y", "x"))
    view = show(views, chart)
    assert views.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    assert views.plotViewCount == 1
    assert views.plotWidget(0).isVisible()
    assert views.plotWidget(0).mrmlPlotViewNode().GetPlotChartNodeID() == chart.GetID()
    assert view.chart().GetNumberOfPlots() == 1


@pytest.mark.parametrize("point", [(1.0, 2.0), (7.0, 3.0), (4.0, 9.0)])
def test_a_point_lands_at_its_place(views, point):
    series = series_of(table_of({"x": [point[0]], "y": [point[1]]}), "y", "x")
    view = show(views, chart_of(series, x_range=(0.0, 10.0), y_range=(0.0, 10.0)))
    found = places(view, RED)
    assert len(found) > 30
    assert found.mean(axis=0) == pytest.approx(place_of(view, *point), abs=1.5)


def test_a_point_lands_at_its_place_on_a_logarithmic_axis(views):
    series = series_of(table_of({"x": [5.0], "y": [10.0]}), "y", "x")
    chart = chart_of(series, x_range=(0.0, 10.0), y_range=(1.0, 1000.0))
    chart.SetYAxisLogScale(True)
    view = show(views, chart)
    found = places(view, RED).mean(axis=0)
    assert found == pytest.approx(place_of(view, 5.0, 10.0), abs=1.5)
    axis = view.chart().GetAxis(vtk.vtkAxis.LEFT)
    bottom, top = axis.GetPoint1()[1], axis.GetPoint2()[1]
    # One of three decades up.
    assert view.picture().shape[0] - 1 - found[0] == pytest.approx(bottom + (top - bottom) / 3, abs=2)


def test_logarithmic_axes_do_without_zero(views):
    series = series_of(table_of({"x": [0, 1, 2], "y": [0.0, 1.0, 100.0]}), "y", "x")
    chart = chart_of(series, y_range=(0.0, 100.0))
    chart.SetYAxisLogScale(True)
    view = show(views, chart)
    extent = [0.0, 0.0]
    view.chart().GetAxis(vtk.vtkAxis.LEFT).GetUnscaledRange(extent)
    assert extent == pytest.approx([0.01, 100.0])


def test_scatter_uses_x_and_line_does_not(views):
    """PlotTypeLine spaces its points evenly, whatever the x column holds."""
    table = table_of({"x": [0.0, 9.0, 10.0], "y": [5.0, 5.0, 5.0]})
    series = series_of(table, "y", "x")
    view = show(views, chart_of(series, x_range=(-1.0, 11.0), y_range=(0.0, 10.0)))

    def columns():
        found = np.unique(places(view, RED)[:, 1])
        return [group.mean() for group in np.split(found, np.nonzero(np.diff(found) > 3)[0] + 1)]

    expected = [place_of(view, x, 5.0)[1] for x in (0.0, 9.0, 10.0)]
    assert columns() == pytest.approx(expected, abs=2)
    series.SetPlotType(SERIES.PlotTypeLine)
    expected = [place_of(view, x, 5.0)[1] for x in (0.0, 1.0, 2.0)]
    assert columns() == pytest.approx(expected, abs=2)


def test_series_have_their_own_colours_and_styles(views):
    table = table_of({"x": [0.0, 10.0], "a": [2.0, 2.0], "b": [8.0, 8.0]})
    solid, dashed = series_of(table, "a", "x"), series_of(table, "b", "x", BLUE)
    for series, style in ((solid, SERIES.LineStyleSolid), (dashed, SERIES.LineStyleDash)):
        series.SetMarkerStyle(SERIES.MarkerStyleNone)
        series.SetLineStyle(style)
        series.SetLineWidth(4)
    view = show(views, chart_of(solid, dashed, x_range=(0.0, 10.0), y_range=(0.0, 10.0)))
    for colour, height in ((RED, 2.0), (BLUE, 8.0)):
        assert places(view, colour)[:, 0].mean() == pytest.approx(place_of(view, 5.0, height)[0], abs=1.5)
    covered = [len(np.unique(places(view, colour)[:, 1])) for colour in (RED, BLUE)]
    assert covered[1] < 0.85 * covered[0]


def test_bars_reach_from_zero_to_their_value(views):
    series = series_of(table_of({"y": [3.0, 8.0, 5.0]}), "y", kind=SERIES.PlotTypeBar)
    view = show(views, chart_of(series, x_range=(-1.0, 3.0), y_range=(0.0, 10.0)))
    found = places(view, RED)
    bottom, top = place_of(view, 1.0, 0.0), place_of(view, 1.0, 8.0)
    column = found[np.abs(found[:, 1] - bottom[1]) < 3][:, 0]
    assert (column.max(), column.min()) == pytest.approx((bottom[0], top[0]), abs=2.5)


def test_titles_and_legend_are_as_the_chart_says(views):
    chart = chart_of(series_of(table_of({"x": [0, 1], "y": [0, 1]}), "y", "x"))
    chart.SetTitle("Loss")
    chart.SetXAxisTitle("epoch")
    chart.SetYAxisTitle("value")
    view = show(views, chart)
    drawn = view.chart()
    assert drawn.GetTitle() == "Loss"
    assert drawn.GetAxis(vtk.vtkAxis.BOTTOM).GetTitle() == "epoch"
    assert drawn.GetAxis(vtk.vtkAxis.LEFT).GetTitle() == "value"
    assert not drawn.GetShowLegend()
    dark = (view.picture()[..., :3].max(axis=-1) < 100).sum()
    chart.SetTitleVisibility(False)
    chart.SetYAxisTitleVisibility(False)
    chart.SetLegendVisibility(True)
    assert view.chart().GetTitle() == ""
    assert view.chart().GetAxis(vtk.vtkAxis.LEFT).GetTitle() == ""
    assert view.chart().GetShowLegend()
    assert (view.picture()[..., :3].max(axis=-1) < 100).sum() != dark


def test_background_is_slicers_ivory(views):
    view = show(views, chart_of(series_of(table_of({"x": [0, 1], "y": [0, 1]}), "y", "x")))
    assert tuple(view.picture()[3, 3, :3]) == pytest.approx((255, 253, 246), abs=2)


def test_a_changed_table_is_drawn_once(views):
    table = table_of({"x": [1.0, 2.0], "y": [5.0, 5.0]})
    view = show(views, chart_of(series_of(table, "y", "x"), x_range=(0.0, 10.0), y_range=(0.0, 10.0)))
    view.picture()
    before = view.number_of_renders
    for value in (6.0, 7.0, 8.0):
        slicer.util.updateTableFromArray(table, np.array([[1.0, value], [2.0, value]]), ["x", "y"])
    found = places(view, RED)
    assert view.number_of_renders == before + 1
    assert found[:, 0].mean() == pytest.approx(place_of(view, 1.0, 8.0)[0], abs=1.5)


def test_series_without_data_are_left_out(views):
    table = table_of({"x": [0, 1], "y": [0, 1]})
    names = vtk.vtkStringArray()
    names.SetName("names")
    names.InsertNextValue("a")
    names.InsertNextValue("b")
    table.AddColumn(names)
    good, no_column, text = (series_of(table, name, "x") for name in ("y", "nowhere", "names"))
    no_table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "no table")
    view = show(views, chart_of(good, no_column, text, no_table))
    assert view.chart().GetNumberOfPlots() == 1


def test_closing_the_scene_empties_the_plot(views, scene):
    view = show(views, chart_of(series_of(table_of({"x": [0, 1], "y": [0, 1]}), "y", "x")))
    assert len(places(view, RED)) > 0
    scene.Clear(False)
    slicer.app.processEvents()
    assert view.chart().GetNumberOfPlots() == 0
    assert len(places(view, RED)) == 0


def test_fit_shows_all_points(views):
    series = series_of(table_of({"x": [0.0, 40.0], "y": [-5.0, 20.0]}), "y", "x")
    chart = chart_of(series, x_range=(0.0, 1.0), y_range=(0.0, 1.0))
    view = show(views, chart)
    views.plotWidget(0).plotController().fitPlotToAxes()
    assert chart.GetXAxisRange()[0] <= 0.0
    assert chart.GetXAxisRange()[1] >= 40.0
    assert chart.GetYAxisRange()[0] <= -5.0
    assert chart.GetYAxisRange()[1] >= 20.0
    chart.SetXAxisRange(0.0, 1.0)
    press_key(view, qt.Qt.Key_R, "r")
    assert chart.GetXAxisRange()[1] >= 40.0


def test_dragging_pans_and_the_chart_remembers(views):
    series = series_of(table_of({"x": [5.0], "y": [5.0]}), "y", "x")
    chart = chart_of(series, x_range=(0.0, 10.0), y_range=(0.0, 10.0))
    view = show(views, chart)
    view.picture()
    drag(view, (200, 150), (160, 150))
    assert chart.GetXAxisRange()[0] > 0.3
    assert chart.GetXAxisRange()[1] - chart.GetXAxisRange()[0] == pytest.approx(10.0, rel=0.02)


def test_slicer_util_plot(views):
    chart = slicer.util.plot(np.column_stack([np.arange(5.0), np.array([3.0, 1.0, 4.0, 1.0, 5.0])]), 0, title="Numbers")
    slicer.app.processEvents()
    view = views.plotWidget(0).plotView()
    assert views.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is chart
    assert view.chart().GetTitle() == "Numbers"
    assert view.chart().GetNumberOfPlots() == 1


def test_table_view_shows_the_table(views):
    table = table_of({"dice": [0.5, 0.75], "folding": [0.0, 1.0]})
    slicer.app.applicationLogic().GetSelectionNode().SetActiveTableID(table.GetID())
    views.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    slicer.app.applicationLogic().PropagateTableSelection()
    view = views.tableWidget(0).tableView()
    assert (view.rowCount, view.columnCount) == (2, 2)
    assert [view.horizontalHeaderItem(column).text() for column in range(2)] == ["dice", "folding"]
    assert view.item(1, 0).text() == "0.75"
    slicer.util.updateTableFromArray(table, np.array([[0.25, 0.0]]), ["dice", "folding"])
    assert view.rowCount == 1
    assert view.item(0, 0).text() == "0.25"
