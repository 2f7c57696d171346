"""Intervals and verdicts, against closed forms and by simulation."""

import math
from functools import partial

import numpy as np
import pytest

from mosaicbook.show import tables
from mosaiclib import evaluation
from mosaiclib.evaluation import image_counts, intervals, verdict
from mosaiclib.evaluation.image_counts import ImageCounts


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _random(rng, images=7, classes=5, rule="camvid", video=""):
    counts = rng.integers(0, 50, (images, classes, classes + 1))
    counts[:, 2, :] = 0  # a class that never occurs
    return ImageCounts(counts, tuple(f"{i:04d}" for i in range(images)), (video,) * images, rule)


def _accuracies(values, video=""):
    """One class and 1,000 pixels an image: the mIoU is the mean of `values`, which has closed forms."""
    hits = np.round(1000 * np.asarray(values)).astype(int)
    counts = np.stack([hits, 1000 - hits], -1)[:, None]
    return ImageCounts(counts, tuple(f"{i:05d}" for i in range(len(hits))), (video,) * len(hits), "camvid")


@pytest.mark.parametrize(("rule", "classes"), [("camvid", 5), ("garden", 5), ("cityscapes", 19), ("mlperf31", 32)])
def test_miou_of_many_counts_at_once_is_the_score_of_each(rng, rule, classes):
    counts = rng.integers(0, 9, (3, classes, classes + 1))
    counts[:, 2] = counts[:, :, 2] = 0
    for one, together in zip(counts, image_counts.miou(counts, rule), strict=True):
        matrix = evaluation.ConfusionMatrix(classes)
        matrix.counts[:], matrix.unclassified[:] = one[:, :-1], one[:, -1]
        assert together == pytest.approx(evaluation.score(matrix, rule).miou, abs=1e-12)


def test_counts_come_back_from_their_file_and_a_damaged_one_is_named(rng, tmp_path):
    kept = _random(rng, video="a")
    kept.save(tmp_path / "c.npz")
    loaded = image_counts.load(tmp_path / "c.npz")
    assert (loaded.counts == kept.counts).all() and loaded.images == kept.images and loaded.rule == kept.rule
    (tmp_path / "c.npz").write_bytes((tmp_path / "c.npz").read_bytes()[:200])
    for name in ("c.npz", "none.npz"):
        with pytest.raises(ValueError, match=name):
            image_counts.load(tmp_path / name)


def test_frames_of_a_video_are_drawn_in_blocks_of_about_ten_and_other_images_alone(rng):
    counts = rng.integers(0, 9, (36, 2, 3))
    names = tuple(f"{i:04d}" for i in rng.permutation(36))
    videos = tuple("" if int(name) < 3 else "a" if int(name) < 10 else "b" for name in names)
    blocks = ImageCounts(counts, names, videos, "camvid").blocks()
    assert len(blocks) == 3 + 1 + 3  # three images alone, 7 frames, 26 frames
    assert (blocks.sum(0) == counts.sum(0)).all()
    whole = [i for i, name in enumerate(names) if 3 <= int(name) < 10]
    assert any((block == counts[whole].sum(0)).all() for block in blocks)


def test_the_bootstrap_of_a_mean_has_the_mean_s_own_standard_error(rng):
    first, second = rng.uniform(0.2, 0.8, 40), rng.uniform(0.2, 0.8, 40)
    spread = intervals.Spread(0.01, 4)
    difference = intervals.of_seeds([_accuracies(first)], [_accuracies(second)], spread)
    paired = np.round(first, 3) - np.round(second, 3)
    assert difference.estimate == pytest.approx(paired.mean(), abs=1e-9)
    assert difference.data_sd == pytest.approx(paired.std(ddof=1) / math.sqrt(40), rel=0.06)


def test_the_interval_of_seeds_is_student_s_two_sample_interval():
    one, other = [0.61, 0.63, 0.66], [0.58, 0.57, 0.62, 0.60]
    spread = intervals.pooled([one, other, [0.5]])
    difference = intervals.Difference(np.mean(one) - np.mean(other), (3, 4), spread, 0.0)
    from scipy import stats

    expected = stats.ttest_ind(one, other)
    low, high = expected.confidence_interval(0.95)
    assert (difference.interval().lower, difference.interval().upper) == pytest.approx((low, high))
    with pytest.raises(ValueError, match="seeds"):
        intervals.pooled([[0.5], [0.6]])


def test_how_many_seeds_would_see_a_difference():
    assert [intervals.seeds_needed(points, 1.1) for points in (2, 1, 0.5)] == [6, 21, 77]
    assert intervals.seeds_needed(0.01, 1.1) is None


@pytest.mark.parametrize("images", [12, 25])
def test_intervals_cover_what_they_should(rng, images):
    """Two classes, images of differing difficulty: nominal 95 %, found 93 to 97."""

    def draw(count):
        hit, miss = rng.beta(8, 2, count), rng.beta(2, 8, count)
        n = rng.integers(500, 1500, (count, 2))
        counts = np.zeros((count, 2, 3), int)
        counts[:, 0, 0], counts[:, 1, 0] = rng.binomial(n[:, 0], hit), rng.binomial(n[:, 1], miss)
        counts[:, 0, 1], counts[:, 1, 1] = n[:, 0] - counts[:, 0, 0], n[:, 1] - counts[:, 1, 0]
        return ImageCounts(counts, tuple(map(str, range(count))), ("",) * count, "camvid")

    truth, covered = draw(200_000).miou(), []
    for _ in range(400):
        interval = intervals.of_score(draw(images))
        covered.append(interval.lower <= truth <= interval.upper)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_equal_networks_get_a_verdict_by_chance_in_at_most_one_of_twenty(rng):
    """Eight networks of three seeds, standard deviation 1.1 points, images 0.4: all alike."""
    one, best = [], []
    for _ in range(1500):
        mious = rng.normal(0.6, 0.011, (8, 3))
        spread = intervals.pooled(mious)
        images = rng.normal(0, 0.004 / math.sqrt(2), 8)  # of the sample, the same for all seeds of a network
        means = mious.mean(1) + images
        pairs = [intervals.Difference(means[0] - mean, (3, 3), spread, 0.004) for mean in means[1:]]
        one.append(verdict.more(pairs[0]))
        best.append(verdict.of_all(verdict.more, pairs)[0])
    for found in (one, best):
        assert np.mean([each != verdict.UNDECIDED for each in found]) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1500)
    assert verdict.UNDECIDED in best


def test_verdicts_follow_the_interval():
    def of(points, sd=0.1, seeds=(5, 5)):
        return intervals.Difference(points / 100, seeds, intervals.Spread(sd / 100, 20), 0.0)

    assert [verdict.more(of(points)) for points in (3, 0.1, -3)] == ["yes", "no", "no"]  # 0.1 +- 0.13: the same
    assert [verdict.more(of(points), least=0.05) for points in (6, 5.05, 4)] == ["yes", "undecided", "no"]
    assert [verdict.apart(of(points), most=0.02) for points in (-1, 2, 3)] == ["yes", "undecided", "no"]
    assert verdict.more(of(3, seeds=(5, 2))) == "undecided"
    assert verdict.of_all(verdict.more, []) == ("not tested", [])
    assert verdict.of_all(verdict.more, [of(3), of(3)])[0] == "yes"
    assert verdict.of_all(verdict.more, [of(3), of(1, sd=2)])[0] == "undecided"
    weak = of(-1.5, sd=1)  # against the claim alone, and not once it is one of many
    assert verdict.more(weak) == "no" and verdict.of_all(verdict.more, [weak] + 9 * [of(3)])[0] == "undecided"
    assert verdict.of_all(partial(verdict.more, least=0.05), [of(6), of(1)])[0] == "no"


def test_only_the_same_images_are_subtracted(rng):
    base = _random(rng)
    others = {
        "rule": ImageCounts(base.counts, base.images, base.videos, "garden"),
        "images": ImageCounts(base.counts[:3], base.images[:3], base.videos[:3], "camvid"),
        "classes": _random(rng, classes=4),
        "labelled pixels": ImageCounts(base.counts + 1, base.images, base.videos, "camvid"),
    }
    for reason, other in others.items():
        with pytest.raises(ValueError, match=reason):
            intervals.of_pair(base, other)
    assert intervals.of_pair(base, base).estimate == 0


def test_what_rounds_to_zero_has_no_sign():
    """Neither in an interval nor in a table: a sign says that something is more or less."""
    minus = "\N{MINUS SIGN}"
    assert intervals.text_of(-0.0004, [-0.01, 0.0004], "+") == f"0.0 [{minus}1.0, 0.0]"
    assert [tables.number(v, "+.1f") for v in (-0.04, 0.04, 0, -0.05001, 0.05001)] == [
        "0.0", "0.0", "0.0", f"{minus}0.1", "+0.1",
    ]  # fmt: skip
    assert tables.number(-0.0) == "0" and tables.number(-1e-7) == f"{minus}1e{minus}07"
    assert tables.number(-1234.5, ",.1f") == f"{minus}1\N{NARROW NO-BREAK SPACE}234.5"
