"""Lists, tuples and dictionaries in a parameter node: element i of `name` is `name.i`, a list's length `name.len`.

A list or dictionary that is read writes itself back when it is changed, in one modification of the node.
"""

from __future__ import annotations

import collections.abc
import functools
import logging
import typing

import slicer

from .serializers import Serializer, createSerializerFromAnnotatedType, parameterNodeSerializer
from .single_values import NumberSerializer

__all__ = ["DictSerializer", "ListSerializer", "TupleSerializer"]


def _element_name(name: str, index: int) -> str:
    return f"{name}.{index}"


def _writing_back(container: type, method_name: str):
    """A method that calls that of the plain list or dict inside and then writes the whole into the parameter node."""

    @functools.wraps(getattr(container, method_name))
    def method(self, *args, **kwargs):
        result = getattr(self._content, method_name)(*args, **kwargs)
        self._write_back()
        return result

    return method


class _Observed:
    """A list or dict with its place in a parameter node."""

    def __init__(self, parameterNode, serializer: Serializer, name: str, content):
        self._parameterNode = parameterNode
        self._serializer = serializer
        self._name = name
        self._content = content

    def _write_back(self) -> None:
        try:
            self._serializer.write(self._parameterNode, self._name, self._content)
        finally:
            # Undoes a change that was refused, and lists inside get to know their place.
            self._content = self._serializer.read(self._parameterNode, self._name)._content

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._content})"

    def __eq__(self, other) -> bool:
        return self._content == (other._content if isinstance(other, type(self)) else other)

    def __len__(self) -> int:
        return len(self._content)

    def __getitem__(self, key):
        return self._content[key]


def _no_copy(operator: str):
    def method(self, other):
        raise NotImplementedError(
            f"A list of a parameter node has no {operator}, whose result would not be part of the node; "
            f"use {operator}=, or make a plain list of it first."
        )

    return method


class ObservedList(_Observed, collections.abc.MutableSequence):
    """What a list parameter gives. It is out of date once the parameter is set anew."""

    def __iadd__(self, other):
        self.extend(other)
        return self

    def __imul__(self, factor):
        self._content *= factor
        self._write_back()
        return self

    __add__ = __radd__ = _no_copy("+")
    __mul__ = __rmul__ = _no_copy("*")

    __setitem__ = _writing_back(list, "__setitem__")
    __delitem__ = _writing_back(list, "__delitem__")
    append = _writing_back(list, "append")
    extend = _writing_back(list, "extend")
    insert = _writing_back(list, "insert")
    remove = _writing_back(list, "remove")
    pop = _writing_back(list, "pop")
    clear = _writing_back(list, "clear")
    sort = _writing_back(list, "sort")
    reverse = _writing_back(list, "reverse")


class ObservedDict(_Observed, collections.abc.MutableMapping):
    """What a dict parameter gives. It is out of date once the parameter is set anew."""

    def __iter__(self):
        return iter(self._content)

    # Slicer's `get` and `pop` take no default value.
    def get(self, key):
        return self._content.get(key)

    def pop(self, key):
        value = self._content.pop(key)
        self._write_back()
        return value

    __setitem__ = _writing_back(dict, "__setitem__")
    __delitem__ = _writing_back(dict, "__delitem__")
    popitem = _writing_back(dict, "popitem")
    clear = _writing_back(dict, "clear")


@parameterNodeSerializer
class ListSerializer(Serializer):
    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is list or typing.get_origin(type_) is list

    @staticmethod
    def create(type_):
        if not ListSerializer.canSerialize(type_):
            return None
        arguments = typing.get_args(type_)
        if not arguments:
            logging.warning("A list parameter without a type of its elements holds elements of any type.")
        return ListSerializer(createSerializerFromAnnotatedType(arguments[0] if arguments else typing.Any))

    def __init__(self, elementTypeSerializer: Serializer):
        self._element = elementTypeSerializer
        self._number = NumberSerializer(int)

    def default(self) -> list:
        return []

    @staticmethod
    def _length_name(name: str) -> str:
        return f"{name}.len"

    def _length(self, parameterNode, name: str) -> int:
        return self._number.read(parameterNode, self._length_name(name)) if self.isIn(parameterNode, name) else 0

    def isIn(self, parameterNode, name: str) -> bool:
        return self._number.isIn(parameterNode, self._length_name(name))

    def write(self, parameterNode, name: str, values) -> None:
        with slicer.util.NodeModify(parameterNode):
            previous = self.read(parameterNode, name) if self.isIn(parameterNode, name) else None
            previous_length = self._length(parameterNode, name)
            try:
                for index, value in enumerate(values):
                    self._element.write(parameterNode, _element_name(name, index), value)
            except Exception:
                self._remove_elements(parameterNode, name, range(previous_length, len(values)))
                if previous is not None:
                    self.write(parameterNode, name, previous)
                raise
            self._number.write(parameterNode, self._length_name(name), len(values))
            self._remove_elements(parameterNode, name, range(len(values), previous_length))

    def read(self, parameterNode, name: str) -> ObservedList:
        indices = range(self._length(parameterNode, name))
        values = [self._element.read(parameterNode, _element_name(name, index)) for index in indices]
        return ObservedList(parameterNode, self, name, values)

    def remove(self, parameterNode, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            self._remove_elements(parameterNode, name, range(self._length(parameterNode, name)))
            self._number.remove(parameterNode, self._length_name(name))

    def _remove_elements(self, parameterNode, name: str, indices) -> None:
        for index in indices:
            self._element.remove(parameterNode, _element_name(name, index))

    def supportsCaching(self) -> bool:
        return self._element.supportsCaching()


@parameterNodeSerializer
class TupleSerializer(Serializer):
    @staticmethod
    def canSerialize(type_) -> bool:
        return typing.get_origin(type_) is tuple

    @staticmethod
    def create(type_):
        if not TupleSerializer.canSerialize(type_):
            return None
        arguments = typing.get_args(type_)
        if not arguments:
            raise TypeError("A tuple parameter needs the types of its elements.")
        return TupleSerializer([createSerializerFromAnnotatedType(argument) for argument in arguments])

    def __init__(self, serializers):
        self._elements = list(serializers)

    def default(self) -> tuple:
        return tuple(element.default() for element in self._elements)

    def isIn(self, parameterNode, name: str) -> bool:
        return self._elements[0].isIn(parameterNode, _element_name(name, 0))

    def write(self, parameterNode, name: str, values) -> None:
        values = tuple(values)
        if len(values) != len(self._elements):
            raise ValueError(f"The tuple needs {len(self._elements)} values, not {len(values)}.")
        with slicer.util.NodeModify(parameterNode):
            for index, (element, value) in enumerate(zip(self._elements, values)):
                element.write(parameterNode, _element_name(name, index), value)

    def read(self, parameterNode, name: str) -> tuple:
        return tuple(
            element.read(parameterNode, _element_name(name, index)) for index, element in enumerate(self._elements)
        )

    def remove(self, parameterNode, name: str) -> None:
        with slicer.util.NodeModify(parameterNode):
            for index, element in enumerate(self._elements):
                element.remove(parameterNode, _element_name(name, index))

    def supportsCaching(self) -> bool:
        return all(element.supportsCaching() for element in self._elements)


@parameterNodeSerializer
class DictSerializer(Serializer):
    """Kept as a list of (key, value) tuples, in the order of the dictionary."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return type_ is dict or typing.get_origin(type_) is dict

    @staticmethod
    def create(type_):
        if not DictSerializer.canSerialize(type_):
            return None
        key, value = typing.get_args(type_) or (typing.Any, typing.Any)
        return DictSerializer(createSerializerFromAnnotatedType(key), createSerializerFromAnnotatedType(value))

    def __init__(self, keySerializer: Serializer, valueSerializer: Serializer):
        self._items = ListSerializer(TupleSerializer([keySerializer, valueSerializer]))

    def default(self) -> dict:
        return {}

    def isIn(self, parameterNode, name: str) -> bool:
        return self._items.isIn(parameterNode, name)

    def write(self, parameterNode, name: str, dictionary) -> None:
        self._items.write(parameterNode, name, dictionary.items())

    def read(self, parameterNode, name: str) -> ObservedDict:
        return ObservedDict(parameterNode, self, name, dict(self._items.read(parameterNode, name)))

    def remove(self, parameterNode, name: str) -> None:
        self._items.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self._items.supportsCaching()
