"""Takes nodes of a Ray cluster away from a search without grace, and adds others, again and again.

    python tests/faults/ray_nodes.py --deaths 5

The nodes are processes of this machine. Each trial must end with a result, and none that had ended may run again. Prints one line for each
death and exits with 1 if anything is missing.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"
SETTINGS = {
    "plugins.modules": ["automl_img_plainnet"],
    "search.architectures": ["plainnet"],
    "search.strategy": "random",
    "train.epochs": 60,
    "train.patience": 60,
    "compute.executor": "ray",
}
NODES = 3


class Disturbance:
    """Hears the events of a search, and lets a node die after so many measurements, another one join.

    Attributes:
        done: Nodes that have died.
        ended: How often each trial has ended.
    """

    def __init__(self, cluster, deaths, chance):
        self.cluster, self.deaths, self.chance = cluster, deaths, chance
        self.workers = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
        self.done, self.wait, self.ended = 0, chance.randint(10, 40), {}

    def hear(self, event):
        kind = type(event).__name__
        if kind == "TrialEnded":
            self.ended[event.trial] = self.ended.get(event.trial, 0) + 1
        self.wait -= kind == "EpochEnded"
        if self.wait <= 0 and self.done < self.deaths:
            self.wait = self.chance.randint(30, 90)
            victim = self.workers.pop(self.chance.randrange(len(self.workers)))
            self.cluster.remove_node(victim, allow_graceful=False)
            self.workers.append(self.cluster.add_node(num_cpus=1))
            self.done += 1
            print(f"death {self.done} after {event.elapsed:.0f} s: {len(self.ended)} trials had ended", flush=True)


def disturbed(folder, deaths, trials, seed):
    """Search on a cluster whose nodes die; returns what is wrong."""
    from ray.cluster_utils import Cluster

    import automl_img
    from automl_img.search.journal import Journal

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        disturbance = Disturbance(cluster, deaths, random.Random(seed))
        settings = {**SETTINGS, "compute.address": cluster.address}
        automl_img.fit("digits", trials=trials, settings=settings, out=folder / "run", listener=disturbance.hear)
    finally:
        cluster.shutdown()
    journal = Journal(folder / "run")
    rows = journal.trials()
    journal.close()
    wrong = [f"trial {row.trial} is {row.status}: {row.kind} {row.message}" for row in rows if row.status != "done"]
    wrong += [f"trial {trial} ended {count} times" for trial, count in disturbance.ended.items() if count > 1]
    wrong += [] if len(rows) == trials else [f"there are {len(rows)} trials of {trials}"]
    wrong += [] if disturbance.done == deaths else ["the search ended too soon: give it more --trials"]
    retried = sum(row.spec.attempt > 1 for row in rows)
    print(f"{len(rows)} trials ended well, {retried} of them were begun again on another node")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deaths", type=int, default=5)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.path.insert(0, str(PLUGINS))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        wrong = disturbed(Path(folder), given.deaths, given.trials, given.seed)
    print("\n".join(wrong) or f"after {given.deaths} deaths no trial is missing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
