"""``automl-img evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    json: Annotated[bool, typer.Option("--json", help="As JSON, with the confusion matrix.")] = False,
) -> None:
    """Predict a split of a run's data again with its best model, and show the figures."""
    from automl_img.api import evaluate_run
    from automl_img.cli.views.summary import f1_name

    figures = evaluate_run(run, split)
    if json:
        import json as writer

        print(writer.dumps(figures, indent=2, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(
        f"{figures['images']:,} {split} images: {f1_name(figures['task'])} [bold green]{figures['f1']:.4f}[/], "
        f"accuracy [bold]{figures['accuracy']:.4f}[/], log loss {figures['log_loss']:.4f}"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("class")
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right")
    for name, row in figures["per_class"].items():
        numbers = [f"{row[key]:.4f}" for key in ("precision", "recall", "f1")]
        table.add_row(Text(name), *numbers, f"{row['support']:,}")
    console.print(table)
