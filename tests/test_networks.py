"""Backbones and heads of Tables 2, 6 and 7: parameters, dilation, keras.applications, a step, TFLite."""

import math

import keras
import numpy as np
import pytest

from mosaiclib import export, models
from mosaiclib.models import catalogue
from mosaiclib.models.heads.lraspp import lraspp
from mosaiclib.models.pretrained import keras_applications
from mosaiclib.models.spec import LRASPPHead
from mosaiclib.tflite.graph import TFLiteGraph

# Trainable parameters at 19 classes, counted by hand from published layer lists, and of the backbone alone.
PARAMETERS = {
    "mnv3small-mdl": (468_830, 390_576),
    "mnv3large-mdl": (1_507_198, 1_379_184),
    "mnv3small-mosaic": (478_028, 390_576),
    "mnv3large-mosaic": (1_511_412, 1_379_184),
    "resnet50-mosaic": (24_132_876, 23_631_808),
    "resnet101-mosaic": (43_125_004, 42_623_936),
    "xception71-mosaic": (40_804_628, 40_289_736),
}

# Layers whose kernels are dilated, and by how much; nowhere else.
DILATED = {
    "mnv2-dlv3plus": {f"mobilenet_v2.block{i}.depthwise.conv": 2 for i in (15, 16, 17)},
    "mnv3small-mdl": {f"mobilenet_v3_small.block{i}.depthwise.conv": 2 for i in (10, 11)},
    "mnv3large-mdl": {f"mobilenet_v3_large.block{i}.depthwise.conv": 2 for i in (14, 15)},
    "resnet50-mosaic": {f"resnet50.stage4.unit{i}.spatial.conv": 2 for i in (1, 2, 3)},
    "xception71-dlv3plus": {f"xception71.exit2.separable{i}.depthwise.conv": 2 for i in (1, 2, 3)}
    | {f"deeplab.aspp.atrous{rate}.conv": rate for rate in (6, 12, 18)},
}

# One network of every structure: the size of a quick test, the TFLite operations and whether it is slow.
MOBILE = {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "RESIZE_BILINEAR", "AVERAGE_POOL_2D"}
PYRAMID = MOBILE | {"SPLIT", "CONCATENATION"}
SQUEEZE = {"HARD_SWISH", "MEAN", "MUL"}
STRUCTURES = {
    "mnmh480-mosaic": ((256, 272), PYRAMID, False),
    "mnmh480-mosaic-nogc": ((256, 256), PYRAMID - {"SPLIT"}, False),
    "mnmh480-mosaic-noskip": ((256, 256), PYRAMID, False),
    "mnmh480-mosaic-skip8c.4c": ((256, 256), PYRAMID, False),
    "mnmh480-mosaic-skip8c.4s.2s": ((256, 256), PYRAMID, False),
    "mnmh480-mosaic-bins1.4.8.16": ((256, 256), PYRAMID, False),
    "mnmh480-mdl": ((72, 88), MOBILE | {"MUL"}, False),
    "mnv3small-mdl": ((136, 833), MOBILE | SQUEEZE, False),
    "mnv3large-mosaic": ((256, 256), PYRAMID | SQUEEZE, False),
    "mnv2-dlv3plus": ((72, 88), MOBILE | {"CONCATENATION"}, False),
    "resnet50-mosaic": ((256, 256), PYRAMID | {"MAX_POOL_2D"}, True),
    "xception71-dlv3plus": ((40, 56), MOBILE | {"CONCATENATION", "RELU"}, True),
}


NATIVE = set().union(*(operations for _, operations, _ in STRUCTURES.values()))


def crop_of(name):
    """The smallest square that a network's bins can take, or an odd size where there are none."""
    head = catalogue.get(name).head
    return (16 * max(head.bins),) * 2 if head.kind == "mosaic" else (72, 88)


def structure_of(name):
    """What networks have in common that differ in their widths alone."""
    spec = catalogue.get(name).to_json()
    widths = ("name", "endpoint_filters")
    head = {key: value for key, value in spec["head"].items() if "filters" not in key}
    return str({key: value for key, value in spec.items() if key not in widths} | {"head": head})


# Of every other structure the first network (whole networks: test_segmenters.py), and the extremes of the common one.
# Parameters of all widths are counted in test_mosaic.py, their costs in test_cost.py.
_FIRST = {structure_of(name): name for name in reversed(catalogue.names()) if catalogue.get(name).backbone is not None}
_OTHERS = [name for key, name in _FIRST.items() if key not in set(map(structure_of, STRUCTURES))]
WIDTHS = {name: (crop_of(name), None, True) for name in [*_OTHERS, "mnmh448-mosaic-f16-d16", "mnmh480-mosaic-f128-d64"]}


def trainable(model, prefix=""):
    return sum(math.prod(v.shape) for v in model.trainable_variables if v.path.startswith(prefix))


def randomise_batch_norms(model, generator):
    """Statistics and scales of a trained network's kind: a fresh batch norm does nothing."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape
            spread = generator.uniform(0.5, 1.5, channels), generator.normal(0, 0.3, channels)
            layer.set_weights([*spread, generator.normal(0, 0.3, channels), generator.uniform(0.5, 1.5, channels)])


# === Structure ===


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if "101" in n else ()) for n in PARAMETERS])
def test_parameters_to_the_unit(name):
    spec = catalogue.get(name)
    model = models.build(spec, (256, 256), 19)
    assert (trainable(model), trainable(model, spec.backbone)) == PARAMETERS[name]


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize("name", DILATED)
def test_dilation_stands_only_where_a_stride_was_removed(name):
    model = models.build(catalogue.get(name), (256, 256), 3)
    convolutions = [
        layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    rates = {layer.name: layer.dilation_rate[0] for layer in convolutions}
    assert {layer: rate for layer, rate in rates.items() if rate > 1} == DILATED[name]
    backbone = [layer for layer in convolutions if layer.name.startswith(catalogue.get(name).backbone)]
    maps = [layer.output.shape[1] for layer in backbone if layer.output.shape[1] > 1]  # 1: squeeze-and-excitation
    assert 256 // min(maps) == 16


@pytest.mark.parametrize(
    ("size", "grid"), [((64, 128), (1, 4)), ((49, 49), (1, 1)), ((32, 32), (1, 1)), ((65, 129), (2, 5))]
)
def test_lraspp_pools_in_wide_windows(size, grid):
    """Grids of 1024x2048, 769x769, 512x512 and 1025x2049 images."""
    coarse, fine = keras.Input((*size, 5)), keras.Input((2 * size[0], 2 * size[1], 4))
    model = keras.Model([coarse, fine], lraspp({16: coarse, 8: fine}, LRASPPHead(filters=6), 3, "half_pixel"))
    assert model.get_layer("lraspp.gate").output.shape == (None, *grid, 6)
    assert model.output_shape == (None, 2 * size[0], 2 * size[1], 3)


def test_lraspp_against_its_formula():
    """A map of one window, so that the gate is one number a channel; written again with numpy."""
    generator = np.random.default_rng(4)
    coarse, fine = keras.Input((3, 5, 7)), keras.Input((3, 5, 4))
    model = keras.Model(
        [coarse, fine], lraspp({16: coarse, 4: fine}, LRASPPHead(filters=6, skip_stride=4), 3, "half_pixel")
    )
    for variable in model.weights:
        variable.assign(generator.uniform(0.2, 1, variable.shape) * generator.choice([-1, 1], variable.shape) ** (
            "variance" not in variable.path
        ))  # fmt: skip
    w = {variable.path: np.asarray(variable).reshape(-1, variable.shape[-1]) for variable in model.weights}
    x, skip = generator.normal(size=(2, 3, 5, 7)), generator.normal(size=(2, 3, 5, 4))
    gate = x.mean((1, 2), keepdims=True) @ w["lraspp.gate/kernel"] + w["lraspp.gate/bias"]
    gate = np.clip(gate + 3, 0, 6) / 6
    bn = {name: w[f"lraspp.features.bn/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    features = x @ w["lraspp.features.conv/kernel"]
    features = (features - bn["moving_mean"]) / np.sqrt(bn["moving_variance"] + 1e-5) * bn["gamma"] + bn["beta"]
    scaled = np.maximum(features, 0) * gate
    expected = scaled @ w["lraspp.classifier/kernel"] + w["lraspp.classifier/bias"]
    expected = expected + skip @ w["lraspp.skip/kernel"] + w["lraspp.skip/bias"]
    found = model([x.astype("float32"), skip.astype("float32")], training=False)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "last_filled"),
    [
        ("mnv2-dlv3plus", "mobilenet_v2.block13.add", "block_12_add", "mobilenet_v2.block17.project.bn"),
        ("mnv3small-mdl", "mobilenet_v3_small.block8.add", "expanded_conv_7_add",
         "mobilenet_v3_small.block8.project.bn"),
        ("mnv3large-mdl", "mobilenet_v3_large.block12.add", "expanded_conv_11_add",
         "mobilenet_v3_large.block12.project.bn"),
    ],
)  # fmt: skip
def test_backbones_are_those_of_keras_applications(name, ours, theirs, last_filled):
    """Random weights are moved across; the outputs agree up to where segmentation changes the network."""
    spec, size, generator = catalogue.get(name), (64, 96), np.random.default_rng(6)
    source = keras_applications.application(spec.backbone, input_size=size)
    randomise_batch_norms(source, generator)
    model = models.build(spec, size, 3)
    filled = keras_applications.fill(model, source)
    assert filled[-1] == last_filled
    image = generator.uniform(-1, 1, (2, *size, 3)).astype("float32")
    expected = keras.Model(source.input, source.get_layer(theirs).output)(image, training=False)
    found = keras.Model(model.input, model.get_layer(ours).output)(image, training=False)
    assert np.asarray(expected).std() > 0.01
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-4, atol=1e-5)


def test_a_backbone_that_keras_has_otherwise_is_refused():
    with pytest.raises(ValueError, match="does not have our resnet50"):
        keras_applications.application("resnet50")


# === Training and export ===


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(n, marks=pytest.mark.slow if slow else ()) for n, (_, _, slow) in (STRUCTURES | WIDTHS).items()
    ],
)
def trained(request):
    """(name, model, loss): a model of batch 1 after one step on random data, its batch norms then randomised."""
    name = request.param
    size, _, _ = (STRUCTURES | WIDTHS)[name]
    keras.utils.set_random_seed(8)
    generator = np.random.default_rng(8)
    model = models.build(catalogue.get(name), size, 5, batch=1)
    image = generator.uniform(-1, 1, (1, *size, 3)).astype("float32")
    label = generator.integers(0, 5, model.output.shape[:3])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss, run_eagerly=True, jit_compile=False)
    value = model.train_on_batch(image, label)
    finite = all(np.isfinite(variable).all() for variable in model.weights)
    randomise_batch_norms(model, generator)
    return name, model, value if finite else math.nan


def test_a_training_step_leaves_numbers(trained):
    assert np.isfinite(trained[2])


def test_float_tflite_agrees_and_has_only_native_operations(trained, tmp_path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    name, model, _ = trained
    size, operations, _ = (STRUCTURES | WIDTHS)[name]
    content = export.to_tflite(model, "float32")
    (tmp_path / "x.tflite").write_bytes(content)
    graph = TFLiteGraph(tmp_path / "x.tflite")
    found = {operation.kind for operation in graph.operations}
    assert found == operations if operations else found <= NATIVE
    for operation in graph.operations:
        if operation.kind in ("ADD", "MUL"):
            constants = [c for c in map(graph.constant, operation.inputs) if c is not None]
            channels = {1} if catalogue.get(name).normalisation == "none" or operation.index > 1 else {1, 3}
            assert all(constant.size in channels for constant in constants), (
                f"{operation.kind} {operation.index}: a batch norm"
            )

    reference = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    image = np.random.default_rng(9).uniform(-1, 1, (1, *size, 3)).astype("float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = np.asarray(model(image, training=False))
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_an_import_from_keras_applications_says_which_blocks_stay_random(tmp_path, mosaic, monkeypatch):
    monkeypatch.setattr(keras_applications, "INPUT_SIZE", (64, 64))
    real = keras_applications.application
    monkeypatch.setattr(keras_applications, "application", lambda backbone, _: real(backbone))
    status, out, _ = mosaic("import", "keras-applications", "mnv3small-lraspp", "--out", tmp_path / "W")
    assert status == 0 and "has half the filters here: mobilenet_v3_small.block" in out and "stem" not in out
    assert "half" not in mosaic("import", "keras-applications", "mnv2-dlv3plus", "--out", tmp_path / "V")[1]
