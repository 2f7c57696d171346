"""Where the multiply-adds of a network go: by output stride of its backbone, context, and decoder."""

from collections import defaultdict

import matplotlib.pyplot as plt
import seaborn as sns

from mosaicbook import paper
from mosaicbook.show import figures
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.parts import BACKBONE, CONTEXT, DECODER, part_of

figures.style()

STRIDES = ("stride 1", "stride 2", "stride 4", "stride 8", "stride 16")
PARTS = (*STRIDES, CONTEXT.name, DECODER.name)


def networks(tables) -> list:
    """One `paper.Record` for each network of these tables, in their order: where and how it is costed."""
    found = {}
    for table in tables:
        for record in paper.records(table):
            found.setdefault(record.spec, record)
    return list(found.values())


def cost(record) -> dict:
    """The cost of a row's network: {"model", "input_size", "madds_b", "params", "parts", "stages"}.

    parts: {part: MAdds in billions}; stages: [{"stage", "part", "output", "madds_b", "conv_macs_b", "params"}]
    in the order of the graph. MAdds are TFLite's, as in `models.cost`.
    """
    found = models.cost(catalogue.get(record.spec), record.madds_size, record.classes)
    parts, stages, before = defaultdict(float), {}, "stride 2"
    for layer in found.layers:
        part = before = _part(layer, record.madds_size[0], before)
        parts[part] += layer.tflite_madds / 1e9
        name = ".".join(layer.name.split(".")[: 3 if layer.name.startswith("mosaic.") else 2])
        stage = stages.setdefault(
            name, {"stage": name, "part": part, "output": [], "madds_b": 0.0, "conv_macs_b": 0.0, "params": 0}
        )
        stage["output"] = list(layer.output_shape)
        stage["madds_b"] += layer.tflite_madds / 1e9
        stage["conv_macs_b"] += layer.conv_macs / 1e9
        stage["params"] += layer.params
    return {
        "model": record.spec,
        "input_size": list(record.madds_size),
        "madds_b": found.tflite_madds / 1e9,
        "params": found.params,
        "parts": {part: parts[part] for part in PARTS if part in parts},
        "stages": [stage for stage in stages.values() if stage["madds_b"] or stage["params"]],
    }


def _part(layer, height, before):
    """The part of the network that a layer is booked in: of the backbone, the stride of its output."""
    if "." not in layer.name:  # an operation on tensors, such as a split: it goes with what stands before it
        return before
    part = part_of(layer.name).name
    if part != BACKBONE.name:
        return part
    if len(layer.output_shape) != 3 or layer.output_shape[0] <= height // 64:  # a gate of the whole map
        return before if before in STRIDES else STRIDES[-1]
    stride = height / layer.output_shape[0]
    return min(STRIDES, key=lambda name: abs(int(name.split()[1]) - stride))


def bars(costs):
    """A bar per network, cut into its parts by their share of the MAdds, as a matplotlib figure."""
    colours = dict(zip(STRIDES, sns.color_palette("Blues", len(STRIDES) + 1)[1:], strict=True))
    colours |= {CONTEXT.name: "#de8f05", DECODER.name: "#029e73"}
    figure, axes = plt.subplots(figsize=(7.6, 1.6 + 0.42 * len(costs)))
    names = [f"{c['model']}\n{c['madds_b']:.4g} B" for c in costs]
    left = [0.0] * len(costs)
    for part in PARTS:
        widths = [100 * c["parts"].get(part, 0.0) / c["madds_b"] for c in costs]
        if any(widths):
            axes.barh(names, widths, left=left, color=colours[part], edgecolor="white", linewidth=0.6, label=part)
            left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set(xlabel="share of TFLite MAdds, %", xlim=(0, 100))
    axes.tick_params(axis="y", labelsize=10)
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1), ncol=4)
    return figure


COUNTED = ("convolution", "depthwise convolution", "pooling, mean", "add, multiply")  # kinds that cost MAdds


def milliseconds(latency) -> list[dict]:
    """[{"file", "run", "ms", "kinds": {kind of layer: ms}, "uncounted": share}] of profiled files, slowest first.

    latency: {run id: result.json} of the latency runs. uncounted: the share of the time that goes to kinds of
    layers for which MAdds count nothing, such as resizes, copies and argmax.
    """
    found = []
    for run_id, result in latency.items():
        for file, kinds in result.get("op_profiles_ms", {}).items():
            total = sum(kinds.values())
            uncounted = sum(ms for kind, ms in kinds.items() if kind not in COUNTED)
            if total:
                found.append({"file": file, "run": run_id, "ms": total, "kinds": kinds, "uncounted": uncounted / total})
    return sorted(found, key=lambda row: -row["ms"])
