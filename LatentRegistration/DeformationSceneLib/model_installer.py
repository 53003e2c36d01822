"""Models of a user's own, from the result of a training or from a file, put where the lists of models find them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from DeformationLib.catalogue import CARD, user_model_folders
from DeformationLib.errors import InputError
from DeformationLib.model_installation import ModelExistsError, install_model

from .background import BackgroundJob
from .installation import ensure_dependencies
from .messages import confirm, errors_shown, show_error


class ModelInstaller:
    """Copies models into the user's folder, beside the window: each is loaded once, to see that it can be used.

    Args:
        showMessage: called with a sentence when something begins or has ended.
        onModelsChanged: called after a model was installed.
        check: called with the folder of a model, in a thread; raises InputError for one that cannot be used.
    """

    def __init__(
        self,
        showMessage: Callable[[str], None],
        onModelsChanged: Callable[[], None],
        check: Callable[[Path], object],
    ):
        self._showMessage, self._onModelsChanged, self._check = showMessage, onModelsChanged, check
        self._job: BackgroundJob | None = None

    @property
    def running(self) -> bool:
        """Whether a model is being installed."""
        return self._job is not None and self._job.running

    def install(self, source, name: str = "", replace: bool = False) -> None:
        """Install the model in a folder or zip file; asks before it replaces one."""

        def work(_progress):
            return install_model(source, name, replace=replace, check=self._check)

        with errors_shown(_("Install a model")):
            if not ensure_dependencies():
                return
            self._job = BackgroundJob(work, onDone=self._finish, onFailed=lambda error: self._fail(error, source, name))
            self._job.start()
            self._showMessage(_("Installing the model"))

    def installFile(self) -> None:
        """Ask for a zip file, or the card in the folder of a model, and install that."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(),
            _("Install a model from a file"),
            "",
            _("Models ({patterns})").format(patterns=f"*.zip {CARD}"),
        )
        if path:
            # A card stands for the folder that it lies in.
            self.install(Path(path).parent if Path(path).name == CARD else Path(path))

    def openFolder(self) -> None:
        """Show the user's folder of models, where models can also be deleted."""
        with errors_shown(_("Folder of models")):
            folder = user_model_folders()[0]
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise InputError(
                    _("The folder {folder} cannot be created ({reason}).").format(folder=folder, reason=error.strerror)
                ) from error
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def abandon(self) -> None:
        """The panel goes away."""
        if self._job is not None:
            self._job.abandon()

    def _finish(self, folder):
        self._showMessage(_("Installed as '{name}'; it is in the lists of models now.").format(name=folder.name))
        self._onModelsChanged()

    def _fail(self, error, source, name):
        self._showMessage("")
        if isinstance(error, ModelExistsError) and confirm(
            _("There is a model '{name}' already. Replace it?").format(name=error.name), _("Install a model")
        ):
            self.install(source, name, replace=True)
        else:
            show_error(error, _("Install a model"))
