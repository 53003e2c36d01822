"""The part "Latent map" of the section Explore: cases in a plane of the latent space, and codes picked from it."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationSceneLib.background import BackgroundJob
from DeformationSceneLib.messages import error_sentence, errors_shown, show_error
from DeformationSceneLib.plane_pad import Dot, PlanePad
from DeformationSceneLib.plots import show_chart

from .case_codes import FileEncoding, group_columns
from .latent_map_nodes import LatentMapNodes, LatentMapping, colours_of_groups, describe_accuracy, describe_nearest

_SELECTED = "dataSelected(vtkStringArray*, vtkCollection*)"


class MapSection:
    """Maps the chosen table's cases, and lets the explored image deform by the code that is picked in the map.

    Args:
        ui: widgets by name.
        logic: gives the models.
        explore: the section Explore, whose image follows.
    """

    def __init__(self, ui, logic, explore):
        self.ui, self.logic, self._explore = ui, logic, explore
        self._parameters = None
        self._job: BackgroundJob | None = None
        self._nodes: LatentMapNodes | None = None
        self._case = ""
        self._columns: list[str] | None = None
        self._filling = False
        self._plotViews: list = []
        self.pad = PlanePad(self.pickPoint, self.pickCase)
        self.pad.toolTip = _("Press a case, or press and drag anywhere: the explored image deforms by that code")
        ui.mapPadFrame.layout().addWidget(self.pad)
        ui.mapGroupColumnComboBox.connect("currentIndexChanged(int)", self._onColumnChosen)
        ui.mapEncodeButton.connect("clicked(bool)", self._onEncodeClicked)
        ui.mapShowButton.connect("clicked(bool)", self._onShowClicked)
        self._forget()

    @property
    def running(self) -> bool:
        """Whether a map is being computed."""
        return self._job is not None and self._job.running

    @property
    def nodes(self) -> LatentMapNodes | None:
        """The map that the pad shows."""
        return self._nodes

    # What the panel calls

    def setParameterNode(self, parameterNode):
        """Connect with the parameters, or with none."""
        self._parameters = parameterNode

    def parametersChanged(self):
        """Show what follows from the parameters."""
        self._showColumns()
        self._followExploration()
        self._updateEnabled()

    def sceneClosing(self):
        """The scene goes away, and the plot with it."""
        self._abandon()
        self._forget()

    def cleanup(self):
        """The panel goes away."""
        self._abandon()
        self._disconnectPlots()

    # The map

    def _onShowClicked(self, _checked=False):
        if self.running:
            self._job.cancel()
            return
        with errors_shown(_("Latent map")):
            self._start()
        self._updateEnabled()

    def _onEncodeClicked(self, _checked=False):
        with errors_shown(_("Latent map")):
            encoding = FileEncoding(self._parameters.mapCases, slicer.mrmlScene)
            if self._canCompute():
                self._run(encoding, self._finishEncoding)
        self._updateEnabled()

    def _finishEncoding(self, encoding: FileEncoding):
        with errors_shown(_("Latent map")):
            node = encoding.addToScene()
            if self._parameters is not None:
                self._parameters.mapCodes = node
        self._say(_("Added the table '{name}'.").format(name=node.GetName()))

    def _start(self):
        parameters = self._parameters
        if parameters is None or not parameters.mapCodes:
            raise InputError(_("Select the table of the cases' codes."))
        if self._canCompute():
            mapping = LatentMapping(parameters.mapCodes, parameters.mapGroupColumn, parameters.mapKind.value)
            self._run(mapping, self._finish)

    def _canCompute(self) -> bool:
        from DeformationSceneLib.installation import BACKEND, ensure_dependencies, how_to_install, missing_dependencies

        installed = ensure_dependencies()
        if not installed:
            self._say(how_to_install(missing_dependencies(BACKEND)))
        return installed

    def _run(self, work: LatentMapping | FileEncoding, finish):
        """Compute beside the window, then `finish` on the main thread."""
        model, device = self._parameters.exploreModel, self._parameters.device.value
        self._job = BackgroundJob(
            lambda progress: work.compute(lambda: self.logic.model(model, device), progress),
            onDone=lambda _nothing: finish(work),
            onFailed=self._fail,
            onCancelled=lambda: self._say(_("Cancelled; the scene is as it was.")),
            onProgress=lambda _fraction, message: self._say(_(message)),
        )
        self._job.start()

    def _finish(self, mapping: LatentMapping):
        with errors_shown(_("Latent map")):
            self._nodes, self._case = mapping.addToScene(), ""
            self._showDots()
            self.ui.mapAccuracyLabel.text = describe_accuracy(self._nodes)
            self.ui.mapNearestLabel.text = _("Press a case to see those that are most like it.")
            show_chart(self._nodes.chart)
            self._connectPlots()
            self._followExploration()
        self._say("" if self._followed() else self._whyNotFollowed())

    def _fail(self, error):
        self._say(_("Failed: {sentence}").format(sentence=error_sentence(error)))
        show_error(error, _("Latent map"))

    def _showDots(self):
        nodes = self._nodes
        colours = colours_of_groups(nodes.codes.groups)
        dots = [
            Dot(name, float(x), float(y), colours[group])
            for name, group, (x, y) in zip(nodes.codes.names, nodes.codes.groups, nodes.points, strict=True)
        ]
        self.pad.showDots(dots, nodes.reach)

    # Picking

    def pickPoint(self, x: float, y: float):
        """Deform the explored image by the code at a point of the map."""
        if self._nodes is not None:
            self._case = ""
            self._show(self._nodes.plane.code((x, y)), (x, y))

    def pickCase(self, name: str):
        """Deform the explored image by a case's own code, and tell which cases are most like it."""
        if self._nodes is None:
            return
        with errors_shown(_("Latent map")):
            row = self._nodes.codes.index(name)
            self._case = name
            self.ui.mapNearestLabel.text = describe_nearest(self._nodes, name)
            self._show(self._nodes.codes.codes[row], self._nodes.points[row])

    def _show(self, code, point):
        self.pad.showPoint(point, self._case)
        if self._followed():
            self._explore.showCode(code)
            self._say("")
        else:
            self._say(self._whyNotFollowed())

    def _followed(self) -> bool:
        """Whether an image is explored with the map's model."""
        return self._explore.exploring and self._explore.connected and self._modelIsSame()

    def _modelIsSame(self) -> bool:
        return getattr(self._explore.exploration.explorer, "model_name", None) == self._nodes.model

    def _whyNotFollowed(self) -> str:
        if not self._explore.exploring:
            return _("Press Explore, and the image deforms by the code that is picked here.")
        return _("The image is explored with another model than the map's: show the map of that model.")

    def _followExploration(self):
        """Let the cross be where the explored deformation's code lies, also when a slider has moved it."""
        if self._nodes is None or not self._followed():
            return
        code = self._explore.pickedCode()
        if code is None:
            self._case = ""
            explorer = self._explore.exploration.explorer
            code = explorer.code(explorer.amplitudes(self._explore.amplitudes()))
        self.pad.showPoint(self._nodes.plane.points(code)[0], self._case)

    # The plot

    def _connectPlots(self):
        """Points that are selected in the plot are picked; plot views are made when a layout shows them first."""
        layoutManager = slicer.app.layoutManager()
        if layoutManager is None:
            return
        for index in range(layoutManager.plotViewCount):
            view = layoutManager.plotWidget(index).plotView()
            if view not in self._plotViews:
                view.connect(_SELECTED, self._onDataSelected)
                self._plotViews.append(view)

    def _disconnectPlots(self):
        for view in self._plotViews:
            if view:  # views are deleted together with the layout manager
                view.disconnect(_SELECTED, self._onDataSelected)
        self._plotViews = []

    def _onDataSelected(self, seriesIDs, selections):
        if self._nodes is None or self._parameters is None:  # nothing was mapped, or another module is open
            return
        for index in range(min(seriesIDs.GetNumberOfValues(), selections.GetNumberOfItems())):
            rows = selections.GetItemAsObject(index)
            if rows.GetNumberOfValues() > 0:
                case = self._nodes.caseOfPoint(seriesIDs.GetValue(index), int(rows.GetValue(0)))
                if case is not None:
                    self.pickCase(case)
                    return

    # State

    def _showColumns(self):
        """List the columns that can be groups; the chosen one stays."""
        table = self._parameters.mapCodes
        columns = group_columns(table)
        box, self._filling = self.ui.mapGroupColumnComboBox, True
        if columns != self._columns:
            self._columns = columns
            box.clear()
            box.addItem(_("None"), "")
            for column in columns:
                box.addItem(column, column)
            if self._parameters.mapGroupColumn not in columns and table is not None:
                self._parameters.mapGroupColumn = "group" if "group" in columns else ""
        box.setCurrentIndex(max(box.findData(self._parameters.mapGroupColumn), 0))
        self._filling = False

    def _onColumnChosen(self, index):
        if not self._filling and self._parameters is not None and index >= 0:
            self._parameters.mapGroupColumn = self.ui.mapGroupColumnComboBox.itemData(index)

    def _say(self, message: str):
        self.ui.mapMessageLabel.text = message
        self._updateEnabled()

    def _updateEnabled(self):
        button = self.ui.mapShowButton
        selected = self._parameters is not None and bool(self._parameters.mapCodes)
        button.text = _("Cancel") if self.running else _("Show map")
        button.enabled = self.running or selected
        button.toolTip = (
            _("Plot the cases, and measure how well groups are told apart") if selected else _("Select a table.")
        )
        self.ui.mapEncodeButton.enabled = self._parameters is not None and not self.running
        self.pad.enabled = self._nodes is not None

    def _abandon(self):
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _forget(self):
        self._nodes, self._case = None, ""
        self.pad.showDots([], 3.0)
        for label in (self.ui.mapAccuracyLabel, self.ui.mapNearestLabel):
            label.text = ""
        self._say("")
