"""A model as a file for other runtimes: written, loaded back by its runtime, and compared."""

from automl_img.export.comparison import Exported
from automl_img.export.formats import FORMATS, export_model

__all__ = ["FORMATS", "Exported", "export_model"]
