"""Progress goes out of the work, the wish to stop goes in, whoever shows it."""

import io
import threading
import time

import pytest

from DeformationLib.errors import Cancelled
from DeformationLib.progress import Progress, console_progress, progress_until_file, slicer_progress


@pytest.fixture
def heard():
    return []


@pytest.fixture
def progress(heard):
    return Progress(lambda fraction, message: heard.append((round(fraction, 6), message)))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_reports_reach_the_callback(progress, heard):
    progress.report(0.25, "Reading")
    progress.report(0.5)
    assert heard == [(0.25, "Reading"), (0.5, "Reading")]
    assert (progress.fraction, progress.message) == (0.5, "Reading")


def test_works_without_a_callback():
    progress = Progress()
    progress.report(0.5, "Reading")
    assert progress.fraction == 0.5


def test_fraction_is_clipped_and_never_decreases(progress, heard):
    for fraction in (-1, 0.5, 0.2, 7):
        progress.report(fraction)
    assert [fraction for fraction, _ in heard] == [0.0, 0.5, 0.5, 1.0]


def test_part_fills_its_window(progress, heard):
    part = progress.part(0.2, 0.6)
    for fraction in (0.0, 0.5, 1.0):
        part.report(fraction, "Warping")
    assert heard == [(0.2, "Warping"), (0.4, "Warping"), (0.6, "Warping")]


def test_parts_nest(progress, heard):
    progress.part(0.5, 1.0).part(0.5, 1.0).report(0.5)
    assert heard == [(0.875, "")]


@pytest.mark.parametrize("window", [(-0.1, 0.5), (0.5, 1.1), (0.6, 0.5)])
def test_part_outside_the_whole_is_refused(progress, window):
    with pytest.raises(ValueError, match="0 <= start <= end <= 1"):
        progress.part(*window)


def test_cancel_stops_the_next_report(progress, heard):
    progress.report(0.1)
    assert not progress.cancelled
    progress.cancel()
    assert progress.cancelled
    with pytest.raises(Cancelled):
        progress.report(0.2)
    with pytest.raises(Cancelled):
        progress.raise_if_cancelled()
    assert heard == [(0.1, "")]


def test_cancelling_the_whole_cancels_its_parts(progress):
    part = progress.part(0.0, 0.5).part(0.0, 0.5)
    progress.cancel()
    assert part.cancelled
    with pytest.raises(Cancelled):
        part.report(0.5)


def test_cancelling_a_part_cancels_the_whole(progress):
    progress.part(0.0, 0.5).cancel()
    with pytest.raises(Cancelled):
        progress.part(0.5, 1.0).report(0.0)


def test_cancel_in_the_callback_stops_the_same_report():
    progress = Progress(lambda fraction, message: progress.cancel())
    with pytest.raises(Cancelled):
        progress.report(0.5)


def test_callback_may_report_itself(heard):
    def callback(fraction, message):
        heard.append(fraction)
        if fraction < 0.5:
            progress.report(0.5)

    progress = Progress(callback)
    # In a thread of its own, so that a deadlock fails the test instead of stopping it.
    worker = threading.Thread(target=progress.report, args=(0.1,), daemon=True)
    worker.start()
    worker.join(5)
    assert not worker.is_alive()
    assert heard == [0.1, 0.5]


def test_cancel_from_another_thread_stops_the_work():
    progress = Progress()
    started, stopped = threading.Event(), threading.Event()

    def work():
        try:
            while True:
                progress.report(0.5)
                started.set()
        except Cancelled:
            stopped.set()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert started.wait(5)
    progress.cancel()
    assert stopped.wait(5)


def test_threads_never_send_the_bar_backwards(heard):
    def callback(fraction, message):
        # Gives the other threads their chance to come in between.
        time.sleep(1e-5)
        heard.append(fraction)

    progress = Progress(callback)

    def work(part):
        for step in range(100):
            part.report(step / 99)

    workers = [threading.Thread(target=work, args=(progress.part(n / 4, (n + 1) / 4),)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(heard) == 400
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_console_is_silent_without_a_terminal():
    stream = io.StringIO()
    console_progress("Registering", stream).report(0.5, "Reading")
    assert stream.getvalue() == ""


def test_console_draws_a_bar_on_a_terminal():
    stream = Terminal()
    progress = console_progress("Registering", stream)
    progress.report(0.5, "Reading")
    progress.report(1.0)
    text = stream.getvalue()
    assert "Registering:  50%" in text
    assert "Reading" in text
    assert "Registering: 100%" in text


def test_slicer_gets_its_tags_flushed():
    class Pipe(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    pipe = Pipe()
    progress = slicer_progress(pipe)
    progress.report(0.4, "Training & testing")
    progress.report(0.5)
    assert pipe.flushed.splitlines() == [
        "<filter-comment>Training &amp; testing</filter-comment>",
        "<filter-progress>0.4</filter-progress>",
        "<filter-progress>0.5</filter-progress>",
    ]


def test_a_file_cancels(progress, heard, tmp_path):
    stoppable = progress_until_file(progress, tmp_path / "stop")
    stoppable.part(0.0, 0.5).report(0.5, "Training")
    (tmp_path / "stop").touch()
    with pytest.raises(Cancelled):
        stoppable.part(0.0, 0.5).report(1.0)
    assert heard == [(0.25, "Training"), (0.5, "Training")]
    assert not progress.cancelled
