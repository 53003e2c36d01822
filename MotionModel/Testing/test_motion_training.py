"""Training a motion model with the command: slices and volumes over time, both priors, warm starts, resuming, refusals."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from DeformationLib.catalogue import read_card
from DeformationLib.cine_cases import find_cine_cases
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image_io import write_image
from DeformationLib.pair_grid import PairGrid
from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration
from MotionModelLib.motion_cases import load_sequences
from MotionModelLib.motion_model import MotionModel
from MotionModelLib.motion_network import MotionNetworkConfiguration
from MotionModelLib.motion_training import MotionRequest, MotionTrainingRun
from MotionModelLib.slice_stack import place_of_grid
from Testing.velocity_fixtures import series_array, small_heart, velocity_bundle

COMMAND = Path(__file__).parents[1] / "MotionModelTrain" / "MotionModelTrain.py"
TINY = (
    "--widths 4,6 --latent 4 --scales 2 --slots 9 --temporal-width 8 --epochs 2 --full-resolution-epochs 1 --device cpu "
    "--validation-rule 2:1"
)
FLAT = "--grid 32,32 --spacings 3,3"
SMALL = VelocityNetworkConfiguration((16, 16, 16), (1.0, 1.0, 1.0), widths=(4, 6), latent=3, scales=2)


@pytest.fixture(scope="module")
def command():
    """The command as a module, so that torch is not imported again for every test."""
    specification = importlib.util.spec_from_file_location("MotionModelTrain", COMMAND)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def write_patient(folder, heart, frames=None):
    folder.mkdir(parents=True)
    arrays = series_array(heart)[:frames]
    images = [heart.frames[0].with_array(array).to_sitk() for array in arrays]
    sitk.WriteImage(sitk.JoinSeries(images), str(folder / "cine.nii.gz"))
    write_image(heart.labels[0], folder / "seg_ed.nii.gz")
    write_image(heart.labels[heart.es_frame], folder / "seg_es.nii.gz")
    (folder / "info.json").write_text(json.dumps({"ed_frame": 0, "es_frame": heart.es_frame, "group": "NOR"}))


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Four patients' folders with five frames of 32 x 32 x 4."""
    root = tmp_path_factory.mktemp("patients")
    for seed in range(4):
        write_patient(root / f"patient{seed}", small_heart(seed, 5))
    return root


def log_of(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("prior", ["gaussian-process", "unit"])
def test_slices_over_time_become_a_model_that_tracks(command, patients, tmp_path, prior):
    words = f"--images {patients} --output {tmp_path / 'out'} {FLAT} --prior {prior} --name tiny --seed 3 {TINY}"
    assert (
        command.main(
            [
                *words.split(),
                "--overlap-weight",
                "1",
                "--transport-weight",
                "1",
                "--slices",
                "2",
                "--sub-sequence",
                "3",
                "--heart",
                "3,2,1",
            ]
        )
        == 0
    )
    rows = log_of(tmp_path / "out")
    assert len(rows) == 2
    assert {
        "kl",
        "similarity_2",
        "overlap",
        "transport",
        "score",
        "completed",
        "temporal_gradient",
        "ejection_error",
    } <= set(rows[0])
    assert all(np.isfinite(float(value)) for row in rows for value in row.values() if value)
    card = read_card(tmp_path / "out" / "model")
    assert card["model"]["class"] == "MotionNetwork"
    assert card["sequence"] == {"slots": 9, "periodic": True}
    assert card["grid"]["axes"] == "ji"
    assert card["heart"] == {"pool": 3, "myocardium": 2, "right_ventricle": 1}
    assert card["training"]["command"].startswith("MotionModelTrain --images patients")
    assert set(card["training"]["image_statistics"]) >= {"median", "change"}
    model = MotionModel.load(tmp_path / "out" / "model", device="cpu")
    motion = model.track(small_heart(7, 6).frames)
    assert len(motion) == 6
    assert motion.matrix.mean.shape == (4, 4, 9)


def test_volumes_over_time(command, patients, tmp_path):
    words = f"--images {patients} --output {tmp_path / 'out'} --grid 4,32,32 --spacings 10,3,3 {TINY}"
    assert command.main([*words.split(), "--similarity", "squares", "--folding-weight", "1", "--finest", "1"]) == 0
    model = MotionModel.load(tmp_path / "out" / "model", device="cpu")
    assert model.track(small_heart(7, 6).frames).matrix.mean.shape == (1, 4, 9)
    assert "heart" not in model.card  # nobody said that it is one
    assert {"dice_1", "dice_2", "dice_3"} <= set(model.card["accuracy"])


def test_resumed_equals_uninterrupted(command, patients, tmp_path):
    words = f"--images {patients} {FLAT} {TINY}".split()
    assert command.main([*words, "--output", str(tmp_path / "whole")]) == 0
    assert command.main([*words, "--output", str(tmp_path / "parts"), "--max-minutes", "0.0005"]) == 0
    assert len(log_of(tmp_path / "parts")) == 1
    assert command.main([*words, "--output", str(tmp_path / "parts"), "--resume"]) == 0
    whole, parts = (
        torch.load(tmp_path / name / "model" / "weights.pt", weights_only=True) for name in ("whole", "parts")
    )
    for name, value in whole["network"].items():
        assert torch.equal(value, parts["network"][name]), name


def test_starts_from_a_pairwise_model_of_volumes(command, patients, tmp_path, capsys):
    start = velocity_bundle(tmp_path)  # 5 latent dimensions, 4 x 32 x 32
    words = f"--images {patients} --output {tmp_path / 'out'} {FLAT} --initialize {start} {TINY} --latent 5"
    assert command.main(words.split()) == 0
    assert "started from" in capsys.readouterr().out
    first = MotionTrainingRun(
        MotionRequest(
            patients,
            tmp_path / "other",
            validation_rule="2:1",
            grid=(32, 32),
            spacings=(3.0, 3.0),
            network=MotionNetworkConfiguration(
                MotionModel.load(tmp_path / "out" / "model", device="cpu").network.configuration.pair, 9, width=8
            ),
            initialize=str(start),
        )
    )
    before = first.objective.network.encoder.mean.weight.clone()
    first._initialize()
    assert not torch.equal(before, first.objective.network.encoder.mean.weight)


def test_refuses_to_start_from_another_kind(command, patients, tmp_path, capsys):
    words = f"--images {patients} --output {tmp_path / 'out'} {FLAT} --initialize phantom {TINY}"
    assert command.main(words.split()) == 2
    assert "cannot start from phantom" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--grid 32,32,32,32", "--grid takes two or three lengths"),
        ("--spacings 3,-3", "two or three positive numbers"),
        ("--grid 32,32 --spacings 3,3,3", "give as many"),
        ("--dropout 1.5", "--dropout is a share between 0 and 1"),
        ("--whole-share 0.7 --leading-share 0.5", "at most 1 together"),
        ("--sub-sequence 1", "at least two frames"),
        ("--slots 1", "--slots must be at least 2"),
        ("--window 4", "must be odd"),
        ("--grid 30,30 --spacings 3,3", "not a multiple"),
        ("--finest 2", "can be left out"),
        ("--length-scale 0", "must be positive"),
        ("--heart 3", "--heart takes the labels"),
        ("--heart 3,2,7 --grid 32,32 --spacings 3,3", "have no label 7"),
    ],
)
def test_bad_options_are_refused_with_a_sentence(command, patients, tmp_path, capsys, words, sentence):
    base = f"--images {patients} --output {tmp_path / 'out'} {TINY}".split()
    assert command.main([*base, *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("MotionModelTrain: ")
    assert sentence in error


def test_unusable_series_are_named(command, patients, tmp_path, capsys):
    for number in range(2):
        write_patient(tmp_path / "cases" / f"good{number}", small_heart(number, 3))
    write_patient(tmp_path / "cases" / "short", small_heart(2, 3), frames=1)
    words = f"--images {tmp_path / 'cases'} --output {tmp_path / 'out'} {FLAT} {TINY}".replace("2:1", "none")
    assert command.main(words.split()) == 0
    assert "skipped short:" in (tmp_path / "out" / "log.txt").read_text()
    assert command.main(f"--images {tmp_path / 'nowhere'} --output {tmp_path / 'out2'} {TINY}".split()) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_series_of_three_frames_and_long_ones(patients, tmp_path):
    write_patient(tmp_path / "short", small_heart(0, 2))
    write_patient(tmp_path / "long", small_heart(1, 14))
    for periodic in (True, False):
        run = MotionTrainingRun(
            MotionRequest(
                tmp_path,
                tmp_path / f"out{periodic}",
                validation_rule="none",
                grid=(32, 32),
                spacings=(3.0, 3.0),
                network=MotionNetworkConfiguration(SMALL, 9, width=8),
                periodic=periodic,
                other_references=1.0,
                sub_sequence=4,
            )
        )
        generator = torch.Generator().manual_seed(0)
        for case in (0, 1):
            for _ in range(8):
                batch = run.draw(case, generator)
                assert batch.frames.shape[1] == len(batch.slots) <= 9
                assert len(set(batch.slots.tolist())) == len(batch.slots)
                assert bool((batch.compared.diff() == 1).all())
                loss, _ = run.objective(batch, generator)
                assert torch.isfinite(loss)


def test_same_seed_same_draw(patients, tmp_path):
    request = MotionRequest(
        patients,
        tmp_path / "out",
        validation_rule="none",
        grid=(32, 32),
        spacings=(3.0, 3.0),
        network=MotionNetworkConfiguration(slots=9),
    )
    run = MotionTrainingRun(request)
    one, two, other = (run.draw(1, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.frames, two.frames)
    assert torch.equal(one.given, two.given)
    assert not torch.equal(one.frames, other.frames)


@pytest.mark.parametrize("slices", [1, 4, 5])
def test_a_planar_grid_lies_in_the_slices(slices):
    angle = np.deg2rad(25)
    direction = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    image = Geometry((40, 36, slices), (2.0, 2.0, 9.0), (10.0, -20.0, 30.0), direction)
    place = place_of_grid(PairGrid((24, 20), (3.0, 3.0), "image"), image)
    assert place.size == (20, 24, slices)
    assert np.allclose(place.centre, image.centre, atol=1.6)  # half a voxel in the plane
    along = (np.asarray(place.index_to_physical(np.array([0, 0, slices - 1]))) - image.origin) @ direction[:, 2]
    assert along == pytest.approx((slices - 1) * 9.0)


def test_loading_needs_two_series(patients):
    with pytest.raises(InputError, match="at least two usable series"):
        load_sequences(find_cine_cases(patients)[:1], PairGrid((32, 32), (3.0, 3.0), "image"))


def test_validation_of_series_with_more_frames_than_slots_and_of_such_as_do_not_return(tmp_path):
    for number in range(3):
        write_patient(tmp_path / "cases" / f"long{number}", small_heart(number, 14))
    for periodic in (True, False):
        run = MotionTrainingRun(
            MotionRequest(
                tmp_path / "cases",
                tmp_path / "out",
                validation_rule="3:1",
                grid=(32, 32),
                spacings=(3.0, 3.0),
                network=MotionNetworkConfiguration(SMALL, 9, width=8),
                periodic=periodic,
            )
        )
        assert len(run.validation) == 1
        scores = run.validate(run.objective)
        assert {"score", "completed", "temporal_gradient"} <= set(scores)
        assert all(np.isfinite(value) for value in scores.values())
