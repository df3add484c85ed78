"""The engine from Python: ``fit`` searches, ``load`` brings a model back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl_img import events
from automl_img.data.inspection.findings import Inspection, Limits
from automl_img.errors import UsageError
from automl_img.evaluation.predictor import Images, Predictor
from automl_img.paths import expanded_path
from automl_img.plugin import ImageDataset, discover
from automl_img.recipe import Recipe, recipe_from_mapping
from automl_img.resolving import resolve, resolve_again, run_path
from automl_img.search.run_folder import (
    DATA_FILE,
    LEADERBOARD_FILE,
    METRICS_FILE,
    RECIPE_FILE,
    RunFolder,
)

if TYPE_CHECKING:
    import pandas as pd

NOTEBOOK_PICTURES = 300_000  # characters of pictures that a notebook is given to keep


def fit(
    dataset: Any,
    *,
    budget: str | None = None,
    trials: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    listener: events.Listener | None = None,
    resume: bool = False,
    accept_changes: bool = False,
) -> SearchResult:
    """Search the best classifier of ``dataset`` within ``budget``.

    Ctrl-C, or a notebook's stop button, ends the search in good order with the best model so far; twice ends it at once.

    Args:
        dataset: A folder of images by class, the name of a data source such as ``"fashion_mnist"`` (a folder of that name is given as
            ``"./fashion_mnist"`` or as a ``Path``), a recipe or its path, a pair ``(x, y)`` of arrays (x of shape (n, height, width) or
            (n, height, width, channels), uint8, or floating point in 0..1 or 0..255, or a list of images of one size that Pillow has
            opened; y of shape (n,), numbers or names; or several labels an image, as 0 and 1 of shape (n, classes) or as lists of
            names), two such pairs for training and test, as ``keras.datasets.mnist.load_data()`` gives them, an :class:`ImageDataset`, or
            an object of another library that a source knows, such as a pandas DataFrame.
        budget: Wall time of the whole search, such as ``"10m"``, the final evaluation included. Unless given, it is what the recipe
            says; without a recipe 10 minutes, or no limit if ``trials`` is given.
        trials: Number of trials at most.
        seed: Seed of everything random; the recipe's, or 0, unless given.
        out: The run folder; ``runs/<name>-<time>`` unless given.
        settings: Other keys of the recipe by dotted name, such as ``{"search.strategy": "random"}``.
        listener: Receives each event of the search; :mod:`automl_img.events` lists them. Without one, a notebook shows how far the
            search is; elsewhere nothing is shown.
        resume: Go on with the search whose run folder is ``out``, with its recipe; ``budget`` and ``trials`` give it more to spend.
            ``dataset`` is what it was; only arrays and other objects are read again, with the options in the recipe.
        accept_changes: Go on although plugins or the search space have changed since.

    Returns:
        The result, with the best model.

    Raises:
        AutoMLImageError: The data, a setting or a plugin cannot be used, or the search found no model; the subclasses say which.

    Example:
        >>> result = automl_img.fit("digits", budget="1m")
        >>> result.best
        >>> result.predict(images)
    """
    from automl_img.search.engine import run_search
    from automl_img.search.interruption import Interruption
    from automl_img.search.resuming import recipe_of_run
    from automl_img.views import python_view

    begun = time.monotonic()
    overrides: dict[str, Any] = dict(settings or {})
    if budget is not None:
        overrides["budget.time"] = budget
    if trials is not None:
        overrides["budget.trials"] = trials
    if seed is not None:
        overrides["seed"] = seed
    folder: Path | None
    if resume:
        if out is None:
            raise UsageError("resume needs the run folder", where="out", hint="It is SearchResult.run_dir.")
        recipe, folder = recipe_of_run(out, overrides), expanded_path(out, where="out")
        images = None if isinstance(dataset, str | Path | Recipe) else resolve_again(dataset, recipe, folder)
    else:
        recipe, images = resolve(dataset, overrides)
        folder = run_path(recipe, out)
    interruption = Interruption()
    with python_view(listener) as view, interruption.on_ctrl_c(view.stopping):
        outcome = run_search(
            recipe,
            folder,
            dataset=images,
            listener=view.hear,
            interruption=interruption,
            begun=begun,
            resume=resume,
            accept_changes=accept_changes,
        )
    return SearchResult(outcome.folder.path)


def analyse(
    dataset: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    sample: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look at all images of ``dataset`` and say what is there and what is wrong; nothing is trained and nothing is changed.

    Args:
        dataset: What :func:`fit` takes.
        settings: Keys of the recipe by dotted name, such as ``{"data.options.root": "images"}``.
        limits: From where on something is worth a word; None: the usual ones. Its ``unreadable`` does not count: the recipe's
            ``data.max_unreadable`` does.
        sample: The most images that are looked at, chosen at random; None: all.
        progress: Called with the images done and the images in all.

    Returns:
        Counts, sizes, unreadable and odd images, duplicates within and between splits, what it means in sentences, and in ``advice``
        what to do; ``as_dict()`` gives it as JSON can hold it.

    Raises:
        AutoMLImageError: The labels or a setting cannot be used. Unreadable images are part of the answer, not an error.

    Example:
        >>> automl_img.analyse("photos/").verdict
        'Ready to train, with 2 warnings.'
    """
    return look_at(dataset, settings=settings, limits=limits, sample=sample, progress=progress).inspection


@dataclass(frozen=True)
class Looked:
    """A data set that was looked at: the recipe that names it, its images, and what was found."""

    recipe: Recipe
    dataset: ImageDataset
    inspection: Inspection


def look_at(
    dataset: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    sample: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Looked:
    """Do what :func:`analyse` does, and return what is needed to go on from there; arguments and errors are the same."""
    from automl_img.data.arrays import validated
    from automl_img.data.inspection import inspect_dataset
    from automl_img.search.checking import check_plugins
    from automl_img.search.preparation import load_dataset

    recipe, images = resolve(dataset, settings or {})
    if images is None:
        plugins = recipe.plugins
        registry = discover(modules=plugins.modules, only=plugins.only, block=plugins.block)
        check_plugins(recipe, registry)
        images = load_dataset(recipe, registry)
    checked = validated(images, recipe.data.task)
    limits = replace(limits or Limits(), unreadable=recipe.data.max_unreadable)
    found = inspect_dataset(
        checked,
        limits=limits,
        sample=sample,
        seed=recipe.seed,
        progress=progress,
        advice=True,
        shares=(recipe.data.validation, recipe.data.test),
    )
    return Looked(recipe, checked, found)


def load(path: str | Path, *, plugin_modules: Sequence[str] = ()) -> Predictor:
    """Bring a model back from a run folder, or from a folder that ``save`` wrote; nothing that lies in it is run.

    Args:
        path: The folder.
        plugin_modules: Modules with plugins that may be imported if the model asks for them; those which a search of yours has used
            on this machine may be anyway.

    Raises:
        ModelFileError: There is no model, it was altered, or it holds what no model of ours does.
        PluginError: A plugin that it is built with is missing, or is in a module that may not be imported.
    """
    return Predictor(path, plugin_modules=plugin_modules)


class SearchResult:
    """A finished search.

    Args:
        run_dir: Its run folder.

    Attributes:
        run_dir: Its run folder.
        recipe: The resolved recipe.
        metrics: Figures of the best model on "validation" and "test".
    """

    def __init__(self, run_dir: str | Path) -> None:
        folder = RunFolder.open(run_dir)
        self.run_dir = folder.path.absolute()  # for as long as the result lives, wherever its process goes
        self.recipe: dict[str, Any] = folder.read(RECIPE_FILE)
        self.metrics: dict[str, Any] = folder.read(METRICS_FILE)
        self._predictor: Predictor | None = None

    @property
    def predictor(self) -> Predictor:
        """The best model."""
        if self._predictor is None:
            self._predictor = Predictor(self.run_dir)
        return self._predictor

    @property
    def best(self) -> dict[str, Any]:
        """The best trial: its number, architecture, hyperparameter values and validation F1."""
        trained = dict(self.predictor.card.trained)
        return {
            "trial": trained["trial"],
            "architecture": self.predictor.card.plan.values["architecture"],
            "f1": trained["f1"],
            "values": dict(self.predictor.card.plan.values),
        }

    def leaderboard(self) -> pd.DataFrame:
        """Return all trials, best first; the columns are those of ``leaderboard.csv``, with hyperparameters as dictionaries."""
        import pandas as pd

        read = {"hyperparameters": lambda text: json.loads(text or "{}")}
        return pd.read_csv(self.run_dir / LEADERBOARD_FILE, keep_default_na=True, converters=read)

    def predict(self, images: Images) -> npt.NDArray[np.str_]:
        """Return the answer to each image, such as the name of its class; see :meth:`Predictor.predict`."""
        return self.predictor.predict(images)

    def predict_proba(self, images: Images) -> npt.NDArray[np.float32]:
        """Return the probability of each class; see :meth:`Predictor.predict_proba`."""
        return self.predictor.predict_proba(images)

    def evaluate(self, split: str = "test") -> dict[str, Any]:
        """Predict a split of the run's data again and return its figures.

        Args:
            split: "train", "validation" or "test".

        Raises:
            UsageError: There is no such split, it is empty, or it is validation and the model was trained again on that too.
            RunFolderError: The images it was made from are no longer there.
        """
        return evaluate_run(self.run_dir, split)

    def save(self, path: str | Path) -> Path:
        """Write the best model to ``path``; see :meth:`Predictor.save`."""
        return self.predictor.save(path)

    def __repr__(self) -> str:
        return f"<SearchResult {self._headline()} in {self.run_dir}>"

    def _headline(self) -> str:
        validation, test = self.metrics["validation"]["f1"], self.metrics.get("test")
        text = f"{self.metrics['best']['architecture']}, validation F1 {validation:.4f}"
        return f"{text}, test F1 {test['f1']:.4f}" if test else text

    def _repr_html_(self) -> str:
        """The page on the run, with fewer pictures, as a notebook shows it."""
        from automl_img.report.run_page import run_page
        from automl_img.search.reporting import evidence_of

        page = run_page(evidence_of(RunFolder.open(self.run_dir)), picture_bytes=NOTEBOOK_PICTURES)
        frame = f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts" style="width:100%;height:42rem;border:0"></iframe>'
        return f"<p><b>{escape(self._headline())}</b><br><code>{escape(str(self.run_dir))}</code></p>{frame}"


def evaluate_run(run_dir: str | Path, split: str = "test") -> dict[str, Any]:
    """Predict a split of a run's data with its best model and return the figures.

    Args:
        run_dir: A run folder.
        split: "train", "validation" or "test".

    Raises:
        UsageError: There is no such split, it is empty, or it is validation and the model was trained again on that too.
        RunFolderError: It is no run folder, or the images it was made from are no longer there.
    """
    from automl_img.data.splits import SplitIndices
    from automl_img.evaluation.evidence import split_figures
    from automl_img.search.preparation import reopened_store

    folder = RunFolder.open(run_dir)
    if split not in ("train", "validation", "test"):
        raise UsageError("there is no such split", found=split, allowed="train, validation, test", where="split")
    recipe = recipe_from_mapping(folder.read(RECIPE_FILE))
    store = reopened_store(recipe, folder.read(DATA_FILE), folder.path)
    splits = SplitIndices.load(folder.splits)
    indices = getattr(splits, split)
    if len(indices) == 0:
        raise UsageError(
            f"this run has no {split} images",
            where=str(run_dir),
            hint="Set data.test in the recipe to keep some for the test.",
        )
    predictor = Predictor(folder.path)
    if split == "validation" and "refit" in predictor.card.trained:
        raise UsageError(
            "the model was trained again on all images, those of validation among them",
            where=str(run_dir),
            hint="metrics.json has the figures on validation from before.",
        )
    probabilities = predictor.predict_proba_prepared(store.images, indices)
    labels = store.labels
    prior = predictor.task.counts(labels[splits.train]) / len(splits.train)
    return split_figures(
        predictor.task, labels[indices], probabilities, predictor.card.thresholds, seed=recipe.seed, prior=prior
    )
