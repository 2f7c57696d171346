"""The operations of released and exported files, and the paper's claim that commonly supported ones suffice."""

from mosaicbook import runs
from mosaicbook.paper import statements
from mosaicbook.paper.claims import NO, NOT_TESTED, YES, Finding
from mosaiclib.data import fetch
from mosaiclib.tflite.graph import TFLiteGraph

# Operations that Android's NNAPI 1.2 has (NeuralNetworks.h), of what segmentation networks use.
COMMON = frozenset(
    {"ADD", "ARG_MAX", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
     "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "QUANTIZE", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR",
     "SOFTMAX", "SPLIT", "STRIDED_SLICE"}
)  # fmt: skip
CLAIM = "MOSAIC is made of operations that mobile hardware commonly supports (read here as: all are in NNAPI 1.2)."
SOURCE = "abstract and section 1"


def finding(profile_name) -> Finding:
    """What became of it: in the authors' released file where it is there, and in this profile's exported ones."""
    path = fetch.find(fetch.R4)
    released = {operation.kind for operation in TFLiteGraph(path).operations} if path else set()
    exported = set()
    for result in runs.finished(profile_name, "export").values():
        if "mosaic" in result["model"]:
            exported |= {kind for file in result["files"] for kind in file.get("ops") or {}}
    verdict, sentence = _judged(released, "The authors' released file is not there.", "The authors' released file")
    elsewhere, more = _judged(exported, "No file with MOSAIC's head was exported here.", "Our exported files")
    return Finding(
        CLAIM, SOURCE, verdict, sentence, statements.BUILT, number="O.1", elsewhere=elsewhere, elsewhere_sentence=more
    )


def _judged(kinds, missing, holder):
    if not kinds:
        return NOT_TESTED, missing
    odd = sorted(kinds - COMMON)
    verb = "has" if holder.endswith("file") else "have"
    sentence = f"{holder} {verb} {', '.join(sorted(kinds))}."
    return (NO, f"{sentence} Not in NNAPI 1.2: {', '.join(odd)}.") if odd else (YES, sentence)
