"""The section Register of the panel: choices, Apply that turns into Cancel, and the result."""

from __future__ import annotations

import math

import slicer
from slicer.i18n import tr as _

from DeformationSceneLib import installation
from DeformationSceneLib.background import BackgroundJob
from DeformationSceneLib.messages import errors_shown, show_error
from DeformationSceneLib.model_list import ModelList
from DeformationSceneLib.transforms import show_transform

from .volume_registration import RegistrationNodes, VolumeRegistration

_OUTPUTS = {
    "transform": "Transform",
    "warped": "WarpedVolume",
    "segmentation": "WarpedSegmentation",
    "inverse": "InverseTransform",
    "jacobian": "Jacobian",
}
"""Fields of `RegistrationNodes`, and how the parameters make... and output... call them."""


class RegisterSection:
    """Reads the parameters, runs the registration beside the window, and shows what came of it."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._nodes: RegistrationNodes | None = None
        self._fixedNode = None
        self._models = ModelList(ui.modelComboBox, ui.modelPurposeLabel, logic, self._onModelChosen)
        for display, text in (
            ("nothing", _("Nothing")),
            ("arrows", _("Arrows")),
            ("grid", _("Grid")),
            ("contours", _("Contours")),
        ):
            ui.deformationDisplayComboBox.addItem(text, display)
        ui.applyButton.connect("clicked(bool)", self._onApplyClicked)
        ui.fadeSlider.connect("valueChanged(int)", self._onFade)
        ui.deformationDisplayComboBox.connect("currentIndexChanged(int)", self._onDisplayChosen)
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
        parameters = self._parameters
        if parameters is None or parameters.fixedVolume or parameters.movingVolume:
            return
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        volumes = [
            node for node in volumes if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()
        ]
        if volumes:
            parameters.fixedVolume = volumes[0]
        if len(volumes) > 1:
            parameters.movingVolume = volumes[1]

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
        self._nodes = self._fixedNode = None
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
        reason = self._reasonAgainstApply()
        self.ui.applyButton.enabled = not reason
        self.ui.applyButton.toolTip = reason or _("Register the moving volume to the fixed one")

    def _reasonAgainstApply(self) -> str:
        parameters = self._parameters
        if parameters is None or not parameters.fixedVolume or not parameters.movingVolume:
            return _("Select a fixed and a moving volume.")
        if parameters.fixedVolume.GetID() == parameters.movingVolume.GetID():
            return _("Select two different volumes.")
        if not any(getattr(parameters, f"make{name}") for name in _OUTPUTS.values()):
            return _("Select at least one output.")
        return ""

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
            {field for field, name in _OUTPUTS.items() if getattr(parameters, f"make{name}")},
            RegistrationNodes(**{field: getattr(parameters, f"output{name}") for field, name in _OUTPUTS.items()}),
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
        self.ui.resultGroupBox.visible = False
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
        self.ui.resultGroupBox.visible = self._nodes is not None
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
        self._fixedNode = fixedNode
        self._showIdle("")
        self._showResult()

    def _showResult(self):
        result = self._nodes.result
        self.ui.resultLabel.text = _resultSentence(result)
        self.ui.warningsLabel.text = "\n".join(f"⚠ {warning}" for warning in result.warnings)
        self.ui.warningsLabel.visible = bool(result.warnings)
        self.ui.fadeSlider.enabled = self._nodes.warped is not None
        self.ui.deformationDisplayComboBox.enabled = self._nodes.transform is not None
        if self._nodes.warped is not None:
            slicer.util.setSliceViewerLayers(
                background=self._fixedNode,
                foreground=self._nodes.warped,
                foregroundOpacity=self.ui.fadeSlider.value / 100,
                fit=True,
            )
        self._onDisplayChosen()

    def _onFade(self, value):
        if self._nodes is not None and self._nodes.warped is not None:
            slicer.util.setSliceViewerLayers(foregroundOpacity=value / 100)

    def _onDisplayChosen(self, _index=0):
        transform = self._nodes.transform if self._nodes is not None else None
        if transform is not None and transform.GetScene() is not None:
            display = self.ui.deformationDisplayComboBox.currentData
            show_transform(transform, None if display == "nothing" else display)


def _resultSentence(result) -> str:
    """Seconds, similarity before and after, folding: what the result line says."""
    parts = [_("Registered in {seconds:.2f} s.").format(seconds=sum(result.seconds.values()))]
    before, after = result.similarity_before, result.similarity_after
    if None not in (before, after) and not math.isnan(before + after):  # not a number where the images share no voxel
        name = _(result.similarity_name).capitalize()
        parts.append(
            _("{similarity} {before:.2f} before, {after:.2f} after.").format(
                similarity=name, before=before, after=after
            )
        )
    parts.append(_("Folded voxels: {percent:.3f} %.").format(percent=result.folding_percent()))
    return " ".join(parts)
