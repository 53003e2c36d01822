"""Missing packages: what is noticed, what is offered, what happens when it is declined, fails or succeeds."""

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import slicer

from DeformationLib.errors import InputError
from Testing.SlicerHost import application as host
from Testing.SlicerHost import dialogs

MODULE = Path(__file__).resolve().parents[1] / "LatentRegistration"


@pytest.fixture
def installation(application):
    from DeformationSceneLib import installation

    return installation


class Packages(dict):
    """A pretended Python environment: {module: version}; what is not in it is missing, None has no metadata."""

    def find_spec(self, module, package=None):
        if module not in self:
            return None
        return importlib.machinery.ModuleSpec(module, loader=object(), origin=f"/packages/{module}/__init__.py")

    def version(self, package):
        version = self.get({"scikit-learn": "sklearn"}.get(package, package))
        if version is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return version


COMPLETE = {"torch": "2.13.0+cu130", "sklearn": "1.9.1", "scipy": "1.15", "SimpleITK": "2.5", "tqdm": "4.67"}


@pytest.fixture
def packages(installation, monkeypatch):
    packages = Packages(COMPLETE, PyTorchUtils="1.0")
    monkeypatch.setattr(importlib.util, "find_spec", packages.find_spec)
    monkeypatch.setattr(importlib.metadata, "version", packages.version)
    for module in COMPLETE:
        monkeypatch.delitem(sys.modules, module, raising=False)
    return packages


class Person:
    """Sits in front of the window: gives the prepared answers to the questions, which are kept."""

    def __init__(self):
        self.answers, self.questions = [], []

    def confirm(self, question, title=None):
        self.questions.append(question)
        return self.answers.pop(0)


@pytest.fixture
def person(installation, monkeypatch):
    person = Person()
    monkeypatch.setattr(installation, "confirm", person.confirm)
    monkeypatch.setattr(slicer.util, "mainWindow", object)
    with host.testing(False):
        yield person


class Installers(list):
    """What was asked of the PyTorch extension, of pip and of the import check, in order."""

    def __init__(self, packages):
        super().__init__()
        self.packages = packages
        self.torch_version, self.pip_error, self.torch_error, self.import_fails = "2.13.0", None, None, ""

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
        self.append(("torch", askConfirmation, torchVersionRequirement))
        if self.torch_error:
            raise self.torch_error
        if self.torch_version:
            self.packages["torch"] = self.torch_version
            return types.ModuleType("torch")
        return None

    def pip_install(self, requirements, **options):
        self.append(("pip", requirements, options))
        if self.pip_error:
            raise self.pip_error
        names = requirements if isinstance(requirements, list) else requirements.split()
        for name in names:
            self.packages["sklearn" if name.startswith("scikit") else name] = "99"

    def run_python(self, code):
        self.append(("check", code))
        return not (self.import_fails and self.import_fails in code), "ImportError: broken"


@pytest.fixture
def installers(installation, packages, monkeypatch):
    installers = Installers(packages)
    extension = types.ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = lambda: installers
    packaging = types.ModuleType("slicer.packaging")
    packaging.pip_install = installers.pip_install
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(installation, "_run_python", installers.run_python)
    return installers


def names(requirements):
    return [requirement.package for requirement in requirements]


def test_everything_is_there(installation, packages, person):
    assert installation.missing_dependencies() == []
    assert installation.ensure_dependencies() is True
    installation.require_dependencies()
    assert person.questions == []


def test_the_packages_of_this_environment_suffice(installation):
    assert installation.missing_dependencies() == []


def run_alone(code):
    """Output of `code` in a process with the module's packages and an empty `slicer`."""
    slicer_stub = (
        "import sys, types; i18n = types.ModuleType('slicer.i18n'); i18n.tr = str; "
        "sys.modules.update({'slicer': types.ModuleType('slicer'), 'slicer.i18n': i18n}); "
    )
    process = subprocess.run(
        [sys.executable, "-c", slicer_stub + code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(MODULE)},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_looking_does_not_import(installation):
    code = (
        "from DeformationSceneLib.installation import missing_dependencies; missing_dependencies(); "
        "print(*(name for name in ('torch', 'sklearn', 'SimpleITK') if name in sys.modules), 'end')"
    )
    assert run_alone(code) == ["end"]


@pytest.mark.parametrize("module", list(COMPLETE))
def test_a_missing_package_is_noticed(installation, packages, module):
    del packages[module]
    assert [requirement.module for requirement in installation.missing_dependencies()] == [module]


@pytest.mark.parametrize("version, missing", [("2.3.1", True), ("1.13.1+cpu", True), ("2.4.0", False), ("2.10", False)])
def test_an_old_version_is_noticed(installation, packages, version, missing):
    packages["torch"] = version
    assert (names(installation.missing_dependencies()) == ["torch"]) is missing


def test_what_an_interrupted_installation_leaves_is_noticed(installation, packages, monkeypatch):
    packages["torch"] = None  # files without metadata
    assert names(installation.missing_dependencies()) == ["torch"]
    packages["torch"] = "2.13.0"  # metadata, but an empty folder
    empty = importlib.machinery.ModuleSpec("torch", loader=None, is_package=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda m, p=None: empty if m == "torch" else packages.find_spec(m))
    assert names(installation.missing_dependencies()) == ["torch"]


def test_a_module_that_is_blocked_counts_as_missing(installation, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert names(installation.missing_dependencies()) == ["torch"]


def test_a_script_gets_the_sentence(installation, packages):
    del packages["torch"], packages["sklearn"]
    with pytest.raises(InputError) as raised:
        installation.require_dependencies()
    sentence = str(raised.value)
    for part in ("torch>=2.4", "Extensions Manager", "slicer.util.pip_install('scikit-learn>=1.3')", ".whl"):
        assert part in sentence


def test_nothing_is_installed_or_asked_while_testing(installation, packages, person, installers):
    del packages["torch"]
    with host.testing(True), pytest.raises(installation.NotInstalledError, match="torch"):
        installation.ensure_dependencies()
    assert person.questions == []
    assert installers == []


def test_nobody_can_be_asked_without_a_window(installation, packages, person, installers, monkeypatch):
    del packages["torch"]
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    with pytest.raises(installation.NotInstalledError, match="torch"):
        installation.ensure_dependencies()
    assert person.questions == []
    assert installers == []


def test_the_offer_can_be_declined(installation, packages, person, installers):
    del packages["torch"], packages["sklearn"]
    person.answers = [False]
    assert installation.ensure_dependencies() is False
    assert installers == []
    (question,) = person.questions
    for part in ("torch>=2.4", "3 GB", "scikit-learn>=1.3", ".whl"):
        assert part in question


def test_an_accepted_offer_installs_once_and_checks(installation, packages, person, installers):
    del packages["torch"], packages["sklearn"]
    person.answers = [True]
    assert installation.ensure_dependencies() is True
    assert installers == [
        ("torch", False, ">=2.4"),
        ("pip", ["scikit-learn>=1.3"], {"requester": "LatentMotion"}),
        ("check", "import torch; torch.ones(1).numpy()"),
        ("check", "import sklearn"),
    ]
    assert len(person.questions) == 1
    assert installation.ensure_dependencies() is True
    assert len(installers) == 4


def test_the_extension_is_not_needed_for_other_packages(installation, packages, person, installers):
    del packages["tqdm"], packages["PyTorchUtils"]
    person.answers = [True]
    assert installation.ensure_dependencies() is True
    assert installers[0] == ("pip", ["tqdm"], {"requester": "LatentMotion"})


def test_before_slicer_5_11_pip_is_reached_through_util(installation, packages, person, installers, monkeypatch):
    del packages["sklearn"], packages["tqdm"]
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", installers.pip_install)
    person.answers = [True]
    assert installation.ensure_dependencies() is True
    assert installers[0] == ("pip", "scikit-learn>=1.3 tqdm", {})


@pytest.mark.parametrize("error", [subprocess.CalledProcessError(1, "pip"), RuntimeError("an install is in progress")])
def test_a_failing_pip_ends_in_a_sentence(installation, packages, person, installers, error):
    del packages["sklearn"]
    person.answers, installers.pip_error = [True], error
    with pytest.raises(installation.NotInstalledError, match=r"did not succeed.*pip_install"):
        installation.ensure_dependencies()


def test_a_failing_torch_ends_in_a_sentence(installation, packages, person, installers):
    del packages["torch"]
    person.answers, installers.torch_error = [True], OSError("c10.dll cannot be loaded")
    with pytest.raises(installation.NotInstalledError, match=r"c10.dll.*PyTorch Utils"):
        installation.ensure_dependencies()


def test_torch_that_was_not_installed_after_all(installation, packages, person, installers):
    del packages["torch"]
    person.answers, installers.torch_version = [True], None
    with pytest.raises(installation.NotInstalledError, match="missing or too old: torch"):
        installation.ensure_dependencies()


def test_torch_that_is_still_too_old(installation, packages, person, installers):
    packages["torch"] = "1.13"
    person.answers, installers.torch_version = [True], "2.2.2"
    with pytest.raises(installation.NotInstalledError, match="missing or too old: torch"):
        installation.ensure_dependencies()


def test_an_installation_that_cannot_be_imported_gets_the_repair_sentence(
    installation, packages, person, installers, caplog
):
    del packages["torch"]
    person.answers, installers.import_fails = [True], "torch"
    with pytest.raises(installation.NotInstalledError, match=r"cannot be loaded.*Uninstall"):
        installation.ensure_dependencies()
    assert "ImportError: broken" in caplog.text


def test_a_package_that_is_in_use_needs_a_restart(installation, packages, person, installers, monkeypatch):
    packages["torch"] = "2.0"
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    restarts = []
    monkeypatch.setattr(slicer.util, "restart", lambda: restarts.append(True))
    person.answers = [True, False]
    assert installation.ensure_dependencies() is False
    assert "restarted" in person.questions[-1]
    assert restarts == []


class ExtensionsManager:
    def __init__(self, installed=False, succeeds=True):
        self.installed, self.succeeds, self.interactive, self.calls = installed, succeeds, True, []

    def isExtensionInstalled(self, name):
        return self.installed

    def installExtensionFromServer(self, name, restart=True):
        self.calls.append((name, restart, self.interactive))
        return self.succeeds


@pytest.fixture
def without_extension(packages, installers, monkeypatch):
    """torch and the extension that installs it are missing; call with an extensions manager."""
    del packages["torch"], packages["PyTorchUtils"]
    monkeypatch.delitem(sys.modules, "PyTorchUtils")
    restarts = []
    monkeypatch.setattr(slicer.util, "restart", lambda: restarts.append(True))

    def use(manager):
        # On the class, since members of the application itself cannot be replaced.
        monkeypatch.setattr(type(slicer.app), "extensionsManagerModel", lambda self: manager, raising=False)
        return restarts

    return use


def test_the_extension_can_be_declined(installation, person, installers, without_extension):
    manager = ExtensionsManager()
    without_extension(manager)
    person.answers = [False]
    assert installation.ensure_dependencies() is False
    assert manager.calls == installers == []
    assert "'PyTorch'" in person.questions[0]


@pytest.mark.parametrize("restart", [True, False])
def test_the_extension_is_installed_and_slicer_restarted_if_wanted(
    installation, person, installers, without_extension, restart
):
    manager = ExtensionsManager()
    restarts = without_extension(manager)
    person.answers = [True, restart]
    assert installation.ensure_dependencies() is False
    assert manager.calls == [("PyTorch", False, False)], "asked once, and not restarted by itself"
    assert manager.interactive is True
    assert len(restarts) == restart
    assert installers == []


def test_an_installed_extension_only_needs_a_restart(installation, person, without_extension):
    manager = ExtensionsManager(installed=True)
    without_extension(manager)
    person.answers = [False]
    assert installation.ensure_dependencies() is False
    assert manager.calls == []
    assert "restarted" in person.questions[0]


@pytest.mark.parametrize("manager", [ExtensionsManager(succeeds=False), None])
def test_an_extension_that_cannot_be_had_ends_in_a_sentence(installation, person, without_extension, manager):
    without_extension(manager)
    person.answers = [True]
    with pytest.raises(installation.NotInstalledError, match=r"could not be installed.*\.whl"):
        installation.ensure_dependencies()
    assert manager is None or manager.interactive is True


def test_verification_imports_in_a_process_of_its_own(installation):
    installation.verify_installation([installation.Requirement("packaging", "packaging")])
    with pytest.raises(installation.NotInstalledError, match="'nonsense' was installed but cannot be loaded"):
        installation.verify_installation([installation.Requirement("nonsense", "no_such_module_anywhere")])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_torch_can_be_imported_after_its_library_was_preloaded(installation):
    code = (
        "from DeformationSceneLib.installation import preload_torch; preload_torch(); "
        "print(any('libtorch_cpu' in line for line in open('/proc/self/maps')), 'torch' in sys.modules); "
        "import torch; preload_torch(); print(int(torch.ones(2).sum().numpy()))"
    )
    assert run_alone(code) == ["True", "False", "2"]


def test_preloading_does_nothing_without_torch(installation, packages):
    del packages["torch"]
    installation.preload_torch()


def test_the_offer_is_a_dialog(installation, packages, installers, monkeypatch):
    """The same through Slicer's own message box."""
    import qt

    window = qt.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)
    del packages["tqdm"]
    with host.testing(False), dialogs.answer("No", "Yes") as seen:
        assert installation.ensure_dependencies() is False
        assert installers == []
        assert installation.ensure_dependencies() is True
    assert installers[0] == ("pip", ["tqdm"], {"requester": "LatentMotion"})
    assert len(seen) == 2
    assert "tqdm" in seen[0].text
