"""Reads a TFLite file as a graph of operations and plain numbers, without running it.

The file is foreign: only the flatbuffer schema's own Python reader touches it, every error in it is one
sentence, and nothing is executed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

MAXIMUM_BYTES = 1 << 30
_OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT64: np.int64,
}


@dataclass(frozen=True)
class Operation:
    """One operation: its kind (`CONV_2D`), tensor indices, and the schema's options object."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: object


class TFLiteGraph:
    """The first subgraph of a TFLite file.

    operations: in the file's order. inputs, outputs: tensor indices of the whole graph.
    Raises ValueError for a file that is not a complete TFLite flatbuffer.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.stat().st_size > MAXIMUM_BYTES:
            raise ValueError(f"{path} is larger than 1 GiB, which no network here is.")
        data = self.path.read_bytes()
        if len(data) < 16 or data[4:8] != b"TFL3":
            raise ValueError(f"{path} is not a TFLite model: it does not begin as one.")
        try:
            self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
            graph = self._model.subgraphs[0]
            self.inputs, self.outputs = tuple(graph.inputs), tuple(graph.outputs)
            self._tensors = graph.tensors
            self.operations = [self._operation(i, operator) for i, operator in enumerate(graph.operators)]
        except Exception as error:  # the schema reader fails in many ways on a damaged file
            raise ValueError(f"{path} is a damaged or truncated TFLite model ({type(error).__name__}).") from None
        self.producer = {tensor: op for op in self.operations for tensor in op.outputs}

    def _operation(self, index, operator):
        code = self._model.operatorCodes[operator.opcodeIndex]
        kind = _OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return Operation(index, kind, tuple(operator.inputs), tuple(operator.outputs), operator.builtinOptions)

    def shape(self, tensor):
        """The shape of a tensor, as a tuple."""
        shape = self._tensors[tensor].shape
        return tuple(int(side) for side in shape) if shape is not None else ()

    def signature(self, tensor):
        """The same with -1 for a side that may have any length."""
        signature = self._tensors[tensor].shapeSignature
        return self.shape(tensor) if signature is None else tuple(map(int, signature))

    def metadata(self, name):
        """The bytes of a named metadata entry, or None."""
        for entry in self._model.metadata or ():
            if entry.name == name.encode():
                return np.asarray(self._model.buffers[entry.buffer].data, np.uint8).tobytes()
        return None

    def constant(self, tensor):
        """The stored values of a tensor as float32, dequantised; None where it is computed at run time."""
        stored = self._tensors[tensor]
        data = self._model.buffers[stored.buffer].data
        if data is None or not len(data):
            return None
        try:
            values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), _DTYPES[stored.type])
            values = values.reshape(self.shape(tensor)).astype(np.float32)
        except (KeyError, ValueError):
            raise ValueError(f"{self.path}: tensor {tensor} holds data of an unexpected type or size.") from None
        quantization = stored.quantization
        if quantization is None or quantization.scale is None or not len(quantization.scale):
            return values
        along = [1] * values.ndim
        if len(quantization.scale) > 1:
            along[quantization.quantizedDimension] = len(quantization.scale)
        scale = np.reshape(np.asarray(quantization.scale, np.float32), along if values.ndim else ())
        zero = np.reshape(np.asarray(quantization.zeroPoint, np.float32), along if values.ndim else ())
        return (values - zero) * scale
