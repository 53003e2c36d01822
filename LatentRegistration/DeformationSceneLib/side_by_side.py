"""Two motions beside each other in two slice views of a layout of its own."""

from __future__ import annotations

from dataclasses import dataclass

import slicer
import vtk

LAYOUT = 5531
"""Number of the layout; Slicer's own are below 1000."""

RIGHT = "Motion"
"""Name of the right view, which belongs to this layout alone: other layouts keep what their views show."""

_LEFT = "Red"
_DESCRIPTION = """
<layout type="horizontal">
 <item><view class="vtkMRMLSliceNode" singletontag="Red">
  <property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">R</property>
  <property name="viewcolor" action="default">#F34A33</property>
 </view></item>
 <item><view class="vtkMRMLSliceNode" singletontag="Motion">
  <property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">M</property>
  <property name="viewcolor" action="default">#F2A73B</property>
 </view></item>
</layout>
"""


@dataclass(frozen=True)
class Shown:
    """What one view shows: the volume that a browser plays, and a structure that moves with it."""

    browser: object
    volume: object
    segmentation: object = None

    @property
    def exists(self) -> bool:
        """Whether its nodes are in the scene."""
        nodes = (self.browser, self.volume, self.segmentation)
        return all(node is None or node.GetScene() is not None for node in nodes)


class PairedPlayback:
    """Lets one browser follow another: at the same share of the cycle, whatever the numbers of frames."""

    def __init__(self, leader, follower):
        self._leader, self._follower = leader, follower
        self._tag = leader.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow)
        self._follow()

    def stop(self) -> None:
        """Let the two go their own ways."""
        if self._tag is not None:
            self._leader.RemoveObserver(self._tag)
            self._tag = None

    def _follow(self, _caller=None, _event=None) -> None:
        count, frames = self._leader.GetNumberOfItems(), self._follower.GetNumberOfItems()
        selected = self._leader.GetSelectedItemNumber()
        if count > 0 and frames > 0 and selected >= 0:
            self._follower.SetSelectedItemNumber(round(selected * frames / count) % frames)


class SideBySide:
    """Shows two motions and plays them together, until `hide` brings back what was shown before."""

    def __init__(self):
        self._playback: PairedPlayback | None = None
        self._layout: int | None = None
        self._background = ""
        self._before: list[tuple] = []

    def show(self, left: Shown, right: Shown) -> None:
        """Show two motions, in the planes of their volumes; the right one is played, the left one follows."""
        self._stop()
        self._restore()
        manager = slicer.app.layoutManager()
        if manager is not None:
            if self._layout is None:
                self._layout = manager.layout
                self._background = _composite(manager, _LEFT).GetBackgroundVolumeID() or ""
            show_layout(manager)
            self._hide_all_but((left, right))
            for name, one in ((_LEFT, left), (RIGHT, right)):
                _show_in_view(manager.sliceWidget(name).sliceLogic(), one)
        if left.browser is not None and left.browser is not right.browser:
            self._playback = PairedPlayback(right.browser, left.browser)

    def hide(self) -> None:
        """Show the layout, the image and the structures that were there before."""
        self._stop()
        self._restore()
        manager, before = slicer.app.layoutManager(), self._layout
        self._layout = None
        if manager is not None and before is not None:
            if slicer.mrmlScene.GetNodeByID(self._background) is not None:
                _composite(manager, _LEFT).SetBackgroundVolumeID(self._background)
            manager.setLayout(before)

    def forget(self) -> None:
        """The result, the scene or the panel goes away: leave the views as they are."""
        self._stop()
        self._restore()
        self._layout = None

    def _stop(self) -> None:
        if self._playback is not None:
            self._playback.stop()
            self._playback = None

    def _hide_all_but(self, pair) -> None:
        """Both motions lie in the same space: structures and grids of others would be drawn over them.

        The grids of the two as well, since slice views go on drawing transforms that are limited to another view later on.
        """
        shown = {one.segmentation for one in pair}
        for kind in ("vtkMRMLSegmentationNode", "vtkMRMLTransformNode"):
            for node in slicer.util.getNodesByClass(kind):
                display = node.GetDisplayNode()
                if display is not None:
                    self._before.append((display, display.GetVisibility(), display.GetViewNodeIDs()))
                    if node not in shown:
                        display.SetVisibility(False)

    def _restore(self) -> None:
        """Show what was shown before, where it was."""
        for display, visible, views in self._before:
            if display.GetScene() is not None:
                display.SetVisibility(visible)
                display.SetViewNodeIDs(views)
        self._before = []


def show_layout(manager) -> None:
    """Choose the layout with the two slice views; other scenes do not know it yet."""
    node = manager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(LAYOUT):
        node.AddLayoutDescription(LAYOUT, _DESCRIPTION)
    manager.setLayout(LAYOUT)


def _composite(manager, view: str):
    return manager.sliceWidget(view).sliceLogic().GetSliceCompositeNode()


def _show_volume(logic, volumeNode) -> None:
    composite = logic.GetSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)


def _show_in_view(logic, shown: Shown) -> None:
    _show_volume(logic, shown.volume)
    slice_node = logic.GetSliceNode()
    slice_node.RotateToVolumePlane(shown.volume)
    bounds = [0.0] * 6
    shown.volume.GetRASBounds(bounds)
    slice_node.JumpSliceByOffsetting(*((bounds[axis] + bounds[axis + 1]) / 2 for axis in (0, 2, 4)))
    logic.FitSliceToAll()
    display = shown.segmentation.GetDisplayNode() if shown.segmentation is not None else None
    if display is not None:
        display.SetViewNodeIDs([slice_node.GetID()])
        display.SetVisibility(True)
