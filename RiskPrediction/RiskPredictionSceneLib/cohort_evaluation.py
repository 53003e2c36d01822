"""Cross-validation of a cohort as tables and charts of the scene."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from DeformationLib.errors import InputError
from DeformationLib.progress import Progress
from DeformationSceneLib.placement import scene_as_it_was_on_failure
from DeformationSceneLib.tables import Column, update_table

from .cohort_extraction import ExtractionNodes
from .cohort_input import CohortInput
from .evaluation_charts import add_calibration_chart, add_score_chart, add_survival_chart, outcome_note

if TYPE_CHECKING:
    from RiskPredictionLib.evaluation import Evaluation


@dataclass
class EvaluationNodes:
    """What an evaluation has put into the scene.

    Attributes:
        evaluation: the numbers.
        cohort: its name.
        title: of the report.
        table: node with the rows of table 6.1.
        clinical: table node with the hazard ratio of each clinical variable; None without any.
        survival, at_risk: chart of the Kaplan-Meier curves of the halves of low and high risk of the shown predictor, and
            table node of the numbers at risk.
        calibration: chart of the shown predictor.
        auc, brier: charts over time, all predictors.
        predictor: the one that is shown; `RiskPredictionLogic.showPredictor` shows another.
        report: path of the page; None where it was not written.
        role: what the nodes are kept for, see `plots.update_chart`.
        beside: the node beside which they are; None for a cohort from a file.
        warnings: sentences for the user.
    """

    evaluation: Evaluation | None = None
    cohort: str = ""
    title: str = ""
    table: object = None
    clinical: object = None
    survival: object = None
    at_risk: object = None
    calibration: object = None
    auc: object = None
    brier: object = None
    predictor: str = ""
    report: Path | None = None
    role: str = ""
    beside: object = None
    warnings: list[str] = field(default_factory=list)

    @property
    def predictors(self) -> list[str]:
        """Names of all predictors, in the order of the table."""
        return [row.name for row in self.evaluation.rows]


class CohortEvaluation:
    """Reads a cohort when it is made, evaluates in any thread, and adds tables and charts to the scene.

    >>> evaluation = CohortEvaluation(tableNode, extracted, folds=6)  # main thread
    >>> evaluation.compute(progress)  # any thread
    >>> nodes = evaluation.addToScene()  # main thread
    """

    def __init__(
        self,
        cohort,
        fingerprints: ExtractionNodes | str | os.PathLike | None = None,
        *,
        folds: int = 6,
        seed: int = 0,
        settings: dict | None = None,
        search: int = 0,
        horizon: float | None = None,
        resamplings: int = 1000,
        reportFolder: str | os.PathLike | None = None,
    ) -> None:
        """Read the table; arguments and errors as of `RiskPredictionLogic.evaluateCohort`."""
        self._input = CohortInput.read(cohort, fingerprints)
        self._settings, self._search, self._folder = dict(settings or {}), search, reportFolder
        self._options = {"folds": folds, "seed": seed, "horizon": horizon, "resamplings": resamplings}
        table = self._input.table
        self._nodes = EvaluationNodes(
            cohort=table.name,
            title=_("Risk prediction: {cohort}").format(cohort=table.name),
            role=f"RiskPrediction/evaluation/{table.key}",
            beside=table.node,
            warnings=list(self._input.warnings),
        )

    def compute(self, progress: Progress) -> None:
        """Cross-validate and write the report; touches no node."""
        from DeformationSceneLib.installation import preload_torch

        preload_torch()
        from RiskPredictionLib.evaluation import evaluate, table_rows
        from RiskPredictionLib.report import write_report

        model = risk_model(self._settings, self._options["seed"])
        if self._search:
            from RiskPredictionLib.hyper_search import HyperSearch

            model = HyperSearch(model, trials=self._search, method="evolution", seed=self._options["seed"])
        cohort = self._input.cohort
        self._nodes.evaluation = evaluate(
            cohort, table_rows(cohort, model), **self._options, progress=progress.part(0.0, 0.95)
        )
        if self._folder is not None:
            progress.report(0.95, "Writing the report")
            self._nodes.report = write_report(self._nodes.evaluation, self._folder, self._nodes.title)
        progress.report(1.0)

    def addToScene(self) -> EvaluationNodes:
        """Put tables and charts beside the cohort; on failure the scene is as it was."""
        self._input.table.check_in_scene()
        nodes, scene, name = self._nodes, self._input.table.scene, self._input.table.name
        evaluation, role, beside = nodes.evaluation, nodes.role, nodes.beside
        with scene_as_it_was_on_failure(scene):
            note = outcome_note(evaluation)
            title = _("{name}: predictors{note}").format(name=name, note=note)
            nodes.table = update_table(scene, f"{role}/predictors", title, predictor_columns(evaluation), beside)
            if evaluation.univariate:
                title = _("{name}: clinical variables{note}").format(name=name, note=note)
                nodes.clinical = update_table(scene, f"{role}/clinical", title, _clinical_columns(evaluation), beside)
            nodes.auc = add_score_chart(scene, f"{role}/auc", name, evaluation, "auc", beside)
            nodes.brier = add_score_chart(scene, f"{role}/brier", name, evaluation, "brier", beside)
            show_predictor(nodes, _first_shown(nodes.predictors))
        return nodes


def risk_model(settings: dict, seed: int = 0):
    """A `FingerprintCox` with these settings, not fitted. Raises InputError for a setting that it does not have."""
    from RiskPredictionLib.survival_model import FingerprintCox

    known = FingerprintCox().get_params()
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(
            _("There is no setting '{name}': choose from {known}.").format(name=unknown[0], known=", ".join(known))
        )
    return FingerprintCox(**({"seed": seed} | settings))


def show_predictor(nodes: EvaluationNodes, predictor: str) -> None:
    """Fill the charts of survival and calibration with another predictor; makes those that are not there.

    Raises InputError for a predictor that was not evaluated, and where the tables were deleted.
    """
    if predictor not in nodes.predictors:
        raise InputError(_("'{name}' was not evaluated; choose another predictor.").format(name=predictor))
    scene, row = nodes.table.GetScene(), nodes.evaluation.row(predictor)
    if scene is None:
        raise InputError(_("The tables of this evaluation were deleted; evaluate the cohort again."))
    of = (nodes.cohort, nodes.evaluation, row, nodes.beside)
    nodes.survival, nodes.at_risk = add_survival_chart(scene, f"{nodes.role}/survival", *of)
    nodes.calibration = add_calibration_chart(scene, f"{nodes.role}/calibration", *of)
    nodes.predictor = predictor


def predictor_columns(evaluation: Evaluation) -> dict[str, Column]:
    """The rows of table 6.1 as numbers, each with its interval."""
    rows = evaluation.rows
    both = (("", "value"), (_(" lower"), "lower"), (_(" upper"), "upper"))
    concordance, ratio = _("Concordance"), _("Hazard ratio")
    columns = {_("Predictor"): Column([row.name for row in rows])}
    for title, part in both:
        about = _("Harrell's, of cases that were not fitted; mean over folds, with a 95 % interval")
        columns[concordance + title] = Column([getattr(row.concordance, part) for row in rows], "", about)
    for title, part in both:
        about = _("Of the cases above the median risk of their fold against the others; with a 95 % interval")
        columns[ratio + title] = Column([getattr(row.ratio, part) for row in rows], "", about)
    columns["p"] = Column([row.ratio.p for row in rows], "", _("Of the hazard ratio (Wald)"))
    columns[_("Log-rank p")] = Column([row.logrank for row in rows])
    columns[_("Integrated Brier score")] = Column(
        [row.integrated_brier for row in rows], "", _("Error of predicted survival; lower is better")
    )
    outcomes = _("simulated") if evaluation.cohort.simulated else _("observed")
    columns[_("Outcomes")] = Column([outcomes] * len(rows))
    return columns


def _clinical_columns(evaluation: Evaluation) -> dict[str, Column]:
    found = evaluation.univariate
    columns = {_("Variable"): Column([one.name for one in found])}
    for title, part in (("", "value"), (_(" lower"), "lower"), (_(" upper"), "upper")):
        about = _("Per standard deviation, in the whole cohort; with a 95 % interval")
        columns[_("Hazard ratio") + title] = Column([getattr(one.ratio, part) for one in found], "", about)
    columns["p"] = Column([one.ratio.p for one in found])
    return columns


def _first_shown(predictors: list[str]) -> str:
    from RiskPredictionLib.evaluation import BEST_CLINICAL, FINGERPRINT

    return next((name for name in (FINGERPRINT, BEST_CLINICAL) if name in predictors), predictors[0])
