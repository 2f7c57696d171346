"""Runs: one folder each, with numbers, provenance and the executed notebook."""

from mosaicbook.runs.run import (
    RunFailed,
    at_own_size,
    discard,
    finished,
    folder_of,
    read_json,
    reports_folder,
    result_of,
    start,
    write_json,
)

__all__ = [
    "RunFailed",
    "at_own_size",
    "discard",
    "finished",
    "folder_of",
    "read_json",
    "reports_folder",
    "result_of",
    "start",
    "write_json",
]
