"""A phone that is a folder: a program called `adb` on PATH runs its shell commands here, in a place of their own."""

import json
import os
import stat
import sys

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from mosaicbook import paper, runs
from mosaicbook.paper import latency_columns
from mosaiclib.latency import bench_log, measurement
from mosaiclib.latency import phone as phones

ADB = r'''#!{python}
import os, pathlib, re, shutil, subprocess, sys
root = pathlib.Path({root!r})
calls = root / "calls"
calls.open("a").write(repr(sys.argv[1:]) + "\n")
arguments = sys.argv[1:]
if arguments[0] == "devices":
    print("* daemon started successfully\nList of devices attached\n" + (root / "devices").read_text())
    sys.exit()
serial, verb, *rest = arguments[1:]
if (root / "unplugged").exists():
    sys.exit(f"error: device '{{serial}}' not found")
here = lambda text: text.replace("/data/local/tmp", str(root / "tmp"))
if verb == "push":
    shutil.copy(rest[0], here(rest[1]))
    print(f"{{rest[0]}}: 1 file pushed")
if verb == "shell":
    done = subprocess.run(["sh", "-c", here(rest[0])], text=True, capture_output=True,
                          env={{**os.environ, "PATH": f"{{root / 'bin'}}:/usr/bin:/bin", "FAKE_ROOT": str(root)}})
    if (root / "unplugged").exists():
        sys.exit()  # the connection breaks in the middle: neither output nor a status comes
    sys.stdout.write(done.stdout)
'''  # fmt: skip

GETPROP = """#!/bin/sh
echo "[ro.product.manufacturer]: [Google]"
echo "[ro.product.model]: [Pixel 4]"
echo "[ro.board.platform]: [msmnile]"
echo "[ro.build.version.release]: [13]"
echo "[ro.product.cpu.abi]: [arm64-v8a]"
"""
DUMPSYS = """#!/bin/sh
echo dumped >> $FAKE_ROOT/dumped
case $1 in
  battery) echo "  level: 80"; echo "  temperature: 312" ;;
  thermalservice)
    if [ -f $FAKE_ROOT/hot ]; then rm $FAKE_ROOT/hot; echo "Thermal Status: 2"; else echo "Thermal Status: 0"; fi
    echo "	Temperature{mValue=41.5, mType=0, mName=cpu-0-0-usr, mStatus=0}"
    echo "	Temperature{mValue=99.0, mType=8, mName=other, mStatus=0}" ;;
esac
"""
TOOL = """#!/bin/sh
case "$*" in --help) echo "ERROR: usage: benchmark_model <flags>"; echo "Flags:"
  for flag in graph= num_runs=50 use_xnnpack=false use_gpu=false; do
    echo "	--$flag  	string	optional	x"
  done
  exit 1 ;;
esac
echo run >> $FAKE_ROOT/runs
[ "$(wc -l < $FAKE_ROOT/runs)" = "$(cat $FAKE_ROOT/unplug_at 2>/dev/null)" ] && touch $FAKE_ROOT/unplugged
case "$*" in
  *use_gpu*) echo "INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the \
delegate w/ 2 delegate kernels."
    echo "VERBOSE: Replacing 96 out of 100 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 4 partitions." ;;
  *use_hexagon*) echo "ERROR: Failed to apply Hexagon delegate." >&2; echo "ERROR: Benchmarking failed." >&2; exit 1 ;;
  *external*) echo "INFO: Explicitly applied EXTERNAL delegate, and the model graph will be completely executed by \
the delegate." ;;
  *use_xnnpack=true*) echo "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely \
executed by the delegate." ;;
esac
echo "INFO: count=3 first=9100 curr=9 min=8 max=9100 avg=9000 std=3"
echo "INFO: count=50 first=8000 curr=7 min=7000 max=9000 avg=8000 std=25"
echo "INFO: Inference timings in us: Init: 1500, First inference: 9100, Warmup (avg): 9000, Inference (avg): 8000"
"""

# LiteRT's tool of the same name: its flags, and its log as a phone printed it (mlcommons/mobile_app_open#1134).
LITERT_TOOL = """#!/bin/sh
known="graph= num_threads=-1 num_runs=50 min_secs=1 warmup_runs=1 report_peak_memory_footprint=false
use_cpu=true use_gpu=false use_npu=false require_full_delegation=false"
if [ "$*" = --help ]; then
  echo "ERROR: usage: benchmark_model <flags>"; echo "Flags:"
  for flag in $known; do echo "	--$flag  	string	optional	x"; done; exit 1
fi
for asked in "$@"; do
  case " $(echo $known) " in *" ${asked%%=*}="*|*" $(echo $asked | sed 's/--//; s/=.*//')="*) ;;
    *) echo "ERROR: Unknown command line flag '$asked'"; exit 1 ;; esac
done
echo "INFO: [benchmark_litert_model.cc:120] Loading model from: x"
case "$*" in
  *use_gpu=true*) echo "VERBOSE: Replacing 96 out of 100 node(s) with delegate (LITERT_CL) node, yielding 4 partitions."
    echo "ERROR: 96 operations will run on the GPU, and the remaining 4 operations will run on the CPU." ;;
  *) echo "VERBOSE: Replacing 100 out of 100 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions."
esac
echo "INFO: [benchmark_litert_model.h:92]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:94] Model initialization: 23.73 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       41.04 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         31.04 ms (3 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      30.20 ms (50 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      16.40 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      9.92
INFO: [benchmark_litert_model.h:124]
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       61.74 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    63.25 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)"
"""


def write_graph(path, height, width):
    """A TFLite file that is an input and nothing else."""
    graph, tensor, model = schema.SubGraphT(), schema.TensorT(), schema.ModelT()
    tensor.shape, tensor.buffer = [1, height, width, 3], 0
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """The folder of a fake phone, and adb on PATH."""
    root = tmp_path / "phone"
    for folder in ("bin", "tmp"):
        (root / folder).mkdir(parents=True)
    programs = {"getprop": GETPROP, "dumpsys": DUMPSYS, "../adb": ADB.format(python=sys.executable, root=str(root))}
    for name, text in programs.items():
        (root / "bin" / name).write_text(text)
        (root / "bin" / name).chmod(0o755)
    (root / "devices").write_text("FAKE1                  device product:flame model:Pixel_4\n")
    monkeypatch.setenv("PATH", f"{root}:{os.environ['PATH']}")
    return root


@pytest.fixture
def files(tmp_path):
    """A graph, the tool and a delegate's library to push; the fake tool looks into none of them."""
    for name, text in (("benchmark_model", TOOL), ("libvendor.so", "library")):
        (tmp_path / name).write_text(text)
    write_graph(tmp_path / "net; rm -rf.tflite", 48, 64)
    assert not (tmp_path / "benchmark_model").stat().st_mode & stat.S_IXUSR  # the phone makes it executable
    return tmp_path / "net; rm -rf.tflite", tmp_path / "benchmark_model", tmp_path / "libvendor.so"


def test_a_phone_runs_every_configuration_in_turns_and_is_left_clean(phone, files, tmp_path):
    graph, tool, library = files
    (phone / "hot").touch()
    log, ways = tmp_path / "log.jsonl", ("cpu1", "cpu4", "xnnpack4", "gpu", "hexagon")
    measured = phones.bench([graph], tool, ways, processes=2, runs=50, delegates=[library], log=log, pause_s=0)
    assert [(m.kernels, m.delegate, m.threads, m.verdict, m.n) for m in measured] == [
        ("cpu1", None, 1, "none", 2), ("cpu4", None, 4, "none", 2), ("xnnpack4", "XNNPACK", 4, "full", 2),
        ("gpu", "GPU", 1, "partial 96/100", 2), ("hexagon", "Hexagon", 1, "failed", 0),
        ("external", str(library), 1, "full", 2),
    ]  # fmt: skip
    assert measured[4].note == "Failed to apply Hexagon delegate." and measured[4].mean_ms is None
    assert all((m.mean_ms, m.init_ms, m.first_ms) == (8, 1.5, 9.1) for m in measured if m.n)
    assert measured[0].machine == "Google Pixel 4, msmnile, Android 13, arm64-v8a"
    assert measured[0].conditions["battery_c_before"] == [31.2, 31.2]
    assert measured[0].conditions["hottest_c_after"] == [41.5, 41.5]
    assert measured[0].conditions["thermal_status_before"] == [0, 0]  # it waited until the phone had cooled
    assert [json.loads(line)["turn"] for line in log.read_text().splitlines()[1:]] == [0] * 6 + [1] * 5
    assert not any((phone / "tmp").iterdir()) and graph.exists()
    assert [m.verdict for m in bench_log.show(log)] == [m.verdict for m in measured]


def test_the_newer_tool_of_the_same_name_is_spoken_to_in_its_own_flags(phone, files, tmp_path):
    graph, tool, library = files
    tool.write_text(LITERT_TOOL)
    ways = ("xnnpack4", "gpu", "cpu1", "hexagon")
    measured = phones.bench([graph], tool, ways, processes=2, runs=50, delegates=[library], pause_s=0)
    assert [(m.kernels, m.threads, m.verdict, m.n) for m in measured] == [
        ("xnnpack4", 4, "full", 2), ("gpu", 1, "partial 96/100", 2), ("cpu1", 1, "failed", 0),
        ("hexagon", 1, "failed", 0), ("external", 1, "failed", 0),
    ]  # fmt: skip
    times = [(m.mean_ms, m.init_ms, m.first_ms, m.warmup_ms, m.memory_mb) for m in measured[:2]]
    assert times == [(30.2, 23.73, 41.04, 31.04, 63.25)] * 2
    assert "LiteRT's, which has no way to run 'cpu1' (it has xnnpack1, xnnpack4, gpu)" in measured[2].note


def test_a_damaged_file_is_said_so_and_not_run_on_the_phone(phone, files, tmp_path):
    (tmp_path / "cut.tflite").write_bytes(files[0].read_bytes()[:40])
    log, asked = tmp_path / "log.jsonl", [tmp_path / "cut.tflite", files[0]]
    cut, whole = measured = phones.bench(asked, files[1], ["cpu1"], processes=1, log=log, pause_s=0)
    assert (cut.verdict, whole.verdict, whole.input_size) == ("failed", "none", [48, 64])
    assert "cut.tflite is a damaged or truncated TFLite model" in cut.note
    assert (phone / "runs").read_text().splitlines() == ["run"]
    assert phones.resume(log) == measured  # nothing is left to do, and no file has changed


def test_a_phone_that_is_unplugged_keeps_what_it_measured(phone, files, tmp_path):
    graph, tool, _ = files
    (phone / "unplug_at").write_text("3")
    log = tmp_path / "log.jsonl"
    with pytest.raises(
        phones.PhoneGone, match=r"is gone: .*still in /data/local/tmp/mosaic-bench-.* The 2 runs that finished"
    ):
        phones.bench([graph], tool, ["cpu1", "gpu"], processes=2, log=log, pause_s=0)
    assert [(m.kernels, m.n) for m in bench_log.show(log)] == [("cpu1", 1), ("gpu", 1)]
    (phone / "unplugged").unlink()
    (phone / "unplug_at").unlink()
    assert [(m.kernels, m.n) for m in phones.resume(log)] == [("cpu1", 2), ("gpu", 2)]


def test_table_7_shows_what_the_phone_measured_and_how_much_of_it_the_delegate_ran(phone, files, tmp_path, monkeypatch):
    log, graphs = tmp_path / "log.jsonl", []
    for side in (256, 512):
        graphs.append(tmp_path / f"mnmh448-mosaic-f64-d64_{side}x{side}_classes_int8.tflite")
        write_graph(graphs[-1], side, side)
    phones.bench(graphs, files[1], ["cpu1", "xnnpack4", "gpu", "hexagon"], processes=2, log=log, pause_s=0)
    on_phone = measurement.as_rows(bench_log.show(log))
    assert [row["input_size"] for row in on_phone[::4]] == [[256, 256], [512, 512]]
    for row in on_phone[:3]:
        row["mean_ms"] = 9  # faster, and not the table's size
    here = on_phone[4] | {"runtime": "compiled_model", "version": "2.3.0", "machine": "a computer"}
    here = [here | {"kernels": "xnnpack", "mean_ms": 50.0}, here | {"kernels": "gpu", "mean_ms": 2.0, "software": True}]
    monkeypatch.setenv("MOSAIC_REPORTS", str(tmp_path))
    folder = runs.folder_of("p", "latency/host")
    folder.mkdir(parents=True)
    runs.write_json(folder / "result.json", {"measurements": here + on_phone})
    runs.write_json(folder / "run.json", {"status": "done"})
    records = paper.records(7)
    columns, rows = latency_columns.columns(records, "p"), latency_columns.cells(records, "p")
    # A column for a device on which something ran: Hexagon failed. The GPU of the computer is not its CPU.
    assert columns[4:] == ["CPU, this machine", "CPU, phone", "GPU, phone"]
    ours = [record.spec for record in records].index("mnmh448-mosaic-f64-d64")
    cpu_here, cpu, gpu = rows[ours][4:]
    assert (cpu_here["ours"], cpu["ours"], gpu["ours"]) == (50, 8, 8)
    assert "Google Pixel 4, msmnile, Android 13" in cpu["note"] and "cpu1, 1 thread; delegated: none" in cpu["note"]
    assert "delegated: partial 96/100" in gpu["note"] and gpu["run"] == "latency/host"
    assert all(row[4:] == [None] * 3 for row in rows[:ours] + rows[ours + 1 :])


@pytest.mark.parametrize(
    ("devices", "serial", "reason"),
    [
        ("", None, "There is no phone: connect one"),
        ("FAKE1 unauthorized usb:1\n", None, "allow it on the phone's screen"),
        ("FAKE1 offline\n", None, "is offline: plug it in again"),
        ("FAKE1   no permissions (missing udev rules?); see [http://x] usb:1-1\n", None, "install udev rules for it"),
        (
            "FAKE1   no permissions (missing udev rules?); see [http://x] usb:1-1\n",
            None,
            "says: no permissions (m",
        ),
        ("FAKE1   detached usb:1-1\n", None, "in a state that is not known here. adb says: detached usb:1-1"),
        ("FAKE1   recovery usb:1-1\n", None, "FAKE1 is started in recovery, where nothing can be timed"),
        ("FAKE1   authorizing usb:1-1\n", None, "is asking whether to trust this computer"),
        ("FAKE1   bootloader\n", None, "is started in bootloader"),
        (
            "adb-39-abc (2)._adb-tls._tcp   sideload product:x\n",
            None,
            "adb-39-abc (2)._adb-tls._tcp is started in sidel",
        ),
        ("FAKE1 device\nFAKE2 device\n", None, "choose one of FAKE1, FAKE2 with --serial"),
        ("FAKE1 device\n", "FAKE3", "There is no phone FAKE3: adb sees FAKE1"),
    ],
)
def test_where_there_is_not_just_one_phone_it_says_what_to_do(devices, serial, reason, phone, files, mosaic):
    (phone / "devices").write_text(devices)
    more = ("--serial", serial) if serial else ()
    status, out, err = mosaic("bench", files[0], "--android", "--tool", files[1], *more)
    assert status == 1 and reason in err and len(err.splitlines()) == 1 and not out


def test_an_adb_that_fails_is_no_missing_phone(phone, files, mosaic):
    (phone / "devices").unlink()
    assert "adb devices failed: " in mosaic("bench", files[0], "--android", "--tool", files[1])[2]


def test_the_command_names_what_it_needs(files, mosaic, monkeypatch, tmp_path):
    assert "benchmark_model: give --tool its path" in mosaic("bench", files[0], "--android")[2]
    assert "There is no file nowhere.tflite" in mosaic("bench", "nowhere.tflite", "--android", "--tool", files[1])[2]
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, err = mosaic("bench", files[0], "--android", "--tool", files[1])
    assert status == 1 and "There is no adb here: install it" in err
