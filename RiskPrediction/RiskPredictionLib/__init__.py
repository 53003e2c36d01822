"""From a motion fingerprint to a survival curve: risk of an outcome from the motion of the heart (Krebs chapter 6)."""
