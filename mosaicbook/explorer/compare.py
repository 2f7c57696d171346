"""The panel "Compare": runs as a table and as points beside the paper's; one run opened, or two side by side."""

from html import escape

import ipywidgets as widgets
from matplotlib import pyplot

from mosaicbook.explorer import compare_view, run_list
from mosaicbook.explorer.panel import Panel
from mosaicbook.explorer.picker import Picker
from mosaicbook.explorer.run_list import SCORED
from mosaicbook.show import figures, plots

LABEL = {"description_width": "92px"}
ALONE = "no other run"
MARKS = (
    "Diamonds: the paper's networks with MOSAIC's head; rings: its others; stars: runs from here, on their own data."
)
HINT = f"{MARKS} Point at one for its name; a click on a star opens its run."


def compare(profile=None, axis="madds", dataset=None, run=None, other="") -> "ComparePanel":
    """The panel on the runs of a profile: `explore.compare("quick", axis="latency")`.

    profile: a folder of reports/, "published/camvid" too; by default the first with runs. axis: madds or
    latency. dataset: whose rows of the paper are drawn behind, cityscapes or ade20k_top31. run: the one that
    is open, as "evaluate/minicity"; by default the first evaluation. other: the evaluation beside it, whose mIoU is
    subtracted; by default none. Raises ValueError for one that is not there.
    """
    there = run_list.profiles()
    if profile is not None and profile not in there:
        there = [*there, profile]  # it may have runs later; until then it is empty
    for value, known in ((axis, run_list.AXES), (dataset, [None, *run_list.PAPER])):
        if value not in known:
            raise ValueError(f"Unknown '{value}': choose one of {', '.join(filter(None, known))}.")
    panel = ComparePanel(there, profile or next(iter(there), None), axis, dataset or "cityscapes")
    if run is not None:
        panel.show_run(f"{panel.profile}/{run}")
    if other and other not in dict(panel.knobs["other"].options).values():
        raise ValueError(f"There is no evaluation '{other}' among those shown.")
    panel.knobs["other"].value = other
    return panel


class ComparePanel(Panel):
    """rows: the runs shown. opened: the `results.Row` whose page is open, or None."""

    def __init__(self, profiles, profile, axis, dataset):
        wide = widgets.Layout(width="320px")
        axes = {title: name for name, title in run_list.AXES.items()}
        behind = {run_list.TITLES[name]: name for name in run_list.PAPER}
        self.knobs = {
            "profile": widgets.Dropdown(
                options=profiles, value=profile, description="Runs of", style=LABEL, layout=wide
            ),
            "axis": widgets.Dropdown(options=axes, value=axis, description="mIoU against", style=LABEL, layout=wide),
            "dataset": widgets.Dropdown(
                options=behind, value=dataset, description="Paper's on", style=LABEL, layout=wide
            ),
            "other": widgets.Dropdown(options=[(ALONE, "")], description="Compare with", style=LABEL, layout=wide),
        }
        again = widgets.Button(description="Look again", icon="refresh", tooltip="Read the runs that have come since")
        again.on_click(lambda _: self._read())
        self.table, self.points, self.page = Picker(), Picker(hint=HINT), widgets.HTML()
        for picker in (self.table, self.points):
            picker.observe(lambda change: change["new"] and self.show_run(change["new"]), "picked")
        self.knobs["profile"].observe(lambda _: self._read(), "value")
        for name in ("axis", "dataset"):
            self.knobs[name].observe(lambda _: self._draw(), "value")
        self.knobs["other"].observe(lambda _: self._show_page(), "value")
        top = widgets.HBox([*(self.knobs[name] for name in ("profile", "axis", "dataset")), again])
        top.add_class("mosaic-columns")
        super().__init__([top, self.table, self.points, self.knobs["other"], self.page])
        self._read()

    @property
    def profile(self):
        """The profile whose runs are shown, or None."""
        return self.knobs["profile"].value

    def show_run(self, key):
        """Opens the page of a run, by its key "profile/stage/row". Raises ValueError where there is none."""
        found = [row for row in self.rows if row.key == key]
        if not found:
            raise ValueError(f"There is no run '{key}' among those shown.")
        self.opened = found[0]
        for picker in (self.table, self.points):
            picker.picked = key
        self._show_page()

    @property
    def other(self):
        """The row that the open one is compared with, or None."""
        return next((row for row in self.rows if row.record.run_id == self.knobs["other"].value), None)

    def _show_page(self):
        self.page.value = self._page(_live_figure) if self.opened else ""
        self.show_code()

    def _page(self, draw):
        beside = compare_view.side_by_side(self.opened, self.other) if self.other else ""
        return beside + compare_view.page(self.opened, draw)

    def _read(self):
        self.rows = run_list.rows(self.profile) if self.profile else []
        self.opened, self.page.value = None, ""
        self.table.picked, self.points.picked = "", ""
        self.table.html = compare_view.table(self.rows)
        scored = [row.record.run_id for row in self.rows if row.miou_percent is not None and row.record.stage in SCORED]
        self.knobs["other"].options = [(ALONE, ""), *((run_id, run_id) for run_id in scored)]
        self._draw()
        with_page = [row for row in self.rows if row.record.stage in SCORED and row.record.raw] or self.rows
        if with_page:
            self.show_run(with_page[0].key)
        self.show_code()

    def _points(self):
        return run_list.points(self.rows, self.knobs["axis"].value, self.knobs["dataset"].value)

    def _draw(self):
        points = self._points()
        self.points.point_keys = [point["pick"] for point in points]
        self.points.labels = [_told(point, self.knobs["axis"].value) for point in points]
        self.points.html = figures.svg(plots.scatter(points, run_list.AXES[self.knobs["axis"].value]))
        self.show_code()

    @property
    def code(self):
        knobs = {name: knob.value for name, knob in self.knobs.items()}
        arguments = [repr(knobs["profile"])] if knobs["profile"] else []
        arguments += [f"axis={knobs['axis']!r}"] if knobs["axis"] != "madds" else []
        arguments += [f"dataset={knobs['dataset']!r}"] if knobs["dataset"] != "cityscapes" else []
        arguments += [f"run={self.opened.record.run_id!r}"] if self.opened else []
        arguments += [f"other={knobs['other']!r}"] if knobs["other"] else []
        return f"explore.compare({', '.join(arguments)})"

    def static(self):
        points, axis = self._points(), self.knobs["axis"].value
        drawn = figures.figure(
            plots.scatter(points, run_list.AXES[axis]),
            f"mIoU against {run_list.AXES[axis]}: {len(points)} points, "
            f"{sum(point['kind'] == 'ours' for point in points)} of them of runs from here",
            MARKS,
        )
        page = self._page(_static_figure) if self.opened else ""
        return compare_view.table(self.rows) + drawn._repr_html_() + page


def _told(point, axis):
    unit = "B MAdds" if axis == "madds" else "ms"
    return f"{point['label']}: {point['miou_percent']:.2f} % mIoU, {point['x']:.4g} {unit}"


def _live_figure(figure, alt):
    drawn = figures.svg(figure).replace("<svg ", "<svg aria-hidden=true ", 1)
    pyplot.close(figure)
    return f'<figure role="img" aria-label="{escape(alt, quote=True)}" class="mosaic-plot">{drawn}</figure>'


def _static_figure(figure, alt):
    return figures.figure(figure, alt)._repr_html_()
