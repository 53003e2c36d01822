"""Everything that RiskPrediction's panel says can be translated, and what it always says."""

import pytest
import qt
import slicer

from Testing.SlicerHost import i18n
from Testing.SlicerHost.application import load_module
from Testing.SlicerHost.modules import unload_module
from Testing.test_motion_panel_texts import _PLAYER
from Testing.test_panel_texts import MODULE, texts_of

_FILE = MODULE.parents[1] / "RiskPrediction" / "RiskPrediction.py"


@pytest.fixture
def bracketed_panel(scene, risk_models):
    """The panel in a language that puts every text into brackets."""
    with i18n.use(i18n.bracketed):
        load_module(_FILE)
        slicer.app.module_selector.selectModule("RiskPrediction")
        yield slicer.modules.RiskPredictionWidget
        unload_module("RiskPrediction")


def test_every_text_of_the_panel_is_translated(bracketed_panel):
    logic = bracketed_panel.logic
    names = [*logic.modelNames(), *logic.motionModelNames()]
    from_cards = {*names, *(logic.modelCard(name)["purpose"] for name in names)}
    own = [widget for widget in vars(bracketed_panel.ui).values() if isinstance(widget, qt.QWidget)]
    untranslated = {
        (widget.objectName, text)
        for widget in own
        for text in texts_of(widget)
        if "[" not in text and text not in from_cards | _PLAYER | {"p"}
    }
    assert untranslated == set()
    assert sum(len(texts_of(widget)) for widget in own) > 80  # they were looked at


def test_title_and_help(bracketed_panel):
    module = slicer.modules.riskprediction
    assert module.title.startswith("[")
    assert "[" in module.helpText
    assert "research only" in module.helpText
    assert "outcomes are made up" in module.helpText


def test_the_banner_cannot_be_switched_off(risk_panel):
    ui = risk_panel.ui
    banner = ui.researchUseLabel
    assert "For research only" in banner.text
    for name in ("cohort", "evaluate", "patient"):
        getattr(ui, f"{name}CollapsibleButton").collapsed = True
        assert not banner.isHidden()
    # Above all sections, in none of them, and bound to no parameter.
    assert banner.parentWidget().layout().itemAt(0).widget() is banner
    assert "SlicerParameterName" not in [bytes(name).decode() for name in banner.dynamicPropertyNames()]


def test_long_texts_do_not_widen_the_panel(risk_panel):
    ui = risk_panel.ui
    for name in ("cohort", "evaluate", "patient"):
        getattr(ui, f"{name}CollapsibleButton").collapsed = False
    for name in ("evaluateResultGroupBox", "trainResultGroupBox", "patientResultGroupBox"):
        getattr(ui, name).visible = True
    for name in ("cohortResultLabel", "patientResultLabel", "patientWarningsLabel", "evaluateWarningsLabel"):
        getattr(ui, name).visible = True
        getattr(ui, name).text = "A warning that is as long as warnings are. " * 8
    layout = ui.cohortCollapsibleButton.parentWidget().layout()
    assert layout.minimumSize().width() < 400
