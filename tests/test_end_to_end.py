"""The paper's plan, narrowed, on tiny data in the published layouts: an import, a pretraining, a rate that diverges."""

import json
import os
import subprocess
import sys

import published_layouts
import pytest
import yaml
from test_model_garden import published_shapes, random_arrays, write_checkpoint

from mosaicbook import runs
from mosaicbook.runs.provenance import ROOT

# MOSAIC_FULL_SIZE=1 validates at Cityscapes' own size; the suite does at a quarter of its sides.
SIZE = (1024, 2048) if os.environ.get("MOSAIC_FULL_SIZE") else (256, 512)


@pytest.mark.slow
def test_the_narrowed_paper_with_an_import_and_one_rate_that_diverges(tmp_path, monkeypatch, mosaic):
    """Validated at SIZE on a CPU. One row starts from the authors' backbone, one from a pretraining here."""
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    data = published_layouts.cityscapes(tmp_path / "cityscapes", SIZE)
    published_layouts.imagenet(tmp_path / "imagenet")
    backbone = {k: v for k, v in random_arrays(published_shapes(32, False, 19), 3).items() if k.startswith("backbone/")}
    write_checkpoint(tmp_path / "ckpt" / "ckpt-1", backbone)
    weights = tmp_path / "mnmh"
    assert mosaic("import", "model-garden", tmp_path / "ckpt", "--out", weights)[0] == 0

    small = {
        "recipe": "paper",
        "epochs": 1,
        "batch_size": 2,
        "crop_height": 257,
        "crop_width": 257,
        "validate_every": 1,
    }
    sweep = {"dataset": "cityscapes", "data_root": str(data), "learning_rates": [0.0005, 1e30], "train": small}
    pretrain = {"model": "mnmh512-mosaic", "data_root": str(tmp_path / "imagenet"), "epochs": 1, "batch_size": 4,
                "crop_height": 64, "crop_width": 64}  # fmt: skip
    plan = {
        "title": "Tiny", "description": "d",
        "runs": {"pretrain/tiny": {"notebook": "notebooks/15_pretrain.ipynb", "description": "x",
                                  "parameters": pretrain}},
        "sweeps": [
            sweep | {"rows": ["mnmh480-mosaic"], "pretrained": {"mnmh": str(weights)}},
            sweep | {"rows": ["mnmh512-mosaic"], "pretrained": {"mnmh": "run:pretrain/tiny/weights"},
                     "learning_rates": []},
        ],
        "pages": ["tables"],
    }  # fmt: skip
    profile = tmp_path / "tiny.yaml"
    profile.write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-c", "from mosaicbook.cli import main; main()", "report", "--profile", profile]
    done = subprocess.run([*command, "--tables", "6"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no score, and another one is the best: train/cityscapes-mnmh480-mosaic-lr1" in done.stderr

    diverged = runs.folder_of("tiny", "train/cityscapes-mnmh480-mosaic-lr1" + 30 * "0")
    assert json.loads((diverged / "run.json").read_text())["diverged"]
    evaluated = runs.result_of("tiny", "evaluate/cityscapes-mnmh480-mosaic")
    trained = runs.result_of("tiny", "train/cityscapes-mnmh480-mosaic-lr0.0005")
    assert evaluated["image_size"] == list(SIZE) and evaluated["spec"]["normalisation"] == "imagenet"
    assert trained["kept_val_miou"] == pytest.approx(evaluated["miou"], abs=5e-4) and trained["device"]
    rows = {row["label"]: row["cells"][0] for row in runs.result_of("tiny", "tables/table_6")["rows"]}
    scored = [cell for cell in rows.values() if cell["ours"] is not None]
    assert {cell["run"] for cell in scored} == {f"evaluate/cityscapes-mnmh{m}-mosaic" for m in (480, 512)}
    site = tmp_path / "reports" / "tiny"
    assert (site / "index.html").is_file()
    assert "The loss became" in "".join(page.read_text() for page in site.glob("train-*lr1*.html"))
