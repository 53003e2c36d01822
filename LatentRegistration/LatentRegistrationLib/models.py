"""Loading a model of whatever kind by its name."""

from __future__ import annotations

import os

import torch

from DeformationLib.catalogue import find_bundle, read_card
from DeformationLib.errors import InputError

from .model import RegistrationModel
from .probabilistic_model import ProbabilisticModel

KINDS = {model.kind: model for model in (RegistrationModel, ProbabilisticModel)}
"""Registration models by the class that their cards name."""


def load_model(
    name_or_folder: str | os.PathLike, device: str = "auto", precision: torch.dtype | None = None
) -> RegistrationModel | ProbabilisticModel:
    """Load a model, of the class that its card names.

    Raises `InputError` for a model that is not there, damaged, of an unknown kind, or written by a newer version.

    >>> load_model("cardiac-short-axis").register(end_systole, end_diastole)
    """
    folder = find_bundle(name_or_folder)
    model = read_card(folder)["model"]
    kind = model.get("class") if isinstance(model, dict) else None
    if kind not in KINDS:
        raise InputError(
            f"{folder} holds a model of the kind '{kind}', which this version does not know: update the extension."
        )
    return KINDS[kind].load(folder, device, precision)
