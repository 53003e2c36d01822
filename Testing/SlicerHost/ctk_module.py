"""The module `ctk`: stand-ins of the widgets that scripted modules use, refusals of the others."""

from __future__ import annotations

import types

from . import ctk_buttons, ctk_containers, ctk_paths, ctk_ranges, ctk_values
from .pythonqt import is_cpp_class
from .stand_in import refusing_class

_REFUSED = (
    "ctkAxesWidget",
    "ctkBasePopupWidget",
    "ctkCheckableComboBox",
    "ctkCheckableHeaderView",
    "ctkCollapsibleButtonGroup",
    "ctkColorDialog",
    "ctkConfirmExitDialog",
    "ctkConsole",
    "ctkCoordinatesWidget",
    "ctkDICOMBrowser",
    "ctkDICOMDatabase",
    "ctkDateRangeWidget",
    "ctkDynamicSpacer",
    "ctkErrorLogWidget",
    "ctkExpandButton",
    "ctkExpandableWidget",
    "ctkFileDialog",
    "ctkFittedTextBrowser",
    "ctkFlowLayout",
    "ctkFontButton",
    "ctkLanguageComboBox",
    "ctkMaterialPropertyWidget",
    "ctkMatrixWidget",
    "ctkMenuButton",
    "ctkMenuComboBox",
    "ctkPathListButtonsWidget",
    "ctkPathListWidget",
    "ctkPopupWidget",
    "ctkProxyStyle",
    "ctkRangeSlider",
    "ctkSearchBox",
    "ctkSettingsDialog",
    "ctkSettingsPanel",
    "ctkSizeGrip",
    "ctkThumbnailLabel",
    "ctkThumbnailListWidget",
    "ctkTreeComboBox",
    "ctkTreeView",
    "ctkValueProxy",
    "ctkVTKMagnifyView",
    "ctkVTKScalarBarWidget",
    "ctkVTKVolumePropertyWidget",
    "ctkWorkflowWidget",
    "ctkScreenshotDialog",
)


def ctk_classes() -> dict[str, type]:
    """The stand-ins by name."""
    found = {}
    for source in (ctk_buttons, ctk_containers, ctk_paths, ctk_ranges, ctk_values):
        found.update(
            {name: item for name, item in vars(source).items() if name.startswith("ctk") and is_cpp_class(item)}
        )
    return found


def make_ctk_module() -> types.ModuleType:
    """Make `ctk`; names that CTK has and the host has not raise NotImplementedError when they are used."""
    module = types.ModuleType("ctk", __doc__)
    vars(module).update({name: refusing_class("ctk", name) for name in _REFUSED})
    vars(module).update(ctk_classes())
    return module
