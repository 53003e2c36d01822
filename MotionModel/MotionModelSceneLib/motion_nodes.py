"""A motion as sequences that one browser plays: the moving grid, the tracked structure, warped images, Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image, resample
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import place_beside, remove_node, unique_name
from DeformationSceneLib.segmentations import update_segmentation
from DeformationSceneLib.sequences import SequenceIndex, SequenceRecording
from DeformationSceneLib.structure_parts import add_layers, read_layers
from DeformationSceneLib.transforms import add_displacement_transform, set_displacement, show_transform
from DeformationSceneLib.volumes import add_volume, show_jacobian, update_volume

if TYPE_CHECKING:
    from MotionModelLib.motion import Motion

MAXIMUM_TRANSFORM_BYTES = 2**29
"""Displacements that would take more memory are stored at every second voxel, which smooth motion does not notice."""


@dataclass
class MotionNodes:
    """Proxy nodes of the sequences that show a motion; those that were not asked for are None.

    Attributes:
        browser: the sequence browser that plays them.
        frames: the frames themselves, where they were no sequence before.
        transform: grid transform from each frame to the reference (FromParent): the reference's volume or segmentation
            put under it moves as the series does.
        segmentation: the reference's segmentation (or label map volume) carried to each frame.
        warped: the reference image carried to each frame.
        compensated: each frame with its motion undone.
        jacobian: change of volume of the tissue since the reference, on the reference's grid.
        sequences: the sequence node of each of them, by these names.
    """

    browser: object = None
    frames: object = None
    transform: object = None
    segmentation: object = None
    warped: object = None
    compensated: object = None
    jacobian: object = None
    sequences: dict[str, object] = field(default_factory=dict)

    def proxies(self) -> dict[str, object]:
        """The proxies that are there, by name."""
        nodes = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("browser", "sequences")}
        return {name: node for name, node in nodes.items() if node is not None}


@dataclass
class MotionFrames:
    """What a motion makes of each frame: one entry per frame in every list that was asked for.

    `displacement` gives that of a frame in full where the transforms are thinned out. `tracked` is False where there are
    no frames but the moved reference: of simulated and transported motion.
    """

    transform: list[Image] = field(default_factory=list)
    segmentation: list[list[Image]] = field(default_factory=list)
    warped: list[Image] = field(default_factory=list)
    compensated: list[Image] = field(default_factory=list)
    jacobian: list[Image] = field(default_factory=list)
    frames: list[Image] = field(default_factory=list)
    displacement: Callable[[int], Image] | None = None
    tracked: bool = True

    def __len__(self) -> int:
        return len(self.transform)


def layers_on(node, image: Image, image_name: str) -> list[Image]:
    """Label maps of a structure on the grid of an image, wherever its own voxels lie; none without a node.

    Raises InputError for a structure without any voxel there.
    """
    layers = [
        layer if layer.same_grid(image) else resample(layer, image.geometry, "label", 0.0)
        for layer in read_layers(node, image)
    ]
    if layers and not any((layer.array > 0).any() for layer in layers):
        raise InputError(
            _("'{structure}' has no voxel in the frames of '{series}'; choose the one of the reference frame.").format(
                structure=node.GetName(), series=image_name
            )
        )
    return layers


def compute_frames(motion: Motion, layers: list[Image], outputs: set[str], progress: Progress) -> MotionFrames:
    """Warp, undo and measure, frame by frame; touches no node.

    Args:
        motion: what moves.
        layers: label maps of the reference's structure, from `layers_on`.
        outputs: names of fields of `MotionFrames`; transforms are always made.
        progress: reports and cancels, between frames.
    """
    step = _grid_step(motion)
    result = MotionFrames(displacement=motion.displacement, tracked=motion.frames is not None)
    if step == 1:
        result.displacement = result.transform.__getitem__
    for number in range(len(motion)):
        progress.report(number / len(motion), "Warping")
        result.transform.append(_thinned(motion.displacement(number), step))
        if layers and "segmentation" in outputs:
            result.segmentation.append([motion.warp_labels(layer, number) for layer in layers])
        if "warped" in outputs:
            result.warped.append(_stored(motion.warp(motion.reference, number), motion.reference))
        if "compensated" in outputs:
            result.compensated.append(_stored(motion.compensate(number), motion.reference))
        if "jacobian" in outputs:
            jacobian = motion.jacobian(number)
            result.jacobian.append(jacobian.with_array(jacobian.array.astype(np.float32)))
    progress.report(1.0)
    return result


def add_motion(
    scene,
    frames: MotionFrames,
    name: str,
    index: SequenceIndex,
    volumeNode,
    structureNode=None,
    browser=None,
    beside=None,
    reference: int = 0,
    display: str | None = "grid",
) -> MotionNodes:
    """Put what was computed into the scene, as sequences with proxies.

    Args:
        scene: where to.
        frames: from `compute_frames`.
        name: what the nodes are named after.
        index: of the frames.
        volumeNode: the volume that shows the series, or the one that moves; None if there is none.
        structureNode: what the label maps are of.
        browser: what plays the series already; without one, a new browser is made.
        beside: the node beside which they go, by default `volumeNode`.
        reference: the frame that a new browser shows first.
        display: "grid", "arrows", "contours" or None: how slice views draw the transform.

    Put it inside `scene_as_it_was_on_failure` and `browser_as_it_was_on_failure`.
    """
    nodes = _add_proxies(scene, frames, name, volumeNode, structureNode, beside or volumeNode)
    proxies = nodes.proxies()
    recording = SequenceRecording.along(scene, list(proxies.values()), index)
    nodes.sequences = dict(zip(proxies, recording.sequences, strict=True))
    for number, value in enumerate(index.values):
        _update(nodes, frames, number, structureNode, volumeNode)
        recording.record(value)
    if browser is None:
        nodes.browser = recording.finish(_("{name} browser").format(name=name), selected=reference)
    else:
        recording.join(browser)
        nodes.browser = browser
    if nodes.segmentation is not None:
        # Shared with the items rather than copied: corrections stay, and so does how each segment is shown.
        nodes.browser.SetSaveChanges(nodes.sequences["segmentation"], True)
    show_motion(nodes.transform, frames.transform, display)
    return nodes


def show_motion(transformNode, displacements: list[Image], display: str | None = "grid") -> None:
    """Draw the transform of a motion in slice views, coloured by the largest displacement of all frames."""
    largest = max(float(np.linalg.norm(image.array, axis=-1).max()) for image in displacements)
    show_transform(transformNode, display, maximum_mm=max(largest, 0.1))
    transformNode.GetDisplayNode().SetSliceIntersectionThickness(1)


def replace_motion(old: MotionNodes, new: MotionNodes) -> None:
    """Take sequences and proxies of an earlier motion out of their browser and the scene; the new ones get their names."""
    freed = {}
    for key, node in old.proxies().items():
        sequence = old.sequences.get(key)
        if old.browser is not None and old.browser.GetScene() is not None and sequence.GetScene() is not None:
            old.browser.RemoveSynchronizedSequenceNode(sequence.GetID())
        for kind, one in (("proxy", node), ("sequence", sequence)):
            freed[key, kind] = one.GetName()
            remove_node(one)
    for key, node in new.proxies().items():
        for kind, one in (("proxy", node), ("sequence", new.sequences[key])):
            if (key, kind) in freed:
                one.SetName(unique_name(one.GetScene(), freed[key, kind]))


def _add_proxies(scene, frames: MotionFrames, name: str, volumeNode, structureNode, beside) -> MotionNodes:
    nodes = MotionNodes()
    # The moving image is a frame of the fixed series: one proxy stands for both.
    nodes.transform = add_displacement_transform(
        scene, frames.transform[0], unique_name(scene, _("{name} motion").format(name=name)), volumeNode, volumeNode
    )
    if frames.segmentation:
        title = unique_name(scene, _("{structure} tracked").format(structure=structureNode.GetName()))
        nodes.segmentation = add_layers(structureNode, frames.segmentation[0], title, None)
        _show_contours(nodes.segmentation)
    volumes = {
        "warped": _("{name} reference moved") if frames.tracked else "{name}",
        "compensated": _("{name} motion undone"),
        "jacobian": _("{name} Jacobian"),
        "frames": _("{name} frames"),
    }
    for key, title in volumes.items():
        images = getattr(frames, key)
        if images:
            like = None if key == "jacobian" else volumeNode
            node = add_volume(scene, images[0], unique_name(scene, title.format(name=name)), like=like)
            setattr(nodes, key, node)
    if nodes.jacobian is not None:
        show_jacobian(nodes.jacobian)
    for key, node in nodes.proxies().items():
        place_beside(node, structureNode if key == "segmentation" else beside)
    return nodes


def _show_contours(node) -> None:
    """Contours that leave the moving anatomy to be seen."""
    display = node.GetDisplayNode()
    if display is not None and display.IsA("vtkMRMLSegmentationDisplayNode"):
        display.SetOpacity2DFill(0.15)
        display.SetSliceIntersectionThickness(2)


def _update(nodes: MotionNodes, frames: MotionFrames, number: int, structureNode, volumeNode) -> None:
    """Give the proxies the content of one frame."""
    set_displacement(nodes.transform, frames.transform[number])
    for key in ("warped", "compensated", "jacobian", "frames"):
        if getattr(nodes, key) is not None:
            update_volume(getattr(nodes, key), getattr(frames, key)[number])
    if nodes.segmentation is None:
        return
    layers = frames.segmentation[number]
    if nodes.segmentation.IsA("vtkMRMLSegmentationNode"):
        update_segmentation(nodes.segmentation, layers, like=structureNode)
    else:
        update_volume(nodes.segmentation, layers[0])


def _grid_step(motion: Motion) -> int:
    size = len(motion) * motion.reference.array.size * 3 * 4
    return 2 if size > MAXIMUM_TRANSFORM_BYTES else 1


def _thinned(displacement: Image, step: int) -> Image:
    """Every `step`-th voxel within the slices; beyond its last voxel a transform goes on with the value there."""
    if step == 1:
        return displacement
    geometry = displacement.geometry
    array = np.ascontiguousarray(displacement.array[:, ::step, ::step])
    spacing = (geometry.spacing[0] * step, geometry.spacing[1] * step, geometry.spacing[2])
    return Image.on_grid(array, Geometry(array.shape[2::-1], spacing, geometry.origin, geometry.direction))


def _stored(image: Image, like: Image) -> Image:
    """Warped voxels in the type of the image that they come from: a series in half the memory."""
    kind = like.array.dtype
    if np.issubdtype(kind, np.integer):
        return image.with_array(np.rint(image.array).astype(kind))
    return image.with_array(image.array.astype(np.float32))
