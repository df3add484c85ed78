"""The live view of a search on a terminal."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl_img import events
from automl_img.recipe import duration_text
from automl_img.views.base import View, let_go
from automl_img.views.curves import curve
from automl_img.views.plain import sentence
from automl_img.views.summary import print_summary

REMARKS = 4  # lines of what was decided last


@dataclass
class _Running:
    event: events.TrialStarted
    epoch: float = 0.0
    loss: float | None = None
    progress: float = 0.0
    curve: list[float] = field(default_factory=list)


class LiveView(View):
    """Shows the budget, the running trials with their curves, the best so far, and what was decided.

    Args:
        console: Where to draw; the terminal unless given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._started: events.SearchStarted | None = None
        self._data = ""
        self._plan = "getting ready"
        self._stage = "getting ready"
        self._running: dict[int, _Running] = {}
        self._ends: dict[int, str] = {}  # how trials have ended; one that is tried again has not
        self._before = 0  # trials that had ended before the search was resumed
        self._counts = {"done": 0, "failed": 0, "skipped": 0}  # of these, and of architectures that got no trial
        self._best: tuple[float, str, int] | None = None
        self._remarks: deque[str] = deque(maxlen=REMARKS)
        self._offset = time.monotonic()
        self._ended: events.SearchEnded | None = None
        self._live = Live(get_renderable=self.render, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._live.stop()
        except OSError as gone:  # the terminal; the search has its result all the same
            let_go(self._console.file, gone)
        if self._ended is not None:
            print_summary(self._ended, self._console)

    def stopping(self) -> None:
        """Say it among the remarks: a line in between would tear the picture."""
        self._remarks.append("stopping in good order; press Ctrl-C again to stop at once")

    def hear(self, event: events.Event) -> None:
        """Take the event into the picture."""
        self._offset = time.monotonic() - event.elapsed
        match event:
            case events.SearchStarted():
                self._started = event
            case events.SearchResumed():
                done = event.ended - event.failed - event.skipped
                self._before = event.ended
                self._counts = {"done": done, "failed": event.failed, "skipped": event.skipped}
                if event.f1 is not None and event.best_trial is not None:
                    self._best = event.f1, event.architecture, event.best_trial
                self._remarks.append(sentence(event))
            case events.DataReady():
                size = f"{event.height}×{event.width}×{event.channels}"
                counts = f"{event.train:,} train · {event.validation:,} validation · {event.test:,} test"
                self._data = f"{event.dataset} · {event.task}, {event.classes} classes · {counts} · {size}"
                self._remarks.extend(event.notes)
            case events.Progress():
                self._plan = f"{event.what}: {event.done:,} of {event.total:,}"
            case events.Preflight():
                self._plan = event.summary
            case events.StageStarted():
                self._stage = {
                    "look": "a look at each",
                    "search": "search",
                    "final": "final training",
                    "repeat": "other seeds",
                }.get(event.stage, event.stage)
            case events.TrialStarted():
                self._ends.pop(event.trial, None)
                self._running[event.trial] = _Running(event)
            case events.EpochEnded():
                running = self._running[event.trial]
                running.epoch, running.loss, running.progress = event.epoch, event.loss, event.progress
                running.curve.append(event.f1)
            case events.TrialEnded():
                self._end(event.trial, "done")
                self._best = (event.f1, event.architecture, event.trial) if event.best else self._best
            case events.TrialFailed():
                self._end(event.trial, "failed")
                self._remarks.append(sentence(event))
            case events.TrialSkipped():
                if event.trial is None:
                    self._counts["skipped"] += 1
                else:
                    self._end(event.trial, "skipped")
                self._remarks.append(sentence(event))
            case events.PluginLeftOut() if not self._data:  # later ones do not suit the images, and are no fault
                self._remarks.append(sentence(event))
            case events.Decided():
                self._remarks.append(event.what)
            case events.SearchEnded():
                self._ended = event

    def _end(self, trial: int, how: str) -> None:
        self._running.pop(trial, None)
        self._ends[trial] = how

    def render(self) -> RenderableType:
        """The picture now; a thread of its own draws it, while events are heard: what it goes through is a copy."""
        lines: list[RenderableType] = [self._budget()]
        if self._data:
            lines.append(Text(self._data, style="dim", overflow="ellipsis", no_wrap=True))
        lines += [
            Text(self._plan, style="dim", overflow="ellipsis", no_wrap=True),
            Text(),
            self._trials(),
            Text(),
            self._footer(),
        ]
        if remarks := list(self._remarks):
            lines.append(Text())
            lines += [Text(f"· {remark}", style="dim", overflow="ellipsis", no_wrap=True) for remark in remarks]
        name = self._started.name if self._started else "search"
        return Panel(
            Group(*lines), title=f"[bold]automl-img[/] · {name} · {self._stage}", border_style="cyan", padding=(0, 1)
        )

    def _budget(self) -> RenderableType:
        elapsed = time.monotonic() - self._offset
        grid = Table.grid(expand=True, padding=(0, 2))
        total = self._started.time if self._started else None
        if total:
            grid.add_column(ratio=1)
            grid.add_column(no_wrap=True, justify="right")
            left = f"{duration_text(elapsed)} used · [bold]{duration_text(max(0.0, total - elapsed))}[/] left"
            grid.add_row(
                ProgressBar(total=total, completed=min(elapsed, total), complete_style="cyan"), Text.from_markup(left)
            )
            return grid
        limit = f" of {self._started.trials} trials" if self._started and self._started.trials else " trials"
        begun = self._before + len({*self._ends, *self._running})
        grid.add_column()
        grid.add_row(f"{begun}{limit} begun · {duration_text(elapsed)} used")
        return grid

    def _trials(self) -> RenderableType:
        if not self._running:
            return Text("no trial is running", style="dim italic")
        table = Table.grid(padding=(0, 2), expand=True)
        for justify in ("right", "left", "right", "right", "right", "right"):
            table.add_column(justify=justify, no_wrap=True)
        table.add_column(ratio=1, no_wrap=True)
        header = ("trial", "architecture", "done", "epoch", "loss", "F1", "")
        table.add_row(*(Text(word, style="dim") for word in header))
        for trial, running in sorted(self._running.items()):
            loss = f"{running.loss:.3f}" if running.loss is not None else "…"
            f1 = f"{running.curve[-1]:.4f}" if running.curve else "…"
            table.add_row(
                Text(str(trial)),
                Text(running.event.architecture, style="bold"),
                Text(f"{running.progress:.0%}"),
                Text(f"{running.epoch:.1f}"),
                Text(loss),
                Text(f1, style="bold"),
                Text(curve(running.curve), style="green"),
            )
        return table

    def _footer(self) -> RenderableType:
        ends = list(self._ends.values())
        numbers = {word: count + ends.count(word) for word, count in self._counts.items()}
        counts = " · ".join(f"{count} {word}" for word, count in numbers.items() if count or word == "done")
        text = Text.assemble((f"{len(self._running)} running · {counts}", ""))
        if (best := self._leader()) is not None:
            f1, architecture, trial = best
            text.append("    best ")
            text.append(f"F1 {f1:.4f}", style="bold green")
            text.append(f"  {architecture}, trial {trial}")
        return text

    def _leader(self) -> tuple[float, str, int] | None:
        """The best F1 so far, its architecture and its trial, which may still run: the weights of its best measurement are kept."""
        ended = [] if self._best is None else [self._best]
        running = [(max(r.curve), r.event.architecture, trial) for trial, r in list(self._running.items()) if r.curve]
        return max((*ended, *running), key=lambda one: one[0], default=None)
