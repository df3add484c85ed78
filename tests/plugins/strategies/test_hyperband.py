import json

import pytest
from automl_img_strategies.hyperband import HyperbandSearch

from automl_img.plugin import DONE, Outcome, Space
from automl_img.plugin.oracle_state import trials_of


@pytest.fixture
def line():
    hp = Space()
    hp.Float("x", 0.0, 1.0)
    return tuple(hp)


def test_the_best_of_a_round_are_continued_with_more_of_a_training(started, search, line):
    strategy = started(HyperbandSearch, parameters=line, epochs=9, iterations=1)
    done = search(strategy, trials=99, of=lambda values: values["x"])
    scores = {suggestion.key: found for suggestion, found in done}
    fractions = {suggestion.key: suggestion.fraction for suggestion, _ in done}
    first = [suggestion for suggestion, _ in done if suggestion.fraction == pytest.approx(1 / 9)]
    continued = [s for s, _ in done if s.continues in {f.key for f in first}]
    assert len(first) == 9 and len(continued) == 3
    best = sorted((f.key for f in first), key=scores.get)[-3:]
    assert {s.continues for s in continued} == set(best)
    assert all(fractions[s.key] > fractions[s.continues] for s, _ in done if s.continues)
    assert max(fractions.values()) == 1.0
    assert strategy.ask() is DONE


def test_it_waits_for_a_running_trial_that_decides_who_goes_on(started, line):
    from automl_img.plugin import WAIT

    strategy = started(HyperbandSearch, parameters=line, epochs=3, iterations=1)
    running = []
    while (answer := strategy.ask()) not in (WAIT, DONE):
        running.append(answer)
    assert answer is WAIT
    for number, suggestion in enumerate(running):
        strategy.tell(Outcome(suggestion.key, suggestion.values, float(number)))
    assert strategy.ask().continues is not None


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("slots", [1, 4])
def test_failures_stall_no_round_and_are_never_continued(started, line, share, slots):
    strategy = started(HyperbandSearch, parameters=line, epochs=9, iterations=2, seed=5)
    failed, running, asked = set(), [], 0
    while True:
        answer = strategy.ask() if len(running) < slots else None
        if answer is DONE and not running:
            break
        if hasattr(answer, "key"):
            assert answer.continues not in failed
            running.append(answer)
            asked += 1
            assert asked < 200
            continue
        first = running.pop(0)
        fails = first.values["x"] < share
        failed |= {first.key} if fails else set()
        strategy.tell(Outcome(first.key, first.values, None if fails else first.values["x"]))
    assert asked >= 30
    assert failed


@pytest.mark.parametrize("options", [{}, {"iterations": 3}], ids=["as often as the budget allows", "three times"])
def test_a_space_too_small_for_a_round_still_gives_full_trainings(started, search, options):
    hp = Space()
    hp.Choice("a", [1, 2, 3, 4])
    strategy = started(HyperbandSearch, parameters=tuple(hp), epochs=27, **options)
    done = search(strategy, trials=99, slots=2, of=lambda values: float(values["a"]))
    assert len([s for s, _ in done if s.continues is None]) == 4
    assert (1.0, 4) in {(s.fraction, s.values["a"]) for s, _ in done}
    assert strategy.ask() is DONE


def test_unless_told_otherwise_it_goes_on_beyond_the_trials_that_were_expected(started, search, line):
    strategy = started(HyperbandSearch, parameters=line, epochs=3, trials=2)
    assert len(search(strategy, trials=25, of=lambda values: values["x"])) == 25
    json.dumps(strategy.state(), allow_nan=False)


def test_a_search_that_goes_on_with_a_larger_budget_gets_more_suggestions(started, resumed, search, line):
    strategy = started(HyperbandSearch, parameters=line, epochs=3, trials=6)
    search(strategy, trials=6, of=lambda values: values["x"])
    larger = resumed(strategy, parameters=line, epochs=3, trials=12)
    assert len(search(larger, trials=12, of=lambda values: values["x"])) == 12
    bound = started(HyperbandSearch, parameters=line, epochs=3, trials=6, iterations=1)
    search(bound, trials=6, of=lambda values: values["x"])
    again = resumed(bound, parameters=line, epochs=3, trials=12, iterations=1)
    assert again.ask() is DONE, "so often it was asked to run"


def test_one_epoch_is_one_full_training_each(started, search, line):
    done = search(started(HyperbandSearch, parameters=line, epochs=1), trials=6, of=lambda values: 0.5)
    assert [s.fraction for s, _ in done] == [1.0] * 6


def test_starting_points_are_not_mixed_with_shorter_trainings(started, line):
    strategy = started(HyperbandSearch, parameters=line)
    strategy.tell(Outcome("start", {"x": 0.5}, 0.9))
    assert not trials_of(strategy.state())
