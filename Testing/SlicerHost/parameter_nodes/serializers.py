"""How a value of a type is kept in a parameter node: the interface, the register of types, and checked writing.

A `vtkMRMLScriptedModuleNode` holds named texts and named references to nodes. The serializers decide the names and the
texts; they are Slicer's, so that a scene that was saved here opens there and the other way round.
"""

from __future__ import annotations

import abc
import logging

from .annotations import splitAnnotations
from .validators import extract_validators

__all__ = ["Serializer", "ValidatedSerializer", "parameterNodeSerializer"]


class Serializer(abc.ABC):
    """Keeps the values of one type in parameter nodes; modules can register their own."""

    @staticmethod
    @abc.abstractmethod
    def canSerialize(type_) -> bool:
        """Whether this class can make a serializer for the type."""

    @staticmethod
    @abc.abstractmethod
    def create(type_) -> Serializer | None:
        """A serializer for the type, with the checks that every value of the type needs; None for a foreign type."""

    @abc.abstractmethod
    def default(self):
        """The value of a parameter that names no default."""

    @abc.abstractmethod
    def isIn(self, parameterNode, name: str) -> bool:
        """Whether the node has a value of this name."""

    @abc.abstractmethod
    def write(self, parameterNode, name: str, value) -> None:
        """Put a value into the node under this name, or under several that begin with it."""

    @abc.abstractmethod
    def read(self, parameterNode, name: str):
        """The value of this name, which must be in the node."""

    @abc.abstractmethod
    def remove(self, parameterNode, name: str) -> None:
        """Take all traces of this name out of the node."""

    @staticmethod
    def supportsCaching() -> bool:
        """Whether a value that was read may be handed out again: it is immutable, or writes its changes itself."""
        return False


class ValidatedSerializer(Serializer):
    """Another serializer with conditions that are checked before every writing, the inner one's first."""

    @staticmethod
    def canSerialize(type_) -> bool:
        return False

    @staticmethod
    def create(type_):
        raise TypeError("A ValidatedSerializer wraps a serializer; it cannot be made for a type.")

    def __init__(self, serializer: Serializer, validators):
        validators = list(validators or [])
        if isinstance(serializer, ValidatedSerializer):
            serializer, validators = serializer.serializer, serializer.validators + validators
        self.serializer = serializer
        self.validators = validators

    def validate(self, value) -> None:
        for validator in self.validators:
            validator.validate(value)

    def default(self):
        return self.serializer.default()

    def isIn(self, parameterNode, name: str) -> bool:
        return self.serializer.isIn(parameterNode, name)

    def write(self, parameterNode, name: str, value) -> None:
        self.validate(value)
        self.serializer.write(parameterNode, name, value)

    def read(self, parameterNode, name: str):
        return self.serializer.read(parameterNode, name)

    def remove(self, parameterNode, name: str) -> None:
        self.serializer.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self.serializer.supportsCaching()


_registered: list[type[Serializer]] = []


def parameterNodeSerializer(classtype=None):
    """Class decorator, with or without parentheses: offer the serializer to every parameter node that comes after."""
    if classtype is None:
        return parameterNodeSerializer
    if not issubclass(classtype, Serializer):
        raise TypeError(f"{classtype.__name__} is not a subclass of Serializer.")
    _registered.append(classtype)
    return classtype


def createSerializer(type_, annotations) -> tuple[ValidatedSerializer, list]:
    """The serializer of a type with the conditions among its annotations, and the annotations that are left.

    A serializer among the annotations is taken instead of the registered one. Raises TypeError for a type that no
    registered serializer knows.
    """
    validators, annotations = extract_validators(annotations)
    given = [annotation for annotation in annotations if _is_serializer(annotation)]
    if len(given) > 1:
        raise TypeError(f"A type can have one serializer among its annotations; found {given}.")
    serializer = given[0] if given else _registered_serializer(type_)
    return ValidatedSerializer(serializer, validators), [a for a in annotations if not _is_serializer(a)]


def createSerializerFromAnnotatedType(annotatedType) -> ValidatedSerializer:
    """The serializer of a possibly annotated type; annotations that mean nothing here are logged."""
    serializer, unused = createSerializer(*splitAnnotations(annotatedType))
    if unused:
        logging.warning(f"Unused annotations: {unused}")
    return serializer


def _is_serializer(annotation) -> bool:
    return isinstance(annotation, Serializer) or (isinstance(annotation, type) and issubclass(annotation, Serializer))


def _registered_serializer(type_) -> Serializer:
    for candidate in _registered:
        if candidate.canSerialize(type_):
            return candidate.create(type_)
    raise TypeError(
        f"A parameter node cannot hold the type {type_}; use a type that it knows or register a Serializer for it."
    )
