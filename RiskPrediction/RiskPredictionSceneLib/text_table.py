"""Small tables of texts in the panel."""

from __future__ import annotations

from collections.abc import Sequence

import qt

_HIGHEST, _HEADER = 190, 30
"""Pixels: longer tables scroll; the header with the frame."""


class TextTable:
    """Fills a `QTableWidget` with texts that can be read and copied, not changed; hidden while it is empty.

    Args:
        table: the widget.
        titles: of its columns.
        stretched: the column that takes the room that is left.
    """

    def __init__(self, table, titles: Sequence[str], stretched: int):
        self._table = table
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(list(titles))
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.verticalHeader().setVisible(False)
        header = table.horizontalHeader()
        for column in range(len(titles)):
            stretch = column == stretched
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch if stretch else qt.QHeaderView.ResizeToContents)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        self.fill(())

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        """Show rows of texts in place of those before."""
        table = self._table
        table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(place, column, item)
        table.visible = bool(rows)
        if rows:
            table.resizeRowsToContents()
            height = _HEADER + sum(table.rowHeight(place) for place in range(len(rows)))
            table.setFixedHeight(min(height, _HIGHEST))
