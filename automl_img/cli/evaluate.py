"""``automl-img evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SHOWN = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "precision, mean over classes": "precision_macro",
    "recall, mean over classes": "recall_macro",
    "F1, weighted": "f1_weighted",
    "F1, micro": "f1_micro",
    "ROC AUC": "roc_auc_macro",
    "average precision": "average_precision_macro",
    "Matthews correlation": "matthews",
    "log loss": "log_loss",
    "calibration error": "calibration_error",
}


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    json: Annotated[bool, typer.Option("--json", help="As JSON, with the confusion matrix.")] = False,
) -> None:
    """Predict a split of a run's data again with its best model, and show the figures."""
    from automl_img.api import evaluate_run
    from automl_img.evaluation.metrics import f1_name

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
    console.print(_figures(figures, split, f1_name(figures["task"])))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("class")
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right")
    for name, row in figures["per_class"].items():
        numbers = [f"{row[key]:.4f}" if row["support"] else "–" for key in ("precision", "recall", "f1")]
        table.add_row(Text(name), *numbers, f"{row['support']:,}")
    console.print(table)


def _figures(figures: dict[str, Any], split: str, f1_name: str) -> Any:
    """The figures of the whole split, each with its interval and that of always answering the commonest class."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", title_justify="left")
    table.title = f"{figures['images']:,} {split} images"
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name in ("95% interval", "commonest answer"):
        table.add_column(name, justify="right", style="dim")
    baseline, intervals = figures["baseline"], figures["intervals"]
    for name, key in {f1_name: "f1", **SHOWN}.items():
        if figures.get(key) is None:
            continue
        between = "{:.4f} to {:.4f}".format(*intervals[key]) if key in intervals else ""
        constant = f"{baseline[key]:.4f}" if key in baseline else ""
        style = "bold green" if key == "f1" else ""
        table.add_row(name, f"[{style or 'default'}]{figures[key]:.4f}[/]", between, constant)
    for k, share in figures.get("top", {}).items():
        table.add_row(f"among the first {k}", f"{share:.4f}", "", "")
    return table
