"""Numbers of the paper beside our own: the record that a table's run writes and a report reads, see `results.Table`."""

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
