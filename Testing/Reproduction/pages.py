"""Tables of the documentation that the scripts write themselves, between marks, whenever they are measured anew."""

from __future__ import annotations

import contextlib
import io
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from DeformationLib.errors import InputError


def show(tell: Callable[[], Any], part: str, folder: str | Path, document: str | Path = "") -> Any:
    """Print what ``tell`` prints, keep it as a file, and put it into a page between the part's marks.

    Args:
        tell: prints a table.
        part: name of the file, and of the marks ``<!-- part -->`` and ``<!-- end of part -->``.
        folder: of the file.
        document: the page, or nothing.

    Returns:
        What ``tell`` returns.

    Raises:
        InputError: for a page without the marks.
    """
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        result = tell()
    text = words.getvalue().strip()
    print(f"\n{text}\n", flush=True)
    (Path(folder) / f"{part}.md").write_text(text + "\n", encoding="utf-8")
    if document:
        replace_part(Path(document), part, text)
    return result


def replace_part(page: Path, part: str, text: str) -> None:
    """Put a text between a part's marks; raises `InputError` for a page without them."""
    before, found, rest = page.read_text(encoding="utf-8").partition(f"<!-- {part} -->\n")
    _, closed, after = rest.partition(f"<!-- end of {part} -->")
    if not (found and closed):
        raise InputError(f"{page} has no marks '<!-- {part} -->' and '<!-- end of {part} -->' to write between.")
    page.write_text(f"{before}{found}\n{text}\n\n{closed}{after}", encoding="utf-8")


def processor() -> str:
    """The machine's processor, as its system calls it."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            name = next(line.split(":", 1)[1].strip() for line in stream if line.startswith("model name"))
        return " ".join(name.split())
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
