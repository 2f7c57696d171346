"""Pages that can be mailed: each below a limit, its images made smaller where it would be larger."""

import base64
import io
import re

from PIL import Image

LIMIT_BYTES = 1_500_000
NOTE = "Images on this page are smaller than in the run's notebook, so that it can be mailed."
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/=]+")
_LEFT_OUT = (
    "data:image/svg+xml;base64,"
    + base64.b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="40"><text x="4" y="25" font-size="14" '
        b'font-family="sans-serif" fill="#777">Left out here: see notebook.ipynb</text></svg>'
    ).decode()
)
_SMALLEST = 160  # pixels of the longer side, below which an image is left out


def fitted(html, limit=LIMIT_BYTES) -> str:
    """A page of at most `limit` bytes: the largest images are halved, again and again, and at last left out."""
    if len(html.encode()) <= limit:
        return html
    html = html.replace("</main>", f'<p class="caption">{NOTE}</p></main>', 1)
    pictures = set(_PICTURE.findall(html)) - {_LEFT_OUT}
    while pictures and len(html.encode()) > limit:
        largest = max(pictures, key=lambda uri: (len(uri), uri))
        smaller = _halved(largest)
        html = html.replace(largest, smaller)
        pictures.remove(largest)
        if smaller != _LEFT_OUT:
            pictures.add(smaller)
    return html


def _halved(uri):
    """An image at half its size, as a data URI of the same kind; a drawing, or one too small, is left out."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])), formats=("PNG", "JPEG")) as picture:
            size = tuple(max(1, side // 2) for side in picture.size)
            if max(size) < _SMALLEST:
                return _LEFT_OUT
            flat = picture.mode == "P" or (picture.mode != "L" and len(picture.getcolors(256) or ()) > 0)
            small = picture.resize(size, Image.Resampling.NEAREST if flat else Image.Resampling.LANCZOS)
            kind, buffer = picture.format, io.BytesIO()
            small.save(buffer, kind, **({"quality": 80} if kind == "JPEG" else {"optimize": True}))
    except (OSError, ValueError):
        return _LEFT_OUT
    found = f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return found if len(found) < len(uri) else _LEFT_OUT
