"""Hands mouse and keyboard events of Qt on to an interactor of VTK, as Qt's own VTK widget does."""

from __future__ import annotations

import qt
import vtk

_BUTTONS = {qt.Qt.LeftButton: "Left", qt.Qt.MiddleButton: "Middle", qt.Qt.RightButton: "Right"}

# One notch of a mouse wheel, in eighths of a degree.
_NOTCH = 120

_KEY_SYMBOLS = {
    qt.Qt.Key_Left: "Left",
    qt.Qt.Key_Right: "Right",
    qt.Qt.Key_Up: "Up",
    qt.Qt.Key_Down: "Down",
    qt.Qt.Key_Escape: "Escape",
    qt.Qt.Key_Delete: "Delete",
    qt.Qt.Key_Backspace: "BackSpace",
    qt.Qt.Key_Return: "Return",
    qt.Qt.Key_Space: "space",
    qt.Qt.Key_Shift: "Shift_L",
    qt.Qt.Key_Control: "Control_L",
    qt.Qt.Key_Alt: "Alt_L",
    qt.Qt.Key_BracketLeft: "bracketleft",
    qt.Qt.Key_BracketRight: "bracketright",
    qt.Qt.Key_BraceLeft: "braceleft",
    qt.Qt.Key_BraceRight: "braceright",
}


def mouse_button(interactor: vtk.vtkRenderWindowInteractor, event, action: str) -> None:
    """`action`: Press, Release or DoubleClick."""
    button = _BUTTONS.get(event.button())
    if button is not None:
        _set_position(interactor, event)
        interactor.InvokeEvent(f"{button}Button{action}Event")


def mouse_move(interactor: vtk.vtkRenderWindowInteractor, event) -> None:
    _set_position(interactor, event)
    interactor.InvokeEvent(vtk.vtkCommand.MouseMoveEvent)


def wheel(interactor: vtk.vtkRenderWindowInteractor, event) -> None:
    """One VTK event per notch; what touchpads send in small steps is collected."""
    turned = getattr(interactor, "host_wheel", 0) + event.angleDelta().y()
    notches = int(turned / _NOTCH)
    interactor.host_wheel = turned - notches * _NOTCH
    _set_position(interactor, event)
    for _ in range(abs(notches)):
        interactor.InvokeEvent("MouseWheelForwardEvent" if notches > 0 else "MouseWheelBackwardEvent")


def key(interactor: vtk.vtkRenderWindowInteractor, event, action: str) -> None:
    """`action`: Press or Release."""
    text = event.text()
    symbol = _KEY_SYMBOLS.get(event.key()) or (text if text.isalnum() else "")
    _set_modifiers(interactor, event)
    character = text if len(text) == 1 and text.isascii() else "\0"
    interactor.SetKeyEventInformation(
        interactor.GetControlKey(), interactor.GetShiftKey(), character, int(event.isAutoRepeat()), symbol
    )
    interactor.InvokeEvent(f"Key{action}Event")
    if action == "Press" and character != "\0":
        interactor.InvokeEvent(vtk.vtkCommand.CharEvent)


def _set_position(interactor, event) -> None:
    _set_modifiers(interactor, event)
    position = event.position()
    # VTK counts rows from below.
    interactor.SetEventPosition(int(position.x()), interactor.GetSize()[1] - int(position.y()) - 1)


def _set_modifiers(interactor, event) -> None:
    modifiers = event.modifiers()
    interactor.SetShiftKey(int(bool(modifiers & qt.Qt.ShiftModifier)))
    interactor.SetControlKey(int(bool(modifiers & qt.Qt.ControlModifier)))
    interactor.SetAltKey(int(bool(modifiers & qt.Qt.AltModifier)))
