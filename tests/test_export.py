"""Exported files: the authors' operations, the same function, raw pixels in, and what is written inside."""

import json
from collections import Counter

import numpy as np
import pytest

from mosaiclib import export, models, pictures, specs
from mosaiclib.models.pretrained import mlperf_tflite
from mosaiclib.models.pretrained.tflite_graph import TFLiteGraph
from mosaiclib.tflite import TFLiteSegmenter

# The authors' R4 graph (facts of its release), without the QUANTIZE of their own quantisation.
R4_OPERATIONS = {
    "CONV_2D": 44, "DEPTHWISE_CONV_2D": 23, "ADD": 11, "RESIZE_BILINEAR": 6, "CONCATENATION": 5,
    "AVERAGE_POOL_2D": 3, "SPLIT": 3, "ARG_MAX": 1,
}  # fmt: skip
SIZE = (96, 128)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights folder of a small MOSAIC whose batch norms have seen random pictures."""
    folder = tmp_path_factory.mktemp("weights") / "w"
    spec = specs.get("mnmh480-mosaic-bins1.4")
    model = models.build(spec, SIZE, 5)
    generator = np.random.default_rng(3)
    for layer in model.layers:
        if layer.name.endswith(".bn"):
            size = layer.gamma.shape
            layer.set_weights([generator.uniform(0.5, 1.5, size), generator.normal(0, 0.3, size),
                               generator.normal(0, 0.3, size), generator.uniform(0.5, 1.5, size)])  # fmt: skip
    models.save(model, folder, models.Card(spec, ("a", "b", "c", "d", "<e>"), "tiny", SIZE, provenance={"run": "x"}))
    return folder


@pytest.fixture(scope="module")
def calibration():
    """Pictures without black and white, as dull ones are: the input's range may not follow them."""
    return [pictures.letterbox(free.read(), SIZE)[0].clip(30, 200) for free in pictures.FREE_PICTURES]


def run(path, pixels):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(inputs["index"], pixels.astype(inputs["dtype"])[None])
    interpreter.invoke()
    found = interpreter.get_tensor(outputs["index"])[0].astype(np.float32)
    scale, zero = outputs["quantization"]
    return (found - zero) * scale if scale else found


@pytest.mark.slow
def test_the_released_network_exports_to_the_authors_operations(tmp_path, mirror_if_any):
    """Counted against the figures above; where the file itself is here, operation by operation against it."""
    spec = specs.get("mnmh448-mosaic-f64-d64-released")
    model = models.build(spec, (512, 512), 32, output="classes", batch=1)
    pixels = [pictures.letterbox(pictures.FREE_PICTURES[0].read(), (512, 512))[0]]
    path = tmp_path / "r4.tflite"
    path.write_bytes(export.to_tflite(model, "int8", pixels))
    graph = TFLiteGraph(path)
    found = Counter(operation.kind for operation in graph.operations)
    found.pop("QUANTIZE", None)
    assert found == R4_OPERATIONS
    released = mirror_if_any("mlperf/mosaic_r4_uint8.tflite")
    if released:
        assert in_canonical_order(graph) == in_canonical_order(TFLiteGraph(released))


def in_canonical_order(graph):
    order = mlperf_tflite.canonical_order(graph.producer[graph.outputs[0]].index, mlperf_tflite._tflite_inputs(graph))
    return [mlperf_tflite._describe(graph, graph.operations[index]) for index in order]


def test_float_files_compute_what_keras_computes(weights, tmp_path):
    files = export.export(weights, SIZE, tmp_path, ("float32", "float16"), output="full_logits")
    image = np.random.default_rng(5).uniform(-1, 1, (*SIZE, 3)).astype("float32")
    expected = np.asarray(models.load(weights, SIZE, output="full_logits")(image[None], training=False))[0]
    assert expected.std() > 0.01
    for file, tolerance in zip(files, (1e-4, 2e-2), strict=True):
        np.testing.assert_allclose(run(file.path, image), expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert files[1].size_mb < 0.6 * files[0].size_mb


def test_int8_takes_raw_pixels_and_follows_keras(weights, calibration, tmp_path):
    (file,) = export.export(weights, SIZE, tmp_path, ("int8",), output="full_logits", calibration=calibration)
    from ai_edge_litert.interpreter import Interpreter

    (inputs,) = Interpreter(str(file.path)).get_input_details()
    assert inputs["dtype"] == np.uint8
    assert inputs["quantization"] == (pytest.approx(1 / 127.5, rel=1e-6), 128)
    assert file.ops["DEQUANTIZE"] == 1, "logits leave as float32; all before is integer"
    pixels = calibration[2]
    scaled = (pixels.astype("float32") - 128) / 127.5
    expected = np.asarray(models.load(weights, SIZE, output="full_logits")(scaled[None], training=False))[0]
    found = run(file.path, pixels)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def test_the_default_output_is_a_class_map(weights, calibration, tmp_path):
    (file,) = export.export(weights, SIZE, tmp_path, ("float32",))
    segmenter = TFLiteSegmenter(file.path)
    ours = pictures.keras_runner(models.load(weights, SIZE, output="classes"))
    np.testing.assert_array_equal(segmenter.classes(calibration[0]), ours(calibration[0]))
    assert file.ops["ARG_MAX"] == 1
    with pytest.raises(ValueError, match=r"takes pictures of \(96, 128\)"):
        segmenter.classes(calibration[0][:50])


def test_a_file_says_what_it_is(weights, tmp_path):
    (file,) = export.export(weights, SIZE, tmp_path, ("dynamic",))
    about = export.read_metadata(file.path)
    assert about["spec"]["name"] == "mnmh480-mosaic-bins1.4" and about["classes"][-1] == "<e>"
    assert about["input_size"] == [96, 128] and about["precision"] == "dynamic" and about["provenance"] == {"run": "x"}
    assert json.loads(json.dumps(about)) == about


def test_what_cannot_be_exported_says_so(weights, tmp_path):
    with pytest.raises(ValueError, match="Unknown precision 'int4'"):
        export.export(weights, SIZE, tmp_path, ("int4",))
    with pytest.raises(ValueError, match="needs calibration pictures"):
        export.export(weights, SIZE, tmp_path, ("int8",))
    with pytest.raises(ValueError, match="batch=1"):
        export.to_tflite(models.load(weights, SIZE), "float32")
    with pytest.raises(ValueError, match="not a weights folder"):
        export.export(tmp_path, SIZE, tmp_path / "out")
    assert not list(tmp_path.rglob("*.tflite"))
