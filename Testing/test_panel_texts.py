"""Everything that the panel says can be translated."""

from pathlib import Path

import pytest
import qt
import slicer

from Testing.SlicerHost import i18n
from Testing.SlicerHost.application import load_module
from Testing.SlicerHost.modules import unload_module

MODULE = Path(__file__).parents[1] / "LatentRegistration" / "LatentRegistration.py"


@pytest.fixture
def bracketed_panel(scene):
    """The panel in a language that puts every text into brackets."""
    with i18n.use(i18n.bracketed):
        load_module(MODULE)
        slicer.app.module_selector.selectModule("LatentRegistration")
        yield slicer.modules.LatentRegistrationWidget
        unload_module("LatentRegistration")


def texts_of(widget) -> list[str]:
    """What one widget says."""
    said = [widget.toolTip]
    if isinstance(widget, (qt.QLabel, qt.QAbstractButton)):
        said.append(widget.text)
    if isinstance(widget, qt.QGroupBox):
        said.append(widget.title)
    if isinstance(widget, qt.QComboBox):
        said += [widget.itemText(index) for index in range(widget.count)]
    if isinstance(widget, qt.QTableWidget):
        headers = [widget.horizontalHeaderItem(column) for column in range(widget.columnCount)]
        said += [header.text() for header in headers if header is not None]
    return [text for text in said if text and any(letter.isalpha() for letter in text)]


def test_every_text_of_the_panel_is_translated(bracketed_panel):
    names = bracketed_panel.logic.modelNames()
    from_cards = {*names, *(bracketed_panel.logic.modelCard(name)["purpose"] for name in names)}
    own = [widget for widget in vars(bracketed_panel.ui).values() if isinstance(widget, qt.QWidget)]
    untranslated = {
        (widget.objectName, text)
        for widget in own
        for text in texts_of(widget)
        if "[" not in text and text not in from_cards
    }
    assert untranslated == set()
    assert sum(len(texts_of(widget)) for widget in own) > 80  # they were looked at


def test_title_and_help_are_translated(bracketed_panel):
    module = slicer.modules.latentregistration
    assert module.title.startswith("[")
    assert "[" in module.helpText
