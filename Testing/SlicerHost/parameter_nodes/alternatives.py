"""Parameters whose value can be of several types: `A | B`, `X | None` and `typing.Any`."""

from __future__ import annotations

import importlib
import types
import typing

import slicer

from .containers import TupleSerializer
from .serializers import Serializer, ValidatedSerializer, createSerializerFromAnnotatedType, parameterNodeSerializer
from .single_values import NoneSerializer, StringSerializer

__all__ = ["AnySerializer", "UnionSerializer"]


@parameterNodeSerializer
class UnionSerializer(Serializer):
    """The value of the alternative with index i is kept as `name.i`; there is only one at a time."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return typing.get_origin(type_) in (typing.Union, types.UnionType)

    @staticmethod
    def create(type_):
        if not UnionSerializer.canSerialize(type_):
            return None
        return UnionSerializer([createSerializerFromAnnotatedType(part) for part in typing.get_args(type_)])

    def __init__(self, serializers):
        self._alternatives = [ValidatedSerializer(serializer, []) for serializer in serializers]

    def default(self):
        """None for `X | None`, otherwise the default of the first alternative."""
        if len(self._alternatives) == 2 and isinstance(self._alternatives[1].serializer, NoneSerializer):
            return None
        return self._alternatives[0].default()

    def _named(self, name: str):
        return [(f"{name}.{index}", alternative) for index, alternative in enumerate(self._alternatives)]

    def isIn(self, parameterNode, name: str) -> bool:
        return any(alternative.isIn(parameterNode, full_name) for full_name, alternative in self._named(name))

    def _place_of(self, name: str, value) -> tuple[str, ValidatedSerializer]:
        """Name and serializer of the first alternative that takes the value.

        The error is that of the last alternative of the value's type, or a TypeError if there is none.
        """
        error = TypeError(f"The value {value!r} of type {type(value)} is none of the types that '{name}' can have.")
        for full_name, alternative in self._named(name):
            # Node classes say yes to every node; which of them it is, their check knows.
            if alternative.serializer.canSerialize(type(value)):
                try:
                    alternative.validate(value)
                except Exception as refusal:
                    error = refusal
                else:
                    return full_name, alternative
        raise error

    def write(self, parameterNode, name: str, value) -> None:
        full_name, alternative = self._place_of(name, value)
        with slicer.util.NodeModify(parameterNode):
            had_value = self.isIn(parameterNode, name)
            previous = self.read(parameterNode, name) if had_value else None
            self.remove(parameterNode, name)
            try:
                alternative.write(parameterNode, full_name, value)
            except Exception:
                self.remove(parameterNode, name)
                if had_value:
                    self.write(parameterNode, name, previous)
                raise

    def read(self, parameterNode, name: str):
        for full_name, alternative in self._named(name):
            if alternative.isIn(parameterNode, full_name):
                return alternative.read(parameterNode, full_name)
        raise KeyError(f"The parameter node has no value '{name}'.")

    def remove(self, parameterNode, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            for full_name, alternative in self._named(name):
                alternative.remove(parameterNode, full_name)

    def supportsCaching(self) -> bool:
        return all(alternative.supportsCaching() for alternative in self._alternatives)


@parameterNodeSerializer
class AnySerializer(Serializer):
    """The value as `name.value` and the module and name of its class as the tuple `name.type`.

    For classes at the top level of a module that have a serializer; a plain tuple has none.
    """

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is typing.Any

    @staticmethod
    def create(type_):
        return AnySerializer() if AnySerializer.canSerialize(type_) else None

    def __init__(self):
        self._class_name = TupleSerializer([StringSerializer(), StringSerializer()])

    def default(self) -> None:
        return None

    def _value_serializer(self, parameterNode, name: str) -> Serializer:
        module_name, class_name = self._class_name.read(parameterNode, f"{name}.type")
        if (module_name, class_name) == ("builtins", "NoneType"):
            return createSerializerFromAnnotatedType(type(None))
        return createSerializerFromAnnotatedType(getattr(importlib.import_module(module_name), class_name))

    def isIn(self, parameterNode, name: str) -> bool:
        return self._class_name.isIn(parameterNode, f"{name}.type")

    def write(self, parameterNode, name: str, value) -> None:
        serializer = createSerializerFromAnnotatedType(type(value))
        self.remove(parameterNode, name)
        serializer.write(parameterNode, f"{name}.value", value)
        self._class_name.write(parameterNode, f"{name}.type", (type(value).__module__, type(value).__name__))

    def read(self, parameterNode, name: str):
        return self._value_serializer(parameterNode, name).read(parameterNode, f"{name}.value")

    def remove(self, parameterNode, name: str) -> None:
        if self.isIn(parameterNode, name):
            self._value_serializer(parameterNode, name).remove(parameterNode, f"{name}.value")
            self._class_name.remove(parameterNode, f"{name}.type")
