"""Models of a user's own: put into the user's folder of models, where every list of models finds them, and removed again."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .catalogue import CARD, WEIGHTS, bundled_model_folders, file_hash, read_card, user_model_folders
from .errors import InputError
from .files import make_folder, write_json


class ModelExistsError(InputError):
    """The user has a model of that name already, which could be replaced; ``name`` is its name."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def user_models() -> dict[str, Path]:
    """Name and folder of every model that was installed by the user."""
    folders = (card.parent for folder in user_model_folders() for card in sorted(folder.glob(f"*/{CARD}")))
    return {folder.name: folder for folder in folders if not folder.name.startswith(".")}


def bundled_models() -> set[str]:
    """Names of the models that come with the program."""
    return {card.parent.name for folder in bundled_model_folders() for card in folder.glob(f"*/{CARD}")}


def install_model(
    source: str | os.PathLike,
    name: str = "",
    *,
    replace: bool = False,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """Copy a model into the user's folder of models, completely or not at all, and return its new folder.

    Args:
        source: folder of a model, folder of a training that holds one in ``model``, or a zip file with one. Models in
            folders of the model's own, which it brings along, are installed with it.
        name: what it is to be called; by default as its card says.
        replace: whether a model of that name that the user installed before is replaced.
        check: called with the folder of the copy before it is put in place; raises `InputError` for a model that cannot
            be used, for example ``RegistrationModel.load``.

    Raises:
        ModelExistsError: where the user has a model of that name, and it is not to be replaced.
        InputError: for a source without a model, a damaged one, an unusable name or that of a model that came with the
            program, and a folder that cannot be written.
    """
    with _model_in(Path(source)) as folder:
        card = read_card(folder)
        target = _checked_target(_checked_name(name or str(card["name"])), replace)
        # Beside the target, so that it can be renamed; with a dot, so that no list shows it half copied.
        copy = make_folder(make_folder(target.parent) / f".{secrets.token_hex(4)}.{target.name}")
        try:
            _copy_weights(folder, copy, card)
            write_json({**card, "name": target.name}, copy / CARD)
            for part in _parts(folder):
                _copy_weights(part, make_folder(copy / part.name), read_card(part))
                shutil.copyfile(part / CARD, copy / part.name / CARD)
            if check is not None:
                check(copy)
            _put_in_place(copy, target)
        except OSError as error:
            raise InputError(
                f"The model cannot be copied to {target} ({error.strerror or error}): free space or choose another "
                "folder of models."
            ) from error
        finally:
            shutil.rmtree(copy, ignore_errors=True)
    return target


def check_name(name: str, *, replace: bool = False) -> None:
    """Raise what `install_model` would raise for a name: before a training that is to end with it."""
    _checked_target(_checked_name(name), replace)


def remove_model(name: str) -> None:
    """Delete a model that the user has installed; raises `InputError` for any other."""
    folder = user_models().get(name)
    if folder is None:
        reason = "came with the program and stays" if name in bundled_models() else "is not installed"
        raise InputError(f"The model '{name}' {reason}: only models that you have installed can be removed.")
    trash = folder.with_name(f".{secrets.token_hex(4)}.{name}")
    try:
        # Renamed first: a model that is half deleted is in no list.
        os.replace(folder, trash)
        shutil.rmtree(trash)
    except OSError as error:
        raise InputError(
            f"The model '{name}' cannot be removed ({error.strerror or error}): close the programs that use {folder}."
        ) from error


def _checked_name(name: str) -> str:
    """The name without spaces around it; refuses what is not the name of a folder on every system."""
    name = name.strip()
    if not name or len(name) > 64 or not re.fullmatch(r"[^\\/:*?\"<>|\x00-\x1f]+", name):
        raise InputError(
            f"'{name}' cannot be the name of a model: take 1 to 64 letters, digits, spaces, '-' or '_', and no slashes."
        )
    if name.startswith(".") or name.endswith(".") or _RESERVED.fullmatch(name):
        raise InputError(f"'{name}' cannot be the name of a folder on every system: choose another name.")
    return name


def _checked_target(name: str, replace: bool) -> Path:
    # As a file system that ignores case would take them.
    if name.lower() in {bundled.lower() for bundled in bundled_models()}:
        raise InputError(f"'{name}' is the name of a model that comes with the program: choose another name.")
    taken = {other.lower(): folder for other, folder in user_models().items()}.get(name.lower())
    if taken is not None and not replace:
        message = f"There is a model '{taken.name}' already: choose another name, or replace that model ({taken})."
        raise ModelExistsError(message, taken.name)
    target = taken or user_model_folders()[0] / name
    if taken is None and target.exists():
        raise InputError(
            f"{target} exists and is no model: choose another name, or move it out of the folder of models."
        )
    return target


def _parts(folder: Path) -> list[Path]:
    """Folders of the models that a model brings along."""
    return sorted(card.parent for card in folder.glob(f"*/{CARD}") if not card.parent.name.startswith("."))


def _copy_weights(folder: Path, copy: Path, card: Mapping[str, Any]) -> None:
    """Copy the weights of a model; raises `InputError` where they are not there, or not those of its card."""
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"The model in {folder} has no {WEIGHTS}: it is incomplete, train or download it again.")
    shutil.copyfile(folder / WEIGHTS, copy / WEIGHTS)
    if file_hash(copy / WEIGHTS) != card["weights_sha256"]:
        raise InputError(
            f"The weights in {folder} are not those that the model card describes (their SHA-256 differs): "
            "the model is damaged, train or download it again."
        )


def _put_in_place(copy: Path, target: Path) -> None:
    """Rename, with whatever was at the target out of the way first and back again if that fails."""
    if not target.exists():
        os.replace(copy, target)
        return
    old = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    os.replace(target, old)
    try:
        os.replace(copy, target)
    except OSError:
        os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _model_in(source: Path) -> Iterator[Path]:
    """The folder with the card: the source, ``model`` in it, or what a zip file holds, unpacked for a while."""
    if source.is_dir():
        folder = next((folder for folder in (source, source / "model") if (folder / CARD).is_file()), None)
        if folder is None:
            raise InputError(f"The folder {source} holds no model: choose one with a {CARD}.")
        yield folder
    elif source.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            yield _unpacked(source, Path(temporary))
    else:
        raise InputError(f"{source} does not exist: choose the folder or the zip file of a model.")


def _unpacked(archive: Path, folder: Path) -> Path:
    """Cards and weights of the only model in an archive, and of those that it brings along; nothing else, nowhere else."""
    try:
        with zipfile.ZipFile(archive) as stored:
            names = [entry.filename for entry in stored.infolist() if not stat.S_ISLNK(entry.external_attr >> 16)]
            # macOS adds shadows of all files to the archives that it makes.
            cards = [name for name in names if name.rpartition("/")[2] == CARD and not name.startswith("__MACOSX/")]
            tops = [card for card in cards if not any(card != other and _is_below(card, other) for other in cards)]
            if len(tops) != 1:
                raise InputError(
                    f"{archive} holds {len(tops) or 'no'} models: choose a zip file with one {CARD} and its {WEIGHTS}."
                )
            inside = len(_folder_of(tops[0]))
            for card in cards:
                target = make_folder(folder / _folder_of(card)[inside:])
                for name in (CARD, WEIGHTS):
                    if _folder_of(card) + name in names:
                        with stored.open(_folder_of(card) + name) as packed, open(target / name, "wb") as unpacked:
                            shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InputError(
            f"{archive} cannot be unpacked ({error}): choose the folder or the zip file of a model."
        ) from error
    return folder


def _folder_of(card: str) -> str:
    """The folder of a card in an archive, with its slash; empty at the top."""
    return card[: -len(CARD)]


def _is_below(card: str, other: str) -> bool:
    """Whether a card is that of a model which the other's brings along: in a plain folder beside that."""
    rest = _folder_of(card)[len(_folder_of(other)) :]
    return card.startswith(_folder_of(other)) and re.fullmatch(r"[\w-]+/", rest) is not None
