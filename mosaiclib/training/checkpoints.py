"""Checkpoints: every variable of network and optimizer as a plain array, by position and path.

And the identity of a training: all that its checkpoint depends on, so that none is continued by another training.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
from keras import ops

from mosaiclib.models.graph import calls


def arrays(variables):
    """{key: numpy array} of Keras variables."""
    return {_key(i, v): ops.convert_to_numpy(v) for i, v in enumerate(variables)}


def _key(index, variable):
    # Optimizer variables of different layers may share a path, so the position is part of the key. Keras numbers the
    # states of random layers through a process.
    return f"{index:05d}/{re.sub(r'^seed_generator_[0-9]+', 'seed_generator', variable.path)}"


def assign(variables, values, path):
    """Sets Keras variables from what `arrays` returned. Raises ValueError that names `path` where they do not fit."""
    for index, variable in enumerate(variables):
        array = values.get(_key(index, variable))
        if array is None or array.shape != tuple(variable.shape):
            raise ValueError(f"{path} does not belong to this network: '{variable.path}' does not fit.")
        variable.assign(array)


# === Identity ===


def identity(model, batches, recipe) -> dict:
    """{what: a value that JSON keeps} of a training that has not begun: its network, weights, data, recipe and code."""
    return {
        "network": _described(model),
        "initial weights": [_projection(variable) for variable in model.weights],
        "data": _sha256([batches.state()]),
        "recipe": json.loads(json.dumps(asdict(recipe))),
        "code": _code(),
    }


def differing(one, other) -> list[str]:
    """In what two identities differ, of the keys of `identity`. Weights that differ by roundings are the same."""

    def same(key):
        if key != "initial weights":
            return one.get(key) == other.get(key)
        pairs = np.array(one.get(key)), np.array(other.get(key))
        return pairs[0].shape == pairs[1].shape and np.allclose(*pairs, rtol=1e-4, atol=1e-6)

    return [key for key in one if not same(key)]


def threads() -> int:
    """How many threads a CPU's kernels share: their number decides the order of sums, and so the last digits."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or available)


def _described(model):
    """A sha256 of a network's layers, their options and how they are joined; Keras numbers their names as it likes."""
    nodes = calls(model)
    number = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.outputs}
    texts = []
    for node in nodes:
        config = {name: value for name, value in node.operation.get_config().items() if name != "name"}
        options = json.dumps(config, sort_keys=True, default=lambda value: type(value).__name__)
        inputs = [number.get(id(tensor)) for tensor in node.input_tensors]
        texts.append(f"{type(node.operation).__name__} {options} {inputs}")
    return _sha256(texts)


def _projection(variable):
    """A number that changes with any weight, and hardly with their roundings, which are each processor's own."""
    values = ops.convert_to_numpy(variable).astype(np.float64).ravel()
    return float(values @ np.random.default_rng(values.size).standard_normal(values.size))


@cache
def _code():
    """A sha256 of the modules that a training runs."""
    root = Path(__file__).parents[1]
    files = sorted(
        path for room in ("models", "data", "training", "evaluation") for path in (root / room).rglob("*.py")
    )
    return _sha256(f"{path.relative_to(root)}\0{path.read_text(encoding='utf-8')}" for path in files)


def _sha256(texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
