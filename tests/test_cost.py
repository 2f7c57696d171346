"""Cost: small graphs counted by hand, and every figure of Tables 2 to 7."""

import json
import math

import keras
import pytest
from keras import layers
from typer.testing import CliRunner

from mosaicbook import paper
from mosaicbook.cli import app
from mosaicbook.paper import madds
from mosaiclib import models
from mosaiclib.models import catalogue, costs
from mosaiclib.models.counting import cost_of

# Rows whose count prints as the paper's digits (Table 3 has two of them twice).
EXACT = {
    2: (1, 3, 4, 5, 7, 9, 10, 11),
    3: (3, 4, 5, 7, 9),
    4: (1, 2, 4, 5, 6, 7),
    5: (1, 2, 3, 4, 6, 7),
    6: (1, 2, 3, 4, 5, 6, 7, 8),
    7: (1, 2, 3, 4),
}
# The other rows print something else, which their note explains: the count in billions for the row's reading.
OTHERS = {
    (2, 2): 29.029, (2, 6): 2.7740, (2, 8): 9.4930,
    (3, 1): 20.4097, (3, 2): 20.5591, (3, 6): 21.5564, (3, 8): 20.5842, (3, 10): 21.5564, (3, 11): 23.5573,
    (4, 3): 20.8194, (5, 5): 20.8579, (5, 8): 21.1867, (6, 9): 607.5631,
}  # fmt: skip


def printed(value, text):
    """`value` as the paper prints it, in the digits of `text`."""
    return f"{value:.{len(text.partition('.')[2])}f}"


# === By hand ===


def test_one_layer_of_each_kind_counted_by_hand():
    x = image = keras.Input((12, 20, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="a.conv")(x)  # 6x10x8
    x = layers.BatchNormalization(name="a.bn")(x)
    y = layers.DepthwiseConv2D((5, 3), padding="same", name="b.conv")(x)  # bias
    y = layers.Add(name="b.add")([x, y, x])
    y = layers.BatchNormalization(name="b.bn")(y)  # no convolution to fold it into
    z = layers.AveragePooling2D((3, 5), name="c.pool")(y)  # 2x2x8
    z = layers.Conv2D(6, 1, groups=2, use_bias=False, activation="softmax", name="c.conv")(z)  # 2x2x6
    z = layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False, name="d.conv")(z)  # 4x4x4
    z = layers.PReLU(shared_axes=[1, 2], name="d.prelu")(z)
    found = cost_of(keras.Model(image, z))
    macs = {"a.conv": 60 * 8 * 27, "b.conv": 60 * 8 * 15, "c.conv": 4 * 6 * 4, "d.conv": 4 * 9 * 6 * 4}
    madds_beyond = {
        "a.conv": 480 / 2, "b.conv": 480 / 2, "b.add": 480, "b.bn": 480, "c.pool": 15 * 32 / 2, "c.conv": 32 * 24,
    }  # fmt: skip
    for layer in found.layers:
        assert layer.conv_macs == macs.get(layer.name, 0), layer
        assert layer.tflite_madds == macs.get(layer.name, 0) + madds_beyond.get(layer.name, 0), layer
    assert found.params == 27 * 8 + 16 + (15 * 8 + 8) + 16 + 4 * 6 + 9 * 6 * 4 + 4
    assert madds._with_biases_and_norms(found) == sum(macs.values()) - macs["d.conv"] + 480 + 480 + 480
    assert {stage: cost.conv_macs for stage, cost in found.by_stage(1).items()} == {
        "a": macs["a.conv"], "b": macs["b.conv"], "c": macs["c.conv"], "d": macs["d.conv"],
    }  # fmt: skip


def test_what_was_counted_is_kept_until_the_network_or_the_code_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = catalogue.get("mnv3small-lraspp"), (64, 96), 5

    def cost():
        models.cost.cache_clear()
        return models.cost(*arguments)

    counted = cost()
    (kept,) = tmp_path.rglob("*.json")
    with monkeypatch.context() as patch:
        patch.setattr("mosaiclib.models.building.build", None)  # nothing is built
        assert cost() == counted
    kept.write_text("[[1]]")
    assert cost() == counted
    monkeypatch.setattr(costs, "_code", lambda: ["another"])
    assert cost() == counted and len(list(tmp_path.rglob("*.json"))) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # no home
    assert cost() == counted and not list(tmp_path.glob("~*"))


def test_a_batch_norm_that_shares_its_convolution_is_not_folded():
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(5, 1, use_bias=False)(image)
    y = layers.Add()([layers.BatchNormalization()(x), x])
    found = cost_of(keras.Model(image, y))
    assert found.tflite_madds - found.conv_macs == 80 + 40


def test_a_shared_layer_costs_each_time_and_has_its_parameters_once():
    shared, own = catalogue.mosaic(m=448).wired("garden"), catalogue.mosaic(m=448)
    one, three = (models.cost(spec, (256, 256), 19) for spec in (shared, own))
    assert one.conv_macs == three.conv_macs
    assert one.tflite_madds == three.tflite_madds + 256 * 256 * 3, "and the product and sum of a normalised image"
    assert (one.params, three.params) == (1_717_292, 1_763_244)


def test_a_layer_that_is_not_known_is_refused():
    image = keras.Input((8, 8, 2))
    with pytest.raises(ValueError, match="a Dense, is not known"):
        cost_of(keras.Model(image, layers.Dense(3)(image)))


# === The paper's tables ===


def test_every_row_has_its_network():
    for table in paper.TABLES:
        assert [record.spec for record in paper.records(table)] == [spec.name for spec in catalogue.TABLES[table]]
    assert sum(record.madds_b is not None for table in paper.TABLES for record in paper.records(table)) == 50
    for table in (1, 9):
        with pytest.raises(ValueError, match="no table"):
            paper.records(table)


@pytest.mark.usefixtures("without_values")
def test_table_1_is_the_backbone_that_is_built():
    rows = paper.backbone_rows()[1:17]
    model = models.build(catalogue.DEFAULT, (256, 256), 19)
    for index, row in enumerate(rows, start=1):
        convolution = model.get_layer(f"mnmh.block{index}.depthwise.conv")
        kernel = int(row["Operator"][-1])
        assert convolution.kernel.shape == (kernel, kernel, int(row["exp size"]), 1)
        assert convolution.strides == (int(row["s"]),) * 2
        assert model.get_layer(f"mnmh.block{index}.project.conv").filters == int(row["#out"])


@pytest.mark.usefixtures("without_values")
def test_the_released_deeplab_graph_costs_what_its_file_holds():
    """5.277303 billion MACs and 2,256,272 folded weights: counted on MLPerf's TFLite file."""
    model = models.build(catalogue.get("mnv2-dlv3plus"), (512, 512), 32)
    found = cost_of(model)
    gammas = sum(layer.gamma.shape[0] for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    assert (found.conv_macs, found.params - gammas) == (5_277_302_784, 2_256_272)


@pytest.mark.slow
@pytest.mark.parametrize("table", EXACT)
def test_the_published_figures(table):
    """Builds every network at the paper's size."""
    for row in madds.rows(table):
        text = row["paper_madds_text"]
        place = (table, row["row"])
        if row["row"] in EXACT[table]:
            assert printed(row["reading_madds_b"], text) == text, row
        else:
            assert math.isclose(row["reading_madds_b"], OTHERS[place], rel_tol=2e-5 if table > 2 else 2e-4), row
            assert row["note"]


@pytest.mark.slow
def test_the_command_prints_what_the_report_needs():
    result = CliRunner().invoke(app, ["madds", "--table", "7", "--json"])
    rows = json.loads(result.stdout)
    keys = {"table", "row", "name", "paper_madds_b", "tflite_madds_b", "conv_macs_b", "params", "input_size", "note"}
    assert all(keys < set(row) for row in rows)
    mosaic = rows[-1]
    assert (mosaic["name"], mosaic["params"]) == ("mnmh448-mosaic-f64-d64", 1_878_112)
    assert printed(mosaic["tflite_madds_b"], "2.98") == "2.98"
    assert rows[0]["reading"] == "half the TFLite MAdds" and printed(rows[0]["conv_macs_b"], "5.28") == "5.28"


def test_a_table_without_madds_is_refused():
    with pytest.raises(ValueError, match="Table 8 prints no MAdds"):
        madds.rows(8)
