"""Draws plot chart and plot series nodes with VTK's charts; no Qt. The facts are those of Slicer's plot view."""

from __future__ import annotations

import math

import slicer
import vtk

BACKGROUND = (255, 253, 246)

_LINE_STYLES = {
    slicer.vtkMRMLPlotSeriesNode.LineStyleNone: vtk.vtkPen.NO_PEN,
    slicer.vtkMRMLPlotSeriesNode.LineStyleSolid: vtk.vtkPen.SOLID_LINE,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDash: vtk.vtkPen.DASH_LINE,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDot: vtk.vtkPen.DOT_LINE,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDashDot: vtk.vtkPen.DASH_DOT_LINE,
    slicer.vtkMRMLPlotSeriesNode.LineStyleDashDotDot: vtk.vtkPen.DASH_DOT_DOT_LINE,
}
_MARKER_STYLES = {
    slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone: vtk.vtkPlotPoints.NONE,
    slicer.vtkMRMLPlotSeriesNode.MarkerStyleCross: vtk.vtkPlotPoints.CROSS,
    slicer.vtkMRMLPlotSeriesNode.MarkerStylePlus: vtk.vtkPlotPoints.PLUS,
    slicer.vtkMRMLPlotSeriesNode.MarkerStyleSquare: vtk.vtkPlotPoints.SQUARE,
    slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle: vtk.vtkPlotPoints.CIRCLE,
    slicer.vtkMRMLPlotSeriesNode.MarkerStyleDiamond: vtk.vtkPlotPoints.DIAMOND,
}
_BAR_TYPES = (slicer.vtkMRMLPlotSeriesNode.PlotTypeBar, slicer.vtkMRMLPlotSeriesNode.PlotTypeScatterBar)
_X_AXES, _Y_AXES = (vtk.vtkAxis.BOTTOM, vtk.vtkAxis.TOP), (vtk.vtkAxis.LEFT, vtk.vtkAxis.RIGHT)


def new_chart() -> vtk.vtkChartXY:
    """An empty chart on Slicer's ivory ground."""
    chart = vtk.vtkChartXY()
    chart.GetBackgroundBrush().SetColor(*BACKGROUND, 255)
    for index in (*_X_AXES, *_Y_AXES):
        chart.GetAxis(index).GetTitleProperties().SetBold(False)
    return chart


def draw_chart(chart: vtk.vtkChartXY, node: slicer.vtkMRMLPlotChartNode | None) -> list[slicer.vtkMRMLPlotSeriesNode]:
    """Make the chart show a chart node with its series; without a node it is empty. Gives the series of the plots.

    A series without table, or without a numeric column that it needs, is left out.
    """
    chart.ClearPlots()
    if node is None:
        chart.SetTitle("")
        return []
    shown = []
    for index in range(node.GetNumberOfPlotSeriesNodes()):
        series = node.GetNthPlotSeriesNode(index)
        plot = plot_of_series(series) if series is not None else None
        if plot is not None:
            chart.AddPlot(plot)
            shown.append(series)
    title, legend = chart.GetTitleProperties(), chart.GetLegend()
    font = title.GetFontFamilyFromString(node.GetFontType() or "Arial")
    chart.SetTitle((node.GetTitle() or "") if node.GetTitleVisibility() else "")
    title.SetFontFamily(font)
    title.SetFontSize(node.GetTitleFontSize())
    chart.SetShowLegend(node.GetLegendVisibility())
    legend.GetLabelProperties().SetFontFamily(font)
    legend.GetLabelProperties().SetFontSize(node.GetLegendFontSize())
    for index in _X_AXES:
        _draw_axis(chart.GetAxis(index), node, "X", font)
    for index in _Y_AXES:
        _draw_axis(chart.GetAxis(index), node, "Y", font)
    return shown


def plot_of_series(series: slicer.vtkMRMLPlotSeriesNode) -> vtk.vtkPlot | None:
    """A line with markers or bars, as the series node describes them; None if its data is missing or not numeric."""
    table_node = series.GetTableNode()
    table = table_node.GetTable() if table_node is not None else None
    if table is None or not _is_numeric(table, series.GetYColumnName()):
        return None
    needs_x = series.IsXColumnRequired()
    if needs_x and not _is_numeric(table, series.GetXColumnName()):
        return None
    plot = vtk.vtkPlotBar() if series.GetPlotType() in _BAR_TYPES else vtk.vtkPlotLine()
    plot.SetWidth(series.GetLineWidth())
    plot.SetColorF(*series.GetColor())
    plot.SetOpacity(series.GetOpacity())
    plot.GetPen().SetOpacityF(series.GetOpacity())
    is_bar = series.GetPlotType() == slicer.vtkMRMLPlotSeriesNode.PlotTypeBar
    plot.GetPen().SetLineType(vtk.vtkPen.SOLID_LINE if is_bar else _LINE_STYLES[series.GetLineStyle()])
    if isinstance(plot, vtk.vtkPlotLine):
        plot.SetMarkerSize(series.GetMarkerSize())
        plot.SetMarkerStyle(_MARKER_STYLES[series.GetMarkerStyle()])
    labels = table.GetColumnByName(series.GetLabelColumnName()) if series.GetLabelColumnName() else None
    plot.SetIndexedLabels(labels if isinstance(labels, vtk.vtkStringArray) else None)
    # Without an x column points stand one apart, whatever it holds: that is what PlotTypeLine means.
    plot.SetUseIndexForXSeries(not needs_x)
    plot.SetInputData(table, series.GetXColumnName() if needs_x else series.GetYColumnName(), series.GetYColumnName())
    plot.SetLabel(series.GetName() or series.GetYColumnName())
    return plot


def fit_axes(chart: vtk.vtkChartXY) -> None:
    """Let both axes span the visible data, also where a range was set."""
    limits = [math.inf, -math.inf, math.inf, -math.inf]
    for index in range(chart.GetNumberOfPlots()):
        bounds = [0.0] * 4
        chart.GetPlot(index).GetUnscaledInputBounds(bounds)
        if bounds[1] >= bounds[0]:
            limits = [pick(old, new) for pick, old, new in zip((min, max, min, max), limits, bounds)]
    if limits[1] < limits[0]:
        return
    for indices, extent in ((_X_AXES, limits[:2]), (_Y_AXES, limits[2:])):
        for index in indices:
            axis = chart.GetAxis(index)
            _set_range(axis, extent)
            axis.AutoScale()


def store_ranges(chart: vtk.vtkChartXY, node: slicer.vtkMRMLPlotChartNode) -> None:
    """Write the ranges that the axes show, after panning or zooming, into the chart node."""
    was_modifying = node.StartModify()
    for index, setter in ((vtk.vtkAxis.BOTTOM, node.SetXAxisRange), (vtk.vtkAxis.LEFT, node.SetYAxisRange)):
        extent = [0.0, 1.0]
        chart.GetAxis(index).GetUnscaledRange(extent)
        setter(extent)
    node.EndModify(was_modifying)


def _is_numeric(table: vtk.vtkTable, column_name: str) -> bool:
    column = table.GetColumnByName(column_name) if column_name else None
    return column is not None and column.GetDataType() not in (vtk.VTK_STRING, vtk.VTK_BIT)


def _draw_axis(axis: vtk.vtkAxis, node: slicer.vtkMRMLPlotChartNode, letter: str, font: int) -> None:
    """Title, range, scale, grid and fonts of an axis; `letter` X or Y says which properties of the node are meant."""

    def value(name: str):
        return getattr(node, f"Get{letter}Axis{name}")()

    axis.SetTitle((value("Title") or "") if value("TitleVisibility") else "")
    is_log = bool(value("LogScale"))
    if value("RangeAuto"):
        if bool(axis.GetLogScale()) != is_log:
            extent = [0.0, 1.0]
            axis.GetUnscaledRange(extent)
            axis.SetLogScale(is_log)
            _set_range(axis, extent)
            axis.Update()
        axis.SetBehavior(vtk.vtkAxis.AUTO)
    else:
        axis.SetBehavior(vtk.vtkAxis.FIXED)
        axis.SetLogScale(is_log)
        _set_range(axis, list(value("Range")))
        axis.Update()
    axis.SetGridVisible(node.GetGridVisibility())
    for properties, size in (
        (axis.GetTitleProperties(), node.GetAxisTitleFontSize()),
        (axis.GetLabelProperties(), node.GetAxisLabelFontSize()),
    ):
        properties.SetFontFamily(font)
        properties.SetFontSize(size)


def _set_range(axis: vtk.vtkAxis, extent: list[float]) -> None:
    """Set range and limits; a logarithmic axis shows positive numbers only."""
    extent, limits = list(extent), [-math.inf, math.inf]
    if axis.GetLogScale():
        extent, limits = _logarithmic(extent)
    axis.SetUnscaledMinimumLimit(limits[0])
    axis.SetUnscaledMaximumLimit(limits[1])
    axis.SetUnscaledRange(*extent)


def _logarithmic(extent: list[float]) -> tuple[list[float], list[float]]:
    """Range and limits of a logarithmic axis: at most four decades, or down to 1, where the data reaches 0."""
    low, high = extent
    if high <= 0:
        return [0.1, 1.0], [0.1, 1.0]
    if low <= 0:
        low = high / 1e4 if high < 1e4 else 1.0
    return [low, high], [0.0, math.inf]
