"""MotionModel on Slicer's side: its logic, the sections of its panel, sample data and self test.

Only `MotionModel.py` imports this package. torch is imported where something is computed, never before.
"""
