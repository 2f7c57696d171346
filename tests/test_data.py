"""Data: labels are never interpolated, order depends on the seed alone, hostile files are refused."""

import errno
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from PIL import Image

from mosaiclib.data import datasets, fetch, images
from mosaiclib.data.augment import Augmentation
from mosaiclib.data.batches import TrainingBatches
from mosaiclib.data.sets import camvid, image_folder
from mosaiclib.files import plain


def test_augmentation_never_makes_a_new_id():
    generator = np.random.default_rng(0)
    for _ in range(60):
        size = generator.integers(33, 140, 2)
        ids = generator.choice(255, 3, replace=False).astype(np.uint8)
        label = ids[generator.integers(0, 3, size)]
        crop = tuple(int(side) for side in generator.integers(17, 150, 2))
        _, found = Augmentation(crop)(np.zeros((*size, 3), np.uint8), label, generator)
        assert found.shape == crop
        assert set(np.unique(found)) <= {*ids.tolist(), 255}


def test_picture_and_label_move_together():
    """The image carries the label's id as its grey value: away from edges both must still agree."""
    generator = np.random.default_rng(1)
    label = cv2.resize(generator.integers(1, 12, (6, 8), dtype=np.uint8), (161, 121), interpolation=cv2.INTER_NEAREST)
    for _ in range(20):
        image, moved = Augmentation((97, 113))(np.repeat(label[..., None] * 20, 3, 2), label, generator)
        inside = cv2.erode((moved != 255).astype(np.uint8), np.ones((9, 9))) > 0
        flat = cv2.dilate(moved, np.ones((5, 5))) == cv2.erode(moved, np.ones((5, 5)))
        where = np.zeros_like(inside)
        where[4:-4, 4:-4] = (inside & flat)[4:-4, 4:-4]
        assert where.sum() > 500
        np.testing.assert_allclose(image[where].mean(-1), moved[where] * 20.0, atol=1)


def test_identity_augmentation_changes_nothing():
    image = np.random.default_rng(2).integers(0, 256, (31, 45, 3), dtype=np.uint8)
    label = np.random.default_rng(2).integers(0, 9, (31, 45), dtype=np.uint8)
    found = Augmentation((31, 45), scale=(1, 1), flip=False)(image, label, np.random.default_rng(0))
    np.testing.assert_array_equal(found[0], image)
    np.testing.assert_array_equal(found[1], label)


def test_an_epoch_is_the_same_with_one_worker_and_with_three(tiny_dataset):
    """As Keras draws it in fit: through its own queue of worker threads."""
    epochs = []
    for workers in (1, 3):
        batches = TrainingBatches(tiny_dataset, ["train"], Augmentation((40, 48), colour=0.2), 2, 5, workers)
        batches.epoch = 1
        queue = PyDatasetAdapter(batches, shuffle=False)
        queue.on_epoch_begin()
        epochs.append([tuple(map(np.asarray, batch)) for batch in queue.get_tf_dataset()])
        queue.on_epoch_end()
    assert len(epochs[0]) == len(epochs[1]) == 3
    for one, three in zip(*epochs, strict=True):
        np.testing.assert_array_equal(one[0], three[0])
        np.testing.assert_array_equal(one[1], three[1])


def test_batches_depend_on_seed_and_epoch_not_on_workers(tiny_dataset):
    def batch(seed, epoch, workers):
        batches = TrainingBatches(tiny_dataset, ["train"], Augmentation((40, 48)), 3, seed, workers)
        batches.epoch = epoch
        return batches[1][0]

    np.testing.assert_array_equal(batch(5, 3, 1), batch(5, 3, 4))
    assert not np.array_equal(batch(5, 3, 1), batch(5, 4, 1))
    assert not np.array_equal(batch(5, 3, 1), batch(6, 3, 1))


@pytest.fixture
def camvid_zip(tmp_path):
    def make(extra=()):
        path = tmp_path / "camvid.zip"
        with zipfile.ZipFile(path, "w") as file:
            for split in ("train", "val", "test"):
                images.write_png(tmp_path / "i.png", np.full((36, 48, 3), 90, np.uint8))
                images.write_png(tmp_path / "l.png", np.full((36, 48), 11 if split == "val" else 4, np.uint8))
                file.write(tmp_path / "i.png", f"{split}/0001.png")
                file.write(tmp_path / "l.png", f"{split}annot/0001.png")
            for name in extra:
                file.writestr(name, "x")
        return path

    return make


def test_camvid_reads_a_zip_and_ignores_void(camvid_zip, tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    data = datasets.get("camvid", camvid_zip())
    assert data.read(data.split("train")[0])[1].max() == 4
    assert set(np.unique(data.read(data.split("val")[0])[1])) == {255}
    assert not data.shareable and not data.synthetic
    unpacked = tmp_path / "SegNet" / "CamVid"
    with zipfile.ZipFile(tmp_path / "camvid.zip") as archive:
        archive.extractall(unpacked)
    from_folder = datasets.get("camvid", unpacked)
    for split in data.splits:
        for one, other in zip(data.read(*data.split(split)), from_folder.read(*from_folder.split(split)), strict=True):
            np.testing.assert_array_equal(one, other)
    (unpacked / "valannot/0001.png").rename(unpacked / "valannot/0002.png")
    assert [problem.partition(str(unpacked))[2] for problem in from_folder.listing("val")[1]] == [
        f"/val/0001.png has no label map: {unpacked}/valannot/0001.png is missing.",
        "/valannot/0002.png belongs to no image.",
    ]


@pytest.mark.parametrize("member", ["../escape.png", "/etc/passwd", "train/../../x.png", "train/run.sh"])
def test_a_hostile_archive_is_refused_whole(member, camvid_zip, tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    with pytest.raises(ValueError, match="which the CamVid archive does not"):
        camvid.samples(camvid_zip([member]), "train")
    assert not (tmp_path / "data").exists() and not (tmp_path / "escape.png").exists()


def _flagged(content, bit):
    """A zip's first member with a bit set in the flags of both its headers."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        changed[changed.index(signature) + offset] |= bit
    return bytes(changed)


DAMAGES = {
    "is encrypted": lambda content: _flagged(content, 1),
    "is damaged": lambda content: content.replace(b"IDAT", b"IDAR", 1),  # the checksum differs
    "is damaged: ": lambda content: content[:60] + content[80:],  # cut within a member
    "not a readable zip": lambda content: content[:-60],
}


@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_archive_is_named_and_nothing_of_it_stays(said, camvid_zip, tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path / "data"))
    path = camvid_zip()
    path.write_bytes(DAMAGES[said](path.read_bytes()))
    with pytest.raises(ValueError, match=said) as raised:
        camvid.samples(path, "train")
    assert str(path) in str(raised.value) and not list(tmp_path.glob("data/*"))


def test_bad_files_are_named(tiny_dataset, tmp_path):
    sample = tiny_dataset.split("train")[0]
    images.write_png(sample.label_path, np.full((72, 88), 77, np.uint8))
    with pytest.raises(ValueError, match=r"0_label\.png holds the id 77"):
        tiny_dataset.read(sample)
    images.write_png(sample.label_path, np.zeros((9, 9), np.uint8))
    with pytest.raises(ValueError, match="is 9x9, but its image is 88x72"):
        tiny_dataset.read(sample)
    sample.image_path.write_bytes(sample.image_path.read_bytes()[:99])
    with pytest.raises(ValueError, match=r"0_image\.png is not a readable"):
        tiny_dataset.read(sample)


def test_a_picture_that_cannot_be_written_is_named_and_not_left_in_part(tmp_path, monkeypatch):
    """The disk is full after ten bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    images.write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    before = (tmp_path / "a.png").read_bytes()
    write = Path.write_bytes

    def full(path, data):
        write(path, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(images.Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"a\.png could not be written: No space left on device\.$"):
        images.write_png(tmp_path / "a.png", pixels + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[Errno 13] Permission denied: '/data/x'", "/data/x may not be read or written: ask for access"),
        ("[Errno 2] No such file or directory: 'a b.png' -> 'c'", "a b.png does not exist."),
        ("[Errno 40] Too many levels of symbolic links: '/y'", "/y cannot be used: too many levels of symbolic links."),
        ("[Errno 28] No space left on device", "No space left on device."),
        ("A sentence\nof ours.", "A sentence of ours."),
    ],
)
def test_errors_of_the_operating_system_become_sentences(text, sentence):
    assert plain(OSError(text)).startswith(sentence)


def test_missing_files_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path))
    monkeypatch.delenv("MOSAIC_MIRROR", raising=False)
    with pytest.raises(fetch.NotAvailable, match="MOSAIC_MIRROR"):
        datasets.get("camvid").split("train")
    with pytest.raises(ValueError, match="Did you mean camvid"):
        datasets.get("canvid")


def test_a_mirror_with_a_wrong_file_is_not_believed(tmp_path, monkeypatch):
    (tmp_path / "mlperf").mkdir()
    (tmp_path / "mlperf" / "mosaic_r4_uint8.tflite").write_bytes(b"something else")
    monkeypatch.setenv("MOSAIC_MIRROR", str(tmp_path))
    with pytest.raises(ValueError, match="sha256 differs"):
        fetch.fetch("mlperf/mosaic_r4_uint8.tflite")


def test_light_changes_whole_channels_and_no_label():
    """A flat image stays flat; factors stay within what was asked for; two images differ."""
    label = np.arange(64, dtype=np.uint8).reshape(8, 8)
    augmentation = Augmentation((8, 8), scale=(1, 1), flip=False, light=0.4)
    generator, seen = np.random.default_rng(3), set()
    for _ in range(20):
        image, moved = augmentation(np.full((8, 8, 3), 100, np.uint8), label, generator)
        assert (image == image[0, 0]).all() and (moved == label).all()
        assert image.min() >= 53 and image.max() <= 154
        seen.add(tuple(image[0, 0]))
    assert len(seen) > 15


def test_colour_follows_its_definition_and_spares_labels():
    """Saturation, contrast about the mean grey value, gamma: read in float, pixel by pixel."""
    generator = np.random.default_rng(4)
    label = generator.integers(0, 9, (17, 23), dtype=np.uint8)
    for seed in range(12):
        picture = generator.integers(0, 256, (17, 23, 3), dtype=np.uint8)
        augmentation = Augmentation((17, 23), scale=(1, 1), flip=False, colour=0.4)
        image, moved = augmentation(picture, label, np.random.default_rng(seed))
        draws = np.random.default_rng(seed)
        draws.uniform(1, 1), draws.uniform(0, 0), draws.uniform(0, 0)
        saturation, contrast = draws.uniform(0.6, 1.4, 2)
        gamma = np.exp(draws.uniform(-0.4, 0.4))
        luma = np.array([0.299, 0.587, 0.114])
        grey = picture @ luma
        expected = np.clip(grey[..., None] + saturation * (picture - grey[..., None]), 0, 255)
        mean = (expected @ luma).mean()
        expected = np.clip(mean + contrast * (expected - mean), 0, 255)
        expected = 255 * (expected / 255) ** gamma
        assert (moved == label).all()
        # Rounding a dark value before the gamma may move it by several levels.
        assert np.abs(image - expected).mean() < 0.5 and np.abs(image - expected).max() < 12


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "I;16", "1"])
def test_pngs_are_read_as_pillow_reads_them(mode, tmp_path):
    generator = np.random.default_rng(5)
    grey = generator.integers(0, 200, (23, 37), dtype=np.uint8)
    picture = Image.fromarray(np.stack([grey, grey + 9, grey + 50], 2)).convert(mode if mode != "I;16" else "L")
    picture.save(tmp_path / "a.png")
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), expected)
    if mode in ("L", "P"):
        np.testing.assert_array_equal(images.read_label(tmp_path / "a.png"), np.asarray(picture))


def test_a_png_that_lies_on_its_side_is_turned(tmp_path):
    picture = Image.fromarray(np.random.default_rng(6).integers(0, 256, (8, 12, 3), dtype=np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), np.rot90(np.asarray(picture), -1))


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_truncated_or_changed_file_never_gives_pixels(kind, tmp_path):
    picture = Image.fromarray(np.random.default_rng(7).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    path = tmp_path / f"a.{kind}"
    picture.save(path)
    whole = path.read_bytes()
    broken = [whole[: len(whole) // 2], whole[:40], b""]
    if kind == "png":  # JPEG has no checksum
        broken.append(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"a\.{kind} is not a readable JPEG or PNG"):
            images.read_image(path)


def test_a_folder_of_classified_pictures(tmp_path):
    for split in ("train", "val"):
        for name in ("cat", "ant"):
            images.write_png(tmp_path / split / name / "0.png", np.full((20, 30, 3), 7, np.uint8))
    data = image_folder.read(tmp_path)
    assert data.classes == ("ant", "cat")
    assert [(path.parent.name, number) for path, number in data.split("val")] == [("ant", 0), ("cat", 1)]
    (tmp_path / "val" / "dog").mkdir()
    with pytest.raises(ValueError, match="dog is not a class of"):
        data.split("val")
    with pytest.raises(fetch.NotAvailable, match="does not hold the folder train"):
        image_folder.read(tmp_path / "train")


def test_crops_for_classification_have_the_size_and_lie_within():
    generator = np.random.default_rng(8)
    ramp = np.arange(60 * 90, dtype=np.float32).reshape(60, 90)
    for size in ((32, 32), (17, 40), (224, 224)):
        picture = np.repeat((ramp / ramp.max() * 255)[..., None], 3, 2).astype(np.uint8)
        for _ in range(10):
            found = image_folder.random_crop(picture, size, (0.1, 1.0), True, generator)
            assert found.shape == (*size, 3) and found[-1].mean() > found[0].mean()
        centre = image_folder.centre_crop(picture, size)
        assert centre.shape == (*size, 3) and abs(centre.mean() - picture.mean()) < 5
