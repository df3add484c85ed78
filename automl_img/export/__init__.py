"""A model as a file for other runtimes: written, loaded back by its runtime, and compared."""

from automl_img.export.formats import FORMATS, Exported, export_model

__all__ = ["FORMATS", "Exported", "export_model"]
