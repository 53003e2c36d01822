"""The end-to-end variant on phantoms with a known hazard: it learns, stays honest, and brings its motion model along."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from MotionModelLib.motion_model import MotionModel
from RiskPredictionLib.cross_validation import Row, predict_out_of_fold, stratified_folds
from RiskPredictionLib.end_to_end import EndToEndCox, TuningSchedule, save_motion_model
from RiskPredictionLib.end_to_end_cases import CaseSequences, load_case_sequences
from RiskPredictionLib.fingerprint_extraction import MotionFingerprints
from RiskPredictionLib.risk_bundle import TrainedRisk
from RiskPredictionLib.simulated_cohort import simulate_outcomes
from RiskPredictionLib.survival_model import FingerprintCox
from RiskPredictionLib.tuning_checkpoint import TuningCheckpoint
from Testing.extraction_fixtures import motion_model_fixtures, write_cine

_fixtures = motion_model_fixtures()
CASES, SLOTS = 36, 3
SURVIVAL = FingerprintCox(members=2, widths=(8, 3), epochs=8, learning_rate=1e-2, folds=2, batch_size=32)
TUNING = TuningSchedule(epochs=2, learning_rate=3e-3, batch_size=12, folds=2, compared=2)


def beating_discs(model, cases=CASES, seed=0):
    """Series of a disc that contracts, on a model's grid, and by how much it does ``(n,)``."""
    generator = np.random.default_rng(seed)
    strength = generator.uniform(0.0, 0.5, cases)
    size = model.grid.size
    j, i = np.meshgrid(*(np.arange(length) - length / 2 for length in size), indexing="ij")
    radius = np.hypot(j, i)
    frames, masks = [], []
    for contraction in strength:
        phases = np.sin(np.pi * np.arange(SLOTS + 1) / (SLOTS + 1))
        series = [1 / (1 + np.exp(radius - 10 * (1 - contraction * phase))) for phase in phases]
        images = 0.8 * np.stack(series) + 0.1 * generator.random((SLOTS + 1, *size))
        frames.append(torch.from_numpy(images)[None, :, None].half())
        masks.append(torch.ones(1, 1, *size, dtype=torch.uint8))
    return CaseSequences(model, frames, masks), strength


@pytest.fixture(scope="module")
def model():
    return _fixtures.motion_model(_fixtures.FLAT, prior="unit", slots=SLOTS)


@pytest.fixture(scope="module")
def phantoms(model):
    """Series, outcomes whose hazard falls with the contraction, and cases by number."""
    sequences, strength = beating_discs(model)
    hazard = -2.0 * (strength - strength.mean()) / strength.std()
    time, event = simulate_outcomes(hazard, 0.5, seed=1)
    return sequences, time, event, np.arange(CASES)[:, None]


@pytest.fixture(scope="module")
def fitted(phantoms):
    sequences, time, event, cases = phantoms
    before = copy.deepcopy(sequences.model.network.state_dict())
    found = EndToEndCox(sequences, SURVIVAL, TUNING, seed=3).fit(cases, time, event)
    assert all(torch.equal(value, before[name]) for name, value in sequences.model.network.state_dict().items())
    return found


def test_known_hazard_is_learned(fitted, phantoms):
    _, time, event, cases = phantoms
    assert fitted.score(cases, time, event) > 0.7
    # Of held-out cases, whose outcomes the encoder never saw.
    assert fitted.survival_.score_of_held_out(time, event) > 0.6
    assert fitted.predict_survival_function(cases[:4]).survival.shape[0] == 4
    assert fitted.predict_deviation(cases).min() >= 0


def test_encoder_is_tuned_and_decoder_kept(phantoms, model):
    sequences, time, event, cases = phantoms
    network, none = EndToEndCox(sequences, SURVIVAL, TUNING), cases[:0, 0]
    tuned, epochs = network._tune("all", cases[:, 0], time, event, 2, none, TuningCheckpoint(), Progress())
    motion, _ = tuned.finished()
    log = epochs[-1][0]
    own, other = model.network.state_dict(), motion.state_dict()
    changed = {name.split(".")[0] for name in own if not torch.allclose(own[name], other[name], atol=2e-3)}
    assert "encoder" in changed
    for name in own:
        if name.startswith("decoder"):
            assert torch.equal(own[name].half(), other[name].half())
    assert set(log) == {"risk", "reconstruction", "motion"}
    assert all(np.isfinite(value) for value in log.values())


def test_log_begins_before_the_first_epoch_and_the_best_one_is_used(fitted):
    assert [row["epoch"] for row in fitted.tuning_log_] == [0, 1, 2]
    held_out = [row["held_out"] for row in fitted.tuning_log_]
    assert int(np.argmin(held_out)) == fitted.best_epoch_


def test_same_seed_gives_the_same_model(fitted, phantoms):
    sequences, time, event, cases = phantoms
    again = EndToEndCox(sequences, SURVIVAL, TUNING, seed=3).fit(cases, time, event)
    np.testing.assert_allclose(again.predict_risk(cases), fitted.predict_risk(cases), atol=1e-6)


def test_random_outcomes_come_out_at_one_half(phantoms):
    """What is fitted inside a fold, encoder included, knows nothing of the cases outside."""
    sequences, time, event, cases = phantoms
    generator, found = np.random.default_rng(5), []
    settings = EndToEndCox(sequences, clone(SURVIVAL).set_params(epochs=3), replace(TUNING, epochs=1))
    for _ in range(3):
        order = generator.permutation(CASES)
        folds = stratified_folds(event[order], 2, seed=0)
        row = Row("end to end", cases, settings)
        risk = predict_out_of_fold(row, time[order], event[order], folds, np.quantile(time, [0.3, 0.6])).risk
        for test in folds:
            from RiskPredictionLib.concordance import concordance

            found.append(concordance(risk[test], time[order][test], event[order][test]))
    # The standard error of the mean of six folds of 18 cases is about 0.045.
    assert np.mean(found) < 0.62


@pytest.mark.parametrize("epoch", [1, 3])
def test_resumed_equals_uninterrupted(fitted, phantoms, tmp_path, epoch):
    sequences, time, event, cases = phantoms
    progress, seen = Progress(), []

    def stop(_, message):
        if message.startswith("Fine-tuning") and message not in seen[-1:]:
            seen.append(message)
            if len(seen) > epoch:
                progress.cancel()

    progress._callback = stop
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Cancelled):
        EndToEndCox(sequences, SURVIVAL, TUNING, 3).fit(cases, time, event, progress, TuningCheckpoint(path))
    messages = []
    again = EndToEndCox(sequences, SURVIVAL, TUNING, 3).fit(
        cases, time, event, Progress(lambda _, text: messages.append(text)), TuningCheckpoint(path, resume=True)
    )
    np.testing.assert_allclose(again.predict_risk(cases), fitted.predict_risk(cases), atol=1e-6)
    assert again.tuning_log_ == fitted.tuning_log_
    first = next(text for text in messages if text.startswith("Fine-tuning"))
    assert first == seen[-1]
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="no checkpoint of this program"):
        TuningCheckpoint(path, resume=True)


def test_copies_share_the_series(fitted, phantoms):
    assert clone(fitted).sequences is phantoms[0]


def test_bundle_brings_its_motion_model(fitted, phantoms, tmp_path):
    sequences, time, event, cases = phantoms
    fingerprints = fitted.fingerprints(cases)
    names = {"name": "tuned-risk", "motion_model": "tuned-risk-motion", "slices": 1}
    trained = TrainedRisk.of(fitted.survival_, fingerprints, time, event, True, **names)
    folder = trained.save(tmp_path / "model")
    save_motion_model(folder, sequences, fitted.motion_network_, "tuned-risk-motion", "simulated")
    loaded = TrainedRisk.load(folder)
    motion = MotionModel.load(loaded.motion_source, device="cpu", precision=torch.float32)
    assert motion.name == loaded.motion_model == "tuned-risk-motion"
    assert motion.card["training"]["tuned_from"] == "random motion"
    assert motion.card["accuracy"] == {}
    again = EndToEndCox(replace(sequences, model=motion), SURVIVAL, TUNING)
    again.motion_network_, again.baseline_ = motion.network, fitted.baseline_
    np.testing.assert_allclose(again.fingerprints(cases), fingerprints, atol=1e-5)
    np.testing.assert_allclose(loaded.model.predict_risk(fingerprints), fitted.predict_risk(cases), atol=1e-6)


def test_series_are_read_as_fingerprints_are_extracted(model, tmp_path):
    from RiskPredictionLib.cohort import Cohort

    paths = [write_cine(tmp_path / f"c{number}.nii.gz", frames=3 + number, seed=number) for number in range(2)]
    cohort = Cohort(("a", "b"), np.ones(2), np.array([True, False]), (), np.empty((2, 0)), tuple(map(str, paths)))
    sequences = load_case_sequences(cohort, model)
    assert len(sequences) == 2
    assert sequences.frames[0].shape == (2, SLOTS + 1, 1, 32, 32)
    network = EndToEndCox(sequences)
    network.motion_network_, network.baseline_ = model.network, None
    source = MotionFingerprints(model)
    from RiskPredictionLib.extraction_cases import cases_of

    expected = [source.fingerprint(*case.read()) for case in cases_of(cohort)]
    np.testing.assert_allclose(network.fingerprints(np.arange(2)[:, None]), expected, atol=0.02)
    broken = replace(cohort, cine=(str(paths[0]), str(tmp_path / "missing.nii.gz")))
    with pytest.raises(InputError, match="Row 3, case 'b': .*does not exist"):
        load_case_sequences(broken, model)


@pytest.mark.parametrize(
    "cases, message",
    [
        (np.zeros(5), "numbers of cases"),
        (np.zeros((5, 2)), "numbers of cases"),
        (np.array([[0], [36]]), "no case 36: 36 series"),
        (np.array([[-1]]), "no case -1"),
        (np.array([[0.5]]), "no case 0.5"),
    ],
)
def test_cases_that_there_are_not_are_refused(phantoms, cases, message):
    with pytest.raises(InputError, match=message):
        EndToEndCox(phantoms[0]).fit(cases, np.ones(len(cases)), np.ones(len(cases)))


def test_settings_out_of_range_and_missing_events_are_refused(phantoms):
    sequences, time, event, cases = phantoms
    for change in ({"epochs": 0}, {"batch_size": 2}, {"learning_rate": 0.0}, {"motion_weight": -1}, {"compared": 0}):
        with pytest.raises(InputError):
            EndToEndCox(sequences, SURVIVAL, replace(TUNING, **change)).fit(cases, time, event)
    with pytest.raises(InputError, match="36 cases, but outcomes of 35"):
        EndToEndCox(sequences, SURVIVAL, TUNING).fit(cases, time[1:], event[1:])
    with pytest.raises(InputError, match="No case has an event"):
        EndToEndCox(sequences, SURVIVAL, TUNING).fit(cases, time, np.zeros(CASES))
    with pytest.raises(InputError, match="call fit first"):
        EndToEndCox(sequences).fingerprints(cases)


def test_tuning_can_be_cancelled(phantoms):
    sequences, time, event, cases = phantoms
    progress = Progress()

    def stop(_, message):
        if message.startswith("Fine-tuning"):
            progress.cancel()

    progress._callback = stop
    with pytest.raises(Cancelled):
        EndToEndCox(sequences, SURVIVAL, TUNING).fit(cases, time, event, progress)
