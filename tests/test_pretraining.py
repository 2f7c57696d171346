"""Pretraining: the classification networks, and the accuracy over batches."""

import numpy as np
import pytest

from mosaiclib import models
from mosaiclib.data import images
from mosaiclib.models import catalogue
from mosaiclib.training import pretraining
from mosaiclib.training.pretraining import classifier


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize(("output_stride", "side"), [(16, 14), (32, 7)])
def test_the_classification_network_is_table_1_or_the_model_gardens(output_stride, side):
    network = classifier(catalogue.get("mnmh480-mosaic"), (224, 224), 10, output_stride=output_stride)
    assert network.get_layer("mnmh.endpoint.conv").output.shape[1:3] == (side, side)
    dilations = {layer.dilation_rate for layer in network.layers if hasattr(layer, "dilation_rate")}
    assert dilations == {(1, 1)}
    kept = {variable.path for variable in models.build(catalogue.get("mnmh480-mosaic"), (256, 256), 19).weights}
    assert {v.path for v in network.weights if v.path.startswith("mnmh.block")} <= kept


@pytest.mark.parametrize("name", ["mnv3small-mosaic", "resnet50-mosaic"])
def test_other_backbones_are_pretrained_as_they_segment(name):
    spec = catalogue.get(name)
    network = classifier(spec, (64, 64), 5)
    segmenter, filled = pretraining.segmenter(network, spec)
    backbone = {v.path for v in segmenter.weights if v.path.startswith(f"{spec.backbone}.")}
    assert set(filled) == backbone and network.output_shape == (None, 5)
    with pytest.raises(ValueError, match="not pretrained at output stride 32"):
        classifier(spec, (64, 64), 5, output_stride=32)
    with pytest.raises(ValueError, match="no backbone"):
        classifier(catalogue.get("enet"), (64, 64), 5)


def test_accuracy_over_batches_is_that_of_the_images_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "BATCH", 3)
    generator, samples = np.random.default_rng(2), []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        images.write_png(path, generator.integers(0, 256, (40, 50, 3), dtype=np.uint8))
        samples.append((path, number % 2))

    class Network:
        input_shape = (None, 32, 32, 3)

        def predict_on_batch(self, batch):
            return np.stack([[x[..., 0].mean(), x[..., 1].mean()] for x in batch])

    alone = [pretraining.accuracy(Network(), [sample]) for sample in samples]
    assert pretraining.accuracy(Network(), samples) == pytest.approx(np.mean(alone))
    assert 0 < np.mean(alone) < 1
