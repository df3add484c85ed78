"""Where a child of the fork server fails, later processes start afresh; in drivers of their own, since that cannot be taken back."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = """
    import sys
    sys.path.insert(0, {tests!r})
    import fault_tasks
    from pathlib import Path
    from automl_img.executors.canary import Canary, compute
    from automl_img.executors.process import ChildProcess, TaskDone, start_context, wait_for_news
    log = Path({folder!r}) / "canary.txt"
    canary = Canary(log, {task})
    print(canary.problem() or "well")
    print(start_context().get_start_method(), log.exists())
    child = ChildProcess(fault_tasks.double, 4, Path({folder!r}) / "log.txt")
    done = False
    while not done:
        wait_for_news([child], 30.0)
        done = any(news == TaskDone(8) for news in child.news())
    print("done")
"""


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("compute", ["well", "forkserver False", "done"]),
        ("fault_tasks.killed_once", ["well", "forkserver False", "done"]),
        ("fault_tasks.segfault", ["SIGSEGV", "spawn True", "done"]),
        ("fault_tasks.raise_error", ["ValueError: three lines here", "spawn True", "done"]),
    ],
)
def test_a_canary_decides_how_processes_start(task, said, tmp_path):
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path), task=task))
    environment = {**os.environ, "MARK": str(tmp_path / "killed")}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment)
    lines = ran.stdout.splitlines()
    assert len(lines) == 3 and all(word in line for word, line in zip(said, lines, strict=True)), ran.stderr


LOADING = """
    import signal
    from multiprocessing import forkserver
    from pathlib import Path
    from automl_img.executors.canary import Canary
    canary = Canary(Path({folder!r}) / "canary.txt")
    process = Path(f"/proc/{{forkserver._forkserver._forkserver_pid}}")
    ignored = 0
    while not ignored & 1 << signal.SIGINT - 1:
        (mask,) = (line.split()[1] for line in (process / "status").read_text().splitlines() if line.startswith("SigIgn"))
        ignored = int(mask, 16)
    print("loaded" if "libtensorflow" in (process / "maps").read_text() else "loading")
    print(canary.problem() or "well")
"""


def test_ctrl_c_does_not_end_the_fork_server_while_it_loads(tmp_path):
    script = textwrap.dedent(LOADING.format(folder=str(tmp_path)))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert ran.stdout.split() == ["loading", "well"], ran.stderr
