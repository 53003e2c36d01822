"""An agent that goes on in a thread, at a pace that can be watched, and the pictures that it gives of itself."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from DeformationLib.image import Image
from DeformationLib.progress import Progress

if TYPE_CHECKING:
    from AgentRegistrationLib.agent_registration import AgentRegistration
    from AgentRegistrationLib.trajectory import State

SHOWN_ACTIONS = 8


@dataclass(frozen=True)
class ShownAction:
    """An action where a walk stands.

    Attributes:
        action: its number.
        q: the gain that the network expects of it.
        acceptance: probability with which fuzzy control lets it pass, 0..1.
    """

    action: int
    q: float
    acceptance: float


@dataclass(frozen=True)
class WalkPicture:
    """What can be shown of a walk, while it goes on.

    Attributes:
        states: from the start to where it stands.
        amplitudes: ``(states, d)``, standard deviations.
        actions: the best ones where it stands.
        displacement: where it stands, for the live nodes; None where nobody asked.
        left: steps until its limit.
        oscillates: whether it has stopped because it only goes to and fro.
    """

    states: tuple[State, ...]
    amplitudes: np.ndarray
    actions: tuple[ShownAction, ...]
    displacement: Image | None
    left: int
    oscillates: bool

    @property
    def step(self) -> int:
        """Steps from the start to where it stands."""
        return len(self.states) - 1

    @property
    def similarity(self) -> float:
        """Of the fixed and the warped moving image."""
        return self.states[-1].similarity


def take_picture(registration: AgentRegistration, displacement: bool = True) -> WalkPicture:
    """A picture of the shown walk; touches no node. `displacement`: whether it has one."""
    walk = registration.walk
    states = tuple(walk.states)
    amplitudes = walk.amplitudes_of([state.theta for state in states]).numpy()
    actions = [ShownAction(action, q, walk.acceptance(action)) for action, q in walk.best_actions(SHOWN_ACTIONS)]
    live = registration.live_displacement(amplitudes[-1].tolist()) if displacement else None
    return WalkPicture(states, amplitudes, tuple(actions), live, walk.left, walk.stopped)


class WalkRun:
    """The work of a `BackgroundJob`: lets the agent go on until it has ended or is to wait.

    Pictures are made no faster than they are taken, so that a slow display does not hold the agent up.

    >>> run = WalkRun(registration, pace=30)
    >>> job = BackgroundJob(run, onDone=self.onWaiting, onProgress=lambda *_: self.show(run.picture()))
    >>> run.pause()
    """

    def __init__(self, registration: AgentRegistration, pace: float = 0.0) -> None:
        """`pace`: steps per second at most; 0 for as many as possible."""
        self._registration = registration
        self._interval = 1.0 / pace if pace > 0 else 0.0
        self._paused, self._wanted = threading.Event(), threading.Event()
        self._picture: WalkPicture | None = None
        self._wanted.set()

    @property
    def pausing(self) -> bool:
        """Whether it was told to wait."""
        return self._paused.is_set()

    def pause(self) -> None:
        """Let the agent wait after the present step."""
        self._paused.set()

    def picture(self) -> WalkPicture | None:
        """The newest picture, once; None where there is none that was not taken yet."""
        picture, self._picture = self._picture, None
        if picture is not None:
            self._wanted.set()
        return picture

    def __call__(self, progress: Progress) -> WalkPicture:
        """In the thread: walk; returns a picture of where it ends or waits. Raises `Cancelled`."""
        registration = self._registration
        due = time.monotonic()
        while not self._paused.is_set() and not has_ended(registration):
            walk = registration.walk
            progress.report(walk.taken / max(walk.taken + walk.left, 1), "")
            registration.run(1)
            if self._wanted.is_set():
                self._wanted.clear()
                self._picture = take_picture(registration)
            due = max(due + self._interval, time.monotonic())
            self._paused.wait(max(due - time.monotonic(), 0.0))
        progress.report(1.0, "")
        return take_picture(registration)


def has_ended(registration: AgentRegistration) -> bool:
    """Whether no walk goes further by itself."""
    return all(walk.finished for walk in registration.walks)
