"""Drawings of networks: groups of layers as boxes, the tensors between them as lines as thick as they are deep.

`layered` draws a graph of `reporting.graphs` as a matplotlib figure, `reporting.funnels` a whole network.
Lengths are inches, the origin is the top left, and y grows downwards.
"""

import math
from dataclasses import dataclass
from functools import cache

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from mosaicbook.show import figures
from mosaicbook.show.networks import graphs, layout
from mosaiclib.models.parts import part_of

figures.style()

TEXT, SMALL = 12, 10.5  # points: what a box does, and the shape of a tensor
LINE, SMALL_LINE = 1.24 * TEXT / 72, 1.2 * SMALL / 72
THICKEST, THINNEST = 13, 1.5  # points
PAD, BEND, CLEAR = 0.09, 0.32, 0.05
LEAST_WIDTH = 4.8
# Of seaborn's colour-blind palette: three that show on white and on a dark page.
COLOURS = {"backbone": "#0173b2", "context": "#de8f05", "decoder": "#029e73"}


@dataclass
class Box:
    """A group with a place: its middle, its size, what it says, and its colour ("": text alone)."""

    lines: list[str]
    colour: str
    x: float = 0.0
    y: float = 0.0
    least: float = 0.0

    @property
    def width(self) -> float:
        return max(self.least, max(text_width(line, TEXT) for line in self.lines) + 2 * PAD)

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + 2 * PAD

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2


@cache  # the same few words come again and again, and outlines are slow
def text_width(text, points) -> float:
    """How wide a text is, in inches, from the outlines of its letters."""
    return TextPath((0, 0), text, size=points).get_extents().width / 72 if text.strip() else 0.0


def colour(name) -> str:
    """The colour of the part of a network that a group of layers belongs to; "" for the image and the output."""
    return "" if name in (graphs.IMAGE, graphs.OUTPUT) else COLOURS[part_of(name.split(" to ")[0]).name]


def thickness(edge, graph) -> float:
    """How thick a line is, in points: as the square root of the channels, so that 19 can still be seen beside 672."""
    most = max(e.shape[-1] for e in graph.edges)
    return max(THINNEST, THICKEST * math.sqrt(edge.shape[-1] / most))


# === From top to bottom ===


def layered(graph, focus):
    """A part of a network from top to bottom, each group below all that it reads.

    focus: the beginning of the names that the drawing is about; other groups show their names only.
    """
    rows, chains = layout.rows(graph)
    stacked = max(len(row) for row in rows) > 4
    boxes = {name: Box(_lines(graph, name, focus), colour(name)) for name in graph.groups}
    ports = {name: _ports(graph, name, stacked) for name in graph.groups}
    reach = {point: _reach(boxes.get(point), ports.get(point)) for row in rows for point in row}
    x = layout.across(rows, chains.values(), reach)
    left, right = min(x[p] - reach[p][0] for p in x), max(x[p] + reach[p][1] for p in x)
    width = max(LEAST_WIDTH, right - left + 4 * CLEAR)
    x = {point: place + (width - left - right) / 2 for point, place in x.items()}
    for row in rows:
        coming = [x[chain[-2]] for chain in chains.values() if [chain[-1]] == row]
        if len(coming) > 2:  # alone in its row, a box can be as wide as all that comes to it
            boxes[row[0]].least = max(coming) - min(coming) + 0.26
    y, tops = CLEAR, []
    for row in rows:
        tops.append(y)
        height = max(boxes[point].height for point in row if point in boxes)
        for point in set(row) & set(boxes):
            boxes[point].x, boxes[point].y = x[point], y + height / 2
        y += height + (2 if stacked else 1) * SMALL_LINE + BEND + 2 * CLEAR
    axes = canvas(width, tops[-1] + max(boxes[p].height for p in rows[-1]) + CLEAR)
    entries = _entries(graph, chains, boxes, x)
    for name, leaving in ports.items():
        for tensor, (offset, side, label) in leaving.items():
            box, edges = boxes[name], [e for e in graph.edges if (e.source, e.tensor) == (name, tensor)]
            for edge in edges:
                way = [box.x + offset, *(x[point] for point in chains[edge][1:-1]), entries[edge]]
                row = next(number for number, points in enumerate(rows) if name in points)
                _falling(axes, edge, graph, way, tops[row + 1 :], box, boxes[edge.target])
            place = box.x + offset + side * (thickness(edges[0], graph) / 144 + CLEAR)
            axes.text(place, box.bottom + CLEAR, label, fontsize=SMALL, ha="left" if side > 0 else "right",
                      va="top", linespacing=1.05)  # fmt: skip
    for box in boxes.values():
        draw(axes, box)
    return axes.figure


def _lines(graph, name, focus):
    """What the box of a group says: its name, or within the focus what it computes."""
    if not name.startswith(focus):
        network, *parts = name.split(".")
        return [network, *map(graphs.spaced, parts)]
    *_, level, last = name.removeprefix(focus).split(".")
    said = graphs.operations(graph, name)
    lines = [word for line in said for word in line.split(" ")]
    if last.startswith("group"):  # many stand side by side
        return [half for line in lines for half in (("depth-", "wise") if line == "depthwise" else (line,))]
    if last not in (*lines, "add"):
        return [graphs.spaced(last), *lines]
    named = said == ["pool"] or (level.startswith("merge") and last in ("concat", "add"))
    return [graphs.spaced(level), *lines] if named else lines


def _ports(graph, name, stacked):
    """{tensor: (where its line leaves, from the box's middle; the side of its label, -1 or 1; the label)}."""
    shapes = {e.tensor: e for e in graph.edges if e.source == name}
    labels = {tensor: _stacked(shapes[tensor].text) if stacked else shapes[tensor].text for tensor in sorted(shapes)}
    if len(labels) <= 2:
        places = [(0.0, 1)] if len(labels) == 1 else [(-0.14, -1), (0.14, 1)]
    else:
        step = max(_label_width(label) for label in labels.values()) + 0.4
        places = [((number - (len(labels) - 1) / 2) * step, 1) for number in range(len(labels))]
    return {tensor: (*place, label) for (tensor, label), place in zip(labels.items(), places, strict=False)}


def _stacked(text):
    area, channels = text.rpartition("×")[::2]
    return f"{area}\n×{channels}"


def _label_width(label):
    return max(text_width(line, SMALL) for line in label.split("\n"))


def _reach(box, ports):
    """How far a group, its lines and their labels reach to the left and to the right of its middle."""
    if box is None:  # a line passes here
        return 0.12, 0.12
    reach = [box.width / 2, box.width / 2]
    for offset, side, label in ports.values():
        end = offset + side * (THICKEST / 144 + CLEAR + _label_width(label))
        reach[end > 0] = max(reach[end > 0], abs(end))
    return tuple(reach)


def _entries(graph, chains, boxes, x):
    """{edge: where its line enters the target}, spread over the box in the order in which lines come."""
    entries = {}
    for name, box in boxes.items():
        coming = sorted((e for e in graph.edges if e.target == name), key=lambda e: x[chains[e][-2]])
        for number, edge in enumerate(coming):
            spread = box.x + box.width * 0.8 * ((number + 0.5) / len(coming) - 0.5)
            entries[edge] = x[chains[edge][-2]] if box.least else spread
    return entries


def _falling(axes, edge, graph, way, tops, source, target):
    """A line down from the source, past its label, bending from row to row to the next of its places."""
    vertices, codes = [(way[0], source.bottom)], [Path.MOVETO]
    for here, there, top in zip(way, way[1:], tops, strict=False):
        start, end = top - BEND - CLEAR, top - CLEAR
        vertices += [(here, start), (here, end - BEND / 4), (there, start + BEND / 4), (there, end)]
        codes += [Path.LINETO, *[Path.CURVE4] * 3]
    vertices.append((way[-1], target.top - CLEAR / 2))
    codes.append(Path.LINETO)
    stroke(axes, vertices, codes, source.colour or target.colour, thickness(edge, graph))
    axes.plot(way[-1], target.top - CLEAR, "v", color=figures.INK, markersize=6, markeredgewidth=0)


# === Marks ===


def canvas(width, height):
    """Axes of a whole new figure, in inches from the top left."""
    figure = Figure(figsize=(width, height))  # not of pyplot: the explorer draws in a thread of its own
    figure.set_layout_engine("none")  # asked for at once, it would not outlive the first saving
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def draw(axes, box):
    """Draws a box where it is."""
    if box.colour:
        corner, style = (box.x - box.width / 2, box.top), "round,pad=0,rounding_size=0.06"
        axes.add_patch(FancyBboxPatch(corner, box.width, box.height, style, facecolor=(box.colour, 0.18),
                                      edgecolor=box.colour, linewidth=1.5))  # fmt: skip
    for number, line in enumerate(box.lines):
        place = box.y + (number - (len(box.lines) - 1) / 2) * LINE
        axes.text(box.x, place, line, fontsize=TEXT, ha="center", va="center_baseline")


def stroke(axes, vertices, codes, colour, width):
    """Draws a line (vertices and codes as of a matplotlib `Path`), so many points wide."""
    axes.add_patch(PathPatch(Path(vertices, codes), fill=False, edgecolor=colour, linewidth=width,
                             capstyle="butt", joinstyle="round"))  # fmt: skip
