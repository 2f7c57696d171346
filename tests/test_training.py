"""Training: resuming is bitwise, the schedule and loss follow their formulas."""

import io
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from mosaiclib import evaluation, models, training
from mosaiclib.data import datasets, images
from mosaiclib.inference import KerasSegmenter
from mosaiclib.models import blocks, catalogue, frozen
from mosaiclib.models.building import head_on
from mosaiclib.training import checkpoints, losses, progress_line, recipes
from mosaiclib.training.optimizer import PolyDecay, compile_network, decays

SPEC = catalogue.mosaic(m=32, f=8, d=8, bins=(1, 2), skips="8-C, 4-S")


def mosaic(size, classes):
    return models.build(SPEC, size, classes)


def small(size, classes):
    """Three layers: enough for everything that training keeps between sessions, and quick to compile."""
    image = keras.Input((*size, 3))
    x = blocks.conv(image, 8, "stem", kernel=3, stride=2)
    x = blocks.depthwise(x, "mnmh.depthwise")
    return keras.Model(image, blocks.classifier(x, classes, "classifier"))


def with_mosaics_head(size, classes):
    """MOSAIC's encoder and decoder on a backbone of four convolutions, which is ten times faster to compile."""
    taps, x = {}, (image := keras.Input((*size, 3)))
    for stride in (2, 4, 8, 16):
        taps[stride] = x = blocks.conv(x, 8, f"stem{stride}", kernel=3, stride=2)
    return keras.Model(image, head_on(taps, SPEC, classes, dropout=0.3))


def recipe(**changes):
    values = {"epochs": 4, "batch_size": 2, "crop": (48, 64), "learning_rate": 0.01, "ema": 0.9, "seed": 3}
    return recipes.Recipe(**(values | changes))


def trained(dataset, folder, plan, stops, build=small):
    """Trains in as many sessions as there are stops, each with a network built anew."""
    for stop in stops:
        keras.utils.set_random_seed(11)
        network = build(plan.crop, len(dataset.classes))
        outcome = training.train(network, dataset, plan, folder, stop_after=stop)
    return network, outcome


@pytest.mark.parametrize(
    ("optimizer", "build"),
    [("sgd", small), ("adamw", small), ("sgd", with_mosaics_head)],
)
def test_resumed_training_is_bitwise_the_straight_one(tiny_dataset, tmp_path, optimizer, build):
    plan = recipe(optimizer=optimizer)
    straight, first = trained(tiny_dataset, tmp_path / "straight", plan, [4], build)
    resumed, second = trained(tiny_dataset, tmp_path / "resumed", plan, [1, 4], build)
    timeless = [
        [{k: r[k] for k in ("epoch", "loss", "val_miou", "learning_rate")} for r in o["history"]]
        for o in (first, second)
    ]
    assert timeless[0] == timeless[1]
    assert first["best_val_miou"] == second["best_val_miou"]
    arrays = [training.read_arrays(tmp_path / name / training.CHECKPOINT) for name in ("straight", "resumed")]
    for key in arrays[0].keys() - {"state"}:
        np.testing.assert_array_equal(arrays[0][key], arrays[1][key], err_msg=key)
    for a, b in zip(straight.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import h5py
import test_training as tests
from mosaiclib.training import loop as training
from mosaiclib.data import datasets, images

count = {"checkpoint": 0, "arrays": 0}
write, create = training.write_arrays, h5py.Group.create_dataset

def write_arrays(path, arrays):
    count["checkpoint"] += path.name == training.CHECKPOINT
    write(path, arrays)

def create_dataset(self, *arguments, **options):
    count["arrays"] += count["checkpoint"] == 2
    if count["arrays"] == 5:
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return create(self, *arguments, **options)

training.write_arrays, h5py.Group.create_dataset = write_arrays, create_dataset
tests.trained(datasets.get("folder", sys.argv[2]), sys.argv[3], tests.recipe(), [4])
"""


def test_killed_while_it_writes_a_checkpoint_training_goes_on_from_the_last_one(tiny_dataset, tmp_path):
    root, scratch = tmp_path / "mine", tmp_path / "killed"
    for split in ("train", "val"):
        for number, sample in enumerate(tiny_dataset.split(split)):
            for kind, path in zip(("images", "labels"), sample, strict=True):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, root / kind / split / f"{number}.png")
    (root / "classes.yaml").write_text("names: [a, b, c, d]")
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(root), str(scratch)]
    assert subprocess.run(command, timeout=240, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    assert list(scratch.glob(".checkpoint.h5.*.partial"))  # it died while it wrote
    left = training.read_arrays(scratch / training.CHECKPOINT)
    assert len(json.loads(left["state"].tobytes())["history"]) == 1
    data = datasets.get("folder", root)
    straight, _ = trained(data, tmp_path / "straight", recipe(), [4])
    resumed, outcome = trained(data, scratch, recipe(), [4])
    assert len(outcome["history"]) == 4
    for a, b in zip(straight.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_bad_data_ends_a_training_with_a_sentence_and_loses_nothing(tiny_dataset, tmp_path):
    trained(tiny_dataset, tmp_path, recipe(), [1])
    before = (tmp_path / training.CHECKPOINT).read_bytes()
    image_path, label_path = tiny_dataset.split("train")[3]
    good_label = label_path.read_bytes()
    for label, message in (
        (np.full((72, 88), 77, np.uint8), r"_label\.png holds the id 77"),
        (np.zeros((9, 9), np.uint8), r"_label\.png is 9x9, but its image is 88x72"),
        (None, r"_image\.png is not a readable JPEG or PNG"),
    ):
        if label is None:
            label_path.write_bytes(good_label)
            image_path.write_bytes(image_path.read_bytes()[:2000])
        else:
            images.write_png(label_path, label)
        with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$"):
            trained(tiny_dataset, tmp_path, recipe(), [2])
        assert (tmp_path / training.CHECKPOINT).read_bytes() == before


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    training.write_arrays(tmp_path / "a.h5", {"x": np.ones(3)})

    def full(*_, **__):
        raise OSError("[Errno 28] Can't write data (file write failed: time = ..., No space left on device, ...)")

    monkeypatch.setattr("h5py.Group.create_dataset", full)
    with pytest.raises(OSError, match=r"a\.h5 could not be written: the disk is full\.$"):
        training.write_arrays(tmp_path / "a.h5", {"x": np.zeros(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    np.testing.assert_array_equal(training.read_arrays(tmp_path / "a.h5")["x"], np.ones(3))


def with_other_weights(size, classes):
    network = small(size, classes)
    kernel = network.get_layer("classifier").kernel
    kernel.assign(keras.ops.flip(kernel, -1))  # the same values in another order
    return network


def dilated(size, classes):
    """`small`, and every array of the same shape."""
    image = keras.Input((*size, 3))
    x = blocks.conv(image, 8, "stem", kernel=3, stride=2)
    x = blocks.depthwise(x, "mnmh.depthwise", dilation=2)
    return keras.Model(image, blocks.classifier(x, classes, "classifier"))


def test_a_checkpoint_of_another_training_is_not_continued(tiny_dataset, tmp_path, monkeypatch, capsys):
    """Whatever else it depends on, and with equal shapes. It ends as one that found no checkpoint."""
    plan = recipe(validate_every=2)
    trained(tiny_dataset, tmp_path / "here", plan, [3])
    checkpoint = training.read_arrays(tmp_path / "here" / training.CHECKPOINT)
    begun = json.loads(checkpoint["state"].tobytes())["identity"]

    def other(plan=plan, build=small):
        keras.utils.set_random_seed(11)
        batches = training.loop.batches_of(tiny_dataset, plan)
        return checkpoints.differing(checkpoints.identity(build(plan.crop, 4), batches, plan), begun)

    assert other() == []
    assert other(plan.but(learning_rate=0.02)) == ["recipe"]
    assert other(build=with_other_weights) == ["initial weights"] and other(build=dilated) == ["network"]
    _, label_path = tiny_dataset.split("train")[2]
    images.write_png(label_path, (images.read_label(label_path) + 1) % 4)
    assert other() == ["data"]
    monkeypatch.setattr(checkpoints, "_code", lambda: "another")
    assert other() == ["data", "code"]

    capsys.readouterr()
    found, outcome = trained(tiny_dataset, tmp_path / "here", plan, [1])
    assert "has not the same data, code: this training starts afresh" in capsys.readouterr().out
    expected, _ = trained(tiny_dataset, tmp_path / "elsewhere", plan, [1])
    assert outcome["kept_epoch"] is None and len(outcome["history"]) == 1
    for a, b in zip(found.weights, expected.weights, strict=True):  # and not the kept ones of the other training
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_another_number_of_threads_goes_on_with_a_warning(tiny_dataset, tmp_path, monkeypatch, capsys):
    _, outcome = trained(tiny_dataset, tmp_path, recipe(), [1])
    began = outcome["threads"]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(began + 3))
    _, outcome = trained(tiny_dataset, tmp_path, recipe(), [2])
    assert len(outcome["history"]) == 2 and outcome["threads"] == began
    assert f"{began} CPU threads, and now there are {began + 3}" in capsys.readouterr().out


def test_a_recipe_of_before_a_field_was_added_is_read():
    plan = recipe()
    old = json.loads(json.dumps(asdict(plan)))
    del old["dice"], old["selection"]
    assert recipes.Recipe.from_json(old) == plan


MEMORY = """
import ctypes, resource
import numpy as np
from pathlib import Path
from mosaiclib.training import memory

def faults():
    for i in range(11):
        if i == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(12_000_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def huge():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages"))

released = faults()
memory.keep_freed_memory()
print(released, faults())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
block = (ctypes.c_uint8 * 40_000_000).from_address(libc.malloc(40_000_000))
ctypes.memset(block, 7, 40_000_000)
before = huge()
memory.take_huge_pages()
assert bytes(block) == bytes([7]) * 40_000_000
print(huge() - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or platform.system() != "Linux", reason="both are glibc's on Linux"
)
def test_freed_memory_is_not_paged_in_again_and_small_pages_become_huge_ones_with_their_content():
    released, kept, kilobytes = map(int, subprocess.check_output([sys.executable, "-c", MEMORY]).split())
    assert 20 * kept < released
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    allowed = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if release >= (6, 1) and allowed.exists() and "[never]" not in allowed.read_text():
        assert kilobytes > 20_000  # of 39,000; a machine short of whole pages gives fewer


def test_a_damaged_checkpoint_is_refused(tiny_dataset, tmp_path):
    checkpoint = tmp_path / training.CHECKPOINT
    training.write_arrays(checkpoint, {"state": np.zeros(10_000, np.uint8)})
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ValueError, match="not a readable HDF5"):
        trained(tiny_dataset, tmp_path, recipe(), [2])


def test_loss_ignores_255_and_averages_over_the_rest():
    generator = np.random.default_rng(4)
    logits = generator.normal(size=(2, 6, 10, 5)).astype("float32")
    labels = generator.integers(0, 5, (2, 6, 10)).astype("uint8")
    labels[generator.random(labels.shape) < 0.3] = 255
    shifted = logits - logits.max(-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    expected = -np.mean(
        [log_softmax[index][labels[index]] for index in np.ndindex(labels.shape) if labels[index] != 255]
    )
    assert float(losses.segmentation_loss(labels, logits)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.segmentation_loss(np.full_like(labels, 255), logits)) == 0


def test_weighted_loss_is_the_weighted_mean():
    """A pixel of weight 3 counts as three of weight 1 do; a class of weight 0 not at all."""
    generator = np.random.default_rng(5)
    logits = generator.normal(size=(1, 1, 4, 3)).astype("float32")
    labels = np.array([[[0, 1, 2, 255]]])
    weighted = float(losses.segmentation_loss(labels, logits, class_weights=np.array([3.0, 1.0, 0.0])))
    repeated = np.concatenate([logits[:, :, [0]]] * 3 + [logits[:, :, [1]]], axis=2)
    assert weighted == pytest.approx(float(losses.segmentation_loss(np.array([[[0, 0, 0, 1]]]), repeated)), rel=1e-5)


def test_dice_is_the_mean_over_the_classes_that_occur():
    """Written out in numpy; pixels labelled 255 are in no sum."""
    generator = np.random.default_rng(6)
    logits = generator.normal(size=(2, 6, 10, 5)).astype("float32")
    labels = generator.choice([0, 2, 3, 255], (2, 6, 10))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    valid = labels != 255
    overlap = [2 * p[..., c][labels == c].sum() / (p[..., c][valid].sum() + (labels == c).sum()) for c in (0, 2, 3)]
    entropy = float(losses.segmentation_loss(labels, logits))
    found = float(losses.segmentation_loss(labels, logits, dice=0.7))
    assert found == pytest.approx(entropy + 0.7 * (1 - np.mean(overlap)), rel=1e-5)
    perfect = 100 * np.eye(5, dtype="float32")[np.where(valid, labels, 1)]
    assert float(losses.segmentation_loss(labels, perfect, dice=1.0)) == pytest.approx(0, abs=1e-4)
    assert float(losses.segmentation_loss(np.full_like(labels, 255), logits, dice=1.0)) == pytest.approx(1)


def exact_loss(labels, logits, class_weights, dice):
    """The loss in numpy and float64, logits resized by OpenCV, whose bilinear resize has half-pixel centres too."""
    size = labels.shape[:0:-1]
    z = np.stack([cv2.resize(x.astype(np.float64), size, interpolation=cv2.INTER_LINEAR) for x in logits])
    p = np.exp(z - z.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    classes, valid = logits.shape[-1], labels != 255
    t = np.eye(classes)[np.where(valid, labels, 0)] * valid[..., None]
    weights = t @ (np.ones(classes) if class_weights is None else class_weights)
    entropy = -(weights * np.log((p * t).sum(-1) + ~valid)).sum() / (weights.sum() + 1e-5)
    present = t.any((0, 1, 2))
    overlap = 2 * (p * t).sum((0, 1, 2)) / (p[valid].sum(0) + t.sum((0, 1, 2)))
    return entropy + dice * (1 - overlap[present].mean())


@pytest.mark.parametrize(
    ("size", "low", "weights", "dice"),
    [
        ((12, 20), (12, 20), None, 0.0),
        ((12, 20), (3, 5), None, 0.0),
        ((9, 6), (1, 2), [1.1, 0.7, 2.3, 0.0, 3.1], 0.7),
        ((13, 21), (4, 6), [1.1, 0.7, 2.3, 0.0, 3.1], 0.0),
        ((13, 21), (4, 6), None, 1.0),
        ((12, 21), (17, 6), None, 0.3),
    ],
)
@pytest.mark.parametrize("compiles", [True, False])
def test_loss_and_its_gradient_are_exact_at_any_size(monkeypatch, size, low, weights, dice, compiles):
    """Compiled by XLA and not; the gradient against central differences of the float64 formula."""
    monkeypatch.setattr(losses, "_compiles", lambda: compiles)
    generator = np.random.default_rng(8)
    logits = generator.normal(0, 3, (2, *low, 5)).astype(np.float32)
    labels = generator.choice([0, 1, 3, 4, 255], (2, *size)).astype(np.uint8)
    variable = keras.Variable(logits)
    with tf.GradientTape() as tape:
        value = losses.segmentation_loss(labels, variable, weights, dice) * 3.0
    gradient = np.asarray(tape.gradient(value, variable.value)) / 3
    assert float(value) / 3 == pytest.approx(exact_loss(labels, logits, weights, dice), rel=2e-6)
    for index in generator.choice(logits.size, 12, replace=False):
        step = np.zeros(logits.size)
        step[index] = 1e-4
        sides = [exact_loss(labels, logits + sign * step.reshape(logits.shape), weights, dice) for sign in (1, -1)]
        assert gradient.flat[index] == pytest.approx((sides[0] - sides[1]) / 2e-4, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("compiles", [True, False])
def test_sums_over_a_million_pixels_stay_exact(monkeypatch, compiles):
    """A running sum in float32 would be off by 1e-5 here."""
    monkeypatch.setattr(losses, "_compiles", lambda: compiles)
    generator = np.random.default_rng(10)
    logits = generator.normal(0, 3, (4, 64, 112, 3)).astype(np.float32)
    labels = generator.choice([0, 1, 2, 255], (4, 512, 560)).astype(np.uint8)
    weights = np.array([1.0016747, 0.9983337, 0.7])
    expected = exact_loss(labels, logits, weights, 0.5)
    assert float(losses.segmentation_loss(labels, logits, weights, 0.5)) == pytest.approx(expected, rel=2e-6)


def test_a_label_beyond_the_classes_is_no_number():
    labels = np.array([[[0, 1], [3, 255]]])
    assert np.isnan(float(losses.segmentation_loss(labels, np.zeros((1, 2, 2, 3), np.float32))))


def test_half_precision_logits_lose_nothing_but_their_own_rounding():
    generator = np.random.default_rng(9)
    logits = generator.normal(0, 3, (2, 3, 5, 4)).astype(np.float16)
    labels = generator.choice([0, 1, 3, 255], (2, 12, 20))
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = losses.segmentation_loss(labels, variable, dice=1.0)
    assert float(value) == pytest.approx(exact_loss(labels, logits.astype(np.float32), None, 1.0), rel=2e-6)
    assert tape.gradient(value, variable).dtype == tf.float16


def test_the_last_epoch_is_kept_where_the_recipe_says_so(tiny_dataset, tmp_path):
    """Averaged weights with the last epoch's batch statistics; and with val among what is trained, no validation."""
    plan = recipe(selection="last", class_balance=0.5, train_splits=("train", "val"))
    network, outcome = trained(tiny_dataset, tmp_path, plan, [4])
    assert outcome["kept_epoch"] == 4 and outcome["best_epoch"] is None
    assert all(record["val_miou"] is None for record in outcome["history"])
    checkpoint = training.read_arrays(tmp_path / training.CHECKPOINT)
    averages = {key.split("/", 1)[1]: value for key, value in checkpoint.items() if "average" in key}
    kernel = next(v for v in network.trainable_variables if v.path == "classifier/kernel")
    (average,) = (value for path, value in averages.items() if "classifier_kernel" in path)
    np.testing.assert_array_equal(np.asarray(kernel), average)
    with pytest.raises(ValueError, match="set selection to last"):
        recipe(train_splits=("train", "val"))


def test_class_weights_balance_the_median(tiny_dataset):
    labels = np.concatenate([tiny_dataset.read(sample)[1].ravel() for sample in tiny_dataset.split("train")])
    shares = np.array([(labels == i).mean() for i in range(4)]) / (labels != 255).mean()
    np.testing.assert_allclose(losses.class_weights(tiny_dataset, 1.0), np.median(shares) / shares, rtol=1e-5)
    np.testing.assert_allclose(losses.class_weights(tiny_dataset, 0.5) ** 2, np.median(shares) / shares, rtol=1e-5)


def test_poly_schedule_with_warmup():
    schedule = PolyDecay(0.1, steps=100, warmup_steps=10)
    assert float(schedule(0)) == 0
    assert float(schedule(4)) == pytest.approx(0.1 * (1 - 0.1) ** 0.9 * 0.4, rel=1e-5)
    assert float(schedule(10)) == pytest.approx(0.1 * (1 - 0.1) ** 0.9, rel=1e-5)
    assert float(schedule(60)) == pytest.approx(0.1 * 0.4**0.9, rel=1e-5)
    assert float(schedule(100)) == 0


def test_weight_decay_spares_batch_norms_biases_and_the_backbones_depthwise_kernels():
    model = mosaic((48, 64), 4)
    decayed = {v.path for v in model.trainable_variables if decays(v)}
    assert "mnmh.block3.expand.conv/kernel" in decayed and "mosaic.encoder.projection.conv/kernel" in decayed
    assert not any("bn/" in path or "/bias" in path for path in decayed)
    assert {path.split(".")[0] for path in decayed if ".depthwise." in path} == {"mosaic"}
    plan = recipe(weight_decay=0.02, ema=0.0)
    compile_network(model, plan, 10, losses.segmentation_loss)
    squares = sum(float((np.asarray(v) ** 2).sum()) for v in model.trainable_variables if v.path in decayed)
    assert float(sum(model.losses)) == pytest.approx(0.02 / 2 * squares, rel=1e-5)


def test_learning_rate_too_high_ends_with_a_sentence(tiny_dataset, tmp_path):
    with pytest.raises(ValueError, match="lower the learning rate"):
        trained(tiny_dataset, tmp_path, recipe(learning_rate=1e30, ema=0.0), [4])


@pytest.mark.parametrize(("wiring", "part"), [("garden", ""), ("released", "mnmh")])
def test_frozen_norms_keep_their_statistics_and_train_scale_and_offset(wiring, part):
    spec = catalogue.mosaic(m=448, bins=(1, 4)).wired(wiring)
    network = models.build(spec, (64, 96), 3)
    trained = frozen.with_stored_statistics(network, part)
    generator = np.random.default_rng(3)
    images = generator.uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)
    labels = generator.integers(0, 3, (2, 64, 96)).astype(np.uint8)
    before = {variable.path: np.array(variable) for variable in network.weights}
    if not part:
        assert np.allclose(network(images, training=False), trained(images, training=True), atol=1e-6)
    trained.compile(keras.optimizers.SGD(0.1), losses.segmentation_loss, jit_compile=False)
    trained.train_on_batch(images, labels)
    changed = {v.path for v in network.weights if not np.array_equal(v, before[v.path])}
    moved = {path for path in changed if "/moving_" in path}
    assert all(not path.startswith(part) for path in moved) and bool(moved) == bool(part)
    assert any(path.startswith("mnmh") and path.endswith("/beta") for path in changed)


def test_an_untrained_part_keeps_its_weights_and_resumes_bitwise(tiny_dataset, tmp_path):
    plan = recipe(untrained_part="stem", epochs=2, ema=0.0, selection="last")
    keras.utils.set_random_seed(11)
    start = {v.path: np.array(v) for v in small(plan.crop, 4).weights}
    straight, _ = trained(tiny_dataset, tmp_path / "straight", plan, [2])
    resumed, _ = trained(tiny_dataset, tmp_path / "resumed", plan, [1, 2])
    for one, other in zip(straight.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        assert np.array_equal(one, start[one.path]) == one.path.startswith("stem"), one.path


def test_accumulated_batches_are_one_batch(tiny_dataset, tmp_path):
    """Two batches of 2 make the step of one of 4: batch norms are frozen, and whole images have as many pixels."""
    ends = []
    for size, accumulate in ((4, 1), (2, 2)):
        plan = recipe(
            crop=(72, 88), scale=(1, 1), batch_size=size, accumulate=accumulate, frozen_batch_norm=True, epochs=1,
            ema=0.0, weight_decay=0.0, selection="last",
        )  # fmt: skip
        network, _ = trained(tiny_dataset, tmp_path / str(size), plan, [1])
        ends.append([np.asarray(v) for v in network.weights])
    # 6 images: one step of 4, or one of 2 x 2 and a third batch that only accumulates.
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_mixed_precision_is_float32_to_its_digits_and_resumes(tiny_dataset, tmp_path):
    """Weights stay float32; one step's gradient differs by some roundings of 2 ** -digits from float32's."""
    plan = recipe(epochs=2, optimizer="sgd", learning_rate=0.1, weight_decay=0.0)
    ends = {}
    try:
        for policy, stops in (
            ("float32", [2]),
            ("mixed_float16", [2]),
            ("mixed_float16", [1, 2]),
            ("mixed_bfloat16", [2]),
            ("mixed_bfloat16", [1, 2]),
        ):
            keras.config.set_dtype_policy(policy)
            folder = tmp_path / f"{policy}-{len(stops)}"
            network, _ = trained(tiny_dataset, folder, plan.but(precision=policy), stops)
            assert all(v.dtype == "float32" for v in network.weights)
            ends[policy, len(stops)] = np.concatenate([np.asarray(v).ravel() for v in network.weights])
    finally:
        keras.config.set_dtype_policy("float32")
    for policy, digits in (("mixed_float16", 11), ("mixed_bfloat16", 8)):
        np.testing.assert_array_equal(ends[policy, 1], ends[policy, 2], err_msg=policy)
        difference = np.abs(ends[policy, 1] - ends["float32", 1]).max()
        assert 0 < difference < 16 * 2.0**-digits, policy


@pytest.mark.parametrize("name", recipes.names())
def test_named_recipes_are_valid(name):
    plan = recipes.load(name)
    assert plan.but(epochs=7, light=None) == recipes.load(name).but(epochs=7)
    assert recipes.Recipe.from_json(json.loads(json.dumps(asdict(plan)))) == plan


def test_the_papers_recipe_is_what_the_paper_states():
    plan = recipes.load("paper")
    assert (plan.crop, plan.batch_size, plan.scale, plan.flip) == ((769, 769), 8, (0.5, 2.0), True)
    assert 5e-4 <= plan.learning_rate <= 2e-3
    assert (plan.light, plan.colour, plan.class_balance, plan.dice, plan.ema) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 2\nbatch_size: 1\ncrop: [8, 8]\nlearning_rate: 1.0\nlearning_rat: 2", "learning_rat: Unexpected"),
        ("epochs: 0\nbatch_size: 1\ncrop: [8, 8]\nlearning_rate: 1.0", "at least 1"),
        ("crop: 769", "epochs: Field required|crop: Input should be a valid tuple"),
        ("a: [", "not valid YAML"),
        ("", "should be a dictionary"),
    ],
)
def test_a_bad_recipe_is_refused_with_a_sentence(text, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"mine\.yaml.*({message})"):
        recipes.load(tmp_path / "mine.yaml")


@pytest.mark.parametrize("live", [True, False])
def test_progress_is_one_line_that_updates_or_one_an_epoch(live, tiny_dataset, tmp_path):
    shown = io.StringIO()
    keras.utils.set_random_seed(11)
    plan = recipe(validate_every=2)
    line = progress_line.TrainingLine(plan.batch_size, live=live, file=shown)
    training.train(small(plan.crop, 4), tiny_dataset, plan, tmp_path, report=line)
    text = shown.getvalue()
    assert text.count("\n") == (1 if live else 4) and ("\r" in text) == live
    if live:
        last = text.split("\r")[-1]
        assert re.search(r"epoch   4/4  [\d.]+ images/s  loss [\d.]+  val mIoU [\d.]+ % \|.* 00:00 left", last)
    else:
        # Validated every second epoch, and a line says only what was measured in its own.
        assert [("mIoU" in row) for row in text.splitlines()] == [False, True, False, True]


def test_a_val_miou_over_fewer_classes_says_so(tiny_dataset, tmp_path, monkeypatch):
    score = evaluation.iou.Score("cityscapes", 0.5, (0.5, None, 0.25, 0.75), 0.5, 2)
    monkeypatch.setattr(training.loop.Validation, "__call__", lambda _: score)
    shown, plan = io.StringIO(), recipe(epochs=1)
    line = progress_line.TrainingLine(plan.batch_size, live=False, file=shown)
    outcome = training.train(small(plan.crop, 4), tiny_dataset, plan, tmp_path, report=line)
    assert "val mIoU 50.00 % over 3 of 4 classes" in shown.getvalue()
    assert outcome["history"][0]["over"] == " over 3 of 4 classes"


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_what_training_validates_is_what_an_evaluation_of_its_weights_gives(precision, tiny_dataset, tmp_path):
    """Images are larger than the crop and of another aspect; before, they were squashed to it."""
    keras.config.set_dtype_policy(precision)
    try:
        network = mosaic((48, 64), 4)
    finally:
        keras.config.set_dtype_policy("float32")
    generator = np.random.default_rng(5)
    for variable in network.weights:
        low, high = (0.5, 1.5) if variable.path.endswith(("variance", "gamma")) else (-0.5, 0.5)
        variable.assign(generator.uniform(low, high, variable.shape))
    models.save(network, tmp_path / "w", models.Card(SPEC, tiny_dataset.classes, "tiny", (48, 64)))
    segmenter = KerasSegmenter(partial(models.load, tmp_path / "w"))
    score = evaluation.score(evaluation.evaluate(segmenter, tiny_dataset, "val"), tiny_dataset.rule)
    validation = training.loop.Validation(network, tiny_dataset, spec=SPEC)
    assert validation().miou == pytest.approx(score.miou, abs=1e-6)
    squashed = training.loop.Validation(network, tiny_dataset)().miou
    assert abs(squashed - score.miou) > 1e-3, "this could tell"
    for variable in network.weights:
        variable.assign(np.ones(variable.shape))
    assert abs(validation().miou - score.miou) > 1e-3, "the weights are those of now"


def test_images_of_many_sizes_keep_a_few_networks_and_small_ones_are_enlarged(tiny_dataset, capsys):
    validation = training.loop.Validation(mosaic((48, 64), 4), tiny_dataset, spec=SPEC)
    images = [(np.zeros((side, 80, 3), np.uint8), np.zeros((side, 80), np.uint8)) for side in (64, 65, 16, 67, 16)]
    with_sizes = replace(tiny_dataset, list_split=lambda _: [])
    object.__setattr__(with_sizes, "split", lambda _: range(len(images)))
    object.__setattr__(with_sizes, "read", images.__getitem__)
    validation.dataset = with_sizes
    assert validation().n_images == 5
    assert {size: network is not None for size, network in validation.networks.items()} == {
        (64, 80): True,
        (65, 80): True,
        (16, 80): False,
    }
    assert capsys.readouterr().out.count("Images of 80x16 are validated resized to the crop. A pyramid level of") == 1


def test_ade20k_is_validated_by_mlperfs_protocol():
    data = datasets.get("ade20k_top31")
    assert data.prepare is None and data.for_evaluation().prepare is datasets.get("ade20k_top31-mlperf").prepare


def test_dropout_stands_behind_mosaics_encoder_while_training_alone():
    plain, dropping = (models.build(SPEC, (48, 64), 4, dropout=rate) for rate in (0, 0.5))
    dropping.set_weights(plain.get_weights())
    image = np.random.default_rng(5).uniform(-1, 1, (1, 48, 64, 3)).astype("float32")
    np.testing.assert_array_equal(plain(image), dropping(image))
    layer = dropping.get_layer("mosaic.encoder.dropout")
    assert layer.rate == 0.5 and layer.input.name == dropping.get_layer("mosaic.encoder.projection.relu").output.name
    assert not np.array_equal(plain(image, training=True), dropping(image, training=True))
