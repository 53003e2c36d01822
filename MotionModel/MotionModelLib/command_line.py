"""The commands ``track``, ``complete``, ``simulate``, ``transport`` and ``models``.

Every failure is one sentence and exit code 2.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from DeformationLib.cine_cases import check_frame, read_frames
from DeformationLib.commands import add_model_options, print_models, run_chosen_command
from DeformationLib.errors import InputError
from DeformationLib.files import make_folder
from DeformationLib.image import Image, as_labels, check_same_grid
from DeformationLib.image_io import read_image, read_labels_of, read_mask
from DeformationLib.progress import Progress, console_progress

if TYPE_CHECKING:
    from .heart_axes import HeartLabels
    from .motion import Motion
    from .motion_matrix import MotionMatrix
    from .motion_model import MotionModel


def build_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    parser = argparse.ArgumentParser(prog="python -m MotionModelLib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    track = commands.add_parser("track", help="follow the motion of a series")
    track.set_defaults(run=run_track, given="all")
    complete = commands.add_parser("complete", help="predict the motion of a series from some of its frames")
    complete.add_argument("--given", required=True, help="frames that are looked at: 0,10 or every:5 or first:5")
    complete.set_defaults(run=run_track)
    for command in (track, complete):
        command.add_argument("--cine", required=True, help="4-D file")
        command.add_argument("--segmentation", help="label map of the reference frame, or of all frames (4-D)")

    simulate = commands.add_parser("simulate", help="a motion of one image")
    simulate.add_argument("--image", required=True, help="that moves; a 3-D file, or a frame of a 4-D one")
    simulate.add_argument("--frames", type=int, default=30, help="of the motion")
    simulate.add_argument("--seed", type=int, help="draw the motion from the prior; else it follows from the image")
    simulate.add_argument("--matrix", help="motion_matrix.csv whose motion the image takes")
    simulate.set_defaults(run=run_simulate)

    transport = commands.add_parser("transport", help="the motion of one subject in the image of another")
    transport.add_argument("--cine", help="4-D file of the subject whose motion it is")
    transport.add_argument("--matrix", help="motion_matrix.csv of that subject, instead of --cine")
    transport.add_argument("--image", required=True, help="of the other subject, in the phase of the reference frame")
    transport.add_argument("--cine-segmentation", help="label map of the reference frame of --cine, to compare volumes")
    transport.add_argument("--frames", type=int, help="of the result; by default as many as --cine has")
    transport.set_defaults(run=run_transport)

    for command in (simulate, transport):
        command.add_argument("--segmentation", help="label map of the image")
        command.add_argument("--image-frame", type=int, default=0, help="which frame of a 4-D --image, from 0")
    for command in (track, complete, transport):
        command.add_argument("--reference-frame", type=int, default=0, help="that motion starts from, from 0")
        command.add_argument(
            "--not-periodic",
            action="store_true",
            help="the series does not end where it began (else as the model says)",
        )
    for command in (track, complete, simulate, transport):
        command.add_argument("--mask", help="where the anatomy is in the reference frame (the image), on any grid")
        command.add_argument(
            "--heart", help="labels of left pool, its wall and right pool, such as 3,2,1, for strain; or none"
        )
        command.add_argument("--no-displacements", action="store_true", help="do not write displacement fields")
        add_model_options(command, "cardiac-cine-2d")

    models = commands.add_parser("models", help="list the installed models")
    models.set_defaults(run=run_models)
    return parser


def main(words: list[str]) -> int:
    """Run a command; 0 when it succeeded, 2 after one sentence about what is wrong."""
    return run_chosen_command(build_parser(), words)


def run_track(arguments: argparse.Namespace) -> None:
    """Track a series, all of it or from the frames that are given; writes what `motion_files.write_motion` lists."""
    from .motion_model import MotionModel
    from .sequence_time import parse_given

    folder = make_folder(arguments.output)
    frames = read_cine_frames(arguments.cine)
    reference = arguments.reference_frame
    check_frame(reference, len(frames), f"The reference frame {reference}")
    given = parse_given(arguments.given, len(frames), reference)
    labels = _segmentation(arguments.segmentation, frames[reference], arguments.cine, reference, len(frames))
    mask = read_mask(arguments.mask) if arguments.mask else None
    model = MotionModel.load(arguments.model, arguments.device)
    progress = console_progress("Tracking" if arguments.command == "track" else "Completing")
    motion = model.track(frames, reference, given, mask, _periodic(arguments), progress.part(0.0, 0.5))
    _write(motion, model, labels, arguments, progress.part(0.5, 1.0), warped=arguments.command == "complete")
    print(f"wrote {folder}")


def run_simulate(arguments: argparse.Namespace) -> None:
    """Move an image; writes the moving image (warped.nii.gz) beside what `run_track` writes."""
    from .motion_model import MotionModel

    folder = make_folder(arguments.output)
    if arguments.matrix and arguments.seed is not None:
        raise InputError("--matrix and --seed exclude each other: choose one, or none of them.")
    image, labels, mask = _read_target(arguments)
    matrix = _read_matrix(arguments.matrix)
    model = MotionModel.load(arguments.model, arguments.device)
    progress = console_progress("Simulating")
    motion = model.simulate(image, arguments.frames, matrix, arguments.seed, mask, progress.part(0.0, 0.5))
    _write(motion, model, labels, arguments, progress.part(0.5, 1.0), warped=True)
    print(f"wrote {folder}")


def run_transport(arguments: argparse.Namespace) -> None:
    """Carry motion over; writes what `run_simulate` does, and curves of the source with --cine-segmentation."""
    from .motion_files import write_curves
    from .motion_model import MotionModel

    folder = make_folder(arguments.output)
    if bool(arguments.cine) == bool(arguments.matrix):
        raise InputError("Whose motion it is comes from either --cine or --matrix: give one of them.")
    image, labels, mask = _read_target(arguments)
    frames = read_cine_frames(arguments.cine) if arguments.cine else []
    matrix = _read_matrix(arguments.matrix)
    reference = arguments.reference_frame
    if frames:
        check_frame(reference, len(frames), f"The reference frame {reference}")
    elif arguments.cine_segmentation:
        raise InputError("--cine-segmentation belongs to --cine: give both.")
    own_labels = None
    if frames:
        own_labels = _segmentation(
            arguments.cine_segmentation, frames[reference], arguments.cine, reference, len(frames)
        )
    model = MotionModel.load(arguments.model, arguments.device)
    progress = console_progress("Transporting")
    source: Motion | MotionMatrix = matrix
    if frames:
        source = model.track(frames, reference, periodic=_periodic(arguments), progress=progress.part(0.0, 0.3))
    motion = model.transport(source, image, arguments.frames, mask, progress.part(0.3, 0.5))
    if own_labels is not None:
        curves = source.volume_curves(own_labels, progress=progress.part(0.5, 0.6))
        write_curves(curves, folder / "source_curves.csv")
        print(f"The source: {curves}")
    _write(motion, model, labels, arguments, progress.part(0.6, 1.0), warped=True)
    print(f"wrote {folder}")


def run_models(arguments: argparse.Namespace) -> None:
    """Print name and purpose of every installed model of motion."""
    print_models(("MotionNetwork",))


def read_cine_frames(path: str) -> list[Image]:
    """Frames of a 4-D file; raises `InputError` for other files, and for one frame."""
    array, like = read_frames(path)
    if len(array) < 2:
        raise InputError(f"{path} has one frame, but motion needs at least two: choose a 4-D file of a series.")
    return [like.with_array(frame) for frame in array]


def read_segmentation(path: str, reference: int, count: int) -> Image:
    """Label map of the reference frame, from a 3-D file, or a 4-D one with as many frames as the series."""
    frames, like = read_frames(path)
    if len(frames) not in (1, count):
        raise InputError(
            f"{path} has {len(frames)} frames, but the series {count}: choose the segmentation of the reference frame."
        )
    return as_labels(like.with_array(frames[0] if len(frames) == 1 else frames[reference]), path)


def heart_labels(text: str | None, model: MotionModel) -> HeartLabels | None:
    """Which label is what, from --heart or else from the model's card; None for what is no heart."""
    from .heart_axes import HeartLabels

    if text is None:
        return model.heart
    if text.strip().lower() == "none":
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
        if len(numbers) not in (2, 3):
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"--heart takes the labels of left pool, wall and, if labelled, right pool, such as 3,2,1, not '{text}'."
        ) from error
    return HeartLabels(numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else None)


def _segmentation(path: str | None, frame: Image, cine: str, reference: int, count: int) -> Image | None:
    if path is None:
        return None
    labels = read_segmentation(path, reference, count)
    check_same_grid(labels, frame, path, cine)
    return labels


def _read_target(arguments: argparse.Namespace) -> tuple[Image, Image | None, Image | None]:
    """The image that is to move, its labels and its mask."""
    array, like = read_frames(arguments.image) if Path(arguments.image).exists() else (None, None)
    if array is None or len(array) == 1:
        image = read_image(arguments.image)
    else:
        check_frame(arguments.image_frame, len(array), f"The frame {arguments.image_frame} of {arguments.image}")
        image = like.with_array(array[arguments.image_frame])
    labels = None
    if arguments.segmentation:
        labels = read_labels_of(arguments.segmentation, image, arguments.image)
    return image, labels, read_mask(arguments.mask) if arguments.mask else None


def _read_matrix(path: str | None) -> MotionMatrix | None:
    from .motion_matrix import MotionMatrix

    return MotionMatrix.read(path) if path else None


def _periodic(arguments: argparse.Namespace) -> bool | None:
    return False if arguments.not_periodic else None


def _write(
    motion: Motion,
    model: MotionModel,
    labels: Image | None,
    arguments: argparse.Namespace,
    progress: Progress,
    warped: bool,
) -> None:
    heart = heart_labels(arguments.heart, model) if labels is not None else None
    motion.write(
        arguments.output,
        labels,
        heart=heart,
        displacements=not arguments.no_displacements,
        warped=warped,
        progress=progress,
    )
    print(motion)
    if labels is not None:
        print(motion.volume_curves(labels))
