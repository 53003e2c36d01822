"""Small cohorts with a known hazard for the tests of risk models."""

import numpy as np


def hazard_cohort(cases=120, size=12, strength=1.5, seed=0, nonlinear=False):
    """Predictors, outcomes (about half with event) and the true log hazard, which depends on the first two values."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(cases, size))
    risk = strength * values[:, 0]
    if nonlinear:
        risk = 2 * strength * np.exp(-(values[:, :2] ** 2).sum(axis=1))
    time = generator.exponential(np.exp(-risk))
    censored = generator.uniform(0, 2 * np.median(time), cases)
    return values, np.minimum(time, censored), time <= censored, risk
