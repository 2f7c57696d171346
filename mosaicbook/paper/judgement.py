"""The verdicts on the paper's claims: each tried on the printed numbers, on our counts and on our trainings.

Accuracy is judged by the protocol of docs/evidence.md: trainings that differ in the network alone, several seeds of
either, an interval from the seeds and from blocks of images. A verdict in the paper's setting needs its networks, its
data and its recipe; elsewhere, networks that differ in just what the claim names.
"""

from mosaicbook import paper
from mosaicbook.paper import madds, relations, statements
from mosaicbook.paper.claims import Finding
from mosaicbook.paper.study import studies, together
from mosaicbook.runs import evaluations
from mosaiclib import models
from mosaiclib.evaluation import intervals
from mosaiclib.evaluation.verdict import NO, NOT_TESTED, YES
from mosaiclib.models import catalogue

SMALL = 0.5  # points of mIoU: a printed difference below it may be one of seeds, of which the paper gives none
SHOWN_REASONS = 6


def of_table(table, profile_name) -> list[Finding]:
    """What became of the claims about one table, by the runs of a profile."""
    found, refused = studies(profile_name)
    return [judge(claim, found, refused) for claim in statements.of_table(table)]


def judge(claim, found=(), refused=()) -> Finding:
    """What became of one claim. found, refused: see `study.studies`."""
    printed = in_print(claim)
    about = {"claim": claim.text, "source": claim.source, "group": claim.group, "table": claim.table,
             "number": statements.number(claim), "printed": printed}  # fmt: skip
    if claim.column == statements.MADDS:
        verdict, sentence = _counted(claim)
        return Finding(**about, verdict=verdict, sentence=f"{sentence} {_print_sentence(claim, printed)}")
    if claim.column != statements.MIOU:
        sentence = f"Not tested here: it needs the phone. {_print_sentence(claim, printed)}"
        return Finding(**about, verdict=NOT_TESTED, sentence=sentence)
    units = [unit for study in found for unit in study.units(claim)]
    here = [unit for unit in units if unit.in_papers_setting()]
    other = [unit for unit in units if not unit.in_papers_setting()]
    verdict, elsewhere = together(here), together(other)
    sentence = _sentence(here) or "Not tested here: its networks were not trained on its data by its recipe."
    elsewhere_sentence = _sentence(other)
    if claim.also:
        cheap, counted = _counted(claim.also)
        sentence += f" {counted}"
        dear = _dear(claim.also, other)
        told = f"does not hold here: {dear}" if dear else "holds here, too"
        verdict = NO if cheap == NO else verdict
        elsewhere_sentence += f" The part about cost {told}." if other else ""
        elsewhere = NO if other and dear else elsewhere
    return Finding(
        **about,
        verdict=verdict,
        sentence=f"{sentence} {_print_sentence(claim, printed)}",
        elsewhere=elsewhere,
        elsewhere_sentence=elsewhere_sentence.strip(),
        pairs=[_pair(claim, unit, comparison) for unit in units for comparison in unit.comparisons],
        not_compared=_not_compared(claim, found, refused) if elsewhere == verdict == NOT_TESTED else [],
    )


# === In print, and as counted ===


def in_print(claim) -> dict:
    """{"of", "holds", "small", "pairs"}: how many printed comparisons there are, hold, and are by less than `SMALL`."""
    pairs = []
    for pair, one, other in _rows(claim):
        values = [_printed(record, claim.column) for record in (one, other)]
        if None not in values:
            pairs.append(
                {
                    "text": relations.named(pair),
                    "one": one.label,
                    "other": other.label,
                    "specs": [one.spec, other.spec],
                    "values": values,
                    "difference": round(values[0] - values[1], 6),
                    "holds": claim.holds(*values),
                }
            )
    small = sum(abs(pair["difference"]) < SMALL for pair in pairs) if claim.column == statements.MIOU else None
    return {"of": len(pairs), "holds": sum(pair["holds"] for pair in pairs), "small": small, "pairs": pairs}


def _rows(claim):
    """(pair, record, record): the rows of a claim's table that are one of its pairs, in the order of its pairs."""
    rows = {record.spec: record for record in paper.records(claim.table)}
    specs = {name: catalogue.get(name) for name in rows}
    return [
        (pair, rows[one], rows[other])
        for pair in claim.pairs
        for one in rows
        for other in rows
        if relations.is_pair(pair, specs[one], specs[other])
    ]


def _printed(record, column):
    if column == statements.MIOU:
        return record.miou_percent
    if column == statements.MADDS:
        return record.madds_b
    return {f"{name}, Pixel 4": record.latency_ms[device] for device, name in paper.DEVICES.items()}[column]


def _print_sentence(claim, printed):
    if not printed["of"]:
        return ""
    sentence = f"In print it holds in {_of(printed['holds'], printed['of'])}"
    against = next((pair for pair in printed["pairs"] if not pair["holds"]), None)
    if against:
        sentence += f" (not: {against['one']} {against['values'][0]:g}, {against['other']} {against['values'][1]:g})"
    if printed["small"] and claim.relation == "more":
        sentence += f"; {printed['small']} of them by less than half a point, and no seeds are given"
    return sentence + "."


def _counted(claim):
    """(verdict, sentence) of a claim about MAdds, counted on the rows' own networks."""
    rows = _rows(claim)
    costs = [[madds.tflite_madds_b(record) for record in records] for _, *records in rows]
    holds = [claim.holds(*pair) for pair in costs]
    sentence = f"As counted here it holds in {_of(sum(holds), len(holds))}"
    if not all(holds):
        (_, one, other), cost = rows[holds.index(False)], costs[holds.index(False)]
        sentence += f" (not: {one.label} {cost[0]:.4g} B, {other.label} {cost[1]:.4g} B)"
    return (YES if holds and all(holds) else NO), sentence + "."


def _dear(claim, units):
    """Against which pair of trained networks a claim about MAdds does not hold, in words; "" where it does."""
    for unit in units:
        for comparison in unit.comparisons:
            sides = [next(iter(side.values())) for side in (comparison.one, comparison.other)]
            costs = [
                models.cost(e.spec, tuple(e.result["image_size"]), len(e.result["per_class_iou"])).tflite_madds
                for e in sides
            ]
            if not claim.holds(*costs):
                return f"{sides[0].spec.name} has {costs[0] / costs[1]:.2f} times the MAdds of {sides[1].spec.name}"
    return ""


# === As measured ===


def _sentence(units):
    """What was measured of a claim, in words; "" where nothing was."""
    return " ".join(map(_of_unit, units))


def _of_unit(unit):
    compared = [c for c in unit.comparisons if c.difference]
    if not compared:
        fewest = min(min(len(c.one), len(c.other)) for c in unit.comparisons)
        return f"On {unit.place}: {fewest} seed{'s' if fewest != 1 else ''} per network, and 3 are needed."
    held = sum(c.verdict == YES for c in compared)
    against = sum(c.verdict == NO for c in compared)
    sentence, pairs = f"On {unit.place}, {unit.verdict}:", len(unit.claim.pairs)
    if len(compared) == 1:
        alone = (
            "" if pairs == 1 else f"; {pairs - 1} of {pairs} comparisons {'was' if pairs == 2 else 'were'} not tested"
        )
        return f"{sentence} {_points(compared[0])}{alone}."
    sentence += f" of {len(compared)} comparisons {held} yes, {against} no, {len(compared) - held - against} undecided"
    if unit.tested < pairs:
        sentence += f"; {pairs - unit.tested} of {pairs} were not tested"
    pick = max if unit.claim.relation == "apart" else min
    extreme = pick(compared, key=lambda c: abs(c.difference.estimate) if pick is max else c.difference.estimate)
    return f"{sentence}; {'the largest' if pick is max else 'the least'}: {_points(extreme)}."


def _pair(claim, unit, comparison):
    """One comparison as JSON data, with what the claim says of it."""
    said = {
        "relation": claim.relation,
        "amount": claim.amount,
        "text": relations.named(claim.pairs[comparison.position]),
        "position": comparison.position,
        "of": len(claim.pairs),
    }
    return comparison.to_json() | {"place": unit.place, **said}


def _points(comparison):
    interval = comparison.difference.interval()
    names = [next(iter(side.values())).spec.name for side in (comparison.one, comparison.other)]
    points = intervals.text(interval.estimate, interval, sign="+")
    return f"{names[0]} minus {names[1]} {points} points"


def _not_compared(claim, found, refused):
    """Why evaluations that a claim is about were not compared with each other."""
    members = [next(iter(seeds.values())) for study in found for seeds in study.members.values()]
    reasons = {}
    for one in members:
        for other in members:
            if any(relations.is_pair(pair, one.spec, other.spec) for pair in claim.pairs):
                reasons |= {f"{one.run_id} and {other.run_id} differ in {reason}.": None
                            for reason in evaluations.why_not(one, other)}  # fmt: skip
    return [*list(reasons)[:SHOWN_REASONS], *list(refused)[:SHOWN_REASONS]]


def _of(count, total):
    return f"{count} of {total} comparison{'s' if total != 1 else ''}"
