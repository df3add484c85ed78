"""How a time budget is divided: a short look at each architecture, a search among the promising, the final training of the best.

The shares follow from measurements on small networks: a short training whose schedule runs to its own end ranks networks nearly as a
long one does (Spearman 0.95 over 8 networks from about 150 steps on), and most of the time is best spent on one long final training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from automl_img.training.hardware import Hardware

LOOK_OVERHEAD = 6.0  # seconds to start a process, compile, and measure
GPU_OVERHEAD = 15.0  # the same on a GPU, whose libraries are loaded and whose kernels are chosen in each process
GPU_START = 4.0  # seconds of that until a process on a GPU computes at all
SHORTEST_LOOK = 8.0  # seconds of training that still say something
LONGEST_LOOK = 40.0  # seconds of training beyond which a look says little more
LONGEST_SHARE = 0.07  # of the time that one look may take
LOOK_SHARE = 0.7  # of the time that is not the final training's
SHORT_BUDGET = 300.0  # seconds, below which there is one round of looks: what is expected tells more than they could
FINAL_EPOCHS = 15.5  # passes over 50,000 images that a final training of FINAL_SECONDS should get
FINAL_SECONDS = 360.0
MORE_EPOCHS = 0.45  # of a longer training goes into passes, as a power of its time; the rest into a larger network
LARGE_DATA = 50_000  # images
LEAST_SEEN = 150_000  # images that a final training should see, however short it is
LEAST_EPOCHS = 2.0  # an architecture that cannot do so many passes in its share of the budget is skipped
FULL_MARGIN = 1.5  # a final training that ends by its epochs gets this much of its predicted time, and no more
FEW_PASSES = 5.0  # with which a network has not seen enough to gain from augmentation: all that a look would tell where nothing is compared
LEAST_FOR_SEARCH = 6  # suggestions below which a search stage is not worth its time: the final training has it

LONG_BUDGET = 1200.0  # seconds, from which on there are mostly several trained networks to be compared at the end
CONTEST_SHARE, LONGEST_CONTEST = 0.01, 60.0  # of the time, and seconds at most, for that
PREDICTION_STEPS = (
    0.85  # that the predictions of an image and its mirror image may take: each takes a third of a training step
)
SCORE_SECONDS = 4e-7  # that figures, curves and the file of them take for each probability, of each image and class
ANOTHER_MODEL = 2.0  # seconds to build one more network for the comparison on validation images


@dataclass(frozen=True)
class StagePlan:
    """How the time is divided.

    Attributes:
        looks: How many starting points get a look.
        look_seconds: Training time of each look.
        search_seconds: Training time of each trial of the search stage.
        search_end: Seconds since the search began at which the search stage ends.
        final_seconds: Seconds of the final training.
        end: Seconds since the search began at which all training must have ended.
        overhead: Seconds of a trial beside its training.
    """

    looks: int
    look_seconds: float
    search_seconds: float
    search_end: float
    final_seconds: float
    end: float
    overhead: float = LOOK_OVERHEAD

    def is_one_training(self, elapsed: float, seconds_an_epoch: float) -> bool:
        """Whether to train the one starting point that a look has time for at once: a look at it would tell nothing worth its time."""
        alone = self.looks == 1 and elapsed + self.look_slot + self.search_slot > self.search_end
        nothing_after = elapsed + self.look_slot + SHORTEST_LOOK + self.overhead > self.end
        return alone and (nothing_after or self.end - elapsed < FEW_PASSES * seconds_an_epoch)

    @property
    def look_slot(self) -> float:
        """Seconds that a look takes in all."""
        return self.look_seconds + self.overhead

    @property
    def search_slot(self) -> float:
        """Seconds that a trial of the search stage takes in all."""
        return self.search_seconds + self.overhead


def overhead_of(hardware: Hardware) -> float:
    """Seconds of a trial beside its training: to start its process, compile, measure, and write."""
    return GPU_OVERHEAD if hardware.gpus else LOOK_OVERHEAD


def finish_seconds(time: float, *, gpus: bool = False) -> float:
    """Seconds to keep for the end of a search of ``time`` seconds beside predictions: its process, leaderboard, report and model file."""
    contest = min(LONGEST_CONTEST, CONTEST_SHARE * time) if time >= LONG_BUDGET else 0.0
    return 2.5 + GPU_START * gpus + 0.006 * time + contest


def figures_seconds(images: int, classes: int) -> float:
    """Seconds to keep for figures and curves of so many predicted images; of few classes nearly none."""
    return SCORE_SECONDS * images * classes


def prediction_seconds(images: int, seconds_per_image: float, networks: int = 1) -> float:
    """Seconds to keep for the predictions at the end.

    Args:
        images: Those to be predicted, each as it is and mirrored.
        seconds_per_image: Predicted time of a training step on one image.
        networks: How many may become the model together.
    """
    return PREDICTION_STEPS * images * seconds_per_image * (1 + networks) / 2 + (networks - 1) * ANOTHER_MODEL


def plan_stages(
    *,
    elapsed: float,
    end: float,
    starts: int,
    slots: int,
    final_share: float,
    full_seconds: float,
    overhead: float = LOOK_OVERHEAD,
) -> StagePlan:
    """Divide the time from ``elapsed`` to ``end``, in seconds since the search began.

    Args:
        elapsed: Now.
        end: When all training must have ended.
        starts: Starting points that want a look.
        slots: Trials that run at once.
        final_share: Share of the time for the final training.
        full_seconds: Predicted seconds of a full training of a typical starting point, on one slot.
        overhead: Seconds of a trial beside its training.
    """
    left = max(0.0, end - elapsed)
    final = min(final_share * left, FULL_MARGIN * full_seconds / slots + overhead)
    early = left - final
    looks = min(starts, most_looks(left, slots, final / left if left else 0.0, overhead))
    rounds = math.ceil(looks / slots)
    longest = min(LONGEST_LOOK, full_seconds, max(SHORTEST_LOOK, LONGEST_SHARE * left))
    look = max(SHORTEST_LOOK, min(longest, LOOK_SHARE * early / rounds - overhead))
    search_time = early - rounds * (look + overhead)
    search = min(full_seconds, max(look, min(final / 3, search_time * slots / 12 - overhead)))
    if search_time * slots < LEAST_FOR_SEARCH * (search + overhead):
        final, search_time = final + max(0.0, search_time), 0.0
    return StagePlan(looks, look, search, end - final, final, end, overhead)


def most_looks(seconds: float, slots: int, final_share: float, overhead: float = LOOK_OVERHEAD) -> int:
    """How many looks fit into ``seconds`` beside the final training, however many architectures there are; at least one."""
    early = (1 - final_share) * seconds
    round_seconds = SHORTEST_LOOK + overhead
    if seconds < SHORT_BUDGET:
        return max(1, min(slots, math.floor(LOOK_SHARE * early * slots / round_seconds)))
    return max(1, slots * math.floor(LOOK_SHARE * early / round_seconds))


def no_time_for_a_look(before: int, overhead: float = LOOK_OVERHEAD) -> str:
    """Why an architecture is not looked at: ``before`` others are more promising, or cheaper."""
    needed = SHORTEST_LOOK + overhead
    others = "one that is" if before == 1 else f"{before} that are"
    first = "comes" if before == 1 else "come"
    return f"the budget has no {needed:.0f} s for a look at it; {others} more promising or cheaper {first} first"


def extended(plan: StagePlan, end: float, final_share: float) -> StagePlan:
    """Return ``plan`` for another end: what there is more, or less, goes to search and final training by their shares."""
    more = end - plan.end
    search_end = min(end, max(0.0, plan.search_end + more * (1 - final_share)))
    return replace(plan, search_end=search_end, final_seconds=max(0.0, end - search_end), end=end)


def wanted_seconds_per_image(final_seconds: float, examples: int) -> float:
    """The step time per image with which the final training sees the data often enough.

    Fewer images are seen more often, by smaller networks: they hold less to learn, and time is left for more trials.
    """
    return final_seconds / (wanted_epochs(examples, final_seconds) * max(1, examples))


def wanted_epochs(examples: int, final_seconds: float = FINAL_SECONDS) -> float:
    """How often a final training of ``final_seconds`` should see each of ``examples`` images.

    With the time both grow, the network and the passes.
    """
    growth: float = (LARGE_DATA / max(1, examples)) ** 0.75
    epochs: float = FINAL_EPOCHS * min(30.0, max(0.6, growth)) * (final_seconds / FINAL_SECONDS) ** MORE_EPOCHS
    return max(epochs, LEAST_SEEN / max(1, examples))
