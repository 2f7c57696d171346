"""Recomputes the verdicts of a published report from its counts, with numpy and scipy alone: recompute.py REPORT"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t

report, worst, other = Path(sys.argv[1]), 0.0, []
claims = json.loads((report / "runs/claims/claims/result.json").read_text())


def blocks(run, name):
    file = np.load(report / "runs" / run / name)
    counts, videos, images = file["counts"].astype(float), file["videos"], file["images"]
    frames = {video: np.flatnonzero(videos == video) for video in np.unique(videos)}
    size = {video: max(1, round(len(f) / (10 if video else 1))) for video, f in frames.items()}
    parts = [b for video, f in frames.items() for b in np.array_split(f[np.argsort(images[f])], size[video])]
    return np.stack([counts[b].sum(0) for b in parts])


def miou(counts):  # the rule camvid: [..., C, C + 1], the mean IoU of the classes that occur
    hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)
    return np.nanmean(hits / (counts.sum(-1) + counts[..., :-1].sum(-2) - hits), -1)


def spread(study):
    values = [[miou(blocks(*b).sum(0)) for b in zip(n["runs"], n["counts"], strict=True)] for n in study["networks"]]
    return sum(np.var(v) * len(v) for v in values), sum(len(v) - 1 for v in values)


sds = {df: np.sqrt(squares / df) for squares, df in map(spread, claims["studies"]) if df}
for pair in (pair for finding in claims["findings"] for pair in finding["pairs"] if "lower" in pair):
    sides = [[blocks(*b) for b in zip(*s, strict=True)] for s in zip(pair["runs"], pair["counts"], strict=True)]
    times = np.random.default_rng(1).multinomial(k := len(sides[0][0]), np.full(k, 1 / k), 4000)
    drawn = np.subtract(*[np.mean([miou(np.tensordot(times, b, 1)) for b in side], 0) for side in sides])
    d = 100 * np.subtract(*[np.mean([miou(b.sum(0)) for b in side]) for side in sides])
    variance = sds[pair["df"]] ** 2 * sum(1 / len(s) for s in sides) + np.var(drawn) * k / (k - 1)
    half = 100 * t.ppf(0.975, pair["df"]) * np.sqrt(variance)
    low, high, a = d - half, d + half, pair["amount"]
    yes = (-a <= low and high <= a) if pair["relation"] == "apart" else low > a
    no = (low > a or high < -a) if pair["relation"] == "apart" else high < a or (a == 0 and low > -0.5 and high < 0.5)
    verdict = "yes" if yes else "no" if no else "undecided"
    other += [pair["text"]] if verdict != pair["verdict"] else []
    worst = max(worst, *np.abs(np.subtract([d, low, high], [pair[n] for n in ("estimate", "lower", "upper")])))
    print(f"{pair['one']} less {pair['other']}: {d:+.2f} [{low:+.2f}, {high:+.2f}] {verdict}")
sys.exit(f"Ends differ by {worst:.3f} points; other verdicts: {other}" if worst > 0.1 or other else 0)
