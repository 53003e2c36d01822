"""Codes of cases as tables of the scene, their map as a plot, and how well groups are told apart, by the logic."""

from functools import partial

import numpy as np
import pytest
import slicer
import vtk

from DeformationLib.errors import InputError
from DeformationSceneLib.tables import add_table
from DeformationSceneLib.volumes import add_volume
from LatentRegistrationLib.latent_cases import CodeTable
from LatentRegistrationLib.latent_classification import classify, classify_leaky, majority
from LatentRegistrationLib.latent_map import canonical_map, principal_map
from LatentRegistrationSceneLib.case_codes import add_codes_table, codes_from_table, group_columns
from Testing.panel_steps import scene_ids
from Testing.velocity_fixtures import small_heart, velocity_bundle

LATENT, PER_GROUP, GROUPS = 5, 8, ("dilated", "healthy", "thick")


def synthetic_codes(per_group=PER_GROUP, latent=LATENT, apart=2.5, model="random velocities"):
    """Codes of groups that differ along two directions."""
    codes = np.random.default_rng(3).standard_normal((len(GROUPS) * per_group, latent))
    groups = np.repeat(GROUPS, per_group)
    codes[:, 1] += apart * (groups == "healthy")
    codes[:, 3] += apart * (groups == "thick")
    names = tuple(f"patient {number:02d}" for number in range(len(codes)))
    return CodeTable(names, codes, np.full_like(codes, 0.1), tuple(groups.tolist()), model)


@pytest.fixture
def logic(module, tmp_path, monkeypatch):
    """The module's logic, with a model of random weights under the name velocities."""
    velocity_bundle(tmp_path)
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path))
    return module.LatentRegistrationLogic()


@pytest.fixture
def table(scene):
    return add_codes_table(scene, synthetic_codes())


def series_of(chart):
    return [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]


def column(table_node, name):
    array = table_node.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(array.GetNumberOfTuples())]


def test_volumes_are_encoded_into_a_table(logic, scene):
    hearts = [small_heart(seed) for seed in range(2)]
    pairs = [
        (f"case {n}", add_volume(scene, heart.frames[2], f"{n} ES"), add_volume(scene, heart.frames[0], f"{n} ED"))
        for n, heart in enumerate(hearts)
    ]
    node = logic.encodeCases(pairs, "velocities", ["a", "b"])
    model = logic.model("velocities")
    assert column(node, "case") == ["case 0", "case 1"]
    assert column(node, "group") == ["a", "b"]
    codes = logic.codesFromTable(node, "group")
    for row, heart in enumerate(hearts):
        expected = model.encode(heart.frames[2], heart.frames[0])
        np.testing.assert_allclose(codes.codes[row], expected.mean, atol=1e-5)
        np.testing.assert_allclose(codes.deviations[row], expected.standard_deviation, atol=1e-5)
    assert (codes.names, codes.groups, codes.model) == (("case 0", "case 1"), ("a", "b"), model.name)
    assert logic.encodeCases(pairs[:1], "velocities", into=node) is node
    assert node.GetNumberOfRows() == 1
    assert group_columns(node) == []


def test_codes_of_the_command_line_are_read(logic, scene, tmp_path):
    codes = synthetic_codes()
    node = logic.loadCodes(codes.write(tmp_path / "codes.csv"))
    again = logic.codesFromTable(node, "group")
    np.testing.assert_allclose(again.codes, codes.codes, atol=1e-5)
    np.testing.assert_allclose(again.deviations, codes.deviations, atol=1e-5)
    assert (again.names, again.groups) == (codes.names, codes.groups)


def test_groups_come_from_the_column_that_is_chosen(scene, table):
    ward = vtk.vtkStringArray()
    ward.SetName("ward")
    for row in range(table.GetNumberOfRows()):
        ward.InsertNextValue("east" if row % 2 else "west")
    table.AddColumn(ward)
    assert group_columns(table) == ["group", "ward"]
    assert codes_from_table(table, "ward").groups[:3] == ("west", "east", "west")
    assert set(codes_from_table(table).groups) == {""}


def test_numbers_can_be_groups_and_texts_can_be_codes(scene):
    columns = {"name": ["a", "b"], "z1": ["0.5", "1e-1"], "z2": [1, 2], "grade": [1.0, 2.5]}
    codes = codes_from_table(add_table(scene, "loaded", columns), "grade")
    np.testing.assert_allclose(codes.codes, [[0.5, 1.0], [0.1, 2.0]])
    assert codes.groups == ("1", "2.5")


@pytest.mark.parametrize("kind", ["principal", "canonical"])
def test_the_map_has_a_series_for_each_group_with_the_cases_names(logic, table, kind):
    codes = synthetic_codes()
    nodes = logic.latentMap(table, "group", kind, "velocities")
    parts = logic.model("velocities").decomposition
    plane = principal_map(parts) if kind == "principal" else canonical_map(codes.codes, codes.groups)
    expected = plane.points(codes.codes)
    series = series_of(nodes.chart)
    assert [one.GetName() for one in series] == list(GROUPS)
    assert len({one.GetColor() for one in series}) == len(GROUPS)
    for number, one in enumerate(series):
        rows = slice(number * PER_GROUP, (number + 1) * PER_GROUP)
        assert column(one.GetTableNode(), one.GetLabelColumnName()) == list(codes.names[rows])
        np.testing.assert_allclose(column(one.GetTableNode(), one.GetXColumnName()), expected[rows, 0], atol=1e-9)
        np.testing.assert_allclose(column(one.GetTableNode(), one.GetYColumnName()), expected[rows, 1], atol=1e-9)
    assert nodes.caseOfPoint(series[1].GetID(), 2) == codes.names[PER_GROUP + 2]
    assert nodes.caseOfPoint(series[1].GetID(), 99) is None
    assert nodes.caseOfPoint("vtkMRMLPlotSeriesNode99", 0) is None


def test_accuracies_are_those_of_the_backend_and_the_leaky_one_is_named(logic, table):
    codes = synthetic_codes()
    nodes = logic.latentMap(table, "group", "canonical", "velocities")
    principal = partial(classify, principal=10)
    results = [f(codes.codes, codes.groups) for f in (classify, principal, classify_leaky)]
    expected = [majority(codes.groups).accuracy, *(result.accuracy for result in results)]
    np.testing.assert_allclose(column(nodes.accuracy, "Accuracy"), 100 * np.array(expected))
    assert ["leaky" in text for text in column(nodes.accuracy, "Honest")] == [False, False, False, True]
    np.testing.assert_allclose(column(nodes.accuracy, "From")[1], 100 * results[0].interval()[0])


def test_another_map_is_shown_by_the_same_nodes(logic, scene, table):
    first = logic.latentMap(table, "group", "principal", "velocities")
    before = scene_ids(scene)
    second = logic.latentMap(table, "group", "canonical", "velocities")
    assert second.chart is first.chart
    assert "canonical" in second.chart.GetTitle()
    assert scene_ids(scene) == before
    alone = logic.latentMap(table, "", "principal", "velocities")
    assert [one.GetName() for one in series_of(alone.chart)] == ["cases"]
    assert alone.accuracy is None
    tables = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLTableNode")]
    assert len(tables) == 2  # the codes and the one series: nothing of the groups is left behind


def test_nearest_cases_are_those_of_the_backend(logic, table):
    assert logic.nearestCases(table, "patient 03", 4) == synthetic_codes().nearest("patient 03", 4)
    with pytest.raises(InputError, match="no case 'nobody'"):
        logic.nearestCases(table, "nobody")


def test_a_group_of_one_case_can_be_looked_at_but_not_compared(logic, scene):
    codes = synthetic_codes()
    lonely = CodeTable(codes.names, codes.codes, codes.deviations, ("rare", *codes.groups[1:]), codes.model)
    node = add_codes_table(scene, lonely)
    nodes = logic.latentMap(node, "group", "principal", "velocities")
    assert "rare has fewer than 2 cases" in nodes.remark
    assert nodes.accuracy is None
    assert [one.GetName() for one in series_of(nodes.chart)] == ["dilated", "healthy", "rare", "thick"]
    before = scene_ids(scene)
    with pytest.raises(InputError, match="rare has fewer than 2 cases"):
        logic.latentMap(node, "group", "canonical", "velocities")
    assert scene_ids(scene) == before


def altered(scene, **changes):
    values = {name: getattr(synthetic_codes(), name) for name in ("names", "codes", "deviations", "groups", "model")}
    return add_codes_table(scene, CodeTable(**values | changes))


@pytest.mark.parametrize(
    ("changes", "column_name", "kind", "model", "sentence"),
    [
        ({"groups": ("same",) * 24}, "group", "canonical", "velocities", "at least two"),
        ({"groups": ("", *synthetic_codes().groups[1:])}, "group", "canonical", "velocities", "have no group"),
        ({}, "", "canonical", "velocities", "choose the column"),
        ({}, "ward", "principal", "velocities", "no column 'ward'"),
        ({"model": "another"}, "group", "principal", "velocities", "of the model 'another'"),
        ({"codes": np.zeros((24, 3)), "model": ""}, "group", "principal", "velocities", "have 3 values"),
        ({"codes": np.full((24, LATENT), np.nan)}, "group", "principal", "velocities", "not numbers"),
        ({"names": ("twin",) * 24}, "group", "principal", "velocities", "occurs twice"),
        ({}, "group", "principal", "phantom", "choose a probabilistic one"),
        ({}, "group", "conical", "velocities", "kind 'conical'"),
    ],
)
def test_bad_input_is_a_sentence(logic, scene, changes, column_name, kind, model, sentence):
    node = altered(scene, **changes)
    before = scene_ids(scene)
    with pytest.raises(InputError, match=sentence):
        logic.latentMap(node, column_name, kind, model)
    assert scene_ids(scene) == before


def test_tables_and_files_that_hold_no_codes_are_refused(logic, scene, tmp_path):
    with pytest.raises(InputError, match="Select the table"):
        logic.latentMap(None, "", "principal", "velocities")
    with pytest.raises(InputError, match="no table of codes"):
        logic.latentMap(add_table(scene, "other", {"case": ["a"], "age": [60]}), "", "principal", "velocities")
    with pytest.raises(InputError, match="two cases at least"):
        logic.latentMap(add_table(scene, "one", {"case": ["a"], "z1": [0.0]}), "", "principal", "velocities")
    with pytest.raises(InputError, match="cannot be read"):
        logic.loadCodes(tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="no table of codes"):
        logic.loadCodes(tmp_path / "empty.csv")


def test_encoding_refuses_what_it_cannot_encode(logic, scene):
    volume = add_volume(scene, small_heart().frames[0], "frame")
    with pytest.raises(InputError, match="no cases"):
        logic.encodeCases([], "velocities")
    with pytest.raises(InputError, match="occurs twice"):
        logic.encodeCases([("a", volume, volume)] * 2, "velocities")
    with pytest.raises(InputError, match="1 cases but 2 groups"):
        logic.encodeCases([("a", volume, volume)], "velocities", ["x", "y"])
    with pytest.raises(InputError, match="choose a probabilistic one"):
        logic.encodeCases([("a", volume, volume)], "phantom")
