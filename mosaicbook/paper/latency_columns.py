"""The latency columns of Tables 2 and 7: the paper's Pixel 4, and this machine beside it, never subtracted."""

from pathlib import Path, PurePath

from mosaicbook import paper, runs
from mosaicbook.paper import comparison
from mosaiclib.data import fetch
from mosaiclib.latency.host.worker import RESOLVERS
from mosaiclib.models import catalogue

_RELEASED = {Path(key).stem: file.network for key, file in fetch.RELEASED.items()}
HERE = "CPU, this machine"
PHONE = "benchmark_model"  # the runtime of measurements on a phone
# Which of the paper's devices a configuration of `mosaic bench --android` runs on.
ON = {"cpu1": "cpu", "cpu4": "cpu", "xnnpack1": "cpu", "xnnpack4": "cpu", "gpu": "gpu", "hexagon": "dsp",
      "edgetpu": "edgetpu"}  # fmt: skip


def columns(records, profile_name="") -> list[str]:
    """The headings of the latency columns of a table's records; none where the paper prints no latency."""
    devices = _devices(records)
    phone = _on_phone(profile_name, _sizes(records)) if profile_name else {}
    more = [f"{paper.DEVICES[d]}, phone" for d in devices if any(device == d for _, device in phone)]
    return [*(f"{paper.DEVICES[d]}, Pixel 4" for d in devices), HERE, *more] if devices else []


def cells(records, profile_name) -> list[list]:
    """A list of cells per record, for `columns`. What no device measured says which command would."""
    devices, phone = _devices(records), _on_phone(profile_name, _sizes(records))
    carried = [d for d in devices if any(device == d for _, device in phone)]
    timed = fastest(profile_name, _sizes(records))
    return [
        [
            *(_pixel(record, device) for device in devices),
            _measured(timed.get(record.spec), "A computer, not a phone"),
            *(_measured(phone.get((record.spec, device)), "") for device in carried),
        ]
        for record in records
    ]


def _sizes(records):
    """{network: (height, width)} at which a table has it."""
    return {record.spec: record.input_size for record in records}


def _devices(records):
    return [device for device in paper.DEVICES if any(record.latency_ms[device] for record in records)]


def _on_phone(profile_name, sizes):
    """{(network, device): (run id, the shortest timing)} of a phone, where a delegate's part is proven.

    sizes: see `fastest`. What ran on a delegate in part says so with its numbers; what nothing proves is left out.
    """
    found = []
    for run_id, model, row in timings(profile_name):
        device = ON.get(row["kernels"]) if row["runtime"] == PHONE else None
        proven = row["verdict"] == "full" or "/" in row["verdict"] or (device == "cpu" and row["verdict"] == "none")
        if device and proven and _at_size(model, row, sizes):
            found.append(((model, device), run_id, row))
    return _shortest(found)


def fastest(profile_name, sizes=None) -> dict:
    """{network: (run id, the shortest of its timings on this machine's CPU)} of all latency runs of a profile.

    sizes: {network: (height, width)} to which timings are held, where they say their size.
    """
    found = []
    for run_id, model, row in timings(profile_name):
        if _on_this_cpu(row) and _at_size(model, row, sizes or {}):
            found.append((model, run_id, row))
    return _shortest(found)


def fastest_files(profile_name) -> dict:
    """The same by the name of the file that was timed."""
    found = timings(profile_name)
    return _shortest((PurePath(row["file"]).name, run_id, row) for run_id, _, row in found if _on_this_cpu(row))


def _at_size(model, row, sizes):
    wanted, size = sizes.get(model), row.get("input_size")
    return not wanted or not size or tuple(size) == tuple(wanted)


def _on_this_cpu(row):
    """Not of a phone, a GPU or an external delegate."""
    return row["kernels"] in RESOLVERS


def _shortest(timings):
    """{key: (run id, measurement)}, the shortest of each key, from (key, run id, measurement); the first of equals."""
    found = {}
    for key, run_id, row in timings:
        if key not in found or row["mean_ms"] < found[key][1]["mean_ms"]:
            found[key] = run_id, row
    return found


def timings(profile_name):
    """(run id, network, measurement) of every finished timing of a profile."""
    for run_id, result in runs.finished(profile_name, "latency").items():
        for row in result["measurements"]:
            name = row["model"].partition("_")[0]
            if row["mean_ms"] is not None:
                yield run_id, name if name in catalogue.names() else _RELEASED.get(row["model"], row["model"]), row


def _pixel(record, device):
    if record.latency_ms[device] is None:
        return None
    way = next(configuration for configuration, on in ON.items() if on == device)
    command = f"mosaic bench {record.spec}.tflite --android --configuration {way}"
    return comparison.cell(paper=record.latency_ms[device], unit="ms", command=command)


def _measured(timed, remark):
    if timed is None:
        return None
    run_id, row = timed
    threads = f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}"
    where = row["machine"] if row["runtime"] == PHONE else f"{row['runtime']} {row['version'] or ''}"
    said = [
        f"{row['model']}: {where}, {row['kernels']}, {threads}",
        f"delegated: {row['verdict']}",
        row.get("note", ""),
    ]
    note = ". ".join(filter(None, ["; ".join(filter(None, said)), remark]))
    return comparison.cell(ours=round(row["mean_ms"], 1), unit="ms", run=run_id, note=note)
