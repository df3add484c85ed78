import json
import math
from dataclasses import replace

import numpy as np
import pytest

from automl_img.plugin import DONE, WAIT, Outcome, Parameter, SearchStrategy, Suggestion
from automl_img.search.budget import Budget
from automl_img.search.journal import TrialRow
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.stages import PREDICTION_STEPS
from automl_img.search.trials import Rules, Start
from automl_img.training.spec import EpochReport, FailureKind, TrialResult, TrialSpec

NAMES = ("small", "middle", "large")
AFFINITY = {"flip": 0.97, "swirl": 0.3}


class Endless(SearchStrategy):
    """Suggests the first architecture with another width each time, and remembers what it was told."""

    name = "endless"

    def start(self, problem):
        self.problem, self.asked, self.told = problem, 0, []

    def ask(self):
        self.asked += 1
        values = {"architecture": next(p.values[0] for p in self.problem.parameters if p.name == "architecture")}
        return Suggestion(f"s{self.asked}", values)

    def tell(self, outcome):
        self.told.append(outcome)

    def state(self):
        return {"asked": self.asked}


class Failing(Endless):
    """Raises at one of its calls."""

    def __init__(self, call):
        def fail(*arguments):
            raise RuntimeError("no")

        setattr(self, call, fail)


class Exhausted(Endless):
    """Has nothing to suggest."""

    def ask(self):
        return DONE


def space():
    return SearchSpace(
        (
            Parameter("architecture", "choice", NAMES[0], NAMES),
            Parameter("augmentation.flip", "boolean", False),
            Parameter("augmentation.swirl", "boolean", False),
            Parameter("optimizer", "choice", "adamw", ("adamw",)),
            Parameter("optimizer.adamw.lr", "float", 0.004, low=1e-4, high=0.1),
            Parameter("batch_size", "choice", 128, (64, 128)),
        )
    )


def starts(names=NAMES):
    return [Start(name, space().start(name, {}), 1e-4 * (i + 1)) for i, name in enumerate(names)]


def rules(**changes):
    fields = {
        "seed": 7,
        "epochs": 50,
        "patience": 5,
        "examples": 50_000,
        "slots": 2,
        "end": 580.0,
        "final_share": 0.6,
        "precision": "float32",
        "probe": ("flip", "swirl"),
        "versions": {"architecture/small": "1"},
    }
    return Rules(**{**fields, **changes})


def scheduler(budget=None, strategy=None, **changes):
    return Scheduler(space(), starts(), strategy or Endless(), budget or Budget(time=600.0), rules(**changes), 5.0)


def result(f1=0.8, epochs=2.0, affinity=None, parameters=1000, loss=0.5, steps=10, speed=20_000.0):
    return TrialResult(
        f1=f1,
        val_loss=loss,
        epochs=epochs,
        best_epoch=epochs,
        steps=steps,
        parameters=parameters,
        megaflops=1.0,
        seconds=10.0,
        training_seconds=8.0,
        images_per_second=speed,
        why_ended="time",
        weights_sha256="",
        affinity=affinity or {},
    )


def run(scheduler, score, seconds=10.0, now=5.0, limit=200, steps=10, speed=lambda spec: 20_000.0):
    """Play the whole search with trials that take as long as they were given; returns the specs."""
    specs, running = [], []
    for _ in range(limit):
        answer = scheduler.next(now)
        if answer is DONE:
            return specs
        if answer is WAIT:
            end, spec = min(running, key=lambda pair: pair[0])
            running.remove((end, spec))
            now = max(now, end)
            affinity = {name: AFFINITY[name] for name in spec.probe}
            scheduler.freed(spec.trial, now)
            scheduler.record(spec.trial, result(score(spec), affinity=affinity, steps=steps, speed=speed(spec)))
            continue
        specs.append(answer)
        took = answer.fidelity.seconds + 5 if answer.fidelity.seconds else (answer.deadline or seconds)
        running.append((now + min(took, answer.deadline or math.inf), answer))
        if len(running) == 2:
            end, spec = min(running, key=lambda pair: pair[0])
            running.remove((end, spec))
            now = max(now, end)
            scheduler.freed(spec.trial, now)
            affinity = {name: AFFINITY[name] for name in spec.probe}
            scheduler.record(spec.trial, result(score(spec), affinity=affinity, steps=steps, speed=speed(spec)))
    raise AssertionError("the search does not end")


def test_each_architecture_gets_a_look_first_cheapest_first():
    specs = run(scheduler(), lambda spec: 0.8)
    looks = [spec for spec in specs if spec.stage == "look"]
    assert [spec.architecture for spec in looks] == list(NAMES)
    assert specs[: len(looks)] == looks


def test_looks_are_alike_and_a_single_one_has_all_cores_and_all_memory():
    memory = {"memory_limit": 100, "memory_alone": 200}
    looks = [spec for spec in run(scheduler(**memory), lambda spec: 0.8) if spec.stage == "look"]
    assert {(spec.threads, spec.memory_limit) for spec in looks} == {(1, 100)}
    assert len({spec.fidelity.seconds for spec in looks}) == 1, "one that is left over has as long as the others"
    single = Scheduler(space(), starts(NAMES[:1]), Endless(), Budget(time=600.0), rules(**memory), 5.0)
    look = run(single, lambda spec: 0.8)[0]
    assert (look.stage, look.threads, look.memory_limit) == ("look", 0, 200)


@pytest.mark.parametrize(("steps", "chosen"), [(30, "small"), (3000, "middle")])
def test_a_short_look_does_not_outweigh_what_was_expected_and_a_long_one_does(steps, chosen):
    expected = {"small": 0.0, "middle": 0.5, "large": 1.0}
    known = [replace(start, expected=expected[start.architecture]) for start in starts()]
    made = Scheduler(space(), known, Endless(), Budget(time=600.0), rules(), 5.0)
    score = {"small": 0.80, "middle": 0.84, "large": 0.7}
    specs = run(made, lambda spec: score[spec.architecture], steps=steps)
    assert next(spec for spec in specs if spec.stage == "final").architecture == chosen


def test_a_network_that_has_seen_less_is_chosen_if_it_is_foreseen_to_be_better():
    score, speed = (
        {"small": 0.8, "middle": 0.75, "large": 0.6},
        {"small": 20_000.0, "middle": 4000.0, "large": 20_000.0},
    )
    specs = run(scheduler(), lambda spec: score[spec.architecture], speed=lambda spec: speed[spec.architecture])
    final = next(spec for spec in specs if spec.stage == "final")
    assert final.architecture == "middle" and "F1 0.750, 0." in final.why


def test_most_of_the_time_goes_to_the_final_training_of_the_best():
    specs = run(scheduler(), lambda spec: {"small": 0.7, "middle": 0.9, "large": 0.8}[spec.architecture])
    finals = [spec for spec in specs if spec.stage == "final"]
    assert finals[0].architecture == "middle"
    assert finals[0].deadline > 0.55 * 580
    assert finals[0].threads == 0, "the final training has the whole machine"


@pytest.mark.parametrize(("best", "spared"), [("small", 2e-4), ("middle", 1e-4), ("large", 0.0)])
def test_a_final_training_has_the_time_that_was_kept_for_predictions_of_dearer_networks(best, spared):
    speeds = {start.architecture: 1 / start.seconds_per_image for start in starts()}

    def deadline(images):
        score, speed = lambda spec: 0.9 if spec.architecture == best else 0.8, lambda spec: speeds[spec.architecture]
        specs = run(scheduler(evaluated=images), score, speed=speed)
        assert {spec.architecture for spec in specs if spec.stage == "look"} == set(NAMES)
        final = next(spec for spec in specs if spec.stage == "final")
        assert final.architecture == best
        return final.deadline

    assert deadline(20_000) == pytest.approx(deadline(0) + PREDICTION_STEPS * 20_000 * spared)


def test_what_is_suggested_after_the_final_trainings_leaves_time_for_predictions_of_the_dearest_network():
    speeds = {start.architecture: 1 / start.seconds_per_image for start in starts()}
    made, now, stages, ends = scheduler(evaluated=20_000), 5.0, [], []
    while "final" not in stages or stages[-1] == "final":
        answer = made.next(now)
        assert isinstance(answer, TrialSpec)
        stages.append(answer.stage)
        ends.append(now + answer.deadline)
        now += 5.0  # of the early stopping of a quick one
        made.freed(answer.trial, now)
        f1, speed = 0.9 if answer.architecture == "small" else 0.8, speeds[answer.architecture]
        affinity = {name: AFFINITY[name] for name in answer.probe}
        made.record(answer.trial, result(f1, affinity=affinity, speed=speed))
    assert ends[stages.index("final")] == pytest.approx(580.0 + PREDICTION_STEPS * 20_000 * 2e-4)
    assert stages[-1] == "search" and ends[-1] == pytest.approx(580.0)


PAIR = {"finals": 2, "final_threads": 1, "devices": 2.0, "devices_alone": 2.0}


def finals_of(score, speed=lambda spec: 20_000.0, **changes):
    specs = run(scheduler(**{**PAIR, **changes}), lambda spec: score[spec.architecture], speed=speed)
    return [spec for spec in specs if spec.stage == "final"]


def test_two_final_trainings_run_side_by_side_with_a_part_of_the_cores_each():
    first, second, *later = finals_of({"small": 0.7, "middle": 0.91, "large": 0.9})
    assert [first.architecture, second.architecture] == ["middle", "large"]
    assert first.deadline == second.deadline > 0.55 * 580, "both begin at once"
    assert (first.threads, second.threads) == (1, 1) and not later


def test_where_no_other_architecture_is_nearly_as_good_the_best_one_is_trained_under_two_seeds():
    first, second, *_ = finals_of({"small": 0.7, "middle": 0.9, "large": 0.8})
    assert first.values == second.values and first.architecture == "middle"
    assert first.seed != second.seed and (first.repeats, second.repeats) == (0, first.trial)


def test_a_network_that_would_see_the_images_too_seldom_with_a_part_of_the_cores_has_them_all():
    score = {"small": 0.7, "middle": 0.91, "large": 0.9}
    alone, *_ = finals_of(score, lambda spec: 1000.0, evaluated=10_000)
    assert (alone.architecture, alone.threads) == ("middle", 0)
    first, *_ = finals_of(score, evaluated=10_000, examples=200_000)
    second, *_ = finals_of(score, evaluated=10_000)
    assert (first.threads, second.threads) == (0, 1)
    assert first.deadline > second.deadline, "one network is predicted in less time"
    assert first.deadline > alone.deadline, "predictions will be as slow as its look"


def test_a_partner_that_would_see_the_images_too_seldom_is_left_out():
    score, speed = (
        {"small": 0.7, "middle": 0.91, "large": 0.85},
        {"small": 20_000.0, "middle": 20_000.0, "large": 5000.0},
    )
    first, second, *_ = finals_of(score, lambda spec: speed[spec.architecture])
    assert [first.architecture, second.architecture] == ["middle", "middle"]
    assert second.repeats == first.trial


def ahead(score, **changes):
    """Play until the first final training has begun beside the last look; returns the scheduler, the time and both."""
    made, now, running = scheduler(end=320.0, **{**PAIR, **changes}), 5.0, []
    for _ in range(50):
        answer = made.next(now)
        if isinstance(answer, TrialSpec):
            running.append(answer)
            if answer.stage == "final":
                return made, now, running
        else:
            assert answer is WAIT and len(running) < 2, "a core is idle beside the last look"
        if len(running) == 2:
            spec, now = running.pop(0), now + 30.0
            made.freed(spec.trial, now)
            made.record(spec.trial, result(score[spec.architecture], affinity={"flip": 0.9} if spec.probe else {}))
    raise AssertionError("no final training begins")


@pytest.mark.parametrize(
    ("last", "partner"), [(0.7, "small"), (0.89, "large"), (0.99, "large")], ids=["far worse", "as good", "better"]
)
def test_the_first_final_training_does_not_wait_for_the_last_look(last, partner):
    score = {"small": 0.88, "middle": 0.9, "large": last}
    made, now, (look, first) = ahead(score)
    assert (look.stage, look.architecture) == ("look", "large")
    assert (first.architecture, first.threads) == ("middle", 1)
    assert made.next(now) is WAIT
    made.freed(look.trial, now + 9.0)
    made.record(look.trial, result(last))
    second = made.next(now + 9.0)
    assert (second.stage, second.architecture, second.threads) == ("final", partner, 1)
    assert first.deadline - second.deadline == pytest.approx(9.0), "both end at the same moment"
    assert made.next(now + 9.0) is WAIT


def test_when_the_last_look_and_all_others_are_far_worse_the_best_is_trained_under_two_seeds():
    made, now, (look, first) = ahead({"small": 0.6, "middle": 0.9, "large": 0.6})
    made.record(look.trial, result(0.6))
    second = made.next(now)
    assert second.values == first.values and (second.repeats, second.seed != first.seed) == (first.trial, True)


def test_a_final_training_that_began_ahead_and_failed_leaves_its_place_to_the_next_two():
    made, now, (look, first) = ahead({"small": 0.88, "middle": 0.9, "large": 0.89})
    assert made.fail(first.trial, FailureKind.RAISED, "") is False
    made.record(look.trial, result(0.89))
    second, third = made.next(now), made.next(now)
    assert [(spec.architecture, spec.threads) for spec in (second, third)] == [("large", 1), ("small", 1)]


def test_no_final_training_begins_before_its_cores_are_free():
    four = {"slots": 4, "final_threads": 2, "devices": 4.0, "devices_alone": 4.0}
    made = scheduler(end=320.0, **{**PAIR, **four})
    looks = [made.next(5.0) for _ in NAMES]
    made.record(looks[0].trial, result(0.8))
    assert made.next(125.0).stage == "final", "two looks have two of the four cores"
    made = scheduler(end=320.0, **{**PAIR, **four, "final_threads": 3})
    looks = [made.next(5.0) for _ in NAMES]
    made.record(looks[0].trial, result(0.8))
    assert made.next(125.0) is WAIT


def test_no_final_training_begins_before_its_augmentations_are_known():
    made = scheduler(end=320.0, **PAIR)
    first, second = made.next(5.0), made.next(5.0)
    made.record(second.trial, result(0.9))
    third = made.next(35.0)
    made.record(third.trial, result(0.8))
    assert first.probe and made.next(65.0) is WAIT
    made.record(first.trial, result(0.8, affinity={"flip": 0.97}))
    assert made.next(66.0).values["augmentation.flip"] is True


def test_the_last_trial_of_a_budget_has_all_cores():
    stages = [spec.stage for spec in run(scheduler(**PAIR), lambda spec: 0.8)]
    before = stages.index("final")
    specs = run(scheduler(Budget(time=600.0, trials=before + 1), **PAIR), lambda spec: 0.8)
    assert [(spec.stage, spec.threads) for spec in specs[before:]] == [("final", 0)]


@pytest.mark.parametrize("limit", ["trials", "epochs"])
def test_the_last_of_a_budget_is_for_the_final_training(limit):
    stages = [spec.stage for spec in run(scheduler(), lambda spec: 0.8)]
    before = stages.index("final")
    assert "search" in stages[:before]
    budget = Budget(time=600.0, trials=before) if limit == "trials" else Budget(time=600.0, epochs=57)
    specs = run(scheduler(budget), lambda spec: 0.8)
    assert specs[-1].stage == "final" and specs[-1].fidelity.epochs > 40
    assert len(specs) <= before


def test_the_last_full_training_has_all_cores_only_if_it_runs_alone():
    made = scheduler(Budget(trials=2), end=math.inf, probe=())
    first, second = made.next(5.0), made.next(5.0)
    assert (first.threads, second.threads) == (1, 1)
    alone = scheduler(Budget(trials=2), end=math.inf, probe=(), slots=1)
    alone.record(alone.next(5.0).trial, result())
    assert alone.next(6.0).threads == 0


def test_two_final_trainings_side_by_side_take_the_time_of_all_devices():
    made = scheduler(**PAIR)
    run(made, lambda spec: 0.8)
    assert made.changes()["scheduler"]["meter"]["spent"] > 0.9 * 2 * 575, "two devices were busy nearly all the time"


def test_no_trial_may_run_past_the_end():
    instance = scheduler()
    now, running, ends = 5.0, [], {}
    for _ in range(100):
        answer = instance.next(now) if len(running) < 2 else WAIT
        if answer is DONE:
            break
        if answer is WAIT:
            now, spec = running.pop(0)
            instance.record(spec.trial, result())
            continue
        moment = now + answer.deadline  # the worst case: each takes all it may
        ends[answer.stage] = max(moment, ends.get(answer.stage, 0.0))
        running = sorted([*running, (moment, answer)], key=lambda pair: pair[0])
    assert answer is DONE and ends.keys() >= {"look", "final"}
    assert 0 < max(ends.values()) <= 580.0 + 1e-6


def test_the_final_training_has_the_augmentations_that_leave_images_recognisable():
    finals = [spec for spec in run(scheduler(), lambda spec: 0.8) if spec.stage == "final"]
    assert finals[0].values["augmentation.flip"] is True
    assert finals[0].values["augmentation.swirl"] is False


@pytest.mark.parametrize(("passes", "on"), [(0.0, True), (10.0, True), (10_000.0, False)])
def test_a_final_training_does_without_augmentations_that_need_more_passes_than_it_has(passes, on):
    decided = []
    allowed = rules(least_passes={"flip": passes})
    made = Scheduler(space(), starts(), Endless(), Budget(time=600.0), allowed, 5.0, decided.append)
    finals = [spec for spec in run(made, lambda spec: 0.8) if spec.stage == "final"]
    assert {spec.values["augmentation.flip"] for spec in finals} == {on}
    without = [text for text in decided if "it does without flip" in text and "pay from 10000 times on" in text]
    assert len(without) == (not on)


@pytest.mark.parametrize(("natural", "on"), [(0.9, True), (0.99, False)])
def test_where_images_vary_so_by_themselves_an_augmentation_needs_no_passes(natural, on):
    decided = []
    allowed = rules(least_passes={"flip": 10_000.0}, natural_affinity={"flip": natural})
    made = Scheduler(space(), starts(), Endless(), Budget(time=600.0), allowed, 5.0, decided.append)
    finals = [spec for spec in run(made, lambda spec: 0.8) if spec.stage == "final"]
    assert {spec.values["augmentation.flip"] for spec in finals} == {on}
    assert any("does without flip" in text for text in decided) == (not on)


def test_an_augmentation_that_the_recipe_decides_on_is_not_said_to_need_more_passes():
    decided, fixed = [], replace(space(), fixed={"augmentation.flip": True})
    allowed = rules(least_passes={"flip": 10_000.0})
    made = Scheduler(fixed, starts(), Endless(), Budget(time=600.0), allowed, 5.0, decided.append)
    finals = [spec for spec in run(made, lambda spec: 0.8) if spec.stage == "final"]
    assert finals and all(spec.values["augmentation.flip"] for spec in finals)
    assert not any("does without" in text for text in decided)


@pytest.mark.parametrize(("passes", "on"), [(50.0, True), (51.0, False)])
def test_where_each_trial_is_a_full_training_its_passes_count_too(passes, on):
    made = scheduler(Budget(trials=4), Impatient(), end=math.inf, slots=1, epochs=50, least_passes={"flip": passes})
    specs = [spec for spec in run(made, lambda spec: 0.8) if spec.why.startswith("the starting point")]
    assert [spec.values["augmentation.flip"] for spec in specs] == [False, *[on] * (len(specs) - 1)]
    assert len(specs) > 1


def test_only_the_first_trial_measures_the_augmentations():
    specs = run(scheduler(), lambda spec: 0.8)
    assert [bool(spec.probe) for spec in specs] == [True] + [False] * (len(specs) - 1)


@pytest.mark.parametrize("budget", [Budget(time=600.0), Budget(time=600.0, trials=4)])
def test_if_the_first_trial_fails_the_next_one_measures_the_augmentations(budget):
    instance = scheduler(budget=budget, slots=1)
    instance.fail(instance.next(5.0).trial, FailureKind.SKIPPED, "too large")
    second = instance.next(6.0)
    assert second.probe == ("flip", "swirl")
    instance.record(second.trial, result(affinity={"flip": 0.97, "swirl": 0.3}))
    assert instance.next(20.0).probe == ()


def test_the_strategy_learns_from_the_looks():
    strategy = Endless()
    run(scheduler(strategy=strategy, budget=Budget(time=3600.0), end=3560.0), lambda spec: 0.8)
    assert {outcome.values["architecture"] for outcome in strategy.told} >= set(NAMES)


def test_a_strategy_is_told_of_no_more_suggestions_than_there_is_time_for():
    strategy = Endless()
    stages = [spec.stage for spec in run(scheduler(Budget(time=600.0, trials=60), strategy), lambda spec: 0.8)]
    assert 1 <= strategy.problem.trials < 20 and stages.count("search") < 20


def test_what_differs_in_what_is_fixed_by_then_is_not_told():
    same, other = (
        Outcome(key, space().complete({"architecture": "small", "augmentation.swirl": on}), 0.7)
        for key, on in (("same", False), ("other", True))
    )
    strategy = Endless()
    made = Scheduler(
        space(), starts(), strategy, Budget(time=600.0), rules(probe=("flip",)), 5.0, earlier=(same, other)
    )
    run(made, lambda spec: 0.9 if spec.architecture == "small" else 0.8)
    assert [outcome.key for outcome in strategy.told if outcome.key in ("same", "other")] == ["same"]


FULL = "augmentations that leave validation images recognisable: flip"


def test_what_makes_other_images_is_not_suggested_where_each_trial_is_a_full_training_either():
    def made(strategy, *heard):
        return Scheduler(space(), starts(), strategy, Budget(trials=6), rules(end=math.inf), 5.0, *heard)

    def switches(strategy):
        return {p.name for p in strategy.problem.parameters if p.name.startswith("augmentation.")}

    strategy, decided = Impatient(), []
    first = made(strategy, decided.append)
    run(first, lambda spec: 0.8)
    assert decided == [f"{FULL}; left out: swirl (0.30)"]
    assert switches(strategy) == {"augmentation.flip"}
    assert "architecture" in {p.name for p in strategy.problem.parameters}
    again = Impatient()
    made(again).restore(json.loads(json.dumps(first.changes())), [], 9.0)
    assert switches(again) == {"augmentation.flip"}, "nor when the search goes on in another process"


def test_an_augmentation_that_the_recipe_turns_on_stays_on_and_that_is_said():
    decided, fixed = [], replace(space(), fixed={"augmentation.swirl": True})
    given = [replace(start, values=fixed.start(start.architecture, {})) for start in starts()]
    made = Scheduler(fixed, given, Impatient(), Budget(trials=3), rules(end=math.inf), 5.0, decided.append)
    specs = run(made, lambda spec: 0.8)
    assert decided == [f"{FULL}; on all the same, as search.fixed asks: swirl (0.30)"]
    assert all(spec.values["augmentation.swirl"] for spec in specs)


def test_a_strategy_that_began_before_augmentations_were_known_may_suggest_all_and_that_is_said():
    strategy, decided = Endless(), []
    one = starts(NAMES[:1])
    made = Scheduler(space(), one, strategy, Budget(trials=6), rules(end=math.inf), 5.0, decided.append)
    first, second = made.next(5.0), made.next(5.0)
    assert first.probe and second.why == "suggested by endless"
    made.record(first.trial, result(affinity=AFFINITY))
    late = "tried only where the strategy, which had begun before, suggests them"
    assert decided == [f"{FULL}; {late}: swirl (0.30)"]


@pytest.mark.parametrize("on", [True, False])
def test_a_search_stays_with_what_the_best_look_had_and_the_final_training_has_it_too(on):
    strategy = Endless()
    given = [replace(start, values={**start.values, "augmentation.swirl": on}) for start in starts()]
    made = Scheduler(space(), given, strategy, Budget(time=600.0), rules(probe=("flip",)), 5.0)
    specs = run(made, lambda spec: 0.9 if spec.stage == "look" else 0.8)
    assert next(spec for spec in specs if spec.stage == "final").values["augmentation.swirl"] is on
    assert ("augmentation.swirl" in {one.name for one in strategy.problem.parameters}) is on


def test_the_search_ends_when_the_strategy_has_nothing_to_suggest():
    specs = run(scheduler(strategy=Exhausted()), lambda spec: 0.8)
    assert {spec.stage for spec in specs} == {"look", "final"}


class Strange(Endless):
    """Suggests what it should not."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self):
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"architecture": "small"},
        Suggestion("s1", {"architecture": ("small", "large")}),
        Suggestion("s1", {"batch_size": np.arange(3)}),
        Suggestion("s1", {"architecture": "small"}, fraction=None),
        Suggestion("s1", {"architecture": "small"}, fraction=math.nan),
        Suggestion("s1", {"architecture": "small"}, fraction=0.0),
        Suggestion(7, {"architecture": "small"}),
    ],
)
def test_a_strategy_that_suggests_nonsense_is_left_out(answer):
    decided = []
    budget = Budget(time=3600.0)
    instance = Scheduler(space(), starts(), Strange(answer), budget, rules(end=3560.0), 5.0, decided.append)
    assert {spec.stage for spec in run(instance, lambda spec: 0.8)} == {"look", "final"}
    assert sum("the strategy endless failed" in text for text in decided) == 1


def test_a_suggestion_in_types_of_numpy_can_be_kept():
    answer = Suggestion("s1", {"batch_size": np.int64(64), "optimizer.adamw.lr": np.float32(0.5)}, np.float32(0.5))
    instance = Scheduler(space(), starts(), Strange(answer), Budget(time=3600.0, trials=5), rules(end=3560.0), 5.0)
    specs = run(instance, lambda spec: 0.8)
    suggested = [spec for spec in specs if spec.why == "suggested by endless"]
    assert suggested and all(json.loads(json.dumps(spec.as_dict())) for spec in suggested)


class Unwritable(Endless):
    """Keeps of itself what JSON cannot hold."""

    def state(self):
        return {"drawn": {1, 2}}


def test_a_strategy_whose_state_cannot_be_written_is_left_out():
    decided = []
    budget = Budget(time=3600.0)
    instance = Scheduler(space(), starts(), Unwritable(), budget, rules(end=3560.0), 5.0, decided.append)

    def score(spec):
        json.dumps(instance.changes())
        return 0.8

    assert "final" in {spec.stage for spec in run(instance, score)}
    assert [text for text in decided if "failed" in text] == [
        "the strategy endless failed, and the search goes on without it: TypeError: Object of type set is not JSON serializable"
    ]


@pytest.mark.parametrize("call", ["start", "ask", "tell", "reason_to_stop", "state"])
@pytest.mark.parametrize("trials", [None, 6])
def test_a_strategy_that_fails_costs_its_suggestions_and_no_model(call, trials):
    decided = []
    budget = Budget(time=3600.0, trials=trials)
    instance = Scheduler(space(), starts(), Failing(call), budget, rules(end=3560.0), 5.0, decided.append)

    def score(spec):
        instance.measured(spec.trial, EpochReport(1.0, 10, 0.5, 0.5, 0.8, 0.5, 1000.0))
        instance.changes()
        return 0.8

    stages = [spec.stage for spec in run(instance, score)]
    assert len(stages) >= len(NAMES) and (trials or "final" in stages)
    assert [text for text in decided if "failed" in text] == [
        "the strategy endless failed, and the search goes on without it: RuntimeError: no"
    ]


def test_a_short_budget_looks_at_the_cheapest_and_says_why_not_at_the_others():
    instance = scheduler(budget=Budget(time=60.0), end=50.0)
    looks = [spec for spec in run(instance, lambda spec: 0.8) if spec.stage == "look"]
    assert looks[0].architecture == "small"
    assert [name for name, _ in instance.skipped] == list(NAMES[len(looks) :])
    assert instance.skipped
    assert all("for a look at it" in reason for _, reason in instance.skipped)


def test_few_trials_are_full_trainings():
    instance = scheduler(budget=Budget(time=600.0, trials=3))
    specs = run(instance, lambda spec: 0.8)
    assert len(specs) == 3
    assert all(spec.fidelity.epochs == 50 and spec.fidelity.seconds is None for spec in specs)


def test_trials_without_a_time_have_no_deadline():
    specs = run(scheduler(budget=Budget(trials=4), end=math.inf), lambda spec: 0.8)
    assert [spec.deadline for spec in specs] == [None] * 4


def test_the_epoch_budget_is_not_exceeded():
    instance = scheduler(budget=Budget(epochs=120), end=math.inf, slots=1)
    spent = 0.0
    for _ in range(50):
        answer = instance.next(5.0)
        if answer is DONE:
            break
        spent += answer.fidelity.epochs
        instance.record(answer.trial, result(epochs=answer.fidelity.epochs))
    assert 100 <= spent <= 120


def test_trials_side_by_side_share_the_epochs_that_are_left():
    instance = scheduler(budget=Budget(epochs=110), end=math.inf, probe=())
    specs = [instance.next(5.0) for _ in range(3)]
    assert [spec.fidelity.epochs for spec in specs] == [50, 50, 10]
    assert instance.next(5.0) is WAIT
    instance.record(specs[0].trial, result(epochs=20))
    assert instance.next(5.0).fidelity.epochs == 30, "it ended early, and what it left is free"


class Promoting(Endless):
    """Trains for two fifths of all epochs, and then goes on with that trial."""

    name, promotes = "promoting", True

    def ask(self):
        suggestion = super().ask()
        if self.asked == 1:
            return replace(suggestion, fraction=0.4)
        return replace(suggestion, continues="s1") if self.asked == 2 else DONE

    def restore(self, state):
        self.asked = state["asked"]


def test_epochs_of_the_trial_that_another_one_continues_are_spent_already():
    made = Scheduler(space(), [], Promoting(), Budget(epochs=30), rules(end=math.inf, slots=1, probe=()), 5.0)
    first = made.next(5.0)
    made.record(first.trial, result(epochs=20.0))
    promoted = made.next(6.0)
    assert (first.fidelity.epochs, promoted.continues, promoted.fidelity.epochs) == (20, "1/1", 30)
    assert made.next(7.0) is WAIT, "all are taken"
    made.record(promoted.trial, replace(result(epochs=30.0), epochs_before=20.0))
    assert made.budget.epochs_left == 0 and made.next(8.0) is DONE


def test_a_trial_whose_checkpoint_is_gone_is_begun_anew_with_epochs_that_are_left():
    def new():
        return Scheduler(space(), [], Promoting(), Budget(epochs=30), rules(end=math.inf, slots=1, probe=()), 5.0)

    made = new()
    first = made.next(5.0)
    state = made.changes()
    made.record(first.trial, result(epochs=20.0))
    row = TrialRow(1, "search", "small", "done", "", "", first, result(epochs=20.0))
    resumed = new()
    resumed.restore({**state, **made.changes()}, [row], 6.0, gone=[1])
    again = resumed.next(6.0)
    assert (again.continues, again.fidelity.epochs) == ("", 10)


def test_trials_that_fail_use_up_epochs_too():
    instance = scheduler(budget=Budget(epochs=5), end=math.inf, slots=1, probe=())
    for _ in range(5):
        instance.fail(instance.next(5.0).trial, FailureKind.SKIPPED, "too large")
    assert instance.next(5.0) is DONE


def test_the_same_seed_gives_the_same_trials():
    def values(specs):
        return [(spec.trial, spec.values, spec.seed) for spec in specs]

    assert values(run(scheduler(), lambda s: 0.8)) == values(run(scheduler(), lambda s: 0.8))


@pytest.mark.parametrize("kind", [FailureKind.RAISED, FailureKind.NONFINITE, FailureKind.TIMEOUT])
def test_what_would_fail_again_is_not_tried_again(kind):
    instance = scheduler()
    first = instance.next(5.0)
    assert instance.fail(first.trial, kind, "no") is False
    assert instance.next(6.0).trial == 2


def test_a_crash_is_tried_once_more_and_only_once():
    instance = scheduler()
    first = instance.next(5.0)
    assert instance.fail(first.trial, FailureKind.CRASHED, "SIGSEGV") is True
    again = instance.next(6.0)
    assert (again.trial, again.attempt, again.values) == (first.trial, 2, first.values)
    assert instance.fail(again.trial, FailureKind.CRASHED, "SIGSEGV") is False


def test_out_of_memory_is_tried_again_with_half_the_batch_and_a_lower_rate():
    instance = scheduler()
    first = instance.next(5.0)
    instance.fail(first.trial, FailureKind.OUT_OF_MEMORY, "killed")
    again = instance.next(6.0)
    assert again.values["batch_size"] == first.values["batch_size"] // 2
    assert again.values["optimizer.adamw.lr"] == pytest.approx(first.values["optimizer.adamw.lr"] / math.sqrt(2))


def test_failures_do_not_keep_the_search_from_its_final_training():
    instance = scheduler()
    now, stages = 5.0, []
    for _ in range(60):
        answer = instance.next(now)
        if answer is DONE:
            break
        assert answer is not WAIT, "nothing is running, so there is nothing to wait for"
        stages.append(answer.stage)
        now += 10
        if answer.architecture == "middle":
            instance.record(answer.trial, result())
        else:
            instance.fail(answer.trial, FailureKind.RAISED, "no")
    assert "final" in stages


def failing(search, kind_of, limit=20):
    """Play a search in which each trial fails at once with the kind that ``kind_of`` names; returns the specs."""
    specs, now = [], 5.0
    for _ in range(limit):
        answer = search.next(now)
        if answer is DONE:
            return specs
        specs.append(answer)
        now += 6.0
        search.freed(answer.trial, now)
        search.fail(answer.trial, kind_of(answer), "")
    raise AssertionError("the search does not end")


@pytest.mark.parametrize("seconds", [45.0, 580.0])
def test_when_each_look_was_too_slow_the_cheapest_has_all_the_time_that_is_left(seconds):
    search = scheduler(slots=1, end=seconds)
    looks = len(search._queue)
    specs = failing(search, lambda spec: FailureKind.SKIPPED)
    *skipped, last = specs[: looks + 1]
    assert [spec.stage for spec in skipped] == ["look"] * looks and all(spec.required_epochs for spec in skipped)
    assert (last.stage, last.architecture, last.required_epochs) == ("final", "small", 0.0)
    assert last.deadline == pytest.approx(seconds - 5.0 - 6.0 * looks)
    assert "nothing gave a model yet" in last.why


def slow(name, seconds_an_epoch):
    return Start(name, space().start(name, {}), seconds_an_epoch / 50_000)


@pytest.mark.parametrize(
    ("seconds_an_epoch", "end", "stages"),
    [(12.0, 40.0, ["final"]), (0.5, 40.0, ["look", "final"]), (0.5, 30.0, ["final"])],
    ids=["few passes", "time for both", "no time for a final training after a look"],
)
def test_a_lone_training_has_no_look_before_it_that_would_tell_nothing(seconds_an_epoch, end, stages):
    starting = [slow("small", seconds_an_epoch), slow("middle", seconds_an_epoch)]
    search = Scheduler(space(), starting, Endless(), Budget(time=end + 5.0), rules(slots=1, end=end), 5.0)
    specs = run(search, lambda spec: 0.8)
    assert [spec.stage for spec in specs] == stages
    assert specs[-1].architecture == "small" and specs[-1].deadline <= end - 5.0


def test_a_search_in_which_all_fails_ends():
    specs = failing(scheduler(slots=1, repeats_if_time=2), lambda spec: FailureKind.SKIPPED)
    assert [spec.architecture for spec in specs if spec.stage == "final"] == list(NAMES)


def test_an_architecture_that_raises_is_no_last_resort():
    kinds = {"small": FailureKind.RAISED, "middle": FailureKind.SKIPPED, "large": FailureKind.SKIPPED}
    specs = failing(scheduler(slots=1), lambda spec: kinds[spec.architecture])
    assert [spec.architecture for spec in specs if spec.stage == "final"] == ["middle", "large"]


def test_an_interrupted_search_begins_nothing_more():
    instance = scheduler()
    first = instance.next(5.0)
    instance.interrupt()
    assert instance.next(6.0) is WAIT
    instance.record(first.trial, result())
    assert instance.next(7.0) is DONE


class Impatient(Endless):
    """Wants every trial to end whose first measurement it has heard, and remembers what it heard."""

    name = "impatient"

    def start(self, problem):
        super().start(problem)
        self.heard = []

    def reason_to_stop(self, measurement):
        self.heard.append((measurement.key, measurement.progress))
        return "once is enough"

    def restore(self, state):
        self.asked = state["asked"]


def report(progress, f1=0.5):
    return EpochReport(1.0, 10, 0.5, 0.4, f1, progress, 100.0)


def test_the_strategy_stops_trials_of_the_search_but_no_look_and_no_final_training():
    strategy = Impatient()
    instance = scheduler(strategy=strategy)
    stopped = {}

    def measured(spec):
        stopped.setdefault(spec.stage, set()).add(instance.measured(spec.trial, report(0.5)))
        return 0.8

    run(instance, measured)
    assert stopped == {"look": {""}, "search": {"once is enough"}, "final": {""}}
    assert {key for key, _ in strategy.heard} == {f"s{number}" for number in range(1, strategy.asked + 1)}


def test_the_strategy_hears_of_measurements_that_were_made_before_it_began():
    strategy = Impatient()
    instance = scheduler(Budget(trials=9), strategy, end=math.inf, slots=1, probe=())
    for _ in NAMES:
        spec = instance.next(5.0)
        assert instance.measured(spec.trial, report(0.3)) == ""
        instance.record(spec.trial, result())
    spec = instance.next(5.0)
    assert strategy.heard == [("start-1", 0.3), ("start-2", 0.3), ("start-3", 0.3)]
    assert instance.measured(spec.trial, report(0.4)) and strategy.heard[-1] == ("s1", 0.4)


def test_the_strategy_hears_all_measurements_again_when_a_search_goes_on():
    def fresh(strategy):
        return Scheduler(space(), [], strategy, Budget(trials=9), rules(end=math.inf, slots=1), 5.0)

    instance = fresh(Impatient())
    spec = instance.next(5.0)
    strategy = Impatient()
    row = TrialRow(spec.trial, spec.stage, spec.architecture, "running", "", "", spec, None)
    fresh(strategy).restore(instance.changes(), [row], 9.0, curves={spec.trial: [(0.2, 0.5), (0.4, 0.6)]})
    assert strategy.heard == [("s1", 0.2), ("s1", 0.4)]


class Remembering(Impatient):
    """Is asked only whom to stop of those that run."""

    def start(self, problem):
        super().start(problem)
        self.remembered = []

    def remember(self, measurement):
        self.remembered.append((measurement.key, measurement.progress))


def test_a_strategy_that_takes_long_to_know_whom_to_stop_may_only_remember_what_was_measured_before():
    strategy = Remembering()
    instance = scheduler(Budget(trials=9), strategy, end=math.inf, slots=1, probe=())
    for _ in NAMES:
        spec = instance.next(5.0)
        instance.measured(spec.trial, report(0.3))
        instance.record(spec.trial, result())
    spec = instance.next(5.0)
    assert strategy.remembered == [("start-1", 0.3), ("start-2", 0.3), ("start-3", 0.3)]
    assert instance.measured(spec.trial, report(0.4)) and strategy.heard == [("s1", 0.4)]


def test_a_search_that_is_being_interrupted_asks_nobody_whom_to_stop():
    instance = scheduler(Budget(trials=9), Impatient(), end=math.inf, slots=1, probe=())
    spec = instance.next(5.0)
    instance.interrupt()
    assert instance.measured(spec.trial, report(0.4)) == ""


def test_device_hours_bound_the_search_as_a_time_does():
    instance = scheduler(Budget(), end=math.inf, device_seconds=1150.0, devices=2, devices_alone=2.0)
    specs = run(instance, lambda spec: 0.8)
    stages = [spec.stage for spec in specs]
    assert stages[:3] == ["look"] * 3 and stages[-1] == "final"
    assert 0.9 * 1150 < instance._meter.spent(math.inf) <= 1150


def test_a_trial_whose_node_is_lost_is_tried_three_times_more_and_a_crash_counts_apart():
    instance = scheduler(Budget(trials=1), end=math.inf, slots=1, probe=())
    attempts = []
    for kind in [FailureKind.NODE_LOST, FailureKind.CRASHED, FailureKind.NODE_LOST, FailureKind.NODE_LOST]:
        spec = instance.next(5.0)
        attempts.append((spec.attempt, spec.continues))
        assert instance.fail(spec.trial, kind, "")
    assert attempts == [(1, ""), (2, "1/1"), (3, "1/2"), (4, "1/3")]
    assert instance.next(5.0).attempt == 5
    assert not instance.fail(1, FailureKind.NODE_LOST, "")


def test_a_trial_whose_node_is_lost_begins_again_only_if_it_can_catch_up():
    """Else the weights that it had saved count, which is better than nothing."""
    instance, lost = scheduler(), FailureKind.NODE_LOST
    first = instance.next(5.0)
    assert instance.may_catch_up(first.trial, lost, 20.0, 30.0)
    assert not instance.may_catch_up(first.trial, lost, 1e6, 30.0), "no time is left for that"
    assert instance.may_catch_up(first.trial, lost, 1e6, 30.0, from_checkpoint=True), "it begins where it was"
    assert not instance.may_catch_up(first.trial, FailureKind.OUT_OF_MEMORY, 20.0, 30.0), "it would begin anew"
    for _ in range(3):
        assert instance.fail(first.trial, lost, "")
        instance.next(40.0)
    assert not instance.may_catch_up(first.trial, lost, 20.0, 50.0), "three times are enough"
    second = instance.next(50.0)
    instance.interrupt()
    assert not instance.may_catch_up(second.trial, lost, 1.0, 50.0)
