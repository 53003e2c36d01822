"""What the scripts behind the documentation of agents measure: known distances, known deformations, kept results."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
from AgentRegistrationLib.agent_walk import walk_options
from AgentRegistrationLib.bspline_field import ControlLattice
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from AgentRegistrationLib.structure_region import structure_region
from DeformationLib.errors import InputError
from DeformationLib.fields import resize_field
from DeformationLib.pair_grid import PairGrid

from .deformation_fixtures import ellipses, random_controls, random_model
from .test_agent_model import parts_of
from .walk_fixtures import ellipse_slice

SCRIPTS = Path(__file__).parents[2] / "Testing"
GRID = PairGrid((24, 24), (2.0, 2.0), "image")


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """The folders of the scripts are searched for modules."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS / "Reproduction"), str(SCRIPTS / "Benchmarks"), *sys.path])


def script(name):
    return importlib.import_module(name)


def subject(seed, shift=(0.0, 0.0, 0.0)):
    image, labels = ellipse_slice(seed)
    origin = tuple(np.asarray(image.origin) + shift)
    return script("agent_data").Subject(f"s{seed}", replace(image, origin=origin), replace(labels, origin=origin))


def anatomy(count=3):
    subjects = [subject(seed) for seed in range(count)]
    return script("agent_data").Anatomy(
        "2-D", "2-D, test", "none", GRID, {1: "rim", 2: "core"}, subjects, lambda: ellipses(4, (24, 24))
    )


def translation(x, y):
    matrix = np.eye(4)
    matrix[:2, 3] = x, y
    return matrix


def test_hausdorff_distances_of_two_boxes():
    a, b = np.zeros((2, 1, 20, 30), bool)
    a[0, 5:15, 5:15], b[0, 5:15, 8:22] = True, True
    largest, most = script("agent_scores").hausdorff(a, b, (1.0, 0.5, 2.0))
    # The right edge of the longer box is seven columns of 2 mm from that of the other.
    assert largest == pytest.approx(14.0)
    assert most <= largest
    assert np.isnan(script("agent_scores").hausdorff(a, 0 * a, (1.0, 1.0, 1.0))).all()


def test_a_displacement_that_is_known_gives_full_overlap():
    scores, subjects = script("agent_scores"), anatomy()
    fixed, moving = subject(0), subject(0, shift=(4.0, -6.0, 0.0))
    field = np.broadcast_to(np.float32([4.0, -6.0, 0.0]), (*fixed.image.array.shape, 3)).copy()
    row = scores.measure(subjects, (fixed, moving), fixed.image.with_array(field))
    assert row["dice"] == row["dice rim"] == row["dice core"] == 1
    assert row["hausdorff"] == row["hd95"] == row["folding"] == 0
    worse = scores.measure(subjects, (fixed, moving), fixed.image.with_array(0 * field))
    assert worse["dice"] == pytest.approx((worse["dice rim"] + worse["dice core"]) / 2)
    assert worse["dice"] < 0.9
    assert worse["hausdorff"] >= worse["hd95"] > 0


def test_rows_are_compared_pair_by_pair():
    ours, theirs = ([{"dice": value} for value in row] for row in ((0.9, 0.8, 0.7, 0.6), (0.8, 0.75, 0.72, 0.5)))
    found = script("agent_scores").comparison(ours, theirs)
    assert (found["wins"], found["pairs"]) == (3, 4)
    assert found["median"] == pytest.approx(0.075)
    assert script("agent_scores").comparison(ours, ours)["p"] == 1


def test_a_translation_without_deformation_stays_itself():
    one = anatomy()
    pair = one.subjects[0], one.subjects[1]
    seen = one.seen(pair, translation(4.0, -6.0))
    image = seen.on_image(np.zeros((2, *GRID.size), np.float32), pair[0].image)
    assert image.same_grid(pair[0].image)
    np.testing.assert_allclose(image.array, np.broadcast_to([4.0, -6.0, 0.0], image.array.shape), atol=1e-4)


@pytest.mark.parametrize("name", ["B-spline, 16 voxels", "B-spline, 8 voxels", "demons"])
def test_classical_methods_bring_subjects_onto_each_other(name):
    one, scores = anatomy(), script("agent_scores")
    pair = one.subjects[0], one.subjects[1]
    seen = one.seen(pair, translation(2.0, 2.0))
    register, _ = script("agent_peers").peers()[name]
    none = np.zeros((2, *GRID.size), np.float32)
    before, after = (scores.measure(one, pair, seen.on_image(field, pair[0].image)) for field in (none, register(seen)))
    assert after["dice"] > before["dice"] + 0.02


def test_what_a_method_found_is_kept_until_something_changes(tmp_path, monkeypatch):
    module, one = script("agent_peers"), anatomy()
    pair, calls = (one.subjects[0], one.subjects[1]), []

    def register(seen):
        calls.append(seen.matrix[0, 3])
        return np.full((2, *GRID.size), 1.2346, np.float32)

    settings = ["a"]
    monkeypatch.setattr(module, "peers", lambda: {"test, one": (register, settings[0])})
    first = module.registered_once(one, pair, translation(1.0, 0.0), "test, one", tmp_path)
    again = module.registered_once(one, pair, translation(1.05, 0.0), "test, one", tmp_path)
    assert calls == [1.0]
    np.testing.assert_allclose(again.displacement, first.displacement, atol=module.STEP)
    assert again.seconds == first.seconds
    module.registered_once(one, pair, translation(1.2, 0.0), "test, one", tmp_path)
    settings[0] = "b"
    module.registered_once(one, pair, translation(1.2, 0.0), "test, one", tmp_path)
    assert calls == [1.0, 1.2, 1.2]


def test_a_model_on_a_finer_grid_makes_the_same_deformations():
    coarse = random_model(ControlLattice((12, 16), (2, 3)), strength=0.3)
    fine = script("agent_deformations").on_grid(coarse, (24, 32))
    theta = coarse.sample(2, torch.Generator().manual_seed(0))
    assert torch.allclose(fine.reconstruct(2 * theta), 2 * coarse.reconstruct(theta), atol=1e-5)
    assert torch.allclose(fine.project(fine.reconstruct(2 * theta)), 2 * theta, atol=1e-4)
    expected = resize_field(coarse.field(theta), (24, 32))
    inside = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(fine.field(2 * theta)[inside], expected[inside], atol=0.05)
    with pytest.raises(InputError, match="does not describe deformations on"):
        script("agent_deformations").on_grid(coarse, (24, 16))


def known(count=4, strength=0.6):
    """Ground truth that a model of four modes does not reach."""
    module, cases = script("agent_deformations"), ellipses(count, (24, 32))
    lattice = ControlLattice((24, 32), (2, 3))
    pairs = [(index, (index + 1) % count) for index in range(count)]
    controls = random_controls(lattice, count, strength, seed=7)
    return module.Known(cases, pairs, controls, lattice, structure_region(cases))


def test_more_modes_lose_less():
    module, one, given = script("agent_deformations"), anatomy(), known()
    model = StatisticalDeformationModel.fit(random_controls(given.lattice, 24, 0.6), given.lattice, 20, given.region)
    found = module.reconstruction(one, model, given)
    assert found["counts"][0] == 0
    assert found["counts"][-1] == 20
    assert (np.diff(found["error"]) < 0).all()
    dense = module._dense(model, given.controls)
    lengths = [module.root_mean_square(field, given.region) for field in dense.split(1)]
    assert found["error"][0] == pytest.approx(2.0 * np.mean(lengths), rel=1e-4)  # voxels of 2 mm
    complete = StatisticalDeformationModel.fit(given.controls, given.lattice, 4, given.region)
    exact = module.reconstruction(one, complete, given)
    assert exact["error"][-1] < 1e-3
    assert exact["dice"][-1] == pytest.approx(exact["full"])


def test_the_mean_square_counts_by_the_weights():
    field = torch.zeros(1, 2, 4, 4)
    field[0, 0, 0, 0], field[0, 1, 0, 0] = 3.0, 4.0
    weights = torch.zeros(4, 4)
    weights[0, :2] = 1
    module = script("agent_deformations")
    assert module.root_mean_square(field) == pytest.approx(5 / 4)
    assert module.root_mean_square(field, weights) == pytest.approx(5 / 2**0.5)


def test_approximations_cost_nothing_where_nothing_varies(monkeypatch):
    module, one, given = script("agent_deformations"), anatomy(), known()
    model = StatisticalDeformationModel.fit(given.controls, given.lattice, 4, given.region)
    monkeypatch.setattr(module, "STRENGTH", 1e-6)
    found = module.approximations(one, model, given)
    assert found["exact"] == pytest.approx(found["opposite"], abs=1e-6)
    assert found["projected"] == pytest.approx(found["exact"], abs=0.01)
    assert max(found["distance"]) < 1e-3


def test_the_true_inverse_is_nearer_than_the_opposite():
    module, one, given = script("agent_deformations"), anatomy(), known()
    found = module.approximations(one, random_model(given.lattice, strength=2.0), given)
    assert min(found["distance"]) > 0.002
    shares = [np.mean(row["error"]) / np.mean(row["length"]) for row in found["inverse"]]
    assert shares[0] < shares[1] < shares[2]  # the error is of second order


@pytest.fixture
def model():
    network, _, card, deformation = parts_of((24, 24))
    return AgentModel(network, GRID, card, deformation)


def test_a_stopped_walk_is_the_beginning_of_one_that_is_not_stopped(model):
    module, one = script("agent_walks"), anatomy()
    (row,) = module.convergence(one, model, one.pairs(1), steps=60)
    assert row["alike"]
    assert len(row["dice"]) == len(row["similarity"]) == 61
    assert 0 < row["at"] <= 60
    assert row["stopped"] == row["dice"][row["at"]]


def test_agents_and_translation_are_measured_on_the_same_pairs(model, tmp_path, monkeypatch):
    module, one = script("agent_table"), anatomy()
    monkeypatch.setattr(module, "peers", dict)
    pairs = one.pairs(2)
    start = module.classical(one, model, pairs, tmp_path)[module.TRANSLATION]
    options = {"standing": walk_options(steps=0), "walking": walk_options(steps=5)}
    table = module.walked(one, model, options, pairs)
    assert [row["pair"] for row in table["walking"]] == [row["pair"] for row in start] == ["s1 onto s0", "s2 onto s1"]
    # An agent that takes no step is where its translation has put it.
    for row, other in zip(table["standing"], start, strict=True):
        assert row["dice"] == pytest.approx(other["dice"], abs=0.02)
    assert [row["steps"] for row in table["walking"]] == [5, 5]


def test_demons_see_what_the_agent_finds_and_are_measured_on_the_same_pairs():
    module, one = script("agent_told"), anatomy()
    _, _, card, deformation = parts_of((24, 24))
    torch.manual_seed(0)
    configuration = AgentNetworkConfiguration(
        (24, 24), 2 * deformation.count, (4, 6), (12,), structures=2, structure_widths=(4, 6)
    )
    finding = AgentModel(AgentNetwork(configuration), GRID, card, deformation)
    pairs = one.pairs(2)
    seen = one.seen(pairs[0], translation(0.0, 0.0))
    fixed, moving = map(sitk.GetArrayFromImage, module.found_images(finding.network, seen))
    with torch.no_grad():
        first, second = torch.sigmoid(finding.network.finder(seen.fixed.image))[0]
    np.testing.assert_allclose(fixed, first / 2 + second, atol=1e-6)
    assert moving.shape == (24, 24)
    assert not np.allclose(fixed, moving)
    table = module.told(one, finding, pairs)
    assert list(table) == [module.BUNDLED, module.DEMONS]
    assert [row["pair"] for row in table[module.DEMONS]] == [row["pair"] for row in table[module.BUNDLED]]
    blind = AgentModel(*parts_of((24, 24)))
    assert list(module.told(one, blind, pairs[:1])) == [module.BUNDLED]


def test_trainings_are_compared_with_the_first_walk_by_walk(capsys):
    module, one = script("agent_trainings"), anatomy()

    def rows(*dice):
        return [{"dice": value, "hd95": 10 * value, "steps": 7, "seconds": 0.5} for value in dice]

    found = {
        "plain": {"walk": rows(0.5, 0.6, 0.7), "other": rows(0.1, 0.2, 0.3)},
        "more": {"walk": rows(0.52, 0.64, 0.75), "other": rows(0.1, 0.2, 0.3)},
    }
    module.print_trainings(one, found)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| walk |", "| other |"))]
    assert [line.split(" | ")[1] for line in lines[1:]] == ["plain", "more", "plain", "more"]
    assert lines[1] == "| walk | plain | 0.600 | 0.600 | 0.082 | – | – | 6.0 | 7 | 0.50 |"
    assert lines[2] == "| walk | more | 0.637 | 0.640 | 0.094 | +0.040 | 0.25 | 6.4 | 7 | 0.50 |"
    assert lines[4] == "| other | more | 0.200 | 0.200 | 0.082 | +0.000 | 1 | 2.0 | 7 | 0.50 |"
    module.print_trainings(one, {})
    assert "no training given" in capsys.readouterr().out


def test_trainings_of_one_option_share_a_title():
    found = script("agent_trainings").trainings(
        "bundled=cardiac-slice-agent, hippocampus-agent;hearts=cardiac-slice-agent"
    )
    assert [(title, model.name) for title, model in found] == [
        ("bundled", "cardiac-slice-agent"),
        ("bundled", "hippocampus-agent"),
        ("hearts", "cardiac-slice-agent"),
    ]


def test_a_page_is_rewritten_between_its_marks_only(tmp_path, capsys):
    pages, page = script("pages"), tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n")
    assert pages.show(lambda: print("new") or 7, "a", tmp_path, page) == 7
    assert page.read_text() == "before\n<!-- a -->\n\nnew\n\n<!-- end of a -->\nafter\n"
    assert (tmp_path / "a.md").read_text() == "new\n"
    assert "new" in capsys.readouterr().out
    with pytest.raises(InputError, match="no marks '<!-- b -->'"):
        pages.show(lambda: print("new"), "b", tmp_path, page)


def test_entries_have_titles():
    assert script("agent_data").named("3-D=folder/x; name ;") == {"3-D": "folder/x", "name": "name"}


def test_only_folders_that_are_given_are_measured():
    with pytest.raises(InputError, match="give --hippocampus, --hearts"):
        script("agent_data").anatomies("", "")


def test_the_sheet_shows_the_way(model, tmp_path):
    module, one = script("agent_pictures"), anatomy()
    panels = module.panels_of(one, model, one.pairs(1)[0], steps=(0, 3))
    assert [panel.title.split(",")[0] for panel in panels[:3]] == ["fixed", "moving", "3 steps"]
    assert panels[0].moving is None
    assert not np.array_equal(panels[1].image, panels[2].image)
    module.draw_sheet([panels], ["pair"], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 5000


def test_the_profile_adds_up_and_leaves_no_trace(model):
    module, one = script("benchmark_agent"), anatomy()
    registration = model.begin(one.subjects[0].image, one.subjects[1].image, options=walk_options(steps=8, window=0))
    with module.timed(registration) as spent:
        model.agent.run(model.agent.begin(registration.pair, walk_options(steps=8, window=0)))
    assert all(spent[part] > 0 for part in module.PARTS)
    before = dict(spent)
    registration.run()
    assert spent == before
