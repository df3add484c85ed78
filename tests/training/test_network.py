"""Building and training networks with TensorFlow."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import automl_img.training.affinity
from automl_img.errors import AutoMLImageWarning, PluginError
from automl_img.plugin import Augmentation, ImageTraits, PluginRegistry, discover, hookimpl
from automl_img.recipe import recipe_from_mapping
from automl_img.search.space import build_space
from automl_img.tasks import make_task
from automl_img.training.affinity import measure_affinity
from automl_img.training.batches import training_batches
from automl_img.training.cost import _layer_flops, count_cost
from automl_img.training.devices import parts_of
from automl_img.training.hardware import Hardware
from automl_img.training.network import NetworkPlan, active_plugins, build_network
from automl_img.training.optimizers import make_optimizer
from automl_img.training.scoring import Scorer
from automl_img.training.trainee import Augment, Trainee

pytestmark = pytest.mark.train

IMAGE = ImageTraits(8, 8, 1, 10, 1000)
MODULES = ["automl_img_plainnet", "faulty_networks"]
TWO = make_task("binary", ("a", "b"))
TEN = make_task("multiclass", tuple("0123456789"))


@pytest.fixture(scope="module")
def registry(third_party_plugins):
    return discover(modules=MODULES)


@pytest.fixture(scope="module")
def space(registry):
    settings = {"search.architectures": ["plainnet"], "budget.time": "10m"}
    return build_space(recipe_from_mapping({}, settings), registry, IMAGE, imbalance=3.0)


def registry_of(*augmentations):
    module = types.ModuleType("augmentations_of_a_test")

    @hookimpl
    def register_augmentations(register):
        for augmentation in augmentations:
            register(augmentation)

    module.register_augmentations = register_augmentations
    registry = PluginRegistry()
    registry.add_module(module, label="test")
    return registry


def plan(values, image=IMAGE):
    return NetworkPlan(values, image, (100.0,) * image.channels, (60.0,) * image.channels)


def test_the_network_gives_a_logit_for_each_class_in_float32(registry, space):
    model = build_network(plan(space.start("plainnet", {})), registry).model
    assert model.output.shape == (None, 10)
    assert model.output.dtype == "float32"


def test_images_are_standardised_by_the_training_images(registry, space):
    model = build_network(plan(space.start("plainnet", {})), registry).model
    standardise = keras.Model(model.inputs, model.get_layer("standardise").output)
    np.testing.assert_allclose(standardise(np.full((1, 8, 8, 1), 160.0)), 1.0, rtol=1e-5)


def test_what_is_no_tensor_of_features_is_refused(registry):
    with pytest.raises(PluginError, match="architecture no_tensor: build must return a tensor"):
        build_network(plan({"architecture": "no_tensor"}), registry)


@pytest.mark.parametrize("name", discover().names("regularizer"))
def test_each_regularizer_leaves_a_network_that_trains_and_is_saved(registry, space, name, tmp_path):
    keras.utils.set_random_seed(0)
    values = space.complete({"architecture": "plainnet", f"regularizer.{name}": True})
    model = build_network(plan(values), registry).model
    chosen = active_plugins(values, "regularizer", registry)
    extra = {key: value for plugin, hp in chosen for key, value in plugin.optimizer(hp).items()}
    optimizer, _ = make_optimizer(values, extra)
    trainee = Trainee(model, TEN, Augment(values, IMAGE, registry, 0), [])
    trainee.compile(optimizer=optimizer, loss=TEN.loss("cross_entropy"), jit_compile=False)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (64, 8, 8, 1), np.uint8), rng.integers(0, 10, 64)
    before = [np.array(weight) for weight in model.get_weights()]
    history = trainee.fit(images, labels, batch_size=32, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    model.save_weights(tmp_path / "m.weights.h5")
    again = build_network(plan(values), registry).model
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(Scorer(again).logits(images), Scorer(model).logits(images), atol=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "mean_squared_error"])
def test_each_loss_is_small_for_right_answers_and_large_for_wrong_ones(loss):
    targets, right = np.eye(3, dtype="float32"), 20 * np.eye(3, dtype="float32")
    measured = TEN.loss(loss)
    assert float(np.mean(measured(targets, right))) < 0.01
    assert float(np.mean(measured(targets, np.roll(right, 1, 1)))) > 1


@pytest.mark.parametrize("name", ["muon", "adam", "adamw", "sgd", "rmsprop"])
def test_each_optimizer_has_its_own_rate_and_spares_normalisation_from_decay(space, name):
    values = space.complete({"architecture": "plainnet", "optimizer": name})
    optimizer, peak = make_optimizer(values, {"weight_decay": 0.1})
    assert peak == values[f"optimizer.{name}.lr"]
    gamma = keras.Variable([1.0], name="gamma")
    kernel = keras.Variable([1.0], name="kernel")
    optimizer.build([gamma, kernel])
    assert optimizer._use_weight_decay(kernel)
    assert not optimizer._use_weight_decay(gamma)


def test_each_image_comes_once_in_each_pass_and_batches_have_one_size():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = training_batches(images, np.arange(10), np.arange(10), batch_size=4, seed=1)
    seen = [batch[0].numpy().ravel().tolist() for batch in batches.take(5)]
    assert [len(batch) for batch in seen] == [4] * 5
    flat = [position for batch in seen for position in batch]
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10))
    assert flat[:10] != flat[10:], "each pass has its own order"
    again = training_batches(images, np.arange(10), np.arange(10), batch_size=4, seed=1)
    assert [batch[0].numpy().ravel().tolist() for batch in again.take(5)] == seen


def test_no_autotuning_thread_can_hold_up_the_end_of_a_training():
    images = np.zeros((10, 1, 1, 1), np.uint8)
    for more in ({}, {"balance": np.ones(10, np.float32), "resample": True}):
        batches = training_batches(images, np.arange(10), np.arange(10), batch_size=4, seed=1, **more)
        assert batches.options().autotune.enabled is False


def test_weights_that_balance_the_classes_come_with_each_image():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    balance = np.linspace(0.1, 1.9, 5).astype(np.float32)
    chosen = np.array([1, 3, 5, 7, 9])
    batches = training_batches(images, np.arange(10), chosen, batch_size=5, seed=1, balance=balance)
    pixels, labels, weights = next(iter(batches))
    expected = dict(zip(chosen.tolist(), balance.tolist(), strict=True))
    assert [expected[int(label)] for label in labels] == pytest.approx(weights.numpy().tolist())
    assert pixels.numpy().ravel().tolist() == labels.numpy().tolist()


def test_resampling_draws_rare_classes_as_often_as_common_ones_and_the_same_under_a_seed():
    labels = np.array([0] * 90 + [1] * 10)
    images = np.zeros((100, 1, 1, 1), np.uint8)
    arguments = {"batch_size": 100, "balance": TWO.balance(labels), "resample": True}
    drawn = [b[1].numpy() for b in training_batches(images, labels, np.arange(100), seed=3, **arguments).take(20)]
    assert 0.45 < np.mean(drawn) < 0.55
    again = [b[1].numpy() for b in training_batches(images, labels, np.arange(100), seed=3, **arguments).take(20)]
    np.testing.assert_array_equal(drawn, again)
    assert (drawn[0] != drawn[1]).any()


def test_augmentation_changes_training_batches_only(registry, space):
    values = space.complete({"architecture": "plainnet", "augmentation.horizontal_flip": True})
    images = np.random.default_rng(0).integers(0, 255, (32, 8, 8, 1)).astype("float32")
    augment = Augment(values, IMAGE, registry, 0)
    changed, targets = augment(images, np.eye(10, dtype="float32")[np.zeros(32, int)])
    assert (np.asarray(changed) != images).any()
    assert targets.shape == (32, 10)
    model = build_network(plan(values), registry).model
    trainee = Trainee(model, TEN, augment, [])
    np.testing.assert_array_equal(trainee(images, training=False), model(images, training=False))


class ByNumPy(Augmentation):
    """Lets NumPy give everything back as it is."""

    def __init__(self, name, *, mixes_labels):
        self.name, self.mixes_labels = name, mixes_labels

    def layers(self, hp, image, seed):
        def same(tensor):
            return tf.numpy_function(lambda values: values, [tensor], tf.float32)

        return [lambda given, training: tf.nest.map_structure(same, given)] * 2


class Noting(Augmentation):
    """Notes the shapes of the images that come."""

    name = "noting"

    def __init__(self):
        self.shapes = []

    def layers(self, hp, image, seed):
        def note(images, training):
            self.shapes.append(tuple(images.shape))
            return images

        return [note]


def test_what_an_augmentation_computes_in_numpy_has_its_shape_for_whatever_comes_next():
    noting = Noting()
    plugins = (ByNumPy("by_numpy", mixes_labels=False), noting, ByNumPy("mixing", mixes_labels=True))
    augment = Augment({f"augmentation.{one.name}": True for one in plugins}, IMAGE, registry_of(*plugins), 0)
    signature = [tf.TensorSpec((None, 8, 8, 1)), tf.TensorSpec((None, 11))]
    compiled = tf.function(augment.__call__, signature, autograph=False).get_concrete_function()
    assert noting.shapes == [(None, 8, 8, 1)]
    assert [tuple(shape) for shape in compiled.output_shapes] == [(None, 8, 8, 1), (None, 11)]


def test_scores_do_not_depend_on_the_size_of_batches(registry, space):
    model = build_network(plan(space.start("plainnet", {})), registry).model
    images = np.random.default_rng(0).integers(0, 255, (23, 8, 8, 1), np.uint8)
    np.testing.assert_allclose(Scorer(model, 5).logits(images), Scorer(model, 100).logits(images), atol=1e-5)
    chosen = np.array([3, 1, 22])
    np.testing.assert_allclose(Scorer(model, 2).logits(images, chosen), Scorer(model).logits(images)[chosen], atol=1e-5)
    scorer = Scorer(model)
    both = scorer.mirrored(images, chosen, scorer.logits(images, chosen))
    np.testing.assert_array_equal(both, scorer.logits(images, chosen, mirrored=True))


@pytest.mark.parametrize("at_once", [2, 3, 40])
def test_scores_do_not_depend_on_how_many_batches_are_run_at_once(registry, space, at_once):
    model = build_network(plan(space.start("plainnet", {})), registry).model
    images = np.random.default_rng(0).integers(0, 255, (23, 8, 8, 1), np.uint8)
    several = Scorer(model, 4, at_once=at_once)
    np.testing.assert_allclose(several.logits(images), Scorer(model).logits(images), atol=1e-5)
    np.testing.assert_allclose(several.logits(images[:1]), Scorer(model).logits(images[:1]), atol=1e-5)
    assert several.time_pass(images, np.arange(23)) > 0


class Files:
    """Images that are decoded when they are read; notes how many were."""

    def __init__(self, images):
        self.images, self.read = images, 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, positions):
        found = self.images[positions]
        self.read += len(found)
        return found


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_time_of_one_prediction_is_that_of_the_network_not_of_reading_the_image(registry, space, mirrored):
    model = build_network(plan(space.start("plainnet", {})), registry).model
    files = Files(np.random.default_rng(0).integers(0, 255, (23, 8, 8, 1), np.uint8))
    assert Scorer(model).seconds_of_one(files, mirrored=mirrored) > 0
    assert files.read == 1


@pytest.mark.parametrize(
    ("batch", "threads", "parts"),
    [(128, 1, 1), (128, 2, 2), (128, 3, 2), (128, 4, 4), (128, 64, 4), (96, 4, 3), (64, 2, 2), (32, 2, 1), (97, 2, 1)],
)
def test_a_batch_has_as_many_parts_of_the_same_size_as_there_are_threads_if_they_are_not_too_small(
    batch, threads, parts
):
    assert parts_of(batch, threads) == parts


def test_a_step_on_the_parts_of_a_batch_is_a_step_on_the_whole():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (12, 8, 8, 1), np.uint8), rng.integers(0, 10, 12)
    weights = rng.uniform(0.5, 2.0, 12).astype("float32")

    def trained(parts):
        keras.utils.set_random_seed(5)
        inputs = keras.Input((8, 8, 1))
        outputs = keras.layers.Dense(10)(keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(inputs / 255.0)))
        network = keras.Model(inputs, outputs)
        trainee = Trainee(network, TEN, lambda pixels, targets: (pixels, targets), [], parts)
        trainee.compile(keras.optimizers.SGD(0.1), TEN.loss("cross_entropy"))
        trainee.train_on_batch(images, labels, weights)
        return network.get_weights()

    for whole, in_parts in zip(trained(1), trained(3), strict=True):
        np.testing.assert_allclose(in_parts, whole, atol=1e-5)


def test_each_part_of_a_batch_is_changed_by_itself_and_keeps_its_targets():
    seen = []

    def augment(images, targets):
        seen.append(len(images))
        return images + len(seen), targets + images[:, 0, 0, :1]

    trainee = Trainee(keras.Sequential([keras.layers.Flatten()]), TEN, augment, [], 2)
    images = np.arange(6, dtype="float32").reshape(6, 1, 1, 1)
    changed, targets = trainee._augmented(images, np.zeros((6, 10), "float32"))
    assert seen == [3, 3]
    np.testing.assert_array_equal(changed[:, 0, 0, 0], [1, 2, 3, 5, 6, 7])
    np.testing.assert_array_equal(targets[:, 0], range(6))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("parts", [1, 2])
def test_weights_that_balance_the_classes_are_mixed_as_the_labels_of_their_images_are(registry, space, name, parts):
    values = space.complete({"architecture": "plainnet", f"augmentation.{name}": True})
    trainee = Trainee(keras.Sequential([keras.layers.Flatten()]), TEN, Augment(values, IMAGE, registry, 0), [], parts)
    images = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 1), np.uint8)
    labels, balance = np.arange(20) % 10, np.linspace(0.1, 3.0, 10, dtype="float32")
    _, targets, weights = trainee._prepared((images, labels, balance[labels]))
    targets = np.asarray(targets)
    assert targets.shape == (20, 10) and (targets.max(1) < 1).any(), "some are mixed"
    np.testing.assert_allclose(targets.sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(weights, targets @ balance, rtol=1e-4)


def test_what_augmentation_makes_of_images_is_not_rounded_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((2, 2, 1))
        same = keras.Model(inputs, keras.layers.Rescaling(1.0, dtype="float32")(inputs))
        trainee = Trainee(same, TEN, lambda pixels, targets: (pixels, targets), [])
        assert trainee.dtype_policy.name == "mixed_bfloat16", "by which Keras scales losses"
        pixels = np.full((1, 2, 2, 1), 200.3, "float32")
        np.testing.assert_array_equal(trainee(pixels, training=True), pixels)
    finally:
        keras.config.set_dtype_policy(before)


class Sides:
    """A network for two classes, bright on the left and bright on the right; notes how many images it is asked for at once."""

    def __init__(self):
        self.asked = []

    def logits(self, images, indices=None):
        pixels = images if indices is None else images[indices]
        self.asked.append(len(pixels))
        left, right = pixels[:, :, :4].mean((1, 2, 3)), pixels[:, :, 4:].mean((1, 2, 3))
        return np.stack([left, right], 1).astype("float32")


def affinity(scorer, registry, *names):
    """That of augmentations, by every second of 400 images of two classes, the others of which are wrongly labelled."""
    labels = np.arange(400) // 2 % 2
    images = np.random.default_rng(0).integers(0, 60, (400, 8, 8, 1), np.uint8)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        side = label if number % 2 else 1 - label
        image[:, 4 * side : 4 * side + 4] += 150
    traits = ImageTraits(8, 8, 1, 2, 400)
    return measure_affinity(names, registry, scorer, images, labels, np.arange(1, 400, 2), traits, TWO, 0)


def test_affinity_tells_a_harmless_augmentation_from_one_that_makes_other_classes(registry):
    """Mirroring swaps the two classes, brightness does not."""
    found = affinity(Sides(), registry, "horizontal_flip", "brightness", "mixup")
    assert found["brightness"] > 0.95
    assert found["horizontal_flip"] < 0.75
    assert "mixup" not in found, "what mixes labels has no affinity"


class Lifting(Augmentation):
    """Adds an amount, by a hyperparameter that has a value, beside one that has none."""

    name = "lifting"

    def space(self, hp, image):
        hp.Choice("by", ["amount", "share"])
        hp.Float("amount", 1.0, 9.0, when={"by": "amount"})
        hp.Float("share", 0.1, 0.9, when={"by": "share"})

    def layers(self, hp, image, seed):
        assert hp == {"by": "amount", "amount": 1.0}
        return [lambda images, training: images + hp["amount"]]


class Failing(Augmentation):
    """Raises when images come."""

    name = "failing"

    def layers(self, hp, image, seed):
        def fail(images, training):
            raise RuntimeError("no such\nimages")

        return [fail]


def test_an_augmentation_that_raises_has_no_affinity_and_the_others_have_theirs(monkeypatch):
    registry, scorer = registry_of(Lifting(), Failing()), Sides()
    monkeypatch.setattr(automl_img.training.affinity, "VALUES_AT_ONCE", 80 * 8 * 8)
    with pytest.warns(AutoMLImageWarning, match="augmentation failing is left out: .* RuntimeError: no such images"):
        found = affinity(scorer, registry, "failing", "lifting")
    assert found == {"failing": 0.0, "lifting": 1.0}
    assert scorer.asked == [200, 80, 80, 40], "all as they are, then as many changed ones as memory is meant for"


def test_a_wider_network_costs_more(registry, space):
    hardware = Hardware(2, 2**34, 0, True)

    def cost(filters):
        model = build_network(plan(space.start("plainnet", {"filters": filters})), registry).model
        return count_cost(model, hardware, "mixed_bfloat16")

    small, large = cost(16), cost(64)
    assert large.flops > 8 * small.flops
    assert large.seconds > small.seconds
    assert large.parameters > small.parameters


@pytest.mark.parametrize(("gpus", "slower"), [(0, True), (1, False)])
def test_channels_that_fill_no_vectors_take_longer_on_a_processor_but_no_more_work(gpus, slower):
    def cost(filters):
        inputs = keras.Input((8, 8, 32))
        model = keras.Model(inputs, keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(inputs))
        return count_cost(model, Hardware(2, 2**34, gpus, True), "mixed_bfloat16")

    odd, even = cost(24), cost(32)
    assert odd.flops < even.flops
    assert (odd.seconds > even.seconds) is slower


def test_depthwise_convolutions_take_far_longer_than_their_work_on_a_processor_less_so_in_separable_ones():
    def beyond(layer, gpus):
        inputs = keras.Input((8, 8, 32))
        hardware = Hardware(2, 2**34, gpus, True)
        cost = count_cost(keras.Model(inputs, layer(inputs)), hardware, "mixed_bfloat16")
        return (cost.seconds - hardware.step_seconds / 128) / cost.flops

    depthwise = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    separable = keras.layers.SeparableConv2D(32, 3, padding="same", use_bias=False)
    plain = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)
    assert beyond(depthwise, 0) > 5 * beyond(separable, 0) > 5 * beyond(plain, 0)
    assert beyond(depthwise, 0) > 5 * beyond(depthwise, 1), "a GPU knows them better"


def test_the_work_of_a_convolution_is_that_of_the_formula():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs))
    cost = count_cost(model, Hardware(2, 2**34, 0, True), "float32")
    assert cost.flops - 8 * 8 * 3 == 2 * 8 * 8 * 16 * 3 * 3 * 3


def convolution():
    return keras.layers.Conv2D(16, 3, padding="same", use_bias=False)


def block(base):
    """A layer or a model of a plugin's own that has a convolution inside."""

    class Block(base):
        def __init__(self):
            super().__init__()
            self.inner = convolution()

        def build(self, shape):
            self.inner.build(shape)

        def call(self, images):
            return self.inner(images)

    return Block()


@pytest.mark.parametrize(
    ("layer", "inputs", "work"),
    [
        (lambda: block(keras.layers.Layer), 1, 2 * 8 * 8 * 16 * 3 * 3 * 3),
        (lambda: block(keras.Model), 1, 2 * 8 * 8 * 16 * 3 * 3 * 3),
        (lambda: keras.layers.SpectralNormalization(convolution()), 1, 2 * 8 * 8 * 16 * 3 * 3 * 3),
        (lambda: keras.Sequential([convolution()]), 1, 2 * 8 * 8 * 16 * 3 * 3 * 3),
        (lambda: keras.layers.TimeDistributed(keras.layers.Dense(5)), 1, 2 * 8 * 8 * 5 * 3),
        (lambda: keras.layers.MultiHeadAttention(2, 4, use_bias=False), 2, 2 * 8 * 8 * 4 * (3 * 2 * 4)),
    ],
    ids=["block", "model", "wrapper", "sequential", "time_distributed", "attention"],
)
def test_a_layer_that_holds_others_counts_once_with_all_its_kernels_at_the_positions_of_its_output(layer, inputs, work):
    images = keras.Input((8, 8, 3))
    cost = count_cost(keras.Model(images, layer()(*[images] * inputs)), Hardware(2, 2**34, 0, True), "float32")
    assert (cost.layers, cost.flops - 8 * 8 * 3) == (2, work)


def test_a_layer_that_was_never_called_does_no_work():
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    assert _layer_flops(layer, gpu=False) == (0.0, 0.0)
