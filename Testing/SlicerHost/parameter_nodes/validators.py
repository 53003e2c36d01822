"""Conditions on the value of a parameter, written as annotations of its type: `Annotated[float, WithinRange(0, 1)]`."""

from __future__ import annotations

import abc

__all__ = [
    "Choice",
    "Exclude",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "Validator",
    "WithinRange",
]


class Validator(abc.ABC):
    """Base of all conditions. Annotate with an instance, or with a class whose `validate` is static."""

    @abc.abstractmethod
    def validate(self, value) -> None:
        """Raises an exception, best a ValueError, where `value` is not allowed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, vars(self).values()))})"


class IsNone(Validator):
    def validate(self, value) -> None:
        if value is not None:
            raise ValueError(f"The value must be None, not {value!r}.")


class NotNone(Validator):
    def validate(self, value) -> None:
        if value is None:
            raise ValueError("The value must not be None.")


class IsInstance(Validator):
    """The value is None or an instance of `classtype`, a class or a tuple of classes; a TypeError otherwise."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"The value must be of type {self.classtype}; {value!r} is of type {type(value)}.")


class WithinRange(Validator):
    """Both ends are allowed."""

    def __init__(self, minimum, maximum):
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"The value must be from {self.minimum} to {self.maximum}, not {value}.")


class Minimum(Validator):
    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        # "Less than", not "not at least": NaN passes, as in Slicer.
        if value < self.minimum:
            raise ValueError(f"The value must be at least {self.minimum}, not {value}.")


class Maximum(Validator):
    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"The value must be at most {self.maximum}, not {value}.")


class Choice(Validator):
    """The value is one of `choices`; a combo box shows them in this order."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"The value must be one of {self.choices}, not {value!r}.")


class Exclude(Validator):
    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"The value must be none of {self.excludedValues}, not {value!r}.")


class RangeBounds(Validator):
    """For a `FloatRange`: both of its ends lie between these bounds."""

    def __init__(self, minimum, maximum):
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value) -> None:
        if not (self.minimum <= value.minimum and value.maximum <= self.maximum):
            raise ValueError(f"The range must lie within {self.minimum} to {self.maximum}, not {value}.")


def extract_validators(annotations) -> tuple[list, list]:
    """The validators among the annotations, instances or classes, and the other annotations."""

    def is_validator(annotation) -> bool:
        return isinstance(annotation, Validator) or (isinstance(annotation, type) and issubclass(annotation, Validator))

    validators = [annotation for annotation in annotations if is_validator(annotation)]
    return validators, [annotation for annotation in annotations if not is_validator(annotation)]
