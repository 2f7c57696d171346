"""Masks from any tool: one random scene, written here in each format by other encoders, comes back pixel by pixel."""

import base64
import io
import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image
from pngs import GREY, encode

from mosaiclib.data import datasets, images
from mosaiclib.data.annotations import splitting
from mosaiclib.data.annotations.convert import convert
from mosaiclib.data.annotations.form import Item
from mosaiclib.data.verify import verify

NAMES = ("background", "crack", "hole", "plate")
COLOURS = ((0, 0, 0), (200, 10, 30), (0, 128, 0), (250, 200, 0))
COUNT = 6


class Scene:
    """One image: rectangles (class, left, top, right, bottom), drawn one over another, and the label map they make."""

    def __init__(self, number):
        generator = np.random.default_rng(number)
        self.name, self.height, self.width = f"photo_{number}", 23 + 2 * number, 41 + number
        self.label, self.boxes = np.zeros((self.height, self.width), np.uint8), []
        for value in (1, 2, 3, *generator.integers(1, 4, 3)):
            (left, right), (top, bottom) = (
                sorted(generator.choice(side + 1, 2, replace=False)) for side in (self.width, self.height)
            )
            self.boxes.append((int(value), int(left), int(top), int(right), int(bottom)))
        for value in (1, 2, 3):  # each class shows in each image
            self.boxes.append((value, 4 * value, 5, 4 * value + 4, 9))
        for value, left, top, right, bottom in self.boxes:
            self.label[top:bottom, left:right] = value
        self.image = generator.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)

    def corners(self, scale=(1, 1)):
        """[(class's name, [[x, y]] of the four corners)]."""
        a, b = scale
        for value, x0, y0, x1, y1 in self.boxes:
            yield NAMES[value], [[x0 * a, y0 * b], [x1 * a, y0 * b], [x1 * a, y1 * b], [x0 * a, y1 * b]]


@pytest.fixture
def scenes():
    return [Scene(number) for number in range(COUNT)]


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def write_images(root, scenes, folder="images", ending=".png"):
    for scene in scenes:
        save(root / folder / f"{scene.name}{ending}", scene.image)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def imported(root, scenes, names=NAMES, images_alike=True, **options):
    """Imports `root` and holds every label map against its scene, by the names of classes."""
    out = root.parent / "out"
    result = convert(root, out, **options)
    data = datasets.get("folder", out)
    assert not verify(data).problems
    by_name = {scene.name: scene for scene in scenes}
    seen = set()
    for split in data.splits:
        for sample in data.split(split):
            scene = by_name[sample.image_path.stem.split(".")[0]]
            image, label = data.read(sample)
            given = np.array([*data.classes, *[""] * (256 - len(data.classes))])[label]
            np.testing.assert_array_equal(given, np.array([*names, ""])[scene.label])
            if images_alike:
                np.testing.assert_array_equal(image, scene.image)
            seen.add(scene.name)
    assert seen == set(by_name), result.left_out
    assert (out / "import.html").read_text().count("<figure>") == len(result.examples) > 0
    return result


# Masks as pixels.


@pytest.mark.parametrize("value", [255, 1, 38])
def test_black_and_white(value, scenes, tmp_path):
    for scene in scenes:
        scene.label = (scene.label > 1).astype(np.uint8)
        save(tmp_path / "in/images" / f"{scene.name}.png", scene.image)
        save(tmp_path / "in/masks" / f"{scene.name}.png", scene.label * np.uint8(value))
    result = imported(tmp_path / "in", scenes, ("background", "object"))
    assert result.notes[0] == f"The masks hold 0 and {value}: {value} is 'object'."


def test_one_bit_masks(scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    for scene in scenes:
        scene.label = (scene.label == 2).astype(np.uint8)
        save(tmp_path / "in/masks" / f"{scene.name}.png", scene.label > 0)
    imported(tmp_path / "in", scenes, ("background", "object"))


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_masks_that_lost_their_values_are_black_and_white_or_refused(ending, scenes, tmp_path):
    objects, large = {}, np.ones((12, 12), np.uint8)
    for scene in scenes:
        objects[scene.name], image = np.kron(scene.label > 1, large), np.kron(scene.image, large[..., None])
        save(tmp_path / "in/images" / f"{scene.name}.png", image)
        save(tmp_path / "in/masks" / f"{scene.name}{ending}", objects[scene.name] * np.uint8(255), quality=80)
        save(tmp_path / "ids/images" / f"{scene.name}.png", image)
        save(tmp_path / "ids/masks" / f"{scene.name}{ending}", np.kron(scene.label, large * np.uint8(40)), quality=80)
    result = convert(tmp_path / "in", tmp_path / "out")
    assert result.classes == ["background", "object"]
    for split in result.images:
        for path in (tmp_path / "out/labels" / split).iterdir():
            assert (images.read_label(path) == objects[path.stem]).mean() > 0.99
    with pytest.raises(ValueError, match=r"lossy WebP files blur the values of classes: save masks as PNG"):
        convert(tmp_path / "ids", tmp_path / "out2")


def smoothed(label):
    """A mask [H, W] or [H, W, 3] at half its size, each pixel the mean of four."""
    return label.reshape(label.shape[0] // 2, 2, label.shape[1] // 2, 2, *label.shape[2:]).mean((1, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("levels", "legend", "sentence"),
    [
        ((0, 255, 255, 255), None, ""),
        ((0, 255, 255, 255), "background\nobject\n", ""),
        ((0, 4, 4, 4), None, r"values between others that nowhere fill 3x3 pixels \(3 of them, such as 1\)"),
        ((0, 85, 170, 255), "background, 0\na, 85\nb, 170\nc, 255\n", "edges that were smoothed"),
        (COLOURS, None, "edges that were smoothed"),
    ],
)
def test_smoothed_edges_are_no_classes(levels, legend, sentence, scenes, tmp_path):
    large = np.ones((11, 11), np.uint8)  # odd, so that edges fall into the middle of a pixel
    for scene in scenes:
        label = np.pad(np.kron(scene.label, large), ((0, scene.label.shape[0] % 2), (0, scene.label.shape[1] % 2)))
        scene.label = label[: len(label) // 2 * 2, : label.shape[1] // 2 * 2]
        mask = smoothed(np.uint8(levels)[scene.label])
        save(tmp_path / "in/images" / f"{scene.name}.png", np.zeros((*mask.shape[:2], 3), np.uint8))
        save(tmp_path / "in/masks" / f"{scene.name}.png", mask)
    write_text(tmp_path / "legend.txt", legend or "")
    options = {"legend": tmp_path / "legend.txt"} if legend else {}
    if sentence:
        with pytest.raises(ValueError, match=sentence):
            convert(tmp_path / "in", tmp_path / "out", **options)
        return
    result = convert(tmp_path / "in", tmp_path / "out", **options)
    assert result.classes == ["background", "object"] and "blurred edges" in result.notes[0]
    for split in result.images:
        for path in (tmp_path / "out/labels" / split).iterdir():
            label = next(scene.label for scene in scenes if scene.name == path.stem)
            np.testing.assert_array_equal(images.read_label(path), smoothed(255 * (label > 0)) > 127)


def test_a_class_of_thin_lines_has_a_name_or_the_highest_id(scenes, tmp_path):
    for thin, other in ((2, 1), (1, 2)):
        root = tmp_path / str(thin)
        for scene in scenes:
            label = np.where(np.kron(scene.label, np.ones((9, 9))) > 0, other, 0).astype(np.uint8)
            label[7], label[:, 5] = thin, thin
            save(root / "images" / f"{scene.name}.png", np.zeros((*label.shape, 3), np.uint8))
            save(root / "masks" / f"{scene.name}.png", label)
    assert convert(tmp_path / "2", tmp_path / "out").classes == ["background", "class 1", "class 2"]
    with pytest.raises(ValueError, match="or classes of thin lines"):
        convert(tmp_path / "1", tmp_path / "out1")
    write_text(tmp_path / "1/classes.txt", "ground\nwire\npost\n")
    assert convert(tmp_path / "1", tmp_path / "out1").classes == ["ground", "wire", "post"]
    said = [verify(datasets.get("folder", tmp_path / folder)).notes for folder in ("out", "out1")]
    assert not said[0] and said[1][0].startswith("In train the ids 1 nowhere fill 3x3 pixels")


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_file_of_several_images_is_not_its_first_one(part, scenes, tmp_path):
    for number, scene in enumerate(scenes):
        for folder, pixels in (("images", scene.image), ("masks", scene.label)):
            more = [Image.fromarray(pixels[::-1])] if number == 0 and folder == part else []
            options = {"save_all": True, "append_images": more} if more else {}
            save(tmp_path / "in" / folder / f"{scene.name}.tif", pixels, **options)
    result = convert(tmp_path / "in", tmp_path / "out")
    ((_, why),) = result.left_out
    assert "holds 2 images: save each in a file of its own" in why and sum(result.images.values()) == COUNT - 1


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_ids_at_any_depth_with_names_in_a_list(depth, scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in/labels.txt", "\n".join(["__ignore__", *NAMES]))
    (tmp_path / "in/labels").mkdir()
    for scene in scenes:
        encode(tmp_path / "in/labels" / f"{scene.name}.png", scene.label, depth, GREY)
    imported(tmp_path / "in", scenes)


def test_grey_levels_and_an_ignored_id(scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    for scene in scenes:
        save(tmp_path / "in/masks" / f"{scene.name}.png", np.uint8([0, 85, 170, 255])[scene.label])
    imported(tmp_path / "in", scenes, ("background", "class 85", "class 170", "class 255"))
    (tmp_path / "out").rename(tmp_path / "levels")
    for scene in scenes:
        save(tmp_path / "in/masks" / f"{scene.name}.png", np.uint8([0, 1, 2, 255])[scene.label])
    imported(tmp_path / "in", scenes, ("background", "class 1", "class 2", ""))


LEGENDS = {
    "class_dict.csv": "name,r,g,b\n"
    + "".join(f"{n},{r},{g},{b}\n" for n, (r, g, b) in zip(NAMES, COLOURS, strict=True)),
    "labelmap.txt": "# label:color_rgb:parts:actions\n"
    + "".join(f"{n}:{r},{g},{b}::\n" for n, (r, g, b) in zip(NAMES, COLOURS, strict=True)),
    "label_colors.txt": "".join(f"{r} {g} {b}\t{n}\n" for n, (r, g, b) in zip(NAMES, COLOURS, strict=True)),
    "legend.txt": "".join(f"{n} #{r:02x}{g:02X}{b:02x}\n" for n, (r, g, b) in zip(NAMES, COLOURS, strict=True)),
    "classes.yaml": yaml.safe_dump({"names": list(NAMES), "colours": [list(colour) for colour in COLOURS]}),
}


@pytest.mark.parametrize("name", LEGENDS)
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_by_a_legend(name, alpha, scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in" / name, LEGENDS[name])
    for scene in scenes:
        mask = np.uint8(COLOURS)[scene.label]
        mask = np.dstack([mask, np.full(mask.shape[:2], 255, np.uint8)]) if alpha else mask
        save(tmp_path / "in/annotations" / f"{scene.name}.png", mask)
    result = imported(tmp_path / "in", scenes)
    assert result.classes == list(NAMES) and result.palette == list(COLOURS)


def test_colours_found_by_looking(scenes, tmp_path):
    for scene in scenes:
        save(tmp_path / "in" / f"{scene.name}.jpg", scene.image)
        save(tmp_path / "in" / f"{scene.name}_mask.png", np.uint8(COLOURS)[scene.label])
    result = imported(tmp_path / "in", scenes, ("background", "#c80a1e", "green", "#fac800"), images_alike=False)
    assert "No legend was found" in " ".join(result.notes)


def test_a_colour_that_no_legend_names_is_refused(scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in/legend.txt", "background,0,0,0\ncrack,200,10,30")
    for scene in scenes:
        save(tmp_path / "in/masks" / f"{scene.name}.png", np.uint8(COLOURS)[scene.label])
    with pytest.raises(ValueError, match=r"colours without a class on \d+\.\d% of their pixels, most \(.*--legend"):
        convert(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def palette_image(label):
    image = Image.fromarray(label).convert("L")
    image.putpalette([channel for colour in COLOURS for channel in colour])
    return image


def test_a_palette_and_its_colours(scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    (tmp_path / "in/masks").mkdir()
    for scene in scenes:
        palette_image(scene.label).save(tmp_path / "in/masks" / f"{scene.name}.png", bits=2)
    result = imported(tmp_path / "in", scenes, ("background", "class 1", "class 2", "class 3"))
    assert result.palette == list(COLOURS)
    (tmp_path / "out").rename(tmp_path / "first")
    write_text(tmp_path / "in/class_dict.csv", LEGENDS["class_dict.csv"])
    imported(tmp_path / "in", scenes)


def test_a_palette_of_its_own_in_each_file(scenes, tmp_path):
    """One index is another colour in the next file, as programs write that make the palette of what occurs."""
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in/class_dict.csv", LEGENDS["class_dict.csv"])
    (tmp_path / "in/masks").mkdir()
    for number, scene in enumerate(scenes):
        order = np.random.default_rng(number).permutation(4)
        image = Image.fromarray(np.argsort(order).astype(np.uint8)[scene.label]).convert("L")
        image.putpalette([channel for i in order for channel in COLOURS[i]])
        image.save(tmp_path / "in/masks" / f"{scene.name}.png")
    imported(tmp_path / "in", scenes)


@pytest.mark.parametrize("kind", ["palette", "colours"])
def test_voc_with_lists(kind, scenes, tmp_path):
    """As LabelMe's and CVAT's exports have it; an image that no list names is left out."""
    root = tmp_path / "in"
    write_images(root, scenes, "JPEGImages")
    write_text(root / "labelmap.txt", LEGENDS["labelmap.txt"])
    (root / "SegmentationClass").mkdir()
    for scene in scenes:
        mask = palette_image(scene.label) if kind == "palette" else Image.fromarray(np.uint8(COLOURS)[scene.label])
        mask.save(root / "SegmentationClass" / f"{scene.name}.png")
        save(root / "SegmentationObject" / f"{scene.name}.png", scene.label * 9)
    lists = root / "ImageSets/Segmentation"
    write_text(lists / "train.txt", "\n".join(scene.name for scene in scenes[:3]))
    write_text(lists / "val.txt", "\n".join(scene.name for scene in scenes[3:5]) + "\nlost\n")
    write_text(lists / "trainval.txt", "\n".join(scene.name for scene in scenes[:5]))
    result = imported(root, scenes[:5])
    assert result.images == {"train": 3, "val": 2} and result.format.startswith("Pascal VOC")
    assert dict(result.left_out) == {"lost": "its mask is missing", scenes[5].name: "no list names it"}


@pytest.mark.parametrize("layout", ["{c}/{n}", "{n}/{c}", "{n}_{c}"])
def test_one_file_a_class(layout, scenes, tmp_path):
    """Pixels of several classes are the last's in the order of names, which here is the order of ids."""
    write_images(tmp_path / "in", scenes)
    for scene in scenes:
        for value in (1, 2, 3):
            path = tmp_path / "in/masks" / (layout.format(c=NAMES[value], n=scene.name) + ".png")
            save(path, (scene.label >= value if value == 1 else scene.label == value).astype(np.uint8) * 255)
    imported(tmp_path / "in", scenes)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/train/{n}.png", "masks/train/{n}_mask.png"),
        ("train/images/{n}.png", "train/labels/{n}.png"),
        ("train/{n}.png", "trainannot/{n}.png"),
        ("images/scene1/{n}.png", "labels/scene1/{n}.png"),
        ("train/scene1/{n}_image.png", "train/scene1/{n}_label.png"),
        ("{n}.JPG", "{n}.PNG"),
        ("photos/{n}.jfif", "ground_truth/{n}.tif"),
        ("train/{n}.png", "train_labels/{n}_L.png"),
        ("original_images/{n}.png", "label_images_semantic/{n}.png"),
    ],
)
def test_names_and_folders(image, mask, scenes, tmp_path):
    for scene in scenes:
        path = tmp_path / "in" / image.format(n=scene.name)
        lossy = path.suffix.lower() in (".jpg", ".jfif")
        save(path, scene.image, format="JPEG" if lossy else None)
        save(tmp_path / "in" / mask.format(n=scene.name), scene.label)
    write_text(tmp_path / "in/classes.txt", "\n".join(NAMES))
    renamed = list((tmp_path / "in").rglob("*_image.png"))
    save((tmp_path / "in" / mask.format(n="lost")), scenes[0].label)  # a mask without an image changes nothing
    for scene in scenes if renamed else ():
        scene.name += "_image"
    imported(tmp_path / "in", scenes, images_alike=not lossy)


@pytest.mark.parametrize("ending", [".tif", ".bmp", ".webp", ".PNG"])
def test_images_of_other_formats_become_png(ending, scenes, tmp_path):
    for scene in scenes:
        save(
            tmp_path / "in/images" / f"{scene.name}{ending}",
            scene.image,
            **({"lossless": True} if ending == ".webp" else {}),
        )
        save(tmp_path / "in/masks" / f"{scene.name}.png", scene.label)
    write_text(tmp_path / "in/classes.txt", "\n".join(NAMES))
    result = imported(tmp_path / "in", scenes)
    assert result.rewritten == (0 if ending == ".PNG" else COUNT)


def test_lists_of_splits(scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    for scene in scenes:
        save(tmp_path / "in/labels" / f"{scene.name}.png", scene.label)
    write_text(tmp_path / "in/classes.txt", "\n".join(NAMES))
    for split, part in (("train", scenes[:3]), ("val", scenes[3:5]), ("test", scenes[5:])):
        write_text(
            tmp_path / "in" / f"{split}.txt", "".join(f"images/{s.name}.png labels/{s.name}.png\n" for s in part)
        )
    result = imported(tmp_path / "in", scenes)
    assert result.images == {"train": 3, "val": 2, "test": 1}


# Photographs that EXIF turns.


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("lies", ["stored", "upright"])
def test_masks_of_turned_photographs(orientation, lies, scenes, tmp_path):
    """Pillow turns what is expected. Where the size tells, nothing needs to be said; else --exif says it."""
    for scene in scenes:
        stored, mask = Image.fromarray(scene.image), Image.fromarray(scene.label)
        exif = stored.getexif()
        exif[0x0112] = orientation
        (tmp_path / "in/images").mkdir(parents=True, exist_ok=True)
        stored.save(tmp_path / "in/images" / f"{scene.name}.png", exif=exif)
        from PIL import ImageOps

        turned = [ImageOps.exif_transpose(with_exif(part, exif)) for part in (stored, mask)]
        scene.image, scene.label = (np.asarray(part) for part in turned)
        save(tmp_path / "in/masks" / f"{scene.name}.png", np.asarray(mask) if lies == "stored" else scene.label)
    write_text(tmp_path / "in/classes.txt", "\n".join(NAMES))
    if 2 <= orientation <= 4:
        with pytest.raises(ValueError, match="no size tells whether its labels are"):
            convert(tmp_path / "in", tmp_path / "out")
    imported(tmp_path / "in", scenes, exif=lies if 2 <= orientation <= 4 else None)


def with_exif(image, exif):
    content = io.BytesIO()
    image.save(content, format="PNG", exif=exif)
    return Image.open(content)


# Annotation files.


def coco(scenes, kind):
    from pycocotools import mask

    images, annotations = [], []
    for scene in scenes:
        number = len(images) + 7
        images.append({"id": number, "file_name": f"{scene.name}.png", "height": scene.height, "width": scene.width})
        for (value, *_), (_, corners) in zip(scene.boxes, scene.corners(), strict=True):
            box = np.zeros_like(scene.label)
            (x0, y0), _, (x1, y1), _ = corners
            box[y0:y1, x0:x1] = 1
            packed = mask.encode(np.asfortranarray(box))
            if kind == "polygons":
                outline = [[number for corner in corners for number in corner]]
            elif kind == "packed":
                outline = {"size": packed["size"], "counts": packed["counts"].decode()}
            else:
                flat = np.concatenate([[0], box.ravel(order="F"), [1 - box.ravel(order="F")[-1]]])
                ends = np.flatnonzero(np.diff(flat))
                outline = {"size": list(box.shape), "counts": np.diff([0, *ends]).tolist()}
                if box[0, 0]:
                    outline["counts"] = [0, *outline["counts"][1:]]
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 10 * value,
                                "segmentation": outline, "iscrowd": int(kind != "polygons")})  # fmt: skip
    categories = [{"id": 10 * i, "name": name} for i, name in enumerate(NAMES) if i]
    return {"images": images, "annotations": annotations, "categories": [*categories, {"id": 1, "name": "never"}]}


@pytest.mark.parametrize("kind", ["polygons", "packed", "runs"])
def test_coco(kind, scenes, tmp_path):
    write_images(tmp_path / "in", scenes)
    for split, part in (("train", scenes[:4]), ("val", scenes[4:])):
        write_text(tmp_path / f"in/annotations/instances_{split}2017.json", json.dumps(coco(part, kind)))
    result = imported(tmp_path / "in", scenes)
    assert result.images == {"train": 4, "val": 2}
    assert ("the class 'never'", "it occurs in no image that was imported") in result.left_out
    one = tmp_path / "in/annotations/instances_train2017.json"
    assert convert(one, tmp_path / "one", images_folder=tmp_path / "in/images").images == {"train": 3, "val": 1}


def test_packed_run_lengths_of_any_mask_are_pycocotools(tmp_path):
    from pycocotools import mask

    from mosaiclib.data.annotations.coco import _decoded

    generator = np.random.default_rng(0)
    for share in (0.01, 0.5, 0.9):
        pixels = (generator.random((211, 307)) < share).astype(np.uint8)
        pixels[:, 100:200] = generator.integers(0, 2)
        packed = mask.encode(np.asfortranarray(pixels))
        found = _decoded({"size": [211, 307], "counts": packed["counts"].decode()}, (211, 307))
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "mask"])
def test_labelme(kind, scenes, tmp_path):
    for scene in scenes:
        save(tmp_path / "in" / f"{scene.name}.png", scene.image)
        shapes = []
        for name, corners in scene.corners():
            (x0, y0), _, (x1, y1), _ = corners
            shape = {
                "label": name,
                "shape_type": kind,
                "points": corners if kind == "polygon" else [[x0, y0], [x1, y1]],
            }
            if kind == "mask":
                content = io.BytesIO()
                Image.fromarray(np.ones((y1 - y0, x1 - x0), bool)).save(content, format="PNG")
                shape["mask"] = base64.b64encode(content.getvalue()).decode()
            shapes.append(shape)
        described = {"version": "5.4.1", "shapes": shapes, "imagePath": f"..\\elsewhere\\{scene.name}.png",
                     "imageData": None, "imageHeight": scene.height, "imageWidth": scene.width}  # fmt: skip
        write_text(tmp_path / "in" / f"{scene.name}.json", json.dumps(described))
    imported(tmp_path / "in", scenes)


@pytest.mark.parametrize("kind", ["polygon", "box", "mask"])
def test_cvat(kind, scenes, tmp_path):
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for name, colour in zip(NAMES, COLOURS, strict=True):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "color").text = "#{:02x}{:02x}{:02x}".format(*colour)
    for number, scene in enumerate(scenes):
        image = ElementTree.SubElement(root, "image", id=str(number), name=f"sub/{scene.name}.png",
                                       width=str(scene.width), height=str(scene.height))  # fmt: skip
        for order, (name, corners) in enumerate(scene.corners()):
            (x0, y0), _, (x1, y1), _ = corners
            shape = ElementTree.Element(kind, label=name, z_order=str(order))
            if kind == "polygon":
                shape.set("points", ";".join(f"{x:.2f},{y:.2f}" for x, y in corners))
            elif kind == "box":
                for key, number_ in zip(("xtl", "ytl", "xbr", "ybr"), (x0, y0, x1, y1), strict=True):
                    shape.set(key, f"{number_:.2f}")
            else:
                for key, number_ in zip(("left", "top", "width", "height"), (x0, y0, x1 - x0, y1 - y0), strict=True):
                    shape.set(key, str(number_))
                shape.set("rle", f"0, {(x1 - x0) * (y1 - y0)}")
            image.insert(0, shape)  # z_order counts, not the order in the file
    write_images(tmp_path / "in", scenes, "images/sub")
    ElementTree.ElementTree(root).write(tmp_path / "in/annotations.xml", encoding="utf-8", xml_declaration=True)
    result = imported(tmp_path / "in", scenes)
    assert result.palette == list(COLOURS)


def brush(mask):
    """Label Studio's stream of a mask [H, W], by the description of its format: runs alike and runs spelled out."""
    values = np.repeat(mask.ravel().astype(int) * 255, 4)
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{width - 1:04b}" for width in (3, 4, 8, 16))]
    changes = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    for position, (start, end) in enumerate(pairwise(changes)):
        length = end - start
        if position % 2 and length <= 256:
            bits += ["0", f"{2:02b}", f"{length - 1:08b}", *(f"{value:08b}" for value in values[start:end])]
        else:
            bits += ["1", f"{3:02b}", f"{length - 1:016b}", f"{values[start]:08b}"]
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


@pytest.mark.parametrize("kind", ["polygonlabels", "rectanglelabels", "brushlabels"])
@pytest.mark.parametrize("minimal", [False, True])
def test_label_studio(kind, minimal, scenes, tmp_path):
    tasks = []
    for number, scene in enumerate(scenes):
        results = []
        for name, corners in scene.corners((100 / scene.width, 100 / scene.height)):
            (x0, y0), _, (x1, y1), _ = corners
            value = {"points": corners} if kind == "polygonlabels" else {}
            if kind == "rectanglelabels":
                value = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rotation": 0}
            size = {"original_width": scene.width, "original_height": scene.height}
            results.append((size, {**value, kind: [name]}))
        if kind == "brushlabels":
            size = results[0][0]
            values = (1, 2, 3)
            results = [(size, {"format": "rle", "rle": brush(scene.label == v), kind: [NAMES[v]]}) for v in values]
        name = f"/data/upload/1/0a1b2c3d-{scene.name}.png"
        if minimal:
            tasks.append({"id": number, "image": name, "tag": [{**size, **value} for size, value in results]})
        else:
            shapes = [{**size, "image_rotation": 0, "type": kind, "value": value} for size, value in results]
            cancelled = {"was_cancelled": True, "result": []}
            tasks.append({"id": number, "data": {"image": name}, "annotations": [cancelled, {"result": shapes}]})
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in/project.json", json.dumps(tasks))
    imported(tmp_path / "in", scenes)


def test_yolo(scenes, tmp_path):
    for number, scene in enumerate(scenes):
        split = "train" if number < 4 else "valid"
        save(tmp_path / f"in/{split}/images/{scene.name}.png", scene.image)
        lines = []
        for name, corners in scene.corners((1 / scene.width, 1 / scene.height)):
            lines.append(
                f"{NAMES.index(name) - 1} " + " ".join(f"{number:.9f}" for corner in corners for number in corner)
            )
        write_text(tmp_path / f"in/{split}/labels/{scene.name}.txt", "\n".join(lines))
    write_text(tmp_path / "in/data.yaml", f"train: ../../etc\nnc: 3\nnames: {list(NAMES[1:])}")
    assert imported(tmp_path / "in", scenes).images == {"train": 4, "val": 2}


# What shapes mean, against pycocotools and closed forms.


def test_shapes_of_any_form(tmp_path):
    from pycocotools import mask

    from mosaiclib.data.annotations import raster

    generator = np.random.default_rng(3)
    for _ in range(50):
        height, width = generator.integers(20, 60, 2)
        points = generator.random((5, 2)) * (width, height)
        label = np.zeros((height, width), np.uint8)
        raster.polygon(label, points, 1)
        expected = mask.decode(mask.frPyObjects([points.ravel().tolist()], int(height), int(width)))[..., 0]
        assert (label != expected).sum() <= 1
    label = np.zeros((60, 80), np.uint8)
    raster.ellipse(label, (40, 30), (20, 10), 1, 30)
    y, x = np.mgrid[:60, :80] + 0.5
    turn = np.deg2rad(30)
    along, across = (x - 40) * np.cos(turn) + (y - 30) * np.sin(turn), (y - 30) * np.cos(turn) - (x - 40) * np.sin(turn)
    assert (label != ((along / 20) ** 2 + (across / 10) ** 2 <= 1)).sum() < 30
    label[:] = 0
    raster.polygon(label, [(-1000, -1000), (1000, -1000), (1000, 20), (-1000, 20)], 1)
    assert label[:20].all() and not label[20:].any()


def test_a_shape_without_area_leaves_its_image_out(scenes, tmp_path):
    contents = coco(scenes, "polygons")
    contents["annotations"][0]["segmentation"] = []
    contents["annotations"] = [a for a in contents["annotations"] if a["image_id"] != contents["images"][1]["id"]]
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in/a.json", json.dumps(contents))
    result = convert(tmp_path / "in", tmp_path / "out")
    reasons = {Path(what).name: why for what, why in result.left_out if "photo" in what}
    assert reasons["photo_0.png"] == "an object has only a box, no outline"
    assert "nothing is drawn on it" in reasons["photo_1.png"] and sum(result.images.values()) == COUNT - 2
    kept = convert(tmp_path / "in", tmp_path / "all", keep_empty=True)
    assert sum(kept.images.values()) == COUNT - 1


# Splits.


def test_frames_of_one_video_stay_on_one_side():
    items = [
        Item(Path(f"{folder}/{clip}_{i:04d}.png"), None, None, None, None)
        for folder in "ab" for clip in ("cam1", "cam2", "cam7") for i in range(9)
    ]  # fmt: skip
    splits, how = splitting.assign(items, [{0, 1}] * len(items))
    sides = {}
    for item, split in zip(items, splits, strict=True):
        sides.setdefault((item.image.parent, item.image.name[:4]), set()).add(split)
    assert all(len(side) == 1 for side in sides.values()) and splits.count("val") == 9 and "one side" in how
    splits, how = splitting.assign(items[:9], [{0, 1}] * 9)
    assert splits == ["train"] * 8 + ["val"] and "last tenth" in how


def test_no_class_loses_all_its_training_images():
    items = [Item(Path(f"{word}.png"), None, None, None, None) for word in "abcdefghijklmnopqrst"]
    for rare in range(20):
        classes = [{0, 1} if i == rare else {0} for i in range(20)]
        splits, _ = splitting.assign(items, classes)
        assert splits[rare] == "train" and "val" in splits


# Hostile inputs.

DEEP = "[" * 200_000
ENTITIES = '<!DOCTYPE a [<!ENTITY b "c">]><annotations><meta/><image name="&b;"/></annotations>'


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", DEEP, "nested too deeply"),
        ("a.json", '{"images": [' + DEEP, "nested too deeply"),
        ("a.json", '{"images": [], "annotations": [], "categories": [], "x": NaN}', "NaN is not a number"),
        ("a.json", '{"images": [], "annotations": [], "categories": [], "x": 1e999}', "1e999 is not a number"),
        ("a.json", '{"images": [], "annotations": []', "is not valid JSON"),
        ("a.json", "{}", "shows no images with masks"),
        ("a.xml", ENTITIES, "declares entities or a document type"),
        ("a.xml", "<annotations><meta>", "is not valid XML"),
        ("a.xml", "<annotations><meta/><track/></annotations>", "is of a video"),
        ("a.xml", "<annotations><meta/>" + "<a>" * 100_000, "is not valid XML"),
    ],
)
def test_hostile_files_are_one_sentence(name, content, sentence, scenes, tmp_path, mosaic):
    write_images(tmp_path / "in", scenes)
    write_text(tmp_path / "in" / name, content)
    status, out, error = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert status == 1 and not out and sentence in error and len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def spoilt(**changes):
    """COCO of one image of 10x10 with one object, with entries changed."""
    image = {"id": 1, "file_name": "photo_0.png", "height": 23, "width": 41}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}
    category = {"id": 1, "name": "crack"}
    for key, value in changes.items():
        for part in (image, annotation, category):
            if key in part:
                part[key] = value
    return {"images": [image], "annotations": [annotation], "categories": [category]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"file_name": "../../../etc/passwd"}, "its image does not lie in the source"),
        ({"file_name": "/etc/passwd.png"}, "its image does not lie in the source"),
        ({"file_name": ["x"]}, "it names no image"),
        ({"height": -23}, "outside 1 to 100 million pixels"),
        ({"height": 10**9, "width": 10**9}, "outside 1 to 100 million pixels"),
        ({"height": 23.5}, "not in whole pixels"),
        ({"height": 24}, "its labels are 41x24, the image is 41x23"),
        ({"name": "x" * 61}, "is not a class name"),
        ({"name": "\x1b[2J"}, "is not a class name"),
        ({"name": {"a": 1}}, "is not a class name"),
        ({"category_id": 9}, "it lacks 9"),
        ({"segmentation": [[0, 0, 1e9, 0, 5, 5]]}, "its points lie outside any image"),
        ({"segmentation": [[0, 0, "a", 0, 5, 5]]}, "its points are not pairs of numbers"),
        ({"segmentation": [[0, 0, 1]]}, "a polygon is not a list of x and y"),
        ({"segmentation": [[0, 0, 1, 1]]}, "fewer than 3 points"),
        ({"segmentation": {"size": [23, 41], "counts": [10**9]}}, "do not add up to 41x23"),
        ({"segmentation": {"size": [23, 41], "counts": [-5, 948]}}, "do not add up to 41x23"),
        ({"segmentation": {"size": [99999, 99999], "counts": [1]}}, "of another size"),
        ({"segmentation": {"size": [23, 41], "counts": "ooooooooooooooooooooo"}}, "no COCO text"),
        ({"segmentation": {"size": [23, 41], "counts": "é"}}, "no COCO text"),
        ({"segmentation": {"size": [23, 41], "counts": "5"}}, "do not add up to 41x23"),
        ({"segmentation": 5}, "only a box"),
    ],
)
def test_hostile_entries_are_one_sentence(changes, sentence, scenes, tmp_path, mosaic):
    write_images(tmp_path / "in", scenes[:1])
    write_text(tmp_path / "in/a.json", json.dumps(spoilt(**changes)))
    status, out, error = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert status == 1 and not out and sentence in error and len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_is_there_already_stays(scenes, tmp_path, mosaic):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    status, _, error = mosaic("data", "import", tmp_path, "--out", tmp_path / "out")
    assert status == 1 and "exists already: name a new folder" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_command_says_what_it_understood(scenes, tmp_path, mosaic):
    write_images(tmp_path / "in", scenes)
    for scene in scenes[:-1]:
        save(tmp_path / "in/masks" / f"{scene.name}.png", (scene.label > 1).astype(np.uint8) * 255)
    status, out, _ = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "out")
    assert status == 0 and "255 is 'object'" in out and "photo_5.png: no mask belongs to it" in out
    status, out, _ = mosaic("data", "import", tmp_path / "in", "--out", tmp_path / "more", "--json", "--copy")
    found = json.loads(out)
    assert found["images"] == {"train": 4, "val": 1} and found["pixels"]["val"]["object"] > 0
    assert not any(path.is_symlink() for path in (tmp_path / "more").rglob("*"))
