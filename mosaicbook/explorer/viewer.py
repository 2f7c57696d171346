"""An image under one or two class maps, with linked zoom: what the browser does of the panel "See it"."""

import cv2
import numpy as np
import traitlets as t
from anywidget import AnyWidget

from mosaicbook.explorer.panel import asset
from mosaicbook.show import overlays
from mosaicbook.show.figures import CORRECT, WRONG

LONGEST_SHOWN = 1280  # pixels of the copy that the browser gets; the network sees the whole image
LARGEST_FILE = 200 * 2**20


class Viewer(AnyWidget):
    """Each of "one", "other" and "difference" has a map of class ids with its size, names and colours.

    version: raised when a whole set of maps is in place. on_file: called with (name, content) when a file was
    uploaded, which comes in pieces because Jupyter's web socket refuses large messages.
    """

    _esm = asset("camera.js") + asset("viewer.js")
    _css = asset("viewer.css")
    picture = t.Bytes().tag(sync=True)
    picture_size = t.List([0, 0]).tag(sync=True)
    opacity = t.Float(0.55).tag(sync=True)
    isolated = t.Unicode().tag(sync=True)
    legend = t.List().tag(sync=True)
    version = t.Int().tag(sync=True)
    for pane in ("one", "other", "difference"):
        locals().update(
            {
                f"{pane}_map": t.Bytes().tag(sync=True),
                f"{pane}_confidence": t.Bytes().tag(sync=True),
                f"{pane}_size": t.List([0, 0]).tag(sync=True),
                f"{pane}_classes": t.Dict({"names": [], "palette": []}).tag(sync=True),
                f"{pane}_title": t.Unicode().tag(sync=True),
            }
        )
    del pane

    def __init__(self, on_file=None, **values):
        super().__init__(**values)
        self._on_file, self._pieces = on_file, []
        self.on_msg(self._receive)

    def show_picture(self, image):
        """Shows an image uint8 [H, W, 3], as a copy of moderate size."""
        shown = overlays.shrink(image, LONGEST_SHOWN)
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
        with self.hold_sync():
            self.picture_size = list(shown.shape[:2])
            self.picture = encoded.tobytes()

    def show_maps(self, one, other=None, difference=None, legend=()):
        """Shows the maps. one, other: (title, names, palette, ids, probabilities or None); difference: (title, map)."""
        with self.hold_sync():
            self._set("one", *one)
            self._set("other", *(other or _NOTHING))
            self._set("difference", *_difference(difference))
            self.legend = list(legend)
            self.version += 1

    def _set(self, pane, title, names, palette, ids, confidence):
        setattr(self, f"{pane}_title", title)
        setattr(self, f"{pane}_classes", {"names": list(names), "palette": [list(map(int, c)) for c in palette]})
        setattr(self, f"{pane}_size", list(ids.shape))
        setattr(self, f"{pane}_map", np.ascontiguousarray(ids, np.uint8).tobytes())
        as_bytes = b"" if confidence is None else np.uint8(np.rint(255 * confidence)).tobytes()
        setattr(self, f"{pane}_confidence", as_bytes)

    def _receive(self, _, content, buffers):
        """One piece of a file; a piece that does not follow the one before is the beginning of nothing."""
        if content.get("kind") != "upload" or content.get("index") not in (0, len(self._pieces)):
            return
        if content["index"] == 0:
            self._pieces = []
        self._pieces.extend(bytes(buffer) for buffer in buffers[:1])
        if sum(map(len, self._pieces)) > LARGEST_FILE:
            self._pieces = []
        elif len(self._pieces) == content.get("count"):
            whole, self._pieces = b"".join(self._pieces), []
            if self._on_file:
                self._on_file(str(content.get("name"))[:200], whole)


_NOTHING = ("", (), (), np.zeros((0, 0), np.uint8), None)


def _difference(found):
    if found is None:
        return _NOTHING
    title, differs = found
    return title, ("the same class", "different classes"), (CORRECT, WRONG), differs, None
