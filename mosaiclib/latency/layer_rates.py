"""Milliseconds of a network on one CPU, predicted layer by layer from networks that were profiled there.

A layer whose kind, output shape and multiply-adds were measured takes what it took. Another one takes the rate of the
nearest measured layers of its kind. What is between layers (the first touch of memory, the profiler's own time) is one
factor, from networks that were timed whole.
"""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from math import prod
from statistics import median

import numpy as np

# The kinds that take time: (as `op_profile` calls them, Keras' layers, TFLite's operations).
KINDS = (
    ("convolution", ("Conv2D",), ("CONV_2D",)),
    ("depthwise convolution", ("DepthwiseConv2D",), ("DEPTHWISE_CONV_2D",)),
    ("resize", ("BilinearResize",), ("RESIZE_BILINEAR",)),
    ("pooling, mean", ("AveragePooling2D", "MaxPooling2D"), ("AVERAGE_POOL_2D", "MAX_POOL_2D")),
    ("concatenation, copy", ("Concatenate", "Split"), ("CONCATENATION", "SPLIT")),
    ("add, multiply", ("Add", "Multiply"), ("ADD", "MUL")),
)
OF_LAYER = {name: kind for kind, names, _ in KINDS for name in names}
OF_OPERATION = {name: kind for kind, _, names in KINDS for name in names}
NEAREST = 3


@dataclass(frozen=True)
class Measured:
    """One layer's milliseconds. work: multiply-adds of a convolution, values that another layer gives."""

    kind: str
    shape: tuple[int, ...]
    work: float
    ms: float


def layers_of(counted) -> list[tuple[str, tuple[int, ...], float]]:
    """(kind, output shape, work) of the layers of a `costs.Cost` that take time."""
    return [
        (OF_LAYER[layer.kind], tuple(layer.output_shape), layer.conv_macs or prod(layer.output_shape))
        for layer in counted.layers
        if layer.kind in OF_LAYER
    ]


def operations_of(graph) -> list[tuple[str, tuple[int, ...], float]]:
    """The same of the operations of a `tflite.graph.TFLiteGraph`, in the file's order, which need not be Keras'."""
    found = []
    for operation in (operation for operation in graph.operations if operation.kind in OF_OPERATION):
        shape, work = graph.shape(operation.outputs[0])[1:], 1
        if operation.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel = graph.shape(operation.inputs[1])
            work = prod(kernel[1:3]) * (kernel[3] if operation.kind == "CONV_2D" else 1)
        found.append((OF_OPERATION[operation.kind], shape, work * prod(shape)))
    return found


def measured(graph, operations) -> list[Measured]:
    """The operations of a file with the time of each. operations: those of `op_profile.profile` of it.

    The n-th that was profiled of a kind is the n-th of that kind in the file. Raises ValueError where there are not as
    many.
    """
    layers = operations_of(graph)
    wanted, found = (Counter(kinds) for kinds in ((kind for kind, *_ in layers), (o["kind"] for o in operations)))
    if wanted != found:
        raise ValueError(
            f"Other operations of {graph.path} were profiled than it has: {dict(found)} instead of {dict(wanted)}."
        )
    waiting = {kind: iter([o["ms"] for o in operations if o["kind"] == kind]) for kind in wanted}
    return [Measured(*layer, next(waiting[layer[0]])) for layer in layers]


class LayerRates:
    """What layers take on a machine in one precision. layers: `Measured`. factor: of whole networks over their sums."""

    def __init__(self, layers, factor=1.0):
        self.layers, self.factor = list(layers), factor
        exact, by_kind = defaultdict(list), defaultdict(dict)
        for layer in self.layers:
            exact[layer.kind, layer.shape, layer.work].append(layer.ms)
        self._exact = {key: median(times) for key, times in exact.items()}
        for (kind, shape, work), ms in self._exact.items():
            by_kind[kind][_place(shape, work)] = ms / work
        self._places = {kind: np.array(list(rates)) for kind, rates in by_kind.items()}
        self._rates = {kind: np.array(list(rates.values())) for kind, rates in by_kind.items()}

    def to_json(self) -> dict:
        """What `from_json` makes the same rates of."""
        return {"factor": self.factor, "layers": [asdict(layer) for layer in self.layers]}

    @classmethod
    def from_json(cls, data):
        """Rates from what `to_json` gave."""
        layers = [Measured(**layer | {"shape": tuple(layer["shape"])}) for layer in data["layers"]]
        return cls(layers, data["factor"])

    def milliseconds(self, counted) -> float:
        """One inference of a network. counted: its `costs.Cost`. Raises ValueError for a kind that was not measured."""
        return self.factor * sum(self._layer(*layer) for layer in layers_of(counted))

    def known(self, counted) -> float:
        """The share of that time, 0..1, which is of layers that were measured themselves."""
        layers = layers_of(counted)
        own = sum(self._layer(*layer) for layer in layers if layer in self._exact)
        return own / sum(self._layer(*layer) for layer in layers)

    def _layer(self, kind, shape, work):
        if (kind, shape, work) in self._exact:
            return self._exact[kind, shape, work]
        if kind not in self._places:
            raise ValueError(f"No {kind} was measured: profile a network that has one.")
        far = np.linalg.norm(self._places[kind] - _place(shape, work), axis=1)
        near = np.argsort(far, kind="stable")[:NEAREST]
        weights = 1 / (far[near] + 0.1)
        return work * float(np.exp(np.average(np.log(self._rates[kind][near] + 1e-15), weights=weights)))


def fitted(networks) -> LayerRates:
    """Rates from networks that were profiled and timed: [(`Measured`s, cost, milliseconds of the whole)]."""
    networks = list(networks)
    layers = [layer for measured, _, _ in networks for layer in measured]
    return scaled(layers, [(counted, ms) for _, counted, ms in networks])


def scaled(layers, timed) -> LayerRates:
    """Rates from layers, with the factor of networks that were timed whole: [(cost, milliseconds)], at least one."""
    plain = LayerRates(layers)
    return LayerRates(layers, median(ms / plain.milliseconds(counted) for counted, ms in timed))


def spread(counted, kinds) -> list[Measured]:
    """The layers of a network of which only the milliseconds of each kind are known: each has its share by work.

    counted: its `costs.Cost`. kinds: {kind: ms}; what is no layer, such as an argmax, is left to the factor.
    """
    layers, work = layers_of(counted), Counter()
    for kind, _, own in layers:
        work[kind] += own
    return [Measured(kind, shape, own, kinds[kind] * own / work[kind]) for kind, shape, own in layers if kind in kinds]


def _place(shape, work):
    """Where a layer lies among those of its kind: doublings of its output, its channels and its work."""
    return (np.log2(prod(shape)), np.log2(shape[-1]), np.log2(work))
