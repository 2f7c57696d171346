"""Data sets as published: files in the exact layouts are read by the published meaning of their ids, and everything
that is wrong with a data set is said in one sentence each, all at once."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mosaiclib.data import datasets, fetch, images
from mosaiclib.data.dataset import spread_palette
from mosaiclib.data.sets import ade20k, folder
from mosaiclib.data.verify import verify

# cityscapesscripts.helpers.labels, written down by name: what each id on disk means, and whether it is evaluated.
CITYSCAPES_LABELS = """
0 unlabeled - | 1 ego vehicle - | 2 rectification border - | 3 out of roi - | 4 static - | 5 dynamic - | 6 ground -
7 road 0 | 8 sidewalk 1 | 9 parking - | 10 rail track - | 11 building 2 | 12 wall 3 | 13 fence 4 | 14 guard rail -
15 bridge - | 16 tunnel - | 17 pole 5 | 18 polegroup - | 19 traffic light 6 | 20 traffic sign 7 | 21 vegetation 8
22 terrain 9 | 23 sky 10 | 24 person 11 | 25 rider 12 | 26 car 13 | 27 truck 14 | 28 bus 15 | 29 caravan -
30 trailer - | 31 train 16 | 32 motorcycle 17 | 33 bicycle 18 | 255 license plate -
"""
SIZE = (37, 53)


def write_pair(picture, label, ids, size=SIZE):
    """Writes a grey image (JPEG or PNG by its name) and a label map whose pixels run through `ids`."""
    images.write_png(picture.with_suffix(".png"), np.full((*size, 3), 90, np.uint8))
    if picture.suffix == ".jpg":
        from PIL import Image

        Image.open(picture.with_suffix(".png")).save(picture)
        picture.with_suffix(".png").unlink()
    if label is not None:
        images.write_png(label, np.resize(np.uint8(ids), size))


@pytest.fixture
def cityscapes(tmp_path):
    """Two cities with one image each in train, one city in val; the test split and other files lie beside them."""
    for split, city, ids in (("train", "zurich", range(34)), ("train", "aachen", [7]), ("val", "munster", [26, 0])):
        stem = tmp_path / "gtFine" / split / city / f"{city}_000000_000019_gtFine"
        picture = tmp_path / "leftImg8bit" / split / city / f"{city}_000000_000019_leftImg8bit.png"
        write_pair(picture, Path(f"{stem}_labelIds.png"), ids)
        images.write_png(Path(f"{stem}_color.png"), np.zeros((*SIZE, 3), np.uint8))
        Path(f"{stem}_polygons.json").write_text("{}")
    write_pair(tmp_path / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png", None, [])
    return tmp_path


@pytest.fixture
def own_folder(tmp_path):
    """A folder with two splits of three classes, one id beside 255 ignored."""
    for split, stem in (("train", "a.1"), ("train", "b"), ("val", "c")):
        write_pair(tmp_path / f"images/{split}/{stem}.jpg", tmp_path / f"labels/{split}/{stem}.png", [0, 1, 2, 9, 255])
    (tmp_path / "images/train/.DS_Store").write_text("x")
    (tmp_path / "classes.yaml").write_text("names: [ground, crack, hole]\nignore: [9]\n")
    return tmp_path


def test_cityscapes_ids_mean_what_the_published_table_says(cityscapes):
    data = datasets.get("cityscapes", cityscapes)
    assert data.splits == ("train", "val") and not data.shareable and data.rule == "cityscapes"
    samples = data.split("train")
    assert [sample.image_path.parent.name for sample in samples] == ["aachen", "zurich"]
    _, found = data.read(samples[1])
    published = [entry.split() for entry in CITYSCAPES_LABELS.replace("\n", "|").split("|") if entry.strip()]
    assert len(published) == 35
    for on_disk, *name, train_id in published:
        expected = 255 if train_id == "-" else int(train_id)
        assert data.to_train_id[int(on_disk)] == expected
        if expected != 255:
            assert data.classes[expected] == " ".join(name)
    assert set(data.to_train_id[34:255]) == {-1}
    np.testing.assert_array_equal(found, np.resize([data.to_train_id[i] for i in range(34)], SIZE))


def test_ade20k_keeps_31_of_150_classes(tmp_path):
    for split, word in (("training", "train"), ("validation", "val")):
        write_pair(
            tmp_path / f"images/{split}/ADE_{word}_00000001.jpg",
            tmp_path / f"annotations/{split}/ADE_{word}_00000001.png",
            range(151),
        )
    data = datasets.get("ade20k_top31", tmp_path)
    assert data.classes[1] == "wall" and data.classes[31] == "armchair" and len(data.classes) == 32
    for split in ("train", "val"):
        _, found = data.read(data.split(split)[0])
        assert found.ravel()[:151].tolist() == [255, *range(1, 32), *[255] * 119]
    picture, label = (data := datasets.get("ade20k_top31-mlperf", tmp_path)).read(data.split("val")[0])
    assert picture.shape == (512, 512, 3) and label.shape == (512, 512)
    assert set(np.unique(label)) == {255, *range(1, 32)}


def deeplab_preprocess(image, label):
    """What MLPerf's script calls, in TensorFlow's own operations: DeepLab's resize_to_range, pad_to_bounding_box."""
    sides = tf.constant(label.shape, tf.float32)
    size = tf.cast(tf.floor(sides * (512.0 / tf.reduce_max(sides))), tf.int32)
    resize = tf.compat.v1.image.resize
    image = resize(tf.cast(image, tf.float32), size, "bilinear", align_corners=True)
    label = resize(tf.cast(label[..., None], tf.int32), size, "nearest", align_corners=True)
    padding = [[0, 512 - size[0]], [0, 512 - size[1]], [0, 0]]
    image = tf.pad(image - 127.5, padding) + 127.5
    label = tf.pad(label - 255, padding) + 255
    return tf.cast(image, tf.uint8).numpy(), tf.cast(label, tf.uint8).numpy()[..., 0]


@pytest.mark.parametrize("size", [(512, 683), (683, 512), (300, 225), (257, 1023), (376, 376), (512, 512)])
def test_mlperf_preprocessing_is_tensorflows_to_the_pixel(size):
    """(376, 376) is one of the sizes of which float32 makes 511 pixels."""
    generator = np.random.default_rng(size)
    image, label = generator.integers(0, 256, (*size, 3), np.uint8), generator.integers(0, 151, size, np.uint8)
    for found, expected in zip(ade20k.mlperf_preprocess(image, label), deeplab_preprocess(image, label), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.fixture
def ade20k_files():
    root = Path(os.environ.get("MOSAIC_MIRROR") or "nowhere") / "ade20k"
    if not root.is_dir():
        pytest.skip("ade20k/ is not in the folder MOSAIC_MIRROR")
    return root


def test_mlperf_preprocessing_on_real_annotations(ade20k_files):
    """The real pair goes the way of TensorFlow's operations; what MLPerf made keeps its size, padding and pixels."""
    image = images.read_image(ade20k_files / "ADE_val_00000001.jpg")
    label = images.read_label(ade20k_files / "ADE_val_00000001.png")
    found_image, found_label = ade20k.mlperf_preprocess(image, label)
    expected_image, expected_label = deeplab_preprocess(image, label)
    assert (found_label != expected_label).sum() == 0
    assert (found_image != expected_image).sum() == 0
    published = sorted((ade20k_files / "mlperf_annotations").glob("*.png"))
    assert published
    for path in published:
        expected = images.read_label(path)
        rows, columns = np.argwhere(expected != 255).max(0) + 1
        part = expected[:rows, :columns]
        assert max(rows, columns) == 512 and (part != 255).all()
        found = ade20k.mlperf_preprocess(np.zeros((*part.shape, 3), np.uint8), part)[1]
        assert (found != expected).sum() == 0
        assert datasets.get("ade20k_top31").train_ids(expected, path).max() == 255


def test_a_folder_of_ones_own(own_folder):
    data = datasets.get("folder", own_folder)
    assert data.splits == ("train", "val") and data.classes == ("ground", "crack", "hole")
    assert [sample.label_path.name for sample in data.split("train")] == ["a.1.png", "b.png"]
    np.testing.assert_array_equal(data.read(data.split("val")[0])[1], np.resize([0, 1, 2, 255, 255], SIZE))
    assert data.palette == spread_palette(3) == tuple(datasets.palette_of("folder", 3))
    (own_folder / "classes.yaml").write_text("names: [a, b]\ncolours: [[0, 0, 0], [1, 2, 255]]\n")
    assert datasets.get("folder", own_folder).palette == ((0, 0, 0), (1, 2, 255))
    (own_folder / "classes.yaml").write_text(json.dumps({"names": [f"class {i}" for i in range(255)]}))
    assert len(set(datasets.get("folder", own_folder).palette)) > 200


def test_a_folder_without_splits_is_divided(tmp_path):
    for number in range(23):
        write_pair(tmp_path / f"images/{number:02d}.PNG", tmp_path / f"labels/{number:02d}.png", [0, 1])
    (tmp_path / "classes.yaml").write_text("names: [a, b]")
    write_pair(tmp_path / "images/x.png", tmp_path / "labels/lone.png", [0])
    (tmp_path / "images/x.png").unlink()
    data = datasets.get("folder", tmp_path)
    assert [sample.image_path.stem for sample in data.split("val")] == ["00", "10", "20"]
    found = verify(data)
    assert found.pictures == {"train": 20, "val": 3}
    assert [problem.split("/")[-1] for problem in found.problems] == ["lone.png belongs to no image."]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("names: [a, b", "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
        ("names: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("names: [a]", "names: List should have at least 2 items"),
        ("names: [a, no]", r"names\.1 is False and not a word: write it in quotes"),
        ("names: [a, a]", "'a' stands there twice"),
        ('names: [a, "\\e[2J"]', "cannot be printed"),
        ("names: [a, b]\ncolours: [[1, 2, 3]]", "2 names but 1 colours"),
        ("names: [a, b]\ncolours: [[1, 2, 3], [1, 2, 256]]", r"colours\.1\.2: Input should be less"),
        ("names: [a, b]\nignored: [1]", "ignored: Extra inputs"),
        ("", "its list has no name, as in `names:"),
        ("- a\n- b", "its list has no name"),
        ("names: [a, b, c]\nignore: [0, 2, 9]", "fewer than two classes are left"),
        (None, "is missing: write the class names there"),
    ],
)
def test_a_bad_classes_file_is_one_sentence(text, sentence, own_folder):
    path = own_folder / "classes.yaml"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as error:
        datasets.get("folder", own_folder)
    assert "classes.yaml" in str(error.value) and len(str(error.value).splitlines()) == 1


def spoil(root):
    """Spoils the folder in every way at once; returns one piece of each sentence that must come."""
    picture, label = images.read_image(root / "images/train/b.jpg"), images.read_label(root / "labels/train/b.png")
    for stem in ("cut", "cut_label", "small", "foreign", "colour", "unlabelled", "twice"):
        images.write_png(root / f"images/train/{stem}.png", picture)
        images.write_png(root / f"labels/train/{stem}.png", label)
    for path in (root / "images/train/cut.png", root / "labels/train/cut_label.png"):
        path.write_bytes(path.read_bytes()[:50])
    images.write_png(root / "labels/train/cut.png", np.full(SIZE, 78, np.uint8))
    images.write_png(root / "labels/train/small.png", np.full((9, 11), 77, np.uint8))
    images.write_png(root / "labels/train/foreign.png", np.resize(np.uint8([0, 99, 77]), SIZE))
    images.write_png(root / "labels/train/colour.png", picture * np.uint8([1, 0, 1]))
    (root / "labels/train/unlabelled.png").rename(root / "labels/train/unlabeled.png")
    (root / "images/train/twice.jpeg").write_bytes((root / "images/train/twice.png").read_bytes())
    (root / "images/val/c.jpg").unlink()
    (root / "images/extra").mkdir()
    return [
        "images/train/cut.png is not a readable",
        "labels/train/cut.png holds the id 78, which folder does not have",
        "labels/train/cut_label.png is not a readable",
        "labels/train/small.png is 11x9, but its image is 53x37",
        "labels/train/small.png holds the id 77",
        "labels/train/foreign.png holds the ids 77, 99",
        "labels/train/colour.png is not a label map: its pixels are colours",
        "images/train/unlabelled.png has no label map",
        "labels/train/unlabeled.png belongs to no image",
        "labels/train/twice.png: rename one of them",
        "labels/val/c.png belongs to no image",
        f"The split 'val' of folder in {root} holds no images",
        f"The split 'extra' of folder in {root} holds no images",
    ]


def test_verify_lists_all_problems_at_once(own_folder):
    expected = spoil(own_folder)
    found = verify(datasets.get("folder", own_folder)).problems
    for sentence in expected:
        assert sum(sentence in problem for problem in found) == 1, sentence
    assert len(found) == len(expected)
    only = verify(datasets.get("folder", own_folder), "val").problems
    assert len(only) == 2 and all("val" in problem for problem in only)


def test_what_verify_finds_unmatched_also_stops_a_training(own_folder):
    spoil(own_folder)
    with pytest.raises(ValueError, match=r"twice.*rename one of them\. \(2 more: `mosaic data verify` lists them"):
        datasets.get("folder", own_folder).split("train")


def test_a_decoder_that_breaks_is_one_more_problem(own_folder, monkeypatch):
    monkeypatch.setattr(images, "read_label", lambda path: [][0])
    found = verify(datasets.get("folder", own_folder)).problems
    assert len(found) == 3 and all("labels/" in problem and "list index" in problem for problem in found)


def test_the_command_counts_or_lists_and_exits_with_1(own_folder, cityscapes, mosaic):
    status, out, _ = mosaic("data", "verify", "folder", "--root", own_folder)
    assert (status, out.splitlines()) == (0, ["train: 2 images", "val: 1 image"])
    status, out, _ = mosaic("data", "verify", "cityscapes", "--root", cityscapes, "--split", "val", "--json")
    found = json.loads(out)
    assert status == 1 and "500" in found["problems"][0], "the split as published has 500 images"
    assert found["pictures"] == {"val": 1} and "road" in found["unseen"]["val"]
    expected = spoil(own_folder)
    status, out, _ = mosaic("data", "verify", "folder", "--root", own_folder)
    assert status == 1 and len(out.splitlines()) == len(expected) + 1
    status, out, _ = mosaic("data", "verify", "folder", "--root", own_folder, "--json")
    assert status == 1 and len(json.loads(out)["problems"]) == len(expected)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cityscapes"], "cityscapes does not hold the folder leftImg8bit: register at"),
        (["ade20k_top31"], "does not hold the folder images: download http"),
        (["folder"], "name it as root"),
        (["folder", "--root", "nowhere"], "does not hold the folder images: lay it out as"),
        (["cityscape"], "Did you mean cityscapes?"),
        (["minicity-64x96", "--split", "test"], "has no split 'test': choose one of train, val"),
    ],
)
def test_what_is_not_there_says_how_to_get_it(arguments, sentence, mosaic, monkeypatch, tmp_path):
    monkeypatch.setenv("MOSAIC_DATA", str(tmp_path))
    status, out, error = mosaic("data", "verify", *arguments)
    assert status == 1 and sentence in out + error
    assert sum(sentence in line for line in (out + error).splitlines()) == 1


def test_cityscapes_without_labels_is_one_clear_sentence(cityscapes):
    label = cityscapes / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png"
    label.unlink()
    with pytest.raises(ValueError, match=r"munster_000000_000019_leftImg8bit\.png has no label map: .*is missing\.$"):
        datasets.get("cityscapes", cityscapes).split("val")
    (cityscapes / "gtFine").rename(cityscapes / "fine")
    with pytest.raises(fetch.NotAvailable, match=r"does not hold the folder gtFine: .*gtFine_trainvaltest\.zip"):
        datasets.get("cityscapes", cityscapes).split("val")


def test_no_access_is_said_of_the_folder_and_of_the_file(own_folder):
    for parent in [own_folder, *own_folder.parents][:4]:
        parent.chmod(0o755)
    data = datasets.get("folder", own_folder)
    (own_folder / "images/val").chmod(0)
    (own_folder / "labels/train/b.png").chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # the superuser may read everything
    try:
        found = verify(data).problems
        with pytest.raises(fetch.NotAvailable, match="images/val may not be read: ask for access"):
            data.split("val")
    finally:
        if root:
            os.seteuid(0)
        (own_folder / "images/val").chmod(0o755)
    assert len(found) == 2
    assert "labels/train/b.png may not be read: ask for access" in found[0]
    assert "images/val may not be read" in found[1]


def test_split_names_come_in_their_usual_order(tmp_path):
    for name in ("zoo", "val", "test", "train", "alps"):
        (tmp_path / "images" / name).mkdir(parents=True)
    assert folder.splits(tmp_path) == ("train", "val", "test", "alps", "zoo")
    images.write_png(tmp_path / "images/a.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png lies beside the split folders"):
        folder.splits(tmp_path)


@pytest.mark.parametrize(("count", "wanted"), [(101, 64), (64, 64), (7, 64), (367, 3), (0, 2), (5, 0)])
def test_pictures_are_spread_over_all_of_a_split(count, wanted):
    found = datasets.spread(range(count), wanted)
    assert len(found) == min(count, wanted)
    gaps = np.diff([*found, count])  # the last one's is to the end
    assert (found[0] == 0 and gaps.max() - gaps.min() <= 1) if found else True
