"""Parameters bound to widgets: every widget follows its parameter and the other way round, until they are parted.

The same tests pass with Slicer's own parameterNodeWrapper (SLICER_BASE_PYTHON).
"""

import enum
import pathlib
import types
from typing import Annotated

import ctk
import pytest
import qt
import slicer
import vtk
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    FloatRange,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    findChildWidgetForParameter,
    parameterNodeWrapper,
    parameterPack,
)

from Testing.SlicerHost.signals import refused_connections, slot_errors


class Device(enum.Enum):
    AUTOMATIC = "auto"
    CPU = "cpu"

    def label(self) -> str:
        return self.name.capitalize()


class Affine(enum.Enum):
    NONE = 0
    RIGID = 1
    AFFINE = 2


def wrapper_of(annotation):
    """A parameter node with one parameter `p`."""
    wrapper = parameterNodeWrapper(type("Wrapper", (), {"__annotations__": {"p": annotation}}))
    return wrapper(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


_bindings: list[tuple] = []


def bind(parameters, gui) -> int:
    """Bind a wrapper to a dictionary of widgets or to what `connectGui` takes, until the end of the test at the latest.

    A binding that is never undone can be collected together with the Python side of its node, whose C++ side would then
    call what is no more.
    """
    tag = parameters.connectParametersToGui(gui) if isinstance(gui, dict) else parameters.connectGui(gui)
    _bindings.append((parameters, tag, gui))
    return tag


@pytest.fixture(autouse=True)
def no_slot_raises(scene):
    slot_errors.clear()
    refused_connections.clear()
    yield
    while _bindings:
        parameters, tag, _widgets = _bindings.pop()
        parameters.disconnectGui(tag)
    assert not slot_errors
    assert not refused_connections


PROPERTY = [
    # widget class, type, property, what the parameter starts with, two other values of parameter and property
    (qt.QCheckBox, bool, "checked", False, [(True, True), (False, False)]),
    (ctk.ctkCheckBox, bool, "checked", False, [(True, True), (False, False)]),
    (qt.QSpinBox, int, "value", 0, [(7, 7), (-2000, -2000)]),
    (qt.QSpinBox, Annotated[int, Minimum(-5), Maximum(5)], "value", 0, [(5, 5), (-5, -5)]),
    (qt.QSlider, Annotated[int, WithinRange(0, 400)], "value", 0, [(7, 7), (400, 400)]),
    (qt.QDoubleSpinBox, Annotated[float, Decimals(3)], "value", 0, [(0.125, 0.125), (-9.5, -9.5)]),
    (qt.QDoubleSpinBox, int, "value", 0, [(3, 3.0), (-9, -9.0)]),
    (ctk.ctkSliderWidget, Annotated[float, WithinRange(-3, 3)], "value", 0, [(1.5, 1.5), (-3.0, -3.0)]),
    (ctk.ctkSliderWidget, Annotated[int, WithinRange(0, 20)], "value", 0, [(20, 20.0), (3, 3.0)]),
    (ctk.ctkDoubleSpinBox, float, "value", 0, [(0.125, 0.125), (-9.5, -9.5)]),
    (ctk.ctkDoubleSlider, Annotated[float, WithinRange(-3, 3)], "value", 0, [(1.5, 1.5), (-3.0, -3.0)]),
    (slicer.qMRMLSliderWidget, Annotated[float, WithinRange(-3, 3)], "value", 0, [(1.5, 1.5), (-3.0, -3.0)]),
    (qt.QLineEdit, str, "text", "", [("ä b", "ä b"), ("c", "c")]),
    (qt.QTextEdit, str, "plainText", "", [("a\nb", "a\nb"), ("c", "c")]),
    (qt.QComboBox, Device, "currentText", Device.AUTOMATIC, [(Device.CPU, "Cpu"), (Device.AUTOMATIC, "Automatic")]),
    (qt.QComboBox, Affine, "currentText", Affine.NONE, [(Affine.AFFINE, "AFFINE"), (Affine.RIGID, "RIGID")]),
    (ctk.ctkComboBox, Affine, "currentIndex", Affine.NONE, [(Affine.AFFINE, 2), (Affine.RIGID, 1)]),
    (
        qt.QComboBox,
        Annotated[str, Choice(["a", "b", "c"]), Default("b")],
        "currentIndex",
        "b",
        [("c", 2), ("a", 0)],
    ),
    (qt.QComboBox, Annotated[int, Choice([8, 4, 2]), Default(4)], "currentText", 4, [(2, "2"), (8, "8")]),
    (
        ctk.ctkPathLineEdit,
        pathlib.Path,
        "currentPath",
        pathlib.Path(),
        [(pathlib.Path("/data/images"), "/data/images"), (pathlib.Path("a/b.nrrd"), "a/b.nrrd")],
    ),
    (
        ctk.ctkDirectoryButton,
        pathlib.Path,
        "directory",
        pathlib.Path(),
        [(pathlib.Path("/usr"), "/usr"), (pathlib.Path("/"), "/")],
    ),
    (ctk.ctkColorPickerButton, qt.QColor, "color", qt.QColor("black"), [(qt.QColor("red"), qt.QColor("red"))]),
]


@pytest.mark.parametrize(
    "widget_class, annotation, name, start, values", PROPERTY, ids=[row[0].__name__ for row in PROPERTY]
)
def test_widget_and_parameter_follow_each_other(widget_class, annotation, name, start, values):
    parameters, widget = wrapper_of(annotation), widget_class()
    assert parameters.p == start
    tag = bind(parameters, {"p": widget})
    assert parameters.p == start
    for value, shown in values:
        setattr(widget, name, shown)
        assert parameters.p == value
        assert isinstance(parameters.p, type(value))
    for value, shown in values:
        parameters.p = value
        assert getattr(widget, name) == shown
        assert parameters.p == value

    parameters.disconnectGui(tag)
    last = parameters.p
    setattr(widget, name, values[0][1])
    assert parameters.p == last
    bind(parameters, {"p": widget})
    assert getattr(widget, name) == values[-1][1]


def test_push_button_becomes_checkable(caplog):
    parameters, button = wrapper_of(bool), qt.QPushButton("live")
    bind(parameters, {"p": button})
    assert button.checkable
    assert caplog.records
    button.click()
    assert parameters.p is True


def test_checkable_push_button(caplog):
    parameters, button = wrapper_of(bool), ctk.ctkCheckablePushButton()
    button.checkBoxControlsButtonToggleState = True
    bind(parameters, {"p": button})
    parameters.p = True
    assert button.checkable
    assert button.checked
    parameters.p = False
    assert not button.checked


def test_cursor_stays_where_somebody_types():
    parameters, edit = wrapper_of(str), qt.QLineEdit()
    bind(parameters, {"p": edit})
    edit.text = "abc"
    edit.setCursorPosition(1)
    edit.insert("x")
    assert parameters.p == "axbc"
    assert edit.cursorPosition == 2


def test_label_only_shows():
    parameters, label = wrapper_of(Annotated[str, Default("first")]), qt.QLabel()
    bind(parameters, {"p": label})
    assert label.text == "first"
    parameters.p = "second"
    assert label.text == "second"
    label.text = "third"
    assert parameters.p == "second"


def test_range():
    parameters = wrapper_of(Annotated[FloatRange, RangeBounds(-10, 10), Default(FloatRange(0, 0))])
    widget = ctk.ctkRangeWidget()
    bind(parameters, {"p": widget})
    widget.maximumValue = 2.5
    assert parameters.p == FloatRange(0, 2.5)
    parameters.p = FloatRange(-9, 9)
    assert (widget.minimumValue, widget.maximumValue) == (-9, 9)
    parameters.p.minimum = -1
    assert widget.minimumValue == -1


def test_node_selector(scene):
    parameters = wrapper_of(slicer.vtkMRMLScalarVolumeNode | slicer.vtkMRMLModelNode | None)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(scene)
    parameters.p = volume
    bind(parameters, {"p": selector})
    assert set(selector.nodeTypes) == {"vtkMRMLScalarVolumeNode", "vtkMRMLModelNode"}
    assert selector.currentNode() is volume
    selector.setCurrentNode(model)
    assert parameters.p is model
    parameters.p = None
    assert selector.currentNode() is None
    parameters.p = volume
    # Another one is chosen then, as by every combo box.
    scene.RemoveNode(volume)
    assert parameters.p is selector.currentNode()
    scene.RemoveNode(model)
    assert parameters.p is selector.currentNode() is None


def test_bounds_digits_and_steps_reach_the_widget():
    slider, box, spin = ctk.ctkSliderWidget(), qt.QDoubleSpinBox(), qt.QSpinBox()
    bind(wrapper_of(Annotated[float, WithinRange(-3, 3), Decimals(1), SingleStep(0.1)]), {"p": slider})
    assert (slider.minimum, slider.maximum, slider.decimals, slider.singleStep) == (-3, 3, 1, 0.1)
    bind(wrapper_of(Annotated[float, Minimum(2), Default(2)]), {"p": box})
    assert (box.minimum, box.maximum, box.value) == (2, float("inf"), 2)
    bind(wrapper_of(Annotated[int, Maximum(9)]), {"p": spin})
    assert (spin.minimum, spin.maximum) == (-(2**31), 9)


@pytest.mark.parametrize(
    "widget_class, annotation",
    [
        (qt.QSlider, int),
        (qt.QSlider, Annotated[int, Minimum(0)]),
        (ctk.ctkSliderWidget, float),
        (qt.QComboBox, str),
        (qt.QLineEdit, int),
        (qt.QSpinBox, float),
        (qt.QRadioButton, bool),
        (qt.QLineEdit, list[float]),
        (ctk.ctkRangeWidget, Annotated[FloatRange, Default(FloatRange(0, 1))]),
    ],
)
def test_widgets_that_cannot_show_a_type_are_refused(widget_class, annotation):
    parameters, widget = wrapper_of(annotation), widget_class()
    with pytest.raises((RuntimeError, TypeError)):
        bind(parameters, {"p": widget})


def test_range_without_a_default_annotation_is_refused():
    parameters, widget = wrapper_of(Annotated[FloatRange, RangeBounds(-1, 1)]), ctk.ctkRangeWidget()
    with pytest.raises((RuntimeError, AttributeError)):
        bind(parameters, {"p": widget})


def test_class_derived_from_a_widget_is_not_that_widget():
    class SpecialBox(qt.QCheckBox):
        pass

    parameters = wrapper_of(bool)
    with pytest.raises(RuntimeError, match="SpecialBox"):
        bind(parameters, {"p": SpecialBox()})


@parameterPack
class Training:
    epochs: Annotated[int, Minimum(1), Default(3)]
    name: str


@parameterNodeWrapper
class Panel:
    live: bool
    amplitude: Annotated[float, WithinRange(-3, 3)]
    training: Training


def panel_ui() -> types.SimpleNamespace:
    """A widget and, as `slicer.util.childWidgetVariables` gives them, its children."""
    root = qt.QWidget()
    layout = qt.QVBoxLayout(root)
    ui = types.SimpleNamespace(root=root)
    for name, parameter, widget in [
        ("liveBox", "live", qt.QCheckBox()),
        ("amplitudeSlider", "amplitude", ctk.ctkSliderWidget()),
        ("epochsBox", "training.epochs", qt.QSpinBox()),
        ("nameEdit", "training.name", qt.QLineEdit()),
        ("other", None, qt.QLineEdit()),
    ]:
        widget.setObjectName(name)
        if parameter:
            widget.setProperty("SlicerParameterName", parameter)
        layout.addWidget(widget)
        setattr(ui, name, widget)
    return ui


def new_panel() -> Panel:
    return Panel(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


@pytest.mark.parametrize("by_widget", [True, False], ids=["widget", "namespace"])
def test_widgets_are_found_by_their_property(by_widget):
    ui, panel = panel_ui(), new_panel()
    tag = bind(panel, ui.root if by_widget else ui)
    ui.liveBox.click()
    ui.epochsBox.value = 12
    ui.nameEdit.text = "run"
    ui.other.text = "not bound"
    assert (panel.live, panel.training) == (True, Training(12, "run"))
    panel.training.name = "second run"
    panel.amplitude = 2.5
    assert ui.nameEdit.text == "second run"
    assert ui.amplitudeSlider.value == 2.5
    panel.disconnectGui(tag)
    panel.amplitude = -1
    ui.liveBox.click()
    assert ui.amplitudeSlider.value == 2.5
    assert panel.live is True
    panel.disconnectGui(tag)


def test_unknown_parameter_of_a_widget_is_refused():
    ui = panel_ui()
    ui.other.setProperty("SlicerParameterName", "amplitud")
    with pytest.raises(ValueError, match="amplitud"):
        bind(new_panel(), ui.root)


def test_widget_of_a_parameter_is_found():
    ui = panel_ui()
    assert findChildWidgetForParameter(ui.root, "amplitude") is ui.amplitudeSlider
    assert findChildWidgetForParameter(ui.root, "training.epochs") is ui.epochsBox


def test_one_event_for_a_change_in_a_widget():
    ui, panel = panel_ui(), new_panel()
    bind(panel, ui.root)
    events = []
    panel.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: events.append(panel.amplitude))
    ui.amplitudeSlider.value = 1.5
    assert events == [1.5]
    with slicer.util.NodeModify(panel):
        ui.liveBox.checked = True
        ui.amplitudeSlider.value = 0.5
    assert events == [1.5, 0.5]


def test_two_bindings_of_one_node_agree():
    first, second, panel = panel_ui(), panel_ui(), new_panel()
    other = Panel(panel.parameterNode)
    bind(panel, first.root)
    tag = bind(other, second.root)
    first.amplitudeSlider.value = 1.5
    assert second.amplitudeSlider.value == 1.5
    second.nameEdit.text = "x"
    assert first.nameEdit.text == "x"
    other.disconnectGui(tag)
    first.nameEdit.text = "y"
    assert second.nameEdit.text == "x"


def test_module_that_is_entered_and_left_often_leaves_no_observers():
    ui, panel = panel_ui(), new_panel()
    for _ in range(5):
        panel.disconnectGui(bind(panel, ui.root))
    assert not panel._guiVtkObserverTags
    panel.amplitude = 1.0
    assert ui.amplitudeSlider.value == 0


def test_closing_the_scene_resets_the_widgets_of_a_module(scene):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class PanelLogic(ScriptedLoadableModuleLogic):
        pass

    ui = panel_ui()
    panel = Panel(PanelLogic().getParameterNode())
    bind(panel, ui.root)
    ui.epochsBox.value = 12
    ui.liveBox.checked = True
    scene.Clear(False)
    assert panel.training == Training(3, "")
    assert ui.epochsBox.value == 3
    assert not ui.liveBox.checked


def test_refused_value_of_a_widget_raises_in_its_slot():
    parameters, box = wrapper_of(Annotated[str, Choice(["a", "b"]), Default("a")]), qt.QLineEdit()
    bind(parameters, {"p": box})
    box.text = "c"
    assert parameters.p == "a"
    assert [type(error.error) for error in slot_errors] == [ValueError]
    slot_errors.clear()
