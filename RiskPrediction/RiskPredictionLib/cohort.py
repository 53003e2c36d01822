"""Cases with outcomes, clinical variables and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from DeformationLib.errors import InputError


@dataclass(frozen=True, eq=False)
class Cohort:
    """A table of n cases, checked.

    Attributes:
        cases: names, each once.
        time: until the event or the end of the observation, ``(n,)``.
        event: whether it was observed, ``(n,)``.
        clinical_names: of the columns of ``clinical``.
        clinical: ``(n, c)``.
        cine: path of each case's series; empty strings where there is none.
        fingerprints: ``(n, D, T)``; None until they are there.
        simulated_risk: log hazard that the outcomes were simulated from, ``(n,)``; None for observed outcomes.
        ed_frames: of each case's series, that motion starts from; None for the first.
        masks: path of the mask of each case's heart in that frame, may be empty; None for none.
    """

    cases: tuple[str, ...]
    time: np.ndarray
    event: np.ndarray
    clinical_names: tuple[str, ...]
    clinical: np.ndarray
    cine: tuple[str, ...]
    fingerprints: np.ndarray | None = None
    simulated_risk: np.ndarray | None = None
    ed_frames: tuple[int, ...] | None = None
    masks: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def simulated(self) -> bool:
        """Whether the outcomes are simulated, which every table and figure has to say."""
        return self.simulated_risk is not None

    def subset(self, indices: Sequence[int]) -> Cohort:
        """The cases at some places, in that order."""
        indices = np.asarray(indices, int)
        part = lambda values: None if values is None else values[indices]  # noqa: E731
        few = lambda values: None if values is None else tuple(values[index] for index in indices)  # noqa: E731
        return Cohort(
            tuple(self.cases[index] for index in indices),
            self.time[indices],
            self.event[indices],
            self.clinical_names,
            self.clinical[indices],
            tuple(self.cine[index] for index in indices),
            part(self.fingerprints),
            part(self.simulated_risk),
            few(self.ed_frames),
            few(self.masks),
        )

    def with_fingerprints(self, by_case: Mapping[str, np.ndarray]) -> Cohort:
        """The cohort with fingerprints ``(D, T)`` by name of case.

        Raises `InputError` for a case without one, and for sizes that differ.
        """
        missing = [case for case in self.cases if case not in by_case]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(self)} cases have no fingerprint, the first is '{missing[0]}': "
                "add it, or leave the case out of the table."
            )
        first = np.shape(by_case[self.cases[0]])
        for row, case in enumerate(self.cases):
            if np.shape(by_case[case]) != first:
                raise InputError(
                    f"Row {row + 2}, case '{case}': its fingerprint has the size {_size(by_case[case])}, that of "
                    f"'{self.cases[0]}' {_size(by_case[self.cases[0]])}; extract all of them with the same model."
                )
            if not np.isfinite(by_case[case]).all():
                raise InputError(f"Row {row + 2}, case '{case}': its fingerprint holds values that are no numbers.")
        return replace(self, fingerprints=np.stack([np.asarray(by_case[case], float) for case in self.cases]))

    def flat_fingerprints(self) -> np.ndarray:
        """``(n, D * T)``; raises `InputError` where there are none."""
        if self.fingerprints is None:
            raise InputError("This cohort has no fingerprints: extract them from the cine series first.")
        return self.fingerprints.reshape(len(self), -1)

    def __str__(self) -> str:
        share = 100 * self.event.mean()
        text = f"{len(self)} cases, {int(self.event.sum())} with event ({share:.0f} %)"
        text += f", median follow-up {np.median(self.time):.4g}"
        return text + (", outcomes simulated" if self.simulated else "")


def _size(fingerprint: np.ndarray) -> str:
    return " x ".join(str(length) for length in np.shape(fingerprint))
