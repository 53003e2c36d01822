"""Serializers of values that are one text (or one node reference) under their own name."""

from __future__ import annotations

import enum
import pathlib

import qt
import slicer

from .serializers import Serializer, ValidatedSerializer, parameterNodeSerializer
from .validators import IsInstance, IsNone, NotNone

__all__ = [
    "BoolSerializer",
    "NodeSerializer",
    "NumberSerializer",
    "PathSerializer",
    "QColorSerializer",
    "StringSerializer",
]

PATH_TYPES = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class _TextSerializer(Serializer):
    """A value as one text; subclasses say which."""

    def to_text(self, value) -> str:
        return str(value)

    def from_text(self, text: str):
        raise NotImplementedError

    def isIn(self, parameterNode, name: str) -> bool:
        return parameterNode.HasParameter(name)

    def write(self, parameterNode, name: str, value) -> None:
        parameterNode.SetParameter(name, self.to_text(value))

    def read(self, parameterNode, name: str):
        return self.from_text(parameterNode.GetParameter(name))

    def remove(self, parameterNode, name: str) -> None:
        parameterNode.UnsetParameter(name)

    @staticmethod
    def supportsCaching() -> bool:
        return True


@parameterNodeSerializer
class NumberSerializer(_TextSerializer):
    """int, and float, which accepts an int: `4`, `-0.5`, `1e-07`, `inf`."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ in (int, float)

    @staticmethod
    def create(type_):
        if not NumberSerializer.canSerialize(type_):
            return None
        allowed = (int, float) if type_ is float else int
        return ValidatedSerializer(NumberSerializer(type_), [NotNone(), IsInstance(allowed)])

    def __init__(self, type: type):
        self.type = type

    def default(self) -> int:
        return 0

    def from_text(self, text: str):
        return self.type(text)


@parameterNodeSerializer
class StringSerializer(_TextSerializer):
    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is str

    @staticmethod
    def create(type_):
        if not StringSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(StringSerializer(), [NotNone(), IsInstance(str)])

    def default(self) -> str:
        return ""

    def from_text(self, text: str) -> str:
        return text


@parameterNodeSerializer
class PathSerializer(_TextSerializer):
    """The path classes of `pathlib`, with the separators of their own platform."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ in PATH_TYPES

    @staticmethod
    def create(type_):
        if not PathSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(PathSerializer(type_), [NotNone(), IsInstance(type_)])

    def __init__(self, pathtype: type):
        self.type = pathtype

    def default(self) -> pathlib.PurePath:
        return self.type()

    def from_text(self, text: str) -> pathlib.PurePath:
        return self.type(text)


@parameterNodeSerializer
class BoolSerializer(_TextSerializer):
    """`True` or `False`; any other text is read as False."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is bool

    @staticmethod
    def create(type_):
        if not BoolSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(BoolSerializer(), [NotNone(), IsInstance(bool)])

    def default(self) -> bool:
        return False

    def to_text(self, value) -> str:
        return str(bool(value))

    def from_text(self, text: str) -> bool:
        return text == "True"


@parameterNodeSerializer
class NodeSerializer(_TextSerializer):
    """A MRML node or None: a node reference whose role is the name, and an empty text that says it has been set."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode)

    @staticmethod
    def create(type_):
        if not NodeSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(NodeSerializer(), [IsInstance(type_)])

    def default(self) -> None:
        return None

    def write(self, parameterNode, name: str, value) -> None:
        parameterNode.SetParameter(name, "")
        parameterNode.SetNodeReferenceID(name, None if value is None else value.GetID())

    def read(self, parameterNode, name: str):
        return parameterNode.GetNodeReference(name)

    def remove(self, parameterNode, name: str) -> None:
        super().remove(parameterNode, name)
        parameterNode.RemoveNodeReferenceIDs(name)


@parameterNodeSerializer
class QColorSerializer(_TextSerializer):
    """A colour as `#aarrggbb`."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is qt.QColor

    @staticmethod
    def create(type_):
        if not QColorSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(QColorSerializer(), [NotNone(), IsInstance(qt.QColor)])

    def default(self):
        return qt.QColor()

    def to_text(self, value) -> str:
        return value.name(qt.QColor.HexArgb)

    def from_text(self, text: str):
        return qt.QColor(text)

    @staticmethod
    def supportsCaching() -> bool:
        # A colour can be changed after it was handed out.
        return False


@parameterNodeSerializer
class NoneSerializer(_TextSerializer):
    """The only value is None; for the None in `X | None`."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is type(None)

    @staticmethod
    def create(type_):
        if not NoneSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(NoneSerializer(), [IsNone()])

    def default(self) -> None:
        return None

    def to_text(self, value) -> str:
        return "True"

    def from_text(self, text: str) -> None:
        return None


@parameterNodeSerializer
class EnumSerializer(_TextSerializer):
    """The name of a member of an Enum, of an alias the name of its original. The first member is the default."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return isinstance(type_, type) and issubclass(type_, enum.Enum)

    @staticmethod
    def create(type_):
        if not EnumSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(EnumSerializer(type_), [IsInstance(type_)])

    def __init__(self, enum_: type[enum.Enum]):
        if len(enum_) == 0:
            raise ValueError(f"The Enum {enum_.__name__} has no members.")
        self.enum = enum_

    def default(self) -> enum.Enum:
        return next(iter(self.enum))

    def to_text(self, value) -> str:
        return value.name

    def from_text(self, text: str) -> enum.Enum:
        if text not in self.enum.__members__:
            raise ValueError(f"The parameter node says {text!r}, which is no member of {self.enum.__name__}.")
        return self.enum[text]
