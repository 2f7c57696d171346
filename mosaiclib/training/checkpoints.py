"""Checkpoints: every variable of network and optimizer as a plain array, by position and path."""

import re

from keras import ops


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
