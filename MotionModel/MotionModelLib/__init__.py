"""Motion of a cine series: a Gaussian-process model of its deformations (Krebs chapter 5)."""
