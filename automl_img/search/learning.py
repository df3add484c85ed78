"""What a search learns from others before it begins, and leaves to others when it has ended."""

from __future__ import annotations

from collections.abc import Iterable

from automl_img.plugin import ImageTraits
from automl_img.search.experience import (
    Circumstances,
    Experience,
    ExperienceStore,
    experience_of,
    of_other_data,
    read_experiences,
)
from automl_img.search.journal import TrialRow
from automl_img.search.preparation import PreparedData
from automl_img.search.run import Run


def circumstances(run: Run, traits: ImageTraits) -> Circumstances:
    """Return what decides how much other searches can tell this one, and this one others."""
    return Circumstances(traits, run.recipe.train.weights != "none", run.capacity.hardware.gpus > 0)


def experiences_for(run: Run, fingerprint: str) -> list[Experience]:
    """What there is to learn from: what came with the plugins, and the user's own searches; none of it about these images."""
    found: list[Experience] = []
    for path in run.registry.experience:
        try:
            found += read_experiences(path)
        except (OSError, ValueError) as error:
            run.decided(f"what came with the plugins about earlier searches is left out: {path}: {error}")
    if run.recipe.search.experience and not run.recipe.train.deterministic:
        found += ExperienceStore().read()
    return of_other_data(found, fingerprint)


def keep_experience(run: Run, rows: Iterable[TrialRow], data: PreparedData) -> None:
    """Let later searches learn from this one, unless its recipe says otherwise."""
    if not run.recipe.search.experience or run.recipe.train.deterministic:
        return
    found = experience_of(rows, circumstances(run, data.store.traits), data.store.fingerprint)
    try:
        ExperienceStore().keep(run.folder.path, found)
    except OSError as error:
        run.decided(f"what was learned could not be kept for later searches: {error}")
