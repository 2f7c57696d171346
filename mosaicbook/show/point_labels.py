"""Writes names beside the points of a plot, where nothing else is."""

from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOUCHING = 4.0  # square pixels
SIDES = (
    (8, 0, "left", "center"), (-8, 0, "right", "center"), (0, 8, "center", "bottom"), (0, -8, "center", "top"),
    (6, 5, "left", "bottom"), (6, -5, "left", "top"), (-6, 5, "right", "bottom"), (-6, -5, "right", "top"),
)  # fmt: skip
FURTHER = tuple((r * x, r * y, ha, va) for r in (2.6, 4.2) for x, y, ha, va in SIDES[2:])  # with a line to the point


def write(axes, names, fontsize=11.5, sparing=False, bars=()):
    """Writes each name where it hides least, beside its point or further off with a line, the first ones first.

    names: [(x, y, text, whether in bold)] of all points. bars: [((x, y), (x, y))] of lines from lower left to upper
    right that no name should cover. sparing: a name that would lie on a point, another name or the edge is left out.
    Limits and layout of the axes are final from now on. Returns the names that were written.
    """
    axes.figure.draw_without_rendering()
    axes.figure.set_layout_engine("none")
    renderer = axes.figure.canvas.get_renderer()
    places = [axes.transData.transform((x, y)) for x, y, _, _ in names]
    taken = [Bbox.from_bounds(x - 9, y - 9, 18, 18) for x, y in places]
    for ends in bars:
        (left, low), (right, high) = (axes.transData.transform(end) for end in ends)
        taken.append(Bbox.from_extents(left - 4, low - 4, right + 4, high + 4))
    written = []
    for x, y, name, bold in names:
        best = None
        for right, up, ha, va in SIDES if sparing else SIDES + FURTHER:  # where names go, no lines cross others
            if best and best[0] <= TOUCHING:
                break
            line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7} if abs(right) + abs(up) > 16 else None
            text = axes.annotate(name, (x, y), (right, up), fontsize=fontsize, textcoords="offset points", ha=ha, va=va,
                                 fontweight="bold" if bold else "normal", arrowprops=line)  # fmt: skip
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line
            hidden = sum(_common(box, other) for other in taken)
            hidden += box.width * box.height - _common(box, axes.bbox.padded(-4))
            if best is None or hidden < best[0] - 1e-6:
                if best:
                    best[1].remove()
                best = hidden, text, box
            else:
                text.remove()
        if sparing and best[0] > TOUCHING:
            best[1].remove()
            continue
        taken.append(best[2])
        written.append(name)
    return written


def _common(one, other):
    """The area that two boxes share."""
    shared = Bbox.intersection(one, other)
    return shared.width * shared.height if shared else 0.0
