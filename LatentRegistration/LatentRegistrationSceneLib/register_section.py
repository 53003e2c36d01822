"""The section Register of the panel: choices, Apply that turns into Cancel, and the result."""

from __future__ import annotations

from slicer.i18n import tr as _

from DeformationSceneLib import installation
from DeformationSceneLib.background import BackgroundJob
from DeformationSceneLib.messages import errors_shown, show_error
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.registration_result import (
    RegistrationDisplay,
    chosen_outputs,
    reason_against_registration,
    select_first_volumes,
)
from DeformationSceneLib.volume_registration import RegistrationNodes, VolumeRegistration


class RegisterSection:
    """Reads the parameters, runs the registration beside the window, and shows what came of it."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._nodes: RegistrationNodes | None = None
        self._models = ModelList(ui.modelComboBox, ui.modelPurposeLabel, logic, self._onModelChosen)
        self._display = RegistrationDisplay(ui)
        ui.applyButton.connect("clicked(bool)", self._onApplyClicked)
        self._showIdle("")

    @property
    def running(self) -> bool:
        """Whether a registration is under way."""
        return self._job is not None and self._job.running

    @property
    def nodes(self) -> RegistrationNodes | None:
        """What the last registration has put into the scene."""
        return self._nodes

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def selectDefaults(self):
        """Select the first two volumes where nothing is selected yet."""
        select_first_volumes(self._parameters)

    def modelsChanged(self):
        """Models were installed or removed."""
        self._models.refresh()
        if self._parameters is not None:
            self._models.choose(self._parameters.model)

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._models.choose(self._parameters.model)
        self._updateApplyButton()

    def sceneClosing(self):
        """The scene goes away: so does the work on it, and what is known of its nodes."""
        self._abandon()
        self._nodes = None
        self._display.forget()
        self._showIdle("")

    def cleanup(self):
        """The panel goes away."""
        self._abandon()

    def _abandon(self):
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _onModelChosen(self, name):
        if self._parameters is not None:
            self._parameters.model = name

    def _updateApplyButton(self):
        if self.running:
            return
        reason = reason_against_registration(self._parameters)
        self.ui.applyButton.enabled = not reason
        self.ui.applyButton.toolTip = reason or _("Register the moving volume to the fixed one")

    def _onApplyClicked(self, _checked=False):
        if self.running:
            self._job.cancel()
            return
        with errors_shown(_("Registration failed")):
            if installation.ensure_dependencies():
                self._start(self._parameters)
            else:
                missing = installation.missing_dependencies()
                self._showIdle(installation.how_to_install(missing))

    def _start(self, parameters):
        registration = VolumeRegistration(
            parameters.fixedVolume,
            parameters.movingVolume,
            parameters.movingSegmentation,
            parameters.fixedMask,
            parameters.movingMask,
            *chosen_outputs(parameters),
        )
        # Read now: in the thread the parameters must not be touched.
        model, device, alignment = parameters.model, parameters.device.value, parameters.alignment.value
        self._job = BackgroundJob(
            lambda progress: registration.compute(lambda: self.logic.model(model, device), alignment, progress),
            onDone=lambda _nothing: self._finish(registration, parameters.fixedVolume),
            onFailed=self._fail,
            onCancelled=lambda: self._showIdle(_("Cancelled; the scene is as it was.")),
            onProgress=self._showProgress,
        )
        self._display.hide()
        self.ui.applyButton.text = _("Cancel")
        self.ui.applyButton.toolTip = _("Stop; the scene stays as it is")
        self.ui.registerProgressBar.value = 0
        self.ui.registerProgressBar.visible = True
        self.ui.registerMessageLabel.text = _("Starting")
        self.ui.registerMessageLabel.visible = True
        self._job.start()

    def _showProgress(self, fraction, message):
        self.ui.registerProgressBar.value = round(100 * fraction)
        self.ui.registerMessageLabel.text = _(message)

    def _showIdle(self, message):
        self.ui.applyButton.text = _("Apply")
        self.ui.registerProgressBar.visible = False
        self.ui.registerMessageLabel.text = message
        self.ui.registerMessageLabel.visible = bool(message)
        self._display.showAgain()
        self._updateApplyButton()

    def _fail(self, error):
        self._showIdle(_("Failed; the scene is as it was."))
        show_error(error, _("Registration failed"))

    def _finish(self, registration, fixedNode):
        try:
            self._nodes = self.logic.finishRegistration(registration)
        except Exception as error:
            self._fail(error)
            return
        self._showIdle("")
        self._display.show(self._nodes, fixedNode)
