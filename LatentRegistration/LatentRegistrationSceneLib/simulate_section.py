"""The part "Simulate and transport" of the panel: what only probabilistic models can do."""

from __future__ import annotations

import math
from collections.abc import Callable

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.background import BackgroundJob
from DeformationSceneLib.messages import error_sentence, errors_shown, show_error
from DeformationSceneLib.slice_views import bring_into_views
from DeformationSceneLib.structure_parts import part_names

from .motion_transport import MotionTransport
from .probabilistic import check_probabilistic
from .simulation import DeformationSimulation
from .uncertainty_volume import UncertaintyVolume


class SimulateSection:
    """Simulates and transports to the volume of the section Explore; the uncertainty is that of Register's pair."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._working: object = None  # the button whose work is under way
        self._refusals: dict[str, str] = {}
        self._parts = PartList(ui.simulatePartComboBox, self._onPartChosen)
        self._texts = {}
        for button, slot, text in (
            (ui.simulateButton, self._startSimulation, _("Simulate")),
            (ui.simulateTransportButton, self._startTransport, _("Transport")),
            (ui.simulateUncertaintyButton, self._startUncertainty, _("Uncertainty")),
        ):
            self._texts[button] = text
            button.connect("clicked(bool)", lambda _checked=False, b=button, s=slot: self._onClicked(b, s))
        self._showState("")

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._job is not None and self._job.running

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none; work goes on while another module is open."""
        self._parameters = parameterNode

    def modelsChanged(self):
        """Models were installed or removed."""
        self._refusals.clear()
        if self._parameters is not None:
            self._updateButtons()

    def parametersChanged(self):
        """Show what follows from the parameters."""
        parameters = self._parameters
        self._parts.fill(parameters.exploreStructure or parameters.simulateSourceStructure, parameters.simulatePart)
        self._updateButtons()

    def sceneClosing(self):
        """The scene goes away: so does the work on it."""
        self._abandon()
        self._parts.fill(None, "")
        self._showState("")

    def cleanup(self):
        """The panel goes away."""
        self._abandon()

    def _abandon(self):
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _onPartChosen(self, part):
        if self._parameters is not None:
            self._parameters.simulatePart = part

    # Work

    def _onClicked(self, button, start):
        if self.running:
            self._job.cancel()
            return
        from DeformationSceneLib.installation import BACKEND, ensure_dependencies, how_to_install, missing_dependencies

        with errors_shown(_("Simulate and transport")):
            if ensure_dependencies():
                start(button)
            else:
                self._showState(how_to_install(missing_dependencies(BACKEND)))

    def _startSimulation(self, button):
        parameters = self._parameters
        node, display = parameters.exploreVolume, self._display()
        simulation = DeformationSimulation(
            node,
            parameters.simulateCount,
            parameters.simulateSeed,
            parameters.exploreStructure,
            parameters.simulateCodes.value,
            parameters.simulateImages,
        )
        model = self._model(parameters.exploreModel)

        def finish(_nothing):
            nodes = simulation.addToScene(display)
            bring_into_views(node)
            count = len(nodes.transforms)
            sentence = _("Simulated deformations of '{name}' added: {count}.").format(name=node.GetName(), count=count)
            self._showState(_with_warnings(sentence, nodes.warnings))

        self._run(button, lambda progress: simulation.compute(model, progress), finish)

    def _startTransport(self, button):
        parameters = self._parameters
        target, display = parameters.exploreVolume, self._display()
        transport = MotionTransport(
            parameters.simulateSourceFixed,
            parameters.simulateSourceMoving,
            target,
            parameters.simulateSourceStructure,
            parameters.exploreStructure,
            self._parts.chosen,
        )
        model, alignment = self._model(parameters.exploreModel), parameters.alignment.value

        def finish(_nothing):
            nodes = transport.addToScene(display)
            bring_into_views(target)
            sentence = _("Added '{name}'.").format(name=nodes.transform.GetName())
            self._showState(_with_warnings(f"{sentence} {_volumes_sentence(nodes.row)}".strip(), nodes.warnings))

        self._run(button, lambda progress: transport.compute(model, alignment, progress), finish)

    def _startUncertainty(self, button):
        parameters = self._parameters
        volume = UncertaintyVolume(
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.simulateUncertaintySamples,
            parameters.simulateSeed,
            parameters.fixedMask,
            parameters.movingMask,
        )
        model, alignment = self._model(parameters.model), parameters.alignment.value

        def finish(_nothing):
            node = volume.addToScene()
            largest = node.GetDisplayNode().GetWindowLevelMax()
            self._showState(
                _("Added '{name}'; its brightest colour is {largest:.2g} mm.").format(
                    name=node.GetName(), largest=largest
                )
            )

        self._run(button, lambda progress: volume.compute(model, alignment, progress), finish)

    def _model(self, name: str) -> Callable:
        """Gives the model of a name, in the thread; the parameters are read now."""
        check_probabilistic(self.logic.modelCard(name))
        device = self._parameters.device.value
        return lambda: self.logic.model(name, device)

    def _display(self) -> str | None:
        display = self._parameters.exploreDisplay.value
        return None if display == "nothing" else display

    def _run(self, button, work: Callable, finish: Callable):
        """Run work beside the window, then `finish` on the main thread; errors become dialogs."""

        def fail(error):
            self._showState(_("Failed: {sentence}").format(sentence=error_sentence(error)))
            show_error(error, _("Simulate and transport"))

        def done(result):
            try:
                finish(result)
            except Exception as error:
                fail(error)

        self._job = BackgroundJob(
            work,
            onDone=done,
            onFailed=fail,
            onCancelled=lambda: self._showState(_("Cancelled; the scene is as it was.")),
            onProgress=self._showProgress,
        )
        self._working = button
        self._job.start()
        self.ui.simulateProgressBar.value = 0
        self._showState(_("Starting"))

    def _showProgress(self, fraction, message):
        self.ui.simulateProgressBar.value = round(100 * fraction)
        self.ui.simulateMessageLabel.text = _(message)

    # State

    def _showState(self, message: str):
        self.ui.simulateMessageLabel.text = message
        self.ui.simulateMessageLabel.visible = bool(message)
        self.ui.simulateProgressBar.visible = self.running
        self._updateButtons()

    def _updateButtons(self):
        ui = self.ui
        for button, reason, tip in (
            (
                ui.simulateButton,
                self._reasonAgainstSimulation(),
                _("Deform the volume above at random, as the model expects"),
            ),
            (
                ui.simulateTransportButton,
                self._reasonAgainstTransport(),
                _("Deform the volume above as the source is deformed"),
            ),
            (
                ui.simulateUncertaintyButton,
                self._reasonAgainstUncertainty(),
                _("Show how far possible registrations of the pair in the section Register lie apart"),
            ),
        ):
            if not self.running:
                button.enabled, button.text, button.toolTip = not reason, self._texts[button], reason or tip
            elif button is self._working:
                button.enabled, button.text, button.toolTip = True, _("Cancel"), _("Stop; the scene stays as it is")
            else:
                button.enabled, button.toolTip = False, _("Wait for the work that is under way, or cancel it.")

    def _reasonAgainstSimulation(self) -> str:
        parameters = self._parameters
        if parameters is None or not parameters.exploreVolume:
            return _("Select a volume at the top of this section.")
        return self._refusal(parameters.exploreModel)

    def _reasonAgainstTransport(self) -> str:
        reason, parameters = self._reasonAgainstSimulation(), self._parameters
        if reason:
            return reason
        if not parameters.simulateSourceFixed or not parameters.simulateSourceMoving:
            return _("Select the fixed and the moving volume of the source.")
        if parameters.simulateSourceFixed.GetID() == parameters.simulateSourceMoving.GetID():
            return _("Select two different volumes of the source.")
        return ""

    def _reasonAgainstUncertainty(self) -> str:
        parameters = self._parameters
        if parameters is None or not parameters.fixedVolume or not parameters.movingVolume:
            return _("Select a fixed and a moving volume in the section Register.")
        if parameters.fixedVolume.GetID() == parameters.movingVolume.GetID():
            return _("Select two different volumes in the section Register.")
        return self._refusal(parameters.model)

    def _refusal(self, name: str) -> str:
        """Why a model cannot be used here; cards are read once, since this is asked at every change of a parameter."""
        if name not in self._refusals:
            try:
                check_probabilistic(self.logic.modelCard(name))
                self._refusals[name] = ""
            except InputError as error:
                self._refusals[name] = str(error)
        return self._refusals[name]


class PartList:
    """A combo box of a structure's parts, with the whole of it on top."""

    def __init__(self, comboBox, onChosen: Callable[[str], None]):
        self._comboBox, self._onChosen = comboBox, onChosen
        self._filling = False
        self._shown: dict[str, str] | None = None
        self._read: tuple = ((), {})
        comboBox.connect("currentIndexChanged(int)", self._onIndexChanged)
        self.fill(None, "")

    @property
    def chosen(self) -> str | None:
        """The part as `find_part` knows it, None for the whole structure."""
        return self._comboBox.currentData or None

    def fill(self, node, part: str) -> None:
        """List the parts of a structure; a part that it does not have leaves the choice at the whole."""
        names = self._names(node)
        self._filling = True
        if names != self._shown:
            self._shown = names
            self._comboBox.clear()
            self._comboBox.addItem(_("Whole structure"), "")
            for key, name in names.items():
                self._comboBox.addItem(name, key)
        self._comboBox.setCurrentIndex(list(names).index(part) + 1 if part in names else 0)
        self._filling = False
        self._comboBox.enabled = bool(names)

    def _names(self, node) -> dict[str, str]:
        if node is None or node.IsA("vtkMRMLSegmentationNode"):
            return part_names(node)
        # Looking for the labels of a volume takes time: once for each content.
        image = node.GetImageData()
        state = (node.GetID(), image.GetMTime() if image is not None else 0)
        if state != self._read[0]:
            self._read = state, part_names(node)
        return self._read[1]

    def _onIndexChanged(self, _index) -> None:
        if not self._filling:
            self._onChosen(self._comboBox.currentData or "")


def _volumes_sentence(row) -> str:
    """What the numbers of a transport say; empty without any."""
    if row is None:
        return ""
    values = {_("source"): row.before, _("target"): row.after, _("target, displacement unchanged"): row.unchanged}
    shown = ", ".join(f"{name} {value:.1f} %" for name, value in values.items() if not math.isnan(value))
    return _("Volume lost: {values}.").format(values=shown)


def _with_warnings(sentence: str, warnings) -> str:
    return "\n".join([sentence, *(f"⚠ {warning}" for warning in warnings)])
