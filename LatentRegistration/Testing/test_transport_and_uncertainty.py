"""Motion from one heart in another, and how sure a registration is."""

import numpy as np
import pytest

from DeformationLib import metrics
from DeformationLib.errors import InputError
from DeformationLib.image import Image
from DeformationLib.registration import warp_labels
from LatentRegistrationLib.transport import (
    Subject,
    TransportRow,
    ejection_fraction_of,
    transport,
    transport_summary,
    transport_table,
    unchanged,
)
from LatentRegistrationLib.uncertainty import calibration, uncertainty
from Testing.velocity_fixtures import FLAT, small_heart, velocity_model


@pytest.fixture(scope="module")
def model():
    return velocity_model()


def subject(seed, group="", contraction=1.0):
    heart = small_heart(seed, contraction=contraction)
    return Subject(f"heart {seed}", heart.frames[0], heart.frames[heart.es_frame], heart.labels[0], group)


def test_ejection_fraction_of_a_known_motion():
    heart = small_heart(contraction=1.0)
    moved = warp_labels(heart.labels[0], heart.displacements[heart.es_frame])
    volumes = [metrics.label_volumes(part.array, part.spacing_kji, [3])[3] for part in (heart.labels[0], moved)]
    found = ejection_fraction_of(heart.displacements[heart.es_frame], heart.labels[0])
    assert found == pytest.approx(metrics.ejection_fraction(*volumes))
    assert found > 30
    still = heart.labels[0].with_array(np.zeros((*heart.labels[0].array.shape, 3), dtype=np.float32))
    assert ejection_fraction_of(still, heart.labels[0]) == 0.0
    assert np.isnan(ejection_fraction_of(still, heart.labels[0], label=9))
    with pytest.raises(InputError, match="on another grid"):
        ejection_fraction_of(still, small_heart(slices=3).labels[0])


def test_transport_decodes_with_the_other_image(model):
    source, target = subject(0), subject(1)
    code = model.encode(source.fixed, source.moving)
    there = transport(model, code, target.moving)
    assert there.same_grid(target.moving)
    own = transport(model, code, source.moving)
    np.testing.assert_allclose(own.array, model.register(source.fixed, source.moving).displacement.array, atol=1e-4)
    assert not np.allclose(there.array, own.array, atol=0.05)
    np.testing.assert_allclose(transport(model, code.mean, target.moving).array, there.array)


def test_the_baseline_is_the_displacement_as_it_is():
    source = small_heart(contraction=1.0).displacements[1]
    target = Image(np.zeros((4, 32, 32)), source.spacing, (100.0, -50.0, 3.0))
    np.testing.assert_allclose(unchanged(source, target).array, source.array, atol=1e-5)
    smaller = Image(np.zeros((4, 20, 20)), source.spacing, (100.0, -50.0, 3.0))
    np.testing.assert_allclose(unchanged(source, smaller).array, source.array[:, 6:-6, 6:-6], atol=1e-5)


def test_table_has_every_source_in_every_target(model):
    sources, targets = [subject(0, "HCM"), subject(1, "DCM", 0.4)], [subject(2), subject(3), subject(4)]
    rows = transport_table(model, sources, targets)
    assert [(row.source, row.target) for row in rows] == [
        (source.name, target.name) for source in sources for target in targets
    ]
    code = model.encode(sources[0].fixed, sources[0].moving)
    expected = ejection_fraction_of(transport(model, code, targets[1].moving), targets[1].labels)
    assert rows[1].after == pytest.approx(expected)
    assert rows[0].before == rows[2].before
    with pytest.raises(InputError, match="no end-systolic image"):
        transport_table(model, [Subject("x", targets[0].moving, None, targets[0].labels)], targets)


def test_summary_compares_means_and_single_transports():
    rows = [
        TransportRow("a", "DCM", "n", 10.0, 14.0, 20.0),
        TransportRow("a", "DCM", "m", 10.0, 8.0, 6.0),
        TransportRow("b", "HCM", "n", 60.0, 50.0, 40.0),
    ]
    summary = transport_summary(rows)
    assert summary["DCM"]["difference"] == pytest.approx(1.0)
    assert summary["DCM"]["spread"] == pytest.approx(3.0)
    assert summary["DCM"]["difference_unchanged"] == pytest.approx(3.0)
    assert summary["DCM"]["spread_unchanged"] == pytest.approx(7.0)
    assert summary["HCM"]["before"] == 60.0


def test_transport_between_models_and_dimensions_is_refused_with_a_sentence(model):
    flat = velocity_model(FLAT, name="flat")
    slices = small_heart(slices=1, contraction=1.0)
    code = flat.encode(slices.frames[1], slices.frames[0])
    with pytest.raises(InputError, match="made by the model flat, not by random velocities"):
        transport(model, code, subject(0).moving)
    with pytest.raises(InputError, match="one slice, but the model is three-dimensional"):
        transport(model, code.mean, slices.frames[0])
    with pytest.raises(InputError, match="4 slices, but the model is two-dimensional"):
        transport(flat, code, subject(0).moving)


def test_uncertainty_is_the_spread_of_sampled_deformations(model):
    heart = small_heart(contraction=1.0)
    fixed, moving = heart.frames[heart.es_frame], heart.frames[0]
    result = uncertainty(model, fixed, moving, samples=6, seed=3)
    assert len(result.displacements) == 6
    for image in (result.magnitude, result.deviation, result.spread):
        assert image.same_grid(fixed)
    lengths = np.stack([np.linalg.norm(part.array, axis=-1) for part in result.displacements])
    np.testing.assert_allclose(result.deviation.array, lengths.std(axis=0, ddof=1), rtol=1e-4, atol=1e-6)
    assert (result.spread.array >= 0.99 * result.deviation.array - 1e-6).all()
    assert result.deviation.array.max() > 0.03
    again = uncertainty(model, fixed, moving, samples=6, seed=3)
    assert np.array_equal(result.deviation.array, again.deviation.array)
    with pytest.raises(InputError, match="at least two samples"):
        uncertainty(model, fixed, moving, samples=1)


def test_calibration_of_a_perfect_and_of_a_useless_spread():
    generator = np.random.default_rng(0)
    spread = generator.uniform(0.5, 3.0, 20000)
    error = np.abs(spread * generator.standard_normal(20000))
    perfect = calibration([spread[:8000], spread[8000:]], [error[:8000], error[8000:]])
    np.testing.assert_allclose(perfect.observed, perfect.predicted, rtol=0.08)
    assert perfect.scale == pytest.approx(1.0, abs=0.03)
    assert perfect.rank_correlation > 0.4
    assert perfect.counts.tolist() == [2000] * 10
    too_sure = calibration([spread / 3], [error])
    assert too_sure.scale == pytest.approx(3.0, rel=0.03)
    useless = calibration([generator.permutation(spread)], [error])
    assert abs(useless.rank_correlation) < 0.03
    with pytest.raises(InputError, match="too few"):
        calibration([spread[:10]], [error[:10]])
