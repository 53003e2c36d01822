"""A trained risk model on disk: weights and card, as all models of the project (see `DeformationLib.bundle`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from DeformationLib.bundle import load_state, read_weights, write_bundle
from DeformationLib.catalogue import CARD, find_bundle, read_card
from DeformationLib.errors import InputError

from .baseline_hazard import BreslowBaseline
from .kaplan_meier import kaplan_meier
from .survival_model import FingerprintCox
from .training_distance import TrainingDistance

KIND = "SurvivalNetwork"
MOTION = "motion"
"""Folder, within a risk model's, of the motion model that it brings along."""

_DISTANCE = ("mean", "scale", "deviations", "residual", "reference")


@dataclass(frozen=True, eq=False)
class TrainedRisk:
    """A fitted model with what is needed to judge its predictions.

    Attributes:
        model: fitted.
        shape: of fingerprints, (D, T).
        distance: from the training cohort.
        cohort: what the card says of the training cohort: cases, events, whether outcomes are simulated, and the
            Kaplan-Meier curves of its halves of low and high held-out risk.
        name: of the model.
        motion_model: name of the model that fingerprints have to come from; empty if unknown.
        slices: of a stack, that its matrices were averaged over, see `fingerprint_extraction.SLICES`; None if unknown.
        motion_folder: where that model is, if the risk model brings it along, as end-to-end training does.
    """

    model: FingerprintCox
    shape: tuple[int, ...]
    distance: TrainingDistance
    cohort: dict[str, Any]
    name: str = "risk"
    motion_model: str = ""
    slices: int | None = None
    motion_folder: Path | None = None

    @classmethod
    def of(
        cls, model: FingerprintCox, fingerprints: np.ndarray, time, event, simulated: bool, **names: Any
    ) -> TrainedRisk:
        """From a model that was fitted to fingerprints ``(n, D, T)`` with these outcomes."""
        time, event = np.asarray(time, float), np.asarray(event, bool)
        high = model.training_risk_ > np.median(model.training_risk_)
        groups = {}
        for label, part in (("low", ~high), ("high", high)):
            curve = kaplan_meier(time[part], event[part])
            groups[label] = {"times": curve.times, "survival": curve.survival, "cases": int(part.sum())}
        cohort = {
            "cases": len(time),
            "events": int(event.sum()),
            "outcomes": "simulated" if simulated else "observed",
            "follow_up": float(time.max()),
            # Later than this less than a tenth of the cases is observed: curves rest on few, and may fall to nothing.
            "horizon": float(np.quantile(time, 0.9)),
            "held_out_concordance": model.score_of_held_out(time, event),
            "groups": groups,
        }
        return cls(model, np.shape(fingerprints)[1:], TrainingDistance.fit(fingerprints), cohort, **names)

    @property
    def simulated(self) -> bool:
        """Whether the outcomes that it was trained with are simulated."""
        return self.cohort["outcomes"] == "simulated"

    @property
    def motion_source(self) -> str | os.PathLike:
        """Name or folder of the motion model, as `MotionModel.load` takes it; empty if unknown."""
        return self.motion_folder or self.motion_model

    def checked(self, fingerprint: np.ndarray) -> np.ndarray:
        """A fingerprint ``(D, T)`` as float64; raises `InputError` for another size than the training cohort's."""
        fingerprint = np.asarray(fingerprint, np.float64)
        if fingerprint.shape != tuple(self.shape):
            sizes = " x ".join(map(str, fingerprint.shape)), " x ".join(map(str, self.shape))
            raise InputError(
                f"The fingerprint has {sizes[0]} values (latent dimensions x times), but the risk model was trained "
                f"with {sizes[1]}: extract it with the same motion model."
            )
        return fingerprint

    def save(self, folder: str | os.PathLike, card: Mapping[str, Any] = {}) -> Path:
        """Write the model; ``card`` adds to, or replaces, what its card says."""
        model = self.model
        distance = {name: getattr(self.distance, name) for name in _DISTANCE}
        simulated = " of simulated outcomes" if self.simulated else ""
        whole = {
            "name": self.name,
            "purpose": f"Predicts the risk{simulated} from a motion fingerprint.",
            "intended_use": "Research only; not for clinical use.",
            "model": {"class": KIND, "parameters": {**model.get_params(), "widths": list(model.widths)}},
            "grid": {"fingerprint": list(self.shape), "motion_model": self.motion_model, "slices": self.slices},
            "training": {**self.cohort, "date": date.today().isoformat()},
            "accuracy": {"held_out_concordance": self.cohort["held_out_concordance"]},
            "survival": {
                "mean": model.mean_,
                # JSON has no infinity, the scale of constant values.
                "scale": [float(value) if np.isfinite(value) else 0.0 for value in model.scale_],
                "slope": model.slope_,
                "center": model.center_,
                "training_risk": model.training_risk_,
                "baseline": vars(model.baseline_),
            },
            "distance": distance,
            **card,
        }
        weights = {
            "network": model.network_.state_dict(),
            "distance": {"components": torch.from_numpy(self.distance.components)},
        }
        return write_bundle(folder, whole, weights)

    @classmethod
    def load(cls, name_or_folder: str | os.PathLike) -> TrainedRisk:
        """Read what `save` wrote; raises `InputError` for models that are missing, damaged or of another kind."""
        folder = find_bundle(name_or_folder)
        card = read_card(folder)
        kind = card["model"].get("class") if isinstance(card["model"], dict) else None
        if kind != KIND:
            raise InputError(f"{folder} holds a model of the class {kind}, not of {KIND}: choose another.")
        weights = read_weights(folder, card)
        try:
            model = _model(card, weights["network"], folder)
            numbers = {name: np.asarray(card["distance"][name], float) for name in _DISTANCE}
            components = weights["distance"]["components"].double().numpy()
            distance = TrainingDistance(**{**numbers, "residual": float(numbers["residual"])}, components=components)
            shape, motion_model = tuple(card["grid"]["fingerprint"]), card["grid"].get("motion_model", "")
            slices = card["grid"].get("slices")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"The model card in {folder} is incomplete ({error}): install the model again.") from error
        own = folder / MOTION
        own = own if (own / CARD).is_file() else None
        return cls(model, shape, distance, card["training"], card["name"], motion_model, slices, own)


def _model(card: Mapping[str, Any], state: Mapping[str, torch.Tensor], folder: Path) -> FingerprintCox:
    model = FingerprintCox(**card["model"]["parameters"])
    fitted = card["survival"]
    model.mean_, scale = np.asarray(fitted["mean"], float), np.asarray(fitted["scale"], float)
    model.scale_ = np.where(scale > 0, scale, np.inf)
    model.n_features_in_ = len(model.mean_)
    model.slope_, model.center_ = float(fitted["slope"]), float(fitted["center"])
    model.training_risk_ = np.asarray(fitted["training_risk"], float)
    model.baseline_ = BreslowBaseline(**{name: np.asarray(part, float) for name, part in fitted["baseline"].items()})
    model.network_ = model.new_network().eval().requires_grad_(False)
    load_state(model.network_, state, folder)
    return model
