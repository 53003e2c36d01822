"""Everything that AgentRegistration's panel says can be translated."""

import pytest
import qt
import slicer

from Testing.SlicerHost import i18n
from Testing.SlicerHost.application import load_module
from Testing.SlicerHost.modules import unload_module
from Testing.test_motion_panel_texts import _PLAYER
from Testing.test_panel_texts import MODULE, texts_of

_FILE = MODULE.parents[1] / "AgentRegistration" / "AgentRegistration.py"


@pytest.fixture
def bracketed_panel(scene, agent_models):
    """The panel in a language that puts every text into brackets."""
    with i18n.use(i18n.bracketed):
        load_module(_FILE)
        slicer.app.module_selector.selectModule("AgentRegistration")
        yield slicer.modules.AgentRegistrationWidget
        unload_module("AgentRegistration")


def test_every_text_of_the_panel_is_translated(bracketed_panel):
    names = bracketed_panel.logic.modelNames()
    from_cards = {*names, *(bracketed_panel.logic.modelCard(name)["purpose"] for name in names)}
    own = [widget for widget in vars(bracketed_panel.ui).values() if isinstance(widget, qt.QWidget)]
    untranslated = {
        (widget.objectName, text)
        for widget in own
        for text in texts_of(widget)
        if "[" not in text and text not in from_cards | _PLAYER
    }
    assert untranslated == set()
    assert sum(len(texts_of(widget)) for widget in own) > 80  # they were looked at


def test_title_help_and_research_use(bracketed_panel):
    module = slicer.modules.agentregistration
    assert module.title.startswith("[")
    assert "[" in module.helpText
    assert "research only" in module.helpText
    assert "research only" in bracketed_panel.ui.researchUseLabel.text
