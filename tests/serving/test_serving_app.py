"""The server as a program sees it: answers, and a refusal with a reason for everything else."""

import asyncio
import base64
import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'automl-img[serve]'")

from fastapi.testclient import TestClient  # noqa: E402

from automl_img.serving.application import Limits, make_app  # noqa: E402
from automl_img.serving.guard import Guard  # noqa: E402
from automl_img.serving.uploads import FORMATS, _of_json  # noqa: E402

pytestmark = pytest.mark.train
LIMITS = Limits(bytes=300_000, images=5, waiting=64, pixels=1_000_000)


def png(pixels, format="PNG"):
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format)
    return written.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb():
    """A PNG of a few bytes that says it has 20,000 × 20,000 pixels."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(scope="module")
def predictor(finished):
    return finished[0].predictor


@pytest.fixture(scope="module")
def client(predictor):
    with TestClient(make_app(predictor, name="digits", limits=LIMITS), base_url="http://localhost") as made:
        yield made


@pytest.fixture(scope="module")
def images(digits_data):
    return [png(pixels) for pixels in digits_data[0][:4]]


def files(*contents):
    return [("files", (f"{place}.png", content, "image/png")) for place, content in enumerate(contents)]


def test_pillow_knows_each_format_that_an_upload_may_have():
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN), "one that it does not know ends the search for the others"


def test_answers_are_those_of_the_predictor(client, predictor, images, digits_data):
    answer = client.post("/predict?top=10", files=files(*images)).json()["predictions"]
    assert [one["name"] for one in answer] == ["0.png", "1.png", "2.png", "3.png"]
    assert [one["answer"] for one in answer] == predictor.predict(digits_data[0][:4]).tolist()
    expected = predictor.predict_proba(digits_data[0][:4])
    for one, row in zip(answer, expected, strict=True):
        found = {part["label"]: part["probability"] for part in one["classes"]}
        assert [found[name] for name in predictor.class_names] == pytest.approx(row.tolist(), abs=1e-5)


def test_json_and_one_image_as_the_body_give_the_same(client, images):
    by_form = client.post("/predict", files=files(*images)).json()["predictions"]
    texts = [base64.b64encode(image).decode() for image in images]
    by_json = client.post("/predict", json={"images": [texts[0], f"data:image/png;base64,{texts[1]}", *texts[2:]]})
    assert [one["answer"] for one in by_json.json()["predictions"]] == [one["answer"] for one in by_form]
    alone = client.post("/predict", content=images[0], headers={"content-type": "image/png"})
    one, among_others = alone.json()["predictions"][0]["classes"], by_form[0]["classes"]
    assert [found["label"] for found in one] == [found["label"] for found in among_others]
    # A batch of another size may be multiplied in another order.
    probabilities = [found["probability"] for found in among_others]
    assert [found["probability"] for found in one] == pytest.approx(probabilities, rel=1e-4)


def test_an_image_that_cannot_be_read_leaves_the_others_their_answers(client, images):
    answer = client.post("/predict", files=files(images[0], b"no image", images[1]))
    assert answer.status_code == 200
    first, second, third = answer.json()["predictions"]
    assert second == {"name": "1.png", "classes": [], "error": "this is no image file"}
    assert "answer" in first and "answer" in third and "error" not in first


HOSTILE = {
    "text named .png": (b"<script>alert(1)</script>", "this is no image file"),
    "nothing": (b"", "the file is empty"),
    "a truncated image": (png(np.zeros((64, 64), np.uint8), "JPEG")[:300], "damaged or truncated"),
    "a bomb": (bomb(), "too many pixels"),
    "a pickle": (b"\x80\x04\x95\x1a\x00\x00\x00", "this is no image file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_is_refused_with_a_sentence(client, name):
    content, said = HOSTILE[name]
    answer = client.post("/predict", files=files(content))
    assert answer.status_code == 422
    assert said in answer.json()["predictions"][0]["error"]
    assert "Traceback" not in answer.text and "/" not in answer.json()["predictions"][0]["error"]


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "found text/plain"),
        ({"content": b"x"}, 415, "no content type"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "Invalid JSON"),
        ({"json": {"images": []}}, 422, "images"),
        ({"json": {"pictures": ["a"]}}, 422, "images"),
        ({"json": {"images": ["%%%"]}}, 422, "this is no base64"),
        ({"json": {"images": ["AAAA"] * 6}}, 413, "more than 5"),
        ({"files": [("file", ("a.png", b"x"))]}, 422, "name the fields"),
        ({"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 400, ""),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"files": files(*[b"x"] * 7)}, 413, "more than 5"),
        ({"files": files(*[b"x"] * 3000)}, 413, ""),
        ({"files": files(b"x" * 300_001)}, 413, "larger than 0.3 MB"),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(client, request_, status, said):
    answer = client.post("/predict", **request_)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_too_many_images_in_json_are_refused_before_one_is_decoded(monkeypatch):
    decoded = []
    monkeypatch.setattr(base64, "b64decode", lambda text, **named: decoded.append(text) or b"")
    with pytest.raises(fastapi.HTTPException) as caught:
        _of_json(b'{"images": ["AAAA", "AAAA", "AAAA"]}', 2)
    assert (caught.value.status_code, caught.value.detail) == (413, "the request holds 3 images, more than 2")
    assert decoded == []


PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\nx\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        (b"\xff\xfe", "undefined"),
        (b"+2AA-", "utf-7"),
        (b"\\ud800", "unicode_escape"),
        (b"\xff", "zlib"),
        (b"a", "none such"),
    ],
)
def test_a_name_in_a_strange_character_set_is_refused_or_shown_as_far_as_it_can_be(client, name, charset):
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.post("/predict", content=PART % name, headers={"content-type": kind})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()


def test_a_format_that_is_read_by_running_a_program_is_no_image(client):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    answer = client.post("/predict", files=files(eps))
    assert answer.status_code == 422
    assert answer.json()["predictions"][0]["error"] == "this is no image file"


def test_base64_may_be_broken_into_lines(client, images):
    answer = client.post("/predict", json={"images": [base64.encodebytes(images[0]).decode()]})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9", ""])
def test_a_page_of_another_site_may_not_ask(client, images, origin):
    assert client.post("/predict", files=files(images[0]), headers={"origin": origin}).status_code == 403
    own = client.post("/predict", files=files(images[0]), headers={"origin": "http://localhost"})
    assert own.status_code == 200 and own.headers["x-content-type-options"] == "nosniff"


def test_requests_beyond_those_that_are_taken_in_are_told_to_come_again(predictor, images):
    app = make_app(predictor, name="digits", limits=Limits(requests=0))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.post("/predict", files=files(images[0]))
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200


def test_a_request_keeps_its_place_until_it_is_answered(predictor, images):
    begun, may = threading.Event(), threading.Event()

    class Slow:
        card, task, class_names = predictor.card, predictor.task, predictor.class_names

        def answer(self, pixels):
            begun.set()
            assert may.wait(30)
            return np.array(["0"]), np.zeros((1, 10), np.float32)

    app = make_app(Slow(), name="digits", limits=Limits(requests=1))
    with TestClient(app, base_url="http://localhost") as client, ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(client.post, "/predict", files=files(images[0]))
        assert begun.wait(30)
        refused = client.post("/predict", files=files(images[0]))
        may.set()
        assert refused.status_code == 503 and first.result(30).status_code == 200
        assert client.post("/predict", files=files(images[0])).status_code == 200


def test_a_request_that_does_not_arrive_in_time_is_given_up(predictor):
    app = make_app(predictor, name="digits", limits=Limits(seconds=0.01))
    sent = asyncio.run(asked(app, asyncio.Event().wait))
    assert sent[0]["status"] == 408 and b"did not arrive" in sent[1]["body"]


def test_who_goes_while_sending_leaves_no_fault_behind(predictor):
    async def goes():
        return {"type": "http.disconnect"}

    sent = asyncio.run(asked(make_app(predictor, name="digits"), goes))
    assert sent[0]["status"] == 400


async def asked(app, receive):
    """What the application sends to a request whose body comes by ``receive``."""
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"image/png"), (b"content-length", b"10")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": headers,
        "query_string": b"",
        "root_path": "",
    }
    await app(scope, receive, send)
    return sent


def test_a_fault_of_the_network_is_told_without_its_insides(predictor, images):
    class Broken:
        card, task, class_names = predictor.card, predictor.task, predictor.class_names

        def answer(self, pixels):
            if pixels.any():
                raise RuntimeError("secret")
            return np.array(["0"]), np.zeros((1, 10), np.float32)

    app = make_app(Broken(), name="digits")
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        answer = client.post("/predict", files=files(images[0]))
    assert answer.status_code == 500 and answer.json() == {"detail": "the server failed at this; its log says why"}


def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(client):
    sent = []

    def endless():
        while True:
            sent.append(1)
            yield b"x" * 50_000
            if len(sent) > 1000:
                return

    answer = client.post("/predict", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("top", ["0", "-1", "1001", "many"])
def test_a_top_that_makes_no_sense_is_refused(client, images, top):
    answer = client.post(f"/predict?top={top}", files=files(images[0]))
    assert answer.status_code == 422 and answer.json()["detail"].startswith("top: Input should be ")


def test_the_path_in_the_name_of_a_file_is_not_told_back(client, images):
    answer = client.post(
        "/predict", files=[("files", ("../../etc/passwd", images[0])), ("files", ("c:\\x\\a.png", images[0]))]
    )
    assert [one["name"] for one in answer.json()["predictions"]] == ["passwd", "a.png"]


def test_health_counts_and_openapi(client, predictor, images):
    health = client.get("/healthz").json()
    assert (
        health["status"] == "ok" and health["classes"] == list(predictor.class_names) and health["image"] == [8, 8, 1]
    )
    client.post("/predict", files=files(images[0], b"no image"))
    counts = client.get("/metrics").text
    assert 'automl_img_requests_total{path="/predict",status="200"}' in counts
    assert 'automl_img_images_total{outcome="unreadable"}' in counts and "automl_img_request_seconds_bucket" in counts
    described = client.get("/openapi.json").json()["paths"]
    assert {"/predict", "/healthz", "/metrics"} <= set(described)
    responses = described["/predict"]["post"]["responses"]
    assert {"413", "415", "422", "503"} <= set(responses)
    kinds = responses["422"]["content"]["application/json"]["schema"]["anyOf"]
    assert [kind["$ref"].rpartition("/")[2] for kind in kinds] == ["PredictionsOut", "ProblemOut"]


def test_a_server_without_a_token_answers_to_its_own_name_only(client):
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("token", "origin", "status"), [("sesame", "", 401), ("", "http://evil.example", 403)], ids=["token", "origin"]
)
@pytest.mark.parametrize("more", [{b"content-length": b"20"}, {b"transfer-encoding": b"chunked"}])
def test_who_is_refused_reads_why_when_all_is_sent_or_before_anything_is(token, origin, status, more):
    async def told(headers):
        happened, pieces = [], [b"x" * 10, b"x" * 10]

        async def receive():
            happened.append("received")
            return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

        async def send(message):
            happened.append(message.get("status", "sent"))

        guard = Guard(None, token=token, most_bytes=100, told=lambda path, status: None)
        headers = {b"host": b"localhost", b"origin": origin.encode() or b"http://localhost", **headers}
        await guard({"type": "http", "path": "/predict", "headers": list(headers.items())}, receive, send)
        return happened

    assert asyncio.run(told(more)) == ["received", "received", status, "sent"]
    assert asyncio.run(told({**more, b"expect": b"100-continue"})) == [status, "sent"]
    assert asyncio.run(told({})) == [status, "sent"], "there is nothing to wait for"


def test_a_token_opens_and_nothing_else_does(predictor, images):
    app = make_app(predictor, name="digits", token="sesame")
    with TestClient(app, base_url="http://some.host") as client:
        assert client.get("/healthz").status_code == 200 and client.get("/").status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "sesame"},
            {"authorization": "Bearer"},
        ):
            refused = client.post("/predict", files=files(images[0]), headers=headers)
            assert refused.status_code == 401 and "the token is missing or wrong" in refused.json()["detail"]
            assert client.get("/metrics", headers=headers).status_code == 401
        opened = client.post("/predict", files=files(images[0]), headers={"authorization": "Bearer sesame"})
        assert opened.status_code == 200
        counts = client.get("/metrics", headers={"authorization": "Bearer sesame"}).text
        assert 'automl_img_requests_total{path="/predict",status="401"} 4.0' in counts
        assert 'automl_img_requests_total{path="/metrics",status="401"} 4.0' in counts


def test_what_is_served_is_told_to_those_alone_who_bring_the_token(predictor):
    with TestClient(make_app(predictor, name="secret project", token="sesame"), base_url="http://some.host") as client:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            assert client.get("/healthz", headers=headers).json() == {"status": "ok"}
            assert "secret project" not in client.get("/", headers=headers).text
        told = client.get("/healthz", headers={"authorization": "Bearer sesame"}).json()
    assert told["model"] == "secret project" and told["classes"] == list(predictor.class_names)


def test_several_labels_are_told_as_a_list(predictor, images):
    class Several:
        card, task, class_names = predictor.card, predictor.task, predictor.class_names

        def answer(self, pixels):
            answers = np.empty(len(pixels), object)
            for place in range(len(pixels)):
                answers[place] = ("1", "7") if place else ()
            return answers, np.tile(np.linspace(0, 1, 10, dtype=np.float32), (len(pixels), 1))

    with TestClient(make_app(Several(), name="several"), base_url="http://localhost") as client:
        first, second = client.post("/predict?top=1", files=files(*images[:2])).json()["predictions"]
    assert first["labels"] == [] and second["labels"] == ["1", "7"] and "answer" not in second
    assert second["classes"] == [{"label": "9", "probability": 1.0}]
