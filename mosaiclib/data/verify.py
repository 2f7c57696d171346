"""Checks a data set file by file and lists everything that is wrong with it, stopping at nothing."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from mosaiclib.data import guard, image_size, images, mask_values
from mosaiclib.files import plain


@dataclass
class Findings:
    """pictures: how many images, by split. unseen: classes that no label map of a split holds. problems: sentences.

    notes: sentences on what may be right or wrong, and only eyes can tell.
    """

    pictures: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(dataset, split=None, progress=lambda results, **_: results) -> Findings:
    """Reads every file of a `Dataset`, or of one split, and collects all problems.

    progress: called with the iterable of results, total=their number and desc=the split (tqdm). Raises ValueError
    only for a split that the data set does not have.
    """
    if split:
        dataset.check_split(split)
    findings, turned = Findings(), []
    for name in [split] if split else dataset.splits:
        listed = _attempt(findings.problems, "", dataset.listing, name)
        samples, problems = listed or ([], [])
        findings.problems += problems
        present, filled = set(), set()
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            checked = threads.map(lambda sample: _check(dataset, sample), samples)
            for sample, result in zip(samples, progress(checked, total=len(samples), desc=name), strict=True):
                findings.problems += result.problems
                present |= result.ids
                filled |= result.filled
                turned += [sample.image_path] if result.turned else []
        findings.pictures[name] = len(samples)
        wanted = dataset.published.get(name, len(samples))
        if samples and len(samples) != wanted:
            beside = f"{wanted - len(samples):,} are missing" if len(samples) < wanted else "there are more"
            findings.problems.append(f"{name} holds {len(samples):,} images of the {wanted:,} published: {beside}.")
        seen = {dataset.to_train_id[i] for i in present}
        findings.unseen[name] = [text for index, text in enumerate(dataset.classes) if index not in seen]
        lowest, highest = min(filled, default=0), max(filled - {images.IGNORE}, default=0)
        thin = [number for number in sorted(present - filled) if lowest < number < highest]
        if thin:
            findings.notes.append(
                f"In {name} the ids {', '.join(map(str, thin))} nowhere fill 3x3 pixels: thin lines, or blends where "
                "label maps were smoothed. Look at them in notebook 10."
            )
        if name == "train":
            findings.problems += guard.faults(dataset, present)
    if dataset.name == "folder" and not split:
        lacking = [name for name in ("train", "val") if name not in dataset.splits]
        findings.problems += [guard.missing_split(dataset, name) for name in lacking]
    if dataset.name == "folder" and findings.pictures and not findings.problems:
        findings.notes += filter(None, [image_size.warning(dataset, next(iter(findings.pictures)))])
    if turned:
        findings.notes.append(
            f"{turned[0]}{f' and {len(turned) - 1} more are' if turned[1:] else ' is'} turned or mirrored by the EXIF "
            "orientation, and the size does not tell whether the label map is, too: look at them in notebook 10."
        )
    # A folder that is missing as a whole is found once for every split.
    findings.problems = list(dict.fromkeys(findings.problems))
    return findings


@dataclass
class _Checked:
    """problems: in the files of a pair. ids: on disk, in its label map. filled: those that fill 3x3 pixels.

    turned: by EXIF, unseen in the size.
    """

    problems: list[str] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    filled: set[int] = field(default_factory=set)
    turned: bool = False


def _check(dataset, sample):
    result = _Checked()
    image = _attempt(result.problems, sample.image_path, images.read_image, sample.image_path)
    if sample.label_path.is_file():
        label = _attempt(result.problems, sample.label_path, images.read_label, sample.label_path)
        if label is not None:
            present = np.flatnonzero(np.bincount(label.ravel(), minlength=256))
            if _attempt(result.problems, sample.label_path, dataset.train_ids, present, sample.label_path) is not None:
                result.ids = set(present.tolist())
                if dataset.name == "folder":  # published label maps are not in doubt
                    result.filled = set(mask_values.filled_values(label).tolist())
        if image is not None and label is not None:
            _attempt(result.problems, sample.label_path, dataset.check_sizes, image, label, sample)
            size, orientation = images.size_and_orientation(sample.image_path)
            result.turned = orientation != 1 and size == label.shape == image.shape[:2]
    return result


def _attempt(problems, file, action, *arguments):
    """What `action` returns, or None after adding its error, which names `file`, to `problems`."""
    try:
        return action(*arguments)
    except Exception as error:  # a hostile file may break its decoder anywhere, and the others are still to be read
        text = plain(error) or type(error).__name__
        problems.append(text if str(file) in text else f"{file}: {text}")
