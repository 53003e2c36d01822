"""Stand-ins of CTK's widgets for files and folders."""

from __future__ import annotations

from .pyside import QtCore, QtWidgets
from .stand_in import StandInSignal, cpp_property, split_arguments, stand_in

_HISTORY_LENGTH = 5


@stand_in
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a button that opens a file dialog, and the paths used before."""

    currentPathChanged = StandInSignal("currentPathChanged(QString)")
    validInputChanged = StandInSignal("validInputChanged(bool)")

    Dirs, Files, Drives, NoSymLinks = 0x1, 0x2, 0x4, 0x8
    AllEntries = Dirs | Files | Drives
    Readable, Writable, Executable = 0x10, 0x20, 0x40
    Modified, Hidden, System = 0x80, 0x100, 0x200
    AllDirs, CaseSensitive, NoDot, NoDotDot, NoDotAndDotDot = 0x400, 0x800, 0x2000, 0x4000, 0x1000
    NoFilter = -1
    AdjustToContents, AdjustToContentsOnFirstShow, AdjustToMinimumContentsLength = 0, 1, 2

    _combo = None
    _button = None
    _label = ""
    _name_filters = ()
    _filters = AllEntries | NoDotAndDotDot | Readable | Executable
    _options = 0
    _setting_key = ""
    _adjust = 2
    _minimum_length = 0

    def __init__(self, *arguments):
        label, name_filters, filters, parent = split_arguments(arguments, str, (list, tuple), int, QtWidgets.QWidget)
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.NoInsert)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._button = QtWidgets.QToolButton(self)
        self._button.text = "..."
        self._button.setSizePolicy(QtWidgets.QSizePolicy.Fixed, QtWidgets.QSizePolicy.Ignored)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._combo)
        layout.addWidget(self._button)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._button.clicked.connect(lambda: self.browse())
        self._combo.lineEdit().textChanged.connect(lambda path: self.currentPathChanged.emit(path))
        self._label = label or ""
        self._name_filters = tuple(name_filters or ())
        self._filters = self._filters if filters is None else filters
        self.retrieveHistory()

    def setCurrentPath(self, path: str) -> None:
        self._combo.lineEdit().setText(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def browse(self) -> None:
        """Ask for a folder, a file to open, or, with the filter Writable, a file to save."""
        dialog = QtWidgets.QFileDialog
        path = self._combo.lineEdit().text
        filters = ";;".join(self._name_filters)
        if not self._filters & self.Files:
            path = dialog.getExistingDirectory(self, "Select a directory...", path)
        elif self._filters & self.Writable:
            path = dialog.getSaveFileName(self, "Select a file to save ", path, filters)
        else:
            path = dialog.getOpenFileName(self, "Open a file", path, filters)
        if path:
            self.setCurrentPath(path)

    def retrieveHistory(self) -> None:
        path = self._combo.lineEdit().text
        self._combo.clear()
        self._combo.addItems(self._history()[:_HISTORY_LENGTH])
        self._combo.lineEdit().setText(path or (self._combo.itemText(0) if self._combo.count else ""))

    def addCurrentPathToHistory(self) -> None:
        path = self._combo.lineEdit().text
        if not path:
            return
        history = [path, *(entry for entry in self._history() if entry != path)]
        QtCore.QSettings().setValue(self._history_key(), history)
        self._combo.clear()
        self._combo.addItems(history[:_HISTORY_LENGTH])

    def _history_key(self) -> str:
        return f"ctkPathLineEdit/{self._setting_key or self.objectName}"

    def _history(self) -> list[str]:
        entries = QtCore.QSettings().value(self._history_key())
        return [entries] if isinstance(entries, str) else list(entries or [])

    def _set_setting_key(self, key: str) -> None:
        self._setting_key = key
        self.retrieveHistory()

    def _set_show_history(self, shown: bool) -> None:
        self._combo.setStyleSheet("" if shown else "QComboBox::drop-down { width: 0px; border: none; }")

    currentPath = cpp_property("QString", lambda self: self._combo.lineEdit().text, setCurrentPath)
    label = cpp_property("QString", lambda self: self._label, lambda self, text: setattr(self, "_label", text))
    filters = cpp_property("int", lambda self: self._filters, lambda self, value: setattr(self, "_filters", value))
    options = cpp_property("int", lambda self: self._options, lambda self, value: setattr(self, "_options", value))
    nameFilters = cpp_property(
        "QStringList", lambda self: list(self._name_filters), lambda self, names: setattr(self, "_name_filters", names)
    )
    settingKey = cpp_property("QString", lambda self: self._setting_key, _set_setting_key)
    showBrowseButton = cpp_property(
        "bool", lambda self: self._button.isVisibleTo(self), lambda self, shown: self._button.setVisible(shown)
    )
    showHistoryButton = cpp_property("bool", lambda self: not self._combo.styleSheet, _set_show_history)
    sizeAdjustPolicy = cpp_property(
        "int", lambda self: self._adjust, lambda self, value: setattr(self, "_adjust", value)
    )
    minimumContentsLength = cpp_property(
        "int", lambda self: self._minimum_length, lambda self, length: setattr(self, "_minimum_length", length)
    )


@stand_in
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another one."""

    directoryChanged = StandInSignal("directoryChanged(QString)")
    directorySelected = StandInSignal("directorySelected(QString)")

    ShowDirsOnly = 0x1
    _button = None
    _directory = "."
    _caption = ""
    _text = ""
    _options = ShowDirsOnly
    _accept_mode = 0
    _elide_mode = int(QtCore.Qt.ElideMiddle)

    def __init__(self, *arguments):
        arguments = [argument for argument in arguments if argument is not None]
        directory, parent = split_arguments(tuple(arguments), str, QtWidgets.QWidget)
        super().__init__(parent)
        self._button = QtWidgets.QPushButton(self)
        self._button.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        self._button.icon = self.style().standardIcon(QtWidgets.QStyle.SP_DirIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._directory = directory or "."
        self._button.clicked.connect(lambda: self.browse())
        self._show()

    def browse(self) -> str:
        title = self._caption or self.toolTip
        path = QtWidgets.QFileDialog.getExistingDirectory(self, title, self._directory)
        if path:
            self._set_directory(path)
        return path

    def _set_directory(self, path: str) -> None:
        new = QtCore.QDir(path)
        changed = QtCore.QDir(self._directory) != new
        if changed:
            self._directory = new.absolutePath()
            self._show()
        self.directorySelected.emit(new.absolutePath())
        if changed:
            self.directoryChanged.emit(self._directory)

    def _show(self) -> None:
        self._button.text = self._text or QtCore.QDir(self._directory).absolutePath()

    def _set_text(self, text: str) -> None:
        self._text = text
        self._show()

    directory = cpp_property("QString", lambda self: self._directory, _set_directory)
    caption = cpp_property("QString", lambda self: self._caption, lambda self, text: setattr(self, "_caption", text))
    text = cpp_property("QString", lambda self: self._text, _set_text)
    icon = cpp_property("QIcon", lambda self: self._button.icon, lambda self, icon: setattr(self._button, "icon", icon))
    options = cpp_property("int", lambda self: self._options, lambda self, value: setattr(self, "_options", value))
    acceptMode = cpp_property(
        "int", lambda self: self._accept_mode, lambda self, value: setattr(self, "_accept_mode", value)
    )
    elideMode = cpp_property(
        "int", lambda self: self._elide_mode, lambda self, value: setattr(self, "_elide_mode", value)
    )
