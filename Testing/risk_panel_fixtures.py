"""Small risk models and cohorts for the tests of RiskPrediction's panel."""

from __future__ import annotations

import numpy as np

from DeformationSceneLib.tables import add_table
from Testing.velocity_fixtures import small_heart

SETTINGS = {"members": 5, "epochs": 6, "widths": (8, 3)}
FRAMES, SLICES = 4, 2


def risk_bundle(folder, name: str, latent: int, slots: int, motion_model: str):
    """A risk model on disk, trained on a simulated cohort for a moment."""
    from RiskPredictionLib.risk_bundle import TrainedRisk
    from RiskPredictionLib.simulated_cohort import simulated_cohort
    from RiskPredictionLib.survival_model import FingerprintCox

    cohort = simulated_cohort(60, latent, slots, seed=1)
    model = FingerprintCox(**SETTINGS).fit(cohort.fingerprints, cohort.time, cohort.event)
    trained = TrainedRisk.of(
        model, cohort.fingerprints, cohort.time, cohort.event, True, name=name, motion_model=motion_model
    )
    return trained.save(folder / name)


def write_simulated(folder, cases: int = 60, latent: int = 3, slots: int = 4, seed: int = 1):
    """Files of a simulated cohort with one clinical variable, and of its fingerprints."""
    from dataclasses import replace

    from RiskPredictionLib.cohort_table import write_cohort
    from RiskPredictionLib.fingerprint_files import write_fingerprint_table
    from RiskPredictionLib.simulated_cohort import simulated_cohort

    cohort = simulated_cohort(cases, latent, slots, seed=seed)
    cohort = replace(cohort, clinical_names=cohort.clinical_names[:1], clinical=cohort.clinical[:, :1])
    write_fingerprint_table(folder / "fingerprints.npz", cohort.cases, cohort.fingerprints)
    return write_cohort(folder / "cohort.csv", cohort), folder / "fingerprints.npz"


def heart_frames(seed: int) -> list:
    """Frames of a small phantom."""
    return small_heart(seed, frames=FRAMES, slices=SLICES, contraction=0.4 + 0.1 * seed).frames


def add_cohort(scene, cases: int = 4, name: str = "Cohort", broken: int | None = None):
    """A table node of cases whose series are sequences of the scene; `broken`: a case whose series has one frame."""
    from Testing.motion_fixtures import add_cine

    frames = heart_frames(0)
    names = []
    for number in range(cases):
        sequence, _none = add_cine(
            scene, frames[: 1 if number == broken else None], f"{name} {number + 1}", browser=False
        )
        names.append(sequence.GetName())
    generator = np.random.default_rng(0)
    columns = {
        "case": [f"case{number + 1}" for number in range(cases)],
        "cine": names,
        "time": np.round(generator.uniform(10, 900, cases), 1),
        "event": [number % 2 for number in range(cases)],
        "age": np.round(generator.uniform(40, 80, cases), 1),
    }
    return add_table(scene, name, columns)
