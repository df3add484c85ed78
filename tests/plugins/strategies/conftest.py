"""Small search spaces and cheap functions to search, shared by the tests of all strategies."""

import json
import math

import pytest

from automl_img.plugin import DONE, WAIT, Outcome, Problem
from automl_img.plugin.testing.strategy import wide


@pytest.fixture
def space():
    """A network of two families with conditions one and two deep, every kind of hyperparameter and mixed types."""
    return wide()


@pytest.fixture
def score():
    """A function with its maximum, 1, at a residual network with flips, lr 0.01 and rate 0.3."""

    def of(values):
        distance = abs(math.log10(values["lr"]) + 2) / 3 + abs(values.get("residual.rate", 0.6) - 0.3)
        return max(0.0, 1 - distance - (0.2 if values["family"] == "plain" else 0))

    return of


@pytest.fixture
def search(score):
    """Run a strategy with several trials at once, and return its suggestions with their scores."""

    def run(strategy, trials=40, slots=1, of=score):
        running, done = [], []
        while len(done) < trials:
            suggestion = strategy.ask() if len(running) < slots else WAIT
            if suggestion is DONE and not running:
                break
            if suggestion in (DONE, WAIT):
                assert running, "WAIT with nothing running would wait for ever"
                first = running.pop(0)
                done.append((first, of(first.values)))
                strategy.tell(Outcome(first.key, first.values, done[-1][1], first.fraction))
            else:
                running.append(suggestion)
        return done

    return run


@pytest.fixture
def started(space):
    """Make and start a strategy."""

    def make(kind, seed=0, trials=20, epochs=9, parameters=space, **options):
        strategy = kind()
        strategy.start(Problem(parameters, seed=seed, trials=trials, epochs=epochs, options=options))
        return strategy

    return make


@pytest.fixture
def resumed(started):
    """Take a strategy's state through JSON into a fresh instance."""

    def make(strategy, **problem):
        fresh = started(type(strategy), **problem)
        fresh.restore(json.loads(json.dumps(strategy.state())))
        return fresh

    return make
