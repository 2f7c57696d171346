"""A layered layout of a graph, worked out without chance: rows by depth, and places along each row.

A point is a group's name or, where a line passes a row, a bend (edge, row).
"""

from itertools import pairwise

GAP = 0.1  # inches between neighbours in a row
SWEEPS = 40


def rows(graph):
    """(rows of points, {edge: the points on its way}); each row in the order in which its points are read.

    A group stands as low as its readers let it, so that a skip's source is next to the merge that takes it.
    """
    rank = {}
    for name in reversed(graph.groups):
        rank[name] = max((rank[e.target] + 1 for e in graph.edges if e.source == name), default=0)
    depth = {name: max(rank.values()) - rank[name] for name in graph.groups}
    chains = {
        edge: [edge.source, *((edge, row) for row in range(depth[edge.source] + 1, depth[edge.target])), edge.target]
        for edge in graph.edges
    }
    found = [[] for _ in range(max(depth.values()) + 1)]
    seen = set()

    def climb(name):
        if name in seen:
            return
        seen.add(name)
        found[depth[name]].append(name)
        for edge, chain in chains.items():
            if edge.target == name:
                for bend in reversed(chain[1:-1]):
                    found[bend[1]].append(bend)
                climb(edge.source)

    for name in reversed(graph.groups):
        climb(name)
    return found, chains


def across(rows, chains, reach):
    """{point: its place along its row, in inches}: near what it is joined to, and never on a neighbour.

    chains: lists of points. reach: {point: how far it reaches to the (left, right) of its place}.
    """
    above, below = {}, {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            below.setdefault(upper, []).append(lower)
            above.setdefault(lower, []).append(upper)
    x = {}

    def settle(row, neighbours):
        wanted = []
        for point in row:
            near = [x[n] for n in neighbours.get(point, []) if n in x]
            wanted.append((min(near) + max(near)) / 2 if near else x.get(point, 0.0))
        x.update(zip(row, _apart(wanted, [reach[point] for point in row]), strict=True))

    for _ in range(SWEEPS):
        for row in rows:
            settle(row, above)
        for row in reversed(rows):
            settle(row, below)
    # At last the fullest row stays where it is, and all else is drawn towards it.
    widest = max(range(len(rows)), key=lambda number: sum(map(sum, (reach[point] for point in rows[number]))))
    for row in reversed(rows[:widest]):
        settle(row, below)
    for row in rows[widest + 1 :]:
        settle(row, above)
    return x


def _apart(wanted, reach):
    """The places nearest to the wanted ones (least squares), in that order and without overlap."""
    offsets = [0.0]
    for (_, right), (left, _) in pairwise(reach):
        offsets.append(offsets[-1] + right + left + GAP)
    pools = []  # neighbours that touch, as [their common place, how many]
    for place, offset in zip(wanted, offsets, strict=True):
        pools.append([place - offset, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            place, count = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + place * count) / (pools[-1][1] + count), pools[-1][1] + count]
    flat = [place for place, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=True)]
