"""Foreign .tflite files: their map of classes is read rightly, or refused in a sentence that names the shape."""

import numpy as np
import pytest
import tensorflow as tf

from mosaiclib.latency.host import worker
from mosaiclib.tflite.segmenter import TFLiteSegmenter, as_input

H, W = 24, 40


def scene():
    """(uint8 [H, W, 3], where it is red [H, W]): a red block on blue."""
    image = np.zeros((H, W, 3), np.uint8)
    image[..., 2] = 220
    image[4:20, 8:28] = (230, 10, 30)
    return image, image[..., 0] > 100


def written(folder, function, shape=(1, H, W, 3)):
    """A .tflite of a function of an image."""
    signature = [tf.TensorSpec(shape, tf.float32, "image")]
    made = tf.lite.TFLiteConverter.from_concrete_functions(
        [tf.function(function, input_signature=signature).get_concrete_function()]
    )
    made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    path = folder / "foreign.tflite"
    path.write_bytes(made.convert())
    return path


def redness(x):
    return x[..., :1] - x[..., 2:]


def two(x):
    return tf.concat([-redness(x), redness(x)], -1)


@pytest.mark.parametrize(
    "function",
    [
        two,
        lambda x: tf.sigmoid(4 * redness(x)),
        lambda x: tf.argmax(two(x), -1, tf.int32),
        lambda x: tf.argmax(two(x), -1)[..., None],
        lambda x: (tf.reduce_mean(x, (1, 2, 3)), two(x)),  # the second one is a map
    ],
    ids=["two scores", "one probability", "classes", "classes with a channel, int64", "and something else"],
)
def test_maps_of_every_form_are_read(function, tmp_path):
    image, red = scene()
    np.testing.assert_array_equal(TFLiteSegmenter(written(tmp_path, function)).classes(image), red)


@pytest.mark.parametrize("function", [two, lambda x: tf.argmax(two(x), -1, tf.int32)], ids=["scores", "classes"])
def test_smaller_maps_are_brought_to_the_size_of_the_input(function, tmp_path):
    image, red = scene()
    found = TFLiteSegmenter(written(tmp_path, lambda x: function(tf.nn.avg_pool2d(x, 4, 4, "SAME")))).classes(image)
    assert found.shape == (H, W) and (found == red).mean() > 0.95


def test_any_number_of_images_is_one(tmp_path):
    image, red = scene()
    np.testing.assert_array_equal(TFLiteSegmenter(written(tmp_path, two, (None, H, W, 3))).classes(image), red)


@pytest.mark.parametrize("kind", [np.int8, np.int16])
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 1), (0, 255)])
def test_a_quantised_input_is_given_the_range_that_its_scale_says(low, high, kind):
    limits = np.iinfo(kind)
    scale = (high - low) / (limits.max - limits.min)
    zero_point = round(limits.min - low / scale)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    values = as_input(pixels, {"dtype": kind, "quantization": (scale, zero_point)})
    assert values.dtype == kind
    meant = (values.astype(np.float64) - zero_point) * scale
    np.testing.assert_allclose(meant, low + (high - low) * (pixels / 255.0), rtol=0, atol=scale)


@pytest.mark.parametrize(
    ("function", "shape", "sentence"),
    [
        (redness, (1, H, W, 3), r"\[1, 24, 40, 1\] float32, one number a pixel, and not by a sigmoid"),
        (lambda x: tf.reshape(two(x), (1, -1)), (1, H, W, 3), r"\[1, 1920\] float32: none is a map"),
        (lambda x: tf.reshape(two(x), (1, H * W, 2)), (1, H, W, 3), r"\[1, 960, 2\] float32: none is a map"),
        (lambda x: tf.transpose(two(x), (0, 3, 1, 2)), (1, H, W, 3), r"\[1, 2, 24, 40\] float32: none is a map"),
        (lambda x: redness(x)[..., 0], (1, H, W, 3), r"\[1, 24, 40\] float32: none is a map"),
        (lambda x: (two(x), two(x[:, ::2, ::2])), (1, H, W, 3), "several are maps"),
        (lambda x: tf.tile(x, (1, 1, 1, 100)), (1, H, W, 3), r"\[1, 24, 40, 300\] float32: none is a map"),
        (lambda x: two(x[..., :3]), (1, H, W, 4), r"\[1, 24, 40, 4\] float32, and not one RGB image"),
        (two, (2, H, W, 3), r"\[2, 24, 40, 3\] float32, and not one RGB image"),
        (two, (1, None, None, 3), r"\[1, -1, -1, 3\] float32, an image of any size"),
        (lambda x: tf.cast(1000 * x[..., 0], tf.int32), (1, H, W, 3), "gives classes from .* of 255"),
        (lambda x: tf.math.erf(tf.linalg.inv(tf.eye(3)[None, None]) @ x[..., None])[..., 0], (1, H, W, 3),
         "cannot run here: it needs Flex[^:]*: convert the model again with TFLite's built-in operations alone.$"),
    ],
)  # fmt: skip
def test_what_is_no_map_of_an_image_is_refused_by_its_shape(function, shape, sentence, tmp_path):
    path = written(tmp_path, function, shape)
    with pytest.raises(ValueError, match=sentence) as raised:
        TFLiteSegmenter(path).classes(scene()[0])
    assert str(path) in str(raised.value)


def test_any_damage_is_a_sentence_with_the_files_name_or_read(tmp_path):
    image, _ = scene()
    path = written(tmp_path, two)
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(120):
        broken = bytearray(whole)
        for place in generator.integers(0, len(whole), generator.choice((1, 2, 8))):
            broken[place] = generator.choice((0, 127, 255))
        path.write_bytes(broken)
        try:
            TFLiteSegmenter(path).classes(image)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 20


def test_a_bench_refuses_an_input_of_any_size(tmp_path):
    with pytest.raises(ValueError, match=r"any size, \[1, -1, -1, 3\]"):
        worker.inspect(written(tmp_path, two, (1, None, None, 3)))
    assert worker.inspect(written(tmp_path, two, (None, H, W, 3)))["input_size"] == [H, W]
