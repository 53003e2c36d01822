"""Slicer's own Python files instead of this host's: with SLICER_BASE_PYTHON set to the folder `Base/Python` of Slicer's
sources, `slicer.ScriptedLoadableModule`, `slicer.parameterNodeWrapper`, `slicer.i18n`, `slicer.util`, `slicer.packaging`
and the like come from there.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import slicer
import slicer.util

ENVIRONMENT_VARIABLE = "SLICER_BASE_PYTHON"
_REQUIRED_FILES = ("ScriptedLoadableModule.py", "i18n.py", "parameterNodeWrapper/__init__.py", "util.py")
_MODULES = ("i18n", "parameterNodeWrapper", "ScriptedLoadableModule")


def folder() -> Path | None:
    """The folder that the environment names, or None. Raises ValueError if it is not a Base/Python of Slicer."""
    text = os.environ.get(ENVIRONMENT_VARIABLE)
    if not text:
        return None
    missing = [name for name in _REQUIRED_FILES if not Path(text, "slicer", name).is_file()]
    if missing:
        raise ValueError(
            f"{ENVIRONMENT_VARIABLE} is {text}, which has no slicer/{missing[0]}; set it to the folder Base/Python of "
            "Slicer's sources, or unset it."
        )
    return Path(text).resolve()


def use_utilities() -> None:
    """Put Slicer's `slicer.util` in the place of slicer-core's, also where names of it have been imported already.

    Does nothing without the environment variable. To be called early: a class that was derived from one of these names
    stays as it is.
    """
    base = folder()
    if base is None or str(base / "slicer") in slicer.__path__:
        return
    slicer.__path__.insert(0, str(base / "slicer"))
    old = sys.modules.pop("slicer.util")
    new = importlib.import_module("slicer.util")
    for module in list(sys.modules.values()):
        if module is not old and module is not new:
            _replace_names(module, old, new)


def install() -> None:
    """Import Slicer's own modules under their names. The stand-ins for `qt` and `ctk` must be in place."""
    for name in _MODULES:
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))


def _replace_names(module, old, new) -> None:
    for name, value in list(getattr(module, "__dict__", {}).items()):
        if value is old:
            setattr(module, name, new)
        elif getattr(value, "__module__", None) == "slicer.util":
            own_name = getattr(value, "__name__", name)
            if vars(old).get(own_name) is value and own_name in vars(new):
                setattr(module, name, vars(new)[own_name])
