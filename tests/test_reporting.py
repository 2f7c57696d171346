"""The report: stands alone, escapes, survives garbage, is loud about failures, and publishes no photograph."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbformat import v4
from PIL import Image

from mosaicbook import site
from mosaicbook.native_messages import CHATTER
from mosaicbook.paper import comparison
from mosaicbook.runs import records
from mosaicbook.runs.provenance import ROOT
from mosaicbook.runs.records import page_name
from mosaicbook.runs.results import Cell
from mosaicbook.show import figures, overlays, tables
from mosaicbook.show.paper_table import paper_table
from mosaicbook.site import page_size, redact, run_page, slim_svg

FRONT = ("about.html", "index.html", "numbers.html", "runs.html")  # the pages that belong to no run
EVIL = '<script>alert("1")</script>'
PALETTE = [(128, 64, 128), (244, 35, 232), (70, 130, 180)]


def shown(html):
    return v4.new_output("display_data", data={"text/html": html._repr_html_(), "text/plain": "<HTML>"})


def printed(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def notebook(*outputs, text="# Train a network\n\nWhat it does."):
    code = v4.new_code_cell("x = 1", execution_count=1, outputs=list(outputs))
    return v4.new_notebook(cells=[v4.new_markdown_cell(text), code])


def write_run(root, run_id, nb=None, result=None, **record):
    folder = root / "runs" / run_id
    folder.mkdir(parents=True)
    nbformat.write(nb or notebook(), folder / "notebook.ipynb")
    stage, row = run_id.split("/")
    standard = {
        "status": "done", "reason": None, "stage": stage, "row": row, "profile": "quick", "wall_s": 12.5,
        "parameters": {"epochs": 2}, "dirty": False, "commit": "c0ffee" * 6, "command": "papermill n.ipynb",
    }  # fmt: skip
    record = standard | record
    (folder / "run.json").write_text(json.dumps(record))
    if record["status"] == "done":
        (folder / "result.json").write_text(json.dumps({"synthetic": True} if result is None else result))
    return folder


def training(**changes):
    history = [{"epoch": 1, "loss": 2.0, "val_miou": None}, {"epoch": 2, "loss": 1.0, "val_miou": 0.5}]
    return {"model": "m", "dataset": "minicity", "synthetic": True, "seed": 0, "best_val_miou": 0.5,
            "history": history} | changes  # fmt: skip


def evaluation(names=("road", "sky"), **changes):
    per_class = {name: None if i else 0.4321 for i, name in enumerate(names)}
    standard = {
        "model": "m", "dataset": "minicity", "synthetic": True, "split": "val", "rule": "cityscapes", "n_images": 3,
        "miou": 0.5612, "per_class_iou": per_class,
    }  # fmt: skip
    return standard | changes


def plan(*run_ids):
    return [(*run_id.split("/"), "notebooks/x.ipynb", f"About {run_id}", f"mosaic run {run_id}") for run_id in run_ids]


def noise(seed, height=37, width=53):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def data_uris(text):
    """Every data URI in a text, wherever it stands: (media type, bytes)."""
    found = re.findall(r"data:([\w.+-]+/[\w.+-]+)[^,\"'\s]*,([A-Za-z0-9+/=%]*)", text)
    return [(kind, base64.b64decode(body[: len(body) // 4 * 4])) for kind, body in found]


def decoded(picture):
    (_, content) = data_uris(picture._repr_html_())[0]
    return Image.open(io.BytesIO(content))


class Outline(HTMLParser):
    """What a browser would take from a page, by the standard library's parser."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def full(tmp_path):
    """A profile with every section of the index, whose notebooks try to reach outside."""
    root = tmp_path / "quick"
    reaching = notebook(
        v4.new_output("display_data", data={"text/html": """
            <link rel="stylesheet" href="https://evil.example/a.css"><script src="https://evil.example/a.js"></script>
            <style>@import "https://evil.example/b.css";</style><div style="background:url(https://evil.example/c.png)">x</div>
            <img src="https://evil.example/d.png"><img src="e.png"><iframe src="https://evil.example"></iframe>
            <svg><image href="https://evil.example/f.png"/></svg><p onclick="evil()">text</p>
            <a href="javascript:evil()">no</a><h1>Second</h1>"""}),
        v4.new_output("display_data", data={"image/png": png(noise(0))}),
        text="# Train\n\nSee [the paper](https://arxiv.org/abs/2112.11623). ![x](https://evil.example/g.png)",
    )  # fmt: skip
    write_run(root, "train/a", reaching, training())
    write_run(root, "evaluate/a", notebook(text="No heading."), evaluation())
    write_run(root, "latency/a", result={"measurements": [{"file": "a.tflite", "runtime": "r", "mean_ms": 5.25}]})
    write_run(root, "export/a", result={"model": "m", "files": [{"precision": "int8", "file": "a.tflite"}]})
    cells = [comparison.cell(60.1, 59.83, "%", "evaluate/a"), comparison.cell(116, None, "ms", command="go")]
    table = comparison.table(["mIoU", "CPU"], [{"label": "MOSAIC", "cells": cells}])
    write_run(root, "tables/table_7", result=table)
    picture = {"title": "A street", "credit": "CC0", "photo": "p.png", "overlay": "o.png", "shareable": True}
    folder = write_run(root, "pictures/r4", result={"images": [picture], "legend": [{"name": "sky", "rgb": [1, 2, 3]}]})
    for name in ("p.png", "o.png"):
        Image.fromarray(noise(1)).save(folder / name)
    ids = ("pictures/r4", "train/a", "train/b", "evaluate/a", "export/a", "latency/a", "tables/table_7")
    return root, plan(*ids)


# === Every page ===


def test_pages_stand_alone_and_are_accessible(full, tmp_path):
    root, planned = full
    site.build_site(root, "Quick look", planned)
    site.build_site(root, "Quick look", planned, publish=tmp_path / "published")
    written = [*root.glob("*.html"), *(tmp_path / "published").glob("*.html")]
    assert len(written) == 2 * (6 + len(FRONT))
    assert not list(root.rglob("*.partial"))
    for path in written:
        text = path.read_text(encoding="utf-8")
        outline = Outline(text)
        assert [len(outline.all(tag)) for tag in ("h1", "script", "iframe", "object", "base")] == [1, 0, 0, 0, 0], path
        assert outline.all("html") == [{"lang": "en"}]
        assert any(meta.get("name") == "viewport" for meta in outline.all("meta"))
        policy = [
            meta["content"] for meta in outline.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
        assert all(image["alt"].strip() and image["src"].startswith("data:image/") for image in outline.all("img"))
        for tag, attributes in outline.elements:
            assert not [name for name in attributes if name.startswith("on") or name in ("srcset", "xlink:href")]
            for name in ("src", "href"):
                if tag != "a" and name in attributes:
                    assert attributes[name].startswith("data:"), (path, tag)
        for link in outline.all("a"):
            href = link.get("href", "").split("#")[0]
            assert not href or href.startswith("https://arxiv.org/") or (path.parent / href).is_file(), (path, href)
        rest = re.sub(r'<a href="https?://[^"]*"', "", text)
        assert not re.search(r"https?://|@import|url\(|evil", rest), path
    numbers, index, all_runs = ((root / f"{n}.html").read_text(encoding="utf-8") for n in ("numbers", "index", "runs"))
    for expected in (">59.8<", "43.2", "56.1", "absent", "5.2"):
        assert expected in numbers, expected
    assert "56.1 %</a>" in index and "val mIoU 50.0" in all_runs
    headings = [heading.strip() for heading in re.findall(r"<h2>(.*?)</h2>", index)]
    assert headings[:3] == ["Do the paper's claims hold?", "Best accuracy", "What was done"], "the answer comes first"
    assert headings[-1] == "Where to look"
    assert index.count("synthetic") >= 2 and numbers.count("synthetic") >= 3
    assert index.index("1 of 7 runs is not done") < index.index("Where to look")


def test_tables_and_plots_have_numbers_addresses_and_files(tmp_path, monkeypatch):
    cells = [[comparison.cell(75.67, 51.9012, "%", "heads/a", "a note", lower=50.0, upper=53.71, paper_text="75.67",
                              other_data=True)],
             [comparison.cell(72.5, unit="%", command="go")]]  # fmt: skip
    rows = [{"label": f"row, {i}", "labels": {"f": str(i)}, "cells": cell} for i, cell in enumerate(cells)]
    result = comparison.table(["mIoU"], rows)
    folder = write_run(tmp_path, "tables/table_3", result=result)
    monkeypatch.setattr(figures, "current", lambda: SimpleNamespace(folder=folder))
    drawn, axes = plt.subplots()
    axes.plot([1, 2], [-1, 1])
    differences = tables.table([{"one": "a", "difference": "+1.5 [\u22120.2, +3.1]"}], "d", {"difference": "points"})
    outputs = [shown(paper_table(**result, caption="c")), shown(figures.figure(drawn, "a line", "A plot")),
               shown(differences)]  # fmt: skip
    nbformat.write(notebook(*outputs), folder / "notebook.ipynb")
    published = tmp_path / "published"
    site.build_site(tmp_path, "t", plan("tables/table_3"), publish=published)
    page = (published / "tables-table_3.html").read_text(encoding="utf-8")
    assert 'id="table-1"' in page and ">Table 3.1</a>" in page and 'href="#table-1"' in page
    assert 'id="figure-1"' in page and ">Figure A</a>" in page, "no number that one of the paper's figures has"
    assert 'href="runs/tables/table_3/plot_1.svg"' in page and 'href="runs/tables/table_3/plot_1.pdf"' in page
    assert (published / "runs/tables/table_3/plot_1.pdf").read_bytes().startswith(b"%PDF")
    lines = list(csv.reader((published / "csv/tables-table_3-1.csv").open(encoding="utf-8")))
    assert lines == [["f", "mIoU (%) paper", "mIoU (%) ours", "mIoU (%) ours lower", "mIoU (%) ours upper"],
                     ["0", "75.67", "51.9", "50.0", "53.7"], ["1", "72.5", "", "", ""]]  # fmt: skip
    signed = (published / "csv/tables-table_3-2.csv").read_text(encoding="utf-8").splitlines()
    assert signed == ["one,difference (points),difference (points) lower,difference (points) upper", "a,1.5,-0.2,3.1"]


def test_the_index_of_a_report_without_claims_says_what_its_own_runs_found(tmp_path):
    write_run(tmp_path, "search/verdict", result={"sentence": f"No design is better. {EVIL}"})
    write_run(tmp_path, "search/a", result={"sentences": {"not": "a list"}, "sentence": 5})
    site.build_site(tmp_path, "t", plan("search/verdict", "search/a"))
    index, numbers = ((tmp_path / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "numbers"))
    assert f"<p>No design is better. {escape(EVIL, quote=False)} <a" in index
    assert 'href="search-verdict.html">Where this is shown' in index and index.count("Where this is shown") == 1
    for page in (index, numbers):
        assert 'class="gap"' not in page and "paper's claims hold" not in page, "this report was not to judge claims"


def test_a_choice_of_learning_rates_and_a_study_of_few_labels_are_told_as_what_they_are(tmp_path):
    told = evaluation(dataset="camvid", synthetic=False)
    chosen = {"model": "m", "dataset": "camvid", "synthetic": False, "evaluations": [told, told | {"miou": 0.6}]}
    labels = chosen | {"evaluations": [part | {"split": "test"} for part in chosen["evaluations"]]}
    lines = notebook(*(printed(f"design {number}\n") for number in range(60)))
    write_run(tmp_path / "quick", "heads/choice", lines, chosen)
    write_run(tmp_path / "quick", "labels/curve", notebook(), labels)
    write_run(tmp_path / "quick", "labels/next", notebook(), {"evaluations": [{"no": "evaluation"}]})
    site.build_site(tmp_path / "quick", "Quick look", plan("heads/choice", "labels/curve", "labels/next"))
    index, listed, page = ((tmp_path / f"quick/{n}.html").read_text() for n in ("index", "runs", "heads-choice"))
    assert "2 heads on frozen backbones, with few labels" in index and "camvid, test split, 3 images" in index
    assert "mIoU 56.1 to 60.0 % at 2 learning rates" in listed and "seeds" not in listed
    assert "20 lines left out" in page, "printed line by line, it is one text"


def test_the_index_tells_how_often_the_test_splits_of_its_own_data_were_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    values = {"date": "2026-01-02", "dataset": "camvid", "weights_sha256": "ab", "recipe": "r", "by": "x"}
    (tmp_path / "test_ledger.csv").write_text(",".join(values) + "\n" + ",".join(values.values()) + "\n")
    write_run(tmp_path / "quick", "evaluate/a", notebook(), evaluation())

    def index(run_id):
        return site.build_site(tmp_path / "quick", "Quick look", plan(run_id)).read_text()

    assert "test split" not in index("evaluate/a")
    for name, sentence in (("camvid", "camvid was read 1 time, for 1 set"), ("mine", "no reading of the test split")):
        write_run(tmp_path / "quick", f"evaluate/{name}", notebook(), evaluation(dataset=name, synthetic=False))
        assert sentence in index(f"evaluate/{name}")
        shutil.rmtree(tmp_path / "quick/runs/evaluate" / name)


def test_code_is_folded_into_one_line_and_a_page_without_content_is_left_out(tmp_path):
    cells = [v4.new_code_cell(f"x = {i}", execution_count=i, outputs=[]) for i in range(3)]
    cells += [v4.new_markdown_cell("## Next"), v4.new_code_cell("print(1)", outputs=[printed("1")], execution_count=3)]
    for run_id in ("beyond/int8", "data/a"):
        write_run(tmp_path, run_id, v4.new_notebook(cells=[v4.new_markdown_cell("# T"), *cells]), {"exports": {}})
    site.build_site(tmp_path, "t", plan("beyond/int8", "data/a"))
    page = (tmp_path / "data-a.html").read_text(encoding="utf-8")
    assert page.count("<summary>Show the code</summary>") == 2, "one before the heading, one below the output"
    assert page.index("x</span>") < page.index("Next") < page.index('<pre class="text">1') < page.rindex("Show the")
    assert not (tmp_path / "beyond-int8.html").exists(), "it has no table and no image"
    assert "nothing to show here" in (tmp_path / "runs.html").read_text(encoding="utf-8")


def test_text_from_outside_is_escaped(tmp_path):
    root = tmp_path / EVIL.replace("/", "|")
    error = v4.new_output("error", ename="E", evalue=EVIL, traceback=[f"\x1b[31m{EVIL}\x1b[0m"])
    pieces = [
        tables.table([{"class": EVIL, EVIL: 1.0}], EVIL, units={EVIL: EVIL}, missing=EVIL),
        tables.measured_table([{"label": EVIL, "cells": [{"paper": 1, "note": EVIL, "command": EVIL}]}], [EVIL]),
        figures.legend([EVIL], [(0, 0, 0)]),
        figures.photograph(noise(0), EVIL, EVIL, shareable=False, credit=EVIL),
        figures.gallery([[figures.label_map(np.zeros((5, 4), int), PALETTE, EVIL, EVIL)]], EVIL),
        figures.run_link(f"train/{EVIL.replace('/', '|')}", EVIL),
    ]  # fmt: skip
    assert all("<script" not in table.data for table in pieces), "notebooks' images and tables, before the page"
    text = v4.new_output("display_data", data={"text/plain": EVIL})
    nb = notebook(*map(shown, pieces), printed(EVIL), printed(EVIL, "stderr"), text, error)
    row = EVIL.replace("/", "|")
    hostile = {"parameters": {EVIL: EVIL}, "machine": {"cpu": EVIL}, "versions": {EVIL: EVIL}, "commit": EVIL,
               "notebook": EVIL, "command": EVIL, "started": EVIL, "profile": EVIL}  # fmt: skip
    write_run(root, f"train/{row}", nb, status="failed", reason=EVIL, **hostile)
    write_run(root, "train/named", nb, training(dataset=EVIL, model=EVIL), **hostile)
    write_run(root, "evaluate/named", nb, evaluation([EVIL, "sky"], rule=EVIL, dataset=EVIL), **hostile)
    timing = {"file": EVIL, "runtime": EVIL, "verdict": EVIL, "kernels": EVIL, "mean_ms": 1}
    write_run(root, "latency/named", nb, {"measurements": [timing]})
    write_run(root, "export/named", nb, {"model": EVIL, "files": [{"precision": EVIL, "file": EVIL}]})
    cell = comparison.cell(1, 2, EVIL, EVIL, EVIL)
    write_run(root, "tables/table_7", nb, comparison.table([EVIL], [{"label": EVIL, "cells": [cell]}]))
    picture = {"title": EVIL, "credit": EVIL, "photo": "p.png", "overlay": "p.png", "shareable": True}
    result = {"images": [picture], "legend": [{"name": EVIL, "rgb": [0, 0, 0]}]}
    Image.fromarray(noise(0)).save(write_run(root, "pictures/named", nb, result) / "p.png")
    planned = [("train", row, EVIL, EVIL, EVIL), ("data", "absent", EVIL, EVIL, EVIL)]
    site.build_site(root, EVIL, planned, description=EVIL, publish=tmp_path / "published")
    site.build_site(root, EVIL, planned, description=EVIL)
    written = [*root.glob("*.html"), *(tmp_path / "published").glob("*.html")]
    assert len(written) == 2 * (7 + len(FRONT))
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text.lower() and "&lt;script&gt;alert" in text
        assert re.fullmatch(r"[A-Za-z0-9._-]+\.html", path.name)


def test_page_names_are_safe_and_differ():
    names = [page_name(name) for name in ("a/b", "a/b c", "a/b+c", "a/../../etc", "index", "a/" + "x" * 300, "ä/ö")]
    assert names[0] == "a-b.html" and len(set(names)) == len(names) and "index.html" not in names
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,110}\.html", name) for name in names)


def test_long_output_is_clipped_and_progress_bars_end():
    bar = "".join(f"\r{i} %" for i in range(101))
    clipped = run_page.clip("\n".join(f"line {i}" for i in range(500)) + f"\n{bar}\n").split("\n")
    assert len(clipped) == 41 and "461 lines left out" in clipped[20]
    assert clipped[0] == "line 0" and clipped[-1] == "100 %"


def test_secrets_and_paths_of_this_machine_are_not_told(tmp_path):
    root, secret = tmp_path / "quick", "hf_AbCdEf123456"
    repository = str(Path(figures.__file__).resolve().parents[2])
    nb = notebook(printed(f"using {secret} in {repository}/mosaiclib/x.py"))
    nb.cells.append(v4.new_code_cell(f'hub_token: str = "{secret}"  # to read', execution_count=2))
    nb.cells.append(v4.new_code_cell('my_key = "tiny"', execution_count=3))
    parameters = {"hub_token": secret, "my_key": "tiny", "epochs": 7}
    command = f"papermill n.ipynb out.ipynb -p hub_token {secret} -p my_key tiny -p epochs 7"
    reason = f"ValueError: {secret} was refused, see {repository}/log"
    write_run(root, "train/a", nb, status="failed", reason=reason, parameters=parameters, command=command)
    write_run(root, "train/b", nb, training(note=f"{secret} {repository}"), parameters=parameters, command=command)
    site.build_site(root, "t", [("train", "a", "n", "d", "")], publish=tmp_path / "published")
    site.build_site(root, "t", [("train", "a", "n", "d", "")])
    written = [*root.glob("*.html"), *(p for p in (tmp_path / "published").rglob("*") if p.is_file())]
    assert len(written) == 2 * (2 + len(FRONT)) + 3 + 1, "pages here and published, JSON, the CSV of the runs"
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert secret not in text and "tiny" not in text and repository not in text, path
    page = (root / "train-a.html").read_text(encoding="utf-8")
    assert "***" in page and "-p epochs 7" in page and "./mosaiclib/x.py" in page


# === Failure is loud ===


def test_a_failed_run_says_so_first_and_on_the_index(tmp_path):
    error = v4.new_output("error", ename="OSError", evalue="disk", traceback=["OSError: No space left on device"])
    nb = notebook(printed("before the end"), error)
    nb.cells.append(v4.new_code_cell("never = 1"))
    folder = write_run(tmp_path, "train/a", nb, status="failed", reason="OSError: No space left on device.")
    (folder / "result.json").write_text(json.dumps(training(best_val_miou=0.987)))
    site.build_site(tmp_path, "t", plan("train/a", "evaluate/a"))
    page, index = (tmp_path / "train-a.html").read_text(), (tmp_path / "index.html").read_text()
    assert page.index("This run failed") < page.index("OSError: No space left") < page.index("before the end")
    assert 'href="#failed-cell"' in page and 'id="failed-cell"' in page and "it did not run" in page
    assert "2 of 2 runs are not done" in index
    holes = (tmp_path / "runs.html").read_text()
    assert "OSError: No space left on device." in holes and "It has not been run." in holes
    assert "mosaic run train/a" in holes and "mosaic run evaluate/a" in holes
    written = [page.read_text() for page in tmp_path.glob("*.html") if page.name != "train-a.html"]
    assert "98.7" not in "".join(written), "the result of a failed run must not be shown"


GARBAGE = {
    "no run.json": ("run.json", None, "run.json is missing"),
    "truncated run.json": ("run.json", b'{"status": "do', "run.json is not valid JSON"),
    "binary run.json": ("run.json", b"\xff\xfe\x00\x80", "run.json is not valid JSON"),
    "nested run.json": ("run.json", b"[" * 100_000, "run.json is not valid JSON"),
    "list as run.json": ("run.json", b"[1]", "does not hold a JSON object"),
    "odd status": ("run.json", b'{"status": ["done"]}', "neither done nor failed"),
    "odd fields": (
        "run.json",
        b'{"status": "failed", "parameters": 3, "machine": [], "wall_s": "x", "versions": 1,'
        b'"peak_memory_mb": NaN, "commit": {}, "reason": 5, "command": []}',
        "5",
    ),
    "no result": ("result.json", None, "result.json is missing"),
    "foreign result": ("result.json", b'{"history": "long"}', "result.json: model: Field required"),
    "odd history": ("result.json", json.dumps(training(history=[{"epoch": "x"}])).encode(), "history.0.epoch"),
    "no notebook": ("notebook.ipynb", None, "notebook.ipynb is missing"),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_a_run_folder_becomes_a_hole(tmp_path, kind):
    name, content, reason = GARBAGE[kind]
    folder = write_run(tmp_path, "train/a", result=training())
    write_run(tmp_path, "evaluate/a", result=evaluation())
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    site.build_site(tmp_path, "t", plan("train/a", "evaluate/a"))
    index, page = (tmp_path / "index.html").read_text(), (tmp_path / "train-a.html").read_text()
    assert "1 of 2 runs is not done" in index and reason in (tmp_path / "runs.html").read_text() and reason in page
    assert "43.2" in (tmp_path / "numbers.html").read_text(), "the rest stands"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"cells": 5}', b'{"nbformat": 4, "nbformat_minor": 5, '
                                     b'"metadata": {}, "cells": [{"cell_type": "code", "outputs": 7}]}'])  # fmt: skip
def test_a_damaged_notebook_does_not_break_its_page(tmp_path, content):
    folder = write_run(tmp_path, "train/a", result=training())
    (folder / "notebook.ipynb").write_bytes(content)
    site.build_site(tmp_path, "t", plan("train/a"))
    assert len(Outline((tmp_path / "train-a.html").read_text()).all("h1")) == 1


@pytest.mark.parametrize("name", ["../../../secret.png", "/secret.png", "absent.png", "notebook.ipynb"])
def test_a_picture_from_elsewhere_becomes_a_hole(tmp_path, name):
    Image.fromarray(noise(0)).save(tmp_path / "secret.png")
    picture = {"title": "t", "photo": name, "overlay": name, "shareable": True}
    write_run(tmp_path / "quick", "pictures/a", result={"images": [picture], "legend": []})
    index = site.build_site(tmp_path / "quick", "t", plan("pictures/a")).read_text()
    numbers = (tmp_path / "quick/numbers.html").read_text()
    assert "1 of 1 runs is not done" in index and "data:image" not in index + numbers
    assert "mosaic data fetch mlperf" in numbers


def test_skipped_pictures_say_how_to_get_the_weights(tmp_path):
    write_run(tmp_path, "pictures/a", result={"skipped": "The graph is not here.", "images": [], "legend": []})
    site.build_site(tmp_path, "t", plan("pictures/a"))
    index = (tmp_path / "numbers.html").read_text()
    assert "The graph is not here." in index and "mosaic data fetch mlperf" in index and "MOSAIC_MIRROR" in index
    site.build_site(tmp_path / "b", "t", plan("pictures/a"))
    assert "There are no images yet: It has not been run." in (tmp_path / "b/numbers.html").read_text()
    without = site.build_site(tmp_path / "c", "t", plan("train/a")).read_text()
    assert "images yet" not in without and 'id="pictures"' not in without  # no hole where nothing was planned


def test_pages_of_runs_that_are_gone_go_too(tmp_path):
    folder = write_run(tmp_path, "train/a", result=training())
    site.build_site(tmp_path, "t", plan("train/a"))
    (tmp_path / "mine.html").write_text("<p>not made here</p>")
    shutil.rmtree(folder)
    site.build_site(tmp_path, "t", plan("train/a"))
    assert sorted(path.name for path in tmp_path.glob("*.html")) == sorted([*FRONT, "mine.html"])


# === Publishing ===


def test_no_photograph_is_smuggled_into_published_pages(tmp_path):
    label = np.random.default_rng(3).integers(0, 3, (31, 47))
    photo, raw = noise(4), png(noise(5))
    fig, axes = plt.subplots()
    axes.imshow(photo)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,{raw}"/></svg>'
    hidden = base64.b64encode(svg.encode()).decode()
    smuggling = f"""
        <img src="data:image/png;base64,{raw}" alt="a"><IMG SRC='data:image/png;base64,{raw}' data-shareable=no alt="a">
        <img src="data:image/svg+xml;base64,{hidden}" data-shareable="yes" alt="a">
        <img src="data:image/svg+xml,{svg.replace('"', "'")}" data-shareable="yes" alt="a">
        <svg><image href="data:image/png;base64,{raw}"/></svg>
        <div style="background:url(data:image/png;base64,{raw})">b</div>
        <object data="data:image/png;base64,{raw}"></object><a href="data:image/png;base64,{raw}">c</a>
        <style>p {{ background: url(data:image/png;base64,{raw}) }}</style><!-- data:image/png;base64,{raw} -->
        <p title="data:image/png;base64,{raw}">d</p><video poster="data:image/png;base64,{raw}"></video>
        <picture><source srcset="data:image/png;base64,{raw}"></picture>"""
    nb = notebook(
        shown(figures.label_map(label, PALETTE, "map", "the label map")),
        shown(figures.photograph(photo, "photo", "a photograph", shareable=False, credit="CamVid, research only")),
        shown(figures.photograph(overlays.overlay(photo, np.full(photo.shape[:2], 2), PALETTE), "o", shareable=False)),
        shown(figures.figure(fig, "a plot of a photograph")),
        v4.new_output("display_data", data={"image/png": raw}),
        v4.new_output("display_data", data={"image/jpeg": raw}),
        v4.new_output("display_data", data={"image/svg+xml": svg}),
        v4.new_output("display_data", data={"text/html": smuggling}),
        printed(f"data:image/png;base64,{raw}"),
        text=f"# Images\n\n![x](attachment:x.png) <img src='data:image/png;base64,{raw}'>",
    )
    nb.cells[0].attachments = {"x.png": {"image/png": raw}}
    root, published = tmp_path / "quick", tmp_path / "published"
    folder = write_run(root, "evaluate/a", nb, evaluation(extra=f"data:image/png;base64,{raw}"))
    Image.fromarray(photo).save(folder / "photo.png")
    picture = {
        "title": "t",
        "photo": "p.png",
        "overlay": "p.png",
        "shareable": False,
        "credit": "CamVid, research only",
    }
    Image.fromarray(photo).save(write_run(root, "pictures/a", result={"images": [picture]}) / "p.png")
    site.build_site(root, "t", plan("evaluate/a", "pictures/a"), publish=published)

    files = sorted(str(path.relative_to(published)) for path in published.rglob("*") if path.is_file())
    numbers = [f"runs/{run}/{name}.json" for run in ("evaluate/a", "pictures/a") for name in ("result", "run")]
    tables = ["csv/numbers-1.csv", "csv/runs-1.csv"]
    assert files == sorted([*FRONT, "evaluate-a.html", "pictures-a.html", *numbers, *tables])
    found = [uri for name in files for uri in data_uris((published / name).read_text(encoding="utf-8"))]
    assert len(found) == 1, [kind for kind, _ in found]
    left = np.asarray(Image.open(io.BytesIO(found[0][1])).convert("RGB"))
    scale = left.shape[0] // label.shape[0]
    np.testing.assert_array_equal(left[::scale, ::scale], np.array(PALETTE, np.uint8)[label])
    for name in files:
        text = (published / name).read_text(encoding="utf-8")
        assert raw[:60] not in text and raw[-60:] not in text and hidden[:200] not in text
    page = (published / "evaluate-a.html").read_text(encoding="utf-8")
    assert "photograph withheld: CamVid, research only" in page and "notebook.ipynb</a>" not in page
    assert "photograph withheld: CamVid, research only" in (published / "numbers.html").read_text(encoding="utf-8")
    assert len(data_uris(site.build_site(root, "t", []).with_name("evaluate-a.html").read_text())) >= 6


def test_published_pages_stay_below_the_limit_or_are_not_written(tmp_path):
    large = [shown(figures.photograph(noise(i, 500, 800), "noise", shareable=True)) for i in range(4)]
    for name in "abcdefghijklmnop":
        write_run(tmp_path / "quick", f"data/{name}", notebook(*large))
    with pytest.raises(ValueError, match=r"the limit is 15 MB.*data-[a-p]\.html"):
        site.build_site(tmp_path / "quick", "t", plan("data/a"), publish=tmp_path / "published")
    assert not (tmp_path / "published").exists()


# === Images and tables ===


@pytest.mark.parametrize("shape", [(7, 5), (33, 701), (1, 1)])
def test_label_map_pixels(shape):
    label = np.random.default_rng(0).choice([0, 1, 2, 255], shape)
    picture = np.asarray(decoded(figures.label_map(label, PALETTE, "map")).convert("RGB"))
    scale = picture.shape[1] // shape[1]
    expected = np.zeros((*shape, 3), np.uint8)
    for index, colour in enumerate(PALETTE):
        expected[label == index] = colour
    np.testing.assert_array_equal(picture, expected.repeat(scale, 0).repeat(scale, 1))


def test_overlay_mixes_where_there_is_a_class():
    image = np.full((8, 8, 3), 200, np.uint8)
    label = np.full((8, 8), 255)
    label[:, 4:] = 2
    mixed = overlays.overlay(image, label, PALETTE, opacity=0.5).astype(int)
    assert (mixed[:, :4] == 200).all()
    assert np.abs(mixed[:, 4:] - (np.array(PALETTE[2]) + 200) / 2).max() <= 1


@pytest.mark.parametrize("draw", ["imshow", "pcolormesh", "figimage"])
def test_a_plot_that_holds_a_picture_is_not_shareable_by_itself(draw):
    fig, axes = plt.subplots()
    getattr(fig if draw == "figimage" else axes, draw)(noise(0, 80, 90)[..., 0])
    assert 'data-shareable="no"' in figures.figure(fig, "a photograph").data


def test_a_plot_is_vector_and_shareable():
    fig, axes = plt.subplots()
    mesh = axes.pcolormesh(np.arange(361).reshape(19, 19))
    fig.colorbar(mesh)
    html = figures.figure(fig, "a matrix").data
    ((kind, content),) = data_uris(html)
    assert kind == "image/svg+xml" and b"<image" not in content and 'data-shareable="yes"' in html
    assert not plt.fignum_exists(fig.number)


def test_a_plot_in_a_page_is_slim_and_draws_the_same_shapes_at_the_same_places():
    axes = plt.subplots()[1]
    axes.plot([1, 2, 3], [0.1234567, 2, 1], label="a <line>")
    axes.scatter(*np.random.default_rng(0).random((2, 60)), c=range(60))
    axes.legend(title="legend")
    page = figures.figure(axes.figure, alt="x")._repr_html_()
    ((_, whole), (_, slim)) = (data_uris(text)[0] for text in (page, slim_svg.page(page)))
    assert len(slim) < 0.65 * len(whole)
    one, other = _shapes(whole.decode()), _shapes(slim.decode())
    assert len(one) == len(other) > 100
    for (kind, numbers), (same_kind, same_numbers) in zip(one, other, strict=True):
        assert kind == same_kind and same_numbers == pytest.approx(numbers, abs=0.0051)
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0.12345 1"/> <!-- kept --></svg>'
    assert slim_svg.slim(drawing) == drawing


def _shapes(svg):
    """[(colours, numbers)] of the paths that are drawn, in order: where each is put, then its own outline."""
    root = ElementTree.fromstring(svg)
    outlines = {f"#{element.get('id')}": element.get("d", "") for element in root.iter() if element.get("id")}
    found = []
    for element in root.iter():
        name = next((element.get(key) for key in element.attrib if key.endswith("href")), None)
        if element.tag.endswith("use"):
            places = element.get("x"), element.get("y"), element.get("transform")
            numbers = [float(n) for place in places if place for n in re.findall(r"-?[\d.]+", place)]
            numbers = [n for n in numbers if n]  # x="5" for translate(5 0)
            found.append((element.get("style"), numbers + _numbers(outlines[name])))
        elif element.tag.endswith("path") and not element.get("id"):
            found.append((element.get("style"), _numbers(element.get("d"))))
    return found


def _numbers(path):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match="alternative text"):
        figures.photograph(noise(0), "", shareable=True)
    with pytest.raises(ValueError, match=r"\[H, W, 3\]"):
        figures.photograph(noise(0)[..., 0], "a", shareable=True)
    with pytest.raises(ValueError, match="0 to 255"):
        figures.label_map(np.array([[-1]]), PALETTE, "a")


def test_tables_have_captions_scopes_and_no_silent_gap():
    html = tables.table([{"name": "a", "ms": 1234.5}, {"name": "b", "ms": None}], "Timings", {"ms": "ms"},
                         {"ms": ",.1f"}, missing="mosaic bench b").data  # fmt: skip
    assert "<caption>Timings</caption>" in html and 'scope="col"' in html and html.count('<th scope="row">') == 2
    assert "1\N{NARROW NO-BREAK SPACE}234.5" in html and "not run: <code>mosaic bench b</code>" in html


def test_measured_cells():
    record = comparison.table(["mIoU"], [{"label": "a", "cells": [comparison.cell(60.1, 59.83, "%", "evaluate/a")]}])
    assert record["rows"][0]["cells"][0]["difference"] == -0.27
    wrong = Cell(paper=1, ours=2, difference=99)
    assert wrong.difference == 1, "the difference is never taken on trust"
    html = tables.measured_table(**record).data
    assert "−0.27" in html and 'href="evaluate-a.html"' in html
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        comparison.table(["mIoU"], [{"label": "a", "cells": [None, None]}])


# === In a browser ===


def test_pages_open_in_chromium_without_a_console_error(full, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("No Chromium or Chrome is installed, so the pages were not opened in a browser.")
    root, planned = full
    site.build_site(root, "Quick look", planned)
    for name in ("index.html", "train-a.html"):
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
            "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom",
            (root / name).as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert "<h1>" in done.stdout, done.stderr[-2000:]
        assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_folders_of_this_machine_are_told_by_what_they_are(monkeypatch):
    monkeypatch.setenv("MOSAIC_MIRROR", "/srv/models/")
    text = redact.neutral(f"{ROOT}/reports/a /srv/models/mlperf/x.tflite /srv/models2/y")
    assert text == "./reports/a MOSAIC_MIRROR/mlperf/x.tflite /srv/models2/y"


def test_published_pages_hold_no_path_of_this_machine_and_no_credential(tmp_path):
    """Values of no telling name; what only looks like a path stays as it is."""
    credentials = ["ghp_" + "a1B2" * 9, "AKIA" + "ABCD" * 4, "hf_" + "x1" * 15, "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0",
                   "npm_" + "a1B2" * 9, "sk_live_" + "a1" * 12, "SG." + "a1" * 11 + "." + "b2" * 20, "hunter2hunter2",
                   "joe:hunter2"]  # fmt: skip
    paths = [
        "/mnt/lab/joe/weights.h5",
        "file:///mnt/joe/x.png",
        "D:/Users/joe/x.png",
        "\\\\server\\share\\joe\\x.png",
        "/data/secret project/x.png",
        "C:\\Users\\joe\\x.png",
        "/scratch/joe/",
    ]
    kept = ["/usr/lib/python3.11/os.py", "https://example.org/a/b.html", "reports/quick/runs", "9 images/s, 1/2/3",
            "../a/b", "runs/*/a/b", "sorted(x, token=tokens.next)"]  # fmt: skip
    said = [*credentials[:-2], f"run --token={credentials[-2]}", f"https://{credentials[-1]}@example.org/a", *paths]
    said += kept
    nb = notebook(*(printed(text) for text in said))
    write_run(tmp_path, "train/a", nb, training(dataset="x", note=" ".join(said)), reason=None, command=paths[0])
    site.build_site(tmp_path, "t", plan("train/a"), publish=tmp_path / "published")
    written = [path for path in (tmp_path / "published").rglob("*") if path.is_file()]
    assert len(written) >= 4
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not [value for value in ("joe", "secret project", *credentials) if value in text], path
    page = (tmp_path / "published" / "train-a.html").read_text()
    assert not [value for value in kept if value not in page] and "[outside]/weights.h5" in page
    for page in tmp_path.glob("*.html"):
        assert not [value for value in credentials if value in page.read_text()], page


def test_what_tensorflow_says_at_every_start_is_left_out_and_nothing_else():
    chatter = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:1795 4 port.cc:153] oneDNN custom operations are on.\n"
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    )
    assert not CHATTER.sub("", chatter)
    ours = "UserWarning: the labels look wrong\nINFO: 3 files\n"
    assert CHATTER.sub("", chatter + ours) == ours


def test_whole_numbers_stay_whole():
    html = tables.table([{"n": "a", "parameters": 1_759_500}, {"n": "b", "parameters": 1_764_108}], "x").data
    assert "1\N{NARROW NO-BREAK SPACE}759\N{NARROW NO-BREAK SPACE}500<" in html


def test_a_page_stays_below_its_limit(tmp_path):
    shapes = ((1100, 1300), (900, 700), (33, 47))
    noisy = [noise(i, *shape) for i, shape in enumerate(shapes)]
    photographs = [shown(figures.photograph(image, "noise", shareable=True)) for image in noisy]
    label = np.random.default_rng(0).integers(0, 3, (701, 999))
    maps = [shown(figures.label_map(label, PALETTE, "a map"))]
    raw = v4.new_output("display_data", data={"image/png": png(noise(9, 800, 900))})
    write_run(tmp_path, "data/a", notebook(*photographs, *maps, raw))
    write_run(tmp_path, "data/b", notebook(*photographs[2:]))
    site.build_site(tmp_path, "t", plan("data/a", "data/b"))
    page = (tmp_path / "data-a.html").read_text()
    assert 100_000 < len(page.encode()) <= 1_500_000 and page_size.NOTE in page
    sizes = [Image.open(io.BytesIO(content)).size for _, content in data_uris(page)]
    assert len(sizes) == 5 and sizes[2] == (47, 33) and max(map(max, sizes)) < 1000
    assert page_size.NOTE not in (tmp_path / "data-b.html").read_text()


def test_what_cannot_be_made_smaller_is_left_out():
    drawing = "data:image/svg+xml;base64," + base64.b64encode(b"<svg>" + b"x" * 4000 + b"</svg>").decode()
    garbage = "data:image/png;base64," + "A" * 3000
    html = page_size.fitted(f'<main><img src="{drawing}"><img src="{garbage}"></main>', limit=1500)
    assert drawing not in html and garbage not in html and html.count("<img") == 2


def test_secrets_of_the_environment_never_reach_a_page(tmp_path, monkeypatch):
    secret = 'hf_"quoted"&<longer>'
    monkeypatch.setenv("HUB_TOKEN", secret)
    monkeypatch.setenv("MOSAIC_KEY_COUNT", "3")
    nb = notebook(printed(f"os.environ: {secret}"), v4.new_output("display_data", data={"text/plain": repr(secret)}),
                  v4.new_output("display_data", data={"text/html": f"<p>{escape(secret)}</p>"}))  # fmt: skip
    write_run(tmp_path, "train/a", nb, training(dataset=secret, note=secret), reason=secret, command=secret)
    write_run(tmp_path, "train/b", nb, status="failed", reason=secret)
    site.build_site(tmp_path, secret, plan("train/a", "train/b"), publish=tmp_path / "published")
    site.build_site(tmp_path, secret, plan("train/a", "train/b"))
    written = [*tmp_path.glob("*.html"), *(p for p in (tmp_path / "published").rglob("*") if p.is_file())]
    assert len(written) >= 8
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "quoted" not in text and "longer" not in text, path


def test_claims_and_disagreements_are_told_with_their_pages(tmp_path):
    claim = {"claim": f"More is better {EVIL}", "source": "Table 3", "verdict": "not tested", "sentence": "No data."}
    far = comparison.cell(10.0, 12.5, "B", "tables/table_3", "a misprint", tolerance=0.1)
    near = comparison.cell(10.0, 10.05, "B", "tables/table_3", "fits", tolerance=0.1)
    rows = [{"label": "far row", "cells": [far]}, {"label": "near row", "cells": [near]}]
    write_run(tmp_path, "tables/table_3", result=comparison.table(["MAdds"], rows) | {"claims": [claim]})
    write_run(tmp_path, "tables/table_4", result=comparison.table(["MAdds"], rows) | {"claims": "none"})
    index = site.build_site(tmp_path, "t", plan("tables/table_3", "tables/table_4")).read_text()
    numbers = (tmp_path / "numbers.html").read_text()
    holds = numbers[numbers.index('id="holds"') :]
    answer = index[index.index('id="answer"') : index.index('id="ways"')]
    assert "far row has 12.5 B MAdds as counted, 10 in print: 1.25 times" in answer, "what speaks against the paper"
    assert "&lt;script&gt;" in holds and "<script" not in index and "The paper's 1 claim," in answer
    assert "far row" in holds and "a misprint" in holds and "near row" not in holds and "tables-table_3.html" in holds
    assert "1 of 2 runs is not done" in index and "result.json: claims:" in (tmp_path / "runs.html").read_text()


def test_many_holes_of_one_reason_are_told_once(tmp_path):
    why = "cityscapes is not here."
    planned = [records.Planned("train", f"n{i}", "n", f"Network {i}", f"mosaic run train/n{i}", why) for i in range(9)]
    planned.append(records.Planned("train", "other", "n", "d", "c", "It was not asked for.", asked=False))
    assert "9 of 9 runs are not done" in site.build_site(tmp_path, "t", planned).read_text()
    index = (tmp_path / "runs.html").read_text()
    assert index.count(f'<p class="reason">{why}</p>') == 1
    assert "9 runs, from train/n0 to train/n8" in index and "not asked" in index
