"""What the paper claims of its tables, as data: no verdict stands here.

A claim compares networks pair by pair, and names of each only what the sentence names: {"bins": (1, 4)} is any network
whose pyramid has those bins. The two sides of a pair are equal in all else (see `relations`), so that a claim can be
tried on another backbone or data set than the paper's.
"""

from dataclasses import dataclass

BUILT, COUNTED, MEASURED = "as built", "as counted", "as measured"
GROUPS = {
    MEASURED: "accuracy and speed, by trainings and timings",
    COUNTED: "cost, by arithmetic on the built graphs",
    BUILT: "the networks' graphs beside the paper's text",
}
MIOU, MADDS = "mIoU", "MAdds"


@dataclass(frozen=True)
class Claim:
    """text, source: what is claimed, and where in the paper. table: whose rows are compared in print.

    pairs: ((what the first network is), (what the other is)). column: of which column. relation: "more" (the first has
    more than the other, by at least `amount`), "less" (it has less), "at most" (at most `amount` times the other's),
    "apart" (the two are at most `amount` apart). also: a claim on the same pairs that must hold, too.
    """

    text: str
    source: str
    table: int
    column: str
    pairs: tuple[tuple[dict, dict], ...]
    relation: str = "more"
    amount: float = 0.0
    also: "Claim | None" = None

    @property
    def group(self) -> str:
        """Which of `GROUPS` it belongs to."""
        return COUNTED if self.column == MADDS else MEASURED

    def holds(self, one, other) -> bool:
        """Whether it is true of two printed or counted numbers."""
        return {
            "more": one - other > self.amount if not self.amount else one - other >= self.amount - 1e-9,
            "less": one < other,
            "at most": one <= self.amount * other,
            "apart": abs(one - other) <= self.amount + 1e-9,
        }[self.relation]


_DEFAULT = {"f": 32, "d": 64, "bins": (4, 8, 16), "merges": "8-C, 4-S", "group_convolution": True}
_MOSAIC, _MDL = {"head": "mosaic", **_DEFAULT}, {"head": "lraspp"}
_DLV3PLUS = {"head": "deeplab_v3plus"}
_HEADS = ((_MOSAIC, _MDL),)
_SKIPS = ("", "4-S", "4-C", "8-C", "8-S, 4-S", "8-C, 4-C", "8-C, 4-S, 2-S")
_BINS = ((1, 4), (4, 8), (4, 16), (8, 16), (1, 4, 8, 16))


def _filters(*pairs):
    """((f, d), (f, d)) of each pair as what two networks are."""
    return tuple(tuple({"f": f, "d": d} for f, d in pair) for pair in pairs)


def _best(name, *others):
    return tuple(({"name": name}, {"name": other}) for other in others)


_RIVALS = ("segnet", "icnet", "erfnet", "espnet", "enet", "mnv3small-mdl", "mnv3small-mosaic", "mnv3large-mdl",
           "mnv3large-mosaic", "mnmh480-mdl")  # fmt: skip
_MLPERF = ("mnv2-dlv3plus", "mnv3small-lraspp", "mnv3large-lraspp")
_OURS_7 = "mnmh448-mosaic-f64-d64"
_T3 = [(f, d) for f, d in ((32, 16), (32, 32), (32, 64), (64, 16), (64, 32), (64, 64), (64, 128), (16, 64), (128, 64))]
_FOUR_TIMES = _filters(((32, 64), (32, 16)), ((64, 64), (64, 16)), ((64, 64), (16, 64)), ((128, 64), (32, 64)))

CLAIMS = (
    Claim("On the same backbone, MOSAIC's head is more accurate than MDL's.", "Table 2", 2, MIOU, _HEADS),
    Claim("MNMH + MOSAIC is the most accurate mobile segmenter.", "Table 2, in bold", 2, MIOU,
          _best("mnmh480-mosaic", *_RIVALS)),
    Claim("MOSAIC balances accuracy and cost (read here as: more accurate than MDL on the same backbone with at most a "
          "tenth more MAdds).", "abstract", 2, MIOU, _HEADS,
          also=Claim("at most a tenth more MAdds", "abstract", 2, MADDS, _HEADS, "at most", 1.1)),
    Claim("32 decoder filters are more accurate than 16.", "Table 3, caption", 3, MIOU,
          _filters(((32, 32), (32, 16)), ((64, 32), (64, 16)))),
    Claim("64 decoder filters are more accurate than 16 (\"or even 64\").", "Table 3, caption", 3, MIOU,
          _filters(((32, 64), (32, 16)), ((64, 64), (64, 16)))),
    Claim("Too many decoder filters, 64 or 128 beside 64 in the encoder, are less accurate than 32.",
          "Table 3, caption", 3, MIOU, _filters(((64, 32), (64, 64)), ((64, 32), (64, 128)))),
    Claim("32 encoder filters are more accurate than 16.", "Table 3, caption", 3, MIOU,
          _filters(((32, 64), (16, 64)))),
    Claim("Too many encoder filters, 64 or 128, are less accurate than 32.", "Table 3, caption", 3, MIOU,
          _filters(((32, 64), (64, 64)), ((32, 64), (128, 64)))),
    Claim("The filters change mIoU by at most 2 points (between any two settings of the table).", "section 6.3.1", 3,
          MIOU, _filters(*((a, b) for i, a in enumerate(_T3) for b in _T3[i + 1 :])), "apart", 2.0),
    Claim("Four times the filters change little in cost (read here as: at most 15 % more MAdds).", "section 6.3.1", 3,
          MADDS, _FOUR_TIMES, "at most", 1.15),
    Claim("Three levels of 4, 8 and 16 bins are the most accurate pyramid.", "section 6.3.1", 4, MIOU,
          tuple(({"bins": (4, 8, 16)}, {"bins": bins}) for bins in _BINS)),
    Claim("A global level added to the three lowers the accuracy.", "section 6.3.1", 4, MIOU,
          (({"bins": (4, 8, 16)}, {"bins": (1, 4, 8, 16)}),)),
    Claim("Group convolution is more accurate than none.", "section 6.3.1", 4, MIOU,
          (({"group_convolution": True}, {"group_convolution": False}),)),
    Claim("Group convolution reduces the computation.", "section 6.3.1", 4, MADDS,
          (({"group_convolution": True}, {"group_convolution": False}),), "less"),
    Claim("Two skips, a concat merge at stride 8 and a sum merge at 4, are the most accurate (the paper says: "
          "relatively good).", "section 6.3.1", 5, MIOU,
          tuple(({"merges": "8-C, 4-S"}, {"merges": merges}) for merges in _SKIPS)),
    Claim("The hybrid decoder's two skips improve on a decoder that has none.", "section 5 and Table 5", 5, MIOU,
          (({"merges": "8-C, 4-S"}, {"merges": ""}),)),
    Claim("Skip connections improve a decoder that has none, each of the table's.", "section 5", 5, MIOU,
          tuple(({"merges": merges}, {"merges": ""}) for merges in ("8-C, 4-S", *_SKIPS[1:]))),
    Claim("The hybrid decoder is lighter than concat merges at both strides.", "section 5", 5, MADDS,
          (({"merges": "8-C, 4-S"}, {"merges": "8-C, 4-C"}),), "less"),
    Claim("On Xception-71, MOSAIC's head is more accurate than DeepLabV3+'s.", "Table 6, caption", 6, MIOU,
          ((_MOSAIC, _DLV3PLUS),)),
    Claim("It needs fewer MAdds there.", "Table 6", 6, MADDS, ((_MOSAIC, _DLV3PLUS),), "less"),
    Claim("MOSAIC gains 5 points of mIoU on MLPerf v1.0's model.", "abstract and section 6.4", 7, MIOU,
          _best(_OURS_7, "mnv2-dlv3plus"), "more", 5.0),
    Claim("Its latency is low on the Pixel 4's DSP (read here as: the lowest).", "Table 7, caption", 7,
          "DSP, Pixel 4", _best(_OURS_7, *_MLPERF), "less"),
    Claim("It is low on the Pixel 4's EdgeTPU (read here as: the lowest).", "Table 7, caption", 7,
          "EdgeTPU, Pixel 4", _best(_OURS_7, *_MLPERF), "less"),
    Claim("32 decoder filters are more accurate than 16.", "Table 8, caption", 8, MIOU,
          _filters(*(((f, 32), (f, 16)) for f in (16, 32, 64)))),
    Claim("64 decoder filters are more accurate than 32 (\"or even 64\").", "Table 8, caption", 8, MIOU,
          _filters(*(((f, 64), (f, 32)) for f in (16, 32, 64)))),
    Claim("128 decoder filters are less accurate than 64.", "Table 8, caption", 8, MIOU,
          _filters(((32, 64), (32, 128)), ((64, 64), (64, 128)))),
    Claim("32 or 64 encoder filters are more accurate than 16, or similar (read here as: at most half a point less).",
          "Table 8, caption", 8, MIOU, _filters(*(((f, d), (16, d)) for f in (32, 64) for d in (16, 32, 64))), "more",
          -0.5),
    Claim("Filters change the accuracy by little and smoothly (read here as: at most 1 point between settings whose "
          "filters differ by two times in one place).", "section 6.4", 8, MIOU,
          _filters(*(((f, 2 * d), (f, d)) for f in (16, 32, 64) for d in (16, 32)), ((32, 128), (32, 64)),
                   ((64, 128), (64, 64)), *(((2 * f, d), (f, d)) for f in (16, 32) for d in (16, 32, 64)),
                   ((64, 128), (32, 128))), "apart", 1.0),
)  # fmt: skip


def of_table(table) -> tuple[Claim, ...]:
    """The claims about one table."""
    return tuple(claim for claim in CLAIMS if claim.table == table)


def number(claim) -> str:
    """A claim's table and its place among the claims about it, as in "3.4"; "" for one that is not listed."""
    about = of_table(claim.table)
    return f"{claim.table}.{about.index(claim) + 1}" if claim in about else ""
