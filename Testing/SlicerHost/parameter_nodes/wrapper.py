"""`@parameterNodeWrapper`: a class whose annotated members live in a `vtkMRMLScriptedModuleNode`, bound to widgets.

Every member is written into the node when the wrapper is made, with its default unless the node has it already. Values
that can be are kept and read anew whenever the node is modified, also by others.
"""

from __future__ import annotations

import logging
import typing
import weakref

import slicer
import vtk

# The files of serializers register what is in them.
from . import alternatives, gui_binding, observed_packs  # noqa: F401
from .annotations import Default, as_typing_union, extract_default, split_name, splitAnnotations, unannotatedType
from .packs import ParameterInfo, data_type
from .serializers import createSerializer

__all__ = ["isParameterNodeWrapper", "parameterNodeWrapper"]


class _Parameter:
    """One parameter of one node: read from the node each time."""

    def __init__(self, info: ParameterInfo, parameterNode, prefix: str):
        self.default: Default = info.default
        self._serializer = info.serializer
        self._node = parameterNode
        self._name = prefix + info.basename

    def write_default_if_missing(self) -> None:
        if not self._serializer.isIn(self._node, self._name):
            self._serializer.write(self._node, self._name, self.default.value)

    def read(self):
        # Closing the scene empties the node.
        self.write_default_if_missing()
        return self._serializer.read(self._node, self._name)

    def write(self, value) -> None:
        self._serializer.write(self._node, self._name, value)


class _CachedParameter(_Parameter):
    """One parameter of one node, its value kept until the node is modified."""

    def __init__(self, info: ParameterInfo, parameterNode, prefix: str):
        super().__init__(info, parameterNode, prefix)
        self._value = super().read()
        self._is_writing = False
        # The node must not keep the wrapper alive.
        this = weakref.ref(self)
        tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: this()._node_modified())
        weakref.finalize(self, parameterNode.RemoveObserver, tag).atexit = False

    def _node_modified(self) -> None:
        if not self._is_writing:
            self._value = super().read()

    def read(self):
        return self._value

    def write(self, value) -> None:
        self._is_writing = True
        try:
            # The others are told after the kept value is the new one.
            with slicer.util.NodeModify(self._node):
                super().write(value)
                self._value = super().read()
        finally:
            self._is_writing = False


class _WrapperMembers:
    """What `parameterNodeWrapper` adds to a class; none of these names can be that of a parameter."""

    def default(self, paramName: str) -> Default:
        return self._parameter(paramName).default

    def isCached(self, paramName: str) -> bool:
        return isinstance(self._parameter(paramName), _CachedParameter)

    def getValue(self, name: str):
        """The value of a parameter, or of a member of a parameter pack, by its dotted name."""
        first, rest = split_name(name)
        value = self._parameter(first).read()
        return value if rest is None else value.getValue(rest)

    def setValue(self, name: str, value) -> None:
        """Set a parameter, or a member of a parameter pack, by its dotted name."""
        first, rest = split_name(name)
        if rest is None:
            self._parameter(first).write(value)
        else:
            self._parameter(first).read().setValue(rest, value)

    def connectGui(self, gui) -> int:
        """Bind the widgets whose property `SlicerParameterName` is set; the tag is for `disconnectGui`.

        `gui` is a widget, whose children are taken, or an object that has the widgets as attributes.
        """
        return self.connectParametersToGui(gui_binding.widgets_by_parameter_name(gui))

    def connectParametersToGui(self, mapping) -> int:
        """Bind parameters, by their dotted names, to widgets or GuiConnectors; the tag is for `disconnectGui`."""
        return gui_binding.connect(self, mapping)

    def disconnectGui(self, guiTag: int) -> None:
        gui_binding.disconnect(self, guiTag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def parameterNodeWrapper(classtype=None):
    """Class decorator, with or without parentheses: wrap the annotated members of the class around a parameter node.

    The class is then made with the node and an optional prefix of all names in it. Raises TypeError for a type that a
    parameter node cannot hold, ValueError for a member with a reserved name.
    """
    if classtype is None:
        return parameterNodeWrapper
    added = {name: member for name, member in vars(_WrapperMembers).items() if not name.startswith("__")}
    members = typing.get_type_hints(classtype, include_extras=True)
    for name in ("allParameters", "_is_parameter_node_wrapper", "dataType", "_parameter", *added):
        if name in members or hasattr(classtype, name):
            raise ValueError(f"{classtype.__name__} cannot have a parameter or attribute '{name}': rename it.")
    parameters = {name: _parameter_info(classtype, name, datatype) for name, datatype in members.items()}
    for name in parameters:
        setattr(classtype, name, _value_property(name))
    for name, member in added.items():
        setattr(classtype, name, member)
    classtype.__init__ = _initialise
    classtype._parameter = _parameter
    classtype.allParameters = parameters
    classtype._is_parameter_node_wrapper = True
    classtype.dataType = staticmethod(lambda membername: _data_type(classtype, membername))
    return classtype


def isParameterNodeWrapper(classOrObj) -> bool:
    """Whether it is a parameter node wrapper, class or instance."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def _parameter_info(classtype, name: str, datatype) -> ParameterInfo:
    bare, annotations = splitAnnotations(datatype)
    try:
        serializer, annotations = createSerializer(as_typing_union(bare), annotations)
    except Exception as error:
        raise TypeError(f"The parameter {classtype.__name__}.{name} cannot be: {error}") from error
    if hasattr(classtype, name):
        default = Default(getattr(classtype, name))
    else:
        default, annotations = extract_default(annotations)
        default = default or Default(serializer.default())
    if annotations:
        logging.warning(f"Unused annotations: {annotations}")
    return ParameterInfo(name, serializer, default, datatype)


def _value_property(name: str) -> property:
    return property(
        lambda self: self._parameters[name].read(),
        lambda self, value: self._parameters[name].write(value),
    )


def _initialise(self, parameterNode, prefix: str | None = None) -> None:
    self.parameterNode = parameterNode
    gui_binding.prepare(self)
    self._parameters = {}
    for name, info in self.allParameters.items():
        parameter = _CachedParameter if info.serializer.supportsCaching() else _Parameter
        self._parameters[name] = parameter(info, parameterNode, prefix or "")
        self._parameters[name].write_default_if_missing()


def _parameter(self, name: str) -> _Parameter:
    if name not in self.allParameters:
        raise ValueError(f"There is no parameter '{name}'; there are {', '.join(self.allParameters)}.")
    return self._parameters[name]


def _data_type(wrapper_class, name: str):
    """The annotated type of a parameter or of a member of a pack. Raises ValueError for an unknown name."""
    first, rest = split_name(name)
    if first not in wrapper_class.allParameters:
        raise ValueError(f"There is no parameter '{first}'; there are {', '.join(wrapper_class.allParameters)}.")
    datatype = wrapper_class.allParameters[first].unalteredType
    return datatype if rest is None else data_type(unannotatedType(datatype), rest)
