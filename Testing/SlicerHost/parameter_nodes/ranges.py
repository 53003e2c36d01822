"""A pair of numbers, for range widgets."""

from __future__ import annotations

from .packs import parameterPack

__all__ = ["FloatRange"]


@parameterPack
class FloatRange:
    """From `minimum` to `maximum`. Raises ValueError where the minimum is above the maximum."""

    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0, maximum: float = 0):
        self.checkRange(minimum, maximum)
        self._minimum = minimum
        self._maximum = maximum

    @staticmethod
    def checkRange(minimum: float, maximum: float) -> None:
        if not minimum <= maximum:
            raise ValueError(f"The minimum of a range, {minimum}, must not be above its maximum, {maximum}.")

    @property
    def minimum(self) -> float:
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self.setRange(value, self.maximum)

    @property
    def maximum(self) -> float:
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self.setRange(self.minimum, value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.checkRange(minimum, maximum)
        self._minimum = minimum
        self._maximum = maximum

    def __repr__(self) -> str:
        return f"FloatRange(minimum={self.minimum}, maximum={self.maximum})"
