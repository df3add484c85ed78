"""How what another library says is put into one of our sentences."""

import pytest

from automl_img.errors import named_reason_of, reason_of


def caught(error, cause=None):
    with pytest.raises(type(error)) as found:
        raise error from cause
    return found.value


def test_a_reason_is_on_one_line_and_never_empty():
    assert reason_of(ValueError("no\n  such\tshape ")) == "no such shape"
    assert reason_of(ValueError()) == "ValueError"
    assert named_reason_of(ValueError("no such shape")) == "ValueError: no such shape"


def test_a_long_reason_is_cut_between_two_words_and_shows_it():
    reason = reason_of(ValueError("these words " * 100))
    assert len(reason) <= 300 and reason.endswith((" these…", " words…"))
    assert reason_of(ValueError("a few words"), longest=9) == "a few…"
    assert reason_of(ValueError("a few words"), longest=11) == "a few words"
    assert reason_of(ValueError("x" * 20), longest=10) == "xxxxxxxxx…"


def test_noise_is_left_out_before_the_reason_is_cut():
    error = ValueError("torn record {{node Read}} at the end [Op:Read]\nmore")
    assert reason_of(error, longest=22, noise=r"\{\{.*?\}\}|\[Op:.*") == "torn record at the end"


def test_of_a_failed_connection_what_the_system_says_is_told():
    system = ConnectionRefusedError(111, "Connection refused")
    text = (
        "HTTPConnectionPool(host='x', port=80): Max retries exceeded with url: / (Caused by NewConnectionError('<…>'))"
    )
    middle = caught(RuntimeError(text), system)
    assert reason_of(caught(OSError(text), middle)) == "[Errno 111] Connection refused"
    assert reason_of(caught(OSError(text))) == text


def test_another_error_is_told_as_it_is_whatever_it_came_from():
    assert reason_of(caught(ValueError("no such shape"), KeyError("x"))) == "no such shape"
