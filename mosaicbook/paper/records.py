"""The published numbers: one record per row of the paper's Tables 2 to 8, and the rows of Table 1.

The values stand in `mosaicbook/paper/table_N.csv`, a line per row: first the columns that the paper prints, then what
the record adds. What a whole table shares, its data set for one, stands in tables.yaml. Nothing here is measured.
"""

import csv
from dataclasses import dataclass
from importlib import resources

import yaml

_FILES = resources.files("mosaicbook") / "paper"
_ABOUT = yaml.safe_load((_FILES / "tables.yaml").read_text(encoding="utf-8"))
TABLES = tuple(_ABOUT["tables"])
DEVICES = {"cpu": "CPU", "gpu": "GPU", "dsp": "DSP", "edgetpu": "EdgeTPU"}  # of a Pixel 4, as printed

# Which count of models/counting.py a published MAdds figure is read as.
READINGS = {
    "tflite": "TFLite MAdds",
    "conv": "conv MACs",
    "tflite_halved": "half the TFLite MAdds",
    "conv_bias_norm": "conv MACs, one per bias and one per batch norm element, without transposed convolutions",
}
THEIRS = "(the paper's)"  # for "(ours)", which would be read as ours
RECIPES = {
    "theirs": "As its authors published it; not trained for this paper",
    "mlperf": "MLPerf Mobile v1.0's reference model; not trained for this paper",
}


@dataclass(frozen=True)
class Record:
    """One row of a table.

    labels: {column heading: cell} of the columns that name the row, as printed.
    spec: its name in `mosaiclib.models.catalogue`. input_size: (height, width) in pixels. classes: output channels.
    miou_percent, madds_b: the values; `*_text` the printed digits (None: the table has no such column).
    latency_ms: {device: milliseconds on a Pixel 4}, None where the table prints none.
    madds_spec, madds_size, madds_classes, madds_output: the graph (arguments of `models.build`) whose cost
        explains the published MAdds; it is another than that of spec, input_size, classes and "logits" only
        in the few rows whose `note` says so. reading: how it is counted, a key of READINGS.
    """

    table: int
    row: int
    labels: dict[str, str]
    spec: str
    dataset: str
    input_size: tuple[int, int]
    classes: int
    miou_percent: float
    miou_text: str
    madds_b: float | None
    madds_text: str | None
    latency_ms: dict[str, float | None]
    source: str
    recipe: str
    madds_spec: str
    madds_size: tuple[int, int]
    madds_classes: int
    madds_output: str
    reading: str
    note: str

    @property
    def label(self) -> str:
        """The row's name in one line; settings are told with the headings of their columns."""
        if _ABOUT["tables"][self.table].get("settings"):
            return ", ".join(f"{heading} {cell}" for heading, cell in self.labels.items())
        return ", ".join(self.labels.values())


def records(table: int) -> list[Record]:
    """The rows of Table 2 to 8, in print order. Raises ValueError for another table."""
    if table not in TABLES:
        raise ValueError(f"The paper's tables of results are {TABLES[0]} to {TABLES[-1]}; there is no table {table}.")
    return [_record(table, number, line) for number, line in enumerate(_lines(table), start=1)]


def record(table: int, row: int) -> Record:
    """One row of a table, counted from 1. Raises ValueError for a row that is not there."""
    found = records(table)
    if not 1 <= row <= len(found):
        raise ValueError(f"Table {table} has rows 1 to {len(found)}; there is no row {row}.")
    return found[row - 1]


def protocol(table: int) -> str:
    """How the paper measured a table's mIoU: a sentence."""
    return _ABOUT["datasets"][records(table)[0].dataset]["protocol"]


def backbone_rows() -> list[dict[str, str]]:
    """The rows of Table 1 (MNMH), {column heading: cell}; an empty cell is a dash in print."""
    return _lines(1)


# === Reading the files ===


def _lines(table):
    with (_FILES / f"table_{table}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


_ADDED = {"spec", "mIOU (%)", "MAdds (B)", "recipe", "note", "reading"}
_ADDED |= {f"madds_{name}" for name in ("spec", "size", "classes", "output")} | {f"{device}_ms" for device in DEVICES}


def _record(table, number, line):
    cell = {name: value for name, value in line.items() if value}
    dataset = _ABOUT["tables"][table]["dataset"]
    about = _ABOUT["datasets"][dataset]
    input_size = tuple(about["input_size"])
    madds = cell.get("MAdds (B)")
    return Record(
        table=table,
        row=number,
        labels={name: value.replace("(ours)", THEIRS) for name, value in line.items() if name not in _ADDED},
        spec=cell["spec"],
        dataset=dataset,
        input_size=input_size,
        classes=about["classes"],
        miou_percent=float(cell["mIOU (%)"]),
        miou_text=cell["mIOU (%)"],
        madds_b=float(madds) if madds else None,
        madds_text=madds,
        latency_ms={device: _number(cell.get(f"{device}_ms")) for device in DEVICES},
        source=f"paper, Table {table}",
        recipe=RECIPES.get(cell.get("recipe"), about["recipe"]),
        madds_spec=cell.get("madds_spec", cell["spec"]),
        madds_size=_size(cell["madds_size"]) if "madds_size" in cell else input_size,
        madds_classes=int(cell.get("madds_classes", about["classes"])),
        madds_output=cell.get("madds_output", "logits"),
        reading=cell.get("reading", "tflite"),
        note=cell.get("note", ""),
    )


def _number(text):
    return float(text) if text else None


def _size(text):
    height, width = text.split("x")
    return int(height), int(width)
