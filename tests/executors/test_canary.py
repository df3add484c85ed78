"""Where a child of the fork server fails, later processes start afresh; in drivers of their own, since that cannot be taken back."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DRIVER = """
    import signal
    import sys
    sys.path.insert(0, {tests!r})
    import fault_tasks
    from multiprocessing import forkserver
    from pathlib import Path
    from automl_img.executors.canary import Canary
    from automl_img.executors.process import ChildProcess, TaskDone, start_context, wait_for_news
    log = Path({folder!r}) / "canary.txt"

    def decide(canary):
        print(canary.problem() or "well")
        print(start_context().get_start_method(), log.exists())
        child = ChildProcess(fault_tasks.double, 4, Path({folder!r}) / "log.txt")
        done = False
        while not done:
            wait_for_news([child], 30.0)
            done = any(news == TaskDone(8) for news in child.news())
        print("done")
"""

WELL = """
    canary = Canary(log)
    process = Path(f"/proc/{forkserver._forkserver._forkserver_pid}")
    ignored, both = 0, 1 << signal.SIGINT - 1 | 1 << signal.SIGTERM - 1
    while ignored & both != both:
        (mask,) = (line.split()[1] for line in (process / "status").read_text().splitlines() if line.startswith("SigIgn"))
        ignored = int(mask, 16)
    print("loaded" if "libtensorflow" in (process / "maps").read_text() else "loading")
    decide(canary)
    decide(Canary(log, fault_tasks.killed_once))
"""


def lines_of(folder, code):
    """What a driver prints."""
    begin = DRIVER.format(tests=str(Path(__file__).parent), folder=str(folder))
    script = textwrap.dedent(begin) + textwrap.dedent(code)
    environment = {**os.environ, "MARK": str(folder / "killed")}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.fixture(scope="module")
def well(tmp_path_factory):
    """What a driver prints whose fork server works: while that loads, after a canary, and after one that was killed once."""
    lines = lines_of(tmp_path_factory.mktemp("well"), WELL)
    assert len(lines) == 7, lines
    return lines


def test_neither_ctrl_c_nor_a_sigterm_ends_the_fork_server_while_it_loads(well):
    assert well[0] == "loading"


def test_a_canary_that_is_well_lets_processes_be_forked(well):
    assert well[1:4] == ["well", "forkserver False", "done"]


def test_a_canary_that_is_killed_from_outside_is_tried_once_more(well):
    assert well[4:] == ["well", "forkserver False", "done"]


@pytest.mark.parametrize(("task", "said"), [("segfault", "SIGSEGV"), ("raise_error", "ValueError: three lines here")])
def test_a_canary_that_fails_lets_processes_start_afresh(task, said, tmp_path):
    problem, *after = lines_of(tmp_path, f"decide(Canary(log, fault_tasks.{task}))")
    assert said in problem and after == ["spawn True", "done"]
