"""DeepLab's TF1 checkpoints, of slim's names, written here; the backbone by a forward pass without code of ours."""

import numpy as np
import pytest
import tensorflow as tf

from mosaiclib import models
from mosaiclib.models.pretrained import deeplab

UNITS = {"resnet_v1_50": (3, 4, 6, 3), "resnet_v1_101": (3, 4, 23, 3)}
XCEPTION = [
    *((f"entry_flow/block{i}/unit_1", depths, stride, "conv") for i, (depths, stride) in enumerate(
        [((128,) * 3, 2), ((256,) * 3, 1), ((256,) * 3, 2), ((728,) * 3, 1), ((728,) * 3, 2)], start=1)),
    *((f"middle_flow/block1/unit_{i}", (728,) * 3, 1, "sum") for i in range(1, 17)),
    ("exit_flow/block1/unit_1", (728, 1024, 1024), 1, "conv"),
]  # fmt: skip


class Slim:
    """Layers that make their variables on the first call, as slim does, and keep them in `arrays`."""

    def __init__(self, scope, epsilon, seed=5):
        self.scope, self.epsilon, self.arrays = scope, epsilon, {}
        self.generator = np.random.default_rng(seed)

    def get(self, name, shape):
        name = f"{self.scope}/{name}"
        if name not in self.arrays:
            if name.endswith(("gamma", "variance")):
                value = self.generator.uniform(0.5, 1.5, shape)
            else:
                fan = shape[0] * shape[1] * (1 if "depthwise" in name else shape[2]) if len(shape) == 4 else 25
                value = self.generator.normal(0, fan**-0.5, shape)
            self.arrays[name] = value.astype("f")
        return self.arrays[name]

    def norm(self, x, name):
        beta, gamma, mean, variance = (
            self.get(f"{name}/BatchNorm/{w}", x.shape[-1:]) for w in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)

    def conv(self, x, filters, name, kernel=1, stride=1, rate=1, relu=True):
        """conv2d_same: a strided kernel is padded by hand."""
        weights = self.get(f"{name}/weights", (kernel, kernel, x.shape[-1], filters))
        padding = "SAME"
        if stride > 1 and kernel > 1:
            x, padding = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), "VALID"
        x = self.norm(tf.nn.conv2d(x, weights, stride, padding, dilations=rate), name)
        return tf.nn.relu(x) if relu else x

    def separable(self, x, filters, name, stride=1, rate=1, relu=False):
        place = f"{name}_depthwise"
        weights, padding = self.get(f"{place}/depthwise_weights", (3, 3, x.shape[-1], 1)), "SAME"
        if stride > 1:
            x, padding = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), "VALID"
        x = self.norm(tf.nn.depthwise_conv2d(x, weights, [1, stride, stride, 1], padding, None, [rate] * 2), place)
        return self.conv(tf.nn.relu(x) if relu else x, filters, f"{name}_pointwise", relu=relu)


def resnet(slim, pixels):
    x = tf.cast(pixels, tf.float32) - [123.15, 115.90, 103.06]
    for index, filters in enumerate((64, 64, 128), start=1):
        x = slim.conv(x, filters, f"conv1_{index}", 3, 2 if index == 1 else 1)
    x = tf.nn.max_pool2d(x, 3, 2, "SAME")
    for block, units in enumerate(UNITS[slim.scope], start=1):
        inner = 32 * 2**block
        for unit in range(1, units + 1):
            place, stride = f"block{block}/unit_{unit}/bottleneck_v1", 2 if unit == units and block < 3 else 1
            if x.shape[-1] == 4 * inner:
                shortcut = tf.nn.max_pool2d(x, 1, stride, "SAME")
            else:
                shortcut = slim.conv(x, 4 * inner, f"{place}/shortcut", stride=stride, relu=False)
            x = slim.conv(x, inner, f"{place}/conv1")
            x = slim.conv(x, inner, f"{place}/conv2", 3, stride, 2 if block == 4 else 1)
            x = tf.nn.relu(shortcut + slim.conv(x, 4 * inner, f"{place}/conv3", relu=False))
    return x


def xception(slim, pixels):
    x = tf.cast(pixels, tf.float32) / 127.5 - 1
    x = slim.conv(x, 32, "entry_flow/conv1_1", 3, 2)
    x = slim.conv(x, 64, "entry_flow/conv1_2", 3)
    for place, depths, stride, skip in XCEPTION:
        place, inputs = f"{place}/xception_module", x
        for index, depth in enumerate(depths, start=1):
            name = f"{place}/separable_conv{index}"
            x = slim.separable(tf.nn.relu(x), depth, name, stride if index == 3 else 1)
        x += slim.conv(inputs, depths[-1], f"{place}/shortcut", stride=stride, relu=False) if skip == "conv" else inputs
    for index, depth in enumerate((1536, 1536, 2048), start=1):
        name = f"exit_flow/block2/unit_1/xception_module/separable_conv{index}"
        x = slim.separable(x, depth, name, rate=2, relu=True)
    return x


def write(prefix, arrays):
    """A TF1 checkpoint with these variables, and such as are not part of the backbone."""
    scope = next(iter(arrays)).partition("/")[0]
    beside = {"global_step": np.int64(7), f"{scope}/logits/weights": np.ones((1, 1, 2048, 1001), "f")}
    slot = {f"{next(iter(arrays))}/Momentum": next(iter(arrays.values()))}
    everything = arrays | beside | slot
    prefix.parent.mkdir(exist_ok=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=list(everything), shape_and_slices=[""] * len(everything),
        tensors=list(everything.values()),
    )  # fmt: skip
    return prefix


@pytest.mark.parametrize(
    ("scope", "epsilon", "forward", "last"),
    [
        ("resnet_v1_50", 1e-5, resnet, "resnet50.stage4.unit3.relu"),
        ("resnet_v1_101", 1e-5, resnet, "resnet101.stage4.unit3.relu"),
        ("xception_71", 1e-3, xception, "xception71.exit2.separable3.pointwise.relu"),
    ],
)
def test_the_backbone_is_deeplabs_at_even_and_odd_sizes(scope, epsilon, forward, last, tmp_path):
    import keras

    slim, generator = Slim(scope, epsilon), np.random.default_rng(2)
    sizes = [(256, 256)] if scope == "resnet_v1_101" else [(256, 320), (257, 289)]
    images = [generator.integers(0, 256, (1, *size, 3), dtype=np.uint8) for size in sizes]
    expected = [forward(slim, image).numpy() for image in images]
    model, card = deeplab.read(write(tmp_path / "published" / "model.ckpt", slim.arrays).parent)
    models.save(model, tmp_path / "w", card)
    for image, values in zip(images, expected, strict=True):
        ours = models.load(tmp_path / "w", image.shape[1:3])
        ours = keras.Model(ours.input, ours.get_layer(last).output).predict_on_batch(image.astype("f") / 127.5 - 1)
        assert values.std() > 0.1 and abs(ours - values).max() < 1e-4 * abs(values).max()


def test_a_backbone_that_is_none_of_ours_is_refused(tmp_path):
    slim = Slim("xception_65", 1e-3)
    slim.get("entry_flow/conv1_1/weights", (3, 3, 3, 32))
    with pytest.raises(ValueError, match="none of DeepLab's backbones"):
        deeplab.read(write(tmp_path / "model.ckpt", slim.arrays))
    arrays = {"resnet_v1_50/conv1/weights": np.ones((7, 7, 3, 64), "f")}
    with pytest.raises(ValueError, match="lacks 'resnet_v1_50/conv1_1/weights'"):
        deeplab.read(write(tmp_path / "model.ckpt", arrays))
