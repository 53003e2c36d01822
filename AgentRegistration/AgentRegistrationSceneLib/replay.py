"""A walk that was kept, shown again: the moving volume and its structures follow what the sequence browser shows.

All it needs are the nodes, so that it works in a scene that was saved, and without torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationSceneLib.live_deformation import LiveDeformation
from DeformationSceneLib.messages import error_sentence, errors_shown
from DeformationSceneLib.slice_views import HiddenNodes, SliceLayers, turn_red_view
from DeformationSceneLib.transforms import displacement_from_transform
from DeformationSceneLib.volumes import image_from_volume


def browser_of(transformNode):
    """The sequence browser that plays a transform; None for one that stands still."""
    if transformNode is None or transformNode.GetScene() is None:
        return None
    return slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(transformNode)


class _KeptDeformation:
    """What `LiveDeformation` follows: the transform as it is."""

    def __init__(self, transformNode, image: Image):
        self._transformNode, self.image = transformNode, image

    def live_displacement(self, amplitudes: Sequence[float]) -> Image:
        """The present displacement."""
        return displacement_from_transform(self._transformNode)


class Replay:
    """The live nodes of one kept walk; they go with `close`.

    Args:
        transformNode: proxy of a sequence of grid transforms that knows its fixed and moving volume.
        structureNode: segmentation or label map of the moving volume, or None.
        display: "arrows", "grid", "contours" or None: how slice views draw the transform.
        opacity: 0..1, of the moving image over the fixed one.
        hide: nodes that are not seen meanwhile: where the structure is at the end of the walk.

    Raises:
        InputError: for a transform that no browser plays, or whose volumes are gone.
    """

    def __init__(self, transformNode, structureNode=None, display: str | None = None, opacity: float = 0.5, hide=()):
        roles = slicer.vtkMRMLTransformNode
        fixedNode = transformNode.GetNodeReference(roles.GetFixedNodeReferenceRole())
        movingNode = transformNode.GetNodeReference(roles.GetMovingNodeReferenceRole())
        if browser_of(transformNode) is None:
            raise InputError(_("No sequence browser plays '{name}'.").format(name=transformNode.GetName()))
        if fixedNode is None or movingNode is None:
            raise InputError(
                _("The volumes that '{name}' belongs to are no longer in the scene.").format(
                    name=transformNode.GetName()
                )
            )
        self._scene, self._transformNode, self._display = transformNode.GetScene(), transformNode, display
        self._layers = SliceLayers(self._scene)
        kept = _KeptDeformation(transformNode, image_from_volume(movingNode))
        self.deformation = LiveDeformation(self._scene, kept, movingNode, structureNode, display)
        self._tag, self._hidden = None, HiddenNodes(hide)
        if slicer.app.layoutManager() is not None:
            self.deformation.show_image(True)
            slicer.util.setSliceViewerLayers(
                background=fixedNode,
                foreground=self.deformation.deformed_image,
                foregroundOpacity=opacity,
                fit=True,
            )
            if fixedNode.GetImageData().GetDimensions()[2] == 1:
                turn_red_view(fixedNode)
        self._tag = transformNode.AddObserver(roles.TransformModifiedEvent, self._follow)
        self._follow()

    @property
    def alive(self) -> bool:
        """False once the scene was closed, or one of its nodes was deleted."""
        return self.deformation.alive and self._transformNode.GetScene() is not None

    def close(self, restore: bool = True) -> None:
        """Remove the live nodes; `restore`: views show again what they showed before."""
        if self._tag is not None:
            self._transformNode.RemoveObserver(self._tag)
            self._tag = None
        self.deformation.close()
        self._hidden.restore()
        if restore:
            self._layers.restore()

    def _follow(self, _caller=None, _event=None):
        if self.alive:
            self.deformation.apply(displacement_from_transform(self._transformNode))


class ReplaySection:
    """The group Replay of the panel.

    Args:
        ui: widgets by name.
        onStarted: called when the views are about to show a replay.
    """

    def __init__(self, ui, onStarted=lambda: None):
        self.ui, self._onStarted = ui, onStarted
        self._parameters = None
        self._replay: Replay | None = None
        self._played = self._kept = None
        ui.replayButton.connect("clicked(bool)", self._onClicked)
        ui.fadeSlider.connect("valueChanged(int)", self._onFade)
        self._play(None)

    @property
    def running(self) -> bool:
        """No work is done beside the window."""
        return False

    @property
    def replay(self) -> Replay | None:
        """What is shown, while something is."""
        return self._replay

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def selectDefaults(self):
        """Nothing is selected by itself."""

    def parametersChanged(self):
        """Show what follows from the parameters."""
        transform = self._parameters.replayTransform
        if self._replay is not None and self._replay._transformNode is not transform:
            self.stop()
        self._play(browser_of(transform))

    def offer(self, nodes) -> None:
        """A walk was kept: let it be the one that is replayed."""
        self._kept = nodes.segmentation
        if nodes.trajectory is not None and self._parameters is not None:
            self._parameters.replayTransform = nodes.trajectory.transform

    def nodesRemoved(self):
        """Nodes were deleted: perhaps what is shown."""
        if self._replay is not None and not self._replay.alive:
            self.stop()
            self._say(_("A node of the replay was deleted: it has ended."))

    def sceneClosing(self):
        """The scene goes away."""
        self._replay = self._kept = None
        self._play(None)
        self._say("")

    def cleanup(self):
        """The panel goes away."""
        self.stop()

    def stop(self, restore: bool = True) -> None:
        """End the replay; `restore`: views show again what they showed before."""
        replay, self._replay = self._replay, None
        if replay is not None:
            browser = browser_of(replay._transformNode)
            if browser is not None:
                browser.SetPlaybackActive(False)
            replay.close(restore)
        self._update()

    def _onClicked(self, _checked=False):
        if self._replay is not None:
            self.stop()
            return
        with errors_shown(_("Replay")):
            try:
                self._start()
            except Exception as error:
                self._say(error_sentence(error))
                raise
            finally:
                self._update()

    def _start(self):
        parameters, ui = self._parameters, self.ui
        self._onStarted()
        transform = parameters.replayTransform
        display = ui.deformationDisplayComboBox.currentData
        structure = parameters.movingSegmentation
        moving = transform.GetNodeReference(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole())
        self._replay = Replay(
            transform,
            structure if moving is parameters.movingVolume else None,
            None if display == "nothing" else display,
            ui.fadeSlider.value / 100,
            (self._kept,),
        )
        browser = browser_of(transform)
        browser.SetSelectedItemNumber(0)
        browser.SetPlaybackActive(True)
        self._say("")

    def _onFade(self, value):
        if self._replay is not None:
            slicer.util.setSliceViewerLayers(foregroundOpacity=value / 100)

    def _play(self, browser):
        if browser is not self._played or browser is None:
            self._played = browser
            for widget in (self.ui.replaySeekWidget, self.ui.replayPlayWidget):
                widget.setMRMLSequenceBrowserNode(browser)
        self._update()

    def _update(self):
        button = self.ui.replayButton
        button.enabled = self._played is not None
        button.checked = self._replay is not None
        button.text = _("Stop the replay") if self._replay is not None else _("Replay")
        for widget in (self.ui.replaySeekWidget, self.ui.replayPlayWidget):
            widget.enabled = self._played is not None

    def _say(self, message: str):
        self.ui.replayMessageLabel.text = message
        self.ui.replayMessageLabel.visible = bool(message)
