"""How fast our int8 export runs beside the authors' released file and beside plain exports of the same network.

    python benchmarks/int8_export.py [--rounds 30] [--out FOLDER]

The network is R4 (m=448, f=64, D=64, 32 classes, 512x512) with the released weights, `classes` inside, run by
ai-edge-litert on one thread. A plain export is what TensorFlow's converter makes by default, int8 by its own
calibration on the same images, with tf.argmax at the end, for Keras' own argmax does not convert. There are two:
`plain` of the network as it stands, with Keras' resizes; `rewritten` of one whose resizes were replaced by
TensorFlow's. All files take turns image by image, so that a drifting machine does not favour one. Times are the
thread's own CPU time, which other processes disturb less than the clock; wall times stand beside them. Prints
ratios of medians and of minima.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from mosaiclib import inference, models
from mosaiclib.data import fetch
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.export import conversion
from mosaiclib.models.pretrained import mlperf_tflite

RELEASED = "mlperf/mosaic_r4_uint8.tflite"
SIZE = (512, 512)


def plain(network, calibration):
    """`network` (-> full-size logits) and an argmax by the converter's defaults: nothing folded, evened out or
    replaced by us."""
    import tensorflow as tf

    function = tf.function(lambda image: tf.argmax(network(image, training=False), axis=-1))
    concrete = function.get_concrete_function(tf.TensorSpec((1, *SIZE, 3), tf.float32, "image"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([conversion.as_quantised_input(image)] for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    return converter.convert()


class Timed:
    """One file under ai-edge-litert with its XNNPACK, one thread."""

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self.cpu_ms, self.wall_ms = [], []

    def __call__(self, image, counted):
        self._interpreter.set_tensor(self._input, image[None])
        cpu, wall = time.thread_time(), time.perf_counter()
        self._interpreter.invoke()
        if counted:
            self.cpu_ms.append(1e3 * (time.thread_time() - cpu))
            self.wall_ms.append(1e3 * (time.perf_counter() - wall))


def files(folder):
    """{name: path} of the four, made in `folder` where they are not there yet."""
    released = fetch.find(RELEASED)
    if released is None:
        raise SystemExit(f"{RELEASED} is not here: `mosaic data fetch mlperf` gets it.")
    paths = {name: folder / f"{name}.tflite" for name in ("plain", "rewritten", "ours")}
    if not all(path.is_file() for path in paths.values()):
        calibration = [inference.letterbox(free.read(), SIZE)[0] for free in FREE_PICTURES]
        imported, card = mlperf_tflite.read(released)

        def network(output):
            made = models.build(card.spec, SIZE, len(card.classes), output, batch=1)
            made.set_weights(imported.get_weights())
            return made

        paths["plain"].write_bytes(plain(network("full_logits"), calibration))
        rewritten = conversion.with_native_operations(network("full_logits"))
        paths["rewritten"].write_bytes(plain(rewritten, calibration))
        paths["ours"].write_bytes(conversion.to_tflite(network("classes"), "int8", calibration))
    return {"authors": released, **paths}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, help="Keep the exported files here, and use those that are there.")
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    timed = {name: Timed(path) for name, path in files(folder).items()}
    shown = [inference.letterbox(free.read(), SIZE)[0] for free in FREE_PICTURES]
    for turn in range(options.rounds + 2):
        for run in timed.values():
            run(shown[turn % len(shown)], counted=turn >= 2)
    ours = timed["ours"]
    for name, run in timed.items():
        ratios = [f"{pick(ours.cpu_ms) / pick(run.cpu_ms):.3f}" for pick in (statistics.median, min)]
        print(
            f"{name:9s} {statistics.median(run.cpu_ms):7.2f} ms CPU (least {min(run.cpu_ms):.2f}), "
            f"{np.median(run.wall_ms):7.2f} ms by the clock; ours takes {ratios[0]} of it (of the least: {ratios[1]})"
        )


if __name__ == "__main__":
    main()
