"""Training a risk model on a cohort, installed where the lists of models find it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.plots import Axes, Series, update_chart
from DeformationSceneLib.tables import Column, update_table

from .cohort_evaluation import risk_model
from .cohort_extraction import ExtractionNodes
from .cohort_input import CohortInput
from .survival_charts import HIGH, LOW

if TYPE_CHECKING:
    from RiskPredictionLib.risk_bundle import TrainedRisk


@dataclass
class RiskTrainingNodes:
    """What a training gave.

    Attributes:
        trained: the model.
        folder: where it is: among the user's models, or in the output folder.
        curves: chart of the losses over the epochs.
        table: node with cases, events, outcomes and the concordance of held-out cases.
        warnings: sentences for the user.
    """

    trained: TrainedRisk | None = None
    folder: Path | None = None
    curves: object = None
    table: object = None
    warnings: list[str] = field(default_factory=list)


class RiskTraining:
    """Reads a cohort when it is made, trains in any thread, then installs the model and shows its curves.

    >>> training = RiskTraining(tableNode, "my-risk", extracted)  # main thread
    >>> training.compute(progress)  # any thread
    >>> nodes = training.addToScene()  # main thread
    """

    def __init__(
        self,
        cohort,
        name: str,
        fingerprints: ExtractionNodes | str | os.PathLike | None = None,
        *,
        settings: dict | None = None,
        motionModel: str | None = None,
        output: str | os.PathLike | None = None,
        install: bool = True,
    ) -> None:
        """Read the table; arguments and errors as of `RiskPredictionLogic.trainModel`."""
        from DeformationLib.model_installation import check_name

        # Before the training, not after it.
        check_name(name, replace=True)
        if output is None and not install:
            raise InputError(_("The model would be lost: name a folder for it, or let it be installed."))
        if output is not None and Path(output).is_dir() and any(Path(output).iterdir()):
            raise InputError(_("The folder {folder} is not empty; choose a new one.").format(folder=output))
        self._name, self._output, self._install = name.strip(), output, install
        self._input = CohortInput.read(cohort, fingerprints)
        self._input.cohort.flat_fingerprints()
        self._settings = dict(settings or {})
        self._motion_model = motionModel or self._input.motionModel
        self._nodes = RiskTrainingNodes(warnings=list(self._input.warnings))
        if not self._motion_model:
            self._nodes.warnings.append(
                _("The motion model of the fingerprints is not known: the risk model cannot predict from series.")
            )

    def compute(self, progress: Progress) -> None:
        """Train; touches no node."""
        from DeformationSceneLib.installation import preload_torch

        preload_torch()
        from RiskPredictionLib.risk_bundle import TrainedRisk

        cohort = self._input.cohort
        model = risk_model(self._settings)
        model.fit(cohort.flat_fingerprints(), cohort.time, cohort.event, progress.part(0.0, 0.95))
        self._nodes.trained = TrainedRisk.of(
            model,
            cohort.fingerprints,
            cohort.time,
            cohort.event,
            cohort.simulated,
            name=self._name,
            motion_model=self._motion_model,
            slices=self._input.slices,
        )
        progress.report(1.0)

    def addToScene(self) -> RiskTrainingNodes:
        """Write and install the model, and show how its training went; on failure the scene is as it was."""
        self._input.table.check_in_scene()
        nodes, table = self._nodes, self._input.table
        with scene_as_it_was_on_failure(table.scene):
            role = f"RiskPrediction/training/{self._name}"
            nodes.curves = _add_curves(table.scene, f"{role}/curves", nodes.trained, table.node)
            title = _("{name}: training").format(name=self._name)
            nodes.table = update_table(table.scene, f"{role}/summary", title, _summary(nodes.trained), table.node)
            # Last: what the scene shows can be taken back.
            nodes.folder = self._write()
        return nodes

    def _write(self) -> Path:
        from DeformationLib.model_installation import install_model

        folder = None if self._output is None else self._nodes.trained.save(self._output)
        if not self._install:
            return folder
        with tempfile.TemporaryDirectory() as temporary:
            source = folder or self._nodes.trained.save(Path(temporary) / "model")
            return install_model(source, self._name, replace=True)


def _summary(trained: TrainedRisk) -> dict[str, list[str]]:
    cohort = trained.cohort
    rows = {
        _("Cases"): str(cohort["cases"]),
        _("Events"): str(cohort["events"]),
        _("Outcomes"): _("simulated") if trained.simulated else _("observed"),
        _("Longest follow-up"): f"{cohort['follow_up']:.4g}",
        _("Concordance of held-out cases"): f"{cohort['held_out_concordance']:.3f}",
        _("Motion model"): trained.motion_model or _("unknown"),
        _("Fingerprint"): " x ".join(map(str, trained.shape)),
        _("Networks"): str(trained.model.members),
        _("Best epoch"): str(trained.model.history_.best_epoch + 1),
    }
    return {_("Training"): list(rows), _("Value"): list(rows.values())}


def _add_curves(scene, role: str, trained: TrainedRisk, beside):
    """Chart of the losses: means over the networks."""
    history = trained.model.history_
    epoch, learned, held_out = _("Epoch"), _("Training cases"), _("Held-out cases")
    table = {
        epoch: np.arange(1, len(history.risk) + 1),
        learned: Column(_means(history.risk), "", _("Mean over the networks")),
        held_out: Column(_means(history.held_out), "", _("Mean over the networks")),
    }
    best = history.best_epoch
    marks = {epoch: [best + 1.0] * 2, _("Best"): [float(np.asarray(table[held_out].values)[best])] * 2}
    series = [
        Series(learned, _("losses"), epoch, learned, "line", LOW),
        Series(held_out, _("losses"), epoch, held_out, "line", HIGH),
        Series(_("Best"), _("marks"), epoch, _("Best"), "points", (0.1, 0.1, 0.1), 11.0, "diamond"),
    ]
    note = _(" (simulated outcomes)") if trained.simulated else ""
    axes = Axes(
        _("Held-out concordance {value:.2f}{note}").format(value=trained.cohort["held_out_concordance"], note=note),
        epoch,
        _("Loss per event"),
        name=_("{name}: training curves").format(name=trained.name),
        small_print=True,
    )
    return update_chart(scene, role, axes, {_("losses"): table, _("marks"): marks}, series, beside)


def _means(losses: list[list[float]]) -> np.ndarray:
    return np.nanmean(np.asarray(losses, float), axis=1)
