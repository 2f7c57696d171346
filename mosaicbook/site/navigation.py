"""How the pages of a report lead to each other, and to the paper and the repository that they belong to."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import yaml

from mosaicbook.runs.provenance import ROOT

PAPER = "https://arxiv.org/abs/2112.11623"
PAPER_NAME = "Wang and Howard, MOSAIC, 2021, arXiv:2112.11623"
DERIVED = ("beyond",)  # stages whose pages only show what other runs found, and are empty where these are missing


@dataclass(frozen=True)
class Ways:
    """What every page of a report knows of the others.

    pages: [(file, name)] of the pages that are of no run. numbered: [("Table", [(number, run), ...]), ...].
    """

    report: str
    pages: list
    numbered: list
    repository: str
    paper: str = PAPER
    paper_name: str = PAPER_NAME


def ways(title, runs, tables, figures) -> Ways:
    """The ways through a report with these runs."""
    pages = [("index.html", "Answer")]
    pages += [(run.page, "Claims") for run in runs if run.run_id == "claims/claims" and run.done]
    pages += [("numbers.html", "Numbers"), ("runs.html", "Runs"), ("about.html", "Glossary")]
    return Ways(title, pages, [("Table", tables), ("Figure", figures)], repository())


@cache
def repository() -> str:
    """The address that CITATION.cff gives as `repository-code`; "" where it gives none."""
    try:
        known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return ""
    address = str((known or {}).get("repository-code") or "")
    return address if re.fullmatch(r"https?://[\w./-]+", address) else ""


def neighbours(runs) -> dict:
    """{run id: (the run before it, the one after it)} in a list of runs."""
    found = {run.run_id: [None, None] for run in runs}
    for one, other in pairwise(runs):
        found[one.run_id][1], found[other.run_id][0] = other, one
    return found


def has_content(run, notebook) -> bool:
    """Whether the page of a run would show more than its own prose.

    notebook: the executed one, or None. Only pages of `DERIVED` stages can be empty.
    """
    if run.stage not in DERIVED or not run.done or notebook is None:
        return True
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return any(_shows(output.get("data", {})) for output in outputs)


def _shows(data):
    html = str(data.get("text/html", ""))
    return any(kind.startswith("image/") for kind in data) or bool(re.search(r"<(table|img|svg)\b", html))
