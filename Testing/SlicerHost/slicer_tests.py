"""Runs Slicer's own test files in this host and writes down how each test ended.

    python -m Testing.SlicerHost.slicer_tests results.json Base/Python/slicer/tests/test_slicer_parameter_pack.py ...

The results are {file name: {test: "" or what went wrong}}. An error in a slot counts as an error of the test.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import types
import unittest
from pathlib import Path

from .application import start


class _Results(unittest.TestResult):
    """What went wrong in each test, by `class.method`; an empty text where nothing did."""

    def __init__(self):
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def startTest(self, test) -> None:
        super().startTest(test)
        _slot_errors().clear()
        self.outcomes[_name(test)] = ""

    def stopTest(self, test) -> None:
        super().stopTest(test)
        if _slot_errors() and not self.outcomes[_name(test)]:
            self.outcomes[_name(test)] = "; ".join(map(str, _slot_errors()))

    def addError(self, test, err) -> None:
        super().addError(test, err)
        self.outcomes[_name(test)] = f"{err[0].__name__}: {err[1]}"

    addFailure = addError

    def addUnexpectedSuccess(self, test) -> None:
        super().addUnexpectedSuccess(test)
        self.outcomes[_name(test)] = "passed, although it is marked as an expected failure"


def run_file(path: Path) -> dict[str, str]:
    """The outcomes of the tests of one file; an error while it is imported is that of the test `import`."""
    try:
        module = _imported(path)
    except Exception as error:
        return {"import": f"{type(error).__name__}: {error}"}
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromTestCase(case)
        for case in vars(module).values()
        # What the file itself defines: it may have imported base classes.
        if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == module.__name__
    )
    results = _Results()
    suite.run(results)
    return results.outcomes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="slicer_tests", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    start()
    results = {path.name: run_file(path) for path in options.files}
    options.results.write_text(json.dumps(results, indent=1))


def _imported(path: Path) -> types.ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _slot_errors() -> list:
    from .signals import slot_errors

    return slot_errors


def _name(test: unittest.TestCase) -> str:
    return test.id().partition(".")[2]


if __name__ == "__main__":
    main()
