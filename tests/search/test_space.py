import types

import pytest

from automl_img.errors import PluginError, RecipeError
from automl_img.plugin import Architecture, ImageTraits, discover, hookimpl
from automl_img.recipe import recipe_from_mapping
from automl_img.search.space import build_space

GREY = ImageTraits(28, 28, 1, 10, 50_000)
COLOUR = ImageTraits(64, 64, 3, 4, 900)


@pytest.fixture(scope="module")
def registry(third_party_plugins):
    return discover(modules=["automl_img_plainnet"])


def space_of(registry, image=GREY, imbalance=1.0, **settings):
    settings = {"search.architectures": ["plainnet"], "budget.time": "10m", **settings}
    return build_space(recipe_from_mapping({}, settings), registry, image, imbalance)


def names(space):
    return {parameter.name for parameter in space.parameters}


def test_a_start_has_a_value_for_each_active_hyperparameter_and_no_other(registry):
    space = space_of(registry)
    values = space.start("plainnet", {"filters": 64})
    assert values["plainnet.filters"] == 64
    for parameter in space.parameters:
        active = all(values.get(name) in allowed for name, allowed in parameter.when)
        assert (parameter.name in values) == active, parameter.name


def test_starts_begin_with_the_recommended_regularizers_and_without_augmentation(registry):
    values = space_of(registry).start("plainnet", {})
    on = {name for name, value in values.items() if value is True}
    assert on == {"regularizer.label_smoothing", "regularizer.weight_decay"}


def test_an_augmentation_that_cannot_suit_the_images_is_left_out_with_the_reason(registry):
    grey, colour = space_of(registry), space_of(registry, COLOUR)
    assert "augmentation.hue" not in names(grey)
    assert grey.left_out["augmentation hue"]
    assert "augmentation.hue" in names(colour)


def test_means_against_imbalance_are_searched_where_classes_are_imbalanced(registry):
    assert "imbalance" not in names(space_of(registry, imbalance=1.0))
    assert space_of(registry, imbalance=5.0).start("plainnet", {})["imbalance"] == "class_weights"
    fixed = space_of(registry, imbalance=1.0, **{"train.imbalance": "balanced_sampling"})
    assert fixed.start("plainnet", {})["imbalance"] == "balanced_sampling"


def test_small_data_starts_with_small_batches(registry):
    assert space_of(registry).start("plainnet", {})["batch_size"] == 128
    assert space_of(registry, COLOUR).start("plainnet", {})["batch_size"] == 64


def test_a_fixed_hyperparameter_is_not_searched_and_holds_everywhere(registry):
    space = space_of(registry, **{"search.fixed.optimizer": "sgd", "search.fixed.augmentation.rotation": True})
    free = {parameter.name: parameter for parameter in space.free()}
    assert "optimizer" not in free
    assert not any(name.startswith("optimizer.adamw") for name in free), "it can never be active"
    assert free["optimizer.sgd.lr"].when == (), "it is always active"
    values = space.start("plainnet", {})
    assert values["optimizer"] == "sgd"
    assert values["augmentation.rotation"] is True


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("search.fixed.optimzer", "sgd", "unknown hyperparameter. Did you mean 'optimizer'"),
        ("search.fixed.optimizer", "lion", "this value is not allowed; found 'lion'"),
        ("search.fixed.optimizer.adamw.lr", 99.0, "a number from 0.0005 to 0.02"),
        ("search.fixed.architecture", "plainnet", "Name it in search.architectures"),
    ],
)
def test_a_wrong_fixed_value_is_one_clear_line(registry, key, value, said):
    with pytest.raises(RecipeError) as caught:
        space_of(registry, **{key: value})
    assert said in str(caught.value)


def test_an_unknown_architecture_is_refused_with_the_nearest(registry):
    with pytest.raises(
        PluginError, match=r"search\.architectures: unknown architecture; found 'planenet'.*Did you mean 'plainnet'"
    ):
        space_of(registry, **{"search.architectures": ["planenet"]})


def test_a_narrowed_space_keeps_to_its_architectures(registry):
    space = space_of(registry).narrowed(["plainnet"], ["augmentation.rotation"], {"plainnet.filters": 48})
    values = space.complete({"architecture": "plainnet", "augmentation.rotation": True, "plainnet.filters": 16})
    assert values["augmentation.rotation"] is False
    assert values["plainnet.filters"] == 48


def test_a_space_that_is_narrowed_to_no_architectures_keeps_all(registry):
    space = space_of(registry)
    narrowed = space.narrowed([], ["augmentation.rotation"])
    assert narrowed.architectures() == space.architectures() != []
    assert "augmentation.rotation" not in {parameter.name for parameter in narrowed.free()}


def test_a_space_without_an_architecture_searches_none_of_its_hyperparameters_and_one_without_any_is_empty(registry):
    space = space_of(registry, **{"search.architectures": ["resnet", "plainnet"], "search.fixed.resnet.stages": 3})
    without = space.without(["resnet"])
    assert without.architectures() == ["plainnet"]
    assert not any(parameter.name.startswith("resnet.") for parameter in without.free())
    assert without.start("plainnet", {})["architecture"] == without.complete({})["architecture"] == "plainnet"
    assert space.without([]) == space
    assert space.without(["resnet", "plainnet"]).architectures() == []


def test_what_a_recipe_fixes_stays_what_it_is_however_a_space_is_narrowed(registry):
    fixed = {"search.fixed.augmentation.rotation": True, "search.fixed.plainnet.filters": 32}
    space = space_of(registry, **fixed).narrowed(["plainnet"], ["augmentation.rotation"], {"plainnet.filters": 48})
    values = space.complete({"architecture": "plainnet"})
    assert (values["augmentation.rotation"], values["plainnet.filters"]) == (True, 32)


def test_a_member_outside_the_declared_space_is_refused(registry):
    with pytest.raises(PluginError, match=r"plainnet\.filters.*found 1000"):
        space_of(registry).start("plainnet", {"filters": 1000})


def test_an_architecture_without_the_wanted_weights_is_left_out(registry):
    with pytest.raises(RecipeError, match="no architecture is left"):
        space_of(registry, COLOUR, **{"train.weights": "imagenet"})


def test_values_reach_a_trial_in_the_type_that_was_declared(registry):
    space = space_of(registry, **{"search.fixed.plainnet.filters": 48.0})
    values = space.complete({"architecture": "plainnet", "plainnet.layers": 2.0, "batch_size": 64.0})
    found = [values[name] for name in ("plainnet.filters", "plainnet.layers", "batch_size")]
    assert found == [48, 2, 64] and {type(value) for value in found} == {int}


def test_an_architecture_with_a_range_that_cannot_be_sampled_is_left_out_alone():
    class Unsampled(Architecture):
        name = "unsampled"

        def space(self, hp, image):
            hp.Float("rate", 0.0, 0.5, sampling="log")

    @hookimpl
    def register_architectures(register):
        register(Unsampled())

    module = types.ModuleType("unsampled")
    module.register_architectures = register_architectures
    registry = discover(modules=["automl_img_plainnet"])
    registry.add_module(module, label="unsampled")
    space = space_of(registry, **{"search.architectures": ["plainnet", "unsampled"]})
    assert space.architectures() == ["plainnet"]
    assert "rate: a hyperparameter with log sampling must be above 0" in space.left_out["architecture unsampled"]
