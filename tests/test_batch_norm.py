"""Our batch norm is Keras' own, faster: outputs, gradients and running statistics agree."""

import keras
import numpy as np
import pytest

from mosaiclib.models import blocks
from mosaiclib.models.batch_norm import BatchNormalization

OPTIONS = {"epsilon": 1e-3, "momentum": 0.7}


def pair(shape, generator, **options):
    """Our layer and Keras' over the same random weights."""
    layers = [cls(**OPTIONS, **options, name="bn") for cls in (BatchNormalization, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.build(shape)
    weights = [generator.uniform(0.5, 2, w.shape) for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def stepped(layer, x, upstream, training=True):
    """(outputs, gradient of x, *gradients of the weights, *running statistics) of one traced step."""
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        return y, *tape.gradient(y, [x, *(v.value for v in layer.trainable_variables)], upstream)

    x, upstream = tf.constant(x), tf.constant(upstream)
    return [np.asarray(v, np.float64) for v in (*step(), *layer.non_trainable_variables)]


def assert_same(ours, theirs, tolerance=1e-5):
    """Equal relative to the largest value of each: a sum over many values rounds by its largest terms."""
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(1, np.abs(other).max()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((3, 7, 11, 5), {}),
        ((1, 1, 1, 3), {}),  # one value a channel: its variance is 0
        ((2, 1, 1, 9), {}),  # two: Bessel's correction would double it
        ((5, 13, 3, 17), {"scale": False}),
        ((2, 3, 31, 1), {"center": False}),
        ((2, 5, 6, 4), {"axis": 1}),  # no fused kernel from here on
        ((6, 9), {}),
    ],
)
def test_it_equals_keras_layer(shape, options, training):
    generator = np.random.default_rng(sum(shape))
    x = generator.normal(3, 2, shape).astype(np.float32)
    upstream = generator.normal(size=shape).astype(np.float32)
    ours, theirs = (stepped(layer, x, upstream, training) for layer in pair(shape, generator, **options))
    assert_same(ours, theirs)


@pytest.mark.parametrize(("dtype", "digits"), [("float16", 11), ("bfloat16", 8)])
def test_under_mixed_precision_statistics_are_float32(dtype, digits):
    import tensorflow as tf

    generator, shape = np.random.default_rng(1), (2, 9, 7, 6)
    x, upstream = (tf.constant(generator.normal(mean, 2, shape), dtype) for mean in (300, 0))
    layers = pair(shape, generator, dtype=f"mixed_{dtype}")
    ours, theirs = (stepped(layer, x, upstream) for layer in layers)
    assert_same(ours[-2:], theirs[-2:], 1e-5)
    assert_same(ours, theirs, 4 * 2.0**-digits)
    assert layers[0](x, training=True).dtype == dtype


def test_it_is_keras_layer_by_weights_and_options_and_a_clone():
    ours, theirs = pair((2, 4, 4, 3), np.random.default_rng(2))
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    assert ours.get_config() == theirs.get_config()
    assert type(BatchNormalization.from_config(ours.get_config())) is BatchNormalization


def test_our_networks_take_the_fused_kernel():
    import tensorflow as tf

    image = keras.Input((32, 48, 3))
    network = keras.Model(image, blocks.depthwise(blocks.conv(image, 8, "stem", 3, 2), "spatial"))
    step = tf.function(lambda x: network(x, training=True)).get_concrete_function(tf.TensorSpec((2, 32, 48, 3)))
    kinds = [operation.type for operation in step.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 2 and "SquaredDifference" not in kinds


def test_twenty_steps_of_a_training_are_those_with_keras_layer():
    generator = np.random.default_rng(6)
    images = generator.uniform(-1, 1, (3, 33, 41, 3)).astype(np.float32)
    labels = generator.integers(0, 4, (3, 17, 21))
    losses, weights = [], []
    for norm in (BatchNormalization, keras.layers.BatchNormalization):
        keras.utils.set_random_seed(2)
        image = keras.Input((33, 41, 3))
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
        x = keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False)(keras.layers.ReLU()(norm(**OPTIONS)(x)))
        network = keras.Model(image, keras.layers.Conv2D(4, 1)(keras.layers.ReLU()(norm(**OPTIONS)(x))))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, jit_compile=False)
        losses.append([float(network.train_on_batch(images, labels)) for _ in range(20)])
        weights.append(network.get_weights())
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][-1] < losses[0][0] - 0.01
    assert_same(*weights, 1e-4)
