"""An agent at work, in the views: the moving image and its structures walk over the fixed one, and plots grow.

The nodes are not saved with the scene and go when the walk is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import slicer

from DeformationSceneLib.live_deformation import LiveDeformation
from DeformationSceneLib.slice_views import HiddenNodes, SliceLayers, turn_red_view

from .walk_charts import amplitudes_chart, similarity_chart

if TYPE_CHECKING:
    from AgentRegistrationLib.agent_registration import AgentRegistration

    from .walk_run import WalkPicture


class LiveWalk:
    """The live nodes of one registration.

    Attributes:
        deformation: transform, contours and image that walk.
        similarity, amplitudes: charts that grow.
    """

    def __init__(
        self,
        registration: AgentRegistration,
        nodes: tuple,
        display: str | None,
        opacity: float,
        picture: WalkPicture,
        closer: bool = True,
        hide: Sequence = (),
    ) -> None:
        """Put the nodes into the scene and the views.

        Args:
            registration: that walks.
            nodes: fixed and moving volume, and the moving structure or None.
            display: "arrows", "grid", "contours" or None: how slice views draw the transform.
            opacity: 0..1, of the moving image over the fixed one.
            picture: of where the walk stands.
            closer: whether the views move to the images.
            hide: nodes that are not seen meanwhile: what an earlier end of the walk has left.

        Raises:
            InputError: for a structure that is empty or lies outside the moving image; the scene is as it was.
        """
        fixedNode, movingNode, structureNode = nodes
        self._scene, self._nodes = fixedNode.GetScene(), nodes
        self._layers = SliceLayers(self._scene)
        self.deformation = LiveDeformation(self._scene, registration, movingNode, structureNode, display)
        self._hidden = HiddenNodes(hide)
        self.similarity = self.amplitudes = None
        try:
            self.deformation.show_image(True)
            self._showInViews(fixedNode, opacity, closer)
            self.show(picture, charts=True)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """False once the scene was closed, or somebody deleted one of the volumes or the live transform."""
        return self.deformation.alive and self._nodes[0].GetScene() is not None

    def show(self, picture: WalkPicture, charts: bool = True) -> None:
        """Follow a picture. `charts`: whether the plots grow, too."""
        if not self.alive:
            return
        if picture.displacement is not None:
            self.deformation.apply(picture.displacement)
        if charts:
            fixedNode, movingNode, _structure = self._nodes
            name = f"{movingNode.GetName()} to {fixedNode.GetName()}: live"
            with self.deformation.adopting_new_nodes():
                for kind, chart in (("similarity", similarity_chart), ("amplitudes", amplitudes_chart)):
                    setattr(self, kind, chart(self._scene, f"AgentRegistration/live/{kind}", picture, name, movingNode))

    def fade(self, opacity: float) -> None:
        """How much of the moving image is seen over the fixed one, 0..1."""
        slicer.util.setSliceViewerLayers(foregroundOpacity=opacity)

    def close(self, restore: bool = True) -> None:
        """Remove the nodes; `restore`: views show again what they showed before."""
        self.deformation.close()
        self.similarity = self.amplitudes = None
        self._hidden.restore()
        if restore:
            self._layers.restore()

    def _showInViews(self, fixedNode, opacity: float, closer: bool) -> None:
        if slicer.app.layoutManager() is None:
            return
        slicer.util.setSliceViewerLayers(
            background=fixedNode, foreground=self.deformation.deformed_image, foregroundOpacity=opacity, fit=closer
        )
        if closer and fixedNode.GetImageData().GetDimensions()[2] == 1:
            turn_red_view(fixedNode)
