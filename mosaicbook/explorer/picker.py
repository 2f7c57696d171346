"""HTML in which elements can be picked: the rows of a table, the points of a plot."""

import traitlets as t
from anywidget import AnyWidget

from mosaicbook.explorer.panel import asset


class Picker(AnyWidget):
    """html: what is shown, made and escaped by the caller. picked: the key of what was clicked last.

    An element is picked by `data-pick="key"`, or by the id "pick-N", as a plot's artists have it; then point_keys[N]
    is its key ("" where there is none) and labels[N] what is said of it under the pointer, otherwise `hint`.
    """

    _esm = asset("picker.js")
    _css = asset("picker.css")
    html = t.Unicode().tag(sync=True)
    picked = t.Unicode().tag(sync=True)
    point_keys = t.List().tag(sync=True)
    labels = t.List().tag(sync=True)
    hint = t.Unicode().tag(sync=True)
