"""What architectures would cost, found out in processes that may be lost."""

from types import SimpleNamespace

import pytest

from automl_img.executors.process import TaskDone, TaskFailed
from automl_img.executors.tasks import Place
from automl_img.plugin import Parameter
from automl_img.recipe import PluginSettings
from automl_img.search import estimating
from automl_img.search.space import SearchSpace
from automl_img.training.cost import Cost, Estimate
from automl_img.training.hardware import Hardware
from automl_img.training.spec import FailureKind

NAMES = ("first", "deadly", "third", "fourth", "fifth")
NODE = Hardware(cores=64, memory=2**38, gpus=8, bfloat16=True)  # on which they would train


class Processes:
    """Stands in for the processes of estimates: one that is to build the network "deadly" is lost.

    Attributes:
        begun: The architectures of each process, by those that run at once.
        hardware: That each is told of.
    """

    def __init__(self, kind=FailureKind.CRASHED):
        self.kind, self.begun, self.hardware = kind, [], set()

    def run(self, task, arguments, logs, **limits):
        self.begun.append([[name for name, _ in argument.candidates] for argument in arguments])
        self.hardware |= {argument.hardware for argument in arguments}
        return [self.answer(names) for names in self.begun[-1]]

    def answer(self, names):
        if "deadly" in names:
            return TaskFailed(self.kind, "it is lost")
        return TaskDone([Estimate(name, 0, 1, {}, Cost(1, 1.0, 1.0, 1)) for name in names])


def problems(monkeypatch, processes, slots, weights="none", **limits):
    """The problem of each architecture, empty if it has been estimated."""
    monkeypatch.setattr(estimating, "run_tasks", processes.run)
    one_size = SimpleNamespace(members=lambda image: [])
    estimates = estimating.estimate_starts(
        NAMES,
        SearchSpace((Parameter("architecture", "choice", NAMES[0], NAMES),)),
        SimpleNamespace(get=lambda kind, name: one_size),
        Place("", "", (), (), PluginSettings()),
        seed_image=None,
        hardware=NODE,
        precision="float32",
        seconds_per_image=1.0,
        weights=weights,
        slots=slots,
        **limits,
    )
    assert sorted(found.architecture for found in estimates) == sorted(NAMES)
    return {found.architecture: found.problem for found in estimates}


def test_each_architecture_loads_its_pretrained_weights_by_itself_so_that_a_slow_download_is_waited_for_alone(
    monkeypatch,
):
    processes = Processes(FailureKind.TIMEOUT)
    found = problems(monkeypatch, processes, 2, weights="imagenet")
    assert found == {**dict.fromkeys(NAMES, ""), "deadly": "its estimate failed: it is lost"}
    assert all(len(names) == 1 for together in processes.begun for names in together)


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.OUT_OF_MEMORY, FailureKind.TIMEOUT])
def test_a_network_that_ends_its_process_takes_no_other_with_it(monkeypatch, kind, slots):
    processes = Processes(kind)
    found = problems(monkeypatch, processes, slots)
    assert found == {**dict.fromkeys(NAMES, ""), "deadly": "its estimate failed: it is lost"}
    assert max(map(len, processes.begun)) <= slots, "no more at once than there is room for"
    assert processes.hardware == {NODE}, "those that are tried once more too"
    assert [names for wave in processes.begun for names in wave if "deadly" in names][1:] == [["deadly"]]


@pytest.mark.parametrize(
    "limits", [{"deadline": 0.0}, {"stop_asked": lambda: True}], ids=["no time is left", "asked to end"]
)
def test_nothing_is_estimated_again_when_the_search_ends(monkeypatch, limits):
    processes = Processes(FailureKind.TIMEOUT)
    assert problems(monkeypatch, processes, 1, **limits) == dict.fromkeys(NAMES, "its estimate failed: it is lost")
    assert len(processes.begun) == 1
