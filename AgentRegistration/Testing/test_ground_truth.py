"""Ground truth between subjects: guided registration, cache, pairs, and the whole first stage with what it refuses."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from AgentRegistrationLib import ground_truth as module
from AgentRegistrationLib.bspline_field import BSplineField, ControlLattice
from AgentRegistrationLib.deformation_model import StatisticalDeformationModel
from AgentRegistrationLib.ground_truth import (
    GuidedRegistration,
    choose_pairs,
    ground_truth,
    guided_image,
    register_pair,
)
from AgentRegistrationLib.preparation import PreparationSettings, pair_overlap, prepare
from AgentRegistrationLib.preparation import main as prepare_command
from DeformationLib.errors import Cancelled, InputError
from DeformationLib.fields import jacobian_determinant
from DeformationLib.image import Image
from DeformationLib.image_io import write_image
from DeformationLib.progress import Progress

from .deformation_fixtures import SIZE, ellipses

LATTICE = ControlLattice(SIZE, (2, 3))
QUICK = GuidedRegistration(sampling=1.0, iterations=15)


def seen(cases, index):
    image, labels, _ = cases.batch([index])
    return guided_image(cases.names[index], image[0, 0].numpy(), labels[0].numpy(), 0.5)


@pytest.mark.parametrize("size", [SIZE, (16, 20, 18)], ids=["2-D", "3-D"])
def test_structures_of_the_moving_image_come_to_lie_on_those_of_the_fixed_one(size):
    cases = ellipses(2, size, seed=3, shift=2.0)
    lattice = ControlLattice.with_spacing(size, 8)
    control = torch.from_numpy(register_pair(seen(cases, 0), seen(cases, 1), lattice, QUICK))[None]
    before, after = (pair_overlap(cases, [(0, 1)], part, lattice)[0] for part in (0 * control, control))
    assert after > before + 0.05
    assert after > 0.92
    field = BSplineField(lattice)(control)
    assert (jacobian_determinant(field) > 0).all()
    assert control.abs().max() <= QUICK.bound * min(lattice.spacing) + 1e-5


def test_the_same_pair_gives_the_same_deformation():
    cases = ellipses(2)
    sampled = replace(QUICK, sampling=0.4)
    first, second = (register_pair(seen(cases, 0), seen(cases, 1), LATTICE, sampled) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_structures_stand_out_from_each_other_and_from_the_background():
    labels = np.zeros((4, 2, 5))
    labels[[0, 1, 2, 3], :, [0, 1, 2, 3]] = 1
    guide = guided_image("a", np.zeros((2, 5)), labels, 1.0).guide
    assert len(np.unique(guide[0])) == 5
    assert np.diff(np.sort(guide[0])).min() >= 1


def test_label_maps_without_structures_are_refused():
    with pytest.raises(InputError, match="label map of case_7 is empty"):
        guided_image("case_7", np.zeros(SIZE), np.zeros((2, *SIZE)), 0.5)


def test_every_subject_is_fixed_as_often_as_moving():
    pairs = choose_pairs(6, 18, seed=4)
    assert len(set(pairs)) == 18
    assert all(fixed != moving for fixed, moving in pairs)
    for side in (0, 1):
        assert np.bincount([pair[side] for pair in pairs]).tolist() == [3] * 6
    assert pairs == choose_pairs(6, 18, seed=4)
    assert pairs != choose_pairs(6, 18, seed=5)
    assert len(set(choose_pairs(5, 1000))) == 20


def test_one_subject_has_no_pair():
    with pytest.raises(InputError, match="at least two of them, not 1"):
        choose_pairs(1, 5)


@pytest.fixture
def counted(monkeypatch):
    """Fast registrations that are counted: control points filled with the difference of the guides."""
    calls = []

    def register(fixed, moving, lattice, settings, progress=None):
        (progress or Progress()).raise_if_cancelled()
        calls.append((fixed.name, moving.name))
        return np.full((lattice.dimension, *lattice.shape), (fixed.guide - moving.guide).mean(), np.float32)

    monkeypatch.setattr(module, "register_pair", register)
    return calls


def test_known_deformations_are_read_and_missing_ones_registered(tmp_path, counted):
    cases, pairs = ellipses(4), [(0, 1), (1, 2), (3, 0)]
    first = ground_truth(cases, pairs, LATTICE, tmp_path, QUICK)
    assert counted == [("case_0", "case_1"), ("case_1", "case_2"), ("case_3", "case_0")]
    again = ground_truth(cases, [*pairs, (2, 3)], LATTICE, tmp_path, QUICK)
    assert counted[3:] == [("case_2", "case_3")]
    np.testing.assert_array_equal(again[:3], first)


def test_other_settings_lattices_and_voxels_are_registered_anew(tmp_path, counted):
    cases = ellipses(2)
    ground_truth(cases, [(0, 1)], LATTICE, tmp_path, QUICK)
    ground_truth(cases, [(0, 1)], LATTICE, tmp_path, replace(QUICK, iterations=9))
    ground_truth(cases, [(0, 1)], ControlLattice(SIZE, (3, 3)), tmp_path, QUICK)
    cases.images[1, 0, 3, 3] += 0.5
    ground_truth(cases, [(0, 1)], LATTICE, tmp_path, QUICK)
    assert len(counted) == 4


def test_a_damaged_file_is_registered_anew(tmp_path, counted):
    cases = ellipses(2)
    known = ground_truth(cases, [(0, 1)], LATTICE, tmp_path, QUICK)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:50])
    np.testing.assert_array_equal(ground_truth(cases, [(0, 1)], LATTICE, tmp_path, QUICK), known)
    assert len(counted) == 2


def test_what_was_registered_before_a_stop_is_kept(tmp_path, counted):
    def stop(fraction, message):
        if len(counted) == 2:
            progress.cancel()

    progress = Progress(stop)
    cases, pairs = ellipses(4), [(0, 1), (1, 2), (3, 0), (2, 0)]
    with pytest.raises(Cancelled):
        ground_truth(cases, pairs, LATTICE, tmp_path, QUICK, progress=progress)
    ground_truth(cases, pairs, LATTICE, tmp_path, QUICK)
    assert counted == [("case_0", "case_1"), ("case_1", "case_2"), ("case_3", "case_0"), ("case_2", "case_0")]


def test_a_registration_stops_between_two_iterations():
    cases, progress = ellipses(2), Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        register_pair(seen(cases, 0), seen(cases, 1), LATTICE, QUICK, progress)


def test_cases_on_another_grid_than_the_lattice_are_refused(tmp_path):
    with pytest.raises(InputError, match="lattice on"):
        ground_truth(ellipses(2), [(0, 1)], ControlLattice((8, 8), (2, 2)), tmp_path)


def test_two_processes_find_what_one_finds(tmp_path):
    cases, pairs = ellipses(3), [(0, 1), (1, 2)]
    one = ground_truth(cases, pairs, LATTICE, tmp_path / "one", replace(QUICK, iterations=4))
    two = ground_truth(cases, pairs, LATTICE, tmp_path / "two", replace(QUICK, iterations=4), workers=2)
    np.testing.assert_array_equal(one, two)
    assert sorted(os.listdir(tmp_path / "one")) == sorted(os.listdir(tmp_path / "two"))


SETTINGS = PreparationSettings(pairs=12, spacing=10.0, modes=3, registration=QUICK)


def test_preparation_writes_ground_truth_and_model_and_goes_on_from_them(tmp_path, monkeypatch):
    cases = ellipses(4, shift=3.0)
    made = prepare(cases, tmp_path, SETTINGS).deformations
    assert made.model.count == 3
    assert len(made.pairs) == len(made.controls) == len(made.overlap) == 12 - made.left_out
    assert (made.overlap >= SETTINGS.least_overlap).all()
    stored = StatisticalDeformationModel.load(tmp_path / "deformation_model.npz")
    torch.testing.assert_close(stored.modes, made.model.modes, atol=1e-5, rtol=0)
    summary = json.loads((tmp_path / "ground_truth.json").read_text())
    assert len(summary["pairs"]) == 12
    monkeypatch.setattr(module, "register_pair", lambda *_, **__: pytest.fail("registered again"))
    again = prepare(cases, tmp_path, SETTINGS).deformations
    np.testing.assert_array_equal(again.controls, made.controls)


def test_pairs_that_fail_are_left_out(tmp_path, monkeypatch):
    real = register_pair

    def sometimes(fixed, moving, lattice, settings, progress=None):
        control = real(fixed, moving, lattice, settings)
        return control + 12 if (fixed.name, moving.name) == ("case_0", "case_1") else control

    monkeypatch.setattr(module, "register_pair", sometimes)
    made = prepare(ellipses(4), tmp_path, SETTINGS).deformations
    assert made.left_out == 1
    assert (0, 1) not in made.pairs


def test_subjects_with_different_structures_are_not_paired(tmp_path):
    cases = ellipses(5)
    cases.labels[2, 1] = 0
    made = prepare(cases, tmp_path, SETTINGS).deformations
    assert made.pairs
    assert all(2 not in pair for pair in made.pairs)


def test_two_subjects_are_too_few_for_many_modes(tmp_path):
    with pytest.raises(InputError, match="15 modes of deformation .* 2 subjects give 2"):
        prepare(ellipses(2), tmp_path)
    made = prepare(ellipses(2), tmp_path, replace(SETTINGS, modes=1)).deformations
    assert made.model.count == 1


def test_an_empty_label_map_among_the_subjects_is_named(tmp_path):
    cases = ellipses(4)
    cases.labels[1] = 0
    with pytest.raises(InputError, match="label map of case_1 is empty"):
        prepare(cases, tmp_path, SETTINGS)


def test_subjects_without_label_maps_are_refused(tmp_path):
    cases = replace(ellipses(4), label_values=[], labels=torch.zeros(4, 0, *SIZE, dtype=torch.uint8))
    with pytest.raises(InputError, match="needs label maps"):
        prepare(cases, tmp_path, SETTINGS)


def test_images_and_labels_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="Only 0 of 12 pairs were registered well enough"):
        prepare(ellipses(4), tmp_path, replace(SETTINGS, least_overlap=1.01))


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert prepare_command(["--images", str(tmp_path / "no"), "--output", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err
    for number in range(3):
        image, labels, _ = ellipses(3, (16, 16, 16)).batch([number])
        write_image(Image(image[0, 0].numpy()), tmp_path / "images" / f"{number}.nrrd")
        write_image(Image(labels[0, 0].short().numpy()), tmp_path / "labels" / f"{number}.nrrd")
    words = ["--images", str(tmp_path / "images"), "--labels", str(tmp_path / "labels"), "--validation-rule", "none"]
    assert prepare_command([*words, "--output", str(tmp_path / "out")]) == 2
    assert "25 modes of deformation need at least as many pairs" in capsys.readouterr().err
