"""Reading and writing images and label maps. Files may be hostile: few formats, with a pixel limit."""

import io
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mosaiclib.data import png
from mosaiclib.files import replacing

IGNORE = 255  # the id of pixels that do not count, in every label map
MAXIMUM_PIXELS = 100_000_000
FORMATS = ("JPEG", "PNG")
IMPORTED_FORMATS = (*FORMATS, "TIFF", "BMP", "WEBP")  # what `mosaic data import` reads and rewrites as PNG
IMPORT = "`mosaic data import` makes ids of it"
_ORIENTATION = 0x0112
_MAY_TURN = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # what may hold an orientation
_BITS_PER_SAMPLE = 258  # tag of TIFF
_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}
# By orientation: whether rows, then columns, are reversed; 5 to 8 are transposed before.
_FLIPS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
_DARK = 64  # no value of a 16-bit image above a quarter of the range: the numbers are likely of 10, 12 or 14 bits


def read_image(path, content=None, formats=FORMATS):
    """An RGB image as uint8 [H, W, 3], upright by its EXIF orientation; of 16-bit channels the upper byte.

    content: the file's bytes, where it does not lie on this machine's disk; `path` is then what it is called.
    Raises ValueError that names a file which is missing, too large, damaged, of another format, or whose 16-bit
    values reach a quarter of their range at most.
    """
    with _open(path, content, formats) as (image, content):
        first = _checked(image, content, opencv_reads=2)
        if first and (first.depth, first.colour_type) == (8, 2) and not _MAY_TURN & image.info.keys():
            return _decoded_by_opencv(content, cv2.IMREAD_COLOR_RGB)
        depth = _depth(image, first)
        image = ImageOps.exif_transpose(_loaded(image))
        if depth <= 8:
            return np.asarray(image.convert("RGB"))
        return _upper_byte(path, image, depth)


def loaded(path, formats):
    """(A mask as a loaded `PIL.Image`, its bits a channel). Raises ValueError as `read_label` does for what is none."""
    with _open(path, None, formats) as (image, content):
        first = _checked(image, content)
        _refuse_turned(path, image)
        return _loaded(image), _depth(image, first)


def _depth(image, first):
    """Bits a channel. first: the `png.Header` of a PNG."""
    return first.depth if first else max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,)))


def _refuse_turned(path, image):
    if image.getexif().get(_ORIENTATION, 1) != 1:
        raise ValueError(f"{path} is a label map with an EXIF orientation: save it upright and without.")


def _upper_byte(path, image, depth):
    if depth > 16 or image.mode in ("I", "F"):
        raise ValueError(f"{path} has {depth} bits a channel: save it with 8.")
    pixels = np.asarray(image)
    if image.mode.startswith("I;16"):
        pixels = np.repeat((pixels >> 8).astype(np.uint8)[..., None], 3, 2)
    else:
        pixels = np.asarray(image.convert("RGB"))  # Pillow has taken the upper byte
    if pixels.max() < _DARK:
        raise ValueError(
            f"{path} has 16 bits a channel but no value above a quarter of that range: scale it to 8 bits and save it "
            "again."
        )
    return pixels


def read_label(path):
    """A label map PNG as uint8 [H, W]: the grey values as stored at any depth, or a palette's indices.

    Three equal channels and an opaque alpha channel are taken as one. Raises ValueError as `read_image` does, and
    for colours, ids above 255, and an orientation in its EXIF data.
    """
    with _open(path, None, ("PNG",)) as (image, content):
        first = _checked(image, content, opencv_reads=0)
        _refuse_turned(path, image)
        if (first.depth, first.colour_type) == (8, 0):
            return _decoded_by_opencv(content, cv2.IMREAD_GRAYSCALE)
        return _ids(path, stored_values(_loaded(image), first.depth))


def stored_values(image, depth):
    """The numbers of a loaded image as they are stored: Pillow widens grey values of 2 and 4 bits to 8."""
    pixels = np.asarray(image)
    if image.mode == "1":
        return pixels.astype(np.uint8)
    return pixels // (255 // (2**depth - 1)) if image.mode == "L" and depth < 8 else pixels


def _ids(path, pixels):
    if pixels.ndim == 3:
        colours = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
        if (colours != colours[..., :1]).any() or (pixels.shape[2] in (2, 4) and (pixels[..., -1] != 255).any()):
            raise ValueError(f"{path} is not a label map: its pixels are colours, not one id each; {IMPORT}.")
        pixels = colours[..., 0]
    if pixels.max() > 255:
        raise ValueError(f"{path} is not a label map: it holds {pixels.max()}, and ids end at 255; {IMPORT}.")
    return pixels.astype(np.uint8)


def size_and_orientation(path, formats=FORMATS):
    """((height, width) as stored, EXIF orientation 1 to 8) without decoding the pixels."""
    with _open(path, None, formats, header_only=True) as (image, _):
        turned = image.getexif().get(_ORIENTATION, 1)
        return (image.height, image.width), turned if turned in range(1, 9) else 1


def is_kept(path, formats=FORMATS):
    """The ending for an upright 8-bit JPEG or PNG, which needs no rewriting to be read; None for all else."""
    with _open(path, None, formats) as (image, content):
        first = _checked(image, content)
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        return _ENDINGS.get(image.format) if upright and _depth(image, first) <= 8 else None


def upright(label, orientation):
    """A label map [H, W] that lies as its image is stored, turned as the image is by that EXIF orientation."""
    if orientation > 4:
        label = label.T
    down, right = _FLIPS[orientation]
    return np.ascontiguousarray(label[:: -1 if down else 1, :: -1 if right else 1])


@contextmanager
def _open(path, content, formats, header_only=False):
    """(The header of an image, its file's bytes); what goes wrong within says which file it was."""
    try:
        if content is None and not header_only:
            if Path(path).stat().st_size > 8 * MAXIMUM_PIXELS:
                raise ValueError(f"{path} is larger than 800 MB.")
            content = Path(path).read_bytes()
        with Image.open(path if content is None else io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                raise ValueError(f"{path} has {image.width}x{image.height} pixels, more than the limit of 100 million.")
            yield image, content
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist.") from None
    except PermissionError:
        raise ValueError(f"{path} may not be read: ask for access, or copy it to a folder of yours.") from None
    except (OSError, SyntaxError, Image.DecompressionBombError, png.Damaged) as error:
        kinds = "PNG" if formats == ("PNG",) else "JPEG or PNG" if formats == FORMATS else "image file"
        why = "" if isinstance(error, UnidentifiedImageError) else f": {error}"  # Pillow's names an address in memory
        raise ValueError(f"{path} is not a readable {kinds}{why}.") from None


def _checked(image, content, opencv_reads=None):
    """The `png.Header` of a PNG whose checksums are right and whose rows are all there; None for other formats.

    Raises `png.Damaged`. Decoders say nothing of either where the rest can be made up. opencv_reads: the colour type
    that OpenCV will read where it is plain, and then misses no row.
    """
    if image.format != "PNG":
        return None
    first = png.header(content)
    plain = not first.interlaced and (first.depth, first.colour_type) == (8, opencv_reads)
    if not plain or _MAY_TURN & image.info.keys():
        png.check_rows(content, first)
    return first


def _loaded(image):
    image.load()
    return image


def _decoded_by_opencv(content, flag):
    """The pixels of a plain PNG, in two thirds of the time that Pillow takes to an array."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise png.Damaged("its pixel data are damaged")
    return pixels


def check_png_name(path):
    """Raises ValueError where a file of that name would not be taken for a PNG."""
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path} would hold a PNG image: let its name end with .png.")


def write_png(path, pixels):
    """Writes uint8 [H, W] or RGB [H, W, 3] as PNG, complete or not at all.

    Raises ValueError for a name with another ending, and OSError; each names the file.
    """
    check_png_name(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        # Not OpenCV's own writing, which does not say what went wrong.
        partial.write_bytes(cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1])


def colour(label, palette):
    """A label map [H, W] as RGB uint8 [H, W, 3]; ids beyond the palette are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[label]
