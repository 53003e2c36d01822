"""Series of frames in the scene to images of the backend: volume sequences, their browsers, volumes of many components."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image, check_intensities

from .ras import array_from_vtk, vtk_from_array
from .sequences import SequenceIndex, sequences_of
from .volumes import image_from_volume

_GRID_TOLERANCE = 0.01  # voxels: positions of frames from DICOM differ by their rounding
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Series:
    """Where a series of frames is in the scene.

    Attributes:
        sequence: sequence node of volumes; None where the frames are the components of one volume.
        browser: sequence browser that plays it, or None.
        volume: the volume node that shows the frames: the proxy of the sequence, the volume with the components, or None.
        index: of the frames.
    """

    sequence: object
    browser: object
    volume: object
    index: SequenceIndex

    def __len__(self) -> int:
        return len(self.index.values)

    @property
    def node(self):
        """The node that holds the frames."""
        return self.volume if self.sequence is None else self.sequence

    @property
    def name(self) -> str:
        """Of that node."""
        return self.node.GetName()

    @property
    def selected(self) -> int:
        """The frame that is shown, counted from 0."""
        number = self.browser.GetSelectedItemNumber() if self.browser is not None else 0
        if self.browser is None or not 0 <= number < self.browser.GetNumberOfItems():
            return 0
        value = self.browser.GetMasterSequenceNode().GetNthIndexValue(number)
        return max(self.sequence.GetItemNumberFromIndexValue(value, False), 0)

    @property
    def exists(self) -> bool:
        """Whether its nodes are still in the scene."""
        return all(node is None or node.GetScene() is not None for node in (self.sequence, self.browser, self.volume))


@dataclass
class Frames:
    """The images of a series, all on one grid.

    Attributes:
        images: frames, (k, j, i), LPS mm, where the proxy lies in the world.
        remarks: sentences for the user about what was done to them.
    """

    images: list[Image]
    remarks: list[str] = field(default_factory=list)


def find_series(node) -> Series:
    """The series that a node stands for; reads no voxels.

    `node`: a sequence of volumes, a sequence browser (its first sequence of volumes), the proxy volume of a sequence, or
    a volume whose components are the frames. Raises InputError for anything else, and for a sequence without items.
    """
    if node is None:
        raise InputError(_("No sequence is selected; select one."))
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return _of_sequence(_first_of_volumes(node), node)
    if node.IsA("vtkMRMLSequenceNode"):
        return _of_sequence(node, _sequences_logic().GetFirstBrowserNodeForSequenceNode(node))
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise InputError(_("'{name}' is not a sequence of volumes; select one.").format(name=node.GetName()))
    browser = _sequences_logic().GetFirstBrowserNodeForProxyNode(node)
    if browser is not None:
        return _of_sequence(browser.GetSequenceNode(node), browser)
    return _of_components(node)


def read_frames(series: Series, needed: np.ndarray | None = None) -> Frames:
    """The frames of a series as images; the nodes are not touched.

    The parent transforms of the proxy are respected. Colour frames become grey. `needed`: (N,) bool, frames whose values
    must be usable; by default all. Raises InputError for a single frame, frames on different grids, frames without
    voxels, and values that are not finite or all the same.
    """
    if len(series) < 2:
        raise InputError(
            _("'{name}' has one frame, but motion needs at least two; select a series of images.").format(
                name=series.name
            )
        )
    remarks: list[str] = []
    images = _component_frames(series) if series.sequence is None else _item_frames(series, remarks)
    for number, image in enumerate(images):
        if needed is None or needed[number]:
            check_intensities(image, _frame_name(series, number))
    return Frames(_on_one_grid(images, series), remarks)


def _of_sequence(sequence, browser) -> Series:
    name, count = sequence.GetName(), sequence.GetNumberOfDataNodes()
    if count == 0:
        raise InputError(_("The sequence '{name}' is empty; load its frames or select another.").format(name=name))
    if not _holds_volumes(sequence):
        raise InputError(
            _("'{name}' is not a sequence of volumes, but of {what}; select a sequence of volumes.").format(
                name=name, what=sequence.GetDataNodeTagName() or _("something else")
            )
        )
    proxy = browser.GetProxyNode(sequence) if browser is not None else None
    return Series(sequence, browser, proxy, SequenceIndex.of(sequence))


def _of_components(node) -> Series:
    data = node.GetImageData()
    components = data.GetNumberOfScalarComponents() if data is not None else 0
    if components < 2:
        raise InputError(
            _(
                "'{name}' is a single volume, not a series of frames; load the file as a sequence (Description: Volume "
                "Sequence, in Add Data), or collect the volumes in a sequence."
            ).format(name=node.GetName())
        )
    if components in (3, 4) and data.GetScalarType() == vtk.VTK_UNSIGNED_CHAR:
        raise InputError(
            _("'{name}' is a colour image, not a series of frames; select a series.").format(name=node.GetName())
        )
    return Series(None, None, node, SequenceIndex.counted(components))


def _first_of_volumes(browser):
    found = next((sequence for sequence in sequences_of(browser) if sequence and _holds_volumes(sequence)), None)
    if found is None:
        raise InputError(
            _("The sequence browser '{name}' plays no sequence of volumes; add one to it or select another.").format(
                name=browser.GetName()
            )
        )
    return found


def _holds_volumes(sequence) -> bool:
    if sequence.GetNumberOfDataNodes() == 0:
        return False
    node = sequence.GetNthDataNode(0)
    return node is not None and node.IsA("vtkMRMLScalarVolumeNode") and not node.IsA("vtkMRMLLabelMapVolumeNode")


def _item_frames(series: Series, remarks: list[str]) -> list[Image]:
    parent = series.volume.GetParentTransformNode() if series.volume is not None else None
    images = []
    for number in range(len(series)):
        item = series.sequence.GetNthDataNode(number)
        if item is None or item.GetImageData() is None or item.GetImageData().GetNumberOfPoints() == 0:
            raise InputError(
                _("{frame} is empty; load it again or remove it.").format(frame=_frame_name(series, number))
            )
        grey = _grey(item)
        if grey is not item and not remarks:
            remarks.append(_("The colour frames of '{name}' were read as grey ones.").format(name=series.name))
        images.append(image_from_volume(grey, parent))
    return images


def _grey(item):
    """A volume node, or its luminance as another one where it has colours (ultrasound)."""
    data = item.GetImageData()
    if data.GetNumberOfScalarComponents() not in (3, 4):
        return item
    values = array_from_vtk(data)[..., :3] @ np.asarray(_LUMINANCE)
    return _with_values(item, values.astype(np.float32))


def _component_frames(series: Series) -> list[Image]:
    values = array_from_vtk(series.volume.GetImageData())
    parent = series.volume.GetParentTransformNode()
    # One after the other, since a transform that is not linear resamples each.
    return [
        image_from_volume(_with_values(series.volume, np.ascontiguousarray(values[..., number])), parent)
        for number in range(len(series))
    ]


def _with_values(volume_node, values: np.ndarray):
    """A scalar volume, outside of any scene, with the place of another."""
    node, matrix = slicer.vtkMRMLScalarVolumeNode(), vtk.vtkMatrix4x4()
    node.SetName(volume_node.GetName())
    volume_node.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(vtk_from_array(values))
    return node


def _on_one_grid(images: list[Image], series: Series) -> list[Image]:
    first = images[0]
    for number, image in enumerate(images):
        if not image.same_grid(first, _GRID_TOLERANCE):
            raise InputError(
                _(
                    "{frame} is on another grid ({other}) than the first ({first}): resample the frames to one grid, or "
                    "remove those that do not belong to the series."
                ).format(frame=_frame_name(series, number), other=_describe(image), first=_describe(first))
            )
    return [first, *(first.with_array(image.array) for image in images[1:])]


def _frame_name(series: Series, number: int) -> str:
    return _("Frame {number} of '{name}'").format(number=number, name=series.name)


def _describe(image: Image) -> str:
    def by(values) -> str:
        return " x ".join(f"{value:.4g}" for value in values)

    return _("{size} voxels of {spacing} mm").format(size=by(image.geometry.size), spacing=by(image.spacing))


def _sequences_logic():
    return slicer.modules.sequences.logic()


def reason_against_series(node, reference: int) -> str:
    """What speaks against moving from a reference frame through a sequence; empty where nothing does."""
    try:
        frames = len(find_series(node))
    except InputError as error:
        return str(error)
    if frames < 2:
        return _("Select a sequence of at least two frames.")
    if reference >= frames:
        return _("Choose a reference frame from 0 to {last}.").format(last=frames - 1)
    return ""
