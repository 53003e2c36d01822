"""Parameter packs in a parameter node: member `x` of the pack `name` is `name.x`."""

from __future__ import annotations

import functools

import slicer

from .packs import described, initialise, isParameterPack, member_value
from .serializers import Serializer, ValidatedSerializer, parameterNodeSerializer
from .validators import IsInstance, NotNone

__all__ = []


@parameterNodeSerializer
class ParameterPackSerializer(Serializer):
    @staticmethod
    def canSerialize(type_) -> bool:
        return isParameterPack(type_)

    @staticmethod
    def create(type_):
        if not ParameterPackSerializer.canSerialize(type_):
            return None
        return ValidatedSerializer(ParameterPackSerializer(type_), [NotNone(), IsInstance(type_)])

    def __init__(self, type_):
        self.type = type_

    def default(self):
        return self.type()

    def _members(self, name: str):
        """Name in the pack, name in the node and serializer of all members."""
        return [(member, f"{name}.{member}", info.serializer) for member, info in self.type.allParameters.items()]

    def isIn(self, parameterNode, name: str) -> bool:
        _, full_name, serializer = self._members(name)[0]
        return serializer.isIn(parameterNode, full_name)

    def write(self, parameterNode, name: str, value) -> None:
        with slicer.util.NodeModify(parameterNode):
            for member, full_name, serializer in self._members(name):
                serializer.write(parameterNode, full_name, member_value(value, member))

    def read(self, parameterNode, name: str):
        """An instance of a subclass of the pack that writes its changes into the parameter node."""
        return _observed_class(self.type)(parameterNode, self, name)

    def members_in(self, parameterNode, name: str) -> dict[str, object]:
        """The values of the members by their names in the pack."""
        return {
            member: serializer.read(parameterNode, full_name) for member, full_name, serializer in self._members(name)
        }

    def remove(self, parameterNode, name: str) -> None:
        for _, full_name, serializer in self._members(name):
            serializer.remove(parameterNode, full_name)

    def supportsCaching(self) -> bool:
        return all(info.serializer.supportsCaching() for info in self.type.allParameters.values())


@functools.cache
def _observed_class(pack_class: type) -> type:
    """A subclass of the pack whose instances write themselves into a parameter node whenever a member changes."""

    class ObservedParameterPack(pack_class):
        def __init__(self, parameterNode, serializer: ParameterPackSerializer, name: str):
            # Past __setattr__, which refuses names that the pack does not have.
            vars(self).update(_place=(serializer, parameterNode, name), _is_writing=True)
            try:
                initialise(self, **serializer.members_in(parameterNode, name))
            finally:
                vars(self)["_is_writing"] = False

        def _write_back(self) -> None:
            if self._is_writing:
                return
            serializer, parameter_node, name = self._place
            vars(self)["_is_writing"] = True
            try:
                with slicer.util.NodeModify(parameter_node):
                    try:
                        serializer.write(parameter_node, name, self)
                    finally:
                        # Lists and packs inside get to know their place.
                        initialise(self, **serializer.members_in(parameter_node, name))
            finally:
                vars(self)["_is_writing"] = False

        def __setattr__(self, key: str, value) -> None:
            if not self._is_writing and not hasattr(self, key):
                raise AttributeError(f"The parameter pack {pack_class.__name__} has no member '{key}'.")
            super().__setattr__(key, value)

        def setValue(self, name: str, value) -> None:
            super().setValue(name, value)
            self._write_back()

        def __eq__(self, other) -> bool:
            if type(other) is type(self):
                return pack_class.__eq__(self, other)
            return type(other) is pack_class and all(
                member_value(self, name) == member_value(other, name) for name in self.allParameters
            )

        def __repr__(self) -> str:
            return f"Observed({described(self, pack_class.__name__)})"

        __str__ = __repr__

    for name in pack_class.allParameters:
        setattr(ObservedParameterPack, name, _writing_back(getattr(pack_class, name)))
    return ObservedParameterPack


def _writing_back(member: property) -> property:
    def set_and_write(self, value) -> None:
        member.fset(self, value)
        self._write_back()

    return property(member.fget, set_and_write)
