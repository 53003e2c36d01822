"""What a training on cine series would find, told from headers alone, agrees with what it does find."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.pair_grid import PairGrid
from DeformationLib.progress import Progress
from LatentRegistrationLib.pairs import load_series
from LatentRegistrationLib.series_files import SeriesSummary, find_cine_cases, series_grid, summarize_series
from LatentRegistrationLib.velocity_network import VelocityNetworkConfiguration


def write_series(path, shape=(3, 4, 30, 40), spacing=(3.0, 2.0, 10.0, 1.0)):
    image = sitk.GetImageFromArray(np.random.default_rng(0).uniform(1, 99, shape).astype(np.float32), isVector=False)
    image.SetSpacing(spacing[: len(shape)])
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(image, str(path))


@pytest.fixture
def folder(tmp_path):
    """Four series on different grids, one of a single frame."""
    write_series(tmp_path / "data" / "a.nii.gz")
    write_series(tmp_path / "data" / "b.nii.gz", (5, 6, 20, 20))
    write_series(tmp_path / "data" / "c.nii.gz", (2, 4, 40, 16), (2.0, 2.0, 8.0, 1.0))
    write_series(tmp_path / "data" / "d.nii.gz", (4, 30, 40))
    return tmp_path / "data"


def test_the_summary_agrees_with_the_training(folder):
    summary = summarize_series(folder, rule="2:1", levels=2, frame="image")
    data = load_series(find_cine_cases(folder), summary.grid)
    assert tuple(data.skipped) == summary.unreadable == ("d",)
    assert len(data) == 3
    assert sum(len(frames) for frames in data.frames) == summary.frames == 10
    assert (summary.training, summary.validation, summary.labelled) == (2, 1, 0)


def test_the_grid_holds_every_series_and_fits_the_network(folder):
    grid = series_grid(find_cine_cases(folder), 3, frame="image")
    assert grid.spacing == (10.0, 2.0, 3.0)
    assert grid.size == (6, 40, 40)  # b has the most slices, c is 80 mm high, a 120 mm wide
    VelocityNetworkConfiguration(grid.size, grid.spacing, widths=(2, 2, 2), scales=1)  # refuses lengths that do not fit
    asked = series_grid(find_cine_cases(folder), 3, size=(8, 16, 16), spacing=4.0)
    assert asked == PairGrid((8, 16, 16), (10.0, 4.0, 4.0), "patient")
    assert series_grid(find_cine_cases(folder), 1, spacings=(5.0, 5.0, 5.0)).size == (12, 16, 24)


def test_what_a_training_would_refuse_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        summarize_series(tmp_path / "missing")
    with pytest.raises(InputError, match="N:R"):
        summarize_series(folder, rule="often")
    with pytest.raises(InputError, match="leaves 1 usable training series"):
        summarize_series(folder, rule="2:0")
    for name in "ab":
        (folder / f"{name}.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match="at least two usable series, but .* holds 1. .*a.nii.gz cannot be read"):
        summarize_series(folder)
    (folder / "c.nii.gz").unlink()
    (folder / "a.nii.gz").unlink()
    (folder / "d.nii.gz").unlink()
    with pytest.raises(InputError, match="None of the series can be read"):
        series_grid(find_cine_cases(folder), 3)


def test_looking_can_be_cancelled(folder):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        summarize_series(folder, progress=progress)


def test_a_table_may_say_which_frames(folder):
    (folder / "table.csv").write_text("name,cine,ed_frame,es_frame\na,a.nii.gz,0,2\nb,b.nii.gz,7,2\nc,c.nii.gz,0,1\n")
    summary = summarize_series(folder / "table.csv", rule="none", levels=1)
    assert summary == SeriesSummary(2, 0, 0, 5, summary.grid, ("b",))


def test_looking_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import LatentRegistrationLib.series_files"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[1])
