"""Pages beyond the paper: the class browser, ablated merges, costs by stage, and what is found of edges."""

import re

import keras
import numpy as np
import pytest

from mosaicbook import paper
from mosaicbook.beyond import confusion_browser, edges, int8_losses, stage_costs
from mosaicbook.site.allow_list import clean, parse
from mosaiclib.evaluation import ablation
from mosaiclib.models import catalogue
from mosaiclib.models.heads import mosaic

EVIL = '<script>alert("1")</script>'


def test_measures_of_classes_are_those_of_their_pixels():
    generator = np.random.default_rng(5)
    truth, found = generator.integers(0, 3, 500), generator.integers(0, 3, 500)
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (truth, found), 1)
    rows = confusion_browser.measures(counts, ["a", "b", "c", "absent"])
    for i, row in enumerate(rows[:3]):
        is_, said = truth == i, found == i
        assert row["iou"] == pytest.approx((is_ & said).sum() / (is_ | said).sum())
        assert row["recall"] == pytest.approx(said[is_].mean()) and row["precision"] == pytest.approx(is_[said].mean())
        assert row["share"] == pytest.approx(is_.mean())
        assert dict(row["found_as"]) == pytest.approx({j: (found[is_] == j).mean() for j in range(3) if j != i})
        assert dict(row["mistaken"]) == pytest.approx({j: (truth[said] == j).mean() for j in range(3) if j != i})
    assert [rows[3][key] for key in ("iou", "recall", "precision")] == [None] * 3 and rows[3]["found_as"] == []
    worst = confusion_browser.worst_confusions(counts, "abcd", most=1)[0]
    assert worst["pixels"] == (counts - np.diag(np.diag(counts))).max()


def test_the_browser_leads_from_every_heading_to_a_card_and_survives_cleaning():
    counts = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    names = [EVIL, "road & sky", "absent"]
    page = parse(
        confusion_browser.heat_map(counts, names, "e0", EVIL).data
        + confusion_browser.cards(counts, names, [(1, 2, 3)] * 3, "e0").data
    )
    clean(page)
    ids = [element["id"] for element in page.find_all(id=True)]
    links = [link["href"] for link in page.find_all("a")]
    assert len(ids) == len(set(ids)) and all(link.removeprefix("#") in ids for link in links)
    assert {f"#e0-class-{i}" for i in range(3)} <= set(links) and not page.find_all("script")
    cell = page.find("td", class_="miss")
    assert cell.get_text() == "20" and re.fullmatch(r"--share:\d+%", cell["style"])


def test_a_silenced_merge_no_longer_sees_its_skip():
    head = catalogue.get("mnmh480-mosaic").head
    taps = {stride: keras.Input((64 // stride, 64 // stride, 6 + stride)) for stride in (4, 8)}
    low = keras.Input((4, 4, 16))
    logits = mosaic.hybrid_decoder(low, taps, head, 5, "half_pixel", "mosaic.decoder")
    model = keras.Model([low, *taps.values()], logits)
    generator = np.random.default_rng(0)
    for variable in model.weights:  # so that no ReLU hides a skip
        variable.assign(generator.uniform(0.1, 1, variable.shape))

    def moves(position):
        inputs = [generator.random((1, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]
        before = model.predict_on_batch(inputs)
        inputs[position] = inputs[position] + 1
        return not np.allclose(before, model.predict_on_batch(inputs))

    assert [moves(0), moves(1), moves(2)] == [True, True, True]  # low, skip 4, skip 8
    ablation.silence(model, head.merges[0])
    assert [moves(0), moves(1), moves(2)] == [True, True, False]
    ablation.silence(model, head.merges[1])
    assert [moves(0), moves(1), moves(2)] == [True, False, False]


def test_variants_and_their_names():
    spec = catalogue.get("mnmh480-mosaic")
    assert [ablation.name(spec, left_out) for left_out in ablation.variants(spec)] == [
        "all skips", "without 8-C", "without 4-S", "without any",
    ]  # fmt: skip
    assert not ablation.can("mnmh480-mosaic-noskip") and not ablation.can("enet") and not ablation.can("mine")
    with pytest.raises(ValueError, match="no MOSAIC head"):
        ablation.strides(catalogue.get("enet"))


def test_stages_add_up_and_stand_in_their_part():
    record = next(record for record in paper.records(2) if record.spec == "mnmh480-mosaic")
    found = stage_costs.cost(record)
    assert sum(found["parts"].values()) == pytest.approx(found["madds_b"])
    # Counted apart, by hand on the layers of the official code: context encoder and decoder at 1024x2048.
    macs = {part: sum(s["conv_macs_b"] for s in found["stages"] if s["part"] == part) for part in stage_costs.PARTS}
    assert macs["context"] == pytest.approx(0.3681, abs=5e-5) and macs["decoder"] == pytest.approx(0.7550, abs=5e-5)
    at = {stage["stage"]: stage["part"] for stage in found["stages"]}
    assert (at["mnmh.stem"], at["mnmh.block2"], at["mnmh.block6"], at["mnmh.block16"]) == (
        "stride 2", "stride 4", "stride 8", "stride 16",
    )  # fmt: skip


def test_time_that_multiply_adds_do_not_tell():
    latency = {
        "latency/host": {"op_profiles_ms": {"a": {"convolution": 3.0, "resize": 1.0}, "b": {"argmax": 8.0}}},
        "latency/old": {},
    }
    assert [(r["file"], r["ms"], r["uncounted"]) for r in stage_costs.milliseconds(latency)] == [
        ("b", 8.0, 1.0), ("a", 4.0, 0.25),
    ]  # fmt: skip


def decoder(skips, miou, boundary, seed=0):
    spec = catalogue.mosaic(m=448, skips=skips)
    return {"model": spec.name, "spec": spec.to_json(), "label": skips, "data": "d val", "seed": seed, "miou": miou,
            "boundary": {"0.005": boundary}}  # fmt: skip


def test_the_claim_on_edges_needs_decoders_that_were_trained():
    variants = [{"miou": 0.5, "boundary": [0.4]}, {"miou": 0.4, "boundary": [0.1]}]
    (untested,) = edges.findings(variants, [], [0.005])
    assert untested.verdict == untested.elsewhere == "not tested"
    assert "20 % of its mIoU and 75 % of boundary IoU at 0.5 %" in untested.sentence
    assert "more than its regions" in untested.sentence
    blind = [{"miou": 0.1, "boundary": [0.0]}, {"miou": 0.1, "boundary": [0.0]}]
    assert "no edge at all" in edges.findings(blind, [], [0.005])[0].sentence
    both = [decoder("", 0.1, 0.0), decoder("8-C, 4-S", 0.5, 0.3)]
    assert edges.findings([], both, [0.005])[0].elsewhere == "not tested"


def test_edges_gain_more_than_regions_only_where_seeds_say_so():
    def verdict(boundary, seeds=3):
        rows = [decoder("", 0.5, 0.2 + 0.002 * seed**2, seed) for seed in range(seeds)]
        rows += [decoder("8-C, 4-S", 0.55, boundary + 0.002 * seed, seed) for seed in range(seeds)]
        return edges.findings([], rows, [0.005])[0].elsewhere

    assert [verdict(0.3), verdict(0.2), verdict(0.222)] == ["yes", "no", "undecided"]
    assert verdict(0.3, seeds=1) == "undecided"


def test_what_rounding_costs_stands_with_the_greatest_loss_first():
    file = {"precision": "int8", "miou": 0.5, "per_class_iou": {"a": 0.5, "b": 0.2, "c": None}}
    result = {"keras_miou": 0.6, "keras_per_class_iou": {"a": 0.55, "b": 0.5, "c": None}, "files": [file]}
    assert [r["class"] for r in int8_losses.rows(result, "int8")] == ["b", "a"]
    assert "10.00 points of mIoU" in int8_losses.sentence(result, "int8") and "by b, 30.00" in int8_losses.sentence(
        result, "int8"
    )
    assert int8_losses.has(result, "int8") and not int8_losses.has(result, "float16")
