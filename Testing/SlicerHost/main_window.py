"""The main window: module panel on the left, views on the right, module and layout selectors above, status bar below."""

from __future__ import annotations

import ctk
import numpy as np
import qt
import slicer

from .application_views import close_views, give_layout_manager

_LAYOUT = slicer.vtkMRMLLayoutNode
_LAYOUTS = (
    ("conventional", "Conventional", _LAYOUT.SlicerLayoutConventionalView),
    ("conventional-widescreen", "Conventional Widescreen", _LAYOUT.SlicerLayoutConventionalWidescreenView),
    ("conventional-plot", "Conventional Plot", _LAYOUT.SlicerLayoutConventionalPlotView),
    ("four-up", "Four-Up", _LAYOUT.SlicerLayoutFourUpView),
    ("four-up-table", "Four-Up Table", _LAYOUT.SlicerLayoutFourUpTableView),
    ("four-up-plot", "Four-Up Plot", _LAYOUT.SlicerLayoutFourUpPlotView),
    ("side-by-side", "Side by side", _LAYOUT.SlicerLayoutSideBySideView),
    ("3d", "3D only", _LAYOUT.SlicerLayoutOneUp3DView),
    ("red", "Red slice only", _LAYOUT.SlicerLayoutOneUpRedSliceView),
    ("yellow", "Yellow slice only", _LAYOUT.SlicerLayoutOneUpYellowSliceView),
    ("green", "Green slice only", _LAYOUT.SlicerLayoutOneUpGreenSliceView),
    ("plot", "Plot only", _LAYOUT.SlicerLayoutOneUpPlotView),
)
LAYOUTS = {name: int(layout) for name, _, layout in _LAYOUTS}
"""Layouts by the names of the command line."""

PANEL_WIDTH = 460


class qSlicerModulePanel(qt.QWidget):
    """A scroll area with the help of a module, collapsed, and its panel."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._module = None
        self._scroll_area = qt.QScrollArea(self)
        self._scroll_area.setObjectName("ScrollArea")
        self._scroll_area.setWidgetResizable(True)
        self._scroll_area.setFrameShape(qt.QFrame.NoFrame)
        self._scroll_area.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        outer = qt.QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll_area)
        self._contents = qt.QWidget()
        self._layout = qt.QVBoxLayout(self._contents)
        self._help = ctk.ctkCollapsibleButton("Help && Acknowledgement", self._contents)
        self._help.setObjectName("HelpCollapsibleButton")
        self._help.collapsed = True
        self._help_text = qt.QTextBrowser()
        self._help_text.setOpenExternalLinks(True)
        self._help_text.setFrameShape(qt.QFrame.NoFrame)
        qt.QVBoxLayout(self._help).addWidget(self._help_text)
        self._layout.addWidget(self._help)
        self._layout.addStretch(0)
        self._scroll_area.setWidget(self._contents)

    def currentModuleName(self) -> str:
        return self._module.name if self._module is not None else ""

    def setModule(self, module) -> None:
        """Show the panel of a module of `slicer.modules`, or none."""
        if module is self._module:
            return
        if self._module is not None:
            old = self._module.widgetRepresentation()
            self._layout.removeWidget(old)
            old.setVisible(False)
            old.setParent(None)
        self._module = module
        widget = module.widgetRepresentation() if module is not None else None
        if widget is None:
            return
        widget.layout().setContentsMargins(0, 0, 0, 0)
        self._layout.insertWidget(1, widget, 1)
        widget.setVisible(True)
        self._show_help(module)

    def _show_help(self, module) -> None:
        contributors = ", ".join(module.contributors)
        parts = [module.helpText.replace("\n", "<br>"), module.acknowledgementText]
        parts += [f"<u>Contributors:</u> <i>{contributors}</i>"] if contributors else []
        self._help.setVisible(bool(module.helpText))
        self._help_text.setHtml("<br><br>".join(part for part in parts if part))

    def picture_at_natural_height(self, width: int = PANEL_WIDTH) -> np.ndarray:
        """The panel alone, not cut by the window: (height, width, 3) uint8 RGB."""
        contents = self._scroll_area.takeWidget()
        try:
            contents.resize(width, 10)
            contents.show()
            slicer.app.processEvents()
            layout = contents.layout()
            height = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else contents.sizeHint.height()
            contents.resize(width, height)
            slicer.app.processEvents()
            return picture_of(contents)
        finally:
            self._scroll_area.setWidget(contents)
            contents.show()


class qSlicerMainWindow(qt.QMainWindow):
    """The window that `slicer.util.mainWindow()` finds; closing it takes the views away."""

    def __init__(self, size: tuple[int, int] = (1400, 900)):
        """`size`: width and height in pixels."""
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer (headless host)")
        self._panel = qSlicerModulePanel(self)
        self._panel.setObjectName("ModulePanel")
        self._add_panel_dock()
        frame = qt.QFrame(self)
        frame.setObjectName("CentralWidgetLayoutFrame")
        self.setCentralWidget(frame)
        self._layout_manager = give_layout_manager(frame)
        self._add_tool_bars()
        self.statusBar().setSizeGripEnabled(False)
        slicer.app.module_selector.connect("moduleSelected(QString)", self._module_selected)
        slicer.app.moduleManager().connect("moduleLoaded(QString)", self._list_modules)
        self._layout_manager.connect("layoutChanged(int)", self._show_layout_name)
        self._list_modules()
        self._show_layout_name(self._layout_manager.layout)
        self._module_selected(slicer.app.module_selector.selectedModule)
        self.resize(*size)

    def _add_panel_dock(self) -> None:
        self._dock = qt.QDockWidget("", self)
        self._dock.setObjectName("PanelDockWidget")
        self._dock.setFeatures(qt.QDockWidget.NoDockWidgetFeatures)
        self._dock.setTitleBarWidget(qt.QWidget(self._dock))
        self._dock.setWidget(self._panel)
        self.addDockWidget(qt.Qt.LeftDockWidgetArea, self._dock)
        self.resizeDocks([self._dock], [PANEL_WIDTH], qt.Qt.Horizontal)

    def _add_tool_bars(self) -> None:
        bar = self.addToolBar("Modules")
        bar.setObjectName("ModuleSelectorToolBar")
        bar.setMovable(False)
        bar.addWidget(qt.QLabel("Modules: "))
        self._modules_box = qt.QComboBox()
        self._modules_box.setObjectName("ModulesComboBox")
        self._modules_box.setMinimumWidth(240)
        self._modules_box.connect("activated(int)", self._module_chosen)
        bar.addWidget(self._modules_box)
        view_bar = self.addToolBar("Views")
        view_bar.setObjectName("ViewToolBar")
        view_bar.setMovable(False)
        view_bar.addWidget(qt.QLabel("Layout: "))
        self._layouts_box = qt.QComboBox()
        self._layouts_box.setObjectName("LayoutComboBox")
        for name, title, _ in _LAYOUTS:
            self._layouts_box.addItem(title, LAYOUTS[name])
        self._layouts_box.connect("activated(int)", self._layout_chosen)
        view_bar.addWidget(self._layouts_box)

    def modulePanel(self) -> qSlicerModulePanel:
        return self._panel

    def moduleSelector(self):
        """What `slicer.util.selectModule` asks for."""
        return slicer.app.module_selector

    def panel_width(self, width: int) -> None:
        """Give the module panel this width in pixels."""
        self.resizeDocks([self._dock], [width], qt.Qt.Horizontal)

    def picture(self) -> np.ndarray:
        """The whole window, views drawn with smooth edges: (height, width, 3) uint8 RGB."""
        slicer.app.processEvents()
        self._layout_manager.render_smooth()
        return picture_of(self)

    def close_window(self) -> None:
        """Leave the module, take the views away, forget the window."""
        slicer.app.module_selector.selectModule("")
        slicer.app.module_selector.disconnect("moduleSelected(QString)", self._module_selected)
        slicer.app.moduleManager().disconnect("moduleLoaded(QString)", self._list_modules)
        close_views()
        self.hide()
        # Found by its name as long as it lives.
        self.setObjectName("")
        self.deleteLater()

    def _module_selected(self, name: str) -> None:
        module = slicer.app.moduleManager().module(name) if name else None
        self._panel.setModule(module)
        self._modules_box.setCurrentIndex(self._modules_box.findData(name))

    def _module_chosen(self, index: int) -> None:
        slicer.app.module_selector.selectModule(self._modules_box.itemData(index))

    def _list_modules(self) -> None:
        """Modules with a panel, by title; those of Slicer have none in this host."""
        self._modules_box.clear()
        manager = slicer.app.moduleManager()
        for name in manager.modulesNames():
            module = manager.module(name)
            if isinstance(module, slicer.qSlicerScriptedLoadableModule):
                self._modules_box.addItem(module.icon, module.title, name)
        self._modules_box.setCurrentIndex(self._modules_box.findData(slicer.app.module_selector.selectedModule))

    def _layout_chosen(self, index: int) -> None:
        self._layout_manager.setLayout(self._layouts_box.itemData(index))

    def _show_layout_name(self, layout: int) -> None:
        initial = layout == _LAYOUT.SlicerLayoutInitialView
        self._layouts_box.setCurrentIndex(self._layouts_box.findData(LAYOUTS["four-up"] if initial else int(layout)))


def show_main_window(size: tuple[int, int] = (1400, 900)) -> qSlicerMainWindow:
    """Make and show the main window, and with it the application's layout manager.

    Raises RuntimeError if there are views already, in a window of their own or another main window.
    """
    if slicer.app.layoutManager() is not None:
        raise RuntimeError("The application has views already: close them before the main window is made.")
    window = qSlicerMainWindow(size)
    window.show()
    slicer.app.processEvents()
    return window


def picture_of(widget: qt.QWidget) -> np.ndarray:
    """A widget as it is painted, (height, width, 3) uint8 RGB."""
    image = widget.grab().toImage().convertToFormat(qt.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
