"""Cohorts of phantoms in the scene, and small models with which their risk can be predicted, for the tests."""

from __future__ import annotations

import numpy as np

from DeformationSceneLib.tables import add_table

MOTION, RISK = "phantom-motion", "phantom-risk"
"""Names of the models that `install_models` installs."""

SLOTS, LATENT = 6, 5
"""Of their fingerprints."""

QUICK = {"members": 2, "folds": 2, "widths": (10, 4), "epochs": 6, "learning_rate": 1e-2}
"""Settings of a risk model that trains in a moment."""


def install_models(folder) -> None:
    """A motion model with random weights, and a risk model of its fingerprints with a known hazard."""
    from DeformationLib.bundle import write_bundle
    from Testing.motion_fixtures import motion_card, motion_network
    from Testing.velocity_fixtures import FLAT

    network = motion_network(FLAT, slots=SLOTS, prior="unit")
    # Codes that depend on what is seen.
    network.encoder.mean.weight.mul_(60.0)
    write_bundle(folder / MOTION, motion_card(network, FLAT, MOTION), {"network": network.state_dict()})
    trained_risk().save(folder / RISK)


def trained_risk(cases: int = 60, seed: int = 0):
    """A risk model of simulated outcomes, whose hazard rises with the first value of the fingerprint."""
    from RiskPredictionLib.risk_bundle import TrainedRisk
    from RiskPredictionLib.simulated_cohort import simulate_outcomes
    from RiskPredictionLib.survival_model import FingerprintCox

    fingerprints = np.random.default_rng(seed).normal(size=(cases, LATENT, SLOTS))
    time, event = simulate_outcomes(1.5 * fingerprints[:, 0, 0], 0.5, seed=seed)
    model = FingerprintCox(**QUICK).fit(fingerprints, time, event)
    return TrainedRisk.of(model, fingerprints, time, event, True, name=RISK, motion_model=MOTION)


def cohort_columns(cases: int = 40, seed: int = 0, simulated: bool = True):
    """Columns of a cohort whose risk comes from age, and fingerprints ``(D, T)`` by case that know the age."""
    from RiskPredictionLib.simulated_cohort import simulate_outcomes

    generator = np.random.default_rng(seed)
    age = np.round(generator.normal(60, 10, cases), 1)
    risk = 0.12 * (age - 60)
    time, event = simulate_outcomes(risk, 0.5, seed=seed)
    names = [f"case{number:02d}" for number in range(cases)]
    columns = {
        "case": names,
        "time": np.round(time, 2),
        "event": event.astype(int),
        "age": age,
        "pressure": np.round(generator.normal(120, 15, cases), 1),
    }
    if simulated:
        columns["simulated_risk"] = np.round(risk, 4)
    fingerprints = generator.normal(size=(cases, LATENT, SLOTS)) + 0.3 * risk[:, None, None]
    return columns, dict(zip(names, fingerprints, strict=True))


def add_cohort(scene, columns, name: str = "Cohort"):
    """A table node as Slicer reads it from a CSV file: all columns are texts."""
    return add_table(scene, name, {title: [str(value) for value in values] for title, values in columns.items()})


def write_fingerprints(path, fingerprints):
    """A table of fingerprints; returns its path."""
    from RiskPredictionLib.fingerprint_files import write_fingerprint_table

    return write_fingerprint_table(path, list(fingerprints), np.stack(list(fingerprints.values())))
