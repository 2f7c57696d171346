"""Every layer of every network belongs to a declared part; a layer that nobody declared is an error."""

import keras
import pytest

from mosaiclib import models
from mosaiclib.models import catalogue, parts
from mosaiclib.models.parts import BACKBONE, CONTEXT, DECODER, part_of
from mosaiclib.training import optimizer


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize("name", ["mnmh480-mosaic", "mnv3small-mdl", "mnv2-dlv3plus", "enet", "espnet"])
def test_every_layer_of_a_network_is_declared(name):
    network = models.build(catalogue.get(name), (256, 256), 19, output="probabilities")
    named = {layer.name: part_of(layer.name).name for layer in network.layers if "." in layer.name}
    assert {"backbone", "decoder"} <= set(named.values()) and part_of("probabilities") == DECODER


def test_the_longest_beginning_counts_and_words_are_not_cut():
    assert part_of("lraspp.gate.pool") == CONTEXT and part_of("lraspp.skip") == DECODER
    assert part_of("espnet.decoder2.esp.add") == DECODER and part_of("espnet.level1") == BACKBONE
    assert part_of("icnet.fusion16.add") == DECODER
    with pytest.raises(ValueError, match=r"add 'mnmhx' to the PARTS"):
        part_of("mnmhx.stem.conv")


def test_a_depthwise_kernel_decays_where_its_part_says_so(monkeypatch):
    image = keras.Input((8, 8, 3))
    x = image
    for name in ("mnmh.block1.depthwise.conv", "mosaic.decoder.merge8.depthwise.conv"):
        x = keras.layers.DepthwiseConv2D(3, padding="same", name=name)(x)
    network = keras.Model(image, x)
    decayed = {v.path.split("/")[0] for v in network.trainable_variables if optimizer.decays(v)}
    assert decayed == {"mosaic.decoder.merge8.depthwise.conv"}
    unknown = keras.layers.DepthwiseConv2D(3, name="mine.depthwise.conv")
    unknown.build((None, 8, 8, 3))
    with pytest.raises(ValueError, match=r"'mine\.depthwise\.conv'.*PARTS"):
        optimizer.decays(unknown.trainable_variables[0])
    monkeypatch.setitem(parts.declared(), "mine", DECODER)
    part_of.cache_clear()
    assert optimizer.decays(unknown.trainable_variables[0])
    part_of.cache_clear()
