"""What is to be expected of the networks of short trials, if one or some of them are trained in full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from automl_img.search.prior import by_promise
from automl_img.search.stages import prediction_seconds
from automl_img.search.trials import FINAL, LOOK, Record, Rules, Start
from automl_img.tasks.scores import share_error
from automl_img.training.spec import TrialSpec

EARLY_PASSES = 0.46  # over the data, of a training that errs twice as often as the longest
EARLY_POWER = 0.65
MANY_PASSES = 40.0  # over the data; with fewer a training gains at least as much by the cores of the one beside it


def foreseen_error(error: float, passes: float, longer: float) -> float:
    """Return the error, 0 to 1, with which a training of ``longer`` passes over the data would end, by that of one of ``passes``.

    Errors fall quickly at first: of two networks that had the same time, the one that has seen less has more to gain. A training of p
    passes, its schedule run to the end, errs 1 + (0.46/p)^0.65 times as often as the longest: fitted to resnet9 and simple_cnn on
    Fashion-MNIST after 0.3 to 43 passes. (Domhan et al., "Speeding Up Automatic Hyperparameter Optimization of Deep Neural Networks
    by Extrapolation of Learning Curves", 2015, fit a curve to each network, for which a look has too few points.)
    """
    return error * (_excess(max(passes, longer)) / _excess(passes))


def _excess(passes: float) -> float:
    excess: float = (EARLY_PASSES / max(1e-9, passes)) ** EARLY_POWER
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
        """The error, 0 to 1, with which a final training would end that runs alone."""
        assert record.result is not None
        seen = record.result.images_per_second * record.result.training_seconds / self.rules.examples
        return foreseen_error(1 - record.result.f1, seen, self.passes(record))

    def is_ahead_by_luck(self, one: Record, other: Record) -> bool:
        """Whether ``one`` is foreseen to be better than ``other`` by no more than the error of what was measured of it.

        Of many configurations that are as good, the one with the most luck on the validation images leads. (The one-standard-error rule
        of Breiman et al., Classification and Regression Trees, 1984.)
        """
        assert one.result is not None
        luck = share_error(one.result.f1, self.rules.validated) if self.rules.validated else 0.0
        foreseen, measured = self.error(one), 1 - one.result.f1
        return self.error(other) - foreseen <= (luck * foreseen / measured if measured else luck)

    def has_time_beside(self, record: Record) -> bool:
        """Whether a final training would see the images often enough with a part of the cores."""
        return self.rules.finals > 1 and self.passes(record, self.rules.finals) >= MANY_PASSES

    def passes(self, record: Record, together: int = 1) -> float:
        """How often a final training, one of so many side by side, would see the images, by the speed of the trial."""
        assert record.result is not None
        devices = self.rules.devices_alone if together == 1 else self.rules.final_threads
        part = devices / self._devices(record.spec)
        return part * record.result.images_per_second * self.seconds / self.rules.examples

    def _devices(self, spec: TrialSpec) -> float:
        """The devices of a trial; of one beside others its threads tell.

        Those of a final training have a core each. Looks may be so many that they share cores.
        """
        rules = self.rules
        if not spec.threads:
            return rules.devices_alone
        return spec.threads * (1.0 if spec.stage == FINAL else rules.devices_each / rules.threads)

    def spared(self, architectures: Collection[str], together: int, records: Sequence[Record] = ()) -> float:
        """Seconds that were kept for predictions and are not needed, as no others but these architectures will be predicted.

        Kept are those of as many networks as may run side by side, of the dearest architecture, by the predicted speed. What an
        architecture's look has measured is believed instead, where looks run on the machine that predicts. Where one was slower than
        predicted, architectures without a look will be, too: more may be needed than was kept, which is negative.
        """
        images, predicted = self.rules.evaluated, {start.architecture: start.seconds_per_image for start in self.starts}
        dearest, measured = max(predicted.values()), self._measured(records) if self.rules.local else {}
        slower = max([1.0, *(seconds / predicted[name] for name, seconds in measured.items())])
        costs = [measured.get(name, slower * predicted[name]) for name in architectures if name in predicted]
        needed = prediction_seconds(images, max(costs, default=slower * dearest), together)
        return prediction_seconds(images, dearest, self.rules.finals) - needed

    def _measured(self, records: Sequence[Record]) -> dict[str, float]:
        """Seconds of a training step for one image on all devices, by the slowest look at each architecture among ``records``."""
        seconds: dict[str, float] = {}
        names = {start.architecture for start in self.starts}
        for record in records:
            name, result = record.spec.architecture, record.result
            if result and record.spec.stage == LOOK and result.images_per_second > 0 and name in names:
                alone = self._devices(record.spec) / self.rules.devices_alone / result.images_per_second
                seconds[name] = max(alone, seconds.get(name, 0.0))
        return seconds
