"""MOSAIC's structure: parameters to the unit, sizes that bins do not divide, and the two published wirings."""

import json
import math

import keras
import numpy as np
import pytest

from mosaiclib import models
from mosaiclib.models import blocks, catalogue
from mosaiclib.models.heads import mosaic as head

# Trainable parameters counted by hand from the paper's tables and from the official code's layers (19
# classes): backbone without its classification end, encoder and decoder.
PARAMETERS = {
    "mnmh480-mosaic-f32-d16": 1_759_500,
    "mnmh480-mosaic-f32-d32": 1_764_108,
    "mnmh480-mosaic": 1_773_324,
    "mnmh480-mosaic-f64-d16": 1_874_700,
    "mnmh480-mosaic-f64-d128": 1_914_124,
    "mnmh480-mosaic-f16-d64": 1_723_404,
    "mnmh480-mosaic-f128-d64": 2_201_868,
    "mnmh480-mosaic-bins1.4": 1_733_388,
    "mnmh480-mosaic-bins8.16": 1_744_620,
    "mnmh480-mosaic-nogc": 1_846_764,
    "mnmh480-mosaic-bins1.4.8.16": 1_790_796,
    "mnmh480-mosaic-noskip": 1_754_835,
    "mnmh480-mosaic-skip4s": 1_756_108,
    "mnmh480-mosaic-skip4c": 1_764_258,
    "mnmh480-mosaic-skip8c": 1_772_450,
    "mnmh480-mosaic-skip8s.4s": 1_759_794,
    "mnmh480-mosaic-skip8c.4c": 1_779_848,
    "mnmh480-mosaic-skip8c.4s.2s": 1_773_970,
    "mnmh448-mosaic": 1_763_244,
    "mnmh512-mosaic": 1_783_404,
    # The Model Garden's published checkpoints (levels share weights).
    "mnmh448-mosaic-garden": 1_717_292,
    "mnmh448-mosaic-f64-d64-bins1.4.8.16-garden": 1_838_508,
}


def trainable(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_to_the_unit(name):
    assert trainable(models.build(catalogue.get(name), (256, 256), 19)) == PARAMETERS[name]


@pytest.mark.usefixtures("without_values")
def test_the_released_network_has_32_channels_and_its_own_weights_per_level():
    assert trainable(models.build(catalogue.get("mnmh448-mosaic-f64-d64-released"), (256, 256), 32)) == 1_878_112


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize(("wiring", "dilated"), [("released", [14, 15, 16]), ("garden", [13, 14, 15, 16])])
def test_dilation_starts_where_the_wiring_says(wiring, dilated):
    model = models.build(catalogue.mosaic(m=448).wired(wiring), (256, 256), 3)
    rates = {
        layer.name: layer.dilation_rate for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)
    }
    assert [i for i in range(1, 17) if rates[f"mnmh.block{i}.depthwise.conv"] == (2, 2)] == dilated


@pytest.mark.parametrize(("height", "width"), [(769, 769), (360, 480), (257, 511)])
def test_odd_sizes_build_and_run(height, width):
    model = models.build(catalogue.DEFAULT, (height, width), 5)
    logits = model(np.random.default_rng(0).uniform(-1, 1, (1, height, width, 3)).astype("float32"))
    assert logits.shape == (1, math.ceil(height / 4), math.ceil(width / 4), 5)
    assert np.isfinite(np.asarray(logits)).all()


def test_pooling_windows_of_a_769_crop():
    """49x49 into 4, 8 and 16 bins: windows 13, 7 and 4 at strides 12, 6 and 3 (facts of the official code)."""
    x = keras.Input((49, 49, 2))
    for bins, window, stride in ((4, 13, 12), (8, 7, 6), (16, 4, 3)):
        layer = head.pyramid_pool(x, bins, "grid", f"pool{bins}")._keras_history.operation
        assert (layer.pool_size, layer.strides) == ((window, window), (stride, stride))


def test_square_windows_give_twice_the_bins_on_a_wide_picture():
    x = keras.Input((64, 128, 2))
    assert head.pyramid_pool(x, 8, "square", "a").shape == (None, 8, 16, 2)
    assert head.pyramid_pool(x, 8, "grid", "b").shape == (None, 8, 8, 2)


def test_a_picture_smaller_than_the_bins_is_refused():
    with pytest.raises(ValueError, match="at least 256x256 pixels"):
        models.build(catalogue.DEFAULT, (240, 512), 19)


@pytest.mark.usefixtures("without_values")
def test_shared_levels_share_every_weight():
    shared = models.build(catalogue.mosaic().wired("garden"), (256, 256), 19)
    names = [layer.name for layer in shared.layers if "group3x3" in layer.name]
    assert len([name for name in names if name.endswith("depthwise.conv")]) == 1


@pytest.mark.parametrize("convention", ["half_pixel", "asymmetric"])
@pytest.mark.parametrize(("size", "target"), [((5, 7), (13, 9)), ((4, 4), (32, 32)), ((9, 6), (4, 6))])
def test_bilinear_resize_against_its_definition(convention, size, target):
    """Interpolates at (i + 0.5) * s - 0.5 or at i * s, one output at a time."""
    x = np.random.default_rng(1).normal(size=(1, *size, 3)).astype("float32")
    expected = x.astype(np.float64)
    for axis, count in ((1, target[0]), (2, target[1])):
        length, rows = expected.shape[axis], []
        for i in range(count):
            s = length / count
            position = (i + 0.5) * s - 0.5 if convention == "half_pixel" else i * s
            position = min(max(position, 0), length - 1)
            low = int(position)
            high, t = min(low + 1, length - 1), position - low
            rows.append((1 - t) * expected.take(low, axis) + t * expected.take(high, axis))
        expected = np.stack(rows, axis)
    found = blocks.BilinearResize(target, convention)(x)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)


def test_weights_come_back_at_another_size(tmp_path):
    spec = catalogue.mosaic(m=448, f=16, d=16, bins=(1, 4), skips="8-S, 4-C")
    model = models.build(spec, (128, 128), 3, output="full_logits")
    for variable in model.weights:
        variable.assign(variable + np.random.default_rng(2).uniform(0, 0.1, variable.shape))
    models.save(model, tmp_path / "w", models.Card(spec, ("a", "b", "c"), "tiny", (128, 128)))
    back = models.load(tmp_path / "w", output="full_logits")
    x = np.random.default_rng(3).uniform(-1, 1, (1, 128, 128, 3)).astype("float32")
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(back(x)))
    assert models.load(tmp_path / "w", (96, 160), output="classes").output_shape == (None, 96, 160)


def test_a_damaged_weights_folder_is_refused_in_one_sentence(tmp_path):
    spec = catalogue.mosaic(f=16, d=16, bins=(1, 4))
    model = models.build(spec, (128, 128), 3)
    models.save(model, tmp_path / "w", models.Card(spec, ("a", "b", "c"), "tiny", (128, 128)))
    card = (tmp_path / "w" / "spec.json").read_text()
    (tmp_path / "w" / "spec.json").write_text(card.replace('"mnmh"', '"mnmh", "run": "rm"'))
    with pytest.raises(ValueError, match="run"):
        models.load(tmp_path / "w")
    (tmp_path / "w" / "spec.json").write_text(card)
    (tmp_path / "w" / "model.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\nnot really")
    with pytest.raises(ValueError, match="not a readable HDF5"):
        models.load(tmp_path / "w")
    with pytest.raises(ValueError, match="has no spec"):
        models.load(tmp_path / "nowhere")


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean mnmh480-mosaic"):
        catalogue.get("mnmh480-mosiac")


def test_a_network_is_also_named_by_a_file_of_its_spec(tmp_path):
    spec, path = catalogue.mosaic(m=448, f=24, bins=(2, 5)), tmp_path / "design.json"
    path.write_text(json.dumps(spec.to_json()))
    assert catalogue.get(str(path)) == spec
    for content in (b"", b"[" * 100_000, b"\xff", b"{}", b"[1]"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"design\.json holds no spec of a network"):
            catalogue.get(str(path))
    with pytest.raises(ValueError, match=r"nowhere\.json holds no spec"):
        catalogue.get(str(tmp_path / "nowhere.json"))


def test_a_network_can_start_from_the_backbone_of_another(tmp_path):
    spec = catalogue.get("mnmh448-mdl")
    source = models.build(spec, (64, 80), 3)
    models.save(source, tmp_path / "W", models.Card(spec, ("a", "b", "c"), "none", (64, 80)))
    model = models.build(spec, (64, 80), 3)
    kept = models.initialise(model, tmp_path / "W", part="mnmh")
    theirs = {variable.path: np.array(variable) for variable in source.weights}
    assert kept and not any(path.startswith("mnmh") for path in kept)
    for variable in model.weights:
        same = np.array_equal(variable, theirs[variable.path])
        # Norms of the head begin as all norms begin, alike in both.
        assert same if variable.path not in kept else not (same and variable.path.endswith("/kernel"))
