"""The files of a motion: where they lie in space, what ITK makes of them, tables and report."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from DeformationLib.image_io import read_image
from MotionModelLib.heart_axes import HeartLabels
from MotionModelLib.motion import Motion, MotionMatrix
from MotionModelLib.motion_files import write_series
from Testing.known_motions import phantom_motion, random_motion, turned


@pytest.fixture(scope="module")
def heart():
    return beating_heart(1, 4, contraction=1.0, size=(40, 40, 4), spacing=(3.2, 3.2, 10.0))


@pytest.fixture(scope="module")
def written(heart, tmp_path_factory):
    matrix = MotionMatrix(np.zeros((1, 2, 3)), np.ones((1, 2)), "truth")
    motion = phantom_motion(heart, matrix=matrix, seconds={"network": 0.5}, warnings=["Look at it."])
    folder = tmp_path_factory.mktemp("motion")
    paths = motion.write(folder, heart.labels[0], heart=HeartLabels(), warped=True, compensated=True)
    return motion, folder, paths


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_there(written):
    _, folder, paths = written
    assert {path.name for path in folder.iterdir()} == {
        "segmentation.nii.gz",
        "displacements",
        "curves.csv",
        "strain.csv",
        "motion_matrix.csv",
        "warped.nii.gz",
        "compensated.nii.gz",
        "report.json",
    }
    assert [path.name for path in sorted(paths["displacements"].iterdir())] == [
        f"frame_{n:03d}.nii.gz" for n in range(4)
    ]
    assert MotionMatrix.read(paths["motion_matrix"]).model == "truth"


def test_segmentation_has_every_frame(written, heart):
    motion, _, paths = written
    series = sitk.ReadImage(str(paths["segmentation"]))
    assert series.GetSize() == (40, 40, 4, 4)
    array = sitk.GetArrayFromImage(series)
    assert np.array_equal(array[0], heart.labels[0].array)
    assert np.array_equal(array[2], motion.warp_labels(heart.labels[0], 2).array)


def test_displacement_moves_points_as_itk_reads_it(written):
    motion, _, paths = written
    field = sitk.ReadImage(str(paths["displacements"] / "frame_002.nii.gz"), sitk.sitkVectorFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    point = np.array([10.0, -6.0, 3.0])
    np.testing.assert_allclose(transform.TransformPoint(point), motion.tracks(point)[2, 0], atol=1e-3)
    assert np.linalg.norm(transform.TransformPoint(point) - point) > 0.5


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_files_keep_their_place_on_any_grid(tmp_path, flips):
    straight = random_motion(3)
    grid = turned(straight.place, 0.5, flips)
    motion = Motion(
        Image.on_grid(straight.reference.array, grid), 0, straight.velocities, straight.grid, straight.place
    )
    paths = motion.write(tmp_path, warped=True)
    series = sitk.ReadImage(str(paths["warped"]))
    first = Image.from_sitk(series[..., 0])
    assert first.geometry.same_grid(grid)
    field = sitk.DisplacementFieldTransform(
        sitk.ReadImage(str(paths["displacements"] / "frame_001.nii.gz"), sitk.sitkVectorFloat64)
    )
    point = straight.place.centre + (3.0, -2.0, 1.0)
    np.testing.assert_allclose(field.TransformPoint(point), motion.tracks(point)[1, 0], atol=1e-3)
    assert set(paths) == {"displacements", "warped", "report"}


def test_tables(written, heart):
    motion, _, paths = written
    curves = rows(paths["curves"])
    assert list(curves[0]) == ["frame", "time", "label_1_ml", "label_2_ml", "label_3_ml"]
    assert [row["frame"] for row in curves] == ["0", "1", "2", "3"]
    values = [float(row["label_3_ml"]) for row in curves]
    np.testing.assert_allclose(values, motion.volume_curves(heart.labels[0]).of(3), rtol=1e-4)
    strain = rows(paths["strain"])
    expected = motion.strain(heart.labels[0])
    assert list(strain[0])[:5] == ["frame", "time", "radial", "circumferential", "longitudinal"]
    assert float(strain[1]["circumferential_8"]) == pytest.approx(expected.of("circumferential", 8)[1], rel=1e-3)


def test_report(written, heart):
    motion, _, paths = written
    report = json.loads(paths["report"].read_text())
    assert report["model"] == "truth"
    assert report["frames"] == 4
    assert report["frames_shown"] == [0, 1, 2, 3]
    assert report["warnings"] == ["Look at it."]
    assert report["volumes"]["3"]["es_frame"] == heart.es_frame
    assert report["volumes"]["3"]["ejection_fraction_percent"] > 40
    assert report["strain"]["circumferential"]["peak_percent"] < -10
    assert len(report["strain"]["radial"]["segment_peaks_percent"]) >= 16
    assert len(report["similarity"]["after"]) == 4
    assert report["jacobian_determinant"][1]["folding_percent"] == 0
    assert report["displacement_mm"][0]["maximum"] == 0
    assert report["spatial_gradient_mm_per_mm"] == pytest.approx(motion.spatial_gradient())
    assert json.loads(json.dumps(motion.report())).keys() <= report.keys()


def test_labels_that_are_no_heart_give_curves_but_no_strain(tmp_path, heart):
    motion = phantom_motion(heart)
    lung = heart.labels[0].with_array(np.where(heart.labels[0].array > 0, 5, 0).astype(np.int16))
    paths = motion.write(tmp_path / "a", lung, displacements=False)
    assert set(paths) == {"segmentation", "curves", "report"}
    paths = motion.write(tmp_path / "b", lung, heart=HeartLabels(), displacements=False)
    assert "strain" not in paths
    report = json.loads(paths["report"].read_text())
    assert "Strain was not measured. The segmentation has no voxel of the label 3" in report["warnings"][0]


def test_bad_input(tmp_path, heart):
    motion = phantom_motion(heart, frames=None)
    other = Image.on_grid(heart.labels[0].array, turned(heart.labels[0].geometry))
    with pytest.raises(InputError, match="another grid"):
        motion.write(tmp_path / "a", other)
    with pytest.raises(InputError, match="simulated or transported"):
        motion.write(tmp_path / "a", compensated=True, displacements=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        motion.write(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="cannot be written"):
        write_series(heart.frames, tmp_path / "series.nothing")
    assert not list(tmp_path.glob("series*"))


def test_one_slice_keeps_its_dimension(tmp_path):
    grid = Geometry((6, 5, 1), (1.0, 2.0, 8.0), (1.0, 2.0, 3.0))
    frames = [Image.on_grid(np.full(grid.shape_kji, n, np.int16), grid) for n in range(3)]
    series = sitk.ReadImage(str(write_series(frames, tmp_path / "series.nii.gz", 0.03)))
    assert series.GetSize() == (6, 5, 1, 3)
    assert series.GetSpacing() == pytest.approx((1, 2, 8, 0.03))
    with pytest.raises(InputError, match="3 volumes"):
        read_image(tmp_path / "series.nii.gz")
