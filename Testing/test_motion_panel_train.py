"""The section Train of MotionModel's panel: the words of its command, and what it shows. The rest is LatentRegistration's."""

from types import SimpleNamespace

import pytest
import slicer

from DeformationLib.errors import InputError
from DeformationSceneLib import train_section
from MotionModelSceneLib.training_choices import OWN_OPTIONS, TrainingChoices
from Testing.panel_steps import SECONDS, handle_events
from Testing.test_panel_train import FakeProcess
from Testing.velocity_fixtures import small_heart


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A folder of three 4-D files of four frames, 3 x 32 x 32 voxels."""
    import numpy as np
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("series")
    for seed in range(3):
        frames = small_heart(seed, frames=4, slices=3).frames
        volumes = [sitk.GetImageFromArray(np.asarray(frame.array, np.float32)) for frame in frames]
        for volume in volumes:
            volume.SetSpacing(frames[0].geometry.spacing)
        sitk.WriteImage(sitk.JoinSeries(volumes), str(folder / f"heart{seed}.nii.gz"))
    return folder


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(train_section, "TrainingProcess", FakeProcess)
    FakeProcess.latest = None
    return FakeProcess


def choices(series, output, **changes):
    values = {
        "trainCine": series,
        "trainOutput": output,
        "trainKind": SimpleNamespace(value="slices"),
        "trainName": "mine",
        "trainPurpose": "",
        "trainEpochs": 4,
        "trainMinutes": 0,
        "trainDevice": SimpleNamespace(value="cpu"),
        "trainMixedPrecision": False,
        "trainOptions": "",
    }
    return TrainingChoices.of(SimpleNamespace(**{**values, **changes}))


def parsed(words):
    """The words, as the command understands them."""
    import importlib.util

    from DeformationSceneLib.training_process import command_script

    spec = importlib.util.spec_from_file_location("MotionModelTrain", command_script("MotionModelTrain"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_parser().parse_args(words)


def test_slices_are_trained_on_a_grid_of_two_lengths(series, tmp_path):
    options = parsed(choices(series, tmp_path / "out", trainMinutes=15).options(resume=False))
    assert options.prior == "gaussian-process"
    assert len(options.grid.split(",")) == len(options.spacings.split(",")) == 2
    assert (options.epochs, options.max_minutes, options.name, options.device) == (4, 15, "mine", "cpu")
    assert not options.resume
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize(("kind", "prior"), [("volumes", "gaussian-process"), ("fingerprint", "unit")])
def test_volumes_are_trained_on_a_grid_of_three_lengths(series, tmp_path, kind, prior):
    made = choices(series, tmp_path, trainKind=SimpleNamespace(value=kind), trainPurpose="--for hearts")
    options = parsed(made.options(resume=True))
    assert options.prior == prior
    assert len(options.grid.split(",")) == 3
    assert options.purpose == "--for hearts"
    assert options.resume


def test_further_options_come_last(series, tmp_path):
    options = parsed(choices(series, tmp_path, trainOptions="--latent 7 --grid 32,32 --spacings 3,3").options(False))
    assert options.latent == 7
    assert options.grid == "32,32"


@pytest.mark.parametrize("option", sorted(OWN_OPTIONS))
def test_options_with_a_field_are_refused_as_further_options(series, tmp_path, option):
    with pytest.raises(InputError, match=option):
        choices(series, tmp_path, trainOptions=f"{option} 5")


def test_folders_have_to_be_chosen(series, tmp_path):
    with pytest.raises(InputError, match="series"):
        choices("", tmp_path).options(False)
    with pytest.raises(InputError, match="writes"):
        choices(series, "").options(False)


def test_the_panel_says_what_would_be_trained_on(motion_panel, series, tmp_path):
    parameters, ui = motion_panel._parameterNode, motion_panel.ui
    parameters.trainCine, parameters.trainOutput = series, tmp_path / "out"
    assert motion_panel.train._looking.wait(SECONDS)
    assert "12 frames" in ui.trainSummaryLabel.text
    assert "32 × 32 voxels of 3 × 3 mm" in ui.trainSummaryLabel.text
    assert ui.trainButton.enabled
    motion_panel._parameterNode.trainKind = type(parameters.trainKind).VOLUMES
    assert motion_panel.train._looking.wait(SECONDS)
    assert "32 × 32 × 4 voxels" in ui.trainSummaryLabel.text


def test_start_stop_and_curves(motion_panel, series, tmp_path, fake, monkeypatch):
    titles = []
    logic = SimpleNamespace(ShowChartInLayout=lambda chart: titles.append(chart.GetTitle()))
    monkeypatch.setattr(slicer.modules, "plots", SimpleNamespace(logic=lambda: logic), raising=False)
    parameters, ui, output = motion_panel._parameterNode, motion_panel.ui, tmp_path / "out"
    parameters.trainCine, parameters.trainOutput = series, output
    ui.trainButton.click()
    process = fake.latest
    assert process.command == "MotionModelTrain"
    assert parsed(process.options).images == str(series)
    assert ui.trainButton.text == "Stop"
    assert not ui.trainMinutesSpinBox.enabled
    columns = "epoch,minutes,loss,similarity_1,score,dice_LV pool,ejection_error,temporal_gradient"
    output.joinpath("log.csv").write_text(
        f"{columns}\n1,0.5,0.9,0.4,0.7,0.8,6.0,0.1\n2,1.0,0.8,0.5,0.75,0.85,5.0,0.1\n"
    )
    process.said = ["epoch 2"]
    handle_events(1.5)
    assert "epoch 2" in ui.trainLogTextEdit.toPlainText()
    assert titles[-1].endswith("Loss") or "Loss" in titles[-1]
    for chart in ("Validation", "Ejection fraction", "Gradients of the motion"):
        ui.trainChartComboBox.setCurrentIndex(ui.trainChartComboBox.findText(chart))
        ui.trainCurvesButton.click()
        assert chart in titles[-1]
    ui.trainButton.click()
    assert process.asked == ["stop"]
    ui.trainButton.click()
    assert process.asked == ["stop", "kill"]
    handle_events(0.5)
    assert not motion_panel.train.running
    assert ui.trainButton.text == "Start training"


def test_a_trained_model_is_installed_and_listed(motion_panel, tmp_path, monkeypatch):
    from DeformationLib import catalogue
    from Testing.motion_fixtures import motion_bundle

    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(tmp_path / "models"))
    folder = motion_bundle(tmp_path / "out", name="model")
    assert folder.name == "model"
    parameters, ui = motion_panel._parameterNode, motion_panel.ui
    parameters.trainOutput, parameters.trainName = tmp_path / "out", "beats"
    assert ui.trainInstallButton.enabled
    ui.trainInstallButton.click()
    assert motion_panel.train._installer._job.wait(SECONDS)
    assert "beats" in ui.trainMessageLabel.text
    assert ui.modelComboBox.findText("beats") >= 0


def test_a_model_of_another_kind_is_not_installed(motion_panel, tmp_path, monkeypatch):
    from DeformationLib import catalogue
    from Testing.velocity_fixtures import velocity_bundle

    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(tmp_path / "models"))
    told = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: told.append(text))
    velocity_bundle(tmp_path / "other")
    source = next((tmp_path / "other").glob("*/model.json")).parent
    motion_panel.train._installer.install(source, "wrong")
    assert motion_panel.train._installer._job.wait(SECONDS)
    assert "not of MotionNetwork" in told[0]
    assert motion_panel.ui.modelComboBox.findText("wrong") < 0
