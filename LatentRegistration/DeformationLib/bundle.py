"""The weights of a trained model on disk: read, checked, written; `catalogue` finds models and reads their cards.

Weights are read only after their hash was checked, and only as plain tensors: a file that holds code is refused.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .catalogue import CARD, FORMAT, WEIGHTS, file_hash
from .errors import InputError
from .files import atomic_path, make_folder, write_json


def read_weights(folder: str | os.PathLike, card: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dictionaries of tensors, floating point ones in single precision, after the hash was checked.

    Raises `InputError` for a missing file, another hash than the card's, and a file that holds anything but tensors.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise InputError(f"The model in {folder} has no {WEIGHTS}: install the model again.")
    if file_hash(path) != card["weights_sha256"]:
        raise InputError(
            f"{path} is not the file that the model card describes (its SHA-256 differs): it is damaged or was "
            "exchanged; install the model again."
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} holds something other than weights and was not opened, because it could run code: "
            "use only models from a source that you trust."
        ) from error
    return _in_single_precision(weights)


def write_bundle(folder: str | os.PathLike, card: Mapping[str, Any], weights: Mapping[str, Any]) -> Path:
    """Write a model, weights in half precision where that holds them; the card comes last, as the sign of completeness."""
    folder = make_folder(folder)
    with atomic_path(folder / WEIGHTS) as temporary:
        _save_compressed(_in_half_precision(weights), temporary)
    write_json({"format": FORMAT, **card, "weights_sha256": file_hash(folder / WEIGHTS)}, folder / CARD)
    return folder


def load_state(module: torch.nn.Module, weights: Mapping[str, Tensor], folder: str | os.PathLike) -> None:
    """Fill a network with weights; raises `InputError` where a name or shape does not fit."""
    try:
        module.load_state_dict(dict(weights))
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"The weights in {folder} do not fit the network that its card describes ({reason})."
        ) from error


def _in_half_precision(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_half_precision(item) for key, item in value.items()}
    # Cloned: a view would be saved with the whole storage behind it.
    value = value.detach().cpu().clone()
    # Half precision ends at 65504, which variances of codes easily pass.
    return value.half() if value.is_floating_point() and bool((value.abs() < 65504).all()) else value


def _in_single_precision(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_single_precision(item) for key, item in value.items()}
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _save_compressed(weights: dict[str, Any], path: Path) -> None:
    """`torch.save`, whose archive is not compressed, and then compressed; `torch.load` reads either."""
    stored = io.BytesIO()
    torch.save(weights, stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for entry in source.infolist():
            # A fixed date: the same weights give the same file, and the same hash.
            target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry), zipfile.ZIP_DEFLATED, 9)
