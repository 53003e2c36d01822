"""A motion as files: 4-D images, displacement fields for ITK, tables and a report."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from DeformationLib import metrics
from DeformationLib.errors import InputError
from DeformationLib.files import atomic_path, make_folder, write_json
from DeformationLib.image import Image, as_labels, check_same_grid
from DeformationLib.image_io import write_image
from DeformationLib.progress import Progress

from .heart_axes import HeartLabels
from .strain import StrainCurves
from .volume_curves import VolumeCurves

if TYPE_CHECKING:
    from .motion import Motion


def write_motion(
    motion: Motion,
    folder: str | os.PathLike,
    labels: Image | None = None,
    heart: HeartLabels | None = None,
    *,
    displacements: bool = True,
    warped: bool = False,
    compensated: bool = False,
    frame_spacing: float = 1.0,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write a motion into a folder, made when missing, and return the path of each file by its name.

    segmentation.nii.gz             4-D, with ``labels``: the reference's labels carried into every frame
    displacements/frame_NNN.nii.gz  from the reference to the frame, LPS mm, as `SimpleITK.DisplacementFieldTransform`
                                    takes it
    curves.csv                      with ``labels``: frame, time in slots, volume of each label
    strain.csv                      with ``labels`` and ``heart``: frame, time, strain by direction and segment
    motion_matrix.csv               the model's code of the motion, if it made one
    warped.nii.gz, compensated.nii.gz   4-D, if wanted: the reference moving, the frames with their motion undone
    report.json                     see `report`

    Args:
        motion: what to write.
        folder: where.
        labels: of the reference frame, on its grid.
        heart: which label is what, for strain; None where it is no heart.
        displacements, warped, compensated: whether to write these.
        frame_spacing: of the 4-D files' fourth axis.
        progress: reports and cancels.

    Each file is complete or absent.

    Raises:
        InputError: for an unwritable folder, labels on another grid, and ``compensated`` without frames.
    """
    folder = make_folder(folder)
    progress = progress or Progress()
    paths: dict[str, Path] = {}
    if labels is not None:
        labels = as_labels(labels, "The segmentation")
        check_same_grid(labels, motion.reference, "The segmentation", "the frames")
    curves, strain, note = _measure(motion, labels, heart, progress.part(0.0, 0.3))
    if labels is not None:
        maps = [motion.warp_labels(labels, n, progress.part(0.3, 0.4)) for n in range(len(motion))]
        paths["segmentation"] = write_series(maps, folder / "segmentation.nii.gz", frame_spacing)
    if displacements:
        paths["displacements"] = _write_displacements(motion, folder / "displacements", progress.part(0.4, 0.7))
    if warped:
        series = motion.warped_frames(progress.part(0.7, 0.8))
        paths["warped"] = write_series(list(series), folder / "warped.nii.gz", frame_spacing)
    if compensated:
        series = motion.compensated(progress.part(0.8, 0.9))
        paths["compensated"] = write_series(series, folder / "compensated.nii.gz", frame_spacing)
    if curves is not None:
        paths["curves"] = write_curves(curves, folder / "curves.csv")
    if strain is not None:
        paths["strain"] = write_strain(strain, folder / "strain.csv")
    if motion.matrix is not None:
        paths["motion_matrix"] = motion.matrix.write(folder / "motion_matrix.csv")
    content = _report(motion, curves, strain, note, progress.part(0.9, 1.0))
    paths["report"] = write_json(content, folder / "report.json")
    progress.report(1.0)
    return paths


def report(
    motion: Motion, labels: Image | None = None, heart: HeartLabels | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Everything measurable about a motion, as nested dictionaries that JSON can hold.

    With labels of the reference frame volumes and ejection fractions, with a heart's labels strain as well.  Raises
    `InputError` for labels on another grid.
    """
    progress = progress or Progress()
    measured = _measure(motion, labels, heart, progress.part(0.0, 0.6))
    return _report(motion, *measured, progress.part(0.6, 1.0))


def write_series(images: Sequence[Image], path: str | os.PathLike, frame_spacing: float = 1.0) -> Path:
    """Write images of one grid as one 4-D file, compressed, completely or not at all, and return the path.

    Place, spacing and directions of the three axes are kept; ``frame_spacing`` is that of the fourth.  Raises
    `InputError` where the folder, the format or the disk refuses.
    """
    path = Path(path)
    series = sitk.JoinSeries([image.to_sitk() for image in images], 0.0, frame_spacing)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(series, os.fspath(temporary), useCompression=True)
        except RuntimeError as error:
            raise InputError(
                f"{path} cannot be written as a 4-D file: choose another folder, or a format such as .nii.gz."
            ) from error
    return path


def write_curves(curves: VolumeCurves, path: str | os.PathLike) -> Path:
    """Write volumes as a table: frame, time, and a column ``label_3_ml`` for each label."""
    header = ["frame", "time", *[f"label_{label}_{curves.unit}" for label in curves.labels]]
    return _write_table(header, np.column_stack([curves.times, curves.volumes]), path)


def write_strain(strain: StrainCurves, path: str | os.PathLike) -> Path:
    """Write strain as a table, without unit: frame, time, each direction, then ``radial_7`` for direction and segment."""
    header = ["frame", "time", *strain.directions]
    header += [f"{name}_{number}" for name in strain.directions for number in strain.segment_numbers]
    flat = strain.segments.reshape(len(strain), -1)
    return _write_table(header, np.column_stack([strain.times, strain.whole, flat]), path)


def _write_table(header: Iterable[str], rows: np.ndarray, path: str | os.PathLike) -> Path:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        for number, row in enumerate(rows):
            table.writerow([number, *[f"{value:.6g}" for value in row]])
    return Path(path)


def _write_displacements(motion: Motion, folder: Path, progress: Progress) -> Path:
    for number in range(len(motion)):
        progress.report(number / len(motion), f"Writing frame_{number:03d}.nii.gz")
        write_image(motion.inverse_displacement(number), folder / f"frame_{number:03d}.nii.gz")
    return folder


def _measure(
    motion: Motion, labels: Image | None, heart: HeartLabels | None, progress: Progress
) -> tuple[VolumeCurves | None, StrainCurves | None, str]:
    """Curves, strain, and why there is no strain where there should be some."""
    if labels is None:
        return None, None, ""
    curves = motion.volume_curves(labels, progress=progress.part(0.0, 0.5))
    if heart is None:
        return curves, None, ""
    try:
        return curves, motion.strain(labels, heart, progress=progress.part(0.5, 1.0)), ""
    except InputError as error:
        return curves, None, f"Strain was not measured. {error}"


def _report(
    motion: Motion, curves: VolumeCurves | None, strain: StrainCurves | None, note: str, progress: Progress
) -> dict[str, Any]:
    # First, since it fills the motion's similarities.
    if motion.frames is not None:
        motion.measure_similarity(progress.part(0.0, 0.4))
    spatial, temporal = motion.regularity(progress=progress.part(0.4, 0.7))
    content: dict[str, Any] = {
        "model": motion.model,
        "frames": len(motion),
        "reference_frame": motion.reference_index,
        "frames_shown": np.flatnonzero(motion.given).tolist(),
        "times": motion.times.tolist(),
        "seconds": dict(motion.seconds),
        "warnings": [*motion.warnings, *([note] if note else [])],
        "similarity": {
            "measure": motion.similarity_name,
            "before": _listed(motion.similarity_before),
            "after": _listed(motion.similarity_after),
        },
        "spatial_gradient_mm_per_mm": float(np.nanmean(spatial)),
        "temporal_gradient_mm_per_frame": float(temporal.mean()),
        "displacement_mm": [],
        "jacobian_determinant": [],
    }
    for number in range(len(motion)):
        length = np.linalg.norm(motion.inverse_displacement(number).array, axis=-1)
        jacobian = motion.jacobian(number).array
        content["displacement_mm"].append({"mean": float(length.mean()), "maximum": float(length.max())})
        content["jacobian_determinant"].append(
            {
                "minimum": float(jacobian.min()),
                "maximum": float(jacobian.max()),
                "folding_percent": metrics.folding_percent(jacobian),
            }
        )
        progress.part(0.7, 1.0).report((number + 1) / len(motion), "Measuring the motion")
    if curves is not None:
        content["volumes"] = curves.summary()
    if strain is not None:
        content["strain"] = strain.summary()
    return content


def _listed(values: np.ndarray | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
