"""Command line: show a module with its views, in a window or in a picture.

python -m Testing.SlicerHost LatentRegistration --screenshot panel.png
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


class CommandError(Exception):
    """What the command cannot do, in a sentence for the user."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if it did what was asked, 1 with a sentence on the error stream otherwise."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except CommandError as error:
        print(f"Testing.SlicerHost: {error}", file=sys.stderr)
        return 1
    return 0


def module_file(name: str) -> Path:
    """The file of a module of this repository, by its name, or any module file by its path.

    Raises CommandError if there is none.
    """
    path = Path(name)
    if path.suffix == ".py":
        if not path.is_file():
            raise CommandError(f"There is no module file {path}.")
        return path
    path = _ROOT / name / f"{name}.py"
    if not name.isidentifier() or not path.is_file():
        known = ", ".join(sorted(found.stem for found in _ROOT.glob("*/*.py") if found.stem == found.parent.name))
        raise CommandError(f"There is no module {name!r}; modules here: {known}. A path to a .py file works as well.")
    return path


def screen_platform(environment: dict[str, str]) -> str | None:
    """Qt's platform plugin for a window that a person sees; None if there is no screen."""
    chosen = environment.get("QT_QPA_PLATFORM", "")
    if chosen:
        return None if chosen.partition(":")[0] in ("offscreen", "minimal") else chosen
    if sys.platform in ("darwin", "win32"):
        return {"darwin": "cocoa", "win32": "windows"}[sys.platform]
    if environment.get("WAYLAND_DISPLAY"):
        return "wayland"
    return "xcb" if environment.get("DISPLAY") else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m Testing.SlicerHost", description=__doc__.splitlines()[0])
    parser.add_argument("module", help="name of a module of this repository, or the path of its .py file")
    parser.add_argument("--screenshot", metavar="PNG", type=Path, help="write a picture instead of opening a window")
    parser.add_argument(
        "--panel-only", action="store_true", help="the picture shows the panel alone, at its whole height"
    )
    parser.add_argument(
        "--size", type=_size, default=(1400, 900), metavar="WIDTHxHEIGHT", help="of the window, in pixels"
    )
    parser.add_argument("--panel-width", type=int, default=460, metavar="PIXELS", help="width of the module panel")
    parser.add_argument("--layout", help="conventional, four-up, four-up-plot, red, 3d and others (default: four-up)")
    parser.add_argument("--scene", metavar="MRB", type=Path, help="scene that is loaded first")
    parser.add_argument("--script", metavar="PY", type=Path, help="Python file that is run when the panel is shown")
    return parser


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1400x900") from None
    if not (200 <= width <= 8000 and 150 <= height <= 8000):
        raise argparse.ArgumentTypeError(f"{text!r} is not between 200x150 and 8000x8000")
    return width, height


def _run(options: argparse.Namespace) -> None:
    path = module_file(options.module)
    if options.panel_only and options.screenshot is None:
        raise CommandError("--panel-only is for pictures: give --screenshot FILE.png as well.")
    for file, what in ((options.scene, "scene"), (options.script, "script")):
        if file is not None and not file.is_file():
            raise CommandError(f"There is no {what} file {file}.")
    if options.screenshot is None:
        platform = screen_platform(dict(os.environ))
        if platform is None:
            raise CommandError(
                "There is no screen to open a window on; --screenshot FILE.png writes a picture instead."
            )
        # Before the application is imported: it chooses the platform without screen otherwise.
        os.environ["QT_QPA_PLATFORM"] = platform
    _show(path, options)


def _show(path: Path, options: argparse.Namespace) -> None:
    from .application import load_module, load_scene, start

    application = start()
    import slicer

    from .main_window import LAYOUTS, show_main_window
    from .pythonqt import QtCore
    from .signals import slot_errors

    QtCore.qInstallMessageHandler(_print_message)
    if options.layout is not None and options.layout not in LAYOUTS:
        raise CommandError(f"There is no layout {options.layout!r}; layouts: {', '.join(LAYOUTS)}.")
    number_of_errors = len(slot_errors)
    window = show_main_window(options.size)
    window.panel_width(options.panel_width)
    try:
        if options.layout is not None:
            application.layoutManager().setLayout(LAYOUTS[options.layout])
        module = load_module(path)
        application.startup_completed()
        if options.scene is not None:
            load_scene(options.scene)
        slicer.util.selectModule(module.name)
        if len(slot_errors) > number_of_errors:
            # The application prints it and goes on: a picture of that would be of no use.
            raise CommandError(f"The panel of {module.name} cannot be shown: {slot_errors[number_of_errors]}.")
        if options.script is not None:
            _run_script(options.script)
        application.processEvents()
        if options.screenshot is None:
            application.exec()
        else:
            _write_picture(window, options)
    except OSError as error:
        raise CommandError(str(error)) from error
    finally:
        window.close_window()
        application.processEvents()


def _print_message(kind, context, message: str) -> None:
    """Qt's messages on the error stream, without one that says nothing but that there is no screen."""
    if "propagateSizeHints" not in message:
        print(message, file=sys.stderr)


def _run_script(path: Path) -> None:
    """As Slicer's --python-script: in a namespace of its own, with `__file__` set."""
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    exec(code, {"__name__": "__main__", "__file__": str(path)})


def _write_picture(window, options: argparse.Namespace) -> None:
    import qt

    panel = window.modulePanel()
    picture = panel.picture_at_natural_height(options.panel_width) if options.panel_only else window.picture()
    height, width = picture.shape[:2]
    image = qt.QImage(picture.data, width, height, 3 * width, qt.QImage.Format_RGB888)
    options.screenshot.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(options.screenshot)):
        raise CommandError(
            f"The picture cannot be written to {options.screenshot}: give a .png file in a writable folder."
        )


if __name__ == "__main__":
    sys.exit(main())
