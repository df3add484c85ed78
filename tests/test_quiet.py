"""How TensorFlow is loaded; in processes of their own, since it can be loaded only once."""

import contextlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from automl_img.processor import is_x86
from automl_img.quiet import COMPANIONS, quiet

EXECUTORS = Path(__file__).parent / "executors"


def answer_of(script):
    """What a fresh interpreter prints, in words."""
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_the_last_that_wanted_silence_ends_it(capfd):
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(quiet())
    second.enter_context(quiet())
    first.close()
    os.write(2, b"thrown away")
    second.close()
    os.write(2, b"told")
    with quiet():
        os.write(2, b"thrown away too")
    assert capfd.readouterr().err == "told"


def test_a_process_that_is_not_ours_alone_gets_keras_as_it_is():
    script = """
        import gc, sys
        from automl_img.quiet import load_tensorflow
        load_tensorflow(with_devices=False)
        print("sklearn" in sys.modules, gc.isenabled())
    """
    assert answer_of(script) == ["True", "True"]


@pytest.mark.skipif(not is_x86(), reason="oneDNN is asked for on x86-64 alone")
@pytest.mark.parametrize(("asked", "found"), [(None, "True"), ("1", "True"), ("0", "False")])
def test_onednn_is_used_on_every_x86_unless_somebody_says_otherwise(asked, found, monkeypatch):
    script = """
        from automl_img.quiet import load_tensorflow
        load_tensorflow(with_devices=False)
        from tensorflow.python.util import _pywrap_util_port
        print(_pywrap_util_port.IsMklEnabled())
    """
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if asked is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", asked)
    assert answer_of(script) == [found]


def test_the_command_line_leaves_the_companions_out_and_they_can_be_imported_later():
    script = f"""
        import contextlib, sys
        from automl_img import cli
        from automl_img.quiet import load_tensorflow
        sys.argv = ["automl-img", "--version"]
        with contextlib.suppress(SystemExit):
            cli.main()
        load_tensorflow(with_devices=False)
        print(*(name for name in {COMPANIONS} if name in sys.modules), "none")
        import pandas, sklearn.metrics
        print(sklearn.metrics.accuracy_score([1], pandas.Series([1])))
    """
    assert answer_of(script)[2:] == ["none", "1.0"], "after the name and the version"


def test_a_companion_that_is_there_stays_and_so_does_a_garbage_collector_that_is_off():
    script = """
        import gc, pandas
        from automl_img.quiet import load_alone, load_tensorflow
        gc.disable()
        load_alone()
        load_tensorflow(with_devices=False)
        import pandas as again
        print(again is pandas, gc.isenabled())
    """
    assert answer_of(script) == ["True", "False"]


def test_the_fork_server_holds_what_a_trial_needs_and_no_thread_of_tensorflow():
    script = f"""
        import gc, sys
        sys.path.insert(0, {str(EXECUTORS)!r})
        import automl_img.executors.preload
        from tensorflow.python.eager import context
        print("automl_img.training.trial" in sys.modules, context.context()._initialized, gc.isenabled(), gc.get_freeze_count() > 100_000)
    """
    assert answer_of(script) == ["True", "False", "True", "True"]
