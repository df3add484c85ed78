"""A model as a file for other runtimes: written, loaded back by its runtime, and compared."""

from automl_img.export.comparison import Exported, Samples
from automl_img.export.formats import FORMATS, MAX_F1_LOSS, export_model

__all__ = ["FORMATS", "MAX_F1_LOSS", "Exported", "Samples", "export_model"]
