"""Milliseconds layer by layer: a layer that was measured takes what it took, another one the rate of its neighbours."""

import json
from math import prod

import pytest

from mosaiclib import models
from mosaiclib.latency import layer_rates
from mosaiclib.latency.host import layer_times
from mosaiclib.models import catalogue
from mosaiclib.tflite.graph import TFLiteGraph

SIZE, CLASSES = (128, 160), 5


def counted(**knobs):
    return models.cost(catalogue.mosaic(m=64, **{"bins": (1, 2)} | knobs), SIZE, CLASSES)


def timed(cost, machine):
    """The layers of a network on a machine: a function from kind, shape and work to ms."""
    return [layer_rates.Measured(*layer, machine(*layer)) for layer in layer_rates.layers_of(cost)]


def smooth(kind, shape, work):
    """A machine whose rates change with kind and channels, as caches and vector units have it."""
    rate = {"convolution": 2e-8, "depthwise convolution": 1e-7, "resize": 3e-7}.get(kind, 1e-7)
    return rate * work * (1 + 8 / shape[-1]) + 1e-7 * prod(shape)


def rates_of(costs, machine, factor):
    known = []
    for cost in costs:
        found = timed(cost, machine)
        known.append((found, cost, factor * sum(layer.ms for layer in found)))
    return layer_rates.fitted(known)


def test_networks_that_were_not_seen_are_predicted_from_those_that_were():
    seen = [counted(f=16, d=16), counted(f=64, d=64), counted(f=32, d=48, skips="8-C, 2-S"), counted(bins=(1, 4, 8))]
    rates = rates_of(seen, smooth, factor=1.1)
    assert rates.factor == pytest.approx(1.1)
    for cost in (counted(f=48, d=32), counted(f=24, d=128), counted(f=96, d=96, bins=(4,), skips="8-S, 4-C, 2-C")):
        true = 1.1 * sum(layer.ms for layer in timed(cost, smooth))
        assert rates.milliseconds(cost) == pytest.approx(true, rel=0.1) and 0.5 < rates.known(cost) < 1
    again = layer_rates.LayerRates.from_json(json.loads(json.dumps(rates.to_json())))
    assert again.milliseconds(cost) == rates.milliseconds(cost)
    assert rates.known(seen[0]) == pytest.approx(1)
    assert rates.milliseconds(seen[0]) == pytest.approx(1.1 * sum(o.ms for o in timed(seen[0], smooth)))


def test_the_time_of_a_kind_is_shared_by_its_layers():
    cost = counted()
    kinds = {"convolution": 10.0, "depthwise convolution": 2.0, "resize": 1.0, "argmax": 9.0}
    layers = layer_rates.spread(cost, kinds)
    for kind in ("convolution", "depthwise convolution", "resize"):
        assert sum(layer.ms for layer in layers if layer.kind == kind) == pytest.approx(kinds[kind])
    largest = max((layer for layer in layers if layer.kind == "convolution"), key=lambda layer: layer.work)
    assert largest.ms == max(layer.ms for layer in layers) and {layer.kind for layer in layers} == set(kinds) - {
        "argmax"
    }


def test_a_kind_that_was_not_measured_is_refused():
    cost = counted()
    only = [layer for layer in timed(cost, smooth) if layer.kind == "convolution"]
    with pytest.raises(ValueError, match="No depthwise convolution was measured"):
        layer_rates.LayerRates(only).milliseconds(cost)


def test_what_is_profiled_of_a_file_is_the_networks_layers(tmp_path):
    """A file has the layers in another order than Keras, and the profiler has them in the file's."""
    spec = catalogue.mosaic(m=64, f=16, d=24, bins=(1, 2), skips="8-C, 4-S, 2-S")
    rates = layer_times.rates(iter([spec]), SIZE, CLASSES, tmp_path, wanted=1)
    graph, cost = TFLiteGraph(tmp_path / "0.tflite"), models.cost(spec, SIZE, CLASSES)
    assert sorted(layer_rates.operations_of(graph)) == sorted(layer_rates.layers_of(cost))
    assert rates.known(cost) == pytest.approx(1) and 0.5 < rates.factor < 2
    profiled = layer_times.operations(tmp_path / "0.tflite", processes=1)
    pointwise = [
        graph.shape(operation.inputs[1])[1:3] == (1, 1) and operation.options.strideW == 1
        for operation in graph.operations if operation.kind == "CONV_2D"
    ]  # fmt: skip
    names = [operation["name"] for operation in profiled if operation["kind"] == "convolution"]
    assert [name.startswith("Fully Connected") for name in names] == pointwise and 0 < sum(pointwise) < len(pointwise)
    with pytest.raises(ValueError, match="were profiled than it has"):
        layer_rates.measured(graph, profiled[1:])
    again = layer_times.rates(iter([]), SIZE, CLASSES, tmp_path)  # a search that goes on
    assert again.milliseconds(cost) == rates.milliseconds(cost)
    with pytest.raises(ValueError, match="no time is predicted"):
        layer_times.rates(iter([]), SIZE, CLASSES, tmp_path / "other")
