"""The main window of the host and its command line."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer

from Testing.SlicerHost import __main__ as command
from Testing.SlicerHost.application import load_module, save_scene
from Testing.SlicerHost.application_views import show_views
from Testing.SlicerHost.main_window import LAYOUTS, show_main_window
from Testing.SlicerHost.modules import unload_module
from Testing.SlicerHost.signals import slot_errors
from Testing.view_events import is_colour

MODULE = """
import ctk, qt, slicer
from slicer.ScriptedLoadableModule import *

class WindowDemo(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Window Demo"
        parent.helpText = "What it does."
        parent.contributors = ["Ada", "Grace"]

class WindowDemoWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        self.calls = ["setup"]
        self.label = qt.QLabel()
        self.label.styleSheet = "background-color: #00c000;"
        self.label.minimumHeight = 1500
        self.layout.addWidget(self.label)
    def enter(self):
        self.calls.append("enter")
    def exit(self):
        self.calls.append("exit")
"""
GREEN = (0, 192, 0)


@pytest.fixture
def module_path(tmp_path):
    path = tmp_path / "WindowDemo.py"
    path.write_text(MODULE)
    yield path
    if "WindowDemo" in slicer.app.moduleManager().modulesNames():
        unload_module("WindowDemo")


@pytest.fixture
def window(scene):
    slot_errors.clear()
    window = show_main_window((1000, 700))
    yield window
    window.close_window()
    slicer.app.processEvents()
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


def picture(path) -> np.ndarray:
    image = qt.QImage(str(path)).convertToFormat(qt.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def test_there_is_no_window_until_it_is_asked_for(application):
    assert slicer.util.mainWindow() is None
    assert slicer.app.layoutManager() is None


def test_window_brings_the_views_and_takes_them_away(scene):
    nodes = scene.GetNumberOfNodes()
    window = show_main_window((900, 600))
    assert slicer.util.mainWindow() is window
    assert set(slicer.app.layoutManager().sliceViewNames()) >= {"Red", "Green", "Yellow"}
    with pytest.raises(RuntimeError, match="has views already"):
        show_main_window()
    window.close_window()
    slicer.app.processEvents()
    assert slicer.util.mainWindow() is None
    assert slicer.app.layoutManager() is None
    assert scene.GetNumberOfNodes() == nodes


def test_window_shows_panel_beside_the_views(window, module_path):
    load_module(module_path)
    slicer.util.selectModule("WindowDemo")
    shown = window.picture()
    assert shown.shape == (700, 1000, 3)
    panel = np.argwhere(is_colour(shown, GREEN))
    assert len(panel) > 50_000
    assert panel[:, 1].max() < 480
    # Right of it the black slice views and the bar of the red one.
    assert is_colour(shown[:, 480:], (0, 0, 0), 5).mean() > 0.3
    assert is_colour(shown[:, 480:], (243, 74, 51), 30).sum() > 2000


def test_modules_are_entered_and_left(window, module_path):
    module = load_module(module_path)
    slicer.util.selectModule("WindowDemo")
    python = module.widgetRepresentation().self()
    assert python.calls == ["setup", "enter"]
    assert window.modulePanel().currentModuleName() == "WindowDemo"
    assert python.label.isVisible()
    window.moduleSelector().selectModule("")
    assert python.calls == ["setup", "enter", "exit"]
    assert window.modulePanel().currentModuleName() == ""
    assert not python.label.isVisible()
    slicer.util.selectModule("WindowDemo")
    assert python.calls[-1] == "enter"


def test_help_is_collapsed_and_complete(window, module_path):
    load_module(module_path)
    slicer.util.selectModule("WindowDemo")
    button = slicer.util.findChild(window, "HelpCollapsibleButton")
    text = button.findChild(qt.QTextBrowser)
    assert button.isVisible()
    assert button.collapsed
    assert not text.isVisible()
    assert "What it does." in text.plainText
    assert "Ada, Grace" in text.plainText


def test_selectors_of_the_tool_bars(window, module_path):
    load_module(module_path)
    modules = slicer.util.findChild(window, "ModulesComboBox")
    index = modules.findText("Window Demo")
    assert index >= 0
    modules.activated.emit(index)
    assert slicer.util.selectedModule() == "WindowDemo"
    layouts = slicer.util.findChild(window, "LayoutComboBox")
    assert layouts.currentText == "Four-Up"
    layouts.activated.emit(layouts.findText("Conventional"))
    assert slicer.app.layoutManager().layout == LAYOUTS["conventional"]
    slicer.app.layoutManager().setLayout(LAYOUTS["red"])
    assert layouts.currentText == "Red slice only"


def test_status_messages(window):
    slicer.util.showStatusMessage("Registered in 0.4 s")
    assert window.statusBar().currentMessage() == "Registered in 0.4 s"


def test_panel_at_its_natural_height(window, module_path):
    load_module(module_path)
    slicer.util.selectModule("WindowDemo")
    alone = window.modulePanel().picture_at_natural_height(400)
    assert alone.shape[1] == 400
    assert is_colour(alone, GREEN).any(axis=1).sum() >= 1500
    # And it is back in the window.
    assert is_colour(window.picture(), GREEN).sum() > 50_000


def test_command_writes_a_picture(scene, module_path, tmp_path):
    path = tmp_path / "pictures" / "window.png"
    assert command.main([str(module_path), "--screenshot", str(path), "--size", "900x600"]) == 0
    shown = picture(path)
    assert shown.shape == (600, 900, 3)
    assert is_colour(shown, GREEN).sum() > 50_000
    assert slicer.app.layoutManager() is None


def test_command_shows_a_scene_in_a_layout_after_a_script(scene, module_path, tmp_path):
    node = slicer.util.addVolumeFromArray(np.full((8, 8, 8), 100, np.int16), name="white")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 100)
    save_scene(tmp_path / "scene.mrb")
    script = tmp_path / "script.py"
    script.write_text(
        "import slicer\n"
        "assert __file__.endswith('script.py')\n"
        "slicer.util.setSliceViewerLayers(background=slicer.util.getNode('white'), fit=True)\n"
    )
    path = tmp_path / "window.png"
    arguments = [str(module_path), "--screenshot", str(path), "--layout", "red", "--size", "800x500"]
    assert command.main([*arguments, "--scene", str(tmp_path / "scene.mrb"), "--script", str(script)]) == 0
    white = np.argwhere(is_colour(picture(path)[:, 480:], (255, 255, 255), 3))
    # One slice view fills the right: a square of white, as high as the view.
    assert len(white) > 60_000


def test_command_shows_the_panel_alone(scene, module_path, tmp_path):
    path = tmp_path / "panel.png"
    arguments = [str(module_path), "--screenshot", str(path), "--panel-only", "--panel-width", "380"]
    assert command.main(arguments) == 0
    assert picture(path).shape[1] == 380
    assert picture(path).shape[0] > 1500


def test_command_opens_a_window_where_there_is_a_screen(scene, module_path, monkeypatch):
    monkeypatch.setattr(command, "screen_platform", lambda environment: "offscreen")
    seen = []

    def look():
        seen.append((slicer.util.mainWindow().isVisible(), slicer.util.selectedModule()))
        qt.QApplication.exit(0)

    monkeypatch.setattr(type(slicer.app), "exec", lambda *_: look())
    assert command.main([str(module_path)]) == 0
    assert seen == [(True, "WindowDemo")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["Nonsense", "--screenshot", "x.png"],
            "There is no module 'Nonsense'; modules here: AgentRegistration",
        ),
        (["/nowhere/Module.py", "--screenshot", "x.png"], "There is no module file"),
        (["{module}"], "There is no screen to open a window on; --screenshot FILE.png writes a picture instead."),
        (["{module}", "--panel-only"], "--panel-only is for pictures"),
        (["{module}", "--screenshot", "x.png", "--scene", "no.mrb"], "There is no scene file no.mrb."),
        (["{module}", "--screenshot", "x.png", "--script", "no.py"], "There is no script file no.py."),
        (["{module}", "--screenshot", "x.png", "--layout", "five-up"], "There is no layout 'five-up'"),
        (["{module}", "--screenshot", "/proc/nothing/x.png"], "/proc/nothing"),
    ],
)
def test_command_says_what_it_cannot_do(scene, module_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert command.main([argument.replace("{module}", str(module_path)) for argument in arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert slicer.app.layoutManager() is None


def test_command_refuses_a_panel_that_fails(scene, module_path, tmp_path, capsys):
    module_path.write_text(MODULE.replace("super().setup()", "raise ValueError('broken panel')"))
    assert command.main([str(module_path), "--screenshot", str(tmp_path / "x.png")]) == 1
    assert "broken panel" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "x.png").exists()
    slot_errors.clear()


@pytest.mark.parametrize("size", ["1400", "10x10", "axb", "99999x500"])
def test_command_refuses_sizes(capsys, size):
    with pytest.raises(SystemExit):
        command.main(["LatentRegistration", "--size", size])
    assert size in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "platform"),
    [
        ({}, None),
        ({"DISPLAY": ":0"}, "xcb"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "wayland"),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, None),
        ({"QT_QPA_PLATFORM": "vnc:port=5901"}, "vnc:port=5901"),
    ],
)
def test_platform_of_a_window(environment, platform, monkeypatch):
    monkeypatch.setattr(command.sys, "platform", "linux")
    assert command.screen_platform(environment) == platform


def test_views_in_a_window_of_their_own(scene):
    from Testing.SlicerHost.application_views import close_views

    manager = show_views((500, 400))
    try:
        assert slicer.util.mainWindow() is None
        assert show_views() is manager
        assert manager.sliceWidget("Red").isVisible()
    finally:
        close_views()
