"""The panel "See it": an image, one network or two, and what they find in it."""

from pathlib import Path

import ipywidgets as widgets
import numpy as np

from mosaicbook.explorer import networks
from mosaicbook.explorer.panel import Latest, Panel, problem
from mosaicbook.explorer.viewer import Viewer
from mosaicbook.show import figures, overlays, tables
from mosaicbook.show.figures import CORRECT, WRONG
from mosaiclib.data import images
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.data.sets import minicity

LABEL = {"description_width": "92px"}
SCENE = "minicity"  # a street scene that the library draws itself
SAMPLES = {
    **{picture.title: picture.name for picture in FREE_PICTURES},
    "A synthetic street (minicity)": SCENE,
}
LEAST_SHARE = 0.0005
STATIC_WIDTH = 640


def segment(image="stereo_motorcycle", weights=None, other=None, opacity=0.55, isolated="") -> "SegmentPanel":
    """The panel on an image: `explore.segment("photo.jpg", weights="reports/quick/runs/train/minicity/weights")`.

    image: a file, the name of a sample (stereo_motorcycle, rocket, coffee, astronaut, minicity), or pixels
    uint8 [H, W, 3]. weights, other: what `networks.load` takes; by default the first that is here, and none
    beside it. opacity: of the classes over the image, 0 to 1. isolated: the only class to be shown.
    Raises ValueError in one sentence for an image or a network that cannot be read.
    """
    return SegmentPanel(image, weights or next(iter(networks.here().values())), other, opacity, isolated)


class SegmentPanel(Panel):
    """image: uint8 [H, W, 3]. one, other: the `inference.Network`s; found: what each finds in it."""

    def __init__(self, image, weights, other, opacity, isolated):
        self._asked = self._shown = {"image": image, "weights": weights, "other": other}
        self._latest, self._turned, self.image = Latest(self._update), "image", None
        self._make_knobs()
        self._says = {name: widgets.HTML() for name in self._asked}
        self.viewer = Viewer(on_file=self._uploaded, opacity=opacity, isolated=isolated)
        self.viewer.observe(lambda _: self.show_code(), ["opacity", "isolated"])
        self.status = widgets.HTML()
        knobs, says = self.knobs, self._says
        left = widgets.VBox([knobs["sample"], knobs["path"], says["image"]])
        right = widgets.VBox([knobs["weights"], says["weights"], knobs["other"], says["other"], knobs["file"]])
        columns = widgets.HBox([left, right])
        columns.add_class("mosaic-columns")
        super().__init__([columns, self.status, self.viewer])
        self._look(self._asked)

    def _make_knobs(self):
        image, *named = self._asked.values()
        here = networks.here()
        listed = [*here.items(), *((name, name) for name in dict.fromkeys(named) if name and name not in here.values())]
        sample = image if isinstance(image, str) and image in SAMPLES.values() else ""
        wide = {"style": LABEL, "layout": widgets.Layout(width="420px")}
        typed = wide | {"description": "Path", "continuous_update": False}
        self.knobs = {
            "sample": widgets.Dropdown(
                options=[("...", ""), *SAMPLES.items()], value=sample, description="Sample", **wide
            ),
            "path": widgets.Text(placeholder="or the path of a JPEG or PNG", **typed),
            "weights": widgets.Dropdown(options=listed, value=named[0], description="Network", **wide),
            "other": widgets.Dropdown(
                options=[("nothing", ""), *listed], value=named[1] or "", description="Beside it", **wide
            ),
            "file": widgets.Text(placeholder="or the path of a weights folder or a .tflite", **typed),
        }
        for name in ("sample", "path"):
            self.knobs[name].observe(lambda change: change["new"] and self._ask("image", change["new"]), "value")
        for name in ("weights", "other"):
            self.knobs[name].observe(lambda change, name=name: self._ask(name, change["new"]), "value")
        self.knobs["file"].observe(self._add_file, "value")

    # === What is asked for ===

    def _uploaded(self, name, content):
        self.knobs["sample"].value = ""
        self._ask("image", (name, content))

    def _add_file(self, change):
        if change["new"]:
            for name in ("weights", "other"):
                self.knobs[name].options = [*self.knobs[name].options, (change["new"], change["new"])]
            self.knobs["weights"].value = change["new"]

    def _ask(self, name, value):
        self._asked, self._turned = {**self._asked, name: value}, name
        self.status.value = (
            '<span class="mosaic-caption">Looking; a network takes some seconds the first time ...</span>'
        )
        self._latest.request()

    def _update(self):
        """Shows what was asked for, or at its knob why that cannot be; then all stays as it was."""
        for says in self._says.values():
            says.value = ""
        try:
            self._look(self._asked)
        except Exception as error:  # whatever a foreign file causes: the panel must not wait for ever
            self._says[self._turned].value = problem(error)
            self._asked = self._shown
            self.status.value = self._says_what_is_shown()

    # === What is shown ===

    def _look(self, asked):
        image, credit = self.image, getattr(self, "_credit", "")
        if image is None or asked["image"] is not self._shown["image"]:
            image, credit = _read(asked["image"])
        one = networks.load(asked["weights"])
        other = networks.load(asked["other"]) if asked["other"] else None
        found = [network.fitted(image) for network in (one, other) if network]
        if image is not self.image:
            self.viewer.show_picture(image)
        self._shown, self.image, self._credit = asked, image, credit
        self.one, self.other, self.found = one, other, found
        self.differs = self._difference() if other else None
        shown = [(n.name, n.classes, p, *f) for n, p, f in zip(self._both(), self._palettes(), found, strict=True)]
        title = None if self.differs is None else f"They differ on {100 * self.differs.mean():.1f} % of the pixels"
        difference = None if self.differs is None else (title, self.differs)
        self.viewer.show_maps(shown[0], shown[1] if other else None, difference, self._legend())
        self.status.value = self._says_what_is_shown()
        self.show_code()

    def _both(self):
        return [network for network in (self.one, self.other) if network]

    def _palettes(self):
        """The colours of each network; a class that both know has that of the first."""
        known = dict(zip(self.one.classes, self.one.palette, strict=False))
        return [
            [known.get(name, colour) for name, colour in zip(n.classes, n.palette, strict=False)] for n in self._both()
        ]

    def _difference(self):
        """uint8 [h, w]: 1 where the two find classes of other names; None where they know no common ones."""
        if not set(self.one.classes) & set(self.other.classes):
            return None
        (one, _), (other, _) = self.found
        other = overlays.shrink_label(other, one.shape)
        names = {name: number for number, name in enumerate({*self.one.classes, *self.other.classes})}
        one, other = (
            np.array([names[name] for name in network.classes])[ids]
            for network, ids in ((self.one, one), (self.other, other))
        )
        return np.uint8(one != other)

    def _legend(self):
        """[{name, colour, shares}]: the classes that cover something, largest first."""
        entries = {}
        for place, (network, palette, (ids, _)) in enumerate(
            zip(self._both(), self._palettes(), self.found, strict=True)
        ):
            for number, share in overlays.shares(ids, network.classes, LEAST_SHARE):
                entry = entries.setdefault(network.classes[number], {"colour": palette[number], "shares": [0.0, 0.0]})
                entry["shares"][place] = share
        ranked = sorted(entries.items(), key=lambda item: -max(item[1]["shares"]))
        return [
            {"name": name, "colour": list(map(int, e["colour"])), "shares": e["shares"][: len(self.found)]}
            for name, e in ranked
        ]

    def _says_what_is_shown(self):
        height, width = self.image.shape[:2]
        seen = " and ".join("x".join(map(str, network.input_size)) for network in self._both())
        text = f"{height}x{width} pixels, seen at {seen} (height x width)."
        if any(confidence is None for _, confidence in self.found):
            text += " A .tflite of classes tells no confidence."
        if self.other and self.differs is None:
            text += " The two networks have no class in common, so there is no map of differences."
        return f'<span class="mosaic-caption">{text} {self._credit}</span>'

    @property
    def code_title(self):
        image = self._shown["image"]
        if isinstance(image, np.ndarray):
            return "In Python, where image is these pixels"
        return f"In Python, in the folder of {image[0]}" if isinstance(image, tuple) else "In Python"

    @property
    def code(self):
        image, weights, other = self._shown.values()
        image = image[0] if isinstance(image, tuple) else image
        arguments = ["image" if isinstance(image, np.ndarray) else repr(str(image)), f"weights={weights!r}"]
        if other:
            arguments.append(f"other={other!r}")
        if self.viewer.opacity != 0.55:
            arguments.append(f"opacity={round(self.viewer.opacity, 2)}")
        if self.viewer.isolated:
            arguments.append(f"isolated={self.viewer.isolated!r}")
        return f"explore.segment({', '.join(arguments)})"

    def static(self):
        shown = overlays.shrink(self.image, STATIC_WIDTH)
        shareable = isinstance(self._shown["image"], str) and self._shown["image"] in SAMPLES.values()
        row = [figures.photograph(shown, "The image", "The image", shareable=shareable, credit=self._credit)]
        for network, palette, (ids, _) in zip(self._both(), self._palettes(), self.found, strict=True):
            label = overlays.shrink_label(ids, shown.shape[:2])
            drawn = overlays.overlay(shown, label, palette, self.viewer.opacity)
            row.append(figures.photograph(drawn, f"What {network.name} finds", network.name, shareable=shareable))
        if self.differs is not None:
            label = overlays.shrink_label(self.differs, shown.shape[:2])
            row.append(figures.label_map(label, (CORRECT, WRONG), "Where the two differ", "Where the two differ"))
        legend = self._legend()
        names = [network.name for network in self._both()]
        lines = [
            {"class": entry["name"], **{name: 100 * share for name, share in zip(names, entry["shares"], strict=True)}}
            for entry in legend
        ]
        parts = [
            figures.gallery([row]),
            figures.legend([entry["name"] for entry in legend], [entry["colour"] for entry in legend]),
            tables.table(lines, "Share of the pixels", dict.fromkeys(names, "%"), dict.fromkeys(names, ".1f")),
        ]
        return "".join(part._repr_html_() for part in parts)


def _read(source):
    """(pixels, credit) of a sample, a file, an upload (name, content), or pixels."""
    free = {picture.name: picture for picture in FREE_PICTURES}
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise ValueError(f"An image is uint8 [H, W, 3], but this one is {source.dtype} {list(source.shape)}.")
        return source, ""
    if isinstance(source, tuple):
        return images.read_image(*source), ""
    if source == SCENE:
        return minicity.scene(3, (512, 1024))[0], "Synthetic: drawn by this library."
    if source in free:
        return free[source].read(), free[source].credit
    return images.read_image(Path(source).expanduser()), ""
