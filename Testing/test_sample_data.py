"""The sample data that the module registers: what Slicer is told, what lands in the scene, what a bad archive does."""

import importlib.util
import inspect
import io
import logging
import os
import re
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pytest
import slicer

from DeformationLib.errors import InputError
from DeformationLib.image_io import write_image
from DeformationLib.phantoms import two_part_phantom
from DeformationSceneLib import sample_pairs
from LatentRegistrationSceneLib import sample_data

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "hippocampus"


def register_source(
    category="Custom",
    sampleName=None,
    uris=None,
    fileNames=None,
    nodeNames=None,
    customDownloader=None,
    thumbnailFileName=None,
    loadFileTypes=None,
    loadFiles=None,
    loadFileProperties={},  # noqa: B006, the signature is Slicer's
    checksums=None,
    loadFileType=None,
):
    """With the signature of SampleDataLogic.registerCustomSampleDataSource."""


class Logic:
    """The part of SampleDataLogic that downloads; `archive` is what the server would send."""

    registered: list

    def __init__(self, archive=None, error=None):
        self.archive, self.error, self.requests, self.log = archive, error, [], []

    def downloadFileIntoCache(self, uri, name, checksum=None, forceDownload=False):
        self.requests.append((uri, name, checksum))
        if self.error:
            raise self.error
        return str(self.archive)

    def logMessage(self, message, logLevel=logging.DEBUG):
        self.log.append(message)

    @classmethod
    def registerCustomSampleDataSource(cls, *positional, **named):
        bound = inspect.signature(register_source).bind(*positional, **named)
        bound.apply_defaults()
        cls.registered.append(bound.arguments)


@pytest.fixture
def sample_data_module(monkeypatch):
    """Slicer's module Sample Data, recording."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = type("SampleDataLogic", (Logic,), {"registered": []})
    monkeypatch.setitem(sys.modules, "SampleData", module)
    return module


@pytest.fixture
def sources(sample_data_module):
    sample_data.registerSampleData()
    return {arguments["sampleName"]: arguments for arguments in sample_data_module.SampleDataLogic.registered}


def archive_of(path, members):
    """A tar with {member name: bytes}, or a `tarfile.TarInfo` that is no file."""
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            information = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                information.size = len(content)
                archive.addfile(information, io.BytesIO(content))
            else:
                information.type, information.linkname = content
                archive.addfile(information)
    return path


@pytest.fixture
def members(tmp_path):
    """The four files of the pair, of phantoms, under the names that they have in the real archive."""
    members = {"Task04_Hippocampus/imagesTr/._hippocampus_152.nii.gz": b"macOS"}
    for seed, name in enumerate(sample_pairs.HIPPOCAMPUS_PAIR):
        for kind, image in zip(("imagesTr", "labelsTr"), two_part_phantom(seed, size=24)):
            path = write_image(image, tmp_path / "files" / f"{kind}_{name}.nii.gz")
            members[f"Task04_Hippocampus/{kind}/{name}.nii.gz"] = path.read_bytes()
    return members


def voxels(node):
    return slicer.util.arrayFromVolume(node)


def test_two_samples_are_registered(sources):
    assert len(sources) == 2
    for arguments in sources.values():
        assert arguments["category"] == "Latent Registration"
        assert callable(arguments["customDownloader"])
        assert len(arguments["uris"]) == len(arguments["fileNames"]) == len(arguments["nodeNames"])


def test_thumbnails_are_pictures_of_useful_size(sources):
    for arguments in sources.values():
        content = Path(arguments["thumbnailFileName"]).read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
        assert 128 <= width <= 256
        assert 128 <= height <= 256


def test_the_real_data_have_a_public_address_a_checksum_and_a_size(sources):
    (source,) = (arguments for arguments in sources.values() if arguments["uris"])
    assert source["uris"] == ["https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"]
    (checksum,) = source["checksums"]
    assert re.fullmatch(r"SHA256:[0-9a-f]{64}", checksum)
    assert slicer.util.extractAlgoAndDigest(checksum)[0] == "SHA256"
    assert re.search(r"\d+ MB", source["sampleName"])
    assert source["loadFiles"] == [False]


def test_a_slicer_without_sample_data_is_fine(application, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.registerSampleData()


def test_phantoms_need_no_network(scene, sources):
    (source,) = (arguments for arguments in sources.values() if not arguments["uris"])
    source["customDownloader"](source)
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    segmentations = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert len(volumes) == len(segmentations) == 2
    assert not np.array_equal(voxels(volumes[0]), voxels(volumes[1]))
    for segmentation in segmentations:
        names = [segmentation.GetSegmentation().GetNthSegment(index).GetName() for index in range(2)]
        assert names == ["Head", "Body"]
    assert [node.GetDisplayNode().GetVisibility() for node in segmentations] == [1, 0]


def test_phantoms_are_the_pair_that_no_model_was_trained_on(scene):
    fixed, moving, *_ = sample_data.addPhantoms()
    for node, seed in zip((fixed, moving), sample_data.PHANTOM_SEEDS):
        assert seed < 1000
        np.testing.assert_array_equal(voxels(node), two_part_phantom(seed)[0].array)


def test_a_second_pair_gets_names_of_its_own(scene):
    nodes = sample_data.addPhantoms() + sample_data.addPhantoms()
    assert len({node.GetName() for node in nodes}) == 8


def test_the_real_pair_comes_out_of_the_archive(scene, tmp_path, members):
    logic = Logic(archive_of(tmp_path / "Task04_Hippocampus.tar", members))
    nodes = sample_pairs.addHippocampus(logic)
    assert logic.requests == [
        (sample_pairs.HIPPOCAMPUS_URL, "Task04_Hippocampus.tar", sample_pairs.HIPPOCAMPUS_CHECKSUM)
    ]
    fixed, moving, fixed_segmentation, _ = nodes
    np.testing.assert_allclose(voxels(fixed), two_part_phantom(0, size=24)[0].array)
    np.testing.assert_allclose(voxels(moving), two_part_phantom(1, size=24)[0].array)
    assert fixed_segmentation.GetSegmentation().GetNthSegment(0).GetName() == "Anterior hippocampus"
    for node in nodes:
        assert "CC BY-SA 4.0" in node.GetDescription()
    assert any("CC BY-SA 4.0" in message for message in logic.log)


def test_the_log_of_the_open_panel_is_used(scene, tmp_path, members, sources, monkeypatch):
    logic = Logic(archive_of(tmp_path / "Task04_Hippocampus.tar", members))
    monkeypatch.setattr(slicer.modules, "SampleDataWidget", types.SimpleNamespace(logic=logic), raising=False)
    (source,) = (arguments for arguments in sources.values() if arguments["uris"])
    source["customDownloader"](source)
    assert len(logic.requests) == 1
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2


def test_models_were_not_trained_on_the_pair():
    import json

    for card in (ROOT / "LatentRegistration" / "Resources" / "Models").glob("hippocampus*/model.json"):
        validation = json.loads(card.read_text())["training"]["validation_cases"]
        assert set(sample_pairs.HIPPOCAMPUS_PAIR) <= set(validation), card


def test_a_failed_download_is_a_sentence(scene):
    with pytest.raises(InputError, match="network"):
        sample_pairs.addHippocampus(Logic(error=ValueError("Failed to download")))
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_a_download_with_a_wrong_checksum_is_a_sentence(scene, tmp_path):
    with pytest.raises(InputError, match="damaged"):  # Slicer has removed the file
        sample_pairs.addHippocampus(Logic(tmp_path / "removed.tar"))


def test_a_slot_shows_what_went_wrong(scene, sources, monkeypatch, caplog):
    logic = Logic(error=ValueError("Failed to download"))
    monkeypatch.setattr(slicer.modules, "SampleDataWidget", types.SimpleNamespace(logic=logic), raising=False)
    (source,) = (arguments for arguments in sources.values() if arguments["uris"])
    source["customDownloader"](source)  # raises nothing
    assert "network" in caplog.text


@pytest.mark.parametrize("content", [b"no archive", None])
def test_another_file_is_refused(tmp_path, members, content):
    path = tmp_path / "wrong.tar"
    if content is None:
        members.popitem()
        archive_of(path, members)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="does not hold"):
        sample_pairs.hippocampusPair(path)


@pytest.mark.parametrize("trick", ["link", "size"])
def test_tricks_of_an_archive_are_refused(tmp_path, members, monkeypatch, trick):
    name = f"Task04_Hippocampus/imagesTr/{sample_pairs.HIPPOCAMPUS_PAIR[0]}.nii.gz"
    if trick == "link":
        members[name] = (tarfile.SYMTYPE, "/etc/passwd")
    else:
        monkeypatch.setattr(sample_pairs, "_LARGEST_MEMBER", 100)
    with pytest.raises(InputError, match="does not hold"):
        sample_pairs.hippocampusPair(archive_of(tmp_path / "tricky.tar", members))


def test_nothing_else_is_extracted(tmp_path, members, monkeypatch):
    members["../outside.txt"] = b"written outside"
    members["Task04_Hippocampus/imagesTr/other.nii.gz"] = b"not needed"
    archive = archive_of(tmp_path / "full.tar", members)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    sample_pairs.hippocampusPair(archive)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "outside.txt").exists()


@pytest.mark.skipif(not (DATA / "images").is_dir(), reason=f"no real images in {DATA}")
def test_real_images_are_read_as_they_are(scene, tmp_path):
    members = {
        f"Task04_Hippocampus/{kind}/{name}.nii.gz": (DATA / folder / f"{name}.nii.gz").read_bytes()
        for name in sample_pairs.HIPPOCAMPUS_PAIR
        for kind, folder in (("imagesTr", "images"), ("labelsTr", "labels"))
    }
    nodes = sample_pairs.addPair(sample_pairs.hippocampusPair(archive_of(tmp_path / "real.tar", members)))
    assert voxels(nodes[0]).ndim == 3
    assert nodes[2].GetSegmentation().GetNumberOfSegments() == 2


def slicers_own_sample_data():
    """Path of Slicer's SampleData.py, in the source tree whose Base/Python is given."""
    base = os.environ.get("SLICER_BASE_PYTHON")
    path = Path(base).resolve().parents[1] / "Modules/Scripted/SampleData/SampleData.py" if base else None
    return path if path and path.is_file() else None


@pytest.mark.skipif(slicers_own_sample_data() is None, reason="SLICER_BASE_PYTHON does not lie in a Slicer source tree")
def test_slicers_own_module_accepts_the_samples(application, monkeypatch):
    specification = importlib.util.spec_from_file_location("SampleData", slicers_own_sample_data())
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "SampleData", module)
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {}, raising=False)
    sample_data.registerSampleData()
    sample_data.registerSampleData()
    sources = module.SampleDataLogic.sampleDataSourcesByCategory("Latent Registration")
    assert [source.sampleDescription for source in sources] == ["Simulated phantoms", "Hippocampus MRI pair (28 MB)"]
    real = inspect.signature(module.SampleDataLogic.registerCustomSampleDataSource)
    assert str(real) == str(inspect.signature(register_source))
