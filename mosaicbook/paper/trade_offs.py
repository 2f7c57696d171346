"""The points of the paper's Figure 1, mIoU against latency, and ours."""

from operator import itemgetter
from pathlib import PurePath

from mosaicbook import paper, runs
from mosaicbook.paper import latency_columns, results_table
from mosaiclib.evaluation.front import unbeaten
from mosaiclib.models import catalogue
from mosaiclib.models.spec import MosaicHead

HERE = "here"  # the platform of our own latencies
PLATFORMS = paper.DEVICES | {HERE: "CPU of this machine, ours"}
TITLES = {2: "Cityscapes", 7: "ADE20K-Top31"}


def points(table, profile_name) -> list[dict]:
    """The points of Table 2 or 7, a platform each of `PLATFORMS`: arguments of `plots.trade_off`.

    Ours are networks that this profile has both evaluated on the table's own data set and timed here.
    """
    records, found = paper.records(table), []
    for record in records:
        named = {
            "label": _short(record),
            "miou_percent": record.miou_percent,
            "kind": "mosaic" if isinstance(catalogue.get(record.spec).head, MosaicHead) else "other",
            "source": record.source,
        }
        times = {device: ms for device, ms in record.latency_ms.items() if ms is not None}
        found += [named | {"device": device, "latency_ms": ms} for device, ms in times.items()]
    timed = latency_columns.fastest(profile_name)
    for (model, dataset), (run_id, result) in results_table.evaluations(profile_name).items():
        if dataset == records[0].dataset and model in timed:
            latency_run, row = timed[model]
            found.append(_own(model, result["miou"], row["mean_ms"], run_id, latency_run))
    return found


def own(profile_name) -> dict[str, list[dict]]:
    """{network and data set: points} of the files that this profile has both scored and timed, on any data set.

    A file's mIoU is the one measured through it, and its latency that of the fastest configuration on this CPU.
    Where files are of several sizes, a point says its own.
    """
    times, found = latency_columns.fastest_files(profile_name), {}
    exports = runs.finished(profile_name, "export")
    several = len({tuple(result["input_size"]) for result in exports.values()}) > 1
    for run_id, result in exports.items():
        size = " {}x{}".format(*result["input_size"]) if several else ""
        synthetic = ", synthetic" if result["synthetic"] else ""
        title = f"{result['model']} on {result['dataset']}{synthetic}, {result['split']}"
        for file in result["files"]:
            if (name := PurePath(file["file"]).name) in times:
                latency_run, row = times[name]
                way = f"{latency_run}: {row['kernels']}, threads: {row['threads']}"
                point = _own(f"{file['precision']}{size}", file["miou"], row["mean_ms"], run_id, way)
                found.setdefault(title, []).append(point)
    return found


def _own(label, miou, mean_ms, run_id, latency_run):
    return {
        "label": label, "miou_percent": round(100 * miou, 2), "kind": "ours", "source": f"{run_id}, {latency_run}",
        "device": HERE, "latency_ms": round(mean_ms, 2),
    }  # fmt: skip


def front(found) -> list[str]:
    """Of the points of one platform, fastest first, the names of those that none beats in both mIoU and latency."""
    return [point["label"] for point in unbeaten(found, itemgetter("latency_ms"), itemgetter("miou_percent"))]


def findings(by_table) -> list:
    """What became of the figure's claim, platform by platform. by_table: {2 or 7: points}."""
    from mosaicbook.paper import claims, statements

    found = []
    for position, (table, all_points) in enumerate(by_table.items(), start=1):
        printed = [point for point in all_points if point["kind"] != "ours"]
        best = max(printed, key=lambda point: point["miou_percent"])["label"]
        fronts = {
            device: front([point for point in printed if point["device"] == device])
            for device in dict.fromkeys(point["device"] for point in printed)
        }
        mosaic = {point["label"] for point in printed if point["kind"] == "mosaic"}
        told = "; ".join(f"{paper.DEVICES[device]}: {', '.join(names)}" for device, names in fronts.items())
        ours = [point for point in all_points if point["kind"] == "ours"]
        tested = "Not tested here: it needs a phone." if not ours else f"Ours, on this machine: {len(ours)} points."
        found.append(
            claims.Finding(
                f"{best} is not beaten in both accuracy and latency on {TITLES[table]}.",
                "Figure 1",
                claims.NOT_TESTED,
                f"{tested} In print it holds on {sum(best in names for names in fronts.values())} of {len(fronts)} "
                f"platforms; of the networks not beaten, {_share(fronts, mosaic)} have MOSAIC's head. Not beaten, "
                f"fastest first: {told}.",
                statements.MEASURED,
                number=f"F1.{position}",
            )
        )
    return found


def _share(fronts, mosaic):
    names = [name for found in fronts.values() for name in found]
    return f"{sum(name in mosaic for name in names)} of {len(names)}"


def reference(table) -> str:
    """The network that others are set against in a table of the figure: its last row, MOSAIC on MNMH."""
    return _short(paper.records(table)[-1])


def _short(record):
    return record.label.partition(" [")[0].partition(" (")[0]
