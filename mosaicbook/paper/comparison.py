"""Numbers of the paper beside our own: the record that a table's run writes and a report reads.

The `result.json` of a run `tables/table_N` is

    {"columns": ["mIoU", "MAdds"],                     one name per column
     "tolerances": {"mIoU": "0.5 points"},             what a difference is judged by, told to the reader
     "rows": [{"label": "MOSAIC + MNMH",               the row as the paper names it
               "labels": {"Mobile Segmenter": "..."},  the same by the columns that the paper prints
               "cells": [{"paper": 60.1,               printed in the paper; null where it prints none
                          "paper_text": "60.10",       its digits as printed, where they are known
                          "ours": 59.8,                measured by `run`; null where nothing was run
                          "difference": -0.3,          ours - paper; null where either is, or `other_data`
                          "tolerance": 0.5,            the largest difference that is one of chance; or null
                          "within": true,              whether the difference is within it; null without either
                          "lower": 57.9,               the ends of its 95 % interval, where there is one
                          "upper": 61.0,
                          "seeds": 3,                  of how many trainings it is the mean
                          "synthetic": false,          whether ours was measured on synthetic images
                          "unit": "%",
                          "data": "cityscapes val",    what ours was measured on; rows compare only on the same
                          "other_data": false,         whether that is not what the paper measured on
                          "apart": "",                  why else nothing is subtracted, in two or three words
                          "run": "evaluate/r4-ade20k", the run that measured it, "stage/row"; or null
                          "note": "",                  one sentence shown below the cell
                          "command": ""}]}]}           what fills the cell where it is empty

with one cell per column in every row; a cell that is null has no meaning in that row.
"""

from mosaicbook.runs.results import Cell, Table


def cell(paper=None, ours=None, unit="", run=None, note="", command="", **judged) -> dict:
    """One cell as plain JSON data; the difference is worked out here, so that no table gets it wrong.

    judged: paper_text, tolerance, data and other_data, where they are known; apart: why ours is not subtracted although
    the data are the paper's.
    """
    return Cell(paper=paper, ours=ours, unit=unit, run=run, note=note, command=command, **judged).model_dump()


def table(columns, rows, tolerances=None) -> dict:
    """The record of a whole table from column names and [{"label", "cells"}, ...], as plain JSON data."""
    return Table(columns=columns, rows=rows, tolerances=tolerances or {}).model_dump()
