"""The authors' released graphs in our network. The files are outside the repository (see `mirror`)."""

import numpy as np
import pytest

from mosaiclib import inference, models
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.models.pretrained import mlperf_tflite
from mosaiclib.tflite.segmenter import TFLiteSegmenter

R4, DEEPLAB = "mlperf/mosaic_r4_uint8.tflite", "mlperf/deeplabv3plus_mnv2_qat_uint8.tflite"


def agreement(path):
    model, card = mlperf_tflite.read(path)
    ours, theirs = inference.keras_runner(model), TFLiteSegmenter(path).classes
    shares = [inference.agreement(ours, theirs, p.read(), card.input_size) for p in FREE_PICTURES]
    return shares


@pytest.mark.parametrize("file", [R4, DEEPLAB])
def test_the_imported_network_agrees_with_its_file_on_real_pictures(file, mirror):
    shares = agreement(mirror(file))
    assert np.mean(shares) >= 0.97 and min(shares) >= 0.90


def test_the_imported_network_survives_its_weights_folder(mirror, tmp_path):
    model, card = mlperf_tflite.read(mirror(R4))
    models.save(model, tmp_path / "w", card)
    picture = FREE_PICTURES[0].read()
    again = models.load(tmp_path / "w", output="classes")
    first = inference.segment(inference.keras_runner(model), picture, card.input_size)
    second = inference.segment(inference.keras_runner(again), picture, card.input_size)
    np.testing.assert_array_equal(first, second)
    assert first.shape == picture.shape[:2] and len(np.unique(first)) > 2


def test_another_network_is_refused_with_the_first_op_that_differs(mirror, monkeypatch):
    monkeypatch.setattr(mlperf_tflite, "CANDIDATES", mlperf_tflite.CANDIDATES[:1])
    with pytest.raises(ValueError, match=r"op 1 is DEPTHWISE_CONV_2D .* needs CONV_2D"):
        mlperf_tflite.read(mirror(DEEPLAB))


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL3", b"\x1c\0\0\0TFL3" + bytes(range(200)), b"GIF89a" * 50])
def test_files_that_are_no_graph_are_refused(content, tmp_path):
    (tmp_path / "x.tflite").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.tflite is"):
        mlperf_tflite.read(tmp_path / "x.tflite")


def test_a_truncated_graph_is_refused(mirror, tmp_path):
    (tmp_path / "x.tflite").write_bytes(mirror(R4).read_bytes()[:700_000])
    with pytest.raises(ValueError, match="damaged or truncated"):
        mlperf_tflite.read(tmp_path / "x.tflite")
