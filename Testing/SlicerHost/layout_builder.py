"""Turns the XML of a layout into nested Qt layouts, splitters and tabs, as CTK's layout manager does."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

import qt

_SPACING = 1

Views = Callable[[Element, bool], list]


def build_layout(element: Element, views: Views, shown: list[qt.QWidget]) -> qt.QWidget:
    """The widget of a `layout` element. `views(element, multiple)` gives the widgets of a `view` element; those that
    were placed are added to `shown`. Raises NotImplementedError for what is neither a view nor a layout."""
    if element.tag != "layout":
        raise NotImplementedError(f"The headless host has no layouts made of <{element.tag}>.")
    kind = element.get("type", "horizontal")
    if kind == "tab":
        return _tabs(element, views, shown)
    if kind not in ("horizontal", "vertical"):
        raise NotImplementedError(f"The headless host has no {kind} layouts.")
    if element.get("split") == "true":
        return _splitter(element, kind, views, shown)
    box = qt.QWidget()
    layout = qt.QVBoxLayout(box) if kind == "vertical" else qt.QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(_SPACING)
    for item in element:
        for widget in _item_widgets(item, views, shown):
            layout.addWidget(widget, 1)
    return box


def _splitter(element: Element, kind: str, views: Views, shown: list) -> qt.QSplitter:
    splitter = qt.QSplitter(qt.Qt.Vertical if kind == "vertical" else qt.Qt.Horizontal)
    splitter.setHandleWidth(3)
    sizes = []
    for item in element:
        for widget in _item_widgets(item, views, shown):
            splitter.addWidget(widget)
            sizes.append(int(item.get("splitSize", 0)))
    if any(sizes):
        splitter.setSizes(sizes)
    return splitter


def _tabs(element: Element, views: Views, shown: list) -> qt.QTabWidget:
    tabs = qt.QTabWidget()
    for item in element:
        for widget in _item_widgets(item, views, shown):
            tabs.addTab(widget, item.get("name") or widget.mrmlAbstractViewNode().GetName())
    return tabs


def _item_widgets(item: Element, views: Views, shown: list) -> list[qt.QWidget]:
    child = item[0]
    if child.tag != "view":
        return [build_layout(child, views, shown)]
    widgets = views(child, item.get("multiple") == "true")
    shown.extend(widgets)
    return widgets
