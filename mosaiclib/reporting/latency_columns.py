"""The latency columns of Tables 2 and 7: the paper's Pixel 4, and this machine beside it, never subtracted."""

from mosaiclib import paper, runs, specs
from mosaiclib.reporting import measured

# Released graphs that are the network of a row.
RELEASED = {"mosaic_r4_uint8": "mnmh448-mosaic-f64-d64", "deeplabv3plus_mnv2_qat_uint8": "mnv2-dlv3plus"}
HERE = "CPU, this machine"


def columns(records) -> list[str]:
    """The headings of the latency columns of a table's records; none where the paper prints no latency."""
    devices = [name for device, name in paper.DEVICES.items() if any(r.latency_ms[device] for r in records)]
    return [*(f"{name}, Pixel 4" for name in devices), HERE] if devices else []


def cells(records, profile_name) -> list[list]:
    """A list of cells per record, for `columns`. What no device measured says which command would."""
    devices = [device for device in paper.DEVICES if any(record.latency_ms[device] for record in records)]
    timed = fastest(profile_name)
    return [[*(_pixel(record, device) for device in devices), _here(timed.get(record.spec))] for record in records]


def fastest(profile_name) -> dict:
    """{network: (run id, the shortest of its timings)} of all finished latency runs of a profile."""
    found = {}
    for run_id, result in runs.finished(profile_name, "latency").items():
        for row in result["measurements"]:
            name = row["model"].partition("_")[0]
            model = name if name in specs.names() else RELEASED.get(row["model"], row["model"])
            known = model in found and found[model][1]["mean_ms"]
            if row["mean_ms"] is not None and (not known or row["mean_ms"] < known):
                found[model] = run_id, row
    return found


def _pixel(record, device):
    if record.latency_ms[device] is None:
        return None
    return measured.cell(
        paper=record.latency_ms[device], unit="ms", command=f"mosaic bench {record.spec}.tflite --android"
    )


def _here(timed):
    if timed is None:
        return None
    run_id, row = timed
    threads = f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}"
    note = (
        f"{row['model']}: {row['runtime']} {row['version'] or ''}, {row['kernels']}, {threads}; "
        f"delegated: {row['verdict']}. A computer, not a phone"
    )
    return measured.cell(ours=round(row["mean_ms"], 1), unit="ms", run=run_id, note=note)
