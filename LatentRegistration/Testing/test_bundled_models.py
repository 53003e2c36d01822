"""The bundled models on what they are for: unseen phantoms, and unseen subjects of the hippocampus set where it is there."""

from pathlib import Path

import numpy as np
import pytest

from DeformationLib.cases import find_cases, split_cases
from DeformationLib.image_io import read_image, read_labels
from DeformationLib.metrics import folding_percent
from DeformationLib.phantoms import two_part_phantom
from LatentRegistrationLib.model import RegistrationModel

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hippocampus"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the hippocampus set is not at ../shared/data/hippocampus")


def mean_figures(model, pairs):
    """Mean Dice before and after, largest folding and largest inverse error of pairs ((image, labels), (image, labels))."""
    rows = []
    for (fixed, fixed_labels), (moving, moving_labels) in pairs:
        result = model.register(fixed, moving)
        report = result.report(fixed_labels, moving_labels)
        folding = folding_percent(result.jacobian().array)
        rows.append((report["mean_dice_before"], report["mean_dice_after"], folding, report["inverse_consistency_mm"]))
        assert not result.warnings
    table = np.array(rows)
    return (*table[:, :2].mean(0), *table[:, 2:].max(0))


@pytest.fixture(scope="module")
def subjects():
    cases = find_cases(DATA / "images", DATA / "labels")
    _, validation = split_cases([case.name for case in cases])
    return [(read_image(cases[i].image), read_labels(cases[i].labels)) for i in validation[:6]]


@needs_data
@pytest.mark.parametrize(("name", "least"), [("hippocampus", 0.74), ("hippocampus-skips", 0.80)])
def test_hippocampi_of_unseen_subjects_are_aligned(subjects, name, least):
    model = RegistrationModel.load(name, "cpu")
    _, after, folding, inverse = mean_figures(model, list(zip(subjects, subjects[1:] + subjects[:1], strict=True)))
    assert after > least
    assert folding < 0.2
    assert inverse < 0.2


@needs_data
def test_few_components_align_less_than_all_but_more_than_none(subjects):
    model = RegistrationModel.load("hippocampus", "cpu")
    pairs = list(zip(subjects, subjects[1:], strict=False))
    dice = []
    for count in (0, 2, 32):
        dice.append(
            np.mean(
                [model.register(f, m, components=count).report(fl, ml)["mean_dice_after"] for (f, fl), (m, ml) in pairs]
            )
        )
    assert dice[0] < dice[1] < dice[2]


def test_unseen_phantoms_are_aligned():
    model = RegistrationModel.load("phantom", "cpu")
    phantoms = [two_part_phantom(seed) for seed in range(4)]
    before, after, folding, inverse = mean_figures(model, list(zip(phantoms, phantoms[1:] + phantoms[:1], strict=True)))
    assert after > before + 0.25
    assert after > 0.8
    assert folding < 0.1
    assert inverse < 0.2
