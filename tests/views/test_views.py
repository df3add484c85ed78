import contextlib
import io
import json
import math
import os
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from automl_img import events
from automl_img.search.leaderboard import Entry
from automl_img.search.progress import Progress, TrialProgress
from automl_img.views import make_view, python_view
from automl_img.views.base import JsonView, tell
from automl_img.views.curves import curve
from automl_img.views.live import LiveView
from automl_img.views.notebook import as_html, in_notebook
from automl_img.views.plain import PlainView
from automl_img.views.progress import progress_panel

LEADERBOARD = (
    Entry(
        1, 2, "final", "resnet9", "width=32 stem_stride=2", "done", 0.9421, 0.2, 483_498, 17.2, 341.0, 2500, ""
    ).__dict__,
    Entry(
        0, 1, "look", "vgg", "width=1", "failed", None, None, None, None, None, None, "crashed: <SIGSEGV> [bold]"
    ).__dict__,
)
STORY = [
    events.SearchStarted(0.1, "fashion", "runs/fashion", 0, 600.0, None, "10m 00s"),
    events.PluginLeftOut(0.2, "broken", "", "broken 0.1", "import raised RuntimeError: [red]no such GPU"),
    events.DataReady(1.0, "Fashion-MNIST", 10, 54_000, 6_000, 10_000, 28, 28, 1, ("Read from disk.",)),
    events.Preflight(
        5.0,
        "9 architectures get a look",
        (events.ArchitectureEstimate("vgg", "width=1", 1000, 12.5, 30.0, "size 1 of 5"),),
        "float32",
        2,
    ),
    events.StageStarted(5.0, "look", "a look at vgg", 30.0),
    events.TrialStarted(5.0, 1, "look", "vgg", "a look at vgg", {"architecture": "vgg"}, 30.0),
    events.TrialStarted(5.0, 2, "final", "resnet9", "the best", {"architecture": "resnet9"}, 340.0),
    events.EpochEnded(9.0, 2, 1.0, 0.51, 0.62, 0.85, 0.1, 2500.0),
    events.EpochEnded(12.0, 2, 2.0, math.nan, 0.58, 0.90, 0.2, 2500.0),
    events.TrialFailed(13.0, 1, "look", "vgg", "crashed", "its process ended with <SIGSEGV> [bold]"),
    events.TrialSkipped(13.0, "convnext", "an epoch takes 9m"),
    events.Decided(14.0, "augmentations that suit: horizontal_flip"),
    events.TrialEnded(350.0, 2, "final", "resnet9", 0.9421, 0.2, 17.2, 483_498, 341.0, True),
    events.SearchEnded(355.0, "runs/fashion", 2, "resnet9", 0.9421, 0.9377, 0.938, 2, 1, False, 2_000_000, LEADERBOARD),
]


def test_plain_lines_tell_each_event_with_its_time(capsys):
    view = PlainView()
    with view:
        for event in STORY:
            view.hear(event)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "[    0.1 s] search fashion: budget 10m 00s; seed 0; run folder runs/fashion"
    assert "[    0.2 s] warning: plugin broken is left out: import raised RuntimeError: [red]no such GPU" in lines
    assert "[   13.0 s] trial 1 failed: vgg, crashed: its process ended with <SIGSEGV> [bold]" in lines
    assert "[   13.0 s] skipped: convnext: an epoch takes 9m" in lines
    assert "crashed: <SIGSEGV> [bold]" in out, "what comes from outside is not read as markup"
    assert "macro-F1 0.9377, accuracy 0.9380" in out
    assert "\x1b" not in out


def test_a_model_of_several_networks_is_told_as_their_mean(capsys):
    view = PlainView()
    view.hear(replace(STORY[-1], members=(2,)))
    assert "resnet9, trial 2" in capsys.readouterr().out
    view.hear(replace(STORY[-1], members=(2, 1)))
    assert "the mean of resnet9, trial 2 and vgg, trial 1" in capsys.readouterr().out


def test_what_to_do_next_is_to_go_on_where_the_search_was_interrupted(capsys):
    view = PlainView()
    view.hear(STORY[-1])
    assert "--resume" not in capsys.readouterr().out
    view.hear(replace(STORY[-1], interrupted=True))
    assert "next        automl-img search --resume runs/fashion" in capsys.readouterr().out


def test_commands_to_copy_hold_a_run_folder_with_a_blank_as_one_word(capsys):
    PlainView().hear(replace(STORY[-1], run_dir="my runs/1", interrupted=True))
    out = capsys.readouterr().out
    for command in ("search --resume 'my runs/1'", "predict 'my runs/1' IMAGE…", "evaluate 'my runs/1'"):
        assert f"automl-img {command}" in out
    assert "automl_img.load('my runs/1').predict([...])" in out


def test_json_lines_are_json_and_nothing_else(capsys):
    view = JsonView()
    for event in STORY:
        view.hear(event)
    view.failed("no model")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in told[:2]] == ["SearchStarted", "PluginLeftOut"]
    assert told[8]["loss"] is None, "JSON knows no NaN"
    assert told[-2]["leaderboard"][0]["architecture"] == "resnet9"
    assert told[-1] == {"event": "Error", "message": "no model"}


@contextlib.contextmanager
def unread(opened):
    """Standard output and standard error that nobody reads any more; within a test, for pytest sets its own once a fixture is done."""
    reader, writer = opened()
    os.close(reader)
    with (
        open(writer, "w", encoding="utf-8") as out,
        open(os.dup(writer), "w", encoding="utf-8") as errors,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", errors)
        yield


READ_BY_NOBODY = pytest.mark.parametrize("opened", [os.pipe, os.openpty], ids=["a pipe", "a terminal"])


@READ_BY_NOBODY
@pytest.mark.parametrize("kind", [PlainView, JsonView])
def test_a_search_goes_on_when_nobody_reads_what_it_prints(kind, opened):
    with unread(opened), kind() as view:
        for event in STORY:
            view.hear(event)
        view.stopping()
        view.failed("no model")


@READ_BY_NOBODY
def test_a_search_comes_to_its_end_when_nobody_reads_the_leaderboard(opened):
    with unread(opened):
        PlainView().hear(STORY[-1])


def test_what_a_full_disk_does_not_take_is_let_go_and_what_comes_later_is_written(tmp_path):
    path = tmp_path / "printed.txt"
    with path.open("w", encoding="utf-8") as file, open("/dev/full", "w") as full:
        room = os.dup(file.fileno())
        os.dup2(full.fileno(), file.fileno())
        tell("there is no room for this", file)
        os.dup2(room, file.fileno())
        os.close(room)
        tell("but for this", file)
    assert path.read_text() == "but for this\n"


def test_a_search_comes_to_its_end_when_its_terminal_has_gone():
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        view = LiveView(Console(width=110, file=terminal, force_terminal=True))
        view._live.auto_refresh = False  # no thread draws: what is drawn at the end is what cannot be
        with view:
            os.close(ours)
            for event in STORY:
                view.hear(event)


@pytest.mark.parametrize(("terminal", "kind"), [("xterm", LiveView), ("dumb", PlainView)])
def test_a_terminal_that_can_only_add_lines_gets_plain_ones(terminal, kind, monkeypatch):
    monkeypatch.setenv("TERM", terminal)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0), open(theirs, "w") as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        view = make_view(json=False, plain=False)
    assert isinstance(view, kind)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_view_fits_the_terminal_at_every_moment(width):
    """Rich cuts what is too wide: the name and the figures of each trial that runs are to be read whole."""
    view, running = LiveView(Console(width=width, file=io.StringIO())), {}
    for event in STORY:
        view.hear(event)
        if isinstance(event, events.TrialStarted):
            running[event.trial] = [str(event.trial), event.architecture]
        elif isinstance(event, events.EpochEnded):
            figures = [f"{event.progress:.0%}", f"{event.epoch:.1f}", f"{event.loss:.3f}", f"{event.f1:.4f}"]
            running[event.trial] = [*running[event.trial][:2], *figures]
        elif isinstance(event, events.TrialFailed | events.TrialEnded):
            del running[event.trial]
        console = Console(width=width, height=40, file=io.StringIO(), record=True)
        console.print(view.render())
        text = console.export_text(styles=False)
        assert set().union(*running.values()) <= set(text.split()), text
        assert len(text.splitlines()) <= 24


def test_the_live_view_shows_budget_trials_and_the_best():
    console = Console(width=110, file=io.StringIO(), record=True)
    view = LiveView(console)
    for event in STORY[:-1]:
        view.hear(event)
    console.print(view.render())
    picture = console.export_text(styles=False)
    assert "fashion · final" not in picture
    assert "54,000 train" in picture
    assert "1 done · 1 failed · 1 skipped" in picture
    assert "best F1 0.9421  resnet9, trial 2" in picture
    assert "left" in picture


def test_the_live_view_of_a_search_that_goes_on_begins_with_what_there_was():
    resumed = events.SearchResumed(0.2, 10, 1, failed=5, skipped=1, best_trial=3, architecture="vgg", f1=0.93)
    worse = events.TrialEnded(20.0, 11, "search", "resnet9", 0.91, 0.4, 1.0, 1000, 5.0, False)
    console = Console(width=110, file=io.StringIO(), record=True)
    view = LiveView(console)
    for event in (STORY[0], resumed, worse):
        view.hear(event)
    console.print(view.render())
    picture = console.export_text(styles=False)
    assert "5 done · 5 failed · 1 skipped" in picture and "best F1 0.9300  vgg, trial 3" in picture


def picture_of(view):
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(view.render())
    return console.export_text(styles=False)


def test_the_live_view_counts_each_trial_once_however_often_it_is_tried():
    view = LiveView(Console(width=110, file=io.StringIO()))
    begun, again, other = STORY[5], replace(STORY[5], elapsed=14.0), replace(STORY[6], elapsed=15.0)
    for event in (replace(STORY[0], time=None, trials=2), STORY[10], begun, STORY[9]):
        view.hear(event)
    picture = picture_of(view)
    assert "1 of 2 trials begun" in picture and "0 running · 0 done · 1 failed · 1 skipped" in picture
    for event in (again, other):
        view.hear(event)
    picture = picture_of(view)
    assert "2 of 2 trials begun" in picture and "2 running · 0 done · 1 skipped" in picture
    view.hear(replace(STORY[12], trial=1))
    picture = picture_of(view)
    assert "2 of 2 trials begun" in picture and "1 running · 1 done · 1 skipped" in picture


def test_the_live_view_counts_those_that_had_ended_before_among_the_trials_that_have_begun():
    view = LiveView(Console(width=110, file=io.StringIO()))
    resumed = events.SearchResumed(0.2, 10, 1, failed=5, skipped=1, best_trial=3, architecture="vgg", f1=0.93)
    for event in (replace(STORY[0], time=None, trials=20), resumed, replace(STORY[5], trial=11)):
        view.hear(event)
    assert "11 of 20 trials begun" in picture_of(view)


def test_the_live_view_can_be_drawn_while_events_come():
    """As when another thread hears one between two steps of drawing."""
    view = LiveView(Console(width=110, file=io.StringIO()))

    class Remark(str):
        def __format__(self, spec):
            view.hear(events.Decided(20.0, "something more"))
            return str(self)

    class Curve(list):
        def __bool__(self):
            view.hear(replace(STORY[5], trial=len(view._running) + 10))
            return len(self) > 0

    for event in STORY[:9]:
        view.hear(event)
    view._running[2].curve = Curve([0.85, 0.9])
    view._remarks.append(Remark("the first"))
    picture = picture_of(view)
    assert "the first" in picture and "best F1 0.9000  resnet9, trial 2" in picture
    assert view._remarks[-1] == "something more" and len(view._running) > 2


def test_the_live_view_tells_of_plugins_that_are_left_out_but_for_those_that_do_not_suit_the_images():
    clash = events.PluginLeftOut(0.2, "resnet", "architecture", "", "another architecture has this name already")
    unsuited = events.PluginLeftOut(1.1, "hue", "augmentation", "", "grey images have no hue")
    console = Console(width=110, file=io.StringIO(), record=True)
    view = LiveView(console)
    for event in (STORY[0], clash, STORY[2], unsuited):
        view.hear(event)
    console.print(view.render())
    picture = console.export_text(styles=False)
    assert "resnet is left out: another architecture has this name already" in picture and "hue" not in picture


def test_the_live_view_shows_running_trials_with_their_curve():
    console = Console(width=110, file=io.StringIO(), record=True)
    view = LiveView(console)
    for event in STORY[:9]:
        view.hear(event)
    console.print(view.render())
    row = next(line for line in console.export_text(styles=False).splitlines() if "resnet9" in line)
    assert "0.9000" in row
    assert "▁█" in row


def test_the_best_so_far_may_be_a_trial_that_still_runs():
    ended = events.TrialEnded(5.0, 1, "look", "vgg", 0.88, 0.4, 1.0, 1000, 5.0, True)
    view = LiveView(Console(width=110, file=io.StringIO()))
    shown = []
    for event in (*STORY[:7], ended, *STORY[7:9]):
        view.hear(event)
        console = Console(width=110, file=io.StringIO(), record=True)
        console.print(view.render())
        shown.append(console.export_text(styles=False))
    assert ["best F1 0.8800  vgg, trial 1" in picture for picture in shown[-3:]] == [True, True, False]
    assert "best F1 0.9000  resnet9, trial 2" in shown[-1]


def test_the_status_of_a_search_names_a_running_trial_that_leads():
    ended = TrialProgress(1, "look", "vgg", 1.0, 0.88, (0.88,))
    running = TrialProgress(2, "final", "resnet9", 2.0, 0.9, (0.85, 0.9))
    state = ("fashion", "runs/fashion", "running", "this machine", 12.0, 600.0, None, None, {"done": 1, "running": 1})
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(progress_panel(Progress(*state, (running,), ended, None, ())))
    assert "best F1 0.9000  resnet9, trial 2" in console.export_text(styles=False)


@pytest.mark.parametrize(
    ("folder", "given", "said"),
    [
        ("runs/mine", False, "automl-img search --resume runs/mine"),
        ("my runs/1", False, "automl-img search --resume 'my runs/1'"),
        ("my runs/1", True, "automl_img.fit(images, out='my runs/1', resume=True)"),
    ],
)
def test_the_status_of_a_search_that_was_cut_off_says_how_it_goes_on(folder, given, said):
    state = ("mine", folder, "cut off", "", 12.0, 600.0, None, None, {"running": 1})
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(progress_panel(Progress(*state, (), None, None, (), given)))
    assert f"`{said}` goes on" in console.export_text(styles=False)


def test_a_curve_goes_from_its_lowest_to_its_highest_value():
    assert curve([0.1, 0.5, 0.9]) == "▁▅█"
    assert curve([0.5]) == "▁"
    assert curve([]) == ""
    assert len(curve([i / 100 for i in range(100)])) == 24


def test_a_notebook_is_shown_what_the_terminal_is_with_nothing_read_as_markup():
    view = LiveView(Console(file=io.StringIO(), width=110))
    for event in STORY[:-1]:
        view.hear(event)
    html = as_html(view.render())
    assert html.startswith("<pre") and "resnet9" in html and "0.9421" in html
    assert "&lt;SIGSEGV&gt; [bold]" in html


def test_from_python_events_go_to_the_listener_and_nothing_is_printed(capsys):
    heard = []
    with python_view(heard.append) as view:
        view.hear(STORY[0])
        view.stopping()
    with python_view(None) as view:
        view.hear(STORY[0])
    assert heard == STORY[:1]
    assert not in_notebook()
    assert capsys.readouterr() == ("", "")
