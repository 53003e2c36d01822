"""Python packages that the backend needs and Slicer may lack: what is missing, the offer to install it, the check after.

torch comes through the PyTorch extension, which picks the build for the graphics card; the others through Slicer's pip.
Nothing here imports torch into Slicer's process to look whether it is there: an imported library cannot be repaired.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from DeformationLib.errors import InputError

from .messages import confirm


class NotInstalledError(InputError):
    """A package that is needed is missing, too old or damaged; the sentence says how to get it."""


@dataclass(frozen=True)
class Requirement:
    """A Python package that the backend imports.

    Attributes:
        package: its name at the Python Package Index.
        module: the name under which it is imported.
        minimum: oldest version that will do; empty where any will.
        size: what has to be downloaded, for the person who is asked; without words that need translation.
        check: Python code that fails where the package is damaged; without it, its import.
        through_extension: whether the PyTorch extension installs it, instead of pip.
    """

    package: str
    module: str
    minimum: str = ""
    size: str = ""
    check: str = ""
    through_extension: bool = False

    @property
    def specification(self) -> str:
        """As pip reads it."""
        return f"{self.package}>={self.minimum}" if self.minimum else self.package


TORCH = Requirement(
    "torch",
    "torch",
    "2.4",
    "0.2 GB (CPU) or 3 GB (CUDA)",
    # Built for another NumPy it can be imported, but does not exchange arrays.
    check="import torch; torch.ones(1).numpy()",
    through_extension=True,
)
BACKEND = (
    TORCH,
    Requirement("scikit-learn", "sklearn", "1.3", "10 MB"),
    Requirement("scipy", "scipy", "", "35 MB"),
    # Slicer brings its own build, which pip must not replace for a version number.
    Requirement("SimpleITK", "SimpleITK", "", "50 MB"),
    Requirement("tqdm", "tqdm", "", "0.1 MB"),
)
"""What registration, exploration and training need."""

SURVIVAL = (
    *BACKEND,
    # Brings pandas along.
    Requirement("lifelines", "lifelines", "0.27", "15 MB"),
    Requirement("matplotlib", "matplotlib", "", "10 MB"),
)
"""What models of risk and their reports need."""

_VERIFY_SECONDS = 300.0


def missing_dependencies(requirements: Iterable[Requirement] = BACKEND) -> list[Requirement]:
    """Those that are not installed or too old, without importing any of them."""
    return [requirement for requirement in requirements if not _is_installed(requirement)]


def require_dependencies(requirements: Iterable[Requirement] = BACKEND) -> None:
    """For scripts and logics: never asks and never installs. Raises `NotInstalledError` if something is missing."""
    missing = missing_dependencies(requirements)
    if missing:
        raise NotInstalledError(how_to_install(missing))


def ensure_dependencies(requirements: Iterable[Requirement] = BACKEND) -> bool:
    """For panels, at the moment when the packages are needed: offer to install what is missing, and do so if wanted.

    Returns:
        True when everything is installed. False when the person declined or Slicer has to be restarted first;
        `how_to_install` has the sentence that tells how it is done later.

    Raises:
        NotInstalledError: the installation failed, or nobody can be asked: without a main window, or under ``--testing``,
            where nothing is ever installed.
    """
    missing = missing_dependencies(requirements)
    if not missing:
        return True
    if slicer.app.testingEnabled() or slicer.util.mainWindow() is None:
        raise NotInstalledError(how_to_install(missing))
    if any(requirement.through_extension for requirement in missing) and not _extension_is_loaded():
        _offer_extension()
        return False
    if not confirm(_offer(missing), _("Install Python packages")):
        logging.info("The installation of %s was declined.", _names(missing))
        return False
    # What was imported before stays in memory in its old version.
    restart_needed = any(requirement.module in sys.modules for requirement in missing)
    _install(missing)
    if restart_needed:
        _offer_restart(_("Packages that were in use have been updated."))
        return False
    return True


def how_to_install(missing: Iterable[Requirement]) -> str:
    """The sentences that tell a person how to install packages without being asked by a panel."""
    missing = list(missing)
    sentences = [_("These Python packages are missing or too old: {names}.").format(names=_names(missing))]
    if any(requirement.through_extension for requirement in missing):
        sentences.append(
            _(
                "Install the extension 'PyTorch' in the Extensions Manager, restart Slicer, and press Install in the "
                "module 'PyTorch Utils' (version requirement >={minimum})."
            ).format(minimum=TORCH.minimum)
        )
    by_pip = [requirement.specification for requirement in missing if not requirement.through_extension]
    if by_pip:
        sentences.append(
            _("Type slicer.util.pip_install('{packages}') in the Python console.").format(packages=" ".join(by_pip))
        )
    sentences.append(_without_network())
    return " ".join(sentences)


def how_to_repair(requirement: Requirement) -> str:
    """The sentences for a package whose files are there but cannot be imported."""
    if requirement.through_extension:
        return _(
            "The package '{package}' was installed but cannot be loaded. Restart Slicer, press Uninstall in the module "
            "'PyTorch Utils' before anything else, restart Slicer again, and install it there."
        ).format(package=requirement.package)
    return _(
        "The package '{package}' was installed but cannot be loaded. Restart Slicer, type "
        "slicer.util.pip_install('--force-reinstall --no-deps {package}') in the Python console before anything else, "
        "and restart Slicer again."
    ).format(package=requirement.package)


def verify_installation(requirements: Iterable[Requirement] = BACKEND) -> None:
    """Import every package in a Python process of its own; takes seconds, the window stays alive.

    Raises `NotInstalledError` with `how_to_repair` for the first that cannot be imported; its output is in the log.
    """
    for requirement in requirements:
        succeeded, output = _run_python(requirement.check or f"import {requirement.module}")
        if not succeeded:
            logging.error("Importing %s failed:\n%s", requirement.module, output)
            raise NotInstalledError(how_to_repair(requirement))


def preload_torch() -> None:
    """Load torch's main library without holding Python's lock; to be called in a thread, before it imports torch.

    `import torch` holds the lock while hundreds of megabytes are loaded: up to a second in which no window is redrawn
    and no click is noticed. Does nothing where torch is loaded or absent, and on Windows, where torch itself does this.
    """
    if "torch" in sys.modules or os.name == "nt" or not _is_installed(TORCH):
        return
    folder = Path(importlib.util.find_spec("torch").origin).parent / "lib"
    library = folder / ("libtorch_cpu.dylib" if sys.platform == "darwin" else "libtorch_cpu.so")
    if library.is_file():
        # ctypes.CDLL(library) would hold the lock; calling a C function does not. A failure is left for the import.
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        load(os.fsencode(library), os.RTLD_NOW)


def python_executable() -> str:
    """The Python that sees Slicer's packages: PythonSlicer, or the present one outside Slicer."""
    return shutil.which("PythonSlicer") or sys.executable


def _is_installed(requirement: Requirement) -> bool:
    try:
        specification = importlib.util.find_spec(requirement.module)
    except (ImportError, ValueError):
        return False
    # A folder without a module in it is what an interrupted uninstallation leaves behind.
    if specification is None or specification.loader is None or specification.origin is None:
        return False
    if not requirement.minimum:
        return True
    try:
        version = importlib.metadata.version(requirement.package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return _numbers(version) >= _numbers(requirement.minimum)


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 13, 0) for "2.13.0+cu130"."""
    return tuple(int(number) for number in re.findall(r"\d+", re.match(r"[\d.]*", version).group()))


def _install(missing: list[Requirement]) -> None:
    try:
        if any(requirement.through_extension for requirement in missing):
            _install_torch()
        by_pip = [requirement.specification for requirement in missing if not requirement.through_extension]
        if by_pip:
            _pip_install(by_pip)
    except NotInstalledError:
        raise
    except Exception as error:  # pip reports through exit codes, torch through whatever its import raises
        logging.exception("The installation of %s failed.", _names(missing))
        raise NotInstalledError(
            _("The installation did not succeed ({reason}). {what_to_do}").format(
                reason=error, what_to_do=how_to_install(missing)
            )
        ) from error
    importlib.invalidate_caches()
    still_missing = missing_dependencies(missing)
    if still_missing:
        raise NotInstalledError(how_to_install(still_missing))
    verify_installation(missing)


def _install_torch() -> None:
    import PyTorchUtils

    # No second question: the person has just agreed. None is returned for an installation that did not take place.
    torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=False, torchVersionRequirement=f">={TORCH.minimum}"
    )
    if torch is None:
        raise NotInstalledError(how_to_install([TORCH]))


def _pip_install(specifications: list[str]) -> None:
    try:
        from slicer.packaging import pip_install
    except ImportError:  # before Slicer 5.11
        slicer.util.pip_install(" ".join(specifications))
    else:
        pip_install(specifications, requester="LatentMotion")


def _extension_is_loaded() -> bool:
    try:
        return importlib.util.find_spec("PyTorchUtils") is not None
    except ValueError:  # a module that was put into sys.modules without a specification
        return True


def _offer_extension() -> None:
    """Offer the PyTorch extension; raises `NotInstalledError` where it cannot be had from here."""
    manager = slicer.app.extensionsManagerModel()
    if manager is not None and manager.isExtensionInstalled("PyTorch"):
        _offer_restart(_("The extension 'PyTorch' is installed, but not loaded yet."))
        return
    question = _(
        "PyTorch is needed, which is installed by the extension 'PyTorch'. Install that extension now? Slicer has to be "
        "restarted afterwards."
    )
    if not confirm(question, _("Install the PyTorch extension")):
        logging.info("The installation of the PyTorch extension was declined.")
        return
    if manager is None or not _install_extension(manager):
        raise NotInstalledError(
            _("The extension 'PyTorch' could not be installed. {what_to_do}").format(what_to_do=how_to_install([TORCH]))
        )
    _offer_restart(_("The extension 'PyTorch' was installed."))


def _install_extension(manager) -> bool:
    was_interactive = manager.interactive
    manager.interactive = False  # the person has agreed; without restarting behind their back
    try:
        return manager.installExtensionFromServer("PyTorch", False)
    finally:
        manager.interactive = was_interactive


def _offer_restart(why: str) -> None:
    question = _("{why} Slicer has to be restarted before it can be used. Restart now? Save your scene first.")
    if confirm(question.format(why=why), _("Restart Slicer")):
        slicer.util.restart()


def _offer(missing: list[Requirement]) -> str:
    lines = "\n".join(
        _("• {package}, download of about {size}").format(package=requirement.specification, size=requirement.size)
        for requirement in missing
    )
    return _(
        "Python packages are needed that are not installed yet:\n\n{packages}\n\nInstall them into Slicer now? This needs "
        "a network connection and takes some minutes, during which Slicer is busy. It is asked again at the next "
        "attempt if you decline. {without_network}"
    ).format(packages=lines, without_network=_without_network())


def _without_network() -> str:
    return _(
        "Without a network connection: download the packages' wheel files (.whl) on another computer and type "
        "slicer.util.pip_install('path/to/file.whl') in the Python console."
    )


def _names(requirements: Iterable[Requirement]) -> str:
    return ", ".join(requirement.specification for requirement in requirements)


def _run_python(code: str) -> tuple[bool, str]:
    """Whether a Python process with `code` ended well, and what it printed."""
    process = slicer.util.launchConsoleProcess([python_executable(), "-c", code], useStartupEnvironment=False)
    deadline = time.monotonic() + _VERIFY_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        slicer.app.processEvents()
        time.sleep(0.02)
    return process.returncode == 0, process.communicate()[0]
