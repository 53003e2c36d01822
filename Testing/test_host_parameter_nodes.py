"""Parameter nodes of the host: the texts in the node to the letter, saved scenes, events, defaults, refusals.

The same tests pass with Slicer's own parameterNodeWrapper (SLICER_BASE_PYTHON).
"""

import enum
import gc
import pathlib
import typing
import weakref
from typing import Annotated

import pytest
import slicer
import vtk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slicer.parameterNodeWrapper import (
    Choice,
    Default,
    Exclude,
    FloatRange,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    WithinRange,
    isParameterNodeWrapper,
    isParameterPack,
    nestedParameterNames,
    parameterNodeWrapper,
    parameterPack,
)

from Testing.SlicerHost.application import load_scene, save_scene


class Device(enum.Enum):
    AUTOMATIC = "auto"
    CPU = "cpu"
    GRAPHICS = "cuda"


@parameterPack
class Point:
    x: float
    y: float = 2.5


@parameterPack
class Box:
    corner: Point
    label: Annotated[str, Default("box")]


@parameterNodeWrapper
class Parameters:
    fixed: slicer.vtkMRMLScalarVolumeNode
    anything: slicer.vtkMRMLNode
    segmentation: slicer.vtkMRMLSegmentationNode | None
    model: Annotated[str, Default("hippocampus")]
    folder: pathlib.Path
    device: Device = Device.CPU
    amplitude: Annotated[float, WithinRange(-3, 3)] = 0.5
    steps: Annotated[int, Minimum(1), Default(7)]
    warped: Annotated[bool, Default(True)]
    amplitudes: list[float]


def new_node(name: str = "Parameters"):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", name)


def wrapper_of(annotation):
    """A wrapper class with one parameter `p`."""
    return parameterNodeWrapper(type("Wrapper", (), {"__annotations__": {"p": annotation}}))


def texts(node) -> dict[str, str]:
    return {name: node.GetParameter(name) for name in node.GetParameterNames()}


def references(node) -> dict[str, str]:
    names = [node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())]
    return {name: node.GetNodeReferenceID(name) for name in names if node.GetNodeReferenceID(name)}


def is_own() -> bool:
    """Whether this host's own package is in place, not Slicer's."""
    return not hasattr(slicer.parameterNodeWrapper, "guiCreation")


class Modifications:
    """Counts the ModifiedEvents of a node or wrapper."""

    def __init__(self, observed):
        self.count = 0
        observed.AddObserver(vtk.vtkCommand.ModifiedEvent, self._add)

    def _add(self, caller, event):
        self.count += 1


WRITTEN = [
    (int, -4, {"p": "-4"}),
    (float, 0.1, {"p": "0.1"}),
    (float, 4, {"p": "4"}),
    (float, 1e-7, {"p": "1e-07"}),
    (float, float("inf"), {"p": "inf"}),
    (bool, True, {"p": "True"}),
    (bool, False, {"p": "False"}),
    (str, "two words\nnext line ä", {"p": "two words\nnext line ä"}),
    (str, "", {"p": ""}),
    (pathlib.Path, pathlib.Path("a/b c.nrrd"), {"p": "a/b c.nrrd"}),
    (pathlib.Path, pathlib.Path(), {"p": "."}),
    (pathlib.PureWindowsPath, pathlib.PureWindowsPath("C:/data/a.nrrd"), {"p": "C:\\data\\a.nrrd"}),
    (Device, Device.GRAPHICS, {"p": "GRAPHICS"}),
    (list[float], [1.5, 2], {"p.len": "2", "p.0": "1.5", "p.1": "2"}),
    (list[int], [], {"p.len": "0"}),
    (list[list[int]], [[1], []], {"p.len": "2", "p.0.len": "1", "p.0.0": "1", "p.1.len": "0"}),
    (list[Device], [Device.CPU], {"p.len": "1", "p.0": "CPU"}),
    (tuple[int, str], (3, "x"), {"p.0": "3", "p.1": "x"}),
    (dict[str, int], {"b": 2, "a": 1}, {"p.len": "2", "p.0.0": "b", "p.0.1": "2", "p.1.0": "a", "p.1.1": "1"}),
    (int | None, None, {"p.1": "True"}),
    (int | None, 3, {"p.0": "3"}),
    (bool | str | int, 3, {"p.2": "3"}),
    (Annotated[float, WithinRange(0, 1)], 0.25, {"p": "0.25"}),
    (Annotated[str, Choice(["a", "b"]), Default("a")], "b", {"p": "b"}),
    (Box, Box(Point(1, 2), "lid"), {"p.corner.x": "1", "p.corner.y": "2", "p.label": "lid"}),
    (FloatRange, FloatRange(-1, 2.5), {"p._minimum": "-1", "p._maximum": "2.5"}),
    (typing.Any, 3, {"p.value": "3", "p.type.0": "builtins", "p.type.1": "int"}),
    (typing.Any, None, {"p.value": "True", "p.type.0": "builtins", "p.type.1": "NoneType"}),
]


@pytest.mark.parametrize("annotation, value, expected", WRITTEN, ids=lambda item: str(item)[:30])
def test_texts_in_the_node(scene, annotation, value, expected):
    node = new_node()
    wrapper = wrapper_of(annotation)(node)
    wrapper.p = value
    assert texts(node) == expected
    assert wrapper.p == value
    assert wrapper_of(annotation)(node).p == value


def test_nodes_are_references_with_the_name_as_their_role(scene):
    volumes = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("first", "second")]
    node = new_node()
    wrapper = wrapper_of(slicer.vtkMRMLVolumeNode)(node)
    assert (texts(node), references(node)) == ({"p": ""}, {})
    wrapper.p = volumes[0]
    assert (texts(node), references(node)) == ({"p": ""}, {"p": volumes[0].GetID()})
    wrapper.p = None
    assert (texts(node), references(node)) == ({"p": ""}, {})

    node = new_node()
    wrapper_of(list[slicer.vtkMRMLVolumeNode])(node).p = volumes
    assert texts(node) == {"p.len": "2", "p.0": "", "p.1": ""}
    assert references(node) == {"p.0": volumes[0].GetID(), "p.1": volumes[1].GetID()}

    node = new_node()
    wrapper_of(slicer.vtkMRMLScalarVolumeNode | slicer.vtkMRMLModelNode | None)(node).p = volumes[1]
    assert (texts(node), references(node)) == ({"p.0": ""}, {"p.0": volumes[1].GetID()})


def test_defaults_are_written_when_the_wrapper_is_made(scene):
    node = new_node()
    node.SetParameter("model", "phantom")
    wrapper = Parameters(node)
    assert texts(node) == {
        "fixed": "",
        "anything": "",
        "segmentation.1": "True",
        "model": "phantom",
        "folder": ".",
        "device": "CPU",
        "amplitude": "0.5",
        "steps": "7",
        "warped": "True",
        "amplitudes.len": "0",
    }
    assert wrapper.model == "phantom"
    assert wrapper.default("model").value == "hippocampus"
    assert typing.get_args(wrapper.dataType("steps"))[0] is int


def test_prefix_precedes_every_name(scene):
    node = new_node()
    wrapper_of(list[int])(node, prefix="one_").p = [5]
    wrapper_of(list[int])(node, prefix="two_")
    assert texts(node) == {"one_p.len": "1", "one_p.0": "5", "two_p.len": "0"}


def test_saved_scene_gives_everything_back(scene, tmp_path):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "transform")
    written = Parameters(new_node())
    written.fixed, written.anything = volume, transform
    written.model = 'quotes " and <tags> & 100 % \n second line; ä'
    written.folder = pathlib.Path("/data/my images")
    written.device = Device.GRAPHICS
    written.amplitude, written.steps, written.warped = -2.25, 12, False
    written.amplitudes = [0.1, -3e-9]
    save_scene(tmp_path / "scene.mrb")
    load_scene(tmp_path / "scene.mrb")

    read = Parameters(scene.GetFirstNodeByName("Parameters"))
    assert read.parameterNode is not written.parameterNode
    assert read.fixed is scene.GetFirstNodeByName("volume")
    assert read.anything is scene.GetFirstNodeByName("transform")
    assert read.segmentation is None
    assert read.model == 'quotes " and <tags> & 100 % \n second line; ä'
    assert read.folder == pathlib.Path("/data/my images")
    assert (read.device, read.amplitude, read.steps, read.warped) == (Device.GRAPHICS, -2.25, 12, False)
    assert read.amplitudes == [0.1, -3e-9]


def test_wrapper_of_a_module_follows_closing_and_loading(scene, tmp_path):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ExampleLogic(ScriptedLoadableModuleLogic):
        pass

    wrapper = Parameters(ExampleLogic().getParameterNode())
    wrapper.fixed = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    wrapper.steps = 99
    save_scene(tmp_path / "scene.mrb")
    scene.Clear(False)
    assert wrapper.fixed is None
    assert wrapper.steps == 7
    assert wrapper.amplitudes == []
    load_scene(tmp_path / "scene.mrb")
    assert ExampleLogic().getParameterNode() is wrapper.parameterNode
    assert wrapper.steps == 99
    # The parameter node was read before the volume: only a new wrapper, or a modification, sees the reference.
    assert wrapper.fixed is None
    assert Parameters(wrapper.parameterNode).fixed is scene.GetFirstNodeByName("volume")
    wrapper.Modified()
    assert wrapper.fixed is scene.GetFirstNodeByName("volume")


SIMPLE = {
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    str: st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    Device: st.sampled_from(Device),
}


@st.composite
def typed_values(draw):
    """A type of a parameter and a value of it: simple, in a list or dictionary, or optional."""
    simple = draw(st.sampled_from(list(SIMPLE)))
    values = SIMPLE[simple]
    shape = draw(st.sampled_from(["plain", "list", "list of lists", "dict", "optional", "tuple"]))
    if shape == "list":
        return list[simple], draw(st.lists(values, max_size=4))
    if shape == "list of lists":
        return list[list[simple]], draw(st.lists(st.lists(values, max_size=3), max_size=3))
    if shape == "dict":
        return dict[str, simple], draw(st.dictionaries(SIMPLE[str], values, max_size=3))
    if shape == "optional":
        return simple | None, draw(st.one_of(st.none(), values))
    if shape == "tuple":
        return tuple[simple, str], draw(st.tuples(values, SIMPLE[str]))
    return simple, draw(values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed_values(), typed_values())
def test_any_value_survives_in_a_saved_scene(scene, first, second):
    @parameterNodeWrapper
    class Two:
        __annotations__ = {"first": first[0], "second": second[0]}

    source = slicer.vtkMRMLScene()
    written = Two(source.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Parameters"))
    written.first, written.second = first[1], second[1]
    source.SetSaveToXMLString(True)
    source.Commit()
    target = slicer.vtkMRMLScene()
    target.SetLoadFromXMLString(True)
    target.SetSceneXMLString(source.GetSceneXMLString())
    target.Connect()
    read = Two(target.GetFirstNodeByName("Parameters"))
    assert read.first == first[1]
    assert read.second == second[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed_values())
def test_any_value_is_written_and_read_as_by_slicers_own_package(scene, typed_value):
    if is_own():
        pytest.skip("compares with Slicer's own package: set SLICER_BASE_PYTHON")
    from Testing.SlicerHost.parameter_nodes.wrapper import parameterNodeWrapper as own_wrapper

    datatype, value = typed_value
    slicers, own = new_node(), new_node()
    wrapper_of(datatype)(slicers).p = value
    own_class = own_wrapper(type("Wrapper", (), {"__annotations__": {"p": datatype}}))
    written_by_own = own_class(own)
    assert texts(own) == texts_of_default(datatype)
    written_by_own.p = value
    assert texts(own) == texts(slicers)
    assert own_class(slicers).p == value
    assert wrapper_of(datatype)(own).p == value


def texts_of_default(datatype) -> dict[str, str]:
    node = new_node()
    wrapper_of(datatype)(node)
    return texts(node)


def test_one_event_for_each_change(scene):
    wrapper = Parameters(new_node())
    modifications = Modifications(wrapper)
    wrapper.steps = 3
    wrapper.steps = 3
    assert modifications.count == 1
    wrapper.amplitudes = [1.0, 2.0, 3.0]
    assert modifications.count == 2
    wrapper.amplitudes.append(4.0)
    wrapper.amplitudes[0] = 9.0
    assert modifications.count == 4
    wrapper.amplitudes.reverse()
    assert wrapper.amplitudes == [4.0, 3.0, 2.0, 9.0]
    assert modifications.count == 5
    wrapper.fixed = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert modifications.count == 6
    with slicer.util.NodeModify(wrapper):
        wrapper.steps = 4
        wrapper.device = Device.AUTOMATIC
        assert (wrapper.steps, wrapper.device) == (4, Device.AUTOMATIC)
    assert modifications.count == 7
    wrapper.Modified()
    assert modifications.count == 8


def test_observers_see_the_new_value(scene):
    wrapper = Parameters(new_node())
    seen = []
    tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: seen.append(wrapper.steps))
    wrapper.steps = 3
    wrapper.parameterNode.SetParameter("steps", "4")
    wrapper.RemoveObserver(tag)
    wrapper.steps = 5
    assert seen == [3, 4]


def test_two_wrappers_of_one_node_agree(scene):
    node = new_node()
    one, other = Parameters(node), Parameters(node)
    one.steps = 3
    other.amplitudes.append(1.5)
    assert other.steps == 3
    assert one.amplitudes == [1.5]
    del one
    gc.collect()
    other.steps = 4
    assert other.steps == 4


def test_renaming_or_removing_a_node_reaches_the_wrapper(scene):
    wrapper = Parameters(new_node())
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    wrapper.fixed = volume
    scene.RemoveNode(volume)
    assert wrapper.fixed is None


def test_lists_and_dictionaries_write_themselves(scene):
    wrapper = wrapper_of(dict[str, list[int]])(new_node())
    wrapper.p["a"] = [1, 2]
    wrapper.p["a"].append(3)
    inner = wrapper.p["a"]
    inner[0] = 7
    assert wrapper.p == {"a": [7, 2, 3]}
    assert list(wrapper.p["a"]) == [7, 2, 3]
    with pytest.raises(NotImplementedError):
        wrapper.p["a"] + [1]
    wrapper.p.clear()
    assert texts(wrapper.parameterNode) == {"p.len": "0"}


def test_refused_values_change_nothing(scene):
    wrapper = Parameters(new_node())
    wrapper.amplitudes = [1.0]
    before = texts(wrapper.parameterNode)
    with pytest.raises(ValueError):
        wrapper.amplitude = 3.01
    with pytest.raises(ValueError):
        wrapper.steps = 0
    with pytest.raises(ValueError):
        wrapper.steps = None
    with pytest.raises(TypeError):
        wrapper.steps = 1.5
    with pytest.raises(TypeError):
        wrapper.model = pathlib.Path("a")
    with pytest.raises(TypeError):
        wrapper.folder = "a"
    with pytest.raises(TypeError):
        wrapper.device = "cpu"
    with pytest.raises(TypeError):
        wrapper.fixed = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    with pytest.raises(TypeError):
        wrapper.segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    with pytest.raises(TypeError):
        wrapper.amplitudes.append("much")
    with pytest.raises(TypeError):
        wrapper.amplitudes = [2.0, "much"]
    assert wrapper.amplitudes == [1.0]
    assert {name: text for name, text in texts(wrapper.parameterNode).items() if name != "amplitudes.1"} == before


def test_validators(scene):
    for validator, good, bad in [
        (WithinRange(0, 1), (0, 0.5, 1), (-0.1, 1.1)),
        (Minimum(2), (2, 3), (1,)),
        (Maximum(2), (2, 1), (3,)),
        (Choice(["a", "b"]), ("a",), ("c",)),
        (Exclude(["a"]), ("b",), ("a",)),
        (NotNone(), (0,), (None,)),
        (IsInstance(str), ("a", None), (1,)),
    ]:
        for value in good:
            validator.validate(value)
        for value in bad:
            with pytest.raises((ValueError, TypeError)):
                validator.validate(value)


@pytest.mark.parametrize("annotation", [complex, set[int], tuple, bytes])
def test_foreign_types_are_refused_by_name(annotation):
    with pytest.raises(Exception, match=r"\bp\b") as refusal:
        wrapper_of(annotation)
    assert annotation.__name__ in str(refusal.value.__cause__)


@pytest.mark.parametrize("name", ["connectGui", "allParameters", "setValue", "isCached", "StartModify"])
def test_reserved_names_are_refused(name):
    with pytest.raises(ValueError, match=name):
        parameterNodeWrapper(type("Wrapper", (), {"__annotations__": {name: int}}))


def test_unknown_names_are_refused(scene):
    wrapper = Parameters(new_node())
    for call in (wrapper.getValue, wrapper.dataType, wrapper.isCached, wrapper.default):
        with pytest.raises(ValueError, match="stepz"):
            call("stepz")
    with pytest.raises(ValueError, match="stepz"):
        wrapper.setValue("stepz", 1)
    with pytest.raises(ValueError, match="stepz"):
        wrapper.connectParametersToGui({"stepz": None})


def test_packs(scene):
    node = new_node()
    wrapper = wrapper_of(Box)(node)
    assert wrapper.p == Box(Point(0, 2.5), "box")
    assert nestedParameterNames(Box) == ["corner.x", "corner.y", "label"]
    assert isParameterPack(Box)
    assert not isParameterPack(wrapper)
    assert isParameterNodeWrapper(wrapper)
    modifications = Modifications(node)
    wrapper.p.corner.x = 4.0
    wrapper.setValue("p.corner.y", 5.0)
    wrapper.p.label = "lid"
    assert modifications.count == 3
    assert wrapper.getValue("p.corner") == Point(4.0, 5.0)
    assert texts(node) == {"p.corner.x": "4.0", "p.corner.y": "5.0", "p.label": "lid"}
    with pytest.raises(AttributeError, match="width"):
        wrapper.p.width = 3
    with pytest.raises(TypeError):
        wrapper.p.corner.x = "far"
    assert wrapper.p.corner.x == 4.0
    assert wrapper.dataType("p.corner.x") is float


def test_cached_are_values_that_cannot_change_unseen(scene):
    @parameterNodeWrapper
    class Mixed:
        number: int
        numbers: list[int]
        anything: typing.Any

    wrapper = Mixed(new_node())
    assert [wrapper.isCached(name) for name in ("number", "numbers", "anything")] == [True, True, False]


def test_node_keeps_no_wrapper_alive(scene):
    node = new_node()
    collected = []
    wrapper = Parameters(node)
    weakref.finalize(wrapper, collected.append, True)
    del wrapper
    gc.collect()
    assert collected == [True]
    node.SetParameter("steps", "8")
    assert Parameters(node).steps == 8


def test_creation_of_widgets_from_types_is_refused():
    if not is_own():
        pytest.skip("Slicer's own package makes widgets")
    with pytest.raises(NotImplementedError, match="createGui"):
        slicer.parameterNodeWrapper.createGui(int)
