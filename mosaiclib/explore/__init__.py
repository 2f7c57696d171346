"""The explorer: panels for JupyterLab over the library's own functions, each also a call of a few arguments."""

import sys

from mosaiclib import native_messages

if "ipykernel" in sys.modules:  # before TensorFlow is loaded, which would greet the reader in red
    native_messages.filter_stderr()

from mosaiclib.explore.bend import design
from mosaiclib.explore.clock import measure
from mosaiclib.explore.designs import Design
from mosaiclib.explore.ranking import compare
from mosaiclib.explore.see import segment

__all__ = ["Design", "compare", "design", "measure", "segment"]
