"""Verdicts of the vendors' NPU compilers: Intel's is run, the others say what they need."""

import json

import pytest

from mosaiclib.latency import npu
from mosaiclib.tflite.graph import TFLiteGraph


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: file}: a graph that any compiler takes, and one with an operation that hardly any does."""
    import tensorflow as tf

    kernel = tf.constant(1 / 27, shape=(3, 3, 3, 4))

    def plain(x):
        return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))

    def odd(x):
        y = plain(x)
        return tf.nn.relu(tf.math.segment_sum(y[0], tf.constant([0, 0, 1, 1])) + 1.0)

    folder, written = tmp_path_factory.mktemp("npu"), {}
    for name, function in (("plain", plain), ("odd", odd)):
        traced = tf.function(function, input_signature=[tf.TensorSpec((1, 4, 5, 3))]).get_concrete_function()
        written[name] = folder / f"{name}.tflite"
        written[name].write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
    return written


def test_intels_compiler_takes_all_of_a_plain_graph_and_part_of_an_odd_one(files):
    intel = [vendor for vendor in npu.VENDORS if vendor.name == "Intel"]
    for name, verdict in (("plain", npu.FULL), ("odd", npu.PARTIAL)):
        (answer,) = npu.verdicts(files[name], intel)
        assert answer.verdict == verdict, answer
        assert answer.total == len(TFLiteGraph(files[name]).operations)
        assert (answer.taken == answer.total) == (verdict == npu.FULL) and answer.taken > 0


def test_a_compiler_without_its_library_is_not_asked_and_says_what_it_needs(files, mosaic):
    for answer in npu.verdicts(files["plain"])[1:]:
        assert (answer.verdict, answer.total) == (npu.NOT_ASKED, None) and "it needs" in answer.note
    status, shown, _ = mosaic("npu", files["plain"], files["odd"])
    assert status == 0 and "odd.tflite" in shown and "Qualcomm was not asked" in shown and "partial" in shown
    assert json.loads(mosaic("npu", files["odd"], "--json")[1])[0]["verdict"] == npu.PARTIAL


def test_what_breaks_off_is_failed_and_no_verdict_is_made_of_half_an_answer():
    about, vendor = ("f", "Intel", "LNL"), npu.VENDORS[0]
    text = "INFO: [x.cc:1] Partitioned subgraph<0>, selected 3 ops, from a total of 3 ops. resulted in 1 partitions.\n"
    assert npu._judged(about, vendor, 0, text).verdict == npu.FULL
    assert npu._judged(about, vendor, 0, text + text.replace("selected 3", "selected 0")).verdict == npu.PARTIAL
    assert npu._judged(about, vendor, 0, text.replace("selected 3", "selected 0")).verdict == npu.NONE
    broken = npu._judged(about, vendor, -11, text + "ERROR: [p.cc:7] Exception in compilation: no such thing\n")
    assert broken.verdict == npu.FAILED and "Exception in compilation" in broken.note and broken.total is None
    assert npu._judged(about, vendor, 0, "").verdict == npu.FAILED
