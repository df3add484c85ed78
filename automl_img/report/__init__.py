"""Pages to read in a browser: one file each, which needs nothing from outside."""

from automl_img.report.analysis_page import analysis_page
from automl_img.report.run_evidence import RunEvidence
from automl_img.report.run_page import run_page

__all__ = ["RunEvidence", "analysis_page", "run_page"]
