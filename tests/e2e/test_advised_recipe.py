"""From a folder nobody has looked at to a model: analyse writes a recipe, search runs it."""

import pytest
from PIL import Image
from sklearn.datasets import load_digits


@pytest.mark.e2e
@pytest.mark.train
def test_the_recipe_that_analyse_writes_can_be_searched(typed, search_here, quick, tmp_path):
    digits = load_digits()
    for place, (image, label) in enumerate(zip(digits.images[:300], digits.target[:300], strict=True)):
        folder = tmp_path / "digits" / f"the {label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype("uint8")).save(folder / f"{place}.png")
    recipe = tmp_path / "digits.toml"
    looked = typed("analyse", tmp_path / "digits", "--recipe", recipe, "--html", tmp_path / "digits.html")
    assert looked.returncode == 0, looked.stderr
    checked = typed("recipe", "check", recipe)
    assert checked.returncode == 0 and "right. It searches folder" in checked.stdout
    ran = search_here(recipe, tmp_path / "run", *quick)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "run" / "leaderboard.csv").is_file()
