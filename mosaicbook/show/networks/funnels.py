"""A drawing of a whole network: down to its coarsest map on the left, and up again on the right."""

import math

from matplotlib.path import Path

from mosaicbook.show import figures
from mosaicbook.show.networks import graphs
from mosaicbook.show.networks.layered import (
    CLEAR,
    LEAST_WIDTH,
    SMALL,
    Box,
    canvas,
    colour,
    draw,
    stroke,
    thickness,
)

BETWEEN, UP, MARGIN = 1.25, 0.5, 0.62  # inches: room between columns, between rows, and for the strides


def funnel(graph):
    """A whole network as a matplotlib figure; a stage stands in the row of its output stride.

    graph: of a whole network, as `graphs.stages` gives it.
    """
    places = _places(graph)
    boxes = {name: Box(_lines(name), colour(name)) for name in places}
    step = max(box.width for box in boxes.values()) + BETWEEN
    tallest = max(box.height for box in boxes.values())
    for name, box in boxes.items():
        column, row, _ = places[name]
        box.least = step - BETWEEN
        box.x, box.y = MARGIN + box.least / 2 + column * step, tallest / 2 + 0.3 + UP + row * (tallest + UP)
    ends = {
        name: next(e for e in graph.edges if name in (e.source, e.target)) for name in (graphs.IMAGE, graphs.OUTPUT)
    }
    for name, edge in ends.items():
        beside = boxes[edge.target if name == graphs.IMAGE else edge.source]
        boxes[name] = Box([name], "", beside.x)
        boxes[name].y = beside.top - UP - boxes[name].height / 2 + CLEAR
    right = max(box.x + max(box.width / 2, 1.1) for box in boxes.values())
    axes = canvas(max(LEAST_WIDTH, right), max(box.bottom for box in boxes.values()) + 0.28)
    for name, (_, _, height) in places.items():
        stride = round(ends[graphs.IMAGE].shape[0] / height)
        if places[name][0] == min(c for c, r, _ in places.values() if r == places[name][1]):
            axes.text(CLEAR, boxes[name].y, f"stride\n{stride}", fontsize=SMALL, va="center")
    for edge in graph.edges:
        pair = [e for e in graph.edges if (e.source, e.target) == (edge.source, edge.target)]
        aside = (pair.index(edge) - (len(pair) - 1) / 2) * 0.26
        _line(axes, edge, aside, graph, boxes[edge.source], boxes[edge.target])
    for box in boxes.values():
        draw(axes, box)
    return axes.figure


def _places(graph):
    """{stage: (column, row, height of its map)}, the coarsest maps side by side in the last row."""
    sizes = {name: graphs.size(graph, name) for name, nodes in graph.groups.items() if nodes}
    levels = sorted(set(sizes.values()), key=math.prod, reverse=True)
    coarsest = [name for name, size in sizes.items() if size == levels[-1]]
    places, descending = {}, True
    for name, size in sizes.items():
        descending = descending and name not in coarsest
        column = coarsest.index(name) if name in coarsest else 0 if descending else max(1, len(coarsest) - 1)
        row = levels.index(size)
        while any(place[:2] == (column, row) for place in places.values()):
            column += 1
        places[name] = column, row, size[0]
    return places


def _lines(name):
    first, *last = name.split(" to ")
    network, *parts = first.split(".")
    return [network, *map(graphs.spaced, parts), *(f"to {graphs.spaced(part)}" for part in last)]


def _line(axes, edge, aside, graph, source, target):
    """Across, down or up, or across and then up, with the shape beside it. aside: inches off the middle."""
    colour, width = source.colour or target.colour, thickness(edge, graph)
    clear, y = width / 144 + CLEAR, source.y + aside
    if abs(source.y - target.y) < 1e-6:
        start, end = source.x + source.width / 2, target.x - target.width / 2 - CLEAR / 2
        stroke(axes, [(start, y), (end, y)], [Path.MOVETO, Path.LINETO], colour, width)
        _arrow(axes, end - CLEAR / 2, y, ">")
        down = aside > 0
        axes.text((start + end) / 2, y + clear * (1 if down else -1), edge.text, fontsize=SMALL, ha="center",
                  va="top" if down else "bottom")  # fmt: skip
        return
    falls = target.y > source.y
    end = target.top - CLEAR / 2 if falls else target.bottom + CLEAR / 2
    here = source.bottom if falls else source.top
    vertices = [(target.x + aside, here), (target.x + aside, end)]
    if abs(source.x - target.x) > 1e-6:
        vertices = [(source.x + source.width / 2, y), (target.x + aside, y), (target.x + aside, end)]
    stroke(axes, vertices, [Path.MOVETO, *[Path.LINETO] * (len(vertices) - 1)], colour, width)
    _arrow(axes, target.x + aside, end - CLEAR / 2 if falls else end + CLEAR / 2, "v" if falls else "^")
    near = target.top - UP / 2 if falls else target.bottom + UP / 2
    axes.text(target.x + aside + clear, near, edge.text, fontsize=SMALL, va="center")


def _arrow(axes, x, y, marker):
    axes.plot(x, y, marker, color=figures.INK, markersize=6, markeredgewidth=0)
