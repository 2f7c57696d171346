"""Host latency: a process per measurement, and verdicts from what was delegated."""

import json

import numpy as np
import pytest

from mosaiclib.latency import host, worker


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    """Three operations, of which XNNPACK cannot take ARG_MAX."""
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 4)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 20, 3), tf.float32)])
    def network(image):
        x = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))
        return tf.argmax(tf.nn.avg_pool2d(x, 2, 2, "VALID"), -1, output_type=tf.int32)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    path = tmp_path_factory.mktemp("latency") / "tiny.tflite"
    path.write_bytes(converter.convert())
    return path


def operations(*rows):
    return [{"op_name": name, "inputs": inputs, "outputs": outputs} for name, inputs, outputs in rows]


CHAIN = (("CONV_2D", [0, 1], [2]), ("ADD", [2, 2], [3]), ("RESIZE", [3], [4]), ("ARG_MAX", [4], [5]))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), "none"),
        ((("DELEGATE", [0, 1], [3]),), "partial 2/4"),
        ((("DELEGATE", [0, 1], [2]), ("DELEGATE", [3], [4])), "partial 2/4"),
        ((("DELEGATE", [0, 1], [5]),), "full"),
    ],
)
def test_the_verdict_counts_what_lies_between_a_piece_s_ends(pieces, expected):
    assert host.verdict(worker.delegation(operations(*CHAIN, *pieces))) == expected


def test_a_bench_measures_in_processes_of_its_own(tiny_file, tmp_path):
    log = tmp_path / "log.jsonl"
    measured = host.bench(
        [tiny_file], ["ai_edge_litert"], ["xnnpack", "builtin"], [1], processes=2, runs=3, warmup=1, log=log
    )
    xnnpack, builtin = measured
    assert (xnnpack.verdict, builtin.verdict) == ("partial 2/3", "none")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    # Round by round, so that a drifting machine does not favour one of them.
    assert [(line["turn"], line["kernels"]) for line in lines] == [
        (0, "xnnpack"), (0, "builtin"), (1, "xnnpack"), (1, "builtin"),
    ]  # fmt: skip
    means = [np.mean(line["times_ms"]) for line in lines if line["kernels"] == "builtin"]
    assert builtin.mean_ms == pytest.approx(np.mean(means)) and builtin.std_ms == pytest.approx(np.std(means, ddof=1))
    assert all(len(line["times_ms"]) == 3 for line in lines) and xnnpack.n == 2


@pytest.mark.parametrize("content", [b"", b"GIF89a" * 9, None])
def test_a_file_that_cannot_run_is_failed_with_a_sentence(content, tiny_file, tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(tiny_file.read_bytes()[:900] if content is None else content)
    (measured,) = host.bench([path], ["ai_edge_litert"], ["xnnpack"], [1], processes=2, runs=1)
    assert measured.verdict == "failed" and measured.mean_ms is None
    assert measured.note and "\n" not in measured.note


def test_unknown_settings_are_refused_before_anything_runs(tiny_file):
    with pytest.raises(ValueError, match="Unknown 'xnpack': choose from reference, builtin, xnnpack"):
        host.bench([tiny_file], ["ai_edge_litert"], ["xnpack"])
    with pytest.raises(ValueError, match="Unknown 'lite'"):
        host.bench([tiny_file], ["lite"])


def test_a_cancelled_bench_stops_at_once_and_keeps_what_it_has(tiny_file, tmp_path):
    log = tmp_path / "log.jsonl"
    measured = host.bench([tiny_file], ["ai_edge_litert"], ["xnnpack", "builtin"], processes=500, runs=2, log=log,
                          cancelled=lambda: log.exists())  # fmt: skip
    assert [(m.kernels, m.n) for m in measured] == [("xnnpack", 1)]
