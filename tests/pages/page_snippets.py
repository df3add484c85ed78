"""Finds what the pages show to be typed: commands, Python, recipes."""

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if ".pytest_cache" not in page.parts)]
)
FENCE = re.compile(
    r"^(?P<mark><!-- run -->\n)?(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Snippet:
    """A block of a page; ``marked`` if it is to be run as it stands."""

    page: Path
    line: int
    language: str
    text: str
    marked: bool

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(language):
    """All fenced blocks of a language, and for sh also the indented ones."""
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for block in FENCE.finditer(content):
            if block["language"] == language:
                line = content[: block.start()].count("\n") + 1
                found.append(Snippet(page, line, language, block["text"], bool(block["mark"])))
    return found


@dataclass(frozen=True)
class Command:
    """A line that begins with automl-img, as words; ``whole`` if nothing of it is left out."""

    page: Path
    words: tuple[str, ...]
    whole: bool

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.words)}"


def commands():
    """Every automl-img command of the pages: in blocks, in indented lines, and in running text."""
    found = {}
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        in_blocks = [
            line.strip()
            for block in FENCE.finditer(content)
            if block["language"] == "sh"
            for line in block["text"].replace("\\\n", " ").splitlines()
        ]
        in_blocks += [line.strip() for line in re.findall(r"^    (automl-img .+)$", content, re.MULTILINE)]
        in_text = re.findall(r"`((?:\w+=\S+ )?automl-img [^`]+)`", FENCE.sub("", content))
        for line, block in [*((line, True) for line in in_blocks), *((line, False) for line in in_text)]:
            for words in _commands_of(line):
                whole = block and not any("…" in word or word in ("RUN", "FILE") for word in words)
                found.setdefault((page, words), Command(page, words, whole))
    return list(found.values())


def _commands_of(line):
    words = shlex.split(line, comments=True)
    while words:
        end = next((place for place, word in enumerate(words) if word in ("&&", "|", ";")), len(words))
        one, words = words[:end], words[end + 1 :]
        names = [place for place, word in enumerate(one) if word.split("/")[-1] == "automl-img"]
        if names:
            yield tuple(word for word in one[names[0] + 1 :] if word != "…")


def recipes():
    """Every TOML block that is a recipe, or a part of one."""
    written = [one for one in snippets("toml") if not one.text.startswith("--8<--")]
    return [one for one in written if "project" not in tomllib.loads(one.text)]
