"""How much accuracy each way to int8 keeps: equalisation, quantisers, choices of range, numbers of calibration images.

    python benchmarks/int8_ways.py [WAY...] [--weights W] [--dataset camvid] [--split val] [--pictures 24]
        [--quantiser PYTHON] [--out FOLDER]

The ways are WAYS below; without names all are measured. Google's quantiser is not a dependency: --quantiser names the
Python of an environment that has litert-quantizer, or ai-edge-quantizer, its predecessor. All ways are compared on the
same images with Keras, whose logits [H, W, C] are the reference: mIoU, pixels of the same class, signal to noise of
the logits, and the CPU time of an image on one thread, which other processes disturb less than the clock. Prints a row
of a Markdown table when each is measured. Files that --out holds already are not made again.
"""

import argparse
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mosaiclib import evaluation, inference, models
from mosaiclib.data import datasets, images
from mosaiclib.data.batches import scale_input
from mosaiclib.data.photographs import FREE_PICTURES
from mosaiclib.export import conversion
from mosaiclib.tflite import metadata
from mosaiclib.tflite.segmenter import TFLiteSegmenter


@dataclass(frozen=True)
class Way:
    """One way to int8. equalised: channels are evened out first. pictures: for calibration, spread over the training
    split, from its `first` on; 0 for the four photographs that `mosaic export` takes where no folder is named.

    ranges: None (the converter's: the extremes of all images), 100 (each image's extremes, averaged) or
    another percentage (the values within which that much of an image's values lie, averaged). quantiser: the
    algorithm by which Google's quantiser rounds weights, or None for TensorFlow's converter.
    """

    equalised: bool = True
    pictures: int = 64
    first: int = 0
    ranges: float | None = None
    quantiser: str | None = None


WAYS = {
    "min_max": Way(equalised=False),
    "equalised": Way(),
    **{f"pictures_{count}": Way(pictures=count) for count in (1, 8, 16, 367)},
    **{f"other_pictures_{count}": Way(pictures=count, first=1) for count in (8, 16, 64)},
    **{f"within_{ranges}": Way(ranges=ranges) for ranges in (100, 99.99, 99.9)},
    "other_photographs": Way(pictures=0),
    "quantiser_min_max": Way(equalised=False, quantiser="MIN_MAX_UNIFORM_QUANT"),
    "quantiser_equalised": Way(quantiser="MIN_MAX_UNIFORM_QUANT"),
    "quantiser_mse": Way(quantiser="MSE"),
    "quantiser_octav": Way(quantiser="OCTAV"),
}

QUANTISE = """
import importlib, sys
import numpy as np
source, pictures, target, algorithm = sys.argv[1:]
for name in ("litert_quantizer", "ai_edge_quantizer"):
    try:
        quantizer, recipe = importlib.import_module(f"{name}.quantizer"), importlib.import_module(f"{name}.recipe")
        break
    except ModuleNotFoundError:
        pass
it = quantizer.Quantizer(source)
it.load_quantization_recipe(recipe.static_wi8_ai8(recipe.AlgorithmName[algorithm]))
shown = [{"image": picture[None]} for picture in np.load(pictures, mmap_mode="r")]
seen = it.calibrate({"serving_default": shown}, num_threads=1)
it.quantize(seen).export_model(target, overwrite=True)
"""


class Reference:
    """What Keras finds on the images, and how far a file is from it."""

    def __init__(self, weights, data, samples, size):
        network = models.load(weights, size, output="full_logits", batch=1)
        self.rule, self.classes, self._seen = data.rule, len(data.classes), []
        matrix = evaluation.ConfusionMatrix(self.classes)
        for sample in samples:
            image, label = data.read(sample)
            if image.shape[:2] != size:
                raise SystemExit(f"{sample.image_path} is not of {size}: only images of one size are compared.")
            logits = np.asarray(network.predict_on_batch(scale_input(image)[None]))[0]
            matrix.update(label, logits.argmax(-1).astype(np.uint8))
            self._seen.append((image, label, logits))
        self.miou = evaluation.score(matrix, data.rule).miou

    def compare(self, path):
        """{"miou", "agreement", "worst", "snr_db", "cpu_ms"} of a file with output full_logits."""
        segmenter, matrix = TFLiteSegmenter(path), evaluation.ConfusionMatrix(self.classes)
        same, signal, noise, times = [], 0.0, 0.0, []
        for image, label, logits in self._seen:
            began = time.thread_time()
            found = segmenter.output(image)
            times.append(1000 * (time.thread_time() - began))
            classes = found.argmax(-1)
            matrix.update(label, classes.astype(np.uint8))
            same.append(float((classes == logits.argmax(-1)).mean()))
            signal, noise = signal + float((logits**2).sum()), noise + float(((found - logits) ** 2).sum())
        return {
            "miou": evaluation.score(matrix, self.rule).miou,
            "agreement": np.mean(same),
            "worst": min(same),
            "snr_db": 10 * np.log10(signal / noise),
            "cpu_ms": np.median(times),
        }


def with_ranges(prepared, calibration, ranges):
    """int8 by the converter, as bytes, with ranges of activations that are ours: see `Way`."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.tools import flatbuffer_utils

    converter = conversion.converter(prepared, "int8", calibration)
    converter._experimental_calibrate_only = True
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(converter.convert()))
    content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    graph, found = model.subgraphs[0], {}
    ranged = [i for i, tensor in enumerate(graph.tensors) if _has_range(tensor) and i not in graph.inputs]
    outside = 1 - ranges / 100
    for image in calibration:
        interpreter.set_tensor(graph.inputs[0], conversion.as_quantised_input(image))
        interpreter.invoke()
        for i in ranged:
            values = interpreter.get_tensor(i)
            found.setdefault(i, []).append(np.quantile(values, (outside / 2, 1 - outside / 2), method="nearest"))
    for i, ends in found.items():
        low, high = np.mean(ends, 0)
        graph.tensors[i].quantization.min, graph.tensors[i].quantization.max = [min(0.0, low)], [max(0.0, high)]
    content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    return mlir_quantize(content, input_data_type=tf.uint8, output_data_type=tf.float32)


def _has_range(tensor):
    return tensor.quantization is not None and tensor.quantization.min is not None and len(tensor.quantization.min)


def by_quantiser(python, prepared, calibration, algorithm):
    """int8 by Google's quantiser, as bytes; its input is float32."""
    with tempfile.TemporaryDirectory() as folder:
        source, seen, target = (str(Path(folder) / name) for name in ("float32.tflite", "seen.npy", "int8.tflite"))
        content = conversion.convert(prepared, "float32")
        Path(source).write_bytes(metadata.with_signature(content, "full_logits"))
        np.save(seen, np.stack([scale_input(image) for image in calibration]))
        done = subprocess.run([python, "-c", QUANTISE, source, seen, target, algorithm], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{python} could not quantise: {done.stderr[-2000:]}")
        return Path(target).read_bytes()


def make(way, network, train, size, python):
    """The bytes of a way's file."""
    samples = train[way.first :: max(1, len(train) // max(1, way.pictures))][: way.pictures]
    calibration = [inference.letterbox(images.read_image(sample.image_path), size)[0] for sample in samples]
    calibration = calibration or [inference.letterbox(free.read(), size)[0] for free in FREE_PICTURES]
    if way.quantiser:
        prepared = conversion.folded_for_int8(network, calibration, way.equalised)
        return by_quantiser(python, prepared, calibration, way.quantiser)
    if way.ranges:
        return with_ranges(conversion.prepare(network, "int8", calibration, way.equalised), calibration, way.ranges)
    return conversion.to_tflite(network, "int8", calibration, way.equalised)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ways", nargs="*", help=", ".join(WAYS))
    parser.add_argument("--weights", default="reports/published/camvid/weights")
    parser.add_argument("--dataset", default="camvid")
    parser.add_argument("--split", default="val")
    parser.add_argument("--pictures", type=int, default=24, help="Images to compare on, spread over the split.")
    parser.add_argument("--quantiser", help="The Python of an environment with Google's quantiser.")
    parser.add_argument("--out", type=Path, help="Keep the files here, and use those that are there.")
    options = parser.parse_args()
    names = options.ways or [name for name, way in WAYS.items() if options.quantiser or not way.quantiser]
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    data = datasets.get(options.dataset)
    samples = datasets.spread(data.split(options.split), options.pictures)
    size = data.read(samples[0])[0].shape[:2]
    reference = Reference(options.weights, data, samples, size)
    network = models.load(options.weights, size, output="full_logits", batch=1)
    print(f"Keras: mIoU {100 * reference.miou:.2f} % on {len(samples)} images of {data.title}, {options.split}")
    print("| way | mIoU lost, points | same class | worst image | signal to noise | CPU time |\n" + "|---" * 6 + "|")
    for name in names:
        path = folder / f"{name}.tflite"
        if not path.is_file():
            path.write_bytes(make(WAYS[name], network, data.split("train"), size, options.quantiser))
        found = reference.compare(path)
        print(
            f"| {name} | {100 * (reference.miou - found['miou']):.2f} | {100 * found['agreement']:.2f} % | "
            f"{100 * found['worst']:.2f} % | {found['snr_db']:.1f} dB | {found['cpu_ms']:.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
