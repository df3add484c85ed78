"""Which GPU each trial gets, on a machine whose GPUs are numbers."""

from automl_img.executors.devices import DevicePool
from automl_img.executors.tasks import see_one_gpu


def test_without_gpus_a_trial_gets_none():
    assert DevicePool(0).take(1) is None
    see_one_gpu(None)


def test_each_trial_has_a_gpu_to_itself_where_there_are_enough():
    pool = DevicePool(3)
    assert [pool.take(trial) for trial in (1, 2, 3)] == [0, 1, 2]
    pool.give_back(2)
    assert pool.take(4) == 1


def test_more_trials_than_gpus_share_them_evenly():
    pool = DevicePool(2)
    assert sorted(pool.take(trial) for trial in range(6)) == [0, 0, 0, 1, 1, 1]
    pool.give_back(0)
    pool.give_back(0)
    assert pool.take(7) == 0


def test_another_attempt_at_a_trial_takes_one_place_only():
    pool = DevicePool(2)
    assert pool.take(1) == 0 and pool.take(2) == 1
    pool.give_back(1)
    assert pool.take(1) == 0
