import contextlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from automl_img.executors.process import ChildProcess, TaskDone, TaskFailed, wait_for_news
from automl_img.training.spec import FailureKind

sys.path.insert(0, str(Path(__file__).parent))
import fault_tasks


def answer_of(child, on_message=lambda message: None):
    while True:
        wait_for_news([child], 30.0)
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


def test_a_task_can_be_asked_to_end_in_good_order(tmp_path):
    child = ChildProcess(fault_tasks.until_stopped, None, tmp_path / "log.txt")
    assert answer_of(child, lambda message: child.stop()) == TaskDone("stopped in good order")


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
