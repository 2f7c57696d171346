"""The confusion counts of every image of an evaluation, kept so that networks can be compared image by image.

One compressed .npz file: `counts`, int32 [N, C, C + 1], rows the truth, columns the prediction, the last column the
pixels whose prediction is not a class; `images`, N names; `videos`, N names, equal for frames of one video and "" for
an image that is related to no other; `rule`, the IoU rule; `weights_sha256`, what was evaluated. All IoUs and
all intervals follow from these.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaiclib.evaluation import iou
from mosaiclib.files import replacing
from mosaiclib.wording import shortened

FILE = "image_counts.npz"
BLOCK_FRAMES = 10  # neighbouring frames of a video that are drawn together: a third of a second and more


@dataclass(frozen=True)
class ImageCounts:
    """counts: integers [N, C, C + 1] as above. images, videos: N names. rule: a key of `iou.RULES`."""

    counts: np.ndarray
    images: tuple[str, ...]
    videos: tuple[str, ...]
    rule: str
    weights_sha256: str = ""

    def __post_init__(self):
        shape = self.counts.shape
        if len(shape) != 3 or shape[2] != shape[1] + 1 or not len(self.images) == len(self.videos) == shape[0]:
            raise ValueError(f"Counts {shape}, {len(self.images)} images and {len(self.videos)} videos do not fit.")
        if self.rule not in iou.RULES:
            raise ValueError(f"There is no rule '{self.rule}': choose one of {', '.join(iou.RULES)}.")
        if self.counts.dtype.kind not in "iu" or (self.counts.size and self.counts.min() < 0):
            raise ValueError("Counts of pixels are not whole numbers from 0.")

    @classmethod
    def of(cls, matrices, images, videos, rule, weights_sha256=""):
        """The counts of one `ConfusionMatrix` an image."""
        counts = [np.column_stack([matrix.counts, matrix.unclassified]) for matrix in matrices]
        return cls(np.stack(counts), tuple(images), tuple(videos), rule, weights_sha256)

    def miou(self) -> float:
        """The mIoU over all images, in 0..1."""
        return float(miou(self.counts.sum(0, dtype=np.int64), self.rule))

    @property
    def over(self):
        """How many classes that mean is over, as `iou.Score.over`."""
        matrix, total = iou.ConfusionMatrix(self.counts.shape[1]), self.counts.sum(0, dtype=np.int64)
        matrix.counts, matrix.unclassified = total[:, :-1], total[:, -1]
        return iou.score(matrix, self.rule).over

    def blocks(self) -> np.ndarray:
        """The counts of blocks that are drawn again together, int64 [K, C, C + 1].

        A block is one unrelated image, or about `BLOCK_FRAMES` neighbouring frames of one video, in the order of
        their names; the frames of a video are spread over its blocks evenly.
        """
        order = sorted(range(len(self.images)), key=lambda i: (self.videos[i], self.images[i]))
        groups = [[i] for i in order if not self.videos[i]]
        for video in dict.fromkeys(filter(None, self.videos)):
            frames = [i for i in order if self.videos[i] == video]
            groups += np.array_split(frames, max(1, round(len(frames) / BLOCK_FRAMES)))
        return np.stack([self.counts[group].sum(0, dtype=np.int64) for group in groups])

    def save(self, path):
        """Writes the file, whole or not at all."""
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez_compressed(
                file,
                counts=self.counts.astype(np.int32),
                images=np.array(self.images),
                videos=np.array(self.videos),
                rule=self.rule,
                weights_sha256=self.weights_sha256,
            )


def load(path) -> ImageCounts:
    """Reads what `save` wrote. Raises ValueError that names a file which is missing or no such file."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            names = (tuple(map(str, file[name])) for name in ("images", "videos"))
            return ImageCounts(file["counts"], *names, str(file["rule"]), str(file["weights_sha256"]))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: evaluate again, and the counts of each image are kept.") from None
    except Exception as error:  # readers of zip and npy files fail in many ways on a damaged one
        why = shortened(error, 200).rstrip(".") or type(error).__name__
        raise ValueError(f"{path} does not hold the counts of an evaluation: {why}.") from None


def miou(counts, rule):
    """The mIoU in 0..1 of counts [..., C, C + 1] by a named rule, over the leading axes at once; 0 of nothing.

    Equals `iou.score` to rounding.
    """
    chosen = iou.RULES[rule]
    counts = np.asarray(counts, float)[..., chosen.first :, :]
    own = counts[..., chosen.first : -1]
    hits = np.diagonal(own, axis1=-2, axis2=-1)
    union = counts.sum(-1) + own.sum(-2) - hits
    present = union > 0
    values = np.divide(hits, union, out=np.full(hits.shape, chosen.absent or 0.0), where=present)
    classes = present.sum(-1) if chosen.absent is None else hits.shape[-1]
    return values.sum(-1) / np.maximum(classes, 1)
