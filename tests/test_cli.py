"""The `mosaic` command as a user types it: what it prints, and one sentence and status 1 where it cannot."""

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from mosaicbook import cli
from mosaiclib import inference, models
from mosaiclib.data import datasets, images
from mosaiclib.evaluation import image_counts, intervals
from mosaiclib.models import catalogue
from mosaiclib.models import weights as models_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "w"
    spec = catalogue.get("mnmh480-mosaic-bins1.4")
    model = models.build(spec, (64, 96), 3)
    models.save(model, folder, models.Card(spec, ("sky", "road", "car"), "tiny", (64, 96)))
    return folder


def test_predict_writes_an_overlay_with_a_legend_beside_it(mosaic, weights, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (75, 50, 3), dtype=np.uint8)
    images.write_png(tmp_path / "photo.png", picture)
    status, out, _ = mosaic(
        "predict", tmp_path / "photo.png", "--weights", weights, "--out", tmp_path / "x.png", "--json"
    )
    assert status == 0
    assert set(json.loads(out)["shares"]) <= {"sky", "road", "car"}
    drawn = images.read_image(tmp_path / "x.png")
    assert drawn.shape[0] > 75 or drawn.shape[1] > 50


def test_weights_that_are_not_finite_predict_nothing(mosaic, weights, tmp_path):
    shutil.copytree(weights, tmp_path / "w")
    path = tmp_path / "w" / models_weights.WEIGHTS_FILE
    arrays = models_weights.read_arrays(path)
    name = min(arrays)
    models_weights.write_arrays(path, arrays | {name: np.full_like(arrays[name], np.nan)})
    images.write_png(tmp_path / "photo.png", np.zeros((20, 20, 3), np.uint8))
    status, _, error = mosaic(
        "predict", tmp_path / "photo.png", "--weights", tmp_path / "w", "--out", tmp_path / "x.png"
    )
    assert status == 1 and f"'{name}' is not finite" in error and not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "missing.jpg", "--weights", "W", "--out", "x.png"], "missing.jpg"),
        (["predict", "torn.png", "--weights", "W", "--out", "x.png"], "torn.png"),
        (["predict", "photo.png", "--weights", "nowhere", "--out", "x.png"], "nowhere is not a weights folder"),
        (["predict", "photo.png", "--out", "x.png"], "--weights FOLDER"),
        (["export", "--weights", "W", "--out", "o", "--input-size", "large"], "'large' is not a size"),
        (["export", "--weights", "W", "--out", "o", "--input-size", "0x64"], "'0x64' is not a size"),
        (["export", "--weights", "W", "--out", "o", "--input-size", "²x64"], "'²x64' is not a size"),
        (["export", "--weights", "W", "--out", "o", "--input-size", "99999x99999"], "at most 4096x4096 pixels"),
        (["export", "--weights", "W", "--out", "o", "--input-size", "32x32"], "at least 64x64"),
        (["evaluate", "--dataset", "cityscape", "--weights", "W"], "no data set called 'cityscape'"),
        (["evaluate", "--dataset", "minicity"], "either --weights FOLDER or --tflite FILE"),
        (["evaluate", "--dataset", "minicity", "--tflite", "x", "--input-scale", "2"], "export a larger one"),
        (["import", "mlperf", "nothing.tflite", "--out", "o"], "nothing.tflite does not exist"),
        (["bench", "nothing.tflite", "--kernels", "fast"], "Unknown 'fast'"),
        (["run", "train/nothing"], "no run 'train/nothing'"),
        (["report", "--profile", "quik"], "no profile 'quik'"),
        (["madds", "--table", "8"], "Table 8 prints no MAdds"),
        (["data", "fetch", "mnist"], "mnist"),
    ],
)
def test_bad_input_is_one_sentence_and_status_1(mosaic, arguments, sentence, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    images.write_png(tmp_path / "photo.png", np.zeros((20, 20, 3), np.uint8))
    (tmp_path / "torn.png").write_bytes((tmp_path / "photo.png").read_bytes()[:40])
    status, _, error = mosaic(*[weights if argument == "W" else argument for argument in arguments])
    assert status == 1
    assert sentence in error and len(error.splitlines()) == 1
    assert not (tmp_path / "x.png").exists() and not (tmp_path / "o").exists()


def test_madds_as_json_is_what_the_table_shows(mosaic):
    _, out, _ = mosaic("madds", "--table", "5", "--json")
    rows = json.loads(out)
    keys = {"table", "row", "name", "paper_madds_b", "tflite_madds_b", "conv_macs_b", "params", "input_size", "classes"}
    assert len(rows) == 8 and all(keys <= set(row) for row in rows)


def test_int8_is_calibrated_on_a_folder_s_pictures_spread_over_it_and_says_where_there_is_none(
    mosaic, monkeypatch, tmp_path
):
    seen = []
    monkeypatch.setattr("mosaiclib.export.export", lambda *arguments: seen.append(arguments[-1]) or [])
    (tmp_path / "empty").mkdir()
    for number in range(130):
        images.write_png(tmp_path / f"{number:03}.png", np.full((64, 64, 3), number, np.uint8))
    asked = ("export", "--weights", "W", "--out", tmp_path / "o", "--input-size", "64x64", "--precision")
    assert mosaic(*asked, "int8", "--calibration", tmp_path)[2] == ""
    assert [picture[0, 0, 0] for picture in seen[0]] == np.linspace(0, 130, 64, endpoint=False).astype(int).tolist()
    status, _, err = mosaic(*asked, "int8")
    assert status == 0 and len(seen[1]) == 4 and "which costs accuracy (docs/int8.md): --calibration FOLDER" in err
    assert mosaic(*asked, "float32")[2] == ""
    status, _, err = mosaic(*asked, "int8", "--calibration", tmp_path / "empty")
    assert status == 1 and "There is no .jpg, .jpeg or .png image in" in err


def test_the_command_and_the_plan_do_not_wait_for_keras():
    code = (
        "import sys, mosaicbook.cli; from mosaicbook.batch import dependencies, profiles\n"
        "plan = profiles.load('quick'); [dependencies.sources(plan, run_id) for run_id in plan.runs]\n"
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_evaluate_prints_an_interval_keeps_counts_and_enters_the_ledger(mosaic, tiny_dataset, tmp_path, monkeypatch):
    real = replace(tiny_dataset, synthetic=False, splits=("test", "val"),
                   list_split=lambda split: tiny_dataset.list_split("train"))  # fmt: skip
    monkeypatch.setattr(datasets, "get", lambda *_: real)
    monkeypatch.setattr(inference, "open_network", lambda _: lambda image: image[..., 0] // 60 % 4)
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    file = tmp_path / "a.tflite"
    file.write_bytes(b"weights")
    status, out, err = mosaic("evaluate", "--dataset", "tiny", "--split", "test", "--tflite", file)
    assert status == 0, err
    (kept,) = (tmp_path / "reports/by-hand/evaluate").glob("a-tiny-test-*.npz")
    counts = image_counts.load(kept)
    assert status == 0 and str(kept) in err and len(counts.images) == 6
    assert f"mIoU {intervals.text(counts.miou(), intervals.of_score(counts), 2)} % (95 % over images" in out
    for limit in (None, 2):
        more = [] if limit is None else ["--limit", limit, "--json"]
        assert mosaic("evaluate", "--dataset", "tiny", "--split", "val", "--tflite", file, *more)[0] == 0
    (line,) = csv.DictReader((tmp_path / "reports/test_ledger.csv").open())
    assert (line["network"], line["by"], line["images"]) == ("a", "mosaic evaluate", "6"), "val is not a test split"


@pytest.mark.parametrize("width", [34, 80, 500])
def test_a_table_that_is_too_wide_cuts_neither_numbers_nor_names(width):
    made = cli.table("network", "size", "MAdds, B", numbers=("size", "MAdds, B"))
    made.add_row("mnmh480-mosaic-skip8c.4s.2s", "1024x2048", "1302.798")
    printed = io.StringIO()
    Console(file=printed, width=width).print(made)
    shown = printed.getvalue()
    assert "1024x2048" in shown and "1302.798" in shown and "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert "4s.2s" in shown  # the end of the name
    assert max(map(len, shown.splitlines())) <= width
