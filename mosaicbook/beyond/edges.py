"""Edges: what boundary IoU says of a network without its skips, and of the decoders of Table 5."""

import numpy as np

from mosaicbook import paper, runs
from mosaicbook.paper import claims
from mosaicbook.show import figures, tables
from mosaiclib import evaluation
from mosaiclib.evaluation import boundary

CLAIM = "Skip connections bring back detail above all on edges."
SOURCE = "sections 2 and 5"


def score(classes_of, dataset, samples, ratios, rule) -> dict:
    """{"n_images", "miou", "boundary": [boundary mIoU by ratio]} of a segmenter on some samples, in 0..1."""
    matrix = evaluation.ConfusionMatrix(len(dataset.classes))
    edges = [boundary.BoundaryCounts(len(dataset.classes), ratio) for ratio in ratios]
    for sample in samples:
        image, label = dataset.read(sample)
        found = np.asarray(classes_of(image))
        for counts in (matrix, *edges):
            counts.update(label, found)
    miou = evaluation.score(matrix, rule).miou
    return {"n_images": matrix.pictures, "miou": miou, "boundary": [counts.mean() for counts in edges]}


def differing(label, classes) -> float:
    """The share of the scored pixels of one picture that are found as another class."""
    scored = label != evaluation.IGNORE
    return float((classes != label)[scored].mean()) if scored.any() else 0.0


def table(found, ratios, caption):
    """mIoU and boundary mIoU of each variant, and what it lost against the first. found: of `score`, with "name"."""
    first, names = found[0], [f"boundary IoU, {100 * ratio:g} %" for ratio in ratios]
    rows = []
    for row in found:
        shown = {"skips": row["name"], "mIoU": 100 * row["miou"], "lost": 100 * (first["miou"] - row["miou"])}
        for name, value, before in zip(names, row["boundary"], first["boundary"], strict=True):
            shown |= {name: 100 * value, f"lost, {name.rpartition(', ')[2]}": 100 * (before - value)}
        rows.append(shown)
    columns = list(rows[0])[1:]
    units = {c: "points" if c.startswith("lost") else "%" for c in columns}
    return tables.table(rows, caption, units, dict.fromkeys(columns, ".1f"))


def table_5(finished) -> list[dict]:
    """The rows of Table 5 that were evaluated with boundary IoU, on the data of most of them; [] for fewer than two."""
    labels = {record.spec: record.label for record in paper.records(5)}
    rows = [
        {
            "run": run_id,
            "model": result["model"],
            "label": labels[result["model"]],
            "data": f"{result['dataset']} {result['split']}",
            "miou": result["miou"],
            "boundary": {f"{e['dilation_ratio']:g}": e["miou"] for e in result["boundary"]},
        }
        for run_id, result in finished.items()
        if result["model"] in labels and result.get("boundary") and runs.at_own_size(result)
    ]
    data = [row["data"] for row in rows]
    rows = [row for row in rows if row["data"] == max(data, key=data.count)]
    order = list(labels)
    return sorted(rows, key=lambda row: order.index(row["model"])) if len(rows) > 1 else []


def table_of_rows(rows):
    """Those rows as a table for a page."""
    ratios = list(rows[0]["boundary"])
    shown = [
        {
            "decoder": row["label"],
            "mIoU": 100 * row["miou"],
            **{f"boundary IoU, {100 * float(ratio):g} %": 100 * row["boundary"][ratio] for ratio in ratios},
            "run": figures.run_link(row["run"]),
        }
        for row in rows
    ]
    columns = list(shown[0])[1:-1]
    return tables.table(shown, f"Decoders of Table 5 on {rows[0]['data']}", dict.fromkeys(columns, "%"),
                        dict.fromkeys(columns, ".1f"))  # fmt: skip


def findings(found, rows, ratios) -> list:
    """What became of the claim, of decoders that were trained; and what leaving skips out of one shows.

    found: the variants of one network, the whole one first, without any skip last; rows: of `table_5`.
    """
    shown = _without_skips(found, ratios)
    by_model = {row["model"]: row for row in rows}
    bare, hybrid = by_model.get("mnmh480-mosaic-noskip"), by_model.get(claims.DEFAULT)
    if not (bare and hybrid):
        untrained = "Not tested: decoders with and without skips were not both trained in this profile."
        return [claims.Finding(CLAIM, SOURCE, claims.NOT_TESTED, untrained + shown)]
    ratio = next(iter(hybrid["boundary"]))
    if not (bare["miou"] and bare["boundary"][ratio]):
        untaught = "Not tested: the decoder without skips has learned nothing that could be compared."
        return [claims.Finding(CLAIM, SOURCE, claims.NOT_TESTED, untaught + shown)]
    gains = [hybrid["miou"] / bare["miou"] - 1, hybrid["boundary"][ratio] / bare["boundary"][ratio] - 1]
    sentence = (
        f"Trained on {hybrid['data']}, 8-C, 4-S has {100 * gains[0]:+.1f} % mIoU and {100 * gains[1]:+.1f} % boundary "
        f"IoU (at {100 * float(ratio):g} %) beside no skip."
    )
    return [claims.Finding(CLAIM, SOURCE, claims.YES if gains[1] > max(0, gains[0]) else claims.NO, sentence + shown)]


def _without_skips(found, ratios):
    """What a network loses with its skips, in a sentence to be added to another; "" for one without skips."""
    if len(found) < 2:
        return ""
    whole, bare = ([variant["miou"], *variant["boundary"]] for variant in (found[0], found[-1]))
    if not all(whole):
        return " The network of this page follows no edge at all, so no skip can matter: train it longer."
    lost = [1 - after / before for after, before in zip(bare, whole, strict=True)]
    told = ", ".join(f"{100 * share:.0f} % of boundary IoU at {100 * r:g} %" for share, r in
                     zip(lost[1:], ratios, strict=True))  # fmt: skip
    return (
        f" Without any skip the network of this page loses {100 * lost[0]:.0f} % of its mIoU and {told}: its edges "
        f"lean on the skips {'more' if min(lost[1:]) > lost[0] else 'no more'} than its regions do."
    )
