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


@pytest.mark.parametrize(
    ("strategy", "way"), [("bayesian", "search"), ("hyperband", "search_here"), ("grid", "search_here")]
)
def test_each_strategy_searches_its_recipe(request, leaderboard, strategy, way, tmp_path):
    """Bayesian in a process of its own: it needs scikit-learn, which the command line hides while it loads Keras."""
    fewer = ["--trials", "3", "--set", "train.epochs=3", *SMALL]
    ran = request.getfixturevalue(way)(RECIPES / f"{strategy}.toml", tmp_path / "run", *fewer)
    assert ran.returncode == 0, ran.stderr
    assert [row["status"] for row in leaderboard(tmp_path / "run")] == ["done"] * 3


def test_the_same_seed_gives_the_same_trials_in_the_same_order(search, search_here, leaderboard, tmp_path):
    """Twice in two processes, which hash what they hash in another order."""
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
    for name, begun in (("a", search), ("b", search_here)):
        ran = begun(RECIPES / "random.toml", tmp_path / name, *arguments)
        assert ran.returncode == 0, ran.stderr
    first, second = (sorted(leaderboard(tmp_path / name), key=lambda row: int(row["trial"])) for name in ("a", "b"))
    assert [row["status"] for row in first] == ["done"] * 3
    assert [(row["trial"], row["architecture"], row["size"], row["note"]) for row in first] == [
        (row["trial"], row["architecture"], row["size"], row["note"]) for row in second
    ]
