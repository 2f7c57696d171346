"""A drawing tells of the network that was built: its groups, the tensors between them, and no label on another."""

from functools import cache
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from mosaicbook.paper import trade_offs
from mosaicbook.show import latency_plots, plots
from mosaicbook.show.networks import funnels, graphs, layered
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.graph import without_values

SIZE, CLASSES = (272, 561), 7  # maps of 17x36 at stride 16, which no number of bins divides
PARTS = {"mosaic.encoder": 3, "mosaic.encoder.level": 4, "mosaic.decoder": 3, "mosaic.decoder.merge": 4}
MERGES = {
    "mnmh480-mosaic": [(8, "concat"), (4, "sum")],
    "mnmh480-mosaic-skip4s": [(4, "sum")],
    "mnmh480-mosaic-skip8c.4c": [(8, "concat"), (4, "concat")],
}
TAPS = {8: ("mnmh.block6", 192), 4: ("mnmh.block2", 64)}  # Table 1
MAPS = {16: (17, 36), 8: (34, 71), 4: (68, 141)}  # every stride rounds up


@cache
def network(name, size=SIZE):
    with without_values():
        return models.build(catalogue.get(name), size, CLASSES)


def told(graph):
    return {(edge.source, edge.target): edge.shape for edge in graph.edges}


@pytest.mark.parametrize("name", MERGES)
def test_the_decoder_is_what_the_spec_says(name):
    graph = graphs.within(graphs.read(network(name), PARTS), "mosaic.decoder")
    expected, before, channels, stride = {}, "mosaic.encoder.projection", 2 * 32, 16
    for to, style in MERGES[name]:
        merge, (tap, width) = f"mosaic.decoder.merge{to}", TAPS[to]
        if style == "sum":
            if channels != CLASSES:
                expected[before, f"{merge}.low"] = (*MAPS[stride], channels)
                before = f"{merge}.low"
            expected[tap, f"{merge}.high"] = (*MAPS[to], width)
            expected[before, f"{merge}.resize"] = (*MAPS[stride], CLASSES)
            for side in ("high", "resize"):
                expected[f"{merge}.{side}", f"{merge}.add"] = (*MAPS[to], CLASSES)
            before = f"{merge}.add"
        else:
            expected[before, f"{merge}.resize"] = (*MAPS[stride], channels)
            expected[f"{merge}.resize", f"{merge}.concat"] = (*MAPS[to], channels)
            expected[tap, f"{merge}.concat"] = (*MAPS[to], width)
            expected[f"{merge}.concat", f"{merge}.fuse"] = (*MAPS[to], channels + width)
            expected[f"{merge}.fuse", f"{merge}.depthwise"] = (*MAPS[to], 64)
            expected[f"{merge}.depthwise", f"{merge}.project"] = (*MAPS[to], 64)
            before = f"{merge}.project"
        channels, stride = CLASSES, to
    if MERGES[name][-1][1] == "concat":
        expected[before, "mosaic.decoder.classifier"] = (*MAPS[stride], CLASSES)
        before = "mosaic.decoder.classifier"
    expected[before, "output"] = (*MAPS[stride], CLASSES)
    assert told(graph) == expected
    assert list(graph.groups)[-1] == "output"


@pytest.mark.parametrize(("name", "bins"), [("mnmh480-mosaic", (4, 8, 16)), ("mnmh480-mosaic-bins1.4", (4,))])
def test_the_encoder_has_a_branch_per_level_and_two_groups_in_each(name, bins):
    graph = graphs.within(graphs.read(network(name), PARTS), "mosaic.encoder")
    edges, at_16 = told(graph), MAPS[16]
    pooled = {4: (4, 8), 8: (8, 17), 16: (16, 34)}  # square windows: round(b * 36 / 17) bins across
    for level in bins:
        place = f"mosaic.encoder.level{level}"
        assert edges["mnmh.endpoint", f"{place}.pool"] == (*at_16, 480)
        for kernel in ("3x3", "5x5"):
            height, width, channels = edges[f"{place}.pool", f"{place}.group{kernel}"]
            assert (height, channels) == (pooled[level][0], 240) and abs(width - pooled[level][1]) <= 1
            assert graphs.operations(graph, f"{place}.group{kernel}") == [
                f"depthwise {kernel.replace('x', '×')}", "1×1",
            ]  # fmt: skip
        assert edges[f"{place}.resize", "mosaic.encoder.concat"] == (*at_16, 64)
    both = [e for e in graph.edges if e.source == f"mosaic.encoder.level{bins[0]}.pool"]
    assert sorted(e.tensor for e in both) == [0, 1], "each group reads its own half of the channels"
    total = 480 + 64 * len(bins) + (32 if "bins1" in name else 0)
    assert edges["mosaic.encoder.concat", "mosaic.encoder.projection"] == (*at_16, total)
    assert ("mosaic.encoder.global", "mosaic.encoder.concat") in edges or "bins1" not in name


def test_the_three_types_differ_in_their_lateral_links():
    def links(name, size=SIZE):
        graph = graphs.stages(graphs.read(network(name, size), graphs.WHOLE))
        return [(graphs.size(graph, edge.source), edge.shape[-1]) for edge in graphs.lateral(graph)]

    sides = [(64 // 2**n, 96 // 2**n) for n in range(4)]
    assert sorted(links("segnet", (64, 96)), reverse=True) == list(zip(sides, (64, 128, 256, 512), strict=True))
    assert links("mnv2-dlv3plus") == [(MAPS[4], 144)]
    assert sorted(links("mnmh480-mosaic")) == [(MAPS[8], 192), (MAPS[4], 64)]


def test_a_network_without_the_part_is_refused():
    with pytest.raises(ValueError, match="no layers called 'mosaic"):
        graphs.within(graphs.read(network("enet", (64, 96))), "mosaic")


def _pairs_of_overlapping_texts(figure):
    figure.draw_without_rendering()
    shown = [text for axes in figure.axes for text in axes.texts]
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in shown]
    return [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]


@pytest.mark.parametrize("name", ["mnmh480-mosaic", "mnmh480-mosaic-bins1.4.8.16", "mnmh480-mosaic-skip8c.4s.2s"])
@pytest.mark.parametrize("focus", ["mosaic.encoder", "mosaic.decoder"])
def test_no_label_lies_on_another_and_thick_lines_are_deep(name, focus):
    model = network(name, (1024, 2048))
    parts = {key: value for key, value in PARTS.items() if key.startswith(focus)}
    graph = graphs.within(graphs.read(model, parts), focus)
    figure = layered.layered(graph, focus)
    assert not _pairs_of_overlapping_texts(figure)
    inside = figure.bbox.padded(1)
    texts = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(inside.contains(*corner) for box in texts for corner in (box.min, box.max))
    deep, shallow = (pick(graph.edges, key=lambda e: e.shape[-1]) for pick in (max, min))
    assert layered.thickness(deep, graph) > 2 * layered.thickness(shallow, graph)
    plt.close(figure)


@pytest.mark.parametrize("name", ["segnet", "mnv2-dlv3plus", "mnmh480-mosaic-noskip", "mnv3small-mdl"])
def test_whole_networks_can_be_drawn(name):
    figure = funnels.funnel(graphs.stages(graphs.read(network(name, (256, 512)), graphs.WHOLE)))
    assert not _pairs_of_overlapping_texts(figure)
    plt.close(figure)


def test_points_that_lie_close_keep_their_names_apart():
    points = [
        {
            "label": f"network {n}",
            "device": "cpu",
            "latency_ms": 100 + 6 * n,
            "miou_percent": 70 + 3 * n,
            "kind": "other",
        }
        for n in range(4)
    ]
    figure = plots.trade_off(points, "test", trade_offs.PLATFORMS)
    assert [text.get_text() for text in figure.axes[0].texts] != [] and not _pairs_of_overlapping_texts(figure)
    plt.close(figure)


def test_many_networks_lose_names_before_names_lie_on_each_other():
    generator = np.random.default_rng(1)
    names = [f"network-of-number-{n}" for n in range(40)]
    points = [{"network": n, "madds_b": c, "ms": 20 * c * generator.lognormal(0, 0.3)}
              for n, c in zip(names, generator.lognormal(0, 0.4, 40), strict=True)]  # fmt: skip
    points.append({"network": "far", "madds_b": 1.0, "ms": 2000.0})
    figure = latency_plots.madds_against_ms(points)
    written = {text.get_text() for text in figure.axes[0].texts}
    assert "far" in written and 8 <= len(written) < 40 and not _pairs_of_overlapping_texts(figure)
    plt.close(figure)
    few = [{"network": f"network-of-length-{n}", "madds_b": c, "ms": ms}
           for n, (c, ms) in enumerate([(0.33, 11.5), (1.16, 35.0), (2.71, 56.7), (5.31, 116.6)])]  # fmt: skip
    figure = latency_plots.madds_against_ms(few)
    axes = figure.axes[0]
    line = axes.transData.transform(axes.lines[-1].get_path().interpolated(500).vertices)
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to the points
    assert len(boxes) == 4 and not any(box.contains(*place) for box in boxes for place in line)
    plt.close(figure)


def test_files_timed_in_one_way_share_a_panel():
    line = {"runtime": "ai_edge_litert", "kernels": "xnnpack", "threads": 1, "verdict": "full", "times_ms": [1.0, 2.0]}
    lines = [line | {"file": f"/x/{name}.tflite"} for name in ("a", "b", "both")]
    lines.append(lines[-1] | {"runtime": "compiled_model", "kernels": "gpu", "software": True})
    figure = latency_plots.boxes(lines)
    shared, own = figure.axes
    assert [label.get_text() for label in shared.get_yticklabels()] == ["a", "b"] and own.get_title("left") == "both"
    assert "compiled_model, a GPU in software" in {label.get_text() for label in own.get_yticklabels()}
    plt.close(figure)
