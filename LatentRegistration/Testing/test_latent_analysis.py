"""Maps of the latent space, neighbours in it, and an honest classification of groups."""

import numpy as np
import pytest
import torch

from DeformationLib.errors import InputError
from LatentRegistrationLib.canonical import CanonicalComponents
from LatentRegistrationLib.decomposition import LatentDecomposition
from LatentRegistrationLib.latent_cases import CodeTable, nearest_cases, population_codes, prior_codes
from LatentRegistrationLib.latent_classification import classify, classify_directly, classify_leaky, majority
from LatentRegistrationLib.latent_map import canonical_map, principal_map

GROUPS = ["A", "B", "C"]


def cases(per_group=20, latent=6, apart=0.0, seed=0):
    """Normal codes; groups differ by ``apart`` along two directions."""
    generator = np.random.default_rng(seed)
    codes = generator.standard_normal((3 * per_group, latent))
    groups = np.repeat(GROUPS, per_group)
    codes[:, 1] += apart * (groups == "B")
    codes[:, 4] += apart * (groups == "C")
    return codes, groups.tolist()


def decomposition(count=4):
    generator = torch.Generator().manual_seed(0)
    return LatentDecomposition.fit(
        torch.randn(30, 6, generator=generator) * torch.tensor([3, 2, 1, 1, 0.5, 0.1]), count
    )


def test_principal_map_is_in_standard_deviations_and_goes_both_ways():
    parts = decomposition()
    plane = principal_map(parts)
    codes = parts.mean + np.outer([2.0, -1.0], parts.components[1] * parts.standard_deviations[1])
    np.testing.assert_allclose(plane.points(codes), [[0, 2], [0, -1]], atol=1e-9)
    np.testing.assert_allclose(plane.points(plane.code((0.7, -1.2))), [[0.7, -1.2]], atol=1e-9)
    points, grid = plane.grid(2.5, 5)
    assert points.shape == (5, 5, 2)
    assert grid.shape == (5, 5, 6)
    assert points[0, 0].tolist() == [-2.5, 2.5]  # the picture's top left
    np.testing.assert_allclose(plane.points(grid.reshape(-1, 6)), points.reshape(-1, 2), atol=1e-9)
    np.testing.assert_allclose(grid[2, 2], parts.mean, atol=1e-9)


@pytest.mark.parametrize(("axes", "sentence"), [((0, 4), "no component 5"), ((1, 1), "two different")])
def test_principal_map_refuses_axes_that_are_not_there(axes, sentence):
    with pytest.raises(InputError, match=sentence):
        principal_map(decomposition(), *axes)


def test_canonical_map_shows_the_groups_apart():
    codes, groups = cases(apart=4.0)
    plane = canonical_map(codes, groups)
    points = plane.points(codes)
    centres = np.array([points[np.array(groups) == group].mean(axis=0) for group in GROUPS])
    spread = max(points[np.array(groups) == group].std(axis=0).max() for group in GROUPS)
    distances = [np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(distances) > 2.5 * spread
    np.testing.assert_allclose(points.std(axis=0), 1.0)
    np.testing.assert_allclose(plane.points(plane.code((1.5, -0.5))), [[1.5, -0.5]], atol=1e-9)


def test_a_code_picked_at_a_groups_centre_is_like_the_group():
    codes, groups = cases(apart=6.0)
    plane = canonical_map(codes, groups)
    for group in GROUPS:
        members = codes[np.array(groups) == group]
        picked = plane.code(plane.points(members).mean(axis=0))
        np.testing.assert_allclose(picked[[1, 4]], members.mean(axis=0)[[1, 4]], atol=0.5)


def test_canonical_map_of_two_groups_has_a_second_axis():
    codes, groups = cases(apart=4.0)
    kept = [row for row, group in enumerate(groups) if group != "C"]
    plane = canonical_map(codes[kept], [groups[row] for row in kept])
    points = plane.points(codes[kept])
    assert np.linalg.matrix_rank(points) == 2
    assert abs(points[:20, 0].mean() - points[20:, 0].mean()) > 1.5


def test_canonical_components_equal_the_discriminant_directions():
    """Against group membership, canonical correlation gives the axes of Fisher's discriminant analysis."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    codes, groups = cases(apart=3.0)
    ours = CanonicalComponents(8).fit_transform(codes, np.array(groups))
    assert ours.shape == (60, 2)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(codes, groups).transform(codes)[:, :2]
    for axis in range(2):
        assert abs(np.corrcoef(ours[:, axis], theirs[:, axis])[0, 1]) > 0.99


def test_canonical_components_with_fewer_cases_than_dimensions():
    codes, groups = cases(per_group=4, latent=32, apart=1.0)
    components = CanonicalComponents(8).fit(codes, np.array(groups))
    assert components.transform(codes).shape == (12, 2)
    assert np.isfinite(components.transform(codes)).all()


def test_noise_is_classified_no_better_than_by_chance_unless_labels_leak():
    """The difference between fitting the components inside the folds and on everything, on pure noise."""
    codes, groups = cases(per_group=12, latent=30)
    honest, leaky = classify(codes, groups), classify_leaky(codes, groups)
    assert honest.accuracy < 0.55
    assert leaky.accuracy > honest.accuracy + 0.25
    assert honest.honest
    assert not leaky.honest
    assert "leaky" in leaky.name


def test_real_differences_are_found():
    codes, groups = cases(apart=4.0)
    result = classify(codes, groups)
    assert result.accuracy > 0.85
    assert result.confusion.sum() == 60
    assert np.trace(result.confusion) == round(60 * result.accuracy)
    low, high = result.interval()
    assert low < result.accuracy < high
    assert classify(codes, groups).predicted.tolist() == result.predicted.tolist()
    single = classify_directly(codes[:, 1], groups, "one value")
    assert 0.4 < single.accuracy < result.accuracy
    assert majority(["x", "y", "y"]).accuracy == pytest.approx(2 / 3)


def test_principal_components_first_where_codes_are_long():
    """Thirty dimensions, of which the groups differ along the two that vary most."""
    codes, groups = cases(per_group=12, latent=30, apart=0.0)
    codes[:, 0] += 8.0 * (np.array(groups) == "B")
    codes[:, 2] += 8.0 * (np.array(groups) == "C")
    alone, first = classify(codes, groups), classify(codes, groups, principal=4)
    assert first.accuracy >= alone.accuracy
    assert first.accuracy > 0.95
    assert "4 principal" in first.name


def test_wilson_interval():
    """10 of 100: Wilson's interval is 5.5 % to 17.4 %."""
    result = majority(["y"] * 10 + ["x"] * 90)
    flipped = type(result)("", result.groups, np.where(result.groups == "y", "y", "z"))
    assert flipped.interval() == pytest.approx((0.0552, 0.1744), abs=2e-4)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        (["A"] * 6, "at least two"),
        (["A"] * 5 + ["B"], "The group B has fewer than 2"),
        (["A"] * 4 + ["B", "C"], "The groups B, C have"),
        (["A", "A", "B", "B", "", "B"], "no group"),
        (["A", "B"], "6 cases but 2 groups"),
    ],
)
def test_unusable_groups_are_refused_with_a_sentence(groups, sentence):
    codes = np.random.default_rng(0).standard_normal((6, 3))
    for function in (canonical_map, classify, classify_leaky, classify_directly):
        with pytest.raises(InputError, match=sentence):
            function(codes, groups)


def test_nearest_cases():
    codes = np.array([[0.0, 0], [3, 4], [1, 0], [0, 2]])
    assert nearest_cases(codes, (0, 0), 3) == [(0, 0.0), (2, 1.0), (3, 2.0)]
    table = CodeTable(("a", "b", "c", "d"), codes, np.ones_like(codes), ("",) * 4)
    assert table.nearest("a", 2) == [("c", 1.0), ("d", 2.0)]
    with pytest.raises(InputError, match="no case 'e'"):
        table.nearest("e")
    with pytest.raises(InputError, match="use one model"):
        nearest_cases(codes, (0, 0, 0))


def test_codes_are_written_as_a_table(tmp_path):
    codes = np.array([[0.5, -1.25], [2.0, 3.0]])
    table = CodeTable(("one", "two"), codes, codes**2, ("NOR", ""), "m")
    lines = table.write(tmp_path / "codes.csv").read_text().splitlines()
    assert lines == ["name,group,z1,z2,sd1,sd2", "one,NOR,0.5,-1.25,0.25,1.5625", "two,,2,3,4,9"]


def test_samples_have_the_distribution_asked_for():
    generator = np.random.default_rng(0)
    prior = prior_codes(6, 4000, generator)
    np.testing.assert_allclose(np.cov(prior.T), np.eye(6), atol=0.1)
    parts = decomposition()
    usual = population_codes(parts, 4000, generator)
    np.testing.assert_allclose(usual.mean(axis=0), parts.mean, atol=0.2)
    spread = ((usual - parts.mean) @ parts.components.T).std(axis=0)
    np.testing.assert_allclose(spread, parts.standard_deviations, rtol=0.05)
