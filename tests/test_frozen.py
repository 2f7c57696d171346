"""Networks of which a part stays as it is: folded batch norms train alike, and what is untrained costs no gradient."""

from functools import cache

import keras
import numpy as np
import pytest

from mosaiclib.models import blocks, build, catalogue, frozen
from mosaiclib.models.batch_norm import BatchNormalization


def small():
    """Convolutions with and without bias, depthwise, shared, and batch norms that cannot be folded; 19x23 pixels."""
    image = keras.Input((19, 23, 3))
    x = blocks.conv(image, 6, "body.stem", kernel=3, stride=2)
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="body.wide")(x)
    x = blocks.normalise(x, "body.wide")
    pair = [keras.layers.Conv2D(12, 3, padding="same", dilation_rate=2, name="head.shared"), BatchNormalization()]
    for _ in range(2):
        for layer in pair:
            x = layer(x)
    skip = keras.layers.Conv2D(12, 1, name="head.read_twice")(x)
    x = keras.layers.Add()([skip, blocks.normalise(skip, "head.alone", activation=None)])
    return keras.Model(image, blocks.classifier(blocks.depthwise(x, "head.last", 5), 4, "head.classifier"))


def randomised(network, generator):
    for variable in network.weights:
        low, high = (0.5, 1.5) if "variance" in variable.path or "gamma" in variable.path else (-0.5, 0.5)
        variable.assign(generator.uniform(low, high, variable.shape))
    return network


def unfolded(network):
    """The oracle: each batch norm called by its stored statistics where it stands."""
    store = cache(frozen.StoredStatistics)

    def call(layer, *args, **kwargs):
        return store(layer)(*args) if isinstance(layer, BatchNormalization) else layer(*args, **kwargs)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)


def gradients(network, images, upstream):
    """(output, {path: gradient}) while it trains."""
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            y = network(images, training=True)
        return y, tape.gradient(y, [v.value for v in network.trainable_variables], upstream)

    y, found = step()
    return np.asarray(y), {v.path: np.asarray(g) for v, g in zip(network.trainable_variables, found, strict=True)}


def test_folded_batch_norms_train_like_unfolded_ones():
    generator = np.random.default_rng(8)
    network = randomised(small(), generator)
    images = generator.uniform(-1, 1, (3, 19, 23, 3)).astype(np.float32)
    upstream = generator.normal(size=(3, 10, 12, 4)).astype(np.float32)
    before = [np.array(v) for v in network.weights]
    folded = frozen.with_stored_statistics(network, "")
    (y, ours), (expected, theirs) = (gradients(model, images, upstream) for model in (folded, unfolded(network)))
    np.testing.assert_allclose(y, expected, atol=1e-5 * np.abs(expected).max())
    assert ours.keys() == theirs.keys() == {v.path for v in network.trainable_variables}
    for path, gradient in theirs.items():
        np.testing.assert_allclose(ours[path], gradient, atol=2e-5 * np.abs(gradient).max(), err_msg=path)
    for variable, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), value)
    kinds = [type(layer).__name__ for layer in folded.layers]
    assert kinds.count("FoldedConvolution") == 4 and kinds.count("StoredStatistics") == 1


def test_an_untrained_part_has_neither_gradient_nor_change():
    generator = np.random.default_rng(9)
    network = build(catalogue.mosaic(m=32, f=8, d=8, bins=(1, 2), skips="8-C, 4-S"), (64, 96), 3)
    images = generator.uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)
    upstream = generator.normal(size=(2, 16, 24, 3)).astype(np.float32)
    _, whole = gradients(frozen.with_stored_statistics(network, "mnmh"), images, upstream)
    head = frozen.without_training(network, "mnmh")
    before = {v.path: np.array(v) for v in network.weights}
    _, found = gradients(head, images, upstream)
    assert found.keys() == {path for path in whole if path.startswith("mosaic")}
    for path, gradient in found.items():
        np.testing.assert_allclose(gradient, whole[path], atol=1e-5 * np.abs(whole[path]).max(), err_msg=path)
    moved = {v.path for v in network.weights if not np.array_equal(v, before[v.path])}
    assert moved and all(path.startswith("mosaic") and "/moving_" in path for path in moved)


def test_no_gradient_is_computed_behind_an_untrained_part():
    """Of the graph that runs: TensorFlow drops what no result needs."""
    import tensorflow as tf

    head = frozen.without_training(small(), "body")
    head.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(), jit_compile=False)
    head.optimizer.build(head.trainable_variables)

    @tf.function
    def step(images, upstream):
        return head.train_step((images, upstream))

    specs_ = tf.TensorSpec((2, 19, 23, 3)), tf.TensorSpec((2, 10, 12, 4))
    backward = [o.name for o in step.get_concrete_function(*specs_).graph.get_operations() if "Backprop" in o.type]
    assert any("head" in name for name in backward) and not any("body" in name for name in backward)


@pytest.mark.parametrize(
    ("part", "message"), [("mnhm", r"No layer .* begins with 'mnhm'\."), ("", "nothing is left to train")]
)
def test_a_part_that_is_none_or_all_is_refused(part, message):
    with pytest.raises(ValueError, match=message):
        frozen.without_training(small(), part)
