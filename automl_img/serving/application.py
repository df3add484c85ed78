"""The server as an ASGI application: predictions, a page, its health and its counts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.requests import ClientDisconnect

from automl_img.cores import cores
from automl_img.evaluation.predictor import Predictor
from automl_img.serving.batching import Batcher, Busy
from automl_img.serving.guard import TRUSTED, App, Guard
from automl_img.serving.measuring import CONTENT_TYPE, Measures
from automl_img.serving.messages import ClassOut, HealthOut, ImageOut, ImagesIn, PredictionsOut, ProblemOut
from automl_img.serving.page import page, page_headers
from automl_img.serving.room import RETRY_SECONDS, Room
from automl_img.serving.uploads import Decoded, decoded, uploads_of

MEGAPIXELS = 50  # that an image may have
SHOWN = 3
PATHS = ("/predict", "/healthz", "/metrics", "/", "/openapi.json")

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            "application/json": {"schema": ImagesIn.model_json_schema()},
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemOut, "description": about}
    for status, about in {
        401: "The token is missing or wrong.",
        403: "The request comes by another name than localhost.",
        408: "The request does not arrive in time.",
        413: "The request is too large, or holds too many images.",
        415: "The request is of another content type.",
        503: "Too many images wait, or requests come at once; try again.",
    }.items()
}
_UNREADABLE: dict[str, Any] = {
    "model": PredictionsOut | ProblemOut,
    "description": "No image can be read: each has its error. Or the request holds none, or makes no sense: a sentence says so.",
}


@dataclass(frozen=True)
class Limits:
    """What one request may hold.

    Attributes:
        bytes: Of its body.
        images: In it.
        waiting: Images of all requests that may wait for the network.
        pixels: Of one image, before it is resized.
        requests: Predicted, or still arriving, at the same time: each may hold as many bytes as one may.
        seconds: In which a request has to have arrived.
    """

    bytes: int = 20_000_000
    images: int = 64
    waiting: int = 1024
    pixels: int = MEGAPIXELS * 1_000_000
    requests: int = 128
    seconds: float = 60.0


def warm_up(predictor: Predictor) -> None:
    """Predict once: the first prediction builds and compiles the network.

    Raises:
        ModelFileError: The weights do not fit the network.
        PluginError: A plugin broke its contract.
    """
    image = predictor.card.plan.image
    predictor.answer(np.zeros((1, image.height, image.width, image.channels), np.uint8))


def make_app(predictor: Predictor, *, name: str, token: str = "", limits: Limits | None = None) -> App:
    """Return the application that serves a model.

    Args:
        predictor: The model.
        name: What the page calls it.
        token: That requests must bring; empty: none, and requests must come to localhost.
        limits: What one request may hold.
    """
    limits, measures = limits or Limits(), Measures()
    room = Room(limits.requests, limits.seconds)
    threads = ThreadPoolExecutor(cores(), thread_name_prefix="decode")

    def answer(pixels: npt.NDArray[np.uint8]) -> Sequence[Any]:
        return list(zip(*predictor.answer(pixels), strict=True))

    batcher = Batcher(answer, waiting=limits.waiting, told=measures.batch.observe)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()
        threads.shutdown(cancel_futures=True)

    app = FastAPI(
        title=f"automl-img: {name}",
        summary="Tells the class of an image.",
        version=predictor.card.versions.get("automl-img") or "unknown",
        lifespan=life,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )

    @app.post(
        "/predict",
        response_model=PredictionsOut,
        response_model_exclude_none=True,
        openapi_extra=_BODY,
        responses={**_PROBLEMS, 422: _UNREADABLE},
        summary="Predict the classes of images",
    )
    async def predict(
        request: Request,
        response: Response,
        top: Annotated[int, Query(ge=1, le=1000, description="Classes to tell of each image.")] = SHOWN,
    ) -> PredictionsOut:
        """Images as files of a form, as base64 in JSON, or one as the body. One that cannot be read has an error, the others an answer."""
        begun = time.perf_counter()
        async with room.taken():
            async with room.arriving():
                uploads = await uploads_of(request, limits.images)
            images = await decoded(uploads, predictor.card.plan.image, threads, limits.pixels)
            readable = [one.pixels for one in images if one.pixels is not None]
            try:
                answers = iter(await batcher.answers(np.stack(readable)) if readable else ())
            except Busy:
                raise HTTPException(503, "too many images wait: try again", {"Retry-After": RETRY_SECONDS}) from None
        found = [_said(predictor, one, answers, top) for one in images]
        measures.images.labels("answered").inc(len(readable))
        measures.images.labels("unreadable").inc(len(images) - len(readable))
        measures.seconds.observe(time.perf_counter() - begun)
        response.status_code = 200 if readable else 422
        return PredictionsOut(predictions=found)

    @app.get(
        "/healthz",
        response_model_exclude_none=True,
        summary="Whether the server answers, and what it serves",
        description="Where a token is asked for, what is served is told to those alone who bring it.",
    )
    async def healthz(request: Request) -> HealthOut:
        if not request.scope[TRUSTED]:
            return HealthOut()
        plan, task = predictor.card.plan, predictor.task.kind
        image = [plan.image.height, plan.image.width, plan.image.channels]
        kind = str(plan.values["architecture"])
        return HealthOut(model=name, architecture=kind, task=task, classes=list(predictor.class_names), image=image)

    @app.get("/metrics", summary="Counts in Prometheus's format", response_class=Response)
    async def metrics() -> Response:
        return Response(measures.text(), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def root() -> HTMLResponse:
        text, nonce = page("" if token else name, asks_token=bool(token), most_bytes=limits.bytes)
        return HTMLResponse(text, headers=page_headers(nonce))

    @app.exception_handler(RequestValidationError)
    async def misread(request: Request, error: RequestValidationError) -> JSONResponse:
        """Say it in a sentence, as every other refusal does."""
        first = error.errors()[0]
        return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: Exception) -> JSONResponse:
        """Nobody reads this, but it is counted, and the log of the server stays empty."""
        return JSONResponse({"detail": "the request was not sent to its end"}, 400)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "the server failed at this; its log says why"}, 500)

    def told(path: str, status: int) -> None:
        measures.requests.labels(path if path in PATHS else "other", status).inc()

    return Guard(app, token=token, most_bytes=limits.bytes, told=told)


def _said(predictor: Predictor, image: Decoded, answers: Any, top: int) -> ImageOut:
    if image.pixels is None:
        return ImageOut(name=image.name, error=image.problem)
    answer, probabilities = next(answers)
    best = probabilities.argsort()[::-1][:top]
    classes = [ClassOut(label=predictor.class_names[place], probability=float(probabilities[place])) for place in best]
    if isinstance(answer, tuple):
        return ImageOut(name=image.name, labels=list(answer), classes=classes)
    return ImageOut(name=image.name, answer=str(answer), classes=classes)
