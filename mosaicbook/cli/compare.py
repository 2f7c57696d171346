"""`mosaic compare`: by how much one run's network is better than another's, and how well that is known."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mosaicbook.cli import app

RunArgument = Annotated[str, typer.Argument(help="profile/stage/row of an evaluation, or its folder.")]


@app.command()
def compare(
    one: RunArgument, other: RunArgument, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
):
    """Subtracts the mIoU of two evaluations of the same images, with a 95 % interval.

    With three seeds or more on either side the interval is of the networks; with fewer, of these weights alone.
    """
    from mosaicbook.runs import evaluations, history
    from mosaiclib.evaluation import intervals, verdict

    sides = [evaluations.of_folder(history.folder_of(name)) for name in (one, other)]
    counts = [[e.counts for e in side] for side in sides]
    enough = min(map(len, counts)) >= verdict.FEWEST_SEEDS
    if enough:
        spread = intervals.pooled([[e.miou() for e in side] for side in counts])
        interval = intervals.of_seeds(*counts, spread).interval()
    elif len(counts[0]) == len(counts[1]) == 1:
        interval = intervals.of_pair(counts[0][0], counts[1][0])
    else:
        raise ValueError("One side has one seed and the other several, but not three: nothing is compared.")
    known = all(e.result.get("training") and e.result.get("spec") for side in sides for e in side)
    reasons = evaluations.why_not(sides[0][0], sides[1][0]) if known else ["how they were trained, which is unknown"]
    named = [f"{side[0].result['model']} ({name})" for side, name in zip(sides, (one, other), strict=True)]
    if as_json:
        about = {"one": named[0], "other": named[1], "seeds": list(map(len, counts)), "differ_also_in": reasons}
        print(json.dumps(about | {"of": "networks" if enough else "weights", **asdict(interval)}, indent=1))
        return
    for name, side in zip(named, counts, strict=True):
        values = [intervals.text(e.miou(), intervals.of_score(e)) for e in side]
        print(f"{name}: mIoU {', '.join(values)} % of {len(side[0].images)} images, rule {side[0].rule}{side[0].over}")
    what = (
        f"of the networks, {len(counts[0])} and {len(counts[1])} seeds"
        if enough
        else "of these weights; seeds not in it"
    )
    print(f"Difference {intervals.text(interval.estimate, interval, 2)} points, 95 %, {what}.")
    if reasons:
        print(f"They differ in more than the network: {'; '.join(reasons)}.")
