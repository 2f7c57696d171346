"""The patches of docs/ apply to the code as it stands, and what they add is booked, drawn, read and planned."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from mosaicbook.runs.provenance import ROOT

NETWORK = """
import json
from mosaicbook import paper
paper.records = lambda table, real=paper.records: real(table)[:1]  # one row of the paper is enough here
from mosaicbook.paper import results_table
from mosaiclib import models
from mosaiclib.models import catalogue
network = models.build(catalogue.get("{name}"), (256, 288), 5)
print(json.dumps([network.output_shape, results_table.beside_the_paper(6, "none", "tables/table_6")["rows"]]))
"""

HEAD = """
import json
from dataclasses import replace
from mosaicbook import paper
from mosaicbook.beyond import stage_costs
from mosaicbook.show.networks import graphs, layered
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.training import optimizer
record = replace(paper.records(2)[-1], spec="mnmh480-fcn", madds_spec="mnmh480-fcn")
network = models.build(catalogue.get("mnmh480-fcn"), (128, 160), 5)
decayed = [v.path for v in network.trainable_variables if optimizer.decays(v) and v.path.startswith("fcn.")]
colours = {name: layered.colour(name) for name in graphs.read(network).groups if name.startswith("fcn")}
parts = stage_costs.cost(record)["parts"]
print(json.dumps([network.output_shape, parts, decayed, colours, layered.COLOURS]))
"""

PETS = """
import json, sys
import numpy as np
from mosaiclib.data import datasets
data = datasets.get("oxford_pets", sys.argv[1])
pairs = [data.read(sample)[1].tolist() for sample in data.split("train")]
print(json.dumps([pairs, data.classes, datasets.palette_of("oxford_pets", 2)[0]]))
"""

TABLE = """
import json
from mosaicbook.batch import dependencies, profiles
from mosaicbook.paper import results_table
plan = profiles.load("quick")
files = [path.name for path in dependencies.sources(plan, "tables/table_9")]
print(json.dumps([results_table.beside_the_paper(9, "none", "tables/table_9")["rows"], files]))
"""


def patched(tmp_path, page, number, script, *arguments):
    """What a script prints, as JSON, in a copy of the checkout with the page's patch of this number applied."""
    patch = re.findall(r"```diff\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)[number]
    for folder in ("mosaiclib", "mosaicbook", "notebooks", "profiles", "recipes"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    applied = subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, text=True, capture_output=True)
    assert applied.returncode == 0, applied.stderr
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "MOSAIC_REPORTS": str(tmp_path / "reports")}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_backbone_stands_in_its_table(tmp_path):
    shape, rows = patched(tmp_path, "change-the-network.md", 0, NETWORK.replace("{name}", "plain-mosaic"))
    assert shape == [None, 64, 72, 5]
    assert [row["label"] for row in rows] == ["MNV3-small, MOSAIC", "plain-mosaic (not in the paper)"]
    assert rows[1]["cells"][1]["ours"] > 1 and rows[1]["cells"][0]["paper"] is None


def test_a_head_is_booked_drawn_and_decayed(tmp_path):
    shape, parts, decayed, colours, known = patched(tmp_path, "change-the-network.md", 1, HEAD)
    assert shape == [None, 8, 10, 5]
    # By hand: a 3x3 depthwise and a 1x1 convolution of m = 480 channels to 256 at 64x128, then 19 classes.
    pixels = 64 * 128
    assert parts["context"] == pytest.approx(pixels * (9 * 480 + 480 * 256) / 1e9, rel=0.01)
    assert parts["decoder"] == pytest.approx(pixels * 256 * 19 / 1e9, rel=0.01)
    assert any(".depthwise." in path for path in decayed) and len(decayed) == 3
    assert colours["fcn.context"] == known["context"] and colours["fcn.classifier"] == known["decoder"]


def test_a_data_set_is_read(tmp_path):
    import cv2
    import numpy as np

    root = tmp_path / "pets"
    for folder in ("images", "annotations/trimaps"):
        (root / folder).mkdir(parents=True)
    trimap = np.random.default_rng(3).integers(1, 4, (5, 7)).astype(np.uint8)
    cv2.imwrite(str(root / "images/Sphynx_1.jpg"), np.zeros((5, 7, 3), np.uint8))
    cv2.imwrite(str(root / "annotations/trimaps/Sphynx_1.png"), trimap)
    for name in ("trainval", "test"):
        (root / "annotations" / f"{name}.txt").write_text("Sphynx_1 33 1 12\n")
    (label,), classes, colour = patched(tmp_path / "copy", "add-a-data-set.md", 0, PETS, root)
    np.testing.assert_array_equal(label, np.array([0, 0, 1, 255])[trimap])
    assert classes == ["pet", "background"] and colour == [192, 64, 0]


def test_a_table_is_planned_and_drawn(tmp_path):
    rows, files = patched(tmp_path, "add-a-table.md", 0, TABLE)
    assert [row["label"] for row in rows] == ["MNMH, MDL", "MNMH, MOSAIC"]
    assert rows[1]["cells"][0]["paper"] == 75.67 and rows[1]["cells"][1]["ours"] == pytest.approx(20.86, abs=0.01)
    assert "table_9.csv" in files and "table_3.csv" not in files
