"""Sequences of nodes along an index (an amplitude, a time), with a browser that plays them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from .placement import place_beside, unique_name


@dataclass(frozen=True)
class SequenceIndex:
    """What the items of a sequence are counted by.

    Attributes:
        values: of the items, as the nodes keep them: texts.
        name, unit: of the index.
        numeric: whether the values are numbers.
        tolerance: numbers that are closer than this are the same.
    """

    values: tuple[str, ...]
    name: str = "frame"
    unit: str = ""
    numeric: bool = True
    tolerance: float = 0.001

    @classmethod
    def of(cls, sequence: slicer.vtkMRMLSequenceNode) -> SequenceIndex:
        """That of a sequence of the scene."""
        values = tuple(sequence.GetNthIndexValue(number) for number in range(sequence.GetNumberOfDataNodes()))
        numeric = sequence.GetIndexType() == slicer.vtkMRMLSequenceNode.NumericIndex
        tolerance = sequence.GetNumericIndexValueTolerance()
        return cls(values, sequence.GetIndexName() or "", sequence.GetIndexUnit() or "", numeric, tolerance)

    @classmethod
    def counted(cls, count: int, name: str = "frame") -> SequenceIndex:
        """Frames 0 to count - 1."""
        return cls(tuple(map(str, range(count))), name)

    @property
    def positions(self) -> np.ndarray:
        """Numbers to plot against, ``(N,)``: the values, or the numbers of the frames where the values are texts."""
        try:
            positions = np.array([float(value) for value in self.values])
        except ValueError:
            return np.arange(len(self.values), dtype=float)
        return positions if self.numeric and np.isfinite(positions).all() else np.arange(len(self.values), dtype=float)

    @property
    def title(self) -> str:
        """Of an axis along which `positions` are plotted."""
        if not np.array_equal(self.positions, np.arange(len(self.values))) and self.name:
            return f"{self.name} ({self.unit})" if self.unit else self.name
        return "frame"


class SequenceRecording:
    """Records the states of nodes of the scene, one after the other, into sequences that one browser plays.

    The nodes themselves become the proxies, so that what plays keeps their names, colours and places.

    >>> recording = SequenceRecording(scene, [transform_node, volume_node], "amplitude", "SD")
    >>> for amplitude in (-2.0, 0.0, 2.0):
    ...     set_displacement(transform_node, ...)
    ...     recording.record(amplitude)
    >>> browser = recording.finish("Component 1", selected=1)
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        nodes: Sequence,
        index_name: str,
        index_unit: str,
        numeric: bool = True,
        tolerance: float = 0.001,
    ) -> None:
        self._nodes = list(nodes)
        self._scene, self._numeric, self._tolerance = scene, numeric, tolerance
        self.sequences = [self._add_sequence(node, index_name, index_unit) for node in self._nodes]

    @classmethod
    def along(cls, scene: slicer.vtkMRMLScene, nodes: Sequence, index: SequenceIndex) -> SequenceRecording:
        """A recording with the index of another sequence."""
        return cls(scene, nodes, index.name, index.unit, index.numeric, index.tolerance)

    def record(self, value: float | str) -> None:
        """Add a copy of every node at a value of the index; values that are there already are replaced."""
        for node, sequence in zip(self._nodes, self.sequences, strict=True):
            sequence.SetDataNodeAtValue(node, value if isinstance(value, str) else f"{value:g}")

    def finish(self, name: str, selected: int = 0, frames_per_second: float = 8.0):
        """The sequence browser; its toolbar plays the sequences, from the item `selected` on."""
        browser = self._scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", unique_name(self._scene, name))
        was_modifying = browser.StartModify()
        self.join(browser)
        browser.SetPlaybackRateFps(frames_per_second)
        # A slow computer shows all items slowly rather than some of them.
        browser.SetPlaybackItemSkippingEnabled(False)
        browser.SetIndexDisplayFormat("%.2f")
        browser.SetSelectedItemNumber(selected)
        browser.EndModify(was_modifying)
        place_beside(browser, self._nodes[0])
        return browser

    def join(self, browser: slicer.vtkMRMLSequenceBrowserNode) -> None:
        """Let a browser that is there already play what was recorded together with its own sequences."""
        was_modifying = browser.StartModify()
        for node, sequence in zip(self._nodes, self.sequences, strict=True):
            browser.AddSynchronizedSequenceNode(sequence)
            browser.AddProxyNode(node, sequence, False)
            browser.SetOverwriteProxyName(sequence, False)
            # What a user does to a proxy, a colour for example, must not be written into one item.
            browser.SetSaveChanges(sequence, False)
        browser.EndModify(was_modifying)

    def _add_sequence(self, node, index_name: str, index_unit: str):
        name = unique_name(self._scene, f"{node.GetName()} sequence")
        sequence = self._scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        sequence.SetIndexName(index_name)
        sequence.SetIndexUnit(index_unit)
        kinds = slicer.vtkMRMLSequenceNode
        sequence.SetIndexType(kinds.NumericIndex if self._numeric else kinds.TextIndex)
        sequence.SetNumericIndexValueTolerance(self._tolerance)
        if node.IsA("vtkMRMLTransformNode"):
            # Slicer's default for transforms, .seq.nrrd, reads grid transforms back as linear ones.
            storage = self._scene.AddNewNodeByClass("vtkMRMLSequenceStorageNode")
            sequence.SetAndObserveStorageNodeID(storage.GetID())
        place_beside(sequence, node)
        return sequence


def sequences_of(browser: slicer.vtkMRMLSequenceBrowserNode) -> list[slicer.vtkMRMLSequenceNode]:
    """The sequences that a browser plays, the master first."""
    found = vtk.vtkCollection()
    browser.GetSynchronizedSequenceNodes(found, True)
    return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]


@contextmanager
def browser_as_it_was_on_failure(browser: slicer.vtkMRMLSequenceBrowserNode | None) -> Iterator[None]:
    """Take sequences that joined a browser inside the `with` block out of it if an exception leaves the block.

    Their nodes stay in the scene: put it inside of `scene_as_it_was_on_failure`. None stands for no browser.
    """
    before = set() if browser is None else {sequence.GetID() for sequence in sequences_of(browser)}
    try:
        yield
    except BaseException:
        if browser is not None and browser.GetScene() is not None:
            for sequence in sequences_of(browser):
                if sequence.GetID() not in before:
                    browser.RemoveSynchronizedSequenceNode(sequence.GetID())
        raise
