"""The simulated cohort that RiskPrediction registers as sample data."""

import sys
import types

import numpy as np
import slicer

from RiskPredictionSceneLib import sample_data
from Testing.test_sample_data import Logic

SMALL = {"cases": 6, "size": (32, 32, 2), "frames": 3}


def test_slicer_is_told_of_it(monkeypatch):
    module = types.ModuleType("SampleData")
    module.SampleDataLogic = type("SampleDataLogic", (Logic,), {"registered": []})
    monkeypatch.setitem(sys.modules, "SampleData", module)
    sample_data.registerSampleData()
    (arguments,) = module.SampleDataLogic.registered
    assert arguments["category"] == "Risk Prediction"
    assert arguments["sampleName"].startswith("Simulated cohort")
    assert arguments["thumbnailFileName"].endswith("SimulatedCohort.png")


def test_a_slicer_without_sample_data_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.registerSampleData()


def test_the_table_is_a_cohort_whose_series_are_in_the_scene(scene):
    from RiskPredictionSceneLib.cohort_choice import is_cohort
    from RiskPredictionSceneLib.logic import RiskPredictionLogic

    table, patient = sample_data.addSimulatedCohort(**SMALL)
    assert is_cohort(table)
    assert RiskPredictionLogic().checkCohort(table) == []
    described = RiskPredictionLogic().describeCohort(table)
    assert described.startswith("6 cases, 2 with event")
    assert "outcomes simulated" in described
    assert patient.GetNumberOfItems() == 3
    series = [table.GetCellText(row, 1) for row in range(6)]
    assert all(slicer.util.getNode(name).GetNumberOfDataNodes() == 3 for name in series)
    assert "no patient data" in table.GetDescription()


def test_weak_hearts_are_at_risk(scene):
    table, _patient = sample_data.addSimulatedCohort(**SMALL)
    risk, fraction = (slicer.util.arrayFromTableColumn(table, name) for name in ("simulated_risk", "simulated_EF"))
    assert np.corrcoef(risk, fraction)[0, 1] < -0.8


def test_two_cohorts_have_series_of_their_own(scene):
    from RiskPredictionSceneLib.logic import RiskPredictionLogic

    tables = [sample_data.addSimulatedCohort(**SMALL)[0] for _ in range(2)]
    assert tables[0].GetName() != tables[1].GetName()
    assert all(RiskPredictionLogic().checkCohort(table) == [] for table in tables)
