"""An agent in use: what comes out is what the walk shows, in physical space, from any storage; and its refusals."""

import numpy as np
import pytest
import torch

from AgentRegistrationLib.agent_model import AgentModel
from AgentRegistrationLib.agent_network import AgentNetwork, AgentNetworkConfiguration
from AgentRegistrationLib.agent_registration import shifted
from AgentRegistrationLib.agent_walk import walk_options
from AgentRegistrationLib.bspline_field import ControlLattice
from AgentRegistrationLib.command_line import main
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from AgentRegistrationLib.template import AnatomyTemplate
from AgentRegistrationLib.trajectory import State, read_trajectory, write_trajectory
from DeformationLib.bundle import write_bundle
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.image_io import read_image, write_image
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress

CUBE, SQUARE = (16, 20, 16), (24, 24)
GREEDY = walk_options(greedy=True, steps=12)


def smooth_deformations(lattice, modes=4, seed=0):
    """A model of deformations of a few voxels."""
    generator = torch.Generator().manual_seed(seed)
    controls = 1.5 * torch.randn(3 * modes, lattice.dimension, *lattice.shape, generator=generator)
    return StatisticalDeformationModel.fit(controls, lattice, modes)


def parts_of(size, members=1):
    """Network, grid, card and deformation model of a random agent."""
    torch.manual_seed(0)
    deformation = smooth_deformations(ControlLattice.with_spacing(size, 8.0))
    configuration = AgentNetworkConfiguration(size, 8, (4, 6), (12,), members=members)
    network = AgentNetwork(configuration, 0.5)
    grid = PairGrid(size, (1.0,) * len(size), "patient")
    card = {
        "name": "random",
        "purpose": "Tests.",
        "model": {"class": "AgentNetwork", "configuration": {**vars(configuration), "size": list(size)}},
        "grid": {"size": list(size), "axes": "kji"[-len(size) :], "spacing_mm": list(grid.spacing), "frame": "patient"},
        "training": {},
        "accuracy": {},
    }
    card["model"]["configuration"] |= {"widths": [4, 6], "dense": [12]}
    return network, grid, card, deformation


@pytest.fixture(scope="module")
def model():
    return AgentModel(*parts_of(CUBE))


@pytest.fixture(scope="module")
def flat_model():
    return AgentModel(*parts_of(SQUARE))


def blob(geometry, centre=(0.0, 0.0, 0.0), radii=(5.0, 6.0, 4.5)):
    """A soft ellipsoid with a bump, around a point in LPS mm, on any grid."""
    points = geometry.index_to_physical(np.moveaxis(np.indices(geometry.shape_kji), 0, -1)[..., ::-1])
    relative = (points - np.asarray(centre)) / radii
    values = 100 / (1 + np.exp(6 * (np.linalg.norm(relative, axis=-1) - 1)))
    values = values + 40 * np.exp(-4 * np.sum((relative - (0.4, 0.2, -0.3)) ** 2, axis=-1))
    return Image.on_grid(values.astype(np.float32), geometry)


def centred(size_ijk, spacing=1.0):
    corner = tuple(-(n - 1) / 2 * spacing for n in size_ijk)
    return Geometry(size_ijk, (spacing,) * 3, corner)


@pytest.fixture
def volumes():
    """Fixed and moving on the network's grid."""
    grid = centred(CUBE[::-1])
    return blob(grid), blob(grid, (2.0, -1.0, 1.0), (4.0, 6.5, 4.5))


def slices():
    grid = Geometry((24, 24, 1), (1.0, 1.0, 4.0), (-11.5, -11.5, 0.0))
    return blob(grid), blob(grid, (1.0, -2.0, 0.0), (4.0, 7.0, 4.5))


def correlation(one, other):
    return np.corrcoef(one.array.ravel(), other.array.ravel())[0, 1]


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_result_is_what_the_walk_shows(model, flat_model, volumes, dimension):
    agent, (fixed, moving) = (model, volumes) if dimension == 3 else (flat_model, slices())
    registration = agent.begin(fixed, moving, "none", GREEDY)
    registration.run()
    result = registration.result()
    warped = registration.walk.warped[0, 0].numpy()
    seen = result.warp(moving).array.reshape(warped.shape)
    moving_values = moving.array
    low, high = moving_values.min(), moving_values.max()
    assert np.abs((seen - low) / (high - low) - warped).max() < 0.02
    assert result.similarity_after == pytest.approx(registration.walk.similarity)
    assert [state.action for state in result.trajectory] == [state.action for state in registration.walk.states]
    assert result.inverse_consistency() < 0.3
    assert result.similarity_before == pytest.approx(correlation(fixed, moving), abs=1e-3)


def test_a_translation_is_found_before_the_first_step(model):
    grid = centred(CUBE[::-1])
    fixed, moving = blob(grid), blob(grid, (2.0, -3.0, 1.0))
    result = model.register(fixed, moving, "translation", walk_options(steps=0))
    inside = result.displacement.array[6:10, 8:12, 6:10].reshape(-1, 3)
    assert inside.mean(axis=0) == pytest.approx([2.0, -3.0, 1.0], abs=0.3)
    assert result.alignment == "translation"
    assert result.alignment_matrix[:3, 3] == pytest.approx([2.0, -3.0, 1.0], abs=0.3)
    assert result.similarity_after > 0.97


def test_both_images_are_brought_onto_the_template():
    grid = centred(CUBE[::-1])
    size = torch.Size((1, 1, *CUBE))
    template_image = blob(grid).array
    template_image = (template_image - template_image.min()) / np.ptp(template_image)
    template = AnatomyTemplate(torch.from_numpy(template_image).view(size).float(), torch.ones(size))
    model = AgentModel(*parts_of(CUBE), template=template)
    fixed, moving = blob(grid, (1.0, 2.0, 0.0)), blob(grid, (-1.0, 0.0, 2.0))
    registration = model.begin(fixed, moving, options=walk_options(steps=0))
    for seen, centre in ((registration.view.seen_f, (1.0, 2.0, 0.0)), (registration.view.seen_m, (-1.0, 0.0, 2.0))):
        assert seen.geometry.centre == pytest.approx(centre, abs=0.3)
    result = registration.result()
    middle = result.displacement.array[8, 10, 8]
    assert middle == pytest.approx([-2.0, -2.0, 2.0], abs=0.4)


def test_storage_does_not_change_the_physical_result(model, volumes):
    fixed, moving = volumes
    straight = model.register(fixed, moving, options=GREEDY)
    geometry = fixed.geometry
    direction = np.asarray(geometry.direction) * np.array([-1.0, 1.0, -1.0])
    corner = geometry.index_to_physical((geometry.size[0] - 1, 0, geometry.size[2] - 1))
    turned = Image(fixed.array[::-1, :, ::-1].copy(), geometry.spacing, tuple(corner), direction)
    other = model.register(turned, moving, options=GREEDY)
    assert np.allclose(other.displacement.array[::-1, :, ::-1], straight.displacement.array, atol=1e-2)


def test_images_on_other_grids(model):
    fixed = blob(Geometry((20, 18, 10), (0.8, 1.2, 1.7), (-8.0, -10.0, -8.0)))
    moving = blob(centred((30, 30, 30), 0.7), (1.0, 0.0, 0.5))
    result = model.register(fixed, moving, options=GREEDY)
    assert result.displacement.same_grid(fixed)
    assert result.inverse_displacement.same_grid(moving)
    assert np.isfinite(result.displacement.array).all()


def test_the_same_seed_gives_the_same_result(model, volumes):
    results = [model.register(*volumes, options=walk_options(steps=10, seed=seed)) for seed in (1, 1, 2)]
    assert np.array_equal(results[0].displacement.array, results[1].displacement.array)
    assert results[0].trajectory == results[1].trajectory
    assert results[0].trajectory != results[2].trajectory


def test_the_most_similar_of_several_starts_counts(model, volumes):
    options = walk_options(steps=6, starts=3)
    registration = model.begin(*volumes, options=options)
    registration.run()
    assert registration.walk.similarity == max(walk.similarity for walk in registration.walks)
    assert registration.result().similarity_after == pytest.approx(registration.walk.similarity)


def test_a_result_is_ready_at_any_moment(model, volumes):
    registration = model.begin(*volumes)
    registration.walk.step()
    first = registration.result()
    registration.walk.set_theta(registration.walk.theta + 1)
    second = registration.result()
    assert not np.allclose(first.displacement.array, second.displacement.array)
    assert len(second.trajectory) == 3
    assert np.allclose(registration.displacement().array, second.displacement.array, atol=1e-4)


def test_an_amplitude_far_outside_training_is_warned_of(model, volumes):
    registration = model.begin(*volumes)
    registration.walk.set_theta(4 * model.space.deviations)
    assert any("beyond three standard deviations" in warning for warning in registration.result().warnings)


def test_files(model, volumes, tmp_path):
    paths = model.register(*volumes, options=GREEDY).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths.values())
    assert len(read_trajectory(paths["trajectory"])) >= 13
    assert read_image(paths["warped"]).same_grid(volumes[0])


def cancelled_after(allowed):
    """A progress that is cancelled by the report after so many."""
    count = 0

    def report(fraction, message):
        nonlocal count
        count += 1
        if count > allowed:
            progress.cancel()

    progress = Progress(report)
    return progress


def test_cancelling_stops_at_every_report(model, volumes):
    reports = []
    model.register(*volumes, options=GREEDY, progress=Progress(lambda *report: reports.append(report)))
    assert reports[-1][0] == pytest.approx(1.0)
    for allowed in range(0, len(reports), 5):
        with pytest.raises(Cancelled):
            model.register(*volumes, options=GREEDY, progress=cancelled_after(allowed))


def test_images_outside_the_model_are_refused(model, volumes):
    fixed, moving = volumes
    far = Image(moving.array, moving.spacing, (500.0, 0.0, 0.0), moving.direction)
    with pytest.raises(InputError, match="do not overlap"):
        model.register(fixed, far, "none")
    with pytest.raises(InputError, match="one slice"):
        model.register(slices()[0], moving)
    constant = fixed.with_array(np.zeros_like(fixed.array))
    with pytest.raises(InputError, match="everywhere"):
        model.register(constant, moving)


def test_an_empty_mask_is_refused(model, volumes):
    empty = volumes[0].with_array(np.zeros(volumes[0].array.shape, np.uint8))
    with pytest.raises(InputError, match="mask"):
        model.register(*volumes, fixed_mask=empty)


def test_the_similarity_counts_in_the_mask(model, volumes):
    fixed, moving = volumes
    mask = fixed.with_array((fixed.array > 50).astype(np.uint8))
    registration = model.begin(fixed, moving, "none", walk_options(steps=0), fixed_mask=mask)
    assert registration.pair.similarity(registration.pair.moving) != pytest.approx(correlation(fixed, moving), abs=1e-2)


def test_an_unknown_alignment_is_a_mistake(model, volumes):
    with pytest.raises(ValueError, match="The alignment is one of"):
        model.register(*volumes, alignment="best")


@pytest.mark.parametrize("shift", [(1.0, 2.0, -3.0), (0.5, -1.0)])
def test_a_grid_moves_along_its_own_axes(shift):
    direction = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    grid = Geometry((5, 6, 7), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0), direction)
    moved = shifted(grid, np.array(shift))
    index = np.array([2.0, 3.0, 4.0])
    expected = index.copy()
    expected[: len(shift)] += np.array(shift)[::-1]
    assert moved.index_to_physical(index) == pytest.approx(grid.index_to_physical(expected))


def write_agent(folder, without=(), card=()):
    network, _, own, deformation = parts_of(CUBE)
    parts = {"network": network.state_dict(), "deformation": deformation.state()}
    return write_bundle(folder, own | dict(card), {name: part for name, part in parts.items() if name not in without})


def test_a_bundle_registers_like_the_model_in_memory(model, volumes, tmp_path):
    loaded = AgentModel.load(write_agent(tmp_path / "random"), "cpu")
    first, second = (agent.register(*volumes, options=GREEDY) for agent in (model, loaded))
    # Weights are kept in half precision.
    assert second.similarity_before == pytest.approx(first.similarity_before)
    assert len(loaded.space) == 4
    assert torch.allclose(loaded.deformation.deviations, model.deformation.deviations, rtol=1e-3)


@pytest.mark.parametrize("without, sentence", [("network", "'network'"), ("deformation", "'deformation'")])
def test_incomplete_bundles_are_refused(tmp_path, without, sentence):
    with pytest.raises(InputError, match=sentence):
        AgentModel.load(write_agent(tmp_path / "random", [without]), "cpu")


def test_the_card_says_how_to_walk(model):
    network, grid, card, deformation = parts_of(CUBE)
    card["model"]["walk"] = {"steps": 7, "starts": 2, "tightness": 0.0}
    assert AgentModel(network, grid, card, deformation).options == walk_options(steps=7, starts=2, tightness=0.0)
    assert model.options == walk_options()


def test_rigid_motions_are_actions_where_the_card_says_so():
    _, grid, card, deformation = parts_of(CUBE)
    network = AgentNetwork(AgentNetworkConfiguration(CUBE, 20, (4, 6), (12,)))
    card["model"]["actions"] = {"step": 0.5, "translation": 2.0, "rotation": 4.0}
    space = AgentModel(network, grid, card, deformation).space
    assert (space.modes, len(space)) == (4, 10)
    assert torch.allclose(space.steps[:4], 0.5 * deformation.typical)


def test_a_trajectory_is_read_as_it_was_written(tmp_path):
    states = [
        State((0.0, 0.0), 0.5),
        State((0.25, 0.0), 0.625, 0, 0.25, 0.125, "agent"),
        State((0.25, -0.5), 0.75, 3, -0.5, None, "user"),
        State((0.125, -0.5), 0.8, choice="settled"),
    ]
    path = write_trajectory(states, tmp_path / "trajectory.csv")
    assert read_trajectory(path) == states
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "step,choice,action,mode,change,q,similarity,theta_1,theta_2"
    assert lines[3] == "2,user,3,2,-0.5,,0.75,0.25,-0.5"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "step,similarity,action\n0,x,\n"])
def test_other_tables_are_no_trajectories(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not a trajectory"):
        read_trajectory(path)


def test_the_command_registers_two_files(volumes, tmp_path, capsys):
    folder = write_agent(tmp_path / "random")
    paths = [write_image(image, tmp_path / f"{name}.nii.gz") for name, image in zip(("f", "m"), volumes, strict=True)]
    words = ["register", "--fixed", str(paths[0]), "--moving", str(paths[1]), "--model", str(folder)]
    options = "--steps 9 --greedy --starts 2 --tightness 2 --shrinks 1 --window 4 --seed 3 --alignment centres"
    assert main([*words, "--output", str(tmp_path / "output"), *options.split()]) == 0
    assert "Registration with random" in capsys.readouterr().out
    assert (tmp_path / "output" / "trajectory.csv").is_file()


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--steps -1", "--steps must be at least 0"),
        ("--starts 0", "--starts must be at least 1"),
        ("--model nothing", "no model 'nothing'"),
        ("--fixed nowhere.nii.gz", "nowhere.nii.gz"),
    ],
)
def test_the_command_refuses_with_a_sentence(volumes, tmp_path, capsys, words, sentence):
    paths = [write_image(image, tmp_path / f"{name}.nii.gz") for name, image in zip(("f", "m"), volumes, strict=True)]
    given = ["register", "--fixed", str(paths[0]), "--moving", str(paths[1]), "--output", str(tmp_path / "output")]
    assert main([*given, "--model", str(tmp_path), *words.split()]) == 2
    error = capsys.readouterr().err.strip()
    assert sentence in error
    assert "Traceback" not in error


def test_the_command_lists_agents(tmp_path, monkeypatch, capsys):
    write_agent(tmp_path / "random")
    monkeypatch.setenv("LATENTMOTION_MODELS", str(tmp_path))
    assert main(["models"]) == 0
    assert "random" in capsys.readouterr().out
