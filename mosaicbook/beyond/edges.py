"""Edges: what boundary IoU says of a network without its skips, and of the decoders of Table 5."""

import math

import numpy as np

from mosaicbook import paper
from mosaicbook.paper import claims, relations, statements
from mosaicbook.show import figures, tables
from mosaiclib import evaluation
from mosaiclib.data import images
from mosaiclib.evaluation import boundary, intervals
from mosaiclib.evaluation.verdict import FEWEST_SEEDS
from mosaiclib.models import catalogue
from mosaiclib.models.spec import ModelSpec
from mosaiclib.number_text import signed

CLAIM = "Skip connections bring back detail above all on edges."
SOURCE = "sections 2 and 5"
PAIR = ({"merges": "8-C, 4-S"}, {"merges": ""})


def score(classes_of, dataset, samples, ratios, rule) -> dict:
    """{"n_images", "miou", "boundary": [boundary mIoU by ratio]} of a segmenter on some samples, in 0..1."""
    matrix = evaluation.ConfusionMatrix(len(dataset.classes))
    edges = [boundary.BoundaryCounts(len(dataset.classes), ratio) for ratio in ratios]
    for label, found in evaluation.predictions(dataset, samples, classes_of):
        for counts in (matrix, *edges):
            counts.update(label, found)
    miou = evaluation.score(matrix, rule).miou
    return {"n_images": matrix.pictures, "miou": miou, "boundary": [counts.mean() for counts in edges]}


def differing(label, classes) -> float:
    """The share of the scored pixels of one image that are found as another class."""
    scored = label != images.IGNORE
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


def decoders(found) -> list[dict]:
    """The trained decoders of Table 5, one line an evaluation with boundary IoU, on the study with most of them.

    found: `evaluations.Evaluated` of one profile. A decoder is one of Table 5 by its merges, on whatever backbone.
    """
    labels = {relations.flat(catalogue.get(r.spec))["merges"]: r.label for r in paper.records(5)}
    studies = {}
    for evaluated in found:
        merges = relations.flat(evaluated.spec).get("merges")
        if merges in labels and evaluated.result.get("boundary"):
            row = {
                "run": evaluated.run_id,
                "model": evaluated.spec.name,
                "merges": merges,
                "label": labels[merges],
                "seed": evaluated.seed,
                "data": "{dataset} {split}".format(**evaluated.result),
                "miou": evaluated.result["miou"],
                "boundary": {f"{e['dilation_ratio']:g}": e["miou"] for e in evaluated.result["boundary"]},
                "spec": evaluated.spec.to_json(),
            }
            studies.setdefault((evaluated.key(), evaluated.starting_weights), []).append(row)
    rows = max(studies.values(), key=len, default=[])
    order = list(labels)
    return (
        sorted(rows, key=lambda row: (order.index(row["merges"]), row["model"], row["seed"])) if len(rows) > 1 else []
    )


def table_of_rows(rows):
    """Those rows as a table for a page."""
    ratios = list(rows[0]["boundary"])
    shown = [
        {
            "decoder": row["label"],
            "network": row["model"],
            "seed": str(row["seed"]),
            "mIoU": 100 * row["miou"],
            **{f"boundary IoU, {100 * float(ratio):g} %": 100 * row["boundary"][ratio] for ratio in ratios},
            "run": figures.run_link(row["run"]),
        }
        for row in rows
    ]
    columns = list(shown[0])[3:-1]
    return tables.table(shown, f"Decoders of Table 5 on {rows[0]['data']}", dict.fromkeys(columns, "%"),
                        dict.fromkeys(columns, ".1f"))  # fmt: skip


def findings(found, rows, ratios) -> list:
    """What became of the claim, of decoders that were trained; and what leaving skips out of one shows.

    found: the variants of one network, the whole one first, without any skip last; rows: of `decoders`.
    """
    shown = _without_skips(found, ratios)
    verdict, sentence = _trained(rows)
    return [claims.Finding(CLAIM, SOURCE, claims.NOT_TESTED, "Not tested here: the paper prints no edges." + shown,
                           statements.MEASURED, number="E.1", elsewhere=verdict,
                           elsewhere_sentence=sentence)]  # fmt: skip


def _trained(rows):
    """(verdict, sentence) of decoders that differ in their skips alone.

    Of each training log(boundary IoU) - log(mIoU) is taken; edges gain more than regions where it is larger with the
    skips than without. Its interval is Student's, over seeds.
    """
    sides = _with_and_without(rows)
    if sides is None:
        return claims.NOT_TESTED, "No two decoders that differ in their skips alone were trained alike."
    ratio = next(iter(sides[0][0]["boundary"]))
    if any(not (row["miou"] and row["boundary"][ratio]) for side in sides for row in side):
        return claims.NOT_TESTED, "A decoder has learned nothing that could be compared."
    values = [[math.log(row["boundary"][ratio]) - math.log(row["miou"]) for row in side] for side in sides]
    means = [[np.mean([get(row) for row in side]) for side in sides] for get in
             (lambda row: row["miou"], lambda row: row["boundary"][ratio])]  # fmt: skip
    gains = [100 * (hybrid / bare - 1) for hybrid, bare in means]
    overlap, edge = (signed(gain, "+.1f") for gain in gains)
    sentence = (
        f"On {sides[0][0]['data']}, {sides[0][0]['model']} has {overlap} % mIoU and {edge} % boundary "
        f"IoU (at {100 * float(ratio):g} %) beside no skip"
    )
    seeds = [len(side) for side in sides]
    if min(seeds) < FEWEST_SEEDS:
        return claims.UNDECIDED, f"{sentence}; {min(seeds)} seed{'s' if min(seeds) != 1 else ''}, and 3 are needed."
    gain = np.mean(values[0]) - np.mean(values[1])
    interval = intervals.Difference(gain, tuple(seeds), intervals.pooled(values), 0.0).interval()
    verdict = claims.YES if interval.lower > 0 else claims.NO if interval.upper < 0 else claims.UNDECIDED
    ratios = [math.exp(value) - 1 for value in (interval.estimate, interval.lower, interval.upper)]
    estimate, lower, upper = (signed(100 * ratio, "+.1f") for ratio in ratios)
    return verdict, f"{sentence}: edges gain {estimate} % [{lower}, {upper}] more than regions."


def _with_and_without(rows):
    """(rows with the paper's two skips, rows without any) of networks that are alike in all else, or None."""
    for one in rows:
        for other in rows:
            if relations.is_pair(PAIR, *(ModelSpec.from_json(row["spec"]) for row in (one, other))):
                return tuple([row for row in rows if row["spec"] == side["spec"]] for side in (one, other))
    return None


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
