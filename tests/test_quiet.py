"""How TensorFlow is loaded; in processes of their own, since it can be loaded only once."""

import contextlib
import json
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


@pytest.fixture(params=["environment", "file"])
def another_backend(request, tmp_path, monkeypatch):
    """The settings of somebody who works with Keras on something else, where it keeps them: neither backend is installed here."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch", "image_data_format": "channels_first"}))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if request.param == "environment":
        monkeypatch.setenv("KERAS_BACKEND", "jax")


def test_keras_runs_on_tensorflow_whatever_it_is_set_to(another_backend):
    script = """
        from automl_img.quiet import load_tensorflow
        load_tensorflow(with_devices=False)
        import keras
        print(keras.config.backend(), keras.config.image_data_format())
    """
    assert answer_of(script) == ["tensorflow", "channels_first"], "how images lie is left to whose process it is"


def test_in_a_process_of_ours_keras_is_set_as_we_need_it_though_a_plugin_imports_it_first(another_backend):
    script = """
        from automl_img.quiet import load_alone, load_tensorflow
        load_alone()
        import keras
        load_tensorflow(with_devices=False)
        print(keras.config.backend(), keras.config.image_data_format())
    """
    assert answer_of(script) == ["tensorflow", "channels_last"]


def test_keras_that_runs_on_something_else_already_is_an_error_that_says_what_to_do():
    script = """
        import keras
        keras.config.backend = lambda: "jax"
        from automl_img.errors import UsageError
        from automl_img.quiet import load_tensorflow
        try:
            load_tensorflow(with_devices=False)
        except UsageError as error:
            print(error)
    """
    said = "Keras runs on jax here; automl-img needs TensorFlow. Set KERAS_BACKEND=tensorflow before Keras is imported."
    assert " ".join(answer_of(script)) == said
