"""Table 1 read off the built backbone, stage by stage, and compared with the printed rows."""

import keras
from IPython.display import HTML

from mosaicbook import paper
from mosaicbook.paper import claims, comparison
from mosaicbook.show import tables
from mosaiclib.models.backbones import mnmh

STAGES = ("stem", *(f"block{number}" for number in range(1, 17)), "endpoint")
COLUMNS = ("Input", "Operator", "exp size", "#out", "s", "os")


def built(endpoint_filters) -> list[dict[str, str]]:
    """A row per stage of MNMH as built for images of 224x224, in the paper's columns, and its dilation.

    Everything is read off the layers: the input of a stage's first convolution, the width of its expansion,
    the output and the stride, and the output stride where a decoder takes its skip.
    """
    image = keras.Input((224, 224, 3))
    taps = mnmh.mnmh(image, endpoint_filters)
    network = keras.Model(image, list(taps.values()))
    tapped = {tensor._keras_history.operation.name.split(".")[1]: stride for stride, tensor in taps.items()}
    return [_stage(network, stage, tapped.get(stage, "")) for stage in STAGES]


def _stage(network, stage, tap):
    convolutions = [
        layer for layer in network.layers if layer.name.startswith(f"mnmh.{stage}.") and layer.name.endswith(".conv")
    ]
    first, last = convolutions[0], convolutions[-1]
    spatial = next((layer for layer in convolutions if isinstance(layer, keras.layers.DepthwiseConv2D)), first)
    bottleneck = spatial is not first
    return {
        "Input": "x".join(map(str, first.input.shape[1:])),
        "Operator": f"{'bneck' if bottleneck else 'conv2d'}, {'x'.join(map(str, spatial.kernel_size))}",
        "exp size": str(first.filters) if bottleneck else "",
        "#out": str(last.filters),
        "s": str(spatial.strides[0]),
        "os": str(tap),
        "dilation": str(spatial.dilation_rate[0]),
    }


def compare(rows, endpoint_filters) -> list[dict]:
    """Each printed row beside the built one: {"stage", "printed", "built" (None: not built), "different" (columns)}.

    The paper writes m for the endpoint's width. Its last three rows serve ImageNet classification and are no
    part of a segmenter.
    """
    compared = []
    for number, line in enumerate(paper.backbone_rows()):
        printed = line | {name: line[name].replace("m", str(endpoint_filters)) for name in ("Input", "#out")}
        ours = rows[number] if number < len(rows) else None
        different = [name for name in COLUMNS if ours and printed[name] != ours[name]]
        stage = STAGES[number] if ours else "classification"
        compared.append({"stage": stage, "printed": printed, "built": ours, "different": different})
    return compared


def shown(compared, caption):
    """The comparison as a table for a page: as built, and what the paper prints where that is another thing."""
    rows = []
    for row in compared:
        values = row["built"] or row["printed"] | {"dilation": ""}
        if row["built"] is None:
            verdict = "not built: for pretraining only"
        elif row["different"]:
            verdict = "; ".join(
                f"{name}: the paper prints {row['printed'][name] or 'none'}" for name in row["different"]
            )
        else:
            verdict = HTML(f"{tables.mark(within=True)} as printed")
        rows.append({"stage": row["stage"], **{name: value or "\N{EN DASH}" for name, value in values.items()},
                     "check": verdict})  # fmt: skip
    return tables.table(rows, caption=caption)


def record(compared, run_id) -> dict:
    """The rows as `measured.table` keeps them: the numbers of each stage, as printed and as built."""
    columns = {"input height": "Input", "input channels": "Input", "exp size": "exp size", "#out": "#out", "s": "s"}
    rows = []
    for row in compared:
        cells = []
        for column, name in columns.items():
            paper_value, ours = (_number(side and side[name], column) for side in (row["printed"], row["built"]))
            nothing = paper_value is None and ours is None
            cells.append(None if nothing else comparison.cell(paper_value, ours, run=run_id, tolerance=0.0))
        rows.append({"label": f"{row['stage']}: {row['printed']['Operator']}", "cells": cells})
    return comparison.table(list(columns), rows, dict.fromkeys(columns, "none: they must be equal"))


def _number(text, column):
    if not text:
        return None
    parts = text.split("x")
    return float(parts[-1] if column == "input channels" else parts[0]) if parts[-1].isdigit() else None


def findings(compared):
    """What became of Table 1's claims, as `claims.Finding`s."""
    stages = [row for row in compared if row["built"]]
    same = [row for row in stages if not row["different"]]
    strides = [row["built"]["os"] for row in stages if row["built"]["os"]]
    other = "; ".join(f"{row['stage']}: {', '.join(row['different'])}" for row in stages if row["different"])
    return [
        claims.Finding(
            "The segmentation backbone is the one of Table 1.",
            "Table 1",
            claims.YES if len(same) == len(stages) else claims.NO,
            f"{len(same)} of {len(stages)} rows are as printed" + (f", not {other}." if other else "."),
            number="1.1",
        ),
        claims.Finding(
            "Its last features are at output stride 16, and skips may be taken at 4 and 8.",
            "Table 1 and section 6.1",
            claims.YES if {"4", "8", "16"} <= set(strides) else claims.NO,
            f"The built graph gives features to a decoder at output strides {', '.join(strides)}.",
            number="1.2",
        ),
        claims.Finding(
            "Convolutions at the end are dilated by 2 in place of the strides that were removed.",
            "section 6.1",
            claims.YES if any(row["built"]["dilation"] == "2" for row in stages) else claims.NO,
            "Dilated as built: "
            + ", ".join(row["stage"] for row in stages if row["built"]["dilation"] == "2")
            + ". The paper does not say which; the authors' released graphs begin there.",
            number="1.3",
        ),
    ]
