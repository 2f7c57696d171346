"""TFLite's standard metadata: what Android Studio, MediaPipe and other clients read of a .tflite.

A flatbuffer of its own (metadata_schema.fbs, file identifier M001) in the model's buffer TFLITE_METADATA, and a zip
behind the model that holds the label file. Only the fields that a segmenter needs are written; of foreign files only
the labels and the input's normalisation are read. Ultralytics keeps the same in a JSON file in such a zip.
"""

import io
import json
import zipfile
from dataclasses import dataclass

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

NAME = "TFLITE_METADATA"
LABELS_FILE = "labels.txt"
ULTRALYTICS_FILE = "metadata.json"
MOST_LABELS_BYTES = 1 << 20
SOFTMAX_DONE, SOFTMAX_WANTED = 0, 2  # activation of image_segmenter_metadata_schema.fbs: NONE, SOFTMAX
_IMAGE, _NORMALIZATION, _RGB, _FEATURE = 2, 1, 1, 1  # union members and enumerators of the schema
_AXIS_LABELS, _VALUE_LABELS = 2, 3


@dataclass(frozen=True)
class Byte:
    """A one-byte field: an enumerator, or the member of a union."""

    value: int


@dataclass(frozen=True)
class Unsigned:
    """A 32-bit field."""

    value: int


@dataclass(frozen=True)
class Fields:
    """A table of the schema, by the numbers of its fields: str, bytes, `Byte`, `Unsigned`, `Fields` or a list."""

    values: dict


def describe(title, text, size, labels, activation, normalised=True, mean=127.5, std=127.5) -> bytes:
    """The metadata of a segmenter whose input is one RGB image and whose output is a score a class.

    size: (height, width). labels: class names. activation: `SOFTMAX_DONE` or `SOFTMAX_WANTED`. mean, std: what a client
    subtracts from 0..255 and divides by, where the input is float32. normalised: False leaves that out, and MediaPipe
    then refuses a float file.
    """
    image = Fields({0: Byte(_RGB), 1: Fields({0: Unsigned(size[1]), 1: Unsigned(size[0])})})
    normalisation = Fields({0: Byte(_NORMALIZATION), 1: Fields({0: [float(mean)], 1: [float(std)]})})
    taken = {0: "image", 1: "an RGB image", 3: Fields({0: Byte(_IMAGE), 1: image})}
    taken |= {4: [normalisation]} if normalised else {}
    files = [Fields({0: LABELS_FILE, 1: "a class a line", 2: Byte(_AXIS_LABELS)})] if labels else []
    given = {0: "segmentation masks", 1: text, 3: Fields({0: Byte(_FEATURE), 1: Fields({})}), 6: files}
    custom = Fields({0: "SEGMENTER_METADATA", 1: _finish(Fields({0: Byte(activation)}), b"V001")})
    subgraph = Fields({2: [Fields(taken)], 3: [Fields(given)], 9: [custom]})
    return _finish(Fields({0: title, 1: text, 3: [subgraph], 7: "1.5.0"}), b"M001")


def with_labels(content, labels) -> bytes:
    """A .tflite with a zip behind it that holds the label file, a class a line."""
    packed = io.BytesIO(content)
    with zipfile.ZipFile(packed, "a") as archive:
        entry = zipfile.ZipInfo(LABELS_FILE)  # of a fixed date: the same file twice is the same bytes
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return packed.getvalue()


def _finish(fields, identifier):
    builder = flatbuffers.Builder()
    builder.Finish(_offset(builder, fields), identifier)
    return bytes(builder.Output())


def _offset(builder, value):
    """Writes a value that lies elsewhere, and its parts first; returns its offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return builder.CreateByteVector(value)
    if isinstance(value, list):
        plain = bool(value) and isinstance(value[0], float)
        parts = value if plain else [_offset(builder, part) for part in value]
        builder.StartVector(4, len(parts), 4)
        for part in reversed(parts):
            builder.PrependFloat32(part) if plain else builder.PrependUOffsetTRelative(part)
        return builder.EndVector()
    scalars = (Byte, Unsigned)
    ready = {i: v if isinstance(v, scalars) else _offset(builder, v) for i, v in value.values.items() if v != []}
    builder.StartObject(max(ready, default=-1) + 1)
    for slot, part in ready.items():
        if isinstance(part, Byte):
            builder.PrependInt8Slot(slot, part.value, 0)
        elif isinstance(part, Unsigned):
            builder.PrependUint32Slot(slot, part.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, part, 0)
    return builder.EndObject()


# === Reading foreign files ===


@dataclass(frozen=True)
class Described:
    """What standard metadata says of a segmenter. labels: class names, () for none. mean, std: of the input."""

    labels: tuple[str, ...]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


def read(path, metadata) -> Described | None:
    """The labels and the normalisation of a file. metadata: the bytes of its buffer TFLITE_METADATA, or None.

    None where a file describes itself neither so nor as Ultralytics does. Raises ValueError for metadata that cannot be
    read.
    """
    try:
        if metadata is None:
            return _ultralytics(path)
        model = Table(bytearray(metadata), flatbuffers.encode.Get(number_types.UOffsetTFlags.packer_type, metadata, 0))
        subgraph = _tables(model, 3)[0]
        units = [unit for taken in _tables(subgraph, 2)[:1] for unit in _tables(taken, 4)]
        scaling = [_table(unit, 1) for unit in units if _byte(unit, 0) == _NORMALIZATION]
        mean, std = (_floats(scaling[0], slot) for slot in (0, 1)) if scaling else (None, None)
        files = [file for given in _tables(subgraph, 3) for file in _tables(given, 6)]
        names = [_text(file, 0) for file in files if _byte(file, 2) in (_AXIS_LABELS, _VALUE_LABELS)]
        return Described(_labels(path, names[0]) if names else (), mean, std)
    except Exception as error:  # the flatbuffers reader and the zip reader fail in many ways on a damaged file
        raise ValueError(f"{path} has standard metadata that cannot be read ({type(error).__name__}).") from None


def _ultralytics(path):
    """What Ultralytics' exporter wrote: class names by number; its networks take pixels in 0..1."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if ULTRALYTICS_FILE not in archive.namelist():
            return None
    names = json.loads(_packed(path, ULTRALYTICS_FILE))["names"]
    return Described(tuple(str(names[str(number)]) for number in range(len(names))), (0.0,), (255.0,))


def _labels(path, name):
    return tuple(line.strip() for line in _packed(path, name).splitlines() if line.strip())


def _packed(path, name):
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(name).file_size > MOST_LABELS_BYTES:
            raise ValueError("a label file of more than a megabyte")
        return archive.read(name).decode("utf-8")


def _where(table, slot):
    offset = table.Offset(4 + 2 * slot)
    return offset + table.Pos if offset else None


def _table(table, slot):
    return Table(table.Bytes, table.Indirect(_where(table, slot)))


def _tables(table, slot):
    where = _where(table, slot)
    if where is None:
        return []
    start, offset = table.Vector(where - table.Pos), where - table.Pos
    return [Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(table.VectorLen(offset))]


def _byte(table, slot):
    where = _where(table, slot)
    return table.Get(number_types.Uint8Flags, where) if where else 0


def _text(table, slot):
    return table.String(_where(table, slot)).decode("utf-8")


def _floats(table, slot):
    where = _where(table, slot)
    if where is None:
        return None
    start, offset = table.Vector(where - table.Pos), where - table.Pos
    return tuple(table.Get(number_types.Float32Flags, start + 4 * i) for i in range(table.VectorLen(offset)))
