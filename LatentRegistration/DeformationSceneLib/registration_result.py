"""What panels say and show of a registration: a sentence, warnings, a slider that fades the views, the transform drawn."""

from __future__ import annotations

import math

import slicer
from slicer.i18n import tr as _

from .messages import warning_lines
from .transforms import show_transform
from .volume_registration import RegistrationNodes

_OUTPUTS = {
    "transform": "Transform",
    "warped": "WarpedVolume",
    "segmentation": "WarpedSegmentation",
    "inverse": "InverseTransform",
    "jacobian": "Jacobian",
}
"""Fields of `RegistrationNodes`, and how the parameters make... and output... call them."""


def chosen_outputs(parameters) -> tuple[set[str], RegistrationNodes]:
    """Which outputs a person wants, and the nodes to overwrite, from the parameters make... and output...."""
    wanted = {field for field, name in _OUTPUTS.items() if getattr(parameters, f"make{name}")}
    return wanted, RegistrationNodes(
        **{field: getattr(parameters, f"output{name}") for field, name in _OUTPUTS.items()}
    )


def reason_against_registration(parameters) -> str:
    """What is missing for a registration of the chosen volumes, a sentence; empty where nothing is."""
    if parameters is None or not parameters.fixedVolume or not parameters.movingVolume:
        return _("Select a fixed and a moving volume.")
    if parameters.fixedVolume.GetID() == parameters.movingVolume.GetID():
        return _("Select two different volumes.")
    if not chosen_outputs(parameters)[0]:
        return _("Select at least one output.")
    return ""


def select_first_volumes(parameters) -> None:
    """Select the first two volumes as the fixed and the moving one where nothing is selected yet."""
    if parameters is None or parameters.fixedVolume or parameters.movingVolume:
        return
    volumes = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors()
    ]
    if volumes:
        parameters.fixedVolume = volumes[0]
    if len(volumes) > 1:
        parameters.movingVolume = volumes[1]


class RegistrationDisplay:
    """The result group of a panel; the widgets are those named resultGroupBox, resultLabel, warningsLabel, fadeSlider and
    deformationDisplayComboBox.

    Args:
        ui: widgets by name.
    """

    def __init__(self, ui):
        self._ui = ui
        self._nodes: RegistrationNodes | None = None
        for display, text in (
            ("nothing", _("Nothing")),
            ("arrows", _("Arrows")),
            ("grid", _("Grid")),
            ("contours", _("Contours")),
        ):
            ui.deformationDisplayComboBox.addItem(text, display)
        ui.fadeSlider.connect("valueChanged(int)", self._onFade)
        ui.deformationDisplayComboBox.connect("currentIndexChanged(int)", self._onDisplayChosen)
        ui.resultGroupBox.visible = False

    def show(self, nodes: RegistrationNodes, fixedNode) -> None:
        """Describe a registration, and let slice views show its warped volume over the fixed one."""
        self._nodes = nodes
        ui, result = self._ui, nodes.result
        ui.resultGroupBox.visible = True
        ui.resultLabel.text = result_sentence(result)
        ui.warningsLabel.text = warning_lines(result.warnings)
        ui.warningsLabel.visible = bool(result.warnings)
        ui.fadeSlider.enabled = nodes.warped is not None
        ui.deformationDisplayComboBox.enabled = nodes.transform is not None
        if nodes.warped is not None:
            slicer.util.setSliceViewerLayers(
                background=fixedNode,
                foreground=nodes.warped,
                foregroundOpacity=ui.fadeSlider.value / 100,
                fit=True,
            )
        self._onDisplayChosen()

    def hide(self) -> None:
        """While another registration is under way, the last one is not described."""
        self._ui.resultGroupBox.visible = False

    def showAgain(self) -> None:
        """What was described last, if anything, is described again."""
        self._ui.resultGroupBox.visible = self._nodes is not None

    def forget(self) -> None:
        """The nodes are gone."""
        self._nodes = None
        self.hide()

    def _onFade(self, value):
        if self._nodes is not None and self._nodes.warped is not None:
            slicer.util.setSliceViewerLayers(foregroundOpacity=value / 100)

    def _onDisplayChosen(self, _index=0):
        transform = self._nodes.transform if self._nodes is not None else None
        if transform is not None and transform.GetScene() is not None:
            display = self._ui.deformationDisplayComboBox.currentData
            show_transform(transform, None if display == "nothing" else display)


def result_sentence(result) -> str:
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
