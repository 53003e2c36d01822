"""Where trained models are found, and their cards: names, purposes, hashes; needs no torch.

A model is a folder with ``model.json`` (the card) and ``weights.pt`` (see `bundle`). A card tells what the model is, what
it was trained on, how accurate it was measured to be, and the SHA-256 of the weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .errors import InputError

FORMAT = 1
"""Version of the cards that this program writes; cards of a later version are refused."""

CARD, WEIGHTS = "model.json", "weights.pt"
FOLDERS_VARIABLE = "LATENTMOTION_MODELS"
"""Environment variable with the folders of a user's models, separated as in PATH; models are installed into the first."""

_MODULES = ("MotionModel", "RiskPrediction", "AgentRegistration")
"""Modules beside LatentRegistration that bring models of their own."""

_REQUIRED = ("format", "name", "purpose", "model", "grid", "training", "accuracy", "weights_sha256")


def model_folders() -> list[Path]:
    """Folders that are searched for models by name, in this order; those that do not exist are left out."""
    return [folder for folder in [*user_model_folders(), *bundled_model_folders()] if folder.is_dir()]


def bundled_model_folders() -> list[Path]:
    """Folders of the models that come with the program, whether they exist or not."""
    here = Path(__file__).resolve().parent
    # Slicer gathers the resources of all modules beside the packages; in the source tree each module has its own; and
    # inside the packages where pip has installed them.
    gathered = [here.parent / "Resources" / "Models"]
    own = [here.parents[1] / module / "Resources" / "Models" for module in _MODULES]
    return gathered + own + [here / "Models"] + [here.parent / f"{module}Lib" / "Models" for module in _MODULES]


def user_model_folders() -> list[Path]:
    """Folders of the models that a user has installed, whether they exist or not; new ones go into the first.

    They are those of the environment variable, or else the one that the system keeps a user's data in: the same in
    Slicer, in notebooks and on the command line, and untouched when the extension or Slicer is updated.
    """
    named = [Path(folder).expanduser() for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if folder]
    if named:
        return named
    if sys.platform == "win32":
        data = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return [Path(data) / "LatentMotion" / "Models"]


def catalogue(kinds: Collection[str] = ()) -> dict[str, Path]:
    """Name and folder of every model found; a folder earlier in `model_folders` wins over a later one.

    Args:
        kinds: classes of models, as their cards name them; empty for all. A card that cannot be read is listed too: its
            user shall be told.
    """
    found: dict[str, Path] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            if not card.parent.name.startswith("."):  # one that is being installed or removed
                found.setdefault(card.parent.name, card.parent)
    if not kinds:
        return found
    return {name: folder for name, folder in found.items() if kind_of(folder) in (None, *kinds)}


def kind_of(folder: str | os.PathLike) -> str | None:
    """The class of a model, as its card names it; None for a card that cannot be read."""
    try:
        model = read_card(folder)["model"]
    except InputError:
        return None
    return model.get("class") if isinstance(model, dict) else None


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
