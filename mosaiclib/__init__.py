"""mosaiclib: the models, data and measurements of the MOSAIC workbook."""

import os
import platform

if platform.machine() in ("x86_64", "AMD64"):
    # oneDNN's kernels save a fifth of a training step; TensorFlow takes them by itself on newer Intel CPUs alone. It
    # reads this when it is first imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
