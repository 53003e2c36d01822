"""The CMake files of the extension, configured with a stand-in of Slicer's build, against the tree they package."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUB = Path(__file__).resolve().parent / "CMakeStub"
MODULES = ("LatentRegistration", "MotionModel", "RiskPrediction", "AgentRegistration")
IGNORED = {"__pycache__", "Testing"}

CMAKE = shutil.which("cmake", path=os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", ""))))
pytestmark = pytest.mark.skipif(CMAKE is None, reason="there is no cmake (pip install cmake)")


@dataclass
class Recorded:
    """What the stand-in has written down: files by kind, {destination: source}, and the extension's variables."""

    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def packaged(self) -> dict[str, Path]:
        return {**self.files["script"], **self.files["resource"], **self.files["command"]}


def configure(source: Path, build: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [
            CMAKE,
            *("-S", source, "-B", build, "-G", "Unix Makefiles"),
            *("-D", f"Slicer_DIR={STUB}", "-D", f"CMAKE_TOOLCHAIN_FILE={STUB / 'NoCompiler.cmake'}"),
            *options,
        ],
        capture_output=True,
        text=True,
    )


def recorded(build: Path) -> Recorded:
    result = Recorded()
    for line in (build / "recorded.txt").read_text().splitlines():
        if re.match(r"EXTENSION_\w+=", line):
            name, value = line.split("=", 1)
            result.variables[name] = value
        else:
            kind, destination, source = line.split("|")
            assert destination not in result.files.get(kind, {}), f"{destination} is listed twice"
            result.files.setdefault(kind, {})[destination] = Path(source)
    return result


@pytest.fixture(scope="module")
def extension(tmp_path_factory) -> Recorded:
    build = tmp_path_factory.mktemp("build")
    process = configure(ROOT, build)
    assert process.returncode == 0, process.stderr
    return recorded(build)


@pytest.fixture(scope="module")
def installed(extension, tmp_path_factory) -> Path:
    """A folder with the packaged files where Slicer's package has them."""
    folder = tmp_path_factory.mktemp("installed")
    for destination, source in extension.packaged().items():
        (folder / destination).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / destination)
    return folder


def files_of(folder: Path, pattern: str = "*") -> set[Path]:
    return {path for path in folder.rglob(pattern) if path.is_file() and not IGNORED & set(path.parts)}


def command_files(module: str) -> set[Path]:
    descriptions = [path for path in (ROOT / module).glob("*/*.xml") if path.parent.name not in IGNORED]
    return {path.with_suffix(suffix) for path in descriptions for suffix in (".py", ".xml")}


@pytest.mark.parametrize("module", MODULES)
def test_every_python_file_of_a_module_is_packaged_and_nothing_else(extension, module):
    folder = ROOT / module
    listed = {path for path in extension.files["script"].values() if folder in path.parents}
    assert listed == files_of(folder, "*.py") - command_files(module)


@pytest.mark.parametrize("module", MODULES)
def test_every_resource_of_a_module_is_packaged_and_nothing_else(extension, module):
    folder = ROOT / module
    listed = {path for path in extension.files["resource"].values() if folder in path.parents}
    assert listed == files_of(folder / "Resources")
    assert {path.suffix for path in listed} <= {".png", ".ui", ".json", ".pt"}


@pytest.mark.parametrize("module", MODULES)
def test_every_command_is_packaged_with_its_description(extension, module):
    listed = {path for path in extension.files["command"].values() if ROOT / module in path.parents}
    assert listed == command_files(module) != set()


def test_every_module_folder_is_built(extension):
    built = {path.relative_to(ROOT).parts[0] for path in extension.files["script"].values()}
    assert built == set(MODULES) == {path.parent.name for path in ROOT.glob("*/CMakeLists.txt")}


def test_files_keep_their_place_below_the_module(extension):
    for destination, source in {**extension.files["script"], **extension.files["resource"]}.items():
        assert Path(*source.relative_to(ROOT).parts[1:]) == Path(destination).relative_to("qt-scripted-modules")


def test_every_module_has_its_generic_test_and_its_self_test(extension):
    assert set(extension.files["generic_test"]) == set(MODULES)
    assert set(extension.files["unit_test"]) == {f"{module}.py" for module in MODULES}


def test_no_tests_are_packaged(extension, tmp_path):
    process = configure(ROOT, tmp_path, "-D", "BUILD_TESTING=OFF")
    assert process.returncode == 0, process.stderr
    without_tests = recorded(tmp_path)
    assert set(without_tests.files) == {"script", "resource", "command"}
    assert without_tests.packaged() == extension.packaged()


def test_what_the_extension_says_of_itself(extension):
    said = extension.variables
    assert said["EXTENSION_NAME"] == "LatentMotion"
    assert said["EXTENSION_CATEGORY"] == "Registration"
    assert said["EXTENSION_DEPENDS"] == "PyTorch"
    assert len(said["EXTENSION_DESCRIPTION"]) > 50
    assert said["EXTENSION_CONTRIBUTORS"]
    keywords = said["EXTENSION_KEYWORDS"].split(";")
    assert len(keywords) == len(set(keywords)) >= 5
    assert all(re.fullmatch(r"[a-z0-9-]+", keyword) for keyword in keywords), "Slicer separates them by spaces"


def test_pictures_of_the_extension_are_in_the_repository(extension):
    urls = [extension.variables["EXTENSION_ICONURL"], *extension.variables["EXTENSION_SCREENSHOTURLS"].split()]
    for url in urls:
        assert (ROOT / re.search(r"/main/(.+\.png)$", url).group(1)).is_file(), url


def test_the_packaged_command_finds_the_packaged_backend(installed):
    command = installed / "cli-modules" / "LatentRegistrationTrain.py"
    code = (
        f"import runpy; runpy.run_path({str(command)!r})['find_backend'](); "
        "import DeformationLib.progress, LatentRegistrationLib; print(LatentRegistrationLib.__file__)"
    )
    # Isolated, so that PYTHONPATH does not lead to the source tree.
    process = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=installed)
    assert process.returncode == 0, process.stderr
    assert Path(process.stdout.strip()).is_relative_to(installed / "qt-scripted-modules")


def test_a_listed_file_that_does_not_exist_fails(tmp_path):
    source = tmp_path / "source"
    for name in ("CMakeLists.txt", *(f"{module}/CMakeLists.txt" for module in MODULES)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    process = configure(source, tmp_path / "build")
    assert process.returncode != 0
    assert "LatentRegistration.py, which does not exist" in " ".join(process.stderr.split())


def test_an_argument_that_slicer_does_not_know_fails(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(Wrong)\nfind_package(Slicer REQUIRED)\n"
        "include(${Slicer_USE_FILE})\nslicerMacroBuildScriptedModule(FILES a.py NAME Wrong)\n"
    )
    process = configure(tmp_path, tmp_path / "build")
    assert process.returncode != 0
    assert "does not know the arguments" in process.stderr
