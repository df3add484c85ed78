"""Fixtures that all tests share: small real data, plugins that stand in distributions of their own, and one finished search."""

import shutil
import sys
from pathlib import Path

import pytest

THIRD_PARTY = Path(__file__).parent / "third_party"
PLUGIN_PATHS = [str(THIRD_PARTY / "automl-img-plainnet"), str(THIRD_PARTY / "modules")]

# A search that trains in seconds: one small network on scikit-learn's digits.
QUICK = {
    "plugins.modules": ["automl_img_plainnet"],
    "search.architectures": ["plainnet"],
    "search.strategy": "random",
    "train.epochs": 3,
    "data.test": 0.1,
}


@pytest.fixture(autouse=True)
def private_cache(tmp_path, tmp_path_factory, monkeypatch):
    """Keep prepared images, remembered modules and experience of tests away from the user's; one cache for the whole session."""
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
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
        patch.setenv("AUTOML_IMG_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))
        patch.setenv("AUTOML_IMG_EXPERIENCE", str(tmp_path_factory.getbasetemp() / "experience of the finished search"))
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
