"""Translated texts in the host: looked up when they are asked for, in code and in .ui files."""

import logging

import pytest
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate

from Testing.SlicerHost import i18n

UI = """<?xml version="1.0"?>
<ui version="4.0"><class>Panel</class><widget class="QWidget" name="Panel"><layout class="QVBoxLayout">
<item><widget class="QPushButton" name="apply">
<property name="text"><string>Apply</string></property>
<property name="toolTip"><string notr="true">fixed text</string></property>
</widget></item></layout></widget></ui>
"""


def test_texts_are_their_own_translation(application):
    assert _("Apply") == translate("Module", "Apply") == slicer.app.translate("Module", "Apply") == "Apply"


def test_translations_hold_while_their_block_runs(application):
    with i18n.use({"Apply": "Anwenden", "Register": "Überlagern"}):
        assert _("Apply") == "Anwenden"
        assert translate("Module", "Register") == "Überlagern"
        assert _("Cancel") == "Cancel"
        with i18n.use({"Apply": "Appliquer"}):
            assert _("Apply") == "Appliquer"
        assert _("Apply") == "Anwenden"
    assert _("Apply") == "Apply"


def test_translations_end_with_an_error_in_their_block(application):
    with pytest.raises(RuntimeError), i18n.use(i18n.bracketed):
        raise RuntimeError
    assert _("Apply") == "Apply"


def test_placeholders_are_filled_after_translation(application):
    with i18n.use(i18n.bracketed):
        assert _("{count} of {total}").format(count=1, total=2) == "[1 of 2]"


@pytest.mark.parametrize("wrong", ["{Zahl} Bilder", "Bilder", "{count} von {total} Bildern"])
def test_translation_with_other_placeholders_is_not_used(application, caplog, wrong):
    with i18n.use({"{count} images": wrong}), caplog.at_level(logging.WARNING):
        assert _("{count} images").format(count=3) == "3 images"
    assert wrong in caplog.text


def test_braces_that_are_doubled_are_no_placeholders(application):
    with i18n.use({"{{x}}": "{{y}}"}):
        assert _("{{x}}") == "{{y}}"


def test_context_is_the_package_and_file_of_the_caller(application, monkeypatch):
    asked = []
    monkeypatch.setattr(type(slicer.app), "translate", lambda self, context, text: asked.append(context) or text)
    _("Apply")
    assert asked == ["Testing.test_host_i18n"]
    exec(compile("_('Apply')", "<console>", "exec"), {"_": _})
    assert asked[1] == "<console>"


def test_file_without_a_package_is_its_own_context(tmp_path):
    (tmp_path / "Module.py").write_text("")
    assert i18n.getContext(str(tmp_path / "Module.py")) == "Module"
    (tmp_path / "Lib").mkdir()
    for name in ("__init__.py", "section.py"):
        (tmp_path / "Lib" / name).write_text("")
    assert i18n.getContext(str(tmp_path / "Lib" / "section.py")) == "Lib.section"


def test_ui_files_are_translated_when_they_are_loaded(application, tmp_path):
    path = tmp_path / "Panel.ui"
    path.write_text(UI)
    before = slicer.util.loadUI(str(path))
    with i18n.use({"Apply": "Anwenden", "fixed text": "?"}):
        during = slicer.util.loadUI(str(path))
    texts = [slicer.util.childWidgetVariables(panel).apply.text for panel in (before, during)]
    assert texts == ["Apply", "Anwenden"]
    assert slicer.util.childWidgetVariables(during).apply.toolTip == "fixed text"
