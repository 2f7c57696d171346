"""Every notebook runs, with tiny parameters, the way a profile runs it; and is kept as notebooks are here."""

import json
import textwrap
from pathlib import Path

import nbformat
import numpy as np
import pytest

from mosaicbook import runs
from mosaicbook.batch import execution, profiles
from mosaicbook.runs import parameters
from mosaicbook.runs.provenance import ROOT
from mosaiclib.data import images
from mosaiclib.data.sets import minicity
from mosaiclib.data.sets.minicity import files as minicity_files

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[a-z0-9]*.ipynb"))
PROFILE = """
    title: Tiny
    description: every notebook once
    runs:
      pictures/r4: {notebook: notebooks/05_released_weights.ipynb, description: x}
      data/tiny:
        notebook: notebooks/10_data.ipynb
        description: x
        parameters: {dataset: minicity-64x128, data_root: ROOT, shown: 2}
      pretrain/tiny:
        notebook: notebooks/15_pretrain.ipynb
        description: x
        parameters:
          {model: mnmh480-mosaic-bins1.4, data_root: ROOT/classified, epochs: 1, batch_size: 2, crop_height: 64,
           crop_width: 64}
      train/tiny:
        notebook: notebooks/20_train.ipynb
        description: x
        parameters:
          {model: mnmh480-mosaic-bins1.4, dataset: minicity-64x128, data_root: ROOT, epochs: 1, batch_size: 2,
           crop_height: 64, crop_width: 128, initial_weights: "run:pretrain/tiny/weights", initial_part: mnmh}
      evaluate/tiny:
        notebook: notebooks/30_evaluate.ipynb
        description: x
        parameters:
          {weights: "run:train/tiny/weights", dataset: minicity-64x128, data_root: ROOT, shown: 1}
      heads/tiny:
        notebook: notebooks/25_heads.ipynb
        description: x
        parameters:
          {model: mnmh480-mosaic-bins1.4, weights: "run:train/tiny/weights", dataset: minicity-64x128, data_root: ROOT,
           split: val, train_splits: train, epochs: 1, views: 2, seeds: "0 1"}
      search/tiny:
        notebook: notebooks/60_search.ipynb
        description: x
        parameters:
          {weights: "run:train/tiny/weights", dataset: minicity-64x128, data_root: ROOT, epochs: 1, views: 2,
           designs: 1, known: mnmh480-mosaic-bins1.4}
      search/verdict:
        notebook: notebooks/61_search_verdict.ipynb
        description: x
        parameters: {search: "run:search/tiny", default: "run:heads/tiny"}
      labels/tiny:
        notebook: notebooks/65_few_labels.ipynb
        description: x
        parameters:
          {model: mnmh480-mosaic-bins1.4, weights: "run:train/tiny/weights", dataset: minicity-64x128, data_root: ROOT,
           split: val, train_splits: train, epochs: 1, views: 2, seeds: "0 1", shares: "0.5 1", taught_share: 0.5}
      labels/next:
        notebook: notebooks/66_label_next.ipynb
        description: x
        parameters:
          {weights: "run:labels/tiny/weights-share0.5", dataset: minicity-64x128, data_root: ROOT, train_splits: train,
           labelled_share: 0.5, count: 1}
      claims/claims: {notebook: notebooks/claims.ipynb, description: x}
      export/tiny:
        notebook: notebooks/40_export.ipynb
        description: x
        parameters: {weights: "run:train/tiny/weights", dataset: minicity-64x128, data_root: ROOT}
      latency/host:
        notebook: notebooks/50_latency.ipynb
        description: x
        parameters:
          {files: "run:export/tiny/files", runtimes: "ai_edge_litert nonesuch", threads: "1", processes: 2,
           inferences: 1}
      beyond/cost_by_stage:
        notebook: notebooks/beyond/cost_by_stage.ipynb
        description: x
        parameters: {tables: "7"}
      explore/explorer:
        notebook: notebooks/00_explore.ipynb
        description: x
        parameters: {profile: tiny}
    pages: [tables, figures, beyond]
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A profile of every notebook over a few small scenes; returns it after all runs were tried."""
    folder = tmp_path_factory.mktemp("tiny")
    for split, count in (("train", 4), ("val", 2)):
        for number in range(count):
            image, label = minicity.scene(number + 10 * (split == "val"), (64, 128))
            target = folder / f"minicity-64x128-v{minicity_files.VERSION}" / split
            images.write_png(target / f"{number:05d}_image.png", image)
            images.write_png(target / f"{number:05d}_label.png", label)
            images.write_png(folder / "classified" / split / "ab"[number % 2] / f"{number}.png", image)
    (folder / "tiny.yaml").write_text(textwrap.dedent(PROFILE).replace("ROOT", str(folder)))
    profile = profiles.load(folder / "tiny.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOSAIC_REPORTS", str(folder / "reports"))
        patch.delenv("MOSAIC_MIRROR", raising=False)
        patch.setenv("MOSAIC_DATA", str(folder))
        for run_id in profile.runs:
            execution.execute(profile, run_id)
        yield profile


@pytest.mark.slow
def test_every_notebook_runs_from_the_outside_of_a_profile(tiny):
    covered = {plan.notebook for plan in tiny.runs.values()}
    assert covered == {str(path.relative_to(ROOT)) for path in NOTEBOOKS}
    results = {run_id: runs.result_of(tiny.name, run_id) for run_id in tiny.runs}
    assert None not in results.values()
    assert "MOSAIC_MIRROR" in results["pictures/r4"]["skipped"]
    assert results["data/tiny"]["pictures"] == {"train": 4, "val": 2} and results["data/tiny"]["synthetic"]
    assert results["pretrain/tiny"]["pretrained_arrays"] > 200
    trained, evaluated = results["train/tiny"], results["evaluate/tiny"]
    assert trained["steps"] == 2 and len(trained["history"]) == 1
    # Trained at the size of the images, so validation and evaluation must find the same number, but for pixels whose
    # two best classes are a rounding apart.
    assert evaluated["miou"] == pytest.approx(trained["best_val_miou"], abs=1e-3)
    assert np.sum(evaluated["confusion"]) == sum(
        int((images.read_label(label) != 255).sum())
        for label in Path(runs.reports_folder().parent).glob("minicity*/val/*_label.png")
    )
    assert results["search/tiny"]["best"]["default"]["known"] == "mnmh480-mosaic-bins1.4"
    assert results["search/verdict"]["verdicts"][0]["seeds"] == 2
    assert [row["labelled_images"] for row in results["labels/tiny"]["arms"]] == [2, 2, 4]
    assert results["labels/tiny"]["differences"][0]["more"] == "undecided"  # two seeds judge nothing
    assert results["labels/next"]["images"] == 2 and len(results["labels/next"]["chosen"]) == 1
    exported = results["export/tiny"]
    assert exported["keras_miou"] == pytest.approx(evaluated["miou"], abs=1e-3)
    assert {file["precision"]: file["pixel_agreement"] > 0.5 for file in exported["files"]} == {
        "float32": True, "float16": True, "dynamic": True, "int8": True,
    }  # fmt: skip
    timed = results["latency/host"]
    assert timed["runtimes_not_installed"] == ["nonesuch"] and len(timed["measurements"]) == 8  # files x kernels
    assert all(m["n"] == 2 and m["mean_ms"] > 0 for m in timed["measurements"])
    assert results["tables/table_7"]["rows"][-1]["cells"][0]["paper"] == 60.1
    drawn = {path.name for path in runs.folder_of(tiny.name, "figures").glob("*/figure_*.*")}
    names = ("1_cityscapes", "1_ade20k_top31", "1_own_0", "2a", "2b", "2c", "3", "4")
    assert drawn == {f"figure_{name}.{kind}" for name in names for kind in ("svg", "pdf", "png")}
    assert {point["kind"] for point in results["figures/figure_1"]["points"]["Cityscapes"]} == {"mosaic", "other"}
    explored = nbformat.read(runs.folder_of(tiny.name, "explore/explorer") / "notebook.ipynb", as_version=4)
    shown = [output["data"] for cell in explored.cells for output in cell.get("outputs", ()) if "data" in output]
    assert [set(data) for data in shown] == [{"text/html", "text/plain"}] * 4  # images and tables, no empty frames
    assert [data["text/plain"].partition("(")[0] for data in shown] == [
        "explore.design", "explore.segment", "explore.compare", "explore.measure",
    ]  # fmt: skip
    check_what_is_beyond_the_paper(results)
    record = json.loads((runs.folder_of(tiny.name, "train/tiny") / "run.json").read_text())
    assert record["data_fingerprint"] == trained["data_fingerprint"]


def check_what_is_beyond_the_paper(results):
    """The pages beyond the paper tell the numbers of the runs that they are drawn from."""
    evaluated, exported = results["evaluate/tiny"], results["export/tiny"]
    by_class = results["beyond/classes"]["evaluations"]["evaluate/tiny"]
    assert [row["iou"] for row in by_class] == pytest.approx(list(evaluated["per_class_iou"].values()))
    variants = results["beyond/edges"]["variants"]
    assert [row["left_out"] for row in variants] == [[], [8], [4], [8, 4]]
    assert variants[0]["miou"] == pytest.approx(evaluated["miou"], abs=1e-6)
    assert variants[0]["boundary"] == pytest.approx([edge["miou"] for edge in evaluated["boundary"]], abs=1e-6)
    assert variants[0]["miou"] != variants[-1]["miou"]
    ends = results["beyond/pictures"]["evaluations"]["evaluate/tiny"]
    scores = [picture["miou"] for picture in evaluated["pictures"]]
    assert [picture["miou"] for end in ("worst", "best") for picture in ends[end]] == sorted(scores)
    lost = {row["class"]: row["lost"] for row in results["beyond/int8"]["exports"]["export/tiny"]}
    int8 = next(file for file in exported["files"] if file["precision"] == "int8")["per_class_iou"]
    for name, points in lost.items():
        assert points == pytest.approx(100 * (exported["keras_per_class_iou"][name] - int8[name]))
    for network in results["beyond/cost_by_stage"]["networks"]:
        for parts in (network["parts"].values(), [stage["madds_b"] for stage in network["stages"]]):
            assert sum(parts) == pytest.approx(network["madds_b"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_clean(path):
    notebook = nbformat.read(path, as_version=4)
    first, *_ = notebook.cells
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert sum(cell.source.startswith("# ") for cell in notebook.cells if cell.cell_type == "markdown") == 1
    assert parameters.declared(path), "a notebook has parameters"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert len(cell.source.splitlines()) <= 25
            assert not any(line.startswith(("def ", "class ")) for line in cell.source.splitlines())
