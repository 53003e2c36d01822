"""Sections through volumes in any orientation, and the pictures made of them."""

import builtins
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from DeformationLib.errors import InputError
from DeformationLib.geometry import Geometry
from DeformationLib.image import Image
from LatentRegistrationLib.figures import (
    plot_amplitudes,
    plot_components,
    plot_elementary_transformations,
    plot_explained_variance,
)
from LatentRegistrationLib.section import Section

OBLIQUE = Rotation.from_euler("xyz", (25, -15, 40), degrees=True).as_matrix() * np.array([1, -1, 1])
GEOMETRIES = {
    "axis-aligned": Geometry((20, 24, 22)),
    "flipped": Geometry((20, 24, 22), direction=np.diag([-1, -1, 1])),
    "oblique and left-handed": Geometry((26, 22, 14), (0.9, 1.1, 1.7), (5, -60, 30), OBLIQUE),
}
PLANES = {"sagittal": (0, 1, 2), "coronal": (1, 0, 2), "axial": (2, 0, -1)}


def positions(geometry):
    """Each voxel's place in LPS mm from the centre of the grid, (k, j, i, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape_kji), indexing="ij")[::-1], axis=-1)
    return geometry.index_to_physical(index) - geometry.centre


class Explorer:
    """Moves everything by the amplitude, along x, y or z by the number of the component."""

    def __init__(self, image):
        self.image = image
        self.explained_variance_ratio = np.array([0.5, 0.2, 0.1])
        self.standard_deviations = np.array([1.0, 2.0, 0.5])

    def displacement(self, component, amplitude):
        field = np.zeros((*self.image.geometry.shape_kji, 3), dtype=np.float32)
        field[..., component] = amplitude
        return self.image.with_array(field)


@pytest.fixture(params=GEOMETRIES)
def scene(request):
    geometry = GEOMETRIES[request.param]
    away = positions(geometry)
    ball = (np.linalg.norm(away - [0, 2, 0], axis=-1) < 6).astype(np.int16) * np.where(away[..., 1] < 2, 1, 2)
    image = Image.on_grid(away[..., 2].astype(np.float32), geometry)
    return Explorer(image), image, image.with_array(ball.astype(np.int16))


@pytest.mark.parametrize("plane", PLANES)
def test_a_section_looks_from_the_right_side(scene, plane):
    image = scene[1]
    section = Section.through(image, plane=plane)
    normal, across, up = PLANES[plane]
    # A ramp along a direction of LPS rises to the right, upwards, or not at all.
    for axis, rises in ((normal, (0, 0)), (across, (1, 0)), (2 if plane != "axial" else 1, (0, np.sign(up) or 1))):
        ramp = image.with_array(positions(image.geometry)[..., axis].astype(np.float32))
        sampled = section.sample(ramp)
        rows, columns = (length // 2 for length in sampled.shape)
        middle = sampled[rows - 3 : rows + 4, columns - 3 : columns + 4] / section.geometry.spacing[0]
        slopes = np.gradient(middle, axis=1).mean(), np.gradient(middle, axis=0).mean()
        np.testing.assert_allclose(slopes, rises, atol=1e-3)


def test_a_section_lies_where_the_labels_are_largest():
    labels = np.zeros((10, 10, 12), dtype=np.int16)
    labels[2:4, 2:4, 2] = labels[2:8, 2:8, 9] = 1
    image = Image(labels.astype(np.float32), origin=(100, 0, 0))
    section = Section.through(image, image.with_array(labels))
    assert section.geometry.centre[0] == pytest.approx(109)
    assert Section.through(image, image.with_array(0 * labels)).geometry.centre[0] == pytest.approx(105.5)


def test_arrows_point_where_the_tissue_went(scene):
    explorer, image, labels = scene
    section = Section.through(image, labels)
    field = section.displacement(explorer.displacement(2, -3.0))
    places, arrows, lengths = section.arrows(field)
    np.testing.assert_allclose(arrows, np.broadcast_to([0, 3], arrows.shape), atol=1e-5)
    np.testing.assert_allclose(lengths, 3, atol=1e-5)
    left, right, bottom, top = section.extent
    assert (places > [left, bottom]).all()
    assert (places < [right, top]).all()
    before, after = section.indicator(labels, 1), section.indicator(labels, 1, field)
    rows = np.arange(len(before)) * section.geometry.spacing[0]
    moved = (after.sum(1) @ rows) / after.sum() - (before.sum(1) @ rows) / before.sum()
    assert moved == pytest.approx(3, abs=0.15)


def test_a_slice_is_shown_as_it_is():
    image = Image(np.arange(30.0, dtype=np.float32).reshape(1, 5, 6), (2.0, 1.0, 8.0), direction=OBLIQUE)
    section = Section.through(image)
    assert section.extent == (-6, 6, -2.5, 2.5)
    sampled = section.sample(image)
    assert (np.diff(sampled.mean(1)) <= 0).all()
    assert (np.diff(sampled.mean(0)) >= 0).all()


def test_every_picture_is_written(scene, tmp_path):
    explorer, image, labels = scene
    plot_components(explorer, image, labels, tmp_path / "components.png", range(3), (-2, 0, 2), "coronal")
    plot_components(explorer, image, None, tmp_path / "arrows.png", [1], (1,), "axial")
    plot_elementary_transformations(explorer, image, labels, tmp_path / "elementary.pdf", range(3), columns=2)
    plot_explained_variance(explorer, tmp_path / "variance.png", {2: 0.6})
    plot_amplitudes((-1, 0, 1), [[1, 0, 1], [2, 0, 2]], tmp_path / "amplitudes.svg")
    assert len(list(tmp_path.iterdir())) == 5
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())


def test_a_slice_has_pictures_too(tmp_path):
    image = Image(np.random.default_rng(0).random((1, 16, 20), dtype=np.float32))
    labels = image.with_array((image.array > 0.8).astype(np.int16))
    plot_components(Explorer(image), image, labels, tmp_path / "slice.png", range(2))
    assert (tmp_path / "slice.png").is_file()


def test_without_matplotlib_there_is_a_sentence(tmp_path, monkeypatch):
    really_import = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.startswith("matplotlib"):
            raise ImportError("no matplotlib here")
        return really_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="pip install matplotlib"):
        plot_explained_variance(SimpleNamespace(explained_variance_ratio=[0.5]), tmp_path / "variance.png")
    assert not list(tmp_path.iterdir())
