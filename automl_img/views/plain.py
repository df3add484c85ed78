"""Plain lines: one for each event, with the time, for pipes, logs and CI."""

from __future__ import annotations

import sys

from automl_img import events
from automl_img.recipe import duration_text
from automl_img.views.base import View, tell
from automl_img.views.summary import print_summary


class PlainView(View):
    """Prints a line for each event worth one."""

    def hear(self, event: events.Event) -> None:
        """Print the event."""
        if isinstance(event, events.Preflight):
            self._line(event, f"plan: {event.summary} ({event.precision}, {event.slots} at once)")
            for estimate in event.estimates:
                self._line(
                    event,
                    f"  {estimate.architecture}: {estimate.parameters:,} weights, {estimate.megaflops:.1f} MFLOP, "
                    f"{duration_text(estimate.epoch_seconds)} an epoch; {estimate.verdict}",
                )
            return
        text = sentence(event)
        if text:
            self._line(event, text)
        if isinstance(event, events.SearchEnded):
            print_summary(event, plain=True)

    def _line(self, event: events.Event, text: str) -> None:
        tell(f"[{event.elapsed:7.1f} s] {text}", sys.stdout)


def sentence(event: events.Event) -> str:
    """The event in one line of text; empty for those that need none."""
    match event:
        case events.SearchStarted():
            return f"search {event.name}: budget {event.budget}; seed {event.seed}; run folder {event.run_dir}"
        case events.SearchResumed():
            used = duration_text(event.elapsed)
            return (
                f"resumed with {used} of its budget used; trials ended before: {event.ended}, cut off: {event.cut_off}"
            )
        case events.PluginLeftOut():
            word = "warning: plugin" if event.distribution or not event.kind else event.kind
            return f"{word} {event.name} is left out: {event.reason}"
        case events.DataReady():
            size = f"{event.height}×{event.width}×{event.channels}"
            notes = "".join(f" {note}" for note in event.notes)
            counts = f"{event.train:,} train, {event.validation:,} validation, {event.test:,} test"
            return f"data: {event.dataset}, {event.task}, {event.classes} classes, {counts}, {size} pixels.{notes}"
        case events.Progress():
            return f"{event.what}: {event.done:,} of {event.total:,}" if event.done == event.total else ""
        case events.StageStarted():
            return f"stage {event.stage}"
        case events.Decided():
            return f"decided: {event.what}"
        case events.TrialStarted():
            return f"trial {event.trial} started: {event.architecture} ({event.why})"
        case events.EpochEnded():
            return (
                f"trial {event.trial} epoch {event.epoch:.1f}: loss {event.loss:.4f}, F1 {event.f1:.4f}, "
                f"{event.progress:.0%} done, {event.images_per_second:,.0f} images/s"
            )
        case events.TrialEnded():
            return (
                f"trial {event.trial} ended: {event.architecture}, F1 {event.f1:.4f} after {event.epochs:.1f} epochs, "
                f"{event.parameters:,} weights, {duration_text(event.seconds)}{'; the best so far' if event.best else ''}"
            )
        case events.TrialFailed():
            return f"trial {event.trial} failed: {event.architecture}, {event.kind}: {event.message}"
        case events.TrialSkipped():
            return f"skipped: {event.architecture}: {event.reason}"
        case _:
            return ""
