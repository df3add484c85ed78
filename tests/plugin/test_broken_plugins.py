"""Each deliberately broken plugin fails the one check that is about its fault, and is told what to do."""

import importlib
import math

import pytest

from automl_img.plugin import Architecture, Augmentation, Regularizer, Space
from automl_img.plugin.manager import CLASSES, KINDS
from automl_img.plugin.oracle import active
from automl_img.plugin.testing import run_checks
from automl_img.plugin.testing.checks import IMAGES, CheckError
from automl_img.plugin.testing.networks import build, drawn, need_own_names
from automl_img.plugin.testing.running import checks_for

MODULES = (
    "broken_networks",
    "broken_images",
    "broken_exporters",
    "broken_regularizers",
    "broken_searches",
    "broken_sources",
)


@pytest.fixture(autouse=True)
def forgetful():
    """Let Keras forget the networks of the checks."""
    yield
    import keras

    keras.backend.clear_session()


def results_of(plugin_class):
    kind = next(kind for kind, (_, base) in KINDS.items() if issubclass(plugin_class, base))
    plugin = plugin_class if kind in CLASSES else plugin_class()
    return list(run_checks(checks_for(kind, plugin)))


@pytest.mark.parametrize("module", MODULES)
def test_a_broken_plugin_fails_the_one_check_of_its_fault_and_is_told_what_to_do(module, third_party_plugins):
    wrong = []
    for plugin_class, (check, words) in importlib.import_module(module).EXPECTED.items():
        failed = {result.name: result.message for result in results_of(plugin_class) if result.outcome == "failed"}
        if list(failed) != [check] or words not in failed[check]:
            wrong.append((plugin_class.__name__, failed))
    assert not wrong


def test_each_check_of_each_kind_has_a_broken_plugin_that_fails_it(third_party_plugins):
    """The checks that all kinds share are tried with architectures."""
    from automl_img.plugin.testing import CHECKS, check_names

    told = {check for module in MODULES for check, _ in importlib.import_module(module).EXPECTED.values()}
    assert {name for checks in CHECKS.values() for name in check_names(checks)} == told


class Forgetful(Architecture):
    """Reads a hyperparameter that it has not declared."""

    name = "forgetful"

    def space(self, hp, image):
        hp.Int("filters", 8, 16)

    def build(self, hp, inputs):
        return inputs[..., : hp["depth"]]


class OfKerasTuner(Forgetful):
    """Keeps what the calls of keras-tuner would return."""

    name = "of_keras_tuner"

    def space(self, hp, image):
        self.filters = hp.Int("filters", 8, 16)

    def build(self, hp, inputs):
        return inputs[..., : self.filters * 2]


class Unfinished(Architecture):
    """Has no build yet."""

    name = "unfinished"


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (Unfinished, r"raised NotImplementedError: Unfinished does not define build"),
        (Forgetful, r"reads hp\['depth'\], which is not there. Declare it in space.*declared so far: filters"),
        (OfKerasTuner, r"self.filters is None: build finds the values in its hp"),
    ],
)
def test_what_a_person_who_knows_keras_tuner_forgets_is_told_with_what_to_do(plugin, words):
    architecture, image = plugin(), IMAGES[0]
    space = Space()
    architecture.space(space, image)
    with pytest.raises(CheckError, match=words):
        build(architecture, active(space, {}), image)


def test_a_network_that_does_not_build_is_told_once(third_party_plugins):
    failed = [result for result in results_of(Forgetful) if result.outcome == "failed"]
    skipped = {result.message for result in results_of(Forgetful) if result.outcome == "skipped"}
    assert [result.name for result in failed] == ["test_it_builds_for_images_of_every_size_and_task"]
    assert skipped == {"it does not build: it builds for images of every size and task tells why"}


def declare_pooling(hp):
    """Declare a hyperparameter that is active under a condition."""
    hp.Choice("pooling", ["average", "flatten"])
    hp.Int("units", 8, 16, when={"pooling": "flatten"})


class Noting(Augmentation, Regularizer):
    """Keeps which hyperparameters it was given."""

    name = "noting"

    def space(self, hp, image):
        declare_pooling(hp)

    def layers(self, hp, image, seed):
        self.given = hp
        return []

    def optimizer(self, hp):
        self.given = hp
        return {}


@pytest.mark.parametrize(
    ("kind", "check"),
    [("augmentation", "test_it_costs_no_weights"), ("regularizer", "test_every_optimizer_takes_its_arguments")],
)
def test_a_check_gives_the_hyperparameters_that_a_search_would_give(kind, check):
    plugin = Noting()
    getattr(checks_for(kind, plugin)(), check)()
    assert plugin.given == {"pooling": "average"}


def test_values_that_are_drawn_for_a_check_are_those_of_active_hyperparameters():
    space = Space()
    declare_pooling(space)
    found = [drawn(tuple(space), seed) for seed in range(20)]
    assert all(("units" in values) == (values["pooling"] == "flatten") for values in found)
    assert {values["pooling"] for values in found} == {"average", "flatten"}


def test_layers_of_a_library_keep_the_names_that_it_has_registered_them_under():
    import keras

    @keras.saving.register_keras_serializable(package="keras_hub")
    class Theirs(keras.layers.Layer):
        pass

    Theirs.__module__ = "keras_hub.layers"
    need_own_names([Theirs()], "my_net.building")
    Theirs.__module__ = "my_net.layers"
    with pytest.raises(CheckError, match="under 'keras_hub', where other plugins' layers are too"):
        need_own_names([Theirs()], "my_net.building")


class Counting(Regularizer):
    """Has a callback that counts steps, keeps what ``kept`` makes of the count, and may begin anew with each training."""

    name = "counting"

    def __init__(self, kept=lambda steps: {"steps": steps}, begins_anew=False):
        self.kept, self.begins_anew = kept, begins_anew

    def callbacks(self, hp, model):
        import keras

        plugin = self

        class Count(keras.callbacks.Callback):
            steps = 0

            def on_train_begin(self, logs=None):
                if plugin.begins_anew:
                    self.steps = 0

            def on_train_batch_end(self, batch, logs=None):
                self.steps += 1

            def get_state(self):
                return plugin.kept(self.steps)

            def set_state(self, state):
                self.steps = int(state["steps"])

        return [Count()]


def check_callbacks_of(plugin):
    checks_for("regularizer", plugin)().test_its_callbacks_can_be_saved_and_loaded()


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (Counting(begins_anew=True), "another state than it was given, when a training begins that goes on.*leave its"),
        (Counting(lambda steps: {"steps": steps, "best": None}), "saving what Count.get_state returned.*Object arrays"),
        (Counting(lambda steps: {"steps": {"all": steps}}), "saving what Count.get_state returned.*Object arrays"),
        (Counting(lambda steps: [steps]), "Count.get_state returned list"),
    ],
    ids=["it begins anew", "nothing", "a dict in it", "a list"],
)
def test_a_state_that_does_not_come_back_from_a_checkpoint_is_told(plugin, words):
    with pytest.raises(CheckError, match=words):
        check_callbacks_of(plugin)


def test_a_state_of_whatever_arrays_can_hold_comes_back_from_a_checkpoint():
    check_callbacks_of(Counting(lambda steps: {"steps": steps, "worst": [[math.nan], steps], "best": "first"}))


def test_the_checks_of_a_regularizer_say_how_far_the_training_is_as_the_core_does():
    heard = []

    class Following(Regularizer):
        name = "following"

        def callbacks(self, hp, model):
            import keras

            class Follow(keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None):
                    heard.append(self.params["progress"]())

            return [Follow()]

    checks_for("regularizer", Following())().test_a_network_with_it_trains()
    assert heard == [0.5, 1.0]
