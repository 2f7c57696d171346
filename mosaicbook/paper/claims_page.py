"""What the page of all claims says beside the claims about tables."""

from html import escape

from IPython.display import HTML

from mosaicbook import runs
from mosaicbook.paper import operations
from mosaicbook.paper.claims import Finding
from mosaiclib.evaluation import intervals
from mosaiclib.evaluation.verdict import FEWEST_SEEDS

_PAGES = ("tables", "figures", "beyond")


def of_other_pages(profile_name) -> list[Finding]:
    """The findings of pages that judge claims themselves: Table 1, the costs by stage, Figure 1, edges, operations."""
    found = []
    for stage in _PAGES:
        for result in runs.finished(profile_name, stage).values():
            claims = [Finding(**data) for data in result.get("claims", [])]
            found += [finding for finding in claims if finding.table is None]
    return [*found, operations.finding(profile_name)]


def about(studies) -> list[str]:
    """A sentence a study: what was trained alike, how far seeds differ, and what that can tell."""
    sentences = []
    for study in studies:
        first = study.first
        seeds = [len(members) for members in study.members.values()]
        setting = "{dataset}, {split} split, {n_images} images".format(**first.result)
        text = f"{setting}: {len(seeds)} networks, {sum(seeds)} trainings of {first.result['training']['steps']} steps"
        if study.spread is None:
            sentences.append(f"{text}, one seed each: the spread over seeds is not known.")
            continue
        sd = 100 * study.spread.sd
        needed = [(points, intervals.seeds_needed(points, sd)) for points in (2, 1, 0.5)]
        enough = ", ".join(
            f"{seeds or 'no number'} for {points:g} point{'s'[: points != 1]}" for points, seeds in needed
        )
        few = sum(count < FEWEST_SEEDS for count in seeds)
        sentences.append(
            f"{text}; standard deviation over seeds {sd:.2f} points ({study.spread.df} degrees of freedom). "
            f"Seeds per network that detect a difference in four of five studies: {enough}."
            + (f" {few} networks have fewer than {FEWEST_SEEDS} seeds and get no verdict." if few else "")
        )
    return sentences or ["Nothing was trained and evaluated in this profile that could be compared."]


def choices(profile_name) -> list[str]:
    """A sentence for each run that tried learning rates on held-out images: what was tried, and what was taken."""
    sentences = []
    for run_id, result in runs.finished(profile_name, "heads").items():
        tried = {}
        for part in result["evaluations"]:
            tried.setdefault(part["training"]["recipe"]["learning_rate"], []).append(part["miou"])
        if len(tried) > 1:
            where = "{dataset}, {split}".format(**result["evaluations"][0])
            scores = ", ".join(f"{rate:g}: {100 * sum(m) / len(m):.1f} %" for rate, m in tried.items())
            taken = result["chosen_rate"]
            sentences.append(f"{run_id} tried learning rates on {where} ({scores}); {taken:g} was taken.")
    return sentences


def in_print(findings) -> str:
    """How many of the printed comparisons are small."""
    compared = {}
    for finding in findings:
        if finding.printed.get("small") is not None:
            for pair in finding.printed["pairs"]:
                compared[finding.table, *sorted(pair["specs"])] = abs(pair["difference"])
    small = sum(difference < 0.5 for difference in compared.values())
    pairs = len(compared)
    return f"Of {pairs} pairs of networks that claims compare in print, {small} differ by less than half a point."


def heading(text) -> HTML:
    """A heading within a page."""
    return HTML(f"<h3>{escape(text)}</h3>")


def described(findings) -> str:
    """A forest plot in words."""
    ours = sum(pair.get("lower") is not None for finding in findings for pair in finding.pairs)
    return f"Differences in mIoU that {len(findings)} claims compare; {ours} of ours have an interval."
