"""Device time: counted for each trial, also in the middle of it, and over all processes."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from automl_img.search.metering import DeviceMeter


def test_a_trial_costs_its_time_on_all_devices_that_it_has():
    meter = DeviceMeter(1000.0, devices=4)
    meter.begin(1, 10.0, 1.0)
    meter.begin(2, 10.0, 4.0)
    assert meter.spent(20.0) == 50.0
    meter.end(2, 20.0)
    meter.end(1, 30.0)
    meter.end(1, 99.0)
    assert meter.spent(99.0) == 60.0


def test_all_is_spent_sooner_the_more_devices_there_are_and_later_while_they_are_idle():
    meter = DeviceMeter(100.0, devices=2)
    assert meter.moment(0.0) == 50.0
    assert meter.moment(30.0) == 80.0
    assert DeviceMeter(None, 2).moment(5.0) == math.inf


def test_another_process_counts_on_and_what_ran_in_the_first_has_ended():
    meter = DeviceMeter(100.0, 2)
    meter.begin(1, 0.0, 1.0)
    fresh = DeviceMeter(100.0, 2)
    fresh.restore(json.loads(json.dumps(meter.state())), 10.0)
    assert fresh.spent(50.0) == 10.0


@given(
    trials=st.lists(st.tuples(st.floats(0.1, 50), st.booleans(), st.floats(0, 10)), min_size=1, max_size=20),
    limit=st.floats(1, 500),
)
def test_trials_that_end_by_the_moment_at_which_they_begin_stay_within_the_limit(trials, limit):
    meter, now, running = DeviceMeter(limit, 3), 0.0, []

    def free(until):
        for end, trial in sorted(running):
            if end <= until:
                running.remove((end, trial))
                meter.end(trial, end)

    for number, (seconds, alone, pause) in enumerate(trials):
        now += pause
        free(now)
        while len(running) == 3 or (running and alone):
            now = min(running)[0]
            free(now)
        if meter.moment(now) > now:
            running.append((min(now + seconds, meter.moment(now)), number))
            meter.begin(number, now, 3.0 if alone else 1.0)
            now = running[-1][0] if alone else now
            free(now)
    free(math.inf)
    assert meter.spent(0.0) <= limit * (1 + 1e-9)
