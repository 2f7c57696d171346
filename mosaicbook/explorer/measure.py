"""The panel "Measure": the shown network, or a file, timed on this machine by `latency.host`, with a way to stop."""

import tempfile
import threading
import time
from pathlib import Path

import ipywidgets as widgets

from mosaicbook.explorer import networks, predicted
from mosaicbook.explorer.designs import PAPER, Design
from mosaicbook.explorer.panel import Panel, problem
from mosaicbook.show import tables
from mosaicbook.show.timings import timings
from mosaiclib import export, inference, models
from mosaiclib.data import fetch
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.latency import bench_log, host, measurement
from mosaiclib.latency.host.worker import RUNTIMES

LABEL = {"description_width": "118px"}
KERNELS = {"xnnpack": "XNNPACK", "builtin": "built-in kernels", "reference": "reference kernels"}
KERNELS_FIRST = ("xnnpack",)
PRECISIONS = ("float32", "float16", "dynamic", "int8")
WARMUP = 2
EXPORT_S, PROCESS_S = 4, 2  # on an idle machine: the export of a network, the start of a benchmark run


def measure(
    what=None, precision="float32", runtimes=None, kernels=KERNELS_FIRST, threads=1, processes=1, runs=3
) -> "MeasurePanel":
    """The panel on a network: `explore.measure(explore.Design(m=448, input_size=(512, 512))).run()`.

    what: a `Design`, the panel that `explore.design` gave (then whatever it shows when the clock starts), a
    weights folder, or a .tflite file; by default the paper's own network. precision: of the export, where it
    is not a file yet. runtimes: by default the first that is installed. kernels: xnnpack, builtin, reference.
    processes: benchmark runs per configuration, each of `runs` inferences and two to warm up. The defaults take
    seconds; ten processes are what a report uses.
    Raises ValueError for a name that is not known.
    """
    there = host.installed_runtimes()
    runtimes = there[:1] if runtimes is None else runtimes
    for names, known in ((runtimes, there), (kernels, KERNELS), ([precision], PRECISIONS)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"Unknown or not installed: '{unknown[0]}'. There are {', '.join(known)}.")
    return MeasurePanel(PAPER if what is None else what, precision, runtimes, kernels, threads, processes, runs)


class MeasurePanel(Panel):
    """measured: [Measurement] of the last bench, as far as it came."""

    def __init__(self, what, precision, runtimes, kernels, threads, processes, runs):
        self.measured, self._cancelled, self._thread = [], threading.Event(), None
        wide = {"style": LABEL, "layout": widgets.Layout(width="400px")}
        short = {"style": LABEL, "layout": widgets.Layout(width="200px")}

        def ticks(names, chosen):
            return {name: widgets.Checkbox(value=name in chosen, description=title, indent=False,
                                           layout=widgets.Layout(width="auto", margin="0 12px 0 0"))
                    for name, title in names.items()}  # fmt: skip

        self._runtimes = ticks({name: name for name in host.installed_runtimes()}, runtimes)
        self._kernels = ticks(KERNELS, kernels)
        self.knobs = {
            "what": widgets.Dropdown(options=_choices(what), value=what, description="What", **wide),
            "precision": widgets.Dropdown(options=PRECISIONS, value=precision, description="Precision", **short),
            "threads": widgets.BoundedIntText(threads, min=1, max=64, description="Threads", **short),
            "processes": widgets.BoundedIntText(processes, min=1, max=100, description="Processes", **short),
            "runs": widgets.BoundedIntText(runs, min=1, max=1000, description="Inferences each", **short),
        }
        self._start = widgets.Button(description="Start", icon="play", button_style="primary")
        self._stop = widgets.Button(description="Cancel", icon="stop", disabled=True)
        self.bar = widgets.IntProgress(max=1, layout=widgets.Layout(width="240px"))
        self.status, self.says, self.table = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._start.on_click(lambda _: self.start())
        self._stop.on_click(lambda _: self.cancel())
        for knob in (*self.knobs.values(), *self._runtimes.values(), *self._kernels.values()):
            knob.observe(lambda _: self._changed(), "value")
        if isinstance(what, Panel):  # it is followed
            what.code_line.observe(lambda _: self._changed(), "value")
        counts = widgets.HBox([self.knobs[name] for name in ("precision", "threads", "processes", "runs")])
        counts.add_class("mosaic-columns")
        super().__init__([
            self.knobs["what"], counts, _row("Runtimes", self._runtimes), _row("Kernels", self._kernels),
            widgets.HBox([self._start, self._stop, self.bar, self.status]), self.says, self.table,
        ])  # fmt: skip
        self.table.value = self._found()
        self._changed()

    def _changed(self):
        self.show_code()
        if not self._start.disabled:
            self._say(self._estimate())

    # === The clock ===

    def start(self):
        """Starts the clock beside the notebook, which stays usable."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self.run, daemon=True)
            self._thread.start()

    def cancel(self):
        """Ends the benchmark run under way; what has been measured stays."""
        self._cancelled.set()
        self._say("Stopping ...")

    def run(self) -> list:
        """Measures and waits for the end; returns [`host.Measurement`]."""
        self._cancelled.clear()
        self._start.disabled, self._stop.disabled, self.says.value = True, False, ""
        self.bar.value, self.measured = 0, []
        self.show_code()  # a panel that is followed may show another design by now
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._say("Exporting the network ...")
                file = self._file(Path(folder))
                log = Path(folder) / "log.jsonl"
                self.measured = host.bench(
                    [file], _ticked(self._runtimes), _ticked(self._kernels), [self.knobs["threads"].value],
                    self.knobs["processes"].value, self.knobs["runs"].value, WARMUP, log=log,
                    progress=lambda turns: self._progress(turns, log), cancelled=self._cancelled.is_set,
                )  # fmt: skip
            self._say("Cancelled: what was measured stays." if self._cancelled.is_set() else "Done.")
        except Exception as error:  # a thread that dies says nothing
            self.says.value = problem(error)
            self._say("")
        finally:
            self._start.disabled, self._stop.disabled = False, True
        self.table.value = self._found()
        return self.measured

    def _progress(self, turns, log):
        turns = list(turns)
        self.bar.max = max(1, len(turns))
        began = time.monotonic()
        for number, turn in enumerate(turns):
            left = number and (time.monotonic() - began) / number * (len(turns) - number)
            remaining = f", about {_seconds(left)} left" if left else ""
            self._say(f"Benchmark run {number + 1} of {len(turns)}{remaining}")
            yield turn
            self.bar.value = number + 1
            self.measured = bench_log.show(log)
            self.table.value = self._found()

    @property
    def _design(self):
        """The design that is timed; None where it is a file."""
        what = self.knobs["what"].value
        return what if isinstance(what, Design) else getattr(what, "design", None)

    def _estimate(self):
        """How long it will take, before it starts; what nothing predicts is known after the first benchmark run."""
        count = len(_ticked(self._runtimes)) * len(_ticked(self._kernels)) * self.knobs["processes"].value
        inferences = self.knobs["runs"].value + WARMUP
        plan = f"{count} benchmark run{'' if count == 1 else 's'} of {inferences} inferences"
        if not count:
            return "Tick a runtime and its kernels."
        each, rates = self._predicted_ms(), predicted.rates()
        if each is None:
            return f"{plan}; how long they take is known after the first."
        total = EXPORT_S + count * (PROCESS_S + inferences * each / 1000)
        return (
            f"About {_seconds(total)}: {plan}, predicted at {each:,.0f} ms each ({rates.machine}, XNNPACK, 1 thread)."
        )

    def _predicted_ms(self):
        rates, precision = predicted.rates(), self.knobs["precision"].value
        if self._design is None or rates is None:
            return None
        try:
            counted = models.cost(self._design.spec, self._design.input_size, self._design.classes)
        except ValueError:
            return None
        return rates.milliseconds(counted, precision if precision in predicted.PRECISIONS else "float32")

    def _file(self, folder):
        """What is timed, as a .tflite file: as it is, or exported to `folder`."""
        what, precision, design = self.knobs["what"].value, self.knobs["precision"].value, self._design
        if design is not None:
            network = models.build(design.spec, design.input_size, design.classes, "classes", batch=1)
            file = folder / f"{design.name}_{'x'.join(map(str, design.input_size))}_{precision}.tflite"
            file.write_bytes(export.to_tflite(network, precision, _calibration(precision, design.input_size)))
            return file
        path = networks.path_of(what)
        if not path.is_dir():
            return path
        size = models.load_card(path).input_size
        return export.export(path, size, folder, [precision], calibration=_calibration(precision, size))[0].path

    # === What is shown ===

    def _say(self, text):
        self.status.value = f'<span class="mosaic-caption" role="status">{text}</span>'

    def _found(self):
        if not self.measured:
            return '<p class="mosaic-caption">Nothing has been measured yet.</p>'
        machine = host.timed_machine()
        caption = f"{self.measured[0].model} on this machine: {machine['cpu']}, {machine['cores']} cores"
        return timings(measurement.as_rows(self.measured), caption, {"note": "note"})._repr_html_()

    @property
    def code(self):
        what, design = self.knobs["what"].value, self._design
        inner = ", ".join(f"{name}={value!r}" for name, value in design.differences(PAPER).items()) if design else ""
        arguments = [f"explore.Design({inner})" if design else repr(str(what))]
        plain = {"precision": "float32", "threads": 1, "processes": 1, "runs": 3}
        arguments += [f"{n}={self.knobs[n].value!r}" for n, default in plain.items() if self.knobs[n].value != default]
        if _ticked(self._runtimes) != list(self._runtimes)[:1]:
            arguments.append(f"runtimes={_ticked(self._runtimes)!r}")
        if _ticked(self._kernels) != list(KERNELS_FIRST):
            arguments.append(f"kernels={tuple(_ticked(self._kernels))!r}")
        return f"explore.measure({', '.join(arguments)})"

    def static(self):
        rows = [
            {"runtime": name, "installed here": name in self._runtimes,
             "would be timed": name in _ticked(self._runtimes)}
            for name in RUNTIMES
        ]  # fmt: skip
        return tables.table(rows, "Runtimes for TFLite graphs")._repr_html_() + self._found()


def _choices(what):
    """[(title, value)]: what was asked for, the paper's network, the released graph, exported files."""
    title = "The design shown above" if isinstance(what, Panel) else getattr(what, "name", None) or str(what)
    found = {title: what}
    if what != PAPER:
        found[f"{PAPER.name}, {PAPER.input_size[0]}x{PAPER.input_size[1]}"] = PAPER
    released = fetch.find(fetch.R4)
    files = {title: path for title, path in networks.here().items() if path.endswith(".tflite")}
    files = {title: path for title, path in files.items() if path not in fetch.FILES}
    if released and str(released) not in files.values():
        files[released.name] = str(released)
    return [*found.items(), *((title, path) for title, path in files.items() if path != what)]


def _calibration(precision, size):
    if precision != "int8":
        return ()
    return [inference.letterbox(free.read(), size)[0] for free in FREE_PICTURES]


def _seconds(value):
    return f"{value:.0f} s" if value < 100 else f"{value / 60:.0f} min"


def _ticked(boxes):
    return [name for name, box in boxes.items() if box.value]


def _row(title, boxes):
    label = widgets.Label(title, layout=widgets.Layout(width="126px", justify_content="flex-end"))
    row = widgets.HBox([label, *boxes.values()], layout=widgets.Layout(flex_flow="row wrap"))
    row.add_class("mosaic-row")
    return row
