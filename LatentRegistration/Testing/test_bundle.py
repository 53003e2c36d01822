"""Bundles: what is written is read, and everything else is refused with a sentence before any code could run."""

import json
import os

import pytest
import torch

from DeformationLib import bundle, catalogue
from DeformationLib.errors import InputError
from LatentRegistrationLib.model import RegistrationModel

WEIGHTS = {"network": {"weight": torch.tensor([[0.5, -1.25]]), "steps": torch.tensor(3)}}
CARD = {key: {} for key in ("purpose", "model", "grid", "training", "accuracy")} | {"name": "test"}


def write(folder, weights=WEIGHTS, **changes):
    return bundle.write_bundle(folder, CARD | changes, weights)


def edit_card(folder, **changes):
    """Change keys of the card on disk; None removes one."""
    path = folder / catalogue.CARD
    card = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}), encoding="utf-8")


class Intruder:
    """An object whose unpickling makes a folder, as one that did harm would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_written_is_read(tmp_path):
    folder = write(tmp_path / "model", name="kidneys")
    card = catalogue.read_card(folder)
    assert card["name"] == "kidneys"
    assert card["format"] == catalogue.FORMAT
    weights = bundle.read_weights(folder, card)
    assert weights["network"]["weight"].dtype == torch.float32
    assert torch.equal(weights["network"]["weight"], WEIGHTS["network"]["weight"])
    assert weights["network"]["steps"] == 3
    assert sorted(path.name for path in folder.iterdir()) == [catalogue.CARD, catalogue.WEIGHTS]


def test_a_view_is_written_without_what_is_behind_it(tmp_path):
    folder = write(tmp_path / "model", {"part": torch.zeros(1_000_000)[:10]})
    assert (folder / catalogue.WEIGHTS).stat().st_size < 10_000


def test_values_beyond_half_precision_survive(tmp_path):
    """Variances of codes easily pass 65504, where half precision ends."""
    variances = torch.tensor([2.5e6, 3.0e4, 1.0])
    folder = write(tmp_path / "model", {"decomposition": {"explained_variance": variances}})
    read = bundle.read_weights(folder, catalogue.read_card(folder))["decomposition"]["explained_variance"]
    torch.testing.assert_close(read, variances, rtol=1e-3, atol=0)


def test_the_hash_is_that_of_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    # The example of FIPS 180-4.
    assert catalogue.file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_weights_that_the_card_does_not_describe_are_refused(tmp_path):
    folder = write(tmp_path / "model")
    with open(folder / catalogue.WEIGHTS, "ab") as stream:
        stream.write(b"\0")
    with pytest.raises(InputError, match="SHA-256 differs"):
        bundle.read_weights(folder, catalogue.read_card(folder))


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    trap = tmp_path / "the code ran"
    folder = write(tmp_path / "model")
    torch.save({"network": Intruder(trap)}, folder / catalogue.WEIGHTS)
    edit_card(folder, weights_sha256=catalogue.file_hash(folder / catalogue.WEIGHTS))
    with pytest.raises(InputError, match="could run code"):
        bundle.read_weights(folder, catalogue.read_card(folder))
    assert not trap.exists()
    # The trap itself works: otherwise this test would prove nothing.
    torch.load(folder / catalogue.WEIGHTS, weights_only=False)
    assert trap.exists()


def test_missing_weights_are_refused(tmp_path):
    folder = write(tmp_path / "model")
    (folder / catalogue.WEIGHTS).unlink()
    with pytest.raises(InputError, match=r"has no weights\.pt"):
        bundle.read_weights(folder, catalogue.read_card(folder))


@pytest.mark.parametrize("key", ["format", "name", "model", "grid", "weights_sha256"])
def test_a_card_without_a_key_is_refused(tmp_path, key):
    folder = write(tmp_path / "model")
    edit_card(folder, **{key: None})
    with pytest.raises(InputError, match=f"lacks {key}"):
        catalogue.read_card(folder)


def test_a_card_of_a_newer_version_is_refused(tmp_path):
    folder = write(tmp_path / "model")
    # Of which nothing else may be expected.
    (folder / catalogue.CARD).write_text(json.dumps({"format": catalogue.FORMAT + 1}), encoding="utf-8")
    with pytest.raises(InputError, match="newer version.*update"):
        catalogue.read_card(folder)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"card"'])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    folder = write(tmp_path / "model")
    (folder / catalogue.CARD).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="install the model again"):
        catalogue.read_card(folder)


def test_a_format_that_is_no_number_is_refused(tmp_path):
    folder = write(tmp_path / "model")
    edit_card(folder, format="two")
    with pytest.raises(InputError, match="install the model again"):
        catalogue.read_card(folder)


def test_models_are_found_by_name_by_folder_and_in_further_folders(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    write(first / "liver")
    write(second / "liver")
    write(second / "spleen")
    (second / "no model").mkdir()
    monkeypatch.setenv(
        catalogue.FOLDERS_VARIABLE, os.pathsep.join([str(first), str(second), str(tmp_path / "missing")])
    )
    assert catalogue.find_bundle("liver") == first / "liver"
    assert catalogue.find_bundle("spleen") == second / "spleen"
    assert catalogue.find_bundle(second / "liver") == second / "liver"
    assert "no model" not in catalogue.catalogue()


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path, monkeypatch):
    write(tmp_path / "liver")
    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="no model 'kidney'.*liver"):
        catalogue.find_bundle("kidney")


def test_weights_of_another_network_are_refused(tmp_path):
    layer = torch.nn.Linear(2, 3)
    for weights in ({"weight": torch.zeros(4, 2), "bias": torch.zeros(3)}, {"weight": torch.zeros(3, 2)}):
        with pytest.raises(InputError, match="do not fit"):
            bundle.load_state(layer, weights, tmp_path)


def test_a_model_comes_back_from_its_bundle(make_bundle, blobs):
    folder = make_bundle()
    model, again = RegistrationModel.load(folder, "cpu"), RegistrationModel.load(str(folder), "cpu")
    image = model.prepare(blobs()[0])
    assert model.name == "random"
    assert model.grid.size == (16, 16, 16)
    assert torch.equal(model.encode(image), again.encode(image))


@pytest.mark.parametrize(
    "model",
    [
        {"class": "GradientNetwork"},
        {"class": "GradientNetwork", "configuration": {"widths": [4, 6], "colour": "blue"}},
        {"class": "GradientNetwork", "configuration": {"widths": 4}},
        {"class": "GradientNetwork", "configuration": {"widths": [4]}},
        {"class": "GradientNetwork", "configuration": {"widths": [4, 6], "dimension": 4}},
        {"class": "SomethingElse", "configuration": {}},
        "GradientNetwork",
    ],
)
def test_a_card_that_describes_no_network_is_refused(make_bundle, model):
    with pytest.raises(InputError):
        RegistrationModel.load(make_bundle({"model": model}), "cpu")


@pytest.mark.parametrize(
    "grid", [{}, {"size": [16, 16, 16]}, {"size": 16, "spacing_mm": 1}, {"size": [16, 16, 18], "spacing_mm": 1}]
)
def test_a_card_without_a_usable_grid_is_refused(make_bundle, grid):
    with pytest.raises(InputError):
        RegistrationModel.load(make_bundle({"grid": grid}), "cpu")


def test_weights_without_the_network_are_refused(make_bundle):
    with pytest.raises(InputError, match="lack the part 'network'"):
        RegistrationModel.load(make_bundle(without=("network",)), "cpu")


def test_a_model_without_decomposition_registers_but_has_nothing_to_explore(make_bundle, blobs):
    model = RegistrationModel.load(make_bundle(without=("decomposition",)), "cpu")
    image, _ = blobs()
    assert model.register(image, image).model == "random"
    with pytest.raises(InputError, match="no latent decomposition"):
        model.explorer(image)
    with pytest.raises(InputError, match="no latent decomposition"):
        model.register(image, image, components=2)


@pytest.mark.parametrize("device", ["no such device", "cuda:99", "meta device"])
def test_an_unknown_device_is_refused(make_bundle, device):
    with pytest.raises(InputError, match=r"cannot be used on this computer"):
        RegistrationModel.load(make_bundle(), device)


def test_an_incomplete_decomposition_is_refused(make_bundle):
    folder = make_bundle()
    card = catalogue.read_card(folder)
    weights = bundle.read_weights(folder, card)
    del weights["decomposition"]["mean"]
    bundle.write_bundle(folder, card, weights)
    with pytest.raises(InputError, match="decomposition.*incomplete"):
        RegistrationModel.load(folder, "cpu")


def test_catalogue_lists_the_kinds_that_are_asked_for(tmp_path, monkeypatch, make_bundle):
    folder = make_bundle(card={"model": {"class": "Other", "configuration": {}}})
    monkeypatch.setenv(catalogue.FOLDERS_VARIABLE, str(folder.parent))
    assert catalogue.kind_of(folder) == "Other"
    assert folder.name in catalogue.catalogue()
    assert list(catalogue.catalogue(["Other"])) == [folder.name]
    assert folder.name not in catalogue.catalogue(["GradientNetwork"])
    (folder / catalogue.CARD).write_text("{")
    assert catalogue.kind_of(folder) is None
    # One whose card is damaged stays in every list, so that its user learns of it.
    assert folder.name in catalogue.catalogue(["GradientNetwork"])
