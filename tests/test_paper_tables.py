"""Tables of the paper: what is judged, by which tolerance, on which data; and Table 1 against the built backbone."""

import json

import numpy as np
import pytest

from mosaicbook import paper, runs
from mosaicbook.paper import backbone_table, comparison, latency_ratios, results_table
from mosaicbook.runs.provenance import ROOT
from mosaicbook.show import tables
from mosaicbook.show.paper_table import paper_table


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
    assert "synthetic" in ran["note"] and "val split, 3 images" in ran["note"]
    rest = cells["#Pyramid Levels 2, #Bins [1,4], GC Y"]["mIoU"]
    assert rest["ours"] is None and "mnmh480-mosaic-bins1.4" in rest["command"].split()
    assert all(cell["MAdds"]["within"] for cell in cells.values())
    assert record["rows"][1]["labels"] == {"#Pyramid Levels": "2", "#Bins": "[4,8]", "GC": "Y"}
    assert record["rows"][1]["cells"][0]["seeds"] == 1 and record["rows"][1]["cells"][0]["lower"] is None


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


def test_a_table_stands_as_printed_with_ours_and_their_interval_on_one_line():
    cells = [
        comparison.cell(75.67, 55.04, "%", "heads/a", "camvid: test split", paper_text="75.67", lower=53.0, upper=57.2,
                        seeds=3, other_data=True),
        comparison.cell(20.86, 20.858, "B", "tables/table_3", paper_text="20.860"),
    ]  # fmt: skip
    blank = [comparison.cell(74.97, None, "%", command="go", paper_text="74.97"), cells[1]]
    rows = [
        {"label": "x", "labels": {"f": "32", "d": "64"}, "cells": cells},
        {"label": "y", "labels": {"f": "32", "d": "16"}, "cells": blank},
    ]
    html = paper_table(rows, ["mIoU", "MAdds"], "Table <3>", fills="mosaic report").data
    assert html.count("<tr>") == 4 and "Table &lt;3&gt;" in html
    parts = ("75.67", "20.860", "55.0", "[53.0, 57.2]", ">\N{EN DASH}<", "camvid: test split; 3 seeds", "heads-a.html")
    assert all(part in html for part in parts)
    assert html.count("mosaic report") == 1


def test_every_printed_cost_is_explained_by_the_own_network_by_another_reading_or_not():
    by = [results_table.explained(results_table.costs(table)) for table in (4, 7)]
    assert by[0] == {"own network": 7, "another reading": 0, "unexplained": 0}
    assert sum(by[1].values()) == 4 and by[1]["own network"] < 4


@pytest.mark.parametrize(
    ("table", "spec", "change", "apart"),
    [
        (6, "mnmh448-mosaic", {}, ""),
        (2, "enet", {}, "its authors' number"),
        (6, "mnmh448-mosaic", {"n_images": 3}, "a part of the split"),
        (6, "mnmh448-mosaic", {"training": {"initial_weights_sha256": ""}}, "from random weights"),
    ],
)
def test_what_the_paper_did_not_measure_is_not_subtracted_from_it(table, spec, change, apart):
    result = {"n_images": 500, "split_images": 500, "training": {"initial_weights_sha256": "ab"}} | change
    record = next(record for record in paper.records(table) if record.spec == spec)
    assert results_table._apart(record, result) == apart
    assert (comparison.cell(paper=70.0, ours=69.0, apart=apart)["difference"] is None) == bool(apart)


def test_the_readme_counts_explained_costs_as_the_tables_do():
    by = [results_table.explained(results_table.costs(table)) for table in paper.TABLES[:-1]]
    own, other, unexplained = (sum(counts[name] for counts in by) for name in by[0])
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"the row's own network matches {own}, another reading explains {other}, and {unexplained} are" in readme


def test_ratios_of_latencies_are_of_one_machine_size_and_precision():
    def timed(network, mean, std=1.0, size=(512, 512), precision="float32", machine="m", **more):
        row = {"model": f"{network}_512x512_classes_{precision}", "kernels": "xnnpack", "threads": 1, "mean_ms": mean,
               "std_ms": std, "n": 10, "input_size": list(size), "machine": machine}  # fmt: skip
        return "latency/a", network, row | more

    found = [timed("mnmh448-mosaic-f64-d64", 50.0), timed("mnv2-dlv3plus", 100.0), timed("mnv3small-lraspp", 20.0),
             timed("mnv3large-lraspp", 40.0, machine="another"), timed("mnv2-dlv3plus", 999.0, threads=2),
             timed("mnv2-dlv3plus", 888.0, size=(256, 256))]  # fmt: skip
    printed, small, large = latency_ratios.rows(7, iter(found))
    ratio, lower, upper = printed["float32"]
    assert ratio == 2.0 and printed["int8"] is None and printed["Pixel 4, CPU"] == pytest.approx(219 / 116)
    # The standard error of log(100 / 50): sqrt(0.01 ** 2 + 0.02 ** 2) / sqrt(10).
    assert np.log(upper / lower) == pytest.approx(2 * 1.96 * np.sqrt(0.0005 / 10), rel=1e-3)
    assert small["float32"][0] == 0.4 and large["float32"] is None
