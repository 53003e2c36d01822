"""PythonQt's manners on PySide6's classes: Qt properties are attributes, signals connect by signature, C++ objects
refuse new attributes.

`install` changes the PySide6 classes themselves, so that `type(widget) is qt.QPushButton` holds for every push button,
whoever made it. Behaviour follows PythonQt (MeVisLab/pythonqt, commontk/PythonQt).
"""

from __future__ import annotations

import contextlib
import math
import operator

from . import signals
from .pyside import QtCore, QtGui, QtUiTools, QtWidgets, shiboken6
from .signals import SlotError, refused_connections, slot_errors

__all__ = ["SlotError", "adopt", "expected_errors", "install", "is_cpp_class", "refused_connections", "slot_errors"]

QT_MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)
_ShibokenObject = QtCore.QObject.__mro__[-2]
_stand_ins: set[type] = set()
_ABSENT = object()
_reading: set[tuple[int, str]] = set()
_set_python_attribute = object.__setattr__
_read_property = QtCore.QObject.property
_write_property = QtCore.QObject.setProperty
_color_name_in_qt = QtGui.QColor.name

# PythonQt leaves this property out, since the class has a static function of the same name.
_HIDDEN_PROPERTIES = {("QTimer", "singleShot")}


class CppProperty:
    """A Qt property of a C++ class as a Python attribute."""

    def __init__(self, name: str, type_name: str, is_enum: bool, writable: bool, method):
        self.name, self.type_name, self.is_enum, self.writable = name, type_name, is_enum, writable
        self._method = method

    def __get__(self, instance, owner=None):
        if instance is None:
            # The class attribute stays the getter, so that subclasses can call `qt.QWidget.sizeHint(self)`.
            return self if self._method is None else self._method
        key = (id(instance), self.name)
        if key in _reading:
            # The property's reader is virtual, and C++ looks for a Python override of it: there is none.
            return None
        if not shiboken6.isValid(instance):
            raise ValueError(f"Trying to read property '{self.name}' from a destroyed {type(instance).__name__} object")
        _reading.add(key)
        try:
            return from_qt(_read_property(instance, self.name))
        finally:
            _reading.discard(key)

    def __set__(self, instance, value):
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {type(instance).__name__} object is not writable")
        converted, accepted = to_property_type(value, self.type_name, self.is_enum)
        if not accepted or not _write_property(instance, self.name, converted):
            raise AttributeError(property_refusal(self.name, self.type_name, value))


def from_qt(value):
    """Lists of C++ arrive as tuples, as from PythonQt."""
    return tuple(value) if isinstance(value, list) else value


def property_refusal(name: str, type_name: str, value) -> str:
    return (
        f"Property '{name}' of type '{type_name}' does not accept an object of type {type(value).__name__} ({value!r})"
    )


def to_property_type(value, type_name: str, is_enum: bool = False):
    """The value that PythonQt would write into a property of this C++ type, and whether it would accept it."""
    if is_enum:
        return (int(value), True) if isinstance(value, int) else (value, isinstance(value, str))
    if type_name == "QString":
        return str(value), True
    if type_name == "bool":
        return bool(value), True
    if type_name == "QStringList":
        try:
            return [str(item) for item in value], True
        except TypeError:
            return value, False
    if type_name in ("int", "uint"):
        if type(value) is float:
            # PythonQt rounds down.
            return (math.floor(value), True) if math.isfinite(value) else (value, False)
        return _converted(operator.index, value)
    if type_name in ("double", "float"):
        return (value, False) if isinstance(value, str) else _converted(float, value)
    if type_name == "QColor" and isinstance(value, QtGui.QColor):
        # PySide6 cannot put an object of a class derived from QColor into a QVariant.
        return QtGui.QColor.fromRgba64(value.rgba64()), True
    return value, value is not None


def _converted(convert, value):
    try:
        return convert(value), True
    except (TypeError, ValueError):
        return value, False


def is_cpp_class(cls: type) -> bool:
    """Whether a class is C++ in the application: its objects refuse new attributes."""
    return cls.__module__.partition(".")[0] in ("PySide6", "Shiboken") or cls in _stand_ins


def install() -> None:
    """Give all classes of QtCore, QtGui and QtWidgets PythonQt's manners; further calls do nothing."""
    if "connect" in vars(QtCore.QObject) and QtCore.QObject.connect is signals.connect:
        return
    # By name, since PySide6 makes its classes when they are first asked for.
    classes = [
        item
        for module in QT_MODULES
        for item in (getattr(module, name) for name in dir(module))
        if isinstance(item, type)
    ]
    # Base classes first: each class brings its own properties and signals only.
    q_objects = sorted((cls for cls in classes if issubclass(cls, QtCore.QObject)), key=lambda cls: len(cls.__mro__))
    for cls in q_objects:
        _add_properties(cls)
        signals.add_cpp_signals(cls)
    for cls in [_ShibokenObject, *classes]:
        if issubclass(cls, _ShibokenObject) and "__setattr__" in vars(cls):
            cls.__setattr__ = _set_attribute
    base, q_object = _ShibokenObject, QtCore.QObject
    base.className = _class_name
    base.delete = _delete
    # PySide6's own look-up would answer `connect` and `disconnect` before these.
    q_object.__getattribute__ = _get_attribute
    q_object.__getattr__ = _missing_attribute
    q_object.__bool__ = lambda self: shiboken6.isValid(self)
    q_object.name = q_object.__dict__["objectName"]  # Slicer builds PythonQt with this synonym
    q_object.connect = signals.connect
    q_object.disconnect = signals.disconnect
    q_object.findChild = _find_child
    q_object.findChildren = _find_children
    QtCore.QTimer.singleShot = staticmethod(signals.single_shot)
    QtWidgets.QMenu.__init__ = _menu_constructor(QtWidgets.QMenu.__init__)
    QtGui.QColor.name = _color_name


@contextlib.contextmanager
def expected_errors():
    """Take what slots raise, and refused connections, inside the block out of the lists; gives the slot errors.

    >>> with expected_errors() as errors:                                               # doctest: +SKIP
    ...     button.click()
    >>> assert isinstance(errors[0].error, ValueError)                                  # doctest: +SKIP
    """
    errors, first_error, first_refusal = [], len(slot_errors), len(refused_connections)
    try:
        yield errors
    finally:
        errors.extend(slot_errors[first_error:])
        del slot_errors[first_error:], refused_connections[first_refusal:]


def adopt(*classes: type) -> None:
    """Declare Python classes to be stand-ins of C++ classes: their objects refuse attributes that the class lacks."""
    _stand_ins.update(classes)


def _add_properties(cls: type) -> None:
    meta = cls.staticMetaObject
    for index in range(meta.propertyCount()):
        description = meta.property(index)
        name = description.name()
        # Inherited properties too where the class overrides the getter, as QPushButton does `sizeHint`.
        is_own = index >= meta.propertyOffset() or name in vars(cls)
        if not is_own or not description.isReadable() or (cls.__name__, name) in _HIDDEN_PROPERTIES:
            continue
        is_enum = description.isEnumType()
        if is_enum:
            _load_enumeration(description)
        method = vars(cls).get(name) or getattr(cls, name, None)
        method = None if isinstance(method, CppProperty) else method
        setattr(cls, name, CppProperty(name, description.typeName(), is_enum, description.isWritable(), method))


def _load_enumeration(description) -> None:
    """Touch an enumeration, whose converter PySide6 loads only then."""
    enumerator = description.enumerator()
    scope = enumerator.scope()
    for module in QT_MODULES:
        if hasattr(module, scope):
            getattr(getattr(module, scope), enumerator.enumName(), None)
            getattr(getattr(module, scope), enumerator.name(), None)


def _menu_constructor(original):
    """Any object can be the title, as PythonQt turns it into text; Slicer's ScriptedLoadableModuleWidget relies on it."""

    def construct(self, *arguments, **keywords):
        if arguments and not isinstance(arguments[0], (str, QtWidgets.QWidget, type(None))):
            arguments = (str(arguments[0]), *arguments[1:])
        original(self, *arguments, **keywords)

    return construct


def _class_name(self) -> str:
    return type(self).__name__


def _delete(self) -> None:
    shiboken6.delete(self)


def _get_attribute(self, name: str):
    value = object.__getattribute__(self, name)
    if isinstance(value, QtCore.Property):
        return from_qt(value.fget(self))
    if isinstance(value, QtCore.SignalInstance):
        return signals.bound_python_signal(self, name)
    return value


def _set_attribute(self, name: str, value) -> None:
    cls = type(self)
    if isinstance(value, QtCore.SignalInstance):
        return  # PySide6 keeps the signals that it has bound; ours are bound anew
    member = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), _ABSENT)
    if isinstance(member, (CppProperty, property)):
        member.__set__(self, value)
    elif isinstance(member, QtCore.Property):
        _set_python_property(self, name, member, value)
    elif isinstance(self, QtCore.QObject) and name in _dynamic_properties(self):
        _write_property(self, name, value)
    elif member is not _ABSENT and _declared_in_cpp(cls, name):
        kind = "Signal" if isinstance(member, signals.SIGNAL_TYPES) else "Slot"
        raise AttributeError(f"{kind} '{name}' can not be overwritten on {cls.__name__} object")
    elif is_cpp_class(cls) and (member is _ABSENT or name.startswith("__")):
        raise AttributeError(
            f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
        )
    else:
        _set_python_attribute(self, name, value)


def _declared_in_cpp(cls: type, name: str) -> bool:
    """Whether a method or signal of this name comes from C++; attributes that a stand-in declares may be set."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    return is_cpp_class(owner) and (callable(vars(owner)[name]) or isinstance(vars(owner)[name], signals.SIGNAL_TYPES))


def _set_python_property(self, name: str, member, value) -> None:
    """A property of a stand-in: converted and refused like that of a C++ class."""
    meta = self.metaObject()
    description = meta.property(meta.indexOfProperty(name))
    if not description.isWritable():
        raise AttributeError(f"Property '{name}' of {type(self).__name__} object is not writable")
    converted, accepted = to_property_type(value, description.typeName(), description.isEnumType())
    if not accepted:
        raise AttributeError(property_refusal(name, description.typeName(), value))
    member.fset(self, converted)


def _dynamic_properties(self) -> list[str]:
    return [bytes(name).decode() for name in self.dynamicPropertyNames()] if shiboken6.isValid(self) else []


def _missing_attribute(self, name: str):
    """Dynamic properties, then children by their object name."""
    if not name.startswith("__") and shiboken6.isValid(self):
        if name in _dynamic_properties(self):
            return from_qt(_read_property(self, name))
        for child in self.children():
            if _read_property(child, "objectName") == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def _color_name(self, format: int = 0) -> str:
    """`#rrggbb`, with format 1 `#aarrggbb`: PythonQt takes the number, where PySide6 wants the enumeration."""
    return _color_name_in_qt(self, QtGui.QColor.NameFormat(format))


def _matches(child, kind) -> bool:
    return child.inherits(kind) if isinstance(kind, str) else isinstance(child, kind)


def _find_child(self, kind, name: str | None = None):
    """The first child of a class (or class name) with an object name: children before grandchildren."""
    for child in self.children():
        if _matches(child, kind) and name in (None, child.objectName):
            return child
    for child in self.children():
        found = _find_child(child, kind, name)
        if found is not None:
            return found
    return None


def _find_children(self, kind, name: str | None = None) -> tuple:
    """All children of a class (or class name) as a tuple; PythonQt does not look below children of another name."""
    found = []
    for child in self.children():
        if name in (None, child.objectName):
            found.extend([child] if _matches(child, kind) else [])
            found.extend(_find_children(child, kind, name))
    return tuple(found)
