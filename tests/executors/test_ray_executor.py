"""Trials on a Ray cluster of two nodes, which are processes of this machine."""

import contextlib
import errno
import importlib.metadata
import importlib.util
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import automl_img
from automl_img import events
from automl_img.errors import AutoMLImageWarning, SearchError
from automl_img.executors import ray_cluster, ray_executor, ray_node, ray_site
from automl_img.executors.base import Done, Epoch, Failed, Saved, Started
from automl_img.executors.process import TaskDone
from automl_img.executors.ray_cluster import INSTALL, Node, Request, Room, refuse_unless_met
from automl_img.executors.ray_executor import RayExecutor, Running
from automl_img.executors.ray_node import Order, Parcel, Post, supervise
from automl_img.executors.ray_site import RaySite
from automl_img.recipe import ComputeSettings
from automl_img.replacing import replacing
from automl_img.search.journal import Journal
from automl_img.search.run_folder import STOP_FILE
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.spec import FailureKind, Fidelity, TrialResult

pytestmark = [
    pytest.mark.train,
    # Imported where it is used: all workers collect this file, one runs it.
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'automl-img[ray]'"
    ),
]
RAY = {"compute.executor": "ray"}
ON_RAY = ComputeSettings(executor="ray")


@pytest.fixture(scope="module")
def cluster(third_party_plugins):
    """Two nodes with one core each; the test's process is a driver on the first."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.other = made.add_node(num_cpus=1)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def spec(finished):
    """A trial that trains for as long as it may."""
    journal = Journal(finished[0].run_dir)
    first = journal.trials()[0].spec
    journal.close()
    return replace(first, fidelity=Fidelity(100_000, None), patience=100_000, probe=(), deadline=None, threads=1)


@contextlib.contextmanager
def others(count, **resources):
    """While inside, so many other users of the cluster have a core each."""
    import ray

    class Other:
        def is_there(self):
            return True

    made = [ray.remote(num_cpus=1, **resources)(Other).remote() for _ in range(count)]
    ray.get([one.is_there.remote() for one in made])
    try:
        yield
    finally:
        for one in made:
            ray.kill(one)


def rows_of(run):
    journal = Journal(run)
    try:
        return journal.trials()
    finally:
        journal.close()


def until(executor, kind):
    while True:
        for message in executor.poll(10.0):
            if isinstance(message, kind):
                return message
            assert isinstance(message, Started | Epoch | Saved), message


def test_a_node_that_dies_costs_no_trial_and_one_that_joins_is_used(cluster, tmp_path, quick_settings):
    """Two trials that would train for ever: one loses its node, begins again on a new one, and both end when asked."""
    heard, joined, training = [], [], set()
    settings = {**quick_settings, **RAY, "train.epochs": 100_000, "train.patience": 100_000}
    run = tmp_path / "run"

    def disturb(event):
        heard.append(event)
        if isinstance(event, events.TrialFailed):
            training.discard(event.trial)
            if event.kind != "node lost":
                (run / STOP_FILE).touch()  # what else happens is told below, and nothing is waited for
        elif isinstance(event, events.TrialEnded):
            (run / STOP_FILE).touch()
        elif isinstance(event, events.EpochEnded):
            training.add(event.trial)
        if len(training) < 2:  # one on each node
            return
        if not joined:
            cluster.remove_node(cluster.other, allow_graceful=False)
            joined.append(cluster.add_node(num_cpus=1))
        elif any(isinstance(event, events.TrialFailed) for event in heard):
            (run / STOP_FILE).touch()

    automl_img.fit("digits", trials=2, settings=settings, out=run, listener=disturb)
    rows = rows_of(run)
    assert [row.status for row in rows] == ["done"] * 2
    lost = [event for event in heard if isinstance(event, events.TrialFailed)]
    assert sorted(row.spec.attempt for row in rows) == [1, 2] and len(lost) == 1
    assert lost[0].kind == "node lost" and "tried once more" in lost[0].message
    assert joined and not list((run / "trials").glob(".driver-*"))


def test_a_search_goes_on_under_ray_and_back_as_if_it_had_never_moved(cluster, tmp_path, quick_settings, monkeypatch):
    on_ray, submit = [], RayExecutor.submit

    def noted(self, spec):
        on_ray.append(spec.trial)
        submit(self, spec)

    monkeypatch.setattr(RayExecutor, "submit", noted)
    settings = {**quick_settings, "train.deterministic": True, "compute.slots": 1, "output.keep": "all"}
    automl_img.fit("digits", trials=3, settings=settings, out=tmp_path / "quiet")
    automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "moved")
    for trials, executor in ((2, "ray"), (3, "local")):
        more = {"compute.executor": executor}
        automl_img.fit("digits", trials=trials, settings=more, out=tmp_path / "moved", resume=True)
    assert on_ray == [2]
    quiet, moved = rows_of(tmp_path / "quiet"), rows_of(tmp_path / "moved")
    assert [row.spec.values for row in quiet] == [row.spec.values for row in moved]
    assert [(row.result.f1, row.result.val_loss) for row in quiet] == [
        (row.result.f1, row.result.val_loss) for row in moved
    ]


def test_a_trial_ends_in_good_order_when_asked_and_at_once_when_cancelled(
    cluster, tmp_path, place, spec, finished, monkeypatch
):
    monkeypatch.chdir(finished[0].run_dir)  # where no node runs
    relative = replace(place, store=os.path.relpath(place.store), splits="splits.npz")
    executor = RaySite(ON_RAY, None).open(relative, tmp_path)
    executor.submit(spec)
    executor.submit(replace(spec, trial=9))
    until(executor, Epoch)
    executor.cancel(9)
    executor.stop(spec.trial)
    ended = until(executor, Done | Failed)
    assert isinstance(ended, Done) and ended.trial == spec.trial and ended.result.why_ended == "stopped"
    assert (tmp_path / f"{spec.trial}/1" / WEIGHTS_FILE).is_file()
    assert executor.poll(1.0) == [], "a fenced attempt is not heard of again"
    executor.close()


def test_a_trial_that_still_waits_for_room_is_taken_back_when_it_is_asked_to_end(cluster, tmp_path, place, spec):
    executor = RaySite(ON_RAY, None).open(place, tmp_path)
    with others(2):
        executor.submit(spec)
        executor.stop(spec.trial)
        assert executor.poll(10.0) == [Failed(spec.trial, FailureKind.NODE_LOST, "it had not begun")]
    executor.close()


def test_a_trial_that_waits_for_all_cores_of_a_node_that_dies_is_lost_with_it_and_begins_on_another(
    cluster, tmp_path, place, spec
):
    large, alone = cluster.add_node(num_cpus=2, resources={"large": 1}), replace(spec, threads=0)
    executor = RaySite(ON_RAY, None).open(place, tmp_path)
    with others(1, resources={"large": 1}):
        executor.submit(alone)
        cluster.remove_node(large, allow_graceful=False)
    lost = until(executor, Failed)
    assert lost.kind is FailureKind.NODE_LOST and lost.message.endswith("no other one has 2 cores")
    executor.submit(replace(alone, attempt=2))
    until(executor, Epoch)
    executor.close()


def test_a_training_that_runs_alone_asks_for_no_more_than_the_nodes_have_that_are_left(spec, monkeypatch):
    left = [Node("10.0.0.1", 4.0, 0.0, 0), Node("10.0.0.2", 64.0, 0.0, 0)]
    monkeypatch.setattr(ray_cluster, "nodes", lambda: list(left))
    monkeypatch.setattr(ray_cluster, "LOOK_SECONDS", 0.0)
    room, alone = Room(ON_RAY, None), replace(spec, threads=0)
    asked = room.request_of(alone)
    assert asked == Request(64.0) and not room.has_shrunk(asked, alone)
    del left[1]
    assert room.request_of(alone) == Request(4.0) and room.has_shrunk(asked, alone)
    left.clear()
    assert not room.has_shrunk(asked, alone), "it waits for a node that joins"


def test_the_winner_is_trained_again_on_the_nodes_by_whose_speed_its_time_was_kept(
    cluster, tmp_path, quick_settings, monkeypatch
):
    on_ray, submit = [], RayExecutor.submit

    def noted(self, spec):
        on_ray.append(spec.stage)
        submit(self, spec)

    monkeypatch.setattr(RayExecutor, "submit", noted)
    settings = {**quick_settings, **RAY, "final.repeats": 0, "final.refit": True, "final.ensemble": 1}
    ended = automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert on_ray == ["search", "refit"]
    assert ended.predictor.card.trained["refit"]["images"] == 1617
    assert not list((tmp_path / "run" / "trials").rglob(".driver-*"))


def test_a_trial_that_crashes_is_told_by_its_kind_after_a_second_attempt(cluster, tmp_path, quick_settings):
    modules = [*quick_settings["plugins.modules"], "faulty_steps"]
    changed = {"plugins.modules": modules, "search.architectures": ["segfault", "plainnet"]}
    automl_img.fit("digits", trials=2, settings={**quick_settings, **RAY, **changed}, out=tmp_path / "run")
    rows = {row.architecture: row for row in rows_of(tmp_path / "run")}
    assert {name: (row.status, row.kind) for name, row in rows.items()} == {
        "segfault": ("failed", "crashed"),
        "plainnet": ("done", ""),
    }
    assert rows["segfault"].spec.attempt == 2


def test_a_trial_that_hangs_is_told_by_its_kind(cluster, tmp_path, quick_settings):
    """Alone, for a limit that ends it soon would end a healthy trial of a busy machine, too."""
    modules = [*quick_settings["plugins.modules"], "faulty_steps"]
    changed = {"plugins.modules": modules, "search.architectures": ["hang"], "search.limits.seconds": "10s"}
    with pytest.raises(SearchError, match="timeout: it did not end within its"):
        automl_img.fit("digits", trials=1, settings={**quick_settings, **RAY, **changed}, out=tmp_path / "run")
    (row,) = rows_of(tmp_path / "run")
    assert (row.status, row.kind) == ("failed", "timeout")


def test_a_node_that_sees_neither_data_nor_run_folder_is_sent_both(cluster, tmp_path, place, spec, monkeypatch):
    import ray

    post = ray.remote(Post).options(num_cpus=0).remote(place.store, place.splits)
    elsewhere = "/nowhere/on/this/node"
    order = Order(
        spec=replace(spec, fidelity=Fidelity(1, None)),
        place=replace(place, store=f"{elsewhere}/{Path(place.store).name}", splits=f"{elsewhere}/splits.npz"),
        trials=f"{elsewhere}/trials",
        driver="somebody",
        deadline=200.0,
        version=importlib.metadata.version("automl-img"),
        paths=tuple(sys.path),
        earlier=[ray.put({f"{spec.trial}/1/from-before": b"a checkpoint"})],
    )
    environment = {"env_vars": {"AUTOML_IMG_CACHE": str(tmp_path / "cache-of-the-node")}}
    task = ray.remote(num_returns="streaming")(supervise).options(runtime_env=environment)
    *_, last = [ray.get(reference) for reference in task.remote(order, post)]
    assert isinstance(last.news, TaskDone), last.news
    assert {"log.txt", WEIGHTS_FILE, "from-before"} <= {Path(name).name for name in last.files}
    (copied,) = (tmp_path / "cache-of-the-node" / "stores").glob("[!.]*")
    assert sorted(os.listdir(copied)) == sorted(os.listdir(place.store))


def test_a_node_is_sent_the_checkpoints_that_a_trial_may_go_on_from(cluster, tmp_path, spec):
    import ray

    executor = object.__new__(RayExecutor)
    executor._trials = tmp_path
    second = replace(spec, trial=7, attempt=2, continues="3/1")
    assert executor._earlier(second) == []
    files = {f"{name}/{CHECKPOINT_FILE}": name.encode() for name in ("3/1", "7/1")}
    for name, content in {**files, f"4/1/{CHECKPOINT_FILE}": b"of another trial"}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    (sent,) = executor._earlier(second)
    assert ray.get(sent) == files


def test_a_node_with_another_version_says_so(cluster, place, spec):
    order = Order(spec, place, "/nowhere", "somebody", None, "99.0", ())
    (parcel,) = supervise(order, None)
    assert "install the same on all nodes" in parcel.news.message


def test_what_no_node_can_ever_meet_is_refused_at_once_with_what_there_is(cluster, tmp_path, quick_settings):
    settings = {**quick_settings, **RAY, "compute.cpus_per_trial": 64}
    with pytest.raises(SearchError, match=r"compute: no node .* asks for 64 cores: .* has 1 core, .*cpus_per_trial"):
        automl_img.fit("digits", trials=1, settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_waits_for_a_full_cluster_and_says_so_but_neither_without_end_nor_if_asked_to_end(
    cluster, monkeypatch
):
    monkeypatch.setattr(ray_site, "SILENT_SECONDS", 0.1)
    waits = pytest.warns(AutoMLImageWarning, match="no room yet to a trial, which asks for 1 core; the search waits")
    with others(2), waits:
        with pytest.raises(SearchError, match="asked to end while it waited for room"):
            RaySite(ON_RAY, None, stop_asked=lambda: True)
        with pytest.raises(SearchError, match=r"compute: the cluster has had no room .* asks for 1 core.*ray status"):
            RaySite(ON_RAY, None, 0.1)


def test_a_node_on_which_automl_img_is_missing_is_told_in_one_line(cluster, tmp_path, monkeypatch):
    (tmp_path / "known_to_the_driver.py").write_text("def look_around():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("known_to_the_driver")
    monkeypatch.setattr(ray_node, "look_around", module.look_around)
    with pytest.raises(SearchError) as refused:
        RaySite(ON_RAY, None)
    reason = "ModuleNotFoundError: No module named 'known_to_the_driver'"
    assert str(refused.value) == f"compute: automl-img does not run on a node of the cluster: {reason}. {INSTALL}"


def test_what_a_node_sends_back_to_a_full_disk_is_left_out_and_at_the_end_of_a_trial_costs_its_attempt(
    tmp_path, spec, monkeypatch
):
    def full_after_the_weights(path):
        if path.name == WEIGHTS_FILE:
            return replacing(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sent = {f"{spec.trial}/1/{name}": b"new" for name in (WEIGHTS_FILE, CHECKPOINT_FILE)}
    result = TrialResult(0.9, 0.3, 9.0, 8.0, 90, 100, 1.0, 10.0, 8.0, 100.0, "epochs", "")
    parcels = iter([Parcel(result, sent), Parcel(TaskDone(result), sent)])
    monkeypatch.setattr(ray_executor, "_parcel", lambda generator: next(parcels))
    monkeypatch.setattr(ray_executor, "replacing", full_after_the_weights)
    executor = object.__new__(RayExecutor)
    executor._trials, executor._running = tmp_path, {spec.trial: Running(spec, Request(1.0), None, None)}
    assert list(executor._hear(spec.trial)) == [], "it goes on, and sends them again"
    (failed,) = executor._hear(spec.trial)
    assert failed.kind is FailureKind.NO_SPACE and failed.message.endswith("No space left on device")
    assert not executor._running
    assert not list(tmp_path.rglob(WEIGHTS_FILE)), "those stay that the journal knows"


def test_a_sigterm_does_what_it_did_before_ray_was_there(monkeypatch):
    """It ends a search in good order; Ray's own handler would end the process at once."""

    def init(**options):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    worker = SimpleNamespace(worker=SimpleNamespace())
    stands_in = SimpleNamespace(is_initialized=lambda: False, init=init, _private=worker)
    monkeypatch.setattr(ray_cluster, "ray_module", lambda: stands_in)
    before = signal.getsignal(signal.SIGTERM)
    assert ray_cluster.connect("local")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_node_does_not_send_a_file_that_is_still_written(tmp_path):
    (tmp_path / WEIGHTS_FILE).write_bytes(b"whole")
    with replacing(tmp_path / CHECKPOINT_FILE):
        assert ray_node._read(tmp_path, "1/1") == {f"1/1/{WEIGHTS_FILE}": b"whole"}


def test_a_node_has_room_for_what_fits_by_each_resource():
    node = Node("10.0.0.1", 8.0, 2.0, 32 * 2**30)
    assert node.room(Request(1.0)) == 8
    assert node.room(Request(1.0, 0.1)) == 8
    assert node.room(Request(1.0, 1.0)) == 2
    assert node.room(Request(1.0, 1 / 3)) == 6
    assert node.room(Request(2.0, 0.0, 12 * 2**30)) == 2
    refuse_unless_met(Request(8.0), [node])
    with pytest.raises(SearchError, match=r"asks for 1 core, 3 GPUs: 10.0.0.1 has 8 cores, 2 GPUs, 32.0 GiB"):
        refuse_unless_met(Request(1.0, 3.0), [node])
