"""The live page: of this machine alone, and only for who knows its address."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from automl_img.errors import UsageError
from automl_img.search.journal import Journal
from automl_img.search.lock import RunLock
from automl_img.search.run_folder import RunFolder
from automl_img.search.watching import LivePage, watch

pytestmark = pytest.mark.train
PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"


@pytest.fixture
def address(finished):
    """Where the page on the finished search is shown."""
    return shown(finished[0].run_dir)


def shown(run):
    """Show the page on a run, and return its address."""
    told, found = threading.Event(), []

    def ready(where):
        found.append(urlsplit(where))
        told.set()

    threading.Thread(target=watch, args=(run,), kwargs={"port": 0, "every": 5, "ready": ready}, daemon=True).start()
    assert told.wait(30)
    return found[0]


def get(address, path, host=None):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer, answer.read().decode()


def test_the_page_is_shown_to_who_knows_the_address_and_to_nobody_else(address):
    answer, page = get(address, address.path)
    assert answer.status == 200 and "<h1>" in page and "Leaderboard" in page
    assert answer.headers["Refresh"] is None, "a search that has ended needs no second look"
    for path in ("/", "/wrong", f"{address.path}x"):
        assert get(address, path)[0].status == 404
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        assert get(address, address.path, host=host)[0].status == 403
    for host in ("127.0.0.1", "localhost"):
        assert get(address, address.path, host=host)[0].status == 200, "a browser leaves out port 80"
    assert address.hostname == "127.0.0.1"


def test_a_port_that_is_taken_is_told_in_one_line(address, finished):
    with pytest.raises(UsageError, match="the port cannot be used"):
        watch(finished[0].run_dir, port=address.port, every=5, ready=print)


def test_the_page_is_made_again_only_when_the_run_has_changed(finished):
    folder = RunFolder(finished[0].run_dir)
    live = LivePage(folder)
    first, running = live.now()
    assert live.now()[0] is first and not running
    os.utime(folder.path / "metrics.json")
    assert live.now()[0] is not first


def test_the_page_is_asked_for_again_as_long_as_somebody_drives_the_search(finished, tmp_path):
    """A search whose model is there still looks for wrong labels; one that goes on prepares its images."""
    run = shutil.copytree(finished[0].run_dir, tmp_path / "run")
    lock, live = RunLock(run), LivePage(RunFolder(run))
    page, again = live.now()
    assert again and "is right on" in page
    lock.release()
    assert not live.now()[1]


def test_a_search_whose_process_was_killed_is_no_longer_shown_as_running(finished, tmp_path):
    run = shutil.copytree(finished[0].run_dir, tmp_path / "run")
    (run / "metrics.json").unlink()
    journal = Journal(run)
    journal.set_meta("state", "running")
    journal.close()
    lock, live = RunLock(run), LivePage(RunFolder(run))
    page, running = live.now()
    assert running and "The search is running" in page and live.now()[0] is page
    lock._file.close()  # what the system does for a process that was killed: no file changes
    page, running = live.now()
    assert not running and "the search was cut off" in page


def test_a_run_that_cannot_be_read_is_one_sentence_on_the_page(finished, tmp_path):
    run = shutil.copytree(finished[0].run_dir, tmp_path / "run")
    address = shown(run)
    (run / "data.json").write_text("[]")
    answer, text = get(address, address.path)
    assert answer.status == 500 and text.startswith("The page cannot be made: ")
    assert text.endswith("data.json does not hold what it should") and "Traceback" not in text


def test_a_browser_that_goes_leaves_nothing_on_the_terminal(address, monkeypatch, capsys):
    def go(page):
        raise BrokenPipeError

    monkeypatch.setattr(LivePage, "now", go)
    with pytest.raises(http.client.RemoteDisconnected):
        get(address, address.path)
    assert capsys.readouterr().err == ""


@pytest.mark.e2e
def test_a_running_search_is_shown_and_asked_for_again(started, tmp_path):
    program = str(Path(sys.executable).parent / "automl-img")
    settings = [
        'plugins.modules=["automl_img_plainnet"]',
        'search.architectures=["plainnet"]',
        "train.epochs=100000",
        "train.patience=100000",
    ]
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    arguments = [part for setting in settings for part in ("--set", setting)]
    search = started(
        [program, "search", "digits", "--trials", "1", "--out", tmp_path / "run", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    for line in search.stdout:
        if '"EpochEnded"' in line:
            break
    shown = started(
        [program, "watch", tmp_path / "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )
    address = urlsplit(shown.stdout.readline().rpartition(" ")[2].strip())
    answer, page = get(address, address.path)
    assert answer.status == 200 and answer.headers["Refresh"] == "5" and "The search is running" in page
    shown.send_signal(signal.SIGINT)
    _, errors = shown.communicate(timeout=60)
    assert "Traceback" not in errors
    assert search.poll() is None, "ending the showing does not end the search"
    os.killpg(search.pid, signal.SIGTERM)  # to all of its processes, as `timeout` and systemd send it
    search.stdout.read()
    assert search.wait(120) == 130
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["interrupted"] is True
    assert (tmp_path / "run" / "model" / "model.json").is_file()
