"""The weights of a trained model on disk: read, checked, written; `catalogue` finds models and reads their cards.

Weights are read only after their hash was checked, and only as plain tensors: a file that holds code is refused.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .catalogue import CARD, FORMAT, WEIGHTS, file_hash, find_bundle, read_card
from .errors import InputError
from .files import atomic_path, make_folder, write_json


@dataclass(frozen=True)
class Bundle:
    """A model on disk that was read.

    Attributes:
        folder: where it is.
        card: what it says about itself.
        network: filled with its weights.
        grid: of the network.
        weights: all parts of the weights, nested dictionaries of tensors.
    """

    folder: Path
    card: dict[str, Any]
    network: torch.nn.Module
    grid: Any
    weights: dict[str, Any]

    def part(self, name: str, build: Callable[[dict[str, Any]], Any]) -> Any:
        """What `build` makes of a further part of the weights; None where the model has none.

        Raises `InputError` for a part that is incomplete.
        """
        tensors = self.weights.get(name)
        try:
            return build(tensors) if tensors else None
        except (KeyError, AttributeError) as error:
            raise InputError(
                f"The {name} in {self.folder} is incomplete ({error}): install the model again."
            ) from error


def read_bundle(
    name_or_folder: str | os.PathLike, kind: str, build: Callable[[dict[str, Any]], tuple[torch.nn.Module, Any]]
) -> Bundle:
    """Read a model of a certain class.

    Args:
        name_or_folder: its name in the catalogue, or its folder.
        kind: the class of networks that its card has to name.
        build: makes the network, still without its weights, and its grid from the card.

    Raises:
        InputError: for a model that is not there, damaged, of another class, or written by a newer version.
    """
    folder = find_bundle(name_or_folder)
    card = read_card(folder)
    try:
        named = card["model"].get("class")
        if named != kind:
            raise InputError(f"{folder} holds a model of the class {named}, not of {kind}: choose another.")
        network, grid = build(card)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"The model card in {folder} is incomplete ({error}): install the model again.") from error
    weights = read_weights(folder, card)
    if "network" not in weights:
        raise InputError(f"The weights in {folder} lack the part 'network': install the model again.")
    load_state(network, weights["network"], folder)
    return Bundle(Path(folder), card, network, grid, weights)


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
