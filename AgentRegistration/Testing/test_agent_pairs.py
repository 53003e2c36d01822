"""Pairs made in training: exact amplitudes within a subject, composed ones between subjects; template and translation."""

import pytest
import torch

from AgentRegistrationLib.agent_cases import chosen_cases, load_heart_slices, one_slice
from AgentRegistrationLib.agent_pairs import PairGenerator, composed_amplitudes, opposite_error
from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from AgentRegistrationLib.prealignment import best_translation, translate
from AgentRegistrationLib.structure_region import structure_region
from AgentRegistrationLib.template import AnatomyTemplate, aligned_cases
from DeformationLib.cardiac_phantoms import beating_heart
from DeformationLib.errors import InputError
from DeformationLib.fields import compose, warp
from DeformationLib.pair_grid import PairGrid

from .deformation_fixtures import SIZE, ellipses, random_controls, random_model

LATTICE = ControlLattice(SIZE, (2, 3))
SOLID = ControlLattice((16, 20, 18), (2, 2, 2))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def generator_of(inter_share, lattice=LATTICE, strength=0.4, count=4):
    cases, model = ellipses(count, lattice.size), random_model(lattice, strength=0.8)
    pairs = [(0, 1), (2, 3), (3, 0)]
    controls = model.reconstruct(model.sample(3, seeded(9)))
    return PairGenerator(cases, pairs, controls, model, inter_share, strength), model


@pytest.mark.parametrize("lattice", [LATTICE, SOLID], ids=["2-D", "3-D"])
def test_the_amplitudes_of_a_pair_of_one_subject_bring_moving_onto_fixed(lattice):
    generator, model = generator_of(0.0, lattice)
    pairs = generator.draw(3, seeded())
    assert not pairs.between.any()
    found = warp(pairs.moving, model.field(pairs.theta))
    before = (pairs.moving - pairs.fixed).square().mean()
    assert (found - pairs.fixed).square().mean() < 0.1 * before
    overlap = warp(pairs.moving_labels, model.field(pairs.theta)) - pairs.fixed_labels
    # Labels of a coarse grid blur at their borders.
    assert overlap.abs().mean() < 0.5 * (pairs.moving_labels - pairs.fixed_labels).abs().mean()


def test_shapes_shares_and_seed():
    generator, model = generator_of(0.5)
    pairs = generator.draw(60, seeded())
    assert pairs.fixed.shape == pairs.moving.shape == pairs.mask.shape == (60, 1, *SIZE)
    assert pairs.fixed_labels.shape == pairs.moving_labels.shape == (60, 2, *SIZE)
    assert pairs.theta.shape == (60, model.count)
    assert 20 <= int(pairs.between.sum()) <= 40
    again = generator.draw(60, seeded())
    assert torch.equal(again.theta, pairs.theta)
    assert torch.equal(again.moving, pairs.moving)
    assert not torch.equal(generator.draw(60, seeded(1)).theta, pairs.theta)


def test_without_further_deformation_the_ground_truth_itself_is_wanted():
    generator, model = generator_of(1.0, strength=1e-6)
    theta = model.sample(3, seeded(9))
    drawn = generator.draw(12, seeded()).theta
    nearest = torch.cdist(drawn, theta).amin(dim=1)
    assert nearest.max() < 0.02 * theta.norm(dim=1).mean()


@pytest.mark.parametrize("lattice", [LATTICE, SOLID], ids=["2-D", "3-D"])
def test_composed_amplitudes_are_the_nearest_to_the_dense_composition(lattice):
    model = random_model(lattice, strength=0.5)
    of_moving, of_fixed, between = (model.sample(4, seeded(seed), bound=1.0) for seed in (1, 2, 3))
    found = composed_amplitudes(model, of_moving, model.reconstruct(between), of_fixed)
    dense = compose(compose(model.field(-of_moving), model.field(between)), model.field(of_fixed)).flatten(1)
    expected = torch.linalg.lstsq(model.field(torch.eye(4)).flatten(1).T, dense.T).solution.T
    scale = expected.norm(dim=1).mean()
    assert (found - expected).norm(dim=1).max() < 0.1 * scale
    # To first order amplitudes add up; the composition must not be far from it, nor the same.
    difference = (found - (between + of_fixed - of_moving)).norm(dim=1).mean()
    assert 1e-4 * scale < difference < 0.5 * scale


def test_amplitudes_within_the_model_compose_exactly_where_one_is_zero():
    model = random_model(LATTICE)
    theta, none = model.sample(3, seeded()), torch.zeros(3, 4)
    torch.testing.assert_close(
        composed_amplitudes(model, none, model.reconstruct(theta), none), theta, atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(
        composed_amplitudes(model, -theta, model.reconstruct(none), none), theta, atol=1e-3, rtol=1e-3
    )


def test_the_displacement_has_to_be_right_around_the_structures():
    cases, model = ellipses(4), random_model(LATTICE, strength=0.5)
    region = structure_region(cases)
    assert region[12, 16] == 1
    assert region[0, 0] == pytest.approx(0.02)
    control = random_controls(LATTICE, 3, strength=0.5, seed=5)  # not of the model's population
    none, dense = torch.zeros(3, 4), BSplineField(LATTICE)(control)
    errors = [
        (model.field(composed_amplitudes(model, none, control, none, weights)) - dense).square().sum(dim=1)
        for weights in (region, None)
    ]
    inside = [float((error * region).mean()) for error in errors]
    assert inside[0] < 0.95 * inside[1]
    assert float(errors[0].mean()) > float(errors[1].mean())


def test_the_opposite_is_the_inverse_of_small_deformations_to_second_order():
    model = random_model(LATTICE)
    theta = model.sample(6, seeded())
    full, half = opposite_error(model, theta), opposite_error(model, 0.5 * theta)
    assert (full > 0).all()
    assert ((full / half) > 2.8).all()  # 4 for an error of exactly second order
    assert (half < 0.2 * model.field(0.5 * theta).norm(dim=1).flatten(1).amax(dim=1)).all()


def test_subjects_outside_the_models_field_are_refused():
    _, model = generator_of(0.0)
    with pytest.raises(InputError, match="lie on .* voxels, the deformation model on"):
        PairGenerator(ellipses(3, (16, 16)), [], torch.zeros(0, 2, 5, 6), model, 0.0)


def test_pairs_of_subjects_need_ground_truth():
    with pytest.raises(InputError, match="register some pairs first"):
        PairGenerator(ellipses(3), [], torch.zeros(0, 2, 5, 6), random_model(LATTICE), 0.5)


def test_a_shift_is_found_to_a_fraction_of_a_voxel():
    image = ellipses(1, (32, 40)).images.float()
    shift = torch.tensor([3.3, -4.6])
    found = best_translation(translate(image, shift), image)
    torch.testing.assert_close(found, shift, atol=0.35, rtol=0)


def test_what_lies_outside_the_masks_does_not_count():
    image = ellipses(1, (32, 40)).images.float()
    fixed, moving = image.clone(), translate(image, torch.tensor([0.0, 5.0]))
    fixed[..., :4], moving[..., -4:] = 50.0, -80.0
    masks = torch.ones_like(fixed), torch.ones_like(moving)
    masks[0][..., :4], masks[1][..., -4:] = 0, 0
    torch.testing.assert_close(best_translation(fixed, moving, *masks), torch.tensor([0.0, -5.0]), atol=0.35, rtol=0)


def test_subjects_come_to_lie_on_the_template():
    cases = ellipses(6, (32, 40), shift=5.0)
    template = AnatomyTemplate.of_cases(cases)
    aligned, shifts = aligned_cases(cases, template)
    spread = lambda labels: torch.stack([_centre(item) for item in labels]).std(dim=0)  # noqa: E731
    assert (spread(aligned.labels) < 0.35 * spread(cases.labels)).all()
    torch.testing.assert_close(
        aligned.images[2:3].float(), translate(cases.images[2:3].float(), shifts[2]), atol=1e-3, rtol=0
    )
    stored = AnatomyTemplate.from_state(template.state())
    torch.testing.assert_close(stored.shift_of(cases.images[:1].float()), template.shift_of(cases.images[:1].float()))


def test_the_template_refuses_another_grid_and_empty_label_maps():
    cases = ellipses(3)
    template = AnatomyTemplate.of_cases(cases)
    with pytest.raises(InputError, match="The image lies on"):
        template.shift_of(torch.zeros(1, 1, 8, 8))
    cases.labels[0] = 0
    with pytest.raises(InputError, match="case_0 is empty"):
        AnatomyTemplate.of_cases(cases)


def test_chosen_cases_keep_what_belongs_together():
    cases = ellipses(4)
    part = chosen_cases(cases, [3, 1])
    assert part.names == ["case_3", "case_1"]
    assert torch.equal(part.labels[1], cases.labels[1])


def test_the_middle_slice_of_end_diastole_is_taken(tmp_path):
    import numpy as np
    import SimpleITK as sitk

    for seed in range(3):
        heart = beating_heart(seed, frames=3, size=(40, 40, 5), spacing=(3.0, 3.0, 10.0))
        folder = tmp_path / f"p{seed}"
        folder.mkdir()
        series = sitk.JoinSeries([frame.to_sitk() for frame in heart.frames])
        sitk.WriteImage(series, str(folder / "cine.nii.gz"))
        labels = heart.labels[0].with_array(heart.labels[0].array * (seed < 2))
        sitk.WriteImage(labels.to_sitk(), str(folder / "seg_ed.nii.gz"))
        (folder / "info.json").write_text('{"ed_frame": 0, "es_frame": 2}')
        if seed == 2:
            (folder / "seg_ed.nii.gz").unlink()
    cases = load_heart_slices(tmp_path, PairGrid((40, 40), (3.0, 3.0), "image"))
    assert cases.names == ["p0", "p1"]
    assert "no label map of end-diastole" in cases.skipped["p2"]
    assert cases.label_values == [1, 2, 3]
    heart = beating_heart(0, frames=3, size=(40, 40, 5), spacing=(3.0, 3.0, 10.0))
    middle = one_slice(heart.labels[0], 2)
    assert middle.array.shape == (1, 40, 40)
    np.testing.assert_allclose(middle.origin, heart.labels[0].geometry.index_to_physical((0, 0, 2)))
    counts = (cases.labels[0].float() / 255).sum(dim=(1, 2))
    expected = [float((middle.array == value).sum()) for value in (1, 2, 3)]
    np.testing.assert_allclose(counts, expected, rtol=0.02)
    more = load_heart_slices(tmp_path, PairGrid((40, 40), (3.0, 3.0), "image"), slices=3)
    assert sorted(more.names) == ["p0", "p0, slice +1", "p0, slice -1", "p1", "p1, slice +1", "p1, slice -1"]
    below = one_slice(heart.labels[0], 1)
    counts = (more.labels[more.names.index("p0, slice -1")].float() / 255).sum(dim=(1, 2))
    expected = [float((below.array == value).sum()) for value in (1, 2, 3)]
    np.testing.assert_allclose(counts, expected, rtol=0.02)


def _centre(labels):
    mass = labels.float().sum(dim=0)
    grid = torch.stack(torch.meshgrid(*[torch.arange(float(n)) for n in mass.shape], indexing="ij"))
    return (grid * mass).flatten(1).sum(dim=1) / mass.sum()
