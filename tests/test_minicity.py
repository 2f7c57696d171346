"""Guards the synthetic streets that the workbook trains and tests on when nothing can be downloaded.

A run must be repeatable (same seed, same bytes), every class must be there to be learned, ids must be
Cityscapes train ids drawn crisp (a blend of two ids would be a third class), and image and label must show the
same street: the label's outlines lie on the image's edges and the sky is where the label says.
"""

import hashlib

import cv2
import numpy as np
import pytest

from mosaiclib.data.sets.minicity import scene

SIZE = (96, 192)


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed, SIZE) for seed in range(60)]


def digest(pair):
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in pair]


def test_a_seed_always_gives_the_same_bytes_and_another_seed_another_street(scenes):
    cv2.setRNGSeed(5)
    np.random.seed(5)  # the global generators must not matter
    assert digest(scene(7, SIZE)) == digest(scenes[7])
    assert len({digest(pair)[1] for pair in scenes}) == len(scenes)


def test_every_class_is_in_many_scenes_and_large_enough_to_learn(scenes):
    counts = np.stack([np.bincount(label.ravel(), minlength=256) for _, label in scenes])
    assert not counts[:, 19:255].any()
    share = (counts[:, :19] >= 20).mean(0)
    assert share.min() >= 0.3, f"class {share.argmin()} is in only {share.min():.0%} of the scenes"
    pixels = counts.sum(0) / counts.sum()
    assert pixels[:19].min() >= 0.003
    assert pixels[:19].max() < 0.5
    assert 0 < pixels[255] < 0.1


@pytest.mark.parametrize("size", [(32, 32), (33, 65), (97, 191), (121, 121), (150, 75), (64, 200)])
def test_any_size_is_drawn(size):
    for seed in range(8):
        image, label = scene(seed, size)
        assert image.shape == (*size, 3)
        assert label.shape == size
        assert image.dtype == label.dtype == np.uint8
        assert len(np.unique(label)) >= 5
        assert image.std() > 10


def test_a_size_below_32_pixels_is_refused():
    with pytest.raises(ValueError, match="at least 32x32"):
        scene(0, (31, 64))


def test_the_label_outlines_lie_on_the_image_edges(scenes):
    """Moving the label sideways by 3 pixels must make it fit worse, in nearly every scene."""
    better = 0
    for image, label in scenes:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        step = np.abs(np.diff(grey, axis=1))[:, 8:-8]
        outline = label[:, 1:] != label[:, :-1]
        aligned = step[outline[:, 8:-8]].mean()
        better += all(aligned > 1.1 * step[np.roll(outline, shift, 1)[:, 8:-8]].mean() for shift in (-3, 3))
    assert better >= 0.9 * len(scenes)


def test_sky_is_above_road_and_smoother_than_leaves(scenes):
    rows = np.broadcast_to(np.arange(SIZE[0])[:, None], SIZE)
    roughness = {8: [], 10: []}
    for image, label in scenes:
        if (label == 10).any():
            assert rows[label == 10].mean() < rows[label == 0].mean()
        detail = np.abs(cv2.Laplacian(image[..., 1].astype(np.float32), cv2.CV_32F))
        for class_id, values in roughness.items():
            inside = cv2.erode((label == class_id).astype(np.uint8), np.ones((5, 5))) > 0
            values.extend(detail[inside])
    assert np.mean(roughness[8]) > 1.5 * np.mean(roughness[10])
