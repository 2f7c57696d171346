"""Model Garden checkpoints: one of the published keys and shapes, written here with random values."""

import garden_forward
import numpy as np
import pytest
from typer.testing import CliRunner

from mosaicbook.cli import app
from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.pretrained import model_garden


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
    for i, (kernel, _, _, expanded, filters) in enumerate(garden_forward.BLOCKS, start=1):
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
    parts = {part: getattr(root, part) for part in ("backbone", "neck", "head") if hasattr(root, part)}
    checkpoint = tf.train.Checkpoint(**parts, global_step=root.global_step, optimizer=root.optimizer)
    return checkpoint.write(str(prefix))


def random_arrays(shapes, seed):
    """Values by which activations keep their size: kernels by their fan-in, statistics near 0 and 1."""
    generator = np.random.default_rng(seed)

    def values(key, shape):
        if key.endswith(("gamma", "variance")):
            return generator.uniform(0.5, 1.5, shape)
        fan = shape[0] * shape[1] * (1 if "depthwise" in key else shape[2]) if len(shape) == 4 else 25
        return generator.normal(0, fan**-0.5, shape)

    return {key: values(key, shape).astype("f") for key, shape in shapes.items()}


@pytest.fixture(scope="module")
def arrays():
    return random_arrays(published_shapes(32, False, 19), 11)


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


@pytest.mark.parametrize(
    ("f", "bins", "size"),
    [
        (32, (4, 8, 16), (256, 256)),
        (64, (1, 4, 8, 16), (256, 384)),
        (16, (4, 8, 16), (273, 401)),
        (16, (2, 3, 5), (95, 82)),
    ],
)
def test_the_whole_logits_are_the_model_gardens(f, bins, size, tmp_path):
    values = random_arrays(published_shapes(f, 1 in bins, 19), f)
    model, card = model_garden.read(write_checkpoint(tmp_path / "ckpt", values), bins)
    models.save(model, tmp_path / "w", card)
    pixels = np.random.default_rng(3).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    expected = garden_forward.logits(values, pixels, bins)
    ours = models.load(tmp_path / "w", size).predict_on_batch(pixels.astype("float32") / 127.5 - 1)
    assert expected.std() > 0.3 and abs(ours - expected).max() < 1e-4 * abs(expected).max()


def test_a_backbone_alone_fills_the_backbone(arrays, tmp_path):
    """As the published ImageNet checkpoint holds it; a wider endpoint takes all else."""
    backbone = {key: array for key, array in arrays.items() if key.startswith("backbone/")}
    write_checkpoint(tmp_path / "in" / "ckpt-1", backbone)
    result = CliRunner().invoke(app, ["import", "model-garden", str(tmp_path / "in"), "--out", str(tmp_path / "w")])
    assert result.exit_code == 0 and "head: random" in result.stdout
    assert models.load_card(tmp_path / "w").spec.normalisation == "imagenet"
    wider = models.build(catalogue.get("mnmh480-mosaic"), (256, 256), 19)
    kept = models.initialise(wider, tmp_path / "w", "mnmh.")
    assert {path.partition("/")[0] for path in kept if path.startswith("mnmh")} == {
        "mnmh.endpoint.conv", "mnmh.endpoint.bn",
    }  # fmt: skip
    block = wider.get_layer("mnmh.block16.project.conv").kernel
    np.testing.assert_array_equal(block, arrays["backbone/layer_with_weights-16/_conv2/kernel"])


@pytest.mark.parametrize("bins", [(4, 8), (1, 4, 8, 16), (0, 4, 8)])
def test_bins_that_do_not_fit_are_refused(bins, arrays, tmp_path):
    with pytest.raises(ValueError, match="has 3 pyramid levels of more than one bin and no level of one"):
        model_garden.read(write_checkpoint(tmp_path / "ckpt", arrays), bins)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"head/_merge_stages/0/_feature_fusion_block/4/gamma": None}, r"lacks .*fusion_block/4/gamma"),
        ({"backbone/layer_with_weights-3/_conv1/depthwise_kernel": (3, 3, 160, 1)}, r"has shape \(3, 3, 160, 1\)"),
        ({"neck/_quantize_wrapper/kernel": (1,)}, r"holds 'neck/_quantize_wrapper/kernel'"),
        ({"neck/_encoder_projection/0/kernel": (1, 1, 777, 64)}, "not a pyramid"),
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
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "x.index", "folder/x.index")
    with pytest.raises(ValueError, match=r"bad\.tar\.gz is a damaged checkpoint"):  # not the folder it is unpacked to
        model_garden.read(tmp_path / "bad.tar.gz")
    with pytest.raises(ValueError, match="not a TensorFlow checkpoint"):
        model_garden.read(tmp_path / "missing")
