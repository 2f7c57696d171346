"""The ledger of test splits: a line for each time that a network was scored on one.

A test split that was read often, by recipes that its numbers may have chosen, is no longer a test. So whatever scores a
network on the split "test" of a real data set adds a line to test_ledger.csv in the reports' folder, which is kept in
git, and the pages count its lines.
"""

import csv
import hashlib
import json
from datetime import UTC, datetime

from mosaicbook.runs.provenance import ROOT, commit
from mosaicbook.runs.run import reports_folder

FILE = "test_ledger.csv"
COLUMNS = ("date", "commit", "dataset", "images", "network", "weights_sha256", "recipe", "miou_percent", "by")


def note(data, split, network, weights_sha256, recipe, images, miou, by):
    """Adds a line, where `split` is the test split of a data set that is not synthetic.

    recipe: of the training, as JSON data, or None where it is not known. by: what scored it: a run, a command.
    """
    if split != "test" or data.synthetic:
        return
    path = reports_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        sha = (commit()["commit"] or "")[:10]
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        digits = f"{100 * miou:.2f}"
        writer.writerow([day, sha, data.name, images, network, weights_sha256[:16], name_of(recipe), digits, by])


def name_of(recipe) -> str:
    """Eight digits that are equal for recipes that differ in their seed alone; "" for None."""
    if not recipe:
        return ""
    shared = {name: value for name, value in recipe.items() if name != "seed"}
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()[:8]


def read() -> list[dict]:
    """The lines of the ledger beside the reports; of the one in the repository where there is none."""
    for folder in (reports_folder(), ROOT / "reports"):
        if (folder / FILE).is_file():
            with (folder / FILE).open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
    return []


def summary(entries) -> list[dict]:
    """A line a data set: how often its test split was read, for how many sets of weights, by how many recipes."""
    found = []
    for dataset in dict.fromkeys(entry["dataset"] for entry in entries):
        lines = [entry for entry in entries if entry["dataset"] == dataset]
        weights = {line["weights_sha256"] or f"{line['date']} {line['miou_percent']}" for line in lines}
        recipes = {line["recipe"] or f"{line['date']} {line['by']}" for line in lines}
        days = sorted(line["date"] for line in lines)
        found.append({"dataset": dataset, "reads": len(lines), "weights": len(weights), "recipes": len(recipes),
                      "first": days[0], "last": days[-1]})  # fmt: skip
    return found


def rows(entries) -> list[dict]:
    """The lines for a page, the latest first."""
    named = {"date": "date", "dataset": "data set", "network": "network", "recipe": "recipe", "miou_percent": "mIoU, %",
             "images": "images", "by": "read by", "commit": "commit"}  # fmt: skip
    return [{title: entry[name] for name, title in named.items()} for entry in reversed(entries)]


def sentence(entries, datasets) -> str:
    """What the ledger says of these data sets, for a page; "" for none of them."""
    own = [entry for entry in entries if entry["dataset"] in datasets]
    if not own:
        return f"The ledger holds no reading of the test split of {' or '.join(datasets)}." if datasets else ""
    sentences = []
    for row in summary(own):
        reads, weights, recipes = (_times(row[n], word) for n, word in
                                   (("reads", "time"), ("weights", "set"), ("recipes", "recipe")))  # fmt: skip
        read = f"The test split of {row['dataset']} was read {reads}, for {weights} of weights by {recipes}"
        sentences.append(f"{read}, from {row['first']} to {row['last']}.")
    return " ".join(sentences)


def _times(count, word):
    return f"{count} {word}{'s' if count != 1 else ''}"
