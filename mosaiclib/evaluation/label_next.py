"""Which unlabelled images to label next: those that a network is least certain of, and no two alike.

Uncertainty is the mean entropy of the pixels' class probabilities. Of the less certain half of all images, or of four
times as many as are wanted, groups of like ones are made by k-means, and the least certain of each group is taken
(Zhdanov 2019, "Diverse mini-batch active learning"). Neighbouring frames of one video, uncertain alike, give one image.
"""

import cv2
import numpy as np

GRID = (6, 8)  # rows and columns in which an image is described by its mean class probabilities
CANDIDATES = 4  # times as many as are wanted are grouped at least


def look(probabilities) -> tuple[float, np.ndarray]:
    """(mean entropy in nats, description [rows * columns * C]) of an image's probabilities [H, W, C].

    Images are alike where the network sees like things in like places.
    """
    p = np.asarray(probabilities, np.float32)
    entropy = float(-(p * np.log(np.maximum(p, 1e-12))).sum(-1).mean())
    coarse = [cv2.resize(p[..., c], GRID[::-1], interpolation=cv2.INTER_AREA) for c in range(p.shape[-1])]
    return entropy, np.stack(coarse, -1).ravel()


def choose(entropies, descriptions, count) -> list[int]:
    """The indices of `count` images to label, the least certain first; all where there are no more.

    entropies: [N]. descriptions: [N, D], as `look` gives them.
    """
    order = np.argsort(-np.asarray(entropies), kind="stable")
    if len(order) <= count:
        return order.tolist()
    candidates = order[: max(CANDIDATES * count, len(order) // 2)]
    points = np.asarray(descriptions, np.float32)[candidates]
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    _, groups, _ = cv2.kmeans(points, count, None, stop, 5, cv2.KMEANS_PP_CENTERS)
    chosen, seen = [], set()
    for index, group in zip(candidates.tolist(), groups.ravel().tolist(), strict=True):
        if group not in seen:
            seen.add(group)
            chosen.append(index)
    left = [index for index in candidates.tolist() if index not in chosen]  # a group may be empty
    chosen += left[: count - len(chosen)]
    return sorted(chosen, key=lambda index: -entropies[index])
