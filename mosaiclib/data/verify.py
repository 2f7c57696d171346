"""Checks a data set file by file and lists everything that is wrong with it, stopping at nothing."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from mosaiclib.data import images
from mosaiclib.plain_words import plain


@dataclass
class Findings:
    """pictures: how many, by split. unseen: classes that no label map of a split holds. problems: sentences."""

    pictures: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def verify(dataset, split=None, progress=lambda results, **_: results) -> Findings:
    """Reads every file of a `Dataset`, or of one split, and collects all problems.

    progress: called with the iterable of results, total=their number and desc=the split (tqdm). Raises ValueError
    only for a split that the data set does not have.
    """
    if split:
        dataset.check_split(split)
    findings = Findings()
    for name in [split] if split else dataset.splits:
        listed = _attempt(findings.problems, "", dataset.listing, name)
        samples, problems = listed or ([], [])
        findings.problems += problems
        seen = set()
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            checked = threads.map(lambda sample: _check(dataset, sample), samples)
            for problems, ids in progress(checked, total=len(samples), desc=name):
                findings.problems += problems
                seen |= ids
        findings.pictures[name] = len(samples)
        findings.unseen[name] = [text for index, text in enumerate(dataset.classes) if index not in seen]
    # A folder that is missing as a whole is found once for every split.
    findings.problems = list(dict.fromkeys(findings.problems))
    return findings


def _check(dataset, sample):
    """(problems in the files of a pair, train ids in its label map)."""
    problems, ids = [], None
    image = _attempt(problems, sample.image_path, images.read_image, sample.image_path)
    if sample.label_path.is_file():
        label = _attempt(problems, sample.label_path, images.read_label, sample.label_path)
        if label is not None:
            present = np.flatnonzero(np.bincount(label.ravel(), minlength=256))
            ids = _attempt(problems, sample.label_path, dataset.train_ids, present, sample.label_path)
        if image is not None and label is not None:
            _attempt(problems, sample.label_path, dataset.check_sizes, image, label, sample)
    return problems, set() if ids is None else set(ids.tolist())


def _attempt(problems, file, action, *arguments):
    """What `action` returns, or None after adding its error, which names `file`, to `problems`."""
    try:
        return action(*arguments)
    except Exception as error:  # a hostile file may break its decoder anywhere, and the others are still to be read
        text = plain(error) or type(error).__name__
        problems.append(text if str(file) in text else f"{file}: {text}")
