"""Reading and writing pictures and label maps. Files may be hostile: only JPEG and PNG, with a pixel limit."""

import io
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from mosaiclib.atomic import replacing

MAXIMUM_PIXELS = 100_000_000
_MAY_TURN = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # what may hold an orientation


def read_image(path, content=None):
    """An RGB picture as uint8 [H, W, 3], upright by its EXIF orientation.

    content: the file's bytes, where it does not lie on this machine's disk; `path` is then what it is called.
    Raises ValueError that names a file which is missing, too large, damaged or no JPEG or PNG.
    """
    with _open(path, content) as image:
        pixels = _decoded_by_opencv(path, image, "RGB", cv2.IMREAD_COLOR_RGB) if content is None else None
        return np.asarray(ImageOps.exif_transpose(_loaded(image)).convert("RGB")) if pixels is None else pixels


def read_label(path):
    """A single-channel 8-bit label map as uint8 [H, W] (palette files give their indices). Errors as above."""
    with _open(path) as image:
        if image.mode not in ("L", "P"):
            raise ValueError(
                f"{path} is not a label map: it must have one 8-bit channel, but its mode is {image.mode}."
            )
        pixels = _decoded_by_opencv(path, image, "L", cv2.IMREAD_GRAYSCALE)
        return np.asarray(_loaded(image)) if pixels is None else pixels


@contextmanager
def _open(path, content=None):
    """The header of a picture; what goes wrong within says which file it was."""
    try:
        with Image.open(path if content is None else io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                raise ValueError(f"{path} has {image.width}x{image.height} pixels, more than the limit of 100 million.")
            yield image
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist.") from None
    except PermissionError:
        raise ValueError(f"{path} may not be read: ask for access, or copy it to a folder of yours.") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable JPEG or PNG picture: {error}.") from None


def _loaded(image):
    image.load()
    return image


def _decoded_by_opencv(path, header, mode, flag):
    """The pixels of a plain PNG of that mode, in two thirds of the time that Pillow takes to an array; else None.

    OpenCV returns nothing for a damaged PNG (of a damaged JPEG it returns a part, so those are never given to it);
    Pillow then says what is wrong.
    """
    if header.format != "PNG" or header.mode != mode or _MAY_TURN & header.info.keys():
        return None
    return cv2.imread(str(path), flag | cv2.IMREAD_IGNORE_ORIENTATION)


def write_png(path, pixels):
    """Writes uint8 [H, W] or RGB [H, W, 3] as PNG, complete or not at all. Raises OSError that names the file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        # Not OpenCV's own writing, which does not say what went wrong.
        partial.write_bytes(cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1])


def colour(label, palette, ignore_colour=(0, 0, 0)):
    """A label map [H, W] as RGB uint8 [H, W, 3]; ids beyond the palette get `ignore_colour`."""
    table = np.tile(np.uint8(ignore_colour), (256, 1))
    table[: len(palette)] = palette
    return table[label]
