import keras
import numpy as np
import pytest


class Looking(keras.callbacks.Callback):
    """Looks at the network where the core's F1 callback does: after the regularizers' at the end of each epoch."""

    def __init__(self, network):
        super().__init__()
        self.network, self.shown, self.begun, self.trained = network, [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(self.network.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        self.latest = self.network.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        self.trained.append(self.latest)
        self.shown.append(self.network.get_weights())


class Wrapper(keras.Model):
    """Drives the training of a network, as the core does."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, images, training=False):
        return self.network(images, training=training)


def fit(network, images, labels, callbacks, epochs=4, wrapper=Wrapper, **more):
    model = wrapper(network) if wrapper else network
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], **more)
    model.fit(images, labels, batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)


def accuracy(network, images, labels):
    return float((np.asarray(network(images)).argmax(1) == labels).mean())


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def close(first, second):
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(first, second, strict=True))


def test_an_epoch_ends_on_averages_and_the_next_goes_on_from_the_raw_weights(regularizer, task):
    network, images, labels = task()
    found, hp = regularizer("weight_averaging", horizon=0.1)
    looking = Looking(network)
    fit(network, images, labels, [*found.callbacks(hp, network), looking])
    for epoch in range(4):
        assert not same(looking.shown[epoch], looking.trained[epoch])
    for epoch in range(1, 4):
        assert same(looking.begun[epoch], looking.trained[epoch - 1])
    assert same(network.get_weights(), looking.shown[-1])


def test_the_averaged_network_predicts_at_least_as_well_as_the_raw_one_nearly(regularizer, task):
    network, images, labels = task()
    found, hp = regularizer("weight_averaging", horizon=0.1)
    looking = Looking(network)
    fit(network, images[:256], labels[:256], [*found.callbacks(hp, network), looking], epochs=8)
    averaged = accuracy(network, images[256:], labels[256:])
    network.set_weights(looking.trained[-1])
    raw = accuracy(network, images[256:], labels[256:])
    assert averaged > 0.6
    assert averaged >= raw - 0.05


def test_the_means_and_variances_of_normalisation_are_averaged_too(regularizer, task):
    network, images, labels = task()
    found, hp = regularizer("weight_averaging", horizon=0.2)
    looking = Looking(network)
    fit(network, images, labels, [*found.callbacks(hp, network), looking], epochs=2)
    places = [i for i, weight in enumerate(network.weights) if weight.name == "moving_variance"]
    assert places
    for place in places:
        assert not np.array_equal(looking.shown[-1][place], looking.trained[-1][place])
        assert looking.shown[-1][place].min() > 0


def test_the_weights_from_before_the_training_count_nothing(regularizer):
    found, hp = regularizer("weight_averaging", horizon=0.2)
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    (callback,) = found.callbacks(hp, network)
    done = iter(np.linspace(0.1, 1.0, 20))
    callback.set_params({"progress": lambda: next(done)})
    network.set_weights([np.full((1, 1), 1000.0, "float32")])
    for batch in range(5):
        network.set_weights([np.full((1, 1), 1.0 + batch / 10, "float32")])
        callback.on_train_batch_end(batch)
    callback.on_train_end()
    assert 1.0 < network.get_weights()[0].item() < 1.4


def test_the_mean_goes_on_at_once_where_the_end_of_a_training_is_a_part_of_a_longer_one(regularizer):
    found, hp = regularizer("weight_averaging", horizon=0.1)
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    (short,), (longer,) = (found.callbacks(hp, network) for _ in range(2))
    short.set_params({"progress": lambda: 1.0})
    network.set_weights([np.full((1, 1), 1.0, "float32")])
    short.on_epoch_end(0)
    longer.set_state(short.get_state())
    progress = 1 / 3
    longer.set_params({"progress": lambda: progress})
    longer.on_epoch_begin(0)
    network.set_weights([np.full((1, 1), 2.0, "float32")])
    progress += 0.1
    longer.on_train_batch_end(0)
    longer.on_train_end()
    recent = 0.1 / (0.1 + np.exp(-1.0))  # of a mean whose older part is one horizon old
    assert network.get_weights()[0].item() == pytest.approx(1.0 + recent, rel=1e-4)


def test_a_training_that_is_stopped_early_ends_on_the_averages(regularizer, task):
    network, images, labels = task()
    found, hp = regularizer("weight_averaging", horizon=0.2)
    looking = Looking(network)

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    fit(network, images, labels, [*found.callbacks(hp, network), looking, Stop()], epochs=10)
    assert len(looking.shown) == 2
    assert same(network.get_weights(), looking.shown[-1])
    assert not same(network.get_weights(), looking.trained[-1])


def test_a_checkpoint_of_an_epoch_holds_the_averages(regularizer, task, tmp_path):
    network, images, labels = task()
    found, hp = regularizer("weight_averaging", horizon=0.2)
    looking = Looking(network)
    path = tmp_path / "best.weights.h5"
    save = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: network.save_weights(path))
    fit(network, images, labels, [*found.callbacks(hp, network), save, looking], epochs=2)
    other = keras.models.clone_model(network)
    other.load_weights(path)
    assert same(other.get_weights(), looking.shown[-1])


@pytest.mark.parametrize("steps", [1, 4])
def test_pruning_reaches_its_sparsity_and_the_network_still_works(regularizer, task, steps):
    network, images, labels = task()
    found, hp = regularizer("pruning", sparsity=0.6)
    fit(network, images, labels, list(found.callbacks(hp, network)), epochs=8, steps_per_execution=steps)
    kernels = [np.asarray(v) for v in network.trainable_variables if v.name == "kernel"]
    assert len(kernels) == 3
    for kernel in kernels:
        assert (kernel == 0).mean() == pytest.approx(0.6, abs=0.02)
    others = [np.asarray(v) for v in network.trainable_variables if v.name in ("gamma", "beta", "bias")]
    assert all((value != 0).any() for value in others)
    assert accuracy(network, images, labels) > 0.7


def test_pruning_spares_what_does_not_learn_also_when_it_goes_on(regularizer, task):
    network, *_ = task()
    frozen, learning = (network.layers[place] for place in (1, -1))
    frozen.trainable = False
    found, hp = regularizer("pruning", sparsity=0.5)
    (callback,), (later,) = (found.callbacks(hp, network) for _ in range(2))
    callback.set_params({"progress": lambda: 0.9, "epochs": 1, "steps": 1})
    callback.on_train_batch_end(0)
    assert (np.asarray(frozen.kernel) != 0).all()
    zero = np.asarray(learning.kernel) == 0
    assert zero.mean() == pytest.approx(0.5, abs=0.01)
    learning.kernel.assign(keras.ops.ones_like(learning.kernel))
    later.set_state(callback.get_state())
    later.on_train_end()
    np.testing.assert_array_equal(np.asarray(learning.kernel) == 0, zero)
    assert (np.asarray(frozen.kernel) != 0).all()


def test_pruning_has_settled_once_its_sparsity_is_reached_also_when_it_goes_on(regularizer, task):
    network, *_ = task()
    found, hp = regularizer("pruning", sparsity=0.5)
    (callback,), (later,) = (found.callbacks(hp, network) for _ in range(2))
    settled = [callback.settled]
    for progress in (0.05, 0.5, 0.7):
        callback.set_params({"progress": lambda progress=progress: progress, "epochs": 1, "steps": 1})
        callback.on_train_batch_end(0)
        settled.append(callback.settled)
    assert settled == [False, False, False, True]
    later.set_state(callback.get_state())
    assert later.settled


def test_sparsity_rises_by_the_cubic_rule():
    from automl_img_regularizers._pruner import BEGIN, END, scheduled

    assert scheduled(0.8, 0.0) == scheduled(0.8, BEGIN) == 0.0
    assert scheduled(0.8, (BEGIN + END) / 2) == pytest.approx(0.8 * 7 / 8)
    assert scheduled(0.8, END) == scheduled(0.8, 1.0) == pytest.approx(0.8)


def test_pruning_and_averaging_together_stay_sparse_in_either_order(regularizer, task):
    for order in (("pruning", "weight_averaging"), ("weight_averaging", "pruning")):
        network, images, labels = task(192)
        callbacks = []
        for name in order:
            found, hp = regularizer(name)
            callbacks += found.callbacks(hp, network)
        fit(network, images, labels, callbacks, epochs=6)
        kernel = next(np.asarray(v) for v in network.trainable_variables if v.name == "kernel")
        assert (kernel == 0).mean() == pytest.approx(0.5, abs=0.02)


def test_progress_of_the_core_is_used_where_there_is_one(regularizer, task):
    network, *_ = task()
    found, hp = regularizer("pruning", sparsity=0.5)
    (callback,) = found.callbacks(hp, network)
    callback.set_params({"progress": lambda: 0.05, "epochs": 1, "steps": 1})
    callback.on_train_batch_end(0)
    assert (np.asarray(network.trainable_variables[0]) != 0).all()
    callback.set_params({"progress": lambda: 0.9, "epochs": 1, "steps": 1})
    callback.on_train_batch_end(0)
    assert (np.asarray(network.trainable_variables[0]) == 0).mean() == pytest.approx(0.5, abs=0.01)
