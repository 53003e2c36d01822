"""What the reproduction on real hearts measures in label maps, on phantoms."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from DeformationLib.cardiac_phantoms import MYOCARDIUM, POOL, RIGHT_VENTRICLE
from DeformationLib.cine_cases import Cine
from DeformationLib.image import Image

PATH = Path(__file__).parents[2] / "Testing" / "Reproduction" / "risk_measures.py"
spec = importlib.util.spec_from_file_location("risk_measures", PATH)
risk_measures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(risk_measures)


def ring(radius, wall=6.0, size=81, still=False):
    """A slice twice, with a round pool; ``still`` leaves the half at x > 0 at 20 mm."""
    j, i = np.indices((size, size)) - size // 2
    distance, limit = np.hypot(i, j), np.where((i > 0) & still, 20.0, radius)
    labels = np.where(distance < limit, POOL, np.where(distance < limit + wall, MYOCARDIUM, 0))
    labels[0, :5] = RIGHT_VENTRICLE
    return Image(np.stack([labels, labels]).astype(np.int16), (1.0, 1.0, 10.0))


def cine(systole):
    diastole = ring(20.0)
    return Cine("phantom", np.zeros((2, *diastole.array.shape)), diastole, 0, 1, {0: diastole, 1: systole})


def test_even_contraction_shortens_all_sectors_alike():
    found = risk_measures.measures(cine(ring(12.0)))
    assert found["wall motion"] == pytest.approx(40, abs=1)
    assert found["uneven wall motion"] < 1
    assert found["LVEF"] == pytest.approx(64, abs=1)
    assert found["RVEF"] == 0
    assert found["EDV"] == pytest.approx(2 * 10 * np.pi * 0.4, rel=0.02)
    assert found["mass / volume"] == pytest.approx((26**2 - 20**2) / 20**2, rel=0.03)


def test_a_wall_that_stands_still_on_one_side_is_uneven():
    found = risk_measures.measures(cine(ring(12.0, still=True)))
    assert found["wall motion"] == pytest.approx(20, abs=2)
    assert found["uneven wall motion"] == pytest.approx(17, abs=1)  # two sectors are half still


def test_hearts_without_a_pool_are_refused():
    empty = ring(20.0).with_array(np.zeros((2, 81, 81), np.int16))
    with pytest.raises(ValueError, match="No slice"):
        risk_measures.sector_shortening(empty, empty)
