"""Charts of the scene: tables, series and chart nodes, made once for a purpose and brought up to date afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import slicer

from .placement import place_beside
from .tables import Column, fill_table, find_in_role, node_in_role

_SMALL_PLOT, _LEGEND_MARK, _LETTER = 420.0, 36.0, 5.5
"""Pixels: width of the axes in a small plot view; in a legend, of the line and the margins, and of a letter."""

Kind = Literal["points", "line", "dashed line", "dotted line", "line with points", "bars"]


@dataclass(frozen=True)
class Series:
    """One series of a chart: two columns of one of its tables, and how they are drawn.

    Attributes:
        name: in the legend.
        table: key of the table.
        x, y: columns; x has real values, not positions one after the other.
        kind: how it is drawn.
        colour: red, green, blue, 0..1.
        size: of the points, or width of the line, in pixels.
        marker: of the points, as in `vtkMRMLPlotSeriesNode.MarkerStyle...`.
        labels: a column of texts, shown where the mouse is over a point.
    """

    name: str
    table: str
    x: str
    y: str
    kind: Kind = "line"
    colour: tuple[float, float, float] = (0.2, 0.4, 0.7)
    size: float = 2.0
    marker: Literal["circle", "square", "diamond", "cross", "plus"] = "circle"
    labels: str = ""


@dataclass(frozen=True)
class Axes:
    """How a chart is drawn.

    Attributes:
        title, x, y: above the chart and beside its axes.
        x_range, y_range: (low, high) where they are not to follow the values.
        legend: whether the names of the series are shown.
        name: of the nodes, where the title is too short to tell what they belong to.
        small_print: smaller letters, for many or long names in a small view; set once, so that whoever changes them
            keeps the change.
    """

    title: str
    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    legend: bool = True
    name: str = ""
    small_print: bool = False


def update_chart(
    scene: slicer.vtkMRMLScene,
    role: str,
    axes: Axes,
    tables: Mapping[str, Mapping[str, Column | Sequence]],
    series: Sequence[Series],
    beside: slicer.vtkMRMLNode | None = None,
) -> slicer.vtkMRMLPlotChartNode:
    """The chart that the scene keeps for a role, with these tables and series.

    Its nodes are made when the role is used for the first time; later they are filled anew, so that a chart that is on
    the screen follows. Series that are no longer wanted are removed. `beside`: a node in whose subject hierarchy folder
    new nodes are put.
    """
    table_nodes = {}
    for key, columns in tables.items():
        name = f"{axes.name or axes.title}: {key}"
        table_nodes[key] = _node(scene, "vtkMRMLTableNode", f"{role}/table/{key}", name, beside)
        fill_table(table_nodes[key], columns)
    is_new = find_in_role(scene, "vtkMRMLPlotChartNode", role) is None
    chart = _node(scene, "vtkMRMLPlotChartNode", role, axes.name or axes.title, beside)
    was_modifying = chart.StartModify()
    _label(chart, axes)
    if is_new and axes.small_print:
        _set_small_print(chart)
    wanted = []
    for one in series:
        # The legend shows the names of the nodes, so that nothing can be added to them.
        node = _node(scene, "vtkMRMLPlotSeriesNode", f"{role}/series/{one.table}/{one.y}/{one.kind}", one.name, beside)
        _style(node, one, table_nodes[one.table])
        wanted.append(node)
    _keep_series(chart, wanted)
    chart.EndModify(was_modifying)
    return chart


def beside_legend(positions: Sequence[float], names: Sequence[str]) -> tuple[float, float]:
    """A range for the axis of positions that leaves room for a legend of these names in small print.

    Slicer puts legends into the upper right corner of the plot. The room is what the longest name needs in a plot view
    of a quarter of the window, and never more than half of it.
    """
    low, high = float(min(positions)), float(max(positions))
    width = min(_LEGEND_MARK + _LETTER * max(map(len, names)), 0.5 * _SMALL_PLOT)
    return low, high + width / (_SMALL_PLOT - width) * max(high - low, 1e-6)


def show_chart(chart_node: slicer.vtkMRMLPlotChartNode) -> None:
    """Show a chart in the plot view; the layout changes to one that has a plot view if needed."""
    slicer.modules.plots.logic().ShowChartInLayout(chart_node)


def _node(scene, node_class: str, role: str, name: str, beside):
    node = node_in_role(scene, node_class, role, name)
    if node.GetName() != name:
        node.SetName(name)
    place_beside(node, beside)
    return node


def _label(chart, axes: Axes) -> None:
    chart.SetTitle(axes.title)
    chart.SetXAxisTitle(axes.x)
    chart.SetYAxisTitle(axes.y)
    chart.SetLegendVisibility(axes.legend)
    chart.SetXAxisRangeAuto(axes.x_range is None)
    chart.SetYAxisRangeAuto(axes.y_range is None)
    if axes.x_range is not None:
        chart.SetXAxisRange(*axes.x_range)
    if axes.y_range is not None:
        chart.SetYAxisRange(*axes.y_range)


def _set_small_print(chart) -> None:
    chart.SetTitleFontSize(15)
    chart.SetLegendFontSize(11)
    chart.SetAxisTitleFontSize(13)
    chart.SetAxisLabelFontSize(11)


def _style(node, series: Series, table_node) -> None:
    was_modifying = node.StartModify()
    node.SetAndObserveTableNodeID(table_node.GetID())
    node.SetXColumnName(series.x)
    node.SetYColumnName(series.y)
    node.SetLabelColumnName(series.labels)
    # Never PlotTypeLine, which puts its points at equal distances whatever their x.
    node.SetPlotType(node.PlotTypeScatterBar if series.kind == "bars" else node.PlotTypeScatter)
    lines = {"dashed line": node.LineStyleDash, "dotted line": node.LineStyleDot, "points": node.LineStyleNone}
    node.SetLineStyle(lines.get(series.kind, node.LineStyleSolid))
    node.SetLineWidth(series.size if series.kind.endswith("line") else 2.0)
    markers = {
        "circle": node.MarkerStyleCircle,
        "square": node.MarkerStyleSquare,
        "diamond": node.MarkerStyleDiamond,
        "cross": node.MarkerStyleCross,
        "plus": node.MarkerStylePlus,
    }
    node.SetMarkerStyle(markers[series.marker] if series.kind.endswith("points") else node.MarkerStyleNone)
    node.SetMarkerSize(series.size)
    node.SetColor(*series.colour)
    node.EndModify(was_modifying)


def _keep_series(chart, wanted: list) -> None:
    """Make `wanted` the series of a chart, in this order, and delete the others from the scene."""
    present = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    if present != wanted:
        chart.RemoveAllPlotSeriesNodeIDs()
        for node in wanted:
            chart.AddAndObservePlotSeriesNodeID(node.GetID())
    for node in present:
        if node is not None and node not in wanted:
            chart.GetScene().RemoveNode(node)
