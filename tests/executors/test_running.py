"""Tasks beside the trials: all answers in their order, and a second attempt for a process that was lost."""

import sys
from pathlib import Path

from automl_img.executors.process import TaskDone
from automl_img.executors.running import GIVEN_UP, run_tasks
from automl_img.training.spec import FailureKind

sys.path.insert(0, str(Path(__file__).parent))
import fault_tasks


def test_answers_come_in_the_order_of_the_arguments(tmp_path):
    logs = [tmp_path / f"{number}.txt" for number in range(3)]
    assert run_tasks(fault_tasks.double, [1, 2, 3], logs) == [TaskDone(2), TaskDone(4), TaskDone(6)]


def test_a_process_that_was_lost_is_started_once_more(tmp_path):
    arguments = [tmp_path / "first", tmp_path / "second"]
    arguments[1].touch()
    answers = run_tasks(fault_tasks.crash_at_first, arguments, [tmp_path / "a.txt", tmp_path / "b.txt"])
    assert answers == [TaskDone("the second time"), TaskDone("the second time")]


def test_a_process_that_hangs_is_started_once_more(tmp_path):
    (answer,) = run_tasks(fault_tasks.hang_at_first, [tmp_path / "first"], [tmp_path / "log.txt"], stillness=2.0)
    assert answer == TaskDone("the second time")


def test_a_deadline_ends_all_attempts(tmp_path):
    arguments, logs = [tmp_path / "first"], [tmp_path / "log.txt"]
    (answer,) = run_tasks(fault_tasks.hang_at_first, arguments, logs, deadline=1.0)
    assert answer.kind is FailureKind.TIMEOUT, "there is no time for a second one, which would do"
    assert "did not end within its 1 s" in answer.message


def test_what_has_not_ended_is_given_up_when_the_search_is_asked_to_end(tmp_path):
    begun = tmp_path / "first"
    (answer,) = run_tasks(fault_tasks.hang_at_first, [begun], [tmp_path / "log.txt"], stop_asked=begun.exists)
    assert answer == GIVEN_UP


def test_one_attempt_is_all_where_no_more_are_wanted(tmp_path):
    (answer,) = run_tasks(fault_tasks.crash_at_first, [tmp_path / "first"], [tmp_path / "log.txt"], most=1)
    assert answer.kind is FailureKind.CRASHED


def test_one_that_is_lost_twice_or_raises_has_failed(tmp_path):
    (crashed,) = run_tasks(fault_tasks.segfault, [None], [tmp_path / "log.txt"])
    assert crashed.kind is FailureKind.CRASHED
    (raised,) = run_tasks(fault_tasks.raise_error, [None], [tmp_path / "other.txt"])
    assert raised.kind is FailureKind.RAISED
    assert (tmp_path / "other.txt").read_text().count("Traceback") == 1, "what raises is not tried again"
