"""How far a search is, for ``automl-img status``."""

from __future__ import annotations

import shlex

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl_img.recipe import duration_text
from automl_img.search.progress import ModelProgress, Progress, TrialProgress
from automl_img.views.curves import curve

COLOURS = {"running": "cyan", "ended": "green", "interrupted": "yellow", "failed": "red", "cut off": "red"}
ORDER = ("done", "running", "failed", "skipped", "stopped")


def progress_panel(progress: Progress) -> RenderableType:
    """A panel with the budget, the trials that run, and the best."""
    cut_off = progress.state == "cut off"
    lines: list[RenderableType] = [_budget(progress)]
    counts = " · ".join(f"{progress.counts[name]} {name}" for name in ORDER if progress.counts.get(name))
    if cut_off:
        counts = counts.replace("running", "cut off")
    lines.append(Text(counts or "no trial yet", style="dim"))
    best = progress.best if progress.model else _leader(progress)
    if best is not None:
        lines.append(_best(best, progress.model))
    if progress.running:
        lines += [Text(), _trials(progress.running)]
    if progress.remarks:
        lines.append(Text())
        lines += [Text(f"· {text}", style="dim", overflow="ellipsis", no_wrap=True) for text in progress.remarks]
    if cut_off:
        call = f"automl_img.fit(images, out={progress.run_dir!r}, resume=True)"
        command = f"automl-img search --resume {shlex.quote(progress.run_dir)}"
        lines += [Text(), Text(f"`{call if progress.given else command}` goes on")]
    state = f"{progress.state} by {progress.driver}" if progress.driver else progress.state
    title = f"[bold]automl-img[/] · {progress.name} · {state}"
    return Panel(Group(*lines), title=title, border_style=COLOURS[progress.state], padding=(0, 1))


def _leader(progress: Progress) -> TrialProgress | None:
    """The best trial so far, which may still run."""
    measured = [one for one in (progress.best, *progress.running) if one is not None and one.f1 is not None]
    return max(measured, key=lambda one: one.f1 or 0.0, default=None)


def _best(best: TrialProgress, model: ModelProgress | None) -> Text:
    """The model, where the search has ended with one; else the best trial so far."""
    if model is None:
        return Text.assemble("best ", (f"F1 {best.f1:.4f}", "bold green"), f"  {best.architecture}, trial {best.trial}")
    test = f", {model.test_f1:.4f} on test" if model.test_f1 is not None else ""
    trials = ", ".join(map(str, model.members))
    source = f"{best.architecture}, trial {trials}" if len(model.members) == 1 else f"the mean of the trials {trials}"
    return Text.assemble("model ", (f"F1 {model.validation_f1:.4f}", "bold green"), f" on validation{test}  {source}")


def _budget(progress: Progress) -> RenderableType:
    used = f"{duration_text(progress.elapsed)} used"
    if not progress.time:
        return Text(f"{used}, of {progress.trials} trials" if progress.trials else used)
    grid = Table.grid(expand=True, padding=(0, 2))
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=progress.time, completed=min(progress.elapsed, progress.time), complete_style="cyan")
    grid.add_row(bar, f"{used} · {duration_text(max(0.0, progress.time - progress.elapsed))} left")
    return grid


def _trials(running: tuple[TrialProgress, ...]) -> RenderableType:
    table = Table.grid(padding=(0, 2), expand=True)
    for justify in ("right", "left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    table.add_row(*(Text(word, style="dim") for word in ("trial", "stage", "architecture", "epoch", "F1", "")))
    for trial in running:
        table.add_row(
            str(trial.trial),
            trial.stage,
            Text(trial.architecture, style="bold"),
            f"{trial.epoch:.1f}",
            f"{trial.f1:.4f}" if trial.f1 is not None else "…",
            Text(curve(list(trial.curve)), style="green"),
        )
    return table
