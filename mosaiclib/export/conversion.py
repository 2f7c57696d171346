"""Converts a Keras network to the bytes of a .tflite file in one of four precisions."""

import keras
import numpy as np

from mosaiclib.data.batches import scale_input
from mosaiclib.export.equalisation import equalise
from mosaiclib.export.folding import fold
from mosaiclib.models.blocks import BilinearResize, ClassMap
from mosaiclib.models.graph import readers, rebuild, with_weights

PRECISIONS = ("float32", "float16", "dynamic", "int8")
HALF_A_STEP = 0.5 / 127.5  # between (pixel - 128) / 127.5, the int8 graph's input, and pixel / 127.5 - 1
MEASURED = 8  # calibration images on which Keras measures ranges; the converter reads all


def to_tflite(network, precision, calibration=(), equalised=True) -> bytes:
    """Converts a Keras network built with batch 1 and a fixed size.

    calibration: uint8 images [H, W, 3], for int8. equalised: int8's channels are evened out first (`equalisation`),
    which docs/int8.md measures. A batch of None would leave batch norms unfolded and dilation emulated, which phones
    pay for.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"Unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}.")
    if network.input_shape[0] != 1:
        raise ValueError("Only a network built with batch=1 is exported: see models.build or models.load.")
    if precision == "int8" and not len(calibration):
        raise ValueError("int8 needs calibration images: a few dozen of the data set's own.")
    return convert(prepare(network, precision, calibration, equalised), precision, calibration)


def prepare(network, precision, calibration=(), equalised=True):
    """The network as it will be converted, still in Keras: batch norms folded, input as the file takes it."""
    if precision != "int8":
        return fold(network)
    return with_raw_pixels(folded_for_int8(network, calibration, equalised))


def folded_for_int8(network, calibration, equalised=True):
    """The network with its batch norms folded and its channels evened out; its input stays in [-1, 1]."""
    few = calibration[:: -(-len(calibration) // MEASURED)]
    images = [scale_input(image)[None] for image in few]
    return equalise(fold(network), images) if equalised else fold(network)


def convert(prepared, precision, calibration=()) -> bytes:
    """The TFLite converter's part of `to_tflite`."""
    return converter(prepared, precision, calibration).convert()


def converter(prepared, precision, calibration=()):
    """A `tf.lite.TFLiteConverter` for what `prepare` returned, set up for that precision."""
    import tensorflow as tf

    made = tf.lite.TFLiteConverter.from_concrete_functions([_as_function(with_native_operations(prepared))])
    if precision != "float32":
        made.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        made.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        made.representative_dataset = lambda: ([as_quantised_input(image)] for image in calibration)
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        made.inference_input_type = tf.uint8
        if isinstance(prepared.layers[-1], keras.layers.Softmax):
            made.inference_output_type = tf.uint8  # confidences in steps of 1 / 256
    return made


def with_raw_pixels(network):
    """The network for an input of (pixel - 128) / 127.5 where it took pixel / 127.5 - 1.

    The half step between the two goes into the biases of the convolutions that read the image, or into the offset
    of its normalisation. Where something else reads it too, the network stays as it is, half a step of 255 darker.
    """
    first = readers(network)[id(network.inputs[0])]
    if len(first) == 1 and isinstance(first[0].operation, keras.layers.Rescaling):
        return rebuild(network, _with_half_a_step)
    if not all(isinstance(node.operation, keras.layers.Conv2D) and node.operation.use_bias for node in first):
        return network
    weights = {}
    for layer in {node.operation for node in first}:
        kernel, bias = layer.get_weights()
        weights[layer] = [kernel, bias + HALF_A_STEP * kernel.sum((0, 1, 2))]
    return with_weights(network, weights)


def _with_half_a_step(node, *arguments, **options):
    layer = node.operation
    if isinstance(layer, keras.layers.Rescaling):
        offset = [offset + HALF_A_STEP * scale for scale, offset in zip(layer.scale, layer.offset, strict=True)]
        layer = keras.layers.Rescaling(layer.scale, offset, name=layer.name)
    return layer(*arguments, **options)


def as_quantised_input(image):
    """float32 [1, H, W, 3] of the values that raw pixels mean to the int8 graph: (pixel - 128) / 127.5.

    Two corner pixels are set to the extremes, so that calibration finds just the range of uint8 whatever
    the images are, and the converter arrives at scale 1 / 127.5 and zero point 128.
    """
    image = image.copy()
    image[0, 0], image[-1, -1] = 0, 255
    return ((image.astype(np.float32) - 128) / 127.5)[None]


def _as_function(network):
    """The network as one TensorFlow function. The converter's own way from Keras takes ten times as long."""
    import tensorflow as tf

    call = tf.function(lambda image: network(image, training=False))
    return call.get_concrete_function(tf.TensorSpec(network.input_shape, tf.float32, "image"))


def with_native_operations(network):
    """The same network, with TFLite's own operations where Keras 3 has only roundabout ones.

    An asymmetric resize gathers rows and columns in Keras, and its argmax guards against negative zero.
    """
    import tensorflow as tf

    class NativeResize(BilinearResize):
        def call(self, x):
            return tf.raw_ops.ResizeBilinear(images=x, size=self.size, half_pixel_centers=False)

    class NativeClassMap(ClassMap):
        def call(self, logits):
            return tf.argmax(logits, axis=-1, output_type=tf.int32)

    def native(node, *arguments, **options):
        layer = node.operation
        if isinstance(layer, ClassMap):
            layer = NativeClassMap(name=layer.name)
        elif isinstance(layer, BilinearResize) and layer.convention == "asymmetric":
            layer = NativeResize.from_config(layer.get_config())
        return layer(*arguments, **options)

    return rebuild(network, native)
