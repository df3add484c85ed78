"""What is to be expected of the networks of short trials, if one or some of them are trained in full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from automl_img.search.prior import by_promise
from automl_img.search.stages import prediction_seconds
from automl_img.search.trials import Record, Rules, Start

EARLY_IMAGES = 25_000.0  # seen in a training that errs twice as often as the longest
EARLY_POWER = 0.65
MANY_PASSES = 12.0  # over the data; with fewer a training gains as much by the cores of the one beside it


def foreseen_error(record: Record, images: float) -> float:
    """Return the error, 0 to 1, with which a training would end that sees ``images`` images, or as many as the trial saw if that is more.

    Errors fall quickly at first: of two networks that had the same time, the one that has seen fewer images has more to gain. A
    training that saw n of them, its schedule run to the end, errs 1 + (25,000/n)^0.65 times as often as the longest: fitted to resnet9
    and simple_cnn on Fashion-MNIST after 1 to 43 passes. (Domhan et al., "Speeding Up Automatic Hyperparameter Optimization of
    Deep Neural Networks by Extrapolation of Learning Curves", 2015, fit a curve to each network, for which a look has too few points.)
    """
    assert record.result is not None
    seen = record.result.images_per_second * record.result.training_seconds
    return (1 - record.result.f1) * (_excess(max(seen, images)) / _excess(seen))


def _excess(images: float) -> float:
    excess: float = (EARLY_IMAGES / max(1.0, images)) ** EARLY_POWER
    return 1 + excess


@dataclass(frozen=True)
class Prospects:
    """What is to be expected of trials.

    Attributes:
        rules: Of the search.
        starts: Its starting points.
        seconds: Of a final training.
    """

    rules: Rules
    starts: Sequence[Start]
    seconds: float

    def ranked(self, records: Sequence[Record]) -> list[Record]:
        """Trials that ended well, the most promising first: what is foreseen of each, weighed against what was expected."""
        return by_promise(records, {start.architecture: start.expected for start in self.starts}, self.error)

    def error(self, record: Record) -> float:
        """The error, 0 to 1, with which a final training on all cores would end."""
        return foreseen_error(record, self._images(record, self.rules.devices))

    def has_time_beside(self, record: Record) -> bool:
        """Whether a final training would see the images often enough with a part of the cores."""
        return self._images(record, self.rules.final_threads) >= MANY_PASSES * self.rules.examples

    def _images(self, record: Record, cores: float) -> float:
        """How many images a final training would see, by the speed of the trial."""
        assert record.result is not None
        return record.result.images_per_second * self.seconds * cores / (record.spec.threads or self.rules.devices)

    def spared(self, architectures: Collection[str], together: int) -> float:
        """Seconds that were kept for predictions and are not needed, as no others but these architectures will be predicted.

        Kept are those of as many networks as may run side by side, of the dearest architecture.
        """
        images, dearest = self.rules.evaluated, max(start.seconds_per_image for start in self.starts)
        costs = [start.seconds_per_image for start in self.starts if start.architecture in architectures]
        kept = prediction_seconds(images, dearest, self.rules.finals)
        return kept - prediction_seconds(images, max(costs, default=dearest), together)
