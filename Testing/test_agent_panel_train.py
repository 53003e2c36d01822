"""The section Train of AgentRegistration's panel: the words of its command, and what it says before it starts."""

from types import SimpleNamespace

import numpy as np
import pytest

from AgentRegistrationSceneLib.training_choices import OWN_OPTIONS, SliceSummary, TrainingChoices
from DeformationLib.errors import InputError
from DeformationLib.image_io import write_image
from DeformationSceneLib import train_section
from Testing.agent_fixtures import blob, centred
from Testing.panel_steps import SECONDS
from Testing.test_panel_train import FakeProcess
from Testing.velocity_fixtures import small_heart


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of images and of label maps."""
    folder = tmp_path_factory.mktemp("slices")
    for number in range(5):
        image, labels = blob(centred((24, 24, 1)), radii=(8.0 + number, 12.0 - number, 8.0))
        write_image(image, folder / "images" / f"case_{number}.nii.gz")
        write_image(labels, folder / "labels" / f"case_{number}.nii.gz")
    return folder / "images", folder / "labels"


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A folder of three patients; the last one has no label maps."""
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("series")
    for seed in range(4):
        heart = small_heart(seed, frames=3, slices=2)
        patient = folder / f"patient{seed}"
        patient.mkdir()
        volumes = [sitk.GetImageFromArray(np.asarray(frame.array, np.float32)) for frame in heart.frames]
        sitk.WriteImage(sitk.JoinSeries(volumes), str(patient / f"patient{seed}_4d.nii.gz"))
        (patient / "Info.cfg").write_text("ED: 1\nES: 2\nGroup: NOR\n")
        if seed < 3:
            labels = sitk.GetImageFromArray(np.asarray(heart.labels[0].array, np.uint8))
            sitk.WriteImage(labels, str(patient / f"patient{seed}_frame01_gt.nii.gz"))
    return folder


def choices(images, labels, output, **changes):
    values = {
        "trainImages": images,
        "trainLabels": labels,
        "trainOutput": output,
        "trainKind": SimpleNamespace(value="volumes"),
        "trainName": "mine",
        "trainPurpose": "",
        "trainEpochs": 4,
        "trainDevice": SimpleNamespace(value="cpu"),
        "trainMixedPrecision": False,
        "trainOptions": "",
    }
    return TrainingChoices.of(SimpleNamespace(**{**values, **changes}))


def parsed(words):
    """The words, as the command understands them."""
    import importlib.util

    from DeformationSceneLib.training_process import command_script

    spec = importlib.util.spec_from_file_location("AgentRegistrationTrain", command_script("AgentRegistrationTrain"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_parser().parse_args(words)


def test_images_are_trained_on_with_their_label_maps(folders, tmp_path):
    made = choices(*folders, tmp_path / "out", trainPurpose="--for tests", trainMixedPrecision=True)
    options = parsed(made.options(resume=True))
    assert (options.images, options.labels) == tuple(map(str, folders))
    assert (options.epochs, options.name, options.device, options.purpose) == (4, "mine", "cpu", "--for tests")
    assert options.validation_rule == "3:1"
    assert options.resume
    assert options.mixed_precision
    assert (tmp_path / "out").is_dir()


def test_series_are_trained_on_without_a_folder_of_label_maps(series, tmp_path):
    made = choices(series, "", tmp_path, trainKind=SimpleNamespace(value="slices"))
    options = parsed(made.options(resume=False))
    assert options.labels == ""
    assert not options.resume
    assert made.summary(None) == SliceSummary(2, 1, ("patient3",))


def test_further_options_come_last(folders, tmp_path):
    made = choices(*folders, tmp_path, trainOptions="--modes 7 --grid 24,24")
    options = parsed(made.options(False))
    assert options.modes == 7
    assert made.summary(None).size == (24, 24)


def test_the_panel_proposes_what_makes_agents_good(agent_panel, folders, tmp_path):
    proposed = agent_panel.ui.trainOptionsLineEdit.text
    options = parsed(choices(*folders, tmp_path, trainOptions=proposed).options(False))
    assert options.joint
    assert options.structure_epochs == 4


@pytest.mark.parametrize("option", sorted(OWN_OPTIONS))
def test_options_with_a_field_are_refused_as_further_options(folders, tmp_path, option):
    with pytest.raises(InputError, match=option):
        choices(*folders, tmp_path, trainOptions=f"{option} 5")


def test_folders_have_to_be_chosen(folders, series, tmp_path):
    images, labels = folders
    with pytest.raises(InputError, match="images"):
        choices("", labels, tmp_path).options(False)
    with pytest.raises(InputError, match="label maps"):
        choices(images, "", tmp_path).options(False)
    with pytest.raises(InputError, match="writes"):
        choices(images, labels, "").options(False)
    with pytest.raises(InputError, match="label maps"):
        choices(images, "", tmp_path).summary(None)


def test_too_few_series_with_label_maps_are_refused(series, tmp_path):
    made = choices(
        series, "", tmp_path, trainKind=SimpleNamespace(value="slices"), trainOptions="--validation-rule 2:0"
    )
    with pytest.raises(InputError, match="at least two"):
        made.summary(None)


def test_the_panel_says_what_would_be_trained_on_and_trains(agent_panel, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(train_section, "TrainingProcess", FakeProcess)
    FakeProcess.latest = None
    parameters, ui = agent_panel._parameterNode, agent_panel.ui
    parameters.trainImages, parameters.trainLabels = folders
    parameters.trainOutput = tmp_path / "out"
    assert agent_panel.train._looking.wait(SECONDS)
    assert "2 cases to train on" in ui.trainSummaryLabel.text or "3 cases to train on" in ui.trainSummaryLabel.text
    assert ui.trainButton.enabled
    ui.trainButton.click()
    assert FakeProcess.latest.command == "AgentRegistrationTrain"
    assert agent_panel.train.running
    charts = [ui.trainChartComboBox.itemText(index) for index in range(ui.trainChartComboBox.count)]
    assert charts == ["Loss", "Gain", "Validation"]


def test_the_panel_says_which_series_are_left_out(agent_panel, series, tmp_path):
    parameters, ui = agent_panel._parameterNode, agent_panel.ui
    ui.trainKindComboBox.setCurrentIndex(1)
    parameters.trainImages, parameters.trainOutput = series, tmp_path / "out"
    assert agent_panel.train._looking.wait(SECONDS)
    assert "2 slices to train on, 1 to validate on" in ui.trainSummaryLabel.text
    assert "patient3" in ui.trainSummaryLabel.text
