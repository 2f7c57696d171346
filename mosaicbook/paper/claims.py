"""What became of a claim of the paper, and how a page shows it."""

from dataclasses import asdict, field
from html import escape
from typing import Literal

from IPython.display import HTML
from pydantic.dataclasses import dataclass

from mosaicbook.paper.statements import BUILT, GROUPS
from mosaicbook.show import tables
from mosaiclib.evaluation.verdict import NO, NOT_TESTED, UNDECIDED, YES

VERDICTS = (YES, NO, UNDECIDED, NOT_TESTED)
SETTINGS = {"verdict": "the paper's setting", "elsewhere": "elsewhere"}


@dataclass(frozen=True)
class Finding:
    """What became of a claim.

    verdict, sentence: in the paper's setting. elsewhere, elsewhere_sentence: in another; "" where it has no sense.
    number: the table and the claim's place among those about it, as in "3.4"; "" where it has none. group: a key of
    `statements.GROUPS`. printed: how many printed comparisons hold, {"of", "holds", "small", "pairs"}.
    pairs: our comparisons with their intervals, in points. not_compared: why evaluations that it is about were not
    compared. As JSON it comes back by `Finding(**data)`, checked; what an older one had not has its default.
    """

    claim: str
    source: str
    verdict: Literal[VERDICTS]
    sentence: str
    group: Literal[tuple(GROUPS)] = BUILT
    table: int | None = None
    number: str = ""
    elsewhere: Literal[("", *VERDICTS)] = ""
    elsewhere_sentence: str = ""
    printed: dict[str, int | list | None] = field(default_factory=dict)
    pairs: list[dict] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """This finding as plain JSON data."""
        return asdict(self)


def chip(verdict) -> str:
    """A verdict as a coloured label."""
    return f'<span class="chip verdict {escape(verdict.replace(" ", "-"))}">{escape(verdict)}</span>'


def shown(findings, also=()) -> HTML:
    """The findings as a list for a page, each with its verdicts. also: further sentences below them."""
    more = "".join(f"<p>{escape(sentence)}</p>" for sentence in also)
    return HTML(f'<ul class="claims">{"".join(map(_item, findings))}</ul>{more}')


def _item(finding):
    chips = chip(finding.verdict)
    text = f"{escape(finding.sentence)}"
    if finding.elsewhere:
        chips = f"paper's setting {chips} elsewhere {chip(finding.elsewhere)}"
        text += f" {escape(finding.elsewhere_sentence)}"
    if finding.not_compared:
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in finding.not_compared)
        text += f"<details><summary>What was run and not compared</summary><ul>{reasons}</ul></details>"
    anchor = f' id="claim-{escape(finding.number)}"' if finding.number else ""
    number = f'<a class="mark" href="claims.html#claim-{escape(finding.number)}">Claim {escape(finding.number)}</a> '
    return (
        f'<li{anchor}><span class="chips">{number if finding.number else ""}{chips}</span> '
        f"<strong>{escape(finding.claim)}</strong> "
        f'<span class="muted">({escape(finding.source)})</span> {text}</li>'
    )


def tally(findings) -> list[dict]:
    """A row a group: {"group", "about", "claims", "verdict": {verdict: how many}, "elsewhere": the same}."""
    rows = []
    for group, about in GROUPS.items():
        members = [finding for finding in findings if finding.group == group]
        counts = {
            setting: {verdict: sum(getattr(f, setting) == verdict for f in members) for verdict in VERDICTS}
            for setting in SETTINGS
        }
        rows.append({"group": group, "about": about, "claims": len(members), **counts})
    return rows


def tally_table(findings) -> HTML:
    """The tally as a table for a page: a line a group and setting."""
    lines = []
    for row in tally(findings):
        for setting, title in SETTINGS.items():
            if sum(row[setting].values()):
                cells = "".join(f'<td class="number">{row[setting][verdict] or "–"}</td>' for verdict in VERDICTS)
                lines.append(
                    f'<tr><th scope="row">{escape(row["group"])}, {escape(title)}'
                    f'<span class="note">{escape(row["about"])}</span></th>{cells}</tr>'
                )
    head = "".join(f'<th scope="col" class="number">{chip(verdict)}</th>' for verdict in VERDICTS)
    caption = f"The paper's {len(findings)} claim{'s'[: len(findings) != 1]}, by what became of them"
    return HTML(tables.framed(caption, tables.header("Claims") + head, lines, "data tally"))


def outcome(findings) -> str:
    """How many claims have each verdict, "11 yes, 0 no, 16 undecided, 9 not tested".

    A claim counts by its verdict in the paper's setting or, where it was not tested there, by that elsewhere.
    """
    tested = [next((v for v in (f.verdict, f.elsewhere) if v not in (NOT_TESTED, "")), NOT_TESTED) for f in findings]
    return ", ".join(f"{tested.count(verdict)} {verdict}" for verdict in VERDICTS)
