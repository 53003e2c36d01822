"""Pairs of images as sample data: put into the scene, and two subjects of the public hippocampus set.

Several modules offer them in Slicer's module Sample Data; they are fetched when a person asks for them.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

# Medical Segmentation Decathlon, Task 04. The address and an MD5 checksum stand in MONAI (Project-MONAI/MONAI,
# monai/apps/datasets.py, DecathlonDataset: 9d24dba78a72977dbd1d2e110310f31b), the SHA-256 in torch-em
# (constantinpape/torch-em, torch_em/data/datasets/medical/msd.py).
HIPPOCAMPUS_URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
HIPPOCAMPUS_CHECKSUM = "SHA256:282d808a3e84e5a52f090d9dd4c0b0057b94a6bd51ad41569aef5ff303287771"
HIPPOCAMPUS_LICENCE = (
    "Medical Segmentation Decathlon, Task 04 Hippocampus (A. L. Simpson et al. 2019, arXiv:1902.09063), CC BY-SA 4.0"
)
HIPPOCAMPUS_PAIR = ("hippocampus_152", "hippocampus_288")
"""Fixed, moving: validation subjects, on which none of the bundled models was trained."""

_ARCHIVE_NAME = "Task04_Hippocampus.tar"
_LARGEST_MEMBER = 10 * 2**20
"""Bytes; every image of the set has less than 1 MB."""


@dataclass(frozen=True)
class SamplePair:
    """What is put into the scene: two `DeformationLib.image.Image`, their label maps, names and origin."""

    fixed: object
    fixedLabels: object
    moving: object
    movingLabels: object
    name: str
    labelNames: dict
    description: str


def registerHippocampus(sampleDataLogic, category: str) -> None:
    """Add the hippocampus pair to a category of Slicer's module Sample Data, given its class of logics."""
    # Not loaded from a script: `downloadSample` gives the path of the archive, which Slicer has no reader for.
    sampleDataLogic.registerCustomSampleDataSource(
        category=category,
        sampleName=_("Hippocampus MRI pair (28 MB)"),
        uris=[HIPPOCAMPUS_URL],
        fileNames=[_ARCHIVE_NAME],
        nodeNames=[None],
        checksums=[HIPPOCAMPUS_CHECKSUM],
        loadFiles=[False],
        customDownloader=_onHippocampus,
        thumbnailFileName=os.fspath(Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "Hippocampus.png"),
    )


def addHippocampus(sampleDataLogic=None) -> list:
    """Fixed volume, moving volume and their segmentations of two subjects of the hippocampus set, in the scene.

    The archive (28 MB) is downloaded into Slicer's cache, or taken from there, and checked. Raises `InputError` when it
    cannot be had.
    """
    if sampleDataLogic is None:
        import SampleData

        sampleDataLogic = SampleData.SampleDataLogic()
    pair = hippocampusPair(_downloadArchive(sampleDataLogic))
    sampleDataLogic.logMessage(_("Source and licence of the images: {licence}").format(licence=HIPPOCAMPUS_LICENCE))
    return addPair(pair)


def hippocampusPair(archive: str | os.PathLike, names: tuple[str, str] = HIPPOCAMPUS_PAIR) -> SamplePair:
    """The two subjects out of the archive; nothing else is extracted. Raises `InputError` for another archive."""
    from DeformationLib.image_io import read_image, read_labels

    with tempfile.TemporaryDirectory() as folder:
        paths = [
            _extracted(archive, f"Task04_Hippocampus/{kind}/{name}.nii.gz", Path(folder) / f"{kind}_{number}.nii.gz")
            for number, name in enumerate(names)
            for kind in ("imagesTr", "labelsTr")
        ]
        images = [read(path) for read, path in zip((read_image, read_labels) * 2, paths)]
    return SamplePair(
        *images, _("Hippocampus"), {1: _("Anterior hippocampus"), 2: _("Posterior hippocampus")}, HIPPOCAMPUS_LICENCE
    )


def addPair(pair: SamplePair) -> list:
    """Put a pair into the scene and the fixed volume into the slice views; returns the four nodes."""
    from .placement import scene_as_it_was_on_failure, unique_name
    from .segmentations import add_segmentation
    from .volumes import add_volume

    scene = slicer.mrmlScene
    volumes, segmentations = [], []
    parts = ((_("fixed"), pair.fixed, pair.fixedLabels), (_("moving"), pair.moving, pair.movingLabels))
    with scene_as_it_was_on_failure(scene):
        for role, image, labels in parts:
            name = unique_name(scene, f"{pair.name} {role}")
            volumes.append(add_volume(scene, image, name))
            name = unique_name(scene, _("{name} segmentation").format(name=name))
            segmentations.append(
                add_segmentation(scene, labels, name, names=pair.labelNames, reference_volume_node=volumes[-1])
            )
    for node in volumes + segmentations:
        node.SetDescription(pair.description)
    # The two subjects lie over each other: what is seen belongs to the fixed volume.
    segmentations[1].GetDisplayNode().SetVisibility(False)
    slicer.util.setSliceViewerLayers(background=volumes[0], foreground=None, label=None, fit=True)
    return [*volumes, *segmentations]


def _onHippocampus(source) -> None:
    """Slot of the module Sample Data; `source` is its description of the sample."""
    from .messages import errors_shown

    # The logic of the open panel writes into the panel's log.
    panel = getattr(slicer.modules, "SampleDataWidget", None)
    with errors_shown(_("Sample data")):
        addHippocampus(getattr(panel, "logic", None))


def _downloadArchive(sampleDataLogic) -> str:
    """Path of the archive in the cache; complete, since Slicer removes a file whose checksum is wrong."""
    from DeformationLib.errors import InputError

    try:
        path = sampleDataLogic.downloadFileIntoCache(HIPPOCAMPUS_URL, _ARCHIVE_NAME, HIPPOCAMPUS_CHECKSUM)
    except (ValueError, OSError) as error:
        raise InputError(
            _("The hippocampus images could not be downloaded from {url}: check the network connection.").format(
                url=HIPPOCAMPUS_URL
            )
        ) from error
    if not os.path.isfile(path):
        raise InputError(
            _("The downloaded file {name} was damaged and has been removed: try again.").format(name=_ARCHIVE_NAME)
        )
    return path


def _extracted(archive: str | os.PathLike, member: str, path: Path) -> Path:
    """Write one member to `path`: the archive has no say in where files go."""
    from DeformationLib.errors import InputError

    try:
        with tarfile.open(archive) as opened:
            information = opened.getmember(member)
            if not information.isfile() or information.size > _LARGEST_MEMBER:
                raise KeyError(member)
            path.write_bytes(opened.extractfile(information).read())
    except (KeyError, OSError, tarfile.TarError) as error:
        raise InputError(
            _("{archive} does not hold {member}: remove it and download it again.").format(
                archive=archive, member=member
            )
        ) from error
    return path
