"""Exported files: the authors' operations, the same function, raw pixels in, and what is written inside."""

import json
from collections import Counter

import keras
import numpy as np
import pytest

from mosaiclib import export, inference, models
from mosaiclib.data import images
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.export import conversion, equalisation, error_profile, folding
from mosaiclib.models import catalogue
from mosaiclib.models.blocks import BilinearResize
from mosaiclib.models.graph import calls
from mosaiclib.models.pretrained import mlperf_tflite
from mosaiclib.tflite import metadata
from mosaiclib.tflite.graph import TFLiteGraph
from mosaiclib.tflite.segmenter import TFLiteSegmenter, resize_bilinear

# The authors' R4 graph (facts of its release), without the QUANTIZE of their own quantisation.
R4_OPERATIONS = {
    "CONV_2D": 44, "DEPTHWISE_CONV_2D": 23, "ADD": 11, "RESIZE_BILINEAR": 6, "CONCATENATION": 5,
    "AVERAGE_POOL_2D": 3, "SPLIT": 3, "ARG_MAX": 1,
}  # fmt: skip
SIZE = (96, 128)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights folder of a small MOSAIC whose batch norms have seen random images."""
    folder = tmp_path_factory.mktemp("weights") / "w"
    spec = catalogue.get("mnmh480-mosaic-bins1.4")
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
    """Images without black and white, as dull ones are: the input's range may not follow them."""
    return [inference.letterbox(free.read(), SIZE)[0].clip(30, 200) for free in FREE_PICTURES]


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
    spec = catalogue.get("mnmh448-mosaic-f64-d64-released")
    model = models.build(spec, (512, 512), 32, output="classes", batch=1)
    pixels = [inference.letterbox(FREE_PICTURES[0].read(), (512, 512))[0]]
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
    ours = inference.keras_runner(models.load(weights, SIZE, output="classes"))
    # Not all: two logits may be one rounding apart, and the order of sums is each processor's own.
    assert (segmenter.classes(calibration[0]) == ours(calibration[0])).mean() > 0.999
    assert file.ops["ARG_MAX"] == 1
    with pytest.raises(ValueError, match=r"takes images of \(96, 128\)"):
        segmenter.classes(calibration[0][:50])


def test_a_layer_that_is_zero_on_every_picture_is_named_and_no_file_left(weights, calibration, tmp_path):
    """XNNPACK would not run the file: the layer's scale is some 10^-9."""
    network, card = models.load(weights, SIZE), models.load_card(weights)
    norm = network.get_layer("mosaic.decoder.merge8.project.bn")
    gamma, _, *rest = norm.get_weights()
    norm.set_weights([gamma, np.full_like(gamma, -1000), *rest])
    models.save(network, tmp_path / "dead", card)
    with pytest.raises(ValueError, match=r"_int8\.tflite would not run: .* mosaic\.decoder\.merge8\.project") as said:
        export.export(tmp_path / "dead", SIZE, tmp_path / "out", ("float32", "int8"), calibration=calibration)
    assert "encoder" not in str(said.value)
    (left,) = (tmp_path / "out").iterdir()
    assert left.name.endswith("_float32.tflite")


def test_folding_keeps_the_function_and_leaves_no_batch_norm(weights):
    network = models.load(weights, SIZE, output="full_logits", batch=1)
    image = np.random.default_rng(11).uniform(-1, 1, (1, *SIZE, 3)).astype("float32")
    folded = folding.fold(network)
    expected = np.asarray(network(image, training=False))
    np.testing.assert_allclose(np.asarray(folded(image, training=False)), expected, rtol=0, atol=1e-4 * expected.std())
    assert sum(layer.name.endswith(".bn") for layer in network.layers) > 40
    assert not any(layer.name.endswith(".bn") for layer in folded.layers)


def stem(network, image):
    """The first layer's values in a network, whose layers may be shared with another."""
    (tensor,) = [node.outputs[0] for node in calls(network) if node.operation.name == "mnmh.stem.relu"]
    return np.asarray(keras.Model(network.inputs, tensor)([image], training=False))


def test_raw_pixels_mean_the_same_as_scaled_ones(weights, calibration):
    """Inside the image; at its border the convolution pads with another grey."""
    network = models.load(weights, SIZE, output="logits", batch=1)
    pixels = calibration[0][None].astype("float32")
    expected = stem(network, pixels / 127.5 - 1)
    found = stem(conversion.with_raw_pixels(folding.fold(network)), (pixels - 128) / 127.5)
    np.testing.assert_allclose(found[:, :-1, :-1], expected[:, :-1, :-1], rtol=0, atol=1e-4)
    assert conversion.HALF_A_STEP * 127.5 == 0.5


def test_raw_pixels_of_a_network_that_normalises_mean_the_same_up_to_the_border(calibration):
    network = models.build(catalogue.mosaic(bins=(1, 4)).wired("garden"), SIZE, 3, batch=1)
    pixels = calibration[0][None].astype("float32")
    expected = stem(network, pixels / 127.5 - 1)
    found = stem(conversion.with_raw_pixels(folding.fold(network)), (pixels - 128) / 127.5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_error_profile_points_at_the_layer_that_int8_hurts(weights, calibration, tmp_path):
    """One channel of a depthwise layer is a thousand times as large as the others, which is undone behind it."""
    hurt = "mnmh.block4.project.conv"
    sound, network = (models.load(weights, SIZE, output="full_logits", batch=1) for _ in range(2))
    norm, project = network.get_layer("mnmh.block4.depthwise.bn"), network.get_layer(hurt)
    gamma, beta, *rest = norm.get_weights()
    scale = np.where(np.arange(len(gamma)) == 7, 1000, 1).astype("float32")
    norm.set_weights([gamma * scale, beta * scale, *rest])
    project.set_weights([project.get_weights()[0] / scale[:, None]])
    own = {}
    for name, of, equalised in (("sound", sound, False), ("hurt", network, False), ("mended", network, True)):
        prepared = conversion.prepare(of, "int8", calibration, equalised)
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(conversion.convert(prepared, "int8", calibration))
        layers = error_profile.profile(prepared, path, calibration[:1])
        own[name] = {layer.layer: layer.own_snr_db for layer in layers if layer.operation == "CONV_2D"}
        error = np.abs(
            run(path, calibration[0]) - np.asarray(prepared(as_int8_sees(calibration[0]), training=False))[0]
        )
        assert layers[-1].layer == "full_logits" and len(layers) > 80
        assert layers[-1].max_error == pytest.approx(error.max(), rel=0.3), (
            "XNNPACK rounds otherwise than the plain kernels"
        )
        assert layers[-1].mean_error == pytest.approx(error.mean(), rel=0.3)
    lost = {layer: own["sound"][layer] - own["hurt"][layer] for layer in own["sound"]}
    # Layers behind it may then leave the ranges that were found in floating point.
    assert next(layer for layer, decibels in lost.items() if decibels > 10) == hurt
    assert own["mended"][hurt] > own["hurt"][hurt] + 3


@pytest.mark.parametrize("name", ["mnv3small-mdl", "mnmh448-dlv3plus"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_error_profile_knows_every_head(name, precision, tmp_path, calibration):
    """Each layer is compared once, and a float file adds next to nothing."""
    keras.utils.set_random_seed(3)
    network = models.build(catalogue.get(name), SIZE, 5, output="full_logits", batch=1)
    path = tmp_path / "file.tflite"
    path.write_bytes(conversion.to_tflite(network, precision, calibration))
    prepared = conversion.prepare(network, precision, calibration)
    layers = error_profile.profile(prepared, path, calibration[:1])
    names = [layer.layer for layer in layers]
    assert names[-1] == "full_logits" and len(names) == len(set(names)) > 40
    if precision == "float32":
        assert min(layer.own_snr_db for layer in layers if layer.own_snr_db is not None) > 80


def as_int8_sees(pixels):
    return ((pixels.astype("float32") - 128) / 127.5)[None]


def test_equalisation_keeps_the_function_and_evens_channels_out(weights, calibration):
    network = models.load(weights, SIZE, output="full_logits", batch=1)
    image = calibration[2][None].astype("float32") / 127.5 - 1
    expected = np.asarray(network(image, training=False))
    folded = folding.fold(network)
    even = equalisation.equalise(folded, [image])
    np.testing.assert_allclose(np.asarray(even(image, training=False)), expected, rtol=0, atol=1e-3 * expected.std())
    tensors = [pair[0] for pair in equalisation._pairs(even)]
    before = equalisation.channel_ranges(folded, [pair[0] for pair in equalisation._pairs(folded)], [image])
    unevenness = [np.median(r.max() / np.maximum(r, r.max() / 50)) for r in before]
    after = [
        np.median(r.max() / np.maximum(r, r.max() / 50)) for r in equalisation.channel_ranges(even, tensors, [image])
    ]
    assert len(after) > 25 and np.mean(after) < 0.7 * np.mean(unevenness)


def test_smaller_logits_are_resized_as_the_network_would(weights, calibration, tmp_path):
    (file,) = export.export(weights, SIZE, tmp_path, ("float32",), output="logits")
    segmenter = TFLiteSegmenter(file.path)
    assert segmenter.output(calibration[1]).shape == (24, 32, 5)
    ours = inference.keras_runner(models.load(weights, SIZE, output="classes"))
    assert (segmenter.classes(calibration[1]) == ours(calibration[1])).mean() > 0.9999
    x = np.random.default_rng(2).normal(size=(5, 7, 3)).astype("float32")
    for convention in ("half_pixel", "asymmetric"):
        expected = np.asarray(BilinearResize((11, 20), convention)(x[None]))[0]
        np.testing.assert_allclose(resize_bilinear(x, (11, 20), convention), expected, atol=1e-5)


def test_a_file_says_what_it_is(weights, tmp_path):
    (file,) = export.export(weights, SIZE, tmp_path, ("dynamic",))
    about = metadata.read_metadata(file.path)
    assert about["spec"]["name"] == "mnmh480-mosaic-bins1.4" and about["classes"][-1] == "<e>"
    assert about["input_size"] == [96, 128] and about["precision"] == "dynamic" and about["provenance"] == {"run": "x"}
    assert len(about["palette"]) == 5 and about["output"] == "classes"
    assert json.loads(json.dumps(about)) == about


def test_predict_draws_with_the_names_and_colours_of_the_file(weights, tmp_path, mosaic):
    (file,) = export.export(weights, SIZE, tmp_path, ("float32",))
    images.write_png(tmp_path / "in.png", FREE_PICTURES[2].read())
    answers = []
    for source in (("--weights", weights), ("--tflite", file.path)):
        status, printed, _ = mosaic("predict", tmp_path / "in.png", "--out", tmp_path / "out.png", "--json", *source)
        assert status == 0
        answers.append((json.loads(printed), images.read_image(tmp_path / "out.png")))
    assert answers[0][0]["shares"] == pytest.approx(answers[1][0]["shares"], abs=1e-3) and answers[0][0]["shares"]
    assert (answers[0][1] == answers[1][1]).mean() > 0.999
    status, _, error = mosaic("predict", tmp_path / "in.png", "--out", tmp_path / "out.png")
    assert status == 1 and "either --weights FOLDER" in error
    for about in ({"classes": ["a"], "palette": []}, {"classes": ["a"], "palette": [[0, 0, 256]]}, [1]):
        (tmp_path / "bad.tflite").write_bytes(
            metadata.with_metadata(file.path.read_bytes(), {metadata.METADATA: json.dumps(about).encode()})
        )
        status, _, error = mosaic(
            "predict", tmp_path / "in.png", "--out", tmp_path / "x.png", "--tflite", tmp_path / "bad.tflite"
        )
        assert status == 1 and "export it again" in error and not (tmp_path / "x.png").exists()


def test_what_cannot_be_exported_says_so(weights, tmp_path):
    with pytest.raises(ValueError, match="Unknown precision 'int4'"):
        export.export(weights, SIZE, tmp_path, ("float32", "int4"))
    with pytest.raises(ValueError, match="Unknown output 'colours'"):
        export.export(weights, SIZE, tmp_path, ("float32",), output="colours")
    with pytest.raises(ValueError, match="needs calibration images"):
        export.export(weights, SIZE, tmp_path, ("int8",))
    with pytest.raises(ValueError, match="batch=1"):
        export.to_tflite(models.load(weights, SIZE), "float32")
    with pytest.raises(ValueError, match="not a weights folder"):
        export.export(tmp_path, SIZE, tmp_path / "out")
    assert not list(tmp_path.rglob("*.tflite"))
