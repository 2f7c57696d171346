"""The graph of a functional Keras network: its calls, the same with some replaced, and networks without weights."""

from collections import defaultdict
from contextlib import contextmanager

import keras
from keras import layers, tree
from keras.src.backend.common import global_state

FOLDED_INTO = (layers.Conv2D, layers.DepthwiseConv2D)


@contextmanager
def without_values():
    """A network built inside has weights of a shape but without values, which takes less than half the time.

    Keras remembers such weights for this thread and would fill them at its next chance: these it shall forget.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", [])


def rebuild(network, replace):
    """The network again, on a new input of the same shape.

    replace: called with (node, *arguments of the call) for every call of a layer or operation; returns the
    new tensors. `node.operation(*arguments)` keeps the call as it is, and the layer with its weights.
    """
    image = keras.Input(batch_shape=network.inputs[0].shape, name="image")
    made = {id(network.inputs[0]): image}
    for node in calls(network):
        arguments, options = node.arguments.fill_in(made)
        outputs = replace(node, *arguments, **options)
        made.update(zip(map(id, node.outputs), tree.flatten(outputs), strict=True))
    return keras.Model(image, made[id(network.outputs[0])], name=network.name)


def with_weights(network, weights):
    """The network with other weights in some layers: {layer: arrays}. The layers themselves stay as they are."""
    copies = {}

    def replace(node, *arguments, **options):
        layer = node.operation
        if layer in weights:
            if layer not in copies:
                copies[layer] = copy(layer, arguments[0].shape, weights[layer])
            layer = copies[layer]
        return layer(*arguments, **options)

    return rebuild(network, replace)


def copy(layer, input_shape, weights, **changes):
    """A new layer of the same name and options, apart from `changes`, with these weights."""
    made = type(layer).from_config(layer.get_config() | changes)
    made.build(input_shape)
    made.set_weights(weights)
    return made


def readers(network):
    """{id of a tensor: [calls that read it]} within the network."""
    found = {}
    for node in calls(network):
        for tensor in node.input_tensors:
            found.setdefault(id(tensor), []).append(node)
    return found


def calls(model):
    """The calls (Keras nodes) that make up the graph of `model`, inputs before users. A shared layer has several."""
    order, seen = [], set()

    def visit(tensor):
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if id(node) in seen:
            return
        seen.add(id(node))
        for source in node.input_tensors:
            visit(source)
        if node.input_tensors:
            order.append(node)

    for output in model.outputs:
        visit(output)
    return order


def batch_norms_behind(network):
    """{convolution: its batch norm} where every call of the one is read by a call of the other alone."""
    readers, sources, followers = defaultdict(set), defaultdict(set), defaultdict(set)
    for node in calls(network):
        for tensor in node.input_tensors:
            readers[id(tensor)].add(node.operation)
            sources[node.operation].add(tensor._keras_history.operation)
    for node in calls(network):
        layer = node.operation
        if type(layer) in FOLDED_INTO and layer.activation is keras.activations.linear:
            followers[layer] |= readers[id(node.outputs[0])] or {None}
    pairs = {layer: found.pop() for layer, found in followers.items() if len(found) == 1}
    return {
        layer: norm
        for layer, norm in pairs.items()
        if isinstance(norm, layers.BatchNormalization) and sources[norm] == {layer}
    }
