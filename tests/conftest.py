"""What all tests share: small real data, plugins in distributions of their own, one finished search, the command line, the order."""

import builtins
import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from automl_img.quiet import prefer_onednn

# Test modules import Keras by themselves: a TensorFlow without oneDNN would predict slightly other numbers than the children do.
prefer_onednn()

TESTS = Path(__file__).parent
THIRD_PARTY = TESTS / "third_party"
PLUGIN_PATHS = [str(THIRD_PARTY / "automl-img-plainnet"), str(THIRD_PARTY / "modules")]

# Property tests find today what they found yesterday, however slow the machine is.
settings.register_profile("suite", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("suite")

# A search that trains in seconds: one small network on scikit-learn's digits.
QUICK = {
    "plugins.modules": ["automl_img_plainnet"],
    "search.architectures": ["plainnet"],
    "search.strategy": "random",
    "train.epochs": 3,
    "data.test": 0.1,
}

# The files that take longest, the longest first.
LONG = (
    "executors/test_ray_executor.py",
    "e2e/test_faults.py",
    "plugins/architectures/test_architecture_contract.py",
    "e2e/test_recipes.py",
    "plugin/test_broken_plugins.py",
    "training/test_checkpoint.py",
    "plugins/test_conformance_of_the_others.py",
    "search/test_finishing.py",
    "e2e/test_third_party.py",
    "search/test_kinds_of_task.py",
    "plugins/test_conformance_of_networks.py",
    "test_notebooks.py",
    "search/test_resume_of_search.py",
    "e2e/test_strategy_recipes.py",
    "cli/test_plugins_command.py",
    "plugins/architectures/test_pretrained_architectures.py",
    "export/test_architectures_to_onnx.py",
    "search/test_engine.py",
    "e2e/test_sources.py",
    "cli/test_commands.py",
    "pages/test_site.py",
    "plugins/augmentations/test_augmentation_contract.py",
)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest: workers are handed files in this order, and none has a long one left at the end."""
    places = {TESTS / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True, scope="session")
def private_folders(tmp_path_factory):
    """Keep prepared images and remembered modules of tests away from the user's; one cache for the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_IMG_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
        yield


@pytest.fixture(autouse=True, scope="module")
def experience_of_a_module(tmp_path_factory):
    """Keep what searches learn away from the user's, and from searches of other modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_IMG_EXPERIENCE", str(tmp_path_factory.mktemp("experience")))
        yield


@pytest.fixture(autouse=True)
def experience_of_a_test(tmp_path, monkeypatch):
    """Keep what the searches of a test learn away from those of others."""
    monkeypatch.setenv("AUTOML_IMG_EXPERIENCE", str(tmp_path / "experience"))


@pytest.fixture(autouse=True, scope="session")
def third_party_plugins():
    """Make the plugins under ``third_party`` importable, here and in child processes."""
    sys.path[:0] = PLUGIN_PATHS


@pytest.fixture(scope="session")
def digits_data():
    """scikit-learn's digits: uint8 images (1797, 8, 8) and labels (1797,)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images * 255 / 16).round().astype("uint8"), digits.target


@pytest.fixture(scope="session")
def quick_settings():
    """Settings of a search that trains in seconds."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, third_party_plugins):
    """The result of one small search and the events it gave."""
    import automl_img

    folder = tmp_path_factory.mktemp("runs") / "digits"
    heard = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_IMG_EXPERIENCE", str(tmp_path_factory.mktemp("experience")))
        result = automl_img.fit("digits", trials=2, settings=QUICK, out=folder, listener=heard.append)
    return result, heard


@pytest.fixture(scope="session")
def place(finished):
    """Where child processes find the data of the finished search."""
    import json

    from automl_img.executors.tasks import Place
    from automl_img.recipe import PluginSettings

    run = finished[0].run_dir
    data = json.loads((run / "data.json").read_text())
    plugins = PluginSettings(modules=["automl_img_plainnet"])
    return Place(data["store"], str(run / "splits.npz"), tuple(data["mean"]), tuple(data["std"]), plugins)


@pytest.fixture(scope="module")  # no longer: while it runs, no other test of its process can run an event loop
def browser():
    """Debian's chromium, driven by Playwright; a test without it is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@dataclass(frozen=True)
class Ran:
    """What a command came to, named as subprocess names it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A folder that may not be entered, with an image in it; its rights alone would not keep root out."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "inside.png").touch()

    def refusing(look):
        def refuse(path, *arguments, **named):
            if isinstance(path, str | os.PathLike) and os.fsdecode(path).startswith(f"{folder}{os.sep}"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return look(path, *arguments, **named)

        return refuse

    for module, name in ((os, "stat"), (builtins, "open")):
        monkeypatch.setattr(module, name, refusing(getattr(module, name)))
    return folder


@pytest.fixture
def full_disk():
    """A context in which this process can write no byte into any file."""

    @contextlib.contextmanager
    def full():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


@pytest.fixture
def typed(monkeypatch, capsys):
    """A function that does in this process what typing a command does in another; starting that takes a hundred times as long."""
    from automl_img import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["automl-img", *map(str, arguments)])
        monkeypatch.setattr(cli, "load_alone", lambda: None)  # here other code wants what that hides
        monkeypatch.setattr(cli.search, "BEGUN", time.monotonic())  # a budget of time counts from there
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ran(ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def started():
    """A function that starts a process in a group of its own, as subprocess.Popen does; if it still runs, it ends with the test."""
    processes = []

    def start(command, **more):
        process = subprocess.Popen(list(map(str, command)), text=True, start_new_session=True, **more)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
