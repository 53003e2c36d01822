"""Simulated outcomes of known risk: what a risk model can be measured against where no real outcomes are public.

Whatever these functions make is called simulated: cohorts carry the true risk in the column ``simulated_risk``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from DeformationLib.errors import InputError

from .cohort import Cohort
from .outcomes import checked_inputs

_FOLLOW_UP = 1500.0  # days; the last case of a simulated study has been observed for so long


def simulate_outcomes(
    log_hazard: ArrayLike, event_share: float = 0.36, shape: float = 1.0, follow_up: float = _FOLLOW_UP, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated times and events of cases with known risk.

    Survival follows a Weibull hazard; cases enter the study evenly over its first half and are censored at its end, or
    earlier where they are lost. The time scale is set so that exactly the wanted share has an event (36 % in the
    cohort of table 6.1).

    Args:
        log_hazard: r of eq. 6.2, ``(n,)``.
        event_share: of cases with event.
        shape: of the Weibull distribution; 1 is a constant hazard, above 1 it rises.
        follow_up: length of the study, days.
        seed: of all draws.

    Returns:
        Times, days ``(n,)``, and events, ``(n,)``.
    """
    log_hazard = np.asarray(log_hazard, float)
    events = round(event_share * len(log_hazard))
    if not 0 < events < len(log_hazard) or shape <= 0:
        raise InputError("The share of events must leave at least one case with and one without; the shape be above 0.")
    generator = np.random.default_rng(seed)
    # Weibull by inversion: S(t) = exp(-(t / scale)^shape * exp(r)).
    unscaled = (generator.exponential(size=len(log_hazard)) * np.exp(-log_hazard)) ** (1 / shape)
    lost = generator.exponential(3 * follow_up, len(log_hazard))
    censored = np.minimum(generator.uniform(follow_up / 2, follow_up, len(log_hazard)), lost)
    # A case has its event in time if the scale is below this ratio: the wanted number of cases sets the scale.
    ratios = np.sort(censored / unscaled)[::-1]
    scale = (ratios[events - 1] + ratios[events]) / 2
    time = np.minimum(scale * unscaled, censored)
    return time, scale * unscaled <= censored


def linear_log_hazard(values: ArrayLike, weights: ArrayLike, strength: float = 1.0) -> np.ndarray:
    """A log hazard that is linear in standardised values ``(n, p)``, with the standard deviation ``strength``."""
    return _scaled(_standardised(values) @ np.asarray(weights, float), strength)


def nonlinear_log_hazard(values: ArrayLike, strength: float = 1.0) -> np.ndarray:
    """A bump over the first two standardised values ``(n, p)``: those in the middle are at risk.

    No linear model sees it, as it falls alike in all directions.
    """
    standardised = _standardised(values)
    return _scaled(np.exp(-(standardised[:, :2] ** 2).sum(axis=1)), strength)


def with_simulated_outcomes(
    cohort: Cohort, log_hazard: ArrayLike, event_share: float = 0.36, shape: float = 1.0, seed: int = 0
) -> Cohort:
    """The cohort with simulated outcomes in place of its own."""
    time, event = simulate_outcomes(log_hazard, event_share, shape, seed=seed)
    return replace(cohort, time=time, event=event, simulated_risk=np.asarray(log_hazard, float))


def simulated_cohort(
    cases: int = 167,
    latent: int = 16,
    slots: int = 24,
    strength: float = 1.2,
    nonlinear: bool = False,
    event_share: float = 0.36,
    shape: float = 1.2,
    seed: int = 0,
) -> Cohort:
    """A cohort that is simulated altogether: fingerprints, clinical variables and outcomes.

    A fingerprint is a closed path through the latent space whose size (how strongly the heart moves), delay (how late)
    and form differ from case to case; the risk comes from size and delay. Of the clinical variables the simulated
    ejection fraction follows the size, the simulated dyssynchrony the delay, both with noise, and one is noise alone.

    Args:
        cases: n.
        latent, slots: D and T of the fingerprints.
        strength: standard deviation of the log hazard; 0 for outcomes that depend on nothing.
        nonlinear: whether cases in the middle, not at one end, are at risk.
        event_share, shape, seed: see `simulate_outcomes`.
    """
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(cases, 2))  # size and delay
    phase = 2 * np.pi * (np.arange(slots) + 1) / (slots + 1)
    curves = np.stack([(1 - np.cos(phase)) / 2, np.sin(phase), (1 - np.cos(2 * phase)) / 2])
    # Each latent dimension follows a mixture of the curves; what differs between cases moves along few directions.
    mixture = generator.normal(size=(4, latent, len(curves))) / 2
    factors = np.column_stack([np.ones(cases), hidden, generator.normal(size=cases)])
    paths = np.einsum("nf,fdc,ct->ndt", factors, mixture, curves)
    noise = generator.normal(size=(cases, latent, 3)) @ curves
    fingerprints = paths + 0.5 * noise + 0.1 * generator.normal(size=paths.shape)
    log_hazard = nonlinear_log_hazard(hidden, strength) if nonlinear else linear_log_hazard(hidden, (1, 0.6), strength)
    clinical = np.column_stack(
        [
            45 - 8 * hidden[:, 0] + 6 * generator.normal(size=cases),
            120 + 20 * hidden[:, 1] + 20 * generator.normal(size=cases),
            60 + 12 * generator.normal(size=cases),
        ]
    )
    time, event = simulate_outcomes(log_hazard, event_share, shape, seed=seed + 1)
    return Cohort(
        tuple(f"simulated{number + 1:04d}" for number in range(cases)),
        time,
        event,
        ("simulated_EF", "simulated_dyssynchrony", "simulated_age"),
        clinical,
        ("",) * cases,
        fingerprints,
        log_hazard,
    )


def _standardised(values: ArrayLike) -> np.ndarray:
    values = checked_inputs(values)
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _scaled(risk: np.ndarray, strength: float) -> np.ndarray:
    spread = risk.std()
    return strength * (risk - risk.mean()) / (spread if spread > 0 else 1.0)
