"""A model as a file for other runtimes: written by an exporter, loaded back by its runtime, and compared."""

from automl_img.export.comparison import Exported, Samples
from automl_img.export.formats import export_model, exporter_of, formats_of

__all__ = ["Exported", "Samples", "export_model", "exporter_of", "formats_of"]
