"""Model Garden checkpoints: one of the published keys and shapes, written here with random values."""

import numpy as np
import pytest

from mosaiclib import models
from mosaiclib.models.pretrained import model_garden

# (kernel, expanded, filters) of blocks 1 to 16, from the Model Garden's own table; the first reads 32 channels.
BLOCKS = [
    (3, 96, 32), (3, 64, 32), (5, 160, 64), (3, 192, 64), (3, 128, 64), (3, 192, 64), (5, 384, 128), (3, 384, 128),
    (3, 384, 128), (3, 384, 128), (3, 768, 160), (3, 640, 160), (3, 960, 192), (5, 384, 96), (5, 384, 96), (5, 384, 96),
]  # fmt: skip


def published_shapes(f, with_global, classes):
    """{key: shape} as the published checkpoints have them (the unused classification layer included)."""
    found = {}

    def norm(key, channels):
        found.update({f"{key}/{name}": (channels,) for name in ("gamma", "beta", "moving_mean", "moving_variance")})

    def pair(convolution, shape, batch_norm, channels):
        found[convolution] = shape
        norm(batch_norm, channels)

    layer = "backbone/layer_with_weights-{}/{}".format
    pair(layer(0, "_conv0/kernel"), (3, 3, 3, 32), layer(0, "_norm0"), 32)
    width = 32
    for i, (kernel, expanded, filters) in enumerate(BLOCKS, start=1):
        pair(layer(i, "_conv0/kernel"), (1, 1, width, expanded), layer(i, "_norm0"), expanded)
        pair(layer(i, "_conv1/depthwise_kernel"), (kernel, kernel, expanded, 1), layer(i, "_norm1"), expanded)
        pair(layer(i, "_conv2/kernel"), (1, 1, expanded, filters), layer(i, "_norm2"), filters)
        width = filters
    pair(layer(17, "_conv0/kernel"), (1, 1, 96, 448), layer(17, "_norm0"), 448)
    pair(layer(18, "_conv0/kernel"), (1, 1, 448, 1280), layer(18, "_norm0"), 1280)
    for group, kernel in enumerate((3, 5)):
        branch = f"neck/_multi_kernel_group_conv/_conv_branches/{group}"
        pair(f"{branch}/0/depthwise_kernel", (kernel, kernel, 224, 1), f"{branch}/1", 224)
        pair(f"{branch}/3/kernel", (1, 1, 224, f), f"{branch}/4", f)
    if with_global:
        pair("neck/_global_pool_branch/1/kernel", (1, 1, 448, f), "neck/_global_pool_branch/2", f)
    fused = 448 + 3 * 2 * f + (f if with_global else 0)
    pair("neck/_encoder_projection/0/kernel", (1, 1, fused, 2 * f), "neck/_encoder_projection/1", 2 * f)
    block = "head/_merge_stages/0/_feature_fusion_block"
    pair(f"{block}/0/kernel", (1, 1, 2 * f + 192, 64), f"{block}/1", 64)
    pair(f"{block}/3/depthwise_kernel", (3, 3, 64, 1), f"{block}/4", 64)
    pair(f"{block}/6/kernel", (1, 1, 64, classes), f"{block}/7", classes)
    branch = "head/_merge_stages/1/_high_res_branch"
    pair(f"{branch}/0/kernel", (1, 1, 64, classes), f"{branch}/1", classes)
    return found


def write_checkpoint(prefix, arrays):
    """An object-graph checkpoint whose objects are nested as the keys say, with momentum slots beside them."""
    import tensorflow as tf

    root, variables = tf.Module(), []
    for key, array in arrays.items():
        *parents, name = key.split("/")
        node = root
        for parent in parents:
            if not hasattr(node, parent):
                setattr(node, parent, tf.Module())
            node = getattr(node, parent)
        variable = tf.Variable(array)
        setattr(node, name, variable)
        variables.append(variable)
    root.optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    root.global_step = tf.Variable(7, dtype=tf.int64)
    return tf.train.Checkpoint(backbone=root.backbone, neck=root.neck, head=root.head, global_step=root.global_step,
                               optimizer=root.optimizer).write(str(prefix))  # fmt: skip


@pytest.fixture(scope="module")
def arrays():
    generator = np.random.default_rng(11)
    return {
        key: (
            generator.uniform(0.5, 1.5, shape) if key.endswith("variance") else generator.normal(0, 0.2, shape)
        ).astype("f")
        for key, shape in published_shapes(32, False, 19).items()
    }


@pytest.mark.parametrize(
    ("f", "with_global", "classes", "name", "entries"),
    [
        (32, False, 19, "mnmh448-mosaic-garden", 303),
        (64, True, 19, "mnmh448-mosaic-f64-d64-bins1.4.8.16-garden", 308),
        (16, False, 5, "mnmh448-mosaic-f16-d64-garden", 303),
    ],
)
def test_shapes_decide_the_network(f, with_global, classes, name, entries, tmp_path):
    shapes = published_shapes(f, with_global, classes)
    generator = np.random.default_rng(1)
    values = {key: generator.normal(size=shape).astype("f") for key, shape in shapes.items()}
    write_checkpoint(tmp_path / "ckpt", values)
    model, card = model_garden.read(tmp_path)
    assert card.spec.name == name and len(card.classes) == classes
    assert {w.path for w in model.weights if np.asarray(w).std() == 0} == set(), "every array was filled"
    projection = model.get_layer("mosaic.encoder.projection.conv").kernel
    np.testing.assert_array_equal(projection, values["neck/_encoder_projection/0/kernel"])


def test_pictures_are_normalised_as_the_model_garden_does(arrays, tmp_path):
    """The stem on a picture, by numpy from the checkpoint's own arrays, away from the padded border."""
    model, _ = model_garden.read(write_checkpoint(tmp_path / "ckpt", arrays))
    import keras

    stem = keras.Model(model.input, model.get_layer("mnmh.stem.relu").output)
    pixels = np.random.default_rng(2).integers(0, 256, (1024, 2048, 3)).astype("float64")
    found = np.asarray(stem.predict_on_batch((pixels / 127.5 - 1)[None].astype("f")))[0, 10, 20]
    normalised = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    place = "backbone/layer_with_weights-0"
    y = np.einsum("hwc,hwco->o", normalised[20:23, 40:43], arrays[f"{place}/_conv0/kernel"])
    norm = {name: arrays[f"{place}/_norm0/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
    np.testing.assert_allclose(found, np.maximum(y, 0), rtol=1e-3, atol=1e-4)
    assert (found > 0).sum() > 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"head/_merge_stages/0/_feature_fusion_block/4/gamma": None}, r"lacks .*fusion_block/4/gamma"),
        ({"backbone/layer_with_weights-3/_conv1/depthwise_kernel": (3, 3, 160, 1)}, r"has shape \(3, 3, 160, 1\)"),
        ({"neck/_quantize_wrapper/kernel": (1,)}, r"holds 'neck/_quantize_wrapper/kernel'"),
        ({"neck/_encoder_projection/0/kernel": (1, 1, 777, 64)}, "no pyramid"),
        ({"backbone/layer_with_weights-17/_conv0/kernel": None}, "not a checkpoint of MOSAIC"),
    ],
)
def test_another_checkpoint_is_refused(change, sentence, arrays, tmp_path):
    changed = {key: array for key, array in arrays.items() if change.get(key, "") is not None}
    changed |= {key: np.ones(shape, "f") for key, shape in change.items() if shape}
    with pytest.raises(ValueError, match=sentence):
        model_garden.read(write_checkpoint(tmp_path / "ckpt", changed))


def test_archives_are_unpacked_and_damage_is_named(arrays, tmp_path):
    import tarfile

    write_checkpoint(tmp_path / "in" / "best_ckpt-1", arrays)
    with tarfile.open(tmp_path / "published.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "in", "folder")
    model, card = model_garden.read(tmp_path / "published.tar.gz")
    models.save(model, tmp_path / "w", card)
    assert models.load_card(tmp_path / "w").provenance["file"] == "published.tar.gz"
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "in" / "best_ckpt-1.index", "../../escaped.index")
    (tmp_path / "torn.tar.gz").write_bytes((tmp_path / "published.tar.gz").read_bytes()[:5000])
    for name in ("evil.tar.gz", "torn.tar.gz"):
        with pytest.raises(ValueError, match=f"{name} cannot be unpacked"):
            model_garden.read(tmp_path / name)
    assert not list(tmp_path.parent.rglob("escaped.index"))
    (tmp_path / "x.index").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged checkpoint"):
        model_garden.read(tmp_path / "x.index")
    with pytest.raises(ValueError, match="not a TF2 checkpoint"):
        model_garden.read(tmp_path / "missing")
