"""The module's self test: runs in Slicer (Reload and Test, ctest) and in the headless host, without network or GPU."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

MODELS = ("fingerprint", "cardiac-cine-2d")
"""Motion models that can make fingerprints; the first that is installed is used."""

_SETTINGS = {"members": 5, "epochs": 25, "widths": (40, 4)}


class RiskPredictionTest(ScriptedLoadableModuleTest):
    """Checks, evaluates and trains on simulated cohorts, predicts a simulated patient, and asserts on numbers."""

    def setUp(self):
        """Each test starts with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run all tests."""
        for test in (self.test_checkCohort, self.test_evaluateCohort, self.test_predictPatient):
            self.setUp()
            test()

    def test_checkCohort(self):
        """A table says where it is wrong, by row and column."""
        from DeformationSceneLib.tables import add_table

        from .logic import RiskPredictionLogic

        columns = {"case": ["a", "b", "a"], "time": ["10", "-1", "30"], "event": ["1", "0", "1"]}
        table = add_table(slicer.mrmlScene, "Cohort", columns)
        problems = RiskPredictionLogic().checkCohort(table)
        self.assertEqual([(one.row, one.column) for one in problems], [(3, "time"), (4, "case")])
        self.delayDisplay(_("Found what is wrong with a table"))

    def test_evaluateCohort(self):
        """On simulated outcomes the fingerprint predicts better than chance, and no better than the truth."""
        from RiskPredictionLib.evaluation import CEILING, FINGERPRINT

        from .logic import RiskPredictionLogic

        self.delayDisplay(_("Evaluating a simulated cohort"))
        with tempfile.TemporaryDirectory() as folder:
            cohort, fingerprints = self._cohort(Path(folder), latent=4, slots=6)
            nodes = RiskPredictionLogic().evaluateCohort(
                cohort, fingerprints, folds=2, settings=_SETTINGS, resamplings=50, reportFolder=Path(folder) / "report"
            )
            self.assertTrue(nodes.report.is_file())
        found = nodes.evaluation.row(FINGERPRINT).concordance.value
        self.assertGreater(found, 0.55)
        self.assertLess(found, nodes.evaluation.row(CEILING).concordance.value + 0.05)
        self.assertEqual(nodes.table.GetNumberOfRows(), len(nodes.predictors))
        self.assertIsNotNone(nodes.survival.GetNthPlotSeriesNode(0))
        self.delayDisplay(_("Evaluated: concordance {value:.2f}").format(value=found))

    def test_predictPatient(self):
        """A model that was trained on simulated fingerprints says of a simulated heart what it can, with warnings."""
        from .logic import RiskPredictionLogic

        self.delayDisplay(_("Predicting a simulated patient"))
        logic = RiskPredictionLogic()
        name = next(name for name in MODELS if name in logic.motionModelNames())
        model = logic.model(name, "cpu")
        with tempfile.TemporaryDirectory() as folder:
            cohort, fingerprints = self._cohort(Path(folder), model.latent, model.slots)
            trained = logic.trainModel(
                cohort,
                "self-test",
                fingerprints,
                settings=_SETTINGS,
                motionModel=name,
                output=Path(folder) / "model",
                install=False,
            )
            self.assertTrue(trained.trained.simulated)
            nodes = logic.predictPatient(self._patient(), trained.folder, device="cpu")
        survival = nodes.prediction.curves.survival[0]
        self.assertTrue(all(0.0 <= value <= 1.0 for value in survival))
        self.assertTrue(all(survival[1:] <= survival[:-1]))
        self.assertTrue(any("simulated" in warning for warning in nodes.warnings))
        self.assertIsNotNone(nodes.survival.GetNthPlotSeriesNode(0))
        self.delayDisplay(_("Predicted: percentile {value:.0f}").format(value=nodes.prediction.percentile))

    @staticmethod
    def _cohort(folder: Path, latent: int, slots: int) -> tuple[Path, Path]:
        """Files of a simulated cohort with one clinical variable, and of its fingerprints."""
        from RiskPredictionLib.cohort_table import write_cohort
        from RiskPredictionLib.fingerprint_files import write_fingerprint_table
        from RiskPredictionLib.simulated_cohort import simulated_cohort

        cohort = simulated_cohort(80, latent, slots, seed=5)
        cohort = replace(cohort, clinical_names=cohort.clinical_names[:1], clinical=cohort.clinical[:, :1])
        write_fingerprint_table(folder / "fingerprints.npz", cohort.cases, cohort.fingerprints)
        return write_cohort(folder / "cohort.csv", cohort), folder / "fingerprints.npz"

    @staticmethod
    def _patient():
        from DeformationLib.cardiac_phantoms import beating_heart

        from .sample_data import SPACING, addBrowser, addSequence

        heart = beating_heart(2, 8, 0.6, (64, 64, 3), SPACING)
        return addBrowser(slicer.mrmlScene, addSequence(slicer.mrmlScene, heart.frames, "Patient"))
