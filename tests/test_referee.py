"""Segmenters from anywhere in one table: classes matched by name, one rule, the same images."""

import json

import numpy as np
import pytest

from mosaiclib.data.sets import minicity
from mosaiclib.evaluation import class_names
from mosaiclib.tflite import standard_metadata
from mosaiclib.tflite.metadata import with_metadata


def _painter(folder, name, labels, order, classes):
    """A .tflite that finds class `order[i]` where a pixel's brightness is in the i-th of so many bands."""
    import tensorflow as tf

    def network(x):
        band = (tf.reduce_mean(x, -1, keepdims=True) + 1.0) * (len(order) / 2.0)
        scores = [tf.abs(band - (order.index(i) + 0.4873)) if i in order else band * 0 + 99.0 for i in range(classes)]
        return -tf.concat(scores, -1)

    traced = tf.function(network, input_signature=[tf.TensorSpec((1, 64, 128, 3))]).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()
    if labels:
        metadata = standard_metadata.describe(name, "", (64, 128), labels, standard_metadata.SOFTMAX_WANTED)
        content = standard_metadata.with_labels(with_metadata(content, {standard_metadata.NAME: metadata}), labels)
    (folder / f"{name}.tflite").write_bytes(content)
    return folder / f"{name}.tflite"


@pytest.fixture
def root(tmp_path):
    from mosaiclib.data import images
    from mosaiclib.data.sets.minicity import files

    for number in range(2):
        image, label = minicity.scene(number, (64, 128))
        target = tmp_path / f"minicity-64x128-v{files.VERSION}" / "val"
        images.write_png(target / f"{number:05d}_image.png", image)
        images.write_png(target / f"{number:05d}_label.png", label)
    return tmp_path


def test_a_network_with_other_ids_scores_as_the_same_network_with_ours(tmp_path, root, mosaic):
    from mosaiclib.data import datasets

    classes = datasets.get("minicity-64x128", root).classes
    count, shuffled = len(classes), np.random.default_rng(0).permutation(len(classes))
    order = [0, 3, 1]
    theirs = [str(classes[i]).upper().replace(" ", "_") for i in shuffled] + ["unicorn"]
    moved = [int(np.flatnonzero(shuffled == i)[0]) for i in order]
    files = [
        _painter(tmp_path, "unnamed", [], order, count),
        _painter(tmp_path, "shuffled", theirs, moved, count + 1),
        _painter(tmp_path, "unicorns", theirs, [*moved[:2], count], count + 1),
    ]
    status, printed, _ = mosaic("referee", *files, "--dataset", "minicity-64x128", "--root", root, "--json",
                                "--not-timed")  # fmt: skip
    answer = json.loads(printed)
    rows = {row["network"]: row for row in answer["networks"]}
    assert status == 0 and answer["synthetic"] and answer["images"] == 2
    assert rows["shuffled.tflite"]["miou"] == rows["unnamed.tflite"]["miou"] > 0
    assert "knows 1 more" in rows["shuffled.tflite"]["note"]
    assert "data set's order" in rows["unnamed.tflite"]["note"]
    alone = mosaic("evaluate", "--tflite", files[0], "--dataset", "minicity-64x128", "--root", root, "--json")
    assert rows["unnamed.tflite"]["miou"] == pytest.approx(json.loads(alone[1])["miou"], abs=1e-12)
    assert rows["unicorns.tflite"]["miou"] != rows["shuffled.tflite"]["miou"]
    few = _painter(tmp_path, "few", [], [0, 1], 2)
    status, _, error = mosaic("referee", few, files[0], "--dataset", "minicity-64x128", "--root", root, "--not-timed")
    assert status == 1 and "few.tflite cannot be judged" in error and "names no classes and has 2" in error


def test_names_are_matched_and_what_does_not_fit_is_said():
    found = class_names.mapping(["Traffic_Sign", "sky ", "moon"], ["sky", "road", "traffic sign"])
    assert found.ids.tolist() == [2, 0, 3] and found.sentence == "does not know road; knows 1 more"
    assert found(np.array([[0, 2]])).tolist() == [[2, 3]]
    for names, sentence in ((["a", "b"], "none of its classes"), (["sky", "SKY"], "two classes called 'sky'")):
        with pytest.raises(ValueError, match=sentence):
            class_names.mapping(names, ["sky", "road"])
