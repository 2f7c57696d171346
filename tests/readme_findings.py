"""What README and docs/few-labels.md say was found, taken from the published results.

`python tests/readme_findings.py` writes it there.
"""

import json
import math
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- found: written by tests/readme_findings.py -->", "<!-- end of found -->"


def lines(published) -> list[str]:
    """Four lines for README from reports/published: verdicts, heads, skips, costs; each with its interval or count."""
    study = _result(published / "camvid-study", "claims/claims")
    findings = study["findings"]
    return [_verdicts(findings), _compared(findings, "2.1"), _compared(findings, "5.2"), _costs(published)]


def _verdicts(findings):
    measured = [f for f in findings if f["group"] == "as measured"]
    counts = {v: sum(v in (f["verdict"], f["elsewhere"]) for f in measured) for v in ("yes", "no", "undecided")}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    untested = sum({f["verdict"], f["elsewhere"]} <= {"not tested", ""} for f in measured)
    here = sum(f["verdict"] != "not tested" for f in measured)
    return (
        f"Of the paper's {len(findings)} claims, {len(measured)} need trainings or timings. On CamVid, mostly with "
        f"frozen backbones: {told}, {untested} not tested. In the paper's own setting, which needs Cityscapes, ADE20K, "
        f"GPUs and a phone, {here or 'none'} of them was tested."
    )


def _compared(findings, number):
    """A claim with our differences; by its place where the results are of a version that gave no numbers."""
    table, place = map(int, number.split("."))
    finding = [f for f in findings if f["table"] == table][place - 1]
    told = [
        "{estimate:+.1f} [{lower:+.1f}, {upper:+.1f}] points on {network}".format(**pair, network=_without_data(pair))
        for pair in finding["pairs"]
        if pair.get("lower") is not None
    ]
    seeds = min(count for pair in finding["pairs"] for count in pair["seeds"])
    verdict = finding["elsewhere"].capitalize()
    differences = "; ".join(told).replace("-", "\N{MINUS SIGN}")
    return f"{finding['claim']} {verdict}: {differences} ({seeds} seeds or more per network, 95 %)."


def _without_data(pair):
    """Where a pair was compared, as its place says it without the data at its end: "mnmh m=448, frozen"."""
    return pair["place"].rpartition(", ")[0]


def _costs(published):
    by, ratios = {}, []
    for table in range(2, 8):
        result = _result(published / "camvid-study", f"tables/table_{table}")
        for name, count in result["madds_explained"].items():
            by[name] = by.get(name, 0) + count
        column = result["columns"].index("MAdds")
        cells = [(row["cells"][column], row["label"]) for row in result["rows"]]
        ratios += [(cell["ours"] / cell["paper"], label) for cell, label in cells if cell["paper"]]
    ratio, label = max(ratios, key=lambda pair: abs(math.log(pair[0])))
    own, other, unexplained = by["own network"], by["another reading"], by["unexplained"]
    return (
        f"Of {sum(by.values())} printed MAdds, the row's own network matches {own}, another reading explains {other}, "
        f"and {unexplained} are unexplained; {label} costs {ratio:.2f} times what is printed."
    )


def _result(profile, run_id):
    return json.loads((profile / "runs" / run_id / "result.json").read_text(encoding="utf-8"))


FEW = "<!-- few labels: written by tests/readme_findings.py -->", "<!-- end of few labels -->"


def few_labels() -> str:
    """The table and sentences of docs/few-labels.md, from the published run of notebook 65."""
    result = _result(ROOT / "reports/published/few-labels", "labels/curve")
    images = result["images"] + result["unlabelled_images"]
    told = [f"CamVid, test split, {images} images to train on, 95 % intervals over seeds and blocks of images:", "",
            "| labelled images | unlabelled images | seeds | mIoU, % [95 % interval] |",
            "|---|---|---|---|"]  # fmt: skip
    for arm in result["arms"]:
        others = f"by {arm['taught']} targets of a teacher" if arm["taught"] else "not used"
        miou = _interval(arm["miou"], *arm["miou_interval"])
        told.append(f"| {arm['labelled_images']} | {others} | {arm['seeds']} | {miou} |")
    return "\n".join([FEW[0], *told, "", *(f"* {sentence}" for sentence in result["sentences"]), FEW[1]])


def _interval(estimate, lower, upper):
    return f"{100 * estimate:.1f} [{100 * lower:.1f}, {100 * upper:.1f}]"


def block() -> str:
    """The lines as README has them."""
    return "\n".join([BEGIN, *(f"* {line}" for line in lines(ROOT / "reports/published")), END])


def write(path, text):
    """Puts a block in the place of the one that begins and ends with the same lines."""
    first, last = text.splitlines()[0], text.splitlines()[-1]
    before, _, rest = path.read_text(encoding="utf-8").partition(first)
    path.write_text(before + text + rest.partition(last)[2], encoding="utf-8")


if __name__ == "__main__":
    write(ROOT / "README.md", block())
    write(ROOT / "docs/few-labels.md", few_labels())
