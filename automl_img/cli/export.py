"""``automl-img export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class To(StrEnum):
    """The formats."""

    keras = "keras"
    savedmodel = "savedmodel"
    onnx = "onnx"
    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    openvino = "openvino"


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    to: Annotated[To, typer.Option(help="The format.")],
    out: Annotated[
        Path | None, typer.Option(help="A new folder; export/FORMAT in the run folder unless given.")
    ] = None,
    check: Annotated[
        int | None,
        typer.Option(min=1, help="Images on which it is compared with Keras; 200 unless given, 1000 for tflite-int8."),
    ] = None,
    max_f1_loss: Annotated[
        float, typer.Option(min=0, max=1, help="By how much F1 in 8 bits may be below that of Keras.")
    ] = 0.01,
) -> None:
    """Write the best model for another runtime, with its labels and a model card; loaded back by that runtime and compared."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from automl_img.quiet import load_tensorflow

    load_tensorflow(with_devices=True)
    from automl_img.search.exporting import export_run

    found = export_run(run, to.value, out, check, max_f1_loss=max_f1_loss)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("", "size", "same class", "difference", "F1", "one image"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row(
        found.format,
        f"{found.bytes / 1e6:.2f} MB",
        f"{found.same:.1%}",
        f"{found.difference:.1e}",
        f"{found.f1:.4f}",
        f"{found.seconds * 1e3:.2f} ms",
    )
    table.add_row("Keras, compiled", "", "", "", f"{found.keras_f1:.4f}", f"{found.keras_seconds * 1e3:.2f} ms")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Compared on {found.images:,} images.")
    console.print(f"{found.path}, with its labels and model card beside it", soft_wrap=True)
