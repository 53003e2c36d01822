"""Sequences of nodes along an index (an amplitude, a time), with a browser that plays them."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from .placement import place_beside, unique_name


class SequenceRecording:
    """Records the states of nodes of the scene, one after the other, into sequences that one browser plays.

    The nodes themselves become the proxies, so that what plays keeps their names, colours and places.

    >>> recording = SequenceRecording(scene, [transform_node, volume_node], "amplitude", "SD")
    >>> for amplitude in (-2.0, 0.0, 2.0):
    ...     set_displacement(transform_node, ...)
    ...     recording.record(amplitude)
    >>> browser = recording.finish("Component 1", selected=1)
    """

    def __init__(self, scene: slicer.vtkMRMLScene, nodes: Sequence, index_name: str, index_unit: str) -> None:
        self._nodes = list(nodes)
        self._scene, self._count = scene, 0
        self._sequences = [self._add_sequence(node, index_name, index_unit) for node in self._nodes]

    def record(self, value: float) -> None:
        """Add a copy of every node at a value of the index; values that are there already are replaced."""
        for node, sequence in zip(self._nodes, self._sequences, strict=True):
            sequence.SetDataNodeAtValue(node, f"{value:g}")

    def finish(self, name: str, selected: int = 0, frames_per_second: float = 8.0):
        """The sequence browser; its toolbar plays the sequences, from the item `selected` on."""
        browser = self._scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", unique_name(self._scene, name))
        was_modifying = browser.StartModify()
        for node, sequence in zip(self._nodes, self._sequences, strict=True):
            browser.AddSynchronizedSequenceNode(sequence)
            browser.AddProxyNode(node, sequence, False)
            browser.SetOverwriteProxyName(sequence, False)
            # What a user does to a proxy, a colour for example, must not be written into one item.
            browser.SetSaveChanges(sequence, False)
        browser.SetPlaybackRateFps(frames_per_second)
        # A slow computer shows all items slowly rather than some of them.
        browser.SetPlaybackItemSkippingEnabled(False)
        browser.SetIndexDisplayFormat("%.2f")
        browser.SetSelectedItemNumber(selected)
        browser.EndModify(was_modifying)
        place_beside(browser, self._nodes[0])
        return browser

    def _add_sequence(self, node, index_name: str, index_unit: str):
        name = unique_name(self._scene, f"{node.GetName()} sequence")
        sequence = self._scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        sequence.SetIndexName(index_name)
        sequence.SetIndexUnit(index_unit)
        sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
        if node.IsA("vtkMRMLTransformNode"):
            # Slicer's default for transforms, .seq.nrrd, reads grid transforms back as linear ones.
            storage = self._scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
            sequence.SetAndObserveStorageNodeID(storage.GetID())
        place_beside(sequence, node)
        return sequence
