"""Looks at all images before training: what there is, what is wrong, what to do."""

from automl_img.data.inspection.findings import Inspection, Limits
from automl_img.data.inspection.inspect import inspect_dataset

__all__ = ["Inspection", "Limits", "inspect_dataset"]
