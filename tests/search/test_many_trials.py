"""What one more trial costs the driver when there are many already: simulated trials, no training."""

import gc
import json
import math
import tracemalloc

import pytest

from automl_img.plugin import Parameter, discover
from automl_img.search.budget import Budget
from automl_img.search.journal import Journal
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.trials import Rules
from automl_img.training.spec import EpochReport, TrialResult

KEPT = 4096  # bytes that the driver may keep of a trial of this small space; docs/benchmarks.md has those of a real one
SPACE = SearchSpace(
    (
        Parameter("architecture", "choice", "small", ("small", "large")),
        Parameter("optimizer", "choice", "adamw", ("adamw",)),
        Parameter("optimizer.adamw.lr", "float", 0.004, low=1e-4, high=0.1, sampling="log"),
        Parameter("batch_size", "choice", 128, (64, 128)),
    )
)


class Simulated:
    """A search whose trials end at once."""

    def __init__(self, strategy, options, journal):
        rules = Rules(1, 9, 5, 1400, slots=1, end=math.inf, final_share=0, precision="float32", options=options)
        kind = discover().get("strategy", strategy)
        self.scheduler = Scheduler(SPACE, [], kind(), Budget(trials=10_000), rules, 0.0)
        self.journal, self.trials = journal, 0

    def run(self, trials):
        """Run more trials; returns the length of what was saved with each."""
        return [self._one() for _ in range(trials)]

    def _one(self):
        self.trials += 1
        spec = self.scheduler.next(float(self.trials))
        begun = self.scheduler.changes()
        self.journal.begin(spec, begun)
        f1 = 0.3 + 0.01 * (self.trials * 37 % 61)
        report = EpochReport(1.0, 10, 0.5, 0.5, f1, 1.0, 100.0)
        self.journal.epoch(spec.trial, 1, report)
        self.scheduler.measured(spec.trial, report)
        self.scheduler.freed(spec.trial, self.trials + 0.5)
        result = TrialResult(f1, 0.5, 1.0, 1.0, 10, 1000, 1.0, 1.0, 0.5, 100.0, "epochs", f"{self.trials:064d}")
        self.scheduler.record(spec.trial, result)
        ended = self.scheduler.changes()
        self.journal.done(spec.trial, result, ended)
        return len(json.dumps(begun)) + len(json.dumps(ended))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, create=True)
    yield journal
    journal.close()


STRATEGIES = [
    ("random", {}),
    ("hyperband", {"iterations": 99}),
    ("successive_halving", {}),
    ("bayesian", {"num_initial_points": 999}),  # the process itself is not what is measured
]


@pytest.mark.parametrize(("strategy", "options"), STRATEGIES)
def test_what_is_saved_with_a_trial_does_not_grow_with_the_number_of_trials(strategy, options, journal):
    search = Simulated(strategy, options, journal)
    early = search.run(60)[20:]
    search.run(100)
    late = search.run(40)
    assert sum(late) < 1.15 * sum(early)
    assert max(late) < 1.5 * max(early)


def test_the_driver_keeps_little_of_a_trial_that_has_ended(journal):
    search = Simulated("random", {}, journal)
    search.run(50)
    gc.collect()
    tracemalloc.start()
    search.run(150)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] / 150
    tracemalloc.stop()
    assert kept < KEPT
