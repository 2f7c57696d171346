"""What comes from outside is caught at the door: one sentence that names the file, and nothing wrong in its place."""

import json
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from mosaicbook import runs
from mosaicbook.batch import profiles
from mosaicbook.cli import console
from mosaicbook.runs import provenance
from mosaicbook.runs.provenance import ROOT
from mosaicbook.show import overlays
from mosaiclib.data import datasets, image_size, images
from mosaiclib.data.sets import camvid
from mosaiclib.latency import bench_log
from mosaiclib.models import weights

SETUP = {"file": "a.tflite", "runtime": "r", "kernels": "k", "delegate": None, "threads": 1}
HEADER = {"bench": {"processes": 1, "files": []}, "setups": [SETUP], "machine": "m", "errors": {}, "graphs": {}}
ANSWER = {"turn": 0, **SETUP, "verdict": "none", "times_ms": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([HEADER | {"setups": None}], "its first line"),
        ([HEADER | {"setups": [1]}], "its first line"),
        ([HEADER | {"setups": [{"file": "a"}]}], "its first line"),
        ([HEADER | {"bench": []}], "its first line"),
        ([HEADER | {"bench": {"processes": "many"}}], "its first line"),
        ([HEADER | {"errors": []}], "its first line"),
        ([3], "its first line"),
        ([HEADER, {"turn": 0}], "line 2 is not a benchmark run"),
        ([HEADER, ANSWER, []], "line 3 is not a benchmark run"),
        ([HEADER, ANSWER | {"times_ms": "fast"}], "line 2"),
        ([HEADER, ANSWER | {"times_ms": []}], "line 2"),
        ([HEADER, ANSWER | {"verdict": 1}], "line 2"),
        ([HEADER, SETUP | {"error": {}}], "line 2"),
    ],
)
def test_a_log_of_another_form_is_no_log_of_a_bench(lines, sentence, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match=rf"log\.jsonl is not the log of a bench: .*{sentence}"):
        bench_log.show(log)
    log.write_text(json.dumps(HEADER) + "\n" + json.dumps(ANSWER) + "\n" + "[" * 100_000 + "\n")
    with pytest.raises(ValueError, match="line 3"):
        bench_log.show(log)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    files = ("/x/a/model.tflite", "/x/b/model.tflite", "/y/b/model.tflite", "other.tflite")
    setups = [SETUP | {"file": file} for file in files]
    lines = [HEADER | {"setups": setups}, *(ANSWER | setup for setup in setups)]
    (tmp_path / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [m.model for m in bench_log.show(tmp_path / "log")] == ["a/model", "x/b/model", "y/b/model", "other"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"data": "text"}, "'layer/kernel', which is no array of numbers"),
        ({"data": h5py.Empty("f4")}, "'layer/kernel', which is no array of numbers"),
        ({"data": np.zeros(3, [("x", "f4"), ("y", "i4")])}, "'layer/kernel', which is no array of numbers"),
        ({"shape": (1 << 15, 1 << 16), "dtype": "u1", "chunks": (64, 64)}, "of 2,048 MiB, too large"),
    ],
)
def test_a_weights_file_holds_arrays_of_numbers_alone(value, sentence, tmp_path):
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file.create_dataset("layer/kernel", **value)
    with pytest.raises(ValueError, match=sentence):
        weights.read_arrays(tmp_path / "model.weights.h5")


def test_damaged_weights_and_deep_json_are_one_sentence(tmp_path):
    path = tmp_path / "model.weights.h5"
    generator = np.random.default_rng(0)
    weights.write_arrays(path, {f"layer{i}/kernel": generator.normal(size=(3, 3)) for i in range(5)})
    content = path.read_bytes()
    for _ in range(60):
        broken = bytearray(content)
        for place in generator.integers(0, 4000, 12):
            broken[place] = generator.integers(0, 256)
        path.write_bytes(broken)
        try:
            weights.read_arrays(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)
    (tmp_path / "spec.json").write_text("[" * 100_000)
    (tmp_path / "run.json").write_text('{"a":' * 100_000)
    with pytest.raises(ValueError, match=r"spec\.json is not a valid model card"):
        weights.load_card(tmp_path)
    with pytest.raises(ValueError, match=r"run\.json is not valid JSON"):
        runs.read_json(tmp_path / "run.json")


def test_a_zip_of_ones_own_does_not_become_the_published_camvid(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MOSAIC_MIRROR", raising=False)
    (tmp_path / "data/camvid/train").mkdir(parents=True)
    images.write_png(tmp_path / "data/camvid/train/published.png", np.zeros((4, 4, 3), np.uint8))
    for name in ("one", "two"):
        with zipfile.ZipFile(tmp_path / "own.zip", "w") as file:
            file.write(tmp_path / "data/camvid/train/published.png", f"train/{name}.png")
        camvid._sha256.cache_clear()
        assert [image.name for image, _ in camvid.samples(tmp_path / "own.zip", "train")] == [f"{name}.png"]
    assert [image.name for image, _ in camvid.samples(None, "train")] == ["published.png"]


def test_the_commit_is_that_of_a_repository_of_its_own(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.email=a@b", "-c", "user.name=x", *arguments],
                       check=True, capture_output=True)  # fmt: skip

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "of another project")
    (tmp_path / "mosaic").mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "mosaic")
    assert provenance.commit() == {"commit": None, "dirty": False}
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert len(provenance.commit()["commit"]) == 40


def test_a_legend_has_the_letters_of_its_names_or_says_which_it_lacks():
    assert overlays.lacking("Straße žlutý Привет ελιά đường") == ""
    assert overlays.lacking("a\U000f0000b") == "\U000f0000"
    image, label = np.zeros((40, 300, 3), np.uint8), np.zeros((40, 300), np.uint8)
    legends = [overlays.with_legend(image, label, [name], [(9, 9, 9)]) for name in ("путь", "дома", "ßßßß")]
    assert not np.array_equal(legends[0], legends[1])  # and not four boxes each


def test_tables_that_are_piped_are_whole(capsys):
    from rich.table import Table

    table = Table("a", "b")
    table.add_row("x" * 150, "y" * 150)
    console().print(table)
    assert "x" * 150 in capsys.readouterr().out.replace("\n", "")


WITHOUT = """
import sys, psutil  # which has another module on Windows
sys.modules["resource"] = sys.modules["fcntl"] = None
from mosaicbook.cli import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [(["predict", "--help"], 0, "overlay"), (["report", "--plan"], 1, "mosaic: this verb needs Linux or macOS")],
)
def test_where_python_lacks_what_windows_lacks_other_verbs_run(arguments, status, text):
    done = subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True)
    assert done.returncode == status and text in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_a_terminal_without_the_letters_shows_the_rest(tmp_path):
    script = (
        "from mosaicbook.cli import app, main\napp.command('say')(lambda: print('Straße', '\\u5730', 'ok'))\nmain()"
    )
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script, "say"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and done.stdout.split() == ["Stra?e", "?", "ok"]


def test_a_name_that_is_no_utf_8_is_kept_as_text(tmp_path, mosaic):
    label = np.zeros((16, 16), np.uint8)
    label[:, 8:] = 255
    for number in range(10):
        for part in (b"images", b"masks/fa\xe7ade"):
            path = tmp_path / "in" / os.fsdecode(part) / os.fsdecode(b"caf\xe9%d.png" % number)
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write_png(path, label if b"masks" in part else np.full((16, 16, 3), number, np.uint8))
    status, _, err = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert status == 0, err
    data = datasets.get("folder", tmp_path / "out")
    names = [name for split in data.splits for sample in data.split(split) for name in (sample.name, sample.stem)]
    assert len(set(names)) == 20 and json.dumps([names, data.classes], ensure_ascii=False).encode()
    assert data.fingerprint()
    assert "caf\\udce9" in (tmp_path / "out" / "import.html").read_text(encoding="utf-8")


def test_a_path_that_begins_with_a_tilde_is_in_the_home(tmp_path, monkeypatch, mosaic):
    monkeypatch.setenv("HOME", str(tmp_path))
    for words in (("camvid", "--root", "~/x"), ("folder", "--root=~/x"), ("cityscapes", "--root", "~/x")):
        status, out, err = mosaic("data", "verify", *words)
        assert status == 1 and f"{tmp_path}/x" in out + err and "~" not in out + err
    assert f"{tmp_path}/W is not a weights folder" in mosaic("evaluate", "--dataset=minicity", "--weights=~/W")[2]
    namespace = {"__annotations__": {"weights": str, "model": str}, "weights": "~/W", "model": "a~b"}
    runs.start("train", namespace)
    assert (namespace["weights"], namespace["model"]) == (f"{tmp_path}/W", "a~b")


def test_a_bench_begins_with_one_configuration_and_says_how_long_it_takes(tmp_path, monkeypatch, mosaic):
    asked = []

    def bench(files, runtimes, kernels, threads, processes, runs, progress, **_):
        asked.append((runtimes, kernels, threads))
        assert len([*progress([1] * processes)]) == processes
        return []

    monkeypatch.setattr("mosaiclib.latency.host.bench", bench)
    monkeypatch.setattr("mosaiclib.latency.host.installed_runtimes", lambda: ["ai_edge_litert", "tf.lite"])
    status, _, err = mosaic("bench", "a.tflite", "--log", tmp_path / "log")
    assert status == 0 and "mosaic: 10 benchmark runs, about 1 second in all" in err.splitlines()
    mosaic("bench", "a.tflite", "--all", "--log", tmp_path / "log")
    one, everything = asked
    assert one == (["ai_edge_litert"], ["xnnpack"], [1])
    assert everything == (["ai_edge_litert", "tf.lite"], ["xnnpack", "builtin"], [1])


def test_a_published_file_is_found_where_fetch_has_it(tmp_path, monkeypatch, mosaic):
    name = "mosaic_r4_uint8.tflite"
    (tmp_path / "mirror/mlperf").mkdir(parents=True)
    (tmp_path / "mirror/mlperf" / name).write_bytes(b"damaged")
    monkeypatch.setenv("MOSAIC_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    image = tmp_path / "image.png"
    images.write_png(image, np.zeros((8, 8, 3), np.uint8))
    for command in (
        ("data", "fetch", "mlperf"),
        ("import", "mlperf", f"data/mlperf/{name}", "--out", tmp_path / "W"),
        ("predict", image, "--tflite", f"data/mlperf/{name}", "--out", tmp_path / "o.png"),
        ("evaluate", "--dataset", "minicity", "--tflite", name),
        ("bench", f"data/mlperf/{name}", "--log", tmp_path / "log"),
    ):
        status, _, err = mosaic(*command)
        assert status == 1 and f"{tmp_path}/mirror/mlperf/{name} is not the expected file" in err, command


def test_photographs_much_larger_than_a_network_knows_are_warned_of_and_can_be_shrunk(tmp_path, mosaic):
    assert not image_size.too_large((1024, 2048), (769, 769)) and not image_size.too_large((360, 480), (320, 448))
    assert "4000x3000 are 9 times the 448x320" in image_size.too_large((3000, 4000), (320, 448))
    label = np.zeros((1600, 2000), np.uint8)
    label[:, 900:] = 1
    for number in range(4):
        images.write_png(tmp_path / f"in/images/{number}.png", np.dstack([label * np.uint8(200)] * 3))
        images.write_png(tmp_path / f"in/masks/{number}.png", label * np.uint8(255))
    assert mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "large")[0] == 0
    warning = "Note: Images of 2000x1600 are 3 times the 512x512"
    assert warning in mosaic("data", "verify", "folder", "--root", tmp_path / "large")[1]
    assert "--max-side 960" in mosaic("data", "verify", "folder", "--root", tmp_path / "large")[1]
    status, out, _ = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "small", "--max-side", 500)
    assert status == 0 and "4 images were shrunk to 500 pixels." in out
    assert "Note" not in mosaic("data", "verify", "folder", "--root", tmp_path / "small")[1]
    data = datasets.get("folder", tmp_path / "small")
    image, found = data.read(data.split("train")[0])
    assert image.shape == (400, 500, 3) and ((image[..., 0] > 100) == (found == 1)).mean() > 0.99


def test_an_empty_zip_is_not_camvid(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(ValueError, match=r"empty\.zip is empty"):
        camvid.samples(tmp_path / "empty.zip", "train")
    assert not any((tmp_path / "data").iterdir())


# === Where a profile, the reports and the user are ===


def test_a_report_needs_no_writable_checkout_no_name_and_no_home(tmp_path, monkeypatch):
    """Folders are named relatively and with braces, the profile lies elsewhere, and the user is a mere number."""
    profile = tmp_path / "p{x}.yaml"
    profile.write_text(
        "title: t\ndescription: d\nruns:\n  figures/figure_2: {notebook: notebooks/figures/figure_2.ipynb, "
        "description: x}\n"
    )
    before = {path.name for path in ROOT.iterdir()}
    nameless = (
        "import getpass, os, sys\n"
        "def unknown(*_): raise KeyError('getpwuid(): uid not found: 4242')\n"
        "import pwd\npwd.getpwuid = unknown\n"
        "from mosaicbook.cli import main\nmain()"
    )
    lacking = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in lacking}
    environment |= {"MOSAIC_REPORTS": "r {y}", "MOSAIC_DATA": "d", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", nameless, "report", "--profile", profile.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "r {y}" / "p{x}"
    assert (folder / "index.html").is_file() and (folder / "runs/figures/figure_2/result.json").is_file()
    assert {path.name for path in ROOT.iterdir()} == before


def test_two_profiles_of_one_name_do_not_share_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path / "reports"))
    plans = []
    for name in ("a", "b"):
        path = tmp_path / name / "p.yaml"
        path.parent.mkdir()
        path.write_text("title: t\ndescription: d\n")
        plans.append(profiles.load(path))
    profiles.claim(plans[0])
    profiles.claim(plans[0])
    with pytest.raises(ValueError, match=r"b/p.yaml and the profile .*a/p.yaml have one name"):
        profiles.claim(plans[1])
    (tmp_path / "a" / "p.yaml").unlink()
    profiles.claim(plans[1])
