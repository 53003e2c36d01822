"""RiskPrediction's Slicer side: cohorts, evaluations and patients as nodes of the scene; imports torch in functions only."""
