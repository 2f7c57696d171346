"""The graph of a built network between groups of its layers, as a drawing shows it.

Everything is read off a functional `keras.Model`, so that a drawing cannot tell of a layer that is not there:
`read` makes a graph, `within` and `stages` choose what of it is drawn.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass

from mosaiclib.models.graph import calls

IMAGE, OUTPUT = "image", "output"

# For `read`: how whole networks are cut into stages, where two parts of a name are too few or too many.
WHOLE = {"mosaic.decoder": 3, "lraspp": 1}


@dataclass(frozen=True)
class Edge:
    """One tensor that a group gives to another: its [h, w, C], and its number among the source's tensors."""

    source: str
    target: str
    shape: tuple[int, ...]
    tensor: int

    @property
    def text(self) -> str:
        """The shape as "64×128×480"."""
        return "×".join(map(str, self.shape))


@dataclass(frozen=True)
class Graph:
    """groups: {name: its calls of layers}, sources first; the image and the output have none. edges: between them."""

    groups: dict[str, tuple]
    edges: tuple[Edge, ...]

    def rows(self) -> list[dict[str, str]]:
        """The edges as the rows of a table: from, to, shape."""
        return [{"from": edge.source, "to": edge.target, "shape": edge.text} for edge in self.edges]


def read(model, parts=None, otherwise=2) -> Graph:
    """The graph between groups of layers whose names share their first parts.

    parts: {beginning of a name: how many parts make a group there}; the longest beginning counts, and
    `otherwise` where none fits. An operation without a dotted name belongs to the group that it reads from.
    """
    parts = dict(sorted((parts or {}).items(), key=lambda item: -len(item[0])))
    group_of, groups, edges, numbers = {}, {}, {}, Counter()

    def source_of(tensor):
        operation, node, index = tensor._keras_history
        key = (id(operation), node)
        if key not in group_of:  # an input of the model
            group_of[key] = IMAGE
            groups[IMAGE] = []
        return group_of[key], (*key, index)

    def connect(tensor, target):
        source, key = source_of(tensor)
        if source == target:
            return
        if key not in numbers:
            numbers[key] = numbers[source]
            numbers[source] += 1
        edges.setdefault((source, target, key), Edge(source, target, tuple(tensor.shape[1:]), numbers[key]))

    for node in calls(model):
        operation = node.operation
        count = next((parts[begin] for begin in parts if operation.name.startswith(begin)), otherwise)
        name = ".".join(operation.name.split(".")[:count])
        group = name if "." in operation.name else source_of(node.input_tensors[0])[0]
        group_of[id(operation), operation._inbound_nodes.index(node)] = group
        groups.setdefault(group, []).append(node)
        for tensor in node.input_tensors:
            connect(tensor, group)
    for tensor in model.outputs:
        connect(tensor, OUTPUT)
    return _sorted({**groups, OUTPUT: []}, edges.values())


def within(graph, beginning) -> Graph:
    """The groups whose names start with `beginning`, and their neighbours. Raises ValueError where there is none."""
    if not any(name.startswith(beginning) for name in graph.groups):
        raise ValueError(f"This network has no layers called '{beginning}...': choose one that has such a part.")
    edges = [e for e in graph.edges if e.source.startswith(beginning) or e.target.startswith(beginning)]
    return _sorted(graph.groups, edges)


def stages(graph) -> Graph:
    """Joins a group to the one that it continues: same resolution, same network part, and no other input.

    A joined group is called "first to last".
    """
    joined = {}
    for name in graph.groups:
        inputs = [edge for edge in graph.edges if edge.target == name]
        if len(inputs) == 1 and IMAGE not in (inputs[0].source, name) and name != OUTPUT:
            before = inputs[0].source
            if before.split(".")[0] == name.split(".")[0] and size(graph, before) == size(graph, name):
                joined[name] = joined.get(before, before)
    members = {}
    for name in graph.groups:
        members.setdefault(joined.get(name, name), []).append(name)
    names = {first: f"{first} to {all_[-1].split('.')[-1]}" if all_[1:] else first for first, all_ in members.items()}
    new = {name: names[joined.get(name, name)] for name in graph.groups}
    groups = {names[first]: [node for name in all_ for node in graph.groups[name]] for first, all_ in members.items()}
    numbers = {}
    edges = []
    for e in graph.edges:
        if new[e.source] != new[e.target]:
            number = numbers.setdefault((new[e.source], e.source, e.tensor), len(numbers))
            edges.append(Edge(new[e.source], new[e.target], e.shape, number))
    return _sorted(groups, edges)


def lateral(graph) -> list[Edge]:
    """The links that pass over other groups: those whose ends are also joined by a longer way."""
    depth = {}
    for name in graph.groups:
        depth[name] = max((depth[e.source] + 1 for e in graph.edges if e.target == name), default=0)
    return [edge for edge in graph.edges if depth[edge.target] > depth[edge.source] + 1]


def size(graph, group) -> tuple[int, int]:
    """The (height, width) at which most layers of a group work; the coarser where two are as frequent.

    Maps coarser than all that leave the group (those of a pyramid that is resized back) do not count.
    """
    least = min(math.prod(edge.shape[:2]) for edge in graph.edges if edge.source == group)
    shapes = [tuple(node.output_tensors[0].shape[1:3]) for node in graph.groups[group]]
    found = Counter(shape for shape in shapes if math.prod(shape) >= least)
    return max(found, key=lambda shape: (found[shape], -math.prod(shape)))


def _sorted(groups, edges):
    """A graph of the groups that edges touch, sources before targets. Raises ValueError where there is a circle."""
    edges = tuple(edges)
    left = [name for name in groups if any(name in (edge.source, edge.target) for edge in edges)]
    order = []
    while left:
        ready = next((n for n in left if not any(e.target == n and e.source in left for e in edges)), None)
        if ready is None:
            raise ValueError(f"The groups {', '.join(left[:3])} read from each other in a circle: cut them finer.")
        order.append(ready)
        left.remove(ready)
    return Graph({name: tuple(groups[name]) for name in order}, edges)


# === What a box says ===

_SAID = {"AveragePooling2D": "pool", "MaxPooling2D": "pool", "BilinearResize": "resize", "Concatenate": "concat",
         "Add": "sum", "Multiply": "product", "MaxUnpooling2D": "unpool"}  # fmt: skip


def operations(graph, group) -> list[str]:
    """What a group computes, call by call, as "1×1" or "depthwise 3×3"; batch norms, ReLUs and the like unsaid."""
    said = []
    for layer in dict.fromkeys(node.operation for node in graph.groups[group]):  # a shared layer has several calls
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose"):
            kernel = "×".join(map(str, layer.kernel_size))
            said.append(
                f"{ {'DepthwiseConv2D': 'depthwise ', 'Conv2DTranspose': 'transposed '}.get(kind, '') }{kernel}"
            )
        elif kind in _SAID:
            said.append(_SAID[kind])
    return said


def spaced(name) -> str:
    """A part of a layer's name for readers: "group3x3" becomes "group 3×3"."""
    return re.sub(r"([a-z])(\d)", r"\1 \2", re.sub(r"(\d)x(\d)", r"\1×\2", name)).replace("_", " ")
