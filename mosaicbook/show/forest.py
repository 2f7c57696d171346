"""Forest plots: the differences that claims are about, the paper's and ours."""

import matplotlib.pyplot as plt

from mosaicbook.show import figures

LONGEST = 16  # pairs of one claim; one of all settings with all others has no place in a plot
COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#555555")
PAPER = "#d55e00"

figures.style()


def rows(findings) -> list[dict]:
    """A row a pair of networks: {"claim", "text", "paper": points or None, "ours": [comparison with an interval]}."""
    found = []
    for number, finding in enumerate(findings, start=1):
        if finding.printed.get("small") is None and not finding.pairs:  # it compares another column than mIoU
            continue
        name = finding.number or str(number)
        printed = {pair["text"]: pair for pair in finding.printed.get("pairs", [])}
        texts = dict.fromkeys([*printed, *(pair["text"] for pair in finding.pairs)])
        if len(texts) > LONGEST:
            continue
        found += [
            {
                "claim": name,
                "text": text,
                "paper": [p["difference"] for p in finding.printed.get("pairs", []) if p["text"] == text],
                "ours": [pair for pair in finding.pairs if pair["text"] == text and pair.get("lower") is not None],
            }
            for text in texts
        ]
    return found


def plot(findings, title):
    """Every pair of the findings on a line: the paper's difference a diamond, ours a dot with its interval, in points.

    None where there is no pair to draw.
    """
    lines = rows(findings)
    if not lines:
        return None
    places = sorted({pair["place"] for line in lines for pair in line["ours"]})  # in the same colours in every plot
    figure, axes = plt.subplots(figsize=(7.6, 1.1 + 0.34 * len(lines) + 0.12 * len(findings)))
    position, ticks, names, last = 0.0, [], [], None
    for line in lines:
        if last not in (None, line["claim"]):
            axes.axhline(position + 0.15, color="0.85", linewidth=0.8)
            position += 0.5
        last = line["claim"]
        ticks.append(position)
        names.append(f"{line['claim']}  {line['text']}")
        for value in line["paper"]:
            axes.plot(value, position, "D", color=PAPER, markersize=6, zorder=3)
        for pair in line["ours"]:
            offset = 0.18 * (places.index(pair["place"]) - (len(places) - 1) / 2) + 0.12
            colour = COLOURS[places.index(pair["place"]) % len(COLOURS)]
            low, high = pair["estimate"] - pair["lower"], pair["upper"] - pair["estimate"]
            axes.errorbar(pair["estimate"], position + offset, xerr=[[low], [high]], fmt="o", color=colour, capsize=3,
                          markersize=4.5)  # fmt: skip
        position += 1
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(ticks, names)
    axes.set_ylim(position - 0.3, -0.7)
    axes.set(title=title, xlabel="difference in mIoU, points")
    axes.grid(axis="y", visible=False)
    axes.plot([], [], "D", color=PAPER, label="the paper's, printed without seeds")
    for place, colour in zip(places, COLOURS * len(places), strict=False):
        axes.errorbar([], [], xerr=[], fmt="o", color=colour, capsize=3, label=f"ours, {place}, 95 %")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", frameon=False)
    return figure
