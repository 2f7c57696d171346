"""mosaiclib: the models, data and measurements of the MOSAIC workbook."""

import os
import platform

# GPU memory grows on demand, on TensorFlow and on JAX, so that several networks can share a GPU.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

if platform.machine() in ("x86_64", "AMD64"):
    # oneDNN's kernels save a fifth of a training step; TensorFlow takes them by itself on newer Intel CPUs alone. It
    # reads this when it is first imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
