"""What is wrong is known before the server runs, and said by an error of ours."""

from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'automl-img[serve]'")

from automl_img.errors import ModelFileError, UsageError
from automl_img.plugin import ImageTraits
from automl_img.serving.application import Limits
from automl_img.serving.server import serve, url_of


class Broken:
    """A model whose weights do not fit."""

    card = SimpleNamespace(plan=SimpleNamespace(image=ImageTraits(8, 8, 1, 2, 100)), versions={})

    def answer(self, pixels):
        raise ModelFileError(f"the weights do not fit the network of {pixels.shape[1:]}")


def serve_broken(**more):
    given = {"name": "digits", "host": "127.0.0.1", "port": 0, "token": "", "limits": Limits(), "ready": print, **more}
    serve(Broken(), **given)


def test_a_model_that_cannot_predict_is_told_before_the_server_runs(capsys):
    with pytest.raises(ModelFileError, match=r"do not fit the network of \(8, 8, 1\)"):
        serve_broken()
    said = capsys.readouterr()
    assert said.out == said.err == ""


@pytest.mark.parametrize("host", ["192.168..1", "a" * 70])
def test_an_address_that_is_none_is_one_line(host):
    with pytest.raises(UsageError, match="--host: there is no such address; found"):
        serve_broken(host=host)


@pytest.mark.parametrize("token", [" ", "\n", "schlüssel", "two\nlines"])
def test_a_token_that_no_request_could_bring_is_refused_and_not_shown(token):
    with pytest.raises(UsageError, match="AUTOML_IMG_TOKEN: no request could bring this token; allowed: ") as refused:
        serve_broken(token=token)
    assert refused.value.found is None


def test_the_printed_address_can_be_opened():
    assert url_of("::1", 80) == "http://[::1]:80" and url_of("fe80::1", 80) == "http://[fe80::1]:80"
    assert url_of("127.0.0.1", 80) == "http://127.0.0.1:80" and url_of("localhost", 80) == "http://localhost:80"
