"""Seconds a training step takes: forward, backward and update, on random images held in memory.

    python benchmarks/training_step.py [NETWORK ...] [--size 256x512] [--batch 4] [--steps 10] [--beside keras ...]

All take turns step by step in one process, so that a drifting machine does not favour one. Calls that compile are not
counted. Prints the median and the spread of each, and the median of its ratio to the first in the same turn.

Beside the first network: "keras", the same with Keras' own batch norms and loss; "forward", its forward pass alone;
"tensorflow", the same operations and update in plain tf.nn as the authors' code has them, on TensorFlow only.
"""

import argparse
import collections
import re
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from mosaiclib import models
from mosaiclib.models import batch_norm, catalogue, graph
from mosaiclib.training import Recipe, losses
from mosaiclib.training.memory import keep_freed_memory, take_huge_pages
from mosaiclib.training.optimizer import compile_network, decays

CLASSES, IGNORE, STEPS = 19, 255, 100_000


def recipe(size, batch):
    """SGD with momentum and L2, as the authors train."""
    return Recipe(epochs=1, batch_size=batch, crop=size, learning_rate=1e-3)


def our_step(name, size, batch):
    """A function of (images, labels) that makes one step of `mosaiclib.training`."""
    network = models.build(catalogue.get(name), size, CLASSES)
    compile_network(network, recipe(size, batch), STEPS, losses.segmentation_loss)
    return network.train_on_batch


def keras_step(name, size, batch):
    """The same network with Keras' own batch norms, and Keras' own loss."""
    import keras

    def copied(layer):
        is_norm = isinstance(layer, batch_norm.BatchNormalization)
        return (keras.layers.BatchNormalization if is_norm else type(layer)).from_config(layer.get_config())

    def loss(labels, logits):
        logits = keras.ops.image.resize(logits, size, interpolation="bilinear")
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE)(labels, logits)

    network = keras.models.clone_model(models.build(catalogue.get(name), size, CLASSES), clone_function=copied)
    compile_network(network, recipe(size, batch), STEPS, loss)
    return network.train_on_batch


def forward(name, size, batch):
    """The forward pass as a training makes it, without gradient or update."""
    import keras

    network = models.build(catalogue.get(name), size, CLASSES)
    network.compile(jit_compile=keras.backend.backend() == "jax")
    network.predict_step = lambda data: network(data, training=True)
    return lambda images, labels: network.predict_on_batch(images)


def tensorflow_step(name, size, batch):
    """The network's operations, TensorFlow's loss and SGD, written in plain tf.nn: stands for the authors' code."""
    import tensorflow as tf

    plan, network = recipe(size, batch), models.build(catalogue.get(name), size, CLASSES)
    variables = {v.path: tf.Variable(v.value, trainable=v.trainable) for v in network.weights}
    trained = [(variables[v.path], decays(v)) for v in network.trainable_variables]
    moments = [tf.Variable(tf.zeros_like(v)) for v, _ in trained]
    weight = {id(v): variables[v.path] for v in network.weights}

    @tf.function(autograph=False)
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = tf.image.resize(_plain(network, images, weight), size)
            valid = tf.cast(labels != IGNORE, tf.float32)
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.where(labels == IGNORE, 0, tf.cast(labels, tf.int32)), logits
            )
            loss = tf.reduce_sum(entropy * valid) / (tf.reduce_sum(valid) + 1e-5)
            loss += plan.weight_decay * tf.add_n([tf.nn.l2_loss(v) for v, decayed in trained if decayed])
        gradients = tape.gradient(loss, [v for v, _ in trained])
        for (variable, _), moment, gradient in zip(trained, moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle, accum=moment.handle, lr=plan.learning_rate, grad=gradient, momentum=0.9
            )
        return loss

    return lambda images, labels: float(step(images, labels))


def _plain(network, images, weight):
    """The network's logits; weight: {id of a Keras variable: tf.Variable}."""
    import keras
    import tensorflow as tf

    def compute(layer, *arguments, **options):
        if not getattr(layer, "weights", ()):
            return layer(*arguments, **options)
        x, of = arguments[0], lambda variable: weight[id(variable)]
        if isinstance(layer, keras.layers.BatchNormalization):
            x, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, of(layer.gamma), of(layer.beta), epsilon=1e-3)
            for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
                of(moving).assign_sub((of(moving) - value) * (1 - layer.momentum))
            return x
        kernel, strides, padding = of(layer.kernel), layer.strides, layer.padding.upper()
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            x = tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], padding, dilations=layer.dilation_rate)
        elif isinstance(layer, keras.layers.Conv2D):
            x = tf.nn.conv2d(x, kernel, strides, padding, dilations=layer.dilation_rate)
        else:
            raise ValueError(f"'{layer.name}', a {type(layer).__name__}, has no plain form here.")
        return x if layer.bias is None else tf.nn.bias_add(x, of(layer.bias))

    values = {id(network.inputs[0]): images}
    for node in graph.calls(network):
        arguments, options = node.arguments.fill_in(values)
        outputs = keras.tree.flatten(compute(node.operation, *arguments, **options))
        values.update(zip(map(id, node.outputs), outputs, strict=True))
    return values[id(network.outputs[0])]


def by_operation(step, images, labels, repeats=3):
    """{kind of operation: its share of the time in operations} of a step on TensorFlow, largest first.

    Read from TensorFlow's own trace (version 2.21): events of operations are named "where:kind".
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(repeats):
                step(images, labels)
        (trace,) = Path(folder).rglob("*.xplane.pb")
        planes = xplane_pb2.XSpace.FromString(trace.read_bytes()).planes
    times = collections.Counter()
    for plane in planes:
        for event in (event for line in plane.lines for event in line.events):
            where, _, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
            if kind == "ExecuteAsyncOnStream":
                times["what XLA compiled: the loss"] += event.duration_ps
            elif where and not re.search(r"Executor|Executable|Eager|KernelAndDevice", where):
                times[kind] += event.duration_ps
    return {kind: time / times.total() for kind, time in times.most_common()}


BESIDE = {"keras": keras_step, "forward": forward, "tensorflow": tensorflow_step}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["mnmh448-mosaic"])
    parser.add_argument("--size", default="256x512")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--beside", nargs="*", choices=BESIDE, default=[])
    parser.add_argument("--operations", action="store_true", help="only print the first network's time by operation")
    options = parser.parse_args()
    size = tuple(int(side) for side in options.size.split("x"))
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (options.batch, *size, 3)).astype("float32")
    labels = generator.integers(0, CLASSES, (options.batch, *size)).astype("uint8")
    keep_freed_memory()
    makers = {name: partial(our_step, name) for name in options.networks}
    makers |= {f"{options.networks[0]}, {kind}": partial(BESIDE[kind], options.networks[0]) for kind in options.beside}
    steps = {name: make(size, options.batch) for name, make in makers.items()}
    if options.operations:
        step = steps[options.networks[0]]
        step(images, labels)
        for kind, share in by_operation(step, images, labels).items():
            print(f"{share:6.1%}  {kind}")
        return
    times = {name: [] for name in steps}
    for turn in range(options.steps + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step(images, labels)
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
        if turn == 0:
            take_huge_pages()
    first = times[options.networks[0]]
    for name, measured in times.items():
        ratio = statistics.median(one / other for one, other in zip(measured, first, strict=True))
        print(
            f"{name}: {statistics.median(measured):.3f} s a step of {options.batch} at {options.size}, "
            f"{min(measured):.3f} to {max(measured):.3f}, {ratio:.2f} times the first"
        )


if __name__ == "__main__":
    main()
