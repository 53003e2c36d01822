"""The training command from a folder of images to a bundle that registers, and its refusals."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from DeformationLib import devices
from DeformationLib.bundle import read_weights
from DeformationLib.case_files import validation_pairs
from DeformationLib.catalogue import read_card
from DeformationLib.image_io import read_image, read_labels, write_image
from DeformationLib.training import TrainingOptions
from DeformationLib.training_command import settle_precision, shareable_command
from LatentRegistrationLib.model import RegistrationModel
from LatentRegistrationLib.objective import LossWeights
from LatentRegistrationLib.training_run import TrainingRun

COMMAND = Path(__file__).parents[1] / "LatentRegistrationTrain" / "LatentRegistrationTrain.py"
TINY = "--widths 4,6 --code-channels 4 --group-size 2 --epochs 2 --full-resolution-epochs 1 --validation-rule 2:1 --device cpu"


@pytest.fixture
def train(command, blob_folders, tmp_path):
    """Run the command on the blobs with a few further words; returns the exit code."""
    images, labels = blob_folders

    def run(words="", output="output", labelled=True):
        given = ["--images", str(images), "--output", str(tmp_path / output), *TINY.split()]
        given += ["--labels", str(labels)] if labelled else []
        return command.main([*given, *words.split()])

    return run


def log_of(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def weights_in(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["weights"]


def test_a_folder_becomes_a_model_that_registers(train, tmp_path, blob_folders, capsys):
    assert train("--name blobs --licence CC0 --seed 3") == 0
    folder = tmp_path / "output"
    rows = log_of(folder)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"minutes", "loss", "similarity", "overlap", "score", "dice_1", "dice_2", "folding_percent"} <= rows[
        0
    ].keys()
    text = (folder / "log.txt").read_text(encoding="utf-8")
    assert "3 training and 2 validation cases, labels [1, 2], grid (16, 16, 16)" in text
    assert "epoch    2" in text
    card = read_card(folder / "model")
    assert card["name"] == "blobs"
    assert card["model"]["configuration"] == {"dimension": 3, "widths": [4, 6], "code_channels": 4, "skips": False}
    assert card["grid"] == {"size": [16, 16, 16], "axes": "kji", "spacing_mm": 1.0}
    assert card["training"]["seed"] == 3
    assert card["training"]["licence"] == "CC0"
    assert card["training"]["validation_cases"] == ["case_1", "case_3"]
    assert "--seed 3" in card["training"]["command"]
    best = max(float(row["score"]) for row in rows)
    assert card["accuracy"]["score"] == best
    images, labels = (sorted(path.iterdir()) for path in blob_folders)
    model = RegistrationModel.load(folder / "model", "cpu")
    result = model.register(read_image(images[0]), read_image(images[1]))
    paths = result.write(tmp_path / "result", read_labels(labels[0]), read_labels(labels[1]))
    assert 0 < json.loads(paths["report"].read_text())["mean_dice_after"] <= 1
    assert model.explorer(read_image(images[0])).count == 2
    output = capsys.readouterr().out
    fractions = [float(value) for value in re.findall(r"<filter-progress>(.*?)</filter-progress>", output)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_the_bundle_holds_the_best_weights_and_the_components_of_their_codes(train, tmp_path):
    assert train() == 0
    folder = tmp_path / "output"
    best = torch.load(folder / "checkpoint.pt", weights_only=True)["best_weights"]
    weights = read_weights(folder / "model", read_card(folder / "model"))
    for name, value in weights["network"].items():
        torch.testing.assert_close(value, best[f"network.{name}"], rtol=1e-3, atol=1e-4)
    assert not any("anatomy" in name for name in weights["network"])
    assert weights["decomposition"]["coefficients"].shape == (3, 2)


def test_a_run_in_two_parts_equals_one(train, tmp_path, monkeypatch):
    assert train() == 0
    # On this clock, every epoch takes an hour.
    clock, begin_epoch = [0.0], TrainingRun._begin_epoch

    def begin_slow_epoch(run, epoch):
        clock[0] += 3600
        begin_epoch(run, epoch)

    monkeypatch.setattr("DeformationLib.training.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(TrainingRun, "_begin_epoch", begin_slow_epoch)
    assert train("--max-minutes 1", output="parts") == 0
    assert len(log_of(tmp_path / "parts")) == 1
    assert train("--resume", output="parts") == 0
    assert len(log_of(tmp_path / "parts")) == 2
    whole, parts = weights_in(tmp_path / "output"), weights_in(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    text = (tmp_path / "parts" / "log.txt").read_text(encoding="utf-8")
    assert text.count("resumed after epoch 1") == 1
    assert text.count("epoch    1 ") == 1


def test_resuming_another_configuration_is_refused(train, tmp_path, blob_folders, capsys):
    assert train("--epochs 1") == 0
    before = (tmp_path / "output" / "checkpoint.pt").read_bytes()
    for words, labelled, differing in (
        ("--epochs 2", True, "epochs"),
        ("--epochs 1 --skips --window 7", True, "skips, window"),
        ("--epochs 1", False, "labels"),
    ):
        assert train(f"{words} --resume", labelled=labelled) == 2
        assert f"({differing} differ): resume with the same settings" in capsys.readouterr().err
    assert train("--resume", output="empty") == 2
    assert "no checkpoint to resume from" in capsys.readouterr().err
    assert (tmp_path / "output" / "checkpoint.pt").read_bytes() == before


def test_unusable_cases_are_listed_and_skipped(train, tmp_path, blob_folders, capsys):
    images, labels = blob_folders
    (images / "case_0.nii.gz").write_bytes(b"no image")
    (labels / "case_2.nii.gz").unlink()
    assert train("--validation-rule none") == 0
    text = (tmp_path / "output" / "log.txt").read_text(encoding="utf-8")
    assert "3 training and 0 validation cases" in text
    assert re.search(r"skipped case_0: .*cannot be read", text)
    assert re.search(r"skipped case_2: .*no label map", text)
    assert "score" not in log_of(tmp_path / "output")[0]


def test_images_alone_are_enough(train, tmp_path):
    assert train("--epochs 1 --skips", labelled=False) == 0
    row = log_of(tmp_path / "output")[0]
    assert "overlap" not in row
    assert 0 < float(row["score"]) < 1
    assert read_card(tmp_path / "output" / "model")["model"]["configuration"]["skips"] is True


def test_a_model_can_be_the_start_of_another(train, tmp_path, capsys):
    assert train("--epochs 1") == 0
    start = tmp_path / "output" / "model"
    assert train(f"--epochs 1 --learning-rate 1e-12 --weight-decay 0 --initialize {start}", output="second") == 0
    assert "2 tensors are new" in capsys.readouterr().out
    first = read_weights(start, read_card(start))["network"]
    second = read_weights(tmp_path / "second" / "model", read_card(tmp_path / "second" / "model"))["network"]
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=1e-3, atol=1e-5)


def test_a_folder_without_a_pair_is_refused_in_one_sentence(train, blob_folders, capsys):
    images, _ = blob_folders
    for path in sorted(images.iterdir())[1:]:
        path.unlink()
    assert train() == 2
    error = capsys.readouterr().err
    assert error.startswith("LatentRegistrationTrain: Training needs at least two usable cases")
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--widths 4,x", "--widths takes whole numbers"),
        ("--widths 4", "--widths needs at least two"),
        ("--grid 16,16,18", "multiples of 4"),
        ("--grid 16,16", "16 slices"),
        ("--grid 16", "--grid"),
        ("--device nonsense", "device 'nonsense'"),
        ("--validation-rule ten", "N:R"),
        ("--split-file missing.txt", "cannot be read"),
        ("--initialize nothing-like-this", "no model 'nothing-like-this'"),
        ("--window 4", "--window"),
        ("--epochs 0", "--epochs"),
        ("--group-size 1", "--group-size"),
        ("--groups-per-step 0", "--groups-per-step"),
        ("--components 0", "--components"),
        ("--code-channels 0", "--code-channels"),
        ("--elastic-spacing 0", "--elastic-spacing"),
        ("--spacing -1", "--spacing"),
        ("--learning-rate -1", "--learning-rate"),
        ("--max-minutes -1", "--max-minutes"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_sentence(train, capsys, words, reason):
    assert train(words) == 2
    error = capsys.readouterr().err.strip()
    assert reason in error
    assert len(error.splitlines()) == 1


def test_an_unwritable_output_is_refused(train, tmp_path, capsys):
    (tmp_path / "output").write_text("a file, not a folder")
    assert train() == 2
    assert "cannot be created" in capsys.readouterr().err


def test_missing_and_unknown_options_end_with_two(command, capsys):
    for words in ([], ["--images", "x"], ["--images", "x", "--output", "y", "--no-such-option"]):
        with pytest.raises(SystemExit) as ended:
            command.main(words)
        assert ended.value.code == 2


def test_the_commands_options_fill_the_request(command):
    words = "--images a --output b --similarity-weight 2 --anatomy-weight 0 --window 7 --flip 0.5 --epochs 7 --warmup 9"
    request = command.request_from(_parsed(command, words))
    assert request.weights == LossWeights(similarity=2, anatomy=0, window=7)
    assert request.augmentation.flip == 0.5
    assert request.options == TrainingOptions(
        epochs=7, learning_rate=1.5e-3, warmup=9, device=request.options.device, max_minutes=float("inf")
    )
    assert request.labels is None


def _parsed(command, words):
    arguments = command.build_parser().parse_args(words.split())
    arguments.words = words.split()
    return arguments


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 20])
def test_validation_pairs_are_of_different_cases_and_treat_all_alike(count):
    pairs = validation_pairs(count)
    assert all(fixed != moving for fixed, moving in pairs)
    assert len(set(pairs)) == len(pairs)
    assert [sum(fixed == case for fixed, _ in pairs) for case in range(count)] == [len(pairs) // max(count, 1)] * count
    assert len(pairs) == (2 * count if count > 7 else count if count > 1 else 0) or count in (2, 7)


def test_two_processes_train_like_one(train, tmp_path, blob_folders):
    images, labels = blob_folders
    words = "--epochs 1 --groups-per-step 2 --validation-rule none"
    assert train(words) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", str(COMMAND)]
    given = ["--images", str(images), "--labels", str(labels), "--output", str(tmp_path / "two"), *TINY.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(COMMAND.parents[1])}
    done = subprocess.run(
        [*launcher, *given, *words.split()], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = weights_in(tmp_path / "output"), weights_in(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-5)
    # One process alone writes and speaks.
    assert done.stdout.count("epoch    1 ") == 1
    assert len(log_of(tmp_path / "two")) == 1
    assert (tmp_path / "two" / "model" / "model.json").is_file()


@pytest.mark.parametrize("grid", [["--grid", "16,16"], []])
def test_flat_images_train_a_flat_model(command, blobs, tmp_path, grid):
    from DeformationLib.image import Image

    for number in range(4):
        image, labels = blobs(shift=(0.5 * number, -0.3 * number, 0))
        for name, picture in (("images", image), ("labels", labels)):
            slice_ = Image(picture.array[8:9], picture.spacing, picture.origin, picture.direction)
            write_image(slice_, tmp_path / name / f"{number}.nii.gz")
    words = [
        "--images",
        str(tmp_path / "images"),
        "--labels",
        str(tmp_path / "labels"),
        "--output",
        str(tmp_path / "o"),
    ]
    assert command.main([*words, *TINY.split(), *grid]) == 0
    model = RegistrationModel.load(tmp_path / "o" / "model", "cpu")
    fixed, moving = (read_image(tmp_path / "images" / f"{number}.nii.gz") for number in (0, 3))
    result = model.register(fixed, moving)
    assert result.displacement.array.shape == (1, 16, 16, 3)
    assert abs(result.displacement.array[..., 2]).max() < 1e-4


def test_an_unreadable_case_does_not_move_others_between_training_and_validation(command, blob_folders, tmp_path):
    images, labels = blob_folders
    names = sorted(path.name for path in images.iterdir())
    (images / names[0]).write_text("not an image any more")
    words = ["--images", str(images), "--labels", str(labels), "--output", str(tmp_path / "o"), *TINY.split()]
    run = TrainingRun(command.request_from(parsed(command, [*words, "--validation-rule", "4:2"])))
    assert [f"{run.data.names[index]}.nii.gz" for index in run.validation] == names[2::4]
    assert names[0].removesuffix(".nii.gz") in run.data.skipped


def parsed(command, words):
    arguments = command.build_parser().parse_args(words)
    arguments.words = words
    return arguments


def test_paths_of_the_computer_do_not_reach_the_card(command, tmp_path):
    shown = shareable_command("LatentRegistrationTrain", ["--images", str(tmp_path), "--epochs", "3", "--resume"])
    assert shown == f"LatentRegistrationTrain --images {tmp_path.name} --epochs 3"


def test_each_process_has_its_own_gpu(monkeypatch):
    import torch.distributed as dist

    from DeformationLib.training import Processes

    assert Processes.own_device("cuda") == "cuda"
    monkeypatch.setattr(dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert Processes.own_device("cuda") == "cuda:3"
    assert Processes.own_device("cuda:1") == "cuda:1"
    assert Processes.own_device("cpu") == "cpu"


def test_a_stopped_run_leaves_the_model_of_its_best_epoch_and_can_be_resumed(train, tmp_path, monkeypatch, capsys):
    assert train("--epochs 3") == 0
    stop_file, begin_epoch = tmp_path / "stop", TrainingRun._begin_epoch

    def ask_to_stop_in_the_second_epoch(run, epoch):
        begin_epoch(run, epoch)
        if epoch == 1 and run.request.output.name == "stopped" and not run.request.resume:
            stop_file.touch()

    monkeypatch.setattr(TrainingRun, "_begin_epoch", ask_to_stop_in_the_second_epoch)
    assert train(f"--epochs 3 --stop-file={stop_file}", output="stopped") == 130
    assert "interrupted; --resume" in capsys.readouterr().err
    folder = tmp_path / "stopped"
    assert len(log_of(folder)) == 1
    card = read_card(folder / "model")
    assert card["training"]["epochs"] == 1
    assert "stop-file" not in card["training"]["command"]
    RegistrationModel.load(folder / "model", "cpu")
    stop_file.unlink()
    assert train(f"--epochs 3 --resume --stop-file={stop_file}", output="stopped") == 0
    whole, parts = weights_in(tmp_path / "output"), weights_in(folder)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert read_card(folder / "model")["training"]["epochs"] == 3


def test_a_run_that_is_stopped_before_its_first_epoch_leaves_no_model(train, tmp_path, monkeypatch):
    (tmp_path / "stop").touch()
    assert train(f"--stop-file={tmp_path / 'stop'}") == 130

    def interrupt(run, epoch):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "_begin_epoch", interrupt)
    assert train() == 130
    assert not (tmp_path / "output" / "model").exists()


def test_a_training_that_never_had_a_finite_loss_is_told_in_one_sentence(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TrainingRun, "validate", lambda run, objective: {"score": float("nan")})
    assert train() == 2
    assert "finite loss" in capsys.readouterr().err
    assert not (tmp_path / "output" / "model").exists()


def test_the_log_tells_the_learning_rate(train, tmp_path):
    assert train("--learning-rate 0.01 --warmup 1") == 0
    rates = [float(row["learning_rate"]) for row in log_of(tmp_path / "output")]
    assert rates[0] == 0.01
    assert 0 < rates[1] < 0.01


@pytest.mark.parametrize("fast", [True, False])
def test_mixed_precision_is_left_out_where_it_would_be_slower(command, monkeypatch, capsys, fast):
    monkeypatch.setattr(devices, "has_fast_bfloat16", lambda device: fast)
    arguments = _parsed(command, "--images a --output b --device cpu --mixed-precision")
    settle_precision(arguments)
    assert command.request_from(arguments).options.mixed_precision is fast
    assert ("single precision" in capsys.readouterr().out) is not fast


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_memory_that_is_not_enough_is_told_in_one_sentence(train, monkeypatch, capsys, error):
    def fail(run, epoch):
        raise error

    monkeypatch.setattr(TrainingRun, "_begin_epoch", fail)
    assert train() == 2
    assert "memory is not enough" in capsys.readouterr().err
