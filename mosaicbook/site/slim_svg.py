"""Plots of matplotlib as SVG in little more than half the bytes: they are the largest part of many pages.

A page that is mailed alone is whole, so its plots stand in it, and not only in the files beside it.
"""

import base64
import re

_DRAWN = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")
_OURS = '<g id="figure_1">'  # matplotlib's outermost group
_PLACE = re.compile(r'(?<= )(?:d|x|y|x1|x2|y1|y2|points)="[^"]*"|translate\([^)]*\)')
_STEP = re.compile(r"(?<= d=\")[^\"]*")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_NAME = re.compile(r'( id="|="#|url\(#)([\w.-]+)')
_GLYPH = re.compile(r'(<use href="[^"]+") transform="translate\((\S+) 0\)"')


def page(html) -> str:
    """A page whose plots are slim."""
    return _DRAWN.sub(lambda found: _slim_uri(found[0], found[1]), html)


def slim(svg) -> str:
    """A plot of matplotlib without what no eye sees: metadata, names of groups, more than hundredths of a point.

    Another drawing stays as it is.
    """
    if _OURS not in svg:
        return svg
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = _PLACE.sub(lambda place: _LONG.sub(_rounded, place[0]), svg).replace("xlink:href", "href")
    names = {name: f"i{number}" for number, name in enumerate(dict.fromkeys(n for _, n in _NAME.findall(svg)))}
    svg = _NAME.sub(lambda named: named[1] + names[named[2]], svg)
    svg = _GLYPH.sub(r'\1 x="\2"', re.sub(r">\s+<", "><", svg))
    return _STEP.sub(lambda path: re.sub(r"\s*([A-Za-z])\s*", r"\1", path[0]).replace("\n", " "), svg)


def _slim_uri(uri, encoded):
    try:
        drawn = base64.b64decode(encoded).decode()
    except ValueError:
        return uri
    return f"data:image/svg+xml;base64,{base64.b64encode(slim(drawn).encode()).decode()}"


def _rounded(found):
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
