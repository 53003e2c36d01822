"""`@parameterPack`: several parameters as one value, like a data class, with the checks of its members' annotations."""

from __future__ import annotations

import dataclasses
import logging
import typing

from .annotations import extract_default, split_name, splitAnnotations, unannotatedType
from .serializers import ValidatedSerializer, createSerializer

__all__ = ["isParameterPack", "nestedParameterNames", "parameterPack"]


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """One member of a parameter pack or parameter node wrapper: its name, its type with annotations, its default.

    `default` is the value itself in a pack and a `Default` in a wrapper.
    """

    basename: str
    serializer: ValidatedSerializer
    default: object
    unalteredType: object


def parameterPack(classtype=None):
    """Class decorator, with or without parentheses: make a pack of the annotated members of the class.

    Raises ValueError for a class without annotated members, a default value that its own conditions refuse, and
    reserved names; TypeError for a type that a parameter node cannot hold.
    """
    if classtype is None:
        return parameterPack
    members = typing.get_type_hints(classtype, include_extras=True)
    if not members:
        raise ValueError(f"The parameter pack {classtype.__name__} has no annotated members.")
    _check_reserved_names(classtype, members)
    parameters = {name: _parameter(classtype, name, datatype) for name, datatype in members.items()}
    for name, parameter in parameters.items():
        setattr(classtype, name, _member_property(name))
        setattr(classtype, _serializer_attribute(name), parameter.serializer)
    _add_special_methods(classtype)
    classtype.allParameters = parameters
    classtype._is_parameterPack = True
    classtype.getValue = _get_value
    classtype.setValue = _set_value
    classtype.dataType = staticmethod(lambda membername: data_type(classtype, membername))
    return classtype


def isParameterPack(obj) -> bool:
    """Whether it is a parameter pack, class or instance."""
    return getattr(obj, "_is_parameterPack", False)


def nestedParameterNames(parameterPackClassOrInstance) -> list[str]:
    """The dotted names of all members of a pack that are no packs themselves."""
    names = []
    for name, parameter in unannotatedType(parameterPackClassOrInstance).allParameters.items():
        member_type = unannotatedType(parameter.unalteredType)
        if isParameterPack(member_type):
            names += [f"{name}.{inner}" for inner in nestedParameterNames(member_type)]
        else:
            names.append(name)
    return names


def data_type(pack_class, name: str):
    """The type of the member with a dotted name, with its annotations. Raises ValueError for an unknown name."""
    first, rest = split_name(name)
    if not isParameterPack(pack_class):
        raise ValueError(f"{pack_class} is no parameter pack, so that it has no member '{name}'.")
    if first not in pack_class.allParameters:
        raise ValueError(f"The parameter pack {pack_class.__name__} has no member '{first}'.")
    member_type = pack_class.allParameters[first].unalteredType
    return member_type if rest is None else data_type(unannotatedType(member_type), rest)


def member_value(pack, name: str):
    """The value of a member as it is stored, past properties that a subclass may have."""
    return getattr(pack, _value_attribute(name))


def set_member_value(pack, name: str, value) -> None:
    """Store the value of a member after its checks."""
    getattr(pack, _serializer_attribute(name)).validate(value)
    setattr(pack, _value_attribute(name), value)


def initialise(pack, *args, **kwargs) -> None:
    """Give the members the values of the arguments, in order or by name, and the others their defaults.

    The default values themselves, not copies of them, as in Slicer.
    """
    names = list(pack.allParameters)
    if len(args) > len(names):
        raise TypeError(f"{type(pack).__name__} takes {len(names)} values, not {len(args)}.")
    given = dict(zip(names, args))
    for name, value in kwargs.items():
        if name not in pack.allParameters or name in given:
            raise TypeError(
                f"{type(pack).__name__} got {'two values for' if name in given else 'an unknown'} '{name}'."
            )
        given[name] = value
    for name, parameter in pack.allParameters.items():
        set_member_value(pack, name, given.get(name, parameter.default))


def described(pack, class_name: str | None = None) -> str:
    """`Name(member=value, ...)`, with texts in quotation marks."""

    def quoted(value) -> str:
        return f'"{value}"' if isinstance(value, str) else str(value)

    members = (f"{name}={quoted(member_value(pack, name))}" for name in pack.allParameters)
    return f"{class_name or type(pack).__name__}({', '.join(members)})"


def _value_attribute(name: str) -> str:
    return f"_parameterPack_{name}_impl"


def _serializer_attribute(name: str) -> str:
    return f"_parameterPack_{name}_serializer"


def _check_reserved_names(classtype, members) -> None:
    reserved = {"allParameters", "_is_parameterPack", "getValue", "setValue", "dataType"}
    reserved.update(attribute(name) for name in members for attribute in (_value_attribute, _serializer_attribute))
    for name in reserved:
        if name in members or hasattr(classtype, name):
            raise ValueError(f"The parameter pack {classtype.__name__} cannot have a member '{name}': rename it.")


def _parameter(classtype, name: str, datatype) -> ParameterInfo:
    serializer, annotations = createSerializer(*splitAnnotations(datatype))
    if hasattr(classtype, name):
        default = getattr(classtype, name)
    else:
        annotated, annotations = extract_default(annotations)
        default = serializer.default() if annotated is None else annotated.value
    if annotations:
        logging.warning(f"Unused annotations of {classtype.__name__}.{name}: {annotations}")
    try:
        serializer.validate(default)
    except Exception as error:
        raise ValueError(f"The default of {classtype.__name__}.{name} is not allowed: {error}") from error
    return ParameterInfo(name, serializer, default, datatype)


def _member_property(name: str) -> property:
    return property(
        lambda self: member_value(self, name),
        lambda self, value: set_member_value(self, name, value),
    )


def _add_special_methods(classtype) -> None:
    own = vars(classtype)
    own_initialiser = own.get("__init__")

    def initialise_defaults_first(self, *args, **kwargs):
        initialise(self)
        own_initialiser(self, *args, **kwargs)

    classtype.__init__ = initialise_defaults_first if own_initialiser else initialise
    if "__eq__" not in own:
        classtype.__eq__ = _equal
    if "__repr__" not in own:
        classtype.__repr__ = described
    if "__str__" not in own:
        classtype.__str__ = described


def _equal(pack, other) -> bool:
    return type(pack) is type(other) and all(
        member_value(pack, name) == member_value(other, name) for name in pack.allParameters
    )


def _get_value(self, membername: str):
    """The value of a member by its dotted name."""
    first, rest = split_name(membername)
    value = getattr(self, _known(self, first))
    return value if rest is None else _get_value(value, rest)


def _set_value(self, membername: str, value) -> None:
    """Set a member by its dotted name."""
    first, rest = split_name(membername)
    if rest is None:
        setattr(self, _known(self, first), value)
    else:
        getattr(self, _known(self, first)).setValue(rest, value)


def _known(pack, name: str) -> str:
    # Properties that a pack defines itself count too: Date has `month` beside the member `_month`.
    if not hasattr(pack, name):
        raise ValueError(f"{pack!r} has no member '{name}'.")
    return name
