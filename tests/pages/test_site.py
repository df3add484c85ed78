"""The built site in a browser, opened from the disk: nothing is asked of elsewhere, nothing fails, nothing is wider than the window."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "pictures"  # kept for those who want to look
WIDE, NARROW = 1280, 390
LEFT = ("net::ERR_ABORTED",)  # what a page was still loading when the next was opened
PICTURED = ("index.html", "train-an-image-classifier.html", "how-it-works.html", "python-api.html")

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as CI builds it: a link that leads nowhere fails."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def page(browser):
    """A page of a browser; afterwards nothing may have gone wrong, and nothing been asked of elsewhere."""
    wrong, asked = [], []
    context = browser.new_context(viewport={"width": WIDE, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: wrong.append(request.url) if request.failure not in LEFT else None)
    yield page
    context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_every_page_opens_and_fits_a_wide_and_a_narrow_window(site, page):
    PICTURES.mkdir(parents=True, exist_ok=True)
    for file in sorted(site.rglob("*.html")):
        name = str(file.relative_to(site))
        if name == "404.html":  # is served from any address, so its links begin at the root
            continue
        page.goto(file.as_uri())
        assert page.locator("h1").first.inner_text(), name
        for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            page.locator(f"body[data-md-color-scheme={'slate' if scheme == 'dark' else 'default'}]").wait_for()
            if name in PICTURED:
                page.screenshot(path=PICTURES / f"site-{file.stem}-{width}-{scheme}.png", full_page=True)
        page.set_viewport_size({"width": WIDE, "height": 900})


def test_the_search_finds_a_page_without_a_server(site, page):
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    page.keyboard.type("patience")
    first = page.locator(".md-search-result__link").first
    first.wait_for(timeout=10_000)
    assert "recipes.html" in " ".join(
        link.get_attribute("href") for link in page.locator(".md-search-result__link").all()
    )
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "site-search.png")


def test_every_link_within_the_site_leads_to_a_part_that_is_there(site):
    pages = {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html") if file.name != "404.html"}
    parts = {file: set(re.findall(r'\bid="?([^"\s>]+)', text)) for file, text in pages.items()}
    for file, text in pages.items():
        for kind, target in re.findall(r'<(a|link|img|script)\b[^>]*?\b(?:href|src)="?([^"\s>]+)', text):
            if re.match(r"\w+:|//", target):
                assert kind == "a", target
                continue
            path, _, part = target.partition("#")
            there = (file.parent / path).resolve() if path else file
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), f"{file.name}: {target}"
            assert not part or there not in parts or part in parts[there], f"{file.name}: {target}"
