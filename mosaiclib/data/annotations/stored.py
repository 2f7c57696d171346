"""What an image file is beside its pixels: whether it holds several images, and whether its values are blurred."""

from PIL import Image

LOSSY = "JPEG and lossy WebP files blur the values of classes: save masks as PNG"


def refuse_several(path, formats):
    """Raises ValueError for a file with several frames or pages, of which all but the first would be lost."""
    with Image.open(path, formats=formats) as image:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a photograph and its preview
    if count > 1:
        raise ValueError(f"{path} holds {count} images: save each in a file of its own")


def is_lossy(path) -> bool:
    """Whether a file is a JPEG or a lossy WebP."""
    with open(path, "rb") as file:
        head = file.read(4096)
    return head.startswith(b"\xff\xd8") or (head[8:12] == b"WEBP" and b"VP8 " in head and b"VP8L" not in head)
