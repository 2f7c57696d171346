"""Trainings that may be compared with each other, and a claim's pairs among them."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache, partial

from mosaicbook import paper
from mosaicbook.paper import relations
from mosaicbook.runs import evaluations
from mosaiclib.evaluation import image_counts, intervals, verdict
from mosaiclib.evaluation.verdict import NOT_TESTED, UNDECIDED, YES

_RECIPE = ("optimizer", "batch_size", "crop", "epochs")


@dataclass(frozen=True)
class Comparison:
    """Two networks of a study as one pair of a claim.

    position: which of the claim's pairs. one, other: {seed: evaluation}. difference: None where a side has too few
    seeds. verdict: of this pair alone.
    """

    position: int
    one: dict
    other: dict
    difference: intervals.Difference | None
    verdict: str

    def to_json(self) -> dict:
        """This comparison as plain data, in points; runs, counts and seeds of either side in one order."""
        sides = [[side[seed] for seed in sorted(side)] for side in (self.one, self.other)]
        found = {
            "one": sides[0][0].spec.name,
            "other": sides[1][0].spec.name,
            "backbone": sides[0][0].spec.backbone,
            "seeds": [len(side) for side in sides],
            "runs": [[e.run_id for e in side] for side in sides],
            "counts": [[e.counts_path.name for e in side] for side in sides],
            "verdict": self.verdict,
        }
        if self.difference is None:
            return found
        interval, spread = self.difference.interval(), self.difference.spread
        numbers = {"estimate": interval.estimate, "lower": interval.lower, "upper": interval.upper,
                   "seeds_sd": spread.sd, "data_sd": self.difference.data_sd}  # fmt: skip
        return found | {name: round(100 * value, 4) for name, value in numbers.items()} | {"df": spread.df}


@dataclass(frozen=True)
class Unit:
    """A claim's pairs on one backbone of one study, and the verdict on them together."""

    claim: object
    study: "Study"
    comparisons: tuple[Comparison, ...]

    @property
    def tested(self) -> int:
        """How many of the claim's pairs have a difference."""
        return len({c.position for c in self.comparisons if c.difference})

    @property
    def verdict(self) -> str:
        differences = [c.difference for c in self.comparisons if c.difference]
        found = verdict.of_all(rule(self.claim), differences)[0]
        whole = self.tested == len(self.claim.pairs) and len(differences) == len(self.comparisons)
        return UNDECIDED if found == NOT_TESTED or (found == YES and not whole) else found

    @property
    def place(self) -> str:
        """Where this is, in words: the backbone, the data, the training."""
        first = next(iter(self.comparisons[0].one.values()))
        trained = "frozen" if first.frozen else "trained whole"
        spec = first.spec
        width = f" m={spec.endpoint_filters}" if spec.backbone == "mnmh" else ""
        return f"{spec.backbone}{width}, {trained}, {first.result['dataset']} {first.result['split']}"

    def in_papers_setting(self) -> bool:
        """Whether networks, data and recipe are the paper's."""
        return all(_as_printed(self.claim, comparison) for comparison in self.comparisons)


class Study:
    """Evaluations that may be compared: {(spec, starting weights): {seed: evaluation}}."""

    def __init__(self, members):
        self.members = evaluations.by_network(members)
        values = [[e.result["miou"] for e in seeds.values()] for seeds in self.members.values()]
        self.spread = intervals.pooled(values) if any(len(value) > 1 for value in values) else None

    @property
    def first(self):
        """One of its evaluations: what it says of data and training is the same for all."""
        return next(iter(next(iter(self.members.values())).values()))

    def to_json(self) -> dict:
        """What anyone needs to recompute its intervals: the spread, and each network's runs and counts by seed."""
        spread = self.spread and {"sd_points": round(100 * self.spread.sd, 4), "df": self.spread.df}
        networks = [
            {"network": spec.name, "backbone": spec.backbone, "seeds": sorted(seeds),
             "runs": [seeds[seed].run_id for seed in sorted(seeds)],
             "counts": [seeds[seed].counts_path.name for seed in sorted(seeds)],
             "miou": [seeds[seed].result["miou"] for seed in sorted(seeds)]}
            for (spec, _), seeds in self.members.items()
        ]  # fmt: skip
        return {"setting": self.first.setting(), "spread": spread, "networks": networks}

    def units(self, claim) -> list[Unit]:
        """A claim's pairs among these networks, one unit a backbone and its starting weights."""
        places = defaultdict(list)
        for position, pair in enumerate(claim.pairs):
            for (one, weights), seeds in self.members.items():
                for (other, other_weights), other_seeds in self.members.items():
                    shared = weights == other_weights or not relations.same_backbone(one, other)
                    if shared and relations.is_pair(pair, one, other):
                        compared = self._compared(claim, position, seeds, other_seeds)
                        places[one.backbone, weights].append(compared)
        return [Unit(claim, self, tuple(comparisons)) for comparisons in places.values()]

    def _compared(self, claim, position, one, other):
        if self.spread is None or min(len(one), len(other)) < verdict.FEWEST_SEEDS:
            return Comparison(position, one, other, None, UNDECIDED)
        paths = [tuple(side[seed].counts_path for seed in sorted(side)) for side in (one, other)]
        difference = _difference(*paths, self.spread)
        return Comparison(position, one, other, difference, rule(claim)(difference, level=intervals.LEVEL))


@cache
def _difference(first, second, spread):
    return intervals.of_seeds(*([image_counts.load(path) for path in paths] for paths in (first, second)), spread)


def rule(claim):
    """The rule of `verdict` by which a claim about mIoU is judged: a function of a difference and a level."""
    if claim.relation == "apart":
        return partial(verdict.apart, most=claim.amount / 100)
    return partial(verdict.more, least=claim.amount / 100)


def studies(profile_name) -> tuple[list[Study], list[str]]:
    """(the studies of a profile, a sentence for each evaluation that is compared with none)."""
    usable, refused = evaluations.of_profile(profile_name)
    groups = defaultdict(list)
    for evaluated in usable:
        groups[evaluated.key()].append(evaluated)
    return [Study(members) for members in groups.values()], refused


def together(units) -> str:
    """The verdict of several units: theirs where they agree, else undecided; not tested where there is none."""
    verdicts = {unit.verdict for unit in units}
    return NOT_TESTED if not verdicts else verdicts.pop() if len(verdicts) == 1 else UNDECIDED


def _as_printed(claim, comparison):
    printed = paper.records(claim.table)
    names = {record.spec for record in printed}
    wanted = (printed[0].dataset, "val", printed[0].input_size)
    evaluated = [*comparison.one.values(), *comparison.other.values()]
    found = [(e.result["dataset"], e.result["split"], tuple(e.result.get("image_size") or ())) for e in evaluated]
    if any(e.spec.name not in names for e in evaluated) or set(found) != {wanted}:
        return False
    from mosaiclib.training import recipes  # here, so that a table's page does not depend on how networks train

    named = recipes.load("paper")
    used = [e.result["training"]["recipe"] for e in evaluated]
    return all(_plain(recipe.get(name)) == _plain(getattr(named, name)) for recipe in used for name in _RECIPE)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
