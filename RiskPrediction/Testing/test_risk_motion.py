"""Motions of higher and lower risk in a patient's own images: own motion kept, slices, files, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from MotionModelLib.motion_matrix import MotionMatrix
from RiskPredictionLib.fingerprint_extraction import MotionFingerprints
from RiskPredictionLib.risk_motion import risk_motions
from Testing.extraction_fixtures import motion_model_fixtures

from .risk_model_fixtures import trained_risk

_fixtures = motion_model_fixtures()
FLAT, SOLID, motion_model, small_heart = (
    _fixtures.FLAT,
    _fixtures.SOLID,
    _fixtures.motion_model,
    _fixtures.small_heart,
)
SLOTS = 6


@pytest.fixture(scope="module")
def heart():
    return small_heart()


@pytest.fixture(scope="module")
def model():
    return motion_model(FLAT, slots=SLOTS, prior="unit")


@pytest.fixture(scope="module")
def trained():
    return trained_risk(latent=5, slots=SLOTS, motion_model="random motion")[0]


@pytest.fixture(scope="module")
def simulated(trained, model, heart):
    return risk_motions(trained, model, heart.frames, amount=0.3)


def test_own_motion_is_the_patients_and_the_others_differ_from_it(simulated, model, heart):
    source = MotionFingerprints(model)
    matrices = source.matrices(heart.frames)
    np.testing.assert_allclose(simulated.own.matrix.mean, matrices)
    assert len(simulated) == len(heart.frames) == len(simulated.up) == len(simulated.down)
    own = model.simulate(heart.frames[0], 5, MotionMatrix(matrices, np.zeros(matrices.shape), model.name))
    np.testing.assert_array_equal(simulated.own.velocities, own.velocities)
    assert not simulated.up.velocities[0].any()
    for other in (simulated.up, simulated.down):
        assert (other.velocities[1:] - own.velocities[1:]).abs().amax(dim=(1, 2, 3, 4)).min() > 0.01
        np.testing.assert_array_equal(other.reference.array, heart.frames[0].array)


def test_risks_are_those_of_the_changed_fingerprints(simulated, trained, model, heart):
    fingerprint = MotionFingerprints(model).fingerprint(heart.frames)
    assert simulated.risk == pytest.approx(float(trained.model.predict_risk(fingerprint[None])[0]), abs=1e-6)
    assert simulated.down_risk < simulated.risk < simulated.up_risk
    change = simulated.up.matrix.mean - simulated.own.matrix.mean
    # Every slice gets the change of the fingerprint, the mean of slices, so that the mean changes by it.
    np.testing.assert_allclose(change, np.broadcast_to(change[:1], change.shape), atol=1e-12)
    np.testing.assert_allclose(change[0], simulated.fingerprints.up - fingerprint, atol=1e-9)
    assert "log hazard ratios: own" in str(simulated)
    assert any("simulated outcomes" in warning for warning in simulated.warnings)


def test_slices_of_the_fingerprint_are_the_risk_models(trained, model, heart):
    matrices = MotionFingerprints(model).matrices(heart.frames)
    for slices, expected in ((1, matrices[1]), (0, matrices.mean(axis=0))):
        found = risk_motions(replace(trained, slices=slices), model, heart.frames, amount=0.1)
        risk = trained.model.predict_risk(expected[None])[0]
        assert found.risk == pytest.approx(float(risk), abs=1e-6)


def test_one_image_moves_by_the_fingerprint_in_all_slices(trained, model, heart):
    fingerprint = MotionFingerprints(model).fingerprint(heart.frames)
    found = risk_motions(trained, model, heart.frames[0], fingerprint, amount=0.3, frames_count=4)
    assert len(found) == 4
    assert found.own.matrix.mean.shape == (4, 5, SLOTS)
    for slice_matrix in found.own.matrix.mean:
        np.testing.assert_allclose(slice_matrix, fingerprint)
    assert len(risk_motions(trained, model, heart.frames[0], fingerprint)) == SLOTS + 1


def test_volumes_over_time(heart):
    solid = motion_model(SOLID, slots=SLOTS, prior="unit")
    trained = trained_risk(latent=5, slots=SLOTS)[0]
    found = risk_motions(trained, solid, heart.frames, amount=0.2, reference=1)
    assert found.own.matrix.mean.shape == (1, 5, SLOTS)
    np.testing.assert_array_equal(found.own.reference.array, heart.frames[1].array)


def test_difference_is_where_the_motions_differ(simulated):
    assert not simulated.difference(0).array.any()
    mean = simulated.mean_difference().array
    lengths = [np.linalg.norm(simulated.difference(n).array, axis=-1) for n in range(1, 5)]
    np.testing.assert_allclose(mean, np.mean(lengths, axis=0), rtol=1e-5)
    assert mean.max() > 0.05


def test_files(simulated, tmp_path):
    folder = simulated.write(tmp_path / "risk", frame_spacing=30.0)
    content = json.loads((folder / "risk_motions.json").read_text(encoding="utf-8"))
    assert content["log_hazard_ratio"]["up"] == pytest.approx(simulated.up_risk)
    assert "esearch" in content["research_use"]
    for name in ("own", "up", "down"):
        series = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        assert series.GetSize() == (32, 32, 4, 5)
        assert series.GetSpacing()[3] == pytest.approx(30.0)
        matrix = MotionMatrix.read(folder / f"{name}_matrix.csv")
        np.testing.assert_allclose(matrix.mean, getattr(simulated, name).matrix.mean, rtol=1e-6, atol=1e-7)
    assert sitk.ReadImage(str(folder / "difference.nii.gz")).GetSize() == (32, 32, 4)


def test_models_that_do_not_belong_together_are_refused(trained, model, heart):
    other = motion_model(FLAT, slots=SLOTS, prior="unit", name="another")
    with pytest.raises(InputError, match="fingerprints of the motion model random motion, which another cannot decode"):
        risk_motions(trained, other, heart.frames)
    longer = motion_model(FLAT, slots=SLOTS + 1, prior="unit")
    with pytest.raises(InputError, match="5 x 6 values, but the motion model random motion makes 5 x 7"):
        risk_motions(replace(trained, motion_model=""), longer, heart.frames)


def test_bad_input_is_refused_with_a_sentence(trained, model, heart):
    with pytest.raises(InputError, match="One image has no fingerprint"):
        risk_motions(trained, model, heart.frames[0])
    with pytest.raises(InputError, match="5 x 6"):
        risk_motions(trained, model, heart.frames, np.zeros((6, 5)))
    with pytest.raises(InputError, match="amount above 0"):
        risk_motions(trained, model, heart.frames, amount=-1)
    with pytest.raises(InputError, match="at least two frames"):
        risk_motions(trained, model, heart.frames[:1])
    with pytest.raises(InputError, match="at least two frames"):
        risk_motions(trained, model, heart.frames, frames_count=1)
    with pytest.raises(InputError, match="reference frame 9"):
        risk_motions(trained, model, heart.frames, reference=9)


def test_simulation_and_writing_can_be_cancelled(trained, model, heart, simulated, tmp_path):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        risk_motions(trained, model, heart.frames, progress=progress)
    with pytest.raises(Cancelled):
        simulated.write(tmp_path / "risk", progress=progress)


def test_progress_reaches_the_end_and_never_falls(trained, model, heart):
    seen = []
    risk_motions(trained, model, heart.frames, amount=0.2, progress=Progress(lambda share, _: seen.append(share)))
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
