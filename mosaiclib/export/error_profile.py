"""Which layers a .tflite file computes differently from Keras, and by how much.

A delegate keeps its intermediate values to itself, so the file runs here on TFLite's plain kernels, with
every tensor preserved. Tensors are matched to layers by the names that the converter leaves in the file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mosaiclib.models.graph import calls
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.segmenter import as_input, dequantised

NOT_COMPARED = ("ARG_MAX", "SPLIT", "QUANTIZE", "DEQUANTIZE")  # no arithmetic of their own


@dataclass(frozen=True)
class LayerError:
    """One operation against the Keras layer of the same name, over all images and positions.

    snr_db: 10 log10 of the layer's power over the power of its error, which the layers before it share in;
    own_snr_db: the same for what this operation adds alone, Keras being fed with the file's own inputs. None
    where they agree exactly. max_error, mean_error: of the absolute difference, in the layer's own unit.
    """

    layer: str
    operation: str
    snr_db: float | None
    own_snr_db: float | None
    max_error: float
    mean_error: float


class ObservedGraph:
    """Runs a .tflite file on one image at a time and gives the values of any of its tensors."""

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_content=Path(path).read_bytes(),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._tensors = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}

    def run(self, image):
        """Runs on uint8 [H, W, 3] and returns float32 [1, H, W, 3]: what the graph takes that image for."""
        self._interpreter.set_tensor(self._input["index"], as_input(image, self._input)[None])
        self._interpreter.invoke()
        return self.value(self._input["index"])

    def name(self, tensor):
        """The tensor's name in the file."""
        return self._tensors[tensor]["name"]

    def value(self, tensor):
        """float32 of a tensor after `run`, dequantised."""
        return dequantised(self._interpreter.get_tensor(tensor), self._tensors[tensor])


def profile(prepared, path, images) -> list[LayerError]:
    """Compares a file with the Keras network that it was converted from, operation by operation.

    prepared: of `conversion.prepare`. images: uint8 [H, W, 3] of the graph's size. In the file's order.
    """
    sums, steps = {}, {}
    for tensor, (op, layer), reference, found, own in differences(prepared, path, images):
        error = np.abs(found - reference)
        means = np.array([(reference**2).mean(), (error**2).mean(), ((found - own) ** 2).mean(), error.mean()])
        total, largest = sums.get(tensor, (0, 0))
        sums[tensor], steps[tensor] = (total + means, max(largest, error.max())), (op, layer)
    return [
        LayerError(layer.name, op.kind, _decibels(signal, noise), _decibels(signal, own), float(largest),
                   float(absolute / len(images)))
        for (op, layer), ((signal, noise, own, absolute), largest) in zip(steps.values(), sums.values(), strict=True)
    ]  # fmt: skip


def differences(prepared, path, images):
    """For every image and every operation that has a layer: what Keras and the file find.

    Yields (tensor of the file, (operation, layer), reference, found, own), the last three float32 of the
    layer's shape: by Keras throughout, by the file, and by Keras from the file's own inputs of that operation.
    """
    graph, observed = TFLiteGraph(path), ObservedGraph(path)
    matched = _matches(graph, observed, prepared)
    steps = [(op, tensor) for op in graph.operations for tensor in op.outputs if tensor in matched]
    alone = [_alone(graph, matched, prepared, tensor) for _, tensor in steps]
    whole = keras.Model(prepared.inputs, [matched[tensor] for _, tensor in steps])
    for image in images:
        known = {graph.inputs[0]: observed.run(image)}
        expected = whole([known[graph.inputs[0]]], training=False)
        for (op, tensor), reference, (sources, part) in zip(steps, expected, alone, strict=True):
            inputs = [known[source] if source in known else observed.value(source) for source in sources]
            own = np.asarray(part(inputs, training=False))
            layer = matched[tensor]._keras_history.operation
            yield tensor, (op, layer), np.asarray(reference), observed.value(tensor), own


def _decibels(signal, noise):
    return float(10 * np.log10(signal / noise)) if signal and noise else None


def _matches(graph, observed, network):
    """{tensor of the file: tensor of the network}, where name and shape agree.

    The converter joins the names of what it fused with ";". The last of them in the network's order made the value; of
    several operations that make one layer, as a convolution and its hard sigmoid, the last one does. Layers that are
    called several times are left out: the name alone does not say which call.
    """
    nodes = calls(network)
    names = [node.operation.name for node in nodes]
    order = {name: index for index, name in enumerate(names) if names.count(name) == 1}
    matched = {}
    for op in graph.operations:
        for tensor in op.outputs:
            parts = re.split(r"[;/]", observed.name(tensor))
            parts += [re.sub(r"_\d+$", "", part) for part in parts]
            found = [order[part] for part in parts if part in order]
            candidates = [nodes[max(found)].outputs[0]] if found else network.outputs
            if tuple(candidates[0].shape) == graph.shape(tensor) and op.kind not in NOT_COMPARED:
                matched[tensor] = candidates[0]
    last = {id(value): tensor for tensor, value in matched.items()}
    return {tensor: value for tensor, value in matched.items() if last[id(value)] == tensor}


def _alone(graph, matched, network, tensor):
    """(tensors that feed an operation, the part of the network from them to its output).

    An input that matches nothing is replaced by what it was made from.
    """
    sources = []

    def collect(index):
        if index in matched or index in graph.inputs:
            sources.append(index)
        elif index in graph.producer:
            for before in graph.producer[index].inputs:
                collect(before)

    for index in graph.producer[tensor].inputs:
        collect(index)
    sources = list(dict.fromkeys(sources))
    tensors = [network.inputs[0] if source in graph.inputs else matched[source] for source in sources]
    return sources, keras.Model(tensors, matched[tensor])
