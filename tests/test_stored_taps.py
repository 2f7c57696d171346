"""Heads on stored taps train as whole networks do whose backbone is frozen, and taps are stored once, whole or not."""

import shutil
from functools import cache, partial

import keras
import numpy as np
import pytest

from mosaiclib import models
from mosaiclib.models import catalogue
from mosaiclib.models.spec import DeepLabV3PlusHead, LRASPPHead, ModelSpec
from mosaiclib.training import frozen, recipes, taps
from mosaiclib.training.optimizer import compile_network

SIZE = (64, 96)
CLASSES = ("a", "b", "c")
MOSAIC = catalogue.mosaic(m=32, f=8, d=8, bins=(1, 2), skips="8-C, 4-S, 2-S")
DEEPLAB = ModelSpec("mnv2-dlv3plus", "mobilenet_v2", DeepLabV3PlusHead(filters=8, skip_filters=4))
MDL = ModelSpec("mnmh32-mdl", "mnmh", LRASPPHead(filters=8, skip_stride=4), endpoint_filters=32)


def recipe(**changes):
    values = {"epochs": 2, "batch_size": 2, "crop": SIZE, "learning_rate": 0.01, "optimizer": "adamw", "dice": 0.5}
    return recipes.Recipe(**(values | {"selection": "last", "batch_norm_momentum": 0.9} | changes))


def pairs(count=6, size=SIZE):
    def pair(index):
        generator = np.random.default_rng(index)
        image = generator.integers(0, 256, (*size, 3), np.uint8)
        return image, generator.choice([0, 1, 2, 255], size).astype(np.uint8)

    return [partial(pair, index) for index in range(count)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Weights folders of specs, and stored taps of MDL: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("released")

    @cache
    def make(spec):
        network = models.build(spec, SIZE, len(CLASSES))
        generator = np.random.default_rng(1)
        for variable in network.weights:  # batch norm statistics that are not those of a fresh network
            if "moving_" in variable.path:
                variable.assign(variable.numpy() + generator.uniform(0, 0.5, variable.shape))
        models.save(network, folder / spec.name, models.Card(spec, CLASSES, "random", SIZE))
        return folder / spec.name

    return make


@pytest.fixture
def released(made, tmp_path):
    """Makes a weights folder of a spec."""
    return lambda spec: shutil.copytree(made(spec), tmp_path / spec.name)


def stored_in(folder, weights, count=6, key="some"):
    return taps.store(weights, pairs(count), SIZE, folder / "taps", key, tell=lambda text: None)


@pytest.fixture(scope="module")
def taps_of_mdl(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taps")
    stored_in(folder, made(MDL))
    return folder / "taps"


@pytest.mark.parametrize("spec", [MOSAIC, MDL], ids=lambda spec: spec.name)
def test_a_head_on_stored_taps_trains_as_the_network_does_whose_backbone_keras_freezes(
    tmp_path, released, monkeypatch, spec
):
    """The same views, order, fresh head and loss; with taps in float32 the losses and weights are the same."""
    monkeypatch.setattr(taps, "STORED", np.float32)
    weights, plan = released(spec), recipe()
    trainer = frozen.HeadTrainer(spec, stored_in(tmp_path, weights), len(CLASSES), plan)
    trainer.train(seed=8)
    history = trainer.train(seed=7)

    whole = models.load(weights)
    keras.utils.set_random_seed(7)
    fresh = {v.path: v for v in frozen.head(spec, trainer.shapes, len(CLASSES)).weights}
    for variable in whole.weights:
        if variable.path in fresh:
            variable.assign(fresh[variable.path])
    for layer in whole.layers:
        layer.trainable = not layer.name.startswith("mnmh.")
    compile_network(whole, plan, trainer.steps, partial(frozen.loss, dice=plan.dice))
    views, losses = [pair() for pair in pairs()], []
    for epoch in range(2):
        order = np.random.default_rng((7, epoch)).permutation(6)
        for chosen in np.sort(order.reshape(3, 2), axis=1):
            images = np.stack([views[i][0] / 127.5 - 1 for i in chosen]).astype(np.float32)
            losses.append(float(whole.train_on_batch(images, np.stack([views[i][1][2::4, 2::4] for i in chosen]))))
            whole.reset_metrics()
    assert history == pytest.approx(np.mean(np.reshape(losses, (2, 3)), axis=1), rel=1e-5)
    trained = {variable.path: np.asarray(variable) for variable in whole.weights}
    for variable in trainer.model.weights:
        np.testing.assert_allclose(np.asarray(variable), trained[variable.path], atol=2e-4, err_msg=variable.path)


def test_a_seed_trains_alike_whatever_was_trained_before_it_dropout_included(tmp_path, released):
    weights = released(DEEPLAB)
    stored = stored_in(tmp_path, weights)
    first, second = (frozen.HeadTrainer(DEEPLAB, stored, len(CLASSES), recipe()) for _ in range(2))
    first.train(seed=1)
    assert first.train(seed=2) == second.train(seed=2)
    for one, other in zip(first.model.weights, second.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_backbone_and_trained_head_are_one_weights_folder(tmp_path, released):
    """At another size than the crop's, too; the taps are rounded to float16."""
    weights = released(MOSAIC)
    trainer = frozen.HeadTrainer(MOSAIC, stored_in(tmp_path, weights), len(CLASSES), recipe())
    trainer.train(seed=3)
    frozen.save_whole(trainer.model, weights, tmp_path / "out", models.load_card(weights))
    size = (80, 112)
    held = taps.store(weights, pairs(3, size), size, tmp_path / "taps", "held", tell=lambda text: None)
    head = trainer.at({stride: held.shapes[stride] for stride in trainer.strides})
    whole = models.load(tmp_path / "out", input_size=size)
    images = np.stack([pair()[0] / 127.5 - 1 for pair in pairs(3, size)]).astype(np.float32)
    logits = head.predict_on_batch([held.taps[stride].astype(np.float32) for stride in trainer.strides])
    expected = whole.predict_on_batch(images)
    np.testing.assert_allclose(logits, expected, atol=5e-3 * np.abs(expected).max())


def test_taps_are_stored_once_and_anew_where_weights_or_backbone_or_images_are_others(tmp_path, released, monkeypatch):
    weights, told = released(MOSAIC), []
    store = partial(taps.store, size=SIZE, cache=tmp_path / "taps", tell=told.append)
    first = store(weights, pairs(), key="some")
    assert store(weights, [], key="some").folder == first.folder and len(told) == 1
    size = sum(path.stat().st_size for path in first.folder.iterdir())
    assert f"{size / 1e9:.1f} GB" in told[0]
    dilated = shutil.copytree(weights, tmp_path / "dilated")
    card = (dilated / "spec.json").read_text(encoding="utf-8")
    (dilated / "spec.json").write_text(card.replace('"first_dilated_block": 14', '"first_dilated_block": 13'))
    monkeypatch.setattr(taps, "_write", lambda *arguments: told.append("written"))
    for folder, key in ((weights, "other"), (dilated, "some")):
        with pytest.raises(ValueError):
            store(folder, pairs(), key=key)
    monkeypatch.setattr(taps, "TAPS_CODE", taps.TAPS_CODE[1:])
    with pytest.raises(ValueError):
        store(weights, pairs(), key="some")
    assert told[1:] == ["written"] * 3


def test_what_a_killed_run_left_is_removed_and_a_failing_one_leaves_nothing(
    tmp_path, released, taps_of_mdl, monkeypatch
):
    weights = released(MDL)
    monkeypatch.setattr(taps, "backbone", cache(taps.backbone))
    shutil.copytree(taps_of_mdl, tmp_path / "taps")
    first = stored_in(tmp_path, weights)
    shutil.move(first.folder, left := first.folder.with_name(f".{first.folder.name}.0123.partial"))
    again = stored_in(tmp_path, weights)
    assert again.folder == first.folder and not left.exists()
    wrong = [*pairs(2), *pairs(1, (32, 96))]
    with pytest.raises(ValueError, match="Image 3 is 96x32, but taps are stored of images that are all 96x64"):
        taps.store(weights, wrong, SIZE, tmp_path / "taps", "wrong", tell=lambda text: None)
    assert [path for path in (tmp_path / "taps").iterdir() if path.is_dir()] == [first.folder]


def test_damaged_taps_are_refused_with_the_folder_to_delete(tmp_path, released, taps_of_mdl):
    weights = released(MDL)
    shutil.copytree(taps_of_mdl, tmp_path / "taps")
    file = stored_in(tmp_path, weights).folder / "stride16.npy"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ValueError, match=f"{file.parent} holds damaged taps .*: delete this folder"):
        stored_in(tmp_path, weights)


def test_what_does_not_fit_is_refused_before_it_is_written(tmp_path, released, monkeypatch):
    weights = released(MDL)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(ValueError, match=r"need .* GB, but .* has 0.0 GB free: store fewer views"):
        stored_in(tmp_path, weights)
    monkeypatch.undo()
    network = models.load(weights)
    network.get_layer("mnmh.endpoint.bn").gamma.assign(np.full(32, 1e6, np.float32))
    models.save(network, weights, models.load_card(weights))
    with pytest.raises(ValueError, match=r"stride 16 of images 1 to 6 reaches .*, more than float16 holds"):
        stored_in(tmp_path, weights)
    assert not [path for path in (tmp_path / "taps").iterdir() if path.is_dir()]


@pytest.mark.parametrize("changes", [{"ema": 0.9}, {"class_balance": 0.5}, {"selection": "best"}])
def test_a_recipe_that_a_head_alone_cannot_follow_is_refused(made, taps_of_mdl, changes):
    stored = stored_in(taps_of_mdl.parent, made(MDL))
    with pytest.raises(ValueError, match=f"{next(iter(changes))} is .* in the recipe, but a head alone"):
        frozen.HeadTrainer(MDL, stored, len(CLASSES), recipe(**changes))
