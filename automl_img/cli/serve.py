"""``automl-img serve``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer


def serve(
    run: Annotated[Path, typer.Argument(help="A run folder, or a saved model.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 8000,
    token: Annotated[
        str,
        typer.Option(
            envvar="AUTOML_IMG_TOKEN",
            help="That requests must bring; where one is needed and none is given, it is made and printed.",
        ),
    ] = "",
    max_mb: Annotated[float, typer.Option(min=0.001, max=10_000, help="Megabytes of one request.")] = 20.0,
    max_images: Annotated[int, typer.Option(min=1, max=10_000, help="Images of one request.")] = 64,
    max_megapixels: Annotated[
        float, typer.Option(min=0.001, max=10_000, help="Of one image, before it is resized.")
    ] = 50.0,
) -> None:
    """Answer to images over HTTP: /predict for programs, / for people, /healthz and /metrics for machines; Ctrl-C ends it."""
    from automl_img.errors import UsageError
    from automl_img.evaluation.predictor import Predictor

    try:
        from automl_img.serving.application import Limits
        from automl_img.serving.server import serve as run_server
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("fastapi", "uvicorn", "prometheus_client", "starlette"):
            hint = "Install it with `pip install 'automl-img[serve]'`."
            raise UsageError(f"{error.name} is not installed", where="automl-img serve", hint=hint) from error
        raise
    for option, given in (("--max-mb", max_mb), ("--max-megapixels", max_megapixels)):
        if math.isnan(given):  # which no bound keeps out
            raise UsageError("this is no number", where=option, found=given)
    predictor = Predictor(run)
    limits = Limits(
        bytes=int(1e6 * max_mb),
        images=max_images,
        waiting=max(1024, 2 * max_images),
        pixels=int(1e6 * max_megapixels),
    )

    def ready(address: str, asked: str) -> None:
        print(f"{predictor.card.trained.get('run', run.name)} answers at {address}", flush=True)
        if asked:  # a secret that was given does not go into a log
            shown = "TOKEN, which is the one that was given" if token else asked
            print(f"requests bring the header: Authorization: Bearer {shown}", flush=True)

    name = str(predictor.card.trained.get("run") or run.name)
    run_server(predictor, name=name, host=host, port=port, token=token, limits=limits, ready=ready)
