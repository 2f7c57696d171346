"""The whole networks of Table 2: parameters, unpooling, a training step, and what TFLite makes of them."""

from collections import Counter

import keras
import numpy as np
import pytest

from mosaiclib.models.baselines.enet import enet
from mosaiclib.models.baselines.erfnet import erfnet
from mosaiclib.models.baselines.espnet import espnet
from mosaiclib.models.baselines.icnet import icnet
from mosaiclib.models.baselines.layers import max_pool_with_indices, max_unpool
from mosaiclib.models.baselines.segnet import segnet

CLASSES = 7
# The smallest sizes worth a test: odd multiples of what each network divides by, and odd for ICNet.
NETWORKS = {segnet: (96, 32), enet: (40, 24), erfnet: (40, 24), espnet: (40, 24), icnet: (193, 225)}
UNPOOLING = {"SPACE_TO_DEPTH", "SPLIT", "EQUAL", "SELECT_V2", "CONCATENATION", "DEPTH_TO_SPACE"}
OPERATORS = {
    segnet: {"CONV_2D", "MAX_POOL_2D"} | UNPOOLING,
    enet: {"CONV_2D", "MAX_POOL_2D", "TRANSPOSE_CONV", "PRELU", "ADD", "MUL"} | UNPOOLING,
    erfnet: {"CONV_2D", "MAX_POOL_2D", "TRANSPOSE_CONV", "ADD", "MUL", "CONCATENATION"},
    espnet: {"CONV_2D", "PAD", "AVERAGE_POOL_2D", "TRANSPOSE_CONV", "PRELU", "ADD", "MUL", "CONCATENATION"},
    icnet: {"CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "ADD"},
}
# Batch norms that no convolution precedes, by design: they follow a concatenation or ESPNet's residual sum.
UNFOLDED = {segnet: 0, enet: 1, erfnet: 3, espnet: 17, icnet: 0}


def model_of(network, size, classes=CLASSES, batch=None):
    image = keras.Input((*size, 3), batch_size=batch)
    return keras.Model(image, network(image, classes))


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.__name__)
def trained(request):
    """(network, model, loss): a model of batch 1 after one step on random data, its batch norms then randomised."""
    network = request.param
    size = NETWORKS[network]
    keras.utils.set_random_seed(3)
    model = model_of(network, size, batch=1)
    generator = np.random.default_rng(3)
    image = generator.uniform(-1, 1, (1, *size, 3)).astype("float32")
    label = generator.integers(0, CLASSES, model.output.shape[:3])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True, jit_compile=False)
    value = model.fit(image, label, batch_size=1, verbose=0).history["loss"][0]
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape
            layer.gamma.assign(generator.uniform(0.5, 1.5, channels))
            layer.beta.assign(generator.normal(0, 0.3, channels))
            layer.moving_mean.assign(generator.normal(0, 0.3, channels))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, channels))
    return network, model, value


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize(
    ("network", "classes", "parameters"),
    [
        (segnet, 11, 29_449_355),
        (segnet, 19, 29_453_971),
        (enet, 19, 364_311),
        (enet, 20, 364_376),
        (erfnet, 19, 2_066_642 - (128 * 19 + 19)),  # without the auxiliary classifiers, which the published ones count
        (erfnet, 20, 2_066_836 - (128 * 20 + 20)),
        (espnet, 19, 363_462),
        (espnet, 20, 365_109),
        (icnet, 19, 6_671_443 + 28_544),
    ],
)
def test_parameters_are_the_published_ones(network, classes, parameters):
    assert trainable(model_of(network, (192, 192), classes)) == parameters


def test_unpooling_agrees_with_a_loop_over_windows():
    """Odd channel count, odd window count, and so few values that most windows have ties."""
    generator = np.random.default_rng(5)
    values = generator.integers(-1, 2, (2, 6, 10, 5)).astype("float32")
    small = generator.normal(size=(2, 3, 5, 5)).astype("float32")
    expected_pool, expected_unpool = np.zeros_like(small), np.zeros_like(values)
    for place in np.ndindex(small.shape):
        image, row, column, channel = place
        window = values[image, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
        first = int(np.argmax(window))  # row by row; the first of equal values
        expected_pool[place] = window.max()
        expected_unpool[image, 2 * row + first // 2, 2 * column + first % 2, channel] = small[place]

    large, x = keras.Input(values.shape[1:]), keras.Input(small.shape[1:])
    pooled, indices = max_pool_with_indices(large, "pool")
    model = keras.Model([large, x], [pooled, max_unpool(x, indices, "unpool")])
    actual_pool, actual_unpool = model.predict_on_batch([values, small])
    np.testing.assert_array_equal(actual_pool, expected_pool)
    np.testing.assert_array_equal(actual_unpool, expected_unpool)


def test_a_training_step_at_an_odd_size(trained):
    network, model, loss = trained
    height, width = NETWORKS[network]
    stride = 4 if network is icnet else 1
    assert model.output_shape == (1, -(-height // stride), -(-width // stride), CLASSES)
    assert np.isfinite(loss)
    assert all(np.isfinite(variable).all() for variable in model.weights)


def test_float_tflite_agrees_and_has_only_native_operators(trained):
    """Converted from a frozen trace, which gives `from_keras_model`'s graph several times as fast."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    network, model, _ = trained
    shape = (1, *NETWORKS[network], 3)
    trace = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape))
    content = tf.lite.TFLiteConverter.from_concrete_functions([trace]).convert()
    reference = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()

    operators = interpreter._get_ops_details()
    assert {operator["op_name"] for operator in operators} == OPERATORS[network]
    assert unfolded(operators, interpreter.get_input_details()[0]["index"]) == UNFOLDED[network]

    image = np.random.default_rng(11).uniform(-1, 1, shape).astype("float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    actual = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = np.asarray(model(image, training=False))
    assert expected.std() > 0.1
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def unfolded(operators, image):
    """How many times a MUL by constants stands in the graph; none may stand right after a convolution."""
    makers = {output: operator["op_name"] for operator in operators for output in operator["outputs"]}
    scaled = Counter()
    for operator in operators:
        if operator["op_name"] in ("MUL", "ADD") and any(i not in makers and i != image for i in operator["inputs"]):
            source = next(makers[i] for i in operator["inputs"] if i in makers)
            assert source not in ("CONV_2D", "TRANSPOSE_CONV"), f"{operator['op_name']} after {source}"
            scaled[operator["op_name"]] += 1
    assert scaled["ADD"] == scaled["MUL"]
    return scaled["MUL"]


@pytest.mark.parametrize("trained", [segnet, enet, erfnet, espnet], indirect=True)
def test_a_size_that_the_strides_do_not_divide_is_padded_with_grey(trained):
    """The logits of the image that numpy has padded, without what lies beside it."""
    network, model, _ = trained
    height, width = (side - 3 for side in NETWORKS[network])
    smaller = model_of(network, (height, width), batch=1)
    smaller.set_weights(model.get_weights())
    image = np.random.default_rng(4).uniform(-1, 1, (1, height, width, 3)).astype("float32")
    whole = model.predict_on_batch(np.pad(image, [(0, 0), (0, 3), (0, 3), (0, 0)]))
    ours = smaller.predict_on_batch(image)
    assert ours.shape == (1, height, width, CLASSES)
    np.testing.assert_allclose(ours, whole[:, :height, :width], rtol=0, atol=1e-5 * np.abs(whole).max())


def test_espnets_image_pyramid_counts_the_zeros_at_the_border():
    model = model_of(espnet, (40, 24))
    pyramid = keras.Model(model.input, model.get_layer("espnet.image2").output)
    image = np.random.default_rng(4).uniform(-1, 1, (1, 40, 24, 3)).astype("float32")
    padded = np.pad(image, [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = np.stack([padded[:, i : i + 3, j : j + 3].sum((1, 2)) / 9 for i in range(0, 40, 2)
                         for j in range(0, 24, 2)], 1).reshape(1, 20, 12, 3)  # fmt: skip
    np.testing.assert_allclose(pyramid.predict_on_batch(image), expected, atol=1e-6)


def test_icnets_bins_have_the_windows_of_the_prototxt():
    model = model_of(icnet, (1025, 2049))
    pools = [model.get_layer(f"icnet.trunk.pyramid{bins}.pool") for bins in (1, 2, 3, 6)]
    windows = [(pool.pool_size, pool.strides) for pool in pools]
    assert windows == [
        ((33, 65), (33, 65)), ((17, 33), (16, 32)), ((13, 25), (10, 20)), ((8, 15), (5, 10)),
    ]  # fmt: skip
    assert [pool.output.shape[1:3] for pool in pools] == [(n, n) for n in (1, 2, 3, 6)]


def test_icnet_refuses_an_image_smaller_than_its_bins():
    with pytest.raises(ValueError, match="at least 161x161 pixels, not 160x320"):
        model_of(icnet, (160, 320))


def test_espnet_refuses_too_few_classes():
    with pytest.raises(ValueError, match="at least 5 classes, not 4"):
        model_of(espnet, (40, 24), classes=4)
