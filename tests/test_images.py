"""Images and label maps at every depth, written byte by byte here; damaged files are refused; folders as a whole."""

import numpy as np
import pytest
from PIL import Image
from pngs import GREY, PALETTE, RGB, encode

from mosaiclib.data import datasets, guard, images
from mosaiclib.data.verify import verify

SIZE = (23, 37)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("depth", "kind"), [(1, GREY), (2, GREY), (4, GREY), (8, GREY), (16, GREY), (1, PALETTE), (4, PALETTE), (8, RGB)]
)
def test_a_label_map_of_any_depth_gives_the_ids_that_are_stored(depth, kind, interlaced, tmp_path):
    ids = np.random.default_rng(depth).integers(0, min(2**depth, 256), SIZE)
    encode(tmp_path / "a.png", np.repeat(ids[..., None], 3, 2) if kind == RGB else ids, depth, kind, interlaced)
    np.testing.assert_array_equal(images.read_label(tmp_path / "a.png"), ids)


def test_what_is_no_label_map_is_refused_by_name(tmp_path):
    generator = np.random.default_rng(0)
    encode(tmp_path / "wide.png", generator.integers(0, 60000, SIZE), 16, GREY)
    encode(tmp_path / "colours.png", generator.integers(0, 256, (*SIZE, 3)), 8, RGB)
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "lossy.jpg")
    (tmp_path / "lossy.jpg").rename(tmp_path / "lossy.png")
    turned = Image.new("L", SIZE)
    exif = turned.getexif()
    exif[0x0112] = 3
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(generator.integers(0, 256, (*SIZE, 4), dtype=np.uint8)).save(tmp_path / "clear.png")
    for name, sentence in (
        ("wide", "ids end at 255; `mosaic data import`"),
        ("colours", "its pixels are colours"),
        ("lossy", "is not a readable PNG"),
        ("turned", "with an EXIF orientation"),
        ("clear", "its pixels are colours"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.png.*{sentence}"):
            images.read_label(tmp_path / f"{name}.png")


@pytest.mark.parametrize("kind", [GREY, RGB])
def test_sixteen_bits_give_the_upper_byte_or_a_sentence(kind, tmp_path):
    shape = SIZE if kind == GREY else (*SIZE, 3)
    values = np.random.default_rng(kind).integers(0, 1 << 16, shape)
    encode(tmp_path / "a.png", values, 16, kind)
    expected = np.broadcast_to((values >> 8).reshape(*SIZE, -1), (*SIZE, 3))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), expected)
    for bits in (10, 12, 14):
        encode(tmp_path / "a.png", values >> (16 - bits), 16, kind)
        with pytest.raises(ValueError, match=r"a\.png has 16 bits a channel but no value above a quarter"):
            images.read_image(tmp_path / "a.png")


@pytest.mark.parametrize(("depth", "kind"), [(8, GREY), (8, RGB), (4, GREY), (8, PALETTE), (16, GREY)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_damaged_png_never_gives_pixels(depth, kind, interlaced, tmp_path):
    path = tmp_path / "a.png"
    values = np.random.default_rng(1).integers(0, min(2**depth, 200), SIZE if kind != RGB else (*SIZE, 3))
    encode(path, values, depth, kind, interlaced)
    whole = path.read_bytes()
    read = [images.read_image] if kind == RGB else [images.read_image, images.read_label]
    damaged = [whole[:-12], whole[:-40]]
    for position in np.random.default_rng(2).integers(8, len(whole) - 12, 20):
        damaged.append(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
    row = 1 + -(-SIZE[1] * depth * (3 if kind == RGB else 1) // 8)
    for keep in (-9, 12 * row):  # every checksum is right, the last pixels or rows are missing
        encode(path, values, depth, kind, interlaced, keep=keep)
        damaged.append(path.read_bytes())
    for content in damaged:
        path.write_bytes(content)
        for function in read:
            with pytest.raises(ValueError, match=r"a\.png"):
                function(path)


def test_a_png_is_never_written_under_another_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.jpg would hold a PNG"):
        images.write_png(tmp_path / "a.jpg", np.zeros(SIZE, np.uint8))
    assert not list(tmp_path.iterdir())


def folder(root, train, val=(0, 1), names="[ground, crack, hole]", orientation=1, size=SIZE):
    """A folder of one image a split whose label maps run through those ids; the label maps are as stored."""
    for split, ids in (("train", train), ("val", val)):
        if ids:
            for part in ("images", "labels"):
                (root / part / split).mkdir(parents=True)
            picture = Image.fromarray(np.full((*size, 3), 90, np.uint8))
            exif = picture.getexif()
            exif[0x0112] = orientation
            picture.save(root / f"images/{split}/a.jpg", exif=exif)
            images.write_png(root / f"labels/{split}/a.png", np.resize(np.uint8(ids), size))
    (root / "classes.yaml").write_text(f"names: {names}")
    return datasets.get("folder", root)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (
            {"train": [0, 255], "names": "[ground, crack]"},
            "hold only 0 and 255, and 255 is ignored: draw the object as 1",
        ),
        ({"train": [255]}, r"is ignored \(id 255\)"),
        ({"train": [0, 1], "val": [0, 1, 2]}, r"holds 'hole' \(id 2\): add images of it"),
        ({"train": [0, 1, 2], "val": ()}, r"has no split 'val' \(it has train\).*`mosaic data import"),
        ({"train": [0, 1, 2], "orientation": 6}, "when turned by its EXIF orientation: turn the label map too"),
    ],
)
def test_verify_fails_and_training_refuses_with_the_same_sentence(what, sentence, tmp_path):
    data = folder(tmp_path, **what)
    assert len([problem for problem in verify(data).problems if "/val/" not in problem or "no split" in problem]) == 1
    with pytest.raises(ValueError, match=sentence) as error:
        guard.check(data, ("train",), validates=True)
    assert str(error.value) in verify(data).problems and len(str(error.value).splitlines()) == 1


def test_a_folder_that_is_whole_passes(tmp_path):
    data = folder(tmp_path, [0, 1, 2])
    guard.check(data, ("train",), validates=True)
    assert not verify(data).problems and not verify(data).notes
    (tmp_path / "classes.yaml").write_text("names: [ground, crack, hole, void]\nignore: [3]")  # never learnt, as asked
    guard.check(datasets.get("folder", tmp_path), ("train",), validates=True)


@pytest.mark.parametrize(("orientation", "size"), [(3, SIZE), (2, SIZE), (6, (20, 20))])
def test_an_orientation_that_no_size_shows_is_a_note(orientation, size, tmp_path):
    found = verify(folder(tmp_path, [0, 1, 2], orientation=orientation, size=size))
    assert not found.problems
    assert "a.jpg and 1 more are turned or mirrored by the EXIF orientation" in found.notes[0]


def test_a_split_without_images_says_what_lies_there(tmp_path):
    data = folder(tmp_path, [0, 1, 2])
    (tmp_path / "images/train/a.jpg").rename(tmp_path / "images/train/a.tif")
    with pytest.raises(ValueError, match=r"holds no images, but 1 \.tif file: `mosaic data import"):
        data.split("train")
    (tmp_path / "images/train/a.tif").rename(tmp_path / "images/train/a.jpg")
    (tmp_path / "labels/train/a.png").rename(tmp_path / "labels/train/a_mask.png")
    with pytest.raises(ValueError, match=r"a\.png is missing, and a_mask\.png is there instead"):
        data.split("train")
