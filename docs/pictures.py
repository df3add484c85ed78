"""Makes the pictures of the documentation from a real search: the live terminal while it runs, and its report.

usage: python docs/pictures.py [--recipe recipes/fashion.toml] [--budget 4m] [--run RUN]

It needs tmux, which holds the terminal, and chromium, which draws. With --run the report of a run that has ended is drawn, and no search is made.
"""

import argparse
import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from automl_img.recipe.units import duration_seconds

IMAGES = Path(__file__).resolve().parent / "images"
SESSION = "automl-img-pictures"
COLUMNS, ROWS = 112, 24
WHEN = 0.85  # of the budget is used when the terminal is pictured: the final training is under way
NIGHT = TerminalTheme(
    (22, 27, 34), (201, 209, 217),
    [(22, 27, 34), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207), (201, 209, 217)],
)
TERMINAL = """<style>
body {{ margin: 0; background: transparent }}
main {{ display: inline-block; padding: 14px 18px 18px; border-radius: 10px; background: #161b22; color: #c9d1d9 }}
i {{ display: inline-block; width: 12px; height: 12px; margin: 0 4px 10px 0; border-radius: 6px; background: #484f58 }}
pre {{ margin: 0; font: 14px/1.22 'DejaVu Sans Mono', monospace }}
</style><main><i></i><i></i><i></i><pre>{code}</pre></main>"""


def search(recipe, budget, folder, out):
    """Run a search in a terminal of tmux in ``folder``, and return what the terminal shows near its end, with its escapes."""
    program = Path(sys.executable).parent / "automl-img"
    command = f"{program} search {Path(recipe).resolve()} --budget {budget} --out {out}"
    seconds = duration_seconds(budget)
    subprocess.run(["tmux", "new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(ROWS), "-c", folder, command], check=True)
    try:
        time.sleep(WHEN * seconds)
        shown = subprocess.run(["tmux", "capture-pane", "-e", "-p", "-t", SESSION], check=True, capture_output=True, text=True).stdout
        deadline = time.monotonic() + seconds
        while subprocess.run(["tmux", "has-session", "-t", SESSION], capture_output=True).returncode == 0:
            if time.monotonic() > deadline:
                sys.exit("the search does not end")
            time.sleep(1)
    finally:
        subprocess.run(["tmux", "kill-session", "-t", SESSION], capture_output=True)
    return shown


def terminal_page(shown):
    """A page that looks as the terminal does."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(shown.rstrip()))
    return console.export_html(theme=NIGHT, inline_styles=True, code_format=TERMINAL)


@contextlib.contextmanager
def browser(width, height):
    """A page of chromium with sharp pixels."""
    program = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield made.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5, color_scheme="light")
        made.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/fashion.toml")
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--run", type=Path, help="a run that has ended, whose report is drawn; no search is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = f"runs/{Path(asked.recipe).stem}"
        run = asked.run or Path(folder, out)
        with browser(1100, 560) as page:
            if asked.run is None:
                page.set_content(terminal_page(search(asked.recipe, asked.budget, folder, out)))
                page.locator("main").screenshot(path=IMAGES / "live.png", omit_background=True)
            page.goto((run / "report.html").resolve().as_uri())
            page.screenshot(path=IMAGES / "report.png")


if __name__ == "__main__":
    main()
