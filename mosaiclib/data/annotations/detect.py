"""Which format a source is in."""

from mosaiclib.data.annotations import coco, cvat, labelme, labelstudio, legend, masks, voc, yolo
from mosaiclib.data.annotations.form import MALFORMED, Reading
from mosaiclib.data.annotations.source import Source

# In the order in which they are tried; every source is masks at last.
FORMATS = {
    "cvat": cvat,
    "coco": coco,
    "labelme": labelme,
    "labelstudio": labelstudio,
    "voc": voc,
    "yolo": yolo,
    "masks": masks,
}


def read(path, name=None, legend_path=None, images=None) -> tuple[Source, Reading]:
    """The source at `path`, a folder or one annotation file, and its reading.

    name: a key of FORMATS; without it the format is found out. legend_path: a file of names and colours. images: a
    further folder that holds the images. Raises ValueError that says what is wrong, in one sentence.
    """
    if name is not None and name not in FORMATS:
        raise ValueError(f"There is no format '{name}': choose one of {', '.join(FORMATS)}.")
    source = Source(path, images)
    chosen = FORMATS[name] if name else next(form for form in FORMATS.values() if form.recognise(source))
    try:
        return source, chosen.read(source, legend.find(source, legend_path))
    except MALFORMED:
        raise ValueError(f"{path} is not of the form that {chosen.TITLE} has.") from None
