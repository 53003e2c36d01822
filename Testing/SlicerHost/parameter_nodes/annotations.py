"""Annotations of a parameter's type, and what can be learnt from the type itself."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable

import slicer

__all__ = [
    "Decimals",
    "Default",
    "SingleStep",
    "findFirstAnnotation",
    "getNodeTypes",
    "isNodeOrUnionOfNodes",
    "splitAnnotations",
    "unannotatedType",
]


class Default:
    """`Annotated[int, Default(4)]`: the first value of a parameter, or `generator`, called whenever one is needed."""

    def __init__(self, value=None, *, generator: Callable[[], object] | None = None):
        self._value = value
        self._generator = generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value

    def __repr__(self) -> str:
        return f"Default(value={self._value}, generator={self._generator})"

    # Equal but not hashable, as in Slicer: `Annotated[int, Default(1)] | None` is a TypeError in both.
    def __eq__(self, other) -> bool:
        return isinstance(other, Default) and (self._value, self._generator) == (other._value, other._generator)


@dataclasses.dataclass
class Decimals:
    """Digits after the decimal point that a number's widget shows."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """How far one step of a number's widget goes."""

    value: float


def splitAnnotations(possiblyAnnotatedType) -> tuple:
    """A type without its annotations, and the tuple of these (empty where there are none)."""
    if typing.get_origin(possiblyAnnotatedType) is typing.Annotated:
        return possiblyAnnotatedType.__origin__, possiblyAnnotatedType.__metadata__
    return possiblyAnnotatedType, ()


def unannotatedType(possiblyAnnotatedType):
    return splitAnnotations(possiblyAnnotatedType)[0]


def findFirstAnnotation(annotationsList, annotationType):
    """The first annotation of the class `annotationType`, or None."""
    return next((annotation for annotation in annotationsList if isinstance(annotation, annotationType)), None)


def extract_default(annotations) -> tuple[Default | None, list]:
    """The `Default` among the annotations, or None, and the others. Raises ValueError for more than one."""
    defaults = [annotation for annotation in annotations if isinstance(annotation, Default)]
    if len(defaults) > 1:
        raise ValueError(f"A parameter has one Default; found {defaults}.")
    return next(iter(defaults), None), [annotation for annotation in annotations if not isinstance(annotation, Default)]


def as_typing_union(datatype):
    """`A | B` as `Union[A, B]`; any other type, an annotated `A | B` too, as it is."""
    if not isinstance(datatype, types.UnionType):
        return datatype
    return typing.Union[typing.get_args(datatype)]  # noqa: UP007


def split_name(possiblyDottedName: str) -> tuple[str, str | None]:
    """`"pack.box.x"` as `("pack", "box.x")`; a name without a dot with None."""
    first, dot, rest = possiblyDottedName.partition(".")
    return first, rest if dot else None


def isNodeOrUnionOfNodes(datatype) -> bool:
    """Whether it is a MRML node class or a `Union` of such classes and None, annotated or not.

    An annotated `A | B` is not recognised, as in Slicer.
    """
    bare = unannotatedType(datatype)
    if typing.get_origin(bare) is typing.Union:
        return all(_is_node_class(part) or part is type(None) for part in _bare_parts(bare))
    return _is_node_class(bare)


def getNodeTypes(datatype) -> tuple[str, ...]:
    """The class names of a node type or union of node types. Raises TypeError for other types and abstract classes."""
    bare = unannotatedType(datatype)
    if not (_is_node_class(bare) or typing.get_origin(bare) is typing.Union):
        raise TypeError(f"{datatype} is no MRML node class and no union of such classes.")
    # By an instance, as in Slicer: an abstract node class cannot be bound to a widget there either.
    return tuple(part().GetClassName() for part in _bare_parts(bare) if _is_node_class(part))


def _bare_parts(bare) -> tuple:
    parts = typing.get_args(bare) if typing.get_origin(bare) is typing.Union else (bare,)
    return tuple(map(unannotatedType, parts))


def _is_node_class(datatype) -> bool:
    return isinstance(datatype, type) and issubclass(datatype, slicer.vtkMRMLNode)
