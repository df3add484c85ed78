"""Fixtures that all tests share: small real data, and plugins that stand in a distribution of their own."""

import sys
from pathlib import Path

import pytest

THIRD_PARTY = Path(__file__).parent / "third_party"


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory, monkeypatch):
    """Keep prepared images of tests out of the user's cache; one cache for the whole session."""
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def plainnet():
    """The module of a third-party architecture, importable here and in child processes."""
    sys.path.insert(0, str(THIRD_PARTY / "automl-img-plainnet"))
    import automl_img_plainnet

    return automl_img_plainnet


@pytest.fixture(scope="session")
def digits_data():
    """scikit-learn's digits: uint8 images (1797, 8, 8) and labels (1797,)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images * 255 / 16).round().astype("uint8"), digits.target
