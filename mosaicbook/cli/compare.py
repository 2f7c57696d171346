"""`mosaic compare`: by how much one run's network is better than another's, and how well that is known."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mosaicbook.cli import JsonOption, app

RunArgument = Annotated[str, typer.Argument(help="profile/stage/row of an evaluation, or its folder.")]


@app.command()
def compare(one: RunArgument, other: RunArgument, as_json: JsonOption = False):
    """Subtracts the mIoU of two evaluations of the same images, with a 95 % interval.

    With three seeds or more on either side the interval is of the networks; with fewer, of these weights alone.
    """
    from mosaicbook.runs import comparison, history
    from mosaiclib.evaluation import intervals

    compared = comparison.of_folders(*(history.folder_of(name) for name in (one, other)))
    named = [f"{side[0].result['model']} ({name})" for side, name in zip(compared.sides, (one, other), strict=True)]
    interval, reasons = compared.interval, compared.differ_also_in
    if as_json:
        about = {"one": named[0], "other": named[1], "seeds": list(map(len, compared.sides)), "differ_also_in": reasons}
        of = "networks" if compared.of_networks else "weights"
        print(json.dumps(about | {"of": of, **(asdict(interval) if interval else {})}, indent=1))
        return
    for name, side in zip(named, compared.sides, strict=True):
        counts = [evaluated.counts for evaluated in side]
        values = [intervals.text(e.miou(), intervals.of_score(e)) for e in counts]
        about = f"{len(counts[0].images)} images, rule {counts[0].rule}{counts[0].over}"
        print(f"{name}: mIoU {', '.join(values)} % of {about}")
    if interval is None:
        print("The images are a single block, so the difference has no interval.")
    else:
        print(f"Difference {intervals.text(interval.estimate, interval, 2)} points, 95 %, {compared.scope}.")
    if reasons:
        print(f"They differ in more than the network: {'; '.join(reasons)}.")
