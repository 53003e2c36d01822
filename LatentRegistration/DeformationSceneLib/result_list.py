"""A combo box of what work has put into the scene, and the button that shows the chosen plot, table or picture."""

from __future__ import annotations

from collections.abc import Iterable

from slicer.i18n import tr as _

from .messages import errors_shown
from .picture_window import PictureWindow
from .plots import show_chart
from .tables import show_table


class ResultList:
    """Lists plots, tables and pictures by title, and shows one of them.

    Args:
        comboBox: the list.
        button: shows what is chosen in it.
    """

    def __init__(self, comboBox, button):
        self._comboBox, self._button = comboBox, button
        self._entries: list[tuple[str, object]] = []
        self._window = PictureWindow()
        button.connect("clicked(bool)", lambda _checked: self.showChosen())
        self.fill(())

    def fill(self, entries: Iterable[tuple[str, object]]) -> None:
        """List titles and nodes; those without a node are left out."""
        self._window.close()
        self._entries = [(title, node) for title, node in entries if node is not None]
        self._comboBox.clear()
        for title, _node in self._entries:
            self._comboBox.addItem(title)
        self._comboBox.enabled = self._button.enabled = bool(self._entries)

    def showChosen(self) -> None:
        """Show what is chosen in the views; what was deleted meanwhile leaves the list."""
        index = self._comboBox.currentIndex
        with errors_shown(_("Result")):
            if not 0 <= index < len(self._entries):
                return
            node = self._entries[index][1]
            if node.GetScene() is None:
                self._comboBox.removeItem(index)
                del self._entries[index]
            elif node.IsA("vtkMRMLPlotChartNode"):
                show_chart(node)
            elif node.IsA("vtkMRMLTableNode"):
                show_table(node)
            else:
                self._window.show(node)
