"""What every network costs, beside what the paper prints."""

from math import prod

from mosaicbook import paper
from mosaiclib import models
from mosaiclib.models import catalogue

BILLION = 1e9
PAPER_SIZE, PAPER_CLASSES = (1024, 2048), 19  # where a network stands in no table


def rows(table=None) -> list[dict]:
    """The rows of Table 2 to 7, or of all of them, with the published and the counted cost in billions.

    paper_madds_b is the printed figure. tflite_madds_b, conv_macs_b and params are counted on the network
    `name` at `input_size` with `output`. reading_madds_b is the count that explains the printed figure:
    by `reading`, for most rows the TFLite MAdds themselves. `note` says what is special about a row.
    Raises ValueError for a table without MAdds.
    """
    tables = [number for number in paper.TABLES if paper.records(number)[0].madds_b is not None]
    if table is not None and table not in tables:
        raise ValueError(f"Table {table} prints no MAdds: choose one of {', '.join(map(str, tables))}.")
    return [row(record) for number in ([table] if table else tables) for record in paper.records(number)]


def row(record: paper.Record) -> dict:
    """One row of `rows`."""
    found, explained = _cost_at(record, record.spec), _cost_at(record, record.madds_spec)
    reading = {
        "tflite": explained.tflite_madds,
        "conv": explained.conv_macs,
        "tflite_halved": explained.tflite_madds / 2,
        "conv_bias_norm": _with_biases_and_norms(explained),
    }[record.reading]
    other = "" if record.madds_spec == record.spec else f" of {record.madds_spec}"
    return {
        "table": record.table,
        "row": record.row,
        "name": record.spec,
        "label": record.label,
        "paper_madds_b": record.madds_b,
        "paper_madds_text": record.madds_text,
        "tflite_madds_b": found.tflite_madds / BILLION,
        "conv_macs_b": found.conv_macs / BILLION,
        "params": found.params,
        "input_size": list(record.madds_size),
        "classes": record.madds_classes,
        "output": record.madds_output,
        "reading": paper.READINGS[record.reading] + other,
        "reading_madds_b": reading / BILLION,
        "difference_percent": 100 * (reading / BILLION / record.madds_b - 1),
        "note": record.note,
    }


def tflite_madds_b(record: paper.Record) -> float:
    """The TFLite MAdds of a row's own network in billions, for a table that prints none."""
    return _cost_at(record, record.spec).tflite_madds / BILLION


def networks() -> list[dict]:
    """Every network by name, with the tables it stands in and its cost at the paper's size."""
    places = {}
    for table in paper.TABLES:
        for record in paper.records(table):
            places.setdefault(record.spec, []).append(record)
    return [_network(name, places) for name in catalogue.names()]


def _network(name, places):
    records = places.get(name, [])
    sized_as = records or places.get(name.removesuffix("-released").removesuffix("-garden"), [])
    size, classes = (sized_as[0].input_size, sized_as[0].classes) if sized_as else (PAPER_SIZE, PAPER_CLASSES)
    found = models.cost(catalogue.get(name), size, classes)
    return {
        "name": name,
        "tables": sorted({record.table for record in records}),
        "input_size": list(size),
        "classes": classes,
        "params": found.params,
        "tflite_madds_b": found.tflite_madds / BILLION,
        "conv_macs_b": found.conv_macs / BILLION,
    }


def _cost_at(record, name):
    return models.cost(catalogue.get(name), record.madds_size, record.madds_classes, record.madds_output)


def _with_biases_and_norms(cost):
    """Conv MACs, one more per bias added and per batch norm element; transposed convolutions left out."""
    counted = [layer for layer in cost.layers if layer.kind != "Conv2DTranspose"]
    added = (prod(layer.output_shape) for layer in counted if layer.biased or layer.kind == "BatchNormalization")
    return sum(layer.conv_macs for layer in counted) + sum(added)
