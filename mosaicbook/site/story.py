"""What the index tells in words of the paper's tables: costs reached, claims that hold, numbers that do not agree."""

import base64
import re
from dataclasses import replace
from html import escape

from markupsafe import Markup
from pydantic import BaseModel, FiniteFloat, TypeAdapter, ValidationError

from mosaicbook.paper.claims import Finding
from mosaicbook.paper.results_table import EXPLAINED, OWN, UNEXPLAINED
from mosaiclib.files import first_fault

LARGEST_DRAWING_BYTES = 400_000


class Pair(BaseModel):
    """One comparison of a claim, in points; what an earlier version did not keep has its default."""

    estimate: FiniteFloat | None = None
    lower: FiniteFloat = 0.0
    upper: FiniteFloat = 0.0
    place: str = ""
    relation: str = ""
    position: int = 0
    of: int = 1


def claims(run) -> list[Finding]:
    """The claims that a finished run judges. Raises ValueError where they are not of their form."""
    try:
        judged = TypeAdapter(list[Finding]).validate_python(run.raw.get("findings") or run.raw.get("claims") or [])
        return [replace(one, pairs=[Pair(**pair).model_dump() for pair in one.pairs]) for one in judged]
    except ValidationError as error:
        raise ValueError(f"result.json: claims: {first_fault(error)}.") from None


def costs(runs) -> list[dict]:
    """[{"run", "own", "explained", "unexplained", "printed"}]: what explains the printed MAdds of each table."""
    found = []
    for run in runs:
        by = run.raw.get("madds_explained")
        if isinstance(by, dict) and all(isinstance(count, int) for count in by.values()):
            counts = [by.get(name, 0) for name in (OWN, EXPLAINED, UNEXPLAINED)]
            found.append({"run": run, "counts": counts, "printed": sum(counts)})
    return found


def disagreements(runs) -> list[dict]:
    """Numbers beyond their tolerance: {"run", "label", "column", "paper", "ours", "difference", "unit", "note"}."""
    return [
        {**cell.model_dump(), "run": run, "label": label, "column": column}
        for run in runs
        for label, column, cell in _cells(run)
        if cell.within is False
    ]


def drawing(run, name, alt):
    """A drawing of ours from a run's folder as a figure that links to its page; "" where it is not there."""
    path = run.folder / f"{name}.png"
    if not run.done or not path.is_file() or path.stat().st_size > LARGEST_DRAWING_BYTES:
        return Markup("")
    source = base64.b64encode(path.read_bytes()).decode()
    return Markup(
        f'<figure class="plot paper"><a href="{run.page}"><img src="data:image/png;base64,{source}" '
        f'alt="{escape(alt)}" data-shareable="yes"></a><figcaption>{escape(run.description)}</figcaption></figure>'
    )


def by_number(runs, stage):
    """[(number, run)] of the tables or figures, by their number."""
    numbered = [(re.fullmatch(rf"{stage}/[a-z]+_(\d+)", run.run_id), run) for run in runs if run.status != "missing"]
    return sorted(((int(match[1]), run) for match, run in numbered if match), key=lambda pair: pair[0])


def _cells(run):
    """(row's label, column, cell) of a table's result."""
    for row in run.result.rows:
        for column, cell in zip(run.result.columns, row.cells, strict=True):
            if cell is not None:
                yield row.label, column, cell
