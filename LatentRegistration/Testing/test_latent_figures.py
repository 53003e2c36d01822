"""Pictures of the latent space are drawn, and show what they should."""

import numpy as np
import pytest

from LatentRegistrationLib.latent_cases import CodeTable
from LatentRegistrationLib.latent_figures import plot_latent_map, plot_simulations, plot_transport
from LatentRegistrationLib.latent_map import canonical_map, principal_map
from LatentRegistrationLib.transport import Subject
from Testing.velocity_fixtures import small_heart, velocity_model

matplotlib_image = pytest.importorskip("matplotlib.image")


@pytest.fixture(scope="module")
def model():
    return velocity_model()


def picture(path):
    return matplotlib_image.imread(path)


def test_map_has_the_groups_colours(tmp_path, model):
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((12, 5))
    codes[6:, 0] += 5
    groups = ("A",) * 6 + ("B",) * 6
    table = CodeTable(tuple(f"case {n}" for n in range(12)), codes, np.ones_like(codes), groups)
    plot_latent_map(canonical_map(codes, groups), table, tmp_path / "map.png", names=True)
    shown = picture(tmp_path / "map.png")[..., :3]
    for colour in ("#0072b2", "#d55e00"):
        wanted = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
        assert (np.abs(shown - wanted).max(axis=-1) < 0.02).sum() > 200
    plot_latent_map(principal_map(model.decomposition), table, tmp_path / "components.png")
    assert (tmp_path / "components.png").stat().st_size > 5000


def test_simulations_differ_over_the_grid(tmp_path, model):
    plot_simulations(model, principal_map(model.decomposition), small_heart().frames[0], tmp_path / "grid.png", steps=2)
    shown = picture(tmp_path / "grid.png")[..., :3]
    assert shown.shape[0] > 200
    assert shown.std() > 0.1


def test_transport_has_a_row_per_source_and_a_column_per_target(tmp_path, model):
    subjects = []
    for seed in range(3):
        heart = small_heart(seed, contraction=1.0)
        fixed = heart.frames[heart.es_frame]
        subjects.append(Subject(f"heart {seed}", heart.frames[0], fixed, heart.labels[0], "NOR"))
    plot_transport(model, subjects[:1], subjects[1:], tmp_path / "transport.png")
    shown = picture(tmp_path / "transport.png")
    assert 1.5 < shown.shape[1] / shown.shape[0] < 2.5  # two rows of four
