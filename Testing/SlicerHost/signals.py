"""Signals as PythonQt has them: connected by signature or by name, to slots that may take fewer arguments.

What a slot or an observer raises is printed and the program goes on; the host also keeps it in `slot_errors`, so that
tests can ask for none. Connections to signals that do not exist are refused (False) and kept in `refused_connections`.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from .pyside import QtCore, shiboken6

_connect_in_qt = QtCore.QObject.connect
_disconnect_in_qt = QtCore.QObject.disconnect


@dataclass
class SlotError:
    """What a slot raised, and where it was connected to."""

    signal: str
    slot: object
    error: BaseException

    def __str__(self) -> str:
        return f"{self.signal} -> {self.slot}: {type(self.error).__name__}: {self.error}"


slot_errors: list[SlotError] = []
refused_connections: list[str] = []


@dataclass
class _Connection:
    signature: str
    slot: Callable
    receiver: Callable
    in_qt: bool


@dataclass
class _Connections:
    """The connections of one object, from the first one until the object is destroyed."""

    entries: list[_Connection] = field(default_factory=list)


_connections: dict[int, _Connections] = {}
pending_single_shots: list[Callable] = []


class CppSignal:
    """A signal of a C++ class; as an attribute of an object it is a `BoundSignal`."""

    def __init__(self, name: str, signatures: list[str], original):
        self.name, self.signatures, self.original = name, signatures, original

    def __get__(self, instance, owner=None):
        return self.original if instance is None else BoundSignal(instance, self)

    def emit(self, instance, *arguments) -> None:
        signal = self.original.__get__(instance, type(instance))
        for signature in self.signatures:
            parameters = signature[signature.index("(") + 1 : -1]
            if len([part for part in parameters.split(",") if part]) == len(arguments):
                try:
                    signal[parameters].emit(*arguments) if len(self.signatures) > 1 else signal.emit(*arguments)
                except (TypeError, KeyError, IndexError):
                    continue
                return
        raise ValueError(f"{self.name} cannot be emitted with arguments {arguments}: {', '.join(self.signatures)}")


class StandInSignal:
    """A signal of a stand-in, with its C++ signatures; several if it is overloaded.

    >>> currentNodeChanged = StandInSignal("currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)")
    """

    def __init__(self, *signatures: str):
        self.signatures = [normalized(signature) for signature in signatures]
        self.name = self.signatures[0].partition("(")[0]

    def __get__(self, instance, owner=None):
        return self if instance is None else BoundSignal(instance, self)

    def emit(self, instance, *arguments) -> None:
        for signature in self.signatures:
            count = len([part for part in signature[signature.index("(") + 1 : -1].split(",") if part])
            if count == len(arguments):
                emit(instance, signature, *arguments)
                return
        raise ValueError(f"{self.name} cannot be emitted with arguments {arguments}: {', '.join(self.signatures)}")


SIGNAL_TYPES = (CppSignal, StandInSignal, QtCore.Signal)


class BoundSignal:
    """A signal of an object: `connect`, `disconnect`, `emit`, or call it to emit."""

    def __init__(self, sender, signal):
        self._sender, self._signal = sender, signal

    def connect(self, slot: Callable) -> bool:
        return connect(self._sender, self._signal.signatures[0], slot)

    def disconnect(self, slot: Callable | None = None) -> bool:
        return disconnect(self._sender, self._signal.signatures[0], slot)

    def emit(self, *arguments) -> None:
        self._signal.emit(self._sender, *arguments)

    __call__ = emit

    def __eq__(self, other) -> bool:
        return isinstance(other, BoundSignal) and (self._sender, self._signal) == (other._sender, other._signal)

    def __hash__(self) -> int:
        return hash((id(self._sender), self._signal.name))

    def __repr__(self) -> str:
        return f"<qt signal {self._signal.name} of {type(self._sender).__name__} instance>"


def normalized(signature: str) -> str:
    """A signature as Qt writes it: `clicked ( bool )` is `clicked(bool)`, `f(const QString &)` is `f(QString)`."""
    if signature[:1].isdigit():  # SIGNAL() and SLOT() of C++ put one in front
        signature = signature[1:]
    return bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()


def add_cpp_signals(cls: type) -> None:
    """Replace the signals that a PySide6 class itself declares."""
    meta = cls.staticMetaObject
    signatures: dict[str, list[str]] = {}
    for index in range(meta.methodOffset(), meta.methodCount()):
        method = meta.method(index)
        if method.methodType() == QtCore.QMetaMethod.Signal:
            name = bytes(method.name()).decode()
            signatures.setdefault(name, []).append(bytes(method.methodSignature()).decode())
    for name, overloads in signatures.items():
        original = vars(cls).get(name)
        if isinstance(original, QtCore.Signal):
            setattr(cls, name, CppSignal(name, overloads, original))


def keep_observer_errors() -> None:
    """Keep what VTK's observers raise as well: VTK, like PythonQt, prints it and goes on."""
    before = sys.excepthook

    def hook(kind, error, trace) -> None:
        slot_errors.append(SlotError("VTK event or virtual method", None, error))
        before(kind, error, trace)

    sys.excepthook = hook


def bound_python_signal(sender, name: str) -> BoundSignal:
    """A signal that a Python class declares by `qt.Signal`."""
    meta = sender.metaObject()
    signatures = [bytes(meta.method(index).methodSignature()).decode() for index in range(meta.methodCount())]
    original = next(vars(cls)[name] for cls in type(sender).__mro__ if name in vars(cls))
    return BoundSignal(sender, CppSignal(name, [text for text in signatures if text.startswith(f"{name}(")], original))


def emit(sender, signature: str, *arguments) -> None:
    """Call the slots that are connected to a stand-in's signal, unless the sender's signals are blocked."""
    signature = normalized(signature)
    held = _connections.get(_key(sender))
    if held is None or sender.signalsBlocked():
        return
    for entry in list(held.entries):
        if entry.signature == signature and not entry.in_qt and entry in held.entries:
            entry.receiver(*arguments)


def connect(sender, signal: str, receiver, slot: str | None = None, type=None) -> bool:
    """`sender.connect('clicked(bool)', callable)` or `sender.connect('toggled(bool)', receiver, 'setVisible(bool)')`.

    False, with a message, if the sender has no such signal.
    """
    if slot is not None:
        return _connect_to_slot(sender, signal, receiver, slot)
    if not callable(receiver):
        raise TypeError(f"connect({signal!r}) needs a callable, not {receiver!r}.")
    signature = normalized(signal)
    in_qt = sender.metaObject().indexOfSignal(signature) >= 0
    if not in_qt and not _has_stand_in_signal(sender, signature):
        message = f"QObject::connect() signal '{signal}' does not exist on {_class_name(sender)}"
        print(f"PythonQt: {message}", file=sys.stderr)
        refused_connections.append(message)
        return False
    entry = _Connection(signature, receiver, _receiver(f"{_class_name(sender)}.{signature}", receiver), in_qt)
    if in_qt:
        _connect_in_qt(sender, f"2{signature}", entry.receiver)
    _held(sender).entries.append(entry)
    return True


def disconnect(sender, signal: str, receiver=None, slot: str | None = None) -> bool:
    """Undo one `connect` with the same slot, or all of the signal without one; False if there was none."""
    signature = normalized(signal)
    if slot is not None:
        receiver = getattr(receiver, normalized(slot).partition("(")[0])
    held = _connections.get(_key(sender), _Connections())
    found = [
        entry for entry in held.entries if entry.signature == signature and (receiver is None or entry.slot == receiver)
    ]
    for entry in found[: None if receiver is None else 1]:
        if entry.in_qt:
            _disconnect_in_qt(sender, f"2{signature}", entry.receiver)
        held.entries.remove(entry)
    if not found and sender.metaObject().indexOfSignal(signature) < 0 and not _has_stand_in_signal(sender, signature):
        message = f"QObject::disconnect() signal '{signal}' does not exist on {_class_name(sender)}"
        print(f"PythonQt: {message}", file=sys.stderr)
        refused_connections.append(message)
    return bool(found)


def single_shot(milliseconds: int, slot: Callable) -> None:
    """`qt.QTimer.singleShot`: call once, from the event loop."""
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    call = _receiver("QTimer.singleShot", slot)
    pending_single_shots.append(slot)

    def fire():
        pending_single_shots.remove(slot)
        timer.deleteLater()
        call()

    _connect_in_qt(timer, "2timeout()", fire)
    timer.start(int(milliseconds))


def _connect_to_slot(sender, signal: str, receiver, slot: str) -> bool:
    """Between two objects, by signatures: in Qt where both are C++, by the receiver's method otherwise."""
    signal, slot = normalized(signal), normalized(slot)
    if sender.metaObject().indexOfSignal(signal) >= 0 and receiver.metaObject().indexOfMethod(slot) >= 0:
        return bool(_connect_in_qt(sender, f"2{signal}", receiver, f"1{slot}"))
    method = getattr(receiver, slot.partition("(")[0], None)
    if not callable(method):
        refused_connections.append(f"QObject::connect() slot '{slot}' does not exist on {_class_name(receiver)}")
        return False
    count = len([part for part in slot[slot.index("(") + 1 : -1].split(",") if part])
    return connect(sender, signal, lambda *arguments: method(*arguments[:count]))


def _receiver(signal: str, slot: Callable) -> Callable:
    """Calls a slot with as many arguments as it takes, and keeps what it raises."""
    limit = _positional_count(slot)

    def call(*arguments):
        try:
            slot(*arguments[:limit])
        except Exception as error:
            traceback.print_exc()
            slot_errors.append(SlotError(signal, slot, error))

    return call


def _positional_count(slot: Callable) -> int | None:
    """How many arguments PythonQt passes to a slot: those of a Python function or method, all to anything else."""
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - (1 if inspect.ismethod(slot) else 0)


def _has_stand_in_signal(sender, signature: str) -> bool:
    name = signature.partition("(")[0]
    for cls in type(sender).__mro__:
        member = vars(cls).get(name)
        if isinstance(member, StandInSignal) and signature in member.signatures:
            return True
    return False


def _class_name(sender) -> str:
    return type(sender).__name__


def _key(sender) -> int:
    if not shiboken6.isValid(sender):
        raise ValueError(f"The {_class_name(sender)} has been destroyed.")
    return shiboken6.getCppPointer(sender)[0]


def _held(sender) -> _Connections:
    key = _key(sender)
    if key not in _connections:
        _connections[key] = _Connections()
        # Another object may get the same address later.
        _connect_in_qt(sender, "2destroyed()", lambda: _connections.pop(key, None))
    return _connections[key]
