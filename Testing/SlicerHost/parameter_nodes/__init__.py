"""Typed parameters in a `vtkMRMLScriptedModuleNode`, bound to widgets: what `slicer.parameterNodeWrapper` offers.

Written anew for this host after what Slicer's own package does: the same names, the same texts and references in the
node (a scene that was saved in one opens in the other), the same events and the same widgets. Every file lists in
`__all__` what Slicer's package exports; `install` puts it in place under Slicer's names.
"""

from __future__ import annotations

import importlib
import sys
import types

import slicer

# The modules of Slicer's package, and the files here that have their content.
_MODULES = {
    "default": ("annotations",),
    "util": ("annotations",),
    "validators": ("validators",),
    "serializers": ("serializers", "single_values", "containers", "alternatives"),
    "parameterPack": ("packs", "observed_packs"),
    "types": ("ranges",),
    "guiConnectors": ("annotations", "connectors", "widget_connectors", "pack_connector"),
    "wrapper": ("wrapper", "gui_binding"),
}

_GUI_CREATION = ("GuiCreator", "Label", "createGui", "parameterNodeGuiCreator")


def install() -> None:
    """Put the package and its modules in place as `slicer.parameterNodeWrapper`. `qt` and `ctk` must be in place."""
    package = _module("slicer.parameterNodeWrapper", __path__=[], __getattr__=_refuse)
    exported = {}
    for name, files in _MODULES.items():
        sources = [importlib.import_module(f".{file}", __name__) for file in files]
        members = {key: value for source in sources for key, value in vars(source).items() if not key.startswith("_")}
        setattr(package, name, _module(f"slicer.parameterNodeWrapper.{name}", **members))
        exported.update({key: getattr(source, key) for source in sources for key in source.__all__})
    # After the modules, as `parameterPack` is the decorator.
    vars(package).update(exported)
    slicer.parameterNodeWrapper = package


def _module(name: str, **members) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(members)
    return module


def _refuse(name: str):
    if name in _GUI_CREATION:
        raise NotImplementedError(
            f"slicer.parameterNodeWrapper.{name}: the headless host makes no widgets from types; use a .ui file."
        )
    raise AttributeError(f"slicer.parameterNodeWrapper.{name} does not exist or is not covered by the headless host.")
