"""What a trained model says of one patient, and how much of it can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .baseline_hazard import SurvivalCurves
from .report import RESEARCH_USE, SIMULATED_MODEL
from .risk_bundle import TrainedRisk


@dataclass(frozen=True, eq=False)
class PatientPrediction:
    """Risk and survival of one case.

    Attributes:
        case: its name.
        log_hazard: r, against the training cohort's baseline.
        interval: 95 % of r by the spread of the ensemble, (lower, upper).
        percentile: of the training cohort with a lower risk.
        curves: survival of the one case.
        horizon: time at which a tenth of the training cohort was still observed.
        distance_percentile: of training cases that are nearer to the training cohort.
        warnings: sentences for the reader.
    """

    case: str
    log_hazard: float
    interval: tuple[float, float]
    percentile: float
    curves: SurvivalCurves
    horizon: float
    distance_percentile: float
    warnings: list[str] = field(default_factory=list)

    @property
    def survival_at_horizon(self) -> tuple[float, float, float]:
        """Predicted share without event at the horizon, and its interval, percent."""
        place = max(int(np.searchsorted(self.curves.times, self.horizon, side="right")) - 1, 0)
        survival, lower, upper = (
            100 * float(part[0, place]) for part in (self.curves.survival, self.curves.lower, self.curves.upper)
        )
        return survival, lower, upper

    def as_dictionary(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "case": self.case,
            "research_use": RESEARCH_USE,
            "log_hazard_ratio": self.log_hazard,
            "log_hazard_ratio_interval": list(self.interval),
            "hazard_ratio": float(np.exp(self.log_hazard)),
            "percentile": self.percentile,
            "distance_percentile": self.distance_percentile,
            "warnings": self.warnings,
            "horizon": self.horizon,
            "survival_percent_at_horizon": list(self.survival_at_horizon),
            "times": self.curves.times,
            "survival": self.curves.survival[0],
            "survival_lower": self.curves.lower[0],
            "survival_upper": self.curves.upper[0],
        }

    def __str__(self) -> str:
        lower, upper = np.exp(self.interval)
        lines = [
            f"{self.case}: hazard ratio {np.exp(self.log_hazard):.2f} ({lower:.2f}-{upper:.2f}) against the training "
            f"cohort's average, higher than {self.percentile:.0f} % of it"
        ]
        survival, least, most = self.survival_at_horizon
        lines.append(f"  without event at {self.horizon:.4g}: {survival:.0f} % ({least:.0f}-{most:.0f} %)")
        return "\n".join([*lines, *(f"  {warning}" for warning in self.warnings)])


def predict_patient(
    trained: TrainedRisk, fingerprint: np.ndarray, case: str = "patient", times: np.ndarray | None = None
) -> PatientPrediction:
    """Risk, percentile, survival and warnings for one fingerprint ``(D, T)``.

    Args:
        trained: the model.
        fingerprint: from the motion model that the training cohort's came from.
        case: name of the patient.
        times: of the survival curve; by default those of the training events.

    Returns:
        `PatientPrediction`.

    Raises:
        InputError: for a fingerprint of another size than the model's.
    """
    values = trained.checked(fingerprint)[None]
    model = trained.model
    log_hazard, deviation = float(model.predict_risk(values)[0]), float(model.predict_deviation(values)[0])
    distance = float(trained.distance.distance(values)[0])
    warning = trained.distance.warning(distance)
    warnings = [warning] if warning else []
    if trained.simulated:
        warnings.append(SIMULATED_MODEL)
    return PatientPrediction(
        case,
        log_hazard,
        (log_hazard - 1.96 * deviation, log_hazard + 1.96 * deviation),
        float(model.risk_percentile(log_hazard)[0]),
        model.baseline_.survival([log_hazard], times, deviation),
        float(trained.cohort.get("horizon", trained.cohort["follow_up"])),
        float(trained.distance.percentile(distance)[0]),
        warnings,
    )
