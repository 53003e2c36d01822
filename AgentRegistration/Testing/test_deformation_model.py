"""The statistical deformation model, against scikit-learn and by its own properties."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel, reconstruction_errors
from AgentRegistrationLib.structure_region import metric_roots
from DeformationLib.bundle import _in_half_precision, _in_single_precision
from DeformationLib.errors import InputError

from .deformation_fixtures import random_controls, random_model

LATTICE = ControlLattice((24, 32), (2, 3))


def test_modes_are_the_principal_components_of_the_deformations_both_ways():
    control = random_controls(LATTICE)
    model = StatisticalDeformationModel.fit(control, LATTICE, 4)
    both = torch.cat([control, -control]).flatten(1).double().numpy()
    pca = PCA(4, svd_solver="full").fit(both)
    np.testing.assert_allclose(np.abs((model.modes.double().numpy() * pca.components_).sum(1)), 1, atol=1e-5)
    np.testing.assert_allclose(model.explained.numpy(), pca.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(model.deviations.numpy(), pca.transform(both).std(axis=0), rtol=1e-4)
    assert not model.mean.any()


def test_no_amplitude_is_the_identity():
    model = random_model(LATTICE)
    assert not model.field(torch.zeros(1, 4)).any()


def test_projection_inverts_reconstruction():
    model = random_model(LATTICE)
    theta = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model.project(model.reconstruct(theta)), theta, atol=1e-4, rtol=1e-4)


def test_all_modes_give_a_training_deformation_back_and_fewer_lose_more():
    control = random_controls(LATTICE)
    model = StatisticalDeformationModel.fit(control, LATTICE, 8)
    torch.testing.assert_close(model.reconstruct(model.project(control)), control, atol=1e-3, rtol=0)
    errors = reconstruction_errors(model, control, [0, 1, 3, 8])
    assert errors.shape == (4, 8)
    assert (np.diff(errors.mean(axis=1)) < 0).all()
    dense = BSplineField(LATTICE)(control).square().sum(1).flatten(1).mean(1).sqrt()
    np.testing.assert_allclose(errors[0], dense.numpy(), rtol=1e-4)
    assert errors[3].max() < 1e-3


def region_of_structures(size, low=0.02):
    region = torch.full(size, low)
    region[tuple(slice(length // 3, 2 * length // 3) for length in size)] = 1.0
    return region


@pytest.mark.parametrize("lattice", [LATTICE, ControlLattice((8, 10, 6), (2, 2, 1))])
def test_lengths_in_the_metric_of_a_region_are_root_mean_squares_of_the_displacement_there(lattice):
    region = region_of_structures(lattice.size)
    root, inverse = metric_roots(lattice, region)
    control = random_controls(lattice, 4)
    lengths = np.linalg.norm((control.flatten(2).double().numpy() @ root).reshape(4, -1), axis=1)
    squares = BSplineField(lattice)(control).square().sum(dim=1)
    expected = ((squares * region).flatten(1).sum(dim=1) / region.sum()).sqrt()
    np.testing.assert_allclose(lengths, expected.numpy(), rtol=1e-3)
    np.testing.assert_allclose(root @ inverse, np.eye(len(root)), atol=1e-6)


def test_a_model_of_a_region_explains_what_happens_there():
    controls, region = random_controls(LATTICE, 12), region_of_structures(LATTICE.size)
    controls = controls + 0.4 * torch.randn(controls.shape, generator=torch.Generator().manual_seed(1))
    plain, focused = (StatisticalDeformationModel.fit(controls, LATTICE, 4, weights) for weights in (None, region))
    spline = BSplineField(LATTICE)

    def left(model):
        residual = spline(controls - model.reconstruct(model.project(controls)))
        return float((residual.square().sum(dim=1) * region).sum())

    assert left(focused) < 0.9 * left(plain)
    theta = torch.randn(5, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(focused.project(focused.reconstruct(theta)), theta, atol=1e-4, rtol=1e-4)
    field = focused.field(theta).square().sum(dim=1)
    rms = ((field * region).flatten(1).sum(dim=1) / region.sum()).sqrt()
    torch.testing.assert_close(rms, theta.norm(dim=1), rtol=1e-3, atol=0)
    stored = StatisticalDeformationModel.from_state(_in_single_precision(_in_half_precision(focused.state())))
    torch.testing.assert_close(stored.project(stored.reconstruct(theta)), theta, atol=1e-4, rtol=1e-4)


def test_field_is_linear_in_the_amplitudes():
    model = random_model(LATTICE)
    theta = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(model.field(theta.sum(0, keepdim=True)), model.field(theta).sum(0, keepdim=True))


def test_missing_amplitudes_are_zero():
    model = random_model(LATTICE)
    torch.testing.assert_close(model.field(torch.tensor([[1.0]])), model.field(torch.tensor([[1.0, 0, 0, 0]])))
    torch.testing.assert_close(model.truncated(1).field(torch.tensor([[1.0]])), model.field(torch.tensor([[1.0]])))


def test_samples_keep_within_the_bounds_and_follow_the_deviations():
    model = random_model(LATTICE)
    sample = model.sample(4000, torch.Generator().manual_seed(0), bound=1.5)
    limit = torch.minimum(1.5 * model.deviations, model.largest)
    assert (sample.abs() <= limit + 1e-5).all()
    # A normal distribution cut off at 1.5 deviations has a deviation of 0.743.
    ratio = sample.std(dim=0) / model.deviations
    wide = limit >= 1.5 * model.deviations
    assert wide.any()
    torch.testing.assert_close(ratio[wide], torch.full_like(ratio[wide], 0.743), atol=0.03, rtol=0)
    halved = model.sample(4000, torch.Generator().manual_seed(0), bound=1.5, scale=0.5)
    torch.testing.assert_close(halved, 0.5 * sample, atol=1e-4, rtol=1e-3)


def test_samples_depend_on_the_seed_alone():
    model = random_model(LATTICE)
    draw = lambda seed: model.sample(3, torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_steps_are_a_quarter_of_the_mean_amplitude():
    model = random_model(LATTICE)
    amplitudes = model.project(random_controls(LATTICE)).abs().mean(dim=0)
    torch.testing.assert_close(model.steps, 0.25 * amplitudes, rtol=1e-4, atol=1e-5)


def test_a_model_survives_its_file_and_half_precision(tmp_path):
    model = random_model(LATTICE)
    theta = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    loaded = StatisticalDeformationModel.load(model.save(tmp_path / "model.npz"))
    assert loaded.lattice == LATTICE
    torch.testing.assert_close(loaded.field(theta), model.field(theta), atol=1e-5, rtol=1e-5)
    stored = StatisticalDeformationModel.from_state(_in_single_precision(_in_half_precision(model.state())))
    torch.testing.assert_close(stored.measures @ stored.modes.T, torch.eye(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(stored.field(theta), model.field(theta), atol=5e-3, rtol=0)


@pytest.mark.parametrize("modes", [9, 25, 0])
def test_more_modes_than_deformations_are_refused(modes):
    with pytest.raises(InputError, match=f"{modes} modes of deformation need .* there are 8"):
        StatisticalDeformationModel.fit(random_controls(LATTICE), LATTICE, modes)


def test_deformations_that_do_not_vary_are_refused():
    with pytest.raises(InputError, match="do not vary in 3 ways"):
        StatisticalDeformationModel.fit(random_controls(LATTICE, 1).expand(5, -1, -1, -1), LATTICE, 3)


def test_deformations_that_are_not_finite_are_refused():
    control = random_controls(LATTICE)
    control[2, 0, 1, 1] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        StatisticalDeformationModel.fit(control, LATTICE, 3)


def test_deformations_of_another_lattice_are_refused():
    with pytest.raises(InputError, match="do not fit a lattice"):
        StatisticalDeformationModel.fit(random_controls(LATTICE), ControlLattice((24, 32), (3, 3)), 3)


def test_more_amplitudes_than_modes_are_refused():
    model = random_model(LATTICE)
    with pytest.raises(InputError, match="5 amplitudes"):
        model.field(torch.zeros(1, 5))
    with pytest.raises(InputError, match="5 modes"):
        model.truncated(5)


def test_files_that_hold_no_model_are_refused(tmp_path):
    (tmp_path / "no.npz").write_text("nothing")
    with pytest.raises(InputError, match="no deformation model"):
        StatisticalDeformationModel.load(tmp_path / "no.npz")
    np.savez(tmp_path / "half.npz", size=np.array([4, 4]))
    with pytest.raises(InputError, match="lacks"):
        StatisticalDeformationModel.load(tmp_path / "half.npz")
