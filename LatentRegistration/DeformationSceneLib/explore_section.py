"""Sections of panels that explore: the components that deform an image, a slider that deforms it live, exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.image import Image

from .amplitude_controls import AmplitudeControls
from .background import BackgroundJob, LatestRequest
from .live_deformation import Deformer, LiveDeformation
from .messages import error_sentence, errors_shown, show_error, warning_lines
from .model_list import ModelList
from .segmentations import mask_from_node
from .slice_views import bring_into_views
from .volumes import image_from_volume


class Explorer(Deformer, Protocol):
    """One image and the components that deform it, for example a `LatentRegistrationLib.explorer.Explorer`.

    Attributes:
        count: of the components.
        explained_variance_ratio: ``(count,)`` share of the training population's variance along each.
        standard_deviations: ``(count,)`` spread of the training population, in the amplitudes' own units.
        warnings: sentences for the user.
    """

    count: int
    explained_variance_ratio: np.ndarray
    standard_deviations: np.ndarray
    warnings: list[str]

    def amplitudes(self, deviations: Sequence[float]) -> np.ndarray:
        """Amplitudes ``(count,)`` in their own units of ones in standard deviations."""

    def displacement(
        self, component: int = 0, amplitude: float = 0.0, amplitudes: Sequence[float] | None = None
    ) -> Image:
        """Displacement (k, j, i, 3), LPS mm, pull-back, on the image's grid."""


@dataclass(frozen=True)
class Exploration:
    """What is being explored: an image with its structure, its components by a model, and the live nodes."""

    imageNode: object
    structureNode: object
    model: str
    explorer: Explorer
    live: LiveDeformation

    @property
    def inputs(self) -> tuple:
        """What the user has selected: image, structure, model."""
        return self.imageNode, self.structureNode, self.model


class ExploreSection:
    """Encodes the image beside the window, then lets its components be moved; the nodes it shows are gone afterwards.

    Modules derive their own from it: `controls` are the buttons that can be used only while one explores, besides the
    amplitudes; `outputs` (and, where there is more to show, `began` and `showAppearance`) are theirs.

    Args:
        ui: widgets by name.
        logic: of the module.
    """

    controls: tuple[str, ...] = ("exploreExportTransformButton", "exploreExportSequenceButton")

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._exploration: Exploration | None = None
        self._shown: dict = {}
        self._observed: list[tuple] = []
        self._request = LatestRequest(self._compute, self._show, self._onLiveFailed)
        self._models = ModelList(ui.exploreModelComboBox, None, logic, self._onModelChosen)
        self._controls = AmplitudeControls(ui, self._ask, self.componentTitle())
        ui.exploreButton.connect("clicked(bool)", self._onExploreClicked)
        self._outputs = self.outputs()
        self.showState("")

    # What a module says of its own

    def componentTitle(self) -> str:
        """What the list calls a component; empty for just that."""
        return ""

    def outputs(self):
        """What answers the buttons for plots and exports."""
        from .explore_exports import ExploreExports

        return ExploreExports(self)

    def began(self):
        """An image is explored now."""

    def showAppearance(self):
        """Show what follows from the parameters of how the deformation is drawn."""
        live = self._exploration.live
        display, image = self._parameters.exploreDisplay.value, self._parameters.exploreShowImage
        if self._shown.get("display") != display:
            self._shown["display"] = display
            live.set_display(None if display == "nothing" else display)
        if self._shown.get("image", False) != image:
            self._shown["image"] = image
            with errors_shown(_("Deformed image")):
                live.show_image(image)

    def wholeCode(self, amplitudes: list[float]) -> np.ndarray | None:
        """A code that is to be shown for amplitudes, where a model knows more of it than they say; or None."""
        return None

    # What the panel calls

    @property
    def exploring(self) -> bool:
        """Whether an image is shown live."""
        return self._exploration is not None

    @property
    def running(self) -> bool:
        """Whether work is under way: encoding, or an export."""
        return self._job is not None and self._job.running

    @property
    def exploration(self) -> Exploration | None:
        """What is being explored, while one explores."""
        return self._exploration

    @property
    def connected(self) -> bool:
        """Whether there are parameters: not while another module is open."""
        return self._parameters is not None

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none; what is shown live stays while another module is open."""
        self._parameters = parameterNode
        self._controls.setParameterNode(parameterNode)

    def modelsChanged(self):
        """Models were installed or removed."""
        self._models.refresh()
        if self._parameters is not None:
            self._models.choose(self._parameters.exploreModel)

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._models.choose(self._parameters.exploreModel)
        if self.exploring and self._selectedInputs() != self._exploration.inputs:
            self._followInputs()
        if self.exploring:
            self._controls.parametersChanged()
            self.showAppearance()
        self._updateEnabled()

    def sceneClosing(self):
        """The scene goes away, and the live nodes with it."""
        self._end(sceneCloses=True)
        self.showState("")

    def cleanup(self):
        """The panel goes away."""
        self._end()

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.exploreModel = name

    # Exploring

    def _onExploreClicked(self, _checked=False):
        if self.running:
            self._job.cancel()
        elif self.exploring:
            self._stop("")
        else:
            with errors_shown(_("Exploration failed")):
                self._start()
            self._updateEnabled()

    def _start(self):
        from DeformationSceneLib.installation import BACKEND, ensure_dependencies, how_to_install, missing_dependencies

        parameters = self._parameters
        if parameters is None or not parameters.exploreVolume:
            raise InputError(_("Select the volume that is to be explored."))
        if not ensure_dependencies():
            self.showState(how_to_install(missing_dependencies(BACKEND)))
            return
        image = image_from_volume(parameters.exploreVolume)
        mask = mask_from_node(parameters.exploreStructure, image)
        model, device = parameters.exploreModel, parameters.device.value
        inputs = self._selectedInputs()

        def encode(progress):
            progress.report(0.0, "Loading the model")
            loaded = self.logic.model(model, device)
            progress.report(0.6, "Encoding the image")
            return loaded.explorer(image, mask)

        self.run(encode, lambda explorer: self._begin(explorer, *inputs), _("Exploration failed"))

    def _begin(self, explorer, imageNode, structureNode, model):
        """The image is encoded: show it live."""
        if imageNode.GetScene() is None:
            raise InputError(_("The volume was deleted meanwhile: select another one."))
        live = LiveDeformation(imageNode.GetScene(), explorer, imageNode, structureNode, display=None)
        self._exploration = Exploration(imageNode, structureNode, model, explorer, live)
        self._shown = {}
        self._observe(imageNode)
        self._controls.begin(explorer.explained_variance_ratio)
        self.began()
        bring_into_views(imageNode, live.centre)
        self.showState(warning_lines(explorer.warnings) or _("Click a row of the list and move the slider."))
        if self._parameters is not None:
            self.parametersChanged()
        self._outputs.updateCharts()

    def _followInputs(self):
        """The image, the structure or the model is another one now."""
        imageNode, structureNode, model = self._selectedInputs()
        explored = self._exploration
        if explored.live.owns(imageNode) or explored.live.owns(structureNode):
            self.showState(_("What is shown live cannot be explored itself: export it first."))
            self._parameters.exploreVolume = explored.imageNode
            self._parameters.exploreStructure = explored.structureNode
            return
        if imageNode is not explored.imageNode:
            self._stop(_("The volume was changed: press Explore to go on with the new one."))
            return
        self._stop("")
        if model != explored.model:
            self._parameters.exploreAmplitudes = []  # they mean something else to another model
        self._onExploreClicked()

    def _stop(self, message: str):
        self._end()
        self.showState(message)

    def _end(self, sceneCloses: bool = False):
        """Stop everything and remove the live nodes, which a scene that closes does itself."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
        self._request.stop()
        self._controls.end()
        exploration, self._exploration = self._exploration, None
        for subject, tag in self._observed:
            subject.RemoveObserver(tag)
        self._observed = []
        if exploration is not None and not sceneCloses:
            exploration.live.close()

    def _observe(self, imageNode):
        """What makes the live nodes wrong: another content or place of the image, nodes that are deleted."""
        changed = lambda caller, event: self._stop(_("The volume has changed: press Explore to encode it again."))  # noqa: E731
        for event in (
            slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
            slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
        ):
            self._observed.append((imageNode, imageNode.AddObserver(event, changed)))
        scene = imageNode.GetScene()
        self._observed.append((scene, scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._onNodeRemoved)))

    def _onNodeRemoved(self, _caller, _event):
        if self.exploring and not self._exploration.live.alive:
            self._stop(_("The volume or the live transform was deleted: exploring has ended."))

    def _selectedInputs(self) -> tuple:
        parameters = self._parameters
        return parameters.exploreVolume, parameters.exploreStructure, parameters.exploreModel

    # Following the slider

    def amplitudes(self) -> list[float]:
        """Of all components, in standard deviations."""
        return self._controls.amplitudes()

    def component(self) -> int:
        """The chosen one, counted from 0."""
        return self._controls.component()

    def stopAnimation(self):
        """Let the amplitude stay where the animation has brought it."""
        self._controls.stopAnimation()

    def _ask(self, amplitudes: list[float]):
        """Let the views follow; amplitudes that come faster than they can be computed are left out."""
        if not self.exploring:
            return
        code = self.wholeCode(amplitudes)
        asked = amplitudes, None if code is None else code.tolist()
        if self._shown.get("amplitudes") != asked:
            self._shown["amplitudes"] = asked
            self._request.ask((self._exploration, amplitudes, code))

    @staticmethod
    def _compute(request):
        """In the thread."""
        exploration, amplitudes, code = request
        if code is None:
            return exploration.live, exploration.live.compute(amplitudes)
        return exploration.live, exploration.explorer.live_displacement_of_code(code)

    def _show(self, answer):
        live, displacement = answer
        if self.exploring and live is self._exploration.live:
            live.apply(displacement)

    def _onLiveFailed(self, error):
        self._stop(error_sentence(error))
        show_error(error, _("Exploration failed"))

    # Work and state

    def run(self, work: Callable, finish: Callable, title: str):
        """Run work beside the window, then `finish` with its result on the main thread; errors become dialogs."""

        def fail(error):
            self.showState(_("Failed: {sentence}").format(sentence=error_sentence(error)))
            show_error(error, title)

        def done(result):
            try:
                finish(result)
            except Exception as error:
                fail(error)

        self._job = BackgroundJob(
            work,
            onDone=done,
            onFailed=fail,
            onCancelled=lambda: self.showState(_("Cancelled; the scene is as it was.")),
            onProgress=self._showProgress,
        )
        self._job.start()
        self.ui.exploreProgressBar.value = 0
        self.showState(_("Starting"))

    def _showProgress(self, fraction, message):
        self.ui.exploreProgressBar.value = round(100 * fraction)
        self.ui.exploreMessageLabel.text = _(message)

    def showState(self, message: str):
        """Show a sentence and what can be done now."""
        self.ui.exploreMessageLabel.text = message
        self.ui.exploreProgressBar.visible = self.running
        self._updateEnabled()

    def _updateEnabled(self):
        button, running, exploring = self.ui.exploreButton, self.running, self.exploring
        button.checked = exploring
        button.text = _("Cancel") if running else _("Stop exploring") if exploring else _("Explore")
        selected = self._parameters is not None and bool(self._parameters.exploreVolume)
        button.enabled = running or exploring or selected
        button.toolTip = _("Encode the image and deform it live") if button.enabled else _("Select a volume.")
        for name in self.controls:
            getattr(self.ui, name).enabled = exploring and not (running and "Export" in name)
