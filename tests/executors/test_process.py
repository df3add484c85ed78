import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl_img.executors import process, pulse
from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, start_context, wait_for_news
from automl_img.executors.pulse import Pulse
from automl_img.training.spec import FailureKind

sys.path.insert(0, str(Path(__file__).parent))
import fault_tasks


def answer_of(child, on_message=lambda message: None, patience=30.0):
    while True:
        wait_for_news([child], patience)
        for news in child.news():
            if isinstance(news, TaskDone | TaskFailed):
                return news
            on_message(news)


def run(task, tmp_path, argument=None, deadline=None, on_message=lambda message: None):
    return answer_of(ChildProcess(task, argument, tmp_path / "log.txt", deadline), on_message)


def test_a_task_sends_messages_and_its_value(tmp_path):
    heard = []
    assert run(fault_tasks.double, tmp_path, 21, on_message=heard.append) == TaskDone(42)
    assert heard == ["started"]


def test_what_is_not_ours_and_comes_of_the_same_fork_server_ends_by_a_sigterm():
    """As multiprocessing's own pools expect it."""
    here, there = start_context().Pipe()
    other = start_context().Process(target=fault_tasks.pause, args=(there,))
    other.start()
    assert here.poll(60) and here.recv() == "ready"
    other.terminate()
    other.join(60)
    assert other.exitcode == -signal.SIGTERM


@pytest.mark.parametrize("afresh", [False, True])
def test_files_of_the_current_folder_do_not_stand_in_for_modules_of_the_same_name(tmp_path, afresh):
    here, tools = tmp_path / "here", tmp_path / "tools"  # a command lies elsewhere, and has its own folder on its path
    here.mkdir(), tools.mkdir()
    for name in ("keras", "selectors", "random"):
        (here / f"{name}.py").write_text("raise SystemExit('not the module that was meant')\n")
    script = f"""
        import sys
        from pathlib import Path

        sys.path.append({str(Path(__file__).parent)!r})
        import fault_tasks
        from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed
        from automl_img.executors.process import avoid_fork_server, begin_fork_server, wait_for_news

        if {afresh}:
            avoid_fork_server()
        begin_fork_server()
        child = ChildProcess(fault_tasks.double, 21, Path("log.txt"))
        heard = []
        while not any(isinstance(one, TaskDone | TaskFailed) for one in heard):
            wait_for_news([child], 60.0)
            heard += child.news()
        print(heard[-1])
    """
    (tools / "command.py").write_text(textwrap.dedent(script))
    command = [sys.executable, tools / "command.py"]
    ran = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120, check=False)
    assert "TaskDone(value=42)" in ran.stdout, ran.stderr


@pytest.mark.parametrize("afresh", [False, True])
def test_each_process_has_keras_as_we_need_it_whatever_it_is_set_to(tmp_path, afresh):
    settings = {"backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    script = f"""
        import sys
        from pathlib import Path

        sys.path.append({str(Path(__file__).parent)!r})
        import fault_tasks
        from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, avoid_fork_server, wait_for_news

        if {afresh}:
            avoid_fork_server()
        child = ChildProcess(fault_tasks.settings_of_keras, None, Path({str(tmp_path)!r}) / "log.txt")
        heard = []
        while not any(isinstance(one, TaskDone | TaskFailed) for one in heard):
            wait_for_news([child], 60.0)
            heard += child.news()
        print(heard[-1])
    """
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert ran.stdout.strip() == "TaskDone(value=('tensorflow', 'channels_last'))", ran.stderr


def test_threads_that_start_processes_at_once_leave_the_script_and_the_environment_as_they_were(monkeypatch):
    script = sys.modules["__main__"]
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.delenv(process.SAFE_PATH, raising=False)
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def start_first():
        with process._nothing_of_the_user():
            first_in.set()
            second_in.wait(0.5)  # the second could begin meanwhile
        first_out.set()

    def start_second():
        first_in.wait(10)
        with process._nothing_of_the_user():
            second_in.set()
            first_out.wait(10)

    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(start_first), threads.submit(start_second)]:
            ended.result(30)
    assert sys.modules["__main__"] is script and process.SAFE_PATH not in os.environ


def test_what_a_task_prints_is_in_its_log(tmp_path, capfd):
    run(fault_tasks.say_something, tmp_path)
    assert "hello from the child" in (tmp_path / "log.txt").read_text()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("task", "kind", "said"),
    [
        (fault_tasks.raise_error, FailureKind.RAISED, "ValueError: three lines here"),
        (fault_tasks.segfault, FailureKind.CRASHED, "SIGSEGV"),
        (fault_tasks.out_of_memory, FailureKind.OUT_OF_MEMORY, "MemoryError"),
        (fault_tasks.kill_itself, FailureKind.OUT_OF_MEMORY, "SIGKILL"),
    ],
)
def test_each_way_to_fail_has_its_kind_and_one_line(tmp_path, task, kind, said):
    failed = run(task, tmp_path)
    assert failed.kind is kind
    assert said in failed.message
    assert "\n" not in failed.message


def test_a_hang_ends_at_its_deadline(tmp_path):
    pids = []
    failed = run(fault_tasks.hang, tmp_path, deadline=3.0, on_message=pids.append)
    assert failed.kind is FailureKind.TIMEOUT
    if pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)


def test_a_process_that_uses_no_processor_is_found_to_hang(tmp_path):
    """By sleeping for ever, and by being stopped from outside, which it cannot notice."""
    sleeping = ChildProcess(fault_tasks.hang, None, tmp_path / "log.txt", stillness=2.0)
    stopped = ChildProcess(fault_tasks.work_without_a_word, 3600, tmp_path / "other.txt", stillness=2.0)
    wait_for_news([stopped], 1.0)
    os.kill(stopped._process.pid, signal.SIGSTOP)
    for child in (sleeping, stopped):
        failed = answer_of(child, patience=0.4)
        assert failed.kind is FailureKind.TIMEOUT
        assert "no processor time in 2 s" in failed.message


def test_a_process_that_works_without_a_word_is_left_alone(tmp_path):
    child = ChildProcess(fault_tasks.work_without_a_word, 4.0, tmp_path / "log.txt", stillness=1.0)
    assert answer_of(child, patience=0.2) == TaskDone("done")


def test_time_in_which_nobody_looked_is_no_proof_of_a_hang():
    """A driver that was stopped with its children, or a machine that slept, finds them as they were."""
    clock = iter([0.0, 0.0, 1000.0, 2000.0, 2001.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulse, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        patch.setattr(Pulse, "_processor_seconds", lambda self: 5.0)
        watched = Pulse(1)
        assert [watched.still_for(120.0) for _ in range(4)] == [False, False, False, False]


def test_a_task_can_be_asked_to_end_in_good_order(tmp_path):
    child = ChildProcess(fault_tasks.until_stopped, None, tmp_path / "log.txt")
    assert answer_of(child, lambda message: child.stop()) == TaskDone("stopped in good order")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_all_processes_get_ends_no_task(tmp_path, number):
    """As Ctrl-C, `timeout` and systemd send it: the driver heeds it, and asks the task to end in good order."""
    child = ChildProcess(fault_tasks.until_stopped, None, tmp_path / "log.txt")

    def send_and_ask(message):
        os.kill(child._process.pid, number)
        child.stop()

    assert answer_of(child, send_and_ask) == TaskDone("stopped in good order")


def test_children_die_with_their_driver(tmp_path):
    """The driver is killed without a chance to tidy up; its child must be gone soon after."""
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import fault_tasks
        from pathlib import Path
        from automl_img.executors.process import ChildProcess, wait_for_news
        child = ChildProcess(fault_tasks.hang, None, Path({str(tmp_path)!r}) / "log.txt")
        while True:
            wait_for_news([child], 30.0)
            for pid in child.news():
                print(pid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    driver = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    pid = int(driver.stdout.strip())
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        import select

        ended, _, _ = select.select([pidfd], [], [], 20)
        assert ended, "the child outlived its driver"


def test_a_driver_that_comes_to_its_end_takes_its_children_along(tmp_path):
    """Python sends them a SIGTERM then, which they ignore, and waits for them."""
    script = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import fault_tasks
        from pathlib import Path
        from automl_img.executors.process import ChildProcess, avoid_fork_server, wait_for_news
        avoid_fork_server()
        child = ChildProcess(fault_tasks.hang, None, Path({str(tmp_path)!r}) / "log.txt")
        pids = []
        while not pids:
            wait_for_news([child], 30.0)
            pids = list(child.news())
        print(*pids)
    """)
    driver = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert driver.returncode == 0, driver.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(driver.stdout), 0)


def test_a_script_without_a_main_guard_is_not_run_again_by_its_children(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        print("the script runs")
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import fault_tasks
        from pathlib import Path
        from automl_img.executors.process import ChildProcess, TaskDone, wait_for_news
        child = ChildProcess(fault_tasks.double, 4, Path({str(tmp_path)!r}) / "log.txt")
        done = False
        while not done:
            wait_for_news([child], 30.0)
            done = any(isinstance(news, TaskDone) for news in child.news())
        print("done")
        """)
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert ran.stdout.split("\n")[:2] == ["the script runs", "done"], ran.stderr
