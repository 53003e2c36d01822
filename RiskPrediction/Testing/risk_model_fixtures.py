"""Small trained risk models for the tests."""

import numpy as np

from RiskPredictionLib.risk_bundle import TrainedRisk
from RiskPredictionLib.simulated_cohort import simulate_outcomes
from RiskPredictionLib.survival_model import FingerprintCox

QUICK = {"members": 5, "widths": (12, 4), "epochs": 25, "learning_rate": 1e-2, "batch_size": 64}


def latent_fingerprints(cases=90, latent=3, slots=5, seed=0, factors=4):
    """Fingerprints ``(n, D, T)`` that vary along a few directions, and the strength of the first of these ``(n,)``."""
    generator = np.random.default_rng(seed)
    mixture = np.random.default_rng(99).normal(size=(factors, latent, slots))
    strength = generator.normal(size=(cases, factors))
    noise = 0.1 * generator.normal(size=(cases, latent, slots))
    return np.einsum("nf,fdt->ndt", strength, mixture) + noise, strength[:, 0]


def trained_risk(latent=3, slots=5, seed=0, name="phantom-risk", motion_model="", **settings):
    """A risk model whose hazard rises with the first direction, and its training fingerprints."""
    fingerprints, strength = latent_fingerprints(latent=latent, slots=slots, seed=seed)
    time, event = simulate_outcomes(1.5 * strength, 0.5, seed=seed)
    model = FingerprintCox(seed=seed, **(QUICK | settings)).fit(fingerprints, time, event)
    trained = TrainedRisk.of(model, fingerprints, time, event, True, name=name, motion_model=motion_model)
    return trained, fingerprints
