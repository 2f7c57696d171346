"""The explorer's panels without a browser: their numbers, their words, and how patient they are."""

import asyncio
import html
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import explored
import keras
import numpy as np
import pytest
from keras import layers

from mosaicbook import explorer
from mosaicbook.beyond import search_space
from mosaicbook.explorer import designs, panel, predicted
from mosaicbook.explorer.designs import Design
from mosaicbook.runs.provenance import ROOT
from mosaiclib import models
from mosaiclib.latency import layer_rates
from mosaiclib.models import catalogue
from mosaiclib.models.counting import peak_activations

SMALL = {"input_size": (256, 320), "bins": (2, 4), "classes": 5}


def test_a_design_of_every_row_of_the_paper_is_its_network():
    for row, design in designs.paper_designs():
        network, given = design.spec, catalogue.get(row.spec)
        assert (network.backbone, network.head, network.endpoint_filters) == (
            given.backbone, given.head, given.endpoint_filters,
        )  # fmt: skip
        nearest, _ = designs.nearest(design, 1)[0]
        assert (nearest.spec, nearest.dataset) == (row.spec, row.dataset)
        assert eval(design.code(), {"explore": type("E", (), {"design": Design})}) == design


def test_every_head_that_a_search_can_propose_opens_as_a_design():
    """The line of Python gives the very head again, kernels included, and the panel shows it."""
    generator = np.random.default_rng(5)
    trial = SimpleNamespace(
        number=5,
        suggest_int=lambda name, low, high, step: int(generator.choice(range(low, high + 1, step))),
        suggest_categorical=lambda name, choices: choices[generator.integers(len(choices))],
    )
    names = {"explore": SimpleNamespace(design=Design)}
    for _ in range(30):
        spec = search_space.suggest(trial, catalogue.get("mnmh448-mosaic"))
        design = designs.of_spec(spec, 11, (360, 480))
        assert eval(design.code(), names) == design and replace(design.spec, name=spec.name) == spec
    spec = replace(spec, head=replace(spec.head, kernels=(3, 7), bins=(2, 4)))
    shown = explorer.design(**designs.of_spec(spec, 5, (256, 320)).differences(designs.PAPER))
    assert shown.knobs["kernels"].value == (3, 7) and "kernels=(3, 7)" in repr(shown)
    cost = models.cost(spec, (256, 320), 5)
    assert f"{cost.tflite_madds / 1e9:.3f} B" in shown.numbers.value
    assert shown._read_knobs() == shown.design


def test_the_panel_shows_the_cost_of_what_its_knobs_say():
    shown = explorer.design(m=448, **SMALL)
    shown.knobs["m"].value = 456
    shown.knobs["skips"].children[2].children[1].value = "S"
    spec = catalogue.mosaic(m=456, bins=(2, 4), skips="8-C, 4-S, 2-S")
    cost = models.cost(spec, (256, 320), 5)
    assert f"{cost.tflite_madds / 1e9:.3f} B" in shown.numbers.value
    assert f"{cost.params:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") in shown.numbers.value
    stages = designs.built(shown.design).stages
    assert sum(madds for madds, _ in stages.values()) == pytest.approx(cost.tflite_madds)
    assert sum(params for _, params in stages.values()) == cost.params
    assert repr(shown) == (
        "explore.design(m=456, bins=(2, 4), skips='8-C, 4-S, 2-S', classes=5, input_size=(256, 320))"
    )


def test_a_design_says_its_milliseconds_and_the_commands_that_show_and_train_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))  # a report made here would give this machine's milliseconds
    predicted.rates.cache_clear()
    shown = explorer.design(m=448, f=64, d=64, classes=11, input_size=(360, 480))
    counted = designs.built(shown.design).cost
    found = predicted.rates()  # of the published report: it timed this network at this size
    for precision, measured in (("float32", 41.85), ("int8", 19.46)):
        assert found.milliseconds(counted, precision) == pytest.approx(measured, rel=0.1)
        assert f"Predicted latency, {precision}" in shown.numbers.value
    assert f"one thread of {found.machine}: float32 and int8 from the time of each kind" in shown.numbers.value
    for design, name in ((shown.design, "mnmh448-mosaic-f64-d64"), (Design(m=456, f=20), None)):
        words = shlex.split(design.training())
        model = words[words.index("model") + 1]
        assert words[:2] == ["papermill", "notebooks/20_train.ipynb"] and model == (name or model)
        assert replace(catalogue.get(model), name=design.name) == design.spec, "the notebook trains this very network"


def test_layers_that_a_search_timed_here_come_before_the_time_of_each_kind(tmp_path, monkeypatch):
    """A machine on which every layer takes 1 ms: a design that a search has seen takes as many ms as it has layers."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    counted = designs.built(Design(**SMALL)).cost
    layers = layer_rates.layers_of(counted)
    timed = layer_rates.LayerRates([layer_rates.Measured(*layer, 1.0) for layer in layers], factor=2.0)
    published = ROOT / "reports/published/camvid/runs/latency/host/result.json"
    results = {"latency/host": json.loads(published.read_text())}
    results["search/r4"] = {"layer_rates": timed.to_json(), "machine": results["latency/host"]["machine"]}
    for age, (run, result) in enumerate(results.items()):  # the search is the older run
        folder = tmp_path / "p/runs" / run
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result))
        os.utime(folder, (1e9 - age, 1e9 - age))
    predicted.rates.cache_clear()
    found = predicted.rates()
    predicted.rates.cache_clear()
    assert found.milliseconds(counted, "float32") == pytest.approx(2.0 * len(layers))
    assert found.basis.endswith("AMD EPYC: float32 from timed layers; int8 from the time of each kind of layer.")


def test_the_line_below_a_panel_runs_as_it_stands_in_a_fresh_python(runs_of_mine):
    """As somebody would paste it, of the live panel and of the one in a report."""
    small = Design(m=32, bins=(2, 4), kernels=(3,), skips="", classes=3, input_size=(64, 64))
    panels = [
        explorer.design(pinned=small, **SMALL),
        explorer.segment("rocket", weights="untrained"),
        explorer.compare("quick", run="evaluate/minicity", other="evaluate/other"),
        explorer.measure(small),
    ]
    lines = [html.unescape(re.findall("<code>(.*?)</code>", one.code_line.value)[0]) for one in panels]
    for one, line in zip(panels, lines, strict=True):
        assert line in html.unescape(one._repr_mimebundle_()["text/html"])
    typed = "".join(f"{line}\n" for line in lines)
    fresh = subprocess.run([sys.executable, "-i", "-q"], input=typed, capture_output=True, text=True, check=True)
    assert fresh.stdout.splitlines() == [one.code for one in panels], fresh.stderr


def test_an_impossible_design_says_why_at_its_knob_and_keeps_the_last_one():
    shown = explorer.design(**SMALL)
    before = shown.numbers.value
    shown.knobs["bins"].children[1].children[-1].value = True  # 32 bins on a map of 16x20
    assert "pyramid level of 32 bins" in shown._says["bins"].value and shown.numbers.value == before
    assert not shown._says["m"].value
    shown.knobs["bins"].children[1].children[-1].value = False
    assert not shown._says["bins"].value
    for wrong, sentence in (
        ({"m": 481}, "a multiple of 2 endpoint filters"),
        ({"bins": ()}, "at least one pyramid level"),
        ({"f": 0}, "encoder_filters"),
        ({"colour": 1}, "no knob 'colour'"),
        ({"model": "enet"}, "no knob turns"),
    ):
        with pytest.raises(ValueError, match=sentence):
            explorer.design(**wrong)


def test_a_burst_of_requests_is_answered_once_after_the_last():
    done = []

    async def burst():
        state = []
        latest = panel.Latest(lambda: done.append(len(state)))
        for number in range(10):
            state.append(number)
            latest.request()
            await asyncio.sleep(0)
        await asyncio.sleep(3 * panel.PATIENCE_S)

    asyncio.run(burst())
    assert done == [10]


def test_activations_at_once_are_those_of_the_fullest_call():
    image = keras.Input((8, 6, 3))
    left = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 1)(image)))  # 192, in one place
    right = layers.Conv2D(5, 1, strides=2, padding="same")(image)  # 60
    up = layers.UpSampling2D(2)(right)  # 240
    joined = layers.Concatenate()([left, up])  # 432
    network = keras.Model(image, layers.Conv2D(1, 1)(joined))
    # At the concatenation its inputs and its output are there; the image (144) has gone.
    assert peak_activations(network) == 192 + 240 + 432
    assert peak_activations(keras.Model(image, left)) == 144 + 192
    spec, size = catalogue.mosaic(bins=(2, 4)), (256, 320)
    largest = max(np.prod(layer.output_shape) for layer in models.cost(spec, size, 5).layers)
    assert largest < peak_activations(models.build(spec, size, 5)) < 4 * largest


@pytest.fixture
def runs_of_mine(tmp_path, monkeypatch):
    """Runs to look up, in folders of their own."""
    monkeypatch.delenv("MOSAIC_MIRROR", raising=False)
    for name, value in explored.write(tmp_path).items():
        monkeypatch.setenv(name, value)


def test_a_run_is_looked_up_with_its_classes_and_worst_pictures(runs_of_mine):
    shown = explorer.compare("quick")
    assert repr(shown) == "explore.compare('quick', run='evaluate/minicity')"
    cost = models.cost(catalogue.get(explored.NETWORK), explored.SIZE, 4).tflite_madds / 1e9
    assert f"{cost:.3f}" in shown.table.html and "quick/evaluate/minicity" in shown.points.point_keys
    assert "00001_image, mIoU 25.0 %" in shown.page.value and "outside" not in shown.page.value
    assert "&lt;x&gt;" in shown.page.value and "<x>" not in shown.page.value
    shown.table.picked = "quick/export/minicity"
    assert "The disk was full." in shown.page.value and "run='export/minicity'" in repr(shown)
    with pytest.raises(ValueError, match="no run 'quick/train/other'"):
        explorer.compare("quick", run="train/other")
    assert "no runs here yet" in explorer.compare("nothing").table.html


def test_two_runs_stand_side_by_side_with_the_interval_of_their_difference(runs_of_mine, mosaic):
    shown = explorer.compare("quick", run="evaluate/minicity", other="evaluate/other")
    _, printed, _ = mosaic("compare", "quick/evaluate/minicity", "quick/evaluate/other", "--json")
    found = [100 * json.loads(printed)[name] for name in ("estimate", "lower", "upper")]
    assert (
        found[0] == pytest.approx(59.9359 - 52.0285, abs=1e-3) and found[1] < found[0] < found[2]
    )  # by hand, from the sums
    first, *ends = (f"{value:+.1f}".replace("+0.0", "0.0").replace("-", "\N{MINUS SIGN}") for value in found)
    assert f"<strong>{first}</strong> [{ends[0]}, {ends[1]}] points" in shown.page.value
    assert "of these weights" in shown.page.value and "&lt;b&gt;sky" in shown.page.value
    assert repr(shown) == "explore.compare('quick', run='evaluate/minicity', other='evaluate/other')"
    shown.knobs["other"].value = ""
    assert "minus" not in shown.page.value
    with pytest.raises(ValueError, match="no evaluation 'train/minicity'"):
        explorer.compare("quick", other="train/minicity")


@pytest.mark.parametrize("claim", [{"dataset": "minicity-96x96"}, {"data_root": "elsewhere"}])
def test_a_run_that_is_opened_writes_nothing_whatever_it_says(runs_of_mine, tmp_path, claim):
    """Scenes would be drawn for a data set that is named in its result."""
    path = tmp_path / "reports/quick/runs/evaluate/minicity/result.json"
    if "data_root" in claim:
        claim = {"data_root": str(tmp_path / "elsewhere")}
    path.write_text(json.dumps(json.loads(path.read_text()) | claim))
    before = set(tmp_path.rglob("*"))
    shown = explorer.compare("quick")
    assert "nothing is written to show it" in shown.page.value
    assert set(tmp_path.rglob("*")) == before


def test_a_picture_is_seen_whole_and_a_wrong_one_leaves_the_last(runs_of_mine, tmp_path):
    shown = explorer.segment("rocket", weights="untrained")
    ids, confidence = shown.found[0]
    assert sum(entry["shares"][0] for entry in shown.viewer.legend) == pytest.approx(1, abs=0.02)
    assert (
        ids.shape == confidence.shape == tuple(shown.viewer.one_size) and 0 < confidence.min() <= confidence.max() <= 1
    )
    shown.knobs["path"].value = str(tmp_path / "none.jpg")
    assert "none.jpg does not exist" in shown._says["image"].value
    assert repr(shown) == "explore.segment('rocket', weights='untrained')"
    shown.knobs["other"].value = "untrained"
    assert shown.differs.shape == ids.shape and not shown.differs.any()  # the same network twice


def test_a_panel_never_waits_for_what_has_failed(runs_of_mine, monkeypatch):
    shown = explorer.segment("rocket", weights="untrained")
    whole = shown.status.value

    def fail(*_):
        raise MemoryError("a file wants 2 TB")

    monkeypatch.setattr("mosaicbook.explorer.networks.load", fail)
    shown.knobs["sample"].value = "coffee"
    assert "MemoryError: a file wants 2 TB" in shown._says["image"].value and shown.status.value == whole


def test_a_design_is_timed_and_told(runs_of_mine):
    small = Design(m=32, bins=(2, 4), classes=3, input_size=(64, 64))
    panel_of_it = explorer.measure(small, runtimes=["ai_edge_litert"], kernels=["builtin"], processes=1, runs=1)
    assert re.search(
        r"About \d+ s: 1 benchmark run of 3 inferences, predicted at \d+ ms each", panel_of_it.status.value
    )
    (found,) = panel_of_it.run()
    assert found.n == 1 and found.mean_ms > 0 and found.verdict == "none" and "Done" in panel_of_it.status.value
    assert "none" in panel_of_it.table.value and not panel_of_it.says.value
    with pytest.raises(ValueError, match="Unknown or not installed: 'nonesuch'"):
        explorer.measure(small, runtimes=["nonesuch"])
