"""Registration by an agent that walks in the space of a statistical deformation model (Krebs chapter 3)."""
