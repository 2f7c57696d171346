"""Tables of the paper: what is judged, by which tolerance, on which data; and Table 1 against the built backbone."""

import json

import pytest

from mosaicbook import paper, runs
from mosaicbook.paper import backbone_table, claims, comparison, results_table
from mosaicbook.show import tables


def result(table, values):
    """A table's record in which the mIoU of ours is `values` by network: a number, or (number, data)."""
    rows = []
    for record in paper.records(table):
        ours, data = values.get(record.spec, (None, "")) if isinstance(values.get(record.spec), tuple) else (
            values.get(record.spec), "cityscapes val")  # fmt: skip
        rows.append({"label": record.label, "cells": [comparison.cell(record.miou_percent, ours, "%", data=data)]})
    return comparison.table(["mIoU"], rows)


def verdicts(table, values):
    return [finding.verdict for finding in claims.judge(table, result(table, values)) if finding]


def test_a_claim_is_judged_by_our_numbers_on_one_data_set():
    both = {"xception71-mosaic": 70.0, "xception71-dlv3plus": 69.5}
    assert verdicts(6, both) == ["yes", "not tested"]
    assert verdicts(6, both | {"xception71-dlv3plus": 70.5})[0] == "no"
    assert verdicts(6, both | {"xception71-dlv3plus": (60.0, "minicity val")})[0] == "not tested", "other data"
    assert verdicts(6, {"xception71-mosaic": 70.0})[0] == "not tested"
    gain = {"mnmh448-mosaic-f64-d64": 60.0, "mnv2-dlv3plus": 55.1}
    assert verdicts(7, gain)[0] == "no", "4.9 points are not 5"
    assert verdicts(7, gain | {"mnv2-dlv3plus": 55.0})[0] == "yes"


def test_a_claim_that_is_tested_in_part_says_so_and_names_what_speaks_against_it():
    finding = claims.judge(3, result(3, {"mnmh480-mosaic-f32-d32": 60.0, "mnmh480-mosaic-f32-d16": 61.0}))[0]
    assert finding.verdict == "no" and "0 of 1 comparison " in finding.sentence
    assert (
        "decoder #filter 32, 60, beside" in finding.sentence
        and "1 of 2 comparisons were not tested" in finding.sentence
    )
    assert "In print it holds in 2 of 2" in finding.sentence


@pytest.mark.parametrize("table", claims.CLAIMS)
def test_every_claim_compares_rows_that_the_table_has(table):
    known = {record.spec for record in paper.records(table)}
    for claim in claims.CLAIMS[table]:
        assert claim.pairs and all(name in known for pair in claim.pairs for name in pair)
        assert all(one != other for one, other in claim.pairs)


def test_a_difference_is_marked_by_its_tolerance_and_not_taken_across_data_sets():
    cells = [
        comparison.cell(60.0, 60.5, tolerance=0.5),
        comparison.cell(60.0, 60.6, tolerance=0.5),
        comparison.cell(60.0, 90.0, tolerance=0.5, other_data=True),
    ]
    assert [cell["within"] for cell in cells] == [True, False, None]
    assert [cell["difference"] for cell in cells] == [0.5, 0.6, None]
    html = tables.measured_table([{"label": "r", "cells": cells}], list("abc"), "t", {"a": "half a <point>"}).data
    assert html.count('aria-label="within tolerance"') == 2 and html.count('aria-label="beyond tolerance"') == 2
    assert "other data" in html and "half a &lt;point&gt;" in html


def test_what_ran_fills_its_row_and_the_rest_says_what_would(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    folder = runs.folder_of("p", "evaluate/a")
    folder.mkdir(parents=True)
    found = {"model": "mnmh480-mosaic-bins4.8", "dataset": "minicity", "synthetic": True, "split": "val",
             "rule": "cityscapes", "n_images": 3, "miou": 0.5}  # fmt: skip
    runs.write_json(folder / "result.json", found)
    runs.write_json(folder / "run.json", {"status": "done"})
    record = results_table.beside_the_paper(4, "p", "tables/table_4")
    cells = {r["label"]: dict(zip(record["columns"], r["cells"], strict=True)) for r in record["rows"]}
    ran = cells["#Pyramid Levels 2, #Bins [4,8], GC Y"]["mIoU"]
    assert (ran["ours"], ran["difference"], ran["run"], ran["other_data"]) == (50.0, None, "evaluate/a", True)
    assert "synthetic" in ran["note"] and "val split, 3 pictures" in ran["note"]
    rest = cells["#Pyramid Levels 2, #Bins [1,4], GC Y"]["mIoU"]
    assert rest["ours"] is None and "mnmh480-mosaic-bins1.4" in rest["command"].split()
    assert all(cell["MAdds"]["within"] for cell in cells.values())


def test_the_backbone_is_the_printed_one_and_another_would_be_told(monkeypatch):
    rows = backbone_table.built(512)
    assert not any(row["different"] for row in backbone_table.compare(rows, 512))
    wrong = [dict(line) for line in paper.backbone_rows()]
    wrong[3]["Operator"], wrong[7]["#out"] = "bneck, 3x3", "127"
    monkeypatch.setattr(paper, "backbone_rows", lambda: wrong)
    compared = backbone_table.compare(rows, 512)
    assert {row["stage"]: row["different"] for row in compared if row["different"]} == {
        "block3": ["Operator"], "block7": ["#out"],
    }  # fmt: skip
    assert backbone_table.findings(compared)[0].verdict == "no"
    record = json.loads(json.dumps(backbone_table.record(compared, "tables/table_1")))
    judged = [cell["within"] for row in record["rows"] for cell in row["cells"] if cell and cell["within"] is not None]
    assert judged.count(False) == 1 and judged.count(True) > 60
