"""LatentRegistration on Slicer's side: its logic, the three sections of its panel, sample data and self test.

Only `LatentRegistration.py` imports this package. torch is imported where something is computed, never before.
"""
