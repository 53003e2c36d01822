"""Translated texts: `slicer.i18n`, and translations that a test puts in place for a while.

Everything goes through Qt, as in the application: `tr` asks `slicer.app.translate` at the time of the call, and texts of
`.ui` files are looked up where they are loaded.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import slicer

from .pyside import QtCore

_PLACEHOLDER = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


def tr(text: str) -> str:
    """The text in the language of the application; the context is the file of the caller.

    A translation that does not have the same placeholders in braces is logged and not used.
    """
    context = getContext(sys._getframe(1).f_code.co_filename)
    translated = translate(context, text)
    if set(_PLACEHOLDER.findall(text)) != set(_PLACEHOLDER.findall(translated)):
        logging.warning(f"{context}: the placeholders of {translated!r} are not those of {text!r}.")
        return text
    return translated


def translate(context: str, text: str) -> str:
    """The text in the language of the application, in a context that is named."""
    return slicer.app.translate(context, text)


@functools.cache
def getContext(sourceFile: str) -> str:
    """The name of a file without .py, in a package after that of its folder: `DeformationSceneLib.transforms`."""
    path = Path(sourceFile)
    if not path.is_file():
        return path.name
    name = path.name.replace(".py", "")
    return f"{path.parent.name}.{name}" if (path.parent / "__init__.py").is_file() else name


def bracketed(text: str) -> str:
    """A pseudo-translation that shows which texts are translated at all: `[Apply]`."""
    return f"[{text}]"


@contextlib.contextmanager
def use(translations: Mapping[str, str] | Callable[[str], str]) -> Iterator[None]:
    """Translate by a table (other texts stay as they are) or a function while the block runs, in every context.

    Texts that were translated before the block keep their language, as in the application, which has to be restarted.
    """
    lookup = translations if callable(translations) else lambda text: translations.get(text, text)
    translator = _Translator(lookup)
    QtCore.QCoreApplication.installTranslator(translator)
    try:
        yield
    finally:
        QtCore.QCoreApplication.removeTranslator(translator)


class _Translator(QtCore.QTranslator):
    def __init__(self, lookup: Callable[[str], str]):
        super().__init__()
        self._lookup = lookup

    def isEmpty(self) -> bool:
        return False

    def translate(self, context, sourceText, disambiguation=None, n=-1) -> str:
        return self._lookup(sourceText)
