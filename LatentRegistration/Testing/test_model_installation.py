"""A user's models: installed completely or not at all, found by name, removed; those of the program stay as they are."""

import json
import os
import shutil
import zipfile

import pytest

from DeformationLib import catalogue, model_installation
from DeformationLib.errors import InputError
from DeformationLib.model_installation import ModelExistsError, install_model, remove_model, user_models
from LatentRegistrationLib.model import RegistrationModel


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The user's folder of models, which does not exist yet."""
    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(tmp_path / "user" / "models"))
    return tmp_path / "user" / "models"


@pytest.fixture
def archive(make_bundle, tmp_path):
    """Factory of zip files: what is in them, by name; the bundle's files by default, in a folder."""

    def make(**members):
        bundle = make_bundle()
        files = members or {f"liver/{path.name}": path.read_bytes() for path in bundle.iterdir()}
        with zipfile.ZipFile(tmp_path / "model.zip", "w") as stored:
            for name, content in files.items():
                stored.writestr(name, content)
        return tmp_path / "model.zip"

    return make


def test_an_installed_model_is_found_by_its_name_and_loads(make_bundle, folder):
    source = make_bundle()
    assert install_model(source, "my liver", check=RegistrationModel.load) == folder / "my liver"
    assert user_models() == {"my liver": folder / "my liver"}
    assert catalogue.catalogue()["my liver"] == folder / "my liver"
    model = RegistrationModel.load("my liver", "cpu")
    assert model.name == "my liver"
    assert sorted(os.listdir(folder)) == ["my liver"]
    assert sorted(os.listdir(folder / "my liver")) == [catalogue.CARD, catalogue.WEIGHTS]
    assert catalogue.read_card(source)["name"] == "random"


def test_the_name_on_the_card_is_the_default_and_a_training_folder_will_do(make_bundle, tmp_path, folder):
    shutil.move(make_bundle(), tmp_path / "training" / "model")
    assert install_model(tmp_path / "training") == folder / "random"


def test_a_zip_file_is_installed_and_nothing_else_in_it(archive, tmp_path, folder, make_bundle):
    assert install_model(archive(), "from zip", check=RegistrationModel.load) == folder / "from zip"
    bundle = make_bundle()
    files = {f"a/b/{path.name}": path.read_bytes() for path in bundle.iterdir()}
    extra = {"../escaped.txt": b"x", "a/b/run.py": b"x", "__MACOSX/a/b/model.json": b"x"}
    install_model(archive(**files, **extra), "second")
    assert sorted(os.listdir(folder / "second")) == [catalogue.CARD, catalogue.WEIGHTS]
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(make_bundle, folder):
    install_model(make_bundle(card={"purpose": "First."}), "liver")
    second = make_bundle(card={"purpose": "Second."})
    for name in ("liver", "LIVER"):
        with pytest.raises(ModelExistsError, match="There is a model 'liver' already") as refused:
            install_model(second, name)
        assert refused.value.name == "liver"
    assert catalogue.read_card(folder / "liver")["purpose"] == "First."
    assert install_model(second, "LIVER", replace=True) == folder / "liver"
    assert catalogue.read_card(folder / "liver")["purpose"] == "Second."
    assert os.listdir(folder) == ["liver"]


def test_models_of_the_program_are_neither_shadowed_nor_removed(make_bundle):
    for name in ("hippocampus", "Hippocampus"):
        with pytest.raises(InputError, match="comes with the program"):
            install_model(make_bundle(), name, replace=True)
    with pytest.raises(InputError, match="came with the program"):
        remove_model("hippocampus")
    assert "hippocampus" in catalogue.catalogue()


def test_a_removed_model_is_gone(make_bundle, folder):
    install_model(make_bundle(), "liver")
    remove_model("liver")
    assert os.listdir(folder) == []
    assert "liver" not in catalogue.catalogue()
    with pytest.raises(InputError, match="'liver' is not installed"):
        remove_model("liver")


@pytest.mark.parametrize(
    "name", [" ", ".", "..", "a/b", "a\\b", "C:x", "nul", "COM1.x", "x" * 65, ".hidden", "dot.", "a\nb"]
)
def test_names_that_are_no_folder_are_refused(make_bundle, folder, name):
    with pytest.raises(InputError, match="name"):
        install_model(make_bundle(card={"name": ".."}), name)
    assert not folder.exists()


def test_a_folder_that_is_no_model_is_not_overwritten(make_bundle, folder):
    (folder / "liver").mkdir(parents=True)
    (folder / "liver" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is no model"):
        install_model(make_bundle(), "liver", replace=True)
    assert (folder / "liver" / "thesis.txt").exists()


def damage_weights(bundle):
    with open(bundle / catalogue.WEIGHTS, "ab") as stream:
        stream.write(b"x")


def damage_card(bundle):
    (bundle / catalogue.CARD).write_text("{")


def forget_weights(bundle):
    (bundle / catalogue.WEIGHTS).unlink()


def exchange_network(bundle):
    card = json.loads((bundle / catalogue.CARD).read_text())
    card["model"]["configuration"]["widths"] = [8, 8]
    (bundle / catalogue.CARD).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_weights, "SHA-256 differs"),
        (damage_card, "cannot be read"),
        (forget_weights, "has no weights.pt"),
        (exchange_network, "do not fit"),
    ],
)
def test_a_model_that_cannot_be_used_is_not_installed_and_the_old_one_stays(make_bundle, folder, damage, reason):
    install_model(make_bundle(), "liver")
    broken = make_bundle()
    damage(broken)
    with pytest.raises(InputError, match=reason):
        install_model(broken, "liver", replace=True, check=RegistrationModel.load)
    assert os.listdir(folder) == ["liver"]
    RegistrationModel.load("liver", "cpu")


def test_sources_without_a_model_are_refused(tmp_path, archive):
    with pytest.raises(InputError, match="does not exist"):
        install_model(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no model"):
        install_model(tmp_path)
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(InputError, match="cannot be unpacked"):
        install_model(tmp_path / "text.zip")
    with pytest.raises(InputError, match="holds no models"):
        install_model(archive(readme=b"x"))
    with pytest.raises(InputError, match="holds 2 models"):
        install_model(archive(**{"a/model.json": b"x", "b/model.json": b"x"}))


def test_a_failing_copy_leaves_the_old_model(make_bundle, folder, monkeypatch):
    install_model(make_bundle(card={"purpose": "First."}), "liver")
    replace = os.replace

    def fail_to_put_in_place(source, target):
        if target == folder / "liver" and not old_is_back:
            old_is_back.append(True)
            raise PermissionError(13, "in use")
        replace(source, target)

    old_is_back = []
    monkeypatch.setattr(model_installation.os, "replace", fail_to_put_in_place)
    with pytest.raises(InputError, match="cannot be copied .*in use"):
        install_model(make_bundle(card={"purpose": "Second."}), "liver", replace=True)
    assert catalogue.read_card(folder / "liver")["purpose"] == "First."
    assert os.listdir(folder) == ["liver"]


def test_without_the_variable_models_go_to_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv(catalogue.FOLDERS_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    folders = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(catalogue.sys, "platform", platform)
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
        (folders[platform],) = catalogue.user_model_folders()
    assert folders["linux"] == tmp_path / ".local" / "share" / "LatentMotion" / "Models"
    assert folders["darwin"] == tmp_path / "Library" / "Application Support" / "LatentMotion" / "Models"
    assert folders["win32"] == tmp_path / "Local" / "LatentMotion" / "Models"
    assert catalogue.model_folders() == [folder for folder in catalogue.bundled_model_folders() if folder.is_dir()]


@pytest.mark.parametrize("zipped", [False, True])
def test_models_that_a_model_brings_along_are_installed_with_it(make_bundle, tmp_path, folder, zipped):
    source = tmp_path / "risk"
    shutil.copytree(make_bundle(), source)
    shutil.copytree(make_bundle(), source / "motion")
    (source / "notes").mkdir()
    if zipped:
        source = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "risk")
    install_model(source, "risk")
    assert sorted(os.listdir(folder / "risk")) == [catalogue.CARD, "motion", catalogue.WEIGHTS]
    assert RegistrationModel.load(folder / "risk" / "motion", "cpu").name == "random"
    assert list(user_models()) == ["risk"]


def test_a_damaged_model_that_is_brought_along_is_refused(make_bundle, tmp_path, folder):
    source = tmp_path / "risk"
    shutil.copytree(make_bundle(), source)
    shutil.copytree(make_bundle(), source / "motion")
    (source / "motion" / catalogue.WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(InputError, match="SHA-256 differs"):
        install_model(source, "risk")
    assert user_models() == {}
    assert not folder.exists() or os.listdir(folder) == []


def test_a_name_can_be_checked_before_there_is_a_model(make_bundle):
    model_installation.check_name("free")
    install_model(make_bundle(), "taken")
    with pytest.raises(ModelExistsError):
        model_installation.check_name("taken")
    model_installation.check_name("taken", replace=True)
    with pytest.raises(InputError, match="cannot be the name of a model"):
        model_installation.check_name("a/b")
