"""Pascal VOC's layout, which CVAT also writes: JPEGImages/, SegmentationClass/, ImageSets/Segmentation/*.txt."""

from pathlib import PurePosixPath

from mosaiclib.data.annotations import masks
from mosaiclib.data.annotations.source import IMAGE_ENDINGS, split_of, split_word, text_of

TITLE = "Pascal VOC or CVAT segmentation masks"
_MASKS = "SegmentationClass"


def recognise(source):
    """Whether there are masks in a folder SegmentationClass, and lists of images or CVAT's labelmap.txt."""
    names = {part for path in source.files for part in source.relative(path).parts[:-1]}
    return _MASKS in names and ("ImageSets" in names or any(path.name == "labelmap.txt" for path in source.files))


def read(source, legend):
    """The reading of the images that the lists of ImageSets/Segmentation name; of all where there are no lists."""
    drawn = {}
    for path in source.files:
        parts = source.relative(path).parts
        if _MASKS in parts[:-1] and path.suffix.lower() in (".png", ".bmp", ".gif"):
            drawn[_stem(parts[parts.index(_MASKS) + 1 :])] = path
    images = {}
    for path in source.all_files():
        parts = source.relative(path).parts
        if path.suffix.lower() in IMAGE_ENDINGS and not any(part.startswith("Segmentation") for part in parts):
            start = parts.index("JPEGImages") + 1 if "JPEGImages" in parts else -1
            images[_stem(parts[start:])] = path
    listed = _listed(source)
    pairs, left_out = [], []
    for name, split in (listed or dict.fromkeys(drawn)).items():
        if name not in drawn or name not in images:
            left_out.append((name, "its mask is missing" if name not in drawn else "its image is missing"))
        else:
            pairs.append((images[name], drawn[name], split or split_of(PurePosixPath(name))))
    if listed and (rest := drawn.keys() - listed):
        left_out += [(name, "no list names it") for name in sorted(rest)]
    return masks.of_pairs(TITLE, pairs, legend, left_out)


def _listed(source):
    """{image's name: split} of the lists; trainval and CVAT's default say no split."""
    names = {}
    for path in source.ending(".txt"):
        parts = source.relative(path).parts
        if "ImageSets" in parts and parts[-2] in ("Segmentation", "ImageSets"):
            for line in text_of(path, 1 << 26).splitlines():
                if line.strip():
                    name = line.split("\t")[0].strip()
                    names[name] = split_word(path.stem.lower()) or names.get(name)
    return names


def _stem(parts):
    return str(PurePosixPath(*parts).with_suffix(""))
