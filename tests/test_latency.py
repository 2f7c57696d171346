"""Host latency: a process per measurement, and verdicts from what was delegated."""

import _ctypes
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from mosaiclib import export
from mosaiclib.latency import bench_log, host, verdicts
from mosaiclib.latency.host import worker
from mosaiclib.models.blocks import BilinearResize


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
    found = worker.delegation(operations(*CHAIN, *pieces))
    assert verdicts.of_counts("XNNPACK", found["ops"], found["delegated_ops"]) == expected


def test_a_bench_measures_in_processes_of_its_own(tiny_file, tmp_path):
    log = tmp_path / "log.jsonl"
    measured = host.bench(
        [tiny_file], ["ai_edge_litert", "compiled_model"], ["xnnpack", "builtin"], [1], processes=2, runs=3, log=log
    )
    # Two witnesses of their own: the interpreter's list of operations, and LiteRT's profiler.
    assert [(m.runtime, m.kernels, m.delegate, m.verdict, m.n) for m in measured] == [
        ("ai_edge_litert", "xnnpack", "XNNPACK", "partial 2/3", 2), ("ai_edge_litert", "builtin", None, "none", 2),
        ("compiled_model", "xnnpack", "XNNPACK", "partial 2/3", 2), ("compiled_model", "builtin", None, "none", 2),
    ]  # fmt: skip
    first, *lines = (json.loads(line) for line in log.read_text().splitlines())
    assert first["bench"]["processes"] == 2 and first["graphs"][str(tiny_file)]["ops"] == 3
    # Round by round, so that a drifting machine does not favour one of them.
    assert [line["turn"] for line in lines] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [line["kernels"] for line in lines[:4]] == ["xnnpack", "builtin"] * 2
    builtin = measured[1]
    times = [line["times_ms"] for line in (lines[1], lines[5])]
    assert builtin.mean_ms == pytest.approx(np.mean(times))
    assert builtin.std_ms == pytest.approx(np.std(np.mean(times, 1), ddof=1))
    assert builtin.median_ms == pytest.approx(np.median(times)) and builtin.p90_ms <= np.max(times)
    assert all(m.agreement_percent == 100 and m.memory_mb < m.peak_memory_mb for m in measured)
    assert all(m.input_size == [16, 20] for m in measured)
    assert "governor" in builtin.machine and builtin.conditions["load_1min"][0] >= 0


def test_a_killed_bench_keeps_what_it_has_and_goes_on(tiny_file, tmp_path):
    log = tmp_path / "log.jsonl"
    code = f"from mosaiclib.latency import host; host.bench([{str(tiny_file)!r}], ['ai_edge_litert'], ['builtin', "
    process = subprocess.Popen([sys.executable, "-c", f"{code}'xnnpack'], processes=2, runs=2, log={str(log)!r})"])
    while process.poll() is None and (not log.exists() or log.read_text().count("times_ms") < 1):
        time.sleep(0.02)
    process.kill()
    process.wait()
    kept = log.read_text().count("times_ms")
    assert 1 <= kept < 4 and sum(m.n for m in bench_log.show(log)) == kept
    log.write_text(log.read_text() + '{"turn": 1, "fi')  # as a kill may leave it
    assert sum(m.n for m in bench_log.show(log)) == kept
    first = next(line for line in log.read_text().splitlines() if "times_ms" in line)
    assert [(m.kernels, m.n) for m in host.resume(log)] == [("builtin", 2), ("xnnpack", 2)]
    assert first in log.read_text() and log.read_text().count("times_ms") == 4
    tiny = log.read_text().replace(str(tiny_file), str(tmp_path / "other.tflite"))
    (tmp_path / "other.tflite").write_bytes(tiny_file.read_bytes() + b"changed")
    (tmp_path / "other.jsonl").write_text(tiny)
    with pytest.raises(ValueError, match="is not the file"):
        host.resume(tmp_path / "other.jsonl")


@pytest.mark.parametrize("content", [b"", b"GIF89a" * 9, None])
def test_a_file_that_cannot_run_is_failed_with_a_sentence(content, tiny_file, tmp_path):
    path = tmp_path / "bad.tflite"
    path.write_bytes(tiny_file.read_bytes()[:900] if content is None else content)
    (measured,) = host.bench([path], ["ai_edge_litert"], ["xnnpack"], [1], processes=2, runs=1)
    assert measured.verdict == "failed" and measured.mean_ms is None
    assert measured.note and "\n" not in measured.note


SOURCE = """
#include <stddef.h>
typedef struct delegate {{ void* data; int (*prepare)(void*, struct delegate*); void* copies[3]; long flags; void* builder; }} delegate;
static int take_nothing(void* context, delegate* self) {{ return 0; }}
static delegate it = {{ .prepare = take_nothing }};
void* tflite_plugin_create_delegate(char** keys, char** values, size_t n, void (*report)(const char*)) {{ {body} }}
void tflite_plugin_destroy_delegate(void* it) {{}}
"""  # noqa: E501


@pytest.fixture
def library(tmp_path):
    """Compiles an external delegate whose creation is the given C."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler here: install gcc")

    def build(body):
        (tmp_path / "delegate.c").write_text(SOURCE.format(body=body))
        subprocess.run([compiler, "-shared", "-fPIC", "-o", "libdelegate.so", "delegate.c"], cwd=tmp_path, check=True)
        return str(tmp_path / "libdelegate.so")

    return build


def test_an_external_delegate_is_loaded_and_judged_by_what_it_took(tiny_file, library):
    (measured,) = host.bench(
        [tiny_file], ["tflite_runtime"], [], processes=1, runs=1, delegates=[library("return &it;")]
    )
    assert (measured.kernels, measured.verdict, measured.n) == ("external", "none", 1) and measured.mean_ms > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("libnowhere.so.1", "The delegate libnowhere.so.1 was not found: install the delegate's runtime, or"),
        (None, "could not start: no device"),
        (_ctypes.__file__, "is not a TFLite delegate: it has no function tflite_plugin_create_delegate"),
    ],
)
def test_a_delegate_that_cannot_be_used_is_one_sentence_and_status_1(
    name, reason, tiny_file, library, mosaic, tmp_path
):
    path = name or library('report("no device"); return NULL;')
    arguments = ("--runtime", "ai_edge_litert", "--delegate", path, "--log", tmp_path / "log.jsonl")
    status, _, err = mosaic("bench", tiny_file, *arguments)
    assert status == 1 and reason in err.splitlines()[-1] and "Traceback" not in err


@pytest.fixture
def software_gpu(monkeypatch):
    """SwiftShader, a Vulkan in software that comes with Chromium, for the processes that a test starts."""
    folders = [Path("/usr/lib/chromium"), Path("/usr/lib/chromium-browser"), Path("/opt/google/chrome")]
    found = next((folder for folder in folders if (folder / "vk_swiftshader_icd.json").is_file()), None)
    if not found:
        pytest.skip("SwiftShader is not here: it comes with Chromium (apt-get install chromium)")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(found / "vk_swiftshader_icd.json"))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(found))  # its Vulkan loader, where the system has none


@pytest.fixture(scope="module")
def segmenter_file(tmp_path_factory):
    """A float32 export with the kinds of layers that the paper's networks have: logits [1, 45, 62, 5]."""
    keras.utils.set_random_seed(2)
    image = keras.Input((45, 62, 3), batch_size=1)
    x = keras.layers.Conv2D(12, 3, 2, "same", kernel_initializer="he_normal")(image)
    x = fine = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, depthwise_initializer="he_normal")(x)
    pooled = BilinearResize((23, 31), "half_pixel")(keras.layers.AveragePooling2D((5, 4), (3, 3))(x))
    x = keras.layers.Concatenate()([keras.layers.Add()([x, fine]), pooled])
    x = keras.layers.Conv2D(
        5, 1, kernel_initializer=keras.initializers.RandomNormal(stddev=2), bias_initializer="ones"
    )(x)
    network = keras.Model(image, BilinearResize((45, 62), "half_pixel")(x))
    path = tmp_path_factory.mktemp("segmenter") / "segmenter.tflite"
    path.write_bytes(export.to_tflite(network, "float32"))
    return path


def test_a_gpu_computes_what_the_cpu_does_and_one_in_software_is_called_so(software_gpu, segmenter_file, tmp_path):
    def logits(kernels):
        task = {"file": str(segmenter_file), "runtime": "compiled_model", "kernels": kernels, "threads": 1, "warmup": 0,
                "runs": 1, "output": str(tmp_path / kernels) + ".npy"}  # fmt: skip
        subprocess.run([sys.executable, "-m", "mosaiclib.latency.host.worker", json.dumps(task)], capture_output=True)
        return np.load(task["output"])

    on_cpu, on_gpu = logits("builtin"), logits("gpu")
    assert on_gpu.shape == (1, 45, 62, 5) and on_gpu.std() > 1
    # SwiftShader has no float16, which other GPUs use by default: that would be off by some 1e-3.
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0, atol=1e-5 * np.abs(on_cpu).max())
    cpu, *_, gpu = host.bench([segmenter_file], ["compiled_model"], ["xnnpack", "gpu"], [1, 2], processes=1, runs=1)
    assert (gpu.kernels, gpu.delegate, gpu.verdict, gpu.agreement_percent) == ("gpu", "GPU", "full", 100)
    assert gpu.software and "a GPU in software (SwiftShader" in gpu.note and not cpu.software


def test_where_there_is_no_gpu_it_says_so(tiny_file, monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nowhere.json")
    (measured,) = host.bench([tiny_file], ["compiled_model"], ["gpu"], processes=2, runs=1)
    assert (measured.verdict, measured.n) == ("failed", 0) and "there is no GPU with Vulkan here" in measured.note


def test_unknown_settings_are_refused_before_anything_runs(tiny_file):
    with pytest.raises(ValueError, match="Unknown 'xnpack': choose from reference, builtin, xnnpack"):
        host.bench([tiny_file], ["ai_edge_litert"], ["xnpack"])
    with pytest.raises(ValueError, match="Unknown 'lite'"):
        host.bench([tiny_file], ["lite"])
    with pytest.raises(ValueError, match="nothing to time: gpu needs compiled_model"):
        host.bench([tiny_file], ["ai_edge_litert"], ["gpu"])


def test_a_cancelled_bench_stops_at_once_and_keeps_what_it_has(tiny_file, tmp_path):
    log = tmp_path / "log.jsonl"
    measured = host.bench([tiny_file], ["ai_edge_litert"], ["xnnpack", "builtin"], processes=500, runs=2, log=log,
                          cancelled=lambda: log.exists() and "times_ms" in log.read_text())  # fmt: skip
    assert [(m.kernels, m.n) for m in measured] == [("xnnpack", 1)]
