"""The page in a real browser, and the command as a person starts and ends it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'automl-img[serve]'")

import numpy as np
import uvicorn
from PIL import Image

from automl_img.serving.application import Limits, make_app

pytestmark = pytest.mark.train
PICTURES = Path(__file__).parents[2] / "build" / "pictures"
PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"
PROGRAM = str(Path(sys.executable).parent / "automl-img")


@contextlib.contextmanager
def running(app):
    """Yield the address of a server."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def server(finished):
    """The address of a running server that takes one image in a request, as which the page sends each picture."""
    with running(make_app(finished[0].predictor, name="digits <b>&amp;", limits=Limits(images=1))) as address:
        yield address


@pytest.fixture
def drawn(tmp_path, digits_data):
    """Files of a seven, and of something that is no image."""
    seven = digits_data[0][np.flatnonzero(digits_data[1] == 7)[0]]
    Image.fromarray(seven).save(tmp_path / "seven.png")
    (tmp_path / "<img src=x onerror=alert(1)>.png").write_text("no image")
    return [tmp_path / "seven.png", tmp_path / "<img src=x onerror=alert(1)>.png"]


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_a_picture_is_shown_with_its_answer_and_a_broken_one_with_its_error(browser, server, drawn, width, scheme):
    said, asked = [], []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server)
    assert page.locator("h1").inner_text() == "digits <b>&amp;"
    page.set_input_files("#drop input", drawn)
    page.wait_for_selector("article:not(.waiting) .row")
    page.wait_for_selector(".error")
    assert page.locator(".row").count() == 5
    assert page.locator("article h2").first.inner_text() == "this is no image file"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out to the right"
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"serve-{width}-{scheme}.png", full_page=True)
    page.close()
    refused = [text for text in said if "422" not in text]  # Chromium tells of the broken picture's status
    assert refused == []
    assert all(url.startswith((server, "blob:")) for url in asked)


def test_the_name_of_the_model_is_shown_to_who_gives_the_token(browser, finished):
    with running(make_app(finished[0].predictor, name="digits", token="sesame")) as address:
        page = browser.new_page()
        page.goto(address)
        assert page.locator("h1").inner_text() == "What is this?" and page.title() == "what is this?"
        page.fill("#token input", "sesame")
        page.press("#token input", "Tab")
        page.wait_for_selector("#about:not(:empty)")
        assert page.locator("h1").inner_text() == "digits"
        page.close()


def started(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "COLUMNS": "160"}
    return subprocess.Popen(
        [PROGRAM, "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.e2e
def test_the_command_says_where_it_answers_and_ends_when_asked(finished, drawn):
    import httpx

    process = started(finished[0].run_dir, "--port", 0)
    line = process.stdout.readline()
    assert "digits answers at http://127.0.0.1:" in line, process.stderr.read()
    address = line.rpartition(" ")[2].strip()
    answer = httpx.post(f"{address}/predict", files={"files": drawn[0].read_bytes()}, timeout=60)
    assert answer.status_code == 200 and answer.json()["predictions"][0]["classes"]
    port = int(address.rpartition(":")[2])
    second = started(finished[0].run_dir, "--port", port)
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 2 and "the port cannot be used" in errors and "Traceback" not in errors
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""


@pytest.mark.e2e
def test_another_address_than_this_machines_own_gets_a_token(finished):
    process = started(finished[0].run_dir, "--port", 0, "--host", "0.0.0.0")
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "Authorization: Bearer" in lines[1] and len(lines[1].rpartition(" ")[2].strip()) >= 32
    assert process.returncode in (0, 130)


@pytest.mark.e2e
def test_a_token_that_was_given_is_asked_for_and_not_printed(finished):
    import httpx

    process = started(finished[0].run_dir, "--port", 0, "--token", " open-sesame\n")  # as a file or a secret ends
    lines = [process.stdout.readline(), process.stdout.readline()]
    headers = {"authorization": "Bearer open-sesame"}
    status = httpx.get(f"{lines[0].split()[-1]}/metrics", headers=headers, timeout=60).status_code
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert status == 200
    assert "Authorization: Bearer TOKEN" in lines[1] and "open-sesame" not in "".join((*lines, rest, errors))
