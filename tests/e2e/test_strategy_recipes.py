"""The recipe of each strategy from the command line, and the same seed twice."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.train]

RECIPES = Path(__file__).parents[2] / "recipes"
#: So that no network is drawn of which a step takes a second.
SMALL = [
    part
    for setting in ("simple_cnn.filters=16", "simple_cnn.blocks=3", "simple_cnn.kernel=3")
    for part in ("--set", f"search.fixed.{setting}")
]


@pytest.mark.parametrize("strategy", ["bayesian", "hyperband", "grid"])
def test_each_strategy_searches_its_recipe(search, leaderboard, strategy, tmp_path):
    fewer = ["--trials", "3", "--set", "train.epochs=3", *SMALL]
    ran = search(RECIPES / f"{strategy}.toml", tmp_path / "run", *fewer)
    assert ran.returncode == 0, ran.stderr
    assert [row["status"] for row in leaderboard(tmp_path / "run")] == ["done"] * 3


def test_the_same_seed_gives_the_same_trials_in_the_same_order(search, leaderboard, tmp_path):
    arguments = [
        "--trials",
        "3",
        "--seed",
        "5",
        "--set",
        "train.epochs=2",
        "--set",
        'search.architectures=["simple_cnn"]',
        *SMALL,
    ]
    for name in ("a", "b"):
        ran = search(RECIPES / "random.toml", tmp_path / name, *arguments)
        assert ran.returncode == 0, ran.stderr
    first, second = (sorted(leaderboard(tmp_path / name), key=lambda row: int(row["trial"])) for name in ("a", "b"))
    assert [row["status"] for row in first] == ["done"] * 3
    assert [(row["trial"], row["architecture"], row["size"], row["note"]) for row in first] == [
        (row["trial"], row["architecture"], row["size"], row["note"]) for row in second
    ]
