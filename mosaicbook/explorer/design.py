"""The panel "Change the design": every knob of a MOSAIC network, and at once what the network then costs."""

from contextlib import contextmanager
from dataclasses import fields, replace

import ipywidgets as widgets

from mosaicbook.explorer import design_view, designs
from mosaicbook.explorer.designs import PAPER, Design
from mosaicbook.explorer.panel import Latest, Panel, problem
from mosaiclib.models import catalogue

LABEL = {"description_width": "118px"}
WIDE = widgets.Layout(width="344px")
BINS = (1, 2, 4, 6, 8, 12, 16, 32)
KERNELS = ((3,), (5,), (3, 5), (3, 7))
STYLES = {"none": None, "concat": "C", "sum": "S"}
PLAIN = ("backbone", "m", "f", "d", "group_convolution", "kernels", "shared_levels", "classes")  # a widget a knob


def design(model=None, pinned=PAPER, **knobs) -> "DesignPanel":
    """The panel on a design: `explore.design(m=448, bins=(1, 4), classes=32, input_size=(512, 512))`.

    model: the name of a network with the MOSAIC head, to begin from. knobs: those of `Design`. pinned: the
    design to compare with. Raises ValueError in one sentence for a design that cannot be built.
    """
    unknown = set(knobs) - {knob.name for knob in fields(Design)}
    if unknown:
        known = ", ".join(knob.name for knob in fields(Design))
        raise ValueError(f"A design has no knob '{min(unknown)}': there are {known}.")
    base = designs.of_spec(catalogue.get(model), PAPER.classes, PAPER.input_size) if model else PAPER
    if base is None:
        raise ValueError(f"{model} has parts that no knob turns: choose a network of the paper with the MOSAIC head.")
    return DesignPanel(replace(base, **knobs), pinned)


class DesignPanel(Panel):
    """design: the last one that could be built. pinned: the one it is compared with. knobs: the widgets by name."""

    def __init__(self, design, pinned):
        self.design, self.pinned = design, pinned
        self._latest, self._turned, self._setting = Latest(self._update), None, False
        self._make_knobs()
        self._says = {name: widgets.HTML() for name in self.knobs}
        for said in self._says.values():
            said.add_class("mosaic-says")  # beside the knobs, so that no knob moves under the pointer
        self.numbers, self.bars, self.nearest, self.drawings = (widgets.HTML() for _ in range(4))
        pin = widgets.Button(description="Pin this design", icon="thumb-tack", tooltip="Compare with it from now on")
        pin.on_click(lambda _: self._pin())
        back = widgets.Button(description="Back to pinned", icon="undo")
        back.on_click(lambda _: self._show(self.pinned))
        self.start = widgets.Dropdown(
            options=[("...", None), *((f"{row.table}.{row.row}: {row.spec}", d) for row, d in designs.paper_designs())],
            description="Take a row",
            style=LABEL,
            layout=WIDE,
        )
        self.start.observe(self._take_row, "value")
        rows = [self.start]
        for name, knob in self.knobs.items():
            rows += [knob, self._says[name]]
        column = widgets.VBox([*rows, widgets.HBox([pin, back])])
        column.add_class("mosaic-knobs")
        view = widgets.VBox([self.numbers, self.bars, self.nearest])
        view.add_class("mosaic-view")
        columns = widgets.HBox([column, view])
        columns.add_class("mosaic-columns")
        super().__init__([columns, self.drawings])
        self._set_knobs(design)
        self._render(designs.built(design))

    # === Knobs ===

    def _make_knobs(self):
        def slider(name, low, high, step, label):
            values = (getattr(self.design, name), getattr(self.pinned, name))
            return widgets.IntSlider(min=min(low, *values), max=max(high, *values), step=step, description=label,
                                     style=LABEL, layout=WIDE)  # fmt: skip

        self._bins = {
            bins: widgets.ToggleButton(description=str(bins), layout=widgets.Layout(width="36px"))
            for bins in sorted({*BINS, *self.design.bins, *self.pinned.bins})
        }
        self._merges = {
            stride: widgets.ToggleButtons(options=STYLES, style={"button_width": "66px"}) for stride in (8, 4, 2)
        }
        self._sides = [widgets.BoundedIntText(min=1, max=8192, layout=widgets.Layout(width="84px")) for _ in range(2)]
        toggles = widgets.HBox(list(self._bins.values()), layout=widgets.Layout(width="222px"))
        toggles.add_class("mosaic-bins")
        bins, size = _labelled("Pyramid bins", toggles), _labelled("Height x width", *self._sides)
        named = {title: name for name, title in designs.BACKBONES.items()}
        self.knobs = {
            "backbone": widgets.Dropdown(options=named, description="Backbone", style=LABEL, layout=WIDE),
            "m": slider("m", 32, 1024, 8, "m, endpoint"),
            "f": slider("f", 4, 256, 4, "f, encoder filters"),
            "d": slider("d", 4, 256, 4, "D, decoder filters"),
            "bins": bins,
            "skips": widgets.VBox([_labelled(f"Merge at {stride}", knob) for stride, knob in self._merges.items()]),
            "group_convolution": widgets.Checkbox(description="Group convolution", style=LABEL, layout=WIDE),
            "kernels": widgets.Dropdown(
                options=[
                    (" and ".join(f"{side}x{side}" for side in kernels), kernels)
                    for kernels in sorted({*KERNELS, self.design.kernels, self.pinned.kernels})
                ],
                description="Kernels",
                style=LABEL,
                layout=WIDE,
            ),
            "shared_levels": widgets.Checkbox(description="Levels share weights", style=LABEL, layout=WIDE),
            "classes": widgets.BoundedIntText(
                min=2, max=1000, description="Classes", style=LABEL, layout=widgets.Layout(width="206px")
            ),
            "input_size": size,
        }
        parts = {"bins": self._bins.values(), "skips": self._merges.values(), "input_size": self._sides}
        for name, knob in self.knobs.items():
            for part in parts.get(name, (knob,)):
                part.observe(lambda _, name=name: self._turn(name), "value")

    def _read_knobs(self):
        plain = {name: self.knobs[name].value for name in PLAIN}
        return Design(
            **plain,
            bins=tuple(bins for bins, toggle in self._bins.items() if toggle.value),
            skips=", ".join(f"{stride}-{knob.value}" for stride, knob in self._merges.items() if knob.value),
            input_size=tuple(side.value for side in self._sides),
        )

    def _set_knobs(self, design):
        with self._quietly():
            for name in PLAIN:
                self.knobs[name].value = getattr(design, name)
            for bins, toggle in self._bins.items():
                toggle.value = bins in design.bins
            styles = dict(part.split("-") for part in design.skips.split(", ") if part)
            for stride, knob in self._merges.items():
                knob.value = styles.get(str(stride))
            for side, knob in zip(design.input_size, self._sides, strict=True):
                knob.value = side

    @contextmanager
    def _quietly(self):
        self._setting = True
        try:
            yield
        finally:
            self._setting = False

    # === What happens ===

    def _turn(self, name):
        if not self._setting:
            self._turned = name
            self._latest.request()

    def _take_row(self, change):
        if change["new"] is not None:
            self._show(change["new"])
            self.start.value = None

    def _show(self, design):
        self._set_knobs(design)
        self._turned = "backbone"
        self._latest.request()

    def _pin(self):
        self.pinned = self.design
        self._render(designs.built(self.design))

    def _update(self):
        """Shows what the knobs say, or beside the knob that was turned last why it cannot be."""
        said = dict.fromkeys(self._says, "")
        try:
            built = designs.built(self._read_knobs())
        except ValueError as error:
            said[self._turned] = problem(f"{error} Shown is the last design that could be built.")
        else:
            self.design = built.design
            self._render(built)
        for name, text in said.items():
            self._says[name].value = text

    def _render(self, built):
        pinned = designs.built(self.pinned)
        self.knobs["m"].disabled = built.design.backbone != "mnmh"
        self.numbers.value = design_view.numbers(built, pinned)
        self.bars.value = design_view.bars(built, pinned)
        self.nearest.value = design_view.nearest(built.design)
        self.drawings.value = design_view.drawings(built)
        self.show_code()

    @property
    def code(self):
        return self.design.code(self.pinned)

    @property
    def commands(self):
        return {"To train it": self.design.training()}

    def static(self):
        built, pinned = designs.built(self.design), designs.built(self.pinned)
        tables = (design_view.numbers(built, pinned), design_view.bars(built, pinned), design_view.nearest(self.design))
        return "".join(tables) + design_view.static_drawings(built)


def _labelled(text, *parts):
    """A row of widgets with a label that lines up with those of single knobs."""
    label = widgets.Label(text, layout=widgets.Layout(width="126px", justify_content="flex-end"))
    return widgets.HBox([label, *parts])
