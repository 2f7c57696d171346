"""Exported files in MediaPipe's ImageSegmenter, which has its own environment: labels, classes, refusals."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mosaicbook.runs.provenance import ROOT
from mosaiclib import inference
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.export import export
from mosaiclib.tflite import standard_metadata
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.metadata import with_metadata
from mosaiclib.tflite.segmenter import TFLiteSegmenter

PYTHON = Path(sys.prefix) / "mediapipe" / "bin" / "python"
WEIGHTS = ROOT / "reports" / "published" / "camvid" / "weights"
SIZE = (256, 320)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """(the image, {what a file is: (file, MediaPipe's answer)})."""
    if not PYTHON.is_file():
        pytest.skip(f"{PYTHON} is not there: make test installs MediaPipe from tests/mediapipe.lock")
    folder = tmp_path_factory.mktemp("mediapipe")
    images = [inference.letterbox(free.read(), SIZE)[0] for free in FREE_PICTURES]
    files = {}
    for output, precisions in (("confidences", ("float32", "float16", "dynamic", "int8")), ("full_logits", ("int8",)),
                               ("classes", ("float32",))):  # fmt: skip
        for file in export(WEIGHTS, SIZE, folder, precisions, output, images):
            files[output, file.precision] = file.path
    files["wrong", "float32"] = folder / "wrong.tflite"
    darker = standard_metadata.describe("x", "x", SIZE, [], standard_metadata.SOFTMAX_DONE, mean=0.0)
    content = files["confidences", "float32"].read_bytes()
    files["wrong", "float32"].write_bytes(with_metadata(content, {standard_metadata.NAME: darker}))
    np.save(folder / "image.npy", images[0])
    oracle = [PYTHON, ROOT / "tests" / "mediapipe_oracle.py", folder / "out.json", folder / "image.npy"]
    subprocess.run([*oracle, *files.values()], check=True, capture_output=True)
    told = json.loads((folder / "out.json").read_text())
    return images[0], {what: (file, told[str(file)]) for what, file in files.items()}


def _agreement(image, file, answer):
    return (np.load(answer["classes"]) == TFLiteSegmenter(file).classes(image)).mean()


@pytest.mark.slow
def test_mediapipe_reads_labels_and_finds_the_same_classes_in_every_precision(answers):
    image, asked = answers
    names = list(TFLiteSegmenter(asked["confidences", "float32"][0]).names)
    for (output, precision), (file, answer) in asked.items():
        if output in ("confidences", "full_logits"):
            assert answer.get("labels") == names, (output, precision, answer)
            assert _agreement(image, file, answer) >= 0.98, (output, precision)
            assert 0.9 < answer["most"] <= 1 + 1e-6, "a softmax is taken once and not twice"


@pytest.mark.slow
def test_another_mean_is_another_picture_and_class_ids_are_refused(answers):
    image, asked = answers
    assert _agreement(image, *asked["wrong", "float32"]) < 0.9
    assert "NormalizationOptions" in asked["classes", "float32"][1]["error"]


def test_what_we_write_we_read(tmp_path):
    file = tmp_path / "a.tflite"
    file.write_bytes(standard_metadata.with_labels(b"TFL3" * 9, ["été", "a b", "c"]))
    for normalised in (True, False):
        metadata = standard_metadata.describe("t", "d", (3, 4), ["été"], 0, normalised, mean=12.5, std=3)
        read = standard_metadata.read(file, metadata)
        assert read.labels == ("été", "a b", "c")
        assert (read.mean, read.std) == (((12.5,), (3.0,)) if normalised else (None, None))
    for cut in range(0, len(metadata), 7):
        try:
            standard_metadata.read(file, metadata[:cut])
        except ValueError as error:
            assert str(file) in str(error)  # a sentence that names the file, and no other exception


def test_a_foreign_file_is_read_by_its_own_scale_and_labels(tmp_path):
    """Ours without our own metadata, its input's scale moved into a layer: right only if the metadata is used."""
    import tensorflow as tf

    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)

    def written(name, mean, std):
        def network(x):
            return tf.nn.conv2d((x * std + mean) / 255.0 - 0.4, kernel, 1, "SAME")

        traced = tf.function(network, input_signature=[tf.TensorSpec((1, 9, 11, 3))]).get_concrete_function()
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
        return path

    image = np.random.default_rng(1).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    expected = TFLiteSegmenter(written("plain", 127.5, 127.5))
    standard, names = written("standard", 10.0, 50.0), ["a", "b", "c", "d"]
    metadata = standard_metadata.describe("t", "d", (9, 11), names, 0, mean=10.0, std=50.0)
    content = with_metadata(standard.read_bytes(), {standard_metadata.NAME: metadata})
    standard.write_bytes(standard_metadata.with_labels(content, names))
    ultralytics = written("ultralytics", 0.0, 255.0)
    with zipfile.ZipFile(ultralytics, "a") as archive:
        archive.writestr("metadata.json", json.dumps({"names": {str(i): name for i, name in enumerate(names)}}))
    for file in (standard, ultralytics):
        segmenter = TFLiteSegmenter(file)
        assert list(segmenter.names) == names
        assert (segmenter.classes(image) == expected.classes(image)).mean() > 0.98
    short = standard_metadata.with_labels(content, names[:3])
    standard.write_bytes(short)
    with pytest.raises(ValueError, match=r"standard.tflite names 3 classes in its metadata and gives 4"):
        TFLiteSegmenter(standard)


def test_the_label_file_lies_behind_a_model_that_still_opens(tmp_path):
    (file,) = export(WEIGHTS, SIZE, tmp_path, ["float32"], "confidences")
    read = standard_metadata.read(file.path, TFLiteGraph(file.path).metadata(standard_metadata.NAME))
    assert read == standard_metadata.Described(TFLiteSegmenter(file.path).names, (127.5,), (127.5,))
    first = file.path.read_bytes()
    (again,) = export(WEIGHTS, SIZE, tmp_path, ["float32"], "confidences")
    assert again.path.read_bytes() == first
