"""Work beside the window: every job ends by exactly one callback on the main thread, whatever its thread is doing."""

import gc
import logging
import sys
import threading

import pytest

from DeformationLib.errors import Cancelled

PATIENCE = 10.0  # seconds until a test gives up; none waits for them


@pytest.fixture
def background(application):
    from DeformationSceneLib import background

    return background


class Calls(list):
    """Records callbacks and the threads that they came in."""

    def __init__(self):
        super().__init__()
        self.threads = set()

    def named(self, name):
        def record(*arguments):
            self.threads.add(threading.get_ident())
            self.append((name, *arguments))

        return record

    def callbacks(self):
        return {key: self.named(key) for key in ("onDone", "onFailed", "onCancelled")}


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def stuck():
    """A call that reports nothing and cannot be interrupted, until `release` is set."""

    class Stuck:
        def __init__(self):
            self.entered, self.release, self.left = threading.Event(), threading.Event(), threading.Event()

        def __call__(self, _progress=None):
            self.entered.set()
            self.release.wait(PATIENCE)
            self.left.set()
            return "late"

    stuck = Stuck()
    yield stuck
    stuck.release.set()


def process_events(application, rounds=50):
    for _ in range(rounds):
        application.processEvents()


def wait_for_threads(application, background):
    """Until no timer runs any more: threads that were left to themselves have ended too."""
    assert background._process_events_until(lambda: not background._Timer._running, PATIENCE)
    process_events(application)


def test_result_arrives_on_the_main_thread(background, calls):
    threads = []
    job = background.BackgroundJob(lambda progress: threads.append(threading.get_ident()) or 42, **calls.callbacks())
    assert not job.running
    job.start()
    assert job.running
    assert job.wait(PATIENCE)
    assert calls == [("onDone", 42)]
    assert not job.running
    assert calls.threads == {threading.get_ident()}
    assert threads[0] != threading.get_ident()


def test_progress_arrives_on_the_main_thread_and_ends_with_the_last_report(background, calls):
    def work(progress):
        for step in range(1, 2001):
            progress.report(step / 2000, f"step {step}")

    job = background.BackgroundJob(work, onProgress=calls.named("progress"), **calls.callbacks())
    job.start()
    assert job.wait(PATIENCE)
    *reports, end = calls
    assert end == ("onDone", None)
    assert reports[-1] == ("progress", 1.0, "step 2000")
    assert [fraction for _, fraction, _ in reports] == sorted({fraction for _, fraction, _ in reports})
    assert len(reports) < 200, "reports that nobody could read are left out"
    assert calls.threads == {threading.get_ident()}


def test_failure_is_handed_over(background, calls):
    error = RuntimeError("broken")

    def work(progress):
        raise error

    job = background.BackgroundJob(work, **calls.callbacks())
    job.start()
    assert job.wait(PATIENCE)
    assert calls == [("onFailed", error)]


@pytest.mark.parametrize("error", [KeyError("broken"), SystemExit(3)])
def test_failure_without_a_callback_is_logged(background, calls, caplog, error):
    def work(progress):
        raise error

    job = background.BackgroundJob(work, calls.named("onDone"))
    job.start()
    assert job.wait(PATIENCE)
    assert calls == []
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


def test_cancel_stops_work_that_reports(application, background, calls):
    entered, stopped = threading.Event(), []

    def work(progress):
        try:
            while True:
                progress.report(0.1)
                entered.set()
        except Cancelled:
            stopped.append(True)
            raise

    job = background.BackgroundJob(work, **calls.callbacks())
    job.start()
    assert entered.wait(PATIENCE)
    job.cancel()
    assert calls == [("onCancelled",)]
    wait_for_threads(application, background)
    assert stopped == [True]
    assert calls == [("onCancelled",)]


def test_cancel_frees_the_panel_while_the_thread_is_stuck(application, background, calls, stuck):
    job = background.BackgroundJob(stuck, onProgress=calls.named("progress"), **calls.callbacks())
    job.start()
    assert stuck.entered.wait(PATIENCE)
    process_events(application)
    job.cancel()
    assert calls == [("onCancelled",)]
    assert not job.running
    job.cancel()
    stuck.release.set()
    wait_for_threads(application, background)
    assert stuck.left.is_set()
    assert calls == [("onCancelled",)], "the late result is discarded"


def test_cancel_wins_over_a_result_that_was_not_delivered_yet(application, background, calls):
    job = background.BackgroundJob(lambda progress: 42, **calls.callbacks())
    job.start()
    job._thread.join(PATIENCE)
    job.cancel()
    wait_for_threads(application, background)
    assert calls == [("onCancelled",)]


def test_cancel_before_and_after_does_nothing(background, calls):
    job = background.BackgroundJob(lambda progress: 42, **calls.callbacks())
    job.cancel()
    assert calls == []
    job.start()
    assert job.wait(PATIENCE)
    job.cancel()
    assert calls == [("onDone", 42)]


def test_cancel_from_the_progress_callback(application, background, calls):
    job = background.BackgroundJob(
        lambda progress: progress.report(1.0), onProgress=lambda *_: job.cancel(), **calls.callbacks()
    )
    job.start()
    assert job.wait(PATIENCE)
    wait_for_threads(application, background)
    assert calls == [("onCancelled",)]


def test_work_that_cancels_itself_counts_as_cancelled(background, calls):
    def work(progress):
        progress.cancel()
        progress.report(0.5)

    job = background.BackgroundJob(work, **calls.callbacks())
    job.start()
    assert job.wait(PATIENCE)
    assert calls == [("onCancelled",)]


def test_an_abandoned_job_calls_nothing(application, background, calls, stuck):
    job = background.BackgroundJob(stuck, onProgress=calls.named("progress"), **calls.callbacks())
    job.start()
    assert stuck.entered.wait(PATIENCE)
    job.abandon()
    assert not job.running
    stuck.release.set()
    wait_for_threads(application, background)
    assert calls == []


def test_a_job_starts_once(background, calls):
    job = background.BackgroundJob(lambda progress: 42, **calls.callbacks())
    job.start()
    with pytest.raises(RuntimeError, match="started before"):
        job.start()
    assert job.wait(PATIENCE)
    assert calls == [("onDone", 42)]


def test_a_callback_may_start_the_next_job(background, calls):
    second = background.BackgroundJob(lambda progress: 2, calls.named("second"))

    def start_second(result):
        calls.append(("first", result))
        second.start()

    first = background.BackgroundJob(lambda progress: 1, start_second)
    first.start()
    assert first.wait(PATIENCE)
    assert second.wait(PATIENCE)
    assert calls == [("first", 1), ("second", 2)]


def test_several_jobs_at_once(background, calls):
    together = threading.Barrier(3, timeout=PATIENCE)

    def work(progress):
        together.wait()
        return "together"

    jobs = [background.BackgroundJob(work, calls.named(number)) for number in range(3)]
    for job in jobs:
        job.start()
    assert all(job.wait(PATIENCE) for job in jobs)
    assert sorted(calls) == [(0, "together"), (1, "together"), (2, "together")]


def test_an_exception_in_a_callback_is_logged_and_the_job_has_ended(application, background, caplog):
    error = ValueError("in the panel")

    def fail():
        raise error

    job = background.BackgroundJob(lambda progress: progress.raise_if_cancelled(), lambda _: None, onCancelled=fail)
    job.start()
    with pytest.raises(ValueError, match="in the panel"):
        job.cancel()
    assert not job.running
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)
    wait_for_threads(application, background)


def test_wait_gives_up(background, calls, stuck):
    job = background.BackgroundJob(stuck, **calls.callbacks())
    job.start()
    assert not job.wait(0.02)
    stuck.release.set()
    assert job.wait(PATIENCE)
    assert calls == [("onDone", "late")]


def test_ticks_lend_the_interpreter_to_the_thread(background, calls, monkeypatch):
    """As in Slicer, where the main thread holds Python's lock between the ticks."""
    go = threading.Event()

    def work(progress):
        go.wait(PATIENCE)
        return sum(range(1000))

    job = background.BackgroundJob(work, calls.named("done"))
    job.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)  # nobody is made to give up the lock
    try:
        go.set()
        for _ in range(10**5):  # no event is processed: only the tick can let the thread run
            job._tick()
            if not job.running:
                break
    finally:
        sys.setswitchinterval(interval)
    assert calls == [("done", 499500)]


def test_garbage_is_collected_on_the_main_thread_only(application, background):
    collected = set()

    class Knot:
        def __init__(self):
            self.itself = self

        def __del__(self):
            collected.add(threading.get_ident())

    def work(progress):
        for _ in range(30):
            kept = [[] for _ in range(1000)]  # noqa: F841, allocations start a collection
            Knot()

    assert gc.isenabled()
    job = background.BackgroundJob(work, lambda _: None)
    job.start()
    assert not gc.isenabled()
    assert job.wait(PATIENCE)
    wait_for_threads(application, background)
    assert gc.isenabled()
    gc.collect()
    assert collected == {threading.get_ident()}


def test_nothing_is_kept_of_a_finished_job(application, background):
    import weakref

    class Result:
        pass

    class Panel:
        def show(self, result):
            self.seen = weakref.ref(result)

    panel = Panel()
    job = background.BackgroundJob(lambda progress: Result(), panel.show)
    job.start()
    assert job.wait(PATIENCE)
    seen, panel = panel.seen, weakref.ref(panel)
    gc.collect()
    assert seen() is None
    assert panel() is None


def test_only_the_newest_request_is_answered(background, calls, stuck):
    answered = []

    def work(value):
        if value == 0:
            stuck()
        answered.append(value)
        return value

    latest = background.LatestRequest(work, calls.named("done"))
    assert latest.idle
    latest.ask(0)
    assert stuck.entered.wait(PATIENCE)
    for value in (1, 2, 3):
        latest.ask(value)
    assert not latest.idle
    stuck.release.set()
    assert latest.wait(PATIENCE)
    assert answered == [0, 3]
    assert calls[-1] == ("done", 3)
    assert calls.threads == {threading.get_ident()}
    latest.stop()


def test_requests_share_one_thread_until_stop(application, background, calls):
    latest = background.LatestRequest(lambda _: threading.get_ident(), calls.named("done"))
    for value in range(3):
        latest.ask(value)
        assert latest.wait(PATIENCE)
    assert len({thread for _, thread in calls}) == 1
    latest.stop()
    wait_for_threads(application, background)
    assert not any(thread.ident == calls[0][1] for thread in threading.enumerate())


def test_nothing_may_be_asked_for(background, calls):
    latest = background.LatestRequest(lambda value: value, calls.named("done"))
    latest.ask(None)
    assert latest.wait(PATIENCE)
    assert calls == [("done", None)]
    latest.stop()


def test_a_failed_request_does_not_end_the_others(background, calls):
    latest = background.LatestRequest(lambda value: 1 / value, calls.named("done"), calls.named("failed"))
    latest.ask(0)
    assert latest.wait(PATIENCE)
    latest.ask(2)
    assert latest.wait(PATIENCE)
    assert [name for name, _ in calls] == ["failed", "done"]
    assert isinstance(calls[0][1], ZeroDivisionError)
    latest.stop()


def test_a_failed_request_without_a_callback_is_logged(background, calls, caplog):
    latest = background.LatestRequest(lambda value: 1 / value, calls.named("done"))
    with caplog.at_level(logging.ERROR):
        latest.ask(0)
        assert latest.wait(PATIENCE)
    assert any(record.exc_info for record in caplog.records)
    assert calls == []
    latest.stop()


def test_no_answer_after_stop(application, background, calls, stuck):
    latest = background.LatestRequest(stuck, calls.named("done"), calls.named("failed"))
    latest.ask(1)
    assert stuck.entered.wait(PATIENCE)
    latest.ask(2)
    latest.stop()
    assert latest.idle
    stuck.release.set()
    wait_for_threads(application, background)
    assert calls == []
    latest.stop()


def test_asking_after_stop_starts_anew(background, calls):
    latest = background.LatestRequest(lambda value: value, calls.named("done"))
    latest.ask(1)
    latest.stop()
    latest.ask(2)
    assert latest.wait(PATIENCE)
    assert calls == [("done", 2)]
    latest.stop()


def test_the_timer_rests_between_requests(background, calls):
    latest = background.LatestRequest(lambda value: value, calls.named("done"))
    latest.ask(1)
    assert latest.wait(PATIENCE)
    assert latest._worker._timer not in background._Timer._running
    latest.stop()
