"""Which mask belongs to which image, by the words in the names of folders and files."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mosaiclib.data.annotations.source import IMAGE_ENDINGS, MASK_ENDINGS, split_word

_IMAGE = {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures", "rgb", "input",
          "inputs", "original", "originals", "sat", "leftimg8bit"}  # fmt: skip
_MASK = {"mask", "masks", "label", "labels", "annot", "annots", "annotation", "annotations", "segmentation", "seg",
         "segmentations", "segmentationclass", "segmentationclasspng", "gt", "gts", "groundtruth", "truth", "target",
         "targets", "labelids", "labeltrainids", "ann", "anns", "gtfine"}  # fmt: skip
_NEITHER = {"segmentationobject", "segmentationclassvisualization", "segmentationobjectvisualization",
            "segmentationclassnpy", "visualization", "visualisation", "viz", "overlay", "instanceids",
            "preview"}  # fmt: skip
_LOSSLESS = (".png", ".gif")  # what a mask is beside a photograph of the same name
_JOINED = re.compile(r"(train|val|valid|test)(annot|annots|mask|masks|labels|images|img)")
_LED = re.compile(r"(image|img|mask|label|gt|photo)(\d.*)")


@dataclass(frozen=True)
class _Named:
    """A file by its name. role, folder_role: image, mask or neither, "" where its name, or its folders', do not tell.

    place: the other folders. stem: the name without those words, in small letters; plain: as it is.
    """

    path: Path
    role: str
    folder_role: str
    split: str | None
    place: tuple[str, ...]
    stem: str
    plain: str


@dataclass
class Pairs:
    """whole: [(image, mask, split)]. by_class: [(image, {class: mask}, split)]. left_out: (what, why)."""

    whole: list = field(default_factory=list)
    by_class: list = field(default_factory=list)
    left_out: list = field(default_factory=list)


def pair(source) -> Pairs:
    """Pairs the images of a source with their masks: one each, or one per class.

    An image and its mask have one name, but for words like "mask", in folders that differ by words like "images" and
    "labels". Raises ValueError where no masks are found.
    """
    named = [_named(source, path) for path in source.all_files() if path.suffix.lower() in MASK_ENDINGS + IMAGE_ENDINGS]
    named = [each for each in named if "neither" not in (each.role, each.folder_role)]
    images, masks = _roles(named)
    if not images or not masks:
        unread = " Its JSON or XML is of no format that is known." if source.ending(".json", ".xml") else ""
        raise ValueError(
            f"{source.root} shows no images with masks: put images into a folder images/ and masks of the same names "
            f"into masks/, or let the names of masks end with _mask.{unread}"
        )
    pairs, index = Pairs(), _Index(images)
    matched, rest = defaultdict(list), []
    for mask in masks:
        image = index.of(mask)
        matched[image].append(mask) if image else rest.append(mask)
    by_class = _by_class(images, masks)
    if len(by_class) > sum(len(own) == 1 for own in matched.values()):
        if len({name for own in by_class.values() for name in own}) > 1:
            return _classes(pairs, images, masks, by_class)
        matched = {image: list(own.values()) for image, own in by_class.items()}  # no class, but an ending like "_L"
        rest = [mask for mask in masks if not any(mask in own for own in matched.values())]
    for image in images:
        own = matched.get(image, [])
        if len(own) == 1:
            pairs.whole.append((image.path, own[0].path, image.split or own[0].split))
        else:
            why = f"{len(own)} masks fit it, {own[0].path.name} the first" if own else "no mask belongs to it"
            pairs.left_out.append((str(source.relative(image.path)), why))
    pairs.left_out += [(str(source.relative(mask.path)), "it belongs to no image") for mask in rest]
    return pairs


def _classes(pairs, images, masks, by_class):
    used = set()
    for image in images:
        own = by_class.get(image, {})
        if own:
            pairs.by_class.append((image.path, {name: mask.path for name, mask in own.items()}, image.split))
            used |= {mask.path for mask in own.values()}
        else:
            pairs.left_out.append((image.path.name, "no mask belongs to it"))
    pairs.left_out += [(mask.path.name, "it belongs to no image") for mask in masks if mask.path not in used]
    return pairs


def _named(source, path):
    relative = source.relative(path)
    role, split, place = "", None, []
    for part in relative.parts[:-1]:
        kept, part_role = [], ""
        for word in filter(None, re.split(r"[^a-z0-9]+", _JOINED.sub(r"\1_\2", part.lower()))):
            bare = word.rstrip("0123456789")
            if word in _NEITHER | _MASK | _IMAGE:
                own = "neither" if word in _NEITHER else "mask" if word in _MASK else "image"
                part_role = part_role if part_role in ("neither", "mask") else own
            elif split_word(bare):
                split = split_word(bare)
            else:
                kept.append(word)
        if part_role == "image" and kept:  # photo_7/ is an image's own folder
            part_role, kept = "", [part.lower()]
        role = role if role == "neither" else part_role or role
        if kept:
            place.append("_".join(kept))
    plain = PurePosixPath(relative.name).stem
    stem, own_role = _stem(plain)
    return _Named(path, own_role, role, split, tuple(place), stem, plain)


def _stem(name):
    """(The name without a leading or closing word that says image or mask, that role or "")."""
    led = _LED.fullmatch(name.lower())
    words = [led[1], led[2]] if led else [word for word in re.split(r"[_\-. ]+", name.lower()) if word]
    role = ""
    while len(words) > 1:
        for position in (-1, 0):
            word = words[position]
            if word in _MASK | _IMAGE | _NEITHER and not (role and position == 0):
                role = role or ("neither" if word in _NEITHER else "mask" if word in _MASK else "image")
                words.pop(position)
                break
        else:
            break
    return "_".join(words), role


def _roles(named):
    """(images, masks). A word in the name counts where files of a folder differ by it; then words of folders do."""
    by_folder = defaultdict(list)
    for each in named:
        by_folder[each.path.parent].append(each)
    images, masks, unclear = [], [], []
    for files in by_folder.values():
        roles = {each.role for each in files}
        # In masks/ a name like photo_1 says nothing, unless others there say that they are masks.
        telling = "mask" in roles and len(roles) > 1 and (files[0].folder_role != "mask" or "image" in roles)
        for each in files:
            role = each.role or each.folder_role if telling else each.folder_role or each.role
            (images if role == "image" else masks if role == "mask" else unclear).append(each)
    if not masks:
        lossless = [each for each in named if each.path.suffix.lower() in _LOSSLESS]
        photographs = [each for each in named if each.path.suffix.lower() not in _LOSSLESS]
        places = {(each.path.parent, each.plain.lower()) for each in photographs}
        if not images or any((each.path.parent, each.plain.lower()) in places for each in lossless):
            images, masks = photographs, lossless
        else:
            masks = [each for each in lossless if each in unclear]
    elif not images:
        images = unclear
    images = [each for each in images if each.path.suffix.lower() in IMAGE_ENDINGS]
    return images, [each for each in masks if each.path.suffix.lower() in MASK_ENDINGS]


class _Index:
    """Images by ever looser names; a looser one counts only where it is unique."""

    _PLACES = (lambda each: (each.split, each.place), lambda each: each.place, lambda each: ())

    def __init__(self, images):
        self._tables = [defaultdict(list) for _ in self._PLACES]
        for image in images:
            for place, table in zip(self._PLACES, self._tables, strict=True):
                for name in {image.plain.lower(), image.stem}:
                    table[place(image), name].append(image)

    def of(self, mask):
        """The image of a mask, or None."""
        for place, table in zip(self._PLACES, self._tables, strict=True):
            for name in (mask.plain.lower(), mask.stem):
                fitting = table.get((place(mask), name), ())
                if len(fitting) == 1:
                    return fitting[0]
        return None


def _by_class(images, masks):
    """{image: {class: mask}} where folder or name hold a word more than the image's: crack/a, a/crack, a_crack."""
    by_stem = defaultdict(list)
    for image in images:
        for stem in {image.stem, image.plain.lower(), image.plain}:
            by_stem[stem].append(image)
    found = defaultdict(dict)
    for mask in masks:
        pieces = mask.stem.split("_")
        ways = [(mask.stem, "_".join(mask.place[-1:])), (mask.plain, "_".join(mask.place[-1:]))]
        ways.append((mask.path.parent.name.lower(), mask.stem))
        ways += [("_".join(pieces[:i]), "_".join(pieces[i:])) for i in range(len(pieces) - 1, 0, -1)]
        for stem, name in ways:
            if name and len(by_stem.get(stem, ())) == 1:
                found[by_stem[stem][0]].setdefault(name, mask)
                break
    return dict(found)
