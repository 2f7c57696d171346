"""What notebook 65 shows: the learning curve, its law, and what training on unlabelled images gives."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mosaicbook.runs import evaluations
from mosaicbook.show import figures, plots
from mosaiclib.evaluation import intervals, learning_curve, verdict

figures.style()


def by_arm(folder, result) -> dict:
    """{arm: its evaluations, one per seed}. Raises ValueError where more than labels, network and seed differ."""
    found = {}
    for one in result["evaluations"]:
        evaluated = evaluations.Evaluated(one["arm"], one, Path(folder) / one["image_counts"])
        found.setdefault(one["arm"], []).append(evaluated)
    sides = list(found.values())
    for side in sides[1:]:
        reasons = evaluations.why_not(sides[0][0], side[0], but=(evaluations.LABELS,))
        if reasons:
            raise ValueError(f"These trainings may not be compared: {'; '.join(reasons)}.")
    return found


def judged(folder, result) -> dict:
    """All that the trainings say, as plain data in 0..1: arms, differences, and the curve's law.

    Differences are between means over seeds, with intervals and verdicts by docs/evidence.md.
    """
    found = by_arm(folder, result)
    counts = {name: [one.counts for one in side] for name, side in found.items()}
    spread = intervals.pooled([[one.miou() for one in side] for side in counts.values()])
    labelled = {one["arm"]: one["labelled_images"] for one in result["evaluations"]}
    curve = {name: labelled[name] for name in found if name != result["taught_arm"]}
    arms = []
    for name, side in sorted(counts.items(), key=lambda arm: (labelled[arm[0]], arm[0])):
        mean = intervals.of_network(side, spread)
        arms.append({"arm": name, "labelled_images": labelled[name], "taught": result["taught"] * (name not in curve),
                     "seeds": len(side), "miou": mean.estimate, "miou_interval": [mean.lower, mean.upper]})  # fmt: skip
    taught, most = result["taught_arm"], max(curve, key=curve.get)
    alone = next((name for name in curve if taught and curve[name] == labelled[taught]), None)
    pairs = [(taught, alone), (most, alone), (most, taught)] if alone and alone != most else []
    if alone == most:
        pairs = [(taught, alone)]
    groups = {curve[name]: [one.miou() for one in counts[name]] for name in curve}
    return {
        "arms": arms,
        "differences": [_difference(one, other, counts, spread) for one, other in pairs],
        "seeds_sd": spread.sd,
        "law": _law(groups) if len(groups) >= learning_curve.FEWEST else None,
    }


def _difference(one, other, counts, spread):
    found = intervals.of_seeds(counts[one], counts[other], spread)
    interval = found.interval()
    return {"one": one, "other": other, "difference": interval.estimate, "interval": [interval.lower, interval.upper],
            "more": verdict.more(found)}  # fmt: skip


def _law(groups):
    counts = sorted(groups)
    law = learning_curve.fit(counts, [np.mean(groups[count]) for count in counts])
    gain, before = learning_curve.gain(groups, 2 * counts[-1]), learning_curve.back_test(groups)
    told = {"forecast": before.estimate, "forecast_interval": [before.lower, before.upper],
            "measured": float(np.mean(groups[counts[-1]]))} if before else {}  # fmt: skip
    return {"limit": float(law.limit), "drop": float(law.drop), "power": float(law.power), "images": counts[-1],
            "gain_of_twice": gain.estimate, "gain_interval": [gain.lower, gain.upper], **told}  # fmt: skip


def curve_plot(found):
    """mIoU by the number of labelled images with intervals, the law through it, and the taught arm beside it."""
    figure, axes = plt.subplots(figsize=(6.8, 4.2))
    counts = [row["labelled_images"] for row in found["arms"]]
    apart = (max(counts) / min(counts)) ** 0.02  # of two arms with as many labels, so that both intervals are seen

    def marks(rows, marker, colour, label, aside=0):
        middle = np.array([100 * row["miou"] for row in rows])
        ends = np.array([[100 * end for end in row["miou_interval"]] for row in rows]).T
        places = [row["labelled_images"] * apart**aside for row in rows]
        axes.errorbar(places, middle, abs(ends - middle), fmt=marker, color=colour, capsize=3, label=label)

    curve = [row for row in found["arms"] if not row["taught"]]
    marks(curve, "o", plots.PLAIN, "labelled images alone")
    if taught := [row for row in found["arms"] if row["taught"]]:
        marks(taught, "D", plots.MOSAIC, f"and unlabelled ones by {taught[0]['taught']} targets", aside=1)
    if law := found["law"]:
        line = np.geomspace(min(row["labelled_images"] for row in curve), 2 * law["images"])
        fitted = learning_curve.PowerLaw(law["limit"], law["drop"], law["power"])
        axes.plot(line, 100 * fitted(line), color=plots.PLAIN, linewidth=1, label="fitted law")
    axes.set(xscale="log", xlabel="labelled images (logarithmic)", ylabel="mIoU, % [95 % interval]")
    axes.set_xticks(ticks := sorted({row["labelled_images"] for row in curve}), [str(tick) for tick in ticks])
    axes.minorticks_off()
    figure.legend(loc="outside upper center", ncol=3)
    return figure


def rows(found) -> list[dict]:
    """The arms as lines of a table."""
    return [{"labelled images": row["labelled_images"],
             "unlabelled images": f"{row['taught']} targets of a teacher" if row["taught"] else "not used",
             "seeds": str(row["seeds"]), "mIoU": intervals.text_of(row["miou"], row["miou_interval"])}
            for row in found["arms"]]  # fmt: skip


def difference_rows(found) -> list[dict]:
    """The differences as lines of a table."""
    names = {row["arm"]: f"{row['labelled_images']} labelled" + (" and the unlabelled" if row["taught"] else "")
             for row in found["arms"]}  # fmt: skip
    return [{"training": names[d["one"]], "compared with": names[d["other"]],
             "difference": intervals.text_of(d["difference"], d["interval"], "+"), "more accurate": d["more"]}
            for d in found["differences"]]  # fmt: skip


def sentences(found) -> list[str]:
    """What was found, in sentences that say it whichever way it went."""
    told = []
    if found["differences"]:
        first, *others = found["differences"]
        points = intervals.text_of(first["difference"], first["interval"], "+")
        how = {verdict.YES: "is more accurate", verdict.NO: "is not more accurate",
               verdict.UNDECIDED: "is not shown to be more accurate"}  # fmt: skip
        told.append(f"Training on the unlabelled images as well {how[first['more']]}: {points} points.")
        if others:
            gain = intervals.text_of(others[0]["difference"], others[0]["interval"], "+")
            told.append(f"All labels give {gain} points more than the few alone.")
    if law := found["law"]:
        gain = intervals.text_of(law["gain_of_twice"], law["gain_interval"], "+")
        told.append(f"By the fitted law, twice as many labels as {law['images']} would give {gain} points, "
                    f"if the law holds.")  # fmt: skip
        if "forecast" in law:
            told.append(f"Fitted without the last point, its forecast would have been "
                        f"{intervals.text_of(law['forecast'], law['forecast_interval'])} % there; measured is "
                        f"{100 * law['measured']:.1f} %.")  # fmt: skip
    return told
