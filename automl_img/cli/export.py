"""``automl-img export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class ListsFormats(TyperCommand):
    """A command whose help names the formats: they are plugins, which are looked for when the help is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help with the formats in it."""
        from automl_img.export.formats import formats_of
        from automl_img.plugin import discover

        for parameter in self.params:
            if parameter.name == "to":
                parameter.help = f"The format: {', '.join(formats_of(discover()))}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="The format; --help lists them.")],
    out: Annotated[
        Path | None, typer.Option(help="A new folder; export/FORMAT in the run folder unless given.")
    ] = None,
    check: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images on which it is compared with Keras; 200 unless given, 1000 for a format in 8 bits."
        ),
    ] = None,
    max_f1_loss: Annotated[
        float, typer.Option(min=0, max=1, help="By how much F1 in 8 bits may be below that of Keras.")
    ] = 0.01,
) -> None:
    """Write the best model for another runtime, with its labels and a model card; loaded back by that runtime and compared."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from automl_img.search.exporting import export_run

    found = export_run(run, to, out, check, max_f1_loss=max_f1_loss)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("", "size", "same top class", "difference", "F1", "one image"):
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
    console.print(Text(f"{found.path}, with its labels and model card beside it"), soft_wrap=True)
