"""The explorer: panels for JupyterLab over the library's own functions, each also a call of a few arguments."""

import sys

from mosaicbook import native_messages

if "ipykernel" in sys.modules:  # before TensorFlow is loaded, which would greet the reader in red
    native_messages.filter_stderr()

from mosaicbook.explorer.compare import compare
from mosaicbook.explorer.design import design
from mosaicbook.explorer.designs import Design
from mosaicbook.explorer.measure import measure
from mosaicbook.explorer.segment import segment

__all__ = ["Design", "compare", "design", "measure", "segment"]
