"""The first screen of a report: what was done on what, the best number beside a yardstick, and what contradicts."""

import math
from importlib import resources

import yaml

from mosaicbook.paper import claims_page
from mosaicbook.paper.statements import MEASURED
from mosaicbook.runs import ledger
from mosaicbook.show.tables import number
from mosaicbook.site import run_page
from mosaiclib.evaluation.verdict import NO, NOT_TESTED, UNDECIDED, YES

MOST_CONTRADICTIONS = 5
LEAST_FACTOR = 1.05  # between a printed and a counted cost, below which it is not worth a line as a contradiction
LEAD = 150  # characters of a description that stand above the fold, to the end of a sentence


def lead(description) -> tuple[str, str]:
    """A description as (its first sentences, the rest)."""
    end = -1
    while (position := description.find(". ", end + 1)) >= 0:
        end = position + 1
        if end >= LEAD:
            break
    return (description[:end], description[end:].strip()) if end > 0 else (description, "")


def done(runs) -> list[tuple[str, str]]:
    """(term, value) of what was done: data, trainings, machine, dates, code. Nothing stands where nothing is known."""
    evaluations = [part for run in runs for part in _evaluations(run)]
    data = dict.fromkeys(
        f"{run.raw.get('dataset_title') or part.dataset}, {part.split} split, {part.n_images} images"
        + (" (synthetic)" if part.synthetic else "")
        for run in runs
        for part in _evaluations(run)
        if part.split != "val" or not any(other.split == "test" for other in evaluations)
    )
    trained = [run for run in runs if run.done and run.stage == "train"]
    heads = [len(_evaluations(run)) for run in runs if run.stage == "heads" and run.done and not is_choice(run)]
    few = sum(len(_evaluations(run)) for run in runs if run.stage == "labels")
    searched = sum(len(run.raw.get("designs") or []) for run in runs if run.stage == "search" and run.done and run.raw)
    trainings = []
    if trained:
        trainings.append(f"{len(trained)} network{'s'[: len(trained) != 1]} trained end to end")
    if heads:
        seeds = sorted(set(heads))
        several = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
        trainings.append(f"{sum(heads)} heads on frozen backbones, {several} seeds per setting")
    if few:
        trainings.append(f"{few} heads on frozen backbones, with few labels or with all")
    if searched:
        trainings.append(f"{searched} heads of a search, once each")
    days = sorted(str(run.record.get("started") or "")[:10] for run in runs if run.record.get("started"))
    machines = dict.fromkeys(filter(None, (_machine(run_page.mapping(run.record, "machine")) for run in runs)))
    commits = dict.fromkeys(str(run.record["commit"])[:10] for run in runs if run.record.get("commit"))
    counted = f"{len(commits)} commits, {next(iter(commits))} the first" if len(commits) > 1 else "".join(commits)
    found = [
        ("Data", "; ".join(data)),
        ("Trained", "; ".join(trainings)),
        ("Machine", "; ".join(machines)),
        ("Run", " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""),
        ("Code", counted),
    ]
    return [(term, value) for term, value in found if value]


def _machine(known):
    cpu, cores = known.get("cpu"), known.get("cores")
    return f"{cpu}, {cores} cores" if cpu and cores else ""


def found(runs) -> list[tuple]:
    """[(run, its sentences)] of the runs whose result says in sentences what they found."""
    told = []
    for run in runs:
        said = run.raw.get("sentences") or [run.raw.get("sentence")] if run.done and run.raw else []
        sentences = [text for text in said if isinstance(text, str) and text] if isinstance(said, list) else []
        if sentences:
            told.append((run, sentences))
    return told


def best(runs) -> list[dict]:
    """The best mIoU of each kind: {"value", "about", "run", "synthetic"}; whole networks, then frozen studies."""
    found = []
    evaluated = [run for run in runs if run.done and run.stage == "evaluate"]
    for own_size in (True, False):
        members = [run for run in evaluated if (run.result.input_scale == 1) == own_size]
        if members:
            run = max(members, key=lambda run: run.result.miou)
            result = run.result
            enlarged = "" if own_size else f", images resized by {result.input_scale:g} for the network"
            about = f"{result.model} on {result.dataset}, {result.split} split, {result.n_images} images{enlarged}"
            about += f"; the best of {len(members)} trainings" if len(members) > 1 else "; one training"
            about += "; interval over images" if result.miou_interval else ""
            found.append({"value": result.miou_text, "about": about, "run": run, "synthetic": result.synthetic})
    for run in runs:
        if run.done and run.run_id == "beyond/heads_compared":
            rows = run.raw.get("rows")
            first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
            if isinstance(first.get("mIoU"), str):
                compared = f"{len(rows)} networks{run.raw.get('trained', '')}, {run.raw.get('split')} split"
                about = f"{first.get('network')}, the best of {compared}; "
                about += f"mean of {first.get('seeds')} seeds; interval over seeds and images"
                found.append({"value": first["mIoU"], "about": about, "run": run, "synthetic": False})
    return found


def reads(runs) -> str:
    """How often the test splits of the report's own data sets were read; "" where all its data is synthetic."""
    results = [run.raw for run in runs if run.done and run.raw]
    names = [str(result["dataset"]) for result in results if result.get("dataset") and not result.get("synthetic")]
    return ledger.sentence(ledger.read(), list(dict.fromkeys(names)))


def yardsticks(runs) -> list[dict]:
    """What others report on the data sets that runs evaluated on, as in paper/yardsticks.yaml."""
    known = yaml.safe_load((resources.files("mosaicbook") / "paper/yardsticks.yaml").read_text(encoding="utf-8"))
    names = dict.fromkeys(part.dataset for run in runs for part in _evaluations(run) if part.split == "test")
    return [line for name in names for line in known.get(name, [])]


def tried(findings) -> list[tuple]:
    """(finding, verdict, evidence) of each claim that trainings or timings tested: no first, then yes, undecided."""
    found = []
    for finding in findings:
        verdicts = [verdict for verdict in (finding.verdict, finding.elsewhere) if verdict not in ("", NOT_TESTED)]
        if finding.group == MEASURED and verdicts:
            found.append((finding, verdicts[0], evidence(finding.pairs)))
    return sorted(found, key=lambda line: (NO, YES, UNDECIDED).index(line[1]))


def evidence(pairs) -> str:
    """A claim's differences in points, its least favourable pair at each place, and how many of its pairs were tested.

    pairs: those of a `claims.Finding`. "" where none has a difference.
    """
    places = {}
    for pair in pairs:
        if pair.get("estimate") is not None:
            places.setdefault(pair.get("place"), []).append(pair)
    texts = []
    for tested in places.values():
        apart = tested[0].get("relation") == "apart"
        worst = max(tested, key=lambda pair: abs(pair["estimate"]) if apart else -pair["estimate"])
        value, *ends = (number(worst[name], "+.1f") for name in ("estimate", "lower", "upper"))
        text, total = f"{value} [{', '.join(ends)}]", tested[0].get("of", 1)
        count = len({pair.get("position") for pair in tested})
        texts.append(text if total == 1 else f"{text} ({count} of {total} pairs)")
    return "; ".join(texts)


def contradictions(findings, disagreements, runs) -> list[dict]:
    """{"text", "page"}: where runs, counts or the paper's own numbers speak against the paper, the strongest first.

    findings: the report's `claims.Finding`s. disagreements: see `story.disagreements`.
    """
    pages = {run.run_id: run.page for run in runs if run.done}
    all_claims = pages.get("claims/claims")
    found = []
    for finding in findings:
        if finding.group == MEASURED and NO in (finding.verdict, finding.elsewhere):
            where = finding.sentence if finding.verdict == NO else finding.elsewhere_sentence
            found.append({"text": f"Measured no: {finding.claim} {where}", "page": all_claims})
    found += _slower(runs)
    factors = [(max(row["ours"] / row["paper"], row["paper"] / row["ours"]), row) for row in disagreements
               if row["ours"] and row["paper"] and min(row["ours"], row["paper"]) > 0]  # fmt: skip
    for factor, row in sorted(factors, key=lambda pair: -pair[0])[:2]:
        if factor >= LEAST_FACTOR:
            text = (
                f"{row['label']} has {row['ours']:.4g} {row['unit']} {row['column']} as counted, {row['paper']:g} in "
                f"print: {row['ours'] / row['paper']:.2f} times the printed figure."
            )
            found.append({"text": text, "page": row["run"].page})
    in_print = [f for f in findings if f.group == MEASURED and 0 < f.printed.get("of", 0) > f.printed.get("holds", 0)]
    for finding in sorted(in_print, key=lambda f: f.printed["holds"] / f.printed["of"]):
        count = f"{finding.printed['holds']} of {finding.printed['of']}"
        text = f"The paper's own numbers: {finding.claim} In print it holds in {count} comparisons."
        found.append({"text": text, "page": all_claims or pages.get(f"tables/table_{finding.table}")})
    found = found[: MOST_CONTRADICTIONS - 1]
    if any(finding.printed.get("small") for finding in findings):
        found.append({"text": f"{claims_page.in_print(findings)} The paper gives no seeds.", "page": all_claims})
    return found


def _slower(runs):
    """Pairs of networks whose order in speed on this machine's CPU is not the one printed for the Pixel 4's."""
    found = []
    for run in runs:
        lines = run.raw.get("latency_ratios") if run.done and run.stage == "tables" else None
        for line in lines if isinstance(lines, list) else []:
            for precision in ("int8", "float32"):
                ratio = line.get(precision)
                if not ratio or not all(math.isfinite(value) for value in ratio):
                    continue
                printed, (ours, lower, upper) = line["Pixel 4, CPU"], ratio
                if (printed - 1) * (ours - 1) < 0 and not lower <= 1 <= upper:
                    text = (
                        f"{line['network']} takes {ours:.2f} [{lower:.2f}, {upper:.2f}] times as long as "
                        f"{line['against']} on this CPU in {precision}; on the paper's Pixel 4 CPU {printed:.2f} times."
                    )
                    found.append({"text": text, "page": run.page})
                    break
    return found


def _evaluations(run):
    if not run.done or run.result is None or is_choice(run):
        return []
    if run.stage == "evaluate":
        return [run.result]
    return run.result.evaluations if run.stage in ("heads", "labels") else []


def is_choice(run) -> bool:
    """Whether a run only tried learning rates, on held-out images."""
    if run.stage != "heads" or not run.done:
        return False
    return all(part.split != "test" for part in run.result.evaluations)
