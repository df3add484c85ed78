"""The conformance kit: what every plugin owes the core, as one class of checks for each kind.

An author derives a class from the one of the plugin's kind; pytest runs its checks, and so does ``automl-img plugins check NAME``:

    from automl_img.plugin.testing import ArchitectureChecks
    from my_module import MyNet

    class TestMyNet(ArchitectureChecks):
        plugin = MyNet()

Keras is imported inside the checks that need it.
"""

from automl_img.plugin.testing.architecture import ArchitectureChecks
from automl_img.plugin.testing.augmentation import AugmentationChecks
from automl_img.plugin.testing.checks import CheckError, Checks
from automl_img.plugin.testing.exporter import ExporterChecks
from automl_img.plugin.testing.regularizer import RegularizerChecks
from automl_img.plugin.testing.running import CHECKS, CheckResult, check_names, run_checks
from automl_img.plugin.testing.source import SourceChecks
from automl_img.plugin.testing.strategy import StrategyChecks
from automl_img.plugin.testing.tracker import TrackerChecks

__all__ = [
    "CHECKS",
    "ArchitectureChecks",
    "AugmentationChecks",
    "CheckError",
    "CheckResult",
    "Checks",
    "ExporterChecks",
    "RegularizerChecks",
    "SourceChecks",
    "StrategyChecks",
    "TrackerChecks",
    "check_names",
    "run_checks",
]
