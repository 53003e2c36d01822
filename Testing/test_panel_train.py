"""The section Train: what it starts, how it shows and stops it, and what becomes of the result."""

import json
import os
import re
import time
from types import SimpleNamespace

import pytest
import qt
import SimpleITK as sitk
import slicer

from DeformationLib import catalogue
from DeformationLib.bundle import write_bundle
from DeformationLib.errors import InputError
from DeformationLib.image_io import write_image
from DeformationSceneLib import model_installer, train_section
from DeformationSceneLib.training_choices import TrainingFolder, split_options
from DeformationSceneLib.training_process import ProcessState
from LatentRegistrationSceneLib.training_choices import OWN_OPTIONS, TrainingChoices
from Testing.velocity_fixtures import small_heart

TINY = "--widths 2,2 --code-channels 2 --group-size 2 --full-resolution-epochs 0 --grid 8,8,8 --spacing 6"


class FakeProcess:
    """A training that does what the test says."""

    latest = None

    def __init__(self, command, options):
        FakeProcess.latest = self
        self.command, self.options, self.asked = command, options, []
        self.state, self.fraction, self.message, self.said, self.error = ProcessState.RUNNING, 0.0, "", [], None

    @property
    def active(self):
        return self.state in (ProcessState.RUNNING, ProcessState.STOPPING)

    def poll(self):
        said, self.said = self.said, []
        return said

    def stop(self):
        self.asked.append("stop")
        self.state = ProcessState.STOPPING

    def kill(self):
        self.asked.append("kill")
        self.state = ProcessState.STOPPED

    def close(self):
        self.asked.append("close")
        self.state = ProcessState.STOPPED

    def failure(self):
        return self.error


class Training:
    """The section Train of the module's panel, with its parameters."""

    def __init__(self, panel):
        self.panel, self.ui, self.section = panel, panel.ui, panel.train

    @property
    def parameters(self):
        return self.panel._parameterNode

    def fill(self, images, output, labels=None, **others):
        for name, value in {"trainImages": images, "trainOutput": output, "trainLabels": labels, **others}.items():
            if value is not None:
                setattr(self.parameters, name, value)

    def shown(self, name):
        """Whether a widget would be visible in an open section."""
        return not getattr(self.ui, name).isHidden()

    def lists(self, model):
        """Whether a model is in the lists of the sections Register and Explore."""
        found = {getattr(self.ui, name).findText(model) >= 0 for name in ("modelComboBox", "exploreModelComboBox")}
        assert len(found) == 1
        return found.pop()


@pytest.fixture(autouse=True)
def own_models(monkeypatch, tmp_path):
    """A user's folder of models that is empty."""
    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(tmp_path / "models"))


@pytest.fixture
def train(own_models, panel):
    """The section in the panel, opened as by its user."""
    return Training(panel)


@pytest.fixture
def fake(monkeypatch):
    """Trainings that do nothing by themselves."""
    monkeypatch.setattr(train_section, "TrainingProcess", FakeProcess)
    FakeProcess.latest = None
    return FakeProcess


@pytest.fixture
def errors(monkeypatch):
    """The sentences of the error dialogs, with their details."""
    shown = []
    monkeypatch.setattr(
        slicer.util, "errorDisplay", lambda text, **more: shown.append((text, more.get("detailedText", "")))
    )
    return shown


@pytest.fixture
def answers(monkeypatch):
    """Answers to the questions that are asked, and the questions."""
    given = SimpleNamespace(answer=True, questions=[])

    def confirm(question, title=None):
        given.questions.append(question)
        return given.answer

    monkeypatch.setattr(train_section, "confirm", confirm)
    monkeypatch.setattr(model_installer, "confirm", confirm)
    return given


@pytest.fixture
def layout(monkeypatch):
    """The titles of the charts that were shown in the layout."""
    titles = []
    logic = SimpleNamespace(ShowChartInLayout=lambda chart: titles.append(chart.GetTitle()))
    monkeypatch.setattr(slicer.modules, "plots", SimpleNamespace(logic=lambda: logic), raising=False)
    return titles


def wait(until, seconds=120):
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        slicer.app.processEvents()
        time.sleep(0.005)


def tick(train):
    train.section._poll()


def write_log(folder, *rows, names="epoch,minutes,loss,score"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.csv").write_text("\n".join([names, *rows, ""]))


def finish(train, folder, state=ProcessState.FINISHED):
    """The fake training writes what a training writes, and ends."""
    write_log(folder, "1,1,2.0,0.5", "2,2,1.5,0.7", "3,3,1.2,0.6")
    (folder / "checkpoint.pt").touch()
    write_bundle(folder / "model", json.loads((bundled("phantom") / catalogue.CARD).read_text()), {})
    train.section.process.state = state
    tick(train)


def bundled(name):
    return next(folder / name for folder in catalogue.bundled_model_folders() if (folder / name).is_dir())


def test_start_waits_for_the_folders(train, phantom_folder, tmp_path):
    ui = train.ui
    assert not ui.trainButton.enabled
    assert "Choose the folder" in ui.trainButton.toolTip
    train.fill(phantom_folder / "images", None)
    assert not ui.trainButton.enabled
    ui.trainOutputPathLineEdit.currentPath = str(tmp_path / "out")
    assert ui.trainButton.enabled
    assert train.parameters.trainOutput == tmp_path / "out"
    assert not (tmp_path / "out").exists()
    for name in ("trainResumeCheckBox", "trainCurvesButton", "trainChartComboBox", "trainInstallButton"):
        assert not getattr(ui, name).enabled
    assert not train.shown("trainProgressBar")


def test_the_images_are_counted_before_anything_starts(train, phantom_folder, tmp_path):
    train.fill(phantom_folder / "images", tmp_path / "out", phantom_folder / "labels")
    wait(lambda: train.ui.trainSummaryLabel.text)
    text = train.ui.trainSummaryLabel.text
    assert text.startswith("4 cases to train on, 2 to validate on; grid of ")
    train.fill(phantom_folder / "images", None, trainOptions="--validation-rule none --spacing=2.5")
    wait(lambda: "6 cases" in train.ui.trainSummaryLabel.text)
    assert "of 2.5 mm" in train.ui.trainSummaryLabel.text
    assert "no validation curve" in train.ui.trainSummaryLabel.text
    train.fill(phantom_folder / "images", None, trainOptions="--widths 2,2 --grid 8,16,24")
    wait(lambda: "grid of 24 × 16 × 8 voxels" in train.ui.trainSummaryLabel.text)
    (tmp_path / "empty").mkdir()
    train.fill(tmp_path / "empty", None)
    wait(lambda: "holds no image" in train.ui.trainSummaryLabel.text)


def test_the_choices_become_the_words_of_the_command(train, fake, phantom_folder, tmp_path):
    ui, out = train.ui, tmp_path / "out"
    train.fill(phantom_folder / "images", out, phantom_folder / "labels", trainName="liver", trainPurpose="- for tests")
    ui.trainKindComboBox.setCurrentIndex(1)
    ui.trainEpochsSpinBox.value = 7
    ui.trainDeviceComboBox.setCurrentIndex(1)
    ui.trainOptionsLineEdit.text = "--window 7 --data-name 'my own data'"
    ui.trainButton.click()
    assert fake.latest.command == "LatentRegistrationTrain"
    images, labels = str(phantom_folder / "images"), str(phantom_folder / "labels")
    assert fake.latest.options == [
        *("--images", images, "--output", str(out), "--labels", labels, "--name=liver", "--epochs", "7"),
        *("--device", "cpu", "--purpose=- for tests", "--validation-rule", "4:1"),
        *("--window", "7", "--data-name", "my own data", "--skips", "--mixed-precision"),
    ]
    assert out.is_dir()


def command_module():
    """The training command as a module."""
    import importlib.util

    from DeformationSceneLib.training_process import command_script

    specification = importlib.util.spec_from_file_location("command", command_script("LatentRegistrationTrain"))
    command = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(command)
    return command


def test_the_command_understands_these_words(train, phantom_folder, tmp_path):
    train.fill(phantom_folder / "images", tmp_path, None, trainName="-x", trainPurpose="--y", trainOptions="--window 7")
    arguments = command_module().parsed(TrainingChoices.of(train.parameters).options(resume=True))
    assert (arguments.name, arguments.purpose, arguments.window, arguments.resume) == ("-x", "--y", 7, True)
    assert arguments.model == "gradient"


def test_a_training_is_shown_while_it_runs(train, fake, phantom_folder, tmp_path, layout):
    ui, out = train.ui, tmp_path / "out"
    train.fill(phantom_folder / "images", out, trainEpochs=10, trainName="liver")
    ui.trainButton.click()
    assert train.section.running
    assert ui.trainButton.text == "Stop"
    assert train.shown("trainProgressBar")
    assert not ui.trainImagesPathLineEdit.enabled
    fake.latest.said, fake.latest.fraction, fake.latest.message = ["hello", "world"], 0.254, "epoch 3 of 10"
    tick(train)
    assert ui.trainLogTextEdit.plainText == "hello\nworld"
    assert ui.trainProgressBar.value == 25
    assert ui.trainMessageLabel.text == "epoch 3 of 10"
    write_log(out, "1,5,2.0,0.5", "2,10,1.5,0.7")
    for _ in range(5):
        tick(train)
    assert layout == ["liver: Loss"]
    assert train.section.curves.columns["score"] == [0.5, 0.7]
    assert ui.trainMessageLabel.text == "epoch 3 of 10, about 40 min left"
    write_log(out, "1,5,2.0,0.5", "2,10,1.5,0.7", "3,15,1.4,0.8")
    for _ in range(5):
        tick(train)
    assert layout == ["liver: Loss"]  # shown once: after that the layout is the user's
    assert len(train.section.curves.columns["epoch"]) == 3
    ui.trainChartComboBox.setCurrentIndex(1)
    ui.trainCurvesButton.click()
    assert layout == ["liver: Loss", "liver: Validation"]


def test_the_button_stops_politely_and_then_at_once(train, fake, phantom_folder, tmp_path):
    train.fill(phantom_folder / "images", tmp_path / "out")
    train.ui.trainButton.click()
    train.ui.trainButton.click()
    tick(train)
    assert fake.latest.asked == ["stop"]
    assert train.ui.trainButton.text == "Stop now"
    assert "Stopping" in train.ui.trainMessageLabel.text
    train.ui.trainButton.click()
    assert fake.latest.asked == ["stop", "kill"]
    tick(train)
    assert train.ui.trainMessageLabel.text == "Stopped. No epoch was finished."
    assert train.ui.trainButton.text == "Start training"
    assert train.ui.trainImagesPathLineEdit.enabled
    assert not train.shown("trainProgressBar")


def test_a_finished_training_tells_its_best_epoch(train, fake, phantom_folder, tmp_path, layout):
    train.fill(phantom_folder / "images", tmp_path / "out", trainEpochs=3)
    train.ui.trainButton.click()
    finish(train, tmp_path / "out")
    assert train.ui.trainMessageLabel.text == (
        "Finished. 3 epochs. Best validation 0.700, in epoch 2. Install the result as a model to use it."
    )
    assert train.ui.trainInstallButton.enabled
    assert train.ui.trainCurvesButton.enabled
    assert train.ui.trainResumeCheckBox.enabled
    assert not train.ui.trainResumeCheckBox.checked  # there is nothing left to resume


def test_a_stopped_training_is_resumed_by_default(train, fake, phantom_folder, tmp_path, layout):
    train.fill(phantom_folder / "images", tmp_path / "out", trainEpochs=10)
    train.ui.trainButton.click()
    finish(train, tmp_path / "out", ProcessState.STOPPED)
    assert train.ui.trainResumeCheckBox.checked
    train.ui.trainButton.click()
    assert "--resume" in fake.latest.options
    assert train.section.curves.update()  # the old epochs belong to it
    assert len(train.section.curves.columns["epoch"]) == 3


def test_what_an_earlier_training_has_left_is_not_taken_for_the_result(
    train, fake, answers, phantom_folder, tmp_path, layout
):
    train.fill(phantom_folder / "images", tmp_path / "out", trainEpochs=3)
    train.ui.trainButton.click()
    finish(train, tmp_path / "out")
    train.ui.trainButton.click()
    fake.latest.state = ProcessState.STOPPED
    tick(train)
    assert train.ui.trainMessageLabel.text == "Stopped. No epoch was finished."
    train.ui.trainButton.click()
    write_log(tmp_path / "out", "1,1,2.0,0.25")
    fake.latest.state = ProcessState.STOPPED
    tick(train)
    assert train.ui.trainMessageLabel.text == (
        "Stopped. 1 epoch. Best validation 0.250, in epoch 1. Resume goes on from there."
    )


def test_an_old_training_is_replaced_only_when_that_is_wanted(train, fake, answers, phantom_folder, tmp_path, layout):
    out = tmp_path / "out"
    write_log(out, "1,1,2.0,0.5", "2,2,1.5,0.7")
    (out / "checkpoint.pt").touch()
    train.fill(phantom_folder / "images", out, trainEpochs=10)
    assert train.ui.trainResumeCheckBox.checked
    train.parameters.trainEpochs = 2
    assert not train.ui.trainResumeCheckBox.checked
    train.parameters.trainEpochs = 10
    assert not train.ui.trainResumeCheckBox.checked
    answers.answer = False
    train.ui.trainButton.click()
    assert fake.latest is None
    assert "holds a training of 2 epochs" in answers.questions[0]
    answers.answer = True
    train.ui.trainButton.click()
    assert "--resume" not in fake.latest.options
    assert not train.section.curves.update()  # the log that is there is not of this training


def test_the_commands_sentence_is_shown(train, fake, errors, phantom_folder, tmp_path):
    train.fill(phantom_folder / "images", tmp_path / "out")
    train.ui.trainButton.click()
    fake.latest.state, fake.latest.error = ProcessState.FAILED, InputError("--window must be odd, not 4.")
    tick(train)
    assert errors == [("--window must be odd, not 4.", "")]
    assert train.ui.trainMessageLabel.text == "The training has failed."
    assert train.ui.trainButton.text == "Start training"


def test_an_unforeseen_end_is_a_sentence_with_details(train, fake, errors, phantom_folder, tmp_path):
    train.fill(phantom_folder / "images", tmp_path / "out")
    train.ui.trainButton.click()
    fake.latest.state = ProcessState.FAILED
    fake.latest.error = RuntimeError("ended with exit code 1.\nTraceback\nValueError: broken")
    tick(train)
    ((sentence, details),) = errors
    assert "ended unexpectedly (ValueError: broken)" in sentence
    assert "Traceback" not in sentence
    assert "Traceback" in details


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("trainOptions", "--output elsewhere", "has a field of its own"),
        ("trainOptions", "--window '7", "not closed"),
        ("trainImages", "missing", "does not exist"),
        ("trainLabels", "missing", "does not exist"),
        ("trainOutput", "file/out", "cannot be created"),
    ],
)
def test_what_cannot_be_started_is_told_in_a_sentence(
    train, fake, errors, phantom_folder, tmp_path, field, value, reason
):
    (tmp_path / "file").touch()
    train.fill(phantom_folder / "images", tmp_path / "out")
    setattr(train.parameters, field, value if field == "trainOptions" else tmp_path / value)
    if train.ui.trainButton.enabled:
        train.ui.trainButton.click()
        ((sentence, _),) = errors
    else:
        sentence = train.ui.trainSummaryLabel.text
    assert reason in sentence
    assert fake.latest is None


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Five patients' folders: four series of four frames, one of a single frame."""
    root = tmp_path_factory.mktemp("patients")
    for seed in range(5):
        write_patient(root / f"patient{seed}", seed, slice(1) if seed == 4 else slice(None))
    return root


def write_patient(folder, seed, frames, es_frame=None):
    heart = small_heart(seed)
    folder.mkdir(parents=True)
    chosen = [frame.to_sitk() for frame in heart.frames[frames]]
    sitk.WriteImage(sitk.JoinSeries(chosen), str(folder / "cine.nii.gz"))
    write_image(heart.labels[0], folder / "seg_ed.nii.gz")
    write_image(heart.labels[heart.es_frame], folder / "seg_es.nii.gz")
    info = {"ed_frame": 0, "es_frame": heart.es_frame if es_frame is None else es_frame, "group": "NOR"}
    (folder / "info.json").write_text(json.dumps(info))


def write_table(path, patients):
    rows = [f"{folder.name},{folder / 'cine.nii.gz'},0,{2}" for folder in sorted(patients.iterdir())[:4]]
    path.write_text("\n".join(["name,cine,ed_frame,es_frame", *rows, ""]))
    return path


def test_series_are_counted_before_a_probabilistic_training(train, patients, tmp_path):
    train.ui.trainKindComboBox.setCurrentIndex(2)
    train.fill(patients, tmp_path / "out")
    wait(lambda: train.ui.trainSummaryLabel.text)
    assert train.ui.trainSummaryLabel.text == (
        "3 series to train on, 1 to validate on, with 16 frames together; 4 have label maps; grid of 32 × 32 × 4 voxels "
        "of 3 × 3 × 10 mm. Left out, because it cannot be used or lacks its label map: 1 (patient4). "
        "There will be no validation curve: that takes two validation cases."
    )
    train.fill(None, None, trainOptions="--validation-rule 2:1 --grid 8,24,16 --spacings 5,4,4")
    wait(lambda: "16 × 24 × 8 voxels of 4 × 4 × 5 mm" in train.ui.trainSummaryLabel.text)
    train.fill(write_table(tmp_path / "table.csv", patients), None, trainOptions="")
    wait(lambda: "2 series to train on, 2 to validate on" in train.ui.trainSummaryLabel.text)
    train.fill(write_table(tmp_path / "other.csv", patients), None, trainOptions="--widths 2,2 --spacing 2")
    wait(lambda: "48 × 48 × 4 voxels of 2 × 2 × 10 mm" in train.ui.trainSummaryLabel.text)


def test_image_pairs_are_counted_before_a_probabilistic_training(train, phantom_folder, tmp_path):
    train.ui.trainKindComboBox.setCurrentIndex(2)
    train.fill(phantom_folder / "images", tmp_path / "out", phantom_folder / "labels")
    wait(lambda: "4 cases to train on, 2 to validate on; grid of 40 × 40 × 40" in train.ui.trainSummaryLabel.text)


def test_probabilistic_choices_become_words_that_the_command_understands(
    train, fake, patients, phantom_folder, tmp_path
):
    train.ui.trainKindComboBox.setCurrentIndex(2)
    train.fill(patients, tmp_path / "out", phantom_folder / "labels", trainOptions="--latent 16 --smoothing 5")
    train.ui.trainButton.click()
    words = fake.latest.options
    assert "--skips" not in words
    assert "--labels" not in words  # those of the series lie beside them
    arguments = command_module().parsed(words)
    assert (arguments.model, arguments.frame, arguments.widths, arguments.window) == (
        "probabilistic", "image", "16,32,32", 9,
    )  # fmt: skip
    assert (arguments.latent, arguments.smoothing, arguments.flip) == (16, 5.0, 0.5)
    assert arguments.validation_rule == "3:1"
    train.ui.trainButton.click()
    train.ui.trainButton.click()
    tick(train)
    train.fill(phantom_folder / "images", tmp_path / "pairs")
    train.ui.trainButton.click()
    arguments = command_module().parsed(fake.latest.options)
    assert (arguments.model, arguments.frame, arguments.smoothing) == ("probabilistic", "patient", 5.0)
    assert arguments.labels == str(phantom_folder / "labels")


@pytest.mark.parametrize(
    ("frames", "es_frame", "reason"),
    [
        (slice(1), None, "holds 0. .* has one frame, but motion needs at least two: choose a cine series"),
        (slice(None), 9, "The end-systolic frame 9 of p0 is not in the series, whose frames are 0 to 3"),
        (slice(None), 0, "are the same frame"),
    ],
)
def test_series_that_no_training_can_use_are_told_before_it_starts(train, tmp_path, frames, es_frame, reason):
    for seed in range(2):
        write_patient(tmp_path / "data" / f"p{seed}", seed, frames, es_frame)
    train.ui.trainKindComboBox.setCurrentIndex(2)
    train.fill(tmp_path / "data", tmp_path / "out")
    wait(lambda: train.ui.trainSummaryLabel.text)
    assert re.search(reason, train.ui.trainSummaryLabel.text)


def test_a_probabilistic_training_by_clicks(train, patients, tmp_path, views, errors):
    from LatentRegistrationLib.models import load_model

    ui, tiny = (
        train.ui,
        "--widths 4,6 --latent 4 --scales 2 --full-resolution-epochs 1 --components 3 --pairs-per-case 1",
    )
    ui.trainKindComboBox.setCurrentIndex(2)
    train.fill(
        patients, tmp_path / "out", trainName="heart", trainEpochs=2, trainOptions=f"{tiny} --validation-rule 2:1"
    )
    train.parameters.trainMixedPrecision = False
    ui.trainDeviceComboBox.setCurrentIndex(1)
    ui.trainButton.click()
    wait(lambda: not train.section.running)
    assert errors == []
    assert ui.trainMessageLabel.text.startswith("Finished. 2 epochs. Best validation"), ui.trainMessageLabel.text
    assert "has one frame" in ui.trainLogTextEdit.plainText  # patient4 was left out
    assert set(train.section.curves.available()) == {"Loss", "Validation"}
    ui.trainInstallButton.click()
    wait(lambda: train.lists("heart") or errors)
    assert errors == []
    model = load_model("heart", "cpu")
    assert (model.latent, model.grid.frame, model.grid.size) == (4, "image", (4, 32, 32))


def test_missing_packages_are_offered_and_may_be_declined(train, fake, errors, phantom_folder, tmp_path, monkeypatch):
    from DeformationSceneLib import installation

    train.fill(phantom_folder / "images", tmp_path / "out")
    monkeypatch.setattr(installation, "ensure_dependencies", lambda: False)
    train.ui.trainButton.click()
    assert train.ui.trainMessageLabel.text == "The training was not started, because Python packages are missing."

    def refuse():
        raise installation.NotInstalledError("torch is missing: install it.")

    monkeypatch.setattr(installation, "ensure_dependencies", refuse)
    train.ui.trainButton.click()
    assert errors == [("torch is missing: install it.", "")]
    assert fake.latest is None
    assert train.ui.trainButton.enabled


def test_scene_and_module_come_and_go_while_a_training_runs(train, fake, phantom_folder, tmp_path, layout, scene):
    out = tmp_path / "out"
    train.fill(phantom_folder / "images", out)
    train.ui.trainButton.click()
    write_log(out, "1,5,2.0,0.5")
    for _ in range(5):
        tick(train)
    scene.Clear(False)
    assert train.parameters.trainImages != phantom_folder / "images"
    train.panel.exit()
    write_log(out, "1,5,2.0,0.5", "2,10,1.5,0.7")
    for _ in range(5):
        tick(train)
    assert train.section.running
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    train.ui.trainCurvesButton.click()
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    assert fake.latest.asked == []
    train.panel.cleanup()
    assert fake.latest.asked == ["close"]


def test_curves_of_an_earlier_training_are_shown(train, phantom_folder, tmp_path, layout, errors):
    write_log(tmp_path / "kidney", "1,1,2.0", "2,2,1.5", names="epoch,minutes,loss")
    train.fill(phantom_folder / "images", tmp_path / "kidney")
    train.ui.trainCurvesButton.click()
    assert layout == ["kidney: Loss"]
    train.ui.trainChartComboBox.setCurrentIndex(1)
    train.ui.trainCurvesButton.click()
    assert "no validation cases" in errors[0][0]
    write_log(tmp_path / "liver", "1,1,2.0,0.5")
    train.fill(None, tmp_path / "liver")
    train.ui.trainCurvesButton.click()
    assert layout == ["kidney: Loss", "liver: Validation"]
    assert train.section.curves.columns["score"] == [0.5]


def test_a_model_is_installed_from_the_output_folder(train, phantom_folder, tmp_path, answers, errors):
    out = tmp_path / "out"
    write_log(out, "1,1,2.0,0.5")
    os.symlink(bundled("phantom"), out / "model", target_is_directory=True)
    train.fill(phantom_folder / "images", out, trainName="my phantom")
    train.ui.trainInstallButton.click()
    assert not train.ui.trainInstallButton.enabled
    wait(lambda: not train.section._installer.running)
    assert errors == []
    assert train.lists("my phantom")
    assert catalogue.find_bundle("my phantom") == tmp_path / "models" / "my phantom"
    assert "my phantom" in train.ui.trainMessageLabel.text
    # Again: the name is taken now.
    answers.answer = False
    train.ui.trainInstallButton.click()
    wait(lambda: errors)
    assert "There is a model 'my phantom' already" in errors[0][0]
    answers.answer = True
    train.ui.trainInstallButton.click()
    wait(lambda: "Installed" in train.ui.trainMessageLabel.text)
    assert len(answers.questions) == 2
    train.parameters.trainName = "phantom"
    train.ui.trainInstallButton.click()
    wait(lambda: len(errors) == 2)
    assert "comes with the program" in errors[1][0]
    assert train.ui.trainInstallButton.enabled


def test_a_model_is_installed_from_a_file(train, tmp_path, monkeypatch, errors):
    import shutil

    source = tmp_path / "elsewhere" / "heart"
    shutil.copytree(bundled("phantom"), source)
    card = catalogue.read_card(source) | {"name": "heart"}
    (source / catalogue.CARD).write_text(json.dumps(card))
    chosen = [str(source / catalogue.CARD), shutil.make_archive(str(tmp_path / "packed"), "zip", source.parent), ""]
    monkeypatch.setattr(model_installer.qt.QFileDialog, "getOpenFileName", lambda *arguments: chosen.pop(0))
    train.ui.trainInstallFileButton.click()
    wait(lambda: train.lists("heart"))
    assert catalogue.find_bundle("heart") == tmp_path / "models" / "heart"
    train.ui.trainInstallFileButton.click()  # the same in a zip file: nobody can be asked, so that it stays
    wait(lambda: errors)
    assert "There is a model 'heart' already" in errors[0][0]
    train.ui.trainInstallFileButton.click()  # the dialog was cancelled
    assert not train.section._installer.running


def test_the_folder_of_models_is_opened(train, tmp_path, monkeypatch, errors):
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    train.ui.trainModelFolderButton.click()
    assert opened == [str(tmp_path / "models")]
    assert (tmp_path / "models").is_dir()
    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, "/dev/null/models")
    train.ui.trainModelFolderButton.click()
    assert "cannot be created" in errors[0][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("--split-file C:\\data\\split.json", ("--split-file", "C:\\data\\split.json")),
        ("--data-name 'my data' --seed=3", ("--data-name", "my data", "--seed=3")),
        ('--split-file "D:\\my files\\a.txt" # 5', ("--split-file", "D:\\my files\\a.txt", "#", "5")),
    ],
)
def test_further_options_are_split_as_on_a_command_line(text, words):
    assert split_options(text, OWN_OPTIONS) == words


@pytest.mark.parametrize("option", ["--images", "--resume", "--output=x", "--stop-file", "--epochs", "--model"])
def test_options_with_a_field_are_refused_as_further_options(option):
    with pytest.raises(InputError, match="has a field of its own"):
        split_options(f"--seed 3 {option} 5", OWN_OPTIONS)


def test_an_output_folder_tells_what_is_in_it(tmp_path):
    assert TrainingFolder.at(None) == TrainingFolder.at(tmp_path) == TrainingFolder(0, False, 0)
    write_log(tmp_path, "1,1,2.0,0.5", "4,2,2.0,0.5")
    (tmp_path / "checkpoint.pt").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / catalogue.CARD).touch()
    os.utime(tmp_path / "model" / catalogue.CARD, ns=(5, 7))
    assert TrainingFolder.at(tmp_path) == TrainingFolder(4, True, 7)
    assert TrainingFolder.at(tmp_path).has_model
    (tmp_path / "log.csv").write_text("something else\n")
    assert TrainingFolder.at(tmp_path) == TrainingFolder(0, True, 7)


def test_a_real_training_by_clicks(train, phantom_folder, tmp_path, views, errors):
    from LatentRegistrationLib.model import RegistrationModel

    ui, out = train.ui, tmp_path / "out"
    train.fill(
        phantom_folder / "images",
        out,
        phantom_folder / "labels",
        trainName="by clicks",
        trainEpochs=2000,
        trainOptions=TINY,
    )
    train.parameters.trainMixedPrecision = False
    ui.trainDeviceComboBox.setCurrentIndex(1)
    ui.trainButton.click()
    wait(lambda: len(train.section.curves.columns.get("epoch", [])) > 2 or not train.section.running)
    assert errors == []
    ui.trainButton.click()
    wait(lambda: not train.section.running)
    assert ui.trainMessageLabel.text.startswith("Stopped. "), ui.trainMessageLabel.text
    assert "Best validation" in ui.trainMessageLabel.text
    chart = train.section.curves.chart("Loss")
    assert views.plotWidget(0).mrmlPlotViewNode().GetPlotChartNodeID() == chart.GetID()
    assert "4 training and 2 validation cases" in ui.trainLogTextEdit.plainText
    assert ui.trainResumeCheckBox.checked
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    lines = (out / "log.csv").read_text().splitlines()
    column = lines[0].split(",").index("loss")
    assert table.GetNumberOfRows() == len(lines) - 1
    shown = [table.GetTable().GetColumnByName("loss").GetValue(row) for row in range(len(lines) - 1)]
    assert shown == [float(line.split(",")[column]) for line in lines[1:]]
    ui.trainInstallButton.click()
    wait(lambda: train.lists("by clicks") or errors)
    assert errors == []
    assert RegistrationModel.load("by clicks", "cpu").name == "by clicks"
