"""Training an agent: its states and its loss, the command from a folder of images to a bundle that registers, refusals."""

import csv
import json

import pytest
import torch

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_objective import AgentObjective, AgentStates, draw_states, with_rigid_motions
from AgentRegistrationLib.agent_validation import validate_agent
from AgentRegistrationLib.agent_walk import Agent, walk_options
from AgentRegistrationLib.coarsening import finer_geometry
from AgentRegistrationLib.command_line import main
from AgentRegistrationLib.decision_process import rewards
from AgentRegistrationLib.deformation_space import DeformationSpace
from AgentRegistrationLib.trajectory import read_trajectory
from DeformationLib.bundle import read_weights
from DeformationLib.cases import CaseSet
from DeformationLib.catalogue import read_card
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, write_image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.preprocessing import prepare

from .walk_fixtures import TINY, random_network, smooth_image, smooth_space, training_command, write_slices


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """Folders of images and labels."""
    return write_slices(tmp_path_factory.mktemp("slices"))


@pytest.fixture(scope="module")
def command():
    return training_command()


@pytest.fixture(scope="module")
def deformations(tmp_path_factory):
    """Folder in which the registrations of the slices are kept for all tests."""
    return tmp_path_factory.mktemp("deformations")


@pytest.fixture
def train(command, slices, deformations, tmp_path):
    """Run the command on the slices with a few further words; returns the exit code."""

    def run(words="", output="output"):
        given = ["--images", str(slices[0]), "--labels", str(slices[1]), "--output", str(tmp_path / output)]
        return command.main([*given, "--deformations", str(deformations), *TINY.split(), *words.split()])

    return run


@pytest.fixture(scope="module")
def trained(command, slices, deformations, tmp_path_factory):
    """Folder of a finished training."""
    folder = tmp_path_factory.mktemp("trained")
    given = ["--images", str(slices[0]), "--labels", str(slices[1]), "--output", str(folder)]
    words = ["--name", "ellipses", "--licence", "CC0", "--seed", "3"]
    assert command.main([*given, "--deformations", str(deformations), *TINY.split(), *words]) == 0
    return folder


def log_of(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_states_lie_at_the_start_on_the_way_and_around_the_target():
    generator = torch.Generator().manual_seed(0)
    target, steps = torch.tensor([[4.0, -2.0]]).repeat(2000, 1), torch.tensor([0.2, 0.1])
    states = draw_states(target, steps, generator)
    at_start = (states == 0).all(dim=1)
    assert float(at_start.float().mean()) == pytest.approx(0.25, abs=0.04)
    share = states[~at_start] / target[0]
    assert -0.4 < float(share.min()) < 0
    assert 1.2 < float(share.max()) < 1.8
    assert torch.equal(states, draw_states(target, steps, torch.Generator().manual_seed(0)))


def test_the_loss_is_the_squared_error_of_all_rewards():
    space = smooth_space()
    network = random_network(space, members=2).requires_grad_(True)
    objective = AgentObjective(network).train()
    fixed, warped = torch.rand(2, 3, 1, *space.size)
    theta, target = torch.randn(2, 3, 4)
    loss, terms = objective(AgentStates(fixed, warped, theta, target), space.steps)
    wanted = rewards(theta, target, space.steps) / network.scale
    expected = 0.0
    for member in network.members:  # the same batch gives the same batch statistics
        values = member(member.fixed(fixed), warped)
        expected += float((values - wanted).detach().square().sum() / 3 / 2)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert terms["loss"] == pytest.approx(float(loss))
    assert terms["gain"] <= 1
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_network_learns_which_way_to_go():
    space = smooth_space((16, 16), modes=2, strength=2.0)
    objective = AgentObjective(random_network(space, widths=(8, 8), dense=(32, 16)).requires_grad_(True))
    optimizer = torch.optim.RMSprop(objective.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    moving = smooth_image((16, 16))
    gains = []
    for _ in range(30):
        target = space.deviations * torch.randn(24, 2, generator=generator)
        fixed = space.warp(moving.expand(24, -1, -1, -1), space.sampling(target))
        states = draw_states(target, space.steps, generator)
        warped = space.warp(moving.expand(24, -1, -1, -1), space.sampling(states))
        loss, terms = objective(AgentStates(fixed, warped, states, target), space.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gains.append(terms["gain"])
    assert sum(gains[-10:]) / 10 > 0.5 > gains[0]


def test_rigid_motions_are_undone_by_their_targets():
    modes = torch.zeros(1, 2, 24, 20)
    space = DeformationSpace.of_model(
        lambda theta: torch.zeros(len(theta), 2, 24, 20) + 0 * modes, torch.ones(1), torch.ones(1), 2.0, 5.0
    )
    moving = smooth_image().expand(4, -1, -1, -1)
    generator = torch.Generator().manual_seed(1)
    moved, target = with_rigid_motions(space, moving, torch.zeros(4, 1), generator)
    assert target.shape == (4, 4)
    assert (target[:, 1:] != 0).all()
    back = space.warp(moved, space.sampling(target))
    inside = (..., slice(6, -6), slice(6, -6))
    assert (moved - moving)[inside].abs().mean() > 5 * (back - moving)[inside].abs().mean()
    plain = smooth_space()
    assert with_rigid_motions(plain, moving, torch.zeros(4, 4), generator)[0] is moving


def test_validation_measures_the_overlap_before_and_after():
    space = smooth_space((24, 20))
    labels = torch.zeros(2, 1, 24, 20, dtype=torch.uint8)
    labels[0, :, 5:15, 5:15], labels[1, :, 7:17, 5:15] = 255, 255
    images = torch.cat([smooth_image(seed=1), smooth_image(seed=2)])
    cases = CaseSet(["a", "b"], images.half(), labels, torch.ones_like(labels), [1], {})
    agent = Agent(random_network(space), space)
    scores = validate_agent(agent, cases, [(0, 1), (1, 0)], walk_options(greedy=True, steps=0))
    assert scores["score_before"] == pytest.approx(0.8)
    assert scores["score"] == scores["dice_1"] == scores["score_median"] == pytest.approx(0.8)
    assert scores["steps"] == 0
    assert validate_agent(agent, cases, [], walk_options()) == {}


def test_a_folder_becomes_an_agent_that_registers(trained, slices, tmp_path):
    rows = log_of(trained)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"minutes", "loss", "gain", "score", "score_before", "dice_1", "dice_2", "steps"} <= rows[0].keys()
    card = read_card(trained / "model")
    assert card["name"] == "ellipses"
    assert card["model"]["class"] == "AgentNetwork"
    assert card["model"]["configuration"]["actions"] == 6
    assert card["grid"] == {"size": [24, 24], "axes": "ji", "spacing_mm": [2.0, 2.0], "frame": "patient"}
    assert card["model"]["walk"] == {"greedy": True, "shrinks": 2}  # there are no structures whose overlap could count
    assert card["training"]["deformations"]["modes"] == 3
    assert card["training"]["validation_cases"] == ["case_1", "case_4"]
    assert card["accuracy"]["pairs"] == 2
    assert card["accuracy"]["script"].startswith("AgentRegistrationTrain")
    paths = [str(slices[part] / f"case_{number}.nii.gz") for part in (0, 1) for number in (1, 4)]
    output = tmp_path / "result"
    words = ["--fixed", paths[0], "--moving", paths[1], "--fixed-labels", paths[2], "--moving-labels", paths[3]]
    assert main(["register", *words, "--model", str(trained / "model"), "--output", str(output), "--steps", "20"]) == 0
    expected = ["displacement.nii.gz", "inverse_displacement.nii.gz", "jacobian.nii.gz", "report.json"]
    expected += ["trajectory.csv", "warped.nii.gz", "warped_labels.nii.gz"]
    assert sorted(path.name for path in output.iterdir()) == expected
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["alignment"] == "translation"
    assert report["similarity"]["measure"] == "correlation"
    assert 0 < report["mean_dice_after"] <= 1
    states = read_trajectory(output / "trajectory.csv")
    assert len(states[0].theta) == 3
    assert states[-1].similarity == pytest.approx(report["similarity"]["after"], abs=1e-4)


def test_ground_truth_of_a_finer_grid_makes_an_agent_of_a_coarser_one(train, slices, tmp_path):
    words = (
        "--grid 12,12 --spacing 4 --fine 2 --stride 1 --joint --structure-epochs 1 --structure-widths 4,6 --epochs 3"
    )
    assert train(f"{words} --name coarse --seed 3") == 0
    card = read_card(tmp_path / "output" / "model")
    assert card["grid"]["size"] == [12, 12]
    assert card["grid"]["spacing_mm"] == [4.0, 4.0]
    assert card["training"]["deformations"]["control_point_spacing_mm"] == [12.0, 12.0]
    assert card["training"]["deformations"]["median_dice"] > 0.75
    assert card["model"]["configuration"]["size"] == [12, 12]
    assert card["model"]["configuration"]["joint"]
    assert card["model"]["configuration"]["structures"] == 2
    rows = log_of(tmp_path / "output")
    assert 0 < float(rows[0]["found"]) <= 1
    assert float(rows[0]["score"]) < 0 < float(rows[1]["score"])
    model = AgentModel.load(tmp_path / "output" / "model", "cpu")
    image = read_image(slices[0] / "case_1.nii.gz")
    registration = model.begin(image, read_image(slices[0] / "case_4.nii.gz"))
    assert registration.pair.seen.shape == (1, 3, 12, 12)
    assert registration.walk.warped.shape == (1, 1, 12, 12)


def test_structures_found_finely_are_seen_by_an_agent_on_its_coarser_grid(train, slices, tmp_path):
    words = (
        "--grid 12,12 --spacing 4 --fine 2 --stride 1 --structure-epochs 1 --structure-widths 4,6 --structures-finely"
    )
    assert train(f"{words} --epochs 2 --seed 3 --walk-drawn --walk-shrinks 1 --walk-overlap 7") == 0
    assert 0 < float(log_of(tmp_path / "output")[0]["found"]) <= 1
    model = AgentModel.load(tmp_path / "output" / "model", "cpu")
    assert model.network.configuration.structure_fine == 2
    assert model.options == walk_options(greedy=False, shrinks=1, overlap=7.0)
    fixed, moving = (read_image(slices[0] / f"case_{number}.nii.gz") for number in (1, 4))
    registration = model.begin(fixed, moving, options=walk_options(overlap=100.0, greedy=True, steps=5))
    assert registration.pair.seen.shape == (1, 3, 12, 12)
    finer = PairGrid((24, 24), (2.0, 2.0), model.grid.frame)
    place = registration.view.seen_m.geometry
    seen = prepare(moving, finer, geometry=finer_geometry(place, 2, 2))
    found = torch.sigmoid(model.network.finder(seen.image)).unflatten(2, (12, 2)).unflatten(4, (12, 2)).mean((3, 5))
    assert torch.allclose(registration.pair.seen[:, 1:], found, atol=1e-5)
    assert registration.run().taken == 5


def test_the_finder_is_trained_first_and_left_alone_then(train, tmp_path):
    words = "--structure-epochs 1 --structure-widths 4,6 --seed 3"
    assert train(f"{words} --epochs 3 --max-minutes 0.000001") == 0
    first = torch.load(tmp_path / "output" / "checkpoint.pt", weights_only=True)["weights"]
    assert train(f"{words} --epochs 3 --resume") == 0
    last = torch.load(tmp_path / "output" / "checkpoint.pt", weights_only=True)["weights"]
    moved = {name: not torch.equal(first[name], last[name]) for name in first if first[name].is_floating_point()}
    assert not any(changed for name, changed in moved.items() if ".finder." in name)
    assert all(changed for name, changed in moved.items() if ".members." in name and name.endswith("weight"))


def test_a_run_that_ends_before_there_is_an_agent_keeps_its_best_finder(train, tmp_path):
    words = "--structure-epochs 3 --epochs 3 --structure-widths 6,8 --batches 5 --learning-rate 0.03 --warmup 1"
    assert train(f"{words} --seed 3") == 0
    output = tmp_path / "output"
    found = [float(row["found"]) for row in log_of(output)]
    assert [float(row["score"]) for row in log_of(output)] == pytest.approx([value - 1 for value in found])
    assert found.index(max(found)) == 2
    assert "ask for more --epochs" in (output / "log.txt").read_text(encoding="utf-8")
    average = torch.load(output / "checkpoint.pt", weights_only=True)["average"]
    for name, value in read_weights(output / "model", read_card(output / "model"))["network"].items():
        assert torch.allclose(value.float(), average[f"network.{name}"].float(), atol=1e-3), name


def test_the_bundle_holds_the_running_statistics_of_the_network(trained):
    weights = read_weights(trained / "model", read_card(trained / "model"))["network"]
    variances = [value for name, value in weights.items() if name.endswith("running_var")]
    assert variances
    assert all((value != 1).any() for value in variances)


def test_an_interrupted_run_equals_an_uninterrupted_one(train, trained, tmp_path):
    words = "--seed 3 --name ellipses --licence CC0"
    assert train(f"{words} --max-minutes 0.000001") == 0  # time for one epoch
    assert len(log_of(tmp_path / "output")) == 1
    assert train(f"{words} --resume") == 0
    whole, parts = (torch.load(f / "checkpoint.pt", weights_only=True) for f in (trained, tmp_path / "output"))
    assert parts["epoch"] == 2
    for name, value in whole["weights"].items():
        assert torch.equal(value, parts["weights"][name]), name
    drop = ("minutes",)
    for one, other in zip(log_of(trained), log_of(tmp_path / "output"), strict=True):
        assert {k: v for k, v in one.items() if k not in drop} == {k: v for k, v in other.items() if k not in drop}


def test_resuming_with_other_settings_is_refused(train, trained, command, slices, capsys):
    given = ["--images", str(slices[0]), "--labels", str(slices[1]), "--output", str(trained), *TINY.split()]
    assert command.main([*given, "--seed", "3", "--modes", "2", "--resume"]) == 2
    assert "another configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--modes 40", "ask for fewer modes"),
        ("--group-size 1", "--group-size must be at least 2"),
        ("--structures-finely", "give it some --structure-epochs"),
        ("--step 0", "--step and --decay must be positive"),
        ("--decay 2", "--decay is a share"),
        ("--walk-overlap -1", "--walk-overlap must be at least 0"),
        ("--epochs 0", "--epochs must be at least 1"),
        ("--widths 4,x", "--widths takes whole numbers"),
        ("--grid 4,4 --widths 4,4,4,4", "too small"),
        ("--initialize nothing", "no model 'nothing'"),
        ("--resume", "no checkpoint to resume"),
    ],
)
def test_refusals_are_one_sentence(train, capsys, words, sentence):
    assert train(words) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error
    assert "\n" not in error


def test_a_training_set_of_two_subjects_is_refused_with_advice(command, tmp_path, capsys):
    images, labels = write_slices(tmp_path, count=2)
    given = ["--images", str(images), "--labels", str(labels), "--output", str(tmp_path / "output"), *TINY.split()]
    assert command.main([*given, "--validation-rule", "none"]) == 2
    error = capsys.readouterr().err
    assert "2 subjects give 2" in error
    assert "fewer modes" in error


def test_empty_label_maps_are_refused(command, tmp_path, capsys):
    images, labels = write_slices(tmp_path, count=4)
    for path in labels.iterdir():
        empty = read_image(path)
        write_image(Image.on_grid(empty.array * 0, empty.geometry), path)
    given = ["--images", str(images), "--labels", str(labels), "--output", str(tmp_path / "output"), *TINY.split()]
    assert command.main(given) == 2
    assert "label maps are empty" in capsys.readouterr().err


def test_the_bundle_is_loaded_by_its_folder(trained):
    model = AgentModel.load(trained / "model", "cpu")
    assert model.name == "ellipses"
    assert len(model.space) == 3
    assert model.template is not None
