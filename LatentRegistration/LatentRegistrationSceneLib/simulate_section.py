"""The part "Simulate and transport" of the panel: what only probabilistic models can do."""

from __future__ import annotations

import math
from collections.abc import Callable

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.panel_work import PanelWork
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
        self._refusals: dict[str, str] = {}
        self._parts = PartList(ui.simulatePartComboBox, self._onPartChosen)
        self.work = PanelWork(ui.simulateProgressBar, ui.simulateMessageLabel, _("Simulate and transport"))
        for button, start, reason, tip in (
            (
                ui.simulateButton,
                self._startSimulation,
                self._reasonAgainstSimulation,
                _("Deform the volume above at random, as the model expects"),
            ),
            (
                ui.simulateTransportButton,
                self._startTransport,
                self._reasonAgainstTransport,
                _("Deform the volume above as the source is deformed"),
            ),
            (
                ui.simulateUncertaintyButton,
                self._startUncertainty,
                self._reasonAgainstUncertainty,
                _("Show how far possible registrations of the pair in the section Register lie apart"),
            ),
        ):
            button.toolTip = tip
            self.work.addButton(button, start, reason)
        self.work.say("")

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self.work.running

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none; work goes on while another module is open."""
        self._parameters = parameterNode

    def modelsChanged(self):
        """Models were installed or removed."""
        self._refusals.clear()
        if self._parameters is not None:
            self.work.update()

    def parametersChanged(self):
        """Show what follows from the parameters."""
        parameters = self._parameters
        self._parts.fill(parameters.exploreStructure or parameters.simulateSourceStructure, parameters.simulatePart)
        self.work.update()

    def sceneClosing(self):
        """The scene goes away: so does the work on it."""
        self.work.abandon()
        self._parts.fill(None, "")
        self.work.say("")

    def cleanup(self):
        """The panel goes away."""
        self.work.abandon()

    def _onPartChosen(self, part):
        if self._parameters is not None:
            self._parameters.simulatePart = part

    # Work

    def _startSimulation(self):
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
            self.work.say(_with_warnings(sentence, nodes.warnings))

        self.work.run(lambda progress: simulation.compute(model, progress), finish)

    def _startTransport(self):
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
            self.work.say(_with_warnings(f"{sentence} {_volumes_sentence(nodes.row)}".strip(), nodes.warnings))

        self.work.run(lambda progress: transport.compute(model, alignment, progress), finish)

    def _startUncertainty(self):
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
            self.work.say(
                _("Added '{name}'; its brightest colour is {largest:.2g} mm.").format(
                    name=node.GetName(), largest=largest
                )
            )

        self.work.run(lambda progress: volume.compute(model, alignment, progress), finish)

    def _model(self, name: str) -> Callable:
        """Gives the model of a name, in the thread; the parameters are read now."""
        check_probabilistic(self.logic.modelCard(name))
        device = self._parameters.device.value
        return lambda: self.logic.model(name, device)

    def _display(self) -> str | None:
        display = self._parameters.exploreDisplay.value
        return None if display == "nothing" else display

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
