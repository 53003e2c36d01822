"""Files that are either complete or not there."""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path`, with the same suffix, that becomes `path` when the block ends well.

    When the block raises, the temporary file is removed and whatever was at `path` stays as it was. Missing folders are
    created. Raises `InputError` when the folder or the file cannot be written.

    >>> with atomic_path("report.json") as temporary:
    ...     temporary.write_text("{}")
    """
    path = Path(path)
    temporary = make_folder(path.parent) / f".{secrets.token_hex(4)}.{path.name}"
    try:
        yield temporary
        _replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): choose another folder or free it."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """`os.replace`, tried again for a while: Windows refuses while another process has the file open to read it."""
    for delay in (0.05, 0.1, 0.2, 0.4):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(delay)
    return os.replace(temporary, path)


def make_folder(folder: str | os.PathLike) -> Path:
    """Create `folder` with its parents and return it; raises `InputError` where files cannot be written into it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be created ({error.strerror or error}): choose another one."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"The folder {folder} is write-protected: choose another one.")
    return folder


def write_json(data: Any, path: str | os.PathLike) -> Path:
    """Write `data` as indented JSON, completely or not at all, and return the path. NaN and infinity become null."""
    path = Path(path)
    text = json.dumps(_without_nan(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _without_nan(data: Any) -> Any:
    """A copy of nested dicts and lists of plain values and NumPy scalars that strict JSON can hold."""
    if isinstance(data, dict):
        return {str(key): _without_nan(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_nan(value) for value in data]
    if hasattr(data, "tolist"):
        return _without_nan(data.tolist())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, os.PathLike):
        return os.fspath(data)
    return data
