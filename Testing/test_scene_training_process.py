"""A training in its own process: heard while it runs, stopped politely or hard with all that it started, never waited for."""

import os
import signal
import time
from pathlib import Path

import pytest

from DeformationLib.bundle import read_weights
from DeformationLib.catalogue import read_card
from DeformationLib.errors import InputError

TINY = "--widths 2,2 --code-channels 2 --group-size 2 --validation-rule 2:1 --device cpu --grid 8,8,8 --spacing 6"
COMMAND = "LatentRegistrationTrain"


@pytest.fixture
def library(application):
    """The module under test, which needs what the host puts in place."""
    from DeformationSceneLib import training_process

    return training_process


@pytest.fixture
def start(library, tmp_path, monkeypatch):
    """Factory of processes that run a few lines of Python, with `stop_file` in reach; all are ended after the test."""
    started = []

    def run(lines, *options):
        script = tmp_path / "command.py"
        script.write_text(f"import os, sys, time, subprocess\nstop_file = sys.argv[-1].partition('=')[2]\n{lines}\n")
        monkeypatch.setattr(library, "command_script", lambda name: script)
        started.append(library.TrainingProcess("Command", options))
        return started[-1]

    yield run
    for process in started:
        process.close()


def listen(process, until=lambda: False, seconds=120):
    """Poll until a condition holds or the process has ended; returns the lines."""
    lines, deadline = [], time.monotonic() + seconds
    while process.active and not until():
        assert time.monotonic() < deadline, lines
        lines += process.poll()
        time.sleep(0.01)
    return lines


def options_for(phantom_folder, output, words=""):
    given = [
        "--images",
        str(phantom_folder / "images"),
        "--labels",
        str(phantom_folder / "labels"),
        "--output",
        str(output),
    ]
    return [*given, *TINY.split(), *words.split()]


def exists(pid):
    """Whether a process is there and is not only waiting to be noticed."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_what_is_written_is_heard_while_the_process_runs(start, library):
    process = start(
        "print('<filter-comment>epoch 1 &amp; 2</filter-comment>\\n<filter-progress>0.25</filter-progress>')\n"
        "print('grün'); print('<filter-progress>nonsense</filter-progress>')\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)",
        go := "go",
    )
    assert listen(process, lambda: process.lines) == ["grün"]
    assert (process.state, process.fraction, process.message) == (library.ProcessState.RUNNING, 0.25, "epoch 1 & 2")
    assert process.active
    Path(go).touch()
    try:
        listen(process)
    finally:
        Path(go).unlink()
    assert process.state == library.ProcessState.FINISHED
    assert process.poll() == []


def test_the_last_lines_of_a_process_that_writes_much_are_not_lost(start):
    process = start("for number in range(5000): print(number)")
    assert listen(process) == [str(number) for number in range(5000)]


def test_the_commands_own_sentence_is_the_error(start, library):
    process = start("print('usage: Command', file=sys.stderr)\nsys.exit('Command: error: no such option') ")
    listen(process)
    assert process.state == library.ProcessState.FAILED
    assert isinstance(process.failure(), RuntimeError)  # exit code 1: nobody has foreseen this
    process = start("print('Command: error: The folder is empty.', file=sys.stderr)\nsys.exit(2)")
    listen(process)
    failure = process.failure()
    assert isinstance(failure, InputError)
    assert str(failure) == "The folder is empty."


def test_an_unforeseen_end_is_told_with_its_last_lines(start, library):
    process = start("print('step 1', flush=True)\nraise ValueError('something broke')")
    listen(process)
    assert process.state == library.ProcessState.FAILED
    assert "ended with exit code 1" in str(process.failure())
    assert "ValueError: something broke" in str(process.failure())
    process = start("os.kill(os.getpid(), 9)")
    listen(process)
    assert process.state == library.ProcessState.FAILED
    assert "memory ran out" in str(process.failure())


def test_a_polite_stop_lets_the_process_end_by_itself(start, library):
    process = start(
        "print('ready', flush=True)\n"
        "while not os.path.exists(stop_file): time.sleep(0.01)\n"
        "print('wrote the model'); sys.exit(130)"
    )
    listen(process, lambda: process.lines)
    process.stop()
    process.stop()
    assert process.state == library.ProcessState.STOPPING
    assert listen(process) == ["wrote the model"]
    assert process.state == library.ProcessState.STOPPED


def test_a_failure_after_the_polite_stop_is_a_failure(start, library):
    process = start(
        "print('ready', flush=True)\nwhile not os.path.exists(stop_file): time.sleep(0.01)\n1 / 0",
    )
    listen(process, lambda: process.lines)
    process.stop()
    listen(process)
    assert process.state == library.ProcessState.FAILED
    assert "ZeroDivisionError" in str(process.failure())


@pytest.mark.skipif(os.name == "nt", reason="looks for processes as POSIX does")
@pytest.mark.parametrize("end", ["kill", "close"])
def test_a_hard_stop_ends_the_whole_tree_even_if_it_ignores_signals(start, library, end):
    """As under Slicer's launcher, where the command is the grandchild."""
    process = start(
        "import signal\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(os.getpid()); print(child.pid, flush=True)\n"
        "child.wait()"
    )
    listen(process, lambda: len(process.lines) == 2)
    pids = [int(line) for line in process.lines]
    assert all(map(exists, pids))
    getattr(process, end)()
    listen(process)
    assert process.state == library.ProcessState.STOPPED
    deadline = time.monotonic() + 30
    while any(map(exists, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="looks for processes as POSIX does")
def test_a_process_whose_launcher_was_killed_is_still_ended(start, library):
    process = start(
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(os.getpid()); print(child.pid, flush=True)\n"
        "child.wait()"
    )
    listen(process, lambda: len(process.lines) == 2)
    launcher, child = (int(line) for line in process.lines)
    os.kill(launcher, signal.SIGKILL)
    time.sleep(0.2)
    process.poll()
    assert process.active  # the child still writes into the pipe
    process.kill()
    listen(process)
    assert not exists(child)
    assert process.state == library.ProcessState.STOPPED


def test_nothing_is_left_behind(start, library):
    process = start("sys.exit(0)")
    folder = process._folder
    assert folder.is_dir()
    listen(process)
    assert not folder.exists()
    process.kill()
    process.stop()
    process.close()
    assert process.state == library.ProcessState.FINISHED


@pytest.mark.skipif(os.name == "nt", reason="looks for processes as POSIX does")
def test_a_forgotten_process_is_ended(library, tmp_path, monkeypatch):
    script = tmp_path / "command.py"
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    monkeypatch.setattr(library, "command_script", lambda name: script)
    process = library.TrainingProcess("Command", [])
    lines, popen = process.lines, process._process
    while not lines:
        process.poll()
    pid = int(lines[0])
    del process
    popen.wait(30)
    assert not exists(pid)


def test_a_python_that_is_not_there_is_told_in_a_sentence(start, library, monkeypatch):
    monkeypatch.setattr(library, "python_executable", lambda: "/no/such/PythonSlicer")
    with pytest.raises(InputError, match="cannot be started"):
        start("pass")


def test_the_command_is_found_in_the_source_tree_and_in_an_installed_extension(library, tmp_path, monkeypatch):
    assert library.command_script(COMMAND).is_file()
    installed = tmp_path / "lib" / "Slicer-5.12"
    monkeypatch.setattr(library, "__file__", str(installed / "qt-scripted-modules" / "DeformationSceneLib" / "x.py"))
    with pytest.raises(InputError, match="install the extension again"):
        library.command_script(COMMAND)
    for folder in ("cli-modules/Release", "cli-modules"):
        script = installed / folder / f"{COMMAND}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.touch()
        assert library.command_script(COMMAND) == script


def test_a_real_training_is_killed_resumed_and_stopped(library, phantom_folder, tmp_path):
    output, log = tmp_path / "output", tmp_path / "output" / "log.csv"

    def train(words=""):
        words = f"--epochs 4000 --full-resolution-epochs 0 {words}"
        return library.TrainingProcess(COMMAND, options_for(phantom_folder, output, words))

    def epochs():
        return len(log.read_text().splitlines()) - 1 if log.exists() else 0

    process = train()
    listen(process, lambda: epochs() >= 2)
    process.kill()
    listen(process)
    assert process.state == library.ProcessState.STOPPED
    killed_after = epochs()

    process = train("--resume")
    lines = listen(process, lambda: epochs() > killed_after + 2)
    # Nothing that was logged is lost; the checkpoint of an epoch is written just before its line in the log.
    resumed_after = int(next(line for line in lines if line.startswith("resumed after epoch")).split()[-1])
    assert killed_after <= resumed_after <= killed_after + 1
    process.stop()
    lines = listen(process)
    assert process.state == library.ProcessState.STOPPED, lines
    assert any("writing the model of the best epoch so far" in line for line in lines)
    assert 0 < process.fraction < 0.9
    card = read_card(output / "model")
    assert card["training"]["epochs"] == epochs()
    read_weights(output / "model", card)
