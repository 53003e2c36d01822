"""The training loop: exactly resumable, stoppable at any time, the same whoever computes which share."""

import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from DeformationLib.errors import Cancelled, InputError
from DeformationLib.progress import Progress
from DeformationLib.training import Processes, Trainer, TrainingOptions, TrainingState

OPTIONS = TrainingOptions(epochs=4, group_size=2, groups_per_step=2, learning_rate=0.05, warmup=2, averaging=0.9)
CASES = 6


def group_loss(objective, indices, generator):
    """A regression that depends on the cases and on the group's own randomness."""
    inputs = torch.tensor(indices).float().view(-1, 1).expand(-1, 3) + torch.randn(len(indices), 3, generator=generator)
    loss = (objective(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    return loss, {"loss": float(loss.detach())}


def make_trainer(folder, options=OPTIONS, loss=group_loss, validate=lambda objective: {}, configuration=(), **more):
    torch.manual_seed(0)
    objective = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    folder.mkdir(exist_ok=True)
    return Trainer(
        objective, loss, validate, CASES, options, {"seed": options.seed, **dict(configuration)}, folder, **more
    )


def weights_of(trainer):
    return {**trainer.objective.state_dict(), **{f"average.{k}": v for k, v in trainer.average.state_dict().items()}}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def cancel_before_step(number):
    """A progress that is cancelled when a step of that number begins."""
    calls = iter(range(number + 1))
    progress = Progress()

    def callback(fraction, message):
        if next(calls) == number:
            progress.cancel()

    progress._callback = callback
    return progress


def test_training_lowers_the_loss(tmp_path):
    state = make_trainer(tmp_path, replace(OPTIONS, epochs=40)).run(Progress())
    losses = [row["loss"] for row in state.log]
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path):
    whole = make_trainer(tmp_path / "whole")
    whole.run(Progress())
    interrupted = make_trainer(tmp_path / "parts")
    # Two steps an epoch: this is in the middle of the third.
    with pytest.raises(Cancelled):
        interrupted.run(cancel_before_step(5))
    resumed = make_trainer(tmp_path / "parts")
    resumed.resume()
    assert resumed.state.epoch == 2
    resumed.run(Progress())
    assert_same_weights(weights_of(resumed), weights_of(whole))
    without_time = [[{**row, "minutes": 0} for row in trainer.state.log] for trainer in (resumed, whole)]
    assert without_time[0] == without_time[1]


def test_a_killed_run_loses_at_most_one_epoch(tmp_path):
    """Whatever ends a run, the last epoch's checkpoint is complete and no other file is left."""

    def failing(objective, indices, generator):
        if failing.calls == 7:
            raise MemoryError
        failing.calls += 1
        return group_loss(objective, indices, generator)

    failing.calls = 0
    trainer = make_trainer(tmp_path / "run", loss=failing)
    with pytest.raises(MemoryError):
        trainer.run(Progress())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]
    resumed = make_trainer(tmp_path / "run")
    resumed.resume()
    assert resumed.state.epoch == 1


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    state = TrainingState({"a": 1}, epoch=3)
    state.save(tmp_path / "checkpoint.pt")

    def half_written(data, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half_written)
    with pytest.raises(KeyboardInterrupt):
        TrainingState({"a": 1}, epoch=4).save(tmp_path / "checkpoint.pt")
    assert TrainingState.load(tmp_path / "checkpoint.pt", {"a": 1}).epoch == 3
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_time_limit_stops_between_epochs_and_the_rest_can_follow(tmp_path, monkeypatch):
    """The clock is ours: an epoch takes ten minutes, and no further one starts that would pass the limit."""
    clock = [0.0]
    monkeypatch.setattr("DeformationLib.training.time.monotonic", lambda: clock[0])

    def begin_epoch(epoch):
        clock[0] += 600

    limited = make_trainer(tmp_path / "limited", replace(OPTIONS, max_minutes=25), begin_epoch=begin_epoch)
    assert limited.run(Progress()).epoch == 2
    rest = make_trainer(tmp_path / "limited", begin_epoch=begin_epoch)
    rest.resume()
    assert rest.run(Progress()).epoch == 4
    assert [row["minutes"] for row in rest.state.log] == [10, 20, 30, 40]
    whole = make_trainer(tmp_path / "whole")
    whole.run(Progress())
    assert_same_weights(weights_of(rest), weights_of(whole))


def test_the_shortest_time_limit_leaves_time_for_one_epoch(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("DeformationLib.training.time.monotonic", lambda: next(clock))
    assert make_trainer(tmp_path, replace(OPTIONS, max_minutes=1e-6)).run(Progress()).epoch == 1


def test_a_cancel_is_noticed_within_one_step(tmp_path):
    calls = []

    def counting(objective, indices, generator):
        calls.append(indices)
        progress.cancel()
        return group_loss(objective, indices, generator)

    progress = Progress()
    with pytest.raises(Cancelled):
        make_trainer(tmp_path, loss=counting).run(progress)
    assert len(calls) == OPTIONS.groups_per_step


def test_progress_reaches_from_the_start_to_the_last_step(tmp_path):
    fractions = []
    make_trainer(tmp_path).run(Progress(lambda fraction, message: fractions.append(fraction)))
    # Six cases in groups of two are three groups; filled up to four, two steps an epoch.
    assert fractions == pytest.approx([step / 8 for step in range(8)])


@pytest.mark.parametrize("other", [{"widths": [4, 8]}, {"widths": [4, 6], "new": 1}, {}])
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, other):
    make_trainer(tmp_path, configuration={"widths": [4, 6]}).run(Progress())
    with pytest.raises(InputError, match="another configuration.*(widths|new) differ"):
        make_trainer(tmp_path, configuration=other).resume()


def test_a_checkpoint_of_another_objective_is_refused(tmp_path):
    make_trainer(tmp_path).run(Progress())
    other = make_trainer(tmp_path)
    other.objective = nn.Linear(3, 1)
    with pytest.raises(InputError, match="resume with the same"):
        other.resume()


def test_a_missing_or_damaged_checkpoint_is_refused(tmp_path):
    trainer = make_trainer(tmp_path)
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        trainer.resume()
    trainer.run(Progress())
    content = trainer.checkpoint.read_bytes()
    for damaged in (b"", b"not a checkpoint", content[: len(content) // 2]):
        trainer.checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            make_trainer(tmp_path).resume()
    torch.save({"weights": {}}, trainer.checkpoint)
    with pytest.raises(InputError, match="not a checkpoint"):
        make_trainer(tmp_path).resume()


def test_a_finished_run_resumes_to_nothing(tmp_path):
    first = make_trainer(tmp_path)
    first.run(Progress())
    again = make_trainer(tmp_path)
    again.resume()
    again.run(Progress())
    assert_same_weights(weights_of(again), weights_of(first))


def test_another_seed_is_another_run(tmp_path):
    runs = [make_trainer(tmp_path, replace(OPTIONS, seed=seed)) for seed in (0, 0, 1)]
    for trainer in runs:
        trainer.run(Progress())
    assert_same_weights(weights_of(runs[0]), weights_of(runs[1]))
    assert not torch.equal(runs[0].objective[0].weight, runs[2].objective[0].weight)


def test_the_best_weights_are_those_of_the_best_score(tmp_path):
    seen = []

    def validate(average):
        seen.append(copy.deepcopy(average.state_dict()))
        return {"score": [0.2, 0.8, 0.5, 0.8][len(seen) - 1]}

    state = make_trainer(tmp_path, validate=validate).run(Progress())
    assert state.best_score == 0.8
    assert_same_weights(state.best_weights, seen[1])
    assert_same_weights(TrainingState.load(tmp_path / "checkpoint.pt", state.configuration).best_weights, seen[1])


def test_without_a_score_the_lowest_loss_decides(tmp_path):
    state = make_trainer(tmp_path).run(Progress())
    assert -state.best_score == min(row["loss"] for row in state.log)


def test_the_average_follows_the_weights_with_its_decay(tmp_path):
    trainer = make_trainer(tmp_path)
    weight, average = trainer.objective[0].weight, trainer.average[0].weight
    start = average.clone()
    with torch.no_grad():
        weight += 1
    trainer._follow(10_000)
    torch.testing.assert_close(average, start + 1 - OPTIONS.averaging)
    trainer._follow(0)
    # In the beginning the average all but copies the weights.
    torch.testing.assert_close(average, 0.1 * (start + 1 - OPTIONS.averaging) + 0.9 * weight)


def test_the_learning_rate_rises_and_falls(tmp_path):
    trainer = make_trainer(tmp_path, replace(OPTIONS, warmup=10))
    rates = [trainer._rate(step, 110) for step in range(111)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert rates[60] == pytest.approx((1 + 0.01) / 2)
    assert rates[110] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in zip(rates[10:], rates[11:]))
    assert make_trainer(tmp_path, replace(OPTIONS, warmup=0))._rate(0, 10) == pytest.approx(1)


def test_a_warm_start_takes_what_fits_and_names_the_rest(tmp_path):
    trainer = make_trainer(tmp_path)
    before = copy.deepcopy(trainer.objective.state_dict())
    given_weights = {"0.weight": torch.full((4, 3), 0.5), "2.weight": torch.zeros(7, 7), "other": torch.zeros(1)}
    assert trainer.warm_start(given_weights) == ["0.bias", "2.bias", "2.weight"]
    for module in (trainer.objective, trainer.average):
        assert torch.equal(module[0].weight, given_weights["0.weight"])
        assert torch.equal(module[2].weight, before["2.weight"])


@given(st.integers(2, 30), st.integers(2, 6), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_epoch_covers_every_case_in_groups_of_different_ones(cases, size, per_step, epoch):
    trainer = object.__new__(Trainer)
    trainer.cases, trainer.options = cases, replace(OPTIONS, group_size=size, groups_per_step=per_step)
    groups = trainer._groups(epoch)
    assert len(groups) % per_step == 0
    assert {case for group in groups for case in group} == set(range(cases))
    assert all(len(set(group)) == len(group) == min(size, cases) for group in groups)
    assert groups == trainer._groups(epoch)


def test_one_case_is_not_enough(tmp_path):
    with pytest.raises(InputError, match="at least two"):
        Trainer(nn.Linear(1, 1), group_loss, lambda objective: {}, 1, OPTIONS, {}, tmp_path)


def test_groups_that_cannot_be_shared_are_refused(tmp_path):
    with pytest.raises(InputError, match="2 groups per step cannot be shared evenly by 3"):
        make_trainer(tmp_path).run(Progress(), Processes(0, 3))


def test_the_shares_of_two_processes_add_up_to_one_step(tmp_path):
    """Each rank's gradients alone, added up, are those of a single process; `torchrun` itself is tested with the command."""
    gradients = []
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        trainer = make_trainer(tmp_path, replace(OPTIONS, epochs=1, clip=math.inf))

        class Recorded(Processes):
            def sum_gradients(self, parameters):
                gradients.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
                raise Cancelled

            def agree(self, decision):
                return decision

        with pytest.raises(Cancelled):
            trainer.run(Progress(), Recorded(rank, world))
    torch.testing.assert_close(gradients[1] + gradients[2], gradients[0])
    assert not torch.allclose(gradients[1], gradients[2])
    # And what they add up to is the gradient of the mean loss of the step's groups.
    trainer = make_trainer(tmp_path)
    sum(trainer._group(group, number)[0] / 2 for number, group in enumerate(trainer._groups(0)[:2])).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in trainer.objective.parameters()])
    torch.testing.assert_close(gradients[0], expected)


def test_every_group_of_every_epoch_draws_its_own_random_numbers(tmp_path):
    drawn = []

    def recording(objective, indices, generator):
        drawn.append(torch.rand((), generator=generator).item())
        return group_loss(objective, indices, generator)

    make_trainer(tmp_path, loss=recording).run(Progress())
    assert len(set(drawn)) == len(drawn) == 4 * OPTIONS.epochs
