"""Why LiteRT does not run a file, in a sentence without a full stop: its own words, or what they mean."""

import re

from mosaiclib.wording import shortened

_LONGEST = 400  # characters
_DECORATION = re.compile(r"└|(ERROR|INFO|WARNING): \[[^\]]*\]|^Failed to load delegate from \S+")
_UNKNOWN = re.compile(r"Select TensorFlow op|unresolved custom op")
_NAMES = re.compile(r"Node number \d+ \(([^)]+)\)|unresolved custom op: ([\w-]+)")


def reason(error) -> str:
    """What an exception of the runtime says, or "" where it says nothing."""
    text = " ".join(_DECORATION.sub(" ", str(error)).split()).rstrip(".")
    if not _UNKNOWN.search(text):
        return shortened(text, _LONGEST)
    names = dict.fromkeys(name for found in _NAMES.findall(text) for name in found if name)
    return (
        f"it needs {', '.join(names) or 'an operation'}, which this runtime does not have: "
        "convert the model again with TFLite's built-in operations alone"
    )
