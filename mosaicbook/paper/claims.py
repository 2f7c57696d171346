"""What the paper claims of its tables, and whether it holds: in its own printed numbers, and in ours.

A claim compares rows of a table pair by pair. Ours counts a pair only where both rows were measured on the
same data; a claim of which no pair could be compared is not tested, and says so.
"""

from dataclasses import asdict, dataclass
from html import escape

from IPython.display import HTML

from mosaicbook import paper
from mosaicbook.show.tables import number

YES, NO, NOT_TESTED = "yes", "no", "not tested"
DEFAULT = "mnmh480-mosaic"


@dataclass(frozen=True)
class Claim:
    """text: what is claimed; source: where in the paper; column: of which column of the table.

    pairs: (network, other network). relation: "more" (the first has more than the other, by at least
    `amount`), "less" (it has less), "at most" (at most `amount` times the other's), "apart" (the two are at
    most `amount` apart).
    """

    text: str
    source: str
    column: str
    pairs: tuple[tuple[str, str], ...]
    relation: str = "more"
    amount: float = 0.0

    def holds(self, one, other) -> bool:
        """Whether the claim is true of two numbers."""
        return {
            "more": one - other > self.amount if not self.amount else one - other >= self.amount,
            "less": one < other,
            "at most": one <= self.amount * other,
            "apart": abs(one - other) <= self.amount,
        }[self.relation]


@dataclass(frozen=True)
class Finding:
    """What was found of a claim. verdict: "yes", "no" or "not tested", in our runs; sentence: why."""

    claim: str
    source: str
    verdict: str
    sentence: str

    def to_json(self) -> dict:
        """This finding as plain JSON data."""
        return asdict(self)


def _against(best, table, but=()):
    names = dict.fromkeys(record.spec for record in paper.records(table))
    return tuple((best, name) for name in names if name not in (best, *but))


def _filters(m, *pairs):
    """Pairs of settings ((f, d), (f, d)) as names of networks."""
    known = {f"mnmh{m}-mosaic-f32-d64": f"mnmh{m}-mosaic"}
    names = ([f"mnmh{m}-mosaic-f{f}-d{d}" for f, d in pair] for pair in pairs)
    return tuple(tuple(known.get(name, name) for name in pair) for pair in names)


_MDL = tuple((f"{backbone}-mosaic", f"{backbone}-mdl") for backbone in ("mnv3small", "mnv3large", "mnmh480"))
_OURS_7 = "mnmh448-mosaic-f64-d64"

CLAIMS = {
    2: (
        Claim("On the same backbone, MOSAIC's head is more accurate than MDL's.", "Table 2", "mIoU", _MDL),
        Claim("MNMH + MOSAIC is the most accurate of the table.", "Table 2, in bold", "mIoU", _against(DEFAULT, 2)),
        Claim("It balances accuracy and cost (read here as: at most a tenth more MAdds than MDL on the same "
              "backbone).", "abstract", "MAdds", _MDL, "at most", 1.1),
    ),
    3: (
        Claim("More decoder filters, 32 instead of 16, are more accurate.", "Table 3, caption", "mIoU",
              _filters(480, ((32, 32), (32, 16)), ((64, 32), (64, 16)))),
        Claim("Too many filters are less accurate: 64 or 128 in the decoder beside 64 in the encoder, 64 or 128 in "
              "the encoder beside 64 in the decoder.", "Table 3, caption", "mIoU",
              _filters(480, ((64, 32), (64, 64)), ((64, 32), (64, 128)), ((32, 64), (64, 64)), ((32, 64), (128, 64)))),
        Claim("Four times the filters change little in cost (read here as: at most 15 % more MAdds).",
              "section 6.3.1", "MAdds",
              _filters(480, ((32, 64), (32, 16)), ((64, 64), (64, 16)), ((64, 64), (16, 64)), ((128, 64), (32, 64))),
              "at most", 1.15),
    ),
    4: (
        Claim("Three levels of 4, 8 and 16 bins are the most accurate pyramid.", "section 6.3.1", "mIoU",
              _against(DEFAULT, 4, but=("mnmh480-mosaic-nogc",))),
        Claim("Group convolution is more accurate than none.", "section 6.3.1", "mIoU",
              ((DEFAULT, "mnmh480-mosaic-nogc"),)),
        Claim("Group convolution reduces the computation.", "section 6.3.1", "MAdds",
              ((DEFAULT, "mnmh480-mosaic-nogc"),), "less"),
    ),
    5: (
        Claim("Two skips, a concat merge at stride 8 and a sum merge at 4, are the most accurate (the paper says: "
              "relatively good).", "section 6.3.1", "mIoU", _against(DEFAULT, 5)),
        Claim("Skip connections improve a decoder that has none.", "section 5", "mIoU",
              tuple((name, other) for other, name in _against("mnmh480-mosaic-noskip", 5))),
        Claim("The hybrid decoder is lighter than concat merges at both strides.", "section 5", "MAdds",
              ((DEFAULT, "mnmh480-mosaic-skip8c.4c"),), "less"),
    ),
    6: (
        Claim("On Xception-71, MOSAIC's head is more accurate than DeepLabV3+'s.", "Table 6, caption", "mIoU",
              (("xception71-mosaic", "xception71-dlv3plus"),)),
        Claim("It needs fewer MAdds there.", "Table 6", "MAdds", (("xception71-mosaic", "xception71-dlv3plus"),),
              "less"),
    ),
    7: (
        Claim("MOSAIC gains 5 points of mIoU on MLPerf v1.0's model.", "abstract and section 6.4", "mIoU",
              ((_OURS_7, "mnv2-dlv3plus"),), "more", 5.0),
        Claim("Its latency is low on the Pixel 4's DSP (read here as: the lowest).", "Table 7, caption",
              "DSP, Pixel 4", _against(_OURS_7, 7), "less"),
        Claim("It is low on the Pixel 4's EdgeTPU (read here as: the lowest).", "Table 7, caption",
              "EdgeTPU, Pixel 4", _against(_OURS_7, 7), "less"),
    ),
    8: (
        Claim("More decoder filters, 32 instead of 16 and 64 instead of 32, are more accurate.", "Table 8, caption",
              "mIoU", _filters(448, *(((f, 2 * d), (f, d)) for f in (16, 32, 64) for d in (16, 32)))),
        Claim("128 decoder filters are less accurate than 64.", "Table 8, caption", "mIoU",
              _filters(448, ((32, 64), (32, 128)), ((64, 64), (64, 128)))),
        Claim("32 or 64 encoder filters are more accurate than 16, or similar (read here as: at most 0.1 points "
              "less).", "Table 8, caption", "mIoU",
              _filters(448, *(((f, d), (16, d)) for f in (32, 64) for d in (16, 32, 64))), "more", -0.1),
    ),
}  # fmt: skip


def judge(table, result) -> list[Finding]:
    """What became of the claims about a table. result: its record, as `measured.table` gives it."""
    rows = {}
    for record, row in zip(paper.records(table), result["rows"], strict=False):  # rows of one's own come last
        cells = {column: cell for column, cell in zip(result["columns"], row["cells"], strict=True) if cell}
        rows.setdefault(record.spec, (record.label, cells))
    return [_judge(claim, rows) for claim in CLAIMS[table]]


def _judge(claim, rows):
    printed, ours = [], []
    for pair in claim.pairs:
        one, other = (rows[name][1].get(claim.column) for name in pair)
        named = tuple(rows[name][0] for name in pair)
        if one is None or other is None:
            continue
        if one["paper"] is not None and other["paper"] is not None:
            printed.append((claim.holds(one["paper"], other["paper"]), named, one["paper"], other["paper"], ""))
        if one["ours"] is not None and other["ours"] is not None and one["data"] == other["data"]:
            ours.append((claim.holds(one["ours"], other["ours"]), named, one["ours"], other["ours"], one["data"]))
    verdict = NOT_TESTED if not ours else YES if all(held for held, *_ in ours) else NO
    in_print = f"In print it holds in {_count(printed)}{_exception(printed)}."
    if not ours:
        why = "it needs a phone" if "Pixel" in claim.column else "no two of the rows it compares were run"
        return Finding(claim.text, claim.source, verdict, f"Not tested here: {why}. {in_print}")
    data = ", ".join(sorted({data for *_, data in ours}))
    how = "As counted here" if claim.column == "MAdds" else f"In our runs, on {data},"
    left = len(claim.pairs) - len(ours)
    untested = f"; {left} of {len(claim.pairs)} comparisons were not tested" if left else ""
    found = f"{how} it holds in {_count(ours)}{_exception(ours)}{untested}. {in_print}"
    return Finding(claim.text, claim.source, verdict, found)


def _count(compared):
    held = sum(hold for hold, *_ in compared)
    return f"{held} of {len(compared)} comparison{'s' if len(compared) != 1 else ''}"


def _exception(compared):
    """The first comparison that speaks against a claim, with its numbers."""
    against = next((entry for entry in compared if not entry[0]), None)
    if against is None:
        return ""
    _, (one, other), first, second, _ = against
    return f" (not: {one}, {number(first)}, beside {other}, {number(second)})"


def shown(findings, also=()) -> HTML:
    """The findings as a list for a page, each with its verdict. also: further sentences below them."""
    items = "".join(
        f'<li><span class="chip verdict {escape(f.verdict.replace(" ", "-"))}">{escape(f.verdict)}</span> '
        f'<strong>{escape(f.claim)}</strong> <span class="muted">({escape(f.source)})</span> {escape(f.sentence)}</li>'
        for f in findings
    )
    more = "".join(f"<p>{escape(sentence)}</p>" for sentence in also)
    return HTML(f'<ul class="claims">{items}</ul>{more}')
