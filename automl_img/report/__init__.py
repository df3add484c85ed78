"""Pages to read in a browser: one file each, which needs nothing from outside."""

from automl_img.report.analysis_page import analysis_page

__all__ = ["analysis_page"]
