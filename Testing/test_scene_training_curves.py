"""Curves of a training: the numbers of its log, live, whatever state the file is in."""

import csv
import math
import os
import types

import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DeformationLib.errors import InputError

HEADER = "epoch,minutes,loss,similarity,score,dice_1,dice_2,learning_rate\n"
ROWS = ["1,0.1,2.0,0.9,0.5,0.4,0.6,0.001\n", "2,0.2,1.5,0.7,0.6,0.5,0.7,0.0005\n", "3,0.3,1.25,0.6,0.7,,0.8,0.0001\n"]


@pytest.fixture
def library(application):
    """The module under test, which needs what the host puts in place."""
    from DeformationSceneLib import training_curves

    return training_curves


@pytest.fixture
def shown(monkeypatch):
    """The charts that were shown in the layout."""
    charts = []
    logic = types.SimpleNamespace(ShowChartInLayout=charts.append)
    monkeypatch.setattr(slicer.modules, "plots", types.SimpleNamespace(logic=lambda: logic), raising=False)
    return charts


@pytest.fixture
def curves(library, scene, shown):
    """Curves of a loss with one term, and of the Dice."""
    loss = library.CurveChart("Loss", "weighted sum", ["loss", "similarity"], {"loss": "Loss"})
    titles = {"dice_*": "Dice", "score": "Correlation"}
    dice = library.CurveChart("Validation", titles, ["score", "dice_*"], {"score": "Mean", "dice_*": "Label {}"})
    return library.TrainingCurves([loss, dice], scene=scene)


def write(folder, *lines, names=HEADER):
    """Write a log, later than any before."""
    path = folder / "log.csv"
    later = path.stat().st_mtime_ns + 10**9 if path.exists() else 10**18
    path.write_text(names + "".join(lines), encoding="utf-8")
    os.utime(path, ns=(later, later))


def drawn(chart):
    """Legend, x and y of every curve of a chart, as its nodes tell it to a plot view."""
    found = {}
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(number)
        table = series.GetTableNode().GetTable()
        columns = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
        assert series.GetPlotType() == series.PlotTypeScatter
        found[series.GetName()] = [vtk_to_numpy(column).tolist() for column in columns]
    return found


def count(scene):
    return [scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") for kind in ("Table", "PlotChart", "PlotSeries")]


def test_the_numbers_are_those_of_the_log(curves, tmp_path, scene, shown):
    write(tmp_path, *ROWS[:2])
    curves.follow(tmp_path, "liver")
    assert curves.update()
    assert count(scene) == [0, 0, 0]
    curves.show("Loss")
    curves.show("Validation")
    assert shown == [curves.chart("Loss"), curves.chart("Validation")]
    assert drawn(curves.chart("Loss")) == {"Loss": [[1, 2], [2.0, 1.5]], "similarity": [[1, 2], [0.9, 0.7]]}
    assert drawn(curves.chart("Validation")) == {
        "Mean": [[1, 2], [0.5, 0.6]],
        "Label 1": [[1, 2], [0.4, 0.5]],
        "Label 2": [[1, 2], [0.6, 0.7]],
    }
    chart = curves.chart("Validation")
    assert (chart.GetTitle(), chart.GetXAxisTitle(), chart.GetYAxisTitle()) == ("liver: Validation", "Epoch", "Dice")
    low, high = chart.GetYAxisRange()
    assert low < 0.4
    assert high > 0.8  # there is room for the legend
    assert chart.GetLegendVisibility()
    assert count(scene) == [2, 2, 5]


def test_a_growing_log_updates_the_charts_that_were_shown(curves, tmp_path, scene):
    write(tmp_path, ROWS[0])
    curves.follow(tmp_path, "liver")
    curves.update()
    curves.show("Loss")
    chart = curves.chart("Loss")
    lengths = []
    chart.AddObserver("ModifiedEvent", lambda caller, event: lengths.append(len(drawn(caller)["Loss"][0])))
    assert not curves.update()
    assert lengths == []
    write(tmp_path, *ROWS)
    assert curves.update()
    assert lengths[-1] == 3
    assert curves.chart("Loss") is chart
    assert count(scene) == [1, 1, 2]


def test_many_epochs_are_drawn_without_markers(curves, tmp_path, scene):
    for number in (5, 6):
        write(tmp_path, *(f"{epoch},0,1,1,1,1,1,1\n" for epoch in range(number)))
        curves.follow(tmp_path, "liver")
        curves.update()
        curves.show("Loss")
        series = curves.chart("Loss").GetNthPlotSeriesNode(0)
        assert (series.GetMarkerStyle() == series.MarkerStyleNone) is (number == 6)
        assert series.GetLineStyle() == series.LineStyleSolid
    assert count(scene) == [1, 1, 2]


def test_a_value_that_is_missing_is_a_gap(curves, tmp_path):
    write(tmp_path, *ROWS)
    curves.follow(tmp_path, "liver")
    curves.update()
    curves.show("Validation")
    x, y = drawn(curves.chart("Validation"))["Label 1"]
    assert x == [1, 2, 3]
    assert y[:2] == [0.4, 0.5]
    assert math.isnan(y[2])


@pytest.mark.parametrize(
    "cut", ["2,0.2,1.5,0.7,0.6,0.5,0.7,0.0005", "2,0.2,1.5,0", "2", "2,0.2,what\n", "2,0.2\n", "\n"]
)
def test_a_line_that_is_half_written_waits(curves, library, tmp_path, cut):
    write(tmp_path, ROWS[0], cut)
    assert library.read_log(tmp_path)["loss"] == [2.0]
    curves.follow(tmp_path, "liver")
    assert curves.update()
    write(tmp_path, *ROWS[:2])
    assert curves.update()
    assert curves.columns["loss"] == [2.0, 1.5]


@pytest.mark.parametrize("text", ["", "epo", HEADER.strip(), HEADER])
def test_a_log_that_has_just_begun_shows_nothing_yet(curves, scene, tmp_path, text):
    write(tmp_path, names=text)
    curves.follow(tmp_path, "liver")
    curves.update()
    assert not any(curves.columns.values())
    write(tmp_path, ROWS[0])
    assert curves.update()


def test_a_repeated_epoch_counts_once(library, tmp_path):
    write(tmp_path, *ROWS[:2], "2,0.3,1.4,0.7,0.6,0.5,0.7,0.0005\n")
    assert library.read_log(tmp_path)["loss"] == [2.0, 1.4]


def test_what_is_no_log_is_refused(curves, library, tmp_path):
    with pytest.raises(InputError, match="There is no log.csv"):
        library.read_log(tmp_path)
    curves.follow(tmp_path, "liver")
    assert not curves.update()
    write(tmp_path, names="name,age\nA,3\n")
    with pytest.raises(InputError, match="not the log of a training"):
        curves.update()


def test_a_new_training_in_an_old_folder_does_not_show_the_old_curves(curves, tmp_path, scene):
    write(tmp_path, *ROWS)
    curves.follow(tmp_path, "old")
    curves.update()
    curves.show("Loss")
    curves.follow(tmp_path, "new", fresh=True)
    assert drawn(curves.chart("Loss")) == {}
    assert not curves.update()
    write(tmp_path, ROWS[0])
    assert curves.update()
    assert drawn(curves.chart("Loss"))["Loss"] == [[1, 1], [2.0, 2.0]]  # VTK cannot draw a line of one point
    assert curves.chart("Loss").GetTitle() == "new: Loss"
    assert count(scene) == [1, 1, 2]


def test_only_what_was_logged_has_a_chart(curves, tmp_path, scene):
    write(tmp_path, "1,2.0\n", names="epoch,loss\n")
    curves.follow(tmp_path, "liver")
    curves.update()
    assert curves.available() == ["Loss"]
    curves.show("Loss")
    curves.show("Validation")
    assert curves.chart("Validation") is None
    assert count(scene) == [1, 1, 1]


def test_the_axis_is_named_after_what_was_logged(curves, tmp_path):
    write(tmp_path, "1,0.5\n", names="epoch,score\n")
    curves.follow(tmp_path, "liver")
    curves.update()
    curves.show("Validation")
    assert curves.chart("Validation").GetYAxisTitle() == "Correlation"
    assert drawn(curves.chart("Validation")) == {"Mean": [[1, 1], [0.5, 0.5]]}


def test_nodes_that_were_deleted_come_back_when_they_are_wanted(curves, tmp_path, scene):
    write(tmp_path, ROWS[0])
    curves.follow(tmp_path, "liver")
    curves.update()
    curves.show("Loss")
    scene.Clear(False)
    curves.forget()
    write(tmp_path, *ROWS[:2])
    assert curves.update()
    assert count(scene) == [0, 0, 0]
    curves.show("Loss")
    assert drawn(curves.chart("Loss"))["Loss"] == [[1, 2], [2.0, 1.5]]
    assert count(scene) == [1, 1, 2]
    scene.RemoveNode(curves.chart("Loss").GetNthPlotSeriesNode(1))
    write(tmp_path, *ROWS)
    curves.update()
    assert list(drawn(curves.chart("Loss"))) == ["Loss", "similarity"]


def test_nothing_to_show_is_no_error(curves, tmp_path, scene, shown):
    curves.follow(tmp_path, "liver")
    curves.update()
    curves.show("Loss")
    assert shown == []
    assert count(scene) == [0, 0, 0]


def test_columns_agree_with_another_reader(library, tmp_path):
    write(tmp_path, *ROWS[:2])
    with open(tmp_path / "log.csv", newline="") as stream:
        expected = list(csv.DictReader(stream))
    columns = library.read_log(tmp_path)
    assert [{name: float(row[name]) for name in row} for row in expected] == [
        {name: columns[name][number] for name in columns} for number in range(2)
    ]
