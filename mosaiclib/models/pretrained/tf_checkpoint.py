"""TensorFlow checkpoints of either generation: {name: array} from a prefix, a folder or a published archive."""

import lzma
import tarfile
import tempfile
import zlib
from pathlib import Path

from mosaiclib.wording import shortened


def arrays(path, wanted):
    """{name: array} of the variables for whose name `wanted` is true.

    path: a checkpoint's prefix, its .index file, a folder with one checkpoint, or a .tar.gz. Raises ValueError for
    what is none of these or damaged.
    """
    path = Path(path)
    if not path.name.endswith((".tar.gz", ".tgz")):
        prefix = _prefix(path, path)
        return _read(prefix, prefix, wanted)
    with tempfile.TemporaryDirectory() as folder:
        _unpack(path, folder)
        return _read(_prefix(Path(folder), path), path, wanted)


def fill(model, arrays, key_of, path, network):
    """Assigns arrays to the variables of `model` and returns their names; `key_of` says None where one keeps its own.

    Raises ValueError that names the first array that is missing or of another shape.
    """
    used = set()
    for variable in model.weights:
        name = key_of(*variable.path.split("/"))
        if name is None:
            continue
        if name not in arrays:
            raise ValueError(f"{path} lacks '{name}', which {network} needs for {variable.path}.")
        if arrays[name].shape != tuple(variable.shape):
            raise ValueError(f"{path}: '{name}' has shape {arrays[name].shape}, not {tuple(variable.shape)}.")
        variable.assign(arrays[name])
        used.add(name)
    return used


def _prefix(path, named):
    if path.is_dir():
        indices = sorted(path.rglob("*.index"))
        if len(indices) != 1:
            raise ValueError(f"{named} holds {len(indices)} checkpoints: name one by its .index file.")
        path = indices[0]
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    if not Path(f"{prefix}.index").is_file():
        raise ValueError(f"{path} is not a TensorFlow checkpoint: there is no {prefix.name}.index beside it.")
    return prefix


def _unpack(archive, folder):
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        why = "it is no .tar.gz" if "could not be opened" in str(error) else str(error).rstrip(".")
        raise ValueError(f"{archive} cannot be unpacked: {why}.") from None


def _read(prefix, named, wanted):
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if wanted(name)}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(f"{named} is a damaged checkpoint: {shortened(error, 400)}") from None
