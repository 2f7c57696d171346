"""A design is a MOSAIC network as its knobs name it: what it costs, and which row of the paper it is nearest to."""

import json
import math
import shlex
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from mosaicbook import paper
from mosaicbook.show import figures
from mosaicbook.show.networks import graphs, layered
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.costs import Cost
from mosaiclib.models.counting import cost_of, peak_activations
from mosaiclib.models.graph import without_values
from mosaiclib.models.spec import ModelSpec, MosaicHead, merges

BACKBONES = {
    "mnmh": "MobileNet multi-hardware",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3 Small",
    "mobilenet_v3_large": "MobileNetV3 Large",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "xception71": "Xception-71",
}
PARTS = {"mosaic.encoder": 3, "mosaic.encoder.level": 4, "mosaic.decoder": 3, "mosaic.decoder.merge": 4}


@dataclass(frozen=True)
class Design:
    """The knobs, in the paper's letters: the defaults are the paper's own network on Cityscapes.

    m: endpoint filters, of MNMH only. f, d: encoder and decoder filters. skips: merges from coarse to fine in
    the notation of Table 5. kernels: sides of the depthwise kernels of the group convolution. input_size: (height,
    width) in pixels.
    """

    backbone: str = "mnmh"
    m: int = 480
    f: int = 32
    d: int = 64
    bins: tuple[int, ...] = (4, 8, 16)
    skips: str = "8-C, 4-S"
    group_convolution: bool = True
    kernels: tuple[int, ...] = (3, 5)
    shared_levels: bool = False
    classes: int = 19
    input_size: tuple[int, int] = (1024, 2048)

    @property
    def spec(self) -> ModelSpec:
        """The spec of this design. Raises ValueError in one sentence where there is none."""
        if not self.bins:
            raise ValueError("The context encoder needs at least one pyramid level: choose some bins.")
        if min(self.input_size) < 32 or self.classes < 2:
            raise ValueError("A network needs images of at least 32x32 pixels and at least 2 classes.")
        head = {
            "kind": "mosaic",
            "encoder_filters": self.f,
            "decoder_filters": self.d,
            "bins": self.bins,
            "merges": [{"stride": merge.stride, "style": merge.style} for merge in merges(self.skips)],
            "group_convolution": self.group_convolution,
            "kernels": self.kernels,
            "shared_levels": self.shared_levels,
        }
        m = self.m if self.backbone == "mnmh" else ModelSpec.endpoint_filters
        return ModelSpec.from_json({"name": self.name, "backbone": self.backbone, "head": head, "endpoint_filters": m})

    @property
    def name(self) -> str:
        """Its name in the way of `catalogue.mosaic`, with what that cannot say at its end."""
        name = catalogue.mosaic(self.m, self.f, self.d, self.bins, "", self.group_convolution).name
        name = name.removesuffix("-noskip")
        if self.skips != PAPER.skips:
            name += f"-skip{self.skips.lower().replace('-', '').replace(', ', '.')}" if self.skips else "-noskip"
        if self.backbone != "mnmh":
            name = name.replace(f"mnmh{self.m}", self.backbone.replace("_", ""), 1)
        if self.kernels != PAPER.kernels:
            name += f"-kernels{'.'.join(map(str, self.kernels))}"
        return name + ("-shared" if self.shared_levels else "")

    def code(self, pinned=None) -> str:
        """The call of `explore.design` that shows this design."""
        arguments = [f"{name}={value!r}" for name, value in self.differences(PAPER).items()]
        if pinned not in (None, PAPER):
            inner = ", ".join(f"{name}={value!r}" for name, value in pinned.differences(PAPER).items())
            arguments.append(f"pinned=explore.Design({inner})")
        return f"explore.design({', '.join(arguments)})"

    def training(self, dataset="minicity") -> str:
        """The command that trains this design: by its name where it has one, else by its spec as JSON."""
        named = [name for name in catalogue.names() if replace(self.spec, name=name) == catalogue.get(name)]
        model = named[0] if named else json.dumps(self.spec.to_json())
        return f"papermill notebooks/20_train.ipynb out.ipynb -p model {shlex.quote(model)} -p dataset {dataset}"

    def differences(self, other) -> dict:
        """{knob: value} of this design where it is not that of the other."""
        return {
            knob.name: getattr(self, knob.name)
            for knob in fields(self)
            if getattr(self, knob.name) != getattr(other, knob.name)
        }


PAPER = Design()


def of_spec(spec, classes, input_size) -> Design | None:
    """The design of a spec, or None where it has something that no knob turns."""
    head = spec.head
    if not isinstance(head, MosaicHead):
        return None
    design = Design(
        backbone=spec.backbone,
        m=spec.endpoint_filters,
        f=head.encoder_filters,
        d=head.decoder_filters,
        bins=tuple(head.bins),
        skips=", ".join(map(str, head.merges)),
        group_convolution=head.group_convolution,
        kernels=tuple(head.kernels),
        shared_levels=head.shared_levels,
        classes=classes,
        input_size=tuple(input_size),
    )
    return design if replace(design.spec, name=spec.name) == spec else None


# === What it costs ===


@dataclass(frozen=True)
class Built:
    """What is shown of a design: its cost, its fullest moment, and its two drawings as <svg> elements."""

    design: Design
    cost: Cost
    peak_activations: int
    drawings: dict[str, str]

    @property
    def stages(self) -> dict[str, tuple[float, int]]:
        """{stage: (TFLite MAdds, parameters)}: the backbone by output stride, the head by its parts."""
        found, last = {}, ""
        for layer in self.cost.layers:
            last = self._stage(layer) or last
            madds, params = found.get(last, (0, 0))
            found[last] = madds + layer.tflite_madds, params + layer.params
        costly = {stage: amounts for stage, amounts in found.items() if any(amounts)}
        order = ("backbone", "encoder", "decoder")
        return dict(sorted(costly.items(), key=lambda item: order.index(item[0].split(",")[0].split(":")[0])))

    def _stage(self, layer):
        """Where a layer is counted; None for one with its neighbours (a split, a squeeze to one position)."""
        network, *parts = layer.name.split(".")
        if network == "mosaic":
            return f"{parts[0]}: {graphs.spaced(parts[1])}"
        if not parts or len(layer.output_shape) < 3 or layer.output_shape[0] == 1:
            return None
        return f"backbone, stride {math.ceil(self.design.input_size[0] / layer.output_shape[0])}"


@lru_cache(maxsize=256)
def built(design) -> Built:
    """Builds a design, or finds it among those seen before. Raises ValueError in one sentence where it cannot be."""
    with without_values():
        network = models.build(design.spec, design.input_size, design.classes)
    graph = graphs.read(network, PARTS)
    drawn = {}
    for part in ("encoder", "decoder"):
        inside = graphs.within(graph, f"mosaic.{part}") if any(f"mosaic.{part}" in g for g in graph.groups) else None
        drawn[part] = figures.svg(layered.layered(inside, f"mosaic.{part}")) if inside else ""
    return Built(design, cost_of(network), peak_activations(network), drawn)


# === The paper ===


def nearest(design, count=3) -> list[tuple[paper.Record, Design]]:
    """The rows of the paper's tables that are nearest to a design, the nearest first, one per network."""
    ranked, seen = [], set()
    for row, other in sorted(paper_designs(), key=lambda pair: _distance(design, pair[1])):
        if other not in seen:
            ranked.append((row, other))
            seen.add(other)
    return ranked[:count]


@lru_cache(maxsize=1)
def paper_designs() -> tuple[tuple[paper.Record, Design], ...]:
    """Every row of the paper's tables whose network has a MOSAIC head, as a design."""
    rows = (record for table in paper.TABLES for record in paper.records(table))
    pairs = ((row, of_spec(catalogue.get(row.spec), row.classes, row.input_size)) for row in rows)
    return tuple((row, design) for row, design in pairs if design)


def _distance(one, other):
    """How far two designs are apart: a doubling of filters counts 1, another backbone 4."""
    both_mnmh = one.backbone == other.backbone == "mnmh"
    pairs = [(one.f, other.f), (one.d, other.d)] + ([(one.m, other.m)] if both_mnmh else [])
    differing_merges = set(merges(one.skips)) ^ set(merges(other.skips))
    return (
        sum(abs(math.log2(a / b)) for a, b in pairs)
        + 4 * (one.backbone != other.backbone)
        + 0.5 * len(set(one.bins) ^ set(other.bins))
        + 0.7 * len(differing_merges)
        + (one.group_convolution != other.group_convolution)
        + 0.5 * len(set(one.kernels) ^ set(other.kernels))
        + 0.5 * (one.shared_levels != other.shared_levels)
        + 0.25 * (one.classes != other.classes)
        + 0.1 * (one.input_size != other.input_size)
    )
