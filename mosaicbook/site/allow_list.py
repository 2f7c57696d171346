"""What may stand in a page: an allow-list of elements and attributes, and no reference to anything outside."""

import re

from bs4 import BeautifulSoup, Comment
from bs4.element import PreformattedString

_TEXT = """a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4
h5 h6 hr i img ins kbd li mark meter ol p pre q s samp section small span strong sub summary sup table tbody td tfoot
th thead time tr u ul var wbr"""
_SVG = "svg g path rect circle ellipse line polyline polygon text tspan title desc defs"
# What these hold is no text to show; any other unknown element is unwrapped.
_NO_TEXT = """script style template iframe object embed applet noscript head link meta base audio video canvas image
use foreignobject math form textarea select"""
_TEXT_ATTRIBUTES = """alt class colspan data-file data-licence data-shareable datetime dir download headers height href
id lang max min open role rowspan scope src style tabindex title value width"""
_SVG_ATTRIBUTES = """viewbox d x y x1 x2 y1 y2 dx dy cx cy r rx ry points transform fill stroke stroke-width opacity
text-anchor"""
_ELEMENTS = {*_TEXT.split(), *_SVG.split()}
_ATTRIBUTES = {*_TEXT_ATTRIBUTES.split(), *_SVG_ATTRIBUTES.split()}
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"(https?://|mailto:|#|[\w.%-]+(/[\w.%-]+)*(#|$))", re.IGNORECASE)
_STYLE_RISK = re.compile(r"url|image|import|expression|\\|/\*|@|position|content", re.IGNORECASE)


def parse(html) -> BeautifulSoup:
    """The tree of a page or of a part of one."""
    return BeautifulSoup(html, "html.parser")


def clean(soup):
    """Removes from a tree, in place, whatever is not on the list. Images stay only as data URIs."""
    for text in soup.find_all(string=lambda text: isinstance(text, (Comment, PreformattedString))):
        text.extract()
    for element in soup.find_all(_NO_TEXT.split()):
        element.decompose()
    for element in soup.find_all(True):
        if element.name not in _ELEMENTS:
            element.unwrap()
            continue
        for name, value in list(element.attrs.items()):
            if not _allowed(element.name, name.lower(), value if isinstance(value, str) else " ".join(value)):
                del element[name]
        if element.name == "img":
            if not element.get("src"):
                element.decompose()
            elif not element.get("alt"):
                element["alt"] = "An image without a description."


def _allowed(element, name, value):
    if name == "src":
        return element == "img" and bool(_PICTURE.fullmatch(value))
    if name == "href":
        return element == "a" and bool(_LINK.match(value.strip()))
    if name == "style":
        return not _STYLE_RISK.search(value)
    return name in _ATTRIBUTES or name.startswith("aria-")
