"""The bull's-eye picture: every segment in its place, its value in it, missing ones marked."""

import numpy as np
import pytest

from DeformationLib.errors import InputError
from MotionModelLib.strain import StrainCurves

pytest.importorskip("matplotlib")

from MotionModelLib.bullseye import bullseye, nice_limits, strain_bullseyes, wedge


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def wedges(figure):
    return figure.axes[0].patches


def test_segments_tile_the_disc():
    area = sum((outer**2 - inner**2) * (last - first) / 360 for inner, outer, first, last in map(wedge, range(1, 18)))
    assert area == pytest.approx(1.0)
    assert wedge(1)[2:] == (60, 120)  # anterior, above
    assert wedge(8)[2:] == (120, 180)  # anteroseptal, on the left
    assert wedge(14)[2:] == (135, 225)
    assert wedge(17)[:2] == (0, wedge(13)[0])
    for wrong in (0, 18):
        with pytest.raises(InputError, match=f"no segment {wrong}"):
            wedge(wrong)


def test_values_and_walls_are_written():
    figure = bullseye({number: -float(number) for number in range(1, 18)}, "Strain")
    written = texts(figure)
    assert len(wedges(figure)) == 17
    assert {"−1", "−17", "17", "anterior", "septal", "inferior", "lateral"} <= set(written)
    assert figure.axes[0].get_title() == "Strain"
    assert figure.axes[1].get_title() == "%"
    assert len(wedges(bullseye({1: 2.0}))) == 16


def test_colours_follow_the_values():
    figure = bullseye(dict(enumerate(np.linspace(-20, 20, 16), start=1)))
    colours = [patch.get_facecolor() for patch in wedges(figure)]
    assert colours[0][2] > colours[0][0]  # blue
    assert colours[15][0] > colours[15][2]  # red
    dark, light = (bullseye({1: value}, limits=(-30, 0)) for value in (-30.0, -1.0))
    assert sum(wedges(dark)[0].get_facecolor()[:3]) < sum(wedges(light)[0].get_facecolor()[:3])
    inks = [next(t for t in f.axes[0].texts if t.get_text().startswith("−")).get_color() for f in (dark, light)]
    assert inks[0] != inks[1]


def test_missing_segments_are_hatched():
    figure = bullseye({7: 1.0, 8: np.nan})
    hatched = [patch.get_hatch() is not None for patch in wedges(figure)]
    assert hatched.count(False) == 1
    assert not hatched[6]
    assert "nan" not in texts(figure)


def test_zero_has_no_sign():
    assert "0" in texts(bullseye({1: -0.2, 2: 5.0}, numbers=False))


def test_limits_are_round():
    assert nice_limits([-18.2, -3.0]) == (-20.0, 0.0)
    assert nice_limits([0.31, 0.02]) == pytest.approx((0.0, 0.4))
    assert nice_limits([-18.0, 3.0]) == (-20.0, 20.0)
    assert nice_limits([0.0]) == (-1.0, 1.0)


def test_nothing_to_draw():
    with pytest.raises(InputError, match="No segment has a value"):
        bullseye({3: np.nan})
    with pytest.raises(InputError, match="no segment 20"):
        bullseye({20: 1.0})


def test_a_picture_per_direction(tmp_path):
    generator = np.random.default_rng(0)
    numbers = list(range(1, 17))
    segments = generator.normal(-0.1, 0.02, (3, 2, 16))
    strain = StrainCurves(np.arange(3.0), ("radial", "circumferential"), segments.mean(axis=2), segments, numbers)
    figure = strain_bullseyes(strain)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["Peak radial strain", "Peak circumferential strain"]
    figure.savefig(tmp_path / "strain.png")
    assert (tmp_path / "strain.png").stat().st_size > 10_000
    assert strain_bullseyes(strain, 1).axes[0].get_title() == "Radial strain, frame 1"
    bare = StrainCurves(
        strain.times, strain.directions, strain.whole, segments[..., :0], [], notes=["No right ventricle."]
    )
    with pytest.raises(InputError, match=r"no strain by segment to draw\. No right ventricle\."):
        strain_bullseyes(bare)
