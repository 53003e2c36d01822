"""A trained model on disk: a folder with ``model.json`` (the card) and ``weights.pt``; and where such folders are found.

A card tells what the model is, what it was trained on, how accurate it was measured to be, and the SHA-256 of the weights.
Weights are read only after their hash was checked, and only as plain tensors: a file that holds code is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .files import atomic_path, make_folder, write_json

FORMAT = 1
"""Version of the cards that this program writes; cards of a later version are refused."""

CARD, WEIGHTS = "model.json", "weights.pt"
FOLDERS_VARIABLE = "LATENTMOTION_MODELS"
"""Environment variable with further folders of models, separated as in PATH."""

_REQUIRED = ("format", "name", "purpose", "model", "grid", "training", "accuracy", "weights_sha256")


def model_folders() -> list[Path]:
    """Folders that are searched for models by name, in this order; those that do not exist are left out."""
    here = Path(__file__).resolve().parent
    extra = [Path(folder) for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if folder]
    # Beside the package in the source tree and in Slicer; inside it where pip has installed it.
    candidates = [*extra, here.parent / "Resources" / "Models", here / "Models"]
    return [folder for folder in candidates if folder.is_dir()]


def catalogue() -> dict[str, Path]:
    """Name and folder of every model found; a folder earlier in `model_folders` wins over a later one."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            found.setdefault(card.parent.name, card.parent)
    return found


def find_bundle(name_or_folder: str | os.PathLike) -> Path:
    """Folder of a model, given its name in the catalogue or its folder; raises `InputError` for an unknown one."""
    folder = Path(name_or_folder)
    if (folder / CARD).is_file():
        return folder
    found = catalogue()
    if str(name_or_folder) in found:
        return found[str(name_or_folder)]
    known = ", ".join(found) or "none"
    raise InputError(
        f"There is no model '{name_or_folder}': name one of those installed ({known}), or a folder with a {CARD}."
    )


def read_card(folder: str | os.PathLike) -> dict[str, Any]:
    """The card of a model; raises `InputError` where it is unreadable, incomplete, or of a later version."""
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The model card {path} cannot be read ({error}): install the model again.") from error
    if not isinstance(card, dict):
        raise InputError(f"{path} is not a model card: install the model again.")
    if not isinstance(card.get("format", FORMAT), int):
        raise InputError(f"The model card {path} has the unknown format '{card['format']}': install the model again.")
    if card.get("format", FORMAT) > FORMAT:
        raise InputError(
            f"The model in {folder} was written by a newer version of LatentMotion (format {card['format']}, "
            f"this version reads {FORMAT}): update the extension."
        )
    missing = [key for key in _REQUIRED if key not in card]
    if missing:
        raise InputError(f"The model card {path} lacks {', '.join(missing)}: install the model again.")
    return card


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


def file_hash(path: str | os.PathLike) -> str:
    """SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(stream)


def _digest(stream) -> str:
    # Python 3.10 has no hashlib.file_digest.
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


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
