"""The pages in a real browser: what people see and can do, at two widths, with no error and no request to the network."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_run_page import made

from automl_img.report.run_page import run_page

PICTURES = Path(__file__).parents[2] / "build" / "pictures"  # kept for those who want to look
# Of a right and of a wrong cell, for shares from 0 to 1: the colours of the number, of the cell and of what is under it.
COLOURS = """() => ["hit", "miss"].flatMap(kind => {
    const cell = document.querySelector(`.matrix td.${kind}`);
    return Array.from({length: 21}, (_, step) => {
        cell.style.setProperty("--share", step / 20);
        const shown = getComputedStyle(cell.firstElementChild), card = getComputedStyle(cell.closest(".card"));
        return [shown.color, shown.backgroundColor, card.backgroundColor];
    });
})"""


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; afterwards nothing may have gone wrong, and nothing been asked for but the page itself."""
    contexts, wrong, asked = [], [], []

    def open_page(text, width=1280, scheme="light"):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
    assert all(url.startswith(("file:", "data:")) for url in asked)


def luminance(colour):
    red, green, blue = (part / 255 for part in colour[:3])
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink, cell, card):
    """The contrast of WCAG between ``ink`` and a cell that lets some of the card through."""
    ink, cell, card = ([float(part) for part in re.findall(r"[\d.]+", colour)] for colour in (ink, cell, card))
    opacity = cell[3] if len(cell) == 4 else 1.0
    under = [opacity * ours + (1 - opacity) * theirs for ours, theirs in zip(cell[:3], card[:3], strict=True)]
    dark, light = sorted((luminance(ink), luminance(under)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_screen_and_can_be_read(opened, width, scheme):
    page = opened(run_page(made()), width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("heading", level=1).inner_text() == "fashion"
    answer = page.locator(".verdict").bounding_box()
    assert answer["y"] + answer["height"] < 900, "the answer is on the first screen"
    ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    bright = [sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(","))) for colour in (ink, paper)]
    assert (bright[0] > bright[1]) == (scheme == "dark")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"report-{width}-{scheme}.png", full_page=True)
    assert min(contrast(*colours) for colours in page.evaluate(COLOURS)) >= 4.5


def test_a_cell_of_the_confusion_matrix_shows_its_images(opened):
    page = opened(run_page(made()))
    cells = page.locator("[data-shows]")
    chosen = cells.nth(cells.count() - 1)
    shown = page.locator(f"#{chosen.get_attribute('data-shows')}")
    assert not shown.is_visible()
    chosen.click()
    assert shown.is_visible() and chosen.get_attribute("aria-pressed") == "true"
    assert page.locator(".confused:visible").count() == 1
    assert shown.locator("img").count() >= 1
    assert shown.locator("img").first.evaluate("image => image.naturalWidth") == 12


def test_the_leaderboard_is_sorted_by_a_click_on_its_head(opened):
    page = opened(run_page(made()))
    table = page.locator("table.sortable").last
    numbers = lambda: [int(row) for row in table.locator("tbody tr td:nth-child(2)").all_inner_texts() if row]  # noqa: E731
    assert numbers() == [4, 1, 2, 3]
    head = table.locator("thead th", has_text="trial")
    head.get_by_role("button").click()
    assert numbers() == [1, 2, 3, 4] and head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert numbers() == [4, 3, 2, 1]
    assert table.locator("tbody tr").last.inner_text().startswith(("\t", "convnext")), "one without a number stays last"


def test_pointing_at_a_trial_shows_it_in_all_charts(opened):
    page = opened(run_page(made()))
    page.locator("tr[data-group=trial-1]").hover()
    assert page.locator(".lit").evaluate_all("all => all.map(one => one.dataset.group)") == ["trial-1"] * 3


def test_names_that_would_be_code_are_shown_and_not_run(opened):
    from test_run_page import HOSTILE

    page = opened(run_page(replace(made(HOSTILE), name=HOSTILE[0])))
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE[0]
